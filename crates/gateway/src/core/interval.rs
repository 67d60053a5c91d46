//! Intervals: readings of a meter in, one signed `readings` statement with its attachment out.
//!
//! Everything here is a function of the chain's head, the rows and the signing key: an interval that is closed again
//! after a crash gives the same statement, byte by byte, so it cannot be booked twice.

use super::{Chain, ReadingRow, Settings};
use ledger::act::{Act, Break, CounterPair, Event, EventKind, ReadingSource, Readings};
use ledger::attachment::{Attachment, AttachmentError, Frame, ROWS_MAX, Row, Summary};
use ledger::state::ChainHead;
use ledger::{Payload, SecretKey, SignedStatement, StatementError};
use sha2::{Digest as _, Sha256};
use units::{BindingId, Energy, MeterId, Quantity, Timestamp, Voltage};

/// Where the next interval of a chain lies, and how many of the rows are in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its start.
    pub start: Timestamp,
    /// Its end, which is not in it.
    pub end: Timestamp,
    /// How many rows lie in it, from the first on.
    pub rows: usize,
}

/// A closed interval: what the outbox keeps and a node is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedInterval {
    /// The meter.
    pub meter: MeterId,
    /// The statement.
    pub statement: SignedStatement,
    /// The attachment's bytes.
    pub attachment: Vec<u8>,
    /// The interval.
    pub span: Span,
    /// Time of its first reading; earlier ones that were given up are not in it.
    pub first: Timestamp,
    /// Where the chain stands after it.
    pub chain: Chain,
}

/// Why an interval cannot be stated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntervalError {
    /// There is nothing to state.
    #[error("an interval without readings is not stated; the next one says that there is a gap")]
    Empty,
    /// A row without the import counter.
    #[error("a reading without an energy counter")]
    NoCounter,
    /// The attachment does not hold it.
    #[error(transparent)]
    Attachment(#[from] AttachmentError),
    /// The statement does not hold it.
    #[error(transparent)]
    Statement(#[from] StatementError),
}

impl Settings {
    /// The interval around a point in time: aligned to multiples of its length since 1970, cut at month starts.
    #[must_use]
    pub fn interval_at(&self, time: Timestamp) -> (Timestamp, Timestamp) {
        let start = time.floor_to(self.interval);
        let months = self.month_starts.partition_point(|month| *month <= time);
        let month_start = months.checked_sub(1).and_then(|at| self.month_starts.get(at)).copied();
        let end = self.month_starts.get(months).copied().unwrap_or(Timestamp::from_ms(u64::MAX));
        (start.max(month_start.unwrap_or_default()), (start + self.interval).min(end))
    }

    /// The next interval of a chain, given its rows in order of time, none before the head's end; `None` without rows.
    ///
    /// It ends early where a counter falls (the rest is a reset's) and where an attachment is full.
    #[must_use]
    pub fn next_span(&self, head: &ChainHead, rows: &[ReadingRow]) -> Option<Span> {
        let (aligned, mut end) = self.interval_at(rows.first()?.time);
        let falls = rows.windows(2).position(|pair| falls(&pair[0], &pair[1])).map_or(ROWS_MAX, |at| at + 1);
        if let Some(row) = rows.get(falls.min(ROWS_MAX)) {
            end = end.min(row.time);
        }
        let inside = rows.partition_point(|row| row.time < end);
        Some(Span { start: aligned.max(head.end), end, rows: inside })
    }
}

/// Whether a counter of the later row is below the earlier row's.
fn falls(earlier: &ReadingRow, later: &ReadingRow) -> bool {
    [Quantity::EnergyImport, Quantity::EnergyExport].into_iter().any(|counter| {
        let pair = earlier.reading.get(counter).zip(later.reading.get(counter));
        pair.is_some_and(|(earlier, later)| later < earlier)
    })
}

/// States an interval: the act, its attachment, the signature.
///
/// # Errors
/// When there are no rows, or they do not fit an attachment.
pub fn close(
    settings: &Settings,
    key: &SecretKey,
    meter: &MeterId,
    chain: &Chain,
    span: Span,
    rows: &[ReadingRow],
) -> Result<ClosedInterval, IntervalError> {
    let first = rows.first().ok_or(IntervalError::Empty)?.time;
    let (rows, frames): (Vec<Row>, Vec<Frame>) = rows.iter().map(ReadingRow::evidence).unzip();
    let summary = Summary::of(&rows);
    let (head, seq) = (&chain.head, chain.head.next_seq);
    let salt = secret_digest(key, b"salt", chain.binding, seq);
    let attachment = Attachment::build(salt, &rows, &frames)?;
    let joint = Joint::of(head, span.start, &summary)?;
    let act = Readings {
        binding: chain.binding,
        seq,
        previous: head.previous,
        start: span.start,
        end: span.end,
        import: joint.import,
        export: joint.export,
        count: summary.count,
        voltage: summary.voltage,
        peak_current: summary.peak_current,
        peak_power: summary.peak_power,
        broken: joint.broken,
        events: voltage_events(settings, &rows),
        estimated: false,
        columns: attachment.columns_hash(),
        frames: attachment.frames_root().ok_or(AttachmentError::FramePaths)?,
        source: ReadingSource::Meter,
        wraps_at: None,
    };
    let import = act.import.end;
    let export = act.export.map(|export| export.end);
    let nonce = first_half(secret_digest(key, b"nonce", chain.binding, seq));
    let acts = vec![Act::Readings(Box::new(act))];
    let payload = Payload { ledger: settings.ledger, nonce, issued: span.end, expires: None, acts };
    let statement = SignedStatement::sign(&payload, key)?;
    let head = ChainHead { next_seq: seq + 1, previous: statement.id(), end: span.end, import: Some(import), export };
    let chain = Chain { binding: chain.binding, head };
    Ok(ClosedInterval { meter: meter.clone(), statement, attachment: attachment.to_bytes(), span, first, chain })
}

/// How an interval joins its chain.
struct Joint {
    import: CounterPair,
    export: Option<CounterPair>,
    broken: Option<Break>,
}

impl Joint {
    /// The interval's counters start at the head's. Where they cannot, a break says why: time without readings is a gap,
    /// a counter below the head's is a reset, and a counter that appears or disappears is a gap too.
    fn of(head: &ChainHead, start: Timestamp, summary: &Summary) -> Result<Self, IntervalError> {
        let (first, last) = summary.first_import.zip(summary.last_import).ok_or(IntervalError::NoCounter)?;
        let export = summary.first_export.zip(summary.last_export);
        let Some(known) = head.import else {
            // The meter's first interval ever: its own first reading begins the count.
            let import = CounterPair { start: first, end: last };
            return Ok(Self { import, export: export.map(|(start, end)| CounterPair { start, end }), broken: None });
        };
        let fell = first < known || export.zip(head.export).is_some_and(|((first, _), known)| first < known);
        let gap = start > head.end || export.is_some() != head.export.is_some();
        let broken = if fell { Some(Break::Reset) } else { gap.then_some(Break::Gap) };
        // After a gap the interval's own first reading is its start; the ledger books from the head's counter on.
        let joins = |known: &Energy, first: Energy| broken != Some(Break::Gap) && *known <= first;
        let from = |first, known: Option<Energy>| known.filter(|known| joins(known, first)).unwrap_or(first);
        Ok(Self {
            import: CounterPair { start: from(first, head.import), end: last },
            export: export.map(|(first, last)| CounterPair { start: from(first, head.export), end: last }),
            broken,
        })
    }
}

/// Runs of readings outside the community's voltage limits, at most [`Readings::EVENTS_MAX`].
fn voltage_events(settings: &Settings, rows: &[Row]) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    for kind in [EventKind::OverVoltage, EventKind::UnderVoltage] {
        let mut run: Option<Event> = None;
        for row in rows {
            match outside(settings, kind, row) {
                Some(extreme) => {
                    let event = run.get_or_insert(Event { kind, from: row.time, until: row.time, extreme });
                    event.until = row.time;
                    event.extreme = match kind {
                        EventKind::OverVoltage => event.extreme.max(extreme),
                        EventKind::UnderVoltage => event.extreme.min(extreme),
                    };
                }
                None => events.extend(run.take()),
            }
        }
        events.extend(run);
    }
    events.sort_by_key(|event| event.from);
    events.truncate(Readings::EVENTS_MAX);
    events
}

/// The row's extreme voltage, all phases counted, if it is outside the limit.
fn outside(settings: &Settings, kind: EventKind, row: &Row) -> Option<Voltage> {
    let of_voltage = row.reading.iter().filter(|(key, _)| key.quantity == Quantity::Voltage);
    let voltages = of_voltage.filter_map(|(_, value)| u64::try_from(value).ok()).map(Voltage::from_mv);
    match kind {
        EventKind::OverVoltage => voltages.max().filter(|voltage| *voltage > settings.voltage_max),
        EventKind::UnderVoltage => voltages.min().filter(|voltage| *voltage < settings.voltage_min),
    }
}

/// A secret value of a place in a chain: the same after a crash, and nobody else can guess it.
fn secret_digest(key: &SecretKey, purpose: &[u8], binding: BindingId, seq: u64) -> [u8; 32] {
    let hash = Sha256::new_with_prefix(b"wattproof gateway ").chain_update(purpose).chain_update(key.secret_bytes());
    hash.chain_update(binding.as_bytes()).chain_update(seq.to_be_bytes()).finalize().into()
}

pub(super) fn first_half(digest: [u8; 32]) -> [u8; 16] {
    std::array::from_fn(|at| digest[at])
}
