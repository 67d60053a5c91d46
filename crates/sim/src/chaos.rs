//! What goes wrong in a run, as its seed decides, and the bugs that are planted to see whether the checkers notice.

use crate::Random;
use crate::community::{MEMBERS, MONTH_END};
use units::{Millis, Timestamp};

/// How long after the month's end things go wrong; then all is healed.
const CHAOS_AFTER_MONTH_END: Millis = Millis::from_minutes(70);
/// Largest jump of the gateway's clock in either direction. It is back by itself within this time once healed.
const CLOCK_JUMP_MAX_MS: u64 = 30 * 60_000;

/// Chance of a power cut before each output of the gateway, in a run that is about them.
const POWER_CUTS: u64 = 200;

/// A bug that is put in on purpose. Each must be noticed by the checker named with it, or that checker is worth nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// The node acknowledges before what it acknowledges is synced; noticed as [`crate::Violation::AcknowledgedLost`].
    AnswerBeforeSync,
    /// On a restart the gateway is not given its oldest open reading; noticed as [`crate::Violation::ReadingNotCommitted`].
    ForgetReading,
    /// The disk loses synced blocks; noticed as [`crate::Violation::WillNotStart`], because the log key signed them.
    LoseBlocks,
    /// The gateway's database acknowledges a reading before it is synced; noticed as
    /// [`crate::Violation::StoredReadingLost`].
    AcknowledgeUnsynced,
    /// A power cut leaves half of what one transaction of the gateway's database holds; noticed as
    /// [`crate::Violation::ReadingNotCommitted`].
    TearTransaction,
    /// The network swallows every statement of the gateway; noticed as [`crate::Violation::NotHealed`].
    SwallowDeliveries,
}

/// Something that happens once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mishap {
    /// The node is cut off for a while.
    NodeDown(Millis),
    /// The gateway is cut off for a while.
    GatewayDown(Millis),
    /// The gateway's clock is so far ahead from now on (behind if negative).
    GatewayClock(i64),
    /// The gateway's database is gone, and the gateway restarts with an empty one.
    DatabaseLost,
    /// A port vanishes for a while.
    PortLost(usize, Millis),
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
    pub(crate) fn new(random: &mut Random, start: Timestamp) -> Self {
        let healed = MONTH_END + CHAOS_AFTER_MONTH_END;
        let mut sometimes = |most: u64| if random.chance(50_000) { 1 + random.below(most) } else { 0 };
        let mut chaos = Self {
            gateway_crash: sometimes(400),
            node_crash: sometimes(2_000),
            power_cut: 50_000,
            message_lost: sometimes(20_000),
            message_repeated: sometimes(20_000),
            message_slow: sometimes(20_000),
            bus_fault: u16::try_from(sometimes(60)).unwrap_or_default(),
            mishaps: Vec::new(),
            healed,
        };
        chaos.plan(random, start);
        chaos.mishaps.push((healed, Mishap::Healed));
        chaos
    }

    /// Power cuts of the gateway and nothing else, so many that each run has dozens.
    pub(crate) fn power_cuts() -> Self {
        let healed = MONTH_END + CHAOS_AFTER_MONTH_END;
        let mishaps = vec![(healed, Mishap::Healed)];
        Self { gateway_crash: POWER_CUTS, power_cut: 100_000, mishaps, healed, ..Self::default() }
    }

    fn plan(&mut self, random: &mut Random, start: Timestamp) {
        let span = self.healed.since(start).ms();
        let mut push = |random: &mut Random, mishap| {
            // Not in the first minutes: a community that never came to be shows nothing.
            let time = start + Millis::from_ms(random.between(span / 20, span));
            self.mishaps.push((time, mishap));
        };
        let jumps = random.chance(50_000);
        for _ in 0..random.below(4) {
            let length = Millis::from_seconds(random.between(1, 3_000));
            push(random, Mishap::NodeDown(length));
        }
        for _ in 0..random.below(4) {
            let length = Millis::from_seconds(random.between(1, 3_000));
            push(random, Mishap::GatewayDown(length));
        }
        for _ in 0..if jumps { random.between(1, 3) } else { 0 } {
            let jump = i64::try_from(random.below(2 * CLOCK_JUMP_MAX_MS)).unwrap_or_default();
            push(random, Mishap::GatewayClock(jump - i64::try_from(CLOCK_JUMP_MAX_MS).unwrap_or_default()));
        }
        for _ in 0..random.below(3) {
            let length = Millis::from_seconds(random.between(1, 1_200));
            let bus = usize::from(random.chance(50_000));
            push(random, Mishap::PortLost(bus, length));
        }
        let household = usize::try_from(random.below(u64::try_from(MEMBERS).unwrap_or(1))).unwrap_or_default();
        let length = Millis::from_seconds(random.between(10, 900));
        push(random, Mishap::OverVoltage(household, length));
        if random.chance(30_000) {
            push(random, Mishap::MeterReplaced(household));
        }
        // With a clock that was ahead, a new database would begin before the chain's head: those readings are of no
        // interval by design, and nothing could be said about them here.
        if !jumps && random.chance(25_000) {
            push(random, Mishap::DatabaseLost);
        }
    }

    /// Nothing goes wrong any more.
    pub(crate) fn heal(&mut self) {
        *self = Self { healed: self.healed, ..Self::default() };
    }
}
