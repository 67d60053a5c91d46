//! What is refused, why, and that a second submission is answered with the first one's place.

use crate::community::{Community, JULY, minutes};
use crate::machine::Machine;
use api::{Event, SubmitState};
use ledger::act::{Act, Note, Register, RegisterKey, Revoke, Role, Rotate, Transfer};
use ledger::{Payload, SecretKey, SignedStatement};
use node::core::{Refusal, ReplyId, Submission};
use node::record::Record;
use units::{Energy, LedgerId, Millis, StatementId};

fn note(text: &str) -> Act {
    let text = Some(text.to_owned());
    Act::Note(Note { time: minutes(1), voltage: None, current: None, power: None, energy: None, text })
}

/// A submission's bytes with one byte changed behind the last place where `marker` stands.
fn changed(bytes: &[u8], at: usize, to: u8) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] = to;
    bytes
}

#[test]
fn every_kind_of_bad_submission_is_refused_by_its_name_and_leaves_no_trace() {
    let community = Community::new();
    let mut machine = Machine::founded(&community);
    let chen = &community.chen;
    let good = community.sign(chen, vec![note("hello")], machine.now, 1);
    let leaf = good.leaf();
    let to_lee = |kwh| community.transfer(chen, community.lee.account(), kwh, machine.now, 9);
    let expired = community.sign(chen, vec![note("old")], minutes(0) - Millis::from_minutes(90), 1);
    let future = community.sign(chen, vec![note("early")], machine.now + Millis::from_minutes(30), 1);
    let payload = Payload {
        ledger: LedgerId::from_bytes([1; 32]),
        nonce: [0; 16],
        issued: machine.now,
        expires: Some(machine.now + Millis::from_minutes(5)),
        acts: vec![note("elsewhere")],
    };
    let elsewhere = SignedStatement::sign(&payload, chen).unwrap();
    let contract = Transfer { to: chen.account(), energy: Energy::from_kwh(1), month: JULY };
    // The act's kind is the byte before its body, a map that ends with the text.
    let kind = leaf.windows(5).position(|bytes| bytes == b"hello").unwrap();
    let kind = leaf[..kind].iter().rposition(|byte| *byte == 7).unwrap();
    let interval = community.intervals(machine.binding("M-chen"), 1).remove(0);
    let other = community.interval(machine.binding("M-chen"), 0, StatementId::from_bytes([1; 32]), 60);

    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("malformed_statement", b"not a statement".to_vec()),
        ("malformed_statement", Vec::new()),
        ("malformed_statement", leaf[..leaf.len() - 1].to_vec()),
        // The array of four as one of indefinite length: the same content, not its one encoding.
        ("malformed_statement", [&[0xd2, 0x9f], &leaf[2..], &[0xff]].concat()),
        ("wrong_signature", changed(leaf, leaf.len() - 1, leaf[leaf.len() - 1] ^ 1)),
        // The last kind that one byte can name: no version has it.
        ("unknown_act", changed(leaf, kind, 23)),
        ("too_large", vec![0; SignedStatement::BYTES_MAX + SignedStatement::ATTACHMENT_BYTES_MAX + 1]),
        ("wrong_ledger", elsewhere.leaf().to_vec()),
        ("expired", expired.leaf().to_vec()),
        ("issued_in_future", future.leaf().to_vec()),
        ("unknown_signer", community.sign(&community.stranger, vec![note("hi")], machine.now, 1).leaf().to_vec()),
        ("role_needed", community.sign(&community.gateway, vec![note("hi")], machine.now, 1).leaf().to_vec()),
        ("empty_transfer", community.sign(chen, vec![Act::Transfer(contract)], machine.now, 1).leaf().to_vec()),
        ("energy_used_up", to_lee(1_000).leaf().to_vec()),
        ("attachment_missing", interval.statement.leaf().to_vec()),
        ("attachment_unexpected", good.to_submission(Some(&interval.attachment))),
        ("attachment_differs", interval.statement.to_submission(Some(&other.attachment))),
        ("attachment_differs", interval.statement.to_submission(Some(b"noise"))),
        ("wrong_previous", other.submission()),
    ];
    let (stored, root) = (machine.stored.len(), machine.node.state().root());
    for (name, bytes) in cases {
        let refusal = machine.submit(&bytes).unwrap_err();
        assert_eq!(refusal.name(), name, "{refusal}");
    }
    assert_eq!((machine.stored.len(), machine.node.pool_size()), (stored, (0, 0)));
    assert_eq!(machine.node.state().root(), root);
    assert_eq!(machine.submit(leaf).unwrap().state, SubmitState::Accepted);
}

#[test]
fn a_duplicate_is_answered_with_the_originals_place_for_readings_too_and_after_expiry() {
    let community = Community::new();
    let mut machine = Machine::founded(&community);
    let note = community.sign(&community.chen, vec![note("hello")], machine.now, 1);
    let interval = community.intervals(machine.binding("M-chen"), 1).remove(0);
    machine.now = minutes(11);
    for (submission, log_index) in [(note.leaf().to_vec(), 4), (interval.submission(), 5)] {
        assert_eq!(machine.submit(&submission).unwrap().state, SubmitState::Accepted);
        let again = machine.submit(&submission).unwrap();
        assert_eq!((again.state, again.place), (SubmitState::Pending, None));
        assert_eq!(log_index, 4 + u64::try_from(machine.node.pool_size().0).unwrap() - 1);
    }
    machine.tick();
    machine.now = minutes(5_000);
    let mut restarted = machine.restarted(&community);
    for machine in [&mut machine, &mut restarted] {
        for (submission, log_index) in [(note.leaf().to_vec(), 4), (interval.submission(), 5)] {
            let (stored, again) = (machine.stored.len(), machine.submit(&submission).unwrap());
            let place = again.place.unwrap();
            assert_eq!((again.state, place.height.number(), place.log_index), (SubmitState::Final, 2, log_index));
            assert_eq!(machine.stored.len(), stored);
        }
    }
}

#[test]
fn pending_readings_form_a_chain_and_one_behind_a_hole_is_refused() {
    let community = Community::new();
    let mut machine = Machine::founded(&community);
    let chain = community.intervals(machine.binding("M-chen"), 4);
    machine.now = minutes(60);
    for interval in &chain[..2] {
        assert_eq!(machine.submit(&interval.submission()).unwrap().state, SubmitState::Accepted);
    }
    // Number 3 names number 2 as the one before, which nobody has seen.
    let refusal = machine.submit(&chain[3].submission()).unwrap_err();
    assert_eq!(refusal.name(), "wrong_sequence", "{refusal}");
    for interval in &chain[2..] {
        machine.submit(&interval.submission()).unwrap();
    }
    machine.tick();
    assert_eq!(machine.node.state().binding(&machine.binding("M-chen")).unwrap().head.next_seq, 4);
    let consumed = machine.node.state().sheet(JULY, &community.chen.account()).unwrap().terms.consumed;
    assert_eq!(consumed, Energy::from_wh(39 * 50));
}

#[test]
fn a_second_statement_at_a_place_of_the_chain_is_refused_and_kept_as_evidence() {
    let community = Community::new();
    let mut machine = Machine::founded(&community);
    let binding = machine.binding("M-chen");
    let chain = community.intervals(binding, 2);
    let twice = |seq: usize| {
        let previous = if seq == 0 { StatementId::from_bytes(*binding.as_bytes()) } else { chain[0].statement.id() };
        community.interval(binding, seq as u64, previous, 60)
    };
    machine.now = minutes(60);
    for interval in &chain {
        machine.submit(&interval.submission()).unwrap();
    }
    for mined in [false, true] {
        for (seq, interval) in chain.iter().enumerate() {
            let refusal = machine.submit(&twice(seq).submission()).unwrap_err();
            let original = interval.statement.id();
            assert_eq!(refusal, Refusal::SequenceTaken { binding, seq: seq as u64, original }, "mined: {mined}");
            let leaf = twice(seq).statement.leaf().to_vec();
            assert_eq!(machine.stored.last(), Some(&Record::Evidence { original, leaf }));
        }
        machine.tick();
    }
    assert_eq!(machine.node.evidence(), 4);
}

#[test]
fn of_two_sales_of_the_same_energy_the_second_is_dropped_with_its_reason() {
    let community = Community::new();
    let mut machine = Machine::founded(&community);
    for nonce in [1, 2] {
        let sale = community.transfer(&community.chen, community.lee.account(), 150, machine.now, nonce);
        machine.submit(sale.leaf()).unwrap();
    }
    machine.tick();
    let dropped = machine.events.iter().find_map(|event| match event {
        Event::Dropped { rule, reason, .. } => Some((rule.as_str(), reason.contains("the energy is used up"))),
        _ => None,
    });
    assert_eq!(dropped, Some(("energy_used_up", true)));
    assert_eq!(machine.node.pool_size(), (0, 0));
    let sheet = |account| machine.node.state().sheet(JULY, &account).unwrap().terms;
    // 2 kWh for each of the two blocks, which Chen gains.
    assert_eq!(
        sheet(community.chen.account()).remaining().mwh(),
        Energy::from_kwh(200 + 4 - 150).to_balance().unwrap().mwh()
    );
    assert_eq!(sheet(community.lee.account()).gained, Energy::from_kwh(150));
}

/// Chen's rotation to another key, signed with a present one.
fn rotation(community: &Community, present: &SecretKey, next: &SecretKey, machine: &Machine) -> SignedStatement {
    let chen = community.chen.account();
    let to_be_signed = Rotate::to_be_signed(&community.genesis().ledger(), &chen, &next.public());
    let rotate = Rotate { key: next.public(), possession: next.sign(&to_be_signed).unwrap() };
    by_chen(community, present, Act::Rotate(Box::new(rotate)), machine)
}

/// A statement of Chen's, signed with any key.
fn by_chen(community: &Community, present: &SecretKey, act: Act, machine: &Machine) -> SignedStatement {
    let payload = community.sign(&community.chen, vec![act], machine.now, 1).payload().clone();
    SignedStatement::sign_for(community.chen.account(), &payload, present).unwrap()
}

#[test]
fn a_new_key_signs_as_soon_as_its_rotation_waits_and_the_old_one_no_more() {
    let community = Community::new();
    let mut machine = Machine::founded(&community);
    let keys = [community.chen.clone(), SecretKey::ed25519([11; 32]), SecretKey::ed25519([12; 32])];
    let outcome = |machine: &mut Machine, key: &SecretKey, text: &str| {
        let statement = by_chen(&community, key, note(text), machine);
        machine.submit(statement.leaf()).map_or_else(|refusal| refusal.name(), |_| "accepted")
    };
    let mut taken = 0;
    for (number, pair) in keys.windows(2).enumerate() {
        assert_eq!(outcome(&mut machine, &pair[1], "early"), "wrong_signature");
        machine.submit(rotation(&community, &pair[0], &pair[1], &machine).leaf()).unwrap();
        assert_eq!(outcome(&mut machine, &pair[1], &format!("new {number}")), "accepted");
        assert_eq!(outcome(&mut machine, &pair[0], "late"), "wrong_signature");
        taken += 2;
    }
    let mut restarted = machine.restarted(&community);
    for machine in [&mut machine, &mut restarted] {
        assert_eq!(machine.node.pool_size().0, taken);
        machine.tick();
        assert_eq!((machine.node.pool_size().0, machine.node.state().head().log_size), (0, 4 + 4));
        assert_eq!(outcome(machine, &keys[2], "after the block"), "accepted");
        assert_eq!(outcome(machine, &keys[1], "with the old key"), "wrong_signature");
    }
}

#[test]
fn a_rotation_that_the_block_refuses_takes_along_what_its_key_signed() {
    let community = Community::new();
    let mut machine = Machine::founded(&community);
    let taken = SecretKey::ed25519([11; 32]);
    let register = RegisterKey { key: taken.public(), role: Role::Member, from: machine.now, beneficiary: None };
    let register = vec![Act::Register(Register::Key(register))];
    machine.submit(community.sign(&community.operator, register, machine.now, 9).leaf()).unwrap();
    machine.submit(rotation(&community, &community.chen, &taken, &machine).leaf()).unwrap();
    machine.submit(by_chen(&community, &taken, note("too soon"), &machine).leaf()).unwrap();
    machine.tick();
    let dropped = machine.events.iter().filter_map(|event| match event {
        Event::Dropped { rule, .. } => Some(rule.as_str()),
        _ => None,
    });
    // What the key signed goes first: after a crash in between nobody could check it.
    assert_eq!(dropped.collect::<Vec<_>>(), ["wrong_key", "key_in_use"]);
    let old = by_chen(&community, &community.chen, note("the old key again"), &machine);
    assert_eq!(machine.submit(old.leaf()).unwrap().state, SubmitState::Accepted);
    assert_eq!(machine.restarted(&community).node.pool_size().0, 1);
}

#[test]
fn behind_a_waiting_revocation_its_account_is_refused_and_what_waited_before_counts() {
    let community = Community::new();
    let mut machine = Machine::founded(&community);
    let chen = &community.chen;
    let before = by_chen(&community, chen, note("before"), &machine);
    machine.submit(before.leaf()).unwrap();
    let revoke = Act::Revoke(Revoke { account: chen.account() });
    machine.submit(community.sign(&community.operator, vec![revoke], machine.now, 9).leaf()).unwrap();
    let after = by_chen(&community, chen, note("after"), &machine);
    let rotation = rotation(&community, chen, &SecretKey::ed25519([11; 32]), &machine);
    for mined in [false, true] {
        for statement in [&after, &rotation] {
            assert_eq!(machine.submit(statement.leaf()).unwrap_err().name(), "key_revoked", "mined: {mined}");
        }
        machine.tick();
    }
    assert!(machine.node.place(&before.id()).is_some());
    assert_eq!(machine.node.pool_size().0, 0);
}

#[test]
fn a_full_pool_refuses_and_takes_again_after_a_block() {
    let community = Community::new();
    let mut machine = Machine::founded(&community);
    // Each note is as long as a note may be; bytes run out before the count does not, so the count is what is met.
    machine.step(node::core::Input::SetAutomatic(false));
    let payload = |number: u64| Payload {
        ledger: community.genesis().ledger(),
        nonce: {
            let mut nonce = [0; 16];
            nonce[..8].copy_from_slice(&number.to_be_bytes());
            nonce
        },
        issued: machine.now,
        expires: Some(machine.now + Millis::from_minutes(30)),
        acts: (0..Payload::ACTS_MAX).map(|_| note(&"x".repeat(Note::TEXT_MAX))).collect(),
    };
    let large: Vec<_> = (0..4_000u64).map(payload).collect();
    let mut accepted = 0;
    let refusal = large.iter().find_map(|payload| {
        let statement = SignedStatement::sign(payload, &community.chen).unwrap();
        let answer = machine.submit(statement.leaf());
        machine.stored.clear();
        accepted += usize::from(answer.is_ok());
        answer.err()
    });
    assert_eq!(refusal, Some(Refusal::PoolFull));
    let (count, bytes) = machine.node.pool_size();
    assert_eq!(count, accepted);
    assert!(bytes <= node::core::POOL_BYTES_MAX && bytes > node::core::POOL_BYTES_MAX - SignedStatement::BYTES_MAX);
    machine.step(node::core::Input::SetAutomatic(true));
    machine.tick();
    let again = community.sign(&community.chen, vec![note("room again")], machine.now, 1);
    assert_eq!(machine.submit(again.leaf()).unwrap().state, SubmitState::Accepted);
}

/// Submissions are verified on other threads, with a key that may be out of date by the time the node looks at them.
#[test]
fn a_guessed_key_decides_nothing() {
    let community = Community::new();
    let (chen, lee) = (&community.chen, &community.lee);
    let mut machine = Machine::founded(&community);
    let good = community.sign(chen, vec![note("hello")], machine.now, 1);
    let last = good.leaf().len() - 1;
    let forged = changed(good.leaf(), last, good.leaf()[last] ^ 1);
    // In Chen's name, but signed with Lee's key, which whoever submits guesses.
    let payload = good.payload().clone();
    let borrowed = SignedStatement::sign_for(chen.account(), &payload, lee).unwrap().leaf().to_vec();
    for (bytes, guess, expected) in [
        (&forged, Some(chen), Err("wrong_signature")),
        (&forged, Some(lee), Err("wrong_signature")),
        (&forged, None, Err("wrong_signature")),
        (&borrowed, Some(lee), Err("wrong_signature")),
        (&borrowed, Some(chen), Err("wrong_signature")),
        (&good.leaf().to_vec(), Some(lee), Ok(SubmitState::Accepted)),
        (&good.leaf().to_vec(), Some(chen), Ok(SubmitState::Pending)),
    ] {
        let submission = Submission::read(bytes, &|_| guess.map(ledger::SecretKey::public)).unwrap();
        let submission = Box::new(submission);
        machine.step(node::core::Input::Admit { submission, reply: ReplyId(0) });
        let answer = machine.answers.last().unwrap();
        assert_eq!(answer.as_ref().map(|answer| answer.state).map_err(|refusal| refusal.name()), expected);
    }
}
