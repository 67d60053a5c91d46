//! The store: logs of records in segment files (`blocks-00000000.seg`, ...), each record with its own check.
//!
//! Invariant: what was synced is read back exactly or reported with file and offset. An interrupted write at the very end
//! of a log is cut off when the store is opened; damage anywhere else is an error.

mod disk;
pub(crate) mod segment;

pub use disk::{Disk, Folder, FolderError};

use crate::record::{LogName, Record, RecordError};
use ledger::{Block, Header};
use segment::{Broken, HEAD_BYTES, Head};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use units::StatementId;

/// A segment is followed by the next once it is this large: small enough to copy, few enough to list.
pub const SEGMENT_BYTES_MAX: u64 = 64 << 20;

/// Why the store fails.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refuses.
    #[error("{file}: {error}")]
    Io {
        /// Which file.
        file: String,
        /// What it says.
        error: io::Error,
    },
    /// Nothing is known about what is on the disk any more.
    #[error("{file} could not be synced ({error}); what was written last may be lost, so the node stops")]
    Sync {
        /// Which file.
        file: String,
        /// What the operating system says.
        error: io::Error,
    },
    /// Something that was whole once is not any more.
    #[error("{file} is damaged at byte {offset}; put the file back from a copy, or fetch the ledger again from a peer")]
    Damaged {
        /// Which file.
        file: String,
        /// Where the damaged record begins.
        offset: u64,
    },
    /// A record of another version.
    #[error("{file} at byte {offset}: {error}")]
    Record {
        /// Which file.
        file: String,
        /// Where.
        offset: u64,
        /// What is wrong.
        error: RecordError,
    },
    /// Not a ledger.
    #[error(
        "this folder holds no ledger (there is no {}); make one with `wattproof init`",
        segment_name(LogName::Blocks, 0)
    )]
    NotALedger,
    /// Already a ledger.
    #[error("this folder holds a ledger already")]
    AlreadyALedger,
    /// A record larger than a segment takes.
    #[error("a record is too large for the store")]
    TooLarge,
}

/// Where a record lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    log: LogName,
    segment: u32,
    offset: u64,
}

/// A log's files as they stand.
#[derive(Debug, Clone, Copy, Default)]
struct Tail {
    segment: u32,
    size: u64,
}

/// The logs of one node.
pub struct Store {
    disk: Box<dyn Disk>,
    tails: BTreeMap<LogName, Tail>,
    unsynced: BTreeSet<LogName>,
    /// Place of each block of the present chain, by height - 1.
    blocks: Vec<Location>,
    attachments: BTreeMap<StatementId, Location>,
    warnings: Vec<String>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("blocks", &self.blocks.len()).finish_non_exhaustive()
    }
}

pub(crate) fn segment_name(log: LogName, number: u32) -> String {
    format!("{}-{number:08}.seg", log.name())
}

impl Store {
    /// Begins a store with its genesis document; durable on return.
    ///
    /// # Errors
    /// When there is one already, or the disk fails.
    pub fn create(disk: Box<dyn Disk>, genesis: &[u8]) -> Result<Self, StoreError> {
        let mut store = Self::bare(disk);
        if store.size(&segment_name(LogName::Blocks, 0))? > 0 {
            return Err(StoreError::AlreadyALedger);
        }
        store.append(&Record::Genesis(genesis.to_vec()))?;
        store.sync()?;
        Ok(store)
    }

    /// Opens a store. Torn tails are cut off, with a warning; blocks and the other small logs are read by
    /// [`Store::replay`].
    ///
    /// # Errors
    /// When the folder holds no ledger, a file is damaged, or the disk fails.
    pub fn open(disk: Box<dyn Disk>) -> Result<Self, StoreError> {
        Self::open_with(disk, true)
    }

    /// Opens a store without changing it: a torn tail is left alone, with a warning, and not read.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_for_reading(disk: Box<dyn Disk>) -> Result<Self, StoreError> {
        Self::open_with(disk, false)
    }

    fn open_with(disk: Box<dyn Disk>, cut: bool) -> Result<Self, StoreError> {
        let mut store = Self::bare(disk);
        if store.size(&segment_name(LogName::Blocks, 0))? == 0 {
            return Err(StoreError::NotALedger);
        }
        for log in LogName::ALL {
            store.open_log(log, cut)?;
        }
        if cut {
            // A killed node may have left records that were written but not synced. They are built upon from now on, so
            // a power cut must not take them any more.
            store.unsynced = store.tails.iter().filter(|(_, tail)| tail.size > 0).map(|(log, _)| *log).collect();
            store.sync()?;
        }
        Ok(store)
    }

    /// What the store is kept on, for a repair; [`Store::reopen`] follows.
    pub fn disk(&mut self) -> &mut dyn Disk {
        self.disk.as_mut()
    }

    /// Finds its records anew, after the files were repaired.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn reopen(&mut self) -> Result<(), StoreError> {
        self.tails = LogName::ALL.map(|log| (log, Tail::default())).into();
        self.blocks.clear();
        self.attachments.clear();
        self.unsynced.clear();
        LogName::ALL.into_iter().try_for_each(|log| self.open_log(log, true))
    }

    fn bare(disk: Box<dyn Disk>) -> Self {
        let tails = LogName::ALL.map(|log| (log, Tail::default())).into();
        Self {
            disk,
            tails,
            unsynced: BTreeSet::new(),
            blocks: Vec::new(),
            attachments: BTreeMap::new(),
            warnings: Vec::new(),
        }
    }

    fn size(&mut self, file: &str) -> Result<u64, StoreError> {
        self.disk.size(file).map_err(|error| StoreError::Io { file: file.to_owned(), error })
    }

    fn read(&mut self, file: &str, offset: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        self.disk.read(file, offset, length).map_err(|error| StoreError::Io { file: file.to_owned(), error })
    }

    /// Finds the end of a log and the places of its records.
    fn open_log(&mut self, log: LogName, cut: bool) -> Result<(), StoreError> {
        let mut number = 0;
        loop {
            let file = segment_name(log, number);
            let size = self.size(&file)?;
            let is_last = self.size(&segment_name(log, number + 1))? == 0;
            let mut end = self.skim(log, number, size, is_last)?;
            if end < size && cut {
                let torn = size - end;
                self.warnings.push(format!("{file}: an interrupted write of {torn} bytes at byte {end} was cut off"));
                self.disk.truncate(&file, end).map_err(|error| StoreError::Io { file: file.clone(), error })?;
                if log == LogName::Anchors {
                    end += self.repeat_last(&file, end)?;
                }
            } else if end < size && self.size(&file)? == size {
                // A file that has grown meanwhile is being written by a node that runs.
                let broken = size - end;
                self.warnings.push(format!(
                    "{file}: the last {broken} bytes, from byte {end} on, are no whole record; a byte was changed, or a \
                     write was interrupted, and then the next start cuts them off"
                ));
            }
            if is_last {
                self.tails.insert(log, Tail { segment: number, size: end });
                return Ok(());
            }
            number += 1;
        }
    }

    /// Writes the last record of a file that ends at `end` once more if it stands there once only: what was cut off was its
    /// second copy. Gives the bytes written.
    fn repeat_last(&mut self, file: &str, end: u64) -> Result<u64, StoreError> {
        let (mut last, mut before, mut offset) = (Vec::new(), Vec::new(), 0);
        while offset < end {
            let head = Head::read(&self.read(file, offset, HEAD_BYTES)?);
            let head = head.map_err(|_| StoreError::Damaged { file: file.to_owned(), offset })?;
            before = std::mem::replace(&mut last, self.read(file, offset, HEAD_BYTES + head.length)?);
            offset += record_bytes(head.length);
        }
        if last == before {
            return Ok(0);
        }
        self.disk.append(file, &last).map_err(|error| StoreError::Io { file: file.to_owned(), error })?;
        u64::try_from(last.len()).map_err(|_| StoreError::TooLarge)
    }

    /// Walks over a segment's records; gives the end of the last whole one.
    fn skim(&mut self, log: LogName, number: u32, size: u64, is_last: bool) -> Result<u64, StoreError> {
        let file = segment_name(log, number);
        let (mut offset, mut last) = (0, None);
        while offset < size {
            match self.skim_record(log, &file, offset, size)? {
                Ok((head, beginning)) => {
                    last = Some(offset);
                    self.index(head.kind, &beginning, Location { log, segment: number, offset });
                    offset += record_bytes(head.length);
                }
                Err(_) if is_last && !self.record_follows(&file, offset, size)? => break,
                Err(_) => return Err(StoreError::Damaged { file, offset }),
            }
        }
        let torn = if offset < size { last } else { None };
        let torn = torn.map(|offset| Location { log, segment: number, offset });
        match torn.filter(|_| log == LogName::Attachments) {
            Some(before) => self.end_before_torn(before, offset),
            None => Ok(offset),
        }
    }

    /// Notes where a record lies, and what it says about others; `beginning` is at least the first 32 bytes of its payload.
    fn index(&mut self, kind: u8, beginning: &[u8], location: Location) {
        match kind {
            Record::BLOCK_KIND => self.blocks.push(location),
            Record::REWOUND_KIND => {
                let height = beginning.first_chunk().map_or(u64::MAX, |height| u64::from_be_bytes(*height));
                self.blocks.truncate(usize::try_from(height).unwrap_or(usize::MAX));
            }
            Record::ATTACHMENT_KIND => {
                let id = beginning.first_chunk().map(|id| StatementId::from_bytes(*id));
                self.attachments.extend(id.map(|id| (id, location)));
            }
            _ => {}
        }
    }

    /// The interrupted write may have begun in the attachment before the first head that is broken: a file system that
    /// writes sizes before contents leaves zeros from there on.
    fn end_before_torn(&mut self, before: Location, end: u64) -> Result<u64, StoreError> {
        match self.payload(before) {
            Ok(_) => Ok(end),
            Err(StoreError::Damaged { offset, .. }) => {
                self.attachments.retain(|_, location| *location != before);
                Ok(offset)
            }
            Err(error) => Err(error),
        }
    }

    /// One record, with its payload or the beginning of it. The payloads of attachments are not read, unless it is the last one, which an interrupted write may
    /// have left in shape but not in content; each is checked when it is used.
    fn skim_record(
        &mut self,
        log: LogName,
        file: &str,
        offset: u64,
        size: u64,
    ) -> Result<Result<(Head, Vec<u8>), Broken>, StoreError> {
        let left = size - offset;
        let head_length = usize::try_from(left.min(HEAD_BYTES as u64)).unwrap_or(HEAD_BYTES);
        let head = match Head::read(&self.read(file, offset, head_length)?) {
            Ok(head) if record_bytes(head.length) <= left => head,
            Ok(_) => return Ok(Err(Broken::Cut)),
            Err(broken) => return Ok(Err(broken)),
        };
        let is_last = record_bytes(head.length) == left;
        if log == LogName::Attachments && !is_last {
            let id = self.read(file, offset + HEAD_BYTES as u64, head.length.min(32))?;
            return Ok(Ok((head, id)));
        }
        let payload = self.read(file, offset + HEAD_BYTES as u64, head.length)?;
        if !head.fits(&payload) {
            return Ok(Err(Broken::Changed));
        }
        Ok(Ok((head, payload)))
    }

    fn record_follows(&mut self, file: &str, offset: u64, size: u64) -> Result<bool, StoreError> {
        let length = usize::try_from(size - offset).map_err(|_| StoreError::TooLarge)?;
        let rest = self.read(file, offset, length)?;
        Ok(segment::any_record_in(rest.get(1..).unwrap_or_default()))
    }

    /// What was repaired on opening, in words.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whether an attachment is stored.
    #[must_use]
    pub fn has_attachment(&self, statement: &StatementId) -> bool {
        self.attachments.contains_key(statement)
    }

    /// Number of blocks of the present chain, genesis not counted.
    #[must_use]
    pub const fn block_count(&self) -> usize {
        self.blocks.len()
    }

    /// The genesis document's bytes.
    ///
    /// # Errors
    /// When the disk fails or the record is damaged.
    pub fn genesis(&mut self) -> Result<Vec<u8>, StoreError> {
        self.payload(Location { log: LogName::Blocks, segment: 0, offset: 0 })
    }

    /// Wire form of a block of the present chain; `None` above its end and for genesis.
    ///
    /// # Errors
    /// When the disk fails or the record is damaged.
    pub fn block(&mut self, height: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let index = height.checked_sub(1).and_then(|index| usize::try_from(index).ok());
        let Some(location) = index.and_then(|index| self.blocks.get(index)).copied() else { return Ok(None) };
        self.payload(location).map(Some)
    }

    /// Header of a block of the present chain, read without the rest of the block and so without its check: whoever uses
    /// it compares its hash. `None` above the chain's end, for genesis, and where no header stands.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn header(&mut self, height: u64) -> Result<Option<Header>, StoreError> {
        let index = height.checked_sub(1).and_then(|index| usize::try_from(index).ok());
        let Some(location) = index.and_then(|index| self.blocks.get(index)).copied() else { return Ok(None) };
        let offset = location.offset + (HEAD_BYTES + Block::HEADER_OFFSET) as u64;
        let bytes = self.read(&segment_name(location.log, location.segment), offset, Header::BYTES)?;
        Ok(<&[u8; Header::BYTES]>::try_from(bytes.as_slice()).ok().map(Header::from_bytes))
    }

    /// A statement's attachment.
    ///
    /// # Errors
    /// When the disk fails or the record is damaged.
    pub fn attachment(&mut self, statement: &StatementId) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(location) = self.attachments.get(statement).copied() else { return Ok(None) };
        let payload = self.payload(location)?;
        Ok(payload.get(32..).map(<[u8]>::to_vec))
    }

    fn payload(&mut self, location: Location) -> Result<Vec<u8>, StoreError> {
        let Location { log, segment, offset } = location;
        let file = segment_name(log, segment);
        let damaged = || StoreError::Damaged { file: segment_name(log, segment), offset };
        let head = Head::read(&self.read(&file, offset, HEAD_BYTES)?).map_err(|_| damaged())?;
        let payload = self.read(&file, offset + HEAD_BYTES as u64, head.length)?;
        if head.fits(&payload) { Ok(payload) } else { Err(damaged()) }
    }

    /// Reads all records of a log in order, blocks that were abandoned and the marks that say so included.
    ///
    /// # Errors
    /// When the disk fails, a record is damaged, or `visit` says so.
    pub fn replay<E: From<StoreError>>(
        &mut self,
        log: LogName,
        mut visit: impl FnMut(Record) -> Result<(), E>,
    ) -> Result<(), E> {
        let tail = self.tails.get(&log).copied().unwrap_or_default();
        for segment in 0..=tail.segment {
            let file = segment_name(log, segment);
            let size = if segment == tail.segment { tail.size } else { self.size(&file)? };
            let mut offset = 0;
            while offset < size {
                let head = Head::read(&self.read(&file, offset, HEAD_BYTES)?)
                    .map_err(|_| StoreError::Damaged { file: file.clone(), offset })?;
                let payload = self.payload(Location { log, segment, offset })?;
                let record = Record::read(head.kind, &payload).map_err(|error| StoreError::Record {
                    file: file.clone(),
                    offset,
                    error,
                })?;
                visit(record)?;
                offset += record_bytes(head.length);
            }
        }
        Ok(())
    }

    /// Appends a record; durable after the next [`Store::sync`]. What it builds upon ([`Record::builds_upon`]) is made
    /// durable first.
    ///
    /// # Errors
    /// When the disk is full or fails; the store is then as it was. [`StoreError::Sync`] is fatal.
    pub fn append(&mut self, record: &Record) -> Result<(), StoreError> {
        let log = record.log();
        if let Some(before) = record.builds_upon().filter(|before| self.unsynced.contains(before)) {
            self.sync_log(before)?;
        }
        let payload = record.payload();
        let framed = framed(record).ok_or(StoreError::TooLarge)?;
        let mut tail = self.tails.get(&log).copied().unwrap_or_default();
        if tail.size >= SEGMENT_BYTES_MAX {
            // The next segment is opened as the last one, so this one must be whole before it exists.
            self.sync_log(log)?;
            tail = Tail { segment: tail.segment + 1, size: 0 };
        }
        let file = segment_name(log, tail.segment);
        if let Err(error) = self.disk.append(&file, &framed) {
            // If even that fails, the torn tail is cut off on the next start.
            drop(self.disk.truncate(&file, tail.size));
            return Err(StoreError::Io { file, error });
        }
        self.index(record.kind(), &payload, Location { log, segment: tail.segment, offset: tail.size });
        tail.size += u64::try_from(framed.len()).map_err(|_| StoreError::TooLarge)?;
        self.tails.insert(log, tail);
        self.unsynced.insert(log);
        Ok(())
    }

    /// Makes everything appended durable.
    ///
    /// # Errors
    /// [`StoreError::Sync`], after which the node must stop.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        for log in self.unsynced.clone() {
            self.sync_log(log)?;
        }
        Ok(())
    }

    fn sync_log(&mut self, log: LogName) -> Result<(), StoreError> {
        let file = segment_name(log, self.tails.get(&log).copied().unwrap_or_default().segment);
        self.disk.sync(&file).map_err(|error| StoreError::Sync { file, error })?;
        self.unsynced.remove(&log);
        Ok(())
    }

    /// Bytes that a log takes, earlier segments counted as full.
    #[must_use]
    pub fn log_bytes(&self, log: LogName) -> u64 {
        let tail = self.tails.get(&log).copied().unwrap_or_default();
        u64::from(tail.segment) * SEGMENT_BYTES_MAX + tail.size
    }

    /// Writes a log of one segment anew; durable on return. For the pool and the anchors, of which only a part still
    /// matters. A log that has grown into further segments is left alone.
    ///
    /// # Errors
    /// When the disk fails; the log is then as it was.
    pub fn rewrite(&mut self, log: LogName, records: &[Record]) -> Result<(), StoreError> {
        if self.tails.get(&log).is_some_and(|tail| tail.segment > 0) {
            return Ok(());
        }
        let mut bytes = Vec::new();
        for record in records {
            bytes.extend(framed(record).ok_or(StoreError::TooLarge)?);
        }
        let file = segment_name(log, 0);
        self.disk.replace(&file, &bytes).map_err(|error| StoreError::Io { file, error })?;
        let size = u64::try_from(bytes.len()).map_err(|_| StoreError::TooLarge)?;
        self.tails.insert(log, Tail { segment: 0, size });
        self.unsynced.remove(&log);
        Ok(())
    }
}

/// A record as it lies in its file: once, or as often as its kind asks for. `None` when it is too large.
pub(crate) fn framed(record: &Record) -> Option<Vec<u8>> {
    Some(segment::frame(record.kind(), &record.payload())?.repeat(record.copies()))
}

/// Bytes that a record takes in its file.
pub(crate) fn record_bytes(payload: usize) -> u64 {
    (HEAD_BYTES + payload) as u64
}
