//! Which span of time and which quantity a meter's page shows, as its address says.

use crate::web::course::SPAN_MIN;
use crate::web::frame::Link;
use crate::web::i18n::Texts;
use serde::Deserialize;
use units::{MeterId, Millis, Timestamp};

/// Spans to choose among, from a minute to a year: the name in the address, and the minutes.
const SPANS: [(&str, u64); 7] = [
    ("1m", 1),
    ("15m", 15),
    ("1h", 60),
    ("1d", 24 * 60),
    ("7d", 7 * 24 * 60),
    ("31d", 31 * 24 * 60),
    ("366d", 366 * 24 * 60),
];
/// What is shown at first.
const SPAN_USUAL: &str = "1d";

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    Power,
    Voltage,
    Current,
    Energy,
}

impl Shown {
    pub(super) const ALL: [Self; 4] = [Self::Power, Self::Voltage, Self::Current, Self::Energy];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Power => "power",
            Self::Voltage => "voltage",
            Self::Current => "current",
            Self::Energy => "energy",
        }
    }

    pub(super) fn label(self, t: Texts) -> String {
        match self {
            Self::Power => t.get("active-power"),
            Self::Voltage => t.get("voltage"),
            Self::Current => t.get("current"),
            Self::Energy => t.get("energy"),
        }
    }
}

/// What the address asks for.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Asked {
    /// The end of the span; now without it.
    until: Option<u64>,
    /// How long it is.
    span: Option<String>,
    /// The quantity.
    show: Option<String>,
}

/// What is shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    /// The end that was asked for.
    pub(super) until: Option<Timestamp>,
    span: (&'static str, Millis),
    pub(super) show: Shown,
}

impl Window {
    pub(super) fn of(asked: &Asked) -> Self {
        let name = asked.span.as_deref().unwrap_or(SPAN_USUAL);
        let usual = || SPANS.iter().find(|(name, _)| *name == SPAN_USUAL);
        let span = SPANS.iter().find(|(known, _)| *known == name).or_else(usual);
        let span = span.map_or((SPAN_USUAL, SPAN_MIN), |(name, minutes)| (*name, Millis::from_minutes(*minutes)));
        let show = Shown::ALL.into_iter().find(|shown| Some(shown.name()) == asked.show.as_deref());
        Self { until: asked.until.map(Timestamp::from_ms), span, show: show.unwrap_or(Shown::Power) }
    }

    /// From when to when, if now is that.
    pub(super) fn span(&self, now: Timestamp) -> (Timestamp, Timestamp) {
        // The newest reading lies in the span, whose end does not.
        let until = self.until.unwrap_or(now + Millis::from_ms(1));
        let from = Timestamp::from_ms(until.ms().saturating_sub(self.span.1.ms()));
        (from, until.max(from + SPAN_MIN))
    }

    fn address(&self, meter: &MeterId, span: &str, show: Shown, until: Option<Timestamp>) -> String {
        let until = until.map(|until| format!("&until={}", until.ms())).unwrap_or_default();
        format!("/meters/{meter}/readings?span={span}&show={}{until}", show.name())
    }

    /// The page with another end.
    pub(super) fn at(&self, meter: &MeterId, until: Option<Timestamp>) -> String {
        self.address(meter, self.span.0, self.show, until)
    }

    /// The page one span earlier.
    pub(super) fn earlier(&self, meter: &MeterId, now: Timestamp) -> String {
        self.at(meter, Some(self.span(now).0))
    }

    /// The page one span later; none at the newest.
    pub(super) fn later(&self, meter: &MeterId, now: Timestamp) -> Option<String> {
        let next = self.until? + self.span.1;
        Some(self.at(meter, Some(next).filter(|next| *next < now)))
    }

    /// The page with each other span; the picture's name is the span in milliseconds, for the script.
    pub(super) fn spans(&self, t: Texts, meter: &MeterId) -> Vec<(Link, u64)> {
        let labels = [
            t.get("zoom-minute"),
            t.get("zoom-quarter"),
            t.get("zoom-hour"),
            t.get("zoom-day"),
            t.get("zoom-week"),
            t.get("zoom-month"),
            t.get("zoom-year"),
        ];
        let link = |((name, minutes), label): (&(&'static str, u64), String)| {
            let href = self.address(meter, name, self.show, self.until);
            (Link { href, label, icon: name, current: *name == self.span.0 }, minutes * 60_000)
        };
        SPANS.iter().zip(labels).map(link).collect()
    }

    /// The page with each other quantity.
    pub(super) fn quantities(&self, t: Texts, meter: &MeterId) -> Vec<Link> {
        let link = |show: Shown| Link {
            href: self.address(meter, self.span.0, show, self.until),
            label: show.label(t),
            icon: show.name(),
            current: show == self.show,
        };
        Shown::ALL.map(link).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_asks_for_nothing_known_shows_the_usual() {
        let asked = Asked { until: None, span: Some("fortnight".to_owned()), show: Some("colour".to_owned()) };
        let window = Window::of(&asked);
        assert_eq!((window.span.0, window.show), ("1d", Shown::Power));
        let now = Timestamp::from_ms(10 * 86_400_000);
        assert_eq!(window.span(now).0.ms(), 9 * 86_400_000 + 1);
    }

    #[test]
    fn one_goes_back_a_span_and_forth_to_the_newest() {
        let meter: MeterId = "A-1".parse().unwrap();
        let now = Timestamp::from_ms(10_000_000);
        let asked = |until| Asked { until, span: Some("1h".to_owned()), show: Some("voltage".to_owned()) };
        let newest = Window::of(&asked(None));
        assert_eq!(newest.earlier(&meter, now), "/meters/A-1/readings?span=1h&show=voltage&until=6400001");
        assert_eq!(newest.later(&meter, now), None);
        let past = Window::of(&asked(Some(6_400_001)));
        assert_eq!(past.later(&meter, now).unwrap(), "/meters/A-1/readings?span=1h&show=voltage");
    }
}
