//! Scrubbing: while a node runs, all that it stores is read again, slowly, and each record held against its check. A disk
//! that loses bits is noticed while other nodes still have what it lost, not when a bill is disputed a year later.
//!
//! Less often the whole ledger is computed again beside the node, at a quarter of one core: every block and signature,
//! every derived row, every attachment, and the hashes against those that the node has in memory. So a record that was
//! rewritten together with its check is found too.
//!
//! What is found is remembered as a finding and put right at once where that can be (`shell::mend`); the running
//! node gives nothing damaged out meanwhile.

use crate::audit::{self, Inspection, Manner};
use crate::clock::Clock;
use crate::core::RecoverError;
use crate::record::LogName;
use crate::shell::mend::{Found, Mender};
use crate::store::segment::{HEAD_BYTES, Head};
use crate::store::segment_name;
use crate::tables::Difference;
use api::{Finding, FindingKind};
use ledger::OneByOne;
use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use units::{Height, Timestamp};

/// Bytes read in a second: a year's ledger of a house, some hundred megabytes, takes minutes, and a Raspberry Pi's card
/// has bandwidth to spare.
pub const BYTES_PER_SECOND: u64 = 1 << 20;
/// Rests between blocks while everything is compared, as a multiple of the work: a quarter of one core.
const REST_TIMES: u32 = 3;

/// How often what is stored is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scrubbing {
    /// From the end of one pass over the records to the next.
    pub pass_every: Duration,
    /// How often a pass also computes the whole ledger again and compares.
    pub compare_every: Duration,
}

impl Default for Scrubbing {
    /// Records every ten minutes. Comparing costs a replay: every hour, and once after a start.
    fn default() -> Self {
        Self { pass_every: Duration::from_secs(600), compare_every: Duration::from_secs(3_600) }
    }
}

/// How often it is looked whether the node has stopped.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a record that does not check is left alone before it is read a second time: it may just be being written.
const SECOND_LOOK_AFTER: Duration = Duration::from_millis(300);

/// What runs on the thread.
pub(crate) struct Scrub {
    folder: PathBuf,
    scrubbing: Scrubbing,
    clock: Arc<dyn Clock>,
    /// Whether the node has stopped.
    is_over: Box<dyn Fn() -> bool + Send>,
    mender: Mender,
}

/// Why a segment is left before its end.
enum Left {
    /// The node has stopped.
    Over,
    /// It cannot be read, or it was replaced meanwhile.
    Unread(io::Error),
}

impl From<io::Error> for Left {
    fn from(error: io::Error) -> Self {
        Self::Unread(error)
    }
}

impl Scrub {
    pub(crate) fn new(
        folder: &Path,
        scrubbing: Scrubbing,
        clock: Arc<dyn Clock>,
        is_over: Box<dyn Fn() -> bool + Send>,
        mender: Mender,
    ) -> Self {
        Self { folder: folder.to_owned(), scrubbing, clock, is_over, mender }
    }

    /// Pass after pass, until the node stops.
    pub(crate) fn run(&self) {
        let mut compared: Option<Instant> = None;
        loop {
            let is_due = compared.is_none_or(|compared| compared.elapsed() >= self.scrubbing.compare_every);
            if self.pass(is_due).is_err() {
                return;
            }
            compared = if is_due { Some(Instant::now()) } else { compared };
            if self.rest(self.scrubbing.pass_every).is_err() {
                return;
            }
        }
    }

    fn pass(&self, compares: bool) -> Result<(), Left> {
        let damaged = self.records()?;
        let mut found = if compares || !damaged.is_empty() { self.compare()? } else { Found::default() };
        found.is_damaged |= !damaged.is_empty();
        // One change is told once, by its place in the file.
        if damaged.iter().any(|finding| finding.kind == FindingKind::Attachment) {
            found.noticed.retain(|finding| finding.kind != FindingKind::Attachment);
        }
        found.noticed.extend(damaged);
        if !found.is_nothing() {
            self.mender.mend(found);
        }
        Ok(())
    }

    /// Reads every record of every log; gives those that are not whole.
    fn records(&self) -> Result<Vec<Finding>, Left> {
        let mut damaged = Vec::new();
        for log in LogName::ALL {
            for number in 0.. {
                let file = segment_name(log, number);
                match self.segment(log, &file, &mut damaged) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(Left::Over) => return Err(Left::Over),
                    // Whoever writes learns of a disk that fails; the next pass reads what can be read.
                    Err(Left::Unread(error)) => tracing::debug!("{file} was not read again: {error}"),
                }
            }
        }
        Ok(damaged)
    }

    /// Reads a segment record by record; `false` when there is none.
    fn segment(&self, log: LogName, name: &str, damaged: &mut Vec<Finding>) -> Result<bool, Left> {
        let mut file = match File::open(self.folder.join(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let mut offset = 0;
        loop {
            match look(&mut file, offset)? {
                Look::End => return Ok(offset > 0),
                Look::Whole(bytes) => {
                    offset += bytes;
                    self.rest(Duration::from_millis(bytes.saturating_mul(1_000) / BYTES_PER_SECOND))?;
                }
                Look::Broken(next) => {
                    self.rest(SECOND_LOOK_AFTER)?;
                    if !matches!(look(&mut file, offset)?, Look::Broken(_)) {
                        continue;
                    }
                    damaged.push(self.damaged(log, name, offset));
                    match next {
                        Some(bytes) => offset += bytes,
                        // Without its head there is no telling where the next record begins.
                        None => return Ok(true),
                    }
                }
            }
        }
    }

    /// Waits, unless the node stops.
    fn rest(&self, span: Duration) -> Result<(), Left> {
        let mut left = span;
        loop {
            if (self.is_over)() {
                return Err(Left::Over);
            }
            let step = left.min(LOOK_EVERY);
            std::thread::sleep(step);
            left = left.saturating_sub(step);
            if left.is_zero() {
                return Ok(());
            }
        }
    }

    /// A record that is not whole.
    fn damaged(&self, log: LogName, file: &str, offset: u64) -> Finding {
        let what = "a record is not what was written; it is put right as soon as another node answers that has it";
        Finding::new(log.kind(), format!("{file} at byte {offset}"), what.to_owned(), self.clock.now())
    }

    /// Compares everything with what the blocks give and with what the node knows; `Some` of what is wrong.
    fn compare(&self) -> Result<Found, Left> {
        let found = self.compare_once()?;
        if found.is_nothing() {
            return Ok(found);
        }
        // A node that runs may just have been changing what was read.
        self.rest(SECOND_LOOK_AFTER)?;
        self.compare_once()
    }

    fn compare_once(&self) -> Result<Found, Left> {
        let before = self.mender.height();
        let since = Cell::new(Instant::now());
        let goes_on = || {
            let rest = since.get().elapsed().saturating_mul(REST_TIMES);
            let goes_on = self.rest(rest).is_ok();
            since.set(Instant::now());
            goes_on
        };
        let manner = Manner { jobs: &OneByOne, goes_on: &goes_on };
        match audit::inspect(&self.folder, &manner) {
            Ok(Some(inspection)) => Ok(self.found(inspection, before)),
            Ok(None) => Err(Left::Over),
            // Whatever stops an audit altogether is damage that reading the records finds.
            Err(error) => {
                tracing::debug!("what is stored was not compared: {error}");
                Ok(Found::default())
            }
        }
    }

    fn found(&self, inspection: Inspection, before: Option<Height>) -> Found {
        let now = self.clock.now();
        let Inspection { report, corrections, rows_up_to, hashes } = inspection;
        let mut found = Found { suspects: report.suspects(), ..Found::default() };
        // What rows ought to be is known only where the blocks check.
        let is_chain =
            |finding: &audit::Finding| matches!(finding, audit::Finding::Store(_) | audit::Finding::Chain(_));
        let has_rows = !report.findings.iter().any(is_chain);
        for finding in &report.findings {
            match finding {
                audit::Finding::Row(_) | audit::Finding::Tables(_) if !has_rows => {}
                audit::Finding::Store(_) => found.is_damaged = true,
                audit::Finding::Chain(error) => found.noticed.push(of_chain(error, now)),
                audit::Finding::Row(difference) => found.noticed.push(finding_of_row(difference, now)),
                audit::Finding::Tables(reason) => {
                    found.rebuild_rows = true;
                    found.noticed.push(Finding::new(FindingKind::Row, "tables.sqlite".to_owned(), reason.clone(), now));
                }
                audit::Finding::Attachment { statement, reason } => {
                    let place = format!("attachment of statement {statement}");
                    found.noticed.push(Finding::new(FindingKind::Attachment, place, reason.clone(), now));
                }
                // The node looks for what it lacks by itself.
                audit::Finding::AttachmentMissing(_) => {}
            }
        }
        let is_whole = found.suspects.heights.is_empty() && !found.is_damaged;
        if let Some(first) = is_whole.then(|| self.mender.first_differing(hashes, before)).flatten() {
            found.suspects.heights.extend((first.number()..=report.height.number()).map(Height::from_number));
            found.is_damaged = true;
            let what = "the stored chain is not the one that this node has checked: blocks were put back or rewritten";
            let finding = Finding::new(FindingKind::Block, format!("block {first}"), what.to_owned(), now);
            found.noticed.push(Finding { height: Some(first), ..finding });
        }
        found.rows = rows_up_to
            .filter(|_| has_rows && !corrections.is_empty())
            .map(|(height, hash)| (height, hash, corrections));
        found
    }
}

fn of_chain(error: &RecoverError, now: Timestamp) -> Finding {
    let height = match error {
        RecoverError::Block { height, .. } | RecoverError::RolledBack { height, .. } => Some(*height),
        _ => None,
    };
    let place = height.map_or_else(|| "the chain".to_owned(), |height| format!("block {height}"));
    Finding { height, ..Finding::new(FindingKind::Block, place, error.to_string(), now) }
}

/// A computed value that was changed.
pub(crate) fn finding_of_row(difference: &Difference, now: Timestamp) -> Finding {
    let Difference { table, row, column, stored, right } = difference;
    let column_words = column.as_ref().map(|column| format!(", column {column}")).unwrap_or_default();
    let place = format!("table {table}, row {row}{column_words}");
    Finding {
        field: column.clone(),
        found: stored.clone(),
        expected: right.clone(),
        ..Finding::new(FindingKind::Row, place, difference.to_string(), now)
    }
}

/// What stands at a place of a segment.
enum Look {
    /// A whole record of so many bytes.
    Whole(u64),
    /// None, and where the next begins if the head says so.
    Broken(Option<u64>),
    /// Nothing, or the beginning of something that is being written.
    End,
}

fn look(file: &mut File, offset: u64) -> io::Result<Look> {
    let left = file.metadata()?.len().saturating_sub(offset);
    if left < HEAD_BYTES as u64 {
        return Ok(Look::End);
    }
    file.seek(SeekFrom::Start(offset))?;
    let mut head = [0; HEAD_BYTES];
    file.read_exact(&mut head)?;
    let Ok(head) = Head::read(&head) else { return Ok(Look::Broken(None)) };
    let bytes = (HEAD_BYTES + head.length) as u64;
    if bytes > left {
        return Ok(Look::End);
    }
    let mut payload = vec![0; head.length];
    file.read_exact(&mut payload)?;
    Ok(if head.fits(&payload) { Look::Whole(bytes) } else { Look::Broken(Some(bytes)) })
}
