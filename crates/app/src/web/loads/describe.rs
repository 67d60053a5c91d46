//! The gateway's values as the contract's.

use super::LoadSite;
use ::api::{ArchiveNow, BusNow, LineNow, LoadLock, LoadNow, LoadsView, Power, RuleNow, Switching};
use gateway::core::{Entry, LineTrouble, LoadView, RuleView, Side, Trigger};
use gateway::mirror::MirrorStatus;
use gateway::store::{StoredEntry, cause_name, load_state_name};
use gateway::{LiveMeter, Quality};
use meter::LineVerdict;
use std::collections::BTreeMap;

const fn power(on: bool) -> Power {
    if on { Power::On } else { Power::Off }
}

impl LoadSite {
    /// Everything at this moment.
    pub(crate) fn view(&self) -> LoadsView {
        let gateway = &self.0.gateway;
        let meters = gateway.snapshot();
        let live = |load: &LoadView| meters.iter().find(|meter| meter.meter == load.meter);
        let buses = gateway.buses().into_iter().map(|bus| {
            let on_bus: Vec<&LiveMeter> = meters.iter().filter(|meter| bus.meters.contains(&meter.meter)).collect();
            let mut errors: BTreeMap<String, u64> = BTreeMap::new();
            for (kind, count) in on_bus.iter().flat_map(|meter| &meter.errors) {
                *errors.entry((*kind).to_owned()).or_default() += count;
            }
            BusNow {
                name: bus.name,
                place: bus.place,
                open: bus.open,
                lost: bus.lost,
                meters: u32::try_from(on_bus.len()).unwrap_or(u32::MAX),
                polls: on_bus.iter().map(|meter| meter.polls).sum(),
                answers: on_bus.iter().map(|meter| meter.answers).sum(),
                errors,
                load_planned_permille: bus.load_planned_permille,
                load_measured_permille: bus.load_measured_permille,
                line: bus.line.map(line_now),
            }
        });
        LoadsView {
            time_ms: gateway.now(),
            trouble: gateway.trouble(),
            loads: gateway.loads().into_iter().map(|load| load_now(live(&load), load)).collect(),
            rules: gateway.rules().into_iter().map(rule_now).collect(),
            buses: buses.collect(),
            archive: gateway.mirror().map(archive_now),
        }
    }
}

fn archive_now(mirror: MirrorStatus) -> ArchiveNow {
    let (last_trouble_ms, last_trouble) = mirror.last_trouble.unzip();
    ArchiveNow {
        place: mirror.place,
        waiting: mirror.waiting,
        lost_since_ms: mirror.lost_since,
        last_trouble,
        last_trouble_ms,
        given_up_readings: mirror.given_up,
    }
}

fn line_now(trouble: LineTrouble) -> LineNow {
    let times_as_slow = match trouble.verdict {
        LineVerdict::SlowerSender { by } => Some(by),
        LineVerdict::Silent | LineVerdict::Noise | LineVerdict::OtherSetting => None,
    };
    LineNow {
        kind: trouble.verdict.kind().to_owned(),
        baud: trouble.baud,
        times_as_slow,
        advice: trouble.to_string(),
        rates: trouble.rates,
    }
}

fn load_now(live: Option<&LiveMeter>, load: LoadView) -> LoadNow {
    let reading = live.and_then(|live| live.reading.as_ref());
    let values = reading.map(|reading| reading.iter().map(|(key, value)| (key.to_string(), value)).collect());
    let lock = |lock: gateway::core::LockView| LoadLock {
        rule: lock.rule,
        since_ms: lock.since,
        why: lock.why,
        latched: lock.latched,
    };
    LoadNow {
        bus: live.map(|live| live.bus.clone()).unwrap_or_default(),
        model: live.map(|live| live.model.clone()).unwrap_or_default(),
        meter: load.meter,
        state: load.state.map(power),
        state_age_ms: load.state_age,
        reads_back: load.reads_back,
        values: values.unwrap_or_default(),
        values_age_ms: live.and_then(|live| live.age),
        stale: live.is_some_and(|live| live.quality == Quality::Stale),
        locks: load.locks.into_iter().map(lock).collect(),
        order: load.order.map(switching),
        comes_back: load.comes_back,
        on_in_ms: load.on_in,
        off_in_ms: load.off_in,
        switches: u32::try_from(load.switches).unwrap_or(u32::MAX),
        switches_max: load.switches_max,
        never_with: load.never_with,
    }
}

fn rule_now(RuleView { rule, tripped }: RuleView) -> RuleNow {
    let (mut quantity, mut limit, mut delay_ms, mut minutes) = (None, None, None, None);
    let switches = rule.switches();
    let kind = match rule.trigger {
        Trigger::Value(value) => {
            (quantity, limit, delay_ms) =
                (Some(value.quantity.name().to_owned()), Some(value.limit), Some(value.delay));
            match value.side {
                Side::Above => "above",
                Side::Below => "below",
            }
        }
        Trigger::Schedule(schedule) => {
            minutes = Some([schedule.from_minute, schedule.until_minute]);
            "schedule"
        }
        Trigger::EnergyUsedUp { .. } => "energy_used_up",
    };
    RuleNow {
        name: rule.name,
        kind: kind.to_owned(),
        quantity,
        limit,
        delay_ms,
        minutes,
        meters: rule.meters,
        latch: rule.latch,
        switches,
        dry_run: rule.dry_run,
        tripped,
    }
}

/// An entry whose way to the ledger is not known here.
pub(super) fn switching(entry: Entry) -> Switching {
    stored(StoredEntry { entry, statement: None, stated: None, place: None })
}

/// An entry as the journal holds it.
pub(super) fn stored(StoredEntry { entry, statement, stated, place }: StoredEntry) -> Switching {
    Switching {
        number: entry.number,
        meter: entry.meter,
        time_ms: entry.time,
        deed: entry.deed.name().to_owned(),
        by: cause_name(entry.by).to_owned(),
        who: entry.who,
        why: entry.why,
        before: load_state_name(entry.before).to_owned(),
        after: load_state_name(entry.after).to_owned(),
        reason: entry.outcome.reason().map(str::to_owned),
        outcome: entry.outcome.name().to_owned(),
        ended_ms: entry.ended,
        statement,
        stated,
        height: place.map(|place| place.height),
    }
}
