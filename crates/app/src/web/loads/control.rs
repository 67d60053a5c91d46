//! Who may switch: this computer, or whoever holds the token; and never a page of another site.

use super::LoadSite;
use crate::web::access::Origin;
use crate::web::failure::Failure;
use axum::http::{HeaderMap, StatusCode, header};
use sha2::{Digest as _, Sha256};
use std::path::Path;

/// Fewest characters of a token: 128 bits in hexadecimal digits.
const TOKEN_BYTES_MIN: usize = 32;

/// What lets a program at another computer switch. Only its hash is kept, so that comparing it tells nothing by its time.
#[derive(Clone)]
pub(crate) struct Token([u8; 32]);

impl Token {
    /// Of a secret text.
    pub(crate) fn new(text: &str) -> Option<Self> {
        (text.len() >= TOKEN_BYTES_MIN && text.is_ascii()).then(|| Self(Sha256::digest(text).into()))
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

    /// Whether a text is it; takes as long for any text of one length, since hashes are compared and all their bytes.
    fn is(&self, text: &str) -> bool {
        let found: [u8; 32] = Sha256::digest(text).into();
        self.0.iter().zip(found).fold(0, |difference, (own, other)| difference | (own ^ other)) == 0
    }
}

impl LoadSite {
    /// Refuses to switch for whom it is not open.
    pub(super) fn check_control(&self, origin: Origin, headers: &HeaderMap) -> Result<(), Failure> {
        check(self.0.token.as_ref(), origin, headers)
    }
}

fn check(token: Option<&Token>, origin: Origin, headers: &HeaderMap) -> Result<(), Failure> {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
    if let Some((token, bearer)) = token.zip(bearer) {
        // A page elsewhere cannot know the token, so where it comes from does not matter.
        return if token.is(bearer.trim()) { Ok(()) } else { Err(forbidden("the token is not the gateway's")) };
    }
    if origin != Origin::Here {
        return Err(forbidden(
            "loads are switched at the computer that runs the gateway, or with the token of its `control_token_file`",
        ));
    }
    if is_cross_site(headers) {
        return Err(forbidden("this order came from a page of another site"));
    }
    Ok(())
}

fn forbidden(detail: &str) -> Failure {
    Failure::new("not_allowed", StatusCode::FORBIDDEN, detail)
}

/// A form of another site's page would be sent from this computer too. Browsers say where a request began in
/// `Sec-Fetch-Site` (Fetch Metadata), older ones in `Origin` (RFC 6454 7); programs send neither.
fn is_cross_site(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(site) = text("sec-fetch-site") {
        return !["same-origin", "none"].contains(&site);
    }
    let host = text("host").unwrap_or_default();
    text("origin").is_some_and(|origin| origin.strip_prefix("http://") != Some(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn who_may_switch() {
        let token = Token::new(TOKEN).unwrap();
        let right = format!("Bearer {TOKEN}");
        let (here, elsewhere) = (Origin::Here, Origin::Elsewhere);
        for (what, with_token, origin, headers, may) in [
            ("a program here", false, here, &[][..], true),
            ("the page here", false, here, &[("sec-fetch-site", "same-origin")][..], true),
            ("the address bar here", false, here, &[("sec-fetch-site", "none")][..], true),
            ("another site's page here", false, here, &[("sec-fetch-site", "cross-site")][..], false),
            ("another port's page here", false, here, &[("sec-fetch-site", "same-site")][..], false),
            ("an old browser's page here", false, here, &[("origin", "http://localhost:8080")][..], true),
            ("an old browser's page of another site", false, here, &[("origin", "http://evil.example")][..], false),
            ("a page without an origin", false, here, &[("origin", "null")][..], false),
            ("elsewhere without a token", true, elsewhere, &[][..], false),
            ("elsewhere with the token", true, elsewhere, &[("authorization", right.as_str())][..], true),
            (
                "elsewhere with a wrong token",
                true,
                elsewhere,
                &[("authorization", "Bearer 0123456789abcdef0123456789abcdeX")][..],
                false,
            ),
            ("elsewhere with a part of it", true, elsewhere, &[("authorization", "Bearer 0123")][..], false),
            ("elsewhere with another scheme", true, elsewhere, &[("authorization", "Basic 0123")][..], false),
            ("a token where there is none", false, elsewhere, &[("authorization", right.as_str())][..], false),
            ("a wrong token here", true, here, &[("authorization", "Bearer wrong")][..], false),
        ] {
            let mut map = HeaderMap::new();
            map.insert(header::HOST, "localhost:8080".parse().unwrap());
            for (name, value) in headers {
                map.insert(*name, value.parse().unwrap());
            }
            let token = with_token.then_some(&token);
            assert_eq!(check(token, origin, &map).is_ok(), may, "{what}");
        }
    }

    #[test]
    fn a_short_token_is_refused_with_what_to_do() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "short\n").unwrap();
        let refused = Token::read(file.path()).map(|_| ()).unwrap_err();
        assert!(refused.ends_with("a token has at least 32 ASCII characters in its first line"), "{refused}");
        std::fs::write(file.path(), format!("{TOKEN}\nmore\n")).unwrap();
        assert!(Token::read(file.path()).unwrap().is(TOKEN));
    }
}
