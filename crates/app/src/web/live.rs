//! The meters' newest values as the gateway in this program has them, before they are booked.

use super::i18n::Texts;
use super::view::Words;
use api::ChainHeadView;
use gateway::LiveMeter;
use std::collections::BTreeMap;
use units::{MeterId, Millis};

/// A meter's newest values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Live {
    /// Each quantity under its name, which carries the unit.
    pub(crate) values: BTreeMap<String, i64>,
    /// How long ago it was read, by a clock that never jumps.
    pub(crate) age: Millis,
    /// Whether polls have failed since.
    pub(crate) is_stale: bool,
}

impl Live {
    /// Of a gateway's meters; one that was never read is left out.
    pub(crate) fn of_snapshot(meters: Vec<LiveMeter>) -> BTreeMap<MeterId, Self> {
        meters.into_iter().filter_map(|meter| Self::of_meter(&meter).map(|live| (meter.meter, live))).collect()
    }

    fn of_meter(meter: &LiveMeter) -> Option<Self> {
        let values = meter.reading.as_ref()?.iter().map(|(key, value)| (key.to_string(), value)).collect();
        Some(Self { values, age: meter.age?, is_stale: meter.quality == gateway::Quality::Stale })
    }
}

/// How fresh a value is, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Freshness {
    /// `live`, `stale` or `none`, for the style sheet.
    pub(crate) name: &'static str,
    /// For a reader.
    pub(crate) text: String,
    /// Age in milliseconds for the script that counts on; empty when there is nothing to count.
    pub(crate) age_ms: String,
}

impl Freshness {
    /// Of a live value, or of what is booked where there is none.
    pub(crate) fn of(live: Option<&Live>, head: &ChainHeadView, words: &Words<'_>) -> Self {
        let t = words.t;
        match live {
            Some(live) => Self {
                name: if live.is_stale { "stale" } else { "live" },
                text: age_text(words.t, live.age),
                age_ms: live.age.ms().to_string(),
            },
            None if head.import_mwh.is_some() => Self {
                name: "none",
                text: t.arg("age-booked", "time", words.face.moment(head.end_ms).time),
                age_ms: String::new(),
            },
            None => Self { name: "none", text: t.get("age-none"), age_ms: String::new() },
        }
    }
}

/// An age in words.
pub(crate) fn age_text(t: Texts, age: Millis) -> String {
    match age.ms() / 1_000 {
        0 => t.get("age-now"),
        seconds @ 1..60 => t.arg("age-seconds", "count", seconds.to_string()),
        seconds @ 60..3_600 => t.arg("age-minutes", "count", (seconds / 60).to_string()),
        seconds => t.arg("age-hours", "count", (seconds / 3_600).to_string()),
    }
}
