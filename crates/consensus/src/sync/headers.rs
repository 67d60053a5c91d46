//! Headers first: what a peer's chain looks like, window by window, before any of its blocks is fetched.

use super::blocks::REORGANISATION_BLOCKS_MAX;
use super::conduct::Misdeed;
use super::header::HeaderRules;
use super::peer::{HEADERS_PAUSE, Kind, Stray};
use super::{Contradiction, Sync, Turn};
use crate::peer::{Ask, HEADERS_MAX, Head, PeerId};
use ledger::{Genesis, Header};
use units::{BlockHash, Height, Millis};

/// Headers of one peer above the own head: four windows, so that bodies never wait for headers. With
/// [`super::PEERS_MAX`] peers that all lie, 60 MB.
pub const HEADERS_AHEAD_MAX: u64 = 2_048;
/// Windows that are walked of a branch below the newest anchor in search of the anchor that its peer shows.
const STRAY_WINDOWS_MAX: u32 = 256;
/// How soon a peer on another history is asked again: it may have heard the anchor and come over.
const APART_PAUSE: Millis = Millis::from_minutes(1);
/// How soon a header from the future is asked for again at the latest, however far ahead it is.
const FUTURE_PAUSE_MAX: Millis = Millis::from_minutes(1);

/// What a window of headers came to.
enum Window {
    /// All that could be taken was; the newest link of it.
    Taken(Option<BlockHash>),
    /// The branch leaves the own chain below the root; the headers from there on.
    Apart(Height, usize),
    Refused(Misdeed),
}

impl Sync {
    /// A peer says where its chain ends.
    pub(super) fn heard(&mut self, turn: &mut Turn<'_>, id: PeerId, head: Head) {
        if let Some(note) = &head.anchor {
            self.hear_anchor(turn, id, note);
        }
        let is_link = self.tree.get(&head.hash).is_some();
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if peer.conduct.is_banned(turn.run) {
            return;
        }
        if peer.head.as_ref().is_none_or(|known| known.hash != head.hash) {
            peer.headers_due = peer.headers_due.min(turn.run + HEADERS_PAUSE);
            if !peer.is_apart {
                peer.headers_due = turn.run;
            }
        }
        let hash = head.hash;
        peer.head = Some(head);
        if is_link {
            self.set_tip(id, Some(hash));
        }
    }

    pub(super) fn set_tip(&mut self, id: PeerId, tip: Option<BlockHash>) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if peer.tip == tip {
            return;
        }
        let height = |hash: &BlockHash| self.tree.get(hash).map(|link| link.header.height);
        let builds_on = match (peer.tip, &tip) {
            (Some(old), Some(new)) => height(&old).is_some_and(|height| self.tree.holds(new, height, &old)),
            (None, _) => true,
            (Some(_), None) => false,
        };
        peer.tip = tip;
        if tip.is_some() {
            peer.is_apart = false;
            peer.stray = None;
        }
        self.is_unswept |= !builds_on;
        self.blocks.look_again();
    }

    /// What to ask a peer for its headers with, if there are any to ask for.
    pub(super) fn headers_ask(&self, turn: &Turn<'_>, id: PeerId) -> Option<Ask> {
        let peer = self.peers.get(&id)?;
        let head = peer.head.as_ref()?;
        let is_known = self.tree.get(&head.hash).is_some() || self.tree.is_own(head.height, &head.hash);
        if is_known || turn.run < peer.headers_due || peer.has_asked(|ask| matches!(ask, Ask::Headers { .. })) > 0 {
            return None;
        }
        if let Some(stray) = &peer.stray {
            return Some(Ask::Headers { locator: self.tree.locator(Some(stray.last.hash())) });
        }
        let tip = peer.tip.and_then(|tip| self.tree.get(&tip));
        let ahead =
            tip.map_or(0, |tip| tip.header.height.number().saturating_sub(self.tree.head().header.height.number()));
        let has_room = ahead + HEADERS_MAX as u64 <= HEADERS_AHEAD_MAX;
        has_room.then(|| Ask::Headers { locator: self.tree.locator(tip.map(|tip| tip.hash)) })
    }

    /// Takes a window of headers.
    pub(super) fn take_headers(&mut self, turn: &mut Turn<'_>, id: PeerId, headers: &[Header]) {
        if headers.len() > HEADERS_MAX {
            return self.blame(turn, id, &Misdeed::TooLong);
        }
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if peer.kind == Kind::NewerProgram {
            peer.kind = Kind::Node;
        }
        // Asked again when there is more to come; what follows says so.
        peer.headers_due = turn.run + HEADERS_PAUSE;
        if let Some(stray) =
            peer.stray.take_if(|stray| headers.first().is_some_and(|h| h.previous == stray.last.hash()))
        {
            return self.walk(turn, id, stray, headers);
        }
        match self.link(turn, id, headers) {
            Window::Refused(misdeed) => self.blame(turn, id, &misdeed),
            Window::Apart(height, index) => self.apart(turn, id, height, &headers[index..]),
            Window::Taken(newest) => {
                if let Some(newest) = newest {
                    self.set_tip(id, Some(newest));
                }
            }
        }
    }

    /// Puts headers into the tree, one by one.
    fn link(&mut self, turn: &Turn<'_>, id: PeerId, headers: &[Header]) -> Window {
        let mut newest = None;
        let mut before = None;
        for (index, header) in headers.iter().enumerate() {
            let hash = header.hash();
            if before.is_some_and(|before| before != header.previous) {
                return Window::Refused(Misdeed::Unlinked);
            }
            before = Some(hash);
            if self.blocks.is_bad(&hash) || self.blocks.is_bad(&header.previous) {
                return Window::Refused(Misdeed::BuildsOnBad(header.height));
            }
            if self.tree.get(&hash).is_some() {
                newest = Some(hash);
                continue;
            }
            if self.tree.is_own(header.height, &hash) {
                continue;
            }
            let Some(parent) = self.tree.get(&header.previous).map(|link| link.header.clone()) else {
                let below = Height::from_number(header.height.number().saturating_sub(1));
                // What it follows may have been known when it was asked for, and be swept away since.
                return match self.tree.is_own(below, &header.previous) {
                    true => Window::Apart(below, index),
                    false => Window::Taken(newest),
                };
            };
            if !self.may_follow(turn, id, header) {
                return Window::Taken(newest);
            }
            if let Err(error) = self.rules.check(header, &parent) {
                return Window::Refused(Misdeed::Header(error));
            }
            newest = self.tree.insert(header).map(|link| link.hash);
        }
        if headers.len() == HEADERS_MAX {
            self.ask_headers_at(id, turn.run);
        }
        Window::Taken(newest)
    }

    fn ask_headers_at(&mut self, id: PeerId, due: units::Timestamp) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.headers_due = due;
        }
    }

    /// Whether a header is of a kind that can be judged now: of this program's version, not from the future, and on a
    /// branch that a reorganisation can reach. Otherwise it is left for later, and nobody is blamed.
    fn may_follow(&mut self, turn: &Turn<'_>, id: PeerId, header: &Header) -> bool {
        if header.version != Genesis::VERSION {
            if let Some(peer) = self.peers.get_mut(&id) {
                peer.kind = Kind::NewerProgram;
                peer.failure = Some(format!(
                    "block {} is of protocol version {}; this program knows {}: install the newer program",
                    header.height,
                    header.version,
                    Genesis::VERSION
                ));
                peer.headers_due = turn.run + APART_PAUSE;
            }
            return false;
        }
        if let Some(until) = HeaderRules::waits_until(header, turn.now) {
            let pause = until.since(turn.now).min(FUTURE_PAUSE_MAX);
            self.ask_headers_at(id, turn.run + pause);
            return false;
        }
        let head = self.tree.head().header.height.number();
        let parent = header.height.number().saturating_sub(1);
        let is_own = self.tree.is_own(Height::from_number(parent), &header.previous);
        let is_deep = is_own && head.saturating_sub(parent) > REORGANISATION_BLOCKS_MAX;
        if is_deep || parent.saturating_sub(head) >= HEADERS_AHEAD_MAX {
            let pause = if is_deep { APART_PAUSE } else { Millis::ZERO };
            self.ask_headers_at(id, turn.run + pause);
            return false;
        }
        true
    }

    /// A peer's branch leaves the own chain below the root. It is not followed; if it shows a newer anchor, the branch is
    /// walked to see whether it is there.
    fn apart(&mut self, turn: &mut Turn<'_>, id: PeerId, common: Height, headers: &[Header]) {
        let root = self.tree.root().header.height;
        let Some(first) = headers.first() else { return };
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.is_apart = true;
        peer.headers_due = turn.run + APART_PAUSE;
        let shows_newer = peer.anchor.as_ref().is_some_and(|anchor| anchor.checkpoint.height > root);
        self.set_tip(id, None);
        self.tell(turn, id, (first.height, first.hash()), Contradiction::LeavesBelowAnchor { common });
        if shows_newer {
            self.walk(turn, id, Stray { last: first.clone(), windows: 0 }, headers);
        }
    }

    /// Walks on along a branch below the root until the anchor that its peer shows is found on it.
    fn walk(&mut self, turn: &mut Turn<'_>, id: PeerId, stray: Stray, headers: &[Header]) {
        let Some(anchor) = self.peers.get(&id).and_then(|peer| peer.anchor.clone()) else { return };
        let Stray { mut last, windows } = stray;
        for header in headers {
            let hash = header.hash();
            let follows = hash == last.hash() || header.previous == last.hash();
            if !follows || !crate::pow::satisfies(header) {
                return self.blame(turn, id, &Misdeed::Unlinked);
            }
            if hash == anchor.checkpoint.block {
                return self.tell_two_histories(turn, id, &anchor);
            }
            last = header.clone();
        }
        let is_full = headers.len() >= HEADERS_MAX / 2;
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if is_full && windows < STRAY_WINDOWS_MAX && last.height < anchor.checkpoint.height {
            peer.stray = Some(Stray { last, windows: windows + 1 });
            peer.headers_due = turn.run;
        } else {
            peer.headers_due = turn.run + APART_PAUSE;
        }
    }
}
