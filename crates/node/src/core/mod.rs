//! The node as one pure machine: [`Node::step`] takes the time and an input and gives a list of outputs. No clock, file,
//! socket or thread is here; whoever runs it carries the outputs out, strictly in order, and a [`Output::Store`] must be
//! durable before the next output is carried out.
//!
//! Invariant: after a crash between any two outputs, [`Node::recover`] from what was stored gives a node that has lost
//! nothing it acknowledged and has nothing twice. There is one path for blocks, whether own or stored: [`Block`] (from
//! bytes, or made of statements that were read before), [`Block::check_by`], [`State::apply`]. A signature that was
//! checked once is not checked again while its verdict is remembered: by the pool, for what waits in it, and by the log
//! key's checkpoint, for what was stored before it.

mod admit;
mod mine;
mod pool;
mod recover;
mod submission;

pub use admit::Refusal;
pub use mine::MiningStatistics;
pub use pool::{POOL_BYTES_MAX, POOL_STATEMENTS_MAX, Pooled};
pub use recover::RecoverError;
pub(crate) use recover::Recovery;
pub use submission::Submission;

use crate::record::Record;
use crate::view;
use api::{Event, Place, SubmitAnswer};
use ledger::act::Act;
use ledger::state::{ApplyError, Entry};
use ledger::{
    Block, BlockError, CheckedBlock, Checkpoint, Genesis, Header, Means, OneByOne, SecretKey, SignedStatement, State,
};
use mine::Template;
use pool::Pool;
use std::collections::{BTreeMap, VecDeque};
use units::{AccountId, BindingId, BlockHash, Digest, Energy, Height, MeterId, Millis, Month, StatementId, Timestamp};

/// What a node is made of besides what it stores.
#[derive(Debug, Clone)]
pub struct Config {
    /// The genesis document.
    pub genesis: Genesis,
    /// The key that it proposes blocks with; without one it proposes none.
    pub miner: Option<SecretKey>,
    /// The log key, on the operator's node; without it the node signs no checkpoints.
    pub log_key: Option<SecretKey>,
    /// Whether it mines by itself.
    pub automatic: bool,
}

/// Tells one request from another; chosen by whoever runs the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReplyId(
    /// Any number.
    pub u64,
);

/// Tells one search from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TemplateId(
    /// Counted up from 1.
    pub u64,
);

/// What happens to a node.
#[derive(Debug, Clone)]
pub enum Input {
    /// Somebody submits a statement.
    Submit {
        /// Its submission form.
        bytes: Vec<u8>,
        /// Who asks.
        reply: ReplyId,
    },
    /// Somebody submits a statement that was looked at already.
    Admit {
        /// What was found.
        submission: Box<Submission>,
        /// Who asks.
        reply: ReplyId,
    },
    /// Time has passed. Comes a few times a second of the community's time.
    Tick,
    /// The next block is to be mined by hand.
    MineNow,
    /// Mining by itself is switched.
    SetAutomatic(bool),
    /// A search ended.
    Mined {
        /// Which.
        template: TemplateId,
        /// Of which searcher.
        extra_nonce: u64,
        /// The nonce that it found.
        nonce: u64,
        /// Attempts of all searchers together.
        attempts: u64,
    },
}

/// What a node wants done.
#[derive(Debug)]
pub enum Output {
    /// Store this; durable before the next output is carried out.
    Store(Record),
    /// Answer a submission.
    Reply {
        /// To whom.
        reply: ReplyId,
        /// The answer.
        answer: Result<SubmitAnswer, Refusal>,
    },
    /// Search a nonce for this header, in place of any earlier search.
    Search {
        /// Names the search.
        template: TemplateId,
        /// The header; extra nonce and nonce are the searchers'.
        header: Header,
    },
    /// Derive rows from a block that is now part of the chain.
    Index(Box<Committed>),
    /// Tell whoever listens.
    Publish(Event),
    /// Tell whoever runs the node what he alone can mend.
    Warn(String),
    /// This program is defective; stop before more harm is done.
    Halt(String),
}

/// A block that was applied, with what came of it.
#[derive(Debug, Clone)]
pub struct Committed {
    /// The block.
    pub block: CheckedBlock,
    /// Bytes of its wire form.
    pub size_bytes: u64,
    /// Log index of its first statement.
    pub first_log_index: u64,
    /// Sheet entries in the order they were booked.
    pub entries: Vec<(Month, AccountId, Entry)>,
    /// Months that it closed.
    pub closed: Vec<Month>,
    /// Reward paid, and to whom.
    pub reward: Option<(AccountId, Energy)>,
    /// Meters of the bindings that its readings name.
    pub meters: BTreeMap<BindingId, MeterId>,
}

/// Why a block does not become part of the chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// Structure, seal, work or a signature is wrong.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// A rule is broken.
    #[error(transparent)]
    Apply(#[from] ApplyError),
}

/// The newest checkpoint that the log key signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// What was signed.
    pub checkpoint: Checkpoint,
    /// The signed note.
    pub note: String,
}

/// A node.
#[derive(Debug)]
pub struct Node {
    config: Config,
    // The chain.
    state: State,
    genesis_header: Header,
    /// Hash of every block by height.
    hashes: Vec<BlockHash>,
    /// Headers of the newest `final_depth + 1` blocks, oldest first.
    recent: VecDeque<Header>,
    /// Place of every statement, so that a duplicate is answered with the original's place for ever.
    places: BTreeMap<StatementId, Place>,
    /// Statements of each meter chain by their number.
    chains: BTreeMap<BindingId, Vec<StatementId>>,
    anchor: Option<Anchor>,
    // The pool.
    pool: Pool,
    evidence: u32,
    // The miner.
    automatic: bool,
    /// Whether a block by hand is wanted.
    requested: bool,
    search: Option<Template>,
    templates: u64,
    /// When a template came out empty, and of which pool: not tried again at once.
    fruitless: Option<(Timestamp, u64)>,
    /// Why it may propose no block, as it was told last.
    hindrance: Option<ApplyError>,
    mining: MiningStatistics,
}

/// How long a pool that gave no block rests before it is tried again, unless it changes.
const FRUITLESS_REST: Millis = Millis::from_seconds(10);

impl Node {
    /// What a fresh ledger's node is.
    ///
    /// # Errors
    /// When the genesis document says something that no ledger can keep.
    fn new(config: Config) -> Result<Self, ledger::GenesisError> {
        let state = State::new(config.genesis.clone())?;
        let genesis_header = state.head().clone();
        Ok(Self {
            automatic: config.automatic,
            config,
            hashes: vec![genesis_header.hash()],
            recent: VecDeque::from([genesis_header.clone()]),
            genesis_header,
            state,
            places: BTreeMap::new(),
            chains: BTreeMap::new(),
            anchor: None,
            pool: Pool::default(),
            evidence: 0,
            requested: false,
            search: None,
            templates: 0,
            fruitless: None,
            hindrance: None,
            mining: MiningStatistics::default(),
        })
    }

    /// One step. Outputs are to be carried out strictly in order; after a crash the rest is lost.
    #[must_use]
    pub fn step(&mut self, now: Timestamp, input: Input) -> Vec<Output> {
        let mut outputs = Vec::new();
        match input {
            Input::Submit { bytes, reply } => {
                let submission = Submission::read(&bytes, &|signer| self.key_of(signer));
                let answer = submission.and_then(|submission| self.submit(now, submission, &mut outputs));
                outputs.push(Output::Reply { reply, answer });
            }
            Input::Admit { submission, reply } => {
                let answer = self.submit(now, *submission, &mut outputs);
                outputs.push(Output::Reply { reply, answer });
            }
            Input::Tick => {
                self.sign_anchor(&mut outputs);
                self.mine(now, &mut outputs);
            }
            Input::MineNow => {
                self.requested = true;
                self.fruitless = None;
                self.mine(now, &mut outputs);
            }
            Input::SetAutomatic(automatic) => {
                self.automatic = automatic;
                outputs.push(Output::Publish(Event::Mining { automatic }));
                self.mine(now, &mut outputs);
            }
            Input::Mined { template, extra_nonce, nonce, attempts } => {
                self.mined(template, extra_nonce, nonce, attempts, &mut outputs);
            }
        }
        outputs
    }

    /// Applies a block of this node's own; the pool remembers the verdicts on its statements.
    fn commit_pooled(&mut self, block: Block, size: usize) -> Result<Committed, ChainError> {
        let is_verified = |statement: &SignedStatement, key: &Digest| {
            let pooled = self.pool.get(&statement.id()).map(|pooled| &pooled.statement);
            pooled.is_some_and(|known| known.key() == *key && known.signed() == statement)
        };
        let checked = self.check(block, Means { jobs: &OneByOne, is_verified: &is_verified })?;
        self.apply(checked, size)
    }

    /// The first half of the one path into the chain: structure, seal, work, signatures.
    fn check(&self, block: Block, means: Means<'_>) -> Result<CheckedBlock, ChainError> {
        let key_of = |account: &AccountId| self.state.key_of(account);
        let difficulty = self.state.next_difficulty();
        Ok(block.check_by(self.state.genesis(), self.state.head(), self.state.log(), difficulty, &key_of, means)?)
    }

    /// The second half: the rules. `size` is that of the wire form.
    fn apply(&mut self, block: CheckedBlock, size: usize) -> Result<Committed, ChainError> {
        let header = block.header().clone();
        let first_log_index = self.state.log().size();
        let month = self.state.genesis().month_at(header.time);
        let rewards = |state: &State| month.and_then(|month| state.month(month)).map_or(0, |month| month.rewards.mwh());
        let before = rewards(&self.state);
        let drafted = self.state.apply(&block)?;
        let paid = Energy::from_mwh(rewards(&self.state).saturating_sub(before));
        let gained = drafted.entries.iter().find(|(.., entry)| *entry == Entry::Reward(header.height));
        let reward = gained.map(|(_, account, _)| (*account, paid));

        self.hashes.push(block.hash());
        self.recent.push_back(header.clone());
        let depth = usize::try_from(self.state.genesis().order.final_depth).unwrap_or(usize::MAX);
        while self.recent.len() > depth.saturating_add(1) {
            self.recent.pop_front();
        }
        for ((index, log_index), statement) in (0..).zip(first_log_index..).zip(block.statements()) {
            self.places.insert(statement.id(), Place { height: header.height, index, log_index });
            self.pool.remove(&statement.id());
            for readings in submission::readings_in(statement.signed()) {
                self.chains.entry(readings.binding).or_default().push(statement.id());
            }
        }
        let (meters, size_bytes) = (self.meters_of(&block), u64::try_from(size).unwrap_or(u64::MAX));
        let (entries, closed) = (drafted.entries, drafted.closed);
        Ok(Committed { block, size_bytes, first_log_index, entries, closed, reward, meters })
    }

    fn meters_of(&self, block: &CheckedBlock) -> BTreeMap<BindingId, MeterId> {
        let acts = block.statements().iter().flat_map(|statement| &statement.payload().acts);
        let bindings = acts.filter_map(|act| match act {
            Act::Readings(readings) => Some(readings.binding),
            _ => None,
        });
        bindings.filter_map(|id| self.state.binding(&id).map(|binding| (id, binding.meter.clone()))).collect()
    }

    /// What a new block is followed by: rows, events, and what the log key signs.
    fn announce(&mut self, committed: Committed, outputs: &mut Vec<Output>) {
        let is_final = self.config.log_key.is_some() && self.config.genesis.order.final_depth == 0;
        let block = view::block_summary(committed.block.header(), committed.first_log_index, committed.size_bytes);
        let mut events = vec![Event::Block { block: api::BlockSummary { is_final, ..block } }];
        events.extend(view::voltage_events(&committed));
        events.extend(committed.closed.iter().map(|month| Event::MonthClosed { month: *month }));
        outputs.push(Output::Index(Box::new(committed)));
        self.sign_anchor(outputs);
        outputs.extend(events.into_iter().map(Output::Publish));
    }

    /// Signs the block `final_depth` below the head, unless that is done. What was signed is stored before it is shown.
    fn sign_anchor(&mut self, outputs: &mut Vec<Output>) {
        let Some(key) = &self.config.log_key else { return };
        let depth = u64::from(self.config.genesis.order.final_depth);
        // The genesis block needs no signature: its hash names the ledger.
        let target = self.state.head().height.number().checked_sub(depth).filter(|target| *target > 0);
        let Some(target) = target else { return };
        let Some(header) = self.recent.iter().find(|header| header.height.number() == target) else { return };
        if self.anchor.as_ref().is_some_and(|anchor| anchor.checkpoint.height >= header.height) {
            return;
        }
        let checkpoint = Checkpoint::for_header(header);
        match checkpoint.sign(key) {
            Ok(note) => {
                outputs.push(Output::Store(Record::Anchor(note.clone())));
                let (height, log_size) = (header.height, header.log_size);
                outputs.push(Output::Publish(Event::Final { height, log_size }));
                self.anchor = Some(Anchor { checkpoint, note });
            }
            Err(error) => outputs.push(Output::Halt(format!("the log key cannot sign: {error}"))),
        }
    }

    /// The state after the newest block.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }
    /// The genesis block's header.
    #[must_use]
    pub const fn genesis_header(&self) -> &Header {
        &self.genesis_header
    }
    /// Hash of a block; `None` above the head.
    #[must_use]
    pub fn hash(&self, height: Height) -> Option<BlockHash> {
        usize::try_from(height.number()).ok().and_then(|height| self.hashes.get(height)).copied()
    }
    /// A block's height by its hash; looks at all of them, newest first.
    #[must_use]
    pub fn height_of(&self, hash: &BlockHash) -> Option<Height> {
        let index = self.hashes.iter().rposition(|known| known == hash)?;
        u64::try_from(index).ok().map(Height::from_number)
    }
    /// Where a statement stands in the chain.
    #[must_use]
    pub fn place(&self, id: &StatementId) -> Option<Place> {
        self.places.get(id).copied()
    }
    /// A statement that waits.
    #[must_use]
    pub fn pooled(&self, id: &StatementId) -> Option<&Pooled> {
        self.pool.get(id)
    }
    /// All that wait, oldest first.
    pub fn pool(&self) -> impl Iterator<Item = &Pooled> {
        self.pool.iter()
    }
    /// How many wait, and their bytes.
    #[must_use]
    pub fn pool_size(&self) -> (usize, usize) {
        (self.pool.len(), self.pool.bytes())
    }
    /// The newest checkpoint.
    #[must_use]
    pub const fn anchor(&self) -> Option<&Anchor> {
        self.anchor.as_ref()
    }
    /// The newest final block; genesis before the first checkpoint.
    #[must_use]
    pub fn final_height(&self) -> Height {
        self.anchor.as_ref().map_or(Height::GENESIS, |anchor| anchor.checkpoint.height)
    }
    /// Statements in the log after the newest final block.
    #[must_use]
    pub fn final_log_size(&self) -> u64 {
        self.anchor.as_ref().map_or(0, |anchor| anchor.checkpoint.size)
    }
    /// Whether it mines by itself.
    #[must_use]
    pub const fn is_automatic(&self) -> bool {
        self.automatic
    }
    /// Whether it can mine at all.
    #[must_use]
    pub const fn is_miner(&self) -> bool {
        self.config.miner.is_some()
    }
    /// The search under way.
    #[must_use]
    pub fn searching(&self) -> Option<TemplateId> {
        self.search.as_ref().map(|template| template.id)
    }
    /// The number of the newest template.
    #[must_use]
    pub const fn last_template(&self) -> TemplateId {
        TemplateId(self.templates)
    }
    /// Numbers templates on from another node's, so that what its searches find is not taken for this one's.
    pub fn continue_templates(&mut self, last: TemplateId) {
        self.templates = self.templates.max(last.0);
    }
    /// Why nothing can follow the newest block, whoever proposes it: an upgrade that this program does not know.
    #[must_use]
    pub fn upgrade_needed(&self) -> Option<ApplyError> {
        let head = self.state.head();
        let checked = self.state.check_proposer(head.time, head.proposer);
        checked.err().filter(|error| matches!(error, ApplyError::Upgrade { .. }))
    }
    /// Figures of this node's mining since it was started.
    #[must_use]
    pub const fn mining(&self) -> &MiningStatistics {
        &self.mining
    }
    /// Statements kept as evidence of signing twice.
    #[must_use]
    pub const fn evidence(&self) -> u32 {
        self.evidence
    }
}
