//! Questions to nodes and their answers, on their way; who reaches whom.
//!
//! As over HTTP: a question has one answer or none, one that comes too late finds nobody waiting, and a question that was
//! given up may still reach the node.

use crate::Random;
use gateway::core::{HeadAnswer, NodeAnswer};
use units::{MeterId, Millis, StatementId, Timestamp};

/// After which an answer is no longer waited for.
pub(crate) const TIMEOUT: Millis = Millis::from_seconds(10);
/// Usual delay of a message.
pub(crate) const DELAY_MAX_MS: u64 = 40;
/// Delay of a slow one: often beyond the time-out.
pub(crate) const SLOW_MAX_MS: u64 = 30_000;

/// Names a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CallId(pub(crate) u64);

/// Who waits for an answer.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// A gateway, since its last start, about a statement.
    Gateway { gateway: usize, life: u64, meter: MeterId, about: Option<StatementId> },
    /// A person's errand, by its number.
    Errand(usize),
}

/// What a node is asked by gateways and people.
#[derive(Debug, Clone)]
pub(crate) enum Question {
    /// Take this statement.
    Submit(Vec<u8>),
    /// How far is this statement?
    Progress(StatementId),
    /// Where does this meter's chain stand?
    Head(MeterId),
}

/// What the node says.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// Of a statement.
    Statement(NodeAnswer),
    /// Of a chain.
    Head(HeadAnswer),
}

/// Nodes of which some do not reach others; each set has a bit a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    from: u16,
    to: u16,
    both_ways: bool,
}

impl Cut {
    /// The nodes fall apart into two sides, neither of which is empty.
    pub(crate) fn two_sides(random: &mut Random, nodes: usize) -> Self {
        let all = (1u16 << nodes) - 1;
        let side = u16::try_from(random.between(1, u64::from(all).saturating_sub(1).max(1))).unwrap_or(1);
        Self { from: side, to: all & !side, both_ways: true }
    }

    /// One side hears the other, which hears nothing of it.
    pub(crate) fn one_way(random: &mut Random, nodes: usize) -> Self {
        Self { both_ways: false, ..Self::two_sides(random, nodes) }
    }

    /// On which side of the cut a node is.
    pub(crate) const fn has(&self, node: usize) -> bool {
        self.from & (1 << node) != 0
    }

    const fn parts(&self, from: usize, to: usize) -> bool {
        let (from, to) = (1u16 << from, 1u16 << to);
        self.from & from != 0 && self.to & to != 0 || self.both_ways && self.to & from != 0 && self.from & to != 0
    }
}

/// The links between nodes: each reaches each other one, but for those that a cut parts until its time is over.
#[derive(Debug, Default)]
pub(crate) struct Links {
    cuts: Vec<(Cut, Timestamp)>,
}

impl Links {
    pub(crate) fn part(&mut self, cut: Cut, until: Timestamp) {
        self.cuts.push((cut, until));
    }

    /// Whether what one node says now arrives at another.
    pub(crate) fn carry(&self, now: Timestamp, from: usize, to: usize) -> bool {
        !self.cuts.iter().any(|(cut, until)| now < *until && cut.parts(from, to))
    }

    pub(crate) fn heal(&mut self) {
        self.cuts.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_parts_its_sides_and_nobody_else_until_its_time_is_over() {
        let (two, one) =
            (Cut { from: 0b001, to: 0b110, both_ways: true }, Cut { from: 0b001, to: 0b110, both_ways: false });
        let (now, later) = (Timestamp::from_ms(5), Timestamp::from_ms(10));
        // From, to, whether it arrives with both ways cut, and with one.
        for (from, to, with_two, with_one) in
            [(0, 1, false, false), (1, 0, false, true), (1, 2, true, true), (2, 1, true, true), (2, 0, false, true)]
        {
            for (cut, arrives) in [(two, with_two), (one, with_one)] {
                let mut links = Links::default();
                links.part(cut, later);
                assert_eq!(links.carry(now, from, to), arrives, "{from} to {to} with {cut:?}");
                assert!(links.carry(later, from, to));
                links.heal();
                assert!(links.carry(now, from, to));
            }
        }
    }

    #[test]
    fn both_sides_of_every_cut_have_nodes() {
        let mut random = Random::new(3);
        for nodes in 2..=5 {
            for _ in 0..100 {
                let cut = Cut::two_sides(&mut random, nodes);
                let inside = (0..nodes).filter(|node| cut.has(*node)).count();
                assert!((1..nodes).contains(&inside), "{cut:?} of {nodes}");
            }
        }
    }
}
