//! The errands of a run.

use super::{BEYOND, Errand, Task};
use crate::Random;
use crate::chaos::PARTED_AFTER;
use crate::community::{Community, MONTH_END};
use crate::network::Cut;
use ledger::act::Role;
use units::{Energy, Millis, Timestamp};

/// Trades of a run.
const TRADES_MAX: u64 = 14;
/// Readings by eye of a run without gateways.
const READINGS_MAX: u64 = 8;
/// Keys registered in a run besides the founders'.
const REGISTRATIONS_MAX: u64 = 4;
/// What is sold twice: the paper's example, and more than half of a month's contract.
const SOLD_TWICE: Energy = Energy::from_kwh(110);

/// What the community cannot do without.
fn needed(community: &Community) -> Vec<Errand> {
    let start = community.start;
    let mut errands = vec![
        Errand::new(start, Task::Found),
        Errand::new(start + Millis::from_minutes(2), Task::Contract(community.genesis.first_month.plus(1))),
    ];
    let closed = MONTH_END + community.genesis.close_after;
    let bills = (0..community.households.len()).map(|household| Errand::new(closed, Task::Bill(household)));
    errands.extend(bills);
    errands
}

/// The errands of a run, in no particular order.
pub(crate) fn errands(random: &mut Random, community: &Community, until: Timestamp) -> Vec<Errand> {
    let start = community.start;
    let mut errands = needed(community);
    let members = u64::try_from(community.households.len()).unwrap_or(1);
    let somebody = |random: &mut Random| usize::try_from(random.below(members)).unwrap_or_default();
    let sometime = |random: &mut Random| start + Millis::from_ms(random.below(until.since(start).ms()));
    for _ in 0..random.below(TRADES_MAX) {
        let at = sometime(random);
        let (from, other) = (somebody(random), somebody(random));
        let to = Some(other).filter(|to| *to != from);
        // Some of what is left, or nearly all, so that a second one is beyond; or what nobody has.
        let energy = match random.below(10) {
            0..5 => Energy::from_wh(random.between(1, 20_000)),
            5..8 => Energy::from_kwh(random.between(100, 199)),
            _ => BEYOND,
        };
        errands.push(Errand::new(at, Task::Trade { from, to, energy }));
    }
    for _ in 0..if community.gateways.is_empty() { random.below(READINGS_MAX) } else { 0 } {
        let (household, counted) = (somebody(random), Energy::from_wh(random.between(0, 3_000)));
        errands.push(Errand::new(sometime(random), Task::Read { household, counted }));
    }
    for _ in 0..random.below(REGISTRATIONS_MAX) {
        let role = [Role::Auditor, Role::Validator, Role::Gateway][usize::try_from(random.below(3)).unwrap_or(0)];
        errands.push(Errand::new(sometime(random), Task::Register(role)));
    }
    errands
}

/// The errands of a run in which one household sells the same energy on both sides of a cut.
pub(crate) fn sales(random: &mut Random, community: &Community, cut: Cut) -> Vec<Errand> {
    let mut errands = needed(community);
    let nodes = community.miners.len();
    for (to, is_inside) in [(1, true), (2, false)] {
        let side: Vec<usize> = (0..nodes).filter(|node| cut.has(*node) == is_inside).collect();
        let place = usize::try_from(random.below(u64::try_from(side.len()).unwrap_or(1))).unwrap_or_default();
        let at = community.start + PARTED_AFTER + Millis::from_ms(random.between(1, 40_000));
        let sale = Errand::new(at, Task::Trade { from: 0, to: Some(to), energy: SOLD_TWICE });
        let only = side.get(place).copied();
        errands.push(Errand { only, asked: only.unwrap_or_default(), ..sale });
    }
    errands
}
