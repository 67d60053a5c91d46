//! Where a passphrase comes from: the file that `--passphrase-file` names, the variable WATTPROOF_PASSPHRASE, or the
//! person at the terminal, who types it unseen.

use super::KeyFileError;
use pkcs8::der::zeroize::Zeroizing;
use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

/// The variable.
const VARIABLE: &str = "WATTPROOF_PASSPHRASE";
/// Longest passphrase in bytes: a long sentence.
const BYTES_MAX: u64 = 1_024;

/// A passphrase; forgotten when it is dropped.
pub(crate) type Passphrase = Zeroizing<String>;

/// Where passphrases come from in this run.
#[derive(Debug, Clone, Default)]
pub(crate) struct PassphraseSource {
    /// The file, if one was named.
    pub(crate) file: Option<PathBuf>,
}

impl PassphraseSource {
    /// The passphrase that opens a key file.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn to_open(&self, key: &Path) -> Result<Passphrase, KeyFileError> {
        match self.unasked()? {
            Some(passphrase) => Ok(passphrase),
            None => ask(key, &format!("passphrase of {}: ", key.display())),
        }
    }

    /// The passphrase that a new key file is to have; a person types it twice.
    ///
    /// # Errors
    /// When there is none, or it was typed in two ways.
    pub(crate) fn for_new(&self, key: &Path) -> Result<Passphrase, KeyFileError> {
        if let Some(passphrase) = self.unasked()? {
            return Ok(passphrase);
        }
        let first = ask(key, &format!("new passphrase for {}: ", key.display()))?;
        if *ask(key, "the same again: ")? == *first { Ok(first) } else { Err(KeyFileError::PassphrasesDiffer) }
    }

    fn unasked(&self) -> Result<Option<Passphrase>, KeyFileError> {
        let found = match &self.file {
            Some(file) => Some(first_line(file)?),
            None => std::env::var(VARIABLE).ok().map(Zeroizing::new),
        };
        match found {
            Some(passphrase) if passphrase.is_empty() => Err(KeyFileError::PassphraseEmpty),
            found => Ok(found),
        }
    }
}

fn ask(key: &Path, prompt: &str) -> Result<Passphrase, KeyFileError> {
    if !std::io::stderr().is_terminal() {
        return Err(KeyFileError::NobodyToAsk(key.to_owned()));
    }
    let typed = rpassword::prompt_password(prompt).map(Zeroizing::new);
    let typed = typed.map_err(|error| KeyFileError::Io { path: PathBuf::from("the terminal"), error })?;
    if typed.is_empty() { Err(KeyFileError::PassphraseEmpty) } else { Ok(typed) }
}

fn first_line(file: &Path) -> Result<Passphrase, KeyFileError> {
    let io = |error| KeyFileError::Io { path: file.to_owned(), error };
    let mut text = Zeroizing::new(String::new());
    std::fs::File::open(file).map_err(io)?.take(BYTES_MAX).read_to_string(&mut text).map_err(io)?;
    Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
}
