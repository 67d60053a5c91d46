//! The pure node with a list for a disk: outputs are carried out in order, and it may be unplugged between any two.

use crate::community::{Community, minutes};
use api::{Event, SubmitAnswer};
use consensus::peer::{Ask, AskId, Head, PeerId};
use consensus::pow::Search;
use node::core::{Config, Input, Node, Output, RecoverError, Refusal, ReplyId};
use node::record::{LogName, Record};
use node::store::{Disk, Store};
use node::tables::Change;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use units::{BindingId, Height, StatementId, Timestamp};

pub(crate) struct Machine {
    pub(crate) node: Node,
    pub(crate) stored: Vec<Record>,
    pub(crate) answers: Vec<Result<SubmitAnswer, Refusal>>,
    pub(crate) events: Vec<Event>,
    pub(crate) warnings: Vec<String>,
    /// Questions to peers that nobody has carried yet.
    pub(crate) asks: Vec<(PeerId, AskId, Ask)>,
    pub(crate) banned: Vec<(PeerId, String)>,
    pub(crate) announced: Option<Head>,
    /// Heights whose rows were derived, as a rows thread would have them.
    pub(crate) rows: Vec<Height>,
    /// All that happened to the rows since the start.
    pub(crate) changes: Vec<Change>,
    pub(crate) now: Timestamp,
    /// Outputs that may still be carried out; `None` for all.
    pub(crate) power: Option<usize>,
}

pub(crate) fn config(community: &Community) -> Config {
    Config {
        genesis: community.genesis(),
        miner: Some(community.miner.clone()),
        log_key: Some(community.log_key.clone()),
        automatic: true,
    }
}

pub(crate) fn recover(config: Config, stored: &[Record]) -> Result<Node, RecoverError> {
    let has = |id: &StatementId| {
        stored.iter().any(|record| matches!(record, Record::Attachment { statement, .. } if statement == id))
    };
    // The store hands the logs out one after the other: blocks first.
    let (blocks, rest): (Vec<_>, Vec<_>) = stored.iter().cloned().partition(|record| record.log() == LogName::Blocks);
    Node::recover(config, blocks.into_iter().chain(rest), &has)
}

impl Machine {
    pub(crate) fn new(community: &Community) -> Self {
        Self::with(config(community))
    }

    pub(crate) fn with(config: Config) -> Self {
        let node = Node::recover(config, [], &|_| false).unwrap();
        Self {
            node,
            stored: Vec::new(),
            answers: Vec::new(),
            events: Vec::new(),
            warnings: Vec::new(),
            asks: Vec::new(),
            banned: Vec::new(),
            announced: None,
            rows: Vec::new(),
            changes: Vec::new(),
            now: minutes(0),
            power: None,
        }
    }

    /// The store that a node on a disk would have.
    pub(crate) fn store(&self) -> Store {
        let mut store = Store::create(Box::new(Memory::default()), b"genesis").unwrap();
        self.stored.iter().for_each(|record| store.append(record).unwrap());
        store
    }

    fn look_through(&self, above: Height) -> Input {
        let (through, readings) = node::missing_attachments(&mut self.store(), above);
        Input::Missing { through, readings }
    }

    /// Steps and carries everything out, searches included, until nothing follows. False once the power is gone.
    pub(crate) fn step(&mut self, input: Input) -> bool {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            for output in self.node.step(self.now, input) {
                match &mut self.power {
                    Some(0) => return false,
                    Some(power) => *power -= 1,
                    None => {}
                }
                match output {
                    Output::Store(record) => self.stored.push(record),
                    Output::Reply { answer, .. } => self.answers.push(answer),
                    Output::Publish(event) => self.events.push(event),
                    Output::Search { template, header } => {
                        let nonce = Search::new(&header).run(0, u64::MAX).unwrap();
                        inputs.push_back(Input::Mined { template, extra_nonce: 0, nonce, attempts: nonce + 1 });
                    }
                    Output::Warn(reason) => self.warnings.push(reason),
                    Output::Ask { peer, id, ask } => self.asks.push((peer, id, ask)),
                    Output::Banned { peer, reason, .. } => self.banned.push((peer, reason)),
                    Output::Announce { head } => self.announced = Some(head),
                    Output::Contradiction { contradiction, .. } => self.warnings.push(contradiction.to_string()),
                    Output::Index(committed) => {
                        self.rows.push(committed.block.header().height);
                        self.changes.push(Change::Derive(committed));
                    }
                    Output::Unindex { above } => {
                        self.rows.retain(|height| *height <= above);
                        self.changes.push(Change::Delete { above });
                    }
                    Output::EndSearch => inputs.retain(|input| !matches!(input, Input::Mined { .. })),
                    Output::ListMissing { above } => inputs.push_back(self.look_through(above)),
                    Output::Halt(reason) => panic!("halted: {reason}"),
                }
            }
        }
        true
    }

    /// Submits; `None` once the power is gone.
    pub(crate) fn try_submit(&mut self, bytes: &[u8]) -> Option<Result<SubmitAnswer, Refusal>> {
        let before = self.answers.len();
        self.step(Input::Submit { bytes: bytes.to_vec(), reply: ReplyId(0) });
        self.answers.get(before).cloned()
    }

    pub(crate) fn submit(&mut self, bytes: &[u8]) -> Result<SubmitAnswer, Refusal> {
        self.try_submit(bytes).unwrap()
    }

    /// A minute later, with what the clock brings.
    pub(crate) fn tick(&mut self) -> bool {
        self.now = self.now + units::Millis::from_minutes(1);
        self.step(Input::Tick)
    }

    /// A community that has begun: everybody registered, contracts made, all of it in a block.
    pub(crate) fn founded(community: &Community) -> Self {
        let mut machine = Self::new(community);
        for statement in community.founding() {
            machine.submit(statement.leaf()).unwrap();
        }
        machine.tick();
        assert_eq!(machine.node.pool_size().0, 0);
        machine
    }

    pub(crate) fn binding(&self, meter: &str) -> BindingId {
        self.node.state().meter(&crate::community::meter(meter)).unwrap().0
    }

    /// The same node after the power came back.
    pub(crate) fn restarted(&self, community: &Community) -> Self {
        self.restarted_with(config(community))
    }

    pub(crate) fn restarted_with(&self, config: Config) -> Self {
        let node = recover(config.clone(), &self.stored).unwrap();
        // A start makes the rows fit the chain.
        let rows = (1..=node.state().head().height.number()).map(Height::from_number).collect();
        Self { now: self.now, stored: self.stored.clone(), rows, node, ..Self::with(config) }
    }
}

/// Files in memory.
#[derive(Default)]
struct Memory(BTreeMap<String, Vec<u8>>);

impl Disk for Memory {
    fn size(&mut self, file: &str) -> io::Result<u64> {
        Ok(self.0.get(file).map_or(0, |bytes| bytes.len() as u64))
    }
    fn read(&mut self, file: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let offset = usize::try_from(offset).unwrap();
        let bytes = self.0.get(file).and_then(|bytes| bytes.get(offset..offset + length));
        bytes.map(<[u8]>::to_vec).ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))
    }
    fn append(&mut self, file: &str, bytes: &[u8]) -> io::Result<()> {
        self.0.entry(file.to_owned()).or_default().extend(bytes);
        Ok(())
    }
    fn sync(&mut self, _: &str) -> io::Result<()> {
        Ok(())
    }
    fn truncate(&mut self, file: &str, size: u64) -> io::Result<()> {
        self.0.entry(file.to_owned()).or_default().truncate(usize::try_from(size).unwrap());
        Ok(())
    }
    fn replace(&mut self, file: &str, bytes: &[u8]) -> io::Result<()> {
        self.0.insert(file.to_owned(), bytes.to_vec());
        Ok(())
    }
}
