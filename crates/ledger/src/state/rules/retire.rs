//! What ends or changes: roles, bindings of meters, keys.

use crate::RuleViolation;
use crate::act::{RetireMeter, RetireRole, Revoke, Role, Rotate};
use crate::state::account::{AccountRecord, KeySpan};
use crate::state::draft::Draft;
use crate::state::{Record, RecordKey};
use units::AccountId;

impl Draft<'_> {
    pub(super) fn retire_role(&mut self, retire: &RetireRole) -> Result<(), RuleViolation> {
        let RetireRole { account, role, at } = *retire;
        if role == Role::Operator {
            return Err(RuleViolation::OperatorStays);
        }
        let mut record = self.known_account(account)?;
        let index = self.log_index();
        let span = record.roles.iter_mut().find(|span| span.role == role && span.until.is_none());
        let span = span.ok_or(RuleViolation::RoleNotHeld { account, role })?;
        if at < span.from || self.state.genesis.month_at(at).is_none() {
            return Err(RuleViolation::RetireTime);
        }
        (span.until, span.retired) = (Some(at), Some(index));
        match role {
            // What a meter still counts must have a sheet to go to.
            Role::Member if record.bindings > 0 => return Err(RuleViolation::MetersBound(account)),
            Role::Miner => self.need_another_miner(account)?,
            _ => {}
        }
        self.put_account(account, record);
        Ok(())
    }

    pub(super) fn retire_meter(&mut self, retire: &RetireMeter) -> Result<(), RuleViolation> {
        let unknown = || RuleViolation::UnknownMeter(retire.meter.clone());
        let (id, binding) = self.state.meter(&retire.meter).ok_or_else(unknown)?;
        let mut binding = binding.clone();
        if let Some(ended) = binding.until.filter(|_| !binding.is_live()) {
            return Err(RuleViolation::BindingEnded(ended));
        }
        if retire.at < binding.head.end || self.state.genesis.month_at(retire.at).is_none() {
            return Err(RuleViolation::RetireTime);
        }
        binding.until = Some(retire.at);
        if !binding.is_live() {
            self.count_ended_binding(binding.member);
        }
        self.put_binding(id, binding);
        Ok(())
    }

    pub(super) fn revoke(&mut self, revoke: &Revoke) -> Result<(), RuleViolation> {
        let mut record = self.known_account(revoke.account)?;
        if self.has(revoke.account, Role::Operator) {
            return Err(RuleViolation::OperatorStays);
        }
        if record.revoked.is_some() {
            return Err(RuleViolation::KeyRevoked(revoke.account));
        }
        if record.keeps(Role::Miner, self.time) {
            self.need_another_miner(revoke.account)?;
        }
        record.revoked = Some(self.log_index());
        self.put_account(revoke.account, record);
        Ok(())
    }

    pub(super) fn rotate(&mut self, rotate: &Rotate, signer: AccountId) -> Result<(), RuleViolation> {
        let mut record = self.known_account(signer)?;
        self.check_key_kind(&rotate.key, record.roles.iter().any(|span| span.role == Role::Miner))?;
        if self.state.user_of_key(&rotate.key).is_some() {
            return Err(RuleViolation::KeyInUse);
        }
        if record.keys.len() >= AccountRecord::KEYS_MAX {
            return Err(RuleViolation::AccountFull(signer));
        }
        let signed = Rotate::to_be_signed(&self.state.ledger, &signer, &rotate.key);
        rotate.key.verify(&signed, &rotate.possession).map_err(|_| RuleViolation::Possession)?;
        record.keys.push(KeySpan { key: rotate.key.clone(), since: self.log_index().saturating_add(1) });
        self.put_account(signer, record);
        self.put(RecordKey::Key(rotate.key.account()), Record::Key(signer));
        Ok(())
    }

    /// One binding less whose chain can still grow.
    pub(in crate::state) fn count_ended_binding(&mut self, member: AccountId) {
        if let Some(mut record) = self.state.account(&member).cloned() {
            record.bindings = record.bindings.saturating_sub(1);
            self.put_account(member, record);
        }
    }

    fn known_account(&self, account: AccountId) -> Result<AccountRecord, RuleViolation> {
        self.state.account(&account).cloned().ok_or(RuleViolation::UnknownAccount(account))
    }

    /// Without a miner no block could ever register one. A search through all accounts, for an act that is rare.
    fn need_another_miner(&self, account: AccountId) -> Result<(), RuleViolation> {
        let first = RecordKey::Account(AccountId::from_bytes([0; 32]));
        let last = RecordKey::Account(AccountId::from_bytes([0xff; 32]));
        let mines = |(key, record): (&RecordKey, &Record)| match (key, record) {
            (RecordKey::Account(id), Record::Account(record)) => {
                *id != account && record.revoked.is_none() && record.keeps(Role::Miner, self.time)
            }
            _ => false,
        };
        if self.state.records.range(first..=last).any(mines) { Ok(()) } else { Err(RuleViolation::LastMiner) }
    }
}
