//! `/` for a member who opened a personal link: what remains of the contract, what their meters say now and how old each
//! value is, what today and the month came to, and what waits for them.

use super::super::{Answer, ask, render, words};
use super::cards::{self, Booked, MeterCard, Quota, shown};
use crate::web::AppState;
use crate::web::access::Sight;
use crate::web::failure::{Failure, optional};
use crate::web::format::kwh;
use crate::web::frame::{Frame, Reader, Section};
use crate::web::i18n::Texts;
use crate::web::live::{Freshness, Live};
use crate::web::view::{Total, Words, volts};
use api::{AccountView, BillSummary, SheetView, Status, VoltageLimitsView};
use askama::Template;
use axum::http::StatusCode;
use node::NodeHandle;
use std::collections::BTreeMap;
use units::{AccountId, MeterId, Timestamp};

/// Quantities that are shown as they are now: name of the text, of the value, its scale, the decimals and the unit.
const NOW: [(&str, &str, u32, u32, &str); 3] = [
    ("active-power", "active_power_mw", 3, 1, "W"),
    ("voltage", "voltage_mv", 3, 1, "V"),
    ("current", "current_ua", 6, 3, "A"),
];

struct Gathered {
    account: Option<AccountView>,
    /// The newest bill and the month it begins in.
    bill: Option<(BillSummary, units::Month)>,
    sheet: Option<SheetView>,
    meters: Vec<Booked>,
}

fn gather(node: &NodeHandle, status: &Status, own: AccountId, sight: Sight) -> Result<Gathered, Failure> {
    let sheet = match status.month {
        Some(month) => optional(node.sheet(own, month))?,
        None => None,
    };
    let meters = cards::gather(node, status, sight, |meter| meter.member == own)?;
    let account = optional(node.account(own))?;
    let bill = match account.as_ref().and_then(|account| account.bills.last()) {
        Some(bill) => {
            let from = bill.from_ms;
            node.with_state(move |state| state.genesis().month_at(from))?.map(|month| (bill.clone(), month))
        }
        None => None,
    };
    Ok(Gathered { account, bill, sheet, meters })
}

/// A value with its age.
struct Value {
    key: &'static str,
    name: &'static str,
    scale: u32,
    places: u32,
    value: String,
    unit: &'static str,
    note: String,
    age: Freshness,
}

struct MeterNow {
    card: MeterCard,
    values: Vec<Value>,
    /// Age of the counter, which today and the month are reckoned from.
    counted: Freshness,
}

struct Month {
    name: String,
    href: String,
    quota: Quota,
    used: String,
    closes: String,
}

struct NewestBill {
    href: String,
    span: String,
    total: Total,
}

#[derive(Template)]
#[template(path = "overview_member.html")]
struct MemberPage {
    frame: Frame,
    t: Texts,
    name: String,
    room: Option<String>,
    /// Intervals with a voltage outside the limits that are not claimed yet, and where to read of them.
    outside: Option<(String, String)>,
    month: Option<Month>,
    bill: Option<NewestBill>,
    meters: Vec<MeterNow>,
}

/// The page.
pub(super) async fn overview(state: AppState, reader: Reader, own: AccountId) -> Answer {
    let caller = reader.caller.clone();
    let question =
        move |node: &NodeHandle, status: &Status| gather(node, status, own, caller.sight(status.public_readings));
    let (status, gathered) = ask(&state, &reader, question).await?;
    let words = words(&state, &reader, &status);
    let (t, live) = (words.t, state.live());
    let page = MemberPage {
        frame: Frame::new(&reader, Section::Overview, &status.name, t.get("overview-title")),
        t,
        name: words.name(&own),
        room: words.directory.person(&own).and_then(|person| person.room.clone()),
        outside: outside(t, &gathered),
        month: gathered.sheet.as_ref().map(|sheet| month(&words, sheet)),
        bill: gathered.bill.as_ref().map(|bill| newest_bill(&words, own, bill)),
        meters: gathered.meters.iter().map(|booked| meter_now(&words, &status, booked, &live)).collect(),
    };
    Ok(render(&page, StatusCode::OK))
}

fn month(words: &Words<'_>, sheet: &SheetView) -> Month {
    Month {
        name: sheet.month.to_string(),
        href: format!("/accounts/{}/{}", sheet.account, sheet.month),
        quota: Quota::of(words.t, Some(sheet)),
        used: kwh(sheet.terms.consumed_mwh),
        closes: words.t.arg("month-closes", "time", words.when(sheet.closes_ms)),
    }
}

fn newest_bill(words: &Words<'_>, own: AccountId, (bill, month): &(BillSummary, units::Month)) -> NewestBill {
    let (from, until) = (words.when(bill.from_ms), words.when(bill.until_ms));
    NewestBill {
        href: format!("/accounts/{own}/{month}"),
        span: words.t.with("bill-span", &[("from", &from), ("until", &until)]),
        total: words.total(bill.total_1e4),
    }
}

fn outside(t: Texts, gathered: &Gathered) -> Option<(String, String)> {
    let waiting: Vec<_> = gathered
        .account
        .iter()
        .flat_map(|account| &account.outside)
        .filter(|interval| interval.claim.is_none())
        .collect();
    let newest = waiting.first()?;
    let meter = newest.meter.as_ref().or(gathered.meters.first().map(|booked| &booked.meter.meter))?;
    let text = t.arg("member-outside", "count", waiting.len().to_string());
    Some((text, format!("/meters/{meter}/voltage")))
}

fn meter_now(words: &Words<'_>, status: &Status, booked: &Booked, live: &BTreeMap<MeterId, Live>) -> MeterNow {
    let now = live.get(&booked.meter.meter);
    let has = |name: &str| now.filter(|live| live.values.contains_key(name));
    let value = |(key, name, scale, places, unit): (&'static str, &'static str, u32, u32, &'static str)| Value {
        key,
        name,
        scale,
        places,
        value: shown(cards::value(booked, live, name), scale, places),
        unit,
        note: if name == "voltage_mv" { limits_note(words, status) } else { String::new() },
        age: Freshness::of(has(name), &booked.meter.head, words),
    };
    MeterNow {
        card: cards::card(words, status, booked, live),
        values: NOW.map(value).into(),
        counted: Freshness::of(has("energy_import_mwh"), &booked.meter.head, words),
    }
}

/// The limits that are in force.
fn limits_note(words: &Words<'_>, status: &Status) -> String {
    let limits = in_force(&status.voltage_limits, status.time_ms);
    limits.map_or_else(String::new, |limits| {
        words.t.with("voltage-limits-short", &[("low", &volts(limits.min_mv)), ("high", &volts(limits.max_mv))])
    })
}

/// The limits at a point in time.
pub(in super::super) fn in_force(limits: &[VoltageLimitsView], at: Timestamp) -> Option<&VoltageLimitsView> {
    limits.iter().filter(|limits| limits.from_ms <= at).max_by_key(|limits| limits.from_ms)
}
