//! One function a kind of act: its rules, then its bookings. The intervals of meters have a room of their own.

mod bill;
mod register;
mod trade;

use super::Entry;
use super::draft::Draft;
use crate::act::{Act, Note, Register, Role};
use crate::{RuleViolation, VerifiedStatement};
use sha2::{Digest as _, Sha256};
use units::{AccountId, BindingId, Month, StatementId};

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
}

fn check_note(note: &Note) -> Result<(), RuleViolation> {
    let stated = note.voltage.is_some()
        || note.current.is_some()
        || note.power.is_some()
        || note.energy.is_some()
        || note.text.as_ref().is_some_and(|text| !text.is_empty());
    if stated { Ok(()) } else { Err(RuleViolation::EmptyNote) }
}
