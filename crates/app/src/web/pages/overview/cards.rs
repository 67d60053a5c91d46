//! A meter's card: what it says now, what it counted today and this month, and what remains of the contract. It serves
//! the overview of whoever may see the meter.

use crate::web::access::Sight;
use crate::web::chart::{Canvas, Curve};
use crate::web::failure::{Failure, optional};
use crate::web::format::{Clockface, decimal};
use crate::web::i18n::Texts;
use crate::web::live::{Freshness, Live};
use crate::web::view::Words;
use api::{MeterView, SheetView, Status};
use node::NodeHandle;
use std::collections::BTreeMap;
use units::{Energy, EnergyBalance, MeterId, Millis};

/// Meters on the page: a large building's. What is beyond stands under `/meters`.
const METERS_MAX: usize = 120;

/// How far back the small curves go.
const SPARK_SPAN: Millis = Millis::from_minutes(60);

/// Points of a small curve: one for each pixel or so.
const SPARK_POINTS: u32 = 120;

const SPARK: Canvas = Canvas { width: 120, height: 40 };

/// What the ledger knows of one meter, as a card needs it.
pub(super) struct Booked {
    pub(super) meter: MeterView,
    pub(super) sheet: Option<SheetView>,
    day_start: Option<u64>,
    power: Vec<i64>,
    newest: BTreeMap<String, i64>,
}

/// The wanted ones among the meters that somebody may see.
pub(super) fn gather(
    node: &NodeHandle,
    status: &Status,
    sight: Sight,
    is_wanted: impl Fn(&MeterView) -> bool,
) -> Result<Vec<Booked>, Failure> {
    let face = Clockface::new(&status.time_zone);
    let wanted = node.meters()?.into_iter().filter(|meter| is_wanted(meter) && sight.sees(&meter.member));
    let each = |meter: MeterView| {
        let with_readings = sight.reads(&meter.member);
        booked(node, status, &face, meter, with_readings)
    };
    wanted.take(METERS_MAX).map(each).collect()
}

fn booked(
    node: &NodeHandle,
    status: &Status,
    face: &Clockface,
    meter: MeterView,
    with_readings: bool,
) -> Result<Booked, Failure> {
    let sheet = match status.month {
        Some(month) => optional(node.sheet(meter.member, month))?,
        None => None,
    };
    if !with_readings {
        return Ok(Booked { meter, sheet, day_start: None, power: Vec::new(), newest: BTreeMap::new() });
    }
    let end = meter.head.end_ms;
    let day = face.day_start(status.time_ms);
    let first = node.readings(meter.meter.clone(), day, status.time_ms, 1)?.items.into_iter().next();
    let recent = node.readings(meter.meter.clone(), end - SPARK_SPAN, end, SPARK_POINTS)?.items;
    let day_start = first.and_then(|row| row.values.get("energy_import_mwh").copied()).and_then(|v| v.try_into().ok());
    let power = recent.iter().filter_map(|row| row.values.get("active_power_mw").copied()).collect();
    let newest = recent.into_iter().next_back().map(|row| row.values).unwrap_or_default();
    Ok(Booked { meter, sheet, day_start, power, newest })
}

/// A card in finished texts.
pub(super) struct MeterCard {
    pub(super) number: String,
    pub(super) name: String,
    pub(super) room: Option<String>,
    pub(super) account_href: Option<String>,
    pub(super) factor: u32,
    pub(super) age: String,
    pub(super) age_ms: String,
    pub(super) quality: &'static str,
    pub(super) power: String,
    pub(super) voltage: String,
    pub(super) current: String,
    pub(super) spark: Curve,
    pub(super) day_start_mwh: String,
    pub(super) today: String,
    pub(super) month_start_mwh: String,
    pub(super) month_energy: String,
    pub(super) contract: String,
    pub(super) remaining: String,
    pub(super) used_percent: u64,
    pub(super) quota: &'static str,
    pub(super) quota_label: String,
}

/// The newest value of a quantity: live where there is one, else booked.
pub(super) fn value(booked: &Booked, live: &BTreeMap<MeterId, Live>, name: &str) -> Option<i64> {
    let live = live.get(&booked.meter.meter).and_then(|live| live.values.get(name));
    live.or_else(|| booked.newest.get(name)).copied()
}

/// A value in words; a dash where there is none.
pub(super) fn shown(value: Option<i64>, scale: u32, places: u32) -> String {
    value.map_or_else(|| "–".to_owned(), |value| decimal(i128::from(value), scale, places))
}

/// A meter's card.
pub(super) fn card(words: &Words<'_>, status: &Status, booked: &Booked, live: &BTreeMap<MeterId, Live>) -> MeterCard {
    let meter = &booked.meter;
    let person = words.directory.person(&meter.member);
    let now = live.get(&meter.meter);
    let quality = Freshness::of(now, &meter.head, words);
    let read = |name| value(booked, live, name);
    let counter = read("energy_import_mwh").and_then(|value| u64::try_from(value).ok());
    let counter = counter.or_else(|| meter.head.import_mwh.map(Energy::mwh));
    let month_start = booked
        .sheet
        .as_ref()
        .and_then(|sheet| sheet.meters.iter().find(|month| month.meter == meter.meter))
        .map(|month| month.import_start_mwh.mwh());
    // On a month's first day both count from the same counter, which the ledger may have split by time.
    let is_first_day = booked.sheet.as_ref().is_some_and(|sheet| sheet.from_ms == words.face.day_start(status.time_ms));
    let day_start = if is_first_day { month_start } else { booked.day_start };
    let quota = Quota::of(words.t, booked.sheet.as_ref());
    let mut power = booked.power.clone();
    power.extend(now.and_then(|live| live.values.get("active_power_mw")).copied());
    MeterCard {
        number: meter.meter.to_string(),
        name: words.name(&meter.member),
        room: person.and_then(|person| person.room.clone()),
        account_href: status.month.map(|month| format!("/accounts/{}/{month}", meter.member)),
        factor: meter.factor,
        age: quality.text,
        age_ms: quality.age_ms,
        quality: quality.name,
        power: shown(read("active_power_mw"), 3, 1),
        voltage: shown(read("voltage_mv"), 3, 1),
        current: shown(read("current_ua"), 6, 3),
        spark: Curve::through(&power, SPARK),
        day_start_mwh: start_text(day_start),
        today: since(counter, day_start, meter.factor),
        month_start_mwh: start_text(month_start),
        month_energy: since(counter, month_start, meter.factor),
        contract: quota.contract,
        remaining: quota.remaining,
        used_percent: quota.percent.min(100),
        quota: quota.class,
        quota_label: quota.label,
    }
}

fn start_text(start: Option<u64>) -> String {
    start.map_or_else(String::new, |start| start.to_string())
}

/// Energy since a counter value, in kWh to the Wh.
fn since(counter: Option<u64>, start: Option<u64>, factor: u32) -> String {
    let difference = counter.zip(start).map(|(now, start)| u128::from(now.saturating_sub(start)) * u128::from(factor));
    let difference = difference.and_then(|mwh| i128::try_from(mwh).ok());
    difference.map_or_else(|| "–".to_owned(), |mwh| decimal(mwh, 6, 3))
}

/// How much of what a sheet has is used.
pub(in super::super) struct Quota {
    pub(in super::super) contract: String,
    pub(in super::super) remaining: String,
    pub(in super::super) percent: u64,
    pub(in super::super) class: &'static str,
    pub(in super::super) label: String,
}

impl Quota {
    /// Of a sheet; without one there is nothing to use.
    pub(in super::super) fn of(t: Texts, sheet: Option<&SheetView>) -> Self {
        let Some(sheet) = sheet else {
            let none = || "–".to_owned();
            return Self { contract: none(), remaining: none(), percent: 0, class: "ok", label: String::new() };
        };
        let terms = &sheet.terms;
        let percent = percent_used(terms.consumed_mwh, terms.remaining_mwh);
        let (class, label) = match percent {
            _ if terms.remaining_mwh < EnergyBalance::ZERO => ("over", t.get("quota-over")),
            80.. => ("warn", t.arg("quota-warn", "percent", percent.to_string())),
            _ => ("ok", t.arg("quota-ok", "percent", percent.to_string())),
        };
        Self {
            contract: decimal(i128::from(terms.contract_mwh.mwh()), 6, 1),
            remaining: decimal(i128::from(terms.remaining_mwh.mwh()), 6, 3),
            percent,
            class,
            label,
        }
    }
}

/// Energy used as a percentage of what there was for use (used + remaining), rounded down; 100 and more when nothing is
/// left.
pub(in super::super) fn percent_used(used: Energy, remaining: EnergyBalance) -> u64 {
    let used = i128::from(used.mwh());
    let there_was = used + i128::from(remaining.mwh());
    if used == 0 {
        0
    } else if there_was <= 0 {
        100
    } else {
        u64::try_from(used * 100 / there_was).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_used_is_of_what_there_was() {
        for (used, remaining, percent) in
            [(0, 0, 0), (0, 5, 0), (90, 110, 45), (80, 20, 80), (100, 0, 100), (150, -50, 150), (5, -5, 100)]
        {
            assert_eq!(percent_used(Energy::from_kwh(used), EnergyBalance::from_mwh(remaining * 1_000_000)), percent);
        }
    }

    #[test]
    fn energy_since_a_counter_value_is_multiplied_by_the_factor() {
        assert_eq!(since(Some(1_500_000), Some(500_000), 1), "1.000");
        assert_eq!(since(Some(1_500_000), Some(500_000), 20), "20.000");
        assert_eq!(since(Some(1), Some(2), 1), "0.000");
        assert_eq!(since(None, Some(2), 1), "–");
    }
}
