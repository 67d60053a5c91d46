//! From what was typed to the act that is signed: offers, claims, ends and changes.

use super::Signing;
use crate::cli::acts::DecisionName;
use crate::cli::terminal::warned;
use crate::cli::{ClaimCommand, OfferArgs, ParameterCommand, RetireCommand, Trouble, UtilityArgs};
use crate::key_file;
use ledger::SecretKey;
use ledger::act::{
    ActId, BillClaim, Claim, Decision, NewLevel, NewLimits, Offer, OfferId, Parameter, Retire, RetireMeter, RetireRole,
    Rotate, Utility, VoltageClaim,
};
use std::path::Path;

impl Signing<'_> {
    pub(super) fn offer(&self, args: OfferArgs) -> Result<Offer, Trouble> {
        let OfferArgs { energy, price, to, month, life } = args;
        Ok(Offer {
            to: to.map(|typed| self.account(&typed)).transpose()?,
            energy,
            price,
            month: self.month(month)?,
            until: self.status.time_ms + life,
        })
    }

    /// An open offer's whole name, of which its end is a part.
    pub(super) fn offer_id(&self, offer: ActId) -> Result<OfferId, Trouble> {
        let mut cursor: Option<String> = None;
        loop {
            let page = self.client.offers(cursor.as_deref(), api::PAGE_ITEMS_MAX)?;
            let named = |open: &&api::OpenOffer| (open.statement, open.act_index) == (offer.statement, offer.act);
            if let Some(open) = page.items.iter().find(named) {
                return Ok(OfferId { until: open.offer.until_ms, statement: open.statement, act: open.act_index });
            }
            cursor = Some(page.next.ok_or_else(|| {
                Trouble::refused(
                    format_args!("there is no open offer {}", offer.statement),
                    "it was accepted, taken back, or its time is over; `wattproof offers` lists the open ones",
                )
            })?);
        }
    }

    pub(super) fn claim(&self, command: ClaimCommand) -> Result<Claim, Trouble> {
        Ok(match command {
            ClaimCommand::Voltage { text, intervals } => Claim::Voltage(VoltageClaim { intervals, text }),
            ClaimCommand::Bill { month, text } => {
                let sheet = self.client.month(&self.signer, month)?;
                let bills = self.client.account(&self.signer)?.bills;
                let begins = bills.iter().find(|bill| (sheet.from_ms..sheet.until_ms).contains(&bill.from_ms));
                let none =
                    || Trouble::refused(format_args!("no bill of yours begins in {month}"), "name its first month");
                Claim::Bill(BillClaim { from: begins.ok_or_else(none)?.from_ms, text })
            }
        })
    }

    pub(super) fn retire(&self, command: RetireCommand) -> Result<Retire, Trouble> {
        let now = self.status.time_ms;
        Ok(match command {
            RetireCommand::Role { account, role, at } => {
                Retire::Role(RetireRole { account: self.account(&account)?, role: role.role(), at: at.unwrap_or(now) })
            }
            RetireCommand::Meter { number, at } => Retire::Meter(RetireMeter { meter: number, at: at.unwrap_or(now) }),
        })
    }

    /// The new key with its proof of possession.
    pub(super) fn rotate(&self, file: &Path) -> Result<Rotate, Trouble> {
        let new: SecretKey = warned(file, key_file::read(file, self.passphrases)?);
        let key = new.public();
        let possession = new
            .sign(&Rotate::to_be_signed(&self.status.ledger, &self.signer, &key))
            .map_err(|error| Trouble::environment(error, "make another key: wattproof key new"))?;
        Ok(Rotate { key, possession })
    }
}

pub(super) fn parameter(command: ParameterCommand) -> Parameter {
    match command {
        ParameterCommand::Level { level, height } => Parameter::Level(NewLevel { level, height }),
        ParameterCommand::VoltageLimits { limits, from } => Parameter::Limits(NewLimits { limits, from }),
    }
}

pub(super) const fn utility(args: &UtilityArgs) -> Utility {
    let UtilityArgs { from, until, amount, energy, common_facilities } = args;
    Utility { from: *from, until: *until, amount: *amount, energy: *energy, common_facilities: *common_facilities }
}

impl DecisionName {
    pub(super) const fn decision(self) -> Decision {
        match self {
            Self::Accepted => Decision::Accepted,
            Self::Declined => Decision::Declined,
        }
    }
}
