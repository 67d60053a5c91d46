//! Peers that lie. None has a chain of its own: each takes what an honest node says and makes a lie of it.

use crate::Random;
use crate::check::Violation;
use crate::node_host::Letter;
use crate::world::{Happening, World};
use consensus::peer::{Answer, Ask, Head};
use ledger::{Checkpoint, Header, SecretKey};
use units::{BlockHash, Digest, Height, Millis, StatementId};

/// How a peer lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lie {
    /// Whatever it is asked, it sends bytes that mean nothing.
    Garbage,
    /// It shows all headers and gives no block.
    Withheld,
    /// It claims a chain a thousand blocks longer, whose headers nobody worked for.
    FalseWork,
    /// It shows checkpoints that the log key never signed, for blocks that there are and for others.
    FalseAnchor,
    /// It sends other blocks and statements than it was asked for, and blocks with a changed byte.
    OtherBodies,
    /// It takes every question and answers none.
    Silent,
}

impl Lie {
    const ALL: [Self; 6] =
        [Self::Garbage, Self::Withheld, Self::FalseWork, Self::FalseAnchor, Self::OtherBodies, Self::Silent];

    /// Some way to lie.
    pub(crate) fn any(random: &mut Random) -> Self {
        let count = u64::try_from(Self::ALL.len()).unwrap_or(1);
        let index = usize::try_from(random.below(count)).unwrap_or_default();
        Self::ALL.get(index).copied().unwrap_or(Self::Silent)
    }
}

/// Blocks that are claimed beyond the chain.
const CLAIMED: u64 = 1_000;
/// Headers of them that are shown.
const SHOWN: u64 = 20;
/// Longest pause between two announcements.
const PAUSE_MAX_MS: u64 = 30_000;

fn hash(random: &mut Random) -> BlockHash {
    BlockHash::from_bytes(*bytes32(random).as_bytes())
}

fn bytes32(random: &mut Random) -> Digest {
    let mut bytes = [0; 32];
    for part in bytes.as_chunks_mut::<8>().0 {
        *part = random.next().to_be_bytes();
    }
    Digest::from_bytes(bytes)
}

fn noise(random: &mut Random) -> Vec<u8> {
    (0..random.below(300)).map(|_| random.next().to_be_bytes()[0]).collect()
}

impl World {
    /// A liar announces where its chain ends.
    pub(crate) fn liar_speaks(&mut self, liar: usize) -> Result<(), Violation> {
        let wait = Millis::from_ms(self.random.below(PAUSE_MAX_MS));
        self.later(wait, Happening::LiarSpeaks(liar));
        if let Some(Answer::Head(head)) = self.lie(liar, &Ask::Head)? {
            let number = self.nodes.len() + liar;
            self.tell_peers(number, &Letter::Head(head));
        }
        Ok(())
    }

    /// What a liar answers; `None` is silence.
    pub(crate) fn lie(&mut self, liar: usize, ask: &Ask) -> Result<Option<Answer>, Violation> {
        let lie = self.liars[liar];
        let Some(honest) = (0..self.nodes.len()).find(|number| self.nodes[*number].running.is_some()) else {
            return Ok(None);
        };
        let Some(truth) = self.serve(honest, ask)? else { return Ok(None) };
        let random = &mut self.random;
        Ok(match lie {
            Lie::Silent => None,
            Lie::Garbage => Some(garbage(random, ask)),
            Lie::Withheld => Some(match truth {
                Answer::Block(_) | Answer::Attachment(_) | Answer::Waiting(_) => Answer::Missing,
                truth => truth,
            }),
            Lie::FalseWork => Some(false_work(random, truth)),
            Lie::FalseAnchor => Some(match truth {
                Answer::Head(head) => Answer::Head(false_anchor(random, head)),
                truth => truth,
            }),
            Lie::OtherBodies => Some(other_body(random, truth)),
        })
    }
}

/// What means nothing, in the form of an answer.
pub(crate) fn garbage(random: &mut Random, ask: &Ask) -> Answer {
    match ask {
        Ask::Head => {
            let height = Height::from_number(random.below(1_000));
            let anchor = random.chance(50_000).then(|| "no checkpoint\n".to_owned());
            Answer::Head(Head { height, hash: hash(random), anchor })
        }
        Ask::Headers { .. } => Answer::Headers((0..random.below(5)).map(|_| header(random)).collect()),
        Ask::Block(_) => Answer::Block(noise(random)),
        Ask::Attachment(_) => Answer::Attachment(noise(random)),
        Ask::Pool => {
            Answer::Pool((0..random.below(9)).map(|_| StatementId::from_bytes(*bytes32(random).as_bytes())).collect())
        }
        Ask::Waiting(_) => Answer::Waiting(noise(random)),
    }
}

fn header(random: &mut Random) -> Header {
    let mut bytes = [0; Header::BYTES];
    bytes.iter_mut().for_each(|byte| *byte = random.next().to_be_bytes()[0]);
    Header::from_bytes(&bytes)
}

/// A thousand blocks more, of the highest difficulty there is, and nobody worked for any.
fn false_work(random: &mut Random, truth: Answer) -> Answer {
    match truth {
        Answer::Head(head) => {
            let height = Height::from_number(head.height.number() + CLAIMED);
            Answer::Head(Head { height, hash: hash(random), anchor: head.anchor })
        }
        Answer::Headers(mut headers) => {
            for _ in 0..SHOWN {
                let Some(last) = headers.last() else { break };
                let mut next = last.clone();
                next.height = last.height.next();
                next.previous = last.hash();
                next.time = last.time + Millis::from_minutes(1);
                next.engine.difficulty = u64::MAX >> random.below(60);
                next.engine.nonce = random.next();
                headers.push(next);
            }
            Answer::Headers(headers)
        }
        truth => truth,
    }
}

/// A checkpoint by another key, of the block or of none, or a true one with a changed character.
fn false_anchor(random: &mut Random, head: Head) -> Head {
    let known = head.anchor.as_deref().and_then(|note| Checkpoint::read_unverified(note).ok());
    let Some(known) = known else { return head };
    let block = if random.chance(50_000) { known.block } else { hash(random) };
    let height = Height::from_number(known.height.number() + random.below(3));
    let forged = Checkpoint { height, block, ..known };
    let note = forged.sign(&SecretKey::ed25519(*bytes32(random).as_bytes())).unwrap_or_default();
    let changed = head.anchor.as_deref().map(|note| note.replace("height ", "height 1")).unwrap_or_default();
    Head { anchor: Some(if random.chance(50_000) { note } else { changed }), ..head }
}

fn other_body(random: &mut Random, truth: Answer) -> Answer {
    let change = |random: &mut Random, mut bytes: Vec<u8>| {
        let length = u64::try_from(bytes.len()).unwrap_or(1);
        let place = usize::try_from(random.below(length)).unwrap_or_default();
        if let Some(byte) = bytes.get_mut(place) {
            *byte ^= 1 << random.below(8);
        }
        bytes
    };
    match truth {
        Answer::Block(bytes) => Answer::Block(change(random, bytes)),
        Answer::Attachment(bytes) => Answer::Attachment(change(random, bytes)),
        Answer::Waiting(bytes) => Answer::Waiting(change(random, bytes)),
        truth => truth,
    }
}
