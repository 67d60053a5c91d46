//! What is written to the terminal. A reader who leaves early (`| head`) is no error.

use crate::key_file::KeyFile;
use ledger::SecretKey;
use serde::Serialize;
use std::fmt::Display;
use std::io::Write as _;
use std::path::Path;

/// A line of the result.
pub(super) fn say(line: impl Display) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// A line about progress, or a warning; never part of the result.
pub(super) fn note(line: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// The result as JSON.
pub(super) fn say_json(value: &impl Serialize) {
    // The types of the contract have no maps with other keys than text, the only thing that JSON refuses.
    match serde_json::to_string_pretty(value) {
        Ok(text) => say(text),
        Err(error) => note(format_args!("not shown as JSON: {error}")),
    }
}

/// The key of a file, with a warning if others may read it.
pub(super) fn warned(path: &Path, KeyFile { key, is_exposed }: KeyFile) -> SecretKey {
    if is_exposed {
        let path = path.display();
        note(format_args!("warning: others than you may read {path}; `chmod 600 {path}` ends that"));
    }
    key
}

/// Bytes in lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
