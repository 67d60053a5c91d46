//! `readings.csv`: what another system counted, interval by interval.

use super::{Fault, Table};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use units::{Energy, MeterId, Millis, Timestamp};

/// What a table of readings may have.
pub(crate) const COLUMNS: &[&str] = &["meter", "start", "end", "kwh", "counter"];
/// Longest interval that the ledger takes from the operator.
const LENGTH_MAX: Millis = ledger::act::Readings::INTERVAL_MAX_BY_HAND;

/// What an interval says of its energy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    /// The energy used.
    Energy(Energy),
    /// The counter at the end.
    Counter(Energy),
}

/// An interval of a meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interval {
    /// Its line in the file.
    pub(crate) line: u64,
    /// Start.
    pub(crate) start: Timestamp,
    /// End, exclusive.
    pub(crate) end: Timestamp,
    /// What it says.
    pub(crate) said: Said,
}

/// A checked file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Readings {
    /// Each meter's intervals, in order of time, without overlaps.
    pub(crate) meters: BTreeMap<MeterId, Vec<Interval>>,
    /// Lines that say again what another one says.
    pub(crate) repeated: u64,
    /// Times between intervals that no line covers: meter, from, until.
    pub(crate) gaps: Vec<(MeterId, Timestamp, Timestamp)>,
}

/// Reads and checks a file as a whole. Times without an offset are of the zone; without a column `end` every interval is
/// as long as `length`.
///
/// # Errors
/// All that is wrong with it.
pub(crate) fn read(bytes: &[u8], zone: &TimeZone, length: Option<Millis>) -> Result<Readings, Vec<Fault>> {
    let table = Table::read(bytes, &["meter", "start"], COLUMNS)?;
    let (mut found, mut faults) = (Readings::default(), Vec::new());
    for line in &table.lines {
        let meter = table.need(&mut faults, line, "meter", |text| text.parse::<MeterId>().map_err(|e| e.to_string()));
        let start = table.need(&mut faults, line, "start", |text| time(text, zone));
        let end = table.may(&mut faults, line, "end", |text| time(text, zone));
        let kwh = |text: &str| Energy::parse_kwh(text).map_err(|error| format!("`{text}`: {error}"));
        let energy = table.may(&mut faults, line, "kwh", kwh);
        let counter = table.may(&mut faults, line, "counter", kwh);
        let mut fault = |column: &str, what: &str| {
            faults.push(Fault { line: line.number, column: column.to_owned(), what: what.to_owned() });
        };
        let (Some(meter), Some(start)) = (meter, start) else { continue };
        let Some(end) = end.or_else(|| length.map(|length| start + length)) else {
            if table.cell(line, "end").is_none() {
                fault("end", "it is empty; fill it in, or say how long intervals are with --minutes");
            }
            continue;
        };
        if end <= start || end.since(start) > LENGTH_MAX {
            fault("end", "an interval ends after it starts, and at most 92 days later");
            continue;
        }
        let said = match (energy, counter) {
            (Some(energy), None) => Said::Energy(energy),
            (None, Some(counter)) => Said::Counter(counter),
            (Some(_), Some(_)) => {
                fault("counter", "give kwh or counter, not both: they could contradict each other");
                continue;
            }
            (None, None) => {
                if table.cell(line, "kwh").is_none() && table.cell(line, "counter").is_none() {
                    fault("kwh", "give what was used in kWh, or the counter at the end");
                }
                continue;
            }
        };
        found.meters.entry(meter).or_default().push(Interval { line: line.number, start, end, said });
    }
    found.order(&mut faults);
    faults.sort_by_key(|fault| fault.line);
    if faults.is_empty() && found.meters.is_empty() {
        faults.push(Fault { line: 1, column: String::new(), what: "there is no line below the header".to_owned() });
    }
    if faults.is_empty() { Ok(found) } else { Err(faults) }
}

impl Readings {
    /// Sorts; drops what is said twice; finds overlaps, gaps and counters that run backwards.
    fn order(&mut self, faults: &mut Vec<Fault>) {
        for (meter, intervals) in &mut self.meters {
            intervals.sort_by_key(|interval| (interval.start, interval.end, interval.line));
            let before = intervals.len();
            intervals.dedup_by(|later, earlier| {
                (later.start, later.end, later.said) == (earlier.start, earlier.end, earlier.said)
            });
            self.repeated += u64::try_from(before - intervals.len()).unwrap_or(u64::MAX);
            for pair in intervals.windows(2) {
                let [earlier, later] = [pair[0], pair[1]];
                let mut fault = |column: &str, what| {
                    faults.push(Fault { line: later.line, column: column.to_owned(), what });
                };
                if later.start < earlier.end {
                    fault("start", format!("meter {meter}: it overlaps line {}", earlier.line));
                } else if later.start > earlier.end {
                    self.gaps.push((meter.clone(), earlier.end, later.start));
                }
                match (earlier.said, later.said) {
                    (Said::Counter(from), Said::Counter(to)) if to < from => fault(
                        "counter",
                        format!(
                            "meter {meter}: it is below line {}'s {from}; split the file where a meter was exchanged",
                            earlier.line
                        ),
                    ),
                    (Said::Counter(_), Said::Energy(_)) | (Said::Energy(_), Said::Counter(_)) => {
                        fault(
                            "kwh",
                            format!("meter {meter}: line {} gives the other of kwh and counter", earlier.line),
                        );
                    }
                    _ => {}
                }
            }
        }
    }
}

/// A time with its offset, or one of the zone, with a blank or a `T` between day and hour. In the hour that a clock
/// shows twice in autumn the first is meant; an hour that it skips in spring is refused.
fn time(text: &str, zone: &TimeZone) -> Result<Timestamp, String> {
    let wrong = || format!("`{text}` is not a time such as 2026-07-01 00:15 or 2026-07-01T00:15:00+08:00");
    let instant = match text.parse::<jiff::Timestamp>() {
        Ok(instant) => instant,
        Err(_) => {
            let local: DateTime = text.replace('/', "-").parse().map_err(|_| wrong())?;
            let ambiguous = zone.to_ambiguous_timestamp(local);
            if matches!(ambiguous.offset(), jiff::tz::AmbiguousOffset::Gap { .. }) {
                return Err(format!(
                    "`{text}` does not exist: the clocks are put forward then; add the offset from UTC"
                ));
            }
            ambiguous.earlier().map_err(|_| wrong())?
        }
    };
    u64::try_from(instant.as_millisecond()).map(Timestamp::from_ms).map_err(|_| wrong())
}
