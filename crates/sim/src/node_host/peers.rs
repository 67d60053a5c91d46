//! What nodes say to each other: who listens to whom, questions, answers and announcements on their way.
//!
//! As over HTTP: each question ends in one answer or one failure. A node that is down refuses the connection at once, one
//! behind a cut lets the asker wait.

use crate::Sabotage;
use crate::check::Violation;
use crate::liar::garbage;
use crate::network::TIMEOUT;
use crate::world::{Happening, World};
use consensus::peer::{Answer, Ask, AskId, Failed, Head, PeerId};
use node::core::Input;
use units::{Millis, StatementId};

/// Between two looks at a connection: this, and up to as much again.
const DIAL_MS: u64 = 4_000;
/// How much later a slow node answers, at most: sometimes beyond the time-out.
const SLOW_NODE_MAX_MS: u64 = 15_000;

/// What one node sends another.
#[derive(Debug, Clone)]
pub(crate) enum Letter {
    /// A question.
    Ask { id: AskId, ask: Ask, life: u64 },
    /// Its answer, for the asker's life in which it was put.
    Answer { id: AskId, answer: Answer, life: u64 },
    /// Where the sender's chain ends now, for those who listen.
    Head(Head),
    /// What waits at the sender, for those who listen.
    Offer(StatementId),
}

impl World {
    /// A node's peers: all others, and those that lie.
    pub(super) fn peers_of(&self, number: usize) -> impl Iterator<Item = usize> + use<> {
        (0..self.nodes.len() + self.liars.len()).filter(move |peer| *peer != number)
    }

    /// Looks at the connection to a peer: makes it, or finds it broken.
    pub(crate) fn dial(&mut self, number: usize, life: u64, peer: usize) -> Result<(), Violation> {
        let host = &self.nodes[number];
        if life != host.life || host.running.is_none() {
            return Ok(());
        }
        let wait = Millis::from_ms(DIAL_MS + self.random.below(DIAL_MS));
        self.later(wait, Happening::Dial { node: number, life, peer });
        let there = self.life_reached(number, peer);
        let host = &mut self.nodes[number];
        let name = PeerId(u32::try_from(peer).unwrap_or(u32::MAX));
        match (host.connected.get(&peer).copied(), there) {
            (Some(before), Some(there)) if before == there => Ok(()),
            (Some(_), _) => {
                host.connected.remove(&peer);
                self.node_input(number, Input::Disconnected { peer: name })
            }
            (None, Some(there)) => {
                host.connected.insert(peer, there);
                self.node_input(number, Input::Connected { peer: name })
            }
            (None, None) => Ok(()),
        }
    }

    /// In which of its lives a peer is reached, and reaches back; `None` when it is not.
    fn life_reached(&self, number: usize, peer: usize) -> Option<u64> {
        if !self.reach(number, peer) || !self.reach(peer, number) {
            return None;
        }
        match self.nodes.get(peer) {
            Some(host) => host.running.as_ref().map(|_| host.life),
            None => Some(0),
        }
    }

    fn reach(&self, from: usize, to: usize) -> bool {
        self.links.carry(self.now, from, to)
    }

    /// Tells everybody who listens.
    pub(crate) fn tell_peers(&mut self, number: usize, letter: &Letter) {
        for listener in self.peers_of(number).collect::<Vec<usize>>() {
            if self.nodes.get(listener).is_some_and(|host| host.connected.contains_key(&number)) {
                self.post(number, listener, letter.clone());
            }
        }
    }

    fn post(&mut self, from: usize, to: usize, letter: Letter) {
        if !self.reach(from, to) {
            return;
        }
        let is_announcement = matches!(letter, Letter::Head(_) | Letter::Offer(_));
        let copies = if is_announcement && self.random.chance(self.chaos.message_repeated) { 2 } else { 1 };
        for _ in 0..copies {
            let Some(delay) = self.message_delay() else { continue };
            let slow = self.nodes.get(from).is_some_and(|host| self.now < host.slow_until);
            let late = if slow { self.random.below(SLOW_NODE_MAX_MS) } else { 0 };
            let delay = Millis::from_ms(delay.ms() + late);
            self.later(delay, Happening::Letter { from, to, letter: Box::new(letter.clone()) });
        }
    }

    /// A node puts a question to a peer.
    pub(super) fn ask_peer(&mut self, number: usize, peer: PeerId, id: AskId, ask: Ask) {
        let to = usize::try_from(peer.0).unwrap_or(usize::MAX);
        let host = &mut self.nodes[number];
        let life = host.life;
        host.asked.insert(id, to);
        if self.nodes.get(to).is_some_and(|host| host.running.is_none()) {
            let answer = Answer::Failed(Failed::Unreachable("connection refused".to_owned()));
            let letter = Box::new(Letter::Answer { id, answer, life });
            return self.later(Millis::from_ms(1), Happening::Letter { from: to, to: number, letter });
        }
        if !self.nodes[number].is_deaf {
            self.post(number, to, Letter::Ask { id, ask, life });
        }
        let answer = Answer::Failed(Failed::TimedOut);
        let letter = Box::new(Letter::Answer { id, answer, life });
        self.later(TIMEOUT, Happening::Letter { from: to, to: number, letter });
    }

    /// A letter arrives.
    pub(crate) fn letter(&mut self, from: usize, to: usize, letter: Letter) -> Result<(), Violation> {
        let peer = PeerId(u32::try_from(from).unwrap_or(u32::MAX));
        match letter {
            Letter::Ask { id, ask, life } => {
                if let Some(answer) = self.asked_by_peer(to, &ask)? {
                    self.post(to, from, Letter::Answer { id, answer, life });
                }
                Ok(())
            }
            Letter::Answer { id, answer, life } => {
                let host = &mut self.nodes[to];
                // Whichever of answer and time-out is second finds nobody waiting.
                if host.life != life || host.running.is_none() || host.asked.remove(&id).is_none() {
                    return Ok(());
                }
                self.node_input(to, Input::Answered { peer, id, answer })
            }
            Letter::Head(head) if self.listens(to, from) => self.node_input(to, Input::Heard { peer, head }),
            Letter::Offer(id) if self.listens(to, from) => self.node_input(to, Input::Offered { peer, ids: vec![id] }),
            Letter::Head(_) | Letter::Offer(_) => Ok(()),
        }
    }

    fn listens(&self, to: usize, from: usize) -> bool {
        self.nodes
            .get(to)
            .is_some_and(|host| host.running.is_some() && !host.is_deaf && host.connected.contains_key(&from))
    }

    /// What a peer answers; nothing when it went down or keeps silent.
    fn asked_by_peer(&mut self, number: usize, ask: &Ask) -> Result<Option<Answer>, Violation> {
        if number >= self.nodes.len() {
            return self.lie(number - self.nodes.len(), ask);
        }
        if number == 0 && self.sabotage == Some(Sabotage::Impersonate) {
            return Ok(Some(garbage(&mut self.random, ask)));
        }
        self.serve(number, ask)
    }

    /// What a node answers truthfully. Nothing is shown that is not durable.
    pub(crate) fn serve(&mut self, number: usize, ask: &Ask) -> Result<Option<Answer>, Violation> {
        self.flush_node(number)?;
        let running = self.nodes[number].running.as_mut();
        Ok(running.map(|running| node::serve(&running.node, &mut running.store, ask)))
    }
}
