//! What must be true after any number of kills: of the ledger, of the gateway's database, and between them.

use super::{METERS, MONTH, Member, StoredReadings, World, natural};
use crate::program::run;
use crate::servers;
use ledger::act::{Act, Break, Readings};
use ledger::state::SheetRecord;
use ledger::verify::LedgerExport;
use ledger::{Block, SecretKey, State};
use rusqlite::{Connection, OpenFlags};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use units::{AccountId, BindingId, StatementId};

/// The final ledger as its export tells it.
struct Told {
    state: State,
    /// Height and log index.
    places: BTreeMap<StatementId, (u64, u64)>,
    intervals: BTreeMap<BindingId, Vec<(StatementId, Readings)>>,
    /// Energy of each member's transfers.
    sold: BTreeMap<AccountId, u64>,
}

impl Told {
    fn read(bytes: &[u8]) -> Self {
        let export = LedgerExport::from_bytes(bytes).unwrap();
        let state = export.replay().unwrap();
        let mut told = Self { state, places: BTreeMap::new(), intervals: BTreeMap::new(), sold: BTreeMap::new() };
        for (height, block) in (1..).zip(&export.blocks) {
            for statement in Block::from_bytes(block).unwrap().statements {
                let place = (height, u64::try_from(told.places.len()).unwrap());
                let id = statement.id();
                assert_eq!(told.places.insert(id, place), None, "{id} is in the ledger twice");
                statement.payload().acts.iter().for_each(|act| told.take(id, statement.signer(), act));
            }
        }
        told
    }

    fn take(&mut self, id: StatementId, signer: AccountId, act: &Act) {
        match act {
            Act::Readings(readings) => {
                self.intervals.entry(readings.binding).or_default().push((id, readings.as_ref().clone()));
            }
            Act::Transfer(transfer) => *self.sold.entry(signer).or_default() += transfer.energy.mwh(),
            _ => {}
        }
    }

    fn sheet(&self, account: AccountId) -> &SheetRecord {
        self.state.sheet(MONTH.parse().unwrap(), &account).unwrap()
    }
}

pub(super) fn check(
    world: &World,
    members: &[Member],
    seen: &StoredReadings,
    keys: &BTreeMap<&'static str, SecretKey>,
) {
    run(world.path(), &["export", "--data", "house", "--out", "ledger.cbor", "ledger"]).ok();
    run(world.path(), &["verify", "ledger.cbor", "--trust", "house/genesis.cbor"]).ok();
    let told = Told::read(&std::fs::read(world.path().join("ledger.cbor")).unwrap());
    for (id, _) in members.iter().flat_map(|member| &member.acknowledged) {
        assert!(told.places.contains_key(id), "{id} was acknowledged and is not in the ledger");
    }
    let stored = super::stored_readings(&world.database()).unwrap();
    for (at, before) in seen {
        let now = stored.get(at);
        assert_eq!(now.map(|now| now.import_mwh), Some(before.import_mwh), "{at:?} was stored before a kill");
    }
    check_booked(&told, keys);
    check_stored(&told, &stored);
    check_outbox(&world.database(), &told);
    let database = format!("sqlite://{}", world.database().display());
    let said = run(world.path(), &["audit", "--data", "house", "--database", &database]).ok();
    assert!(said.contains("nothing is wrong"), "{said}");
    check_archive(world, &stored);
    let sum = |count: fn(&Member) -> u64| members.iter().map(count).sum::<u64>();
    eprintln!(
        "{} statements in {} blocks, {} of members; {} times no answer, {} of them stored all the same; {} readings",
        told.places.len(),
        told.state.head().height.number(),
        sum(|member| member.made),
        sum(|member| member.unanswered),
        sum(|member| member.stored_unanswered),
        stored.len()
    );
}

/// The database server has every reading that the local file has, once, in order, with its statement.
fn check_archive(world: &World, stored: &StoredReadings) {
    let (name, url) = &world.archive;
    let sql = "SELECT concat_ws(' ', meter, time_ms, energy_import_mwh, statement) FROM readings ORDER BY meter, id";
    let there = world.server.client_of(Some(name), sql).unwrap();
    let here: Vec<String> = stored
        .iter()
        .map(|((meter, time), reading)| {
            let statement = reading.statement.map(|id| format!(" {id}")).unwrap_or_default();
            format!("{meter} {time} {}{statement}", reading.import_mwh)
        })
        .collect();
    assert_eq!(there.lines().collect::<Vec<_>>(), here, "the local file's readings and the server's");
    let said = run(world.path(), &["audit", "--data", "house", "--database", url]).ok();
    assert!(said.contains("nothing is wrong") && !said.contains(servers::PASSWORD_IN_URL), "{said}");
}

/// What is booked is what the meters counted and the members traded.
fn check_booked(told: &Told, keys: &BTreeMap<&'static str, SecretKey>) {
    for (meter, member) in METERS {
        let (binding, _) = told.state.meter(&meter.parse().unwrap()).unwrap();
        let (intervals, account) = (&told.intervals[&binding], keys[member].account());
        let mut gaps = 0;
        for (pair, seq) in intervals.windows(2).zip(1..) {
            let ((previous, before), (_, readings)) = (&pair[0], &pair[1]);
            assert_eq!((readings.seq, readings.previous), (seq, *previous), "{meter}");
            let continues = readings.start == before.end && readings.import.start == before.import.end;
            let gap = readings.broken == Some(Break::Gap) && readings.start > before.end;
            assert!((readings.broken.is_none() && continues) || gap, "{meter}: {before:?} {readings:?}");
            gaps += u32::from(gap);
        }
        let (first, last) = (&intervals[0].1, &intervals[intervals.len() - 1].1);
        assert_eq!((first.seq, first.broken), (0, None), "{meter}");
        let counted = last.import.end.mwh() - first.import.start.mwh();
        assert!(counted > 0, "{meter}: a meter that stands still shows nothing");
        let terms = &told.sheet(account).terms;
        assert_eq!(terms.consumed.mwh(), counted, "{meter}");
        assert_eq!(terms.traded.mwh(), told.sold[&account], "{member}");
        let others = told.sold.iter().filter(|(seller, _)| **seller != account).map(|(_, sold)| sold);
        assert_eq!(terms.gained.mwh(), others.sum::<u64>(), "{member}");
        eprintln!("{meter}: {} intervals, {gaps} gaps, {} Wh", intervals.len(), counted / 1_000);
    }
}

/// Every stored reading is in exactly one interval of the ledger, and every interval has all of its readings.
fn check_stored(told: &Told, stored: &StoredReadings) {
    let mut rows: BTreeMap<StatementId, Vec<(&str, u64, i64)>> = BTreeMap::new();
    for ((meter, time), reading) in stored {
        // The meters fell silent before the end, so none is too young.
        let statement = reading.statement.unwrap_or_else(|| panic!("{meter} at {time} is in no interval"));
        rows.entry(statement).or_default().push((meter, *time, reading.import_mwh));
    }
    for (binding, intervals) in &told.intervals {
        let meter = told.state.binding(binding).unwrap().meter.as_str();
        for (id, readings) in intervals {
            let rows = rows.remove(id).unwrap_or_default();
            assert_eq!(u32::try_from(rows.len()), Ok(readings.count), "{id}");
            let span = readings.start.ms()..readings.end.ms();
            assert!(
                rows.iter().all(|(of, time, _)| *of == meter && span.contains(time)),
                "{id}: {rows:?} {readings:?}"
            );
            let last = rows.last().and_then(|(_, _, import)| u64::try_from(*import).ok());
            assert_eq!(last, Some(readings.import.end.mwh()), "{id}");
        }
    }
    assert_eq!(rows.into_keys().collect::<Vec<_>>(), [], "readings of statements that are not in the ledger");
}

/// The outbox tells the ledger's places, and no kill made the node refuse or forget anything.
fn check_outbox(database: &Path, told: &Told) {
    let database = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut rows = database.prepare("SELECT statement, height, log_index FROM outbox").unwrap();
    let rows = rows.query_map([], |row| {
        let place = natural(row, 1).ok().zip(natural(row, 2).ok());
        Ok((row.get::<_, String>(0)?.parse::<StatementId>().unwrap(), place))
    });
    let mut delivered = BTreeSet::new();
    for (id, place) in rows.unwrap().map(Result::unwrap) {
        assert!(place.is_none_or(|place| told.places[&id] == place), "{id}: {place:?}");
        delivered.insert(id);
    }
    let committed: BTreeSet<_> = told.intervals.values().flatten().map(|(id, _)| *id).collect();
    assert_eq!(delivered, committed);
    let wrong = "SELECT group_concat(kind || ' ' || detail, x'0a') FROM events WHERE kind IN \
                 ('refused', 'not_stated', 'node_behind', 'not_bound', 'waited_too_long', 'counter_leapt', 'counter_fell')";
    let wrong = database.query_row(wrong, [], |row| row.get::<_, Option<String>>(0)).unwrap();
    assert_eq!(wrong, None, "events of the gateway");
}
