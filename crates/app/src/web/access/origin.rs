//! Where a request comes from, as far as that can be known.

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
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
    /// Of a request.
    pub(crate) fn of_parts(parts: &Parts) -> Self {
        Self::of(peer_of(parts), &parts.headers)
    }

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
}

/// How a request came over the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// As it is.
    Http,
    /// Under TLS.
    Https,
}

impl Scheme {
    /// Of a request; plain unless the server that took it says otherwise.
    pub(crate) fn of(parts: &Parts) -> Self {
        parts.extensions.get().copied().unwrap_or(Self::Http)
    }
}

/// The other end of a request's connection.
pub(crate) fn peer_of(parts: &Parts) -> Option<SocketAddr> {
    parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer)
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
