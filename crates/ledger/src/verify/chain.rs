//! The intervals of a meter within a bill's month: they continue each other, and lead from the sheet's previous counter
//! to its present one.

use crate::act::{Break, CounterPair, Readings};
use crate::state::{BindingRecord, MeterMonth};
use units::{AccountId, BindingId, Energy, StatementId, Timestamp};

/// An interval with the statement that it stands in.
#[derive(Debug, Clone)]
pub(super) struct Interval {
    pub(super) statement: StatementId,
    pub(super) signer: AccountId,
    pub(super) readings: Readings,
}

/// Start and end of the month.
pub(super) type Span = (Timestamp, Timestamp);

/// Checks one binding's intervals against its stretches of counters in the sheet. Gives a line for the report.
pub(super) fn check(
    id: BindingId,
    binding: &BindingRecord,
    intervals: &[Interval],
    stretches: &[&MeterMonth],
    month: Span,
    operator: AccountId,
) -> Result<String, String> {
    let meter = &binding.meter;
    check_links(id, binding, intervals, operator)?;
    check_counters(intervals, stretches, month).map_err(|reason| format!("meter {meter}: {reason}"))?;
    Ok(format!("meter {meter}: {} intervals without a hole", intervals.len()))
}

/// Signer (of a reading by eye the operator), numbers and predecessors.
fn check_links(
    id: BindingId,
    binding: &BindingRecord,
    intervals: &[Interval],
    operator: AccountId,
) -> Result<(), String> {
    let meter = &binding.meter;
    for interval in intervals {
        let signer = if interval.readings.source.is_operators() { operator } else { binding.signer };
        if interval.signer != signer || interval.readings.binding != id {
            return Err(format!("meter {meter}: statement {} is not by the meter's signer", interval.statement));
        }
    }
    for pair in intervals.windows(2) {
        let (before, after) = (&pair[0], &pair[1]);
        let follows = before.readings.seq.checked_add(1) == Some(after.readings.seq);
        if !follows || after.readings.previous != before.statement {
            let seq = after.readings.seq;
            return Err(format!("meter {meter}: number {seq} does not follow number {}", before.readings.seq));
        }
    }
    Ok(())
}

/// Walks the counters from the first stretch's start to the last one's end.
fn check_counters(intervals: &[Interval], stretches: &[&MeterMonth], month: Span) -> Result<(), String> {
    let mut stretches = stretches.iter().copied();
    let mut stretch = stretches.next().ok_or("the sheet has no counters")?;
    let mut at = stretch.import.start;
    for (place, interval) in intervals.iter().enumerate() {
        let readings = &interval.readings;
        let import = readings.import;
        match readings.broken {
            Some(Break::Wrap) if place == 0 => {
                // With time before it, the zero may lie in an earlier month, and this one begins behind it.
                let zero_is_here = at > import.end || (stretch.import.end == at && stretches.len() > 0);
                if zero_is_here {
                    stretch = behind_zero(stretch, &mut stretches, readings, at)?;
                }
            }
            _ if place == 0 => check_first(readings, at, month)?,
            None if import.start == at => {}
            Some(Break::Gap) if import.start >= at => {}
            // Beyond the month's end the zero may lie in the next month.
            Some(Break::Wrap) if readings.end > month.1 && stretches.len() == 0 => {}
            Some(Break::Wrap) => stretch = behind_zero(stretch, &mut stretches, readings, at)?,
            Some(Break::Reset | Break::Exchange) => {
                ends_at(stretch, at)?;
                stretch = stretches.next().ok_or("the sheet lacks the counters after a break")?;
                if stretch.import.start != import.start {
                    return Err(format!(
                        "the counter after the break is {}, the sheet says {}",
                        import.start, stretch.import.start
                    ));
                }
            }
            _ => {
                return Err(format!(
                    "number {} starts at {}, but the counter stood at {at}",
                    readings.seq, import.start
                ));
            }
        }
        at = if readings.end > month.1 && place + 1 == intervals.len() { stretch.import.end } else { import.end };
        if readings.end > month.1 && place + 1 == intervals.len() {
            check_share(readings, month.1, at)?;
        }
    }
    ends_at(stretch, at)?;
    if stretches.next().is_some() { Err("the sheet has counters that no interval gives".to_owned()) } else { Ok(()) }
}

/// The stretch that a wrap leads to: where the counter fell, the one before ends where it begins at zero again.
fn behind_zero<'a>(
    stretch: &'a MeterMonth,
    rest: &mut impl Iterator<Item = &'a MeterMonth>,
    readings: &Readings,
    at: Energy,
) -> Result<&'a MeterMonth, String> {
    let fell = readings.import.start < at;
    let (end, start) = match readings.wraps_at.filter(|_| fell) {
        Some(wraps_at) => (wraps_at, Energy::ZERO),
        None => (at, at),
    };
    ends_at(stretch, end)?;
    let next = rest.next().ok_or("the sheet lacks the counters after a wrap")?;
    if next.import.start == start {
        return Ok(next);
    }
    Err(format!("the counter after the wrap begins at {start}, the sheet says {}", next.import.start))
}

fn ends_at(stretch: &MeterMonth, at: Energy) -> Result<(), String> {
    if stretch.import.end == at {
        return Ok(());
    }
    Err(format!("the intervals end at {at}, the sheet says {}", stretch.import.end))
}

/// The first interval starts at the previous counter; after a gap, or when it began in the month before, the sheet's
/// counter was split by time and lies on the way to the interval's end.
fn check_first(readings: &Readings, previous: Energy, month: Span) -> Result<(), String> {
    let within = previous <= readings.import.end;
    let fits = match readings.broken {
        None if readings.start < month.0 => previous == share(readings, month.0) || previous == readings.import.start,
        None | Some(Break::Reset | Break::Exchange) => previous == readings.import.start,
        Some(Break::Gap | Break::Wrap) => previous <= readings.import.start || within,
    };
    if fits {
        Ok(())
    } else {
        Err(format!("the first interval starts at {}, the sheet at {previous}", readings.import.start))
    }
}

/// The last interval reaches into the next month: the sheet's present counter is split by time. After a gap the split
/// began before this interval, and then only its bounds are known here.
fn check_share(readings: &Readings, boundary: Timestamp, present: Energy) -> Result<(), String> {
    let fits = match readings.broken {
        Some(Break::Gap) => present <= readings.import.end,
        Some(Break::Wrap) => present <= readings.wraps_at.unwrap_or(readings.import.end),
        _ => present == share(readings, boundary),
    };
    if fits { Ok(()) } else { Err(format!("the counter at the month's end is {present}, not the interval's share")) }
}

/// The counter at a boundary within an interval: its difference split by time, rounded down.
fn share(readings: &Readings, boundary: Timestamp) -> Energy {
    let CounterPair { start, end } = readings.import;
    let moved = u128::from(end.mwh().saturating_sub(start.mwh()));
    let elapsed = u128::from(boundary.since(readings.start).ms());
    let length = u128::from(readings.end.since(readings.start).ms()).max(1);
    let part = u64::try_from(moved * elapsed / length).unwrap_or(u64::MAX);
    Energy::from_mwh(start.mwh().saturating_add(part))
}
