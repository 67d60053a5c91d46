//! A capture as text: a line for each piece of bytes, so that people can read it, cut it and mend it.

use units::Millis;

/// Most pieces of a capture that is read: about a day of a busy line.
pub const CAPTURE_PIECES_MAX: usize = 1_000_000;

/// Bytes that arrived together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// When, since the capture began.
    pub at: Millis,
    /// What.
    pub bytes: Vec<u8>,
}

/// Everything that was heard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capture {
    /// In order of time.
    pub pieces: Vec<Piece>,
}

/// Why a text is no capture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CaptureError {
    /// A line that is not understood.
    #[error(
        "line {line}: `{text}` is not a time in ms and bytes in hexadecimal, such as `120 01 03 00 48 00 08 C4 1A`"
    )]
    Line {
        /// From 1.
        line: usize,
        /// How it begins.
        text: String,
    },
    /// A time before the one before it.
    #[error("line {line}: the time goes back to {ms} ms")]
    Backwards {
        /// From 1.
        line: usize,
        /// The time.
        ms: u64,
    },
    /// Longer than any.
    #[error("line {line}: a capture has at most {CAPTURE_PIECES_MAX} lines; cut it into parts")]
    TooLong {
        /// The first line that is too much, from 1.
        line: usize,
    },
}

/// Characters of a wrong line that are shown.
const SHOWN_CHARACTERS: usize = 40;

impl Capture {
    /// What a file begins with; the rest is a line for each [`Piece`].
    pub const HEAD: &'static str =
        "# Wattproof capture: ms since its beginning, then the bytes that arrived together, in hexadecimal.\n";

    /// Reads a capture; empty lines and those that begin with `#` say nothing.
    ///
    /// # Errors
    /// With the first line that is wrong.
    pub fn from_text(text: &str) -> Result<Self, CaptureError> {
        let mut pieces: Vec<Piece> = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let shown = || text.chars().take(SHOWN_CHARACTERS).collect();
            let piece = Piece::from_line(text).ok_or_else(|| CaptureError::Line { line, text: shown() })?;
            if pieces.last().is_some_and(|last| last.at > piece.at) {
                return Err(CaptureError::Backwards { line, ms: piece.at.ms() });
            }
            if pieces.len() == CAPTURE_PIECES_MAX {
                return Err(CaptureError::TooLong { line });
            }
            pieces.push(piece);
        }
        Ok(Self { pieces })
    }
}

impl Piece {
    fn from_line(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let at = Millis::from_ms(words.next()?.parse().ok()?);
        let digits: Vec<u8> = words.flat_map(str::bytes).collect();
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let byte = |pair: &[u8]| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        };
        let bytes: Vec<u8> = digits.chunks(2).map(byte).collect::<Option<_>>()?;
        (!bytes.is_empty()).then_some(Self { at, bytes })
    }

    /// Its line in the file, with the line's end.
    #[must_use]
    pub fn line(&self) -> String {
        let bytes: Vec<String> = self.bytes.iter().map(|byte| format!("{byte:02X}")).collect();
        format!("{} {}\n", self.at.ms(), bytes.join(" "))
    }
}
