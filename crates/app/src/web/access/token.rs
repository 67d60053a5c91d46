//! Secrets that a caller shows: only their hashes are kept, so that comparing tells nothing by its time.

use sha2::{Digest as _, Sha256};
use std::path::Path;

/// Fewest characters of a control token: 128 bits in hexadecimal digits.
const TOKEN_BYTES_MIN: usize = 32;

/// SHA-256 of a secret.
pub(crate) type SecretHash = [u8; 32];

/// The hash of a secret.
pub(crate) fn hash_of(secret: &str) -> SecretHash {
    Sha256::digest(secret).into()
}

/// Whether two hashes are one; takes as long for any two.
pub(crate) fn is_same(own: &SecretHash, other: &SecretHash) -> bool {
    own.iter().zip(other).fold(0, |difference, (own, other)| difference | (own ^ other)) == 0
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What lets a program do what the operator may: the control token.
#[derive(Clone)]
pub(crate) struct Token(SecretHash);

impl Token {
    /// Of a secret text.
    pub(crate) fn new(text: &str) -> Option<Self> {
        (text.len() >= TOKEN_BYTES_MIN && text.is_ascii()).then(|| Self(hash_of(text)))
    }

    /// The first line of a file.
    ///
    /// # Errors
    /// In words, with what to do.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let line = text.lines().next().unwrap_or_default().trim();
        Self::new(line).ok_or_else(|| {
            format!("{}: a token has at least {TOKEN_BYTES_MIN} ASCII characters in its first line", path.display())
        })
    }

    /// Whether a text is it.
    pub(crate) fn is(&self, text: &str) -> bool {
        is_same(&self.0, &hash_of(text))
    }

    /// Some digits that tell one folder's cookies from another's on the same computer; they tell nothing of the token.
    pub(crate) fn mark(&self) -> String {
        hex(self.0.get(..4).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn a_short_token_is_refused_with_what_to_do() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "short\n").unwrap();
        let refused = Token::read(file.path()).map(|_| ()).unwrap_err();
        assert!(refused.ends_with("a token has at least 32 ASCII characters in its first line"), "{refused}");
        std::fs::write(file.path(), format!("{TOKEN}\nmore\n")).unwrap();
        let token = Token::read(file.path()).unwrap();
        for (shown, is_it) in [(TOKEN, true), (&TOKEN[1..], false), ("", false), (&format!("{TOKEN} "), false)] {
            assert_eq!(token.is(shown), is_it, "{shown}");
        }
    }
}
