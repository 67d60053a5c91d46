//! TOML with strict keys: a misspelt key is named with its line and the key that was probably meant.
//!
//! Needs types with `#[serde(deny_unknown_fields)]`. Used for profiles; configuration files may use it too.

use serde::de::DeserializeOwned;

/// Why a TOML text was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TomlError {
    /// A key that nobody reads, usually a typing slip.
    #[error("line {line}: unknown key `{key}`{}", suggest(.suggestion.as_deref()))]
    UnknownKey {
        /// The key as written.
        key: String,
        /// Its line, from 1.
        line: usize,
        /// The nearest known key, if one is near.
        suggestion: Option<String>,
    },
    /// Anything else: a missing key, a value of another kind, a syntax error.
    #[error("line {line}: {message}")]
    Other {
        /// Its line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
}

impl TomlError {
    /// Its line, from 1.
    #[must_use]
    pub const fn line(&self) -> usize {
        match self {
            Self::UnknownKey { line, .. } | Self::Other { line, .. } => *line,
        }
    }
}

/// The line of a byte of a text, from 1.
#[must_use]
pub fn line(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

fn suggest(key: Option<&str>) -> String {
    key.map_or_else(String::new, |key| format!("; did you mean `{key}`?"))
}

/// Reads a value from TOML.
///
/// # Errors
/// With the line, and for a misspelt key a suggestion.
pub fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, TomlError> {
    toml::from_str(text).map_err(|error| {
        let line = line(text, error.span().map_or(0, |span| span.start));
        unknown_key(error.message(), line)
            .unwrap_or_else(|| TomlError::Other { line, message: error.message().to_owned() })
    })
}

/// Recognises serde's wording of an unknown field: the key and then the known ones, each in backticks.
fn unknown_key(message: &str, line: usize) -> Option<TomlError> {
    let mut quoted = message.strip_prefix("unknown field ")?.split('`').skip(1).step_by(2);
    let key = quoted.next()?.to_owned();
    let near = nearest(&key, quoted).filter(|known| edits(&key, known) <= known.len().div_ceil(2));
    let suggestion = near.map(str::to_owned);
    Some(TomlError::UnknownKey { key, line, suggestion })
}

/// Of several known words the one nearest to what was written; the first in alphabetical order if several are.
pub fn nearest<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known.map(|word| (edits(written, word), word)).min().map(|(_, word)| word)
}

/// Levenshtein distance: how many characters to insert, delete or replace.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_count_slips() {
        for (from, to, count) in [("", "", 0), ("scal", "scale", 1), ("timout_ms", "timeout_ms", 1), ("abc", "xyz", 3)]
        {
            assert_eq!(edits(from, to), count, "{from} {to}");
        }
    }
}
