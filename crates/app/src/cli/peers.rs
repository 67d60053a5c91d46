//! `wattproof peers`: the other nodes, as the node that is asked sees them.

use super::show::Asked;
use super::terminal::{say, say_json};
use super::{StatusArgs, Trouble};
use crate::web::i18n::Texts;
use api::{Agreement, PeerState, PeerView};
use std::process::ExitCode;

pub(super) fn peers(args: &StatusArgs, texts: Texts) -> Result<ExitCode, Trouble> {
    let asked = Asked::new(&args.asking)?;
    let peers = asked.client.peers()?;
    if args.asking.json {
        say_json(&peers);
        return Ok(ExitCode::SUCCESS);
    }
    if peers.is_empty() {
        say(texts.get("cli-peers-none"));
    }
    for peer in &peers {
        say_peer(peer, &asked, texts);
    }
    let status = asked.client.status()?;
    if status.findings.count > 0 {
        let (count, open) = (status.findings.count.to_string(), status.findings.open.to_string());
        say(texts.with("cli-peers-findings", &[("count", &count), ("open", &open)]));
    }
    let status = status.peers;
    if peers.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    say(texts.with(
        "cli-peers-sum",
        &[
            ("connected", &status.connected.to_string()),
            ("peers", &status.peers.to_string()),
            ("forks", &status.forks_seen.to_string()),
            ("reorganisations", &status.reorganisations.to_string()),
        ],
    ));
    Ok(ExitCode::SUCCESS)
}

fn say_peer(peer: &PeerView, asked: &Asked, texts: Texts) {
    let state = texts.get(match peer.state {
        PeerState::New => "peer-new",
        PeerState::Connected => "peer-connected",
        PeerState::Unreachable => "peer-unreachable",
        PeerState::Foreign => "peer-foreign",
        PeerState::Itself => "peer-itself",
        PeerState::OtherHistory => "peer-other-history",
        PeerState::NewerProgram => "peer-newer-program",
        PeerState::Banned => "peer-banned",
    });
    say(format_args!("{} ({state})", peer.address));
    if let Some(account) = &peer.account {
        let registered = if peer.is_registered { "cli-peers-registered" } else { "cli-peers-unregistered" };
        say(format_args!("  {} {account} ({})", asked.names.of(account), texts.get(registered)));
    }
    if let Some(height) = peer.height {
        let last = peer.final_height.map_or_else(|| "-".to_owned(), |height| height.to_string());
        let reached = texts.with("cli-peers-height", &[("height", &height.to_string()), ("final", &last)]);
        let agreement = peer.agreement.map(|agreement| {
            texts.get(match agreement {
                Agreement::Agrees => "cli-peers-agreement-agrees",
                Agreement::Ahead => "cli-peers-agreement-ahead",
                Agreement::Differs => "cli-peers-agreement-differs",
            })
        });
        say(format_args!("  {reached}, {}", agreement.unwrap_or_default()));
    }
    if let Some(failure) = peer.failure.as_ref().filter(|_| peer.state != PeerState::Connected) {
        say(format_args!("  {failure}"));
    }
}
