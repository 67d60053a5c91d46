//! A block being booked: every write keeps what it replaced, so that a refused statement, a proposal and an abandoned
//! block all leave by the same door.

use super::{
    AccountRecord, ApplyError, BindingRecord, CLOCK_AHEAD_MAX, Entry, MonthRecord, MonthStatus, Record, RecordKey,
    SheetRecord, State, Terms,
};
use crate::act::Role;
use crate::{RuleViolation, VerifiedStatement};
use std::collections::{BTreeMap, BTreeSet, btree_map};
use units::{AccountId, Digest, Energy, EnergyBalance, Height, Month, StatementId, Timestamp};

/// What a block replaced; undoes it.
#[derive(Debug, Clone)]
pub struct Undo {
    records: Vec<(RecordKey, Option<Record>)>,
    /// In the order they were remembered.
    seen: Vec<(Timestamp, StatementId)>,
    forgotten: Vec<(Timestamp, Vec<StatementId>)>,
    first_open: Month,
    head: crate::Header,
    log_size: u64,
}

/// What came of a block: the new root, what moved which sheet, and the way back.
#[derive(Debug, Clone)]
pub struct Drafted {
    /// State root after the block.
    pub state_root: Digest,
    /// Sheet entries in the order they were booked.
    pub entries: Vec<(Month, AccountId, Entry)>,
    /// Months that the block closed.
    pub closed: Vec<Month>,
    /// Undoes the block.
    pub undo: Undo,
}

/// A block being booked. Dropping it without [`Draft::finish`] or [`Draft::cancel`] would leave half a block, so both
/// consume it.
#[must_use]
#[derive(Debug)]
pub struct Draft<'a> {
    pub(super) state: &'a mut State,
    pub(super) time: Timestamp,
    pub(super) month: Month,
    beneficiary: AccountId,
    height: Height,
    undo: Undo,
    entries: Vec<(Month, AccountId, Entry)>,
    pub(super) closed: Vec<Month>,
    statements: usize,
}

/// A term of the formula together with the account that its other side is booked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Posting {
    Contract,
    Carried,
    Generated,
    Consumed,
    GainedFromSupply,
    TradedToSupply,
    /// One side of a trade between members; the other is posted too.
    GainedFromMember,
    TradedToMember,
    Fee,
    Reward,
}

impl State {
    /// Begins a block: closes what its time closes.
    ///
    /// # Errors
    /// When the proposer is no miner or the time lies outside the calendar; the state is then as it was.
    pub fn draft(&mut self, time: Timestamp, proposer: AccountId) -> Result<Draft<'_>, ApplyError> {
        let month = self.genesis.month_at(time).ok_or(ApplyError::OutsideCalendar)?;
        let account = self.account(&proposer).filter(|account| account.has(Role::Miner, time));
        let beneficiary = account.and_then(|account| account.beneficiary).ok_or(ApplyError::NotAMiner(proposer))?;
        let undo = Undo {
            records: Vec::new(),
            seen: Vec::new(),
            forgotten: Vec::new(),
            first_open: self.first_open,
            head: self.head.clone(),
            log_size: self.log.size(),
        };
        let height = self.head.height.next();
        let (entries, closed) = (Vec::new(), Vec::new());
        let mut draft = Draft { state: self, time, month, beneficiary, height, undo, entries, closed, statements: 0 };
        draft.forget_expired();
        draft.close_months();
        Ok(draft)
    }

    /// Takes a block back. Undo records are taken back in the reverse order of their blocks.
    pub fn undo(&mut self, undo: Undo) {
        let touched: BTreeSet<RecordKey> = undo.records.iter().map(|(key, _)| key.clone()).collect();
        restore(&mut self.records, undo.records, 0);
        for key in touched {
            match self.records.get(&key) {
                Some(record) => self.tree.insert(key.digest(), record.digest()),
                None => self.tree.remove(&key.digest()),
            };
        }
        for (expires, id) in undo.seen.into_iter().rev() {
            self.forget_newest(expires, &id);
        }
        for (expires, ids) in undo.forgotten {
            self.seen.extend(&ids);
            self.expiries.insert(expires, ids);
        }
        self.first_open = undo.first_open;
        self.head = undo.head;
        if self.head.height == Height::GENESIS {
            self.first_block = None;
        }
        self.log.truncate(undo.log_size);
    }

    /// Forgets the id that was remembered last.
    fn forget_newest(&mut self, expires: Timestamp, id: &StatementId) {
        self.seen.remove(id);
        if let btree_map::Entry::Occupied(mut ids) = self.expiries.entry(expires) {
            ids.get_mut().pop();
            if ids.get().is_empty() {
                ids.remove();
            }
        }
    }
}

/// Puts back what was replaced since `mark`, newest first.
fn restore(records: &mut BTreeMap<RecordKey, Record>, undo: Vec<(RecordKey, Option<Record>)>, mark: usize) {
    for (key, before) in undo.into_iter().skip(mark).rev() {
        match before {
            Some(record) => records.insert(key, record),
            None => records.remove(&key),
        };
    }
}

impl Draft<'_> {
    /// Books a statement wholly or not at all.
    ///
    /// # Errors
    /// The first rule it breaks; the draft is then as it was before.
    pub fn push(&mut self, statement: &VerifiedStatement) -> Result<(), RuleViolation> {
        let (records, entries) = (self.undo.records.len(), self.entries.len());
        match self.book(statement) {
            Ok(()) => {
                self.remember(statement);
                self.statements += 1;
                Ok(())
            }
            Err(violation) => {
                let replaced = self.undo.records.split_off(records);
                restore(&mut self.state.records, replaced, 0);
                self.entries.truncate(entries);
                Err(violation)
            }
        }
    }

    fn book(&mut self, statement: &VerifiedStatement) -> Result<(), RuleViolation> {
        self.check_envelope(statement)?;
        for (index, act) in (0..).zip(&statement.payload().acts) {
            self.book_act(statement, index, act)?;
        }
        Ok(())
    }

    fn check_envelope(&self, statement: &VerifiedStatement) -> Result<(), RuleViolation> {
        let payload = statement.payload();
        if payload.ledger != self.state.ledger {
            return Err(RuleViolation::WrongLedger);
        }
        if payload.issued > self.time + CLOCK_AHEAD_MAX {
            return Err(RuleViolation::IssuedInFuture);
        }
        if let Some(expired) = payload.expires.filter(|expires| *expires <= self.time) {
            return Err(RuleViolation::Expired(expired));
        }
        if self.state.seen.contains(&statement.id()) {
            return Err(RuleViolation::Duplicate(statement.id()));
        }
        Ok(())
    }

    /// A statement without an expiry needs no remembering: its meter chain refuses it a second time.
    fn remember(&mut self, statement: &VerifiedStatement) {
        if let Some(expires) = statement.payload().expires {
            self.state.seen.insert(statement.id());
            self.state.expiries.entry(expires).or_default().push(statement.id());
            self.undo.seen.push((expires, statement.id()));
        }
    }

    fn forget_expired(&mut self) {
        while let Some(first) = self.state.expiries.first_entry().filter(|first| *first.key() <= self.time) {
            let (expires, ids) = first.remove_entry();
            for id in &ids {
                self.state.seen.remove(id);
            }
            self.undo.forgotten.push((expires, ids));
        }
    }

    /// Takes the block back.
    pub fn cancel(self) {
        self.state.undo(self.undo);
    }

    /// Ends the block: pays the miner, checks the double entry of what was touched, moves the state root.
    ///
    /// # Errors
    /// [`ApplyError::Unbalanced`] if this program is defective; the state is then as it was.
    pub fn finish(mut self) -> Result<Drafted, ApplyError> {
        if self.statements > 0 {
            self.pay_reward();
        }
        let before = first_values(&self.undo.records);
        if let Err(error) = check_touched_balances(&before, &self.state.records) {
            self.cancel();
            return Err(error);
        }
        for key in before.keys() {
            if let Some(record) = self.state.records.get(key) {
                self.state.tree.insert(key.digest(), record.digest());
            }
        }
        let state_root = self.state.tree.root();
        Ok(Drafted { state_root, entries: self.entries, closed: self.closed, undo: self.undo })
    }

    /// min(the level's reward, what is left of the month's budget), to the miner's account if it has sheets.
    fn pay_reward(&mut self) {
        let (rules, level) = (&self.state.genesis.rewards, self.state.next_level());
        let reward = rules.by_level.get(usize::from(level.saturating_sub(1))).copied().unwrap_or_default();
        let is_member =
            self.state.account(&self.beneficiary).is_some_and(|account| account.has(Role::Member, self.time));
        let left = self.month_record(self.month).budget.to_energy().unwrap_or_default();
        let paid = reward.min(left);
        if paid.is_zero() || !is_member {
            return;
        }
        let (month, account) = (self.month, self.beneficiary);
        // The only refusal is a term at its bound, and then nothing is paid.
        if self.post(month, account, Posting::Reward, paid).is_ok() {
            self.enter(month, account, Entry::Reward(self.height));
        }
    }

    /// Writes a record and keeps what it replaced.
    pub(super) fn put(&mut self, key: RecordKey, record: Record) {
        let before = self.state.records.insert(key.clone(), record);
        self.undo.records.push((key, before));
    }

    /// A sheet as it stands, empty if it is new.
    pub(super) fn sheet(&self, month: Month, account: AccountId) -> SheetRecord {
        self.state.sheet(month, &account).cloned().unwrap_or_default()
    }

    pub(super) fn put_sheet(&mut self, month: Month, account: AccountId, sheet: SheetRecord) {
        self.put(RecordKey::Sheet(month, account), Record::Sheet(sheet));
    }

    /// The community's side of a month as it stands; a new one has its budget, issued from supply.
    pub(super) fn month_record(&self, month: Month) -> MonthRecord {
        self.state.month(month).cloned().unwrap_or_else(|| {
            let budget = self.state.genesis.rewards.monthly_budget.to_balance().unwrap_or_default();
            MonthRecord {
                status: MonthStatus::Open,
                supply: EnergyBalance::from_mwh(-budget.mwh()),
                physical: EnergyBalance::ZERO,
                budget,
                contracts: Energy::ZERO,
                rewards: Energy::ZERO,
            }
        })
    }

    pub(super) fn put_binding(&mut self, id: units::BindingId, binding: BindingRecord) {
        self.put(RecordKey::Binding(id), Record::Binding(binding));
    }

    pub(super) fn put_account(&mut self, id: AccountId, account: AccountRecord) {
        self.put(RecordKey::Account(id), Record::Account(account));
    }

    /// Books both sides of a posting.
    pub(super) fn post(
        &mut self,
        month: Month,
        account: AccountId,
        posting: Posting,
        energy: Energy,
    ) -> Result<(), RuleViolation> {
        let mut sheet = self.sheet(month, account);
        let mut community = self.month_record(month);
        let term = term_mut(&mut sheet.terms, posting);
        *term = bounded_sum(*term, energy)?;
        let amount = energy.to_balance().ok_or(RuleViolation::AmountTooLarge)?;
        let minus = EnergyBalance::from_mwh(-amount.mwh());
        let add = |side: &mut EnergyBalance, amount| {
            *side = side.checked_add(amount).ok_or(RuleViolation::AmountTooLarge)?;
            Ok(())
        };
        match posting {
            Posting::Contract => {
                community.contracts = bounded_sum(community.contracts, energy)?;
                add(&mut community.supply, minus)
            }
            Posting::Carried | Posting::GainedFromSupply => add(&mut community.supply, minus),
            Posting::TradedToSupply => add(&mut community.supply, amount),
            Posting::Generated => add(&mut community.physical, minus),
            Posting::Consumed => add(&mut community.physical, amount),
            Posting::Fee => add(&mut community.budget, amount),
            Posting::Reward => {
                community.rewards = bounded_sum(community.rewards, energy)?;
                add(&mut community.budget, minus)
            }
            Posting::GainedFromMember | Posting::TradedToMember => Ok(()),
        }?;
        self.put_sheet(month, account, sheet);
        self.put(RecordKey::Month(month), Record::Month(community));
        Ok(())
    }

    /// Adds an entry to a sheet's list.
    pub(super) fn enter(&mut self, month: Month, account: AccountId, entry: Entry) {
        let mut sheet = self.sheet(month, account);
        sheet.entries += 1;
        sheet.entries_digest = entry.extend(&sheet.entries_digest);
        self.put_sheet(month, account, sheet);
        self.entries.push((month, account, entry));
    }
}

fn term_mut(terms: &mut Terms, posting: Posting) -> &mut Energy {
    match posting {
        Posting::Contract => &mut terms.contract,
        Posting::Carried => &mut terms.carried,
        Posting::Generated => &mut terms.generated,
        Posting::Consumed => &mut terms.consumed,
        Posting::GainedFromSupply | Posting::GainedFromMember => &mut terms.gained,
        Posting::TradedToSupply | Posting::TradedToMember => &mut terms.traded,
        Posting::Fee => &mut terms.fee,
        Posting::Reward => &mut terms.reward,
    }
}

/// A sum that no term may exceed.
fn bounded_sum(a: Energy, b: Energy) -> Result<Energy, RuleViolation> {
    a.checked_add(b).filter(|sum| *sum <= Terms::TERM_MAX).ok_or(RuleViolation::AmountTooLarge)
}

/// Of each record touched, what it was before the block.
fn first_values(undo: &[(RecordKey, Option<Record>)]) -> BTreeMap<RecordKey, Option<Record>> {
    let mut first = BTreeMap::new();
    for (key, before) in undo {
        first.entry(key.clone()).or_insert_with(|| before.clone());
    }
    first
}

/// Double entry, from the records and not from the postings: in each month touched, what the sheets changed by and what
/// the community's side changed by sum to zero; contracts and rewards likewise.
fn check_touched_balances(
    before: &BTreeMap<RecordKey, Option<Record>>,
    after: &BTreeMap<RecordKey, Record>,
) -> Result<(), ApplyError> {
    let mut sums: BTreeMap<Month, [i128; 3]> = BTreeMap::new();
    for (key, old) in before {
        let (RecordKey::Sheet(month, _) | RecordKey::Month(month)) = key else { continue };
        let sum = sums.entry(*month).or_default();
        let (old, new) = (balances(old.as_ref()), balances(after.get(key)));
        for (sum, (old, new)) in sum.iter_mut().zip(old.into_iter().zip(new)) {
            *sum += new - old;
        }
    }
    match sums.into_iter().find(|(_, sum)| *sum != [0; 3]) {
        Some((month, _)) => Err(ApplyError::Unbalanced(month)),
        None => Ok(()),
    }
}

/// A record's share in the three sums that must be zero: all accounts, contracts, rewards.
fn balances(record: Option<&Record>) -> [i128; 3] {
    let signed = |energy: Energy| i128::from(energy.mwh());
    match record {
        Some(Record::Sheet(sheet)) => {
            [i128::from(sheet.terms.remaining().mwh()), signed(sheet.terms.contract), signed(sheet.terms.reward)]
        }
        Some(Record::Month(month)) => [month.community_balance(), -signed(month.contracts), -signed(month.rewards)],
        _ => [0; 3],
    }
}
