//! What a rule wrote into the journal, in the reader's language. The journal and the ledger hold it in English.

use crate::web::i18n::Texts;

/// A rule's reason as the page shows it; one that is not known is shown as it is written.
pub(super) fn rule_why(t: Texts, why: &str) -> String {
    for (said, above) in [(" is above ", true), (" is below ", false)] {
        if let Some((value, limit)) = why.split_once(said) {
            let values = [("value", value), ("limit", limit)];
            return if above { t.with("why-above", &values) } else { t.with("why-below", &values) };
        }
    }
    match why {
        "off at this hour by its schedule" => t.get("why-schedule"),
        "its cause is gone; the load was on before" => t.get("why-cause-gone"),
        other => {
            match other.strip_prefix("the month's energy is used up: ").and_then(|left| left.strip_suffix(" is left")) {
                Some(left) => t.arg("why-energy", "left", left),
                None => other.to_owned(),
            }
        }
    }
}
