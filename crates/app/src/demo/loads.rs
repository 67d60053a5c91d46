//! Lee's load: a protection rule switches it off while the voltage is too high, the operator switches it off and on, and
//! each switching is told to the ledger.

use super::founding::{self, FINAL_WITHIN, Household};
use super::{DemoError, Running};
use crate::web::format;
use gateway::core::{Entry, Limit, LoadLimits, Order, Outcome, Protection, Rule, Side, Trigger};
use meter::Disturbance;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use units::{Current, Millis, Quantity, Timestamp, Voltage};

/// The rule's name, which the journal and the ledger give as who switched.
pub(super) const RULE: &str = "over-voltage";
/// How soon whatever the scene waits for must happen, in reality: some polls and a block.
const WITHIN: Duration = Duration::from_secs(20);
/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Lee's meter on the first bus.
const LEE: usize = 1;

/// Off above 121 V at once, on again when it was below 118 V for a second.
pub(super) fn protection(households: &[Household]) -> Protection {
    let Some(lee) = households.get(LEE) else { return Protection::default() };
    let second = Millis::from_seconds(1);
    let trigger = Trigger::Value(Limit {
        quantity: Quantity::Voltage,
        side: Side::Above,
        limit: 121_000,
        delay: Millis::ZERO,
        release: 118_000,
        release_delay: second,
    });
    let rule = Rule { name: RULE.to_owned(), meters: vec![lee.meter.clone()], trigger, latch: false, dry_run: false };
    let limits = LoadLimits { min_off: second, switches_per_hour: 60, ..LoadLimits::default() };
    Protection { rules: vec![rule], limits: BTreeMap::from([(lee.meter.clone(), limits)]), stagger: second }
}

fn nothing(demo: &Running) -> DemoError {
    DemoError::Story(demo.texts.get("demo-nothing-happened"))
}

fn lees_current(demo: &Running) -> Option<Current> {
    let meter = &demo.lee().meter;
    let live = demo.gateway.snapshot().into_iter().find(|live| live.meter == *meter)?;
    live.reading?.current()
}

/// Waits for an entry of the journal that has its outcome.
fn entry(demo: &Running, wanted: impl Fn(&Entry) -> bool) -> Result<Entry, DemoError> {
    let deadline = Instant::now() + WITHIN;
    loop {
        let ended = |entry: &Entry| entry.ended.is_some() && wanted(entry);
        if let Some(found) = demo.gateway.recent_entries().into_iter().find(ended) {
            return match found.outcome {
                Outcome::Switched => Ok(found),
                other => Err(DemoError::Story(format!("order {}: {other:?}", found.number))),
            };
        }
        if Instant::now() > deadline {
            return Err(nothing(demo));
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Waits until Lee's meter shows a current on one side of a tenth of an ampere.
fn current(demo: &Running, flows: bool) -> Result<Current, DemoError> {
    let deadline = Instant::now() + WITHIN;
    loop {
        match lees_current(demo) {
            Some(found) if (found.ua() > 100_000) == flows => return Ok(found),
            _ if Instant::now() > deadline => return Err(nothing(demo)),
            _ => std::thread::sleep(LOOK_EVERY),
        }
    }
}

/// The block in which an entry is final.
fn stated(demo: &Running, number: u64) -> Result<units::Height, DemoError> {
    let deadline = Instant::now() + WITHIN;
    loop {
        let found = Handle::current().block_on(demo.gateway.store().journal_entry(number));
        let found = found.map_err(|error| DemoError::Story(error.to_string()))?;
        if let Some(statement) = found.and_then(|found| found.statement) {
            // The gateway delivers it first; until then the node does not know it.
            while demo.node.statement(statement).is_err() {
                if Instant::now() > deadline {
                    return Err(nothing(demo));
                }
                std::thread::sleep(LOOK_EVERY);
            }
            return founding::wait_final(&demo.node, &statement);
        }
        if Instant::now() > deadline {
            return Err(nothing(demo));
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn amperes(current: Current) -> String {
    format::decimal(i128::from(current.ua()), 6, 2)
}

/// The voltage at Lee's rises too, until the rule has acted.
pub(super) fn disturb(demo: &Running, from: Timestamp, voltage: Voltage) {
    let until = Timestamp::from_ms(u64::MAX);
    demo.buses[0].disturb(LEE, Some(Disturbance { from, until, voltage }));
}

/// The rule switched off at once; with the voltage back it switches on again.
pub(super) fn protected(demo: &Running) -> Result<(), DemoError> {
    let lee = demo.lee();
    let of_rule = |on: bool| move |entry: &Entry| entry.who == RULE && (entry.deed == gateway::core::Deed::On) == on;
    let off = entry(demo, of_rule(false))?;
    demo.go_on("demo-load-rule", &[("meter", lee.meter.as_str()), ("why", &off.why)]);
    demo.buses[0].disturb(LEE, None);
    entry(demo, of_rule(true))?;
    Ok(())
}

/// The operator switches Lee's load off and on; its current falls and comes back.
pub(super) fn switched(demo: &Running) -> Result<(), DemoError> {
    let before = current(demo, true)?;
    let off = order(demo, false)?;
    let after = current(demo, false)?;
    let height = stated(demo, off)?;
    let (before, after) = (amperes(before), amperes(after));
    let values =
        [("meter", demo.lee().meter.as_str()), ("before", &before), ("after", &after), ("height", &height.to_string())];
    demo.go_on("demo-load-off", &values);
    std::thread::sleep(Duration::from_secs(1));
    order(demo, true)?;
    current(demo, true).map(drop)
}

fn order(demo: &Running, on: bool) -> Result<u64, DemoError> {
    let (who, why) = ("operator".to_owned(), demo.texts.get("demo-load-why"));
    let order = Order { meter: demo.lee().meter.clone(), on, who, why, key: None };
    let began = Instant::now();
    let number = loop {
        match Handle::current().block_on(demo.gateway.switch(order.clone())) {
            Ok(number) => break number,
            // A rule's or a limit's time is not over yet.
            Err(_) if began.elapsed() < FINAL_WITHIN => std::thread::sleep(Duration::from_millis(100)),
            Err(error) => return Err(DemoError::Story(error.to_string())),
        }
    };
    entry(demo, |entry| entry.number == number).map(|entry| entry.number)
}
