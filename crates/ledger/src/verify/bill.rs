//! A bill bundle, layer by layer.

use super::bands::{self, Bands};
use super::chain::{self, Interval};
use super::named::Named;
use super::proven::{self, Failure, Opened, at};
use super::{Kind, Layer, Outcome, Report};
use crate::act::{Accept, Act, Bill, BillMonth, Offer, Readings};
use crate::attachment::frame_leaf;
use crate::bill::{self, Books};
use crate::bundle::{BillBundle, FrameEvidence, FrameReader};
use crate::price::Table;
use crate::state::{
    AccountRecord, BindingRecord, Entry, MeterMonth, MonthRecord, MonthStatus, Priced, Record, RecordKey, SheetRecord,
    TariffRecord, Terms, UtilityRecord,
};
use crate::{Genesis, VerifiedStatement, cbor, log};
use std::collections::BTreeMap;
use units::{AccountId, BindingId, Energy, Month, StatementId, Timestamp};

/// Verifies a bundle. Each layer stands on the ones before it; the first failure ends the check.
pub(super) fn verify(bytes: &[u8], trust: Option<&Genesis>, frames: FrameReader<'_>) -> Report {
    let mut report = Report::new(Kind::BillBundle);
    if let Err((layer, reason)) = layers(&mut report, bytes, trust, frames) {
        report.add(layer, Outcome::Failed, reason);
    }
    report.findings.sort_by_key(|finding| finding.layer);
    report
}

fn layers(report: &mut Report, bytes: &[u8], trust: Option<&Genesis>, frames: FrameReader<'_>) -> Result<(), Failure> {
    let bundle = BillBundle::from_bytes(bytes).map_err(at(Layer::Structure))?;
    let Opened { genesis, statements, records } = proven::open(report, bundle.proven(), trust)?;
    let evidence = Evidence { genesis: &genesis, bundle: &bundle, statements, records };
    let stated = evidence.bill().map_err(at(Layer::Structure))?;
    evidence.check_entries(&stated).map_err(at(Layer::Inclusion))?;

    for month in &stated.months {
        for line in evidence.meter_sequences(stated.account, month.month).map_err(at(Layer::MeterSequence))? {
            report.add(Layer::MeterSequence, Outcome::Passed, line);
        }
        evidence.terms(stated.account, month.month).map_err(at(Layer::Arithmetic))?;
        evidence.bands(report, stated.account, month).map_err(at(Layer::Arithmetic))?;
    }
    evidence.raw_frames(report, &stated, frames)?;
    let amount = evidence.amounts(&stated).map_err(at(Layer::Arithmetic))?;
    report.add(Layer::Arithmetic, Outcome::Passed, amount);
    for line in evidence.tariffs(&stated).map_err(at(Layer::Tariff))? {
        report.add(Layer::Tariff, Outcome::Passed, line);
    }
    evidence.nothing_idle(&stated).map_err(at(Layer::Structure))
}

/// What the layers so far have shown to be the ledger's.
struct Evidence<'a> {
    genesis: &'a Genesis,
    bundle: &'a BillBundle,
    statements: Vec<VerifiedStatement>,
    records: BTreeMap<RecordKey, Record>,
}

impl Evidence<'_> {
    fn statement(&self, id: &StatementId) -> Result<&VerifiedStatement, String> {
        self.statements.iter().find(|statement| statement.id() == *id).ok_or(format!("statement {id} is missing"))
    }

    fn bill(&self) -> Result<Bill, String> {
        let acts = &self.statement(&self.bundle.bill)?.payload().acts;
        let act = usize::try_from(self.bundle.act).ok().and_then(|index| acts.get(index));
        match act {
            Some(Act::Bill(bill)) => Ok((**bill).clone()),
            _ => Err("the statement has no bill at that place".to_owned()),
        }
    }

    fn sheet(&self, month: Month, account: AccountId) -> Result<&SheetRecord, String> {
        match self.records.get(&RecordKey::Sheet(month, account)) {
            Some(Record::Sheet(sheet)) => Ok(sheet),
            _ => Err(format!("the sheet of {month} is missing")),
        }
    }

    fn community(&self, month: Month) -> Result<&MonthRecord, String> {
        match self.records.get(&RecordKey::Month(month)) {
            Some(Record::Month(record)) => Ok(record),
            _ => Err(format!("the record of {month} is missing")),
        }
    }

    fn binding(&self, id: BindingId) -> Result<&BindingRecord, String> {
        match self.records.get(&RecordKey::Binding(id)) {
            Some(Record::Binding(binding)) => Ok(binding),
            _ => Err(format!("meter binding {id} is missing")),
        }
    }

    fn entries(&self, month: Month) -> &[Entry] {
        let of_month = self.bundle.entries.iter().find(|entries| entries.month == month);
        of_month.map_or(&[], |entries| &entries.entries)
    }

    /// The lists of entries are complete, by the sheets' hash chains, and are those of the bill's months.
    fn check_entries(&self, bill: &Bill) -> Result<(), String> {
        let months = |list: Vec<Month>| list;
        if months(self.bundle.entries.iter().map(|entries| entries.month).collect())
            != months(bill.months.iter().map(|month| month.month).collect())
        {
            return Err("the lists of entries are not those of the bill's months".to_owned());
        }
        for MonthOf { month, entries } in self.months() {
            let digest = entries.iter().fold(Entry::NONE, |digest, entry| entry.extend(&digest));
            if digest != self.sheet(month, bill.account)?.entries_digest {
                return Err(format!("the list of entries of {month} is not complete"));
            }
        }
        Ok(())
    }

    fn nothing_idle(&self, bill: &Bill) -> Result<(), String> {
        let mut named = Named::of(bill, self.bundle.bill, self);
        self.months().for_each(|of| named.month(of.entries, &self.statements));
        named.nothing_idle(&self.statements, self.records.keys())
    }

    fn months(&self) -> impl Iterator<Item = MonthOf<'_>> {
        self.bundle.entries.iter().map(|of| MonthOf { month: of.month, entries: &of.entries })
    }

    /// The acts behind a month's entries, in order; an interval booked in two parts counts once.
    fn acts(&self, month: Month) -> Result<Vec<(&VerifiedStatement, &Act)>, String> {
        let mut entries = self.entries(month).to_vec();
        entries.dedup();
        let mut acts = Vec::new();
        for entry in &entries {
            if let Entry::Act(id, index) = entry {
                let statement = self.statement(id)?;
                let act = usize::try_from(*index).ok().and_then(|index| statement.payload().acts.get(index));
                acts.push((statement, act.ok_or(format!("statement {id} has no act {index}"))?));
            }
        }
        Ok(acts)
    }

    fn chains(&self, month: Month) -> Result<BTreeMap<BindingId, Vec<Interval>>, String> {
        let mut chains: BTreeMap<BindingId, Vec<Interval>> = BTreeMap::new();
        for (statement, act) in self.acts(month)? {
            if let Act::Readings(readings) = act {
                let interval =
                    Interval { statement: statement.id(), signer: statement.signer(), readings: (**readings).clone() };
                chains.entry(readings.binding).or_default().push(interval);
            }
        }
        Ok(chains)
    }

    fn meter_sequences(&self, account: AccountId, month: Month) -> Result<Vec<String>, String> {
        let sheet = self.sheet(month, account)?;
        let span = self.genesis.month_span(month).ok_or(format!("{month} is outside the calendar"))?;
        let (chains, operator) = (self.chains(month)?, self.genesis.operator.account());
        if let Some(meter) = sheet.meters.iter().find(|meter| !chains.contains_key(&meter.binding)) {
            return Err(format!("no intervals of meter {}", meter.meter));
        }
        let check = |(id, intervals): (&BindingId, &Vec<Interval>)| {
            let binding = self.binding(*id)?;
            if binding.member != account {
                return Err(format!("meter {} is another member's", binding.meter));
            }
            let stretches: Vec<&MeterMonth> = sheet.meters.iter().filter(|meter| meter.binding == *id).collect();
            chain::check(*id, binding, intervals, &stretches, span, operator)
        };
        chains.iter().map(check).collect()
    }

    /// Every term of the formula, from the acts.
    fn terms(&self, account: AccountId, month: Month) -> Result<(), String> {
        let sheet = self.sheet(month, account)?;
        let computed = self.terms_of_acts(account, month, sheet)?;
        let [bought, sold] = self.priced(account, month)?;
        if (bought, sold) != (sheet.bought, sheet.sold) {
            return Err(format!("{month}: the accepted offers give other sums of energy or money than the sheet"));
        }
        if computed == sheet.terms {
            return Ok(());
        }
        Err(format!("{month}: the acts give {computed:?}, the sheet says {:?}", sheet.terms))
    }

    /// The energy of each band of a tariff by time of day, from the intervals.
    fn bands(&self, report: &mut Report, account: AccountId, month: &BillMonth) -> Result<(), String> {
        let tariffs = self.records.values().filter_map(|record| match record {
            Record::Tariff(tariff) if tariff.statement == month.tariff => Some(&tariff.tariff),
            _ => None,
        });
        let (sheet, month) = (self.sheet(month.month, account)?, month.month);
        for tariff in tariffs {
            match bands::check(self.genesis, month, tariff, sheet, &self.chains(month)?)? {
                None => {}
                Some(Bands::Fit) => {
                    let detail = format!("{month}: the bands' energy, computed again from the intervals");
                    report.add(Layer::Arithmetic, Outcome::Passed, detail);
                }
                Some(Bands::Untold) => {
                    let detail =
                        format!("{month}: the intervals here do not tell all of the bands' energy; the state does");
                    report.add(Layer::Arithmetic, Outcome::Unknown, detail);
                }
            }
        }
        Ok(())
    }

    /// The offer that was accepted, and its seller.
    fn offer(&self, accept: &Accept) -> Result<(AccountId, &Offer), String> {
        let statement = self.statement(&accept.offer.statement)?;
        let act = usize::try_from(accept.offer.act).ok().and_then(|index| statement.payload().acts.get(index));
        match act {
            Some(Act::Offer(offer)) => Ok((statement.signer(), offer)),
            _ => Err(format!("statement {} has no offer at that place", statement.id())),
        }
    }

    /// What was bought and what was sold at a price, from the accepted offers.
    fn priced(&self, account: AccountId, month: Month) -> Result<[Priced; 2], String> {
        let mut sides = [Priced::default(); 2];
        for (statement, act) in self.acts(month)? {
            let Act::Accept(accept) = act else { continue };
            let (seller, offer) = self.offer(accept)?;
            if ![seller, statement.signer()].contains(&account) {
                return Err(format!("statement {} is a trade of others", statement.id()));
            }
            let side = &mut sides[usize::from(seller == account)];
            let energy = side.energy.checked_add(offer.energy);
            let amount = offer.amount().and_then(|amount| side.amount.checked_add(amount));
            *side = energy
                .zip(amount)
                .map(|(energy, amount)| Priced { energy, amount })
                .ok_or_else(|| "a sum overflows".to_owned())?;
        }
        Ok(sides)
    }

    fn terms_of_acts(&self, account: AccountId, month: Month, sheet: &SheetRecord) -> Result<Terms, String> {
        let mut terms = Terms::default();
        let overflow = || "a sum overflows".to_owned();
        let add = |term: &mut Energy, energy: Energy| {
            *term = term.checked_add(energy).ok_or_else(overflow)?;
            Ok::<(), String>(())
        };
        for (statement, act) in self.acts(month)? {
            match act {
                Act::Contract(contract) => terms.contract = contract.energy,
                Act::Transfer(transfer) if statement.signer() == account => {
                    add(&mut terms.traded, transfer.energy)?;
                    add(&mut terms.fee, self.genesis.rewards.transfer_fee)?;
                }
                Act::Transfer(transfer) => add(&mut terms.gained, transfer.energy)?,
                Act::Accept(accept) if statement.signer() == account => {
                    add(&mut terms.gained, self.offer(accept)?.1.energy)?;
                }
                Act::Accept(accept) => {
                    add(&mut terms.traded, self.offer(accept)?.1.energy)?;
                    add(&mut terms.fee, self.genesis.rewards.transfer_fee)?;
                }
                _ => {}
            }
        }
        for meter in &sheet.meters {
            let times = |start: Energy, end: Energy| {
                let difference = end.checked_sub(start).ok_or("a counter runs backwards")?;
                let energy = difference.mwh().checked_mul(u64::from(meter.factor)).ok_or_else(overflow)?;
                Ok::<_, String>(Energy::from_mwh(energy))
            };
            add(&mut terms.consumed, times(meter.import.start, meter.import.end)?)?;
            if let Some(export) = meter.export {
                add(&mut terms.generated, times(export.start, export.end)?)?;
            }
        }
        // Rewards and what was carried over are sums over other accounts' doings; the state root vouches for them.
        let has = |wanted: fn(&Entry) -> bool| self.entries(month).iter().any(wanted);
        if has(|entry| matches!(entry, Entry::Reward(_))) {
            terms.reward = sheet.terms.reward;
        }
        if has(|entry| matches!(entry, Entry::Carried(_))) {
            terms.carried = sheet.terms.carried;
        }
        Ok(terms)
    }

    fn raw_frames(&self, report: &mut Report, bill: &Bill, frames: FrameReader<'_>) -> Result<(), Failure> {
        let fail = at::<String>(Layer::RawFrames);
        let mut shown = BTreeMap::new();
        for evidence in &self.bundle.frames {
            let (meter, counter, expected) = self.frame(evidence, frames).map_err(&fail)?;
            if counter != expected {
                return Err(fail(format!("meter {meter}: its own bytes say {counter}, the statement {expected}")));
            }
            *shown.entry(meter).or_insert(0u32) += 1;
        }
        for month in &bill.months {
            for meter in &month.meters {
                let frames = shown.get(meter.meter.as_str()).copied().unwrap_or(0);
                let (number, previous, present) = (&meter.meter, meter.previous, meter.present);
                if frames >= 2 {
                    let detail = format!("meter {number}: its own bytes say {previous} and {present}");
                    report.add(Layer::RawFrames, Outcome::Passed, detail);
                } else {
                    let detail = format!("meter {number}: the raw frames of {previous} to {present} were not kept");
                    report.add(Layer::RawFrames, Outcome::Unknown, detail);
                }
            }
        }
        Ok(())
    }

    /// Meter, what its frame says, and what the act says.
    fn frame(&self, evidence: &FrameEvidence, frames: FrameReader<'_>) -> Result<(String, Energy, Energy), String> {
        let statement = self.statement(&evidence.statement)?;
        let acts = &statement.payload().acts;
        let readings =
            acts.iter().find_map(|act| if let Act::Readings(readings) = act { Some(readings) } else { None });
        let readings: &Readings = readings.ok_or(format!("statement {} has no readings", statement.id()))?;
        let binding = self.binding(readings.binding)?;
        let count = u64::from(readings.count);
        let index = if evidence.last { count.saturating_sub(1) } else { 0 };
        let leaf = frame_leaf(&evidence.salt, &evidence.proof.frame);
        if log::root_from_inclusion(leaf, index, count, &evidence.proof.path) != Some(readings.frames) {
            return Err(format!("meter {}: a raw frame is not the one that was signed", binding.meter));
        }
        let counter = frames(&binding.profile, &evidence.proof.frame)
            .map_err(|reason| format!("meter {}: its frame does not read: {reason}", binding.meter))?;
        let expected = if evidence.last { readings.import.end } else { readings.import.start };
        Ok((binding.meter.to_string(), counter, expected))
    }

    fn amounts(&self, stated: &Bill) -> Result<String, String> {
        let computed =
            bill::of_books(self, stated.account, stated.from, stated.until).map_err(|error| error.to_string())?;
        if cbor::encode(&computed) != cbor::encode(stated) {
            return Err(format!("computed again the total is {}, the bill says {}", computed.total, stated.total));
        }
        Ok(format!("computed again: {} {}", stated.total, self.genesis.currency))
    }

    fn tariffs(&self, bill: &Bill) -> Result<Vec<String>, String> {
        let tables = self.records.values().filter_map(|record| match record {
            Record::Tariff(tariff) => Some(tariff),
            _ => None,
        });
        for record in tables {
            let acts = &self.statement(&record.statement)?.payload().acts;
            if !acts.iter().any(|act| matches!(act, Act::Tariff(tariff) if *tariff == record.tariff)) {
                return Err(format!("the tariff from {} is not that of its statement", record.tariff.from));
            }
        }
        for record in self.utilities(Timestamp::from_ms(0), Timestamp::from_ms(u64::MAX)) {
            let acts = &self.statement(&record.statement)?.payload().acts;
            if !acts.iter().any(|act| matches!(act, Act::Utility(utility) if *utility == record.utility)) {
                return Err("a bill of the utility is not that of its statement".to_owned());
            }
        }
        bill.months.iter().map(|month| self.tariff_of(month.month)).collect()
    }

    /// What was in force in a month, in words.
    fn tariff_of(&self, month: Month) -> Result<String, String> {
        let record = match self.community(month)?.status {
            MonthStatus::Closed(from) => from.and_then(|from| self.tariff_from(from)),
            MonthStatus::Open => self.tariff_in_force(month),
        };
        let tariff = &record.ok_or(format!("the tariff of {month} is missing"))?.tariff;
        let currency = &self.genesis.currency;
        let table = match &tariff.table {
            Table::Flat(price) => {
                format!("{} {currency} a kWh", price.at(tariff.season(month)).unwrap_or_default())
            }
            Table::Progressive(table) => format!("{} brackets", table.brackets.len()),
            Table::TimeOfUse(table) => format!("{} bands by time of day", table.bands.len()),
            Table::Average => "the average of the utility's bill".to_owned(),
        };
        Ok(format!("{month}: {table}, in force from {}", tariff.from))
    }
}

/// The records that the bundle proves.
impl Books for Evidence<'_> {
    fn genesis(&self) -> &Genesis {
        self.genesis
    }
    fn is_closed(&self, month: Month) -> bool {
        self.genesis.close_time(month).is_some_and(|closes| closes <= self.time())
    }
    fn sheet(&self, month: Month, account: &AccountId) -> Option<&SheetRecord> {
        Self::sheet(self, month, *account).ok()
    }
    fn month(&self, month: Month) -> Option<&MonthRecord> {
        self.community(month).ok()
    }
    fn tariff_from(&self, month: Month) -> Option<&TariffRecord> {
        match self.records.get(&RecordKey::Tariff(month)) {
            Some(Record::Tariff(tariff)) => Some(tariff),
            _ => None,
        }
    }
    /// That no later one is in force in an open month, the ledger saw to when it accepted the bill, which names it.
    fn tariff_in_force(&self, month: Month) -> Option<&TariffRecord> {
        self.records.iter().rev().find_map(|(key, record)| match (key, record) {
            (RecordKey::Tariff(from), Record::Tariff(tariff)) if *from <= month => Some(tariff),
            _ => None,
        })
    }
    fn account(&self, id: &AccountId) -> Option<&AccountRecord> {
        match self.records.get(&RecordKey::Account(*id)) {
            Some(Record::Account(account)) => Some(account),
            _ => None,
        }
    }
    fn time(&self) -> Timestamp {
        self.bundle.proven().header().map_or(Timestamp::from_ms(0), |header| header.time)
    }
    fn binding(&self, id: &BindingId) -> Option<&BindingRecord> {
        Self::binding(self, *id).ok()
    }
    fn utilities(&self, from: Timestamp, until: Timestamp) -> Vec<&UtilityRecord> {
        let touching = self.records.range(RecordKey::Utility(Timestamp::from_ms(0))..RecordKey::Utility(until));
        let records = touching.filter_map(|(_, record)| match record {
            Record::Utility(utility) => Some(utility),
            _ => None,
        });
        records.filter(|record| record.utility.until > from).collect()
    }
}

struct MonthOf<'a> {
    month: Month,
    entries: &'a [Entry],
}
