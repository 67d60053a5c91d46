//! Admission: from submitted bytes to a statement that waits, or to the rule that it breaks.
//!
//! Order of checks: structure, duplicate, signature, meter chain, attachment, rules, room; those that need no state may
//! have been made before ([`Submission`]). What is refused leaves no trace, but for a second statement at one place of a
//! meter's chain, which is kept as evidence.

use super::submission::{Submission, only_readings, readings_in};
use super::{Node, Output, Pooled};
use crate::record::Record;
use api::{Event, StatementState, SubmitAnswer, SubmitState};
use ledger::act::{Act, Readings, Role};
use ledger::attachment::{Attachment, AttachmentError};
use ledger::state::{AccountRecord, ApplyError, Record as StateRecord, RecordKey};
use ledger::{PublicKey, RuleViolation, StatementError, VerifiedStatement};
use units::{AccountId, BindingId, Digest, StatementId, Timestamp};

/// Statements kept as evidence: a defective signer is shown by the first, and must not fill the disk.
pub(super) const EVIDENCE_MAX: u32 = 1_024;

/// Why a submission is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The bytes are no statement, or the signature is wrong.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// Nobody registered the signer's key.
    #[error("signed by {0}, whose key is not registered in this ledger; ask the operator to register it")]
    UnknownSigner(AccountId),
    /// A rule is broken.
    #[error(transparent)]
    Rule(#[from] RuleViolation),
    /// Readings come with their attachment.
    #[error("readings are submitted with their attachment; this statement has none")]
    AttachmentMissing,
    /// Only readings have an attachment.
    #[error("only readings have an attachment, one interval a statement")]
    AttachmentUnexpected,
    /// The attachment does not fit.
    #[error("attachment: {0}")]
    Attachment(#[from] AttachmentError),
    /// Another statement has this place in the meter's chain.
    #[error(
        "number {seq} of this meter's chain is statement {original}; this one is kept as evidence of signing twice"
    )]
    SequenceTaken {
        /// The binding.
        binding: BindingId,
        /// The place.
        seq: u64,
        /// Who has it.
        original: StatementId,
    },
    /// No block can come after the newest one, so nothing can be judged.
    #[error(transparent)]
    NoBlock(ApplyError),
    /// Too much waits.
    #[error("too many statements wait for a block; try again later")]
    PoolFull,
}

impl Refusal {
    /// A short stable name, for JSON and scenarios.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Statement(error) => statement_error_name(error),
            Self::UnknownSigner(_) => "unknown_signer",
            Self::Rule(violation) => violation.name(),
            Self::AttachmentMissing => "attachment_missing",
            Self::AttachmentUnexpected => "attachment_unexpected",
            Self::Attachment(_) => "attachment_differs",
            Self::SequenceTaken { .. } => "sequence_taken",
            Self::NoBlock(ApplyError::Upgrade { .. }) => "upgrade_needed",
            Self::NoBlock(_) => "no_block",
            Self::PoolFull => "pool_full",
        }
    }
}

const fn statement_error_name(error: &StatementError) -> &'static str {
    match error {
        StatementError::TooLarge(_) => "too_large",
        StatementError::UnknownAct(_) => "unknown_act",
        StatementError::WrongAlgorithm | StatementError::Key(_) => "wrong_signature",
        _ => "malformed_statement",
    }
}

impl Node {
    /// Admits a submission, or says why not.
    pub(super) fn submit(
        &mut self,
        now: Timestamp,
        submission: Submission,
        outputs: &mut Vec<Output>,
    ) -> Result<SubmitAnswer, Refusal> {
        if let Some(answer) = self.duplicate(&submission.statement.id()) {
            return Ok(answer);
        }
        let signer = submission.signer();
        if self.pool.revokes(&signer) {
            return Err(RuleViolation::KeyRevoked(signer).into());
        }
        let key = self.key_of(&signer).ok_or(Refusal::UnknownSigner(signer))?;
        let statement = submission.verified(&key)?;
        let Submission { attachment, fits, .. } = submission;
        if let Some(readings) = only_readings(statement.signed())? {
            self.check_sequence(&statement, readings, outputs)?;
        }
        fits?;
        self.try_rules(now, &statement)?;
        let leaf = statement.signed().leaf();
        if !self.pool.has_room_for(leaf.len()) {
            return Err(Refusal::PoolFull);
        }
        let id = statement.id();
        if let Some(bytes) = attachment {
            outputs.push(Output::Store(Record::Attachment { statement: id, bytes }));
        }
        let received = self.pool.newest().map_or(now, |newest| newest.max(now));
        outputs.push(Output::Store(Record::Pooled { received, leaf: leaf.to_vec() }));
        let acts = statement.payload().acts.iter().map(|act| act.name().to_owned()).collect();
        outputs.push(Output::Publish(Event::Accepted { id, acts }));
        self.pool.add(Pooled { received, statement });
        Ok(SubmitAnswer { id, state: SubmitState::Accepted, place: None })
    }

    /// An account's key once what is pooled is in a block: what registers or rotates it counts as soon as it waits.
    #[must_use]
    pub fn key_of(&self, account: &AccountId) -> Option<PublicKey> {
        self.pool.key_of(account, self.state.key_of(account))
    }

    /// Where the same statement stands already.
    fn duplicate(&self, id: &StatementId) -> Option<SubmitAnswer> {
        let state = match self.statement_state(id)? {
            StatementState::Pending => SubmitState::Pending,
            StatementState::Committed => SubmitState::Committed,
            StatementState::Final => SubmitState::Final,
        };
        Some(SubmitAnswer { id: *id, state, place: self.place(id) })
    }

    /// How far a statement has come; `None` for one that this node does not know.
    #[must_use]
    pub fn statement_state(&self, id: &StatementId) -> Option<StatementState> {
        match self.place(id) {
            Some(place) if place.height <= self.final_height() => Some(StatementState::Final),
            Some(_) => Some(StatementState::Committed),
            None => self.pool.contains(id).then_some(StatementState::Pending),
        }
    }

    /// A place in a meter's chain is taken once. Whoever signs a second statement for it has shown himself.
    fn check_sequence(
        &mut self,
        statement: &VerifiedStatement,
        readings: &Readings,
        outputs: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        let (binding, seq) = (readings.binding, readings.seq);
        if self.state.binding(&binding).is_none_or(|record| record.signer != statement.signer()) {
            return Ok(());
        }
        let in_chain = self.chain.at_sequence(&binding, seq);
        let Some(original) = in_chain.or_else(|| self.pool.at_sequence(binding, seq)) else { return Ok(()) };
        self.keep_evidence(original, statement, outputs);
        Err(Refusal::SequenceTaken { binding, seq, original })
    }

    /// Keeps a statement that takes another's place in a meter's chain.
    pub(super) fn keep_evidence(
        &mut self,
        original: StatementId,
        statement: &VerifiedStatement,
        outputs: &mut Vec<Output>,
    ) {
        if self.evidence < EVIDENCE_MAX {
            self.evidence += 1;
            let leaf = statement.signed().leaf().to_vec();
            outputs.push(Output::Store(Record::Evidence { original, leaf }));
        }
    }

    /// Tries a statement on the present state. What something pooled before it may yet put right is let through: it is
    /// tried again when a block is made.
    fn try_rules(&mut self, now: Timestamp, statement: &VerifiedStatement) -> Result<(), Refusal> {
        let time = now.max(self.state.head().time + units::Millis::from_ms(1));
        let Some(proposer) = self.trial_proposer(time) else { return Ok(()) };
        let mut draft = self.state.draft(time, proposer).map_err(|error| match error {
            ApplyError::OutsideCalendar => RuleViolation::OutsideCalendar.into(),
            other => Refusal::NoBlock(other),
        })?;
        let tried = draft.judge(statement);
        draft.cancel();
        match tried {
            Err(violation) if !self.may_apply_later(&violation, statement) => Err(violation.into()),
            _ => Ok(()),
        }
    }

    /// A miner of the time, for drafts that are only tried: this node's own, or any other. The search through all accounts
    /// is for nodes that do not mine.
    pub(super) fn trial_proposer(&self, time: Timestamp) -> Option<AccountId> {
        let mines = |account: &AccountRecord| account.revoked.is_none() && account.has(Role::Miner, time);
        let own = self.config.miner.as_ref().map(ledger::SecretKey::account);
        let genesis = self.config.genesis.miners.iter().map(|miner| miner.key.account());
        let known = own.into_iter().chain(genesis).find(|id| self.state.account(id).is_some_and(mines));
        known.or_else(|| {
            self.state.records().find_map(|(key, record)| match (key, record) {
                (RecordKey::Account(id), StateRecord::Account(account)) if mines(account) => Some(*id),
                _ => None,
            })
        })
    }

    /// Whether a statement that does not apply now may do so after others that wait.
    pub(super) fn may_apply_later(&self, violation: &RuleViolation, statement: &VerifiedStatement) -> bool {
        match violation {
            RuleViolation::WrongSequence { found, expected } if found > expected => {
                readings_in(statement.signed()).all(|readings| self.pool.contains(&readings.previous))
            }
            RuleViolation::IssuedInFuture | RuleViolation::IntervalInFuture => false,
            RuleViolation::WrongKey(_)
            | RuleViolation::RoleNeeded { .. }
            | RuleViolation::MeterParty { .. }
            | RuleViolation::NotAMember(_)
            | RuleViolation::Beneficiary
            | RuleViolation::UnknownBinding(_)
            | RuleViolation::EnergyUsedUp { .. } => self.is_awaited(violation, statement),
            _ => false,
        }
    }

    /// Whether something older in the pool bears on what a statement lacks.
    fn is_awaited(&self, violation: &RuleViolation, statement: &VerifiedStatement) -> bool {
        let own_id = statement.id();
        let mut older = self.pool.iter().take_while(|pooled| pooled.statement.id() != own_id);
        if let RuleViolation::WrongKey(signer) = violation {
            return older.any(|pooled| pooled.statement.signer() == *signer && rotates_to(pooled, statement.key()));
        }
        let mut acts = older.flat_map(|pooled| &pooled.statement.payload().acts);
        match violation {
            RuleViolation::UnknownBinding(_) => acts.any(|act| matches!(act, Act::Register(_))),
            RuleViolation::EnergyUsedUp { account, month, .. } => acts.any(|act| match act {
                Act::Contract(contract) => contract.account == *account && contract.month == *month,
                Act::Transfer(transfer) => transfer.to == *account && transfer.month == *month,
                _ => false,
            }),
            _ => acts.any(|act| matches!(act, Act::Register(_))),
        }
    }
}

/// Whether a pooled statement puts a key with this thumbprint in its signer's key's place.
fn rotates_to(pooled: &Pooled, thumbprint: Digest) -> bool {
    pooled.statement.payload().acts.iter().any(|act| match act {
        Act::Rotate(rotate) => rotate.key.account().as_bytes() == thumbprint.as_bytes(),
        _ => false,
    })
}

pub(super) fn check_attachment(readings: Option<&Readings>, attachment: Option<&[u8]>) -> Result<(), Refusal> {
    match (readings, attachment) {
        (None, None) => Ok(()),
        (None, Some(_)) => Err(Refusal::AttachmentUnexpected),
        // A meter read by eye, or another system's file, has no bytes of the meter's own.
        (Some(readings), None) if readings.source.is_operators() => Ok(()),
        (Some(readings), Some(_)) if readings.source.is_operators() => Err(Refusal::AttachmentUnexpected),
        (Some(_), None) => Err(Refusal::AttachmentMissing),
        (Some(readings), Some(bytes)) => Ok(Attachment::from_bytes(bytes)?.check(readings)?),
    }
}
