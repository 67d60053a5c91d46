//! Networks of two to five nodes with delay, loss, partitions and a liar: after healing all agree, and whatever happened,
//! nothing below an anchor moved and memory kept within its bounds.

use crate::ledger_of_test::TestLedger;
use crate::machine::Machine;
use consensus::peer::{Answer, Ask, AskId, Failed, Head, PeerId};
use consensus::sync::{BLOCKS_BYTES_MAX, HEADERS_AHEAD_MAX, Input, Output, PEERS_MAX, WANTED_MAX};
use ledger::Block;
use proptest::prelude::*;
use std::collections::BTreeMap;
use units::{BlockHash, Height, Millis, StatementId, Timestamp};

/// xorshift64*: enough to mix faults, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % sides
    }
}

enum Message {
    Ask { from: usize, to: usize, id: AskId, ask: Ask },
    Answer { from: usize, to: usize, id: AskId, answer: Answer },
    Head { from: usize, to: usize, head: Head },
}

struct Network {
    ledger: TestLedger,
    nodes: Vec<Machine>,
    wire: BTreeMap<(Timestamp, u64), Message>,
    sent: u64,
    dice: Dice,
    /// Which group each node is in; messages between groups are lost.
    groups: Vec<u64>,
    /// Of a hundred messages so many are lost.
    loss: u64,
    liar: Option<usize>,
    now: Timestamp,
}

fn peer(number: usize) -> PeerId {
    PeerId(u32::try_from(number).unwrap())
}

impl Network {
    fn new(count: usize, seed: u64) -> Self {
        let ledger = TestLedger::new();
        let nodes: Vec<Machine> = (0..count).map(|_| Machine::new(&ledger, &[])).collect();
        let now = nodes[0].now;
        let mut network = Self {
            ledger,
            nodes,
            wire: BTreeMap::new(),
            sent: 0,
            dice: Dice(seed | 1),
            groups: vec![0; count],
            loss: 0,
            liar: None,
            now,
        };
        for node in 0..count {
            for other in (0..count).filter(|other| *other != node) {
                let outputs = network.nodes[node].step(Input::Connected { peer: peer(other) });
                network.carry(node, outputs);
            }
        }
        network
    }

    fn send(&mut self, after: Millis, message: Message) {
        self.sent += 1;
        self.wire.insert((self.now + after, self.sent), message);
    }

    fn carry(&mut self, node: usize, outputs: Vec<Output>) {
        for output in outputs {
            let delay = Millis::from_ms(20 + self.dice.roll(400));
            match output {
                Output::Ask { peer, id, ask } => {
                    let to = usize::try_from(peer.0).unwrap();
                    let is_lost = self.groups[node] != self.groups[to] || self.dice.roll(100) < self.loss;
                    match is_lost {
                        // Whoever carries questions gives up after a while and says so.
                        true => {
                            let answer = Answer::Failed(Failed::TimedOut);
                            self.send(Millis::from_seconds(8), Message::Answer { from: to, to: node, id, answer });
                        }
                        false => self.send(delay, Message::Ask { from: node, to, id, ask }),
                    }
                }
                Output::Announce { head } => {
                    for to in (0..self.nodes.len()).filter(|to| *to != node) {
                        if self.groups[node] == self.groups[to] && self.dice.roll(100) >= self.loss {
                            self.send(delay, Message::Head { from: node, to, head: head.clone() });
                        }
                    }
                }
                Output::Contradiction { contradiction, .. } => {
                    let text = contradiction.to_string();
                    assert!(!text.contains("two histories"), "one log key, one history: {text}");
                }
                _ => {}
            }
        }
    }

    fn lie(&mut self, answer: Answer) -> Answer {
        match (self.dice.roll(6), answer) {
            (0, Answer::Block(mut bytes)) => {
                let at = usize::try_from(self.dice.roll(bytes.len() as u64)).unwrap();
                bytes[at] ^= 1;
                Answer::Block(bytes)
            }
            (1, Answer::Headers(mut headers)) if !headers.is_empty() => {
                headers[0].engine.difficulty *= 256;
                Answer::Headers(headers)
            }
            (2, Answer::Block(_)) => Answer::Missing,
            (3, Answer::Head(head)) => {
                let hash = BlockHash::from_bytes([7; 32]);
                Answer::Head(Head { height: Height::from_number(head.height.number() + 1_000_000), hash, ..head })
            }
            (4, _) => Answer::Failed(Failed::Malformed("garbage".into())),
            (_, honest) => honest,
        }
    }

    fn deliver(&mut self, message: Message) {
        match message {
            Message::Ask { from, to, id, ask } => {
                let honest = self.nodes[to].serve(&ask);
                let answer = if self.liar == Some(to) { self.lie(honest) } else { honest };
                let delay = Millis::from_ms(20 + self.dice.roll(400));
                self.send(delay, Message::Answer { from: to, to: from, id, answer });
            }
            Message::Answer { from, to, id, answer } => {
                self.nodes[to].now = self.now;
                let outputs = self.nodes[to].step(Input::Answered { peer: peer(from), id, answer });
                self.carry(to, outputs);
            }
            Message::Head { from, to, head } => {
                self.nodes[to].now = self.now;
                let outputs = self.nodes[to].step(Input::Heard { peer: peer(from), head });
                self.carry(to, outputs);
            }
        }
    }

    /// Lets time pass; each second every node hears of it, and may make a block.
    fn run(&mut self, seconds: u64, mine_one_in: u64) {
        let end = self.now + Millis::from_seconds(seconds);
        while self.now < end {
            let tick = self.now + Millis::from_seconds(1);
            while let Some(((due, _), _)) = self.wire.first_key_value()
                && *due <= tick
            {
                let Some(((due, _), message)) = self.wire.pop_first() else { break };
                self.now = self.now.max(due);
                self.deliver(message);
            }
            self.now = tick;
            for node in 0..self.nodes.len() {
                self.nodes[node].now = self.now;
                let outputs = self.nodes[node].step(Input::Tick);
                self.carry(node, outputs);
                if mine_one_in > 0 && self.dice.roll(mine_one_in) == 0 {
                    let salt = u8::try_from(node).unwrap() + 1;
                    let outputs = self.nodes[node].mine(&self.ledger, salt);
                    self.carry(node, outputs);
                }
            }
            // The first node holds the log key, and signs two blocks below its head, as a final depth of 2 would.
            self.sign(2);
        }
    }

    fn sign(&mut self, depth: usize) {
        let Some(at) = self.nodes[0].chain.len().checked_sub(depth + 1).filter(|at| *at > 0) else { return };
        let header = self.nodes[0].chain[at].header.clone();
        if header.height > self.nodes[0].anchored() {
            let note = self.ledger.note(&header);
            self.nodes[0].anchor = Some(note.clone());
            let outputs = self.nodes[0].step(Input::Anchored { note });
            self.carry(0, outputs);
        }
    }
}

/// Whole scenes with `WATTPROOF_LONG=1`; otherwise a few.
fn cases() -> u32 {
    if std::env::var_os("WATTPROOF_LONG").is_some() { 2_000 } else { 48 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn after_healing_all_honest_nodes_agree(
        count in 2..=5usize,
        seed: u64,
        split in 0..32u64,
        loss in prop::sample::select(vec![0u64, 5, 30]),
        has_liar: bool,
    ) {
        let mut network = Network::new(count, seed);
        network.liar = (has_liar && count > 2).then_some(count - 1);
        network.run(20, 12);
        network.loss = loss;
        network.run(20, 12);
        network.groups = (0..count).map(|node| split >> node & 1).collect();
        network.run(90, 12);
        network.groups = vec![0; count];
        network.loss = 0;
        network.run(30, 12);
        // The liar heals too, and may be banned for ten minutes; what the honest ones know is enough.
        network.run(180, 0);
        // A last block settles what was even.
        let outputs = network.nodes[0].mine(&network.ledger, 99);
        network.carry(0, outputs);
        network.run(60, 0);
        let honest = network.nodes.iter().enumerate().filter(|(node, _)| network.liar != Some(*node));
        let ends: Vec<_> = honest.map(|(_, node)| (node.height(), node.head().hash(), node.anchored())).collect();
        prop_assert!(ends.windows(2).all(|pair| pair[0] == pair[1]), "{ends:?}");
        prop_assert!(ends[0].0 > 0);
    }
}

/// One arbitrary thing that happens.
#[derive(Debug, Clone)]
enum Event {
    Connect(u32),
    Disconnect(u32),
    Heard(u32, u8, bool),
    Offered(u32, u8),
    /// The answer of a kind to the newest open question, whatever that was.
    Answer(u8, u8),
    Extend,
    Sign,
    Want(u8),
    Fault(u32),
    Wait(i64),
}

fn event() -> impl Strategy<Value = Event> {
    let peers = 0..u32::try_from(PEERS_MAX + 8).unwrap();
    prop_oneof![
        4 => peers.clone().prop_map(Event::Connect),
        1 => peers.clone().prop_map(Event::Disconnect),
        3 => (peers.clone(), any::<u8>(), any::<bool>()).prop_map(|(peer, at, signed)| Event::Heard(peer, at, signed)),
        1 => (peers.clone(), any::<u8>()).prop_map(|(peer, count)| Event::Offered(peer, count)),
        12 => (any::<u8>(), any::<u8>()).prop_map(|(kind, at)| Event::Answer(kind, at)),
        1 => Just(Event::Extend),
        1 => Just(Event::Sign),
        1 => any::<u8>().prop_map(Event::Want),
        1 => peers.prop_map(Event::Fault),
        2 => (-100_000..100_000i64).prop_map(Event::Wait),
    ]
}

fn statement(number: u8) -> StatementId {
    StatementId::from_bytes([number; 32])
}

/// Two chains with a common beginning, of which arbitrary pieces are told.
struct Pieces {
    ledger: TestLedger,
    blocks: Vec<Block>,
}

impl Pieces {
    fn new() -> Self {
        let ledger = TestLedger::new();
        let common = ledger.branch(&ledger.root, 6, 1);
        let other = ledger.branch(&common[2].header, 9, 2);
        let blocks = [common, other].concat();
        Self { ledger, blocks }
    }

    fn block(&self, at: u8) -> &Block {
        &self.blocks[usize::from(at) % self.blocks.len()]
    }

    fn head(&self, at: u8, is_signed: bool) -> Head {
        let header = &self.block(at).header;
        // Of one history only: two are another test's.
        let is_common = usize::from(at) % self.blocks.len() < 6;
        let anchor = (is_signed && is_common).then(|| self.ledger.note(header));
        Head { height: header.height, hash: header.hash(), anchor }
    }

    fn answer(&self, ask: &Ask, kind: u8, at: u8) -> Answer {
        let headers = |from: u8| {
            let from = usize::from(from) % self.blocks.len();
            self.blocks[from..].iter().map(|block| block.header.clone()).collect()
        };
        match kind % 10 {
            0 => Answer::Head(self.head(at, at > 200)),
            1 => Answer::Headers(headers(at)),
            2 => Answer::Headers(headers(0)),
            3 => Answer::Block(self.block(at).to_bytes()),
            4 => Answer::Missing,
            5 => Answer::Failed(if at > 128 { Failed::TimedOut } else { Failed::Busy }),
            6 => Answer::Pool((0..at).map(statement).collect()),
            // Mostly what was asked for.
            _ => match ask {
                Ask::Head => Answer::Head(self.head(at, at > 200)),
                Ask::Headers { .. } => Answer::Headers(headers(at % 2 * 6)),
                Ask::Block(hash) => match self.blocks.iter().find(|block| block.header.hash() == *hash) {
                    Some(block) => Answer::Block(block.to_bytes()),
                    None => Answer::Missing,
                },
                Ask::Attachment(_) => Answer::Attachment(vec![at]),
                Ask::Pool => Answer::Pool(vec![statement(at)]),
                Ask::Waiting(_) => Answer::Waiting(vec![at]),
            },
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases() * 4, ..ProptestConfig::default() })]

    /// The machine itself asserts that no switch goes below an anchor and that both know the same chain.
    #[test]
    fn whatever_comes_nothing_panics_and_the_bounds_hold(events in prop::collection::vec(event(), 0..300)) {
        let pieces = Pieces::new();
        let mut node = Machine::new(&pieces.ledger, &[]);
        let mut open: Vec<(PeerId, AskId, Ask)> = Vec::new();
        for event in events {
            let input = match event {
                Event::Connect(peer) => Input::Connected { peer: PeerId(peer) },
                Event::Disconnect(peer) => Input::Disconnected { peer: PeerId(peer) },
                Event::Heard(peer, at, signed) => Input::Heard { peer: PeerId(peer), head: pieces.head(at, signed) },
                Event::Offered(peer, count) => {
                    Input::Offered { peer: PeerId(peer), ids: (0..count).map(statement).collect() }
                }
                Event::Answer(kind, at) => {
                    let Some((peer, id, ask)) = open.pop() else { continue };
                    Input::Answered { peer, id, answer: pieces.answer(&ask, kind, at) }
                }
                Event::Extend => {
                    let block = pieces.ledger.after(node.head(), 9);
                    node.chain.push(block.clone());
                    Input::Extended { header: block.header, anchor: None }
                }
                Event::Sign if node.height() > node.anchored().number() => {
                    let note = pieces.ledger.note(node.head());
                    node.anchor = Some(note.clone());
                    Input::Anchored { note }
                }
                Event::Sign => continue,
                Event::Want(count) => Input::Wanted { statements: (0..count).map(statement).collect() },
                Event::Fault(peer) => Input::Faulted { peer: PeerId(peer), reason: "worthless".into() },
                Event::Wait(ms) => {
                    let span = Millis::from_ms(ms.unsigned_abs());
                    node.now = if ms < 0 { node.now - span } else { node.now + span };
                    Input::Tick
                }
            };
            for output in node.step(input) {
                if let Output::Ask { peer, id, ask } = output {
                    open.push((peer, id, ask));
                }
            }
            let (headers, bytes) = node.sync.held();
            prop_assert!(headers as u64 <= node.height() + 1 + HEADERS_AHEAD_MAX * PEERS_MAX as u64);
            prop_assert!(bytes <= BLOCKS_BYTES_MAX);
            prop_assert!(node.sync.peers().len() <= PEERS_MAX);
            prop_assert!(node.sync.attachments_wanted() <= WANTED_MAX);
        }
    }
}
