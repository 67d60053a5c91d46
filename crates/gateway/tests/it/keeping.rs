//! Roll-ups and retention: what is made of readings, and what survives whatever is configured.

use crate::databases::{BACKENDS, Backend, Bench, row};
use crate::world::meter_id;
use gateway::core::ReadingRow;
use gateway::history::Place;
use gateway::store::{Days, Level, Point, Retention, Rollup, StoredReading};
use gateway::{History, Store};
use ledger::Offset;
use std::collections::BTreeSet;
use units::{Energy, Quantity, Reading, Timestamp};

const MINUTE: u64 = 60_000;
const DAY: u64 = 1_440 * MINUTE;
/// Local midnight of a day in the community's zone, eight hours ahead.
const MIDNIGHT: u64 = 20_000 * DAY - 480 * MINUTE;

fn days() -> Days {
    Days::new(vec![Offset { from: Timestamp::default(), seconds: 8 * 3_600 }])
}

fn at(ms: u64) -> Timestamp {
    Timestamp::from_ms(ms)
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

fn reading(meter: &str, time: u64, voltage: i64, power: i64, import: i64) -> ReadingRow {
    let mut reading = Reading::new();
    reading.insert(Quantity::Voltage, voltage);
    reading.insert(Quantity::Current, power / 100);
    reading.insert(Quantity::ActivePower, power);
    reading.insert(Quantity::EnergyImport, import);
    row(meter, at(time), reading)
}

/// Some hours around a midnight, with gaps, in no order.
fn readings(random: &mut Random) -> Vec<ReadingRow> {
    let (mut time, mut import, mut rows) = (MIDNIGHT - 90 * MINUTE, 5_000_000, Vec::new());
    while time < MIDNIGHT + 90 * MINUTE {
        let longest = if random.below(20) == 0 { 20 * MINUTE } else { MINUTE };
        time += 1 + random.below(longest);
        // A reset now and then.
        import = if random.below(100) == 0 { 0 } else { import + i64::try_from(random.below(900)).unwrap() };
        let voltage = 220_000 + i64::try_from(random.below(20_000)).unwrap();
        let power = i64::try_from(random.below(3_000_000)).unwrap() - 500_000;
        rows.push(reading("A-1", time, voltage, power, import));
    }
    rows
}

fn point(row: &ReadingRow) -> Point {
    let value = |quantity: Quantity| row.reading.get(quantity);
    Point {
        voltage: value(Quantity::Voltage),
        current: value(Quantity::Current),
        power: value(Quantity::ActivePower),
        import: value(Quantity::EnergyImport),
        export: value(Quantity::EnergyExport),
    }
}

/// The same from the rows alone.
fn expected(rows: &[ReadingRow], start: Timestamp, end: Timestamp) -> Rollup {
    let before = rows.iter().rev().find(|row| row.time < start).map(point);
    let inside: Vec<Point> = rows.iter().filter(|row| (start..end).contains(&row.time)).map(point).collect();
    Rollup::of(start, end, before, &inside)
}

async fn roll_up_all(store: &Store) {
    while store.roll_up(&days(), at(MIDNIGHT + 10 * DAY), Timestamp::default()).await.unwrap() > 0 {}
}

#[tokio::test(flavor = "multi_thread")]
async fn rollups_are_what_their_readings_come_to_late_ones_included() {
    for (backend, seed) in BACKENDS.into_iter().zip(1..) {
        let (bench, mut random) = (Bench::new(backend).await, Random(seed));
        let rows = readings(&mut random);
        let (late, timely): (Vec<&ReadingRow>, Vec<&ReadingRow>) = rows.iter().partition(|_| random.below(10) == 0);
        bench.store.store_readings(&timely.into_iter().cloned().collect::<Vec<_>>()).await.unwrap();
        roll_up_all(&bench.store).await;
        bench.store.store_readings(&late.into_iter().cloned().collect::<Vec<_>>()).await.unwrap();
        roll_up_all(&bench.store).await;
        let archive = bench.read().await;
        let (mut sums, far) = (Vec::new(), at(u64::MAX));
        for level in [Level::Minute, Level::QuarterHour, Level::Day] {
            let found = archive.rollups(&meter_id("A-1"), level, Timestamp::default(), far).await.unwrap();
            let expected: Vec<Rollup> =
                found.iter().map(|found| self::expected(&rows, found.start, found.end)).collect();
            assert_eq!(found, expected, "{backend:?}, {level:?}");
            let counted: i64 = found.iter().map(|found| found.readings).sum();
            assert_eq!(usize::try_from(counted).unwrap(), rows.len(), "{backend:?}, {level:?}");
            sums.push(found.iter().filter_map(|found| found.import).sum::<i64>());
        }
        assert!(sums.iter().all(|sum| *sum == sums[0] && *sum > 0), "energy adds up on every level: {sums:?}");
        let of_day = archive.rollups(&meter_id("A-1"), Level::Day, Timestamp::default(), far).await.unwrap();
        let starts: Vec<u64> = of_day.iter().map(|day| day.start.ms()).collect();
        assert_eq!(starts, [MIDNIGHT - DAY, MIDNIGHT], "{backend:?}: the community's days");
        archive.close().await;
    }
}

#[test]
fn means_are_rounded_down_and_a_fallen_counter_moves_nothing() {
    let point = |voltage, import| Point { voltage: Some(voltage), import: Some(import), ..Point::default() };
    let before = Some(point(1, 100));
    let rollup = Rollup::of(at(0), at(MINUTE), before, &[point(4, 130), point(7, 20), point(9, 25)]);
    assert_eq!((rollup.voltage_mean(), rollup.energy()), (Some(6), Some(Energy::from_mwh(35))));
    assert_eq!((rollup.voltage_min, rollup.voltage_max, rollup.power_mean()), (Some(4), Some(9), None));
    assert_eq!(Rollup::of(at(0), at(1), None, &[point(4, 130)]).energy(), Some(Energy::ZERO));
}

/// Ten days of two meters, a reading an hour; some intervals are not final, some readings are in none, some wait for the
/// server.
async fn filled(bench: &Bench, random: &mut Random) -> Vec<ReadingRow> {
    let mut rows = Vec::new();
    for meter in ["A-1", "A-2"] {
        for hour in 0..240_u32 {
            let time = MIDNIGHT + u64::from(hour) * 60 * MINUTE + random.below(60 * MINUTE);
            rows.push(reading(meter, time, 230_000, 1_000, i64::from(hour) * 10));
        }
    }
    bench.store.store_readings(&rows).await.unwrap();
    // A statement for each six hours of a meter, in three states.
    bench
        .by_hand_in_file(
            "UPDATE readings SET statement = lower(hex(zeroblob(27)) || hex(substr(meter, 3, 1)) || \
         printf('%08x', time_ms / 21600000)) WHERE (time_ms / 21600000) % 11 <> 3",
        )
        .await;
    bench
        .by_hand_in_file(
            "INSERT INTO outbox (statement, meter, binding, seq, start_ms, end_ms, bytes, attachment, state, attempts) \
         SELECT statement, meter, '', 0, min(time_ms), max(time_ms) + 1, x'00', x'00', \
         CASE (min(time_ms) / 21600000) % 5 WHEN 0 THEN 'waiting' WHEN 1 THEN 'withdrawn' ELSE 'final' END, 0 \
         FROM readings WHERE statement IS NOT NULL GROUP BY statement",
        )
        .await;
    // The profile's name tells the tests which are final.
    bench.by_hand_in_file(
        "UPDATE readings SET profile = 'final' WHERE statement IN (SELECT statement FROM outbox WHERE state = 'final')",
    )
    .await;
    rows
}

async fn all_of(archive: &gateway::Archive) -> Vec<StoredReading> {
    let mut all = Vec::new();
    for meter in ["A-1", "A-2"] {
        all.extend(archive.newest(&meter_id(meter), 10_000).await.unwrap().into_iter().rev());
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_bill_or_the_ledger_needs_survives_whatever_is_configured() {
    let rules = |readings_days, readings_max| Retention {
        readings_days,
        readings_max,
        minutes_days: readings_days,
        quarter_hours_days: readings_days,
    };
    for (backend, seed) in BACKENDS.into_iter().zip(10..) {
        for (rules, removes) in [
            (rules(None, None), false),
            (rules(Some(100), None), false),
            (rules(Some(4), None), true),
            (rules(Some(1), None), true),
            (rules(None, Some(300)), true),
            (rules(Some(1), Some(0)), true),
        ] {
            let (bench, mut random) = (Bench::new(backend).await, Random(seed));
            filled(&bench, &mut random).await;
            roll_up_all(&bench.store).await;
            let archive = bench.read().await;
            let now = at(MIDNIGHT + 10 * DAY);
            let before = all_of(&archive).await;
            let day_rollups = archive.rollups(&meter_id("A-1"), Level::Day, at(0), at(u64::MAX)).await.unwrap();
            let removed = archive.retain(rules, &days(), now).await.unwrap();
            let after = all_of(&archive).await;
            assert_eq!(before.len() - after.len(), usize::try_from(removed.readings).unwrap(), "{backend:?} {rules:?}");
            assert_eq!(removed.readings > 0, removes, "{backend:?} {rules:?}: {removed:?}");
            let kept: BTreeSet<i64> = after.iter().map(|row| row.id).collect();
            for row in &before {
                let of_day = |other: &&StoredReading| {
                    days().around(other.row.time) == days().around(row.row.time) && other.row.meter == row.row.meter
                };
                let of_day: Vec<Timestamp> = before.iter().filter(of_day).map(|row| row.row.time).collect();
                let is_end = of_day.first() == Some(&row.row.time) || of_day.last() == Some(&row.row.time);
                let is_final = row.row.profile == "final";
                let is_young = rules.readings_max.is_none()
                    && rules.readings_days.is_none_or(|keep| row.row.time >= days().before(now, keep));
                if is_end || !is_final || is_young {
                    assert!(kept.contains(&row.id), "{backend:?} {rules:?}: {row:?} must stay");
                }
            }
            let again = archive.retain(rules, &days(), now).await.unwrap();
            assert_eq!(again.readings, 0, "{backend:?} {rules:?}: a second time there is nothing to do");
            let rollups = archive.rollups(&meter_id("A-1"), Level::Day, at(0), at(u64::MAX)).await.unwrap();
            assert_eq!(rollups, day_rollups, "days stay for ever");
            let thinned = archive.thinned().await.unwrap();
            assert_eq!(thinned.is_empty(), !removes, "{backend:?} {rules:?}");
            archive.close().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_local_file_keeps_what_the_server_does_not_have() {
    let (bench, mut random) = (Bench::new(Backend::Postgres).await, Random(99));
    filled(&bench, &mut random).await;
    roll_up_all(&bench.store).await;
    let rules = Retention { readings_days: Some(1), ..Retention::default() };
    let now = at(MIDNIGHT + 10 * DAY);
    let removed = bench.store.archive().retain(rules, &days(), now).await.unwrap();
    assert_eq!((removed.readings, removed.statements), (0, 0), "nothing was forwarded yet");
    bench.forward_all().await;
    let before = all_of(&bench.read().await).await.len();
    let removed = bench.store.archive().retain(rules, &days(), now).await.unwrap();
    assert!(removed.readings > 0, "{removed:?}");
    bench.forward_all().await;
    assert_eq!(all_of(&bench.read().await).await.len(), before, "what the file lets go stays on the server");
}

/// A span as programs ask for it: piece after piece.
async fn gathered(history: &History, until: u64) -> (Vec<ReadingRow>, BTreeSet<&'static str>) {
    let (mut rows, mut places) = (Vec::new(), BTreeSet::new());
    for piece in history.span(&meter_id("A-1"), at(0), at(until), 10_000).await.unwrap() {
        places.insert(if piece.place == Place::File { "file" } else { "server" });
        places.extend(piece.away.is_some().then_some("away"));
        rows.extend(piece.rows.into_iter().map(|stored| stored.row));
    }
    (rows, places)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_file_has_let_go_is_read_from_the_server_and_the_rest_from_the_file() {
    for (backend, seed) in [Backend::MariaDb, Backend::Postgres].into_iter().zip(40..) {
        let (bench, mut random) = (Bench::new(backend).await, Random(seed));
        filled(&bench, &mut random).await;
        roll_up_all(&bench.store).await;
        bench.forward_all().await;
        let file = bench.store.archive();
        let whole = History::new(file.clone(), None);
        let before = gathered(&whole, u64::MAX).await;
        let quarters = whole.rollups(&meter_id("A-1"), Level::QuarterHour, at(0), at(u64::MAX)).await.unwrap();
        assert_eq!((before.0.len(), before.1), (240, BTreeSet::from(["file"])));
        let rules = Retention { readings_days: Some(2), ..Retention::default() };
        let removed = file.retain(rules, &days(), at(MIDNIGHT + 10 * DAY)).await.unwrap();
        assert!(removed.readings > 50, "{backend:?}: {removed:?}");

        let both = History::new(file.clone(), Some(bench.server_url()));
        let (rows, places) = gathered(&both, u64::MAX).await;
        assert_eq!((rows, places), (before.0.clone(), BTreeSet::from(["file", "server"])), "{backend:?}");
        let (rows, places) = gathered(&both, MIDNIGHT + 5 * DAY).await;
        assert_eq!((rows.len(), places), (120, BTreeSet::from(["server"])), "{backend:?}: days of the past alone");
        let page = both.readings(&meter_id("A-1"), at(MIDNIGHT + 9 * DAY), at(u64::MAX), 7).await.unwrap();
        assert_eq!((page.rows.len(), page.place), (7, Place::File), "{backend:?}: the newest need no server");

        // A new file beside an old server has nothing of its own, and the same past.
        let fresh = Bench::new(Backend::Sqlite).await;
        let moved = History::new(fresh.store.archive().clone(), Some(bench.server_url()));
        assert_eq!(gathered(&moved, u64::MAX).await, (before.0, BTreeSet::from(["server"])), "{backend:?}");
        let found = moved.rollups(&meter_id("A-1"), Level::QuarterHour, at(0), at(u64::MAX)).await.unwrap();
        assert_eq!((found.rows, found.place), (quarters.rows, Place::Server), "{backend:?}");

        let nowhere = "mysql://nobody:nothing@127.0.0.1:1/meters".parse().unwrap();
        let alone = History::new(file.clone(), Some(nowhere));
        let (rows, places) = gathered(&alone, u64::MAX).await;
        assert!((60..240).contains(&rows.len()), "{backend:?}: {}", rows.len());
        assert_eq!(places, BTreeSet::from(["file", "away"]), "{backend:?}: what is missing is said");
        both.close().await;
        moved.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_that_waits_gives_way_only_where_the_ledger_has_it() {
    let (bench, mut random) = (Bench::new(Backend::MariaDb).await, Random(7));
    let rows = filled(&bench, &mut random).await.len();
    let waiting = bench.store.changes_waiting().await.unwrap();
    assert_eq!(bench.store.give_up_waiting(waiting).await.unwrap(), None);
    let (given_up, from, until) = bench.store.give_up_waiting(waiting - 50).await.unwrap().unwrap();
    assert!(given_up == 50 && from <= until, "{given_up} {from:?} {until:?}");
    let (all, ..) = bench.store.give_up_waiting(0).await.unwrap().unwrap();
    let left = all_of(bench.store.archive()).await;
    assert_eq!(left.len(), rows - 50 - usize::try_from(all).unwrap());
    let finals = left.iter().filter(|row| row.row.profile == "final").count();
    assert!(finals <= 2, "all that are final but each meter's newest: {finals} are left");
    bench.forward_all().await;
    assert_eq!(all_of(&bench.read().await).await.len(), left.len());
}
