//! What was found damaged or changed in a node's folder, one line of JSON each, so that the operator learns of it after the
//! node has gone on. Not part of what the node stores: without it nothing is lost but the memory of repairs.

use api::{Finding, FindingsStatus, FindingsView};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

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
    add(&mut all, found);
    write(folder, &all)
}

/// Adds to what is remembered. What was only noticed before, at the same place, is now told in full.
fn add(all: &mut Vec<Finding>, found: &[Finding]) {
    for finding in found {
        let known = all.iter().position(|known| known.is_open() && known.place == finding.place);
        let first_noticed = known.map(|known| all.remove(known).noticed_ms);
        all.push(Finding { noticed_ms: first_noticed.unwrap_or(finding.noticed_ms), ..finding.clone() });
    }
    all.drain(..all.len().saturating_sub(FINDINGS_MAX));
}

fn write(folder: &Path, all: &[Finding]) -> io::Result<()> {
    let (path, new) = (folder.join(FINDINGS_FILE), folder.join(format!("{FINDINGS_FILE}.new")));
    let mut file = File::create(&new)?;
    for finding in all {
        writeln!(file, "{}", finding.to_line())?;
    }
    file.sync_all()?;
    fs::rename(new, path)?;
    File::open(folder)?.sync_all()
}

/// The findings of a node that runs.
#[derive(Debug)]
pub(crate) struct Findings {
    folder: PathBuf,
    all: Vec<Finding>,
}

impl Findings {
    /// Those that a folder remembers; none where they cannot be read.
    pub(crate) fn of(folder: &Path) -> Self {
        let all = read(folder).unwrap_or_else(|error| {
            tracing::warn!("{FINDINGS_FILE} cannot be read ({error}); what was found before is not shown");
            Vec::new()
        });
        Self { folder: folder.to_owned(), all }
    }

    /// Adds those that tell something new; whether there were any. A disk that takes no note of them is told of, and
    /// they are remembered until the node stops.
    pub(crate) fn add(&mut self, found: &[Finding]) -> bool {
        let is_known = |finding: &&Finding| {
            let same = |known: &Finding| known.place == finding.place && known.is_open();
            finding.is_open() && self.all.iter().any(same)
        };
        let new: Vec<Finding> = found.iter().filter(|finding| !is_known(finding)).cloned().collect();
        if new.is_empty() {
            return false;
        }
        for finding in &new {
            tracing::error!("{}: {}", finding.place, finding.what);
        }
        add(&mut self.all, &new);
        if let Err(error) = write(&self.folder, &self.all) {
            tracing::error!("what was found cannot be written down: {error}");
        }
        true
    }

    /// Forgets what was noticed before it was looked at in full; what is told instead was noticed when that was.
    pub(crate) fn add_instead(&mut self, noticed: &[Finding], found: &[Finding]) -> bool {
        let is_noticed =
            |known: &Finding| known.is_open() && noticed.iter().any(|noticed| noticed.place == known.place);
        let of_kind = |finding: &Finding| {
            let same = self.all.iter().filter(|known| known.kind == finding.kind && is_noticed(known));
            same.map(|known| known.noticed_ms).min().unwrap_or(finding.noticed_ms)
        };
        let found: Vec<Finding> =
            found.iter().map(|finding| Finding { noticed_ms: of_kind(finding), ..finding.clone() }).collect();
        self.all.retain(|known| !(is_noticed(known) && found.iter().any(|finding| finding.kind == known.kind)));
        self.add(&found)
    }

    /// How many there are.
    pub(crate) fn status(&self) -> FindingsStatus {
        let natural = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let open = self.all.iter().filter(|finding| finding.is_open()).count();
        FindingsStatus { count: natural(self.all.len()), open: natural(open) }
    }

    /// The newest.
    pub(crate) fn newest(&self, limit: usize) -> FindingsView {
        let FindingsStatus { count, open } = self.status();
        FindingsView { count, open, findings: self.all.iter().rev().take(limit).cloned().collect() }
    }
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
    use api::{FindingKind, Repaired};
    use units::Timestamp;

    fn noticed(place: &str, time_ms: u64) -> Finding {
        Finding::new(FindingKind::Block, place.to_owned(), "damaged".into(), Timestamp::from_ms(time_ms))
    }

    #[test]
    fn what_was_noticed_is_told_once_and_then_what_became_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut findings = Findings::of(folder.path());
        let status = |findings: &Findings| (findings.status().count, findings.status().open);
        assert!(findings.add(&[noticed("a", 1), noticed("b", 1)]));
        assert!(!findings.add(&[noticed("a", 2)]), "known already");
        assert_eq!(status(&findings), (2, 2));
        let repaired = Some(Repaired { time_ms: Timestamp::from_ms(3), from: "a peer".into() });
        assert!(findings.add(&[Finding { repaired, ..noticed("a", 3) }]));
        assert_eq!(status(&findings), (2, 1));
        assert_eq!(findings.newest(1).findings[0].noticed_ms, Timestamp::from_ms(1), "when it was noticed first");
        assert!(findings.add(&[noticed("a", 4)]), "changed once more");
        assert_eq!(status(&findings), (3, 2));
        assert_eq!(read(folder.path()).unwrap().len(), 3);
    }

    #[test]
    fn the_newest_findings_are_remembered_and_none_is_half_a_line() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()).unwrap(), []);
        let finding = |number: u64| Finding {
            kept_in: Some("a copy".into()),
            ..noticed(&format!("blocks-00000000.seg at byte {number}"), number)
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
