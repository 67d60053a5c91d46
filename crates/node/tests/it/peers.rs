//! What peers send: what is worthless costs them, and nothing of it is taken.

use crate::community::{Community, minutes};
use crate::machine::{Machine, config};
use crate::net::{Liar, Net, Role};
use consensus::peer::{Answer, Ask, HEADERS_MAX};
use consensus::pow::{Search, satisfies};
use ledger::{Block, Engine, Genesis, Header};
use node::core::{Config, Input, UNFINAL_MAX};
use node::record::Record;
use units::{BlockHash, Digest, Height, Millis};

const NEVER: u32 = 100;

/// A chain of the other miner's above what a machine has, with a transfer in each block.
fn branch(community: &Community, machine: &Machine, blocks: u8) -> Machine {
    let config = Config { miner: Some(community.other_miner.clone()), log_key: None, ..config(community) };
    let mut other = machine.restarted_with(config);
    for nonce in 0..blocks {
        let sale = community.transfer(&community.chen, community.lee.account(), 1, other.now, 50 + nonce);
        other.submit(sale.leaf()).unwrap();
        other.tick();
    }
    other
}

/// A block like the next one of a machine, but with a state root of nobody's.
fn with_a_false_state_root(community: &Community, machine: &Machine) -> Vec<u8> {
    let state = machine.node.state();
    let sale = community.transfer(&community.chen, community.lee.account(), 1, machine.now, 99);
    let (log_size, log_root) = state.log().extended(&[sale.leaf_hash()]);
    let mut header = Header {
        version: Genesis::VERSION,
        ledger: state.ledger(),
        height: state.head().height.next(),
        time: state.head().time + Millis::from_minutes(1),
        previous: state.head().hash(),
        log_size,
        log_root,
        state_root: Digest::from_bytes([7; 32]),
        proposer: community.other_miner.account(),
        engine: Engine { difficulty: state.next_difficulty(), ..Engine::default() },
    };
    header.engine.nonce = Search::new(&header).run(0, u64::MAX).unwrap();
    let seal = community.other_miner.sign_short(&Block::sealed_bytes(&header.hash())).unwrap();
    Block { header, statements: vec![sale], seal }.to_bytes()
}

fn founded(community: &Community) -> Machine {
    let mut machine = Machine::with(Config { log_key: None, ..config(community) });
    for statement in community.founding() {
        machine.submit(statement.leaf()).unwrap();
    }
    machine.tick();
    machine
}

#[test]
fn a_branch_that_breaks_a_rule_at_its_third_block_leaves_the_chain_as_it_was_and_bans_who_sent_it() {
    let community = Community::with_final_depth(NEVER);
    let machine = founded(&community);
    let other = branch(&community, &machine, 2);
    let mut blocks = other.blocks();
    blocks.push(with_a_false_state_root(&community, &other));
    for (own_blocks, kept) in [(1, 0), (0, 2)] {
        let mut machine = machine.restarted_with(Config { log_key: None, ..config(&community) });
        for _ in 0..own_blocks {
            let sale = community.transfer(&community.chen, community.lee.account(), 5, machine.now, 1);
            machine.submit(sale.leaf()).unwrap();
            machine.tick();
        }
        machine.now = minutes(30);
        let waits = community.transfer(&community.chen, community.lee.account(), 6, machine.now, 2);
        machine.step(Input::SetAutomatic(false));
        machine.submit(waits.leaf()).unwrap();
        let (height, stored) = (machine.head().0, machine.stored.len());
        let (head, root) = (machine.head(), machine.node.state().root());
        Liar::showing(&blocks).deceive(&mut machine);
        let [(peer, reason)] = machine.banned.as_slice() else { panic!("{:?}", machine.banned) };
        assert_eq!(*peer, Liar::PEER);
        assert!(reason.contains("state root"), "{reason}");
        // Where nothing had to be undone, what was good of it stays.
        assert_eq!(machine.head().0, height + kept);
        let blocks_stored = machine.stored[stored..].iter().filter(|record| matches!(record, Record::Block(_)));
        assert_eq!(blocks_stored.count() as u64, kept);
        assert!(!machine.stored.iter().any(|record| matches!(record, Record::Rewound(_))));
        if kept == 0 {
            assert_eq!((machine.head(), machine.node.state().root()), (head, root));
            assert_eq!(machine.rows.len(), 2);
        }
        assert!(machine.node.pooled(&waits.id()).is_some());
    }
}

#[test]
fn a_longer_branch_of_lies_is_not_followed() {
    let community = Community::with_final_depth(NEVER);
    let machine = founded(&community);
    let other = branch(&community, &machine, 3);
    let genuine = Liar::showing(&other.blocks());
    let last = genuine.headers.last().unwrap().clone();
    // Headers nobody has worked for, that name a branch of a hundred blocks.
    let mut unworked = genuine.headers.clone();
    for _ in 0..100 {
        let before = unworked.last().unwrap();
        let mut header = Header {
            height: before.height.next(),
            previous: before.hash(),
            time: before.time + Millis::from_minutes(1),
            log_size: before.log_size + 1,
            ..before.clone()
        };
        while satisfies(&header) {
            header.engine.nonce += 1;
        }
        unworked.push(header);
    }
    let withheld = Liar { blocks: Default::default(), ..Liar::showing(&other.blocks()) };
    let other_bodies = genuine.headers.iter().map(|header| (header.hash(), b"not a block".to_vec())).collect();
    for (liar, bans, follows) in [
        (Liar { claimed: Height::from_number(1_000_000), ..Liar::showing(&other.blocks()) }, 0, true),
        (Liar { headers: unworked, ..Liar::showing(&other.blocks()) }, 1, false),
        (withheld, 1, false),
        (Liar { blocks: other_bodies, ..Liar::showing(&other.blocks()) }, 1, false),
    ] {
        let mut machine = machine.restarted_with(Config { log_key: None, ..config(&community) });
        machine.now = minutes(30);
        machine.step(Input::SetAutomatic(false));
        let before = machine.head();
        liar.deceive(&mut machine);
        assert_eq!(machine.banned.len(), bans, "{:?}", machine.banned);
        let now = if follows { (last.height.number(), last.hash()) } else { before };
        assert_eq!(machine.head(), now);
    }
}

#[test]
fn a_node_with_an_empty_folder_ends_with_the_same_state_attachments_and_checkpoint() {
    let community = Community::with_final_depth(2);
    let mut net = Net::of_three(&community);
    let chain = community.intervals(net.machines[0].binding("M-lee"), 30);
    net.pass(Millis::from_minutes(310));
    for interval in &chain {
        net.submit(1, &interval.submission());
        net.mine(usize::from(interval.statement.id().as_bytes()[0] % 2));
    }
    net.agree();
    let late = net.add(Role { miner: None, has_log_key: false });
    net.heal();
    net.agree();
    let machine = &net.machines[late];
    assert_eq!(machine.head().0, 31);
    assert_eq!(machine.node.anchor(), net.machines[0].node.anchor());
    let attachments = |machine: &Machine| {
        let is_one = |record: &&Record| matches!(record, Record::Attachment { .. });
        machine.stored.iter().filter(is_one).count()
    };
    assert_eq!(attachments(machine), 30);
    net.restart(late);
    net.agree();
    assert_eq!(net.machines[late].node.anchor(), net.machines[0].node.anchor());

    // Cut off before the attachments came, it looks for them after the next start.
    net.machines[late].stored.retain(|record| !matches!(record, Record::Attachment { .. }));
    net.restart(late);
    net.heal();
    assert_eq!(attachments(&net.machines[late]), 30);
}

#[test]
fn a_statement_that_was_refused_is_not_fetched_again_and_again() {
    let community = Community::with_final_depth(NEVER);
    let mut net = Net::of_three(&community);
    // Known to one node only, whose clock let it in; the others refuse what was issued in their future.
    net.part(&[0], &[1, 2]);
    let ahead = net.now() + Millis::from_minutes(30);
    net.machines[0].now = ahead;
    let early = community.transfer(&community.chen, community.lee.account(), 1, ahead, 1);
    net.machines[0].submit(early.leaf()).unwrap();
    for machine in &mut net.machines {
        machine.now = ahead - Millis::from_minutes(25);
    }
    net.heal();
    let accepted = net.machines[1].node.statement_state(&early.id()).is_some();
    let asked = net.machines[1].node.sync().peers().iter().map(|peer| peer.asked).sum::<u64>();
    assert!(!accepted && asked < 200, "{accepted} {asked}");
    assert!(net.machines[1].banned.is_empty());
}

#[test]
fn after_as_many_blocks_without_a_checkpoint_as_can_be_undone_a_node_mines_no_more_and_says_what_to_do() {
    let community = Community::with_final_depth(1);
    let without = Role { miner: Some(&community.miner), has_log_key: false };
    let mut net = Net::of(&community, [without]);
    net.machines[0].step(Input::SetAutomatic(true));
    for _ in 0..UNFINAL_MAX + 3 {
        net.pass(Millis::from_minutes(600));
    }
    assert_eq!(net.machines[0].head().0, UNFINAL_MAX);
    let [warning] = net.machines[0].warnings.as_slice() else { panic!("{:?}", net.machines[0].warnings) };
    assert!(warning.contains("connect it to the node that has that key"), "{warning}");
    net.restart(0);
    // The log key's node comes, follows and signs.
    net.add(Role { miner: None, has_log_key: true });
    for _ in 0..12 {
        net.pass(Millis::from_seconds(30));
    }
    assert_eq!(net.machines[0].node.final_height().number(), UNFINAL_MAX - 1);
    net.machines[0].step(Input::SetAutomatic(true));
    net.deliver();
    assert_eq!(net.machines[0].head().0, UNFINAL_MAX + 1);
    net.agree();
}

#[test]
fn every_answer_is_bounded_and_what_is_not_there_is_missing() {
    let community = Community::new();
    let mut machine = Machine::founded(&community);
    let binding = machine.binding("M-chen");
    machine.now = minutes(40);
    let waiting = community.intervals(binding, 1).remove(0);
    machine.submit(&waiting.submission()).unwrap();
    let serve = |ask: &Ask| node::serve(&machine.node, &mut machine.store(), ask);
    let unknown = BlockHash::from_bytes([9; 32]);
    let genesis = machine.node.genesis_header().hash();
    let (id, none) = (waiting.statement.id(), units::StatementId::from_bytes([9; 32]));
    assert_eq!(serve(&Ask::Headers { locator: vec![unknown] }), Answer::Missing);
    assert_eq!(serve(&Ask::Headers { locator: Vec::new() }), Answer::Missing);
    let Answer::Headers(headers) = serve(&Ask::Headers { locator: vec![unknown, genesis] }) else { panic!() };
    assert!(headers.len() == 1 && headers.len() <= HEADERS_MAX);
    assert_eq!(serve(&Ask::Headers { locator: vec![machine.head().1, genesis] }), Answer::Headers(Vec::new()));
    assert_eq!(serve(&Ask::Block(unknown)), Answer::Missing);
    assert_eq!(serve(&Ask::Block(genesis)), Answer::Missing);
    assert_eq!(serve(&Ask::Block(machine.head().1)), Answer::Block(machine.blocks().remove(0)));
    assert_eq!(serve(&Ask::Attachment(id)), Answer::Attachment(waiting.attachment.clone()));
    assert_eq!(serve(&Ask::Attachment(none)), Answer::Missing);
    assert_eq!(serve(&Ask::Pool), Answer::Pool(vec![id]));
    assert_eq!(serve(&Ask::Waiting(id)), Answer::Waiting(waiting.submission()));
    assert_eq!(serve(&Ask::Waiting(none)), Answer::Missing);
    let Answer::Head(head) = serve(&Ask::Head) else { panic!() };
    assert_eq!((head.height.number(), head.hash), machine.head());
    assert_eq!(head.anchor, machine.node.anchor().map(|anchor| anchor.note.clone()));
}
