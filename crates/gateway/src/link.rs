//! The node as the gateway sees it: take a statement, say how far it is, say where a chain stands.

use crate::core::{Chain, HeadAnswer, NodeAnswer, Place, VoltageSpan};
use crate::transport::HttpTransport;
use api::{Client, ClientError, MeterView, StatementState, SubmitState, Transport};
use ledger::state::ChainHead;
use units::{AccountId, EnergyBalance, MeterId, StatementId};

/// A node, over HTTP or in the same process.
///
/// Contract: every call may block for as long as its own time limit; every call is safe to repeat; what it cannot tell
/// it answers with `Unreachable`, never with a guess.
pub trait NodeLink: Send + Sync + 'static {
    /// Submits a statement in its submission form. `Pending` and `Final` mean that the node has stored it durably.
    fn submit(&self, submission: Vec<u8>) -> NodeAnswer;
    /// How far a statement is.
    fn progress(&self, statement: &StatementId) -> NodeAnswer;
    /// How much of its energy of this month an account has left; `None` when the node does not say.
    fn remaining(&self, account: &AccountId) -> Option<EnergyBalance>;
    /// The voltage limits in force and those to come, in order of time; `None` when the node does not say.
    fn voltage(&self) -> Option<Vec<VoltageSpan>>;
    /// Where a meter's chain stands, if `signer` signs for it.
    fn head(&self, meter: &MeterId, signer: &AccountId) -> HeadAnswer;
}

/// A node over an [`api::Transport`].
#[derive(Debug, Clone)]
pub struct HttpLink<T = HttpTransport> {
    client: Client<T>,
}

impl HttpLink {
    /// To a node's address, such as `http://127.0.0.1:8080`.
    #[must_use]
    pub fn new(base: &str) -> Self {
        Self::over(HttpTransport::new(base))
    }
}

impl<T: Transport> HttpLink<T> {
    /// Over any transport.
    pub const fn over(transport: T) -> Self {
        Self { client: Client::new(transport) }
    }
}

impl<T: Transport + Send + Sync + 'static> NodeLink for HttpLink<T> {
    fn submit(&self, submission: Vec<u8>) -> NodeAnswer {
        match self.client.submit(submission) {
            Ok(answer) => match (answer.state, answer.place) {
                (SubmitState::Final, Some(place)) => NodeAnswer::Final(place_of(place)),
                _ => NodeAnswer::Pending,
            },
            Err(error) => refused(&error),
        }
    }

    fn progress(&self, statement: &StatementId) -> NodeAnswer {
        match self.client.statement(statement) {
            Ok(view) => match (view.state, view.place) {
                (StatementState::Final, Some(place)) => NodeAnswer::Final(place_of(place)),
                _ => NodeAnswer::Pending,
            },
            Err(ClientError::Problem(problem)) if problem.status == 404 => NodeAnswer::Unknown,
            // A question refuses no statement.
            Err(error) => NodeAnswer::Unreachable(error.to_string()),
        }
    }

    fn remaining(&self, account: &AccountId) -> Option<EnergyBalance> {
        let month = self.client.status().ok()?.month?;
        Some(self.client.month(account, month).ok()?.terms.remaining_mwh)
    }

    fn voltage(&self) -> Option<Vec<VoltageSpan>> {
        let limits = self.client.status().ok()?.voltage_limits;
        let span =
            |view: api::VoltageLimitsView| VoltageSpan { from: view.from_ms, min: view.min_mv, max: view.max_mv };
        Some(limits.into_iter().map(span).collect())
    }

    fn head(&self, meter: &MeterId, signer: &AccountId) -> HeadAnswer {
        match self.client.meter(meter) {
            Ok(view) if view.signer == *signer => {
                HeadAnswer::Head { chain: chain_of(&view), is_final: view.head_is_final }
            }
            Ok(view) => {
                HeadAnswer::NotBound(format!("meter {meter} is signed for by {}, not by {signer}", view.signer))
            }
            Err(ClientError::Problem(problem)) if problem.status == 404 => {
                HeadAnswer::NotBound(format!("meter {meter} is not registered on the ledger"))
            }
            Err(error) => HeadAnswer::Unreachable(error.to_string()),
        }
    }
}

/// Only the statement's own faults (4xx) refuse it; a node that is busy, full or restarting is asked again.
fn refused(error: &ClientError) -> NodeAnswer {
    const TIMED_OUT: u16 = 408;
    const TOO_MANY: u16 = 429;
    match error {
        ClientError::Problem(problem)
            if (400..500).contains(&problem.status) && ![TIMED_OUT, TOO_MANY].contains(&problem.status) =>
        {
            NodeAnswer::Refused(error.to_string())
        }
        _ => NodeAnswer::Unreachable(error.to_string()),
    }
}

const fn place_of(place: api::Place) -> Place {
    Place { height: place.height.number(), log_index: place.log_index }
}

/// The chain that a node's answer describes.
#[must_use]
pub const fn chain_of(view: &MeterView) -> Chain {
    let head = &view.head;
    Chain {
        binding: view.binding,
        head: ChainHead {
            next_seq: head.next_seq,
            previous: head.previous,
            end: head.end_ms,
            import: head.import_mwh,
            export: head.export_mwh,
        },
    }
}
