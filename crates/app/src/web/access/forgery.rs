//! Requests that another site's page made a browser send, with its cookies: refused.

use axum::http::{HeaderMap, header};

/// Whether a request was begun by a page of another site. Browsers say where it began in `Sec-Fetch-Site` (Fetch
/// Metadata), older ones in `Origin` (RFC 6454 7); programs send neither.
pub(crate) fn is_cross_site(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(site) = text("sec-fetch-site") {
        return !["same-origin", "none"].contains(&site);
    }
    let host = text("host").unwrap_or_default();
    let is_own = |origin: &str| {
        let place = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        place == Some(host)
    };
    text("origin").is_some_and(|origin| !is_own(origin))
}

/// The secret that a form carries, in a body of `application/x-www-form-urlencoded`. It needs no decoding: hexadecimal
/// digits are written as they are.
pub(crate) fn form_secret(body: &[u8]) -> Option<&str> {
    let pairs = body.split(|byte| *byte == b'&');
    let mut secrets = pairs.filter_map(|pair| pair.strip_prefix(b"csrf="));
    secrets.next().and_then(|secret| std::str::from_utf8(secret).ok())
}

/// Whether a body is a form's.
pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim() == "application/x-www-form-urlencoded")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_sites_page_is_known() {
        for (what, headers, is_cross) in [
            ("a program", &[][..], false),
            ("our page", &[("sec-fetch-site", "same-origin")][..], false),
            ("the address bar", &[("sec-fetch-site", "none")][..], false),
            ("another site's page", &[("sec-fetch-site", "cross-site")][..], true),
            ("another port's page", &[("sec-fetch-site", "same-site")][..], true),
            ("an old browser's page of ours", &[("origin", "http://localhost:8080")][..], false),
            ("the same under TLS", &[("origin", "https://localhost:8080")][..], false),
            ("an old browser's page of another port", &[("origin", "http://localhost:8081")][..], true),
            ("an old browser's page of another site", &[("origin", "http://evil.example")][..], true),
            ("a page without an origin", &[("origin", "null")][..], true),
        ] {
            let mut map = HeaderMap::new();
            map.insert(header::HOST, "localhost:8080".parse().unwrap());
            for (name, value) in headers {
                map.insert(*name, value.parse().unwrap());
            }
            assert_eq!(is_cross_site(&map), is_cross, "{what}");
        }
    }

    #[test]
    fn the_secret_of_a_form_is_found() {
        for (body, secret) in [
            ("csrf=0a1b&why=x", Some("0a1b")),
            ("why=csrf%3D00&csrf=0a1b", Some("0a1b")),
            ("why=x", None),
            ("xcsrf=1", None),
            ("", None),
        ] {
            assert_eq!(form_secret(body.as_bytes()), secret, "{body}");
        }
    }
}
