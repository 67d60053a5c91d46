//! The power fails between any two outputs: nothing acknowledged is lost, nothing is there twice.

use crate::community::{Community, JULY, minutes};
use crate::machine::Machine;
use api::SubmitState;
use ledger::act::ReadingSource;
use ledger::state::Terms;
use node::record::Record;
use std::collections::BTreeSet;
use units::{Energy, StatementId};

/// What members and gateway want to get in, and after which of them a minute passes.
fn script(community: &Community) -> Vec<Vec<Vec<u8>>> {
    let binding = Machine::founded(community).binding("M-chen");
    let founding = community.founding().iter().map(|statement| statement.leaf().to_vec()).collect();
    let chain = community.intervals(binding, 4);
    let readings = |range: std::ops::Range<usize>| chain[range].iter().map(|interval| interval.submission());
    let sale = community.transfer(&community.chen, community.lee.account(), 20, minutes(40), 1).leaf().to_vec();
    vec![founding, readings(0..2).chain([sale]).collect(), readings(2..4).collect()]
}

/// Runs the script, submitting until each is acknowledged; true if it came to its end.
fn run(machine: &mut Machine, script: &[Vec<Vec<u8>>], acknowledged: &mut BTreeSet<StatementId>) -> bool {
    for (round, submissions) in script.iter().enumerate() {
        machine.now = machine.now.max(minutes(if round == 0 { 0 } else { 40 + round as u64 * 2 }));
        for submission in submissions {
            match machine.try_submit(submission) {
                Some(answer) => drop(acknowledged.insert(answer.unwrap().id)),
                None => return false,
            }
        }
        if !machine.tick() || machine.power == Some(0) {
            return false;
        }
    }
    true
}

fn outcome(machine: &Machine, community: &Community) -> (u64, Vec<Terms>) {
    let state = machine.node.state();
    let mut terms: Vec<Terms> = [&community.chen, &community.lee]
        .iter()
        .map(|member| state.sheet(JULY, &member.account()).unwrap().terms)
        .collect();
    // A block more or less pays a reward more or less; everything else must be the same.
    terms.iter_mut().for_each(|terms| terms.reward = units::Energy::ZERO);
    (state.log().size(), terms)
}

#[test]
fn power_lost_between_any_two_outputs_loses_nothing_acknowledged_and_doubles_nothing() {
    let community = Community::new();
    let script = script(&community);
    let mut undisturbed = Machine::new(&community);
    assert!(run(&mut undisturbed, &script, &mut BTreeSet::new()));
    let expected = outcome(&undisturbed, &community);
    assert_eq!(expected.0, 9);

    let mut power = 0;
    loop {
        let mut machine = Machine::new(&community);
        machine.power = Some(power);
        let mut acknowledged = BTreeSet::new();
        let finished = run(&mut machine, &script, &mut acknowledged);
        let mut restarted = machine.restarted(&community);
        for id in &acknowledged {
            assert!(restarted.node.statement_state(id).is_some(), "{id} was lost after {power} outputs");
        }
        assert!(run(&mut restarted, &script, &mut BTreeSet::new()), "after {power} outputs");
        for _ in 0..3 {
            restarted.tick();
        }
        assert_eq!(outcome(&restarted, &community), expected, "after {power} outputs");
        restarted.node.state().check_balances().unwrap();
        let again = restarted.restarted(&community);
        assert_eq!(again.node.state().root(), restarted.node.state().root());
        if finished {
            break;
        }
        power += 1;
    }
    assert!(power > 40, "{power} outputs");
}

#[test]
fn readings_whose_attachment_was_not_stored_were_never_acknowledged_and_do_not_wait() {
    let community = Community::new();
    let mut machine = Machine::founded(&community);
    let interval = community.intervals(machine.binding("M-chen"), 1).remove(0);
    machine.now = minutes(20);
    machine.submit(&interval.submission()).unwrap();
    machine.stored.retain(|record| !matches!(record, Record::Attachment { .. }));
    assert_eq!(machine.restarted(&community).node.pool_size(), (0, 0));
}

#[test]
fn counters_read_by_eye_and_imported_ones_wait_over_a_restart_although_they_have_no_attachment() {
    let community = Community::new();
    for source in [ReadingSource::ByHand, ReadingSource::Imported] {
        let mut machine = Machine::founded(&community);
        let binding = machine.binding("M-chen");
        machine.now = minutes(60);
        let (mut previous, mut waiting) = (StatementId::from_bytes(*binding.as_bytes()), Vec::new());
        for seq in 0..3 {
            let statement = community.entered(binding, seq, previous, source);
            assert_eq!(machine.submit(statement.leaf()).unwrap().state, SubmitState::Accepted, "{source:?}");
            previous = statement.id();
            waiting.push(statement.id());
        }
        let mut restarted = machine.restarted(&community);
        assert_eq!(restarted.node.pool_size().0, 3, "{source:?}: acknowledged means stored");
        restarted.tick();
        assert_eq!(restarted.node.pool_size().0, 0);
        let head = restarted.node.state().binding(&binding).unwrap().head.clone();
        assert_eq!((head.next_seq, Some(&head.previous)), (3, waiting.last()), "{source:?}");
        let consumed = restarted.node.state().sheet(JULY, &community.chen.account()).unwrap().terms.consumed;
        assert_eq!(consumed, Energy::from_kwh(6), "{source:?}");
    }
}
