//! One function a kind of act: its rules, then its bookings. The intervals of meters have a room of their own.

mod bill;
mod claim;
mod offer;
mod parameter;
mod register;
mod retire;
mod trade;

use super::draft::Draft;
use super::{AccountRecord, Entry};
use crate::act::{Act, ActId, Note, Parameter, Register, Retire, Role};
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
        let id = ActId { statement: statement.id(), act: index };
        if is_the_operators(act) {
            self.need(signer, Role::Operator, act)?;
        }
        match act {
            Act::Register(Register::Key(register)) => self.register_key(register),
            Act::Register(Register::Meter(register)) => {
                self.register_meter(register, binding_id(statement.id(), index))
            }
            Act::Retire(Retire::Role(retire)) => self.retire_role(retire),
            Act::Retire(Retire::Meter(retire)) => self.retire_meter(retire),
            Act::Revoke(revoke) => self.revoke(revoke),
            Act::Rotate(rotate) => self.rotate(rotate, signer),
            Act::Answer(answer) => self.answer(answer, id),
            Act::Parameter(Parameter::Level(new)) => self.level(new),
            Act::Parameter(Parameter::Limits(new)) => self.limits(new),
            Act::Upgrade(upgrade) => self.upgrade(upgrade),
            Act::Tariff(tariff) => self.tariff(tariff, statement.id()),
            Act::Utility(utility) => self.utility(utility, statement.id()),
            Act::Bill(bill) => self.bill(bill, signer, statement.id()),
            Act::Note(note) => {
                self.need(signer, Role::Member, act)?;
                check_note(note)
            }
            Act::Claim(claim) => {
                // Whoever has moved out may still contest what was billed.
                if !self.state.account(&signer).is_some_and(AccountRecord::was_member) {
                    return Err(RuleViolation::RoleNeeded { account: signer, role: Role::Member, act: act.name() });
                }
                self.claim(claim, signer, id)
            }
            Act::Control(control) => self.control(control, signer, statement.id()),
            Act::Offer(offer) => self.offer(offer, signer, id),
            Act::Withdraw(withdraw) => self.withdraw(&withdraw.offer, signer),
            Act::Contract(_) | Act::Readings(_) | Act::Transfer(_) | Act::Accept(_) => {
                self.book_energy(id, signer, act)
            }
        }
    }

    /// The acts that move sheets, and so enter them.
    fn book_energy(&mut self, id: ActId, signer: AccountId, act: &Act) -> Result<(), RuleViolation> {
        let entry = Entry::Act(id.statement, id.act);
        match act {
            Act::Contract(contract) => self.contract(contract, entry),
            Act::Readings(readings) => self.readings(readings, signer, id),
            Act::Transfer(transfer) => self.transfer(transfer, signer, &entry),
            Act::Accept(accept) => self.accept(&accept.offer, signer, &entry),
            _ => Ok(()),
        }
    }

    pub(super) fn has(&self, account: AccountId, role: Role) -> bool {
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

/// Whether an act is the operator's alone.
const fn is_the_operators(act: &Act) -> bool {
    match act {
        Act::Register(_) | Act::Retire(_) | Act::Revoke(_) | Act::Contract(_) | Act::Tariff(_) => true,
        Act::Answer(_) | Act::Parameter(_) | Act::Upgrade(_) | Act::Utility(_) => true,
        Act::Rotate(_) | Act::Readings(_) | Act::Note(_) | Act::Transfer(_) | Act::Offer(_) | Act::Accept(_) => false,
        Act::Bill(_) | Act::Claim(_) | Act::Control(_) | Act::Withdraw(_) => false,
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
