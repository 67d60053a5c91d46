//! Orders to relays on a bus: before polls, sent once, read back; nothing late is taken for an answer.

use crate::{address, hex, profile, simulated};
use meter::bus::ORDERS_MAX;
use meter::dlt645::LocalTime;
use meter::modbus::seal;
use meter::{Bus, BusInput, BusOutput, Device, Framing, MeterError, SimulatedBus};
use units::{Micros, Millis};

const RTU: Framing = Framing::Rtu { baud: 9_600 };
/// Coil 0 switched, and asked.
const ON: &str = "01 05 00 00 FF 00";
const ASKED: &str = "01 01 00 00 00 01";
const SHOWS_ON: &str = "01 01 01 01";
const SHOWS_OFF: &str = "01 01 01 00";

fn device(name: &str, number: u8) -> Device {
    let meter = format!("M{number}").parse().unwrap();
    Device { meter, address: address(name, number), profile: profile(name), poll_every: Millis::from_seconds(1) }
}

fn order(device: usize, on: bool, order: u64) -> BusInput {
    BusInput::Switch { device, on, order, until: LocalTime::new(2026, [11, 23], [12, 0, 0]) }
}

fn frame(body: &str) -> Vec<u8> {
    seal(hex(body))
}

/// Plays a script against a bus: each request that must go out, and what is answered to it (nothing is a timeout).
/// Gives what comes after the last.
fn play(script: &[(&str, Option<&str>)]) -> Vec<BusOutput> {
    let mut bus = Bus::new(vec![device("lt-114", 1)], RTU);
    let mut now = Micros::ZERO;
    let mut outputs = bus.step(now, order(0, true, 7));
    for (at, (request, answer)) in script.iter().enumerate() {
        while !outputs.iter().any(|output| matches!(output, BusOutput::Send(_))) {
            now = now.max(bus.wake_at());
            outputs = bus.step(now, BusInput::Tick);
        }
        assert_eq!(outputs, [BusOutput::Send(frame(request))], "request {at}");
        now = now.plus(Micros::from_ms(30));
        outputs = match answer {
            Some(answer) => bus.step(now, BusInput::Received(frame(answer))),
            None => {
                now = bus.wake_at();
                bus.step(now, BusInput::Tick)
            }
        };
    }
    outputs
}

#[test]
fn an_order_is_sent_once_and_read_back_whatever_is_answered() {
    let refused = "01 85 04";
    for (name, script, before, after, result) in [
        (
            "well",
            vec![(ASKED, Some(SHOWS_OFF)), (ON, Some(ON)), (ASKED, Some(SHOWS_ON))],
            Some(false),
            Some(true),
            None,
        ),
        (
            "the contact follows late",
            vec![(ASKED, Some(SHOWS_OFF)), (ON, Some(ON)), (ASKED, Some(SHOWS_OFF)), (ASKED, Some(SHOWS_ON))],
            Some(false),
            Some(true),
            None,
        ),
        (
            "the contact never follows",
            vec![(ASKED, None), (ON, Some(ON)), (ASKED, Some(SHOWS_OFF)), (ASKED, None), (ASKED, Some(SHOWS_OFF))],
            None,
            Some(false),
            None,
        ),
        (
            "the confirmation is lost",
            vec![(ASKED, Some(SHOWS_OFF)), (ON, None), (ASKED, Some(SHOWS_ON))],
            Some(false),
            Some(true),
            Some("no_answer"),
        ),
        (
            "the meter is dead",
            vec![(ASKED, None), (ON, None), (ASKED, None), (ASKED, None), (ASKED, None)],
            None,
            None,
            Some("no_answer"),
        ),
        (
            "the meter refuses",
            vec![(ASKED, Some(SHOWS_OFF)), (ON, Some(refused)), (ASKED, Some(SHOWS_OFF)), (ASKED, None), (ASKED, None)],
            Some(false),
            Some(false),
            Some("exception"),
        ),
    ] {
        let outputs = play(&script);
        let switched = |output: &BusOutput| match output {
            BusOutput::Switched { order: 7, before, after, result, .. } => {
                Some((*before, *after, result.as_ref().err().map(MeterError::kind)))
            }
            _ => None,
        };
        assert_eq!(outputs.iter().find_map(switched), Some((before, after, result)), "{name}: {outputs:?}");
    }
}

#[test]
fn a_late_answer_to_the_first_look_is_not_taken_for_the_last_one() {
    let mut bus = Bus::new(vec![device("lt-114", 1)], RTU);
    bus.step(Micros::ZERO, order(0, true, 1));
    let timed_out = bus.wake_at();
    assert_eq!(bus.step(timed_out, BusInput::Tick), []);
    let late = timed_out.plus(Micros::from_ms(100));
    assert_eq!(bus.step(late, BusInput::Received(frame(SHOWS_ON))), [], "nobody waits for it");
    let sends = bus.wake_at();
    assert!(sends.since(timed_out) >= Micros::from_ms(600), "the meter is left alone for two timeouts");
    assert_eq!(bus.step(sends, BusInput::Tick), [BusOutput::Send(frame(ON))]);
}

#[test]
fn orders_come_before_polls_and_in_their_order() {
    let devices = vec![device("im1281b", 9), device("lt-114", 1), device("lt-114", 2)];
    let meters = vec![simulated("im1281b", 9), simulated("lt-114", 1), simulated("lt-114", 2)];
    let (mut bus, mut line) = (Bus::new(devices, RTU), SimulatedBus::new(meters, RTU));
    let mut now = Micros::ZERO;
    let mut outputs: Vec<BusOutput> = [order(2, false, 1), order(1, false, 2), order(2, true, 3)]
        .into_iter()
        .flat_map(|order| bus.step(now, order))
        .collect();
    let mut log = Vec::new();
    while log.len() < 5 {
        for output in std::mem::take(&mut outputs) {
            match output {
                BusOutput::Send(bytes) => {
                    let heard = line.receive(crate::START + now.whole_ms(), &bytes);
                    now = now.plus(Micros::from_ms(60));
                    outputs.extend(bus.step(now, BusInput::Received(heard)));
                }
                BusOutput::Switched { order, before, after, result, .. } => {
                    log.push(format!("order {order}: {before:?} {after:?} {}", result.is_ok()));
                }
                BusOutput::Reading { device, .. } => log.push(format!("reading {device}")),
                other => panic!("{other:?}"),
            }
        }
        now = now.max(bus.wake_at());
        outputs.extend(bus.step(now, BusInput::Tick));
    }
    assert_eq!(
        log,
        [
            "order 1: Some(true) Some(false) true",
            "order 2: Some(true) Some(false) true",
            "order 3: Some(false) Some(true) true",
            "reading 0",
            "reading 1"
        ]
    );
}

#[test]
fn orders_that_cannot_be_carried_out_are_answered_at_once() {
    let devices = vec![device("im1281b", 1), device("lt-114", 2)];
    let mut bus = Bus::new(devices, RTU);
    bus.step(Micros::ZERO, BusInput::Tick);
    let kind = |outputs: Vec<BusOutput>| match outputs.as_slice() {
        [BusOutput::Switched { result: Err(error), .. } | BusOutput::RelayRead { state: Err(error), .. }, ..] => {
            error.kind()
        }
        _ => "none",
    };
    assert_eq!(kind(bus.step(Micros::ZERO, order(5, true, 1))), "no_relay", "no such meter");
    assert_eq!(kind(bus.step(Micros::ZERO, order(0, true, 1))), "none", "it waits for the line");
    for number in 1..ORDERS_MAX as u64 {
        assert_eq!(kind(bus.step(Micros::ZERO, order(1, true, number))), "none");
    }
    assert_eq!(kind(bus.step(Micros::ZERO, order(1, true, 999))), "too_many_orders");
    let answered = (0..100).find_map(|_| {
        let outputs = bus.step(bus.wake_at(), BusInput::Tick);
        outputs.into_iter().find(|output| matches!(output, BusOutput::Switched { .. }))
    });
    assert_eq!(kind(answered.into_iter().collect()), "no_relay", "an IM1281B has none");
}

#[test]
fn a_relays_state_is_read_alone() {
    let (mut bus, mut line) =
        (Bus::new(vec![device("lt-114", 1)], RTU), SimulatedBus::new(vec![simulated("lt-114", 1)], RTU));
    let sent = bus.step(Micros::ZERO, BusInput::ReadRelay { device: 0 });
    assert_eq!(sent, [BusOutput::Send(frame(ASKED))]);
    let heard = line.receive(crate::START, &frame(ASKED));
    let outputs = bus.step(Micros::from_ms(30), BusInput::Received(heard));
    assert_eq!(outputs, [BusOutput::RelayRead { device: 0, state: Ok(true) }]);
}

#[test]
fn a_dlt645_relay_is_tripped_with_a_command_that_ends() {
    let framing = Framing::Dlt645 { baud: 2_400 };
    let mut bus = Bus::new(vec![device("dlt645-2007", 1)], framing);
    let mut line = SimulatedBus::new(vec![simulated("dlt645-2007", 1)], framing);
    let (mut now, mut outputs) = (Micros::ZERO, bus.step(Micros::ZERO, order(0, false, 1)));
    let mut sent = Vec::new();
    let switched = loop {
        match outputs.first() {
            Some(BusOutput::Send(bytes)) => {
                sent.push(bytes.clone());
                let heard = line.receive(crate::START + now.whole_ms(), bytes);
                now = now.plus(Micros::from_ms(300));
                outputs = bus.step(now, BusInput::Received(heard));
            }
            Some(BusOutput::Switched { before, after, result, .. }) => break (*before, *after, result.clone()),
            Some(other) => panic!("{other:?}"),
            None => {
                now = bus.wake_at();
                outputs = bus.step(now, BusInput::Tick);
            }
        }
    };
    assert_eq!(switched, (Some(true), Some(false), Ok(())));
    // Level 02, password and operator of zeros, N1 = 1A, and the end in BCD from the second to the year; 0x33 added.
    let data = "35 33 33 33 33 33 33 33 4D 33 33 33 45 56 44 59";
    assert_eq!(sent[1][14..30], hex(data));
    let without_end = BusInput::Switch { device: 0, on: false, order: 2, until: None };
    let mut outputs = bus.step(now, without_end);
    outputs.extend(bus.step(now.plus(Micros::from_ms(50)), BusInput::Tick));
    assert!(matches!(&outputs[..], [BusOutput::Switched { result: Err(MeterError::NoExpiry), .. }, ..]), "{outputs:?}");
}
