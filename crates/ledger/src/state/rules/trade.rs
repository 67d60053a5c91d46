//! Contracts and trades.

use crate::RuleViolation;
use crate::act::{Contract, Role, Transfer};
use crate::state::Entry;
use crate::state::draft::{Draft, Posting};
use units::{AccountId, Energy, Month};

/// Energy that changes hands within a month.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trade {
    pub(super) seller: AccountId,
    pub(super) buyer: AccountId,
    pub(super) energy: Energy,
    pub(super) month: Month,
}

impl Draft<'_> {
    pub(super) fn contract(&mut self, contract: &Contract, entry: Entry) -> Result<(), RuleViolation> {
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

    pub(super) fn transfer(
        &mut self,
        transfer: &Transfer,
        signer: AccountId,
        entry: &Entry,
    ) -> Result<(), RuleViolation> {
        let Transfer { to, energy, month } = *transfer;
        self.need_trader(signer, "transfer")?;
        self.check_parties(signer, to)?;
        if energy.is_zero() {
            return Err(RuleViolation::EmptyTransfer);
        }
        self.need_open(month)?;
        self.book_trade(&Trade { seller: signer, buyer: to, energy, month }, entry)
    }

    /// Members and the operator trade.
    pub(super) fn need_trader(&self, account: AccountId, act: &'static str) -> Result<(), RuleViolation> {
        if self.has(account, Role::Operator) || self.has(account, Role::Member) {
            return Ok(());
        }
        Err(RuleViolation::RoleNeeded { account, role: Role::Member, act })
    }

    /// The buyer may trade too, and the two are not one.
    pub(super) fn check_parties(&self, seller: AccountId, buyer: AccountId) -> Result<(), RuleViolation> {
        let to_operator = self.has(buyer, Role::Operator);
        if !to_operator && !self.has(buyer, Role::Member) {
            return Err(RuleViolation::NotAMember(buyer));
        }
        if buyer == seller || (to_operator && self.has(seller, Role::Operator)) {
            return Err(RuleViolation::EmptyTransfer);
        }
        Ok(())
    }

    /// What remains of a member covers energy and fee; the operator sells out of supply. Gives the fee.
    pub(super) fn need_cover(&self, seller: AccountId, energy: Energy, month: Month) -> Result<Energy, RuleViolation> {
        if self.has(seller, Role::Operator) {
            return Ok(Energy::ZERO);
        }
        let fee = self.state.genesis.rewards.transfer_fee;
        let offered = energy.checked_add(fee).ok_or(RuleViolation::AmountTooLarge)?;
        let remaining = self.sheet(month, seller).terms.remaining();
        if remaining.to_energy().is_none_or(|remaining| remaining < offered) {
            return Err(RuleViolation::EnergyUsedUp { account: seller, month, remaining, offered });
        }
        Ok(fee)
    }

    /// Moves the energy of a trade whose parties are checked.
    pub(super) fn book_trade(&mut self, trade: &Trade, entry: &Entry) -> Result<(), RuleViolation> {
        let Trade { seller, buyer, energy, month } = *trade;
        let fee = self.need_cover(seller, energy, month)?;
        if self.has(seller, Role::Operator) {
            self.post(month, buyer, Posting::GainedFromSupply, energy)?;
            self.enter(month, buyer, entry.clone());
            return Ok(());
        }
        if !fee.is_zero() {
            self.post(month, seller, Posting::Fee, fee)?;
        }
        if self.has(buyer, Role::Operator) {
            self.post(month, seller, Posting::TradedToSupply, energy)?;
        } else {
            self.post(month, seller, Posting::TradedToMember, energy)?;
            self.post(month, buyer, Posting::GainedFromMember, energy)?;
            self.enter(month, buyer, entry.clone());
        }
        self.enter(month, seller, entry.clone());
        Ok(())
    }
}
