//! Bills that are made by themselves: after a month's close, and when a member has left, the operator's key signs the bills
//! that [`ledger::bill::due`] names. What is on the ledger is no longer due, and the ledger refuses a second bill for a
//! sheet, so that neither a restart nor a second node bills anything twice.

use crate::key_file;
use api::{Event, StatementState};
use ledger::act::{Act, Bill};
use ledger::bill::{self, Due};
use ledger::{Payload, SecretKey, SignedStatement, cbor};
use node::{NodeError, NodeHandle};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use units::{Millis, StatementId};

/// How often is looked although no month closed: for who left, and for what lacked a bill of the utility.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// How often is asked whether a statement is in a block.
const ASK_EVERY: Duration = Duration::from_millis(200);
/// How long is waited for a block; whatever comes later is met by the next look.
const BLOCK_WITHIN: Duration = Duration::from_secs(60);
/// Life of a statement, so that one left over from a stopped node is soon forgotten.
const LIFE: Millis = Millis::from_minutes(60);
/// Bytes of the bills in a statement, which with envelope and signature has at most [`SignedStatement::BYTES_MAX`].
const ACT_BYTES_MAX: usize = 48 << 10;

/// Makes the bills of a node's ledger.
struct Biller {
    node: NodeHandle,
    key: SecretKey,
    due: Due,
}

/// Starts making bills, on a thread that ends with the node.
///
/// # Errors
/// When the node has stopped.
pub(crate) fn start(node: NodeHandle, key: SecretKey, due: Due) -> Result<(), NodeError> {
    let events = node.subscribe()?;
    std::thread::spawn(move || Biller { node, key, due }.run(&events));
    Ok(())
}

impl Biller {
    fn run(&self, events: &Receiver<Event>) {
        while self.node.stopped().is_none() {
            if let Err(error) = self.look() {
                tracing::error!("bills are not made: {error}");
            }
            if !wait(events) {
                return;
            }
        }
    }

    fn look(&self) -> Result<(), NodeError> {
        let due = self.due;
        let bills = self.node.with_state(move |state| bill::due(state, due))?;
        for together in statements_of(bills) {
            match self.submit(&together) {
                // One bill that is refused must not keep the others back.
                Err(NodeError::Refused(_)) => together.iter().for_each(|bill| self.submit_alone(bill)),
                other => other?,
            }
        }
        Ok(())
    }

    fn submit_alone(&self, bill: &Bill) {
        if let Err(error) = self.submit(std::slice::from_ref(bill)) {
            tracing::warn!(account = %bill.account, "the bill is due and is not made: {error}");
        }
    }

    /// Signs and submits a statement, and waits for its block: until then its bills are still due.
    fn submit(&self, bills: &[Bill]) -> Result<(), NodeError> {
        let status = self.node.status()?;
        let nonce = match key_file::random() {
            Ok(nonce) => nonce,
            Err(error) => {
                tracing::error!("bills are not made: {error}");
                return Ok(());
            }
        };
        let acts = bills.iter().map(|bill| Act::Bill(Box::new(bill.clone()))).collect();
        let (issued, expires) = (status.time_ms, Some(status.time_ms + LIFE));
        let payload = Payload { ledger: status.ledger, nonce, issued, expires, acts };
        let statement = match SignedStatement::sign(&payload, &self.key) {
            Ok(statement) => statement,
            Err(error) => {
                tracing::error!("bills are not made: {error}");
                return Ok(());
            }
        };
        self.node.submit(statement.leaf().to_vec())?;
        if self.is_in_a_block(&statement.id())? {
            tracing::info!(statement = %statement.id(), "{} bills are made", bills.len());
        }
        Ok(())
    }

    fn is_in_a_block(&self, id: &StatementId) -> Result<bool, NodeError> {
        let began = Instant::now();
        while began.elapsed() < BLOCK_WITHIN && self.node.stopped().is_none() {
            match self.node.statement(*id) {
                Ok(view) if view.state != StatementState::Pending => return Ok(true),
                // Dropped: somebody else made the same bill meanwhile, or readings came.
                Err(NodeError::NotFound(_)) => return Ok(false),
                other => other?,
            };
            std::thread::sleep(ASK_EVERY);
        }
        Ok(false)
    }
}

/// Until a month has closed or it is time to look again; whether the node goes on.
fn wait(events: &Receiver<Event>) -> bool {
    let until = Instant::now() + LOOK_EVERY;
    loop {
        match events.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(Event::MonthClosed { .. }) | Err(RecvTimeoutError::Timeout) => return true,
            Ok(_) => {}
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}

/// The bills in groups that each fit into a statement.
fn statements_of(bills: Vec<Bill>) -> Vec<Vec<Bill>> {
    let mut groups: Vec<Vec<Bill>> = Vec::new();
    let mut bytes = 0;
    for bill in bills {
        let size = cbor::encode(&bill).len();
        match groups.last_mut() {
            Some(group) if group.len() < Payload::ACTS_MAX && bytes + size <= ACT_BYTES_MAX => {
                bytes += size;
                group.push(bill);
            }
            _ => {
                bytes = size;
                groups.push(vec![bill]);
            }
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use units::{AccountId, Money, Timestamp};

    #[test]
    fn a_statement_has_as_many_bills_as_it_may() {
        let bill = |number: u8| Bill {
            account: AccountId::from_bytes([number; 32]),
            from: Timestamp::from_ms(0),
            until: Timestamp::from_ms(1),
            months: Vec::new(),
            lines: Vec::new(),
            total: Money::ZERO,
            utilities: Vec::new(),
        };
        for (count, sizes) in [(0u8, vec![]), (1, vec![1]), (64, vec![64]), (130, vec![64, 64, 2])] {
            let groups = statements_of((0..count).map(bill).collect());
            assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), sizes);
        }
    }
}
