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
