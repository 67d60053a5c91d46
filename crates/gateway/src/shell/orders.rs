//! Orders on their way into the loop, and their answers back to whoever gave them.

use crate::core::{Input, Order, Refusal, Reset};
use std::collections::BTreeMap;
use tokio::sync::{mpsc, oneshot};

/// Orders that wait for the loop: more than people give at once; one more waits at its sender.
pub(super) const ORDERS_MAX: usize = 64;

/// Why an order has no number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// It is refused; nothing was sent.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The gateway was stopped; whether it took the order, its journal says.
    #[error("the gateway stops; look into its journal when it runs again")]
    Stopped,
}

/// What somebody asks.
#[derive(Debug)]
pub(super) enum Asked {
    Switch(Order),
    Reset(Reset),
}

/// With the way back.
pub(super) type Request = (Asked, oneshot::Sender<Result<u64, Refusal>>);

/// Sends one and waits for its number.
pub(super) async fn ask(orders: &mpsc::Sender<Request>, asked: Asked) -> Result<u64, OrderError> {
    let (answer_to, answer) = oneshot::channel();
    orders.send((asked, answer_to)).await.map_err(|_| OrderError::Stopped)?;
    Ok(answer.await.map_err(|_| OrderError::Stopped)??)
}

/// Who waits for which answer.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    next: u64,
    tickets: BTreeMap<u64, oneshot::Sender<Result<u64, Refusal>>>,
}

impl Waiting {
    pub(super) fn input(&mut self, (asked, answer_to): Request) -> Input {
        self.next = self.next.wrapping_add(1);
        let ticket = self.next;
        self.tickets.insert(ticket, answer_to);
        match asked {
            Asked::Switch(order) => Input::Order { ticket, order },
            Asked::Reset(reset) => Input::Reset { ticket, reset },
        }
    }

    pub(super) fn answer(&mut self, ticket: u64, answer: Result<u64, Refusal>) {
        if let Some(answer_to) = self.tickets.remove(&ticket) {
            // Whoever does not wait any more finds it in the journal.
            let _left = answer_to.send(answer);
        }
    }
}
