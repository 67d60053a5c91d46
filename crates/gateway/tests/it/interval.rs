//! What becomes of readings: a table of readings and the statements that must come of them, each booked by the ledger.

use crate::community::{FakeNode, START, gateway_key, genesis, member, minute};
use gateway::NodeLink as _;
use gateway::core::{CounterRules, NodeAnswer, ReadingRow, Settings, VoltageSpan, close};
use ledger::act::{Break, EventKind};
use ledger::attachment::Frame;
use std::sync::Arc;
use units::{Energy, Millis, Quantity, Reading};

/// A meter that shows 9999.999 kWh at most, carries 23 kW and is asked every 5 minutes.
const RULES: CounterRules = CounterRules {
    wraps_at: Some(Energy::from_kwh(10_000)),
    export_wraps_at: None,
    power_max_mw: Some(23_000_000),
    poll_every: Millis::from_minutes(5),
};

/// Minutes since the community's start, import counter in Wh, voltage in V.
type Sample = (u64, i64, i64);

fn row((at, wh, volts): Sample) -> ReadingRow {
    let mut reading = Reading::new();
    reading.insert(Quantity::Voltage, volts * 1_000);
    reading.insert(Quantity::EnergyImport, wh * 1_000);
    let time = minute(at) + Millis::from_seconds(1);
    ReadingRow {
        meter: "M-1".parse().unwrap(),
        member: member(),
        operator: genesis().operator.account(),
        profile: "im1281b".into(),
        time,
        reading,
        frame: Arc::new(Frame { time, exchanges: Vec::new() }),
    }
}

/// States all samples and hands each statement to the ledger; gives one line a statement:
/// `start-end counter-counter xcount break events`.
fn stated(samples: &[Sample]) -> (Vec<String>, u64) {
    stated_of(&RULES, samples)
}

fn stated_of(rules: &CounterRules, samples: &[Sample]) -> (Vec<String>, u64) {
    let node = FakeNode::new(&[("M-1", "im1281b")]);
    let settings = Settings::from_genesis(&genesis(), Millis::from_minutes(15));
    let mut rows: Vec<ReadingRow> = samples.iter().copied().map(row).collect();
    let mut chain = node.chain("M-1");
    while let Some(span) = settings.next_span(&chain.head, &rows) {
        let within: Vec<ReadingRow> = rows.drain(..span.rows).collect();
        let meter = "M-1".parse().unwrap();
        let closed = close(&settings, &gateway_key(), (&meter, rules), &chain, span, &within).unwrap();
        assert_eq!(
            close(&settings, &gateway_key(), (&meter, rules), &chain, span, &within).unwrap(),
            closed,
            "not repeatable"
        );
        node.set_time(span.end);
        let answer = node.submit(closed.statement.to_submission(Some(&closed.attachment)));
        assert_eq!(answer, NodeAnswer::Pending);
        assert_eq!(node.chain("M-1"), closed.chain);
        chain = closed.chain;
    }
    (node.intervals().iter().map(line).collect(), node.consumed().mwh() / 1_000)
}

fn line(act: &ledger::act::Readings) -> String {
    let minutes = |time: units::Timestamp| time.since(START).ms() as f64 / 60_000.0;
    let wh = |energy: units::Energy| energy.mwh() / 1_000;
    let broken = match act.broken {
        None => String::new(),
        Some(Break::Gap) => " gap".into(),
        Some(Break::Reset) => " reset".into(),
        Some(Break::Exchange) => " exchange".into(),
        Some(Break::Wrap) => " wrap".into(),
    };
    let event = |event: &ledger::act::Event| {
        let kind = if event.kind == EventKind::OverVoltage { "over" } else { "under" };
        let until = event.until.since(event.from).ms() / 60_000;
        format!(" {kind}@{:.0}+{until}={}V", minutes(event.from), event.extreme.mv() / 1_000)
    };
    let events: String = act.events.iter().map(event).collect();
    let (start, end) = (minutes(act.start), minutes(act.end));
    let estimated = if act.estimated { " estimated" } else { "" };
    format!(
        "{start:.2}-{end:.2} {}-{} x{}{broken}{estimated}{events}",
        wh(act.import.start),
        wh(act.import.end),
        act.count
    )
}

#[test]
fn readings_become_the_intervals_that_the_rules_say() {
    let month = 24 * 60 + 7;
    for (name, samples, expected, consumed) in [
        (
            "the first interval begins at its own first counter, the next at the head",
            vec![(0, 100, 230), (14, 110, 230), (15, 111, 230), (29, 120, 230)],
            vec!["0.00-15.00 100-110 x2", "15.00-30.00 110-120 x2"],
            20,
        ),
        (
            "a first reading late in its interval leaves no gap",
            vec![(0, 100, 230), (25, 112, 230)],
            vec!["0.00-15.00 100-100 x1", "15.00-30.00 100-112 x1"],
            12,
        ),
        (
            "whole intervals without readings are a gap whose energy is booked",
            vec![(0, 100, 230), (61, 150, 230), (70, 155, 230)],
            vec!["0.00-15.00 100-100 x1", "60.00-75.00 150-155 x2 gap"],
            55,
        ),
        (
            "an interval is cut where a month begins",
            vec![
                (month - 8, 10, 230),
                (month - 2, 20, 230),
                (month, 21, 230),
                (month + 7, 30, 230),
                (month + 8, 33, 230),
            ],
            vec![
                "1425.00-1440.00 10-10 x1",
                "1440.00-1447.00 10-20 x1",
                "1447.00-1455.00 20-30 x2",
                "1455.00-1470.00 30-33 x1",
            ],
            23,
        ),
        (
            "an interval ends where the counter falls, and what was lost is not booked",
            vec![(0, 100, 230), (5, 110, 230), (10, 3, 230), (14, 5, 230), (16, 6, 230)],
            vec!["0.00-10.02 100-110 x2", "10.02-15.00 3-5 x2 reset", "15.00-30.00 5-6 x1"],
            13,
        ),
        (
            "a counter that fell while nobody looked is a reset, not a gap",
            vec![(0, 100, 230), (61, 7, 230)],
            vec!["0.00-15.00 100-100 x1", "60.00-75.00 7-7 x1 reset"],
            0,
        ),
        (
            "a counter that passes its highest value goes on from zero, and the way between is booked",
            vec![(0, 9_999_900, 230), (5, 9_999_960, 230), (10, 20, 230), (14, 60, 230), (16, 70, 230)],
            vec!["0.00-10.02 9999900-9999960 x2", "10.02-15.00 20-60 x2 wrap", "15.00-30.00 60-70 x1"],
            170,
        ),
        (
            "a counter that wrapped while nobody looked is booked with the time before",
            vec![(0, 9_999_900, 230), (61, 300, 230), (70, 310, 230)],
            vec!["0.00-15.00 9999900-9999900 x1", "60.00-75.00 300-310 x2 wrap"],
            410,
        ),
        (
            "a counter near its highest value that falls further than the meter carries in the time was set back",
            vec![(0, 9_900_000, 230), (61, 300, 230)],
            vec!["0.00-15.00 9900000-9900000 x1", "60.00-75.00 300-300 x1 reset"],
            0,
        ),
        (
            "a counter in the middle of its way that falls was set back",
            vec![(0, 5_000_000, 230), (3, 5_000_010, 230), (6, 10, 230), (14, 20, 230)],
            vec!["0.00-6.02 5000000-5000010 x2", "6.02-15.00 10-20 x2 reset"],
            20,
        ),
        (
            "voltages outside the limits are events with their extremes, one a run",
            vec![
                (0, 1, 230),
                (1, 1, 262),
                (2, 1, 265),
                (3, 1, 263),
                (4, 1, 240),
                (5, 1, 190),
                (6, 1, 230),
                (7, 1, 261),
            ],
            vec!["0.00-15.00 1-1 x8 over@1+2=265V under@5+0=190V over@7+0=261V"],
            0,
        ),
        ("readings begin anywhere in the first interval", vec![(7, 5, 230)], vec!["0.00-15.00 5-5 x1"], 0),
    ] {
        assert_eq!(stated(&samples), (expected.into_iter().map(String::from).collect(), consumed), "{name}");
    }
}

#[test]
fn no_more_events_are_stated_than_an_act_holds() {
    let flicker: Vec<Sample> = (0..40).map(|n| (n / 3, 1, 230 + 40 * i64::try_from(n % 2).unwrap())).collect();
    let spread: Vec<ReadingRow> = flicker
        .iter()
        .zip(0..)
        .map(|(sample, n)| {
            let mut row = row(*sample);
            row.time = START + Millis::from_seconds(20 * n);
            row.frame = Arc::new(Frame { time: row.time, exchanges: Vec::new() });
            row
        })
        .collect();
    let node = FakeNode::new(&[("M-1", "im1281b")]);
    let settings = Settings::from_genesis(&genesis(), Millis::from_minutes(15));
    let chain = node.chain("M-1");
    let span = settings.next_span(&chain.head, &spread).unwrap();
    let closed = close(&settings, &gateway_key(), (&"M-1".parse().unwrap(), &RULES), &chain, span, &spread).unwrap();
    node.set_time(span.end);
    assert_eq!(node.submit(closed.statement.to_submission(Some(&closed.attachment))), NodeAnswer::Pending);
    assert_eq!(node.intervals()[0].events.len(), ledger::act::Readings::EVENTS_MAX);
}

#[test]
fn an_interval_whose_last_reading_came_long_before_its_end_is_marked_as_estimated() {
    let every_minute = CounterRules { poll_every: Millis::from_minutes(1), ..RULES };
    let samples = [(0, 100, 230), (11, 110, 230), (15, 111, 230), (25, 118, 230), (31, 120, 230)];
    let expected =
        ["0.00-15.00 100-110 x2 estimated", "15.00-30.00 110-118 x2 estimated", "30.00-45.00 118-120 x1 estimated"];
    assert_eq!(stated_of(&every_minute, &samples), (expected.map(String::from).to_vec(), 20));
    let samples = [(0, 100, 230), (13, 110, 230), (27, 120, 230)];
    let expected = ["0.00-15.00 100-110 x2", "15.00-30.00 110-120 x1"];
    assert_eq!(stated_of(&every_minute, &samples), (expected.map(String::from).to_vec(), 20));
}

#[test]
fn limits_that_change_hold_for_intervals_that_start_from_then_on() {
    let span = |from, volts: [u64; 2]| {
        let [min, max] = volts.map(|volts| units::Voltage::from_mv(volts * 1_000));
        VoltageSpan { from, min, max }
    };
    let voltage = vec![span(units::Timestamp::default(), [200, 260]), span(minute(15), [220, 240])];
    let settings = Settings { voltage, ..Settings::from_genesis(&genesis(), Millis::from_minutes(15)) };
    let limits = |at| settings.voltage_at(minute(at)).max.mv() / 1_000;
    assert_eq!([0, 14, 15, 90].map(limits), [260, 260, 240, 240]);
}
