//! Curves drawn by the server, so that a page shows its course without scripts. Coordinates are whole numbers in a view
//! box of 600 x 200 or 120 x 40: finer than any screen shows, and free of floating-point text.

use std::fmt::Write as _;

/// A curve as SVG path data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Curve {
    /// The line.
    pub(crate) line: String,
    /// The area between the line and the ground.
    pub(crate) area: String,
    /// The values, comma-separated, for a script that continues the curve.
    pub(crate) values: String,
}

/// The box that a curve is drawn in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Canvas {
    /// Units across.
    pub(crate) width: i64,
    /// Units from top to ground.
    pub(crate) height: i64,
}

impl Curve {
    /// Through values at even distances. The ground is zero, or the least value below it.
    pub(crate) fn through(values: &[i64], canvas: Canvas) -> Self {
        let least = values.iter().copied().min().unwrap_or(0).min(0);
        let most = values.iter().copied().max().unwrap_or(0).max(least.saturating_add(1));
        if values.len() < 2 {
            return Self { values: join(values), ..Self::default() };
        }
        let span = i128::from(most) - i128::from(least);
        let steps = i128::try_from(values.len() - 1).unwrap_or(i128::MAX);
        let mut line = String::new();
        for (at, value) in (0_i128..).zip(values) {
            let x = i128::from(canvas.width) * at / steps;
            let y = i128::from(canvas.height) * (i128::from(most) - i128::from(*value)) / span;
            // Writing to a string does not fail.
            let _ = write!(line, "{}{x} {y}", if at == 0 { 'M' } else { 'L' });
        }
        let area = format!("{line}L{} {}L0 {}Z", canvas.width, canvas.height, canvas.height);
        Self { line, area, values: join(values) }
    }
}

fn join(values: &[i64]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// A line through points in time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Traced {
    /// The line, as SVG path data.
    pub(crate) line: String,
    /// The area between the line and the ground.
    pub(crate) area: String,
    /// What the ground stands for.
    pub(crate) least: i64,
    /// What the top stands for.
    pub(crate) most: i64,
}

impl Traced {
    /// Through values at their times within a span; none for fewer than two. The ground is zero where that is asked for.
    pub(crate) fn through(
        points: &[(u64, i64)],
        (from, until): (u64, u64),
        canvas: Canvas,
        from_zero: bool,
    ) -> Option<Self> {
        if points.len() < 2 {
            return None;
        }
        let least = points.iter().map(|(_, value)| *value).min()?;
        let most = points.iter().map(|(_, value)| *value).max()?;
        let least = if from_zero { least.min(0) } else { least };
        let most = most.max(least.saturating_add(1));
        let width = i128::from(until.saturating_sub(from).max(1));
        let x = |time: u64| i128::from(canvas.width) * i128::from(time.saturating_sub(from)) / width;
        let y = |value: i64| {
            let span = i128::from(most) - i128::from(least);
            i128::from(canvas.height) * (i128::from(most) - i128::from(value)) / span
        };
        let mut line = String::new();
        for (at, (time, value)) in points.iter().enumerate() {
            // Writing to a string does not fail.
            let _ = write!(line, "{}{} {}", if at == 0 { 'M' } else { 'L' }, x(*time), y(*value));
        }
        let (first, last) = points.first().zip(points.last())?;
        let area = format!("{line}L{} {}L{} {}Z", x(last.0), canvas.height, x(first.0), canvas.height);
        Some(Self { line, area, least, most })
    }
}

/// The least and most of one step of a course.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Which step, from 0.
    pub(crate) at: u64,
    /// Least value in it.
    pub(crate) min: i64,
    /// Most.
    pub(crate) max: i64,
}

/// A course as the band between its least and most values, with lines such as limits across it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Band {
    /// The band, as SVG path data.
    pub(crate) path: String,
    /// Height of each line.
    pub(crate) lines: Vec<i64>,
    /// What the ground stands for.
    pub(crate) least: i64,
    /// What the top stands for.
    pub(crate) most: i64,
}

impl Band {
    /// Over so many steps; none without a value. Steps without one leave a hole.
    pub(crate) fn through(extents: &[Extent], lines: &[i64], steps: u64, canvas: Canvas) -> Option<Self> {
        let all = || extents.iter().flat_map(|one| [one.min, one.max]).chain(lines.iter().copied());
        let (least, most) = (all().min().filter(|_| !extents.is_empty())?, all().max()?);
        // A twentieth of air, so that no line lies on the edge.
        let air = (most.saturating_sub(least) / 20).max(1);
        // What is never below zero stands on it.
        let ground = if least >= 0 { 0 } else { i64::MIN };
        let (least, most) = (least.saturating_sub(air).max(ground), most.saturating_add(air));
        let x = |at: u64| i128::from(canvas.width) * i128::from(at) / i128::from(steps.max(1));
        let y = |value: i64| {
            let span = i128::from(most) - i128::from(least);
            i128::from(canvas.height) * (i128::from(most) - i128::from(value)) / span
        };
        let mut path = String::new();
        for one in extents {
            let (left, right, top) = (x(one.at), x(one.at + 1), y(one.max));
            // A steady supply is still seen: one unit high at least.
            let ground = y(one.min).max(top + 1);
            // Writing to a string does not fail.
            let _ = write!(path, "M{left} {top}H{right}V{ground}H{left}Z");
        }
        let lines = lines.iter().map(|line| i64::try_from(y(*line)).unwrap_or_default()).collect();
        Some(Self { path, lines, least, most })
    }
}

/// One step of a sum that is drawn as a row of bars: where its bar begins and how long it is, in thousandths of the
/// width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    /// Left end.
    pub(crate) at: i64,
    /// Length; 0 only for a term of zero.
    pub(crate) width: i64,
}

/// The bars of a running sum, then that of the sum itself, and where zero lies.
pub(crate) fn waterfall(terms: &[i64]) -> (Vec<Step>, i64) {
    let mut ends: Vec<(i128, i128)> = Vec::with_capacity(terms.len() + 1);
    let mut sum = 0_i128;
    for term in terms {
        ends.push((sum, sum + i128::from(*term)));
        sum += i128::from(*term);
    }
    ends.push((0, sum));
    let least = ends.iter().flat_map(|(a, b)| [*a, *b]).min().unwrap_or(0).min(0);
    let most = ends.iter().flat_map(|(a, b)| [*a, *b]).max().unwrap_or(0).max(least + 1);
    let thousandth = |value: i128| i64::try_from((value - least) * 1_000 / (most - least)).unwrap_or(0);
    let step = |(from, until): &(i128, i128)| {
        let (left, right) = (thousandth(*from.min(until)), thousandth(*from.max(until)));
        // A term that is not zero is never invisible.
        let width = if from == until { 0 } else { (right - left).max(4) };
        Step { at: left.min(1_000 - width), width }
    };
    (ends.iter().map(step).collect(), thousandth(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANVAS: Canvas = Canvas { width: 100, height: 40 };

    #[test]
    fn a_curve_stands_on_zero_and_fills_the_box() {
        let curve = Curve::through(&[0, 50, 100], CANVAS);
        assert_eq!(curve.line, "M0 40L50 20L100 0");
        assert_eq!(curve.area, "M0 40L50 20L100 0L100 40L0 40Z");
        assert_eq!(curve.values, "0,50,100");
        assert_eq!(Curve::through(&[-10, 10], CANVAS).line, "M0 40L100 0");
        assert_eq!(Curve::through(&[7], CANVAS).line, "");
        assert_eq!(Curve::through(&[i64::MIN, i64::MAX], CANVAS).line, "M0 40L100 0");
    }

    #[test]
    fn a_line_keeps_the_distances_in_time() {
        let points = [(100, 50), (200, 100), (600, 50)];
        let zero = Traced::through(&points, (100, 1_100), CANVAS, true).unwrap();
        assert_eq!((zero.line.as_str(), zero.least, zero.most), ("M0 20L10 0L50 20", 0, 100));
        assert_eq!(zero.area, "M0 20L10 0L50 20L50 40L0 40Z");
        assert_eq!(Traced::through(&points, (100, 1_100), CANVAS, false).unwrap().line, "M0 40L10 0L50 40");
        assert_eq!(Traced::through(&points[..1], (100, 1_100), CANVAS, true), None);
    }

    #[test]
    fn a_band_covers_each_steps_values_and_the_limits_lie_within_the_box() {
        let extents = [Extent { at: 0, min: 0, max: 100 }, Extent { at: 9, min: 50, max: 50 }];
        let band = Band::through(&extents, &[20, 180], 10, CANVAS).unwrap();
        assert_eq!((band.least, band.most), (0, 189));
        assert_eq!(band.path, "M0 18H10V40H0ZM90 29H100V30H90Z");
        assert_eq!(band.lines, [35, 1]);
        assert_eq!(Band::through(&[], &[20, 180], 10, CANVAS), None);
        assert!(Band::through(&[Extent { at: 0, min: i64::MIN, max: i64::MAX }], &[], 1, CANVAS).is_some());
    }

    #[test]
    fn each_bar_begins_where_the_last_one_ended() {
        let (steps, zero) = waterfall(&[200, -90, -110]);
        let ends: Vec<_> = steps.iter().map(|step| (step.at, step.width)).collect();
        assert_eq!(ends, [(0, 1_000), (550, 450), (0, 550), (0, 0)]);
        assert_eq!(zero, 0);
        let (below, zero) = waterfall(&[100, -150]);
        assert_eq!(zero, 333);
        assert_eq!((below[2].at, below[2].width), (0, 333));
    }
}
