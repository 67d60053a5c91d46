//! Submissions: what can be known of one without the node, so that many are looked at while the node orders others.

use super::Refusal;
use super::admit::check_attachment;
use ledger::act::{Act, Readings};
use ledger::{PublicKey, SignedStatement, StatementError, VerifiedStatement};
use units::{AccountId, Digest};

/// A statement as it was submitted, looked at as far as that needs no state. Nothing here is believed before the node
/// has compared the key with the signer's present one.
#[derive(Debug, Clone)]
pub struct Submission {
    pub(super) statement: SignedStatement,
    pub(super) attachment: Option<Vec<u8>>,
    /// Whether the attachment is there when it must be, and fits.
    pub(super) fits: Result<(), Refusal>,
    verdict: Option<Verdict>,
}

/// What a signature check came to, with which key.
#[derive(Debug, Clone)]
struct Verdict {
    key: Digest,
    outcome: Result<VerifiedStatement, StatementError>,
}

impl Submission {
    /// Reads a submission form, compares its attachment, and checks the signature if `key_of` has a key: a guess at the
    /// signer's present one.
    ///
    /// # Errors
    /// When the bytes are no statement.
    pub fn read(bytes: &[u8], key_of: &dyn Fn(&AccountId) -> Option<PublicKey>) -> Result<Self, Refusal> {
        let (statement, attachment) = SignedStatement::from_submission(bytes)?;
        let verdict = key_of(&statement.signer()).map(|key| Verdict::of(&statement, &key));
        let readings = only_readings(&statement);
        let fits = readings.and_then(|readings| check_attachment(readings, attachment.as_deref()));
        Ok(Self { statement, attachment, fits, verdict })
    }

    /// Who claims to have signed.
    #[must_use]
    pub fn signer(&self) -> AccountId {
        self.statement.signer()
    }

    /// Thumbprint of the key that the signature was checked with.
    #[must_use]
    pub fn checked_with(&self) -> Option<Digest> {
        self.verdict.as_ref().map(|verdict| verdict.key)
    }

    /// The verdict with the signer's present key; looked at again if another key was guessed.
    pub(super) fn verified(&self, present: &PublicKey) -> Result<VerifiedStatement, StatementError> {
        let key = Digest::from_bytes(*present.account().as_bytes());
        match &self.verdict {
            Some(verdict) if verdict.key == key => verdict.outcome.clone(),
            _ => self.statement.clone().verify(present),
        }
    }
}

impl Verdict {
    fn of(statement: &SignedStatement, key: &PublicKey) -> Self {
        let outcome = statement.clone().verify(key);
        Self { key: Digest::from_bytes(*key.account().as_bytes()), outcome }
    }
}

/// The one interval of a statement; one attachment speaks for one.
pub(super) fn only_readings(statement: &SignedStatement) -> Result<Option<&Readings>, Refusal> {
    let mut all = readings_in(statement);
    match (all.next(), all.next()) {
        (first, None) => Ok(first),
        (_, Some(_)) => Err(Refusal::AttachmentUnexpected),
    }
}

/// The intervals in a statement.
pub(super) fn readings_in(statement: &SignedStatement) -> impl Iterator<Item = &Readings> {
    statement.payload().acts.iter().filter_map(|act| match act {
        Act::Readings(readings) => Some(readings.as_ref()),
        _ => None,
    })
}
