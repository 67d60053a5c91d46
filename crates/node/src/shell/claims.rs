//! Reading what waits for somebody: open offers and claims.

use super::{NodeError, Shell};
use crate::view;
use api::{ClaimAnswer, ClaimStatus, ClaimView, OpenOffer, OutsideView, Page};
use ledger::SignedStatement;
use ledger::act::{Act, ActId, Claim, Decision, OfferId};
use ledger::state::{AnswerRecord, ClaimRecord, Record, RecordKey};
use units::{StatementId, Timestamp};

impl Shell {
    /// Open offers, those that end first; the cursor is that of the page before.
    pub(super) fn offers(&self, cursor: Option<&str>, limit: u32) -> Result<Page<OpenOffer>, NodeError> {
        let bound = |ms, byte, act| OfferId { until: Timestamp::from_ms(ms), statement: all(byte), act };
        let from = cursor.map(|cursor| offer_of_cursor(cursor).ok_or_else(no_cursor)).transpose()?;
        let (from, last) = (from.unwrap_or(bound(0, 0, 0)), bound(u64::MAX, 0xff, u32::MAX));
        let keys = RecordKey::Offer(from)..=RecordKey::Offer(last);
        let mut offers = self.state().range(keys).filter_map(|(key, record)| match (key, record) {
            (RecordKey::Offer(id), Record::Offer(record)) => Some((id, record)),
            _ => None,
        });
        let items = offers.by_ref().take(most(limit)).map(|(id, record)| view::open_offer(id, record)).collect();
        Ok(Page { items, next: offers.next().map(|(id, _)| cursor_of_offer(id)) })
    }

    /// Claims, newest first; the cursor is that of the page before.
    pub(super) fn claims(&mut self, cursor: Option<&str>, limit: u32) -> Result<Page<ClaimView>, NodeError> {
        let skipped: usize = cursor.map_or(Ok(0), |cursor| cursor.parse().map_err(|_| no_cursor()))?;
        let bound = |byte, act| RecordKey::Claim(ActId { statement: all(byte), act });
        let claims =
            self.state().range(bound(0, 0)..=bound(0xff, u32::MAX)).filter_map(|(key, record)| match (key, record) {
                (RecordKey::Claim(id), Record::Claim(record)) => Some((*id, record.clone())),
                _ => None,
            });
        let mut claims: Vec<_> = claims.collect();
        claims.sort_by_key(|(id, _)| std::cmp::Reverse((self.log_index(&id.statement), id.act)));
        let shown = claims.iter().skip(skipped).take(most(limit));
        let items = shown.map(|(id, record)| self.claim(*id, record)).collect::<Result<Vec<_>, _>>()?;
        let next = skipped + items.len();
        Ok(Page { items, next: (next < claims.len()).then(|| next.to_string()) })
    }

    fn log_index(&self, id: &StatementId) -> Option<u64> {
        self.node.place(id).map(|place| place.log_index)
    }

    /// An act with its statement, which must hold it.
    fn act(&mut self, id: ActId) -> Result<(SignedStatement, Act), NodeError> {
        let statement = self.signed(&id.statement)?;
        let index = usize::try_from(id.act).unwrap_or(usize::MAX);
        let act = statement.payload().acts.get(index).cloned();
        let missing = || NodeError::NotFound(format!("act {} of statement {}", id.act, id.statement));
        Ok((statement, act.ok_or_else(missing)?))
    }

    fn claim(&mut self, id: ActId, record: &ClaimRecord) -> Result<ClaimView, NodeError> {
        let missing = || NodeError::NotFound(format!("claim {} of statement {}", id.act, id.statement));
        let (statement, Act::Claim(claim)) = self.act(id)? else { return Err(missing()) };
        let (intervals, bill_from_ms) = match &claim {
            Claim::Voltage(claim) => {
                let intervals = claim.intervals.iter().map(|interval| self.claimed(*interval, id));
                (intervals.collect::<Result<_, _>>()?, None)
            }
            Claim::Bill(claim) => (Vec::new(), Some(claim.from)),
        };
        Ok(ClaimView {
            statement: id.statement,
            act_index: id.act,
            member: record.member,
            time_ms: statement.payload().issued,
            intervals,
            bill_from_ms,
            text: claim.text().to_owned(),
            status: status(record.answer),
            answer: record.answer.map(|answer| self.answer(answer.at)).transpose()?,
        })
    }

    fn answer(&mut self, at: ActId) -> Result<ClaimAnswer, NodeError> {
        let missing = || NodeError::NotFound(format!("answer {} of statement {}", at.act, at.statement));
        let (statement, Act::Answer(answer)) = self.act(at)? else { return Err(missing()) };
        let time_ms = statement.payload().issued;
        Ok(ClaimAnswer { statement: at.statement, act_index: at.act, time_ms, text: answer.text })
    }

    /// An interval of a claim: the state's record while there is one, else what the act itself says.
    fn claimed(&mut self, interval: ActId, claim: ActId) -> Result<OutsideView, NodeError> {
        let missing = || NodeError::NotFound(format!("interval {} of statement {}", interval.act, interval.statement));
        let (_, Act::Readings(readings)) = self.act(interval)? else { return Err(missing()) };
        let state = self.state();
        let month = state.genesis().month_at(readings.start);
        Ok(match month.and_then(|month| state.record(&RecordKey::Outside(month, interval))) {
            Some(Record::Outside(record)) => view::outside(interval, record),
            _ => view::claimed(interval, &readings, claim, state),
        })
    }
}

const fn status(answer: Option<AnswerRecord>) -> ClaimStatus {
    match answer {
        None => ClaimStatus::Open,
        Some(AnswerRecord { decision: Decision::Accepted, .. }) => ClaimStatus::Accepted,
        Some(AnswerRecord { decision: Decision::Declined, .. }) => ClaimStatus::Declined,
    }
}

/// An id at the end of all ids.
const fn all(byte: u8) -> StatementId {
    StatementId::from_bytes([byte; 32])
}

fn most(limit: u32) -> usize {
    usize::try_from(limit.clamp(1, api::PAGE_ITEMS_MAX)).unwrap_or(usize::MAX)
}

fn no_cursor() -> NodeError {
    NodeError::NotFound("page at that cursor".to_owned())
}

fn cursor_of_offer(id: &OfferId) -> String {
    format!("{}-{}-{}", id.until.ms(), id.statement, id.act)
}

fn offer_of_cursor(cursor: &str) -> Option<OfferId> {
    let mut parts = cursor.split('-');
    let (until, statement, act) = (parts.next()?, parts.next()?, parts.next()?);
    let until = Timestamp::from_ms(until.parse().ok()?);
    Some(OfferId { until, statement: statement.parse().ok()?, act: act.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_of_offers_reads_back_and_a_foreign_one_does_not() {
        let id = OfferId { until: Timestamp::from_ms(17), statement: StatementId::from_bytes([3; 32]), act: 2 };
        assert_eq!(offer_of_cursor(&cursor_of_offer(&id)), Some(id));
        for cursor in ["", "12", "x-y-z", "17-03-2"] {
            assert_eq!(offer_of_cursor(cursor), None, "{cursor}");
        }
    }
}
