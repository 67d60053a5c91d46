//! A second reader: applies every block that any node made part of its chain to a state of its own, through the one
//! checking path, and looks at it with the checkers.
//!
//! A block's hash is over its parent's and over the state that it leads to, so a block that checked once checks wherever
//! it stands: each is looked at once, however many nodes have it. The reader stands on one branch and walks to another
//! when a block continues that one.

use crate::Sabotage;
use crate::check::{Violation, energy, promises};
use ledger::act::{Act, Readings};
use ledger::state::{Record, RecordKey, SheetRecord, Terms, Undo};
use ledger::{Block, CheckedBlock, Genesis, Header, Means, OneByOne, State};
use std::collections::{BTreeMap, BTreeSet};
use units::{AccountId, BlockHash, Energy, Height, MeterId, Month, StatementId, Timestamp};

/// A block that checked.
#[derive(Debug)]
pub(crate) struct Audited {
    pub(crate) header: Header,
    bytes: Vec<u8>,
    pub(crate) statements: Vec<StatementId>,
    /// Those that have an attachment.
    pub(crate) readings: Vec<(StatementId, Readings)>,
    /// What the operator read by eye.
    by_hand: Vec<(StatementId, Readings)>,
}

/// A step of the branch that the reader stands on, and the way back.
#[derive(Debug)]
struct Step {
    hash: BlockHash,
    undo: Undo,
    /// How many readings of which meter it added.
    readings: Vec<(MeterId, usize)>,
}

/// Everything that was ever part of a node's chain.
#[derive(Debug)]
pub(crate) struct Auditor {
    genesis: BlockHash,
    blocks: BTreeMap<BlockHash, Audited>,
    /// What attachments hold, from whichever node stored them first.
    rows: BTreeMap<StatementId, Vec<(Timestamp, Energy)>>,
    // The branch that it stands on.
    state: State,
    steps: Vec<Step>,
    committed: BTreeSet<StatementId>,
    /// Committed readings of each meter, in the order of their intervals.
    readings: BTreeMap<MeterId, Vec<(Timestamp, Energy)>>,
}

impl Auditor {
    pub(crate) fn new(genesis: &Genesis) -> Result<Self, Violation> {
        let state = State::new(genesis.clone()).map_err(|error| Violation::Broken(error.to_string()))?;
        Ok(Self {
            genesis: state.head().hash(),
            blocks: BTreeMap::new(),
            rows: BTreeMap::new(),
            state,
            steps: Vec::new(),
            committed: BTreeSet::new(),
            readings: BTreeMap::new(),
        })
    }

    /// Blocks that were ever part of a node's chain.
    pub(crate) fn len(&self) -> usize {
        self.blocks.len()
    }

    /// A block that was looked at.
    pub(crate) fn block(&self, hash: &BlockHash) -> Option<&Audited> {
        self.blocks.get(hash)
    }

    /// What an attachment holds, remembered when a node stores it.
    pub(crate) fn attachment(&mut self, statement: StatementId, rows: Vec<(Timestamp, Energy)>) {
        self.rows.entry(statement).or_insert(rows);
    }

    /// A statement's place in the log by a block that holds it.
    pub(crate) fn log_index(&self, hash: &BlockHash, statement: &StatementId) -> Option<u64> {
        let block = self.blocks.get(hash)?;
        let first = block.header.log_size - u64::try_from(block.statements.len()).ok()?;
        (first..).zip(&block.statements).find(|(_, id)| *id == statement).map(|(index, _)| index)
    }

    /// Stands on a block, and shows what its chain holds.
    pub(crate) fn chain(&mut self, head: &BlockHash) -> Result<Chain<'_>, Violation> {
        self.walk_to(head)?;
        Ok(Chain { state: &self.state, committed: &self.committed, readings: &self.readings })
    }

    /// Looks at a block that a node has made part of its chain.
    pub(crate) fn take(&mut self, bytes: &[u8], sabotage: Option<Sabotage>) -> Result<BlockHash, Violation> {
        let block = Block::from_bytes(bytes).map_err(|error| Violation::Replay(error.to_string()))?;
        let hash = block.header.hash();
        if let Some(known) = self.blocks.get(&hash) {
            let is_same = known.bytes == bytes;
            return if is_same { Ok(hash) } else { Err(Violation::Replay(format!("two forms of block {hash}"))) };
        }
        self.walk_to(&block.header.previous)?;
        let before = terms(&self.state);
        let mut statements: Vec<StatementId> = block.statements.iter().map(|statement| statement.id()).collect();
        if sabotage == Some(Sabotage::BookAgain) {
            // A planted bug: the block books its first statement again.
            statements.extend(statements.first().copied());
        }
        promises::booked_once(&self.committed, &statements)?;
        let (by_hand, readings) = readings_of(&block).partition(|(_, readings)| readings.source.is_operators());
        let header = block.header.clone();
        self.step(block, &Means::NONE).map_err(Violation::Replay)?;
        self.blocks.insert(hash, Audited { header, bytes: bytes.to_vec(), statements, readings, by_hand });
        self.add_readings(&hash)?;
        self.check(&before, sabotage)?;
        Ok(hash)
    }

    /// Goes back to where the branches part, and on to the block.
    fn walk_to(&mut self, target: &BlockHash) -> Result<(), Violation> {
        let mut ahead = Vec::new();
        let mut hash = *target;
        while !self.stands_on(&hash) {
            let unknown = || Violation::Replay(format!("block {hash} continues a chain that nobody showed"));
            let block = self.blocks.get(&hash).ok_or_else(unknown)?;
            ahead.push(hash);
            hash = block.header.previous;
        }
        let height = self.blocks.get(&hash).map_or(Height::GENESIS, |block| block.header.height);
        while self.state.head().height > height {
            self.step_back();
        }
        for hash in ahead.into_iter().rev() {
            let bytes = self.blocks.get(&hash).map(|block| block.bytes.clone()).unwrap_or_default();
            let block = Block::from_bytes(&bytes).map_err(|error| Violation::Broken(error.to_string()))?;
            self.step(block, &Means { jobs: &OneByOne, is_verified: &|_, _| true }).map_err(Violation::Broken)?;
            self.add_readings(&hash)?;
        }
        Ok(())
    }

    fn stands_on(&self, hash: &BlockHash) -> bool {
        if *hash == self.genesis {
            return true;
        }
        let height = self.blocks.get(hash).map(|block| block.header.height.number());
        let index = height.and_then(|height| usize::try_from(height.checked_sub(1)?).ok());
        index.and_then(|index| self.steps.get(index)).is_some_and(|step| step.hash == *hash)
    }

    fn step(&mut self, block: Block, means: &Means<'_>) -> Result<(), String> {
        let key_of = |account: &AccountId| self.state.key_of(account);
        let (head, difficulty) = (self.state.head(), self.state.next_difficulty());
        let means = Means { jobs: means.jobs, is_verified: means.is_verified };
        let block = block.check_by(self.state.genesis(), head, self.state.log(), difficulty, &key_of, means);
        let block: CheckedBlock = block.map_err(|error| error.to_string())?;
        let undo = self.state.apply(&block).map_err(|error| error.to_string())?.undo;
        self.committed.extend(block.statements().iter().map(ledger::VerifiedStatement::id));
        self.steps.push(Step { hash: block.hash(), undo, readings: Vec::new() });
        Ok(())
    }

    /// Books the readings of the block that was applied last.
    fn add_readings(&mut self, hash: &BlockHash) -> Result<(), Violation> {
        let (Some(block), Some(step)) = (self.blocks.get(hash), self.steps.last_mut()) else { return Ok(()) };
        let meter_of = |readings: &Readings| {
            let meter = self.state.binding(&readings.binding).map(|binding| binding.meter.clone());
            meter.ok_or_else(|| Violation::Replay("readings of no binding".into()))
        };
        for (statement, readings) in &block.readings {
            let lost = || Violation::AttachmentLost { statement: *statement, reason: "no node ever stored it".into() };
            let rows = self.rows.get(statement).ok_or_else(lost)?;
            let meter = meter_of(readings)?;
            step.readings.push((meter.clone(), rows.len()));
            self.readings.entry(meter).or_default().extend(rows);
        }
        for (_, readings) in &block.by_hand {
            let meter = meter_of(readings)?;
            let counted = self.readings.entry(meter.clone()).or_default();
            let ends = [(readings.start, readings.import.start), (readings.end, readings.import.end)];
            // Where an interval goes on from, the one before it ended.
            let rows = ends.get(usize::from(!counted.is_empty())..).unwrap_or_default();
            step.readings.push((meter, rows.len()));
            counted.extend(rows);
        }
        Ok(())
    }

    fn step_back(&mut self) {
        let Some(step) = self.steps.pop() else { return };
        self.state.undo(step.undo);
        let statements = self.blocks.get(&step.hash).map(|block| block.statements.as_slice()).unwrap_or_default();
        for id in statements {
            self.committed.remove(id);
        }
        for (meter, count) in step.readings.into_iter().rev() {
            let readings = self.readings.entry(meter).or_default();
            readings.truncate(readings.len() - count);
        }
    }

    fn check(&self, before: &BTreeMap<(Month, AccountId), Terms>, sabotage: Option<Sabotage>) -> Result<(), Violation> {
        self.state.check_balances().map_err(|error| Violation::Replay(error.to_string()))?;
        let mut budget = self.state.genesis().rewards.monthly_budget;
        if sabotage == Some(Sabotage::MisreadBudget) {
            budget = Energy::from_mwh(budget.mwh() + 1);
        }
        energy::months_balance(budget, self.state.records())?;
        for ((month, account), mut after) in terms(&self.state) {
            if sabotage == Some(Sabotage::MisreadContracts) {
                after.contract = Energy::ZERO;
            }
            let before = before.get(&(month, account)).copied().unwrap_or_default();
            energy::no_sale_beyond(month, account, &before, &after)?;
        }
        for (meter, readings) in &self.readings {
            energy::no_reading_twice(meter, readings)?;
            energy::booked_as_counted(meter, readings, sheets(&self.state).map(|(_, sheet)| sheet))?;
        }
        Ok(())
    }
}

/// What a chain holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chain<'a> {
    pub(crate) state: &'a State,
    pub(crate) committed: &'a BTreeSet<StatementId>,
    pub(crate) readings: &'a BTreeMap<MeterId, Vec<(Timestamp, Energy)>>,
}

/// The intervals in a block.
fn readings_of(block: &Block) -> impl Iterator<Item = (StatementId, Readings)> + '_ {
    block.statements.iter().flat_map(|statement| {
        statement.payload().acts.iter().filter_map(|act| match act {
            Act::Readings(readings) => Some((statement.id(), (**readings).clone())),
            _ => None,
        })
    })
}

fn sheets(state: &State) -> impl Iterator<Item = ((Month, AccountId), &SheetRecord)> {
    state.records().filter_map(|(key, record)| match (key, record) {
        (RecordKey::Sheet(month, account), Record::Sheet(sheet)) => Some(((*month, *account), sheet)),
        _ => None,
    })
}

fn terms(state: &State) -> BTreeMap<(Month, AccountId), Terms> {
    sheets(state).map(|(key, sheet)| (key, sheet.terms)).collect()
}
