//! A claim's bundle, layer by layer.

use super::proven::{self, Failure, Opened, at};
use super::{Kind, Layer, Outcome, Report};
use crate::Genesis;
use crate::act::{Act, ActId, BillClaim, Claim, Readings, VoltageClaim};
use crate::attachment::Attachment;
use crate::bundle::ClaimBundle;
use crate::state::{AnswerRecord, ClaimRecord, Record, RecordKey};
use std::collections::BTreeSet;
use units::{AccountId, StatementId};

/// Verifies a bundle. Each layer stands on the ones before it; the first failure ends the check.
pub(super) fn verify(bytes: &[u8], trust: Option<&Genesis>) -> Report {
    let mut report = Report::new(Kind::ClaimBundle);
    if let Err((layer, reason)) = layers(&mut report, bytes, trust) {
        report.add(layer, Outcome::Failed, reason);
    }
    report.findings.sort_by_key(|finding| finding.layer);
    report
}

fn layers(report: &mut Report, bytes: &[u8], trust: Option<&Genesis>) -> Result<(), Failure> {
    let bundle = ClaimBundle::from_bytes(bytes).map_err(at(Layer::Structure))?;
    let opened = proven::open(report, bundle.proven(), trust)?;
    let mut evidence = Evidence { bundle: &bundle, opened, statements: BTreeSet::new(), records: BTreeSet::new() };
    evidence.claim(report)?;
    evidence.nothing_idle().map_err(at(Layer::Structure))
}

/// What has been shown to be the ledger's, and how much of it the claim has used.
struct Evidence<'a> {
    bundle: &'a ClaimBundle,
    opened: Opened,
    statements: BTreeSet<StatementId>,
    records: BTreeSet<RecordKey>,
}

impl Evidence<'_> {
    fn claim(&mut self, report: &mut Report) -> Result<(), Failure> {
        let id = self.bundle.claim;
        let (member, claim) = match self.act(id).map_err(at(Layer::Structure))? {
            (member, Act::Claim(claim)) => (member, claim),
            _ => return Err((Layer::Structure, "the statement has no claim at that place".to_owned())),
        };
        let Some(Record::Claim(ClaimRecord { member: booked, answer })) = self.record(RecordKey::Claim(id)) else {
            return Err((Layer::Inclusion, "the state does not hold the claim".to_owned()));
        };
        if booked != member {
            return Err((Layer::Inclusion, "the state holds the claim for another member".to_owned()));
        }
        match claim {
            Claim::Voltage(claim) => self.voltage(report, &claim, member)?,
            Claim::Bill(_) if !self.bundle.readings.is_empty() => {
                return Err((Layer::Structure, "a claim about a bill has no readings".to_owned()));
            }
            Claim::Bill(claim) => {
                let detail = self.bill(&claim, member).map_err(at(Layer::Arithmetic))?;
                report.add(Layer::Arithmetic, Outcome::Passed, detail);
            }
        }
        let answered = self.answer(answer).map_err(at(Layer::Inclusion))?;
        report.add(Layer::Inclusion, Outcome::Passed, answered);
        Ok(())
    }

    fn voltage(&mut self, report: &mut Report, claim: &VoltageClaim, member: AccountId) -> Result<(), Failure> {
        for id in &claim.intervals {
            let readings = match self.act(*id).map_err(at(Layer::Structure))? {
                (_, Act::Readings(readings)) => readings,
                _ => return Err((Layer::Structure, format!("statement {} has no interval there", id.statement))),
            };
            let outside = self.outside(*id, &readings, member).map_err(at(Layer::Arithmetic))?;
            let outcome = if outside.is_some() { Outcome::Passed } else { Outcome::Unknown };
            let too_old =
                format!("interval until {} ms: too old, the ledger keeps no limits for it", readings.end.ms());
            report.add(Layer::Arithmetic, outcome, outside.unwrap_or(too_old));
            self.readings(report, id.statement, &readings).map_err(at(Layer::RawFrames))?;
        }
        let claimed = |statement: StatementId| claim.intervals.iter().position(|id| id.statement == statement);
        let places: Vec<_> = self.bundle.readings.iter().map(|kept| claimed(kept.statement)).collect();
        if places.contains(&None) || !places.is_sorted_by(|a, b| a < b) {
            return Err((
                Layer::Structure,
                "the readings are not those of claimed intervals in their order".to_owned(),
            ));
        }
        Ok(())
    }

    /// The state's own record: the voltage was outside the limits in force, and this claim is the one about it.
    fn outside(&mut self, id: ActId, readings: &Readings, member: AccountId) -> Result<Option<String>, String> {
        let month = self.opened.genesis.month_at(readings.start).ok_or("the interval is outside the calendar")?;
        let Some(Record::Outside(record)) = self.record(RecordKey::Outside(month, id)) else { return Ok(None) };
        let stated = readings.voltage.map(|range| [range.min, range.max]);
        if record.member != member || record.claim != Some(self.bundle.claim) || stated != Some(record.found) {
            return Err(format!("interval until {} ms: the state's record is not about this claim", readings.end.ms()));
        }
        let ([low, high], [min, max]) = (record.found, record.limits);
        if low >= min && high <= max {
            return Err(format!("interval until {} ms: the voltage is within its limits", readings.end.ms()));
        }
        Ok(Some(format!(
            "meter {}, from {} ms until {} ms: {low} to {high}, limits {min} to {max}; an indication, not a \
             measurement of class A (IEC 61000-4-30)",
            record.meter,
            record.start.ms(),
            record.end.ms(),
        )))
    }

    /// Every reading of the interval against the fields of its statement.
    fn readings(&self, report: &mut Report, statement: StatementId, readings: &Readings) -> Result<(), String> {
        let Some(kept) = self.bundle.readings.iter().find(|kept| kept.statement == statement) else {
            let erased = format!("the readings of statement {statement} are not in the bundle");
            report.add(Layer::RawFrames, Outcome::Unknown, erased);
            return Ok(());
        };
        let attachment = Attachment::from_bytes(&kept.attachment).and_then(|attachment| attachment.check(readings));
        attachment.map_err(|error| format!("statement {statement}: {error}"))?;
        let detail = format!("{} readings are those that statement {statement} commits to", readings.count);
        report.add(Layer::RawFrames, Outcome::Passed, detail);
        Ok(())
    }

    fn bill(&mut self, claim: &BillClaim, member: AccountId) -> Result<String, String> {
        let Some(Record::Bill(bill)) = self.record(RecordKey::Bill(member, claim.from)) else {
            return Err("the state holds no such bill".to_owned());
        };
        if bill.claim != Some(self.bundle.claim) {
            return Err("the bill's record names another claim".to_owned());
        }
        self.signed(bill.statement)?;
        Ok(format!("about the bill of {} in statement {}; its own bundle proves it", bill.total, bill.statement))
    }

    fn answer(&mut self, answer: Option<AnswerRecord>) -> Result<String, String> {
        let Some(AnswerRecord { decision, at }) = answer else { return Ok("not answered yet".to_owned()) };
        match self.act(at)? {
            (_, Act::Answer(stated)) if stated.claim == self.bundle.claim && stated.decision == decision => {
                Ok(format!("answered in statement {}: {decision:?}", at.statement).to_lowercase())
            }
            _ => Err("the answer in the state is not in its statement".to_owned()),
        }
    }

    fn signed(&mut self, id: StatementId) -> Result<usize, String> {
        let found = self.opened.statements.iter().position(|statement| statement.id() == id);
        self.statements.insert(id);
        found.ok_or(format!("statement {id} is missing"))
    }

    fn act(&mut self, id: ActId) -> Result<(AccountId, Act), String> {
        let at = self.signed(id.statement)?;
        let statement = &self.opened.statements[at];
        let act = usize::try_from(id.act).ok().and_then(|index| statement.payload().acts.get(index));
        let act = act.ok_or(format!("statement {} has no act {}", id.statement, id.act))?;
        Ok((statement.signer(), act.clone()))
    }

    fn record(&mut self, key: RecordKey) -> Option<Record> {
        let record = self.opened.records.get(&key).cloned();
        self.records.insert(key);
        record
    }

    /// Nothing is in the file that the claim does not need. Accounts were looked at with the signatures.
    fn nothing_idle(&self) -> Result<(), String> {
        if let Some(idle) = self.opened.statements.iter().find(|one| !self.statements.contains(&one.id())) {
            return Err(format!("statement {} has nothing to do with the claim", idle.id()));
        }
        let is_idle = |key: &&RecordKey| !matches!(key, RecordKey::Account(_)) && !self.records.contains(*key);
        match self.opened.records.keys().find(is_idle) {
            Some(idle) => Err(format!("the record {idle:?} has nothing to do with the claim")),
            None => Ok(()),
        }
    }
}
