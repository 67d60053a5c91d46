//! How an errand is run: the statement is made, a node is asked, and the answer is acted upon.

use super::{Errand, Progress, Task};
use crate::check::Violation;
use crate::community::Community;
use crate::network::{Answer, Caller, Question};
use crate::world::{Happening, World};
use gateway::core::NodeAnswer;
use ledger::act::{Act, CounterPair, ReadingSource, Readings, Transfer};
use ledger::log::empty_root;
use ledger::{Payload, RuleViolation, SecretKey, SignedStatement, State, bill};
use units::{Energy, Millis, Timestamp};

/// What a display shows when it is read for the first time.
const FIRST_COUNT: Energy = Energy::from_kwh(1_000);
/// Pause before somebody tries an errand again, or looks how far it is.
const ERRAND_PAUSE: Millis = Millis::from_seconds(20);

impl World {
    pub(crate) fn run_errand(&mut self, number: usize) -> Result<(), Violation> {
        let now = self.now;
        let errand = &mut self.errands[number];
        if matches!(errand.progress, Progress::Final | Progress::Refused) {
            return Ok(());
        }
        if errand.statement.is_none() {
            let state = self.nodes[errand.asked].node().map(node::core::Node::state);
            errand.statement = statement(&self.community, errand, number, now, state)?;
            self.remember_readings(number);
        }
        let errand = &mut self.errands[number];
        let question = match &errand.statement {
            Some(statement) if errand.progress == Progress::Taken => Question::Progress(statement.id()),
            Some(statement) => Question::Submit(statement.to_submission(None)),
            None => {
                self.another_node(number);
                self.later(ERRAND_PAUSE, Happening::Errand(number));
                return Ok(());
            }
        };
        let asked = errand.asked;
        self.ask(asked, Caller::Errand(number), question);
        Ok(())
    }

    /// What the operator states, whether or not it is ever booked.
    fn remember_readings(&mut self, number: usize) {
        let errand = &self.errands[number];
        let (Task::Read { household, .. }, Some(statement)) = (&errand.task, &errand.statement) else { return };
        let meter = &self.community.households[*household].meter;
        for act in &statement.payload().acts {
            if let Act::Readings(readings) = act {
                let ends = [(readings.start, readings.import.start), (readings.end, readings.import.end)];
                self.read_by_eye.extend(ends.map(|(time, import)| ((meter.clone(), time), import)));
            }
        }
    }

    pub(crate) fn errand_answered(&mut self, number: usize, answer: Option<Answer>) {
        let errand = &mut self.errands[number];
        match answer {
            Some(Answer::Statement(NodeAnswer::Final(_))) => errand.progress = Progress::Final,
            Some(Answer::Statement(NodeAnswer::Pending)) => errand.progress = Progress::Taken,
            // It was given up, or never came so far: told again, and whoever knows it says so.
            Some(Answer::Statement(NodeAnswer::Unknown)) => errand.progress = Progress::Open,
            Some(Answer::Statement(NodeAnswer::Refused(rule))) => self.refused(number, rule),
            _ => self.another_node(number),
        }
        self.later(ERRAND_PAUSE, Happening::Errand(number));
    }

    /// What the community needs is refused for a reason that passes, such as an open month or a clock that is behind, and
    /// tried again; a bill is computed anew, because what it is of may have changed. Trades are given up.
    fn refused(&mut self, number: usize, rule: String) {
        let errand = &mut self.errands[number];
        let is_bill = matches!(errand.task, Task::Bill(_));
        // Another one of the same span is booked: one that somebody thought lost.
        let is_done = is_bill && rule == RuleViolation::BillOverlaps.name();
        errand.progress = if errand.is_needed() && !is_done { Progress::Open } else { Progress::Refused };
        let id = errand.id();
        if is_bill {
            errand.statement = None;
        }
        if let Some(id) = id {
            self.tell(id, rule);
        }
        self.another_node(number);
    }

    fn another_node(&mut self, number: usize) {
        let nodes = u64::try_from(self.honest).unwrap_or(1);
        let any = usize::try_from(self.random.below(nodes)).unwrap_or_default();
        let errand = &mut self.errands[number];
        errand.asked = errand.only.unwrap_or(any);
    }
}

/// The statement of an errand, made now; `None` when the state does not allow it yet.
fn statement(
    community: &Community,
    errand: &Errand,
    number: usize,
    now: Timestamp,
    state: Option<&State>,
) -> Result<Option<SignedStatement>, Violation> {
    let (acts, signer): (Vec<Act>, &SecretKey) = match &errand.task {
        Task::Found => (community.founding_acts(), &community.operator),
        Task::Contract(month) => (community.contracts(*month), &community.operator),
        Task::Register(role) => (vec![community.registration(number, *role)], &community.operator),
        Task::Trade { from, to, energy } => {
            let to = to.map_or(community.operator.account(), |to| community.households[to].account());
            let Some(month) = community.genesis.month_at(now) else { return Ok(None) };
            let act = Act::Transfer(Transfer { to, energy: *energy, month });
            (vec![act], &community.households[*from].key)
        }
        Task::Read { household, counted } => {
            let readings = state.and_then(|state| read(community, *household, *counted, now, state));
            let Some(readings) = readings else { return Ok(None) };
            (vec![Act::Readings(Box::new(readings))], &community.operator)
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
    // What the community needs is not made a second time, so it lives as long as the run.
    let life = if errand.is_needed() { 600 } else { 60 };
    let expires = Some(now + Millis::from_minutes(life));
    let payload = Payload { ledger: community.genesis.ledger(), nonce, issued: now, expires, acts };
    match SignedStatement::sign(&payload, signer) {
        Ok(statement) => Ok(Some(statement)),
        Err(error) => Err(Violation::Broken(format!("a statement cannot be made: {error}"))),
    }
}

/// A reading by eye, from where the meter's chain ends by what a node says.
fn read(community: &Community, household: usize, counted: Energy, now: Timestamp, state: &State) -> Option<Readings> {
    let (binding, record) = state.meter(&community.households[household].meter)?;
    let head = &record.head;
    let start = head.import.unwrap_or(FIRST_COUNT);
    let end = if head.import.is_some() { Energy::from_mwh(start.mwh() + counted.mwh()) } else { start };
    Some(Readings {
        binding,
        seq: head.next_seq,
        previous: head.previous,
        start: head.end,
        end: now,
        import: CounterPair { start, end },
        export: None,
        count: 0,
        voltage: None,
        peak_current: None,
        peak_power: None,
        broken: None,
        events: Vec::new(),
        estimated: false,
        columns: empty_root(),
        frames: empty_root(),
        source: ReadingSource::ByHand,
        wraps_at: None,
    })
}
