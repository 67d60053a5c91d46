//! The node on its thread, with real files.

use crate::community::{Community, JULY, meter, minutes};
use api::{ActView, Event, SubmitState};
use ledger::act::{Act, Bill};
use ledger::{Checkpoint, TransparentStatement, bundle::BillBundle};
use node::audit::{Finding, audit};
use node::store::{Disk, Folder, StoreError};
use node::{Clock, NodeError, NodeHandle, Options};
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use units::{Millis, StatementId, Timestamp};

/// A clock that a test sets.
#[derive(Default)]
struct SetClock(AtomicU64);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.0.load(Ordering::SeqCst))
    }
}

pub(crate) struct Running {
    community: Community,
    clock: Arc<SetClock>,
    folder: tempfile::TempDir,
}

impl Running {
    pub(crate) fn new() -> Self {
        let running = Self { community: Community::new(), clock: Arc::default(), folder: tempfile::tempdir().unwrap() };
        running.set(minutes(0));
        node::create(running.path(), &running.community.genesis()).unwrap();
        running
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    fn set(&self, time: Timestamp) {
        self.clock.0.store(time.ms(), Ordering::SeqCst);
    }

    fn try_start(&self) -> Result<NodeHandle, NodeError> {
        node::start(self.options(), Arc::clone(&self.clock) as Arc<dyn Clock>)
    }

    fn options(&self) -> Options {
        Options {
            data_dir: self.path().to_owned(),
            miner: Some(self.community.miner.clone()),
            log_key: Some(self.community.log_key.clone()),
            receipt_key: Some(self.community.receipt_key.clone()),
            automatic: true,
            peers: Vec::new(),
            search_threads: 2,
            scrubbing: node::Scrubbing::default(),
        }
    }

    fn start(&self) -> NodeHandle {
        self.try_start().unwrap()
    }

    /// The node on the same folder again.
    pub(crate) fn restarted(&self) -> NodeHandle {
        self.start()
    }

    /// The same node, with its keys, on another folder and with these peers.
    pub(crate) fn started_on(&self, data_dir: &Path, peers: Vec<String>) -> Result<NodeHandle, NodeError> {
        let options = Options { data_dir: data_dir.to_owned(), peers, ..self.options() };
        node::start(options, Arc::clone(&self.clock) as Arc<dyn Clock>)
    }

    /// The same, which looks through everything again and again.
    pub(crate) fn scrubbed_on(&self, data_dir: &Path, peers: Vec<String>) -> NodeHandle {
        let scrubbing = node::Scrubbing { pass_every: Duration::from_millis(50), compare_every: Duration::ZERO };
        let options = Options { data_dir: data_dir.to_owned(), peers, scrubbing, ..self.options() };
        node::start(options, Arc::clone(&self.clock) as Arc<dyn Clock>).unwrap()
    }

    /// A node without the log key and the miner's, on another folder.
    pub(crate) fn witness_on(&self, data_dir: &Path) -> NodeHandle {
        let options = Options { data_dir: data_dir.to_owned(), miner: None, log_key: None, ..self.options() };
        node::start(options, Arc::clone(&self.clock) as Arc<dyn Clock>).unwrap()
    }

    /// Lets a second pass.
    pub(crate) fn soon(&self) {
        self.set(self.clock.now() + Millis::from_seconds(1));
    }

    /// Lets so much time pass that an empty block is due.
    pub(crate) fn later(&self) {
        self.set(self.clock.now() + Millis::from_minutes(601));
    }

    /// Lets time pass until a height is final.
    fn until(&self, node: &NodeHandle, height: u64) {
        for _ in 0..1_000 {
            let status = node.status().unwrap();
            if status.final_height.number() >= height {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("block {height} does not come: {:?}", node.stopped());
    }

    /// Founded; six intervals of Chen's meter and a sale to Lee in the second block; and an empty block.
    pub(crate) fn traded(&self) -> NodeHandle {
        let node = self.start();
        let community = &self.community;
        for statement in community.founding() {
            node.submit(statement.leaf().to_vec()).unwrap();
        }
        self.set(minutes(1));
        self.until(&node, 1);
        let binding = node.meter(meter("M-chen")).unwrap().binding;
        node.set_automatic(false).unwrap();
        self.set(minutes(100));
        for interval in community.intervals(binding, 6) {
            node.submit(interval.submission()).unwrap();
        }
        let sale = community.transfer(&community.chen, community.lee.account(), 20, minutes(100), 1);
        node.submit(sale.leaf().to_vec()).unwrap();
        node.set_automatic(true).unwrap();
        self.until(&node, 2);
        self.later();
        self.until(&node, 3);
        node
    }

    /// Founded, six intervals of Chen's meter, July closed and billed.
    pub(crate) fn billed(&self) -> (NodeHandle, StatementId) {
        let node = self.start();
        let community = &self.community;
        for statement in community.founding() {
            node.submit(statement.leaf().to_vec()).unwrap();
        }
        self.set(minutes(1));
        self.until(&node, 1);
        let binding = node.meter(meter("M-chen")).unwrap().binding;
        node.set_automatic(false).unwrap();
        self.set(minutes(100));
        for interval in community.intervals(binding, 6) {
            node.submit(interval.submission()).unwrap();
        }
        node.set_automatic(true).unwrap();
        self.until(&node, 2);
        let (_, end) = community.genesis().month_span(JULY).unwrap();
        self.set(end + Millis::from_minutes(61));
        self.until(&node, 3);
        let bill = node.bill(community.chen.account(), JULY).unwrap();
        let bill = community.sign(&community.operator, vec![Act::Bill(Box::new(bill))], self.clock.now(), 1);
        node.submit(bill.leaf().to_vec()).unwrap();
        self.set(self.clock.now() + Millis::from_minutes(2));
        self.until(&node, 4);
        (node, bill.id())
    }
}

#[test]
fn a_month_runs_from_registration_to_a_bill_that_proves_itself() {
    let running = Running::new();
    let (node, bill) = running.billed();
    let (chen, status) = (running.community.chen.account(), node.status().unwrap());
    assert_eq!((status.height.number(), status.log_size, status.pool_size), (4, 11, 0));
    assert!(status.mining.blocks == 4 && status.mining.attempts >= 4 && status.mining.automatic);

    let sheet = node.sheet(chen, JULY).unwrap();
    assert!(sheet.closed);
    assert_eq!((sheet.terms.contract_mwh.mwh(), sheet.terms.consumed_mwh.mwh()), (200_000_000, 2_950_000));
    let acts: Vec<_> = sheet.entries.iter().filter_map(|entry| entry.act.as_deref()).collect();
    assert_eq!(acts, ["contract", "readings", "readings", "readings", "readings", "readings", "readings"]);

    let readings = node.readings(meter("M-chen"), minutes(5), minutes(25), 15).unwrap();
    let times: Vec<_> = readings.items.iter().map(|row| row.time_ms).collect();
    assert_eq!(times, (5..20).map(minutes).collect::<Vec<_>>());
    assert_eq!(readings.next, Some(minutes(20).ms().to_string()));
    assert_eq!(readings.items[0].values["energy_import_mwh"], 1_000_250_000);

    let intervals = node.intervals(meter("M-chen"), minutes(5), minutes(25)).unwrap();
    assert!(intervals.len() > 1 && intervals.is_sorted_by_key(|interval| interval.start_ms));
    for interval in &intervals {
        let stated = node.statement(interval.statement).unwrap();
        let ActView::Readings(stated) = &stated.acts[0] else { panic!("{stated:?}") };
        assert_eq!(
            (interval.start_ms, interval.end_ms, interval.import_start_mwh, interval.import_end_mwh, interval.count),
            (stated.start_ms, stated.end_ms, stated.import_start_mwh, stated.import_end_mwh, stated.count)
        );
        assert_eq!(
            (interval.voltage_min_mv, interval.voltage_max_mv, interval.peak_current_ua, interval.peak_power_mw),
            (stated.voltage_min_mv, stated.voltage_max_mv, stated.peak_current_ua, stated.peak_power_mw)
        );
    }
    assert!(intervals[0].voltage_max_mv.is_some() || intervals[0].peak_power_mw.is_some(), "something is compared");

    let page = node.blocks(None, 2).unwrap();
    let heights: Vec<_> = page.items.iter().map(|block| (block.height.number(), block.statements)).collect();
    assert_eq!((heights, page.next.as_deref()), (vec![(4, 1), (3, 0)], Some("2")));
    let rest = node.blocks(page.next.as_deref(), 10).unwrap();
    assert_eq!((rest.items.len(), rest.next), (3, None));
    let by_hash = node.block(&rest.items[0].hash.to_string()).unwrap();
    assert_eq!((by_hash.height.number(), by_hash.statements.len(), by_hash.reward_mwh.mwh()), (2, 6, 2_000_000));

    let transparent = TransparentStatement::from_bytes(&node.transparent_statement(bill).unwrap()).unwrap();
    assert_eq!(transparent.statement.id(), bill);
    let checkpoint = Checkpoint::open(&node.checkpoint().unwrap(), &running.community.log_key.public()).unwrap();
    assert_eq!((checkpoint.size, checkpoint.block), (11, status.hash));
    let bundle = BillBundle::from_bytes(&node.bill_bundle(chen, minutes(0)).unwrap()).unwrap();
    assert_eq!(bundle.bill, bill);
    let entries = node.entries(chen, JULY).unwrap();
    let last = entries.last().unwrap();
    let proof = entries.iter().rev().find_map(|entry| entry.statement.as_ref()).unwrap();
    let leaf = ledger::log::leaf_hash(&proof.leaf);
    let root = ledger::log::root_from_inclusion(leaf, proof.log_index, checkpoint.size, &proof.path);
    assert!(root == Some(checkpoint.root) && proof.attachment.is_some() && last.height.number() == 2);
    assert!(audit(running.path()).unwrap().is_clean());
    node.shutdown();
    assert!(matches!(node.status(), Err(NodeError::Stopped(_))));
}

#[test]
fn a_restart_shows_the_same_and_deleted_tables_come_back_the_same() {
    let running = Running::new();
    let (node, bill) = running.billed();
    let chen = running.community.chen.account();
    let shown = |node: &NodeHandle| {
        let mut status = node.status().unwrap();
        status.mining = api::MiningStatus::default();
        (status, node.sheet(chen, JULY).unwrap(), node.blocks(None, 9).unwrap(), node.statement(bill).unwrap())
    };
    let before = shown(&node);
    node.shutdown();
    for delete_tables in [false, true] {
        if delete_tables {
            fs::remove_file(running.path().join("tables.sqlite")).unwrap();
        }
        let node = running.start();
        assert_eq!(shown(&node), before, "tables deleted: {delete_tables}");
        node.shutdown();
    }
}

#[test]
fn a_second_node_on_the_folder_and_a_folder_without_a_ledger_are_refused() {
    let running = Running::new();
    let node = running.start();
    let error = running.try_start().unwrap_err();
    assert!(error.to_string().contains("is in use by another node"), "{error}");
    node.shutdown();
    drop(running.start());

    let empty = Running { folder: tempfile::tempdir().unwrap(), ..Running::new() };
    fs::write(empty.path().join("holiday.jpg"), b"sea").unwrap();
    let error = empty.try_start().unwrap_err();
    assert!(matches!(error, NodeError::Store(StoreError::NotALedger)), "{error}");
    let error = node::create(running.path(), &running.community.genesis());
    assert!(error.is_err(), "{error:?}");
}

/// The one segment of a log.
fn segment(running: &Running, log: &str) -> std::path::PathBuf {
    running.path().join(format!("{log}-00000000.seg"))
}

#[test]
fn a_torn_tail_is_cut_off_and_the_node_goes_on() {
    let running = Running::new();
    let (node, bill) = running.billed();
    node.shutdown();
    for log in ["blocks", "attachments", "pool", "anchors"] {
        let path = segment(&running, log);
        let whole = fs::metadata(&path).unwrap().len();
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(&[0, 0, 1, 0, 2, 7, 7]).unwrap();
        let node = running.start();
        assert_eq!(node.statement(bill).unwrap().state, api::StatementState::Final);
        node.shutdown();
        assert_eq!(fs::metadata(&path).unwrap().len(), whole, "{log}");
    }
}

#[test]
fn damage_elsewhere_is_named_by_file_and_byte() {
    let running = Running::new();
    let (node, _) = running.billed();
    node.shutdown();
    let path = segment(&running, "blocks");
    let whole = fs::read(&path).unwrap();
    for at in [3, 5, 10, 40, whole.len() / 2] {
        let mut damaged = whole.clone();
        damaged[at] ^= 4;
        fs::write(&path, damaged).unwrap();
        let error = running.try_start().unwrap_err();
        let NodeError::Store(StoreError::Damaged { file, offset }) = &error else { panic!("byte {at}: {error}") };
        assert!(file == "blocks-00000000.seg" && *offset <= at as u64, "byte {at}: {error}");
        assert!(!audit(running.path()).is_ok_and(|report| report.is_clean()), "byte {at}");
    }
}

#[test]
fn a_lost_last_block_is_noticed_by_what_the_log_key_signed() {
    let running = Running::new();
    let (node, _) = running.billed();
    node.shutdown();
    let path = segment(&running, "blocks");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    let error = running.try_start().unwrap_err();
    assert!(error.to_string().contains("the log key signed block"), "{error}");
    let report = audit(running.path()).unwrap();
    assert!(report.findings.iter().any(|finding| matches!(finding, Finding::Chain(_))), "{report:?}");
}

#[test]
fn a_changed_derived_value_is_named_with_its_stored_and_right_value() {
    let running = Running::new();
    let (node, bill) = running.billed();
    let change = |sql: &str| {
        let connection = rusqlite::Connection::open(running.path().join("tables.sqlite")).unwrap();
        assert_eq!(connection.execute(sql, []).unwrap(), 1, "{sql}");
    };
    let found = || audit(running.path()).unwrap().findings.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(found(), Vec::<String>::new());

    change("UPDATE intervals SET import_end_mwh = import_end_mwh + 100000 WHERE seq = 5");
    let right = "column import_end_mwh: 1003050000 is stored, 1002950000 is right";
    let findings = found();
    assert!(findings.len() == 1 && findings[0].contains("table intervals, row M-chen"), "{findings:?}");
    assert!(findings[0].ends_with(right), "{findings:?}");
    change("UPDATE intervals SET import_end_mwh = import_end_mwh - 100000 WHERE seq = 5");

    change("DELETE FROM acts WHERE log_index = 7");
    change("UPDATE statements SET log_index = 99 WHERE log_index = 10");
    change("UPDATE entries SET act_index = 1 WHERE number = 3");
    let findings = found();
    assert_eq!(findings.len(), 4, "{findings:?}");
    for named in ["table statements: row 10 is missing", "table acts: row 7 0 is missing"] {
        assert!(findings.iter().any(|finding| finding == named), "{named}: {findings:?}");
    }
    // A sheet whose entries do not hash to the committed digest is not shown.
    let error = node.sheet(running.community.chen.account(), JULY).unwrap_err();
    assert!(matches!(error, NodeError::Tables(_)), "{error}");
    change("UPDATE blocks SET header = zeroblob(212) WHERE height = 2");
    assert_eq!(node.blocks(None, 9).unwrap().items[2].statements, 6);
    assert_eq!(node.statement(bill).unwrap().id, bill);
}

#[test]
fn a_changed_attachment_is_found_and_not_shown() {
    let running = Running::new();
    let (node, _) = running.billed();
    let whole = fs::read(segment(&running, "attachments")).unwrap();
    let mut damaged = whole.clone();
    damaged[100] ^= 1;
    fs::write(segment(&running, "attachments"), damaged).unwrap();
    let report = audit(running.path()).unwrap();
    assert!(matches!(report.findings.as_slice(), [Finding::Attachment { .. }]), "{report:?}");
    assert!(node.readings(meter("M-chen"), minutes(0), minutes(60), 100).is_err());
}

#[test]
fn subscribers_hear_of_statements_blocks_and_closed_months_and_a_slow_one_is_dropped() {
    let running = Running::new();
    let node = running.start();
    let (events, slow) = (node.subscribe().unwrap(), node.subscribe().unwrap());
    let heard = std::thread::spawn(move || events.iter().map(|event| event.name()).collect::<Vec<_>>());
    for statement in running.community.founding() {
        let answer = node.submit(statement.leaf().to_vec()).unwrap();
        assert_eq!(answer.state, SubmitState::Accepted);
    }
    running.set(minutes(1));
    running.until(&node, 1);
    for on in (0..300).map(|turn| turn % 2 == 1) {
        node.set_automatic(on).unwrap();
    }
    node.shutdown();
    drop(node);
    let heard = heard.join().unwrap();
    assert_eq!(&heard[..6], ["accepted", "accepted", "accepted", "accepted", "final", "block"]);
    let queued: Vec<Event> = slow.iter().collect();
    assert!(queued.len() < heard.len(), "{} of {}", queued.len(), heard.len());
}

#[test]
fn refusals_are_problems_with_figures() {
    let running = Running::new();
    let (node, _) = running.billed();
    let community = &running.community;
    let august = JULY.plus(1);
    let transfer =
        ledger::act::Transfer { to: community.lee.account(), energy: units::Energy::from_kwh(1_000), month: august };
    let sale = community.sign(&community.chen, vec![Act::Transfer(transfer)], running.clock.now(), 1);
    let problem = node.submit(sale.leaf().to_vec()).unwrap_err().problem();
    assert_eq!((problem.name(), problem.status), ("energy_used_up", 422));
    assert_eq!(problem.extras["offered_mwh"], 1_000_000_000);
    let open = node.bill(community.chen.account(), august).unwrap_err().problem();
    assert_eq!((open.name(), open.status), ("month_open", 422));
    let nothing = node.statement(StatementId::from_bytes([0; 32])).unwrap_err().problem();
    assert_eq!((nothing.name(), nothing.status), ("not_found", 404));
    // A bill that is off by one digit is refused, and says what is right.
    let right = node.bill(community.lee.account(), JULY).unwrap();
    let wrong = Bill { total: units::Money::from_1e4(right.total.as_1e4() + 10_000), ..right };
    let wrong = community.sign(&community.operator, vec![Act::Bill(Box::new(wrong))], running.clock.now(), 1);
    assert_eq!(node.submit(wrong.leaf().to_vec()).unwrap_err().problem().name(), "bill_differs");
}

/// A folder on a disk that can be full.
struct FullDisk {
    folder: Folder,
    full: Arc<AtomicBool>,
}

impl Disk for FullDisk {
    fn size(&mut self, file: &str) -> io::Result<u64> {
        self.folder.size(file)
    }
    fn read(&mut self, file: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        self.folder.read(file, offset, length)
    }
    fn append(&mut self, file: &str, bytes: &[u8]) -> io::Result<()> {
        if self.full.load(Ordering::SeqCst) {
            self.folder.append(file, &bytes[..bytes.len() / 2])?;
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        self.folder.append(file, bytes)
    }
    fn sync(&mut self, file: &str) -> io::Result<()> {
        self.folder.sync(file)
    }
    fn truncate(&mut self, file: &str, size: u64) -> io::Result<()> {
        self.folder.truncate(file, size)
    }
    fn replace(&mut self, file: &str, bytes: &[u8]) -> io::Result<()> {
        self.folder.replace(file, bytes)
    }
}

#[test]
fn a_full_disk_refuses_writes_while_reads_go_on_and_recovers_by_itself() {
    let running = Running::new();
    running.start().shutdown();
    let full = Arc::new(AtomicBool::new(false));
    let disk = FullDisk { folder: Folder::open(running.path()).unwrap(), full: Arc::clone(&full) };
    let clock = Arc::clone(&running.clock) as Arc<dyn Clock>;
    let node = node::start_on(Box::new(disk), running.options(), clock).unwrap();
    let founding = running.community.founding();
    node.submit(founding[0].leaf().to_vec()).unwrap();
    full.store(true, Ordering::SeqCst);
    let problem = node.submit(founding[1].leaf().to_vec()).unwrap_err().problem();
    assert_eq!((problem.name(), problem.status), ("unavailable", 503));
    let status = node.status().unwrap();
    assert!(status.pool_size == 1 && status.read_only.is_some());
    full.store(false, Ordering::SeqCst);
    // The node rests, then takes writes again.
    let taken = |statement: &ledger::SignedStatement| {
        (0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(100));
            node.submit(statement.leaf().to_vec()).is_ok()
        })
    };
    assert!(founding[1..].iter().all(taken));
    running.set(minutes(1));
    running.until(&node, 1);
    let log_size = node.status().unwrap().log_size;
    node.shutdown();
    assert_eq!(log_size, 4);
    let node = running.start();
    assert_eq!(node.status().unwrap().log_size, 4);
}
