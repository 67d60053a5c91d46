//! The demo's three nodes, the paper's three Masters: each with a folder, a key and a port of its own, each mining, peers of
//! one another over HTTP on this computer.

use super::founding::FINAL_WITHIN;
use super::{DemoError, blocking};
use crate::clock::ScaledClock;
use crate::community::{Community, Joining, KeyName};
use crate::web;
use crate::web::access::{Access, AccessSetup};
use crate::web::directory::NamesFor;
use ledger::SecretKey;
use node::NodeHandle;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::oneshot::Sender;
use tokio::task::JoinHandle;
use units::Height;

/// Nodes beside the first.
const OTHERS: usize = 2;
/// Between two looks at whether the nodes agree.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Where the folder of one of the other nodes is.
fn dir_of(demo: &Path, number: usize) -> PathBuf {
    demo.join(format!("node-{number}"))
}

/// Makes the folders of the other nodes.
pub(super) fn found(community: &Community) -> Result<(), DemoError> {
    for number in 2..2 + OTHERS {
        let http = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let joining = Joining { genesis: community.genesis(), peers: &[], http };
        Community::join(&dir_of(community.dir(), number), joining)?;
    }
    Ok(())
}

/// The keys that the other nodes mine with.
pub(super) fn miners(community: &Community) -> Result<Vec<SecretKey>, DemoError> {
    let key = |number| Ok(Community::open(&dir_of(community.dir(), number))?.key(KeyName::Miner)?.key);
    (2..2 + OTHERS).map(key).collect()
}

/// The nodes, the first one's first.
#[derive(Clone)]
pub(super) struct Nodes {
    pub(super) handles: Vec<NodeHandle>,
    pub(super) addresses: Vec<SocketAddr>,
}

/// The pages of the other nodes, served until they are told to stop.
pub(super) struct Pages {
    stops: Vec<Sender<()>>,
    tasks: Vec<JoinHandle<()>>,
}

/// Starts all nodes. The pages of the first are the caller's to serve, at the listener that it gives: whoever delivers to
/// them needs the gateway first.
pub(super) async fn start(
    community: &Community,
    clock: &ScaledClock,
    first: &TcpListener,
) -> Result<(Nodes, Pages), DemoError> {
    let mut listeners = Vec::new();
    for _ in 0..OTHERS {
        listeners.push(web::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?);
    }
    let place = |listener: &TcpListener| {
        listener.local_addr().map(crate::reach::from_here).map_err(|error| DemoError::Story(error.to_string()))
    };
    let addresses = std::iter::once(first).chain(&listeners).map(place).collect::<Result<Vec<_>, _>>()?;
    let mut handles = vec![start_node(community, clock, others_of(&addresses, 0))?];
    for number in 1..=OTHERS {
        let other = Community::open(&dir_of(community.dir(), number + 1))?;
        handles.push(start_node(&other, clock, others_of(&addresses, number))?);
    }
    let directory = Arc::new(community.directory());
    let mut pages = Pages { stops: Vec::new(), tasks: Vec::new() };
    for ((node, listener), number) in handles.iter().skip(1).zip(listeners).zip(2..) {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let dir = dir_of(community.dir(), number);
        let access = Access::open(&AccessSetup { dir: &dir, program: "demo", token_file: None, operator_here: true })?;
        let state = web::AppState::new(node.clone(), None, Arc::clone(&directory), access);
        let state = state.with_names(NamesFor::Everybody);
        pages.stops.push(stop);
        pages.tasks.push(tokio::spawn(web::serve(listener, None, state, async {
            // A sender that is gone means the same.
            let _ = stopped.await;
        })));
    }
    Ok((Nodes { handles, addresses }, pages))
}

fn others_of(addresses: &[SocketAddr], own: usize) -> Vec<String> {
    let others = addresses.iter().enumerate().filter(|(number, _)| *number != own);
    others.map(|(_, address)| format!("http://{address}")).collect()
}

fn start_node(community: &Community, clock: &ScaledClock, peers: Vec<String>) -> Result<NodeHandle, DemoError> {
    let key = |name| Ok::<_, DemoError>(community.key_if_any(name)?.map(|file| file.key));
    let options = node::Options {
        data_dir: community.node_dir(),
        miner: key(KeyName::Miner)?,
        log_key: key(KeyName::Log)?,
        receipt_key: key(KeyName::Receipt)?,
        automatic: true,
        peers,
        search_threads: 1,
        scrubbing: node::Scrubbing::default(),
    };
    Ok(node::start(options, Arc::new(clock.clone()))?)
}

impl Pages {
    /// Ends the pages of the other nodes.
    pub(super) async fn stop(self) -> Result<(), DemoError> {
        drop(self.stops);
        for task in self.tasks {
            task.await.map_err(|error| DemoError::Story(error.to_string()))?;
        }
        Ok(())
    }
}

/// What the nodes came to, side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Height of each one's newest block.
    pub(super) heights: Vec<Height>,
    /// Whether they have the same newest block and the same state.
    pub(super) agree: bool,
    /// Blocks found by all of them together, and the attempts for them.
    pub(super) blocks: u64,
    pub(super) attempts: u64,
    pub(super) forks_seen: u64,
    pub(super) reorganisations: u64,
}

impl Nodes {
    /// Ends mining, so that all can come to the same block, and waits until they have. The first goes on alone for a moment:
    /// of two branches with equal work its own must become the longer one.
    pub(super) async fn settle(&self) -> Result<Outcome, DemoError> {
        let nodes = self.clone();
        blocking(move || {
            for node in nodes.handles.iter().skip(1) {
                node.set_automatic(false)?;
            }
            nodes.until_they_agree()?;
            for node in nodes.handles.iter().take(1) {
                node.set_automatic(false)?;
            }
            nodes.until_they_agree()
        })
        .await
    }

    fn until_they_agree(&self) -> Result<Outcome, DemoError> {
        let deadline = Instant::now() + FINAL_WITHIN;
        loop {
            let outcome = self.outcome()?;
            if outcome.agree || Instant::now() > deadline {
                return Ok(outcome);
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn outcome(&self) -> Result<Outcome, DemoError> {
        let statuses = self.handles.iter().map(NodeHandle::status).collect::<Result<Vec<_>, _>>()?;
        let ends = statuses.iter().map(|status| (status.hash, status.state_root, status.final_height));
        let mut ends: Vec<_> = ends.collect();
        ends.dedup();
        Ok(Outcome {
            heights: statuses.iter().map(|status| status.height).collect(),
            agree: ends.len() == 1,
            blocks: statuses.iter().map(|status| status.mining.blocks).sum(),
            attempts: statuses.iter().map(|status| status.mining.attempts).sum(),
            forks_seen: statuses.iter().map(|status| status.peers.forks_seen).sum(),
            reorganisations: statuses.iter().map(|status| status.peers.reorganisations).sum(),
        })
    }

    /// Stops them.
    pub(super) fn shutdown(&self) {
        self.handles.iter().for_each(NodeHandle::shutdown);
    }
}
