//! Another node as the source of a repair, over HTTP.

use super::PeersError;
use super::http::Http;
use super::signed::Signer;
use super::wire::{self, NEWS_BYTES_MAX, Question, SHORT_WITHIN};
use crate::clock::Clock;
use crate::repair::Source;
use consensus::peer::{Answer, Ask, Failed};
use ledger::{Genesis, SecretKey};
use std::sync::Arc;
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

/// The genesis document of the node at an address, whatever it is: it is believed for its hash alone.
///
/// # Errors
/// When the address is none, or nothing answers there as a node does.
pub fn genesis_at(address: &str) -> Result<Vec<u8>, SourceError> {
    let http = Http::new(address)?;
    fetch_genesis(&http).map_err(|failed| SourceError::Failed { address: http.base().to_owned(), failed })
}

fn fetch_genesis(http: &Http) -> Result<Vec<u8>, Failed> {
    let question = Question {
        path: api::path::GENESIS.to_owned(),
        bytes_max: Genesis::BYTES_MAX,
        within: SHORT_WITHIN,
        is_private: false,
    };
    let (status, body) = http.get(&question)?;
    match wire::of_status(status) {
        None => Ok(body),
        Some(Answer::Failed(failed)) => Err(failed),
        Some(_) => Err(Failed::Malformed(format!("status {status}"))),
    }
}

impl PeerSource {
    /// Asks the node at an address for its genesis document.
    ///
    /// # Errors
    /// When the address is none, or no node answers there.
    pub fn connect(address: &str) -> Result<Self, SourceError> {
        let http = Http::new(address)?;
        let address = http.base().to_owned();
        let asked = fetch_genesis(&http)
            .and_then(|body| Genesis::from_bytes(&body).map_err(|error| Failed::Malformed(error.to_string())));
        match asked {
            Ok(genesis) => Ok(Self { http, address, ledger: genesis.ledger(), genesis }),
            Err(failed) => Err(SourceError::Failed { address, failed }),
        }
    }
}

impl PeerSource {
    /// Signs with a node's key, so that the node asked gives what its ledger keeps to its members.
    #[must_use]
    pub fn signing(mut self, key: SecretKey, clock: Arc<dyn Clock>) -> Self {
        let path = api::path::peer_news("", "");
        let question = Question { path, bytes_max: NEWS_BYTES_MAX, within: SHORT_WITHIN, is_private: false };
        let news = self.http.get(&question).and_then(|(status, body)| wire::news(status, &body));
        if let Ok(news) = news {
            self.http.note_instance(&news.instance);
        }
        self.http = self.http.signing(Some(Signer::new(key, self.ledger, clock)));
        self
    }
}

/// A node's key and clock.
pub(crate) type Signs = Option<(SecretKey, Arc<dyn Clock>)>;

/// Several nodes, of which the first that has it answers.
#[derive(Debug)]
pub(crate) struct Several {
    sources: Vec<PeerSource>,
    answered: usize,
}

impl Several {
    /// Those that answer; `None` when nobody does.
    pub(crate) fn connect(addresses: &[String], signs: &Signs) -> Option<Self> {
        let connected = addresses.iter().filter_map(|address| PeerSource::connect(address).ok());
        let sources: Vec<PeerSource> = connected
            .map(|source| match signs {
                Some((key, clock)) => source.signing(key.clone(), Arc::clone(clock)),
                None => source,
            })
            .collect();
        (!sources.is_empty()).then_some(Self { sources, answered: 0 })
    }
}

impl Source for Several {
    fn ask(&mut self, ask: &Ask) -> Answer {
        let mut last = Answer::Missing;
        for (number, source) in self.sources.iter_mut().enumerate() {
            last = source.ask(ask);
            if !matches!(last, Answer::Missing | Answer::Failed(_)) {
                self.answered = number;
                break;
            }
        }
        last
    }

    fn genesis(&mut self) -> Option<Vec<u8>> {
        self.sources.first_mut().and_then(Source::genesis)
    }

    fn name(&self) -> String {
        self.sources.get(self.answered).map(Source::name).unwrap_or_default()
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
