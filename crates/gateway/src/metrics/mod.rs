//! What a gateway and its process show to Prometheus: readings, their ages, and how polls, buses, outbox and database fare.
//!
//! Everything is taken at the moment of the scrape from what the gateway shows anyway, so nothing is counted twice and
//! nothing runs when nobody asks. Values are in Prometheus' base units (volts, amperes, watts, joules, seconds), which are
//! fractions; nothing signed or billed is computed from them. Labels are meters, buses and channels of the configuration and
//! kinds of errors from a fixed list: their number does not grow while the gateway runs.

mod family;
mod process;
mod quantity;

use crate::core::{LoadView, RuleView};
use crate::mirror::MirrorStatus;
use crate::{GatewayHandle, LiveBus, LiveMeter, Quality};
pub use family::{Family, MEDIA_TYPE, exposition};
pub use process::of_process;
use std::collections::BTreeMap;
use units::{MeterId, Millis, Timestamp};

/// The newest readings of a gateway's meters.
#[must_use]
pub fn of_readings(gateway: &GatewayHandle) -> Vec<Family> {
    quantity::families(&gateway.snapshot())
}

/// How a gateway fares; no reading is among it.
#[must_use]
pub fn of_gateway(gateway: &GatewayHandle) -> Vec<Family> {
    let meters = gateway.snapshot();
    let mut families = of_meters(&meters);
    families.extend(of_buses(&gateway.buses()));
    families.extend(of_loads(&gateway.loads(), &gateway.rules()));
    families.push(of_outcomes(&gateway.outcomes()));
    families.extend(of_outbox(&meters, gateway.now()));
    let trouble = Family::gauge("wattproof_gateway_database_trouble", "1 while the database takes nothing.");
    families.push(trouble.one(flag(gateway.trouble().is_some())));
    if let Some(mirror) = gateway.mirror() {
        families.extend(of_archive(&mirror, gateway.now()));
    }
    if let Some(mqtt) = gateway.mqtt() {
        families.push(
            Family::gauge("wattproof_mqtt_connected", "1 while the MQTT broker takes messages.")
                .one(flag(mqtt.is_connected())),
        );
        families.push(
            Family::counter("wattproof_mqtt_messages", "Messages given to the MQTT broker.")
                .one(count(mqtt.published())),
        );
    }
    families
}

/// Name and version of the program.
#[must_use]
pub fn of_program(version: &'static str) -> Family {
    Family::gauge("wattproof_program", "Always 1; the version stands in the label.").with(&[("version", version)], 1.0)
}

fn of_meters(meters: &[LiveMeter]) -> Vec<Family> {
    let mut fresh = Family::gauge("wattproof_meter_fresh", "1 while the newest reading is of the last few polls.");
    let mut age = Family::gauge("wattproof_meter_reading_age", "Time since the newest reading.").unit("seconds");
    let mut polls = Family::counter("wattproof_meter_polls", "Polls begun.");
    let mut answers = Family::counter("wattproof_meter_answers", "Polls that gave a reading.");
    let mut errors = Family::counter("wattproof_meter_poll_errors", "Polls that gave none, by kind.");
    let mut waiting = Family::gauge("wattproof_meter_unconfirmed_statements", "Statements that are not final.");
    for meter in meters {
        let labels = [("meter", meter.meter.as_str()), ("bus", meter.bus.as_str())];
        fresh = fresh.with(&labels, flag(meter.quality == Quality::Fresh));
        if let Some(value) = meter.age {
            age = age.with(&labels, seconds(value));
        }
        polls = polls.with(&labels, count(meter.polls));
        answers = answers.with(&labels, count(meter.answers));
        for (kind, number) in &meter.errors {
            errors = errors.with(&[labels[0], labels[1], ("kind", kind)], count(*number));
        }
        waiting = waiting.with(&labels[..1], size(meter.unconfirmed));
    }
    vec![fresh, age, polls, answers, errors, waiting]
}

fn of_buses(buses: &[LiveBus]) -> Vec<Family> {
    let mut open = Family::gauge("wattproof_bus_open", "1 while the bus's port is open.");
    let mut planned = Family::gauge(
        "wattproof_bus_load_planned",
        "Share of the line's time that the schedule needs; above 0.9 meters may be asked less often.",
    )
    .unit("ratio");
    let mut measured =
        Family::gauge("wattproof_bus_load", "Share of the line's time that was taken in the last minutes.")
            .unit("ratio");
    for bus in buses {
        let labels = [("bus", bus.name.as_str())];
        open = open.with(&labels, flag(bus.open));
        planned = planned.with(&labels, count(bus.load_planned_permille) / 1_000.0);
        if let Some(permille) = bus.load_measured_permille {
            measured = measured.with(&labels, count(permille) / 1_000.0);
        }
    }
    vec![open, planned, measured]
}

fn of_loads(loads: &[LoadView], rules: &[RuleView]) -> Vec<Family> {
    let mut on =
        Family::gauge("wattproof_load_on", "1 while the load is on, 0 while it is off; none while that is unknown.");
    let mut locked = Family::gauge("wattproof_load_locks", "Rules and persons that hold the load off.");
    let mut switches = Family::gauge("wattproof_load_switches_last_hour", "Switchings within the last hour.");
    for load in loads {
        let labels = [("meter", load.meter.as_str())];
        if let Some(state) = load.state {
            on = on.with(&labels, flag(state));
        }
        locked = locked.with(&labels, size(load.locks.len()));
        switches = switches.with(&labels, size(load.switches));
    }
    let mut tripped = Family::gauge("wattproof_rule_tripped_meters", "Meters for which the protection rule holds now.");
    for rule in rules {
        tripped = tripped.with(&[("rule", &rule.rule.name)], size(rule.tripped.len()));
    }
    vec![on, locked, switches, tripped]
}

fn of_outcomes(outcomes: &BTreeMap<(MeterId, &'static str), u64>) -> Family {
    let family = Family::counter("wattproof_load_orders", "Orders and rules' acts with an outcome, by that outcome.");
    outcomes.iter().fold(family, |family, ((meter, outcome), number)| {
        family.with(&[("meter", meter.as_str()), ("outcome", outcome)], count(*number))
    })
}

fn of_archive(mirror: &MirrorStatus, now: Timestamp) -> Vec<Family> {
    let away = mirror.lost_since.map_or(Millis::ZERO, |since| Millis::from_ms(now.ms().saturating_sub(since.ms())));
    vec![
        Family::gauge("wattproof_archive_reached", "1 while the database server is reached.")
            .one(flag(mirror.lost.is_none())),
        Family::gauge("wattproof_archive_waiting_changes", "Changes that wait for the database server.")
            .one(count(mirror.waiting)),
        Family::gauge("wattproof_archive_away", "Time since the database server was lost; 0 while it is reached.")
            .unit("seconds")
            .one(seconds(away)),
        Family::counter("wattproof_archive_outages", "How often the database server was lost.")
            .one(count(mirror.times_lost)),
        Family::counter(
            "wattproof_archive_given_up_readings",
            "Final readings that the database server will not get, because too much waited for it.",
        )
        .one(count(mirror.given_up)),
    ]
}

fn of_outbox(meters: &[LiveMeter], now: Timestamp) -> Vec<Family> {
    let waiting: usize = meters.iter().map(|meter| meter.unconfirmed).sum();
    let oldest = meters.iter().filter_map(|meter| meter.unconfirmed_since).min();
    let age = oldest.map_or(Millis::ZERO, |since| Millis::from_ms(now.ms().saturating_sub(since.ms())));
    vec![
        Family::gauge("wattproof_gateway_outbox_statements", "Statements that are not final, of all meters.")
            .one(size(waiting)),
        Family::gauge(
            "wattproof_gateway_outbox_oldest",
            "Time since the end of the oldest interval that is not final.",
        )
        .unit("seconds")
        .one(seconds(age)),
    ]
}

/// Exact up to 2^53, beyond which no counter here comes.
#[must_use]
pub fn count(value: u64) -> f64 {
    value as f64
}

fn size(value: usize) -> f64 {
    count(u64::try_from(value).unwrap_or(u64::MAX))
}

/// 1 for yes.
#[must_use]
pub fn flag(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

/// A time span in seconds.
#[must_use]
pub fn seconds(span: Millis) -> f64 {
    count(span.ms()) / 1_000.0
}

#[cfg(test)]
mod tests;
