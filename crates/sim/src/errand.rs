//! What people do: the operator founds, contracts and bills, members trade within and beyond what they have.

use crate::Random;
use crate::check::Violation;
use crate::community::{Community, MONTH_END};
use ledger::act::{Act, Transfer};
use ledger::{Payload, SecretKey, SignedStatement, State, bill};
use units::{Energy, Millis, Month, StatementId, Timestamp};

/// More than anybody has.
const BEYOND: Energy = Energy::from_kwh(100_000);
/// Trades of a run.
const TRADES_MAX: u64 = 14;

/// What is to be done.
#[derive(Debug, Clone)]
pub(crate) enum Task {
    /// The operator registers everybody and contracts the month.
    Found,
    /// The operator contracts a month.
    Contract(Month),
    /// A member gives energy to another household, or to the operator.
    Trade { from: usize, to: Option<usize>, energy: Energy },
    /// The operator bills a household for the month that ended.
    Bill(usize),
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    Open,
    /// The node took it.
    Taken,
    /// The node refused it, and it is not tried again.
    Refused,
}

/// One errand.
#[derive(Debug)]
pub(crate) struct Errand {
    pub(crate) at: Timestamp,
    pub(crate) task: Task,
    pub(crate) statement: Option<SignedStatement>,
    pub(crate) progress: Progress,
}

impl Errand {
    fn new(at: Timestamp, task: Task) -> Self {
        Self { at, task, statement: None, progress: Progress::Open }
    }

    /// Whether the community cannot do without it: tried until it is taken.
    pub(crate) const fn is_needed(&self) -> bool {
        !matches!(self.task, Task::Trade { .. })
    }

    /// Whether it must never be booked.
    pub(crate) fn is_forbidden(&self) -> bool {
        matches!(self.task, Task::Trade { energy, .. } if energy >= BEYOND)
    }

    pub(crate) fn id(&self) -> Option<StatementId> {
        self.statement.as_ref().map(SignedStatement::id)
    }
}

/// The errands of a run, in no particular order.
pub(crate) fn errands(random: &mut Random, community: &Community, until: Timestamp) -> Vec<Errand> {
    let start = community.start;
    let mut errands = vec![
        Errand::new(start, Task::Found),
        Errand::new(start + Millis::from_minutes(2), Task::Contract(community.genesis.first_month.plus(1))),
    ];
    let members = u64::try_from(community.households.len()).unwrap_or(1);
    let somebody = |random: &mut Random| usize::try_from(random.below(members)).unwrap_or_default();
    for _ in 0..random.below(TRADES_MAX) {
        let at = start + Millis::from_ms(random.below(until.since(start).ms()));
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
    let closed = MONTH_END + community.genesis.close_after;
    let bills = (0..community.households.len()).map(|household| Errand::new(closed, Task::Bill(household)));
    errands.extend(bills);
    errands
}

/// The statement of an errand, made now; `None` when the state does not allow it yet.
pub(crate) fn statement(
    community: &Community,
    errand: &Errand,
    number: usize,
    now: Timestamp,
    state: Option<&State>,
) -> Result<Option<SignedStatement>, Violation> {
    let (acts, signer): (Vec<Act>, &SecretKey) = match &errand.task {
        Task::Found => (community.founding_acts(), &community.operator),
        Task::Contract(month) => (community.contracts(*month), &community.operator),
        Task::Trade { from, to, energy } => {
            let to = to.map_or(community.operator.account(), |to| community.households[to].account());
            let Some(month) = community.genesis.month_at(now) else { return Ok(None) };
            let act = Act::Transfer(Transfer { to, energy: *energy, month });
            (vec![act], &community.households[*from].key)
        }
        Task::Bill(household) => {
            let account = community.households[*household].account();
            let Some((from, until)) = community.genesis.month_span(community.genesis.first_month) else {
                return Ok(None);
            };
            let computed = state.map(|state| bill::of_state(state, account, from, until));
            let Some(Ok(computed)) = computed else { return Ok(None) };
            (vec![Act::Bill(Box::new(computed))], &community.operator)
        }
    };
    let mut nonce = [0; 16];
    nonce[..8].copy_from_slice(&u64::try_from(number).unwrap_or_default().to_be_bytes());
    nonce[8..].copy_from_slice(&now.ms().to_be_bytes());
    let expires = Some(now + Millis::from_minutes(60));
    let payload = Payload { ledger: community.genesis.ledger(), nonce, issued: now, expires, acts };
    match SignedStatement::sign(&payload, signer) {
        Ok(statement) => Ok(Some(statement)),
        Err(error) => Err(Violation::Broken(format!("a statement cannot be made: {error}"))),
    }
}
