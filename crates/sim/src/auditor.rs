//! A second reader: applies the node's stored blocks to a state of its own, through the one checking path, and looks at
//! every block with the checkers.

use crate::check::{self, Violation};
use ledger::act::Act;
use ledger::attachment::Attachment;
use ledger::state::{Record, RecordKey, SheetRecord, Terms};
use ledger::{Block, CheckedBlock, Genesis, State};
use std::collections::{BTreeMap, BTreeSet};
use units::{AccountId, BlockHash, Energy, MeterId, Month, StatementId, Timestamp};

/// What a stored chain says, read from its beginning.
#[derive(Debug)]
pub(crate) struct Auditor {
    pub(crate) state: State,
    pub(crate) hashes: Vec<BlockHash>,
    pub(crate) committed: BTreeSet<StatementId>,
    /// Committed readings of each meter, in the order of their intervals.
    pub(crate) readings: BTreeMap<MeterId, Vec<(Timestamp, Energy)>>,
}

impl Auditor {
    pub(crate) fn new(genesis: &Genesis) -> Result<Self, Violation> {
        let state = State::new(genesis.clone()).map_err(|error| Violation::Broken(error.to_string()))?;
        let hashes = vec![state.head().hash()];
        Ok(Self { state, hashes, committed: BTreeSet::new(), readings: BTreeMap::new() })
    }

    /// Height of the newest block read.
    pub(crate) fn height(&self) -> u64 {
        self.state.head().height.number()
    }

    /// Reads the next block.
    pub(crate) fn take(
        &mut self,
        bytes: &[u8],
        attachment: &mut dyn FnMut(&StatementId) -> Result<Vec<u8>, String>,
    ) -> Result<(), Violation> {
        let before = terms(&self.state);
        let block = self.apply(bytes).map_err(Violation::Replay)?;
        self.hashes.push(block.hash());
        for statement in block.statements() {
            self.committed.insert(statement.id());
            for act in &statement.payload().acts {
                if let Act::Readings(readings) = act {
                    let usable = attachment(&statement.id()).and_then(|bytes| {
                        let attachment = Attachment::from_bytes(&bytes).map_err(|error| error.to_string())?;
                        attachment.check(readings).map_err(|error| error.to_string())?;
                        attachment.rows().map_err(|error| error.to_string())
                    });
                    let statement = statement.id();
                    let rows = usable.map_err(|reason| Violation::AttachmentLost { statement, reason })?;
                    let meter = self.state.binding(&readings.binding).map(|binding| binding.meter.clone());
                    let meter = meter.ok_or_else(|| Violation::Replay("readings of no binding".into()))?;
                    let row =
                        |row: &ledger::attachment::Row| (row.time, row.reading.energy_import().unwrap_or_default());
                    self.readings.entry(meter).or_default().extend(rows.iter().map(row));
                }
            }
        }
        self.check(&before)
    }

    fn apply(&mut self, bytes: &[u8]) -> Result<CheckedBlock, String> {
        let block = Block::from_bytes(bytes).map_err(|error| error.to_string())?;
        let key_of = |account: &AccountId| self.state.key_of(account);
        let block = block.check(
            self.state.genesis(),
            self.state.head(),
            self.state.log(),
            self.state.next_difficulty(),
            &key_of,
        );
        let block = block.map_err(|error| error.to_string())?;
        self.state.apply(&block).map_err(|error| error.to_string())?;
        if self.state.root() == block.header().state_root { Ok(block) } else { Err("another state root".to_owned()) }
    }

    fn check(&self, before: &BTreeMap<(Month, AccountId), Terms>) -> Result<(), Violation> {
        self.state.check_balances().map_err(|error| Violation::Replay(error.to_string()))?;
        check::months_balance(self.state.genesis().rewards.monthly_budget, self.state.records())?;
        for ((month, account), after) in terms(&self.state) {
            let before = before.get(&(month, account)).copied().unwrap_or_default();
            check::no_sale_beyond(month, account, &before, &after)?;
        }
        for (meter, readings) in &self.readings {
            check::no_reading_twice(meter, readings)?;
            check::booked_as_counted(meter, readings, sheets(&self.state).map(|(_, sheet)| sheet))?;
        }
        Ok(())
    }
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
