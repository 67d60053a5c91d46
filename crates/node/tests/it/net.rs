//! Several nodes wired in memory: questions are answered at once, unless the line between two is cut.

use crate::community::{Community, minutes};
use crate::machine::{Machine, config};
use api::Event;
use consensus::peer::{Answer, Ask, Failed, Head, PeerId};
use ledger::{Block, Header, SecretKey};
use node::core::{Config, Input};
use std::collections::{BTreeMap, BTreeSet};
use units::{BlockHash, Height, Millis, StatementId, Timestamp};

/// Rounds of questions and answers after which a network that still talks never ends.
const ROUNDS_MAX: usize = 20_000;

pub(crate) struct Net {
    pub(crate) community: Community,
    pub(crate) machines: Vec<Machine>,
    configs: Vec<Config>,
    cut: BTreeSet<(usize, usize)>,
    /// Events of each that the others were told of.
    told: Vec<usize>,
}

/// Who a node is.
pub(crate) struct Role<'a> {
    pub(crate) miner: Option<&'a SecretKey>,
    pub(crate) has_log_key: bool,
}

fn number(peer: PeerId) -> usize {
    usize::try_from(peer.0).unwrap()
}

fn peer(number: usize) -> PeerId {
    PeerId(u32::try_from(number).unwrap())
}

impl Net {
    /// Nodes that mine by hand, each connected to every other: one with the log key that mines, one that mines, and one
    /// that does neither.
    pub(crate) fn of_three(community: &Community) -> Self {
        let roles = [
            Role { miner: Some(&community.miner), has_log_key: true },
            Role { miner: Some(&community.other_miner), has_log_key: false },
            Role { miner: None, has_log_key: false },
        ];
        let mut net = Self::of(community, roles);
        net.found();
        net
    }

    pub(crate) fn of<'a>(community: &Community, roles: impl IntoIterator<Item = Role<'a>>) -> Self {
        let mut net = Self {
            community: community.clone(),
            machines: Vec::new(),
            configs: Vec::new(),
            cut: BTreeSet::new(),
            told: Vec::new(),
        };
        for role in roles {
            net.add(role);
        }
        net
    }

    /// A node with an empty folder, connected to all.
    pub(crate) fn add(&mut self, Role { miner, has_log_key }: Role<'_>) -> usize {
        let log_key = has_log_key.then(|| self.community.log_key.clone());
        let config = Config { miner: miner.cloned(), log_key, automatic: false, ..config(&self.community) };
        let new = self.machines.len();
        let mut machine = Machine::with(config.clone());
        machine.now = self.now();
        self.machines.push(machine);
        self.configs.push(config);
        self.told.push(0);
        for other in 0..new {
            self.machines[new].step(Input::Connected { peer: peer(other) });
            self.machines[other].step(Input::Connected { peer: peer(new) });
        }
        new
    }

    /// Everybody registered and contracts made, in a block of the first node that all have.
    fn found(&mut self) {
        for statement in self.community.founding() {
            self.machines[0].submit(statement.leaf()).unwrap();
        }
        self.mine(0);
        self.agree();
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.machines.iter().map(|machine| machine.now).max().unwrap_or(minutes(0))
    }

    /// Nothing goes between the nodes of the two sides any more.
    pub(crate) fn part(&mut self, one: &[usize], other: &[usize]) {
        for a in one {
            for b in other {
                self.cut.extend([(*a, *b), (*b, *a)]);
            }
        }
    }

    /// All can speak again, and time passes until each has asked the others.
    pub(crate) fn heal(&mut self) {
        self.cut.clear();
        for _ in 0..6 {
            self.pass(Millis::from_seconds(30));
        }
    }

    /// Time passes everywhere, and what follows from it.
    pub(crate) fn pass(&mut self, time: Millis) {
        let now = self.now() + time;
        for machine in &mut self.machines {
            machine.now = now;
            if machine.is_up() {
                machine.step(Input::Tick);
            }
        }
        self.deliver();
    }

    /// A minute later, one node mines a block, and whoever can hear of it does.
    pub(crate) fn mine(&mut self, miner: usize) {
        self.pass(Millis::from_minutes(1));
        self.machines[miner].step(Input::MineNow);
        self.deliver();
    }

    pub(crate) fn submit(&mut self, to: usize, bytes: &[u8]) {
        self.machines[to].submit(bytes).unwrap();
        self.deliver();
    }

    /// Carries announcements, questions and answers until all are silent.
    pub(crate) fn deliver(&mut self) {
        for _ in 0..ROUNDS_MAX {
            let mut is_silent = true;
            for from in 0..self.machines.len() {
                is_silent &= !self.announce(from);
                for (to, id, ask) in std::mem::take(&mut self.machines[from].asks) {
                    is_silent = false;
                    let answer = self.answer(from, number(to), &ask);
                    self.machines[from].step(Input::Answered { peer: to, id, answer });
                }
            }
            if is_silent {
                return;
            }
        }
        panic!("the nodes never fall silent");
    }

    fn can_speak(&self, a: usize, b: usize) -> bool {
        !self.cut.contains(&(a, b)) && self.machines[a].is_up() && self.machines[b].is_up()
    }

    fn answer(&mut self, from: usize, to: usize, ask: &Ask) -> Answer {
        if !self.can_speak(from, to) {
            return Answer::Failed(Failed::Unreachable("the line is cut".to_owned()));
        }
        let machine = &self.machines[to];
        node::serve(&machine.node, &mut machine.store(), ask)
    }

    /// Tells the others where a chain ends now, and what was accepted; whether there was anything.
    fn announce(&mut self, from: usize) -> bool {
        let others: Vec<usize> =
            (0..self.machines.len()).filter(|to| *to != from && self.can_speak(from, *to)).collect();
        let head = self.machines[from].announced.take();
        let new = self.machines[from].events[self.told[from]..].iter().filter_map(|event| match event {
            Event::Accepted { id, .. } => Some(*id),
            _ => None,
        });
        let ids: Vec<StatementId> = new.collect();
        self.told[from] = self.machines[from].events.len();
        let is_new = head.is_some() || !ids.is_empty();
        for to in others {
            if let Some(head) = head.clone() {
                self.machines[to].step(Input::Heard { peer: peer(from), head });
            }
            if !ids.is_empty() {
                self.machines[to].step(Input::Offered { peer: peer(from), ids: ids.clone() });
            }
        }
        is_new
    }

    /// The node begins again from what it stored.
    pub(crate) fn restart(&mut self, which: usize) {
        let now = self.now();
        let mut restarted = self.machines[which].restarted_with(self.configs[which].clone());
        restarted.now = now;
        self.machines[which] = restarted;
        self.told[which] = 0;
        for other in (0..self.machines.len()).filter(|other| *other != which) {
            self.machines[which].step(Input::Connected { peer: peer(other) });
        }
    }

    /// All nodes have the same chain, the same state, and rows of it.
    pub(crate) fn agree(&self) {
        let head = self.machines[0].head();
        for (number, machine) in self.machines.iter().enumerate() {
            assert_eq!(machine.head(), head, "node {number}");
            assert_eq!(machine.node.state().root(), self.machines[0].node.state().root(), "node {number}");
            let rows: Vec<u64> = machine.rows.iter().map(|height| height.number()).collect();
            assert_eq!(rows, (1..=head.0).collect::<Vec<_>>(), "node {number}");
            machine.node.state().check_balances().unwrap();
            assert!(machine.banned.is_empty(), "node {number}: {:?}", machine.banned);
        }
    }
}

impl Machine {
    pub(crate) fn is_up(&self) -> bool {
        self.power != Some(0)
    }

    pub(crate) fn head(&self) -> (u64, BlockHash) {
        let head = self.node.state().head();
        (head.height.number(), head.hash())
    }

    /// Wire forms of the present chain's blocks.
    pub(crate) fn blocks(&self) -> Vec<Vec<u8>> {
        let mut store = self.store();
        (1..=self.head().0).map(|height| store.block(height).unwrap().unwrap()).collect()
    }
}

/// A peer that answers from a list and no ledger, whatever is true.
pub(crate) struct Liar {
    pub(crate) headers: Vec<Header>,
    pub(crate) blocks: BTreeMap<BlockHash, Vec<u8>>,
    pub(crate) anchor: Option<String>,
    /// What it says that its height is.
    pub(crate) claimed: Height,
}

impl Liar {
    pub(crate) const PEER: PeerId = PeerId(77);

    /// One that shows these blocks, which need not check.
    pub(crate) fn showing(blocks: &[Vec<u8>]) -> Self {
        let headers: Vec<Header> = blocks.iter().map(|bytes| Block::header_of(bytes).unwrap()).collect();
        let by_hash = headers.iter().map(Header::hash).zip(blocks.iter().cloned()).collect();
        let claimed = headers.last().unwrap().height;
        Self { headers, blocks: by_hash, anchor: None, claimed }
    }

    fn answer(&self, ask: &Ask) -> Answer {
        match ask {
            Ask::Head => {
                let hash = self.headers.last().unwrap().hash();
                Answer::Head(Head { height: self.claimed, hash, anchor: self.anchor.clone() })
            }
            Ask::Headers { locator } => {
                let known = locator.iter().find_map(|hash| self.headers.iter().position(|known| known.hash() == *hash));
                Answer::Headers(self.headers[known.map_or(0, |known| known + 1)..].to_vec())
            }
            Ask::Block(hash) => self.blocks.get(hash).cloned().map_or(Answer::Missing, Answer::Block),
            Ask::Pool => Answer::Pool(Vec::new()),
            _ => Answer::Missing,
        }
    }

    /// Lets a node ask until it has no more questions.
    pub(crate) fn deceive(&self, machine: &mut Machine) {
        machine.step(Input::Connected { peer: Self::PEER });
        for _ in 0..8 {
            machine.now = machine.now + Millis::from_seconds(10);
            machine.step(Input::Tick);
            while let Some((peer, id, ask)) = machine.asks.pop() {
                let answer = if peer == Self::PEER { self.answer(&ask) } else { Answer::Failed(Failed::Busy) };
                machine.step(Input::Answered { peer, id, answer });
            }
        }
    }
}
