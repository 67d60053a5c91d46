//! The simulated meter: a function of time, its counter exact, its frames those of its model.

use crate::{START, address, exchanges, hex, options, profile, simulated};
use meter::dlt645::LocalTime;
use meter::modbus::{seal, tcp_frame};
use meter::{Address, Disturbance, Fault, Faults, Framing, Mismatch, Outages, Profile, Replay, SimulatedBus, Timing};
use std::collections::BTreeSet;
use std::time::Duration;
use units::{Energy, Millis, Quantity, Reading, Timestamp, Voltage};

const RTU: Framing = Framing::Rtu { baud: 9_600 };

/// Three days and a bit, in uneven steps, through the recording's end.
fn times() -> impl Iterator<Item = Timestamp> {
    (0..4_000_u64).map(|step| START + Millis::from_ms(step * 77_777))
}

#[test]
fn every_model_shows_the_simulated_values_within_its_resolution() {
    for name in Profile::shipped_names() {
        let (profile, meter) = (profile(name), simulated(name, 7));
        for now in times().step_by(40) {
            let (values, read) =
                (meter.values_at(now), profile.reading(address(name, 7), &exchanges(&meter, &profile, now)).unwrap());
            for register in profile.registers() {
                let (true_value, shown) = (values.get(register.key).unwrap(), read.get(register.key).unwrap());
                let error = (true_value - shown).abs();
                assert!(error <= register.resolution(true_value), "{name} {}: {true_value}, {shown}", register.key);
            }
        }
    }
}

#[test]
fn the_counter_never_goes_back_and_is_exact_through_loops() {
    let meter = simulated("im1281b", 1);
    let counters: Vec<Energy> = times().map(|now| meter.counter_at(now)).collect();
    assert!(counters.is_sorted());
    assert_eq!(counters[0], options().counter_start);
    let loop_length = Millis::from_minutes(Replay::excerpt().unwrap().minutes());
    let energy = |loops| {
        let end = (0..loops).fold(START, |time, _| time + loop_length);
        meter.counter_at(end).checked_sub(options().counter_start).unwrap().mwh()
    };
    // The days' sums in the source: 37.0958 + 28.6104 + 39.0223 + 79.5564 + 42.5002 + 45.7187 + 65.5685 kWh, and two
    // held minutes of 0.0081 kWh.
    assert!((338_080_000..338_081_000).contains(&energy(1)), "{}", energy(1));
    assert!(energy(1_000).abs_diff(1_000 * energy(1)) < 1_000, "rounding does not add up");
}

#[test]
fn the_recorded_minute_is_played_from_the_offset_on() {
    let meter = simulated("im1281b", 1);
    // The recording's lines of 2006-12-20 10:00 and 10:05; the offset is ten hours.
    for (minutes, mw, mvar) in [(0, 1_294_000, 0), (5, 1_298_000, 0)] {
        let reading = meter.values_at(START + Millis::from_minutes(minutes));
        let powers = (reading.get(Quantity::ActivePower), reading.get(Quantity::ReactivePower));
        assert_eq!(powers, (Some(mw), Some(mvar)), "after {minutes} min");
    }
}

#[test]
fn before_its_start_a_meter_stands_still() {
    let meter = simulated("im1281b", 1);
    assert_eq!(meter.values_at(Timestamp::from_ms(0)), meter.values_at(START));
}

#[test]
fn rescaling_to_another_supply_leaves_power_and_energy_as_recorded() {
    let scaled = simulated("im1281b", 1);
    let recorded = meter::SimulatedMeter::new(
        profile("im1281b"),
        Address::FIRST,
        std::sync::Arc::new(Replay::excerpt().unwrap()),
        meter::Options { nominal_voltage: None, ..options() },
    );
    for now in times().step_by(100) {
        let (scaled, recorded) = (scaled.values_at(now), recorded.values_at(now));
        for quantity in
            [Quantity::ActivePower, Quantity::ReactivePower, Quantity::ApparentPower, Quantity::EnergyImport]
        {
            assert_eq!(scaled.get(quantity), recorded.get(quantity));
        }
        let mv = scaled.voltage().unwrap().mv();
        assert!((105_000..125_000).contains(&mv), "{mv}");
        assert!(recorded.voltage().unwrap().mv() > 220_000);
        consistent(&scaled);
        consistent(&recorded);
    }
}

/// Voltage times current is the apparent power, to the resolution of the current.
fn consistent(reading: &Reading) {
    let product =
        units::ApparentPower::from_voltage_and_current(reading.voltage().unwrap(), reading.current().unwrap());
    assert!(product.unwrap().mva().abs_diff(reading.apparent_power().unwrap().mva()) <= 1);
}

#[test]
fn a_disturbance_raises_the_voltage_for_its_time_only() {
    let mut meter = simulated("im1281b", 1);
    let after = |seconds| START + Millis::from_seconds(seconds);
    meter.set_disturbance(Some(Disturbance { from: after(10), until: after(20), voltage: Voltage::from_mv(130_000) }));
    for (seconds, disturbed) in [(9, false), (10, true), (19, true), (20, false)] {
        let reading = meter.values_at(after(seconds));
        assert_eq!(reading.voltage() == Some(Voltage::from_mv(130_000)), disturbed, "after {seconds} s");
        assert_eq!(reading.active_power(), simulated("im1281b", 1).values_at(after(seconds)).active_power());
    }
}

#[test]
fn a_request_that_a_meter_cannot_serve_gets_its_exception_or_silence() {
    let meter = simulated("im1281b", 1);
    for (name, request, answer) in [
        ("another address", "02 03 00 48 00 08", None),
        ("another function", "01 06 00 48 00 08", Some("01 86 01")),
        ("the other table", "01 04 00 48 00 08", Some("01 84 02")),
        ("a register before", "01 03 00 47 00 08", Some("01 83 02")),
        ("a register behind", "01 03 00 48 00 09", Some("01 83 02")),
        ("the last register there is", "01 03 FF FF FF FF", Some("01 83 03")),
        ("no register", "01 03 00 48 00 00", Some("01 83 03")),
        ("no count", "01 03 00 48", Some("01 83 03")),
    ] {
        assert_eq!(meter.respond(START, &seal(hex(request))), answer.map(|answer| seal(hex(answer))), "{name}");
    }
    assert_eq!(meter.respond(START, &hex("01 03 00 48 00 08 C4 1B")), None, "broken CRC");
    assert_eq!(meter.respond(START, &[]), None);
}

#[test]
fn meters_on_one_line_are_told_apart_by_address() {
    let meters = vec![simulated("im1281b", 1), simulated("pzem-004t-v3", 2)];
    let mut line = SimulatedBus::new(meters, RTU);
    let second = profile("pzem-004t-v3").requests(Address::modbus(2).unwrap())[0].frame();
    assert_eq!(line.receive(START, &second[..3]), Vec::<u8>::new());
    assert_eq!(line.receive(START, &second[3..]), simulated("pzem-004t-v3", 2).respond(START, &second).unwrap());
    assert_eq!(
        line.receive(START, &profile("pzem-004t-v3").requests(Address::modbus(3).unwrap())[0].frame()),
        Vec::<u8>::new(),
        "nobody at address 3"
    );
    let noisy = [vec![0xFF; 1_000], second.clone()].concat();
    assert_eq!(line.receive(START, &noisy).len(), 25, "noise before a request");
}

#[test]
fn over_tcp_a_unit_that_is_not_there_gets_the_gateways_exception() {
    let mut line = SimulatedBus::new(vec![simulated("sdm120", 1)], Framing::Tcp);
    let request = |unit| tcp_frame(9, unit, &hex("04 00 46 00 06"));
    let answer = line.receive(START, &request(1));
    assert_eq!(answer[..9], hex("00 09 00 00 00 0F 01 04 0C"));
    assert_eq!(line.receive(START, &request(2)), tcp_frame(9, 2, &hex("84 0B")));
    assert_eq!(line.receive(START, &hex("00 09 00 01 00 06 01 04")), Vec::<u8>::new(), "not Modbus");
    assert_eq!(line.receive(START, &request(1)), answer);
}

#[test]
fn the_same_seed_gives_the_same_faults() {
    let heard = |seed| {
        let mut line = SimulatedBus::new(vec![simulated("im1281b", 1)], RTU).with_faults(Faults::of_each(seed, 200));
        let request = profile("im1281b").requests(Address::modbus(1).unwrap())[0].frame();
        (0..50).map(|_| line.receive(START, &request)).collect::<Vec<_>>()
    };
    assert_eq!(heard(1), heard(1));
    assert_ne!(heard(1), heard(2));
}

#[test]
fn a_counter_wraps_where_its_digits_end_and_a_reset_one_begins_at_zero() {
    let plain = simulated("im1281b", 1);
    let wrap = options().counter_start.checked_add(Energy::from_wh(500)).unwrap();
    let (wrapping, reset_at) = (plain.clone().with_counter_wrap(wrap), START + Millis::from_minutes(90));
    let reset = plain.clone().with_counter_reset(reset_at);
    let both = reset.clone().with_counter_wrap(Energy::from_wh(200));
    for minutes in (0..600).step_by(7) {
        let now = START + Millis::from_minutes(minutes);
        let counted = plain.counter_at(now).mwh();
        assert_eq!(wrapping.counter_at(now).mwh(), counted % wrap.mwh(), "{minutes} min");
        let since = if now < reset_at { counted } else { counted - plain.counter_at(reset_at).mwh() };
        // Two roundings to whole mWh on the one side, one on the other.
        assert!(reset.counter_at(now).mwh().abs_diff(since) <= 1, "{minutes} min");
        assert_eq!(both.counter_at(now).mwh(), reset.counter_at(now).mwh() % 200_000);
    }
    assert!(wrapping.counter_at(START + Millis::from_minutes(600)) < wrap);
}

#[test]
fn with_timing_every_byte_arrives_when_the_wire_has_carried_it() {
    let line = || SimulatedBus::new(vec![simulated("im1281b", 1)], RTU);
    let request = profile("im1281b").requests(Address::modbus(1).unwrap())[0].frame();
    let at_once = line().receive(START, &request);
    for (timing, least, most) in [(Timing::wire(9_600), 5, 60), (Timing::radio(9_600), 45, 180)] {
        let mut first_after = BTreeSet::new();
        for seed in 0..50 {
            let arrivals = line().with_timing(timing.clone(), seed).transmit(START, &request);
            assert_eq!(arrivals.iter().map(|arrival| arrival.byte).collect::<Vec<_>>(), at_once);
            let first = arrivals[0].after;
            // The question's eight characters and the answer's first are on the wire too.
            let waited = (first - timing.characters(9)).as_millis();
            assert!((least..=most).contains(&waited), "{waited} ms");
            let last = arrivals.last().unwrap().after - first;
            assert!(last.abs_diff(timing.characters(36)) < Duration::from_micros(2), "{last:?} for 36 characters");
            first_after.insert(first);
        }
        assert!(first_after.len() > 40, "think times differ");
        let again = |seed| line().with_timing(timing.clone(), seed).transmit(START, &request);
        assert_eq!(again(7), again(7));
    }
    let late = line().with_faults(Faults::of_seed(1).with(Fault::Late, 1_000)).transmit(START, &request);
    assert!(late.len() == 37 && (300..=3_000).contains(&late[0].after.as_millis()), "{:?}", late[0]);
}

#[test]
fn with_another_rate_at_each_end_nobody_understands_a_question() {
    let request = profile("im1281b").requests(Address::modbus(1).unwrap())[0].frame();
    for (meters, master) in [(9_600, 4_800), (9_600, 19_200), (2_400, 9_600), (9_600, 115_200)] {
        let mut line = SimulatedBus::new(vec![simulated("im1281b", 1)], RTU);
        line = line.with_mismatch(Mismatch::of_rates(meters, master));
        assert_eq!(line.receive(START, &request), Vec::<u8>::new(), "{master} asks {meters}");
    }
    let mut same = SimulatedBus::new(vec![simulated("im1281b", 1)], RTU);
    same = same.with_mismatch(Mismatch::of_rates(9_600, 9_600));
    assert_eq!(same.receive(START, &request).len(), 37);
}

#[test]
fn a_dead_meter_is_silent_for_its_spell_and_answers_again() {
    let outages = Outages { seed: 5, per_mille: 300, spell: Millis::from_minutes(2) };
    let meters = vec![simulated("im1281b", 1), simulated("im1281b", 2)];
    let mut line = SimulatedBus::new(meters, RTU).with_outages(outages);
    let requests = [1, 2].map(|address| profile("im1281b").requests(Address::modbus(address).unwrap())[0].frame());
    let mut changes = [0; 2];
    for meter in 0..2 {
        let mut was = true;
        for spell in 0..200 {
            let now = START + Millis::from_minutes(2 * spell);
            let answers = !line.receive(now, &requests[meter]).is_empty();
            let place = u64::try_from(meter).unwrap();
            assert_eq!(answers, !outages.is_away(place, now), "meter {meter}, spell {spell}");
            changes[meter] += usize::from(answers != was);
            was = answers;
        }
    }
    assert!(changes.iter().all(|count| *count > 20), "{changes:?}");
}

/// A bus with one meter that has a relay, and what it answers to each request.
fn with_relay(name: &str) -> SimulatedBus {
    SimulatedBus::new(vec![simulated(name, 1)], profile(name).protocol().serial(9_600))
}

#[test]
fn a_load_that_is_switched_off_takes_no_power_and_its_counter_stands_still() {
    for name in ["dds238-2-zn-sr", "adtek-mwh-7a", "lt-114", "dlt645-2007"] {
        let (profile, mut line) = (profile(name), with_relay(name));
        let relay = profile.relay().unwrap();
        let state = |line: &mut SimulatedBus, now| {
            let asked = relay.read_back(address(name, 1)).unwrap();
            let answer = line.receive(now, &asked.serial());
            relay.state(&asked.parse(&answer).unwrap()).unwrap()
        };
        let after = |minutes| START + Millis::from_minutes(minutes);
        assert!(state(&mut line, START), "{name}: on at first");
        for (minutes, on) in [(10, false), (20, false), (30, true)] {
            let void_after = LocalTime::new(2026, [7, 31], [23, 59, 59]);
            let command = relay.switch(address(name, 1), on, void_after).unwrap();
            let answer = line.receive(after(minutes), &command.serial());
            assert!(command.parse(&answer).is_ok(), "{name} after {minutes} min");
            assert_eq!(state(&mut line, after(minutes)), on, "{name} after {minutes} min");
        }
        let (switched, always_on) = (line.meters_mut()[0].clone(), simulated(name, 1));
        for (minutes, off) in [(9, false), (10, true), (29, true), (30, false), (40, false)] {
            let reading = switched.values_at(after(minutes));
            let expected = always_on.values_at(after(minutes));
            for quantity in [Quantity::Current, Quantity::ActivePower, Quantity::ReactivePower] {
                let value = if off { Some(0) } else { expected.get(quantity) };
                assert_eq!(reading.get(quantity), value, "{name} after {minutes} min");
            }
            assert_eq!(reading.voltage(), expected.voltage(), "the supply is still there");
        }
        let used = |meter: &meter::SimulatedMeter, from, until| {
            meter.counter_at(after(until)).checked_sub(meter.counter_at(after(from))).unwrap()
        };
        assert_eq!(used(&switched, 0, 10), used(&always_on, 0, 10), "{name}");
        assert_eq!(used(&switched, 10, 30), Energy::ZERO, "{name}");
        let (with_pause, without) = (used(&switched, 30, 600), used(&always_on, 30, 600));
        assert!(with_pause.mwh().abs_diff(without.mwh()) <= 1, "{name}: only the rounding of a start differs");
    }
}

#[test]
fn a_meter_refuses_what_its_relay_does_not_know() {
    let coil = ("lt-114", "the coil's address or value");
    let register = ("dds238-2-zn-sr", "the register's address, value or function");
    for ((name, what), request, answer) in [
        (coil, "01 05 00 01 FF 00", "01 85 02"),
        (coil, "01 05 00 00 00 01", "01 85 03"),
        (coil, "01 01 00 00 00 02", "01 81 02"),
        (coil, "01 06 00 00 00 01", "01 86 01"),
        (register, "01 10 00 1B 00 01 02 00 01", "01 90 02"),
        (register, "01 10 00 1A 00 01 02 00 02", "01 90 03"),
        (register, "01 10 00 1A 00 02 04 00 01 00 01", "01 90 03"),
        (register, "01 06 00 1A 00 01", "01 86 01"),
        (("sdm120", "a meter without a relay"), "01 05 00 00 FF 00", "01 85 01"),
    ] {
        let mut line = with_relay(name);
        assert_eq!(line.receive(START, &seal(hex(request))), seal(hex(answer)), "{name}, {what}: {request}");
        assert!(line.meters_mut()[0].is_on(), "{name}: {request}");
    }
    let off = seal(hex("01 10 00 1A 00 01 02 00 00"));
    let mut line = with_relay("dds238-2-zn-sr");
    assert_eq!(line.receive(START, &[vec![0xFF; 400], off.clone()].concat()), seal(hex("01 10 00 1A 00 01")), "noise");
    assert_eq!(simulated("dds238-2-zn-sr", 1).respond(START, &off), Some(seal(hex("01 90 01"))), "only asked");
    let mut over_tcp = SimulatedBus::new(vec![simulated("dds238-2-zn-sr", 1)], Framing::Tcp);
    let answer = over_tcp.receive(START, &tcp_frame(7, 1, &hex("10 00 1A 00 01 02 00 00")));
    assert_eq!(answer, tcp_frame(7, 1, &hex("10 00 1A 00 01")));
    assert!(!over_tcp.meters_mut()[0].is_on());
}

#[test]
fn a_meter_that_is_switched_for_years_keeps_its_counter() {
    let mut meter = simulated("dds238-2-zn-sr", 1);
    let reference = simulated("dds238-2-zn-sr", 1);
    let mut used = 0;
    let mut now = START;
    for _ in 0..2_000 {
        let (from, until) = (now, now + Millis::from_minutes(7));
        used += reference.counter_at(until).checked_sub(reference.counter_at(from)).unwrap().mwh();
        meter.switch(until, false);
        now = until + Millis::from_minutes(4);
        meter.switch(now, true);
    }
    let counted = meter.counter_at(now).checked_sub(options().counter_start).unwrap().mwh();
    assert!(counted.abs_diff(used) <= 2_000, "{counted} counted, {used} used: more than the rounding of each period");
}

#[test]
fn phases_and_channels_share_what_the_whole_meter_measures() {
    let now = START + Millis::from_minutes(5);
    let three = simulated("sdm630", 1).values_at(now);
    let sum: i64 = ["_l1", "_l2", "_l3"]
        .map(|phase| three.get(format!("active_power_mw{phase}").parse::<units::Key>().unwrap()).unwrap())
        .iter()
        .sum();
    assert!(three.get(Quantity::ActivePower).unwrap().abs_diff(sum) <= 2);
    let two = simulated("jsy-mk-194", 1).values_at(now);
    let import =
        |channel: &str| two.get(format!("energy_import_mwh_{channel}").parse::<units::Key>().unwrap()).unwrap();
    assert_eq!(import("ch1") / 2, import("ch2"));
}
