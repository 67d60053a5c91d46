//! Scrubbing: while a node runs, all that it stores is read again, slowly, and each record held against its check. A disk
//! that loses bits is noticed while other nodes still have what it lost, not when a bill is disputed a year later.
//!
//! What is found is remembered as a finding. The running node gives nothing damaged out; its next start sets the damage
//! aside and fetches what was there. Derived rows are compared with the log by the audit, which is too much work to do
//! beside everything else.

use crate::record::LogName;
use crate::store::segment::{HEAD_BYTES, Head};
use crate::store::segment_name;
use api::Finding;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;

/// Bytes read in a second: a year's ledger of a house, some hundred megabytes, takes minutes, and a Raspberry Pi's card
/// has bandwidth to spare.
pub const BYTES_PER_SECOND: u64 = 1 << 20;
/// From the end of one pass to the next.
pub const PASS_EVERY: Duration = Duration::from_secs(600);
/// How often it is looked whether the node has stopped.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a record that does not check is left alone before it is read a second time: it may just be being written.
const SECOND_LOOK_AFTER: Duration = Duration::from_millis(300);

/// What runs on the thread.
pub(crate) struct Scrub {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    /// Whether the node has stopped.
    is_over: Box<dyn Fn() -> bool + Send>,
    /// Tells the node what was found.
    tell: Box<dyn Fn(Vec<Finding>) + Send>,
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
        clock: Arc<dyn Clock>,
        is_over: Box<dyn Fn() -> bool + Send>,
        tell: Box<dyn Fn(Vec<Finding>) + Send>,
    ) -> Self {
        Self { folder: folder.to_owned(), clock, is_over, tell }
    }

    /// Pass after pass, until the node stops.
    pub(crate) fn run(&self) {
        loop {
            for log in LogName::ALL {
                for number in 0.. {
                    let file = segment_name(log, number);
                    match self.segment(log, &file) {
                        Ok(true) => {}
                        Ok(false) => break,
                        Err(Left::Over) => return,
                        // Whoever writes learns of a disk that fails; the next pass reads what can be read.
                        Err(Left::Unread(error)) => tracing::debug!("{file} was not read again: {error}"),
                    }
                }
            }
            if self.rest(PASS_EVERY).is_err() {
                return;
            }
        }
    }

    /// Reads a segment record by record; `false` when there is none.
    fn segment(&self, log: LogName, name: &str) -> Result<bool, Left> {
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
                    self.found(log, name, offset);
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

    fn found(&self, log: LogName, file: &str, offset: u64) {
        let what = "a record is not what was written; the next start with peers sets it aside and fetches it again";
        let place = format!("{file} at byte {offset}");
        (self.tell)(vec![Finding::new(log.kind(), place, what.to_owned(), self.clock.now())]);
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
