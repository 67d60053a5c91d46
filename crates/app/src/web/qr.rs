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
    }
}
