//! What gateways and people ask a node, and what it answers.

use crate::Sabotage;
use crate::check::{Violation, promises};
use crate::network::{Answer, CallId, Caller, Question, TIMEOUT};
use crate::world::{Happening, World};
use api::{StatementState, SubmitAnswer, SubmitState};
use gateway::core::{Chain, HeadAnswer, NodeAnswer, Place};
use ledger::state::RecordKey;
use node::core::{Input, Node, Refusal, ReplyId};
use units::{AccountId, Height, MeterId, StatementId};

impl World {
    /// A question arrives. Nothing is answered that is not durable.
    pub(crate) fn question(&mut self, number: usize, call: CallId, question: Question) -> Result<(), Violation> {
        if let Question::Submit(bytes) = question {
            return self.node_input(number, Input::Submit { bytes, reply: ReplyId(call.0) });
        }
        self.flush_node(number)?;
        let Some(node) = self.nodes[number].node() else { return Ok(()) };
        let answer = match &question {
            Question::Progress(id) => {
                let early = self.sabotage == Some(Sabotage::ReceiptTooEarly);
                let answer = progress(node, id, early);
                if let NodeAnswer::Final(place) = answer {
                    self.check_told(*id, place)?;
                }
                Answer::Statement(answer)
            }
            Question::Head(meter) => Answer::Head(self.head(node, meter)),
            Question::Submit(_) => return Ok(()),
        };
        self.answer(number, call, answer)
    }

    fn head(&self, node: &Node, meter: &MeterId) -> HeadAnswer {
        let household = self.community.households.iter().find(|household| household.meter == *meter);
        let signer = household.and_then(|household| self.community.gateways.get(household.gateway));
        head(node, meter, signer.map(ledger::SecretKey::account))
    }

    /// Whoever hears that a statement is final may rely on it.
    pub(super) fn check_told(&self, statement: StatementId, place: Place) -> Result<(), Violation> {
        let block = self.said.finals.get(&Height::from_number(place.height));
        let found = block.and_then(|hash| self.auditor.log_index(hash, &statement));
        promises::told_final_is_final(statement, place.log_index, found)
    }

    pub(super) fn answer(&mut self, number: usize, call: CallId, answer: Answer) -> Result<(), Violation> {
        if self.nodes[number].running.is_none() {
            return Ok(());
        }
        let Some(delay) = self.message_delay() else { return Ok(()) };
        self.later(delay, Happening::Answer { call, answer });
        Ok(())
    }

    /// Asks a node; the caller hears of the answer, or of the time-out.
    pub(crate) fn ask(&mut self, node: usize, caller: Caller, question: Question) {
        let call = CallId(self.next_call);
        self.next_call += 1;
        let swallowed = self.sabotage == Some(Sabotage::SwallowDeliveries)
            && matches!((&caller, &question), (Caller::Gateway { .. }, Question::Submit(_)));
        self.calls.insert(call, caller);
        self.later(TIMEOUT, Happening::TimeOut { call });
        let copies = if self.random.chance(self.chaos.message_repeated) { 2 } else { 1 };
        for _ in 0..if swallowed { 0 } else { copies } {
            if let Some(delay) = self.message_delay() {
                self.later(delay, Happening::Question { node, call, question: question.clone() });
            }
        }
    }
}

/// As the HTTP interface answers, and as the gateway's link reads it.
pub(super) fn node_answer(answer: Result<SubmitAnswer, Refusal>) -> NodeAnswer {
    match answer {
        Ok(SubmitAnswer { state: SubmitState::Final, place: Some(place), .. }) => NodeAnswer::Final(of(place)),
        Ok(_) => NodeAnswer::Pending,
        Err(Refusal::PoolFull) => NodeAnswer::Unreachable("too much waits".to_owned()),
        Err(refusal) => NodeAnswer::Refused(refusal.name().to_owned()),
    }
}

const fn of(place: api::Place) -> Place {
    Place { height: place.height.number(), log_index: place.log_index }
}

/// How far a statement is; `early` is a planted bug that says of any block's that it is final.
fn progress(node: &Node, id: &StatementId, early: bool) -> NodeAnswer {
    match (node.statement_state(id), node.place(id)) {
        (Some(StatementState::Final), Some(place)) => NodeAnswer::Final(of(place)),
        (Some(StatementState::Committed), Some(place)) if early => NodeAnswer::Final(of(place)),
        (Some(_), _) => NodeAnswer::Pending,
        (None, _) => NodeAnswer::Unknown,
    }
}

fn head(node: &Node, meter: &MeterId, signer: Option<AccountId>) -> HeadAnswer {
    match node.state().meter(meter) {
        Some((binding, record)) if Some(record.signer) == signer => {
            let is_final = node.is_final(&RecordKey::Binding(binding));
            HeadAnswer::Head { chain: Chain { binding, head: record.head.clone() }, is_final }
        }
        _ => HeadAnswer::NotBound("not registered with this key".to_owned()),
    }
}
