//! The bill as a file that proves itself.

use super::failure::Failure;
use ledger::act::ActId;
use node::NodeHandle;
use units::{AccountId, Month, StatementId};

/// Address of a bill's bundle.
pub(crate) const PATH: &str = "/api/v1/accounts/{id}/months/{month}/bill.cbor";

/// Address of a claim's bundle.
pub(crate) const CLAIM_PATH: &str = "/api/v1/statements/{id}/acts/{act}/claim.cbor";

/// Address of the bundle of a claim.
pub(crate) fn claim_path(statement: &StatementId, act: u32) -> String {
    CLAIM_PATH.replace("{id}", &statement.to_string()).replace("{act}", &act.to_string())
}

/// The bundle of a claim.
///
/// # Errors
/// When there is no such claim, it is not final yet, or the node cannot answer.
pub(crate) fn of_claim(node: &NodeHandle, claim: ActId) -> Result<Vec<u8>, Failure> {
    Ok(crate::export::claim_bundle(node, claim)?)
}

/// Name under which the bundle is saved; the `verify` command on the page uses it.
pub(crate) fn file_name(account: &AccountId, month: Month) -> String {
    format!("bill-{}-{month}.cbor", account.short())
}

/// The bundle of a bill that the ledger has accepted.
///
/// # Errors
/// When there is no such bill, it is not final yet, or the node cannot answer.
pub(crate) fn of_bill(node: &NodeHandle, account: AccountId, month: Month) -> Result<Vec<u8>, Failure> {
    Ok(crate::export::bill_bundle(node, account, month)?)
}
