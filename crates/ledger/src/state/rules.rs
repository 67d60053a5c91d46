//! One function a kind of act: its rules, then its bookings. The intervals of meters have a room of their own.

use super::draft::{Draft, Posting};
use super::{AccountRecord, BillRecord, BindingRecord, ChainHead, Entry, Record, RecordKey, RoleSince, TariffRecord};
use crate::act::{Act, Bill, Contract, Note, Register, RegisterKey, RegisterMeter, Role, Tariff, Transfer};
use crate::{RuleViolation, VerifiedStatement, bill, cbor};
use sha2::{Digest as _, Sha256};
use units::{AccountId, BindingId, Energy, MeterId, Money, Month, StatementId};

/// The id of the binding that a `register` act makes: SHA-256 over a fixed prefix, the statement's id and the act's
/// place in it.
#[must_use]
pub(crate) fn binding_id(statement: StatementId, act: u32) -> BindingId {
    let bytes = [b"wattproof binding\0".as_slice(), statement.as_bytes(), &act.to_be_bytes()].concat();
    BindingId::from_bytes(Sha256::digest(bytes).into())
}

impl Draft<'_> {
    /// Checks and books one act.
    pub(super) fn book_act(
        &mut self,
        statement: &VerifiedStatement,
        index: u32,
        act: &Act,
    ) -> Result<(), RuleViolation> {
        let signer = statement.signer();
        let entry = Entry::Act(statement.id(), index);
        match act {
            Act::Register(Register::Key(register)) => {
                self.need(signer, Role::Operator, act)?;
                self.register_key(register)
            }
            Act::Register(Register::Meter(register)) => {
                self.need(signer, Role::Operator, act)?;
                self.register_meter(register, binding_id(statement.id(), index))
            }
            Act::Contract(contract) => {
                self.need(signer, Role::Operator, act)?;
                self.contract(contract, entry)
            }
            Act::Readings(readings) => self.readings(readings, signer, statement.id(), entry),
            Act::Note(note) => {
                self.need(signer, Role::Member, act)?;
                check_note(note)
            }
            Act::Transfer(transfer) => self.transfer(transfer, signer, entry),
            Act::Tariff(tariff) => {
                self.need(signer, Role::Operator, act)?;
                self.tariff(tariff, statement.id())
            }
            Act::Bill(bill) => self.bill(bill, signer, statement.id()),
        }
    }

    fn has(&self, account: AccountId, role: Role) -> bool {
        self.state.account(&account).is_some_and(|record| record.has(role, self.time))
    }

    fn need(&self, account: AccountId, role: Role, act: &Act) -> Result<(), RuleViolation> {
        if self.has(account, role) {
            return Ok(());
        }
        Err(RuleViolation::RoleNeeded { account, role, act: act.name() })
    }

    /// The month must be in the calendar and not closed.
    pub(super) fn need_open(&self, month: Month) -> Result<(), RuleViolation> {
        if self.state.genesis.month_span(month).is_none() {
            return Err(RuleViolation::OutsideCalendar);
        }
        if month < self.state.first_open { Err(RuleViolation::MonthClosed(month)) } else { Ok(()) }
    }

    fn register_key(&mut self, register: &RegisterKey) -> Result<(), RuleViolation> {
        let (account, role) = (register.key.account(), register.role);
        register.key.check().map_err(|_| RuleViolation::KeyInvalid)?;
        if role == Role::Operator {
            return Err(RuleViolation::OperatorByGenesis);
        }
        let gains = register.beneficiary.map(|gains| self.has(gains, Role::Member) || self.has(gains, Role::Operator));
        if gains != (role == Role::Miner).then_some(true) {
            return Err(RuleViolation::Beneficiary);
        }
        let new = AccountRecord { key: register.key, roles: Vec::new(), beneficiary: None };
        let mut record = self.state.account(&account).cloned().unwrap_or(new);
        if record.roles.iter().any(|since| since.role == role) {
            return Err(RuleViolation::AlreadyRegistered { account, role });
        }
        record.roles.push(RoleSince { role, from: register.from });
        record.beneficiary = record.beneficiary.or(register.beneficiary);
        self.put_account(account, record);
        Ok(())
    }

    fn register_meter(&mut self, register: &RegisterMeter, id: BindingId) -> Result<(), RuleViolation> {
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

    fn contract(&mut self, contract: &Contract, entry: Entry) -> Result<(), RuleViolation> {
        let Contract { account, month, energy } = *contract;
        if !self.has(account, Role::Member) {
            return Err(RuleViolation::NotAMember(account));
        }
        self.need_open(month)?;
        let present = self.sheet(month, account).terms.contract;
        let rise = energy.checked_sub(present).ok_or(RuleViolation::ContractLowered { account, month, present })?;
        self.post(month, account, Posting::Contract, rise)?;
        self.enter(month, account, entry);
        Ok(())
    }

    fn transfer(&mut self, transfer: &Transfer, signer: AccountId, entry: Entry) -> Result<(), RuleViolation> {
        let Transfer { to, energy, month } = *transfer;
        let by_operator = self.has(signer, Role::Operator);
        if !by_operator && !self.has(signer, Role::Member) {
            return Err(RuleViolation::RoleNeeded { account: signer, role: Role::Member, act: "transfer" });
        }
        let to_operator = self.has(to, Role::Operator);
        if !to_operator && !self.has(to, Role::Member) {
            return Err(RuleViolation::NotAMember(to));
        }
        if energy.is_zero() || to == signer || (by_operator && to_operator) {
            return Err(RuleViolation::EmptyTransfer);
        }
        self.need_open(month)?;
        if by_operator {
            self.post(month, to, Posting::GainedFromSupply, energy)?;
            self.enter(month, to, entry);
            return Ok(());
        }
        let fee = self.state.genesis.rewards.transfer_fee;
        let offered = energy.checked_add(fee).ok_or(RuleViolation::AmountTooLarge)?;
        let remaining = self.sheet(month, signer).terms.remaining();
        if remaining.to_energy().is_none_or(|remaining| remaining < offered) {
            return Err(RuleViolation::EnergyUsedUp { account: signer, month, remaining, offered });
        }
        if !fee.is_zero() {
            self.post(month, signer, Posting::Fee, fee)?;
        }
        if to_operator {
            self.post(month, signer, Posting::TradedToSupply, energy)?;
        } else {
            self.post(month, signer, Posting::TradedToMember, energy)?;
            self.post(month, to, Posting::GainedFromMember, energy)?;
            self.enter(month, to, entry.clone());
        }
        self.enter(month, signer, entry);
        Ok(())
    }

    fn tariff(&mut self, tariff: &Tariff, statement: StatementId) -> Result<(), RuleViolation> {
        if tariff.price < Money::ZERO || tariff.excess_price < Money::ZERO || tariff.round_to <= Money::ZERO {
            return Err(RuleViolation::TariffAmounts);
        }
        self.need_open(tariff.from)?;
        // A month that has begun keeps the prices it began with; only where none is in force may one begin at once.
        if tariff.from <= self.month && self.state.tariff(tariff.from).is_some() {
            return Err(RuleViolation::TariffTooLate(tariff.from));
        }
        self.put(RecordKey::Tariff(tariff.from), Record::Tariff(TariffRecord { tariff: *tariff, statement }));
        Ok(())
    }

    fn bill(&mut self, stated: &Bill, signer: AccountId, statement: StatementId) -> Result<(), RuleViolation> {
        if signer != stated.account && !self.has(signer, Role::Operator) {
            return Err(RuleViolation::BillSigner);
        }
        let computed = bill::of_state(self.state, stated.account, stated.from, stated.until)?;
        if self.is_billed(stated) {
            return Err(RuleViolation::BillOverlaps);
        }
        if cbor::encode(&computed) != cbor::encode(stated) {
            return Err(RuleViolation::BillDiffers { computed: computed.total });
        }
        let record = BillRecord { until: stated.until, statement, total: stated.total };
        self.put(RecordKey::Bill(stated.account, stated.from), Record::Bill(record));
        Ok(())
    }

    /// Whether an earlier bill of the account overlaps; of those that begin before this one's end, the last decides,
    /// because they do not overlap each other.
    fn is_billed(&self, bill: &Bill) -> bool {
        let first = RecordKey::Bill(bill.account, units::Timestamp::from_ms(0));
        let end = RecordKey::Bill(bill.account, bill.until);
        let last = self.state.records.range(first..end).next_back();
        matches!(last, Some((_, Record::Bill(earlier))) if earlier.until > bill.from)
    }
}

fn check_note(note: &Note) -> Result<(), RuleViolation> {
    let stated = note.voltage.is_some()
        || note.current.is_some()
        || note.power.is_some()
        || note.energy.is_some()
        || note.text.as_ref().is_some_and(|text| !text.is_empty());
    if stated { Ok(()) } else { Err(RuleViolation::EmptyNote) }
}
