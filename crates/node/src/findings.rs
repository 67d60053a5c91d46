//! What was found damaged or changed in a node's folder, one line of JSON each, so that the operator learns of it after the
//! node has gone on. Not part of what the node stores: without it nothing is lost but the memory of repairs.

use api::Finding;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

/// The file in the node's folder.
pub const FINDINGS_FILE: &str = "findings.jsonl";
/// Findings that are remembered: whoever has more has another problem, and the newest tell which.
pub const FINDINGS_MAX: usize = 1_000;

/// Adds findings; durable on return. The oldest beyond [`FINDINGS_MAX`] are forgotten.
///
/// # Errors
/// As the operating system says; the file is then as it was.
pub fn remember(folder: &Path, found: &[Finding]) -> io::Result<()> {
    if found.is_empty() {
        return Ok(());
    }
    let mut all = read(folder)?;
    // What was noticed while the node ran is now looked at in full.
    all.retain(|known| !is_open(known) || !found.iter().any(|finding| finding.place == known.place));
    all.extend_from_slice(found);
    let first = all.len().saturating_sub(FINDINGS_MAX);
    let (path, new) = (folder.join(FINDINGS_FILE), folder.join(format!("{FINDINGS_FILE}.new")));
    let mut file = File::create(&new)?;
    for finding in all.get(first..).unwrap_or_default() {
        writeln!(file, "{}", finding.to_line())?;
    }
    file.sync_all()?;
    fs::rename(new, path)?;
    File::open(folder)?.sync_all()
}

/// Whether a finding was only noticed: nothing was set aside or put right yet.
#[must_use]
pub fn is_open(finding: &Finding) -> bool {
    finding.repaired.is_none() && finding.kept_in.is_none()
}

/// All that are remembered, oldest first. A line that is none is passed over.
///
/// # Errors
/// As the operating system says; a file that does not exist is an empty one.
pub fn read(folder: &Path) -> io::Result<Vec<Finding>> {
    match fs::read_to_string(folder.join(FINDINGS_FILE)) {
        Ok(text) => Ok(text.lines().filter_map(Finding::from_line).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use units::Timestamp;

    #[test]
    fn the_newest_findings_are_remembered_and_none_is_half_a_line() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()).unwrap(), []);
        let finding = |number: u64| Finding {
            place: format!("blocks-00000000.seg at byte {number}"),
            what: "damaged".into(),
            found: None,
            expected: None,
            kept_in: Some("a copy".into()),
            noticed_ms: Timestamp::from_ms(number),
            repaired: None,
            lost: None,
        };
        let all: Vec<Finding> = (0..1_200).map(finding).collect();
        for part in all.chunks(300) {
            remember(folder.path(), part).unwrap();
        }
        assert_eq!(read(folder.path()).unwrap(), all[200..]);
        fs::write(folder.path().join(FINDINGS_FILE), "{\"place\":\n").unwrap();
        assert_eq!(read(folder.path()).unwrap(), []);
    }
}
