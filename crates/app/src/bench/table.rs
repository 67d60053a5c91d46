//! The figures as a table and as JSON.

use serde_json::{Value, json};

/// What a figure is held against.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Limit {
    /// What was done.
    pub(super) what: &'static str,
    /// How much of it, in the figure's unit.
    pub(super) value: f64,
}

/// Whether more or less is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Better {
    /// A rate: the ratio is measured / limit.
    More,
    /// A size: the ratio is measured / limit too, but it should be small.
    Less,
}

/// A line of the table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Figure {
    pub(super) name: String,
    pub(super) unit: &'static str,
    /// `None`: not measured.
    pub(super) measured: Option<f64>,
    pub(super) limit: Option<Limit>,
    pub(super) better: Better,
    pub(super) aim: &'static str,
}

impl Figure {
    pub(super) fn rate(name: impl Into<String>, unit: &'static str, measured: f64, aim: &'static str) -> Self {
        Self { name: name.into(), unit, measured: Some(measured), limit: None, better: Better::More, aim }
    }

    pub(super) fn size(name: impl Into<String>, unit: &'static str, measured: f64, aim: &'static str) -> Self {
        Self { better: Better::Less, ..Self::rate(name, unit, measured, aim) }
    }

    pub(super) fn not_measured(name: impl Into<String>, unit: &'static str, aim: &'static str) -> Self {
        Self { measured: None, ..Self::rate(name, unit, 0.0, aim) }
    }

    pub(super) fn against(self, what: &'static str, value: f64) -> Self {
        Self { limit: Some(Limit { what, value }), ..self }
    }

    /// Measured / limit; `None` without both.
    pub(super) fn ratio(&self) -> Option<f64> {
        let limit = self.limit.as_ref().filter(|limit| limit.value > 0.0)?;
        self.measured.map(|measured| measured / limit.value)
    }
}

const NOT_MEASURED: &str = "not measured";

/// Columns as wide as what is in them.
pub(super) fn text(figures: &[Figure]) -> String {
    let head = ["figure", "measured", "limit measured in the same run", "ratio", "aim"].map(str::to_owned);
    let rows: Vec<[String; 5]> = std::iter::once(head).chain(figures.iter().map(row)).collect();
    let widths: [usize; 5] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default());
    let line = |row: &[String; 5]| {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join(" | ").trim_end().to_owned()
    };
    let mut lines: Vec<String> = rows.iter().map(line).collect();
    lines.insert(1, widths.map(|width| "-".repeat(width)).join("-|-"));
    lines.join("\n")
}

fn row(figure: &Figure) -> [String; 5] {
    let measured =
        figure.measured.map_or(NOT_MEASURED.to_owned(), |value| format!("{} {}", number(value), figure.unit));
    let limit = figure.limit.as_ref();
    let limit = limit.map_or(NOT_MEASURED.to_owned(), |limit| format!("{} ({})", number(limit.value), limit.what));
    let ratio = figure.ratio().map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
    [figure.name.clone(), measured, limit, ratio, figure.aim.to_owned()]
}

/// A list of objects; what was not measured is null.
pub(super) fn json(figures: &[Figure]) -> Value {
    let object = |figure: &Figure| {
        json!({
            "figure": figure.name,
            "unit": figure.unit,
            "measured": figure.measured,
            "limit": figure.limit.as_ref().map(|limit| limit.value),
            "limit_is": figure.limit.as_ref().map(|limit| limit.what),
            "ratio": figure.ratio(),
            "more_is_better": figure.better == Better::More,
            "aim": figure.aim,
        })
    };
    figures.iter().map(object).collect()
}

/// With thousands apart; small ones with three digits behind the point.
fn number(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.3}");
    }
    let whole = format!("{value:.0}");
    let grouped: Vec<String> =
        whole.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group).into_owned()).collect();
    grouped.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> Vec<Figure> {
        vec![
            Figure::rate("attempts", "/s", 9_000_000.0, ">= 0.90").against("compression alone", 10_000_000.0),
            Figure::size("bytes a reading", "B", 5.2, "<= 1.3").against("pco alone", 4.0),
            Figure::not_measured("page", "ms", "< 50 ms"),
        ]
    }

    #[test]
    fn a_ratio_is_measured_by_limit_and_needs_both() {
        let ratios: Vec<Option<f64>> = figures().iter().map(Figure::ratio).collect();
        assert_eq!(ratios, [Some(0.9), Some(1.3), None]);
        assert_eq!(Figure::rate("a", "/s", 1.0, "").against("nothing", 0.0).ratio(), None);
    }

    #[test]
    fn the_table_shows_every_figure_with_its_limit_and_says_what_was_not_measured() {
        let table = "\
figure          | measured     | limit measured in the same run | ratio | aim
----------------|--------------|--------------------------------|-------|--------
attempts        | 9,000,000 /s | 10,000,000 (compression alone) | 0.90  | >= 0.90
bytes a reading | 5.200 B      | 4.000 (pco alone)              | 1.30  | <= 1.3
page            | not measured | not measured                   | -     | < 50 ms";
        assert_eq!(text(&figures()), table);
        let json = json(&figures());
        assert_eq!((json[0]["ratio"].as_f64(), json[2]["measured"].is_null()), (Some(0.9), true));
    }
}
