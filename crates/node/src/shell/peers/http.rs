//! HTTP to one peer. Every answer has a limit of bytes and of time, no redirect is followed, and a connection is kept for
//! the next question.

use super::PeersError;
use super::signed::{self, Asked, Signer};
use super::tls::{self, Fingerprint, TlsConnector};
use super::wire::{Question, SHORT_WITHIN};
use api::MEDIA_COSE;
use consensus::peer::Failed;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use ureq::Agent;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{Connector as _, TcpConnector};

/// Longest time until a connection stands.
const CONNECT_WITHIN: Duration = Duration::from_secs(4);
/// Largest answer to a statement that is handed over; its words are not read.
const RECEIVED_BYTES_MAX: u64 = 64 << 10;
/// Headers of an answer; a node sends some hundred bytes.
const HEADER_BYTES_MAX: usize = 16 << 10;

/// One peer's address.
#[derive(Debug, Clone)]
pub(super) struct Http {
    agent: Agent,
    base: String,
    pin: Option<Fingerprint>,
    signer: Option<Signer>,
    /// The name of the peer's run, as soon as it is known.
    instance: Arc<Mutex<String>>,
}

/// What stands between an address and its certificate's SHA-256.
const PIN_MARK: &str = "#sha256=";

/// An address as it is asked: without a closing slash, and of a kind that can be asked; and the certificate that it names.
fn parts_of(address: &str) -> Result<(String, Option<Fingerprint>), PeersError> {
    let wrong = || PeersError::Address(address.to_owned());
    let (base, pin) = match address.trim().split_once(PIN_MARK) {
        Some((base, pin)) => (base, Some(tls::fingerprint(pin).ok_or_else(wrong)?)),
        None => (address.trim(), None),
    };
    let base = base.trim_end_matches('/');
    let (plain, encrypted) = (base.strip_prefix("http://"), base.strip_prefix("https://"));
    let name = plain.filter(|_| pin.is_none()).or(encrypted).unwrap_or_default();
    let is_plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#@".contains(&byte));
    if is_plain { Ok((base.to_owned(), pin)) } else { Err(wrong()) }
}

impl Http {
    /// To an address such as `http://192.168.1.20:8080`, or `https://192.168.1.20:8080#sha256=...`.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn new(address: &str) -> Result<Self, PeersError> {
        let (base, pin) = parts_of(address)?;
        let config = Agent::config_builder()
            // Refusals are answers.
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT_WITHIN))
            .max_response_header_size(HEADER_BYTES_MAX)
            .max_idle_connections_per_host(2)
            .build();
        let agent = if base.starts_with("https://") {
            let tls = TlsConnector::new(pin).map_err(|error| PeersError::Tls(error.to_string()))?;
            Agent::with_parts(config, TcpConnector::default().chain(tls), DefaultResolver::default())
        } else {
            config.new_agent()
        };
        Ok(Self { agent, base, pin, signer: None, instance: Arc::default() })
    }

    /// With somebody who signs what is asked for that the ledger keeps to its members.
    pub(super) fn signing(self, signer: Option<Signer>) -> Self {
        Self { signer, ..self }
    }

    /// Notes the name of the peer's run: signed requests are for it.
    pub(super) fn note_instance(&self, instance: &str) {
        if let Ok(mut known) = self.instance.lock() {
            known.replace_range(.., instance);
        }
    }

    /// The signature of a question. It is for the certificate where one is named: a peer that lies about its run cannot
    /// have another node answer it then.
    fn credential(&self, question: &Question) -> Option<String> {
        let signer = self.signer.as_ref().filter(|_| question.is_private)?;
        let to = match &self.pin {
            Some(pin) => format!("sha256:{}", crate::view::hex(pin)),
            None => self.instance.lock().ok()?.clone(),
        };
        let asked = Asked { to: &to, method: "GET", target: &question.path, body: &[] };
        signer.sign(&asked).ok().filter(|_| !to.is_empty())
    }

    /// The address, without the certificate.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// Asks; gives the status and the whole body.
    pub(super) fn get(&self, question: &Question) -> Result<(u16, Vec<u8>), Failed> {
        let url = format!("{}{}", self.base, question.path);
        let call = self.agent.get(url);
        let call = self.credential(question).into_iter().fold(call, |call, signed| call.header(signed::HEADER, signed));
        let call = call.config().timeout_global(Some(question.within)).build();
        let mut answer = call.call().map_err(|error| failed(&error))?;
        let limit = u64::try_from(question.bytes_max).unwrap_or(u64::MAX);
        let body = answer.body_mut().with_config().limit(limit).read_to_vec().map_err(|error| failed(&error))?;
        Ok((answer.status().as_u16(), body))
    }

    /// Hands a statement over, in its submission form. What the peer makes of it is its own affair.
    pub(super) fn submit(&self, statement: &[u8]) -> Result<(), Failed> {
        let url = format!("{}{}", self.base, api::path::STATEMENTS);
        let call = self.agent.post(url).header("content-type", MEDIA_COSE);
        let call = call.config().timeout_global(Some(SHORT_WITHIN)).build();
        let mut answer = call.send(statement).map_err(|error| failed(&error))?;
        // Read to its end, so that the connection can be used again.
        let read = answer.body_mut().with_config().limit(RECEIVED_BYTES_MAX).read_to_vec();
        read.map(drop).map_err(|error| failed(&error))
    }
}

fn failed(error: &ureq::Error) -> Failed {
    match error {
        ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
            Failed::Unreachable("no connection in time".to_owned())
        }
        ureq::Error::Timeout(_) => Failed::TimedOut,
        ureq::Error::BodyExceedsLimit(_) | ureq::Error::LargeResponseHeader(..) => Failed::TooLong,
        ureq::Error::Protocol(error) => Failed::Malformed(error.to_string()),
        // What TLS says, or the system.
        ureq::Error::Io(error) => Failed::Unreachable(error.to_string()),
        ureq::Error::Http(error) => Failed::Malformed(error.to_string()),
        error => Failed::Unreachable(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_server_and_nothing_else() {
        let pinned = format!("https://127.0.0.1:8080{PIN_MARK}{}", "ab".repeat(32));
        for (address, base) in [
            (&*pinned, Some("https://127.0.0.1:8080")),
            ("https://node.example/", Some("https://node.example")),
            (&pinned.replace("https", "http"), None),
            ("https://127.0.0.1:8080#sha256=ab", None),
            ("https://127.0.0.1:8080#top", None),
            ("http://127.0.0.1:8080", Some("http://127.0.0.1:8080")),
            (" http://node.example/ ", Some("http://node.example")),
            ("127.0.0.1:8080", None),
            ("http://", None),
            ("http://user@host", None),
            ("http://host/path", None),
            ("ftp://host", None),
        ] {
            let parts = parts_of(address).ok();
            assert_eq!(parts.as_ref().map(|(base, _)| base.as_str()), base, "{address}");
            assert!(parts.is_none_or(|(_, pin)| pin.is_some() == address.contains(PIN_MARK)), "{address}");
        }
    }
}
