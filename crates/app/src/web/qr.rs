//! A text as a QR code (ISO/IEC 18004), drawn as one path of an SVG picture.

use qrcodegen::{QrCode, QrCodeEcc};
use std::fmt::Write as _;

/// Light modules around the code: the quiet zone of ISO/IEC 18004 6.3.8.
const QUIET: i32 = 4;

/// A drawn code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Picture {
    /// Modules on a side, the quiet zone included.
    pub(crate) size: i32,
    /// The dark modules as an SVG path of unit squares.
    pub(crate) path: String,
}

/// Draws a text; `None` for more than a code holds (2,953 bytes).
pub(crate) fn draw(text: &str) -> Option<Picture> {
    let code = QrCode::encode_text(text, QrCodeEcc::Low).ok()?;
    let mut path = String::new();
    for y in 0..code.size() {
        let mut x = 0;
        while x < code.size() {
            let width = (x..code.size()).take_while(|at| code.get_module(*at, y)).count();
            let width = i32::try_from(width).unwrap_or(0);
            if width > 0 {
                // Writing to a string does not fail.
                let _ = write!(path, "M{} {}h{width}v1h-{width}z", x + QUIET, y + QUIET);
            }
            x += width.max(1);
        }
    }
    Some(Picture { size: code.size() + 2 * QUIET, path })
}

impl Picture {
    /// As an SVG document.
    pub(crate) fn svg(&self) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {0}\"><path fill=\"#fff\" d=\"M0 0h{0}v{0}H0z\"/>\
             <path d=\"{1}\"/></svg>\n",
            self.size, self.path
        )
    }
}

/// Draws a text for a terminal: two modules above each other in a character, the light ones bright, as dark grounds show
/// them; `None` for more than a code holds.
pub(crate) fn draw_as_text(text: &str) -> Option<String> {
    let code = QrCode::encode_text(text, QrCodeEcc::Low).ok()?;
    let mut drawn = String::new();
    let side = -QUIET..code.size() + QUIET;
    for y in side.clone().step_by(2) {
        for x in side.clone() {
            drawn.push(match (code.get_module(x, y), code.get_module(x, y + 1)) {
                (false, false) => '█',
                (false, true) => '▀',
                (true, false) => '▄',
                (true, true) => ' ',
            });
        }
        drawn.push('\n');
    }
    Some(drawn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_its_finder_patterns_and_too_much_text_has_none() {
        let picture = draw("wattproof").unwrap();
        // Version 1 has 21 modules; the first row begins and ends with seven dark ones.
        assert_eq!(picture.size, 29);
        assert!(picture.path.starts_with("M4 4h7v1h-7z") && picture.path.contains("M18 4h7v1h-7z"));
        assert_eq!(draw(&"x".repeat(3_000)), None);
        assert!(picture.svg().contains("viewBox=\"0 0 29 29\""));
        let rows: Vec<String> = draw_as_text("wattproof").unwrap().lines().map(str::to_owned).collect();
        assert_eq!((rows.len(), rows[0].chars().count()), (15, 29));
        // The upper left finder's first two rows: seven dark modules, then one dark, five light, one dark.
        assert!(rows[2].starts_with("████ ▄▄▄▄▄ █"), "{}", rows[2]);
    }
}
