//! HTTP to one peer. Every answer has a limit of bytes and of time, no redirect is followed, and a connection is kept for
//! the next question.

use super::PeersError;
use super::wire::{Question, SHORT_WITHIN};
use api::MEDIA_COSE;
use consensus::peer::Failed;
use std::time::Duration;
use ureq::Agent;

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
}

/// An address as it is asked: without a closing slash, and of a kind that can be asked.
pub(super) fn base_of(address: &str) -> Result<String, PeersError> {
    let base = address.trim().trim_end_matches('/');
    let name = base.strip_prefix("http://").unwrap_or_default();
    let is_plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#@".contains(&byte));
    if is_plain { Ok(base.to_owned()) } else { Err(PeersError::Address(address.to_owned())) }
}

impl Http {
    /// To an address such as `http://192.168.1.20:8080`.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn new(address: &str) -> Result<Self, PeersError> {
        let base = base_of(address)?;
        let agent = Agent::config_builder()
            // Refusals are answers.
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT_WITHIN))
            .max_response_header_size(HEADER_BYTES_MAX)
            .max_idle_connections_per_host(2)
            .build()
            .new_agent();
        Ok(Self { agent, base })
    }

    /// Asks; gives the status and the whole body.
    pub(super) fn get(&self, question: &Question) -> Result<(u16, Vec<u8>), Failed> {
        let url = format!("{}{}", self.base, question.path);
        let call = self.agent.get(url).config().timeout_global(Some(question.within)).build();
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
        ureq::Error::Http(error) => Failed::Malformed(error.to_string()),
        error => Failed::Unreachable(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_server_and_nothing_else() {
        for (address, base) in [
            ("http://127.0.0.1:8080", Some("http://127.0.0.1:8080")),
            (" http://node.example/ ", Some("http://node.example")),
            ("127.0.0.1:8080", None),
            ("http://", None),
            ("http://user@host", None),
            ("http://host/path", None),
            ("ftp://host", None),
        ] {
            assert_eq!(base_of(address).ok().as_deref(), base, "{address}");
        }
    }
}
