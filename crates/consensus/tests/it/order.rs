//! The seam to an engine: a node in memory behind it, and an engine that loses views, repeats itself and restarts.

use crate::ledger_of_test::TestLedger;
use consensus::order::{Order, Slot, Verdict, certifies};
use ledger::Block;
use std::collections::BTreeMap;
use units::{BlockHash, Height};

/// A node of empty blocks. Its chain is what was decided; certificates are notes of the log key.
struct Node<'a> {
    ledger: &'a TestLedger,
    salt: u8,
    /// Survives a restart, as does all that is decided.
    proposed: BTreeMap<(u64, u64), Block>,
    known: BTreeMap<BlockHash, Block>,
    decided: Vec<(BlockHash, String)>,
}

impl<'a> Node<'a> {
    fn new(ledger: &'a TestLedger, salt: u8) -> Self {
        let genesis = Block { header: ledger.root.clone(), statements: Vec::new(), seal: [0; 64] };
        let known = BTreeMap::from([(ledger.root.hash(), genesis)]);
        Self { ledger, salt, proposed: BTreeMap::new(), known, decided: Vec::new() }
    }
}

impl Order for Node<'_> {
    type Certificate = String;
    type Error = String;

    fn propose(&mut self, slot: &Slot) -> Option<Block> {
        let parent = self.known.get(&slot.parent)?;
        let make = || self.ledger.after(&parent.header, self.salt.wrapping_add(slot.view.to_le_bytes()[0]));
        let block = self.proposed.entry((slot.height.number(), slot.view)).or_insert_with(make);
        Some(block.clone())
    }

    fn check(&self, slot: &Slot, block: &Block) -> Verdict {
        if !self.known.contains_key(&slot.parent) {
            return Verdict::Unknown;
        }
        let follows = block.header.previous == slot.parent && block.header.height == slot.height;
        if follows { Verdict::Valid } else { Verdict::Invalid("it does not follow its parent".into()) }
    }

    fn decided(&mut self, block: &Block, certificate: &String) -> Result<(), String> {
        let hash = block.header.hash();
        if self.decided.iter().any(|(known, _)| *known == hash) {
            return Ok(());
        }
        if block.header.height.number() != self.decided.len() as u64 + 1 {
            return Err("out of order".into());
        }
        self.known.insert(hash, block.clone());
        self.decided.push((hash, certificate.clone()));
        Ok(())
    }

    fn certificate(&self, height: Height) -> Option<String> {
        let index = usize::try_from(height.number().checked_sub(1)?).ok()?;
        self.decided.get(index).map(|(_, note)| note.clone())
    }

    fn block(&self, id: &BlockHash) -> Option<Block> {
        self.known.get(id).cloned()
    }
}

/// Four nodes take turns; a block is decided when three call it valid.
fn run(ledger: &TestLedger, nodes: &mut [Node<'_>], heights: u64) {
    let mut parent = ledger.root.hash();
    for height in (1..=heights).map(Height::from_number) {
        for view in 0.. {
            let slot = Slot { height, view, parent, deadline: ledger.root.time };
            let leader = usize::try_from(height.number() + view).unwrap() % nodes.len();
            // A leader that lacks the parent proposes nothing, and its view is lost.
            let Some(block) = nodes[leader].propose(&slot) else { continue };
            assert_eq!(nodes[leader].propose(&slot), Some(block.clone()), "the same slot, the same block");
            let valid = nodes.iter().filter(|node| node.check(&slot, &block) == Verdict::Valid).count();
            // Every third height loses its first view, as a slow leader's is lost.
            if valid < 3 || (view == 0 && height.number() % 3 == 0) {
                continue;
            }
            let note = ledger.note(&block.header);
            // The last node is away for a while.
            let present = if (4..=7).contains(&height.number()) { 3 } else { 4 };
            for node in nodes.iter_mut().take(present) {
                catch_up(node, &block, &note);
            }
            if present == 4 {
                backfill(nodes, height);
            }
            parent = block.header.hash();
            break;
        }
    }
}

/// Told twice, as after a crash between deciding and noting it.
fn catch_up(node: &mut Node<'_>, block: &Block, note: &String) {
    let first = node.decided(block, note);
    assert_eq!(node.decided(block, note), first);
}

fn backfill(nodes: &mut [Node<'_>], up_to: Height) {
    let (present, absent) = nodes.split_at_mut(3);
    for height in absent[0].decided.len() as u64 + 1..=up_to.number() {
        let note = present[0].certificate(Height::from_number(height)).unwrap();
        let block = present[0].block(&ledger::Checkpoint::read_unverified(&note).unwrap().block).unwrap();
        let ledger = present[0].ledger;
        assert_eq!(certifies(&note, &ledger.genesis.log_key, &block.header), Ok(true));
        absent[0].decided(&block, &note).unwrap();
    }
}

#[test]
fn nodes_behind_the_seam_agree_through_lost_views_repetitions_and_absence() {
    let ledger = TestLedger::new();
    let mut nodes: Vec<Node<'_>> = (0..4).map(|salt| Node::new(&ledger, salt * 16)).collect();
    run(&ledger, &mut nodes, 12);
    let chains: Vec<Vec<BlockHash>> =
        nodes.iter().map(|node| node.decided.iter().map(|(hash, _)| *hash).collect()).collect();
    assert_eq!(chains[0].len(), 12);
    assert!(chains.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn a_parent_that_is_missing_makes_a_proposal_unknown_and_never_invalid() {
    let ledger = TestLedger::new();
    let node = Node::new(&ledger, 1);
    let branch = ledger.branch(&ledger.root, 2, 1);
    let slot =
        |height, parent| Slot { height: Height::from_number(height), view: 0, parent, deadline: ledger.root.time };
    assert_eq!(node.check(&slot(2, branch[0].header.hash()), &branch[1]), Verdict::Unknown);
    assert_eq!(node.check(&slot(1, ledger.root.hash()), &branch[0]), Verdict::Valid);
    assert!(matches!(node.check(&slot(1, ledger.root.hash()), &branch[1]), Verdict::Invalid(_)));
}

#[test]
fn a_certificate_decides_its_own_block_only_and_needs_the_log_key() {
    let ledger = TestLedger::new();
    let branch = ledger.branch(&ledger.root, 2, 1);
    let note = ledger.note(&branch[0].header);
    assert_eq!(certifies(&note, &ledger.genesis.log_key, &branch[0].header), Ok(true));
    assert_eq!(certifies(&note, &ledger.genesis.log_key, &branch[1].header), Ok(false));
    assert!(certifies(&note, &ledger.genesis.operator, &branch[0].header).is_err());
}
