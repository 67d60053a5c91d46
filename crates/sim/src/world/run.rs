//! Runs of a seed, what they are about, and what they come to.

use super::World;
use crate::chaos::Chaos;
use crate::check::Violation;
use crate::community::{Community, NODES_MAX, Shape};
use crate::people::Errand;
use crate::{Random, Sabotage};
use meter::Replay;
use std::fmt;
use std::sync::Arc;
use units::{Energy, Millis, Timestamp};

/// Contracts of planted bugs.
const TENFOLD: Energy = Energy::from_kwh(2_000);
const BEYOND_ALL: Energy = Energy::from_kwh(10_000_000);

/// What a run is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Theme {
    /// Whatever the seed says.
    Everything,
    /// A gateway that loses its power again and again.
    PowerCuts,
    /// The same energy sold on both sides of a partition.
    DoubleSale,
    /// A planted bug.
    Planted(Sabotage),
}

impl Theme {
    pub(super) fn shape(self, random: &mut Random) -> Shape {
        use Sabotage as S;
        let many = |random: &mut Random| {
            let nodes = random.between(2, u64::try_from(NODES_MAX).unwrap_or(2));
            Shape::of_nodes(usize::try_from(nodes).unwrap_or(2))
        };
        match self {
            Self::Everything => Shape::of(random),
            Self::PowerCuts => Shape::SMALLEST,
            Self::DoubleSale | Self::Planted(S::DropSilently | S::ContractTenfold) => {
                Shape { is_scarce: true, ..many(random) }
            }
            Self::Planted(S::SecondLogKey | S::StayCut | S::Impersonate) => many(random),
            Self::Planted(
                S::AnswerBeforeSync
                | S::ReceiptTooEarly
                | S::BookAgain
                | S::ReadOtherBytes
                | S::MisreadBudget
                | S::MisreadContracts
                | S::ContractBeyond
                | S::RollBack,
            ) => Shape::of_nodes(1),
            Self::Planted(_) => Shape::SMALLEST,
        }
    }

    pub(super) fn chaos(self, random: &mut Random, shape: Shape, start: Timestamp) -> Chaos {
        use Sabotage as S;
        match self {
            Self::PowerCuts | Self::Planted(S::AcknowledgeUnsynced | S::TearTransaction) => Chaos::power_cuts(),
            Self::DoubleSale
            | Self::Planted(S::SecondLogKey | S::StayCut | S::DropSilently | S::ContractTenfold | S::Impersonate) => {
                Chaos::parted(random, shape, start)
            }
            Self::Everything | Self::Planted(_) => Chaos::new(random, shape, start),
        }
    }

    pub(super) const fn is_double_sale(self) -> bool {
        matches!(self, Self::DoubleSale | Self::Planted(Sabotage::DropSilently | Sabotage::ContractTenfold))
    }

    /// Planted bugs in what the community agreed on.
    pub(super) const fn adjust(self, community: &mut Community) {
        match self {
            Self::Planted(Sabotage::ContractTenfold) => community.contract = TENFOLD,
            Self::Planted(Sabotage::ContractBeyond) => community.contract = BEYOND_ALL,
            _ => {}
        }
    }

    pub(super) const fn sabotage(self) -> Option<Sabotage> {
        match self {
            Self::Planted(sabotage) => Some(sabotage),
            _ => None,
        }
    }
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Hash of everything that happened.
    pub trace_hash: u64,
    /// Happenings.
    pub steps: u64,
    /// Lines of the trace.
    pub lines: u64,
    /// Nodes and gateways.
    pub size: (usize, usize),
    /// Blocks of the chain, and those that nodes had on the way to it.
    pub blocks: (u64, usize),
    /// Readings that the gateways stored.
    pub readings: usize,
    /// Statements in the chain.
    pub statements: usize,
    /// How often a gateway's power was cut.
    pub power_cuts: u64,
    /// Starts of nodes and of gateways, the first ones counted.
    pub starts: (u64, u64),
    /// How long after the healing all honest nodes were the same for the first time.
    pub agreed_after: Millis,
    /// Of the sales that exclude each other, those that are not booked.
    pub sales_lost: usize,
    /// Hash of the newest block.
    pub head: String,
}

/// A run that found something wrong. Its text names the seed and shows what happened last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The seed, to see it again.
    pub seed: u64,
    /// What was found.
    pub violation: Violation,
    /// The newest lines of the trace.
    pub recent: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {}", self.seed, self.violation)?;
        writeln!(f, "the last {} events (minutes:seconds from the start):", self.recent.len())?;
        self.recent.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl std::error::Error for Failure {}

/// Runs the community of a seed to its end.
///
/// # Errors
/// With what a checker found wrong, and what happened before.
pub fn run(seed: u64, replay: &Arc<Replay>) -> Result<Outcome, Box<Failure>> {
    run_theme(seed, replay, Theme::Everything)
}

/// Runs the community of a seed whose gateway loses its power again and again, and with nothing else in the way.
///
/// # Errors
/// As [`run`].
pub fn run_power_cuts(seed: u64, replay: &Arc<Replay>) -> Result<Outcome, Box<Failure>> {
    run_theme(seed, replay, Theme::PowerCuts)
}

/// Runs the community of a seed that falls apart into two sides, while a member sells the same 110 kWh on both.
///
/// # Errors
/// As [`run`].
pub fn run_double_sale(seed: u64, replay: &Arc<Replay>) -> Result<Outcome, Box<Failure>> {
    run_theme(seed, replay, Theme::DoubleSale)
}

/// Runs the community of a seed with a planted bug, which must be found.
///
/// # Errors
/// As [`run`]; that is what is expected here.
pub fn run_sabotaged(seed: u64, replay: &Arc<Replay>, sabotage: Sabotage) -> Result<Outcome, Box<Failure>> {
    run_theme(seed, replay, Theme::Planted(sabotage))
}

/// What happens in the community of a seed, line by line, and what it comes to.
pub fn trace(seed: u64, replay: &Arc<Replay>) -> (Vec<String>, Result<Outcome, Violation>) {
    match World::new(seed, Arc::clone(replay), Theme::Everything) {
        Ok(mut world) => {
            world.trace.keep_all();
            let outcome = world.live().and_then(|()| world.outcome());
            (world.trace.recent(), outcome)
        }
        Err(violation) => (Vec::new(), Err(violation)),
    }
}

fn run_theme(seed: u64, replay: &Arc<Replay>, theme: Theme) -> Result<Outcome, Box<Failure>> {
    let fail = |violation, recent| Box::new(Failure { seed, violation, recent });
    let mut world = World::new(seed, Arc::clone(replay), theme).map_err(|violation| fail(violation, Vec::new()))?;
    let outcome = world.live().and_then(|()| world.outcome());
    outcome.map_err(|violation| fail(violation, world.trace.recent()))
}

impl World {
    fn outcome(&mut self) -> Result<Outcome, Violation> {
        let head = self.nodes[0].node().map(|node| node.state().head().hash());
        let head = head.ok_or_else(|| Violation::Broken("the first node is down at the end".to_owned()))?;
        let branches = self.auditor.len();
        let chain = self.auditor.chain(&head)?;
        let sales = self.errands.iter().filter(|errand| errand.only.is_some()).filter_map(Errand::id);
        Ok(Outcome {
            trace_hash: self.trace.hash(),
            steps: self.steps,
            lines: self.trace.lines(),
            size: (self.honest, self.gateways.len()),
            blocks: (chain.state.head().height.number(), branches),
            readings: self.gateways.iter().map(|gateway| gateway.stored.len()).sum(),
            statements: chain.committed.len(),
            power_cuts: self.gateways.iter().map(|gateway| gateway.power_cuts).sum(),
            starts: (
                self.nodes.iter().map(|node| node.starts).sum(),
                self.gateways.iter().map(|gateway| gateway.starts).sum(),
            ),
            agreed_after: self.agreed_after.unwrap_or_default(),
            sales_lost: sales.filter(|id| !chain.committed.contains(id)).count(),
            head: head.to_string(),
        })
    }
}
