//! Several real nodes on this computer: what one books all have, whatever happens to some of them.
//!
//! `WATTPROOF_LONG=1` kills a hundred times instead of twenty.

mod encrypted;
mod faults;
mod strangers;

use crate::program::{Running, eventually, run};
use api::{Agreement, Client, PeerState, StatementState, Status};
use gateway::HttpTransport;
use ledger::act::{Act, Note};
use ledger::{Genesis, Payload, SecretKey, SignedStatement};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use units::{LedgerId, StatementId, Timestamp};

/// Blocks that follow before one is final.
const FINAL_DEPTH: &str = "2";

fn real_now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_ms(u64::try_from(since.as_millis()).unwrap())
}

/// A port that nobody has at the moment.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A note of somebody's, unlike any other with another number.
fn note_of(key: &SecretKey, ledger: LedgerId, number: u64) -> (StatementId, Vec<u8>) {
    let now = real_now();
    let text = Some(format!("note {number}"));
    let act = Act::Note(Note { time: now, voltage: None, current: None, power: None, energy: None, text });
    let mut nonce = [7; 16];
    nonce[..8].copy_from_slice(&number.to_be_bytes());
    let payload = Payload { ledger, nonce, issued: now, expires: Some(now + Payload::LIFE_MAX_TRADE), acts: vec![act] };
    let statement = SignedStatement::sign(&payload, key).unwrap();
    (statement.id(), statement.to_submission(None))
}

/// A community of several nodes, each with a folder and a port of its own; the first has the log key.
struct Community {
    folder: TempDir,
    ports: Vec<u16>,
    nodes: Vec<Option<Running>>,
    operator: SecretKey,
    genesis: Genesis,
    made: u64,
}

fn house(number: usize) -> String {
    if number == 0 { "house".to_owned() } else { format!("node-{number}") }
}

impl Community {
    /// With every node registered as a miner and all of them running.
    fn of(count: usize) -> Self {
        Self::with(count, &[])
    }

    fn with(count: usize, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let init = ["init", "house", "--plain-keys", "--level", "2", "--block-interval", "200ms", "--final-depth"];
        run(folder.path(), &[&init, &[FINAL_DEPTH][..], options].concat()).ok();
        let text = std::fs::read_to_string(folder.path().join("house/keys/operator.key")).unwrap();
        let genesis = std::fs::read(folder.path().join("house/genesis.cbor")).unwrap();
        let mut community = Self {
            ports: (0..count).map(|_| free_port()).collect(),
            nodes: (0..count).map(|_| None).collect(),
            operator: SecretKey::from_pem(&text).unwrap(),
            genesis: Genesis::from_bytes(&genesis).unwrap(),
            made: 0,
            folder,
        };
        (0..count).for_each(|number| community.start(number));
        let operator = "house/keys/operator.key";
        community.register(operator, "member");
        for number in 1..count {
            community.register(&format!("{}/keys/miner.key", house(number)), "miner");
        }
        community
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
    fn url(&self, number: usize) -> String {
        format!("http://127.0.0.1:{}", self.ports[number])
    }
    fn client(&self, number: usize) -> Client<HttpTransport> {
        Client::new(HttpTransport::new(&self.url(number)))
    }
    fn log(&self, number: usize) -> PathBuf {
        self.path().join(format!("node-{number}.log"))
    }

    /// Starts a node that has the others as its peers; one without a folder joins the first.
    fn start(&mut self, number: usize) {
        let (address, house) = (format!("127.0.0.1:{}", self.ports[number]), house(number));
        let others: Vec<String> =
            (0..self.ports.len()).filter(|other| *other != number).map(|other| self.url(other)).collect();
        let (first, ledger) = (self.url(0), self.genesis.ledger().to_string());
        let mut arguments = vec!["node", "--data", &house, "--http", &address];
        arguments.extend(others.iter().flat_map(|other| ["--peer", other]));
        if number > 0 {
            arguments.extend(["--join", &first, "--genesis", &ledger]);
        }
        let running = Running::start_logged(self.path(), &arguments, &self.log(number));
        running.line_with("the pages are at");
        self.nodes[number] = Some(running);
    }

    fn register(&self, key: &str, role: &str) {
        let url = self.url(0);
        let submit = ["submit", "--key", "house/keys/operator.key", "--node", &url, "register", "key", key, role];
        let gains: &[&str] = if role == "miner" { &["--beneficiary", "operator"] } else { &[] };
        run(self.path(), &[&submit, gains].concat()).ok();
    }

    /// Submits a note to a node, again and again until it is acknowledged.
    fn submit(&mut self, number: usize) -> StatementId {
        self.made += 1;
        let (id, bytes) = note_of(&self.operator, self.genesis.ledger(), self.made);
        let client = self.client(number);
        eventually("a note is acknowledged", || client.submit(bytes.clone()).ok());
        id
    }

    fn status(&self, number: usize) -> Option<Status> {
        self.client(number).status().ok()
    }

    /// Until a statement is final at these nodes.
    fn is_final_at(&self, numbers: &[usize], id: &StatementId) {
        for number in numbers {
            let client = self.client(*number);
            eventually(&format!("{id} is final at node {number}"), || {
                let view = client.statement(id).ok()?;
                (view.state == StatementState::Final).then_some(())
            });
        }
    }

    /// Until these nodes have the same newest block and the same state. They go on mining, so they are asked again until
    /// they are met at the same one; that they differ for ever is what fails.
    fn agree(&self, numbers: &[usize]) -> Status {
        eventually("the nodes have the same newest block", || {
            let all: Option<Vec<Status>> = numbers.iter().map(|number| self.status(*number)).collect();
            let all = all?;
            let first = all.first()?.clone();
            let same = |status: &Status| (status.hash, status.state_root) == (first.hash, first.state_root);
            all.iter().all(same).then_some(first)
        })
    }

    /// Stops all of them and checks every byte that they have stored.
    fn end(mut self) {
        for running in self.nodes.iter_mut().filter_map(Option::take) {
            assert_eq!(running.stop(), 0);
        }
        for number in 0..self.nodes.len() {
            run(self.path(), &["audit", "--data", &house(number)]).ok();
        }
    }
}

impl Drop for Community {
    /// What a failed test leaves behind.
    fn drop(&mut self) {
        for number in (0..self.ports.len()).filter(|_| std::thread::panicking()) {
            eprintln!("node {number}:\n{}", std::fs::read_to_string(self.log(number)).unwrap_or_default());
        }
    }
}

#[test]
fn what_is_submitted_to_any_of_three_miners_is_final_at_all() {
    let mut community = Community::of(3);
    let all = [0, 1, 2];
    let ids: Vec<StatementId> = (0..12).map(|number| community.submit(number % 3)).collect();
    for id in &ids {
        community.is_final_at(&all, id);
    }
    let status = community.agree(&all);
    assert_eq!((status.peers.peers, status.peers.connected), (2, 2));
    eventually("each of the three has found a block", || {
        community.submit(0);
        let found = all.iter().map(|number| community.status(*number).map_or(0, |status| status.mining.blocks));
        found.into_iter().all(|blocks| blocks > 0).then_some(())
    });
    let shown = run(community.path(), &["peers", "--node", &community.url(1), "--json"]).json();
    for peer in shown.as_array().unwrap() {
        assert_eq!(peer["state"], "connected", "{peer}");
        assert_eq!(peer["is_registered"], true, "{peer}");
    }
    let words = run(community.path(), &["peers", "--node", &community.url(2)]).ok();
    assert!(words.contains("(answers)") && words.contains("peers 2 of 2"), "{words}");
    community.end();
}

#[test]
fn a_node_with_only_an_address_and_a_hash_comes_to_the_same_state() {
    let mut community = Community::of(1);
    let ids: Vec<StatementId> = (0..20).map(|_| community.submit(0)).collect();
    community.is_final_at(&[0], ids.last().unwrap());
    community.ports.push(free_port());
    community.nodes.push(None);
    community.start(1);
    community.is_final_at(&[0, 1], ids.last().unwrap());
    community.agree(&[0, 1]);
    // It is not registered as a miner, so it follows; what is submitted to it is booked by the first all the same, which
    // was never told of it.
    let id = community.submit(1);
    community.is_final_at(&[0, 1], &id);
    let peers = community.client(1).peers().unwrap();
    assert_eq!((peers.len(), peers[0].state), (1, PeerState::Connected));
    eventually("they agree", || (community.client(1).peers().ok()?[0].agreement? == Agreement::Agrees).then_some(()));
    community.end();
}
