//! What goes wrong in a run, as its seed decides.

use crate::Random;
use crate::community::{MEMBERS, MONTH_END, Shape};
use crate::network::Cut;
use units::{Millis, Timestamp};

/// How long after the month's end things go wrong where meters are read; then all is healed.
const CHAOS_AFTER_MONTH_END: Millis = Millis::from_minutes(70);
/// The same where none are.
const CHAOS_WITHOUT_METERS: Millis = Millis::from_minutes(16);
/// Largest jump of a gateway's clock in either direction. It is back by itself within this time once healed.
const CLOCK_JUMP_MAX_MS: u64 = 30 * 60_000;
/// Largest jump of a node's clock: beyond what other nodes take for the present.
const NODE_JUMP_MAX_MS: u64 = 5 * 60_000;
/// What clocks of nodes that are kept differ by.
const SKEW_MAX_MS: u64 = 2_000;

/// Chance of a power cut before each output of the gateway, in a run that is about them.
const POWER_CUTS: u64 = 200;

/// Chance that a bit of a node's disk changes in a crash, in a run that has that.
const BIT_FLIPS: u64 = 30_000;

/// Something that happens once. Nodes, gateways and households are named by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mishap {
    /// A node is cut off for a while.
    NodeDown(usize, Millis),
    /// A node's clock is so far ahead from now on (behind if negative).
    NodeClock(usize, i64),
    /// A node answers its peers late for a while.
    NodeSlow(usize, Millis),
    /// A node hears nothing of the others any more, and mines on and shows what it has.
    NodeDeaf(usize),
    /// Some nodes do not reach others for a while.
    Parted(Cut, Millis),
    /// A gateway is cut off for a while.
    GatewayDown(usize, Millis),
    /// A gateway's clock is so far ahead from now on (behind if negative).
    GatewayClock(usize, i64),
    /// A gateway's database is gone, and the gateway restarts with an empty one.
    DatabaseLost(usize),
    /// A port of a gateway vanishes for a while.
    PortLost(usize, usize, Millis),
    /// A household's meter is replaced by one that counts from zero.
    MeterReplaced(usize),
    /// The supply of a household is at 130 V for a while.
    OverVoltage(usize, Millis),
    /// All is healed; nothing goes wrong any more.
    Healed,
}

/// What goes wrong, and how often: chances are in a hundred thousand.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chaos {
    /// Before each output of the gateway and of the node.
    pub(crate) gateway_crash: u64,
    pub(crate) node_crash: u64,
    /// Whether a crash takes the power away: what is not synced is lost, and nobody hears how far a write had come.
    pub(crate) power_cut: u64,
    /// Whether a bit of a node's disk changes while it is down.
    pub(crate) bit_flip: u64,
    /// Of each message.
    pub(crate) message_lost: u64,
    pub(crate) message_repeated: u64,
    pub(crate) message_slow: u64,
    /// Of each answer on a bus, in a thousand.
    pub(crate) bus_fault: u16,
    pub(crate) mishaps: Vec<(Timestamp, Mishap)>,
    pub(crate) healed: Timestamp,
}

impl Chaos {
    /// The chaos of a seed: each kind is there in about half of all runs, so that some runs have only one.
    pub(crate) fn new(random: &mut Random, shape: Shape, start: Timestamp) -> Self {
        let healed = MONTH_END + if shape.gateways > 0 { CHAOS_AFTER_MONTH_END } else { CHAOS_WITHOUT_METERS };
        let mut sometimes = |most: u64| if random.chance(50_000) { 1 + random.below(most) } else { 0 };
        let mut chaos = Self {
            gateway_crash: sometimes(400),
            node_crash: sometimes(2_000),
            power_cut: 50_000,
            bit_flip: 0,
            message_lost: sometimes(20_000),
            message_repeated: sometimes(20_000),
            message_slow: sometimes(20_000),
            bus_fault: u16::try_from(sometimes(60)).unwrap_or_default(),
            mishaps: Vec::new(),
            healed,
        };
        let mut plan = Plan { start, healed, mishaps: Vec::new() };
        plan.nodes(random, shape);
        if shape.gateways > 0 {
            plan.gateways(random, shape);
        }
        plan.mishaps.push((healed, Mishap::Healed));
        if shape.nodes > 1 && random.chance(50_000) {
            chaos.bit_flip = BIT_FLIPS;
        }
        chaos.mishaps = plan.mishaps;
        chaos
    }

    /// Power cuts of the gateway and nothing else, so many that each run has dozens.
    pub(crate) fn power_cuts() -> Self {
        let healed = MONTH_END + CHAOS_AFTER_MONTH_END;
        let mishaps = vec![(healed, Mishap::Healed)];
        Self { gateway_crash: POWER_CUTS, power_cut: 100_000, mishaps, healed, ..Self::default() }
    }

    /// The nodes fall apart into two sides for most of the run, and nothing else goes wrong.
    pub(crate) fn parted(random: &mut Random, shape: Shape, start: Timestamp) -> Self {
        let healed = MONTH_END + CHAOS_WITHOUT_METERS;
        // Registrations and contracts reach everybody first.
        let from = start + PARTED_AFTER;
        let length = Millis::from_ms(random.between(60_000, healed.since(from).ms()));
        let cut = Cut::two_sides(random, shape.nodes);
        let mishaps = vec![(from, Mishap::Parted(cut, length)), (healed, Mishap::Healed)];
        Self { mishaps, healed, ..Self::default() }
    }

    /// The first partition.
    pub(crate) fn first_cut(&self) -> Option<Cut> {
        self.mishaps.iter().find_map(|(_, mishap)| match mishap {
            Mishap::Parted(cut, _) => Some(*cut),
            _ => None,
        })
    }

    /// Nothing goes wrong any more.
    pub(crate) fn heal(&mut self) {
        *self = Self { healed: self.healed, ..Self::default() };
    }
}

/// Before the nodes fall apart in a run that is about it: founding takes a few blocks of up to a minute each.
pub(crate) const PARTED_AFTER: Millis = Millis::from_minutes(5);

/// Mishaps and when they come, as they are thought of.
struct Plan {
    start: Timestamp,
    healed: Timestamp,
    mishaps: Vec<(Timestamp, Mishap)>,
}

impl Plan {
    /// Not in the first minutes: a community that never came to be shows nothing.
    fn push(&mut self, random: &mut Random, mishap: Mishap) {
        let span = self.healed.since(self.start).ms();
        let time = self.start + Millis::from_ms(random.between(span / 20, span));
        self.mishaps.push((time, mishap));
    }

    fn nodes(&mut self, random: &mut Random, shape: Shape) {
        let minutes = |random: &mut Random| Millis::from_ms(random.between(1, lasting_max_ms(shape)));
        for node in 0..shape.nodes {
            for _ in 0..random.below(3) {
                let length = minutes(random);
                self.push(random, Mishap::NodeDown(node, length));
            }
        }
        if shape.nodes == 1 {
            return;
        }
        for hermit in shape.nodes..shape.nodes + shape.hermits {
            self.push(random, Mishap::NodeDeaf(hermit));
        }
        if random.chance(50_000) {
            for node in 0..shape.nodes {
                self.mishaps.push((self.start, Mishap::NodeClock(node, around_zero(random, SKEW_MAX_MS))));
            }
        }
        if random.chance(25_000) {
            let node = some(random, shape.nodes);
            let jump = around_zero(random, NODE_JUMP_MAX_MS);
            self.push(random, Mishap::NodeClock(node, jump));
        }
        if random.chance(30_000) {
            let (node, length) = (some(random, shape.nodes), minutes(random));
            self.push(random, Mishap::NodeSlow(node, length));
        }
        for _ in 0..random.below(4) {
            let length = minutes(random);
            let cut = if random.chance(30_000) {
                Cut::one_way(random, shape.nodes)
            } else {
                Cut::two_sides(random, shape.nodes)
            };
            self.push(random, Mishap::Parted(cut, length));
        }
    }

    fn gateways(&mut self, random: &mut Random, shape: Shape) {
        let jumps = random.chance(50_000);
        for _ in 0..random.below(4) {
            let length = Millis::from_seconds(random.between(1, 3_000));
            let gateway = some(random, shape.gateways);
            self.push(random, Mishap::GatewayDown(gateway, length));
        }
        for _ in 0..if jumps { random.between(1, 3) } else { 0 } {
            let gateway = some(random, shape.gateways);
            let jump = around_zero(random, CLOCK_JUMP_MAX_MS);
            self.push(random, Mishap::GatewayClock(gateway, jump));
        }
        for _ in 0..random.below(3) {
            let length = Millis::from_seconds(random.between(1, 1_200));
            let (gateway, bus) = (some(random, shape.gateways), some(random, 3 - shape.gateways));
            self.push(random, Mishap::PortLost(gateway, bus, length));
        }
        let household = some(random, MEMBERS);
        let length = Millis::from_seconds(random.between(10, 900));
        self.push(random, Mishap::OverVoltage(household, length));
        if random.chance(30_000) {
            self.push(random, Mishap::MeterReplaced(household));
        }
        // With a clock that was ahead, a new database would begin before the chain's head: those readings are of no
        // interval by design, and nothing could be said about them here.
        if !jumps && random.chance(25_000) {
            let gateway = some(random, shape.gateways);
            self.push(random, Mishap::DatabaseLost(gateway));
        }
    }
}

/// How long something may last, in ms: most of a run.
const fn lasting_max_ms(shape: Shape) -> u64 {
    if shape.gateways > 0 { 3_000_000 } else { 900_000 }
}

fn some(random: &mut Random, count: usize) -> usize {
    usize::try_from(random.below(u64::try_from(count).unwrap_or(1))).unwrap_or_default()
}

fn around_zero(random: &mut Random, most: u64) -> i64 {
    i64::try_from(random.below(2 * most)).unwrap_or_default() - i64::try_from(most).unwrap_or_default()
}
