//! Leaves whole ledgers, bills and claims for a verifier that shares no code with this crate: `tests/foreign/verify_export.py`.

// Helpers of tests stop at the first surprise, as tests do.
#![allow(clippy::unwrap_used)]

use crate::bundle::read_frame;
use crate::support::{OPERATOR, apply, at, community_statement, genesis, key, propose, sign};
use ledger::act::Act;
use ledger::attachment::Attachment;
use ledger::bundle::{BillBundle, ClaimBundle, Source};
use ledger::state::{Entry, RecordKey};
use ledger::verify::{LedgerExport, Verdict, verify};
use ledger::{Block, Checkpoint, Genesis, Header, SignedStatement, State, VerifiedStatement};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use units::{AccountId, Height, Month, StatementId, Timestamp};

/// [`crate::support::community_of`] with its block.
pub(crate) fn community(genesis: Genesis) -> (State, Store) {
    community_without(genesis, |_| false)
}

/// The same, but for some acts of its first statement.
pub(crate) fn community_without(genesis: Genesis, left_out: impl Fn(&Act) -> bool) -> (State, Store) {
    let (mut state, mut store) = (State::new(genesis).unwrap(), Store::default());
    let mut founding = community_statement(&state).payload().clone();
    founding.acts.retain(|act| !left_out(act));
    let founding = sign(&founding, &key(OPERATOR));
    store.commit(&mut state, at(7, 1, 0, 20), &[founding]);
    (state, store)
}

/// A node's store in memory.
#[derive(Default)]
pub(crate) struct Store {
    pub(crate) statements: Vec<SignedStatement>,
    pub(crate) entries: BTreeMap<(Month, AccountId), Vec<Entry>>,
    pub(crate) attachments: BTreeMap<StatementId, Attachment>,
    pub(crate) blocks: Vec<Vec<u8>>,
}

impl Store {
    /// Proposes a block, applies it and keeps it.
    pub(crate) fn commit(&mut self, state: &mut State, time: Timestamp, statements: &[VerifiedStatement]) {
        let block = propose(state, time, statements);
        let drafted = apply(state, &block).unwrap();
        self.keep(&block, drafted.entries);
    }

    /// Keeps an applied block and what it entered in the sheets.
    pub(crate) fn keep(&mut self, block: &Block, entries: Vec<(Month, AccountId, Entry)>) {
        for (month, account, entry) in entries {
            self.entries.entry((month, account)).or_default().push(entry);
        }
        self.blocks.push(block.to_bytes());
        self.statements.extend_from_slice(&block.statements);
    }

    /// A state that stands on other blocks would make an export that is refused for the wrong reason.
    fn check(&self, state: &State) {
        let last = self.blocks.last().map(|bytes| Block::from_bytes(bytes).unwrap().header.hash());
        let head = (state.head().height != Height::GENESIS).then(|| state.head().hash());
        assert_eq!(last, head, "the state is not that of the kept blocks");
    }

    /// All blocks with a checkpoint over the last.
    pub(crate) fn export(&self, state: &State) -> Vec<u8> {
        self.check(state);
        export(state, &self.blocks, state.head())
    }

    /// The same with a block behind them that is to be refused, checkpoint and all.
    pub(crate) fn export_with(&self, state: &State, refused: &Block) -> Vec<u8> {
        self.check(state);
        let blocks = [self.blocks.as_slice(), &[refused.to_bytes()]].concat();
        export(state, &blocks, &refused.header)
    }
}

fn export(state: &State, blocks: &[Vec<u8>], head: &Header) -> Vec<u8> {
    let blocks = blocks.iter().map(Vec::as_slice).collect();
    LedgerExport { genesis: &state.genesis().to_bytes(), blocks, checkpoint: &checkpoint(head) }.to_bytes()
}

pub(crate) fn checkpoint(head: &Header) -> String {
    Checkpoint::for_header(head).sign(&key("log")).unwrap()
}

impl Source for Store {
    fn statement(&self, id: &StatementId) -> Option<(u64, Vec<u8>)> {
        let found = (0u64..).zip(&self.statements).find(|(_, statement)| statement.id() == *id);
        found.map(|(index, statement)| (index, statement.leaf().to_vec()))
    }
    fn entries(&self, month: Month, account: &AccountId) -> Vec<Entry> {
        self.entries.get(&(month, *account)).cloned().unwrap_or_default()
    }
    fn attachment(&self, id: &StatementId) -> Option<Attachment> {
        self.attachments.get(id).cloned()
    }
}

/// A folder in the target directory that `scripts/test` hands to the other verifier.
pub(crate) struct Shelf(PathBuf);

impl Shelf {
    pub(crate) fn named(name: &str) -> Self {
        Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join("foreign").join(name))
    }

    /// Without what an earlier run left.
    pub(crate) fn emptied(name: &str) -> Self {
        let shelf = Self::named(name);
        if shelf.0.exists() {
            std::fs::remove_dir_all(&shelf.0).unwrap();
        }
        std::fs::create_dir_all(&shelf.0).unwrap();
        shelf
    }

    /// A ledger, and a bundle of each bill and of each claim in it.
    pub(crate) fn leave(&self, name: &str, state: &State, store: &Store) {
        self.write(&format!("{name}.ledger"), &store.export(state));
        let (mut bills, mut claims) = (1.., 1..);
        for (key, _) in state.records() {
            let note = checkpoint(state.head());
            if let RecordKey::Bill(account, from) = key {
                let bundle = BillBundle::gather(state, note, *account, *from, store).unwrap();
                self.leave_verified(&format!("{name}.{}.bill", bills.next().unwrap()), state, &bundle.to_bytes());
            } else if let RecordKey::Claim(claim) = key {
                let bundle = ClaimBundle::gather(state, note, *claim, store).unwrap();
                self.leave_verified(&format!("{name}.{}.claim", claims.next().unwrap()), state, &bundle.to_bytes());
            }
        }
    }

    fn leave_verified(&self, name: &str, state: &State, bundle: &[u8]) {
        let report = verify(bundle, Some(state.genesis()), &read_frame);
        assert_eq!(report.verdict(), Verdict::Verified, "{name}: {:?}", report.findings);
        self.write(name, bundle);
    }

    /// An export whose last block breaks the rule; the file's name says which.
    pub(crate) fn leave_refused(&self, name: &str, rule: &str, export: &[u8]) {
        self.write(&format!("{name}.{rule}.refused"), export);
    }

    /// The community's ledger with a block on it that is not to be accepted.
    pub(crate) fn leave_lie(&self, block: &Block) {
        let (state, store) = community(genesis());
        self.write(&format!("block {}.lie", block.header.hash()), &store.export_with(&state, block));
    }

    /// Any file.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.0.join(name), bytes).unwrap();
    }
}
