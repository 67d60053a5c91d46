//! From where the pages are reached, and whether the way is encrypted: the flags that every server of the program has.

use crate::web::access::Folder;
use crate::web::tls::{Tls, TlsError};
use clap::Args;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;

/// Who reaches the pages, and how.
#[derive(Debug, Clone, Args)]
pub(crate) struct Reach {
    /// Listen on every network address of this computer, so that others in the network reach the pages
    #[arg(long)]
    lan: bool,
    /// Encrypt (TLS) with a certificate of its own, made at the first start and kept; browsers ask whether to trust it once
    #[arg(long, conflicts_with_all = ["tls_cert", "tls_key"])]
    tls: bool,
    /// Encrypt (TLS) with this certificate, its chain after it, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's key, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

/// Where the pages are, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Places {
    /// For this computer.
    pub(crate) here: String,
    /// For others in the network, if they reach it.
    pub(crate) elsewhere: Option<String>,
    /// SHA-256 of the certificate, if the way is encrypted.
    pub(crate) fingerprint: Option<String>,
}

impl Reach {
    /// Where to listen, when the settings say `address`.
    pub(crate) fn address(&self, address: SocketAddr) -> SocketAddr {
        match address.ip() {
            IpAddr::V4(_) if self.lan => SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), address.port()),
            IpAddr::V6(_) if self.lan => SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), address.port()),
            _ => address,
        }
    }

    /// How TLS is spoken, if it is.
    ///
    /// # Errors
    /// When certificate or key cannot be read or made.
    pub(crate) fn tls(&self, folder: &Folder) -> Result<Option<Tls>, TlsError> {
        if let Some((certificate, key)) = self.tls_cert.as_deref().zip(self.tls_key.as_deref()) {
            return Tls::from_files(certificate, key).map(Some);
        }
        if !self.tls {
            return Ok(None);
        }
        let own = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let names = own.into_iter().chain(own_address().map(|address| address.to_string())).collect();
        Tls::self_made(folder, names).map(Some)
    }
}

/// Where a server that listens on an address is reached.
pub(crate) fn places(listens: SocketAddr, tls: Option<&Tls>) -> Places {
    let scheme = if tls.is_some() { "https" } else { "http" };
    let elsewhere = match listens.ip() {
        ip if ip.is_loopback() => None,
        ip if ip.is_unspecified() => own_address(),
        ip => Some(ip),
    };
    let url = |ip| format!("{scheme}://{}", SocketAddr::new(ip, listens.port()));
    Places {
        here: format!("{scheme}://{}", from_here(listens)),
        elsewhere: elsewhere.map(url),
        fingerprint: tls.map(|tls| tls.fingerprint().to_owned()),
    }
}

/// Where this computer itself reaches a server that may listen on every address.
pub(crate) fn from_here(listens: SocketAddr) -> SocketAddr {
    match listens.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), listens.port()),
        IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), listens.port()),
        _ => listens,
    }
}

/// This computer's address in its network: the one that it would call from. A UDP socket that is told whom it would call
/// sends nothing; the address is one of those kept for documentation (RFC 5737).
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_unspecified() && !ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Flags {
        #[command(flatten)]
        reach: Reach,
    }

    #[test]
    fn only_lan_opens_the_port_to_others() {
        for (flags, settings, listens) in [
            (&["x"][..], "127.0.0.1:8080", "127.0.0.1:8080"),
            (&["x", "--lan"], "127.0.0.1:8080", "0.0.0.0:8080"),
            (&["x", "--lan"], "[::1]:8080", "[::]:8080"),
            (&["x", "--tls"], "127.0.0.1:8080", "127.0.0.1:8080"),
        ] {
            let reach = Flags::parse_from(flags).reach;
            assert_eq!(reach.address(settings.parse().unwrap()).to_string(), listens, "{flags:?} {settings}");
        }
        assert!(Flags::try_parse_from(["x", "--tls-cert", "c.pem"]).is_err(), "a certificate needs its key");
        assert!(Flags::try_parse_from(["x", "--tls", "--tls-cert", "c.pem", "--tls-key", "k.pem"]).is_err());
    }

    #[test]
    fn places_are_said_as_people_type_them() {
        for (listens, here, is_reached) in [
            ("127.0.0.1:8080", "http://127.0.0.1:8080", Some(false)),
            ("[::1]:8080", "http://[::1]:8080", Some(false)),
            ("192.168.1.5:8080", "http://192.168.1.5:8080", Some(true)),
            ("0.0.0.0:8080", "http://127.0.0.1:8080", None),
        ] {
            let places = places(listens.parse().unwrap(), None);
            assert_eq!((places.here.as_str(), places.fingerprint), (here, None), "{listens}");
            // A computer without a network has no other address.
            assert!(is_reached.is_none_or(|is_reached| places.elsewhere.is_some() == is_reached), "{listens}");
        }
    }
}
