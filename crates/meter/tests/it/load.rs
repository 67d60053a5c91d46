//! How much a line carries: by plan and as measured, full of meters, with dead and late ones among them.

use crate::{START, address, profile, simulated};
use meter::{Bus, BusInput, BusOutput, Device, Framing, Plan, SimulatedBus};
use std::sync::Arc;
use units::{Micros, Millis};

const RTU: Framing = Framing::Rtu { baud: 9_600 };
/// Bits of a character on the wire: start, eight, stop.
const BITS: u64 = 10;

fn device(name: &str, number: u8, poll_every: Millis) -> Device {
    let meter = format!("M{number}").parse().unwrap();
    Device { meter, address: address(name, number), profile: profile(name), poll_every }
}

/// Plays a bus of IM1281B meters 1 to `meters` on a wire that takes its time. Meters in `dead` never answer; the one in
/// `late` answers after its timeout, when others are asked already.
fn play(mut bus: Bus, meters: u8, dead: &[u8], late: Option<u8>, until: Micros) -> (Bus, Vec<BusOutput>) {
    let alive = (1..=meters).filter(|number| !dead.contains(number)).map(|number| simulated("im1281b", number));
    let mut line = SimulatedBus::new(alive.collect(), RTU);
    let (mut now, mut outputs, mut coming) = (Micros::ZERO, Vec::new(), Vec::<(Micros, Vec<u8>)>::new());
    let wire = |bytes: usize| Micros::from_us((u64::try_from(bytes).unwrap() * BITS * 1_000_000).div_ceil(9_600));
    while now < until {
        coming.sort();
        let arrives = coming.first().map_or(Micros::MAX, |(at, _)| *at);
        now = now.max(bus.wake_at().min(arrives));
        let input = if arrives <= now { BusInput::Received(coming.remove(0).1) } else { BusInput::Tick };
        for output in bus.step(now, input) {
            let BusOutput::Send(bytes) = output else {
                outputs.push(output);
                continue;
            };
            let answer = line.receive(START + now.whole_ms(), &bytes);
            let whole = now.plus(wire(bytes.len() + answer.len()));
            let thinks = if Some(bytes[0]) == late { Micros::from_ms(450) } else { Micros::ZERO };
            if !answer.is_empty() {
                coming.push((whole.plus(thinks), answer));
            }
        }
    }
    (bus, outputs)
}

#[test]
fn one_meter_asked_as_often_as_it_goes_uses_the_line_to_97_percent() {
    let model = profile("im1281b").as_ref().clone().with_timing(Some(Millis::ZERO), None);
    let fast = Device { profile: Arc::new(model), ..device("im1281b", 1, Millis::ZERO) };
    let (bus, _) = play(Bus::new(vec![fast], RTU), 1, &[], None, Micros::from_ms(60_000));
    // Eight bytes asked, 37 answered, and the silence of 38.5 bits.
    let possible = 60 * 9_600 * 10 / (45 * BITS * 10 + 385);
    let polls = bus.stats(0).unwrap().answers;
    assert!(polls * 100 >= possible * 97 && polls <= possible + 1, "{polls} of {possible} polls");
}

#[test]
fn of_32_meters_three_are_dead_and_one_late_and_the_others_keep_their_rate() {
    let devices: Vec<Device> = (1..=32).map(|number| device("im1281b", number, Millis::from_seconds(5))).collect();
    assert!(Plan::new(&devices, RTU).fits(), "{:?}", Plan::new(&devices, RTU));
    let (bus, outputs) = play(Bus::new(devices, RTU), 32, &[5, 17, 32], Some(9), Micros::from_ms(600_000));
    for number in 1..=32_u8 {
        let stats = bus.stats(usize::from(number) - 1).unwrap();
        if [5, 17, 32, 9].contains(&number) {
            assert!(stats.answers == 0 && (8..=30).contains(&stats.polls), "{number}: {stats:?}");
        } else {
            // 600 s / 5 s: every beat was kept.
            assert!(stats.errors.is_empty() && (119..=120).contains(&stats.answers), "{number}: {stats:?}");
        }
    }
    let false_readings = outputs.iter().filter(|output| matches!(output, BusOutput::Reading { device: 8, .. })).count();
    assert_eq!(false_readings, 0, "a late answer is nobody's");
    assert!(!outputs.iter().any(|output| matches!(output, BusOutput::Judged { .. })), "others answer");
}

#[test]
fn a_schedule_that_does_not_fit_is_planned_as_such_with_what_would_fit() {
    for (meters, seconds, fits) in [(1, 1, true), (10, 1, true), (11, 1, false), (32, 1, false), (32, 5, true)] {
        let of = |seconds| {
            let devices: Vec<Device> =
                (1..=meters).map(|number| device("im1281b", number, Millis::from_seconds(seconds))).collect();
            Plan::new(&devices, RTU)
        };
        let plan = of(seconds);
        assert_eq!(plan.fits(), fits, "{meters} meters every {seconds} s: {plan:?}");
        assert!(of(plan.seconds_min).fits(), "{meters} meters: {plan:?}");
        assert!(plan.seconds_min == 1 || !of(plan.seconds_min - 1).fits(), "{meters} meters: {plan:?}");
    }
    let devices = [device("im1281b", 1, Millis::ZERO)];
    assert_eq!(Plan::new(&devices, Framing::Tcp).permille, 1_000, "as often as it goes is the whole line");
}

#[test]
fn the_measured_load_is_the_time_that_the_line_was_taken() {
    let minutes = |poll_every, count: u64| {
        let until = Micros::from_ms(count * 60_000);
        let (bus, _) = play(Bus::new(vec![device("im1281b", 1, poll_every)], RTU), 1, &[], None, until);
        bus.load_permille(until).unwrap()
    };
    // 46.9 ms on the wire and the silence of 3.5 characters, 4.0 ms, each second.
    assert!((50..=52).contains(&minutes(Millis::from_seconds(1), 3)), "{}", minutes(Millis::from_seconds(1), 3));
    assert!(minutes(Millis::ZERO, 2) > 990, "as often as it goes");
    assert_eq!(Bus::new(Vec::new(), RTU).load_permille(Micros::ZERO), None);
}
