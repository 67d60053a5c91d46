//! Who may see what, until there is a login: this computer everything, others what the ledger opens to everybody.
//!
//! Genesis says whether readings are public. Where they are not, a reader from elsewhere sees the ledger itself, which
//! holds pseudonyms, but neither single readings nor live values nor names.

use super::failure::Failure;
use api::Status;
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use std::convert::Infallible;
use std::net::SocketAddr;

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// This computer, with nobody in between.
    Here,
    /// Anywhere else, or through a proxy, which hides where.
    Elsewhere,
}

impl Origin {
    /// The name asked for is checked too, since a page elsewhere can make its own name point to this computer.
    fn of(peer: Option<SocketAddr>, headers: &HeaderMap) -> Self {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let is_port = |(_, port): &(&str, &str)| port.bytes().all(|b| b.is_ascii_digit());
        let host = host.rsplit_once(':').filter(is_port).map_or(host, |(name, _)| name);
        let is_forwarded = ["forwarded", "x-forwarded-for", "via"].iter().any(|name| headers.contains_key(*name));
        let is_loopback = peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback());
        if is_loopback && ["localhost", "127.0.0.1", "[::1]"].contains(&host) && !is_forwarded {
            Self::Here
        } else {
            Self::Elsewhere
        }
    }

    /// Whether single readings, live values and names are shown.
    pub(crate) fn may_read(self, status: &Status) -> bool {
        self == Self::Here || status.public_readings
    }

    /// Refuses single readings to whom they are not open.
    pub(crate) fn check_readings(self, status: &Status) -> Result<(), Failure> {
        if self.may_read(status) {
            return Ok(());
        }
        let detail = "this ledger keeps single readings to its members; ask at the computer that runs the node";
        Err(Failure::new("readings_private", StatusCode::FORBIDDEN, detail))
    }
}

impl<S: Sync> FromRequestParts<S> for Origin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer);
        Ok(Self::of(peer, &parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_computer_itself_is_here() {
        for (peer, host, proxy, origin) in [
            ("127.0.0.1:5", "localhost:8080", None, Origin::Here),
            ("127.0.0.1:5", "127.0.0.1", None, Origin::Here),
            ("[::1]:5", "[::1]:8080", None, Origin::Here),
            ("[::ffff:127.0.0.1]:5", "localhost", None, Origin::Here),
            ("192.168.1.5:5", "localhost:8080", None, Origin::Elsewhere),
            ("127.0.0.1:5", "evil.example:8080", None, Origin::Elsewhere),
            ("127.0.0.1:5", "", None, Origin::Elsewhere),
            ("127.0.0.1:5", "localhost", Some(("x-forwarded-for", "203.0.113.9")), Origin::Elsewhere),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            if let Some((name, value)) = proxy {
                headers.insert(name, value.parse().unwrap());
            }
            assert_eq!(Origin::of(peer.parse().ok(), &headers), origin, "{peer} {host} {proxy:?}");
        }
        assert_eq!(Origin::of(None, &HeaderMap::new()), Origin::Elsewhere);
    }
}
