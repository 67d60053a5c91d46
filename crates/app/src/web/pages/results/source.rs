//! Where results are read: this node, or one that it was told of.
//!
//! Only a node's operator says whom it talks with, so only those addresses are ever asked from here: a reader cannot make
//! this computer ask any other (server-side request forgery). Any other node is a link, which the reader's own browser
//! follows.

use crate::web::failure::Failure;
use api::{BlockDetail, BlockSummary, Client, ClientError, PeerView};
use axum::http::StatusCode;
use gateway::HttpTransport;
use node::NodeHandle;

/// Readers whose questions to other nodes are on their way at once; more wait.
pub(super) const ASKING_MAX: usize = 2;

/// Blocks with statements that one page opens: of a node elsewhere each is a question over the network.
const OPENED_HERE: usize = 400;
const OPENED_ELSEWHERE: usize = 150;

/// Which node.
pub(super) enum Source {
    /// This one.
    Here,
    /// Another, by its address.
    There(Box<Client<HttpTransport>>),
}

/// What an address that a reader typed is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// None was typed: this node.
    Here,
    /// A node that this one was told of.
    Known(String),
    /// Another node, whose own page is at this address.
    Elsewhere(String),
    /// No address.
    Wrong,
}

impl Place {
    /// Of an address as people type it, among those of known nodes.
    pub(super) fn of(typed: &str, peers: &[PeerView]) -> Self {
        let typed = typed.trim().trim_end_matches('/');
        if typed.is_empty() {
            return Self::Here;
        }
        let (scheme, name) = match typed.split_once("://") {
            Some((scheme @ ("http" | "https"), name)) => (scheme, name),
            Some(_) => return Self::Wrong,
            None => ("http", typed),
        };
        let is_plain = |name: &str| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte))
        };
        if !is_plain(name) {
            return Self::Wrong;
        }
        let has_name = |peer: &&PeerView| {
            let known = peer.address.trim_end_matches('/');
            known.split_once("://").is_some_and(|(_, known)| known.eq_ignore_ascii_case(name))
        };
        match peers.iter().find(has_name) {
            Some(peer) => Self::Known(peer.address.trim_end_matches('/').to_owned()),
            None => Self::Elsewhere(format!("{scheme}://{name}")),
        }
    }
}

impl Source {
    /// A known node.
    pub(super) fn there(address: &str) -> Self {
        Self::There(Box::new(Client::new(HttpTransport::new(address))))
    }

    /// Blocks that one page opens.
    pub(super) const fn opened_max(&self) -> usize {
        match self {
            Self::Here => OPENED_HERE,
            Self::There(_) => OPENED_ELSEWHERE,
        }
    }

    /// The number of its newest block.
    pub(super) fn head(&self, node: &NodeHandle) -> Result<u64, Failure> {
        Ok(match self {
            Self::Here => node.status()?.height.number(),
            Self::There(client) => client.status().map_err(silent)?.height.number(),
        })
    }

    /// Blocks from a height downwards, at most as many as a page of the contract has.
    pub(super) fn blocks(&self, node: &NodeHandle, top: u64) -> Result<Vec<BlockSummary>, Failure> {
        let cursor = top.to_string();
        Ok(match self {
            Self::Here => node.blocks(Some(&cursor), api::PAGE_ITEMS_MAX)?.items,
            Self::There(client) => client.blocks(Some(&cursor), api::PAGE_ITEMS_MAX).map_err(silent)?.items,
        })
    }

    /// A block.
    pub(super) fn block(&self, node: &NodeHandle, height: u64) -> Result<BlockDetail, Failure> {
        Ok(match self {
            Self::Here => node.block(&height.to_string())?,
            Self::There(client) => client.block(&height.to_string()).map_err(silent)?,
        })
    }
}

fn silent(error: ClientError) -> Failure {
    Failure::new("peer_silent", StatusCode::BAD_GATEWAY, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_node_that_this_one_was_told_of_is_asked() {
        let peer = |address: &str| {
            let view = serde_json::json!({ "address": address, "state": "connected", "is_registered": false, "score": 0,
                "asked": 0, "answered": 0 });
            serde_json::from_value::<PeerView>(view).unwrap()
        };
        let peers = [peer("http://192.168.1.20:8080"), peer("https://node.example:8443/")];
        let known = |address: &str| Place::Known(address.to_owned());
        let elsewhere = |address: &str| Place::Elsewhere(address.to_owned());
        for (typed, place) in [
            ("", Place::Here),
            ("  ", Place::Here),
            ("192.168.1.20:8080", known("http://192.168.1.20:8080")),
            ("http://192.168.1.20:8080/", known("http://192.168.1.20:8080")),
            ("NODE.example:8443", known("https://node.example:8443")),
            ("192.168.1.20:8081", elsewhere("http://192.168.1.20:8081")),
            ("169.254.169.254", elsewhere("http://169.254.169.254")),
            ("https://[::1]:9", elsewhere("https://[::1]:9")),
            ("http://192.168.1.20:8080@evil.example", Place::Wrong),
            ("192.168.1.20:8080/../x", Place::Wrong),
            ("javascript://x", Place::Wrong),
            ("file:///etc/passwd", Place::Wrong),
            ("a b", Place::Wrong),
        ] {
            assert_eq!(Place::of(typed, &peers), place, "{typed}");
        }
    }
}
