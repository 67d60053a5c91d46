//! A block being booked: the first write to a record keeps what it replaced, so that a refused statement, a proposal and
//! an abandoned block all leave by the same door. The state tree moves once, when the block is finished.

use super::{
    AccountRecord, ApplyError, BindingRecord, CLOCK_AHEAD_MAX, Entry, MonthRecord, MonthStatus, Record, RecordKey,
    SheetRecord, State, Terms,
};
use crate::act::Role;
use crate::smt::SparseTree;
use crate::statement::thumbprint;
use crate::{Genesis, RuleViolation, VerifiedStatement};
use std::collections::{BTreeMap, btree_map};
use units::{AccountId, Digest, Energy, EnergyBalance, Height, Money, Month, StatementId, Timestamp};

/// What a block replaced; undoes it.
#[derive(Debug, Clone)]
pub struct Undo {
    /// Of each record touched, what it was before the block.
    records: BTreeMap<RecordKey, Option<Record>>,
    /// The tree before the block; it shares all nodes that the block did not move.
    tree: SparseTree,
    /// In the order they were remembered.
    seen: Vec<(Timestamp, StatementId)>,
    forgotten: Vec<(Timestamp, Vec<StatementId>)>,
    first_open: Month,
    head: crate::Header,
    log_size: u64,
}

impl Undo {
    /// Whether the block changed a record.
    #[must_use]
    pub fn touches(&self, key: &RecordKey) -> bool {
        self.records.contains_key(key)
    }
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
    pub(super) height: Height,
    undo: Undo,
    /// Of each record that the statement in hand touched, what it was before it; `None` between statements.
    statement: Option<Vec<(RecordKey, Option<Record>)>>,
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
    /// When the proposer is no miner, the time lies outside the calendar, or the block would be of a protocol version that
    /// this program does not know; the state is then as it was.
    pub fn draft(&mut self, time: Timestamp, proposer: AccountId) -> Result<Draft<'_>, ApplyError> {
        let (month, beneficiary) = self.opening(time, proposer)?;
        let height = self.head.height.next();
        let undo = Undo {
            records: BTreeMap::new(),
            tree: self.tree.clone(),
            seen: Vec::new(),
            forgotten: Vec::new(),
            first_open: self.first_open,
            head: self.head.clone(),
            log_size: self.log.size(),
        };
        let (entries, closed) = (Vec::new(), Vec::new());
        let (statement, statements) = (None, 0);
        let mut draft =
            Draft { state: self, time, month, beneficiary, height, undo, statement, entries, closed, statements };
        draft.forget_expired();
        draft.drop_ended_offers();
        draft.close_months();
        Ok(draft)
    }

    /// Whether an account may propose the next block at a time.
    ///
    /// # Errors
    /// Those of [`State::draft`].
    pub fn check_proposer(&self, time: Timestamp, proposer: AccountId) -> Result<(), ApplyError> {
        self.opening(time, proposer).map(|_| ())
    }

    /// The month of the next block, and who gains by it.
    fn opening(&self, time: Timestamp, proposer: AccountId) -> Result<(Month, AccountId), ApplyError> {
        let height = self.head.height.next();
        let version = self.parameters().version_at(height);
        if version != Genesis::VERSION {
            return Err(ApplyError::Upgrade { version, height });
        }
        let month = self.genesis.month_at(time).ok_or(ApplyError::OutsideCalendar)?;
        let may_mine = |account: &&AccountRecord| account.revoked.is_none() && account.has(Role::Miner, time);
        let account = self.account(&proposer).filter(may_mine);
        let beneficiary = account.and_then(|account| account.beneficiary).ok_or(ApplyError::NotAMiner(proposer))?;
        Ok((month, beneficiary))
    }

    /// Takes a block back. Undo records are taken back in the reverse order of their blocks.
    pub fn undo(&mut self, undo: Undo) {
        restore(&mut self.records, undo.records);
        self.tree = undo.tree;
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

/// Puts back what was replaced.
fn restore(records: &mut BTreeMap<RecordKey, Record>, replaced: impl IntoIterator<Item = (RecordKey, Option<Record>)>) {
    for (key, before) in replaced {
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
        let entries = self.entries.len();
        self.statement = Some(Vec::new());
        let booked = self.book(statement);
        let replaced = self.statement.take().unwrap_or_default();
        match booked {
            Ok(()) => {
                for (key, before) in replaced {
                    self.undo.records.entry(key).or_insert(before);
                }
                self.remember(statement);
                self.statements += 1;
            }
            Err(_) => {
                restore(&mut self.state.records, replaced);
                self.entries.truncate(entries);
            }
        }
        booked
    }

    /// Whether [`Draft::push`] would book a statement; the draft is as it was before.
    ///
    /// # Errors
    /// The first rule it breaks.
    pub fn judge(&mut self, statement: &VerifiedStatement) -> Result<(), RuleViolation> {
        let entries = self.entries.len();
        self.statement = Some(Vec::new());
        let booked = self.book(statement);
        restore(&mut self.state.records, self.statement.take().unwrap_or_default());
        self.entries.truncate(entries);
        booked
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
        if self.state.account(&statement.signer()).is_some_and(|account| account.revoked.is_some()) {
            return Err(RuleViolation::KeyRevoked(statement.signer()));
        }
        self.check_key(statement)
    }

    /// The key that a statement was verified with is its signer's present one; an account's first key is the one that
    /// its id is the thumbprint of.
    fn check_key(&self, statement: &VerifiedStatement) -> Result<(), RuleViolation> {
        let signer = statement.signer();
        let first = || Digest::from_bytes(*signer.as_bytes());
        let present = self.state.account(&signer).and_then(AccountRecord::key).map_or_else(first, thumbprint);
        if statement.key() == present { Ok(()) } else { Err(RuleViolation::WrongKey(signer)) }
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
        if let Err(error) = check_touched_balances(&self.undo.records, &self.state.records) {
            self.cancel();
            return Err(error);
        }
        let changed = |key: &RecordKey| (key.digest(), self.state.records.get(key).map(Record::digest));
        let changes = self.undo.records.keys().map(changed).collect();
        self.state.tree.update(changes);
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
        self.keep(key, before);
    }

    /// Keeps what a record was before its first change, by the statement in hand or by the block.
    fn keep(&mut self, key: RecordKey, before: Option<Record>) {
        match &mut self.statement {
            None => drop(self.undo.records.entry(key).or_insert(before)),
            // A statement touches a handful of records.
            Some(replaced) if replaced.iter().all(|(known, _)| *known != key) => replaced.push((key, before)),
            Some(_) => {}
        }
    }

    /// Changes a record in place, after keeping what it was.
    fn edit(&mut self, key: RecordKey, change: impl FnOnce(&mut Record)) -> bool {
        let Some(record) = self.state.records.get_mut(&key) else { return false };
        match &mut self.statement {
            None => drop(self.undo.records.entry(key).or_insert_with(|| Some(record.clone()))),
            Some(replaced) if replaced.iter().all(|(known, _)| *known != key) => {
                replaced.push((key, Some(record.clone())));
            }
            Some(_) => {}
        }
        change(record);
        true
    }

    /// Changes a sheet, empty if it is new.
    fn edit_sheet(&mut self, month: Month, account: AccountId, change: impl Fn(&mut SheetRecord)) {
        let in_place = |record: &mut Record| {
            if let Record::Sheet(sheet) = record {
                change(sheet);
            }
        };
        if !self.edit(RecordKey::Sheet(month, account), in_place) {
            let mut sheet = SheetRecord::default();
            change(&mut sheet);
            self.put_sheet(month, account, sheet);
        }
    }

    /// Takes a record away and keeps it.
    pub(super) fn remove(&mut self, key: RecordKey) {
        let before = self.state.records.remove(&key);
        self.keep(key, before);
    }

    /// Place in the log of the statement in hand.
    pub(super) fn log_index(&self) -> u64 {
        self.state.log.size().saturating_add(u64::try_from(self.statements).unwrap_or(u64::MAX))
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
                money: Money::ZERO,
                main_import: Energy::ZERO,
                main_export: Energy::ZERO,
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
        let mut terms = self.state.sheet(month, &account).map_or_else(Terms::default, |sheet| sheet.terms);
        let mut community = self.month_record(month);
        let term = term_mut(&mut terms, posting);
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
        self.edit_sheet(month, account, |sheet| sheet.terms = terms);
        // A trade between members moves nothing on the community's side, but the first one of a month begins it.
        if self.state.month(month) != Some(&community) {
            self.put(RecordKey::Month(month), Record::Month(community));
        }
        Ok(())
    }

    /// Adds an entry to a sheet's list.
    pub(super) fn enter(&mut self, month: Month, account: AccountId, entry: Entry) {
        self.edit_sheet(month, account, |sheet| {
            sheet.entries += 1;
            sheet.entries_digest = entry.extend(&sheet.entries_digest);
        });
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
pub(super) fn bounded_sum(a: Energy, b: Energy) -> Result<Energy, RuleViolation> {
    a.checked_add(b).filter(|sum| *sum <= Terms::TERM_MAX).ok_or(RuleViolation::AmountTooLarge)
}

/// Double entry, from the records and not from the postings: in each month touched, what the sheets changed by and what
/// the community's side changed by sum to zero; contracts, rewards and money likewise.
fn check_touched_balances(
    before: &BTreeMap<RecordKey, Option<Record>>,
    after: &BTreeMap<RecordKey, Record>,
) -> Result<(), ApplyError> {
    let mut sums: BTreeMap<Month, [i128; 4]> = BTreeMap::new();
    for (key, old) in before {
        let (RecordKey::Sheet(month, _) | RecordKey::Month(month)) = key else { continue };
        let sum = sums.entry(*month).or_default();
        let (old, new) = (balances(old.as_ref()), balances(after.get(key)));
        for (sum, (old, new)) in sum.iter_mut().zip(old.into_iter().zip(new)) {
            *sum += new - old;
        }
    }
    match sums.into_iter().find(|(_, sum)| *sum != [0; 4]) {
        Some((month, _)) => Err(ApplyError::Unbalanced(month)),
        None => Ok(()),
    }
}

/// A record's share in the four sums that must be zero: all accounts, contracts, rewards, money of priced trades.
fn balances(record: Option<&Record>) -> [i128; 4] {
    let signed = |energy: Energy| i128::from(energy.mwh());
    match record {
        Some(Record::Sheet(sheet)) => {
            let energy = i128::from(sheet.terms.remaining().mwh());
            [energy, signed(sheet.terms.contract), signed(sheet.terms.reward), sheet.money_balance()]
        }
        Some(Record::Month(month)) => {
            let money = i128::from(month.money.as_1e4());
            [month.community_balance(), -signed(month.contracts), -signed(month.rewards), money]
        }
        _ => [0; 4],
    }
}
