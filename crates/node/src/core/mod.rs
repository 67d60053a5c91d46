//! The node as one pure machine: [`Node::step`] takes the time and an input and gives a list of outputs. No clock, file,
//! socket or thread is here; whoever runs it carries the outputs out, strictly in order, and a [`Output::Store`] must be
//! durable before the next output is carried out.
//!
//! Invariant: after a crash between any two outputs, [`Node::recover`] from what was stored gives a node that has lost
//! nothing it acknowledged and has nothing twice. There is one path for blocks, whether own, stored or another node's:
//! [`ledger::Block`] (from bytes, or made of statements that were read before), [`ledger::Block::check_by`],
//! [`State::apply`]. Blocks that are not final can be taken back the same way they came, to the same state root. A
//! signature that was checked once is not checked again while its verdict is remembered: by the pool, for what waits in
//! it, and by the log key's checkpoint, for what was stored before it.

mod admit;
mod chain;
mod finality;
mod mine;
mod missing;
mod peers;
mod pool;
mod recover;
mod submission;
mod switch;

pub use admit::Refusal;
pub use chain::{ChainError, UNFINAL_MAX};
pub use mine::MiningStatistics;
pub use missing::MISSING_MAX;
pub use pool::{POOL_BYTES_MAX, POOL_STATEMENTS_MAX, Pooled};
pub(crate) use recover::Recovery;
pub use recover::{RecoverError, Standing};
pub use submission::Submission;

use crate::record::Record;
use crate::view;
use api::{Event, Place, SubmitAnswer};
use chain::Chain;
use consensus::peer::{Answer, Ask, AskId, Head, PeerId};
use consensus::sync::{self, Contradiction, Own, Sync};
use ledger::act::Readings;
use ledger::state::{ApplyError, Entry};
use ledger::{CheckedBlock, Checkpoint, Genesis, Header, Jobs, OneByOne, SecretKey, State};
use mine::{Hindrance, Template};
use missing::Missing;
use peers::Peers;
use pool::Pool;
use std::collections::BTreeMap;
use std::sync::Arc;
use units::{AccountId, BindingId, BlockHash, Energy, Height, MeterId, Millis, Month, StatementId, Timestamp};

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
    /// A peer may be asked from now on.
    Connected {
        /// Which.
        peer: PeerId,
    },
    /// A peer may not be asked any more.
    Disconnected {
        /// Which.
        peer: PeerId,
    },
    /// A peer announces where its chain ends.
    Heard {
        /// Which.
        peer: PeerId,
        /// Where.
        head: Head,
    },
    /// A peer announces statements that wait.
    Offered {
        /// Which.
        peer: PeerId,
        /// Their ids.
        ids: Vec<StatementId>,
    },
    /// What came of an [`Output::Ask`]; each is answered, if only with a failure.
    Answered {
        /// Who was asked.
        peer: PeerId,
        /// Which question.
        id: AskId,
        /// The answer.
        answer: Answer,
    },
    /// The answer to [`Output::ListMissing`].
    Missing {
        /// The newest block that was looked through.
        through: Height,
        /// What lacks its attachment.
        readings: Vec<(StatementId, Box<Readings>)>,
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
    /// No search is wanted any more.
    EndSearch,
    /// Derive rows from a block that is now part of the chain.
    Index(Box<Committed>),
    /// Delete the rows of all blocks above this one: they are no part of the chain any more.
    Unindex {
        /// The newest block that stays.
        above: Height,
    },
    /// Look through the blocks above this one for readings whose attachments are not stored; at most [`MISSING_MAX`] of
    /// them and as many blocks as take no long time.
    ListMissing {
        /// The newest block that needs no look.
        above: Height,
    },
    /// Put a question to a peer.
    Ask {
        /// Whom.
        peer: PeerId,
        /// Names the question.
        id: AskId,
        /// The question.
        ask: Ask,
    },
    /// Tell the peers where the chain ends now.
    Announce {
        /// Where.
        head: Head,
    },
    /// A peer is asked nothing for a while.
    Banned {
        /// Which.
        peer: PeerId,
        /// Until when, by this node's clock.
        until: Timestamp,
        /// Why, for the operator.
        reason: String,
    },
    /// A peer shows what cannot be true together with what this node knows.
    Contradiction {
        /// Which.
        peer: PeerId,
        /// What, for the operator.
        contradiction: Contradiction,
    },
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
    pub block: Arc<CheckedBlock>,
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

/// The newest checkpoint that the log key signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// What was signed.
    pub checkpoint: Checkpoint,
    /// The signed note.
    pub note: String,
}

/// Who runs independent jobs.
#[derive(Clone)]
struct Cores(Arc<dyn Jobs + Send>);

impl std::fmt::Debug for Cores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cores")
    }
}

/// A node.
#[derive(Debug)]
pub struct Node {
    config: Config,
    // The chain.
    state: State,
    genesis_header: Header,
    chain: Chain,
    anchor: Option<Anchor>,
    /// A block that the log key signed and that damage took from the chain: until it is back, nothing is built.
    lost: Option<Height>,
    /// Whether it is not known what the log key signed last.
    is_unsure: bool,
    jobs: Cores,
    // The pool.
    pool: Pool,
    evidence: u32,
    /// When the pool was last tried against the state, and after which block.
    sifted: Option<(Timestamp, Height)>,
    // Other nodes, and what they have.
    peers: Peers,
    missing: Missing,
    // The miner.
    automatic: bool,
    /// Whether a block by hand is wanted.
    requested: bool,
    search: Option<Template>,
    templates: u64,
    /// When a template came out empty, and of which pool: not tried again at once.
    fruitless: Option<(Timestamp, u64)>,
    /// Why it may propose no block, as it was told last.
    hindrance: Option<Hindrance>,
    mining: MiningStatistics,
}

/// What is told of a new block.
fn events_of(committed: &Committed, is_final: bool) -> Vec<Event> {
    let block = view::block_summary(committed.block.header(), committed.first_log_index, committed.size_bytes);
    let mut events = vec![Event::Block { block: api::BlockSummary { is_final, ..block } }];
    events.extend(view::voltage_events(committed));
    events.extend(committed.closed.iter().map(|month| Event::MonthClosed { month: *month }));
    events
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
        let own = Own { below: Vec::new(), root: genesis_header.clone(), above: Vec::new(), anchor: None };
        let peers = Peers::new(Sync::new(&config.genesis, own));
        Ok(Self {
            automatic: config.automatic,
            config,
            chain: Chain::new(genesis_header.hash()),
            genesis_header,
            state,
            anchor: None,
            lost: None,
            is_unsure: false,
            jobs: Cores(Arc::new(OneByOne)),
            pool: Pool::default(),
            evidence: 0,
            sifted: None,
            peers,
            missing: Missing::default(),
            requested: false,
            search: None,
            templates: 0,
            fruitless: None,
            hindrance: None,
            mining: MiningStatistics::default(),
        })
    }

    /// Lets others run what is independent: signatures of other nodes' blocks. Without, all is done one by one.
    pub fn use_jobs(&mut self, jobs: Arc<dyn Jobs + Send>) {
        self.jobs = Cores(jobs);
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
                self.follow(now, sync::Input::Tick, &mut outputs);
                self.sign_anchor(&mut outputs);
                self.mine(now, &mut outputs);
                if !(self.automatic && self.is_miner()) {
                    self.sift_sometimes(now, &mut outputs);
                }
                self.list_missing(&mut outputs);
            }
            Input::Connected { peer } => self.connect(now, peer, &mut outputs),
            Input::Disconnected { peer } => self.disconnect(now, peer, &mut outputs),
            Input::Heard { peer, head } => self.follow(now, sync::Input::Heard { peer, head }, &mut outputs),
            Input::Offered { peer, ids } => {
                let ids = self.unknown(ids);
                self.follow(now, sync::Input::Offered { peer, ids }, &mut outputs);
            }
            Input::Answered { peer, id, answer } => self.answered(now, (peer, id), answer, &mut outputs),
            Input::Missing { through, readings } => self.miss(through, readings),
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
        self.tell_news(now, &mut outputs);
        outputs
    }

    /// What a new block is followed by: rows, events, and what the log key signs.
    fn announce(&mut self, committed: Committed, outputs: &mut Vec<Output>) {
        let is_final = self.config.log_key.is_some() && self.config.genesis.order.final_depth == 0;
        let events = events_of(&committed, is_final);
        outputs.push(Output::Index(Box::new(committed)));
        self.sign_anchor(outputs);
        outputs.extend(events.into_iter().map(Output::Publish));
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
        self.chain.hash(height)
    }
    /// Height of a block of the present chain by its hash.
    #[must_use]
    pub fn height_of(&self, hash: &BlockHash) -> Option<Height> {
        self.chain.height_of(hash)
    }
    /// Where a statement stands in the chain.
    #[must_use]
    pub fn place(&self, id: &StatementId) -> Option<Place> {
        self.chain.place(id)
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
