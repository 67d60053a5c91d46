//! The buses of `/loads`: whether the port is open, how much of the line is taken, what fails, and what the line looks like
//! when nothing is understood.

use crate::web::format::{decimal, group_number};
use crate::web::i18n::Texts;
use ::api::{BusNow, LineNow};
use std::collections::BTreeMap;

/// Thousandths of a line's time up to which it carries its schedule.
const LOAD_PERMILLE_MAX: u64 = meter::bus::LOAD_PERMILLE_MAX;
/// Rates that the advice names: the likeliest, not the whole list.
const RATES_SHOWN: usize = 3;

pub(super) struct BusLine {
    pub(super) name: String,
    pub(super) place: String,
    pub(super) state: &'static str,
    pub(super) state_text: String,
    pub(super) meters: u32,
    pub(super) polls: String,
    pub(super) answered: String,
    pub(super) planned: String,
    pub(super) measured: String,
    pub(super) errors: String,
    /// That something is wrong, for the head of the page.
    pub(super) alert: Option<String>,
    /// What is wrong with the line and what to do.
    pub(super) troubles: Vec<String>,
}

pub(super) fn bus_line(t: Texts, bus: BusNow) -> BusLine {
    // A poll that is under way counts neither way.
    let ended = u128::from(bus.answers) + bus.errors.values().map(|count| u128::from(*count)).sum::<u128>();
    let answered = (u128::from(bus.answers) * 1_000).checked_div(ended);
    let answered = answered.and_then(|permille| u64::try_from(permille).ok());
    let planned = percent(bus.load_planned_permille);
    let overloaded = (bus.load_planned_permille > LOAD_PERMILLE_MAX).then(|| {
        let carried = percent(LOAD_PERMILLE_MAX);
        t.with("bus-overloaded", &[("planned", &planned), ("carried", &carried)])
    });
    let line = bus.line.as_ref().filter(|_| bus.open).map(|line| line_text(t, line));
    let (state, state_text) = match (bus.open, &line) {
        (true, None) => ("final", t.get("bus-open")),
        (true, Some(_)) => ("bad", t.get("bus-not-understood")),
        (false, _) => ("bad", t.get("bus-closed")),
    };
    let lost = bus.lost.filter(|_| !bus.open).map(|reason| t.arg("bus-lost", "reason", reason));
    let alert = (state == "bad").then(|| t.with("bus-trouble", &[("bus", &bus.name), ("state", &state_text)]));
    BusLine {
        alert,
        state,
        state_text,
        meters: bus.meters,
        polls: group_number(bus.polls),
        answered: answered.map_or_else(dash, percent),
        planned,
        measured: bus.load_measured_permille.map_or_else(dash, percent),
        errors: errors_text(t, &bus.errors),
        troubles: lost.into_iter().chain(line).chain(overloaded).collect(),
        name: bus.name,
        place: bus.place,
    }
}

fn percent(permille: u64) -> String {
    format!("{} %", decimal(i128::from(permille), 1, 1))
}

fn dash() -> String {
    "–".to_owned()
}

fn line_text(t: Texts, line: &LineNow) -> String {
    let key = match (line.kind.as_str(), line.times_as_slow) {
        ("line_silent", _) => "bus-line-silent",
        ("line_noise", _) => "bus-line-noise",
        (_, Some(_)) => "bus-line-slower",
        (_, None) => "bus-line-other",
    };
    let rates: Vec<String> = line.rates.iter().take(RATES_SHOWN).map(ToString::to_string).collect();
    let times = line.times_as_slow.unwrap_or_default().to_string();
    t.with(key, &[("baud", &line.baud.to_string()), ("rates", &rates.join(", ")), ("times", &times)])
}

/// What failed, in the reader's words; kinds that mean the same to a reader are counted together.
fn errors_text(t: Texts, errors: &BTreeMap<String, u64>) -> String {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for (kind, count) in errors {
        *counts.entry(error_text(t, kind)).or_default() += count;
    }
    if counts.is_empty() {
        return t.get("bus-no-errors");
    }
    let counts: Vec<String> =
        counts.into_iter().map(|(what, count)| format!("{what} {}", group_number(count))).collect();
    t.arg("bus-errors", "errors", counts.join(" · "))
}

fn error_text(t: Texts, kind: &str) -> String {
    match kind {
        "no_answer" => t.get("poll-no-answer"),
        "too_short" | "crc" | "checksum" | "wrong_length" => t.get("poll-damaged"),
        "wrong_address" | "wrong_function" | "wrong_echo" | "wrong_transaction" | "wrong_protocol"
        | "wrong_identifier" => t.get("poll-other-answer"),
        "exception" | "refused_by_meter" => t.get("poll-refused"),
        "implausible" | "not_a_number" | "powers_disagree" => t.get("poll-implausible"),
        "line_busy" => t.get("poll-line-busy"),
        _ => t.get("poll-other-error"),
    }
}
