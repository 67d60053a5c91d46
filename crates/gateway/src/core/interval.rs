//! Intervals: readings of a meter in, one signed `readings` statement with its attachment out.
//!
//! Everything here is a function of the chain's head, the rows and the signing key: an interval that is closed again
//! after a crash gives the same statement, byte by byte, so it cannot be booked twice.

use super::line::later;
use super::{Chain, CounterBreak, CounterRules, ReadingRow, Settings, VoltageSpan};
use ledger::act::{Act, Break, CounterPair, Event, EventKind, ReadingSource, Readings};
use ledger::attachment::{Attachment, AttachmentError, Frame, ROWS_MAX, Row, Summary};
use ledger::state::ChainHead;
use ledger::{Payload, SecretKey, SignedStatement, StatementError};
use sha2::{Digest as _, Sha256};
use units::{BindingId, Energy, MeterId, Millis, Quantity, Timestamp, Voltage};

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
    /// How it does not continue the interval before.
    pub broken: Option<CounterBreak>,
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
    /// The voltage limits for an interval that starts at a time.
    #[must_use]
    pub fn voltage_at(&self, start: Timestamp) -> VoltageSpan {
        let in_force = self.voltage.iter().rev().find(|span| span.from <= start).or_else(|| self.voltage.first());
        let none = VoltageSpan { from: start, min: Voltage::ZERO, max: Voltage::from_mv(u64::MAX) };
        in_force.copied().unwrap_or(none)
    }

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
    (meter, rules): (&MeterId, &CounterRules),
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
    let elapsed = rows.first().map_or(Millis::ZERO, |row| row.time.since(head.end));
    let joint = Joint::of(head, span.start, &summary, (rules, later(elapsed, settings.interval)))?;
    let last = rows.last().map_or(span.end, |row| row.time);
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
        wraps_at: joint.wraps_at,
        events: voltage_events(settings.voltage_at(span.start), &rows),
        estimated: rules.is_estimated(last, span.end),
        columns: attachment.columns_hash(),
        frames: attachment.frames_root().ok_or(AttachmentError::FramePaths)?,
        source: ReadingSource::Meter,
    };
    let import = act.import.end;
    let export = act.export.map(|export| export.end);
    let nonce = first_half(secret_digest(key, b"nonce", chain.binding, seq));
    let acts = vec![Act::Readings(Box::new(act))];
    let payload = Payload { ledger: settings.ledger, nonce, issued: span.end, expires: None, acts };
    let statement = SignedStatement::sign(&payload, key)?;
    let broken = joint.told(head, span.start);
    let head = ChainHead { next_seq: seq + 1, previous: statement.id(), end: span.end, import: Some(import), export };
    let chain = Chain { binding: chain.binding, head };
    Ok(ClosedInterval {
        meter: meter.clone(),
        statement,
        attachment: attachment.to_bytes(),
        span,
        first,
        chain,
        broken,
    })
}

/// How an interval joins its chain.
struct Joint {
    import: CounterPair,
    export: Option<CounterPair>,
    broken: Option<Break>,
    /// First import counter of the rows, and what was booked between the head's and it.
    first: (Energy, Energy),
    /// With a wrap: where the counter begins at zero again.
    wraps_at: Option<Energy>,
}

impl Joint {
    /// The interval's counters start at the head's. Where they cannot, a break says why: time without readings is a gap,
    /// a counter below the head's has wrapped or was set back, and one that appears or disappears is another device's.
    /// `elapsed` is the longest time since the reading that the head's counters come from.
    fn of(
        head: &ChainHead,
        start: Timestamp,
        summary: &Summary,
        (rules, elapsed): (&CounterRules, Millis),
    ) -> Result<Self, IntervalError> {
        let (first, last) = summary.first_import.zip(summary.last_import).ok_or(IntervalError::NoCounter)?;
        let export = summary.first_export.zip(summary.last_export);
        let pair = |(start, end)| CounterPair { start, end };
        let own = |broken, booked| Self {
            import: pair((first, last)),
            export: export.map(pair),
            broken,
            first: (first, booked),
            wraps_at: None,
        };
        let Some(known) = head.import else {
            // The meter's first interval ever: its own first reading begins the count.
            return Ok(own(None, Energy::ZERO));
        };
        let moved = |from: Energy, to: Energy, wraps_at| {
            to.checked_sub(from).or_else(|| rules.wrapped(from, to, wraps_at, elapsed))
        };
        let both = export.zip(head.export).map(|((first, _), known)| (known, first));
        let exchanged = export.is_some() != head.export.is_some();
        let export_moved = both.map(|(from, to)| moved(from, to, rules.export_wraps_at));
        let Some(booked) = moved(known, first, rules.wraps_at).filter(|_| export_moved != Some(None)) else {
            return Ok(own(Some(Break::Reset), Energy::ZERO));
        };
        if exchanged {
            return Ok(own(Some(Break::Exchange), Energy::ZERO));
        }
        let export_fell = both.is_some_and(|(from, to)| to < from);
        if first < known || export_fell {
            let wraps_at = if first < known { rules.wraps_at } else { rules.export_wraps_at };
            let same = !(first < known && export_fell) || rules.wraps_at == rules.export_wraps_at;
            let broken = if same { Break::Wrap } else { Break::Reset };
            return Ok(Self { wraps_at: wraps_at.filter(|_| same), ..own(Some(broken), booked) });
        }
        if start > head.end {
            // After a gap the interval's own first reading is its start; the ledger books from the head's counter on.
            return Ok(own(Some(Break::Gap), booked));
        }
        let export = export.zip(head.export).map(|((_, last), known)| pair((known, last)));
        Ok(Self { import: pair((known, last)), export, broken: None, first: (first, booked), wraps_at: None })
    }

    /// What is told of a break.
    fn told(&self, head: &ChainHead, at: Timestamp) -> Option<CounterBreak> {
        let (first, booked) = self.first;
        let (broken, last) = self.broken.zip(head.import)?;
        Some(CounterBreak { broken, since: head.end, at, last, first, booked })
    }
}

/// Runs of readings outside the community's voltage limits, at most [`Readings::EVENTS_MAX`].
fn voltage_events(limits: VoltageSpan, rows: &[Row]) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    for kind in [EventKind::OverVoltage, EventKind::UnderVoltage] {
        let mut run: Option<Event> = None;
        for row in rows {
            match outside(limits, kind, row) {
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
fn outside(limits: VoltageSpan, kind: EventKind, row: &Row) -> Option<Voltage> {
    let of_voltage = row.reading.iter().filter(|(key, _)| key.quantity == Quantity::Voltage);
    let voltages = of_voltage.filter_map(|(_, value)| u64::try_from(value).ok()).map(Voltage::from_mv);
    match kind {
        EventKind::OverVoltage => voltages.max().filter(|voltage| *voltage > limits.max),
        EventKind::UnderVoltage => voltages.min().filter(|voltage| *voltage < limits.min),
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
