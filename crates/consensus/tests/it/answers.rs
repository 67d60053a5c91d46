//! Each bad answer, and what follows from it.

use crate::ledger_of_test::{TestLedger, seconds};
use crate::machine::{Machine, live, meet};
use consensus::peer::{Answer, Ask, Failed, HEADERS_MAX, Head, PeerId};
use consensus::sync::{FUTURE_MAX, Output, PeerState};
use ledger::{Block, Engine, Header};
use units::{LedgerId, Millis};

const PEER: PeerId = PeerId(0);

/// What a peer that answers one kind of question badly comes to.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Banned,
    /// So many points, and nothing of it taken.
    Points(u32),
    State(PeerState),
}

struct Scene {
    ledger: TestLedger,
    /// A longer chain that the peer has.
    theirs: Machine,
    ours: Machine,
}

fn scene() -> Scene {
    let ledger = TestLedger::new();
    let ours = ledger.branch(&ledger.root, 3, 1);
    let theirs = [ours.clone(), ledger.branch(&ours[2].header, 4, 2)].concat();
    Scene { theirs: Machine::new(&ledger, &theirs), ours: Machine::new(&ledger, &ours), ledger }
}

type Bad = fn(&Scene, &Ask, Answer) -> Answer;

/// The headers of an answer, with the one at a place changed and mined again.
fn remade(scene: &Scene, answer: Answer, change: impl FnOnce(&mut Header)) -> Answer {
    let Answer::Headers(mut headers) = answer else { return answer };
    change(&mut headers[0]);
    headers[0] = scene.ledger.mined(headers[0].clone()).header;
    headers.truncate(1);
    Answer::Headers(headers)
}

fn with_body(answer: Answer, change: impl FnOnce(&mut Vec<u8>)) -> Answer {
    let Answer::Block(mut bytes) = answer else { return answer };
    change(&mut bytes);
    Answer::Block(bytes)
}

fn headed(answer: Answer, anchor: &str) -> Answer {
    let Answer::Head(head) = answer else { return answer };
    Answer::Head(Head { anchor: Some(anchor.to_owned()), ..head })
}

#[test]
fn each_bad_answer_has_its_consequence_and_takes_nothing_in() {
    let table: &[(&str, Bad, Outcome)] = &[
        (
            "headers of another ledger",
            |s, _, a| remade(s, a, |h| h.ledger = LedgerId::from_bytes([9; 32])),
            Outcome::Banned,
        ),
        ("a height that is no next", |s, _, a| remade(s, a, |h| h.height = h.height.next()), Outcome::Banned),
        (
            "a time too close to the parent's",
            |s, _, a| remade(s, a, |h| h.time = h.time - Millis::from_ms(1)),
            Outcome::Banned,
        ),
        ("a log that shrinks or jumps", |s, _, a| remade(s, a, |h| h.log_size += 1_000_000), Outcome::Banned),
        ("a difficulty of no level", |s, _, a| remade(s, a, |h| h.engine.difficulty = 17), Outcome::Banned),
        ("work that was not done", |_, _, a| unworked(a), Outcome::Banned),
        ("headers with a gap", |_, _, a| gap(a), Outcome::Points(25)),
        ("more headers than fit", |_, _, a| too_many(a), Outcome::Points(50)),
        ("no headers, and none of the blocks asked about", |_, ask, a| missing(ask, a), Outcome::Points(50)),
        ("an answer to another question", |_, ask, a| other(ask, a), Outcome::Points(50)),
        ("bytes that are no block", |_, _, a| with_body(a, |bytes| bytes.truncate(100)), Outcome::Banned),
        ("another block than the one asked for", |s, _, a| other_body(s, a), Outcome::Banned),
        ("a checkpoint that the log key did not sign", |_, _, a| headed(a, "wattproof"), Outcome::Banned),
        ("an answer that goes on for ever", |_, ask, a| failing(ask, a, Failed::TooLong), Outcome::Points(50)),
        (
            "a page that is no node's",
            |_, _, _| Answer::Failed(Failed::Malformed("<html>".into())),
            Outcome::State(PeerState::NotANode),
        ),
        (
            "a node of another ledger",
            |_, _, _| Answer::Failed(Failed::OtherLedger("ab".into())),
            Outcome::State(PeerState::OtherLedger),
        ),
        ("a newer protocol", |s, _, a| remade(s, a, |h| h.version = 2), Outcome::State(PeerState::NewerProgram)),
    ];
    for (name, bad, expected) in table {
        let mut scene = scene();
        let mut ours = std::mem::replace(&mut scene.ours, Machine::new(&scene.ledger, &[]));
        let before = ours.head().clone();
        let mut lies = 0;
        let outputs = meet(&mut ours, PEER, |ask| {
            let honest = scene.theirs.serve(ask);
            let answer = bad(&scene, ask, honest.clone());
            lies += u32::from(answer != honest);
            // One lie is enough to see what comes of it.
            if lies > 1 { Answer::Failed(Failed::Busy) } else { answer }
        });
        assert!(lies > 0, "{name}: the lie was never told");
        assert_eq!(ours.head(), &before, "{name}: taken in");
        let is_banned = outputs.iter().any(|output| matches!(output, Output::Ban { .. }));
        let view = ours.view(PEER);
        let outcome = match expected {
            Outcome::State(_) => Outcome::State(view.state),
            _ if is_banned => Outcome::Banned,
            _ => Outcome::Points(view.score),
        };
        assert_eq!(&outcome, expected, "{name}: {view:?}");
        assert!(view.failure.is_some(), "{name}: the operator is not told");
    }
}

fn unworked(answer: Answer) -> Answer {
    let Answer::Headers(mut headers) = answer else { return answer };
    while consensus::pow::satisfies(&headers[0]) {
        headers[0].engine.nonce += 1;
    }
    Answer::Headers(headers)
}

fn gap(answer: Answer) -> Answer {
    let Answer::Headers(mut headers) = answer else { return answer };
    headers.remove(1);
    Answer::Headers(headers[..2].to_vec())
}

fn too_many(answer: Answer) -> Answer {
    let Answer::Headers(headers) = answer else { return answer };
    Answer::Headers(vec![headers[0].clone(); HEADERS_MAX + 1])
}

fn missing(ask: &Ask, answer: Answer) -> Answer {
    if matches!(ask, Ask::Headers { .. }) { Answer::Missing } else { answer }
}

fn other(ask: &Ask, answer: Answer) -> Answer {
    if matches!(ask, Ask::Headers { .. }) { Answer::Pool(Vec::new()) } else { answer }
}

fn other_body(scene: &Scene, answer: Answer) -> Answer {
    with_body(answer, |bytes| *bytes = scene.ledger.after(&scene.ledger.root, 77).to_bytes())
}

fn failing(ask: &Ask, answer: Answer, failed: Failed) -> Answer {
    if matches!(ask, Ask::Headers { .. }) { Answer::Failed(failed) } else { answer }
}

#[test]
fn an_honest_peer_is_followed_and_nothing_is_held_against_it() {
    let mut scene = scene();
    let theirs = scene.theirs;
    meet(&mut scene.ours, PEER, |ask| theirs.serve(ask));
    assert_eq!(scene.ours.head(), theirs.head());
    assert_eq!(scene.ours.state(PEER), PeerState::Same);
    let view = scene.ours.view(PEER);
    assert_eq!((view.score, view.failure.clone(), view.asked), (0, None, view.answered));
}

#[test]
fn a_block_from_the_future_waits_until_its_time_and_nobody_is_banned() {
    let ledger = TestLedger::new();
    let first = ledger.branch(&ledger.root, 2, 1);
    let time = seconds(100_000) + FUTURE_MAX + Millis::from_seconds(30);
    let late = ledger.mined(Header {
        height: first[1].header.height.next(),
        previous: first[1].header.hash(),
        time,
        engine: Engine { nonce: 0, ..first[1].header.engine },
        ..first[1].header.clone()
    });
    let theirs = Machine::new(&ledger, &[first, vec![late]].concat());
    let mut ours = Machine::new(&ledger, &[]);
    meet(&mut ours, PEER, |ask| theirs.serve(ask));
    assert_eq!((ours.height(), ours.view(PEER).score), (2, 0));
    live(&mut ours, Millis::from_seconds(29), |_, ask| theirs.serve(ask));
    assert_eq!(ours.height(), 2, "its time has not come");
    live(&mut ours, Millis::from_seconds(60), |_, ask| theirs.serve(ask));
    assert_eq!((ours.head(), ours.view(PEER).score), (theirs.head(), 0));
}

#[test]
fn a_block_that_breaks_a_rule_is_never_asked_for_again_and_its_sender_banned() {
    let mut scene = scene();
    let bad: &Block = &scene.theirs.chain[5];
    scene.ours.bad.insert(bad.header.hash());
    let theirs = scene.theirs;
    let outputs = meet(&mut scene.ours, PEER, |ask| theirs.serve(ask));
    assert!(outputs.iter().any(|output| matches!(output, Output::Ban { reason, .. } if reason.contains("books more"))));
    assert_eq!(scene.ours.head(), &theirs.chain[4].header, "what came before it is good");
    // Another peer with the same branch is not believed either.
    let mut asked = 0;
    meet(&mut scene.ours, PeerId(1), |ask| {
        asked += u32::from(matches!(ask, Ask::Block(_)));
        theirs.serve(ask)
    });
    assert_eq!((asked, scene.ours.head()), (0, &theirs.chain[4].header));
    assert!(matches!(scene.ours.state(PeerId(1)), PeerState::Banned(_)));
}

#[test]
fn a_ban_ends_doubles_the_next_time_and_its_peer_is_followed_again() {
    let mut scene = scene();
    let theirs = scene.theirs;
    let mut lengths = Vec::new();
    for _ in 0..3 {
        let outputs = meet(&mut scene.ours, PEER, |ask| match ask {
            Ask::Head => headed(theirs.serve(ask), "not a note"),
            _ => theirs.serve(ask),
        });
        let ban = outputs.iter().find_map(|output| match output {
            Output::Ban { until, .. } => Some(until.since(scene.ours.now)),
            _ => None,
        });
        let ban = ban.expect("a false checkpoint bans");
        lengths.push(ban.ms() / 60_000);
        assert_eq!(crate::machine::asks(&scene.ours.wait(Millis::from_minutes(1))), Vec::new(), "left alone");
        scene.ours.wait(ban);
        let outputs = scene.ours.step(consensus::sync::Input::Disconnected { peer: PEER });
        assert_eq!(outputs, Vec::new());
    }
    assert_eq!(lengths, [10, 20, 40]);
    meet(&mut scene.ours, PEER, |ask| theirs.serve(ask));
    assert_eq!(scene.ours.head(), theirs.head());
}

#[test]
fn a_clock_that_jumps_bans_nobody_and_loses_no_branch() {
    for jump in ["ahead", "back"] {
        let mut scene = scene();
        let theirs = scene.theirs;
        let first = scene.ours.step(consensus::sync::Input::Connected { peer: PEER });
        let mut asked = 0;
        crate::machine::converse(&mut scene.ours, first, |_, ask| {
            asked += 1;
            theirs.serve(ask)
        });
        let day = Millis::from_minutes(24 * 60);
        scene.ours.now =
            if jump == "ahead" { scene.ours.now + day } else { scene.ours.now - Millis::from_minutes(600) };
        live(&mut scene.ours, Millis::from_minutes(2), |_, ask| theirs.serve(ask));
        let view = scene.ours.view(PEER);
        assert_eq!((view.state, view.score), (PeerState::Same, 0), "{jump}");
        assert_eq!(scene.ours.head(), theirs.head(), "{jump}");
    }
}
