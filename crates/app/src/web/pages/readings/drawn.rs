//! A meter's course as the server draws it, for who has no script, and what the script needs to draw it anew.

use super::window::{Shown, Window};
use crate::web::chart::{Band, Canvas, Extent, Traced};
use crate::web::format::decimal;
use crate::web::i18n::Texts;
use crate::web::view::Words;
use api::{CoursePoint, CourseView};

const PLOT: Canvas = Canvas { width: 600, height: 200 };
/// Columns of a band.
const COLUMNS: u64 = 300;

/// The picture with its scale.
pub(super) struct Drawn {
    /// Line, empty where it is a band.
    pub(super) line: String,
    /// Area below the line, or the band.
    pub(super) area: String,
    pub(super) is_band: bool,
    pub(super) top: String,
    pub(super) bottom: String,
}

/// A quantity's values in a course.
struct Values {
    points: Vec<(u64, i64)>,
    scale: u32,
    places: u32,
    unit: String,
    from_zero: bool,
}

fn values(t: Texts, course: &CourseView, show: Shown) -> Values {
    let all = |of: fn(&CoursePoint) -> Option<i64>| {
        let each = course.points.iter().filter_map(|point| Some((point.time_ms.ms(), of(point)?)));
        each.collect::<Vec<_>>()
    };
    let of = |points, scale, places, unit: &str, from_zero| Values {
        points,
        scale,
        places,
        unit: unit.to_owned(),
        from_zero,
    };
    match show {
        Shown::Power => of(all(|point| point.active_power_mw), 3, 1, "W", true),
        Shown::Voltage => of(all(|point| point.voltage_mv), 3, 1, "V", false),
        Shown::Current => of(all(|point| point.current_ua), 6, 3, "A", true),
        Shown::Energy => {
            let used = all(|point| point.energy_mwh);
            let (points, from_zero) =
                if used.is_empty() { (all(|point| point.energy_import_mwh), false) } else { (used, true) };
            of(points, 6, 3, &t.get("kwh"), from_zero)
        }
    }
}

/// The picture; none with fewer than two values.
pub(super) fn draw(t: Texts, course: &CourseView, show: Shown) -> Option<Drawn> {
    let span = (course.from_ms.ms(), course.until_ms.ms());
    let Values { points, scale, places, unit, from_zero } = values(t, course, show);
    let text = |value: i64| format!("{} {unit}", decimal(i128::from(value), scale, places));
    let has = |of: fn(&CoursePoint) -> Option<i64>| course.points.iter().any(|point| of(point).is_some());
    let extents = match show {
        Shown::Voltage if has(|point| point.voltage_max_mv) => extents(course, |point| {
            let least = point.voltage_min_mv.or(point.voltage_mv);
            least.zip(point.voltage_max_mv.or(point.voltage_mv))
        }),
        // What was used in a step is a bar as wide as the step.
        Shown::Energy if has(|point| point.energy_mwh) => {
            extents(course, |point| point.energy_mwh.map(|used| (0, used)))
        }
        _ => Vec::new(),
    };
    if !extents.is_empty() {
        let band = Band::through(&extents, &[], COLUMNS, PLOT)?;
        let (top, bottom) = (text(band.most), text(band.least));
        return Some(Drawn { line: String::new(), area: band.path, is_band: true, top, bottom });
    }
    let traced = Traced::through(&points, span, PLOT, from_zero)?;
    let (top, bottom) = (text(traced.most), text(traced.least));
    Some(Drawn { line: traced.line, area: traced.area, is_band: false, top, bottom })
}

/// Least and most in each column.
fn extents(course: &CourseView, range: impl Fn(&CoursePoint) -> Option<(i64, i64)>) -> Vec<Extent> {
    let (from, until) = (course.from_ms.ms(), course.until_ms.ms());
    let width = (until.saturating_sub(from) / COLUMNS).max(1);
    let mut extents: Vec<Extent> = Vec::new();
    for point in &course.points {
        let Some((min, max)) = range(point) else { continue };
        let column = |time: u64| (time.saturating_sub(from) / width).min(COLUMNS - 1);
        // A step may be as wide as several columns.
        for at in column(point.time_ms.ms())..=column(point.end_ms.ms().saturating_sub(1).max(point.time_ms.ms())) {
            match extents.last_mut().filter(|last| last.at == at) {
                Some(last) => (last.min, last.max) = (last.min.min(min), last.max.max(max)),
                None => extents.push(Extent { at, min, max }),
            }
        }
    }
    extents
}

/// What is drawn, in a sentence.
pub(super) fn note(words: &Words<'_>, course: &CourseView, show: Shown) -> String {
    let t = words.t;
    let Values { points, scale, places, unit, .. } = values(t, course, show);
    let drawn = points.iter().map(|(_, value)| *value);
    let Some((least, most)) = drawn.clone().min().zip(drawn.max()) else {
        return t.get("course-empty");
    };
    let text = |value: i64| decimal(i128::from(value), scale, places);
    t.with(
        "course-note",
        &[
            ("count", &points.len().to_string()),
            ("quantity", &show.label(t)),
            ("from", &words.when(course.from_ms)),
            ("until", &words.when(course.until_ms)),
            ("least", &text(least)),
            ("most", &text(most)),
            ("unit", &unit),
            ("step", &step_text(t, &course.step)),
            ("source", &source_text(t, &course.source)),
        ],
    )
}

fn step_text(t: Texts, step: &str) -> String {
    match step {
        "reading" => t.get("step-reading"),
        "1m" => t.get("step-minute"),
        "15m" => t.get("step-quarter"),
        "day" => t.get("step-day"),
        _ => t.get("step-interval"),
    }
}

fn source_text(t: Texts, source: &str) -> String {
    match source {
        "gateway" => t.get("source-gateway"),
        "archive" => t.get("source-archive"),
        "ledger" => t.get("source-ledger"),
        _ => t.get("source-several"),
    }
}

/// What the script needs to draw: names, units and time zone, as JSON in an attribute.
pub(super) fn labels(words: &Words<'_>, time_zone: &str, window: &Window) -> String {
    let t = words.t;
    let places = ["count", "quantity", "from", "until", "least", "most", "unit", "step", "source"];
    let places: Vec<(&str, String)> = places.iter().map(|name| (*name, format!("#{name}#"))).collect();
    let places: Vec<(&str, &str)> = places.iter().map(|(name, place)| (*name, place.as_str())).collect();
    let kwh = t.get("kwh");
    serde_json::json!({
        "time": t.get("time"),
        "zone": time_zone,
        "show": window.show.name(),
        "note": t.with("course-note", &places),
        "empty": t.get("course-empty"),
        "lost": t.get("course-lost"),
        "away": t.get("readings-archive-away"),
        "steps": {
            "reading": t.get("step-reading"), "1m": t.get("step-minute"), "15m": t.get("step-quarter"),
            "day": t.get("step-day"), "interval": t.get("step-interval"),
        },
        "sources": {
            "gateway": t.get("source-gateway"), "archive": t.get("source-archive"), "ledger": t.get("source-ledger"),
            "several": t.get("source-several"),
        },
        "quantities": {
            "power": { "name": t.get("active-power"), "unit": "W", "scale": 3, "places": 1, "zero": true,
                "fields": [["active_power_mw", t.get("course-mean")], ["active_power_max_mw", t.get("course-highest")]] },
            "voltage": { "name": t.get("voltage"), "unit": "V", "scale": 3, "places": 1, "zero": false,
                "fields": [["voltage_mv", t.get("course-mean")], ["voltage_max_mv", t.get("course-highest")],
                    ["voltage_min_mv", t.get("course-lowest")]] },
            "current": { "name": t.get("current"), "unit": "A", "scale": 6, "places": 3, "zero": true,
                "fields": [["current_ua", t.get("course-highest")]] },
            "energy": { "name": t.get("energy"), "unit": kwh, "scale": 6, "places": 3, "zero": true,
                "fields": [["energy_mwh", t.get("course-used")]],
                "otherwise": [["energy_import_mwh", t.get("counter")]] },
        },
    })
    .to_string()
}
