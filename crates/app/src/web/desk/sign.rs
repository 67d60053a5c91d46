//! Signing with the operator's key where it lies on this computer. The key is read for one statement and forgotten; a
//! passphrase comes with the form each time and is kept nowhere.

use super::Desk;
use super::forms::Plan;
use crate::key_file::{self, KeyFileError, Passphrase};
use crate::web::failure::{Failure, optional};
use api::Status;
use ledger::act::Act;
use ledger::{Payload, SecretKey, SignedStatement};
use node::NodeHandle;
use std::path::Path;
use units::{AccountId, Millis, StatementId, Timestamp};

/// How long the ledger may take to book it: a node without a miner at hand for a day.
const LIFE: Millis = Millis::from_minutes(24 * 60);

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub(super) enum SignError {
    /// There is no key here.
    #[error("the operator's key does not lie on this computer")]
    NoKey,
    /// The key needs a passphrase, and this is not it.
    #[error("the passphrase does not open the operator's key")]
    Passphrase,
    /// The key is another one's.
    #[error("keys/operator.key is not the key of this ledger's operator")]
    NotTheOperators,
    /// The key cannot be read, or a member's not be written.
    #[error("{0}")]
    Key(String),
    /// The statement is too large.
    #[error("{0}; state less at once")]
    Statement(String),
    /// The ledger refuses, or the node does not answer.
    #[error("{}", .0.0.detail)]
    Refused(Failure),
}

impl From<Failure> for SignError {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure)
    }
}

impl From<KeyFileError> for SignError {
    fn from(error: KeyFileError) -> Self {
        match error {
            KeyFileError::Encryption { .. } | KeyFileError::PassphraseEmpty => Self::Passphrase,
            other => Self::Key(other.to_string()),
        }
    }
}

/// What makes a statement this one: the form carries it, so that a form sent twice is booked once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// Random.
    pub(super) nonce: [u8; 16],
    /// When the check was shown, by the node's clock.
    pub(super) issued: Timestamp,
}

impl Desk {
    /// Whether the key asks for a passphrase; `None` where there is no key.
    pub(super) fn needs_passphrase(&self) -> Option<bool> {
        self.operator_key().map(|path| key_file::needs_passphrase(path).unwrap_or(true))
    }

    /// Signs what was planned, and submits it: on return it is in the pool.
    pub(super) fn sign_and_submit(
        &self,
        node: &NodeHandle,
        plan: &Plan,
        mark: Mark,
        passphrase: &Passphrase,
    ) -> Result<StatementId, SignError> {
        let status = node.status().map_err(Failure::from)?;
        let (key, signer) = self.operator(node, &status, passphrase)?;
        if let Some(made) = &plan.made {
            self.keep(&made.file, &made.key, passphrase)?;
        }
        let statement = signed(&status, (&key, signer), mark, plan.acts.clone())?;
        node.submit(statement.to_submission(None)).map_err(Failure::from)?;
        self.remember(mark.nonce, statement.id());
        Ok(statement.id())
    }

    fn operator(
        &self,
        node: &NodeHandle,
        status: &Status,
        passphrase: &Passphrase,
    ) -> Result<(SecretKey, AccountId), SignError> {
        let path = self.operator_key().ok_or(SignError::NoKey)?;
        let key = key_file::read_typed(path, passphrase)?;
        // After a rotation the account is not the key's own thumbprint.
        let account = optional(node.account(key.public().account()))?.map(|view| view.id);
        match account {
            Some(account) if account == status.operator => Ok((key, account)),
            _ => Err(SignError::NotTheOperators),
        }
    }

    /// Keeps a member's new key, under the operator's passphrase where there is one.
    fn keep(&self, file: &str, key: &SecretKey, passphrase: &Passphrase) -> Result<(), SignError> {
        std::fs::create_dir_all(&self.member_keys)
            .map_err(|error| SignError::Key(format!("{}: {error}", self.member_keys.display())))?;
        let passphrase = Some(passphrase).filter(|_| self.needs_passphrase() == Some(true));
        Ok(key_file::create(&self.member_keys.join(file), key, passphrase)?)
    }

    /// A member's key that an earlier attempt of the same form has made.
    pub(super) fn kept(&self, file: &str, passphrase: &Passphrase) -> Option<SecretKey> {
        let path = self.member_keys.join(file);
        Some(path.as_path())
            .filter(|path| path.is_file())
            .and_then(|path: &Path| key_file::read_typed(path, passphrase).ok())
    }
}

fn signed(
    status: &Status,
    (key, signer): (&SecretKey, AccountId),
    Mark { nonce, issued }: Mark,
    acts: Vec<Act>,
) -> Result<SignedStatement, SignError> {
    let payload = Payload { ledger: status.ledger, nonce, issued, expires: Some(issued + LIFE), acts };
    SignedStatement::sign_for(signer, &payload, key).map_err(|error| SignError::Statement(error.to_string()))
}
