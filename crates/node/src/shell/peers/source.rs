//! Another node as the source of a repair, over HTTP.

use super::PeersError;
use super::http::Http;
use super::wire::{self, Question, SHORT_WITHIN};
use crate::repair::Source;
use consensus::peer::{Answer, Ask, Failed};
use ledger::Genesis;
use units::LedgerId;

/// A node that is asked by its address.
#[derive(Debug)]
pub struct PeerSource {
    http: Http,
    address: String,
    genesis: Genesis,
    ledger: LedgerId,
}

/// Why a node cannot be the source of a repair.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The address is none.
    #[error(transparent)]
    Address(#[from] PeersError),
    /// It does not answer as a node does.
    #[error("{address}: {failed}")]
    Failed {
        /// Where.
        address: String,
        /// Why.
        failed: Failed,
    },
}

impl PeerSource {
    /// Asks the node at an address for its genesis document.
    ///
    /// # Errors
    /// When the address is none, or no node answers there.
    pub fn connect(address: &str) -> Result<Self, SourceError> {
        let (http, address) = (Http::new(address)?, address.to_owned());
        let question =
            Question { path: api::path::GENESIS.to_owned(), bytes_max: Genesis::BYTES_MAX, within: SHORT_WITHIN };
        let asked = http.get(&question).and_then(|(status, body)| match wire::of_status(status) {
            None => Genesis::from_bytes(&body).map_err(|error| Failed::Malformed(error.to_string())),
            Some(Answer::Failed(failed)) => Err(failed),
            Some(_) => Err(Failed::Malformed(format!("status {status}"))),
        });
        match asked {
            Ok(genesis) => Ok(Self { http, address, ledger: genesis.ledger(), genesis }),
            Err(failed) => Err(SourceError::Failed { address, failed }),
        }
    }
}

impl Source for PeerSource {
    fn ask(&mut self, ask: &Ask) -> Answer {
        match self.http.get(&wire::question(ask)) {
            Ok((status, body)) => wire::answer(ask, self.ledger, status, body),
            Err(failed) => Answer::Failed(failed),
        }
    }

    fn genesis(&mut self) -> Option<Vec<u8>> {
        Some(self.genesis.to_bytes())
    }

    fn name(&self) -> String {
        self.address.clone()
    }
}
