//! Attachments: what a `readings` act commits to, every reading of the interval and the meter's own bytes.
//!
//! The act holds two hashes. `columns` is the SHA-256 of a random salt and the packed readings ([`columns`]), so that an
//! erased attachment cannot be guessed from the act. `frames` is the RFC 9162 root over the raw frames, one a row; a
//! leaf is the salt and the frame's CBOR. The attachment carries only the first and the last frame with their
//! inclusion paths: those hold the counters that are billed. The frames between stay in the gateway's database, where
//! each can be proven by the same root; carrying them would make a reading cost more bytes than all its values.
//!
//! An attachment is needed to acknowledge a statement, never for a block's validity.

pub mod columns;

pub use columns::{COLUMNS_MAX, ColumnsError, PACKED_FROM, ROWS_MAX, Row};

use crate::act::{CounterPair, EventKind, Readings, VoltageRange};
use crate::cbor::{self, CborError};
use crate::log::{self, Log};
use crate::statement::SignedStatement;
use columns::Table;
use minicbor::{Decode, Encode};
use sha2::{Digest as _, Sha256};
use std::fmt::Display;
use units::{Current, Digest, Energy, Power, Quantity, Timestamp, Voltage};

/// A question to a meter and its answer, as they were on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Exchange {
    /// What was asked; empty for a meter that speaks unasked.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub request: Vec<u8>,
    /// What it answered.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub response: Vec<u8>,
}

/// The exchanges that one row was read from.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Frame {
    /// The row's time.
    #[n(0)]
    pub time: Timestamp,
    /// In the order asked, at most [`Frame::EXCHANGES_MAX`].
    #[cbor(n(1), decode_with = "cbor::bounded::<{ Frame::EXCHANGES_MAX }, _, _>")]
    pub exchanges: Vec<Exchange>,
}

impl Frame {
    /// Exchanges for one row: a three-phase meter with scattered registers needs about ten.
    pub const EXCHANGES_MAX: usize = 32;
}

/// A frame and its place under the act's `frames` root.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct FrameProof {
    /// The frame.
    #[n(0)]
    pub frame: Frame,
    /// RFC 9162 inclusion path.
    #[cbor(n(1), decode_with = "cbor::bounded::<{ log::PATH_MAX }, _, _>")]
    pub path: Vec<Digest>,
}

/// The frames at both ends of an interval; the same one twice when there is only one.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct FrameEnds {
    /// Of the first row.
    #[n(0)]
    pub first: FrameProof,
    /// Of the last row.
    #[n(1)]
    pub last: FrameProof,
}

/// Everything that a `readings` act commits to, but for the frames between the ends.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Attachment {
    /// Random bytes that keep the hashes from being guessed.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub salt: [u8; 32],
    /// The packed readings, as their signer wrote them.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub columns: Vec<u8>,
    /// Number of frames: that of the rows, or 0 for readings imported without them.
    #[n(3)]
    pub frame_count: u32,
    /// First and last frame.
    #[n(4)]
    pub ends: Option<FrameEnds>,
}

/// Why an attachment cannot be made, read, or does not fit its act.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttachmentError {
    /// Larger than an attachment may be.
    #[error("an attachment of {0} bytes; it has at most {max}", max = SignedStatement::ATTACHMENT_BYTES_MAX)]
    TooLarge(usize),
    /// Not an attachment.
    #[error("not an attachment: {0}")]
    Form(#[from] CborError),
    /// The readings cannot be written or read.
    #[error(transparent)]
    Columns(#[from] ColumnsError),
    /// Not one frame a row, of the row's time.
    #[error("frames must be none at all, or one for each row with the row's time")]
    FramesOfRows,
    /// Too many exchanges in a frame.
    #[error("a frame has at most {max} exchanges", max = Frame::EXCHANGES_MAX)]
    Exchanges,
    /// First and last frame lead to different roots, or their paths cannot be right.
    #[error("the inclusion paths of the first and the last frame do not lead to one root")]
    FramePaths,
    /// The readings are not those that were signed.
    #[error("the readings are not those that the statement commits to: hash {found}, signed {signed}")]
    ColumnsHash {
        /// Of the attachment.
        found: Digest,
        /// In the act.
        signed: Digest,
    },
    /// The frames are not those that were signed.
    #[error("the raw frames are not those that the statement commits to: root {found}, signed {signed}")]
    FramesRoot {
        /// Of the attachment.
        found: Digest,
        /// In the act.
        signed: Digest,
    },
    /// A row outside the interval.
    #[error("a reading at {} ms lies outside the interval", .0.ms())]
    OutsideInterval(Timestamp),
    /// A counter that falls: the interval should have been cut there.
    #[error("the {0} counter falls within the interval; a reset begins a new interval")]
    CounterFalls(&'static str),
    /// A plain field of the act is not what the readings give.
    #[error("{field}: the statement says {stated}, its readings give {computed}")]
    Field {
        /// Which.
        field: &'static str,
        /// In the act.
        stated: String,
        /// From the rows.
        computed: String,
    },
    /// An event that the readings do not show.
    #[error("event {0}: the readings of its time do not have that extreme")]
    Event(usize),
}

impl Attachment {
    /// Of an interval's rows and their raw frames (or no frames at all); `salt` is random.
    ///
    /// # Errors
    /// When the rows cannot be written, or the frames are not one a row.
    pub fn build(salt: [u8; 32], rows: &[Row], frames: &[Frame]) -> Result<Self, AttachmentError> {
        let columns = columns::write(rows)?;
        let frame_count = u32::try_from(frames.len()).map_err(|_| AttachmentError::FramesOfRows)?;
        let fits = |(row, frame): (&Row, &Frame)| row.time == frame.time;
        if !frames.is_empty() && (frames.len() != rows.len() || !rows.iter().zip(frames).all(fits)) {
            return Err(AttachmentError::FramesOfRows);
        }
        if frames.iter().any(|frame| frame.exchanges.len() > Frame::EXCHANGES_MAX) {
            return Err(AttachmentError::Exchanges);
        }
        let mut tree = Log::new();
        frames.iter().for_each(|frame| tree.append(frame_leaf(&salt, frame)));
        let proof = |frame: &Frame, index| {
            let path = tree.inclusion_path(index, tree.size())?;
            Some(FrameProof { frame: frame.clone(), path })
        };
        let ends = frames
            .first()
            .zip(frames.last())
            .and_then(|(first, last)| Some(FrameEnds { first: proof(first, 0)?, last: proof(last, tree.size() - 1)? }));
        Ok(Self { salt, columns, frame_count, ends })
    }

    /// Its deterministic CBOR.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        cbor::encode(self)
    }

    /// Reads it; the columns stay packed.
    ///
    /// # Errors
    /// When it is too large or not of the one form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, AttachmentError> {
        if bytes.len() > SignedStatement::ATTACHMENT_BYTES_MAX {
            return Err(AttachmentError::TooLarge(bytes.len()));
        }
        Ok(cbor::decode(bytes)?)
    }

    /// The readings.
    ///
    /// # Errors
    /// When the columns are malformed.
    pub fn rows(&self) -> Result<Vec<Row>, ColumnsError> {
        columns::read(&self.columns)
    }

    /// What the act's `columns` must be: SHA-256 of the salt and the packed readings.
    #[must_use]
    pub fn columns_hash(&self) -> Digest {
        Digest::from_bytes(Sha256::new_with_prefix(self.salt).chain_update(&self.columns).finalize().into())
    }

    /// What the act's `frames` must be; `None` when first and last frame do not lead to one root.
    #[must_use]
    pub fn frames_root(&self) -> Option<Digest> {
        let count = u64::from(self.frame_count);
        let Some(FrameEnds { first, last }) = &self.ends else {
            return (count == 0).then(log::empty_root);
        };
        let root = |proof: &FrameProof, index| {
            log::root_from_inclusion(frame_leaf(&self.salt, &proof.frame), index, count, &proof.path)
        };
        let first_root = root(first, 0)?;
        (root(last, count.checked_sub(1)?)? == first_root).then_some(first_root)
    }

    /// Checks it against the act that commits to it: both hashes, and every plain field against the readings.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn check(&self, act: &Readings) -> Result<(), AttachmentError> {
        let found = self.columns_hash();
        if found != act.columns {
            return Err(AttachmentError::ColumnsHash { found, signed: act.columns });
        }
        let found = self.frames_root().ok_or(AttachmentError::FramePaths)?;
        if found != act.frames {
            return Err(AttachmentError::FramesRoot { found, signed: act.frames });
        }
        let table = columns::read_table(&self.columns)?;
        self.check_frames(&table.times)?;
        if let Some(time) = table.times.iter().find(|time| **time < act.start || **time >= act.end) {
            return Err(AttachmentError::OutsideInterval(*time));
        }
        check_rising("import", &table, Quantity::EnergyImport)?;
        check_rising("export", &table, Quantity::EnergyExport)?;
        Summary::of_table(&table).check(act)?;
        check_events(&table, act)
    }

    /// The frames that are carried belong to the rows at the ends.
    fn check_frames(&self, times: &[Timestamp]) -> Result<(), AttachmentError> {
        let fits = match (&self.ends, times) {
            (None, _) => true,
            (Some(ends), [first, .., last]) => ends.first.frame.time == *first && ends.last.frame.time == *last,
            (Some(ends), [only]) => ends.first == ends.last && ends.first.frame.time == *only,
            (Some(_), []) => false,
        };
        let counted = self.ends.is_none() || usize::try_from(self.frame_count) == Ok(times.len());
        if fits && counted { Ok(()) } else { Err(AttachmentError::FramesOfRows) }
    }
}

/// Leaf hash of a frame under the `frames` root: of the salt and the frame's CBOR.
#[must_use]
pub fn frame_leaf(salt: &[u8; 32], frame: &Frame) -> Digest {
    let leaf = Sha256::new_with_prefix([0x00]).chain_update(salt).chain_update(cbor::encode(frame));
    // As `log::leaf_hash`, without putting salt and frame in one place first.
    Digest::from_bytes(leaf.finalize().into())
}

fn check_rising(name: &'static str, table: &Table, counter: Quantity) -> Result<(), AttachmentError> {
    if table.column(counter).is_sorted() { Ok(()) } else { Err(AttachmentError::CounterFalls(name)) }
}

/// Every event's extreme is that of the readings in its time.
fn check_events(table: &Table, act: &Readings) -> Result<(), AttachmentError> {
    for (index, event) in act.events.iter().enumerate() {
        let voltages = table.timed(|key| key.quantity == Quantity::Voltage);
        let within = voltages.filter(|(time, _)| *time >= event.from && *time <= event.until);
        let voltages = within.filter_map(|(_, value)| u64::try_from(value).ok()).map(Voltage::from_mv);
        let extreme = match event.kind {
            EventKind::OverVoltage => voltages.max(),
            EventKind::UnderVoltage => voltages.min(),
        };
        if extreme != Some(event.extreme) {
            return Err(AttachmentError::Event(index));
        }
    }
    Ok(())
}

/// A quantity's values, of the whole meter and of each phase or channel.
fn all_channels(table: &Table, quantity: Quantity) -> impl Iterator<Item = u64> {
    table.values(move |key| key.quantity == quantity).filter_map(|value| u64::try_from(value).ok())
}

/// The plain fields of a `readings` act that follow from its rows. The gateway fills them in and the check compares
/// them by this one function.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Number of rows.
    pub count: u32,
    /// Over all voltages, of the whole meter and of each phase.
    pub voltage: Option<VoltageRange>,
    /// Highest current, of the whole meter or a phase.
    pub peak_current: Option<Current>,
    /// Highest active power of the whole meter.
    pub peak_power: Option<Power>,
    /// First import counter.
    pub first_import: Option<Energy>,
    /// Last import counter.
    pub last_import: Option<Energy>,
    /// First export counter.
    pub first_export: Option<Energy>,
    /// Last export counter.
    pub last_export: Option<Energy>,
}

impl Summary {
    /// Of an interval's rows in their order; a count beyond `u32` saturates (an interval has at most [`ROWS_MAX`]).
    #[must_use]
    pub fn of(rows: &[Row]) -> Self {
        Self::of_table(&Table::of(rows))
    }

    fn of_table(table: &Table) -> Self {
        let energy = |value: Option<&i64>| value.and_then(|value| u64::try_from(*value).ok()).map(Energy::from_mwh);
        let (import, export) = (table.column(Quantity::EnergyImport), table.column(Quantity::EnergyExport));
        Self {
            count: u32::try_from(table.times.len()).unwrap_or(u32::MAX),
            voltage: voltage_range(table),
            peak_current: all_channels(table, Quantity::Current).max().map(Current::from_ua),
            peak_power: table.column(Quantity::ActivePower).iter().max().map(|power| Power::from_mw(*power)),
            first_import: energy(import.first()),
            last_import: energy(import.last()),
            first_export: energy(export.first()),
            last_export: energy(export.last()),
        }
    }

    /// The act says the same.
    fn check(&self, act: &Readings) -> Result<(), AttachmentError> {
        same("count", Some(act.count), Some(self.count))?;
        let part = |range: Option<VoltageRange>, part: fn(VoltageRange) -> Voltage| range.map(part);
        same("lowest voltage", part(act.voltage, |range| range.min), part(self.voltage, |range| range.min))?;
        same("highest voltage", part(act.voltage, |range| range.max), part(self.voltage, |range| range.max))?;
        same("mean voltage", part(act.voltage, |range| range.mean), part(self.voltage, |range| range.mean))?;
        same("highest current", act.peak_current, self.peak_current)?;
        same("highest power", act.peak_power, self.peak_power)?;
        check_counter("import counter", Some(act.import), act.estimated, (self.first_import, self.last_import))?;
        check_counter("export counter", act.export, act.estimated, (self.first_export, self.last_export))
    }
}

/// The counters at the interval's ends enclose those of the rows; unless estimated, the end is the last row's.
fn check_counter(
    field: &'static str,
    stated: Option<CounterPair>,
    estimated: bool,
    (first, last): (Option<Energy>, Option<Energy>),
) -> Result<(), AttachmentError> {
    let (start, end) = (stated.map(|pair| pair.start), stated.map(|pair| pair.end));
    if stated.is_none() || last.is_none() || !estimated {
        same(field, end, last)?;
    }
    match (start, first, end, last) {
        (Some(start), Some(first), ..) if start > first => Err(differs(field, Some(start), Some(first))),
        (.., Some(end), Some(last)) if end < last => Err(differs(field, Some(end), Some(last))),
        _ => Ok(()),
    }
}

fn same<T: PartialEq + Display>(
    field: &'static str,
    stated: Option<T>,
    computed: Option<T>,
) -> Result<(), AttachmentError> {
    if stated == computed { Ok(()) } else { Err(differs(field, stated, computed)) }
}

fn differs<T: Display>(field: &'static str, stated: Option<T>, computed: Option<T>) -> AttachmentError {
    let show = |value: Option<T>| value.map_or_else(|| "none".to_owned(), |value| value.to_string());
    AttachmentError::Field { field, stated: show(stated), computed: show(computed) }
}

fn voltage_range(table: &Table) -> Option<VoltageRange> {
    let all = || all_channels(table, Quantity::Voltage);
    // At most 64 columns of 4,096 values below 2^63.
    let sum: u128 = all().map(u128::from).sum();
    let count = u128::try_from(all().count()).ok()?;
    let mean = u64::try_from(sum.checked_div(count)?).ok()?;
    Some(VoltageRange {
        min: Voltage::from_mv(all().min()?),
        max: Voltage::from_mv(all().max()?),
        mean: Voltage::from_mv(mean),
    })
}

#[cfg(test)]
mod tests;
