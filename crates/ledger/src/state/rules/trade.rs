//! Contracts and trades.

use crate::RuleViolation;
use crate::act::{Contract, Role, Transfer};
use crate::state::Entry;
use crate::state::draft::{Draft, Posting};
use units::AccountId;

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
        entry: Entry,
    ) -> Result<(), RuleViolation> {
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
}
