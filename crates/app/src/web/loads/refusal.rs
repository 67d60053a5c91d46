//! Why an order is refused, in the reader's language.

use super::page::wait_text;
use crate::web::i18n::Texts;
use gateway::OrderError;
use gateway::core::Refusal;
use ledger::act::{Control, LoadState};

/// In words, with what to do next.
pub(super) fn refusal_text(t: Texts, error: &OrderError) -> String {
    let OrderError::Refused(refusal) = error else { return t.get("load-refused-stopped") };
    let key = format!("load-refused-{}{}", refusal.name().replace('_', "-"), case(refusal));
    let values = values(t, refusal);
    let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    t.with(&key, &values)
}

/// Which of a refusal's wordings it is.
const fn case(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Already { on: true, .. } => "-on",
        Refusal::Already { on: false, .. } => "-off",
        Refusal::Locked { latched: true, .. } => "-latched",
        Refusal::Interlock { state: LoadState::Unknown, .. } => "-unknown",
        _ => "",
    }
}

fn values(t: Texts, refusal: &Refusal) -> Vec<(&'static str, String)> {
    let meter = |meter: &units::MeterId| ("meter", meter.to_string());
    match refusal {
        Refusal::UnknownMeter(of) | Refusal::NoRelay(of) | Refusal::NotLatched(of) => vec![meter(of)],
        Refusal::Text => vec![("who", Control::WHO_MAX.to_string()), ("why", Control::WHY_MAX.to_string())],
        Refusal::Already { meter: of, .. } => vec![meter(of)],
        Refusal::Busy { meter: of, order } => vec![meter(of), ("order", order.to_string())],
        Refusal::Locked { meter: of, rule, .. } => vec![meter(of), ("rule", rule.clone())],
        Refusal::Interlock { meter: of, other, .. } => vec![meter(of), ("other", other.to_string())],
        Refusal::RestsOff { meter: of, wait } | Refusal::RestsOn { meter: of, wait } => {
            vec![meter(of), ("wait", wait_text(t, *wait))]
        }
        Refusal::TooOften { meter: of, most, wait } => {
            vec![meter(of), ("most", most.to_string()), ("wait", wait_text(t, *wait))]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::i18n::Lang;
    use units::Millis;

    #[test]
    fn every_refusal_has_words_in_both_languages_that_name_what_it_is_about() {
        let (of, other) = ("A-101".parse().unwrap(), "B-2".parse().unwrap());
        let meter = || -> units::MeterId { "A-101".parse().unwrap() };
        let wait = Millis::from_seconds(45);
        let all = [
            (Refusal::UnknownMeter(of), "A-101"),
            (Refusal::NoRelay(meter()), "A-101"),
            (Refusal::Text, "140"),
            (Refusal::Already { meter: meter(), on: true }, "A-101"),
            (Refusal::Already { meter: meter(), on: false }, "A-101"),
            (Refusal::Busy { meter: meter(), order: 77 }, "77"),
            (Refusal::Locked { meter: meter(), rule: "over-voltage".into(), latched: false }, "over-voltage"),
            (Refusal::Locked { meter: meter(), rule: "over-voltage".into(), latched: true }, "over-voltage"),
            (Refusal::Interlock { meter: meter(), other, state: LoadState::On }, "B-2"),
            (Refusal::Interlock { meter: meter(), other: meter(), state: LoadState::Unknown }, "A-101"),
            (Refusal::RestsOff { meter: meter(), wait }, "45"),
            (Refusal::RestsOn { meter: meter(), wait }, "45"),
            (Refusal::TooOften { meter: meter(), most: 12, wait }, "12"),
            (Refusal::NotLatched(meter()), "A-101"),
        ];
        for (refusal, named) in all {
            for lang in [Lang::En, Lang::ZhTw] {
                let text = refusal_text(Texts::of(lang), &OrderError::Refused(refusal.clone()));
                assert!(!text.starts_with("load-refused-") && text.contains(named), "{lang:?} {refusal:?}: {text}");
            }
        }
    }
}
