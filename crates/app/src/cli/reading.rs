//! `wattproof reading enter`: a counter that somebody read by eye, held against what the meter can have counted before it is
//! signed.

use super::submit::Sender;
use super::terminal::{note, say, say_json};
use super::{EnterArgs, ReadingCommand, Trouble};
use crate::key_file::PassphraseSource;
use crate::web::i18n::Texts;
use api::MeterView;
use ledger::act::{Act, Break, CounterPair, ReadingSource, Readings};
use ledger::log::empty_root;
use meter::Profile;
use std::process::ExitCode;
use units::{Energy, Millis, Quantity, Timestamp};

/// More than this many times the usual use is asked about.
const UNUSUAL_TIMES: u128 = 3;
/// A difference up to this is never unusual.
const USUAL_MAX: Energy = Energy::from_kwh(10);
/// What a meter may carry whose model has no greatest power: 100 kW.
const POWER_MAX_MW: u64 = 100_000_000;

pub(super) fn reading(command: ReadingCommand, texts: Texts, keys: &PassphraseSource) -> Result<ExitCode, Trouble> {
    let ReadingCommand::Enter(args) = command;
    let sender = Sender::open(&args.asking.url, &args.key, keys, texts)?;
    let meter = sender.client().meter(&args.meter)?;
    let end = args.at.unwrap_or(sender.status().time_ms);
    let moved = plausible(&meter, &args, end)?;
    if let (Some(moved), false) = (moved, args.yes) {
        let usual = usual(&sender, &meter, end);
        if usual.is_some_and(|usual| is_unusual(moved, usual)) {
            let usual = usual.unwrap_or_default();
            return Err(Trouble::refused(
                format_args!("{moved} since the last reading; about {usual} would be usual"),
                "read the display again; if it is right, add --yes",
            ));
        }
    }
    let id = sender.send(vec![Act::Readings(Box::new(by_hand(&meter, &args, end)))])?;
    note(texts.arg("cli-submit-accepted", "id", id.to_string()));
    let view = sender.wait(&id)?;
    if args.asking.json {
        say_json(&view);
    } else {
        let moved = moved.map_or_else(String::new, |moved| format!(", {moved} since the last one"));
        say(format_args!("meter {}: {} booked, read by eye{moved} (statement {id})", args.meter, args.counter));
    }
    Ok(ExitCode::SUCCESS)
}

/// What the counter moved since the ledger's last one; `None` for the first one and after an exchange.
///
/// # Errors
/// When the meter cannot have counted that.
fn plausible(meter: &MeterView, args: &EnterArgs, end: Timestamp) -> Result<Option<Energy>, Trouble> {
    let Some(last) = meter.head.import_mwh.filter(|_| args.exchanged.is_none()) else { return Ok(None) };
    if end <= meter.head.end_ms {
        return Err(Trouble::refused(
            format_args!("the ledger has readings of meter {} up to a later time", meter.meter),
            "enter a reading that was taken after it, or leave --at out",
        ));
    }
    let run_on = match args.wrapped_at {
        Some(wraps_at) => wraps_at.checked_sub(last).and_then(|rest| rest.checked_add(args.counter)),
        None => args.counter.checked_sub(last),
    };
    let moved = run_on.ok_or_else(|| {
        Trouble::refused(
            format_args!("the counter was {last} before and cannot be {} now", args.counter),
            "read the display again. If it began at zero again, say at what: --wrapped-at 100000. If the meter was \
             exchanged, say what the new one showed when it was put in: --exchanged 0",
        )
    })?;
    let limits = Profile::shipped(&meter.profile).and_then(|profile| profile.limits(Quantity::ActivePower));
    let power = limits.and_then(|limits| u64::try_from(*limits.end()).ok()).unwrap_or(POWER_MAX_MW);
    let possible = energy_in(power, end.since(meter.head.end_ms));
    if moved > possible.checked_add(Energy::from_kwh(1)).unwrap_or(possible) {
        return Err(Trouble::refused(
            format_args!("{moved} since the last reading is more than the meter can carry in the time ({possible})"),
            "read the display again; mind the decimal point",
        ));
    }
    Ok(Some(moved))
}

fn energy_in(power_mw: u64, time: Millis) -> Energy {
    let mwh = u128::from(power_mw) * u128::from(time.ms()) / 3_600_000;
    Energy::from_mwh(u64::try_from(mwh).unwrap_or(u64::MAX))
}

/// What the member would have used until then at the pace of this month and the one before; `None` when nothing is known.
fn usual(sender: &Sender, meter: &MeterView, end: Timestamp) -> Option<Energy> {
    let account = sender.client().account(&meter.member).ok()?;
    let (mut used, mut time) = (0u128, 0u128);
    for month in account.months.iter().rev().take(2) {
        let sheet = sender.client().month(&meter.member, *month).ok()?;
        used += u128::from(sheet.terms.consumed_mwh.mwh());
        let until = sheet.until_ms.min(meter.head.end_ms);
        time += u128::from(until.since(sheet.from_ms.max(meter.from_ms)).ms());
    }
    let elapsed = u128::from(end.since(meter.head.end_ms).ms());
    let usual = (used * elapsed).checked_div(time)? / u128::from(meter.factor.max(1));
    u64::try_from(usual).ok().map(Energy::from_mwh)
}

fn is_unusual(moved: Energy, usual: Energy) -> bool {
    moved > USUAL_MAX && u128::from(moved.mwh()) > u128::from(usual.mwh()) * UNUSUAL_TIMES
}

/// The interval from the chain's head to the moment of reading; from as late as a reading by eye may reach back, if the
/// head is older.
fn by_hand(meter: &MeterView, args: &EnterArgs, end: Timestamp) -> Readings {
    let head = &meter.head;
    let reach = Timestamp::from_ms(end.ms().saturating_sub(Readings::INTERVAL_MAX_BY_HAND.ms()));
    let start = head.end_ms.max(reach);
    let gap = start > head.end_ms && head.import_mwh.is_some();
    let (broken, first) = match (args.exchanged, args.wrapped_at) {
        (Some(first), _) => (Some(Break::Exchange), first),
        (None, Some(_)) => (Some(Break::Wrap), Energy::ZERO),
        (None, None) => (gap.then_some(Break::Gap), head.import_mwh.unwrap_or(args.counter)),
    };
    Readings {
        binding: meter.binding,
        seq: head.next_seq,
        previous: head.previous,
        start,
        end,
        import: CounterPair { start: first, end: args.counter },
        export: args.export.map(|export| CounterPair { start: head.export_mwh.unwrap_or(export), end: export }),
        count: 0,
        voltage: None,
        peak_current: None,
        peak_power: None,
        broken,
        events: Vec::new(),
        estimated: false,
        columns: empty_root(),
        frames: empty_root(),
        source: ReadingSource::ByHand,
        wraps_at: args.wrapped_at.filter(|_| broken == Some(Break::Wrap)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_is_unusual_above_three_times_the_usual_and_ten_kwh() {
        for (moved, usual, expected) in [(9, 1, false), (11, 1, true), (30, 10, false), (31, 10, true), (40, 0, true)] {
            assert_eq!(is_unusual(Energy::from_kwh(moved), Energy::from_kwh(usual)), expected, "{moved} of {usual}");
        }
        assert_eq!(energy_in(23_000_000, Millis::from_minutes(60)), Energy::from_kwh(23));
    }
}
