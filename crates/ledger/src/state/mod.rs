//! The state: what the log of statements means. One deterministic function, [`State::apply`], moves it.
//!
//! Invariant: after every block the state root is a function of genesis and the statements alone, in whatever blocks
//! they came, and the balances of each month hold (checked at every block; a node that finds otherwise halts).

mod account;
mod claims;
mod close;
mod divide;
mod draft;
mod parameters;
mod readings;
mod record;
mod rules;

pub use crate::terms::{Terms, UseWarning};
pub use account::{AccountRecord, KeySpan, RoleSpan};
pub use claims::{AnswerRecord, ClaimRecord, LoadRecord, OutsideRecord};
pub use draft::{Draft, Drafted, Undo};
pub use parameters::ParametersRecord;
pub(crate) use readings::Stretch;
pub use record::{
    BillRecord, BindingRecord, ChainHead, Correction, DividedEnergy, Entry, MeterMonth, MonthRecord, MonthStatus,
    OfferRecord, Priced, Record, RecordKey, SheetRecord, TariffRecord, UtilityRecord,
};

use crate::act::{CounterPair, OfferId, Role};
use crate::difficulty::{difficulty_of_level, level_of_difficulty};
use crate::log::Log;
use crate::smt::{SparseProof, SparseTree};
use crate::{CheckedBlock, Genesis, GenesisError, Header, PublicKey, RuleViolation};
use std::collections::{BTreeMap, BTreeSet};
use units::{
    AccountId, BindingId, Digest, EnergyBalance, Height, LedgerId, MeterId, Millis, Month, StatementId, Timestamp,
};

/// Unbroken stretches of counters kept in one sheet: more breaks a month than this means a defect, not a meter.
pub const SEGMENTS_MAX: usize = 64;
/// How far before the oldest open month intervals may still be claimed; then the state lets them go.
pub const CLAIM_MONTHS: u32 = 3;
/// How far a signer's clock may be ahead of the block's time.
pub const CLOCK_AHEAD_MAX: Millis = Millis::from_minutes(10);

/// Why a checked block is not applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// It was checked against another parent than the newest block.
    #[error("the block was checked against another parent than the newest block; check it again")]
    NotOnHead,
    /// The proposer is no miner.
    #[error("proposed by {0}, who is not registered as a miner")]
    NotAMiner(AccountId),
    /// The block lies outside the calendar.
    #[error("the block's time lies outside the ledger's calendar")]
    OutsideCalendar,
    /// A statement breaks a rule.
    #[error("statement {index}: {violation}")]
    Statement {
        /// Its place in the block.
        index: usize,
        /// The rule.
        violation: RuleViolation,
    },
    /// The header's state root is not what the statements give.
    #[error("the state root is {computed}, the header says {stated}")]
    StateRoot {
        /// What the rules give.
        computed: Digest,
        /// What the header says.
        stated: Digest,
    },
    /// A month's accounts do not sum to zero: a defect of this program.
    #[error("the accounts of {0} do not balance; stop and report this")]
    Unbalanced(Month),
    /// The ledger speaks a protocol version that this program does not know.
    #[error("from block {height} on the ledger speaks protocol version {version}, and this program knows {known}: install a newer one", known = Genesis::VERSION)]
    Upgrade {
        /// The version.
        version: u32,
        /// The block that would be next.
        height: Height,
    },
}

/// The state after some block.
#[derive(Debug, Clone)]
pub struct State {
    genesis: Genesis,
    ledger: LedgerId,
    records: BTreeMap<RecordKey, Record>,
    tree: SparseTree,
    log: Log,
    head: Header,
    /// Ids that could still be replayed, by expiry. The log commits to them already, so the state root need not.
    seen: BTreeSet<StatementId>,
    expiries: BTreeMap<Timestamp, Vec<StatementId>>,
    /// Every month before it is closed.
    first_open: Month,
    /// Time of block 1, which the difficulty by time counts from; none before that block.
    first_block: Option<Timestamp>,
}

impl State {
    /// The state that a genesis document founds: its operator and its miners, nothing else.
    ///
    /// # Errors
    /// When the document says something that no ledger can keep.
    pub fn new(genesis: Genesis) -> Result<Self, GenesisError> {
        genesis.check()?;
        let mut records = BTreeMap::new();
        for (id, account) in founders(&genesis) {
            records.insert(RecordKey::Account(id), Record::Account(account));
        }
        let mut tree = SparseTree::new();
        for (key, record) in &records {
            tree.insert(key.digest(), record.digest());
        }
        let head = Header::genesis(&genesis, tree.root());
        let first_open = genesis.month_at(genesis.created).ok_or(GenesisError::Created)?;
        Ok(Self {
            ledger: genesis.ledger(),
            genesis,
            records,
            tree,
            log: Log::new(),
            head,
            seen: BTreeSet::new(),
            expiries: BTreeMap::new(),
            first_open,
            first_block: None,
        })
    }

    /// Applies a block: every rule, then the state root.
    ///
    /// # Errors
    /// When a rule is broken; the state is then as it was.
    pub fn apply(&mut self, block: &CheckedBlock) -> Result<Drafted, ApplyError> {
        let header = block.header();
        // A block checked against a sibling of the newest one would bring its own log with it.
        if header.previous != self.head.hash() {
            return Err(ApplyError::NotOnHead);
        }
        let mut draft = self.draft(header.time, header.proposer)?;
        for (index, statement) in block.statements().iter().enumerate() {
            if let Err(violation) = draft.push(statement) {
                draft.cancel();
                return Err(ApplyError::Statement { index, violation });
            }
        }
        let drafted = draft.finish()?;
        if drafted.state_root != header.state_root {
            let computed = drafted.state_root;
            self.undo(drafted.undo);
            return Err(ApplyError::StateRoot { computed, stated: header.state_root });
        }
        for leaf in block.leaves() {
            self.log.append(*leaf);
        }
        self.head = header.clone();
        self.first_block = self.first_block.or(Some(header.time));
        Ok(drafted)
    }

    /// The genesis document.
    #[must_use]
    pub const fn genesis(&self) -> &Genesis {
        &self.genesis
    }
    /// The ledger.
    #[must_use]
    pub const fn ledger(&self) -> LedgerId {
        self.ledger
    }
    /// The newest block's header.
    #[must_use]
    pub const fn head(&self) -> &Header {
        &self.head
    }
    /// The log.
    #[must_use]
    pub const fn log(&self) -> &Log {
        &self.log
    }
    /// The difficulty of the block that follows the head.
    #[must_use]
    pub fn next_difficulty(&self) -> u64 {
        let order = &self.genesis.order;
        let first = difficulty_of_level(self.parameters().level_at(self.head.height.next()));
        match (order.block_time, self.first_block) {
            (Some(block_time), Some(anchor)) => {
                let blocks = self.head.height.number().saturating_sub(1);
                block_time.difficulty(first, blocks, self.head.time.since(anchor))
            }
            _ => first,
        }
    }
    /// The level that the block after the head is paid for.
    #[must_use]
    pub fn next_level(&self) -> u8 {
        level_of_difficulty(self.next_difficulty())
    }
    /// The state root.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.tree.root()
    }
    /// The first month that is not closed.
    #[must_use]
    pub const fn first_open(&self) -> Month {
        self.first_open
    }
    /// All records in the order of their keys.
    pub fn records(&self) -> impl Iterator<Item = (&RecordKey, &Record)> {
        self.records.iter()
    }
    /// Records whose keys lie in a range.
    pub fn range(
        &self,
        keys: impl std::ops::RangeBounds<RecordKey>,
    ) -> impl DoubleEndedIterator<Item = (&RecordKey, &Record)> {
        self.records.range(keys)
    }
    /// A record.
    #[must_use]
    pub fn record(&self, key: &RecordKey) -> Option<&Record> {
        self.records.get(key)
    }
    /// Proof that a record is, or is not, in the state that the root commits to.
    #[must_use]
    pub fn prove(&self, key: &RecordKey) -> SparseProof {
        self.tree.proof(&key.digest())
    }
    /// Whether a statement that could still be replayed is in the ledger.
    #[must_use]
    pub fn has_seen(&self, id: &StatementId) -> bool {
        self.seen.contains(id)
    }

    /// An account.
    #[must_use]
    pub fn account(&self, id: &AccountId) -> Option<&AccountRecord> {
        match self.records.get(&RecordKey::Account(*id)) {
            Some(Record::Account(account)) => Some(account),
            _ => None,
        }
    }
    /// An account's present key, revoked or not.
    #[must_use]
    pub fn key_of(&self, id: &AccountId) -> Option<PublicKey> {
        self.account(id)?.key().cloned()
    }
    /// The account that a key signs, or signed, for.
    #[must_use]
    pub fn user_of_key(&self, key: &PublicKey) -> Option<AccountId> {
        let thumbprint = key.account();
        match self.records.get(&RecordKey::Key(thumbprint)) {
            Some(Record::Key(account)) => Some(*account),
            _ => self.account(&thumbprint).map(|_| thumbprint),
        }
    }
    /// An open offer.
    #[must_use]
    pub fn offer(&self, id: &OfferId) -> Option<&OfferRecord> {
        match self.records.get(&RecordKey::Offer(*id)) {
            Some(Record::Offer(offer)) => Some(offer),
            _ => None,
        }
    }
    /// A sheet.
    #[must_use]
    pub fn sheet(&self, month: Month, account: &AccountId) -> Option<&SheetRecord> {
        match self.records.get(&RecordKey::Sheet(month, *account)) {
            Some(Record::Sheet(sheet)) => Some(sheet),
            _ => None,
        }
    }
    /// The community's side of a month.
    #[must_use]
    pub fn month(&self, month: Month) -> Option<&MonthRecord> {
        match self.records.get(&RecordKey::Month(month)) {
            Some(Record::Month(record)) => Some(record),
            _ => None,
        }
    }
    /// A binding.
    #[must_use]
    pub fn binding(&self, id: &BindingId) -> Option<&BindingRecord> {
        match self.records.get(&RecordKey::Binding(*id)) {
            Some(Record::Binding(binding)) => Some(binding),
            _ => None,
        }
    }
    /// A meter's present binding.
    #[must_use]
    pub fn meter(&self, meter: &MeterId) -> Option<(BindingId, &BindingRecord)> {
        match self.records.get(&RecordKey::Meter(meter.clone())) {
            Some(Record::Meter(id)) => self.binding(id).map(|binding| (*id, binding)),
            _ => None,
        }
    }
    /// A utility's bill by the start of its period.
    #[must_use]
    pub fn utility(&self, from: Timestamp) -> Option<&UtilityRecord> {
        match self.records.get(&RecordKey::Utility(from)) {
            Some(Record::Utility(utility)) => Some(utility),
            _ => None,
        }
    }
    /// The utility's bills whose periods touch a span, by rising start; they do not overlap each other.
    pub fn utilities(&self, from: Timestamp, until: Timestamp) -> impl Iterator<Item = &UtilityRecord> {
        let first = RecordKey::Utility(Timestamp::from_ms(0));
        let touching = self.records.range(first..RecordKey::Utility(until)).map(|(_, record)| record);
        // From the newest back: all before the first that ends too early do so too.
        let mut touching: Vec<&UtilityRecord> = touching
            .rev()
            .map_while(|record| match record {
                Record::Utility(utility) => Some(utility).filter(|utility| utility.utility.until > from),
                _ => None,
            })
            .collect();
        touching.reverse();
        touching.into_iter()
    }
    /// The tariff in force in a month: the one that began last.
    #[must_use]
    pub fn tariff(&self, month: Month) -> Option<&TariffRecord> {
        if month < self.genesis.first_month {
            return None;
        }
        let earliest = RecordKey::Tariff(self.genesis.first_month);
        self.records.range(earliest..=RecordKey::Tariff(month)).next_back().and_then(|(_, record)| match record {
            Record::Tariff(tariff) => Some(tariff),
            _ => None,
        })
    }

    /// Checks every month's double entry, of energy and of money, from all its sheets, not only from those that a block
    /// touched, and that each sheet booked what its meters' counters moved by.
    ///
    /// # Errors
    /// The first month that does not balance.
    pub fn check_balances(&self) -> Result<(), ApplyError> {
        let mut sums: BTreeMap<Month, [i128; 2]> = BTreeMap::new();
        for (key, record) in &self.records {
            match (key, record) {
                (RecordKey::Sheet(month, _), Record::Sheet(sheet)) => {
                    if !sheet.counters_agree() {
                        return Err(ApplyError::Unbalanced(*month));
                    }
                    let [energy, money] = sums.entry(*month).or_default();
                    *energy += i128::from(sheet.terms.remaining().mwh());
                    *money += sheet.money_balance();
                }
                (RecordKey::Month(month), Record::Month(record)) => {
                    let [energy, money] = sums.entry(*month).or_default();
                    *energy += record.community_balance();
                    *money += i128::from(record.money.as_1e4());
                }
                _ => {}
            }
        }
        match sums.into_iter().find(|(_, sums)| *sums != [0; 2]) {
            Some((month, _)) => Err(ApplyError::Unbalanced(month)),
            None => Ok(()),
        }
    }
}

/// The accounts that genesis knows. One key may be both operator and miner.
fn founders(genesis: &Genesis) -> BTreeMap<AccountId, AccountRecord> {
    let operator = (&genesis.operator, Role::Operator, None);
    let miners = genesis.miners.iter().map(|miner| (&miner.key, Role::Miner, Some(miner.beneficiary)));
    let mut accounts = BTreeMap::new();
    for (key, role, beneficiary) in [operator].into_iter().chain(miners) {
        let account: &mut AccountRecord =
            accounts.entry(key.account()).or_insert_with(|| AccountRecord::new(key.clone(), 0));
        let span = RoleSpan { role, from: genesis.created, registered: 0, until: None, retired: None };
        account.roles.push(span);
        account.beneficiary = account.beneficiary.or(beneficiary);
    }
    accounts
}

impl SheetRecord {
    /// Money owed to the member for priced trades, less what the member owes.
    fn money_balance(&self) -> i128 {
        i128::from(self.sold.amount.as_1e4()) - i128::from(self.bought.amount.as_1e4())
    }

    /// Whether consumed and generated are what the counters of all stretches moved by, times their factors.
    fn counters_agree(&self) -> bool {
        let moved = |pair: CounterPair, factor: u32| {
            (i128::from(pair.end.mwh()) - i128::from(pair.start.mwh())) * i128::from(factor)
        };
        let import: i128 = self.meters.iter().map(|meter| moved(meter.import, meter.factor)).sum();
        let export = self.meters.iter().filter_map(|meter| meter.export.map(|export| moved(export, meter.factor)));
        let late = self.corrections.iter().map(|correction| i128::from(correction.late.energy.mwh()));
        import == i128::from(self.terms.consumed.mwh())
            && import == i128::from(self.regular.energy.mwh()) + late.sum::<i128>()
            && export.sum::<i128>() == i128::from(self.terms.generated.mwh())
    }
}

impl MonthRecord {
    /// Supply, physical side and budget together: minus the sum of all sheets.
    fn community_balance(&self) -> i128 {
        [self.supply, self.physical, self.budget].iter().map(|balance: &EnergyBalance| i128::from(balance.mwh())).sum()
    }
}

#[cfg(test)]
pub(crate) mod tests;
