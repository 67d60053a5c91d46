//! `wattproof import readings`: each interval of another system as a statement of the operator.

use super::super::submit::Sender;
use super::super::terminal::{note, say};
use super::super::{ImportReadingsArgs, Trouble};
use super::{bytes_of, faulty};
use crate::import::readings::{Interval, Said};
use crate::import::{Fault, readings};
use crate::key_file::PassphraseSource;
use crate::web::i18n::Texts;
use api::{ClientError, MeterView};
use jiff::tz::TimeZone;
use ledger::act::{Act, Break, CounterPair, ReadingSource, Readings};
use ledger::log::empty_root;
use std::process::ExitCode;
use units::{Energy, StatementId, Timestamp};

/// How often a long import says how far it is, in statements.
const TELL_EVERY: usize = 500;

pub(super) fn import(
    args: &ImportReadingsArgs,
    texts: Texts,
    passphrases: &PassphraseSource,
) -> Result<ExitCode, Trouble> {
    let sender = Sender::open(&args.url, &args.key, passphrases, texts)?;
    let name = args.time_zone.clone().unwrap_or_else(|| sender.status().time_zone.clone());
    let zone = TimeZone::get(&name).map_err(|_| {
        Trouble::environment(format_args!("there is no time zone `{name}`"), "use a name such as Asia/Taipei")
    })?;
    let length = args.minutes.map(|minutes| units::Millis::from_minutes(u64::from(minutes)));
    let found = readings::read(&bytes_of(&args.file)?, &zone, length).map_err(|faults| faulty(&args.file, &faults))?;
    tell(&found, &zone);
    // What an earlier run has sent is seen in the ledger first.
    sender.settle()?;
    let (mut chains, mut faults) = (Vec::new(), Vec::new());
    for (meter, intervals) in &found.meters {
        match sender.client().meter(meter) {
            Ok(view) => match not_yet(&view, intervals, sender.status().time_ms, &zone) {
                Ok(new) => chains.push((view, new)),
                Err(fault) => faults.push(fault),
            },
            Err(ClientError::Problem(problem)) if problem.status == 404 => faults.push(Fault {
                line: intervals.first().map_or(0, |interval| interval.line),
                column: "meter".to_owned(),
                what: format!("{meter} is not registered; see wattproof submit register meter --help"),
            }),
            Err(error) => return Err(error.into()),
        }
    }
    faults.sort_by_key(|fault| fault.line);
    if !faults.is_empty() {
        return Err(faulty(&args.file, &faults));
    }
    let total: usize = chains.iter().map(|(_, intervals)| intervals.len()).sum();
    let of_file: usize = found.meters.values().map(Vec::len).sum();
    if args.check {
        say(format_args!("{of_file} intervals are right; {total} of them are not in the ledger yet"));
        return Ok(ExitCode::SUCCESS);
    }
    let mut sent = 0;
    let mut last = None;
    for (view, intervals) in &chains {
        let mut chain = Chain::of(view);
        for interval in *intervals {
            let id = sender.send(vec![Act::Readings(Box::new(chain.act(interval)))])?;
            chain.went_on(id);
            last = Some(id);
            sent += 1;
            if sent % TELL_EVERY == 0 {
                note(format_args!("{sent} of {total} intervals sent"));
            }
        }
    }
    if let Some(id) = last {
        sender.wait(&id)?;
    }
    say(format_args!("{sent} intervals imported, {} were in the ledger already", of_file - sent));
    Ok(ExitCode::SUCCESS)
}

/// Gaps that are told; a hundred of them tell no more than ten.
const GAPS_TOLD: usize = 10;

/// What is no fault but worth knowing before it is signed.
fn tell(found: &crate::import::readings::Readings, zone: &TimeZone) {
    for (meter, from, until) in found.gaps.iter().take(GAPS_TOLD) {
        let (from, until) = (local(*from, zone), local(*until, zone));
        note(format_args!("meter {meter}: no line from {from} to {until}; marked as a gap"));
    }
    if found.gaps.len() > GAPS_TOLD {
        note(format_args!("and {} more gaps", found.gaps.len() - GAPS_TOLD));
    }
    if found.repeated > 0 {
        note(format_args!("{} lines say again what another line says", found.repeated));
    }
}

fn local(time: Timestamp, zone: &TimeZone) -> String {
    let instant = i64::try_from(time.ms()).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    let instant = instant.map(|instant| instant.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S%:z").to_string());
    instant.unwrap_or_else(|| format!("{} ms", time.ms()))
}

/// The intervals behind the chain's head. One that reaches across it is a fault, as is one before the meter was
/// registered, or of a time to come.
fn not_yet<'a>(
    view: &MeterView,
    intervals: &'a [Interval],
    now: Timestamp,
    zone: &TimeZone,
) -> Result<&'a [Interval], Fault> {
    let (meter, head) = (&view.meter, view.head.end_ms);
    let fault = |line: u64, column: &str, what: String| Fault {
        line,
        column: column.to_owned(),
        what: format!("{meter}: {what}"),
    };
    if let Some(first) = intervals.first().filter(|first| view.head.next_seq == 0 && first.start < view.from_ms) {
        let what = format!(
            "it is registered from {} on; register it from no later than its first line, or take earlier lines out",
            local(view.from_ms, zone)
        );
        return Err(fault(first.line, "start", what));
    }
    if let Some(last) = intervals.last().filter(|last| last.end > now) {
        let what = format!("this is to come; for the community it is {}", local(now, zone));
        return Err(fault(last.line, "end", what));
    }
    let new = &intervals[intervals.partition_point(|interval| interval.end <= head)..];
    match new.first() {
        Some(first) if first.start < head => {
            let what = format!("the ledger has its readings up to {}, within this interval", local(head, zone));
            Err(fault(first.line, "start", what))
        }
        _ => Ok(new),
    }
}

/// Where a meter's chain stands while its intervals are stated.
struct Chain {
    view: MeterView,
    import: Option<Energy>,
    /// What was used and is less than the counter's smallest step times its factor.
    rest: u64,
}

impl Chain {
    fn of(view: &MeterView) -> Self {
        Self { import: view.head.import_mwh, view: view.clone(), rest: 0 }
    }

    /// The next act. Energies are counted on from the head; a table of counters begins with its own first one.
    fn act(&mut self, interval: &Interval) -> Readings {
        let (start, end) = match interval.said {
            Said::Counter(counter) => (self.import.unwrap_or(counter), counter),
            Said::Energy(energy) => {
                let start = self.import.unwrap_or_default();
                (start, start.checked_add(self.counted(energy)).unwrap_or(start))
            }
        };
        let gap = self.import.is_some() && interval.start > self.view.head.end_ms;
        // A counter below the ledger's is of another device, as far as a file can tell.
        let broken = if end < start { Some(Break::Exchange) } else { gap.then_some(Break::Gap) };
        let start = if end < start { end } else { start };
        self.view.head.end_ms = interval.end;
        self.import = Some(end);
        Readings {
            binding: self.view.binding,
            seq: self.view.head.next_seq,
            previous: self.view.head.previous,
            start: interval.start,
            end: interval.end,
            import: CounterPair { start, end },
            export: None,
            count: 0,
            voltage: None,
            peak_current: None,
            peak_power: None,
            broken,
            events: Vec::new(),
            estimated: false,
            columns: empty_root(),
            frames: empty_root(),
            source: ReadingSource::Imported,
            wraps_at: None,
        }
    }

    /// How far the counter moves for an energy: the ledger multiplies it by the factor.
    fn counted(&mut self, energy: Energy) -> Energy {
        let factor = u64::from(self.view.factor.max(1));
        let energy = energy.mwh().saturating_add(self.rest);
        self.rest = energy % factor;
        Energy::from_mwh(energy / factor)
    }

    fn went_on(&mut self, statement: StatementId) {
        self.view.head.next_seq += 1;
        self.view.head.previous = statement;
    }
}
