//! Trades with a price.

use super::trade::Trade;
use crate::RuleViolation;
use crate::act::{ActId, Offer, OfferId, Role};
use crate::state::draft::{Draft, bounded_sum};
use crate::state::{Entry, OfferRecord, Priced, Record, RecordKey};
use units::{AccountId, Money, StatementId, Timestamp};

impl Draft<'_> {
    pub(super) fn offer(&mut self, offer: &Offer, seller: AccountId, at: ActId) -> Result<(), RuleViolation> {
        self.need_trader(seller, "offer")?;
        if let Some(to) = offer.to {
            self.check_parties(seller, to)?;
        }
        if offer.energy.is_zero() {
            return Err(RuleViolation::EmptyTransfer);
        }
        if offer.price < Money::ZERO || offer.amount().is_none() {
            return Err(RuleViolation::OfferPrice);
        }
        self.need_open(offer.month)?;
        let close = self.state.genesis.close_time(offer.month).ok_or(RuleViolation::OutsideCalendar)?;
        if offer.until <= self.time || offer.until > close.min(self.time + Offer::LIFE_MAX) {
            return Err(RuleViolation::OfferSpan);
        }
        self.need_cover(seller, offer.energy, offer.month)?;
        let mut record = self.state.account(&seller).cloned().ok_or(RuleViolation::UnknownAccount(seller))?;
        if record.offers >= Offer::OPEN_MAX {
            return Err(RuleViolation::TooManyOffers(seller));
        }
        record.offers += 1;
        self.put_account(seller, record);
        let id = OfferId { until: offer.until, statement: at.statement, act: at.act };
        self.put(RecordKey::Offer(id), Record::Offer(OfferRecord { seller, offer: offer.clone() }));
        Ok(())
    }

    pub(super) fn accept(&mut self, id: &OfferId, buyer: AccountId, entry: &Entry) -> Result<(), RuleViolation> {
        self.need_trader(buyer, "accept")?;
        let record = self.state.offer(id).cloned().ok_or(RuleViolation::UnknownOffer)?;
        let OfferRecord { seller, offer } = record;
        if offer.to.is_some_and(|to| to != buyer) {
            return Err(RuleViolation::NotOfferedTo(buyer));
        }
        // The offer may be older than what has become of its seller.
        self.need_trader(seller, "offer")?;
        if self.state.account(&seller).is_some_and(|account| account.revoked.is_some()) {
            return Err(RuleViolation::KeyRevoked(seller));
        }
        self.check_parties(seller, buyer)?;
        let trade = Trade { seller, buyer, energy: offer.energy, month: offer.month };
        self.book_trade(&trade, entry)?;
        self.book_money(&trade, offer.amount().ok_or(RuleViolation::OfferPrice)?)?;
        self.end_offer(*id, seller);
        Ok(())
    }

    pub(super) fn withdraw(&mut self, id: &OfferId, signer: AccountId) -> Result<(), RuleViolation> {
        let seller = self.state.offer(id).map(|record| record.seller).ok_or(RuleViolation::UnknownOffer)?;
        if seller != signer {
            return Err(RuleViolation::NotTheSeller(signer));
        }
        self.end_offer(*id, seller);
        Ok(())
    }

    /// Both sides of a trade's money; the operator's is the community's.
    fn book_money(&mut self, trade: &Trade, amount: Money) -> Result<(), RuleViolation> {
        let mut month = self.month_record(trade.month);
        if self.has(trade.seller, Role::Operator) {
            month.money = month.money.checked_add(amount).ok_or(RuleViolation::AmountTooLarge)?;
        } else {
            let mut sheet = self.sheet(trade.month, trade.seller);
            add(&mut sheet.sold, trade, amount)?;
            self.put_sheet(trade.month, trade.seller, sheet);
        }
        if self.has(trade.buyer, Role::Operator) {
            month.money = month.money.checked_sub(amount).ok_or(RuleViolation::AmountTooLarge)?;
        } else {
            let mut sheet = self.sheet(trade.month, trade.buyer);
            add(&mut sheet.bought, trade, amount)?;
            self.put_sheet(trade.month, trade.buyer, sheet);
        }
        self.put(RecordKey::Month(trade.month), Record::Month(month));
        Ok(())
    }

    /// Drops what ended before this block, before anything of it is booked.
    pub(in crate::state) fn drop_ended_offers(&mut self) {
        let id = |until, byte, act| OfferId { until, statement: StatementId::from_bytes([byte; 32]), act };
        let first = RecordKey::Offer(id(Timestamp::from_ms(0), 0, 0));
        let last = RecordKey::Offer(id(self.time, 0xff, u32::MAX));
        let ended = self.state.records.range(first..=last).filter_map(|(key, record)| match (key, record) {
            (RecordKey::Offer(id), Record::Offer(record)) => Some((*id, record.seller)),
            _ => None,
        });
        for (id, seller) in ended.collect::<Vec<_>>() {
            self.end_offer(id, seller);
        }
    }

    fn end_offer(&mut self, id: OfferId, seller: AccountId) {
        self.remove(RecordKey::Offer(id));
        if let Some(mut record) = self.state.account(&seller).cloned() {
            record.offers = record.offers.saturating_sub(1);
            self.put_account(seller, record);
        }
    }
}

fn add(side: &mut Priced, trade: &Trade, amount: Money) -> Result<(), RuleViolation> {
    side.energy = bounded_sum(side.energy, trade.energy)?;
    side.amount = side.amount.checked_add(amount).ok_or(RuleViolation::AmountTooLarge)?;
    Ok(())
}
