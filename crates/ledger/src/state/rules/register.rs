//! Roles of keys, and whose a meter is.

use crate::RuleViolation;
use crate::act::{RegisterKey, RegisterMeter, Role};
use crate::state::draft::Draft;
use crate::state::{AccountRecord, BindingRecord, ChainHead, Record, RecordKey, RoleSince};
use units::{BindingId, Energy, MeterId, StatementId};

impl Draft<'_> {
    pub(super) fn register_key(&mut self, register: &RegisterKey) -> Result<(), RuleViolation> {
        let (account, role) = (register.key.account(), register.role);
        register.key.check().map_err(|_| RuleViolation::KeyInvalid)?;
        if register.key.is_weak() && !self.state.genesis.classroom {
            return Err(RuleViolation::WeakKey);
        }
        if role == Role::Miner && !register.key.can_seal() {
            return Err(RuleViolation::MinerKey);
        }
        if role == Role::Operator {
            return Err(RuleViolation::OperatorByGenesis);
        }
        let gains = register.beneficiary.map(|gains| self.has(gains, Role::Member) || self.has(gains, Role::Operator));
        if gains != (role == Role::Miner).then_some(true) {
            return Err(RuleViolation::Beneficiary);
        }
        let new = AccountRecord { key: register.key.clone(), roles: Vec::new(), beneficiary: None };
        let mut record = self.state.account(&account).cloned().unwrap_or(new);
        if record.roles.iter().any(|since| since.role == role) {
            return Err(RuleViolation::AlreadyRegistered { account, role });
        }
        record.roles.push(RoleSince { role, from: register.from });
        record.beneficiary = record.beneficiary.or(register.beneficiary);
        self.put_account(account, record);
        Ok(())
    }

    pub(super) fn register_meter(&mut self, register: &RegisterMeter, id: BindingId) -> Result<(), RuleViolation> {
        let party = |account, role| RuleViolation::MeterParty { meter: register.meter.clone(), account, role };
        if !self.has(register.signer, Role::Gateway) && !self.has(register.signer, Role::Meter) {
            return Err(party(register.signer, Role::Gateway));
        }
        if !self.has(register.member, Role::Member) {
            return Err(party(register.member, Role::Member));
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
        };
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
        present.until = Some(register.from);
        self.put_binding(id, present);
        Ok(counters)
    }
}
