//! `kill -9` of gateway and node at random moments: nothing acknowledged is lost, nothing is booked twice.
//!
//! The gateway acknowledges a reading by storing it, the node a statement by answering it. Both are noted while real
//! processes are killed and started again, and looked for in the end: in the ledger's export, and in the gateway's database.
//!
//! A killed process leaves what the system had taken from it. A power cut takes what was not synced as well: with the feature
//! `power-cut` both run on an ext4 of their own that is shut down without flushing (root and a loop device are needed), beside
//! the simulated disks of `crates/sim`.
//!
//! `WATTPROOF_LONG=1` kills a hundred times instead of twenty; `WATTPROOF_SEED` repeats a run's choices (not its timing).

mod checks;
#[cfg(feature = "power-cut")]
mod disk;

use crate::program::{Running, eventually, run};
use crate::servers::{self, Server};
use api::{Client, ClientError, StatementState, SubmitState};
use gateway::{HttpTransport, SimulatedPort, Simulation};
use ledger::act::{Act, Note, Transfer};
use ledger::{Genesis, Payload, SecretKey, SignedStatement};
use meter::{Framing, Options, Profile, Replay, SimulatedBus, SimulatedMeter};
use rusqlite::{Connection, OpenFlags};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use units::{AccountId, Energy, Frequency, LedgerId, Millis, Month, StatementId, Timestamp};

/// The community's time when the test begins: 2026-07-10T00:00:00Z, in the middle of its first month.
const BEGINNING: Timestamp = Timestamp::from_ms(1_783_641_600_000);
const BEGINNING_TEXT: &str = "2026-07-10T00:00:00Z";
const MONTH: &str = "2026-07";
/// A minute in a second: an interval of a minute then ends at every poll, and what expires after an hour outlives any
/// restart.
const SPEED: u64 = 60;
/// The meter and the member of each line, by address.
const METERS: [(&str, &str); 2] = [("A-101", "Chen"), ("A-102", "Lee")];
const BAUD: u32 = 9_600;
/// Between two blocks, a third of a second of real time: at most kills something is acknowledged and in no block yet.
const BLOCK_INTERVAL: &str = "20s";
/// Between two statements of a member: short, so that many kills fall between a request and its answer.
const PAUSE: Duration = Duration::from_millis(10);
/// Before an unanswered statement is sent again.
const PAUSE_UNANSWERED: Duration = Duration::from_millis(50);

#[derive(Debug, Clone, Copy)]
struct FastClock {
    real: u64,
}

fn real_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

impl gateway::Clock for FastClock {
    fn now(&self) -> Timestamp {
        BEGINNING + Millis::from_ms((real_ms() - self.real) * SPEED)
    }
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

    /// Some moments are in a start, some soon after it, most in the midst of work.
    fn moment(&mut self) -> Duration {
        let longest = self.one_of([150, 700, 2_500, 2_500]);
        Duration::from_millis(self.below(longest))
    }

    /// Most are as short as a start takes; some are longer than an interval, so that there is a gap.
    fn outage(&mut self) -> Duration {
        let longest = self.one_of([1, 1, 1, 4_000]);
        Duration::from_millis(self.below(longest))
    }

    fn one_of<T, const N: usize>(&mut self, choices: [T; N]) -> T {
        let at = usize::try_from(self.below(u64::try_from(N).unwrap())).unwrap();
        choices.into_iter().nth(at).unwrap()
    }
}

/// A process that was started, and whether it has said that it runs.
struct Process {
    running: Running,
    says: &'static str,
    is_up: bool,
}

impl Process {
    fn is_up(&mut self) {
        if !self.is_up {
            self.running.line_with(self.says);
            self.is_up = true;
        }
    }
}

/// Processes of a community, on one clock.
struct World {
    /// Before the folder that it is mounted on, so that it goes first.
    #[cfg(feature = "power-cut")]
    disk: Option<disk::Disk>,
    folder: TempDir,
    clock: FastClock,
    port: u16,
    node: Option<Process>,
    gateway: Option<Process>,
    /// What the gateway forwards to.
    server: &'static Server,
    /// Its database's name and URL.
    archive: (String, String),
}

/// Below the ports that systems give to those who call: while the node is down nobody else gets its port.
fn free_port(random: &mut Random) -> u16 {
    let mut ports = (0..100).map(|_| 12_000 + u16::try_from(random.below(12_000)).unwrap());
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

impl World {
    fn new(random: &mut Random) -> Self {
        Self::on(tempfile::tempdir().unwrap(), random)
    }

    fn on(folder: TempDir, random: &mut Random) -> Self {
        let zone = ["--time-zone", "UTC", "--first-month", MONTH];
        let rest = ["--block-interval", BLOCK_INTERVAL, "--public-readings"];
        run(folder.path(), &[&["init", "house", "--plain-keys"][..], &zone, &rest].concat()).ok();
        let clock = FastClock { real: real_ms() };
        let server = servers::shared(random.one_of([servers::Kind::MariaDb, servers::Kind::Postgres]));
        eprintln!("the gateway forwards to {:?}", server.kind);
        let archive = server.database();
        let port = free_port(random);
        Self {
            #[cfg(feature = "power-cut")]
            disk: None,
            folder,
            clock,
            port,
            node: None,
            gateway: None,
            server,
            archive,
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
    fn client(&self) -> Client<HttpTransport> {
        Client::new(HttpTransport::new(&self.url()))
    }
    fn database(&self) -> PathBuf {
        self.path().join("house/gateway.db")
    }

    fn start(&self, arguments: &[&str], says: &'static str, log: &str) -> Process {
        let clock = format!("{},{},{SPEED}", BEGINNING.ms(), self.clock.real);
        let arguments = [arguments, &["--clock", &clock]].concat();
        let running = Running::start_logged(self.path(), &arguments, &self.path().join(log));
        Process { running, says, is_up: false }
    }
    fn start_node(&mut self) {
        let address = format!("127.0.0.1:{}", self.port);
        self.node = Some(self.start(&["node", "--data", "house", "--http", &address], "http://", "node.log"));
    }
    fn start_gateway(&mut self) {
        let process = self.start(&["gateway", "--config", "house/gateway.toml"], "Ctrl-C stops it", "gateway.log");
        self.gateway = Some(process);
    }
    /// Until those that were started say that they run.
    fn all_are_up(&mut self) {
        self.node.iter_mut().chain(&mut self.gateway).for_each(Process::is_up);
    }
    fn stop(&mut self) {
        assert_eq!(self.gateway.take().unwrap().running.stop(), 0);
        assert_eq!(self.node.take().unwrap().running.stop(), 0);
    }

    fn submit(&self, act: &[&str]) {
        let how = ["submit", "--key", "house/keys/operator.key", "--directory", "house/directory.toml"];
        run(self.path(), &[&how[..], &["--node", &self.url()], act].concat()).ok();
    }

    /// The gateway's key, two members by name with energy to trade, and a meter for each.
    fn register(&self) -> BTreeMap<&'static str, SecretKey> {
        let from = ["--from", BEGINNING_TEXT];
        let signer = "house/keys/gateway.key";
        self.submit(&[&["register", "key", signer, "gateway"][..], &from].concat());
        let (mut keys, mut names) = (BTreeMap::new(), String::new());
        for (meter, name) in METERS {
            let file = format!("{name}.key");
            run(self.path(), &["key", "new", "--plain", &file]).ok();
            let key = SecretKey::from_pem(&std::fs::read_to_string(self.path().join(&file)).unwrap()).unwrap();
            names += &format!("[[account]]\nid = \"{}\"\nname = \"{name}\"\n", key.account());
            std::fs::write(self.path().join("house/directory.toml"), &names).unwrap();
            self.submit(&[&["register", "key", &file, "member"][..], &from].concat());
            self.submit(&["contract", name, MONTH, "1000"]);
            let bound = ["register", "meter", meter, "--signer", signer, "--member", name, "--profile", "im1281b"];
            self.submit(&[&bound[..], &from].concat());
            keys.insert(name, key);
        }
        keys
    }

    fn configure_gateway(&self, bus: &str, keys: &BTreeMap<&'static str, SecretKey>) {
        let mut text = format!(
            "database = \"{}\"\nspool = \"gateway.db\"\nnode = \"{}\"\ngenesis_file = \"genesis.cbor\"\n\
             key_file = \"keys/gateway.key\"\ninterval_minutes = 1\n\
             [[bus]]\nname = \"floor\"\ntcp = \"{bus}\"\nframing = \"rtu\"\nbaud = {BAUD}\n",
            self.archive.1,
            self.url()
        );
        for (address, (meter, member)) in (1..).zip(METERS) {
            text += &format!(
                "[[bus.meter]]\nnumber = \"{meter}\"\naddress = {address}\nprofile = \"im1281b\"\npoll_seconds = 1\n\
                 member = \"{}\"\n",
                keys[member].account()
            );
        }
        std::fs::write(self.path().join("house/gateway.toml"), text).unwrap();
    }

    fn genesis(&self) -> Genesis {
        Genesis::from_bytes(&std::fs::read(self.path().join("house/genesis.cbor")).unwrap()).unwrap()
    }

    /// Kills and, after a while, starts again; a process that has ended by itself fails the test.
    fn strike(&mut self, node: bool, gateway: bool, outage: Duration) {
        for (victim, is_hit, name) in [(&mut self.node, node, "node"), (&mut self.gateway, gateway, "gateway")] {
            if is_hit && let Err(status) = victim.take().unwrap().running.kill_9() {
                panic!("the {name} had ended by itself: {status}");
            }
        }
        thread::sleep(outage);
        // The gateway first: it must wait for a node that is not there.
        if gateway {
            self.start_gateway();
        }
        if node {
            self.start_node();
        }
    }
}

impl Drop for World {
    /// What a failed test leaves behind.
    fn drop(&mut self) {
        for log in ["node.log", "gateway.log"].into_iter().filter(|_| thread::panicking()) {
            eprintln!("{log}:\n{}", std::fs::read_to_string(self.path().join(log)).unwrap_or_default());
        }
    }
}

/// Two meters on one line, for as long as the simulation is held.
fn power_up(runtime: &tokio::runtime::Runtime, clock: FastClock) -> Simulation {
    let (profile, replay) = (Arc::new(Profile::shipped("im1281b").unwrap()), Arc::new(Replay::excerpt().unwrap()));
    let meter = |(at, address): (u64, u8)| {
        let options = Options {
            start: BEGINNING,
            offset_minutes: at * 1_440,
            nominal_voltage: None,
            frequency: Frequency::from_mhz(60_000),
            counter_start: Energy::from_kwh(1_200),
        };
        SimulatedMeter::new(
            Arc::clone(&profile),
            meter::Address::modbus(address).unwrap(),
            Arc::clone(&replay),
            options,
        )
    };
    let bus = SimulatedBus::new([(0, 1), (1, 2)].map(meter).into(), Framing::Rtu { baud: BAUD });
    let port = SimulatedPort::Tcp("127.0.0.1:0".parse().unwrap());
    runtime.block_on(Simulation::start(port, bus, Arc::new(clock))).unwrap()
}

/// Somebody who submits one statement after the other, each until it is acknowledged, and does not trust the node.
struct Member {
    client: Client<HttpTransport>,
    clock: FastClock,
    random: Random,
    key: SecretKey,
    ledger: LedgerId,
    buyer: AccountId,
    made: u64,
    waiting: Option<Vec<u8>>,
    /// In the order of their acknowledgement, in their submission form.
    acknowledged: Vec<(StatementId, Vec<u8>)>,
    /// How often no answer came, and how often the statement was found to be stored all the same.
    unanswered: u64,
    stored_unanswered: u64,
    complaints: Vec<String>,
}

impl Member {
    fn new(world: &World, ledger: LedgerId, (seller, buyer): (&SecretKey, &SecretKey), seed: u64) -> Self {
        Self {
            client: world.client(),
            clock: world.clock,
            random: Random(seed),
            key: seller.clone(),
            ledger,
            buyer: buyer.account(),
            made: 0,
            waiting: None,
            acknowledged: Vec::new(),
            unanswered: 0,
            stored_unanswered: 0,
            complaints: Vec::new(),
        }
    }

    fn live(mut self, stop: &AtomicBool) -> Self {
        while !stop.load(Ordering::Relaxed) {
            self.submit();
            if self.random.below(4) == 0 {
                self.submit_again();
            }
            thread::sleep(if self.waiting.is_some() { PAUSE_UNANSWERED } else { PAUSE });
        }
        eventually("the last statement is acknowledged", || {
            self.submit();
            self.waiting.is_none().then_some(())
        });
        self
    }

    fn statement(&mut self) -> Vec<u8> {
        use gateway::Clock as _;
        self.made += 1;
        let (now, month) = (self.clock.now(), MONTH.parse::<Month>().unwrap());
        let act = if self.made.is_multiple_of(2) {
            Act::Transfer(Transfer { to: self.buyer, energy: Energy::from_wh(1 + self.made % 100), month })
        } else {
            let text = Some(format!("note {}", self.made));
            Act::Note(Note { time: now, voltage: None, current: None, power: None, energy: None, text })
        };
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&self.made.to_be_bytes());
        let expires = Some(now + Payload::LIFE_MAX_TRADE);
        let payload = Payload { ledger: self.ledger, nonce, issued: now, expires, acts: vec![act] };
        SignedStatement::sign(&payload, &self.key).unwrap().to_submission(None)
    }

    /// The same bytes again until there is an answer, then new ones.
    fn submit(&mut self) {
        let (bytes, is_repeated) = match self.waiting.take() {
            Some(bytes) => (bytes, true),
            None => (self.statement(), false),
        };
        match self.client.submit(bytes.clone()) {
            Ok(answer) => {
                self.stored_unanswered += u64::from(is_repeated && answer.state != SubmitState::Accepted);
                self.acknowledged.push((answer.id, bytes));
            }
            Err(error) if is_refusal(&error) => self.complaints.push(format!("refused: {error}")),
            Err(_) => {
                self.unanswered += 1;
                self.waiting = Some(bytes);
            }
        }
    }

    /// What was acknowledged is known, whatever happened in between.
    fn submit_again(&mut self) {
        let Some(count) = u64::try_from(self.acknowledged.len()).ok().filter(|count| *count > 0) else { return };
        let (id, bytes) = &self.acknowledged[usize::try_from(self.random.below(count)).unwrap()];
        match self.client.submit(bytes.clone()) {
            Ok(answer) if answer.state == SubmitState::Accepted => {
                self.complaints.push(format!("{id} was acknowledged and forgotten"));
            }
            Err(error) if is_refusal(&error) => self.complaints.push(format!("{id} again: {error}")),
            Ok(_) | Err(_) => {}
        }
    }
}

/// Whether it is the statement's own fault; a node that is away or stops is asked again.
fn is_refusal(error: &ClientError) -> bool {
    matches!(error, ClientError::Problem(problem) if problem.status < 500)
}

/// A reading as the gateway's database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct StoredReading {
    import_mwh: i64,
    statement: Option<StatementId>,
}

type StoredReadings = BTreeMap<(String, u64), StoredReading>;

fn natural(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap())
}

/// What the database holds now. Reads alone, so that recovery is left to the gateway.
fn stored_readings(database: &Path) -> rusqlite::Result<StoredReadings> {
    let database = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    database.busy_timeout(Duration::from_secs(5))?;
    let mut rows = database.prepare("SELECT meter, time_ms, energy_import_mwh, statement FROM readings")?;
    let rows = rows.query_map([], |row| {
        let statement = row.get::<_, Option<String>>(3)?.map(|id| id.parse().unwrap());
        Ok(((row.get(0)?, natural(row, 1)?), StoredReading { import_mwh: row.get(2)?, statement }))
    })?;
    rows.collect()
}

#[test]
fn nothing_acknowledged_is_lost_or_booked_twice_when_gateway_and_node_are_killed() {
    let seed = std::env::var("WATTPROOF_SEED").map_or_else(|_| real_ms(), |seed| seed.parse().unwrap());
    let kills: u64 = if std::env::var_os("WATTPROOF_LONG").is_some() { 100 } else { 20 };
    eprintln!("WATTPROOF_SEED={seed}, {kills} kills");
    let mut random = Random(seed);
    let world = World::new(&mut random);
    survive(world, random, |world, random| kill_often(world, random, kills));
}

/// A community under load is struck down again and again; in the end everything acknowledged is there, once.
fn survive(mut world: World, mut random: Random, strikes: impl FnOnce(&mut World, &mut Random) -> StoredReadings) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    world.start_node();
    world.all_are_up();
    let keys = world.register();
    let simulation = power_up(&runtime, world.clock);
    world.configure_gateway(simulation.place(), &keys);
    world.start_gateway();
    let ledger = world.genesis().ledger();
    let stop = Arc::new(AtomicBool::new(false));
    let members = [("Chen", "Lee"), ("Lee", "Chen")].map(|(seller, buyer)| {
        let seed = random.below(u64::MAX);
        let (member, stop) = (Member::new(&world, ledger, (&keys[seller], &keys[buyer]), seed), Arc::clone(&stop));
        thread::spawn(move || member.live(&stop))
    });

    let seen = strikes(&mut world, &mut random);
    assert!(!seen.is_empty());

    world.all_are_up();
    stop.store(true, Ordering::Relaxed);
    let members = members.map(|member| member.join().unwrap());
    for member in &members {
        assert_eq!(member.complaints, Vec::<String>::new());
    }
    // Without meters the last intervals end, and everything that is stored can become final.
    drop(simulation);
    settle(&world, &members);
    world.stop();
    checks::check(&world, &members, &seen, &keys);
}

/// Gives every reading that was seen stored before a kill.
fn kill_often(world: &mut World, random: &mut Random, kills: u64) -> StoredReadings {
    let mut seen = StoredReadings::new();
    for kill in 1..=kills {
        // Most starts are awaited; the others are struck down in their midst.
        if random.below(4) > 0 {
            world.all_are_up();
        }
        // A database that is just being recovered or made tells nothing.
        if let Ok(stored) = stored_readings(&world.database()) {
            seen.extend(stored);
        }
        thread::sleep(random.moment());
        let (node, gateway, hit) = random.one_of([
            (true, false, "node"),
            (true, false, "node"),
            (false, true, "gateway"),
            (false, true, "gateway"),
            (true, true, "both"),
        ]);
        let outage = random.outage();
        eprintln!("kill {kill}: {hit}, away for {} ms", outage.as_millis());
        world.strike(node, gateway, outage);
    }
    seen
}

/// Until everything acknowledged is final.
fn settle(world: &World, members: &[Member]) {
    let client = world.client();
    for (id, _) in members.iter().flat_map(|member| &member.acknowledged) {
        eventually(&format!("{id} is final"), || {
            let view = client.statement(id).ok()?;
            (view.state == StatementState::Final).then_some(())
        });
    }
    eventually("every reading is in a statement, every statement of the outbox final, everything forwarded", || {
        let count = "SELECT (SELECT count(*) FROM readings WHERE statement IS NULL) \
                     + (SELECT count(*) FROM outbox WHERE state <> 'final') \
                     + (SELECT count(*) FROM changes WHERE table_name <> 'events')";
        let database = Connection::open_with_flags(world.database(), OpenFlags::SQLITE_OPEN_READ_ONLY);
        let count = database.and_then(|database| database.query_row(count, [], |row| natural(row, 0)));
        (count == Ok(0)).then_some(())
    });
}
