//! A node made of [`Sync`] and a list of blocks.

use crate::ledger_of_test::{TestLedger, seconds};
use consensus::peer::{Answer, Ask, AskId, HEADERS_MAX, Head, PeerId};
use consensus::sync::{Input, Output, Own, PeerState, PeerView, Refused, Sync};
use ledger::{Block, Checkpoint, Header};
use std::collections::BTreeSet;
use units::{BlockHash, Height, Millis, StatementId, Timestamp};

/// A node that knows which of its blocks break a rule.
pub(crate) struct Machine {
    pub(crate) sync: Sync,
    pub(crate) now: Timestamp,
    /// The chain, genesis first.
    pub(crate) chain: Vec<Block>,
    pub(crate) anchor: Option<String>,
    pub(crate) bad: BTreeSet<BlockHash>,
    pub(crate) pool: BTreeSet<StatementId>,
    pub(crate) attachments: BTreeSet<StatementId>,
    /// Depth of each switch that undid blocks.
    pub(crate) undone: Vec<u64>,
}

impl Machine {
    /// With genesis and these blocks.
    pub(crate) fn new(ledger: &TestLedger, blocks: &[Block]) -> Self {
        let genesis = Block { header: ledger.root.clone(), statements: Vec::new(), seal: [0; 64] };
        let above = blocks.iter().map(|block| block.header.clone()).collect();
        let own = Own { below: Vec::new(), root: ledger.root.clone(), above, anchor: None };
        Self {
            sync: Sync::new(&ledger.genesis, own),
            // Long after the blocks that tests make beforehand.
            now: seconds(100_000),
            chain: [&[genesis], blocks].concat(),
            anchor: None,
            bad: BTreeSet::new(),
            pool: BTreeSet::new(),
            attachments: BTreeSet::new(),
            undone: Vec::new(),
        }
    }

    pub(crate) fn head(&self) -> &Header {
        &self.chain.last().unwrap().header
    }

    pub(crate) fn height(&self) -> u64 {
        self.head().height.number()
    }

    pub(crate) fn anchored(&self) -> Height {
        let height = |note: &String| Checkpoint::read_unverified(note).unwrap().height;
        self.anchor.as_ref().map_or(Height::GENESIS, height)
    }

    /// One step, switches carried out; what is left is for others.
    pub(crate) fn step(&mut self, input: Input) -> Vec<Output> {
        let mut left = Vec::new();
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            for output in self.sync.step(self.now, input) {
                match output {
                    Output::Switch { fork, blocks } => {
                        let result = self.switch(fork, &blocks);
                        inputs.push(Input::Switched { result, anchor: None });
                    }
                    Output::Anchor { note } => {
                        let checkpoint = Checkpoint::read_unverified(&note).unwrap();
                        let height = usize::try_from(checkpoint.height.number()).unwrap();
                        assert_eq!(self.chain[height].header.hash(), checkpoint.block, "an anchor of another chain");
                        assert!(checkpoint.height > self.anchored(), "anchors rise");
                        self.anchor = Some(note);
                    }
                    Output::Waiting { statement, .. } => drop(self.pool.insert(statement)),
                    Output::Attachment { statement, .. } => drop(self.attachments.insert(statement)),
                    other => left.push(other),
                }
            }
        }
        assert_eq!(self.sync.head().hash, self.head().hash(), "both know the same chain");
        left
    }

    fn switch(&mut self, fork: Height, blocks: &[Vec<u8>]) -> Result<(), Refused> {
        assert!(fork >= self.anchored(), "a switch below the newest anchor");
        assert!(!blocks.is_empty() && fork <= self.head().height);
        let keep = usize::try_from(fork.number()).unwrap() + 1;
        let undone = self.chain.split_off(keep);
        for (kept, bytes) in blocks.iter().enumerate() {
            let block = Block::from_bytes(bytes).unwrap();
            let hash = block.header.hash();
            assert_eq!(block.header.previous, self.head().hash(), "blocks follow each other");
            if self.bad.contains(&hash) {
                let kept = if undone.is_empty() { kept } else { 0 };
                self.chain.truncate(keep + kept);
                self.chain.extend(undone);
                let reason = "it books more than there is".to_owned();
                return Err(Refused { hash, kept, blame: consensus::sync::Blame::Block, reason });
            }
            self.chain.push(block);
        }
        if !undone.is_empty() {
            self.undone.push(u64::try_from(undone.len()).unwrap());
        }
        Ok(())
    }

    /// Makes a block of its own.
    pub(crate) fn mine(&mut self, ledger: &TestLedger, salt: u8) -> Vec<Output> {
        let block = ledger.after(self.head(), salt);
        let header = block.header.clone();
        self.chain.push(block);
        self.step(Input::Extended { header, anchor: None })
    }

    /// Signs its head.
    pub(crate) fn sign(&mut self, ledger: &TestLedger) -> Vec<Output> {
        let note = ledger.note(self.head());
        self.anchor = Some(note.clone());
        self.step(Input::Anchored { note })
    }

    pub(crate) fn head_with_anchor(&self) -> Head {
        Head { height: self.head().height, hash: self.head().hash(), anchor: self.anchor.clone() }
    }

    /// What an honest node answers.
    pub(crate) fn serve(&self, ask: &Ask) -> Answer {
        match ask {
            Ask::Head => Answer::Head(self.head_with_anchor()),
            Ask::Headers { locator } => {
                let place = |hash: &units::BlockHash| self.chain.iter().position(|block| block.header.hash() == *hash);
                match locator.iter().find_map(place) {
                    Some(at) => {
                        let after = self.chain[at + 1..].iter().take(HEADERS_MAX);
                        Answer::Headers(after.map(|block| block.header.clone()).collect())
                    }
                    None => Answer::Missing,
                }
            }
            Ask::Block(hash) => match self.chain.iter().find(|block| block.header.hash() == *hash) {
                Some(block) => Answer::Block(block.to_bytes()),
                None => Answer::Missing,
            },
            Ask::Attachment(id) if self.attachments.contains(id) => Answer::Attachment(vec![1]),
            Ask::Waiting(id) if self.pool.contains(id) => Answer::Waiting(vec![2]),
            Ask::Attachment(_) | Ask::Waiting(_) => Answer::Missing,
            Ask::Pool => Answer::Pool(self.pool.iter().copied().collect()),
        }
    }

    pub(crate) fn view(&self, peer: PeerId) -> PeerView {
        self.sync.peers().into_iter().find(|view| view.peer == peer).unwrap()
    }

    pub(crate) fn state(&self, peer: PeerId) -> PeerState {
        self.view(peer).state
    }

    pub(crate) fn wait(&mut self, span: Millis) -> Vec<Output> {
        let mut outputs = Vec::new();
        for _ in 0..span.ms().div_ceil(1_000) {
            self.now = self.now + Millis::from_seconds(1);
            outputs.extend(self.step(Input::Tick));
        }
        outputs
    }
}

/// The questions among some outputs.
pub(crate) fn asks(outputs: &[Output]) -> Vec<(PeerId, AskId, Ask)> {
    let ask = |output: &Output| match output {
        Output::Ask { peer, id, ask } => Some((*peer, *id, ask.clone())),
        _ => None,
    };
    outputs.iter().filter_map(ask).collect()
}

/// Lets peers answer what a node asks until it asks nothing more at this time; gives everything else that it wants done.
pub(crate) fn converse(
    node: &mut Machine,
    first: Vec<Output>,
    mut answer: impl FnMut(PeerId, &Ask) -> Answer,
) -> Vec<Output> {
    let mut others = Vec::new();
    let mut outputs = first;
    loop {
        let questions = asks(&outputs);
        others.extend(outputs.into_iter().filter(|output| !matches!(output, Output::Ask { .. })));
        if questions.is_empty() {
            // The last blocks of a branch are taken when time passes.
            outputs = node.step(Input::Tick);
            if outputs.is_empty() {
                return others;
            }
            continue;
        }
        outputs = Vec::new();
        for (peer, id, ask) in questions {
            let mut answer = answer(peer, &ask);
            if let Answer::Pool(ids) = &mut answer {
                ids.retain(|id| !node.pool.contains(id));
            }
            outputs.extend(node.step(Input::Answered { peer, id, answer }));
        }
    }
}

/// Lets time pass second by second, with answers to what is asked meanwhile.
pub(crate) fn live(node: &mut Machine, span: Millis, mut answer: impl FnMut(PeerId, &Ask) -> Answer) -> Vec<Output> {
    let mut others = Vec::new();
    for _ in 0..span.ms().div_ceil(1_000) {
        let outputs = node.wait(Millis::from_seconds(1));
        others.extend(converse(node, outputs, &mut answer));
    }
    others
}

/// Connects a peer and lets it answer.
pub(crate) fn meet(node: &mut Machine, peer: PeerId, mut answer: impl FnMut(&Ask) -> Answer) -> Vec<Output> {
    let first = node.step(Input::Connected { peer });
    converse(node, first, |_, ask| answer(ask))
}
