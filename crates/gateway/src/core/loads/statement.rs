//! A journal entry as the ledger is told it.
//!
//! A function of the entry and the key alone: an entry that is stated again after a crash gives the same statement, byte
//! by byte, so no switching stands in the ledger twice.

use super::Entry;
use crate::core::Settings;
use crate::core::interval::first_half;
use ledger::act::{Act, Control};
use ledger::{Payload, SecretKey, SignedStatement, StatementError};
use sha2::{Digest as _, Sha256};

/// The signed statement of an entry whose outcome is known. It lives as long as a statement may, for a node that is away.
///
/// # Errors
/// When the ledger has no room for it, which texts of a checked order never cause.
pub(in crate::core) fn control_statement(
    settings: &Settings,
    key: &SecretKey,
    entry: &Entry,
) -> Result<SignedStatement, StatementError> {
    let issued = entry.ended.unwrap_or(entry.time);
    let control = Control {
        meter: entry.meter.clone(),
        time: issued,
        by: entry.by,
        who: entry.who.clone(),
        why: entry.why.clone(),
        before: entry.before,
        after: entry.after,
    };
    let expires = Some(issued + Payload::LIFE_MAX);
    let nonce = nonce(key, entry);
    let payload = Payload { ledger: settings.ledger, nonce, issued, expires, acts: vec![Act::Control(control)] };
    SignedStatement::sign(&payload, key)
}

/// Nobody else can guess it, and it is the same after a crash.
fn nonce(key: &SecretKey, entry: &Entry) -> [u8; 16] {
    let hash = Sha256::new_with_prefix(b"wattproof gateway control").chain_update(key.secret_bytes());
    let hash = hash.chain_update(entry.meter.as_str()).chain_update(entry.number.to_be_bytes());
    first_half(hash.chain_update(entry.time.ms().to_be_bytes()).finalize().into())
}
