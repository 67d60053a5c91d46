use super::*;
use crate::act::Event;
use proptest::prelude::*;
use units::{BindingId, Channel, Key, Reading, StatementId};

const SALT: [u8; 32] = [5; 32];

/// A row each second from 1,000 ms: 110 V and rising, 1 A, 110 W, the counter at 5 kWh and rising.
fn rows(count: u32) -> Vec<Row> {
    let row = |index: u32| {
        let mut reading = Reading::new();
        reading.insert(Quantity::Voltage, 110_000 + i64::from(index));
        reading.insert(Quantity::Current, 1_000_000);
        reading.insert(Quantity::ActivePower, 110_000 - i64::from(index));
        reading.insert(Quantity::EnergyImport, 5_000_000 + 30 * i64::from(index));
        Row { time: Timestamp::from_ms(1_000 + 1_000 * u64::from(index)), reading }
    };
    (0..count).map(row).collect()
}

fn frames(rows: &[Row]) -> Vec<Frame> {
    let frame = |(index, row): (usize, &Row)| Frame {
        time: row.time,
        exchanges: vec![Exchange { request: vec![1, 3, 0], response: index.to_be_bytes().to_vec() }],
    };
    rows.iter().enumerate().map(frame).collect()
}

fn act(attachment: &Attachment, rows: &[Row]) -> Readings {
    let summary = Summary::of(rows);
    Readings {
        binding: BindingId::from_bytes([1; 32]),
        seq: 0,
        previous: StatementId::from_bytes([1; 32]),
        start: Timestamp::from_ms(1_000),
        end: Timestamp::from_ms(1_000_000_000),
        import: CounterPair { start: Energy::from_kwh(5), end: summary.last_import.unwrap() },
        export: None,
        count: summary.count,
        voltage: summary.voltage,
        peak_current: summary.peak_current,
        peak_power: summary.peak_power,
        broken: None,
        events: Vec::new(),
        estimated: false,
        columns: attachment.columns_hash(),
        frames: attachment.frames_root().unwrap(),
        source: crate::act::ReadingSource::Meter,
        wraps_at: None,
    }
}

fn built(count: u32) -> (Attachment, Readings) {
    let rows = rows(count);
    let attachment = Attachment::build(SALT, &rows, &frames(&rows)).unwrap();
    let act = act(&attachment, &rows);
    (attachment, act)
}

#[test]
fn an_attachment_fits_the_act_it_was_made_for() {
    for count in [1, 2, 3, 60, 63, 64, 65, 1_024, 4_096] {
        let (attachment, act) = built(count);
        assert_eq!(attachment.check(&act), Ok(()), "{count} rows");
        let bytes = attachment.to_bytes();
        assert_eq!(Attachment::from_bytes(&bytes), Ok(attachment.clone()));
        assert_eq!(attachment.rows(), Ok(rows(count)));
    }
}

#[test]
fn imported_readings_have_no_frames() {
    let rows = rows(5);
    let attachment = Attachment::build(SALT, &rows, &[]).unwrap();
    assert_eq!(attachment.frames_root(), Some(log::empty_root()));
    assert_eq!(attachment.check(&act(&attachment, &rows)), Ok(()));
}

#[test]
fn a_thousand_rows_cost_few_bytes_each() {
    let (attachment, _) = built(1_024);
    let per_row = attachment.to_bytes().len() / 1_024;
    assert!(per_row <= 1, "{per_row} bytes a row of regular readings");
}

#[test]
fn no_flipped_bit_of_an_attachment_still_fits() {
    for count in [3, 70] {
        let (attachment, act) = built(count);
        let bytes = attachment.to_bytes();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let outcome = Attachment::from_bytes(&flipped).and_then(|attachment| attachment.check(&act));
            assert!(outcome.is_err(), "{count} rows, bit {bit}");
        }
    }
}

/// What an act says wrongly, and which field the check names.
#[test]
fn a_plain_field_that_the_readings_do_not_give_is_named() {
    type Change = fn(&mut Readings);
    let cases: [(&str, Change); 10] = [
        ("count", |act| act.count += 1),
        ("lowest voltage", |act| act.voltage.as_mut().unwrap().min = Voltage::ZERO),
        ("highest voltage", |act| act.voltage.as_mut().unwrap().max = Voltage::from_mv(200_000)),
        ("mean voltage", |act| act.voltage.as_mut().unwrap().mean = Voltage::ZERO),
        ("lowest voltage", |act| act.voltage = None),
        ("highest current", |act| act.peak_current = None),
        ("highest power", |act| act.peak_power = Some(Power::ZERO)),
        ("import counter", |act| act.import.end = Energy::from_kwh(6)),
        ("import counter", |act| act.import.start = Energy::from_mwh(5_000_001)),
        ("export counter", |act| act.export = Some(CounterPair { start: Energy::ZERO, end: Energy::ZERO })),
    ];
    for (expected, change) in cases {
        let (attachment, mut act) = built(10);
        change(&mut act);
        match attachment.check(&act) {
            Err(AttachmentError::Field { field, .. }) => assert_eq!(field, expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
}

#[test]
fn an_estimated_end_may_lie_beyond_the_last_reading_but_not_before() {
    let (attachment, mut act) = built(10);
    act.estimated = true;
    act.import.end = Energy::from_kwh(6);
    assert_eq!(attachment.check(&act), Ok(()));
    act.import.end = Energy::from_mwh(5_000_001);
    assert!(matches!(attachment.check(&act), Err(AttachmentError::Field { field: "import counter", .. })));
}

#[test]
fn reject_rows_outside_the_interval() {
    for (start, end, outside) in [(1_001, 11_000, 1_000), (1_000, 10_000, 10_000)] {
        let (attachment, mut act) = built(10);
        (act.start, act.end) = (Timestamp::from_ms(start), Timestamp::from_ms(end));
        let outside = AttachmentError::OutsideInterval(Timestamp::from_ms(outside));
        assert_eq!(attachment.check(&act), Err(outside));
    }
}

#[test]
fn reject_a_counter_that_falls_within_the_interval() {
    let mut rows = rows(10);
    rows[4].reading.insert(Quantity::EnergyImport, 0);
    let attachment = Attachment::build(SALT, &rows, &frames(&rows)).unwrap();
    assert_eq!(attachment.check(&act(&attachment, &rows)), Err(AttachmentError::CounterFalls("import")));
}

#[test]
fn an_event_must_show_in_the_readings() {
    let over = |from, until, extreme| Event {
        kind: EventKind::OverVoltage,
        from: Timestamp::from_ms(from),
        until: Timestamp::from_ms(until),
        extreme: Voltage::from_mv(extreme),
    };
    for (event, outcome) in [
        (over(2_000, 4_000, 110_003), Ok(())),
        (Event { kind: EventKind::UnderVoltage, ..over(2_000, 4_000, 110_001) }, Ok(())),
        (over(2_000, 4_000, 110_004), Err(AttachmentError::Event(0))),
        (over(2_001, 2_999, 110_001), Err(AttachmentError::Event(0))),
    ] {
        let (attachment, mut act) = built(10);
        act.events = vec![event];
        assert_eq!(attachment.check(&act), outcome);
    }
}

#[test]
fn reject_frames_that_are_not_those_of_the_rows() {
    let rows = rows(4);
    let all = frames(&rows);
    let mut late = all.clone();
    late[2].time = Timestamp::from_ms(7);
    let mut long = all.clone();
    long[1].exchanges = vec![long[1].exchanges[0].clone(); Frame::EXCHANGES_MAX + 1];
    for (frames, error) in [
        (&all[..3], AttachmentError::FramesOfRows),
        (&late[..], AttachmentError::FramesOfRows),
        (&long[..], AttachmentError::Exchanges),
    ] {
        assert_eq!(Attachment::build(SALT, &rows, frames), Err(error));
    }
}

#[test]
fn every_frame_between_is_proven_by_the_same_root() {
    let rows = rows(9);
    let frames = frames(&rows);
    let root = Attachment::build(SALT, &rows, &frames).unwrap().frames_root().unwrap();
    let mut tree = Log::new();
    frames.iter().for_each(|frame| tree.append(frame_leaf(&SALT, frame)));
    for (index, frame) in (0..).zip(&frames) {
        let path = tree.inclusion_path(index, 9).unwrap();
        assert_eq!(log::root_from_inclusion(frame_leaf(&SALT, frame), index, 9, &path), Some(root));
    }
}

#[test]
fn the_mean_rounds_down_and_phases_count() {
    let mut rows = rows(2);
    rows[0].reading.insert(Key { quantity: Quantity::Voltage, channel: Channel::L1 }, 90_000);
    rows[1].reading.insert(Key { quantity: Quantity::Current, channel: Channel::L1 }, 2_000_000);
    let summary = Summary::of(&rows);
    let range = VoltageRange {
        min: Voltage::from_mv(90_000),
        max: Voltage::from_mv(110_001),
        mean: Voltage::from_mv((110_000 + 110_001 + 90_000) / 3),
    };
    assert_eq!(summary.voltage, Some(range));
    assert_eq!(summary.peak_current, Some(Current::from_ua(2_000_000)));
    assert_eq!(Summary::of(&[]), Summary::default());
}

proptest! {
    #[test]
    fn any_bytes_decode_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(attachment) = Attachment::from_bytes(&bytes) {
            prop_assert_eq!(attachment.to_bytes(), bytes);
            let _ = (attachment.rows(), attachment.frames_root());
        }
    }
}
