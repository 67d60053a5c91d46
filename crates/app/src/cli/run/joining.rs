//! `wattproof node --join URL --genesis HASH`: a node's directory from nothing but a peer's address and the ledger's id.
//!
//! The genesis document is fetched from the peer and believed for its hash alone. Whether what follows is right, the node
//! checks itself, so that any peer will do.

use super::super::terminal::say;
use super::super::{NodeArgs, Trouble};
use crate::community::{Community, Joining, KeyName};
use consensus::peer::Failed;
use ledger::Genesis;
use node::shell::peers::{SourceError, genesis_at};
use sha2::{Digest as _, Sha256};
use std::net::{Ipv4Addr, SocketAddr};
use units::LedgerId;

/// Where a node that joined serves its pages unless told otherwise.
const HTTP: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8_080);

/// The community that a node is started for, joined if it is not there yet.
pub(super) fn community(args: &NodeArgs) -> Result<Community, Trouble> {
    let (Some(peer), Some(wanted)) = (&args.join, args.genesis) else { return Ok(Community::open(&args.data)?) };
    if args.data.join("genesis.cbor").is_file() {
        let community = Community::open(&args.data)?;
        let found = community.genesis().ledger();
        return if found == wanted { Ok(community) } else { Err(other_directory(args, found, wanted)) };
    }
    let genesis = fetch(peer, wanted)?;
    let peers = [std::slice::from_ref(peer), &args.peers].concat();
    let joining = Joining { genesis: &genesis, peers: &peers, http: args.http.unwrap_or(HTTP) };
    let community = Community::join(&args.data, joining)?;
    tell(&community)?;
    Ok(community)
}

fn other_directory(args: &NodeArgs, found: LedgerId, wanted: LedgerId) -> Trouble {
    let what = format!("{} holds ledger {found}, not {wanted}", args.data.display());
    Trouble::environment(what, "name another directory with --data; nothing was changed")
}

/// The genesis document of exactly this ledger.
fn fetch(peer: &str, wanted: LedgerId) -> Result<Genesis, Trouble> {
    let bytes = genesis_at(peer).map_err(|error| no_node(peer, &error))?;
    let found = LedgerId::from_bytes(Sha256::digest(&bytes).into());
    if found != wanted && Genesis::from_bytes(&bytes).is_err() {
        return Err(Trouble::environment(
            format_args!("{peer} is not a Wattproof node: what it gives is no genesis document"),
            "name the address that its operator sees when it starts",
        ));
    }
    if found != wanted {
        return Err(Trouble::refused(
            format_args!("{peer} keeps another ledger: {found}, not {wanted}"),
            "ask whoever you trust for the address and the id again; nothing was made",
        ));
    }
    Genesis::from_bytes(&bytes).map_err(|error| {
        let what = format!("the genesis document of {wanted} is of no kind that this version knows: {error}");
        Trouble::environment(what, "install the version that the community's nodes run")
    })
}

fn no_node(peer: &str, error: &SourceError) -> Trouble {
    match error {
        SourceError::Address(_)
        | SourceError::Failed { failed: Failed::Unreachable(_) | Failed::TimedOut | Failed::Busy, .. } => {
            Trouble::environment(
                error,
                "see that the node runs there and that the address is right, with http:// or https:// before it",
            )
        }
        SourceError::Failed { .. } => Trouble::environment(
            format_args!("{peer} is not a Wattproof node of this version: {error}"),
            "name the address that its operator sees when it starts",
        ),
    }
}

fn tell(community: &Community) -> Result<(), Trouble> {
    let key = community.key(KeyName::Miner)?.key.public();
    say(format_args!("joined `{}` in {}", community.genesis().name, community.dir().display()));
    say(format_args!("  this node  {}", key.account()));
    say("to let it make blocks, and be shown under its account, the operator registers its key:");
    let digits = super::super::terminal::hex(&ledger::cbor::encode(&key));
    say(format_args!("  wattproof submit --key operator.key register key {digits} miner --beneficiary operator"));
    Ok(())
}
