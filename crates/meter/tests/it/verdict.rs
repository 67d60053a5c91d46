//! A line on which nothing is understood: what a receiver at another rate hears, bit by bit, and what it is called.

use crate::{START, address, profile, simulated};
use meter::simulator::uart::{Uart, carried};
use meter::{Bus, BusInput, BusOutput, Device, Evidence, Framing, LineVerdict, Parity};
use units::{Micros, Millis};

/// What a meter at one rate sends over some polls, heard at another.
fn heard(sent_at: Uart, heard_at: Uart) -> Evidence {
    let (meter, profile) = (simulated("im1281b", 1), profile("im1281b"));
    let request = profile.requests(address("im1281b", 1)).remove(0).frame();
    let mut evidence = Evidence::default();
    for poll in 0..6 {
        let answer = meter.respond(START + Millis::from_minutes(poll), &request).unwrap();
        evidence.take(&carried(&answer, sent_at, heard_at));
    }
    evidence
}

#[test]
fn a_slower_sender_is_named_with_its_rate_first() {
    for (sent_at, heard_at) in [
        (4_800, 9_600),
        (2_400, 9_600),
        (1_200, 9_600),
        (9_600, 19_200),
        (4_800, 19_200),
        (2_400, 4_800),
        (1_200, 2_400),
        (19_200, 38_400),
        (9_600, 38_400),
        (19_200, 57_600),
        (57_600, 115_200),
        (38_400, 115_200),
        (9_600, 115_200),
    ] {
        let verdict = heard(Uart::new(sent_at), Uart::new(heard_at)).verdict();
        assert!(matches!(verdict, LineVerdict::SlowerSender { .. }), "{sent_at} heard at {heard_at}: {verdict:?}");
        assert_eq!(
            verdict.rates_to_try(heard_at, &[9_600]).first(),
            Some(&sent_at),
            "heard at {heard_at}: {verdict:?}"
        );
    }
}

#[test]
fn a_faster_sender_or_another_parity_is_told_from_noise_because_it_repeats_itself() {
    let even = Uart { baud: 9_600, parity: Parity::Even };
    for (sent_at, heard_at) in [
        (Uart::new(9_600), Uart::new(4_800)),
        (Uart::new(19_200), Uart::new(9_600)),
        (Uart::new(57_600), Uart::new(38_400)),
        (Uart::new(115_200), Uart::new(57_600)),
        (even, Uart::new(9_600)),
    ] {
        let verdict = heard(sent_at, heard_at).verdict();
        assert_eq!(verdict, LineVerdict::OtherSetting, "{sent_at:?} heard by {heard_at:?}");
        let rates = verdict.rates_to_try(heard_at.baud, &[heard_at.baud]);
        assert!(rates.len() == 7 && !rates.contains(&heard_at.baud));
        if sent_at.baud == heard_at.baud * 2 {
            assert_eq!(rates.first(), Some(&sent_at.baud), "the next faster one first");
        }
    }
    let four_times = heard(Uart::new(9_600), Uart::new(2_400)).verdict();
    assert_eq!(four_times, LineVerdict::Noise, "too few bytes are left to tell");
}

#[test]
fn noise_is_called_noise_and_silence_silence() {
    let mut seed = 1_u64;
    let mut random = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u8::try_from(seed >> 56).unwrap()
    };
    for round in 0..1_000 {
        let mut evidence = Evidence::default();
        for _ in 0..6 {
            evidence.take(&(0..10).map(|_| random()).collect::<Vec<u8>>());
        }
        assert_eq!(evidence.verdict(), LineVerdict::Noise, "round {round}: {evidence:?}");
    }
    let mut silent = Evidence::default();
    (0..9).for_each(|_| silent.take(&[]));
    assert_eq!(silent.verdict(), LineVerdict::Silent);
    assert_eq!(silent.verdict().rates_to_try(9_600, &[2_400]).first(), Some(&2_400), "what the models come with");
}

/// A bus whose meters answer what `answer` makes of their request, for ten minutes; gives the verdicts with their times.
fn verdicts(names: &[&str], mut answer: impl FnMut(u64, &[u8]) -> Vec<u8>) -> Vec<(u64, LineVerdict)> {
    let device = |(number, name): (u8, &&str)| Device {
        meter: format!("M{number}").parse().unwrap(),
        address: address(name, number),
        profile: profile(name),
        poll_every: Millis::from_seconds(1),
    };
    let devices = (1..).zip(names).map(device).collect();
    let mut bus = Bus::new(devices, Framing::Rtu { baud: 9_600 });
    let (mut now, mut verdicts) = (Micros::ZERO, Vec::new());
    while now < Micros::from_ms(600_000) {
        now = now.max(bus.wake_at());
        let mut outputs = bus.step(now, BusInput::Tick);
        while let Some(output) = outputs.pop() {
            match output {
                BusOutput::Send(bytes) => {
                    let bytes = answer(now.us() / 1_000_000, &bytes);
                    if !bytes.is_empty() {
                        now = now.plus(Micros::from_ms(50));
                        outputs.extend(bus.step(now, BusInput::Received(bytes)));
                    }
                }
                BusOutput::Judged { verdict } => verdicts.push((now.us() / 1_000_000, verdict)),
                _ => {}
            }
        }
    }
    verdicts
}

#[test]
fn a_line_is_judged_once_when_all_of_its_meters_have_failed_three_times() {
    let meter = simulated("im1281b", 1);
    let slow = |bytes: &[u8]| {
        let answer = meter.respond(START, bytes).unwrap_or_default();
        carried(&answer, Uart::new(4_800), Uart::new(9_600))
    };
    let names = ["im1281b", "im1281b"];
    let silent = verdicts(&names, |_, _| Vec::new());
    assert!(matches!(silent[..], [(3..20, LineVerdict::Silent)]), "{silent:?}");
    let garbled = verdicts(&names[..1], |_, bytes| slow(bytes));
    assert!(matches!(garbled[..], [(2..20, LineVerdict::SlowerSender { by: 2 })]), "{garbled:?}");
    let one_alive = verdicts(&names, |_, bytes| meter.respond(START, bytes).unwrap_or_default());
    assert_eq!(one_alive, [], "a dead meter says nothing about the line");
    // Understood until 100 s, then not any more: judged anew.
    let later = verdicts(&names[..1], |second, bytes| {
        if (50..100).contains(&second) { meter.respond(START, bytes).unwrap_or_default() } else { slow(bytes) }
    });
    assert!(matches!(later[..], [(2..20, _), (100..120, _)]), "{later:?}");
}
