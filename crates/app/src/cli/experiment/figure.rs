//! Panels side by side over one logarithmic axis, as SVG that follows the reader's light or dark scheme.

use std::fmt::Write as _;

/// One panel: dots and crosses over a line.
#[derive(Debug, Clone, Default)]
pub(super) struct Panel {
    pub(super) title: String,
    /// What the horizontal axis ends with.
    pub(super) span: f64,
    /// Height of the line.
    pub(super) line: f64,
    pub(super) dots: Vec<(f64, f64)>,
    pub(super) crosses: Vec<(f64, f64)>,
}

const HEIGHT: f64 = 420.0;
const WIDTH: f64 = 960.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 84.0;
const BOTTOM: f64 = 26.0;
/// Between two panels.
const GUTTER: f64 = 10.0;

const STYLE: &str = "text{font:12px system-ui,'Noto Sans TC',sans-serif;fill:#1a1a1a}.h{font-size:15px;font-weight:600}\
    .b{fill:#fff}.f{fill:#f3f4f1}.g{stroke:#d5d8d0}.l{stroke:#b3400b;stroke-width:1.5}path{fill:none}\
    .d{stroke:#0b6e4f;stroke-width:4;stroke-linecap:round}.c{stroke:#4a5bd4;stroke-width:1}\
    @media(prefers-color-scheme:dark){text{fill:#e8e8e3}.b{fill:#16181a}.f{fill:#1f2326}.g{stroke:#3a4045}\
    .l{stroke:#ff9b5e}.d{stroke:#4fd1a1}.c{stroke:#9aa8ff}}";

/// Draws panels between two heights. Titles and legends come in two languages, one line each.
pub(super) fn draw(titles: [&str; 2], legends: [&str; 2], heights: (f64, f64), panels: &[Panel]) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n<title>{} / {}</title>\n\
         <style>{STYLE}</style>\n<rect class=\"b\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>\n",
        titles[0], titles[1]
    );
    let mut text = |x: f64, y: f64, class: &str, text: &str| {
        // Writing into a string cannot fail.
        let _ = writeln!(svg, "<text x=\"{x:.0}\" y=\"{y:.0}\" class=\"{class}\">{text}</text>");
    };
    text(LEFT, 22.0, "h", titles[0]);
    text(LEFT, 40.0, "", titles[1]);
    text(LEFT + 560.0, 22.0, "", legends[0]);
    text(LEFT + 560.0, 40.0, "", legends[1]);
    let count = u32::try_from(panels.len().max(1)).map_or(1.0, f64::from);
    let width = (WIDTH - LEFT - RIGHT - GUTTER * (count - 1.0)) / count;
    for (number, panel) in (0u32..).zip(panels) {
        let frame = Frame { left: LEFT + f64::from(number) * (width + GUTTER), width, heights, span: panel.span };
        frame.draw(panel, number == 0, &mut svg);
    }
    svg + "</svg>\n"
}

struct Frame {
    left: f64,
    width: f64,
    heights: (f64, f64),
    span: f64,
}

impl Frame {
    fn x(&self, value: f64) -> f64 {
        self.left + self.width * value / self.span.max(1.0)
    }

    /// Values outside are drawn on the edge.
    fn y(&self, value: f64) -> f64 {
        let (low, high) = self.heights;
        let share = (value.clamp(low, high) / low).ln() / (high / low).ln();
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share
    }

    fn draw(&self, panel: &Panel, labelled: bool, svg: &mut String) {
        let (left, right, height) = (self.left, self.left + self.width, HEIGHT - TOP - BOTTOM);
        let _ = writeln!(
            svg,
            "<rect class=\"f\" x=\"{left:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{height}\"/>\n\
             <text x=\"{left:.1}\" y=\"{:.0}\">{}</text><text x=\"{right:.1}\" y=\"{:.0}\" text-anchor=\"end\">{:.0}</text>",
            self.width,
            TOP - 8.0,
            panel.title,
            HEIGHT - 8.0,
            self.span
        );
        let (low, high) = self.heights;
        let mut decade = low;
        while decade <= high * 1.001 {
            let y = self.y(decade);
            let _ = writeln!(svg, "<path class=\"g\" d=\"M{left:.1} {y:.1}H{right:.1}\"/>");
            if labelled {
                let (x, y) = (left - 6.0, y + 4.0);
                let _ = writeln!(svg, "<text x=\"{x:.0}\" y=\"{y:.0}\" text-anchor=\"end\">{}</text>", power(decade));
            }
            decade *= 10.0;
        }
        let marks = |points: &[(f64, f64)], mark: &dyn Fn(f64, f64) -> String| {
            points.iter().map(|(x, y)| mark(self.x(*x), self.y(*y))).collect::<String>()
        };
        let crosses = marks(&panel.crosses, &|x, y| format!("M{:.1} {:.1}l4 4m0-4l-4 4", x - 2.0, y - 2.0));
        let dots = marks(&panel.dots, &|x, y| format!("M{x:.1} {y:.1}h0"));
        let line = self.y(panel.line);
        let _ = writeln!(
            svg,
            "<path class=\"c\" d=\"{crosses}\"/>\n<path class=\"d\" d=\"{dots}\"/>\n<path class=\"l\" d=\"M{left:.1} {line:.1}H{right:.1}\"/>"
        );
    }
}

/// A power of ten as a reader writes it.
fn power(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{:.0} M", value / 1e6),
        value if value >= 1e3 => format!("{:.0} k", value / 1e3),
        value => format!("{value}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_factors_are_equal_distances_and_nothing_leaves_the_panel() {
        let frame = Frame { left: 0.0, width: 100.0, heights: (1.0, 1e4), span: 50.0 };
        let ys = [0.5, 1.0, 10.0, 100.0, 1e4, 1e9].map(|value| frame.y(value).round());
        assert_eq!(ys, [394.0, 394.0, 317.0, 239.0, 84.0, 84.0]);
        assert_eq!((frame.x(25.0), frame.x(50.0)), (50.0, 100.0));
    }

    #[test]
    fn a_drawing_is_closed_and_follows_the_scheme() {
        let panel =
            Panel { title: "a".into(), span: 2.0, line: 10.0, dots: vec![(1.0, 5.0)], crosses: vec![(2.0, 7.0)] };
        let svg = draw(["標題", "title"], ["", ""], (1.0, 100.0), &[panel.clone(), panel]);
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n") && svg.contains("prefers-color-scheme:dark"));
        assert_eq!((svg.matches("<rect").count(), svg.matches("class=\"l\"").count()), (3, 2));
    }
}
