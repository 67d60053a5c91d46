//! Claims, answers, and the journal of loads.

use crate::RuleViolation;
use crate::act::{ActId, Answer, Claim, Control, Readings};
use crate::state::claims::{AnswerRecord, ClaimRecord, LoadRecord, OutsideRecord};
use crate::state::draft::Draft;
use crate::state::{BindingRecord, CLAIM_MONTHS, CLOCK_AHEAD_MAX, Record, RecordKey};
use units::{AccountId, Month, StatementId, Timestamp};

impl Draft<'_> {
    /// Keeps what may be claimed: an interval whose voltage was outside the limits in force at its start.
    pub(in crate::state) fn record_outside(
        &mut self,
        readings: &Readings,
        binding: &BindingRecord,
        at: ActId,
    ) -> Result<(), RuleViolation> {
        let Some(voltage) = readings.voltage.filter(|_| !binding.main) else { return Ok(()) };
        let parameters = self.state.parameters();
        let limits = parameters.limits_at(readings.start);
        if voltage.min >= limits.min && voltage.max <= limits.max {
            return Ok(());
        }
        let month = self.state.genesis.month_at(readings.start).ok_or(RuleViolation::OutsideCalendar)?;
        if self.is_too_old_to_claim(month) {
            return Ok(());
        }
        let record = OutsideRecord {
            member: binding.member,
            meter: binding.meter.clone(),
            start: readings.start,
            end: readings.end,
            found: [voltage.min, voltage.max],
            limits: [limits.min, limits.max],
            claim: None,
        };
        self.put(RecordKey::Outside(month, at), Record::Outside(record));
        Ok(())
    }

    fn is_too_old_to_claim(&self, month: Month) -> bool {
        month.plus(CLAIM_MONTHS) < self.state.first_open
    }

    /// Drops the intervals that are too old to be claimed, after a month has closed.
    pub(in crate::state) fn drop_old_intervals(&mut self) {
        let act = |byte, act| ActId { statement: StatementId::from_bytes([byte; 32]), act };
        let first = RecordKey::Outside(self.state.genesis.first_month, act(0, 0));
        let last = RecordKey::Outside(self.state.first_open, act(0xff, u32::MAX));
        let keys = self.state.records.range(first..=last).map(|(key, _)| key);
        let is_old = |key: &&RecordKey| matches!(key, RecordKey::Outside(month, _) if self.is_too_old_to_claim(*month));
        for key in keys.take_while(is_old).cloned().collect::<Vec<_>>() {
            self.remove(key);
        }
    }

    pub(super) fn claim(&mut self, claim: &Claim, signer: AccountId, id: ActId) -> Result<(), RuleViolation> {
        match claim {
            Claim::Voltage(claim) => {
                for interval in &claim.intervals {
                    self.claim_interval(*interval, signer, id)?;
                }
            }
            Claim::Bill(claim) => self.claim_bill(claim.from, signer, id)?,
        }
        self.put(RecordKey::Claim(id), Record::Claim(ClaimRecord { member: signer, answer: None }));
        Ok(())
    }

    fn claim_interval(&mut self, interval: ActId, signer: AccountId, id: ActId) -> Result<(), RuleViolation> {
        let unknown = RuleViolation::UnknownInterval(interval.statement);
        let (key, mut record) = self.outside(interval).filter(|(_, found)| found.member == signer).ok_or(unknown)?;
        if record.claim.is_some() {
            return Err(RuleViolation::AlreadyClaimed);
        }
        record.claim = Some(id);
        self.put(key, Record::Outside(record));
        Ok(())
    }

    /// An interval that may be claimed. Which month it is kept under the claim does not say; there are few.
    fn outside(&self, interval: ActId) -> Option<(RecordKey, OutsideRecord)> {
        let first = self.state.genesis.first_month;
        let closed = self.state.first_open.index().saturating_sub(first.index());
        let oldest = first.plus(closed.saturating_sub(CLAIM_MONTHS));
        let months = (0..).map(|count| oldest.plus(count)).take_while(|month| *month <= self.month.plus(1));
        months.map(|month| RecordKey::Outside(month, interval)).find_map(|key| match self.state.records.get(&key) {
            Some(Record::Outside(record)) => Some((key, record.clone())),
            _ => None,
        })
    }

    fn claim_bill(&mut self, from: Timestamp, signer: AccountId, id: ActId) -> Result<(), RuleViolation> {
        let key = RecordKey::Bill(signer, from);
        let Some(Record::Bill(bill)) = self.state.records.get(&key) else { return Err(RuleViolation::UnknownBill) };
        let mut bill = bill.clone();
        if bill.claim.is_some() {
            return Err(RuleViolation::AlreadyClaimed);
        }
        bill.claim = Some(id);
        self.put(key, Record::Bill(bill));
        Ok(())
    }

    pub(super) fn answer(&mut self, answer: &Answer, at: ActId) -> Result<(), RuleViolation> {
        let key = RecordKey::Claim(answer.claim);
        let Some(Record::Claim(claim)) = self.state.records.get(&key) else { return Err(RuleViolation::UnknownClaim) };
        if claim.answer.is_some() {
            return Err(RuleViolation::AlreadyAnswered);
        }
        let answered = Some(AnswerRecord { decision: answer.decision, at });
        let claim = ClaimRecord { member: claim.member, answer: answered };
        self.put(key, Record::Claim(claim));
        Ok(())
    }

    pub(super) fn control(
        &mut self,
        control: &Control,
        signer: AccountId,
        statement: StatementId,
    ) -> Result<(), RuleViolation> {
        let unknown = || RuleViolation::UnknownMeter(control.meter.clone());
        let (_, binding) = self.state.meter(&control.meter).ok_or_else(unknown)?;
        if binding.signer != signer {
            return Err(RuleViolation::NotTheSigner(signer));
        }
        if let Some(ended) = binding.until.filter(|until| *until <= control.time) {
            return Err(RuleViolation::BindingEnded(ended));
        }
        if control.time < binding.from || control.time > self.time + CLOCK_AHEAD_MAX {
            return Err(RuleViolation::ControlTime);
        }
        let key = RecordKey::Load(control.meter.clone());
        // A gateway's clock may have jumped; the journal is in its statements, and the later one tells how the load is.
        let known = self.state.records.get(&key);
        if !matches!(known, Some(Record::Load(known)) if known.time > control.time) {
            self.put(key, Record::Load(LoadRecord { state: control.after, time: control.time, statement }));
        }
        Ok(())
    }
}
