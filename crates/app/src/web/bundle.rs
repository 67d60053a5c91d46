//! The bill as a file that proves itself.

use super::failure::Failure;
use node::NodeHandle;
use units::{AccountId, Month};

/// Address of a bill's bundle.
pub(crate) const PATH: &str = "/api/v1/accounts/{id}/months/{month}/bill.cbor";

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
