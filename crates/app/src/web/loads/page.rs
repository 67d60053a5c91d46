//! `/loads`: every load with its values, what holds it, who switched it and why; and the page that asks once more.

use super::LoadSite;
use super::api::{OPERATOR, parse, refused};
use super::archive::{ArchiveLine, archive_line};
use super::bus::{BusLine, bus_line};
use super::describe;
use super::refusal::refusal_text;
use super::why::rule_why;
use crate::web::failure::Failure;
use crate::web::format::{Moment, decimal};
use crate::web::frame::{Frame, Reader, Section};
use crate::web::i18n::Texts;
use crate::web::pages::{error_page, render};
use ::api::{LoadLock, LoadNow, LoadsView, Power, RuleNow, Switching};
use askama::Template;
use axum::extract::{Form, Path, Query};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use gateway::core::{Order, Reset};
use serde::Deserialize;
use units::{MeterId, Millis};

/// Lines of the journal on the page.
const JOURNAL_LINES: u32 = 20;

struct LoadCard {
    meter: String,
    model: String,
    bus: String,
    state: &'static str,
    state_text: String,
    state_note: String,
    power: String,
    current: String,
    voltage: String,
    quality: &'static str,
    age: String,
    age_ms: String,
    locks: Vec<String>,
    latched: bool,
    comes_back: bool,
    busy: String,
    notes: Vec<String>,
    on_href: String,
    off_href: String,
    reset_href: String,
    may_on: bool,
    may_off: bool,
}

struct RuleLine {
    name: String,
    what: String,
    meters: String,
    state: &'static str,
    state_text: String,
    marks: Vec<String>,
}

struct JournalLine {
    number: u64,
    time: Moment,
    meter: String,
    deed: String,
    who: String,
    why: String,
    change: String,
    outcome: String,
    kind: &'static str,
    reason: String,
    block: Option<u64>,
}

#[derive(Template)]
#[template(path = "loads.html")]
struct LoadsPage {
    frame: Frame,
    t: Texts,
    trouble: Option<String>,
    may_switch: bool,
    loads: Vec<LoadCard>,
    rules: Vec<RuleLine>,
    journal: Vec<JournalLine>,
    journal_trouble: Option<String>,
    buses: Vec<BusLine>,
    archive: Option<ArchiveLine>,
}

#[derive(Template)]
#[template(path = "load_switch.html")]
struct ConfirmPage {
    frame: Frame,
    t: Texts,
    meter: String,
    state: &'static str,
    question: String,
    explained: String,
    yes: String,
    action: String,
    key: String,
    why: String,
    who: String,
    refused: Option<String>,
}

/// `GET /loads`.
pub(crate) async fn loads(site: LoadSite, reader: Reader) -> Response {
    let journal = site.0.gateway.store().journal_entries(None, JOURNAL_LINES).await;
    let (entries, journal_trouble) = match journal {
        Ok(found) => (found.into_iter().map(describe::stored).collect(), None),
        // The journal of this run is known without the database.
        Err(error) => {
            let recent = site.0.gateway.recent_entries().into_iter().take(20);
            (recent.map(describe::switching).collect::<Vec<_>>(), Some(error.to_string()))
        }
    };
    let LoadsView { trouble, loads, rules, buses, archive, .. } = site.view();
    let t = reader.texts();
    let page = LoadsPage {
        frame: Frame::new(&reader, Section::Loads, &site.0.community, t.get("loads-title")),
        t,
        trouble,
        may_switch: reader.caller.is_operator(),
        loads: loads.into_iter().map(|load| card(t, load)).collect(),
        rules: rules.into_iter().map(|rule| rule_line(t, rule)).collect(),
        journal: entries.into_iter().map(|entry| site.journal_line(t, entry)).collect(),
        journal_trouble,
        buses: buses.into_iter().map(|bus| bus_line(t, bus)).collect(),
        archive: archive.map(|archive| archive_line(t, &site.0.face, archive)),
    };
    render(&page, StatusCode::OK)
}

/// Which act a person is asked about once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Wanted {
    On,
    Off,
    Reset,
}

impl Wanted {
    const fn name(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
            Self::Reset => "reset",
        }
    }
}

/// What the link to the question says.
#[derive(Debug, Deserialize)]
pub(crate) struct ConfirmQuery {
    state: Wanted,
}

/// `GET /loads/{meter}/switch?state=off`: the question before anything is switched.
pub(crate) async fn confirm(
    site: LoadSite,
    reader: Reader,
    Path(meter): Path<String>,
    Query(ConfirmQuery { state }): Query<ConfirmQuery>,
) -> Response {
    match parse::<MeterId>(&meter) {
        Ok(meter) => render(&site.question(&reader, &meter, state, Filled::new()), StatusCode::OK),
        Err(failure) => error_page(&reader, &site.0.community, &failure),
    }
}

/// The form as it was sent.
#[derive(Debug, Deserialize)]
pub(crate) struct Filled {
    #[serde(default)]
    who: String,
    #[serde(default)]
    why: String,
    #[serde(default)]
    key: String,
}

impl Filled {
    /// Empty, with a key of its own, so that a double click is one order.
    fn new() -> Self {
        let random: [u8; 16] = crate::key_file::random().unwrap_or_default();
        let key = random.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { who: String::new(), why: String::new(), key }
    }
}

/// `POST /loads/{meter}/switch?state=off`: orders it, and goes back to the page, where its outcome stands.
pub(crate) async fn switch(
    site: LoadSite,
    reader: Reader,
    (Path(meter), Query(ConfirmQuery { state })): (Path<String>, Query<ConfirmQuery>),
    Form(filled): Form<Filled>,
) -> Response {
    let meter = match parse::<MeterId>(&meter) {
        Ok(meter) => meter,
        Err(failure) => return error_page(&reader, &site.0.community, &failure),
    };
    let who = if filled.who.trim().is_empty() { OPERATOR } else { filled.who.trim() }.to_owned();
    let (why, key) = (filled.why.trim().to_owned(), Some(filled.key.clone()).filter(|key| !key.is_empty()));
    let gateway = &site.0.gateway;
    let answer = match state {
        Wanted::Reset => gateway.reset(Reset { meter: meter.clone(), who, why }).await,
        Wanted::On | Wanted::Off => {
            gateway.switch(Order { meter: meter.clone(), on: state == Wanted::On, who, why, key }).await
        }
    };
    match answer {
        Ok(order) => Redirect::to(&format!("{}?order={order}#journal", super::PAGE)).into_response(),
        Err(error) => {
            let failure: Failure = refused(&error);
            let mut page = site.question(&reader, &meter, state, filled);
            page.refused = Some(refusal_text(page.t, &error));
            render(&page, failure.status())
        }
    }
}

impl LoadSite {
    fn question(&self, reader: &Reader, meter: &MeterId, wanted: Wanted, filled: Filled) -> ConfirmPage {
        let t = reader.texts();
        let state = wanted.name();
        let question = t.arg(&format!("load-ask-{state}"), "meter", meter.as_str());
        ConfirmPage {
            frame: Frame::new(reader, Section::Loads, &self.0.community, question.clone()),
            t,
            meter: meter.to_string(),
            state,
            question,
            explained: t.get(&format!("load-ask-{state}-note")),
            yes: t.get(&format!("load-confirm-{state}")),
            action: format!("/loads/{meter}/switch?state={state}"),
            key: filled.key,
            why: filled.why,
            who: filled.who,
            refused: None,
        }
    }

    fn journal_line(&self, t: Texts, entry: Switching) -> JournalLine {
        let state = |name: &str| t.get(&format!("load-state-{name}"));
        let change = match (entry.deed.as_str(), entry.ended_ms) {
            ("reset", _) | (_, None) => String::new(),
            _ if ["would_have", "warned", "withdrawn"].contains(&entry.outcome.as_str()) => String::new(),
            _ => format!("{} → {}", state(&entry.before), state(&entry.after)),
        };
        let kind = match entry.outcome.as_str() {
            "switched" | "done" => "final",
            "failed" | "unknown" => "bad",
            "would_have" | "warned" | "withdrawn" | "unconfirmed" => "warn",
            _ => "",
        };
        JournalLine {
            number: entry.number,
            time: self.0.face.moment(entry.time_ms),
            meter: entry.meter.to_string(),
            deed: t.get(&format!("load-deed-{}", entry.deed)),
            who: match entry.who.as_str() {
                OPERATOR => t.get("operator"),
                other if entry.by == "person" => other.to_owned(),
                rule => t.arg("load-by-rule", "rule", rule),
            },
            why: if entry.by == "person" { entry.why } else { rule_why(t, &entry.why) },
            change,
            outcome: t.get(&format!("load-outcome-{}", entry.outcome.replace('_', "-"))),
            kind,
            reason: entry.reason.unwrap_or_default(),
            block: entry.height,
        }
    }
}

fn card(t: Texts, load: LoadNow) -> LoadCard {
    let value = |name: &str, scale, places| {
        load.values.get(name).map_or_else(|| "-".to_owned(), |value| decimal(i128::from(*value), scale, places))
    };
    let state = load.state.map_or("unknown", Power::name);
    let quality = match load.values_age_ms {
        None => "none",
        Some(_) if load.stale => "stale",
        Some(_) => "live",
    };
    let idle = load.order.is_none();
    let mut notes = Vec::new();
    if load.on_in_ms > Millis::ZERO && load.state != Some(Power::On) && load.locks.is_empty() {
        notes.push(t.arg("load-on-in", "wait", wait_text(t, load.on_in_ms)));
    }
    if load.off_in_ms > Millis::ZERO && load.state == Some(Power::On) {
        notes.push(t.arg("load-off-in", "wait", wait_text(t, load.off_in_ms)));
    }
    if !load.never_with.is_empty() {
        let others: Vec<String> = load.never_with.iter().map(ToString::to_string).collect();
        notes.push(t.arg("load-never-with", "others", others.join(", ")));
    }
    let (switches, most) = (load.switches.to_string(), load.switches_max.to_string());
    notes.push(t.with("load-switches", &[("count", &switches), ("most", &most)]));
    let order = load.order.as_ref().map(|order| order.deed.clone());
    let link = |state: &str| format!("/loads/{}/switch?state={state}", load.meter);
    LoadCard {
        state,
        state_text: t.get(&format!("load-state-{state}")),
        state_note: state_note(t, &load),
        power: value("active_power_mw", 3, 1),
        current: value("current_ua", 6, 3),
        voltage: value("voltage_mv", 3, 1),
        quality,
        age: load.values_age_ms.map_or_else(|| t.get("age-none"), |age| crate::web::live::age_text(t, age)),
        age_ms: load.values_age_ms.map(|age| age.ms().to_string()).unwrap_or_default(),
        latched: load.locks.iter().any(|lock| lock.latched),
        locks: load.locks.iter().map(|lock| lock_text(t, lock)).collect(),
        comes_back: load.comes_back,
        busy: order.map(|deed| t.get(&format!("load-busy-{deed}"))).unwrap_or_default(),
        notes,
        on_href: link("on"),
        off_href: link("off"),
        reset_href: link("reset"),
        may_on: idle && load.locks.is_empty() && load.state != Some(Power::On) && load.on_in_ms == Millis::ZERO,
        may_off: idle && load.state != Some(Power::Off) && load.off_in_ms == Millis::ZERO,
        meter: load.meter.to_string(),
        model: load.model,
        bus: load.bus,
    }
}

fn state_note(t: Texts, load: &LoadNow) -> String {
    match (load.state_age_ms, load.reads_back) {
        (_, false) => t.get("load-not-read-back"),
        (None, true) => t.get("load-not-read-yet"),
        (Some(age), true) => t.arg("load-read-back", "age", crate::web::live::age_text(t, age)),
    }
}

fn lock_text(t: Texts, lock: &LoadLock) -> String {
    let key = if lock.latched { "load-latched" } else { "load-locked" };
    t.with(key, &[("rule", &lock.rule), ("why", &rule_why(t, &lock.why))])
}

pub(super) fn wait_text(t: Texts, wait: Millis) -> String {
    let seconds = wait.ms().div_ceil(1_000);
    if seconds < 120 {
        return t.arg("wait-seconds", "count", seconds.to_string());
    }
    t.arg("wait-minutes", "count", seconds.div_ceil(60).to_string())
}

fn rule_line(t: Texts, rule: RuleNow) -> RuleLine {
    let limit = rule.quantity.as_deref().zip(rule.limit).map(|(quantity, limit)| {
        let (scale, places, unit) = match quantity {
            "voltage_mv" => (3, 1, "V"),
            "current_ua" => (6, 2, "A"),
            _ => (3, 0, "W"),
        };
        format!("{} {unit}", decimal(i128::from(limit), scale, places))
    });
    let clock = |minute: u32| format!("{:02}:{:02}", minute / 60, minute % 60);
    let [from, until] = rule.minutes.unwrap_or_default().map(clock);
    let delay = rule.delay_ms.unwrap_or_default().ms().div_ceil(1_000).to_string();
    let values =
        [("limit", limit.as_deref().unwrap_or_default()), ("delay", &delay), ("from", &from), ("until", &until)];
    let at_once = if rule.delay_ms == Some(Millis::ZERO) { "-now" } else { "" };
    let mut marks = Vec::new();
    for (key, is_so) in [
        ("rule-latch", rule.latch),
        ("rule-dry-run", rule.dry_run),
        ("rule-warns-only", !rule.switches && !rule.dry_run),
    ] {
        if is_so {
            marks.push(t.get(key));
        }
    }
    let list = |meters: &[MeterId]| meters.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let state = if rule.tripped.is_empty() { "" } else { "warn" };
    RuleLine {
        what: t.with(&format!("rule-{}{at_once}", rule.kind.replace('_', "-")), &values),
        meters: list(&rule.meters),
        state,
        state_text: match rule.tripped.as_slice() {
            [] => t.get("rule-watches"),
            tripped => t.arg("rule-tripped", "meters", list(tripped)),
        },
        marks,
        name: rule.name,
    }
}
