//! Nodes that stop, are killed, are cut off, or have no room on their disk.

use super::{Community, free_port, house};
use crate::network::{Network, address, tool};
use crate::program::{Running, eventually, run, run_by};
use api::{StatementState, Status};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use units::StatementId;

/// Between two statements of the load.
const PAUSE: Duration = Duration::from_millis(30);

#[test]
fn a_node_that_is_stopped_for_a_while_catches_up() {
    let mut community = Community::of(3);
    community.nodes[2].as_ref().unwrap().signal("STOP");
    let ids: Vec<StatementId> = (0..10).map(|number| community.submit(number % 2)).collect();
    for id in &ids {
        community.is_final_at(&[0, 1], id);
    }
    community.nodes[2].as_ref().unwrap().signal("CONT");
    for id in &ids {
        community.is_final_at(&[2], id);
    }
    community.agree(&[0, 1, 2]);
    community.end();
}

/// `SplitMix64` (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_nodes_are_killed_under_load() {
    let (nodes, kills) = if std::env::var_os("WATTPROOF_LONG").is_some() { (5, 100) } else { (3, 20) };
    let seed = std::env::var("WATTPROOF_SEED").map_or_else(|_| super::real_now().ms(), |seed| seed.parse().unwrap());
    eprintln!("WATTPROOF_SEED={seed}, {kills} kills over {nodes} nodes");
    let mut random = Random(seed);
    let mut community = Community::of(nodes);
    let load = Load::begin(&community, seed);
    let mut rejoined = Vec::new();
    for _ in 0..kills {
        std::thread::sleep(Duration::from_millis(random.below(700)));
        let victim = usize::try_from(random.below(u64::try_from(nodes).unwrap())).unwrap();
        if let Err(status) = community.nodes[victim].take().unwrap().kill_9() {
            panic!("node {victim} had ended by itself: {status}");
        }
        std::thread::sleep(Duration::from_millis(random.below(500)));
        rejoined.push(rejoin(&mut community, victim));
    }
    let acknowledged = load.end();
    assert!(acknowledged.len() > kills, "{} statements are no load", acknowledged.len());
    let all: Vec<usize> = (0..nodes).collect();
    for id in &acknowledged {
        community.is_final_at(&all, id);
    }
    community.agree(&all);
    community.end();
    rejoined.sort_unstable();
    let percentile = |percent: usize| rejoined[(rejoined.len() * percent).div_ceil(100) - 1].as_millis();
    eprintln!(
        "{} statements acknowledged, all final; rejoined in p50 {} ms, p99 {} ms",
        acknowledged.len(),
        percentile(50),
        percentile(99)
    );
}

/// Starts a killed node again; gives how long it takes until everything is final there that was at the others when it
/// started.
fn rejoin(community: &mut Community, number: usize) -> Duration {
    let others = (0..community.ports.len()).filter(|other| *other != number);
    let known = others.filter_map(|other| community.status(other)).map(|status| status.final_height).max().unwrap();
    let began = Instant::now();
    community.start(number);
    eventually(&format!("node {number} is back"), || {
        // Closer than a hundred milliseconds, the pause of `eventually`, a figure would be of the test's own.
        (community.status(number)?.final_height >= known).then_some(())
    });
    began.elapsed()
}

/// Somebody who submits to all nodes in turn; one that is away is passed over.
struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<Vec<StatementId>>>,
    thread: std::thread::JoinHandle<()>,
}

impl Load {
    fn begin(community: &Community, seed: u64) -> Self {
        let clients: Vec<_> = (0..community.ports.len()).map(|number| community.client(number)).collect();
        let (operator, ledger) = (community.operator.clone(), community.genesis.ledger());
        let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (stopped, told) = (Arc::clone(&stop), Arc::clone(&acknowledged));
        let thread = std::thread::spawn(move || {
            let mut random = Random(seed ^ 1);
            for number in 1_u64.. {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let (id, bytes) = super::note_of(&operator, ledger, 1_000_000 + number);
                let to = usize::try_from(random.below(u64::try_from(clients.len()).unwrap())).unwrap();
                if clients[to].submit(bytes).is_ok() {
                    told.lock().unwrap().push(id);
                }
                std::thread::sleep(PAUSE);
            }
        });
        Self { stop, acknowledged, thread }
    }

    fn end(self) -> Vec<StatementId> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        let mut acknowledged = self.acknowledged.lock().unwrap();
        std::mem::take(&mut acknowledged)
    }
}

/// Three nodes, each in a namespace of its own.
struct Apart {
    network: Network,
    folder: tempfile::TempDir,
    nodes: Vec<Running>,
    made: u64,
}

impl Apart {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let init = ["init", "house", "--plain-keys", "--level", "2", "--block-interval", "200ms", "--final-depth", "2"];
        run(folder.path(), &init).ok();
        let mut apart = Self { network: Network::new(3), folder, nodes: Vec::new(), made: 0 };
        let genesis = std::fs::read(apart.folder.path().join("house/genesis.cbor")).unwrap();
        let ledger = ledger::Genesis::from_bytes(&genesis).unwrap().ledger().to_string();
        (0..3).for_each(|number| apart.start(number, &ledger));
        apart.submit_act(0, &["register", "key", "house/keys/operator.key", "member"]);
        for number in [1, 2] {
            let key = format!("{}/keys/miner.key", house(number));
            apart.submit_act(0, &["register", "key", &key, "miner", "--beneficiary", "operator"]);
        }
        apart
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn start(&mut self, number: usize, ledger: &str) {
        let url = |number| format!("http://{}:8080", address(number));
        let (http, house, first) = (format!("{}:8080", address(number)), house(number), url(0));
        let others: Vec<String> = (0..3).filter(|other| *other != number).map(url).collect();
        let mut arguments = vec!["node", "--data", &house, "--http", &http];
        arguments.extend(others.iter().flat_map(|other| ["--peer", other]));
        if number > 0 {
            arguments.extend(["--join", &first, "--genesis", ledger]);
        }
        let place = self.network.place(number);
        let log = self.path().join(format!("node-{number}.log"));
        let node = Running::start_by(&["ip", "netns", "exec", &place], self.path(), &arguments, &log);
        node.line_with("the pages are at");
        self.nodes.push(node);
    }

    fn ask(&self, number: usize, arguments: &[&str]) -> crate::program::Ended {
        let (place, url) = (self.network.place(number), format!("http://{}:8080", address(number)));
        run_by(&["ip", "netns", "exec", &place], self.path(), &[arguments, &["--node", &url]].concat())
    }

    fn submit_act(&self, number: usize, act: &[&str]) -> String {
        let (place, url) = (self.network.place(number), format!("http://{}:8080", address(number)));
        let how = ["submit", "--key", "house/keys/operator.key", "--no-wait", "--node", &url];
        run_by(&["ip", "netns", "exec", &place], self.path(), &[&how, act].concat()).ok()
    }

    fn submit(&mut self, number: usize) -> String {
        self.made += 1;
        let text = format!("note {}", self.made);
        let told = self.submit_act(number, &["note", "--text", &text]);
        let id = told.split(|letter: char| !letter.is_ascii_hexdigit()).find(|word| word.len() == 64);
        id.unwrap_or_else(|| panic!("no id in {told}")).to_owned()
    }

    fn state(&self, number: usize, id: &str) -> Option<StatementState> {
        let asked = self.ask(number, &["statement", id, "--json"]);
        let view: serde_json::Value = (asked.code == 0).then(|| asked.json())?;
        serde_json::from_value(view["state"].clone()).ok()
    }

    fn status(&self, number: usize) -> Option<Status> {
        let asked = self.ask(number, &["status", "--json"]);
        (asked.code == 0).then(|| serde_json::from_value(asked.json()).unwrap())
    }

    fn is_final_at(&self, numbers: &[usize], id: &str) {
        for number in numbers {
            eventually(&format!("{id} is final at node {number}"), || {
                (self.state(*number, id)? == StatementState::Final).then_some(())
            });
        }
    }

    fn agree(&self) {
        eventually("the nodes have the same newest block", || {
            let all: Option<Vec<Status>> = (0..3).map(|number| self.status(number)).collect();
            let all = all?;
            all.iter().all(|status| status.hash == all[0].hash).then_some(())
        });
    }
}

#[test]
fn both_sides_of_a_cut_come_together_again() {
    let mut apart = Apart::new();
    let before = apart.submit(2);
    apart.is_final_at(&[0, 1, 2], &before);
    for (cut, mend) in [
        // Both ways, by a filter; only what comes in; the cable.
        (
            (|network: &Network| network.cut(2, true)) as fn(&Network),
            (|network: &Network| network.mend(2)) as fn(&Network),
        ),
        (|network| network.cut(2, false), |network| network.mend(2)),
        (|network| network.at(2, "ip link set eth0 down"), |network| network.at(2, "ip link set eth0 up")),
    ] {
        cut(&apart.network);
        let (here, there) = (apart.submit(0), apart.submit(2));
        apart.is_final_at(&[0, 1], &here);
        eventually("the node that is cut off books what it has, and finalises nothing", || {
            (apart.state(2, &there)? == StatementState::Committed).then_some(())
        });
        assert_eq!(apart.state(0, &there), None, "cut means cut");
        mend(&apart.network);
        apart.is_final_at(&[0, 1, 2], &here);
        apart.is_final_at(&[0, 1, 2], &there);
        apart.agree();
    }
    let status = apart.status(2).unwrap();
    assert!(status.peers.reorganisations >= 1, "{:?}", status.peers);
    for node in apart.nodes.drain(..) {
        assert_eq!(node.stop(), 0);
    }
}

/// A file system of its own with little room; unmounted when it is dropped.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn new(place: &Path) -> Self {
        std::fs::create_dir_all(place).unwrap();
        tool(&format!("mount -t tmpfs -o size=8m tmpfs {}", place.display()));
        Self(place.to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).output());
    }
}

#[test]
fn a_node_without_room_on_its_disk_holds_up_nobody_and_catches_up_when_it_has_room() {
    let mut community = Community::of(2);
    let disk = SmallDisk::new(&community.path().join("small"));
    let port = free_port();
    let ledger = community.genesis.ledger().to_string();
    let (url, address) = (community.url(0), format!("127.0.0.1:{port}"));
    let arguments = ["node", "--data", "small/node", "--http", &address, "--join", &url, "--genesis", &ledger];
    let log = community.path().join("small.log");
    let running = Running::start_logged(community.path(), &arguments, &log);
    running.line_with("the pages are at");
    community.ports.push(port);
    community.nodes.push(Some(running));
    let before = community.submit(0);
    community.is_final_at(&[0, 1, 2], &before);

    let filler = disk.0.join("filler");
    // Whatever fits; that it ends with an error is the point.
    drop(std::fs::write(&filler, vec![0; 16 << 20]));
    let ids: Vec<StatementId> = (0..10).map(|_| community.submit(0)).collect();
    for id in &ids {
        community.is_final_at(&[0, 1], id);
    }
    eventually("the node without room says so", || community.status(2)?.read_only);

    std::fs::remove_file(&filler).unwrap();
    for id in &ids {
        community.is_final_at(&[2], id);
    }
    community.agree(&[0, 1, 2]);
    let running = community.nodes[2].take().unwrap();
    assert_eq!(running.stop(), 0);
    run(community.path(), &["audit", "--data", "small/node"]).ok();
    community.nodes.pop();
    community.end();
}
