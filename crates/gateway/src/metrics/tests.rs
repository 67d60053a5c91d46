use super::*;
use std::collections::BTreeMap;
use units::{Channel, Key, Quantity, Reading};

fn meter(number: &str, unconfirmed: usize) -> LiveMeter {
    let mut reading = Reading::new();
    for (quantity, value) in [
        (Quantity::Voltage, 110_250),
        (Quantity::Current, 1_500_000),
        (Quantity::ActivePower, -165_000),
        (Quantity::PowerFactor, 9_940),
        (Quantity::EnergyImport, 1_000_000),
    ] {
        reading.insert(quantity, value);
    }
    reading.insert(Key { quantity: Quantity::Voltage, channel: Channel::L1 }, 110_000);
    LiveMeter {
        meter: number.parse().unwrap(),
        bus: "first \"floor\"".to_owned(),
        address: meter::Address::FIRST,
        model: "IM1281B".to_owned(),
        poll_every: Millis::from_seconds(5),
        reading: Some(reading),
        time: Some(Timestamp::from_ms(1_000)),
        age: Some(Millis::from_ms(1_500)),
        quality: Quality::Fresh,
        polls: 7,
        answers: 5,
        errors: BTreeMap::from([("no_answer", 2)]),
        unconfirmed,
        unconfirmed_since: (unconfirmed > 0).then_some(Timestamp::from_ms(60_000)),
    }
}

fn text(meters: &[LiveMeter]) -> String {
    let mut families = quantity::families(meters);
    families.extend(of_meters(meters));
    families.extend(of_outbox(meters, Timestamp::from_ms(90_500)));
    exposition(families)
}

#[test]
fn values_stand_in_base_units_with_unit_and_kind_in_the_name() {
    let text = text(&[meter("A-1", 3)]);
    for line in [
        "# UNIT wattproof_meter_voltage_volts volts",
        "wattproof_meter_voltage_volts{meter=\"A-1\",bus=\"first \\\"floor\\\"\"} 110.25",
        "wattproof_meter_voltage_volts{meter=\"A-1\",bus=\"first \\\"floor\\\"\",channel=\"l1\"} 110.0",
        "wattproof_meter_current_amperes{meter=\"A-1\",bus=\"first \\\"floor\\\"\"} 1.5",
        "wattproof_meter_active_power_watts{meter=\"A-1\",bus=\"first \\\"floor\\\"\"} -165.0",
        "wattproof_meter_power_factor_ratio{meter=\"A-1\",bus=\"first \\\"floor\\\"\"} 0.994",
        "# TYPE wattproof_meter_energy_import_joules counter",
        "wattproof_meter_energy_import_joules_total{meter=\"A-1\",bus=\"first \\\"floor\\\"\"} 3600000.0",
        "wattproof_meter_poll_errors_total{meter=\"A-1\",bus=\"first \\\"floor\\\"\",kind=\"no_answer\"} 2.0",
        "wattproof_meter_reading_age_seconds{meter=\"A-1\",bus=\"first \\\"floor\\\"\"} 1.5",
        "wattproof_gateway_outbox_statements 3.0",
        "wattproof_gateway_outbox_oldest_seconds 30.5",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn a_quantity_that_no_meter_gives_has_no_family() {
    assert!(!text(&[meter("A-1", 0)]).contains("frequency"));
}

#[test]
fn the_number_of_lines_follows_the_meters_and_nothing_else() {
    let lines = |meters: &[LiveMeter]| text(meters).lines().filter(|line| !line.starts_with('#')).count();
    let (one, two) = (lines(&[meter("A-1", 0)]), lines(&[meter("A-1", 0), meter("A-2", 9)]));
    let mut busy = meter("A-1", 0);
    (busy.polls, busy.answers) = (u64::MAX, 1 << 40);
    assert_eq!(lines(&[busy]), one);
    // Two lines are the outbox's, of all meters.
    assert_eq!(two - one, one - 2);
}

#[test]
fn a_server_that_is_away_shows_for_how_long_and_what_it_has_cost() {
    let lost = MirrorStatus {
        place: "postgres://db/meters".to_owned(),
        waiting: 4_000,
        lost: Some("no answer".to_owned()),
        lost_since: Some(Timestamp::from_ms(30_500)),
        last_trouble: Some((Timestamp::from_ms(60_000), "no answer".to_owned())),
        times_lost: 2,
        given_up: 17,
    };
    let back = MirrorStatus { lost: None, lost_since: None, waiting: 3, ..lost.clone() };
    let outcomes = BTreeMap::from([(("A-1".parse().unwrap(), "switched"), 3), (("A-1".parse().unwrap(), "failed"), 1)]);
    for (status, lines) in [
        (
            lost,
            [
                "wattproof_archive_reached 0.0",
                "wattproof_archive_away_seconds 60.0",
                "wattproof_archive_waiting_changes 4000.0",
            ],
        ),
        (
            back,
            [
                "wattproof_archive_reached 1.0",
                "wattproof_archive_away_seconds 0.0",
                "wattproof_archive_waiting_changes 3.0",
            ],
        ),
    ] {
        let mut families = of_archive(&status, Timestamp::from_ms(90_500));
        families.push(of_outcomes(&outcomes));
        let text = exposition(families);
        let always = [
            "wattproof_archive_outages_total{} 2.0",
            "wattproof_archive_given_up_readings_total{} 17.0",
            "wattproof_load_orders_total{meter=\"A-1\",outcome=\"switched\"} 3.0",
            "wattproof_load_orders_total{meter=\"A-1\",outcome=\"failed\"} 1.0",
        ];
        for line in lines.into_iter().chain(always) {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
