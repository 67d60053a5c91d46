//! Roles of keys, and whose a meter is.

use crate::act::{RegisterKey, RegisterMeter, Role};
use crate::state::draft::Draft;
use crate::state::{AccountRecord, BindingRecord, ChainHead, Record, RecordKey, RoleSpan};
use crate::{PublicKey, RuleViolation, bill};
use units::{AccountId, BindingId, Energy, MeterId, StatementId};

impl Draft<'_> {
    pub(super) fn register_key(&mut self, register: &RegisterKey) -> Result<(), RuleViolation> {
        let (account, role) = (register.key.account(), register.role);
        self.check_key_kind(&register.key, role == Role::Miner)?;
        if role == Role::Operator {
            return Err(RuleViolation::OperatorByGenesis);
        }
        let gains = register.beneficiary.map(|gains| self.has(gains, Role::Member) || self.has(gains, Role::Operator));
        if gains != (role == Role::Miner).then_some(true) {
            return Err(RuleViolation::Beneficiary);
        }
        // A later key of one account is not the first of another.
        if self.state.user_of_key(&register.key).is_some_and(|user| user != account) {
            return Err(RuleViolation::KeyInUse);
        }
        let registered = self.log_index();
        let new = || AccountRecord::new(register.key.clone(), registered.saturating_add(1));
        let mut record = self.state.account(&account).cloned().unwrap_or_else(new);
        if record.revoked.is_some() {
            return Err(RuleViolation::KeyRevoked(account));
        }
        let goes_on = |span: &RoleSpan| span.role == role && span.until.is_none_or(|until| until > register.from);
        if record.roles.iter().any(goes_on) {
            return Err(RuleViolation::AlreadyRegistered { account, role });
        }
        // What has been billed as final must not move again.
        if role == Role::Member && bill::has_bill_of_open_month(self.state, account) {
            return Err(RuleViolation::SheetBilled { account, month: self.state.first_open });
        }
        if record.roles.len() >= AccountRecord::ROLES_MAX {
            return Err(RuleViolation::AccountFull(account));
        }
        // The key that seals may have been rotated since.
        if let Some(present) = record.key().filter(|_| role == Role::Miner) {
            self.check_key_kind(present, true)?;
        }
        record.roles.push(RoleSpan { role, from: register.from, registered, until: None, retired: None });
        record.beneficiary = register.beneficiary.or(record.beneficiary);
        self.put_account(account, record);
        Ok(())
    }

    /// A usable key, strong enough for this ledger, and for a miner one whose signature is a seal.
    pub(super) fn check_key_kind(&self, key: &PublicKey, is_miners: bool) -> Result<(), RuleViolation> {
        key.check().map_err(|_| RuleViolation::KeyInvalid)?;
        if key.is_weak() && !self.state.genesis.classroom {
            return Err(RuleViolation::WeakKey);
        }
        if is_miners && !key.can_seal() {
            return Err(RuleViolation::MinerKey);
        }
        Ok(())
    }

    pub(super) fn register_meter(&mut self, register: &RegisterMeter, id: BindingId) -> Result<(), RuleViolation> {
        let party = |account, role| RuleViolation::MeterParty { meter: register.meter.clone(), account, role };
        if !self.has(register.signer, Role::Gateway) && !self.has(register.signer, Role::Meter) {
            return Err(party(register.signer, Role::Gateway));
        }
        // A main meter is the operator's; a member who is about to leave gets no meter any more.
        let role = if register.main { Role::Operator } else { Role::Member };
        if !self.state.account(&register.member).is_some_and(|record| record.keeps(role, self.time)) {
            return Err(party(register.member, role));
        }
        let name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let length = 1..=MeterId::LENGTH_MAX;
        if register.factor == 0 || !length.contains(&register.profile.len()) || !register.profile.bytes().all(name) {
            return Err(RuleViolation::MeterDescription);
        }
        if self.state.genesis.month_at(register.from).is_none() {
            return Err(RuleViolation::OutsideCalendar);
        }
        let (import, export) = self.end_binding(register)?;
        let head = ChainHead {
            next_seq: 0,
            previous: StatementId::from_bytes(*id.as_bytes()),
            end: register.from,
            import,
            export,
        };
        let binding = BindingRecord {
            meter: register.meter.clone(),
            signer: register.signer,
            member: register.member,
            from: register.from,
            until: None,
            profile: register.profile.clone(),
            factor: register.factor,
            head,
            main: register.main,
        };
        self.count_new_binding(register.member)?;
        self.put_binding(id, binding);
        self.put(RecordKey::Meter(register.meter.clone()), Record::Meter(id));
        Ok(())
    }

    /// Ends the meter's present binding, if there is one, and hands its counters on: no energy between two bindings
    /// goes unbooked.
    fn end_binding(&mut self, register: &RegisterMeter) -> Result<(Option<Energy>, Option<Energy>), RuleViolation> {
        let Some((id, present)) = self.state.meter(&register.meter) else { return Ok((None, None)) };
        let mut present = present.clone();
        if present.head.end != register.from {
            return Err(RuleViolation::BindingNotAtHead { meter: register.meter.clone(), head: present.head.end });
        }
        let counters = (present.head.import, present.head.export);
        if present.is_live() {
            self.count_ended_binding(present.member);
        }
        present.until = Some(register.from);
        self.put_binding(id, present);
        Ok(counters)
    }

    fn count_new_binding(&mut self, member: AccountId) -> Result<(), RuleViolation> {
        let mut record = self.state.account(&member).cloned().ok_or(RuleViolation::UnknownAccount(member))?;
        record.bindings = record.bindings.checked_add(1).ok_or(RuleViolation::AccountFull(member))?;
        self.put_account(member, record);
        Ok(())
    }
}
