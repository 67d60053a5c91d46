//! Readings and orders with their times in, commands out; and what no sequence of them may do.

use super::*;
use ledger::act::LoadState;
use std::collections::BTreeSet;
use units::{Quantity, Timestamp};

const POLL: Millis = Millis::from_seconds(5);
/// 2026-07-01 12:00 UTC, a Wednesday.
const NOON: u64 = 1_782_907_200_000;

fn meter(name: &str) -> MeterId {
    name.parse().unwrap()
}

fn at(second: u64) -> Now {
    Now { community: Timestamp::from_ms(NOON + second * 1_000), monotonic: Millis::from_seconds(second).into() }
}

fn limit(quantity: Quantity, side: Side, limit: i64, release: i64, delay: u64, release_delay: u64) -> Trigger {
    let (delay, release_delay) = (Millis::from_seconds(delay), Millis::from_seconds(release_delay));
    Trigger::Value(Limit { quantity, side, limit, delay, release, release_delay })
}

/// Above 253 V for 10 s off; not above 248 V for 30 s on again.
fn over_voltage() -> Rule {
    let trigger = limit(Quantity::Voltage, Side::Above, 253_000, 248_000, 10, 30);
    Rule { name: "over-voltage".into(), meters: vec![meter("A-1")], trigger, latch: false, dry_run: false }
}

fn reading(quantity: Quantity, value: i64) -> Reading {
    let mut reading = Reading::new();
    reading.insert(quantity, value);
    reading
}

/// Loads with meters that obey at once, and what went out.
struct World {
    loads: Loads,
    relays: BTreeMap<MeterId, bool>,
    /// Commands with their second.
    sent: Vec<(u64, MeterId, bool)>,
    entries: Vec<Entry>,
    locks: BTreeSet<(MeterId, String)>,
    /// Meters that take commands but keep silent.
    deaf: bool,
    reads_back: bool,
}

impl World {
    fn new(protection: Protection, meters: &[&str]) -> Self {
        Self::with(protection, meters, true)
    }

    fn with(protection: Protection, meters: &[&str], reads_back: bool) -> Self {
        let place = |(at, name): (usize, &&str)| RelayPlace {
            meter: meter(name),
            place: (0, at),
            reads_back,
            poll_every: POLL,
        };
        let watched: Vec<(MeterId, Millis)> = meters.iter().map(|name| (meter(name), POLL)).collect();
        let offsets = vec![Offset { from: Timestamp::from_ms(0), seconds: 8 * 3_600 }];
        let relays = meters.iter().enumerate().map(place).collect();
        let loads = Loads::new(protection, offsets, &watched, relays);
        let relays = meters.iter().map(|name| (meter(name), true)).collect();
        let (sent, entries, locks) = (Vec::new(), Vec::new(), BTreeSet::new());
        Self { loads, relays, sent, entries, locks, deaf: false, reads_back }
    }

    fn step(&mut self, now: Now, mut acts: Vec<Act>) {
        self.loads.due(now, &mut acts);
        let mut acts: VecDeque<Act> = acts.into();
        while let Some(act) = acts.pop_front() {
            let mut more = Vec::new();
            match act {
                Act::Entry(entry) => {
                    self.entries.retain(|known| known.number != entry.number);
                    self.entries.push(entry);
                }
                Act::Lock(lock) => drop(self.locks.insert((lock.meter, lock.rule))),
                Act::Unlock { meter, rule } => drop(self.locks.remove(&(meter, rule))),
                Act::Switch { place, on, number } => {
                    let stored = self.entries.iter().any(|e| e.number == number && e.outcome == Outcome::Sent);
                    assert!(stored, "a command goes out only after its entry is stored");
                    let meter = self.at_place(place);
                    self.sent.push((now.monotonic.whole_ms().ms() / 1_000, meter.clone(), on));
                    let before = self.read(&meter);
                    if !self.deaf {
                        self.relays.insert(meter.clone(), on);
                    }
                    let after = self.read(&meter);
                    let result = if self.deaf { Err("no answer".to_owned()) } else { Ok(()) };
                    self.loads.switched(now, Switched { number, before, after, result }, &mut more);
                }
                Act::Read { place } => {
                    let state = self.read(&self.at_place(place));
                    self.loads.state_read(now, place, state, &mut more);
                }
            }
            acts.extend(more);
        }
        self.assert_interlocked();
    }

    fn at_place(&self, place: (usize, usize)) -> MeterId {
        self.relays.keys().nth(place.1).unwrap().clone()
    }

    fn read(&self, meter: &MeterId) -> Option<bool> {
        self.relays.get(meter).copied().filter(|_| self.reads_back && !self.deaf)
    }

    fn tick(&mut self, second: u64) {
        self.step(at(second), Vec::new());
    }

    fn reading(&mut self, second: u64, name: &str, quantity: Quantity, value: i64) {
        let mut acts = Vec::new();
        self.loads.reading(at(second), &meter(name), &reading(quantity, value), &mut acts);
        self.step(at(second), acts);
    }

    fn order(&mut self, second: u64, name: &str, on: bool) -> Result<u64, Refusal> {
        self.order_with_key(second, name, on, None)
    }

    fn order_with_key(&mut self, second: u64, name: &str, on: bool, key: Option<&str>) -> Result<u64, Refusal> {
        let key = key.map(str::to_owned);
        let order = Order { meter: meter(name), on, who: "Lee".into(), why: "a test".into(), key };
        let mut acts = Vec::new();
        let answer = self.loads.order(at(second), order, &mut acts);
        self.step(at(second), acts);
        answer
    }

    fn assert_interlocked(&self) {
        for load in self.loads.loads.values().filter(|load| load.state == Some(true)) {
            for other in load.limits.never_with.iter().filter_map(|other| self.loads.loads.get(other)) {
                assert_ne!(other.state, Some(true), "{} and {} are on together", load.meter, other.meter);
            }
        }
    }

    fn sent(&self) -> Vec<(u64, bool)> {
        self.sent.iter().map(|(second, _, on)| (*second, *on)).collect()
    }

    fn entry(&self, number: u64) -> &Entry {
        self.entries.iter().find(|entry| entry.number == number).unwrap()
    }
}

fn protection(rules: Vec<Rule>) -> Protection {
    let limits = LoadLimits { min_off: Millis::from_seconds(20), ..LoadLimits::default() };
    Protection { rules, limits: BTreeMap::from([(meter("A-1"), limits)]), stagger: Millis::ZERO }
}

#[test]
fn values_in_and_switchings_out() {
    let plain = over_voltage();
    let latched = Rule { latch: true, ..over_voltage() };
    let trial = Rule { dry_run: true, ..over_voltage() };
    let low = limit(Quantity::Voltage, Side::Below, 207_000, 212_000, 0, 0);
    let low = Rule { name: "under-voltage".into(), trigger: low, ..over_voltage() };
    type Case = (&'static str, Rule, Vec<(u64, i64)>, Vec<(u64, bool)>);
    let cases: Vec<Case> = vec![
        ("within the limit nothing happens", plain.clone(), vec![(0, 253_000), (5, 253_000), (60, 230_000)], vec![]),
        (
            "for less than the delay nothing happens",
            plain.clone(),
            vec![(0, 254_000), (5, 254_000), (9, 252_000)],
            vec![],
        ),
        (
            "for the delay it goes off",
            plain.clone(),
            vec![(0, 254_000), (5, 254_000), (10, 254_000)],
            vec![(10, false)],
        ),
        (
            "one good reading begins the delay anew",
            plain.clone(),
            vec![(0, 254_000), (5, 250_000), (10, 254_000), (15, 254_000)],
            vec![],
        ),
        (
            "what lies between two readings far apart is not known",
            plain.clone(),
            vec![(0, 254_000), (40, 254_000), (45, 254_000)],
            vec![],
        ),
        (
            "between limit and release it stays off",
            plain.clone(),
            vec![
                (0, 254_000),
                (10, 254_000),
                (20, 249_000),
                (30, 249_000),
                (40, 249_000),
                (50, 249_000),
                (60, 249_000),
            ],
            vec![(10, false)],
        ),
        (
            "good for the release time it comes on again",
            plain.clone(),
            vec![(0, 254_000), (10, 254_000), (20, 248_000), (30, 248_000), (40, 248_000), (50, 248_000)],
            vec![(10, false), (50, true)],
        ),
        (
            "a pause in the readings begins the release anew",
            plain,
            vec![
                (0, 254_000),
                (10, 254_000),
                (20, 240_000),
                (60, 240_000),
                (70, 240_000),
                (80, 240_000),
                (90, 240_000),
            ],
            vec![(10, false), (90, true)],
        ),
        (
            "a latch is not released by itself",
            latched,
            vec![
                (0, 254_000),
                (10, 254_000),
                (20, 240_000),
                (30, 240_000),
                (40, 240_000),
                (50, 240_000),
                (60, 240_000),
                (70, 240_000),
            ],
            vec![(10, false)],
        ),
        (
            "on trial nothing is switched",
            trial,
            vec![(0, 254_000), (10, 254_000), (20, 240_000), (30, 240_000)],
            vec![],
        ),
        (
            "too low, at once; the minimum off time holds the return",
            low,
            vec![(0, 206_999), (5, 212_000), (10, 212_000), (15, 212_000), (20, 212_000)],
            vec![(0, false), (20, true)],
        ),
    ];
    for (what, rule, readings, expected) in cases {
        let mut world = World::new(protection(vec![rule]), &["A-1"]);
        world.tick(0);
        for (second, value) in readings {
            world.reading(second, "A-1", Quantity::Voltage, value);
        }
        assert_eq!(world.sent(), expected, "{what}");
    }
}

#[test]
fn the_journal_says_who_switched_and_why() {
    let mut world = World::new(protection(vec![over_voltage()]), &["A-1"]);
    world.tick(0);
    world.reading(5, "A-1", Quantity::Voltage, 254_400);
    world.reading(15, "A-1", Quantity::Voltage, 254_400);
    let entry = world.entry(1);
    assert_eq!((entry.who.as_str(), entry.by), ("over-voltage", Cause::Protection));
    assert_eq!(entry.why, "254.400 V is above 253.000 V");
    assert_eq!((entry.before, entry.after, &entry.outcome), (LoadState::On, LoadState::Off, &Outcome::Switched));
    assert_eq!(world.locks, BTreeSet::from([(meter("A-1"), "over-voltage".to_owned())]));
    let refused = world.order(60, "A-1", true).unwrap_err();
    assert_eq!(refused.to_string(), "rule `over-voltage` holds the load of A-1 off until its cause is gone");
}

#[test]
fn a_rule_on_trial_writes_down_once_what_it_would_have_done() {
    let mut world = World::new(protection(vec![Rule { dry_run: true, ..over_voltage() }]), &["A-1"]);
    for second in [0, 10, 20, 30] {
        world.reading(second, "A-1", Quantity::Voltage, 254_000);
    }
    let outcomes: Vec<&str> = world.entries.iter().map(|entry| entry.outcome.name()).collect();
    assert_eq!(outcomes, ["would_have"]);
    assert!(world.locks.is_empty() && world.sent.is_empty());
}

#[test]
fn a_latch_is_taken_back_by_a_person_and_switches_nothing_on() {
    let mut world = World::new(protection(vec![Rule { latch: true, ..over_voltage() }]), &["A-1"]);
    world.tick(0);
    for second in [0, 10, 20, 30, 40, 50, 60] {
        world.reading(second, "A-1", Quantity::Voltage, if second > 10 { 240_000 } else { 254_000 });
    }
    assert!(matches!(world.order(60, "A-1", true), Err(Refusal::Locked { latched: true, .. })));
    let reset = Reset { meter: meter("A-1"), who: "Lee".into(), why: "the fuse was changed".into() };
    let mut acts = Vec::new();
    world.loads.reset(at(61), reset.clone(), &mut acts).unwrap();
    world.step(at(61), acts);
    assert_eq!(world.sent(), [(10, false)]);
    assert!(world.locks.is_empty());
    assert_eq!(world.loads.reset(at(62), reset, &mut Vec::new()), Err(Refusal::NotLatched(meter("A-1"))));
    world.order(63, "A-1", true).unwrap();
    assert_eq!(world.sent(), [(10, false), (63, true)]);
}

#[test]
fn a_person_is_refused_with_the_reason() {
    let limits = |never_with: &[&str]| LoadLimits {
        min_off: Millis::from_seconds(20),
        min_on: Millis::from_seconds(10),
        switches_per_hour: 4,
        never_with: never_with.iter().map(|name| meter(name)).collect(),
    };
    let limits = BTreeMap::from([(meter("A-1"), limits(&["A-2"])), (meter("A-2"), limits(&[]))]);
    let mut world = World::new(Protection { rules: Vec::new(), limits, stagger: Millis::ZERO }, &["A-1", "A-2"]);
    world.relays.insert(meter("A-2"), false);
    world.loads.meters.insert(meter("B-1"), POLL);
    world.tick(0);
    for (second, name, on, expected) in [
        (0, "A-9", true, Some("unknown_meter")),
        (0, "B-1", true, Some("no_relay")),
        (0, "A-1", true, Some("already_so")),
        // One direction is configured, both hold.
        (0, "A-2", true, Some("interlock")),
        (1, "A-1", false, None),
        (2, "A-1", true, Some("minimum_off_time")),
        (21, "A-1", true, None),
        (22, "A-1", false, Some("minimum_on_time")),
        (31, "A-1", false, None),
        // A fourth would leave nothing for protection.
        (60, "A-1", true, Some("too_often")),
        (60, "A-2", true, None),
        (3_602, "A-1", true, Some("interlock")),
        (3_602, "A-2", false, None),
        (3_602, "A-1", true, None),
    ] {
        let answer = world.order(second, name, on);
        assert_eq!(answer.as_ref().err().map(Refusal::name), expected, "{second} {name} {on}: {answer:?}");
    }
}

#[test]
fn the_same_key_is_the_same_order() {
    let mut world = World::new(protection(Vec::new()), &["A-1", "A-2"]);
    world.tick(0);
    let first = world.order_with_key(1, "A-1", false, Some("k")).unwrap();
    assert_eq!(world.order_with_key(2, "A-1", false, Some("k")), Ok(first));
    assert_ne!(world.order_with_key(2, "A-2", false, Some("k")), Ok(first));
    assert_eq!(world.sent.len(), 2);
    for (who, why, key) in
        [("", "why", None), ("who", " ", None), ("who", "why", Some("")), ("who", "why", Some(&*"k".repeat(65)))]
    {
        let order = Order { meter: meter("A-1"), on: true, who: who.into(), why: why.into(), key: key.map(Into::into) };
        assert_eq!(world.loads.order(at(3), order, &mut Vec::new()), Err(Refusal::Text));
    }
}

#[test]
fn many_loads_come_on_one_after_the_other() {
    let names = ["A-1", "A-2", "A-3"];
    let rule = Rule { meters: names.map(meter).into(), ..over_voltage() };
    let stagger = Millis::from_seconds(10);
    let mut world = World::new(Protection { rules: vec![rule], limits: BTreeMap::new(), stagger }, &names);
    world.tick(0);
    for second in [0, 10, 20, 30, 40, 50, 55, 60, 65, 70] {
        for name in names {
            world.reading(second, name, Quantity::Voltage, if second > 10 { 240_000 } else { 254_000 });
        }
    }
    assert_eq!(world.sent(), [(10, false), (10, false), (10, false), (50, true), (60, true), (70, true)]);
    // People's orders keep their turn too, and a load whose turn has not come may be locked meanwhile.
    for name in names {
        world.order(200, name, false).unwrap();
    }
    let numbers: Vec<u64> = names.iter().map(|name| world.order(210, name, true).unwrap()).collect();
    assert_eq!(world.entry(numbers[1]).outcome, Outcome::Waiting);
    world.reading(211, "A-2", Quantity::Voltage, 254_000);
    world.reading(219, "A-2", Quantity::Voltage, 254_000);
    world.tick(220);
    world.reading(221, "A-2", Quantity::Voltage, 254_000);
    world.tick(230);
    let on: Vec<_> =
        world.sent.iter().filter(|(second, _, on)| *second >= 210 && *on).map(|(s, m, _)| (*s, m.as_str())).collect();
    assert_eq!(on, [(210, "A-1"), (220, "A-2"), (230, "A-3")]);
}

#[test]
fn a_waiting_order_is_withdrawn_when_a_rule_locks_the_load() {
    let stagger = Millis::from_seconds(60);
    let mut world =
        World::new(Protection { rules: vec![over_voltage()], stagger, ..Protection::default() }, &["A-1", "A-2"]);
    world.tick(0);
    world.order(1, "A-1", false).unwrap();
    world.order(1, "A-2", false).unwrap();
    world.order(10, "A-2", true).unwrap();
    let waiting = world.order(10, "A-1", true).unwrap();
    assert!(matches!(world.order(11, "A-1", true), Err(Refusal::Busy { .. })));
    world.reading(11, "A-1", Quantity::Voltage, 254_000);
    world.reading(21, "A-1", Quantity::Voltage, 254_000);
    assert_eq!(world.entry(waiting).outcome, Outcome::Withdrawn("rule `over-voltage` holds the load off".into()));
    // Off already: the rule holds it there without a command.
    assert_eq!(world.entries.last().map(|entry| entry.outcome.name()), Some("withdrawn"));
    assert!(world.entries.iter().any(|entry| entry.outcome == Outcome::NotNeeded));
    world.tick(100);
    assert_eq!(world.sent.len(), 3);
}

#[test]
fn a_silent_relay_is_not_asked_twice_but_read_and_then_ordered_again() {
    let mut world = World::new(protection(vec![over_voltage()]), &["A-1"]);
    world.tick(0);
    world.deaf = true;
    for second in [0, 10, 15, 20] {
        world.reading(second, "A-1", Quantity::Voltage, 254_000);
    }
    assert_eq!((world.sent(), world.entry(1).outcome.name()), (vec![(10, false)], "failed"));
    world.deaf = false;
    world.tick(25);
    assert_eq!(world.sent(), [(10, false)], "its state is not read yet");
    world.tick(40);
    world.tick(41);
    assert_eq!(world.sent(), [(10, false), (41, false)], "it was read as on");
    assert_eq!(world.entries.last().map(|entry| entry.outcome.name()), Some("switched"));
}

#[test]
fn a_relay_that_cannot_be_read_is_ordered_again_only_when_its_load_draws_current() {
    let mut world = World::with(protection(vec![over_voltage()]), &["A-1"], false);
    world.deaf = true;
    world.reading(0, "A-1", Quantity::Voltage, 254_000);
    world.reading(10, "A-1", Quantity::Voltage, 254_000);
    world.reading(20, "A-1", Quantity::Voltage, 254_000);
    world.reading(45, "A-1", Quantity::Current, 20_000);
    assert_eq!(world.sent(), [(10, false)]);
    world.deaf = false;
    world.reading(46, "A-1", Quantity::Current, 3_000_000);
    assert_eq!(world.sent(), [(10, false), (46, false)]);
    assert_eq!(world.entries.last().map(|entry| entry.outcome.name()), Some("unconfirmed"));
}

#[test]
fn hours_and_used_up_energy_hold_a_load_off() {
    // 12:00 UTC is 20:00 in the community.
    let schedule = Schedule { from_minute: 20 * 60 + 1, until_minute: 20 * 60 + 2, days: [true; 7] };
    let hours = Rule { name: "night".into(), trigger: Trigger::Schedule(schedule), ..over_voltage() };
    let mut world = World::new(protection(vec![hours]), &["A-1"]);
    for second in (0..=130).step_by(10) {
        world.tick(second);
    }
    assert_eq!(world.sent(), [(60, false), (120, true)]);
    assert_eq!(world.entry(1).by, Cause::Schedule);

    for (cut, sent, outcomes) in
        [(false, vec![], vec!["warned"]), (true, vec![(1, false), (30, true)], vec!["switched", "switched"])]
    {
        let rule = Rule { name: "energy".into(), trigger: Trigger::EnergyUsedUp { cut }, ..over_voltage() };
        let mut world = World::new(protection(vec![rule]), &["A-1"]);
        world.tick(0);
        assert_eq!(world.loads.energy_watched(), [meter("A-1")]);
        for (second, left) in [(0, Some(5)), (1, Some(0)), (2, None), (3, Some(-4)), (30, Some(1))] {
            let mut acts = Vec::new();
            world.loads.remaining(at(second), &meter("A-1"), left.map(EnergyBalance::from_mwh), &mut acts);
            world.step(at(second), acts);
        }
        assert_eq!(world.sent(), sent, "cut = {cut}");
        assert_eq!(world.entries.iter().map(|entry| entry.outcome.name()).collect::<Vec<_>>(), outcomes);
    }
}

#[test]
fn two_rules_hold_a_load_until_both_let_go() {
    let current = limit(Quantity::Current, Side::Above, 16_000_000, 15_000_000, 0, 0);
    let current = Rule { name: "over-current".into(), trigger: current, ..over_voltage() };
    let mut world = World::new(protection(vec![over_voltage(), current]), &["A-1"]);
    world.tick(0);
    world.reading(0, "A-1", Quantity::Current, 17_000_000);
    world.reading(1, "A-1", Quantity::Voltage, 254_000);
    world.reading(11, "A-1", Quantity::Voltage, 254_000);
    world.reading(25, "A-1", Quantity::Current, 0);
    assert_eq!(world.sent(), [(0, false)], "the voltage still holds it");
    for second in [26, 36, 46, 56] {
        world.reading(second, "A-1", Quantity::Voltage, 230_000);
    }
    assert_eq!(world.sent(), [(0, false), (56, true)]);
}

#[test]
fn who_wants_a_held_load_off_keeps_it_off() {
    let mut world = World::new(protection(vec![over_voltage()]), &["A-1"]);
    world.tick(0);
    for second in [0, 10, 20, 30, 40] {
        world.reading(second, "A-1", Quantity::Voltage, if second > 10 { 240_000 } else { 254_000 });
    }
    assert!(matches!(world.order(41, "A-1", false), Err(Refusal::Already { on: false, .. })));
    for second in [45, 55, 65, 75] {
        world.reading(second, "A-1", Quantity::Voltage, 240_000);
    }
    assert_eq!(world.sent(), [(10, false)]);
}

/// Entries of a journal as a stop may leave them.
fn stored(outcome: Outcome, deed: Deed) -> StoredJournal {
    let entry = Entry {
        number: 7,
        meter: meter("A-1"),
        time: at(0).community,
        deed,
        by: Cause::Person,
        who: "Lee".into(),
        why: "a test".into(),
        key: Some("k".into()),
        before: LoadState::On,
        after: LoadState::On,
        outcome,
        ended: None,
    };
    StoredJournal { last_number: 7, entries: vec![entry], ..StoredJournal::default() }
}

#[test]
fn after_a_stop_nothing_is_sent_again_and_the_state_is_read_back() {
    for (outcome, relay, name, after) in [
        (Outcome::Sent, false, "unknown", LoadState::Off),
        (Outcome::Sent, true, "unknown", LoadState::On),
        (Outcome::Waiting, true, "withdrawn", LoadState::On),
    ] {
        let mut world = World::new(protection(Vec::new()), &["A-1"]);
        world.relays.insert(meter("A-1"), relay);
        world.loads.resume(stored(outcome.clone(), Deed::Off));
        let mut acts = Vec::new();
        world.loads.begin(at(1), &mut acts);
        world.step(at(1), acts);
        world.tick(100);
        assert_eq!(world.sent(), [], "{outcome:?}");
        assert_eq!((world.entry(7).outcome.name(), world.entry(7).after), (name, after), "{outcome:?}");
        assert_eq!(world.order_with_key(101, "A-1", false, Some("k")), Ok(7), "a repeated click after the stop");
        world.relays.insert(meter("A-1"), true);
        world.tick(500);
        assert_eq!(world.order(501, "A-1", false), Ok(8), "numbers go on");
    }
}

#[test]
fn a_latch_outlives_a_stop_and_a_rule_taken_out_of_the_configuration_holds_nothing() {
    let lock = |rule: &str| Lock {
        meter: meter("A-1"),
        rule: rule.into(),
        since: at(0).community,
        why: "254 V".into(),
        latched: true,
        restore: false,
    };
    let mut world = World::new(protection(vec![Rule { latch: true, ..over_voltage() }]), &["A-1"]);
    world.relays.insert(meter("A-1"), false);
    world.locks.extend([(meter("A-1"), "over-voltage".into()), (meter("A-1"), "gone".into())]);
    world.loads.resume(StoredJournal { locks: vec![lock("over-voltage"), lock("gone")], ..StoredJournal::default() });
    let mut acts = Vec::new();
    world.loads.begin(at(1), &mut acts);
    world.step(at(1), acts);
    for second in (5..200).step_by(5) {
        world.reading(second, "A-1", Quantity::Voltage, 230_000);
    }
    assert_eq!(world.locks, BTreeSet::from([(meter("A-1"), "over-voltage".to_owned())]));
    assert!(matches!(world.order(201, "A-1", true), Err(Refusal::Locked { latched: true, .. })));
    assert_eq!(world.sent(), []);
}

/// A small generator of test cases, the same on every run (Steele, Lea, Flood: SplitMix, 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % most
    }
}

#[test]
fn no_readings_and_orders_make_a_relay_switch_more_often_than_its_limits_and_no_latch_releases_itself() {
    let runs = if std::env::var_os("WATTPROOF_LONG").is_some() { 20_000 } else { 300 };
    let (mut switched, mut latched) = (0, 0);
    for seed in 0..runs {
        let mut random = Random(seed);
        let latch = random.below(3) == 0;
        let mut rule = Rule { latch, ..over_voltage() };
        rule.trigger = limit(Quantity::Voltage, Side::Above, 253_000, 250_000, random.below(12), random.below(12));
        let limits = LoadLimits {
            min_off: Millis::from_seconds(random.below(60)),
            min_on: Millis::from_seconds(random.below(60)),
            switches_per_hour: u32::try_from(2 + random.below(6)).unwrap(),
            never_with: vec![meter("A-2")],
        };
        let (min_off, most) = (limits.min_off.ms() / 1_000, limits.switches_per_hour);
        let limits = BTreeMap::from([(meter("A-1"), limits)]);
        let stagger = Millis::from_seconds(random.below(20));
        let mut world = World::new(Protection { rules: vec![rule], limits, stagger }, &["A-1", "A-2"]);
        world.relays.insert(meter("A-2"), false);
        world.tick(0);
        let mut second = 0;
        for _ in 0..400 {
            second += random.below(20);
            world.deaf = random.below(10) == 0;
            let was_latched = world.loads.loads[&meter("A-1")].locks.values().any(|lock| lock.latched);
            match random.below(8) {
                0 => drop(world.order(second, "A-1", random.below(2) == 0)),
                1 => drop(world.order(second, "A-2", random.below(2) == 0)),
                2 => world.tick(second),
                _ => world.reading(
                    second,
                    "A-1",
                    Quantity::Voltage,
                    248_000 + i64::try_from(random.below(8_000)).unwrap(),
                ),
            }
            let is_latched = world.loads.loads[&meter("A-1")].locks.values().any(|lock| lock.latched);
            assert!(is_latched || !was_latched, "seed {seed}: a latch was released by itself");
            latched += u32::from(is_latched && !was_latched);
        }
        let of_a1: Vec<(u64, bool)> =
            world.sent.iter().filter(|(_, name, _)| *name == meter("A-1")).map(|(s, _, on)| (*s, *on)).collect();
        for (at, (second, on)) in of_a1.iter().enumerate() {
            let within = of_a1[..=at].iter().filter(|(earlier, _)| earlier + 3_600 > *second).count();
            assert!(within <= usize::try_from(most).unwrap(), "seed {seed}: {within} switchings in an hour: {of_a1:?}");
            let off = of_a1[..at].iter().rev().find(|(_, on)| !on).map(|(second, _)| *second);
            assert!(!on || off.is_none_or(|off| second - off >= min_off), "seed {seed}: on too soon: {of_a1:?}");
        }
        let ons: Vec<u64> = world.sent.iter().filter(|(_, _, on)| *on).map(|(second, ..)| *second).collect();
        assert!(ons.windows(2).all(|pair| pair[1] - pair[0] >= stagger.ms() / 1_000), "seed {seed}: not staggered");
        switched += of_a1.len();
    }
    assert!(switched > 500 && latched > 50, "{switched} switchings and {latched} latches are too few to show anything");
}
