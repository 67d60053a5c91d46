//! Price tables: the worked bills of Taipower's table of 2025-10, digit by digit, and hours across changes of the clock.

// Helpers of tests stop at the first surprise, as tests do.
#![allow(clippy::unwrap_used)]

use crate::support::{DAY_MS, genesis, in_berlin, kwh, local};
use ledger::act::{CounterPair, LineKind};
use ledger::price::capacity::{CapacityTable, CapacityUse, capacity_bill};
use ledger::price::file::{SHIPPED, TariffFile, TariffFileError};
use ledger::price::{Charge, LocalTime, Season, Seasonal, Table, Use, average, charge, civil_day};
use ledger::{Genesis, Offset};
use serde_json::Value;
use units::{Energy, Money, Month, Power, Timestamp};

fn money(text: &str) -> Money {
    Money::parse(text).unwrap()
}

/// Amounts of the file have more zeros than money has digits.
fn amount(value: &Value) -> Money {
    let text = value.as_str().unwrap();
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let (kept, rest) = decimals.split_at(decimals.len().min(4));
    assert!(rest.bytes().all(|digit| digit == b'0'), "{text} is finer than 0.0001");
    let size = money(&format!("{}.{kept}", whole.trim_start_matches('-')));
    if whole.starts_with('-') { Money::from_1e4(-size.as_1e4()) } else { size }
}

fn whole(total: i128) -> i128 {
    (total + 5_000).div_euclid(10_000)
}

/// Source: Taipower's detailed rate table of 2025-11-17; computed with exact decimals by a separate script.
#[test]
fn the_worked_bills_come_out_digit_by_digit() {
    let file: Value = serde_json::from_str(include_str!("worked-bills.json")).unwrap();
    let cases = file["cases"].as_array().unwrap();
    let mut checked = 0;
    for case in cases {
        let (id, name) = (case["id"].as_str().unwrap(), case["tariff"].as_str().unwrap());
        let (input, expected) = (&case["input"], &case["expected"]);
        let lines: Vec<Money> =
            expected["lines"].as_array().unwrap().iter().map(|line| amount(&line["amount"])).collect();
        let found = match name {
            "low_voltage_flat" => capacity_lines(input),
            _ => table_lines(name, input, expected["lines"].as_array().unwrap()),
        };
        assert_eq!(found, lines, "{id}");
        let total: i128 = found.iter().map(|amount| i128::from(amount.as_1e4())).sum();
        assert_eq!(total, i128::from(amount(&expected["total"]).as_1e4()), "{id}");
        assert_eq!(whole(total).to_string(), expected["total_rounded"].as_str().unwrap(), "{id}");
        checked += 1;
    }
    assert_eq!(checked, 18);
}

fn season(input: &Value) -> Season {
    if input["season"] == "summer" { Season::Summer } else { Season::Other }
}

fn table_lines(name: &str, input: &Value, expected: &[Value]) -> Vec<Money> {
    let shipped = match name {
        "residential_progressive" => "taipower-residential",
        "business_progressive" => "taipower-business",
        "simple_tou_2" => "taipower-simple-tou-2",
        "simple_tou_3" => "taipower-simple-tou-3",
        _ => panic!("no table {name}"),
    };
    let table = TariffFile::shipped(shipped).unwrap().tariff(Month::new(2026, 1).unwrap()).table;
    let bands: Vec<Energy> = table.time_of_use().map_or(Vec::new(), |table| {
        let used = |name: &String| input["kwh_by_band"][name].as_str().map_or(Energy::ZERO, kwh);
        table.bands.iter().map(|band| used(&band.name)).collect()
    });
    let energy = input["kwh"].as_str().map_or_else(|| Energy::from_mwh(bands.iter().map(|band| band.mwh()).sum()), kwh);
    let months = u32::try_from(input["months"].as_u64().unwrap()).unwrap();
    let used = Use { season: season(input), months, energy, bands, average: None };
    let charges = charge(&table, &used).unwrap();
    for (charge, line) in charges.iter().zip(expected) {
        check_line(charge, line);
    }
    charges.iter().map(|charge| charge.amount).collect()
}

fn check_line(charge: &Charge, line: &Value) {
    assert_eq!(charge.energy, line["kwh"].as_str().map(kwh), "{line}");
    assert_eq!(charge.unit_price, line["price"].as_str().map(money), "{line}");
    let what = match charge.kind {
        LineKind::Minimum => Some("minimum charge"),
        LineKind::Fixed => Some("fixed"),
        LineKind::Surcharge => Some("surcharge above 2000 kWh"),
        _ => charge.band.as_deref(),
    };
    assert_eq!(what, line["what"].as_str());
}

/// Taipower's low-voltage power with a contract below 100 kW, not by time.
fn capacity_lines(input: &Value) -> Vec<Money> {
    let seasonal = |summer, other| Seasonal { other: Some(money(other)), summer: Some(money(summer)) };
    let table = CapacityTable {
        per_kw: seasonal("236.20", "173.20"),
        energy: seasonal("4.08", "3.87"),
        first_share_percent: 10,
        first_multiple: 2,
        beyond_multiple: 3,
        neutral_percent: 80,
        cap_percent: 95,
        step_permille: 1,
    };
    let kw = |name: &str| Power::from_mw(i64::try_from(kwh(input[name].as_str().unwrap()).mwh()).unwrap());
    let bill = capacity_bill(
        &table,
        &CapacityUse {
            season: season(input),
            contract: kw("contract_kw"),
            demand: kw("max_demand_kw"),
            energy: kwh(input["kwh"].as_str().unwrap()),
            power_factor_percent: input["power_factor_percent"].as_str().map(|percent| percent.parse().unwrap()),
        },
    );
    let bill = bill.unwrap();
    assert_eq!(bill.over_beyond, Money::ZERO);
    let optional = [bill.over_first, bill.power_factor].into_iter().filter(|amount| *amount != Money::ZERO);
    [bill.capacity, bill.energy].into_iter().chain(optional).collect()
}

#[test]
fn demand_beyond_a_tenth_of_the_contract_costs_three_times() {
    let all_year = |price| Seasonal::all_year(money(price));
    let table = CapacityTable {
        per_kw: all_year("100"),
        energy: all_year("1"),
        first_share_percent: 10,
        first_multiple: 2,
        beyond_multiple: 3,
        neutral_percent: 80,
        cap_percent: 95,
        step_permille: 1,
    };
    let kw = |kw: i64| Power::from_mw(kw * 1_000_000);
    let (season, energy) = (Season::Other, Energy::ZERO);
    let used = CapacityUse { season, contract: kw(50), demand: kw(60), energy, power_factor_percent: Some(70) };
    let bill = capacity_bill(&table, &used).unwrap();
    // 5 kW at 200, 5 kW at 300; a power factor of 70 % costs 1 % of 5,000.
    assert_eq!((bill.over_first, bill.over_beyond, bill.power_factor), (money("1000"), money("1500"), money("50")));
    assert_eq!(bill.total().unwrap(), money("7550"));
}

#[test]
fn every_shipped_table_is_complete_and_says_where_it_is_from() {
    for (name, text) in SHIPPED {
        let file = TariffFile::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(file.source.contains("Taiwan Power Company"), "{name}");
        assert_eq!((file.effective_from.as_str(), file.currency.as_str()), ("2025-10-01", "TWD"), "{name}");
        let tariff = file.tariff(Month::new(2026, 6).unwrap());
        assert_eq!((tariff.season(tariff.from), tariff.season(tariff.from.plus(4))), (Season::Summer, Season::Other));
        assert_eq!(tariff.round_to, money("1"), "{name}");
    }
}

#[test]
fn a_tariff_file_with_a_slip_is_refused_with_the_reason() {
    let text = SHIPPED[2].1;
    for (from, to, reason) in [
        ("fixed_per_month", "fixed_a_month", "unknown field `fixed_a_month`"),
        ("\"75.00\"", "\"75,00\"", "`75,00` is not an amount"),
        ("from = \"06-01\"", "from = \"05-16\"", "does not consist of whole months"),
        ("to = \"09-30\"", "to = \"09-29\"", "does not consist of whole months"),
        ("\"09:00-24:00\"", "\"09:00-25:00\"", "`09:00-25:00` are not hours"),
        ("\"09:00-24:00\"", "\"09:30-24:00\"", "do not cover each minute"),
        ("\"09:00-24:00\"", "\"08:00-24:00\"", "do not cover each minute"),
        ("\"2026-02-15\"", "\"2026-02-30\"", "`2026-02-30` is not a date"),
        ("[time_of_use]", "[average]\n[time_of_use]", "exactly one of"),
        ("name = \"weekday_offpeak\"", "name = \"weekday_peak\"", "each with its own name"),
    ] {
        assert!(text.contains(from), "{from}");
        let error = TariffFile::parse(&text.replacen(from, to, 1)).unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
    }
    assert!(matches!(TariffFile::parse("source = 1"), Err(TariffFileError::Form(_))));
}

#[test]
fn an_average_rounds_down_and_nothing_has_no_average() {
    assert_eq!(average(money("1000"), kwh("300")), Some(money("3.3333")));
    assert_eq!(average(money("0.0001"), kwh("1000")), Some(Money::ZERO));
    assert_eq!(average(money("1000"), Energy::ZERO), None);
}

#[test]
fn civil_days_agree_with_the_calendar() {
    for ((year, month, day), number) in [
        ((1970, 1, 1), Some(0)),
        ((1972, 2, 29), Some(789)),
        ((2000, 3, 1), Some(11_017)),
        ((2026, 7, 1), Some(20_635)),
        ((2028, 2, 29), Some(21_243)),
        ((2028, 3, 1), Some(21_244)),
        ((2027, 2, 29), None),
        ((2100, 2, 29), None),
        ((2026, 13, 1), None),
        ((2026, 4, 31), None),
        ((2026, 4, 0), None),
        ((1969, 12, 31), None),
    ] {
        assert_eq!(civil_day(year, month, day), number, "{year}-{month}-{day}");
    }
}

/// Two bands in Berlin: from 1:30 to 2:30 and the rest of the day, on the Sundays when the clock is put on and back.
#[test]
fn bands_follow_the_wall_clock_when_it_is_put_on_and_back() {
    let genesis = in_berlin(genesis(), Month::new(2027, 12).unwrap());
    let table = night_band();
    let Table::TimeOfUse(table) = &table else { panic!() };
    let hours = |year, month, day| {
        let start = local(&genesis, (year, month, day), 0);
        let end = local(&genesis, (year, month, day), 24 * 60);
        // A kWh an hour.
        let length = end.since(start).ms() / 3_600_000;
        let import = CounterPair { start: kwh("5"), end: Energy::from_kwh(5 + length) };
        table.divide(&genesis, Season::Other, (start, end), import)
    };
    // A plain leap day.
    assert_eq!(hours(2028, 2, 29), (vec![kwh("1"), kwh("23")], true));
    // 2 to 3 o'clock is left out: the band has half an hour of a day of 23.
    assert_eq!(hours(2028, 3, 26), (vec![kwh("0.5"), kwh("22.5")], true));
    // 2 to 3 o'clock comes twice: 1:30 to 2:30 once, and 2:00 to 2:30 again.
    assert_eq!(hours(2028, 10, 29), (vec![kwh("1.5"), kwh("23.5")], true));
}

fn night_band() -> Table {
    let text = r#"
        source = "a test"
        effective_from = "2027-12-01"
        currency = "EUR"
        round_to = "0.01"
        grouping = "each_month"
        [time_of_use]
        fixed_per_month = "0"
        off_days = { every_year = [], in_years = [], dates = [] }
        [[time_of_use.bands]]
        name = "night"
        days = ["weekday", "saturday", "off_day"]
        other = "0.2"
        other_hours = ["01:30-02:30"]
        [[time_of_use.bands]]
        name = "day"
        days = ["weekday", "saturday", "off_day"]
        other = "0.3"
        other_hours = ["00:00-01:30", "02:30-24:00"]
    "#;
    TariffFile::parse(text).unwrap().tariff(Month::new(2027, 12).unwrap()).table
}

#[test]
fn an_interval_within_a_band_is_not_estimated() {
    let genesis = genesis();
    let table = TariffFile::shipped("taipower-simple-tou-2").unwrap().tariff(Month::new(2026, 7).unwrap()).table;
    let Table::TimeOfUse(table) = &table else { panic!() };
    let import = CounterPair { start: kwh("1"), end: kwh("4") };
    for ((day, from, until), bands, estimated) in [
        // Wednesday, July 1st 2026.
        ((1, 0, 9 * 60), ["0", "3", "0"], false),
        ((1, 9 * 60, 24 * 60), ["3", "0", "0"], false),
        ((1, 8 * 60, 11 * 60), ["2", "1", "0"], true),
        // Friday into Saturday.
        ((3, 23 * 60, 26 * 60), ["1", "0", "2"], true),
        // Saturday and Sunday are one band.
        ((4, 20 * 60, 40 * 60), ["0", "0", "3"], false),
    ] {
        let start = local(&genesis, (2026, 7, day), from);
        let end = Timestamp::from_ms(local(&genesis, (2026, 7, day), 0).ms() + until * 60_000);
        let found = table.divide(&genesis, Season::Summer, (start, end), import);
        assert_eq!(found, (bands.map(kwh).to_vec(), estimated), "{day} {from}");
    }
    // The Dragon Boat festival, a Friday.
    assert!(table.off_days.binary_search(&civil_day(2026, 6, 19).unwrap()).is_ok());
}

#[test]
fn west_of_greenwich_the_day_begins_later() {
    let offsets = vec![Offset { from: Timestamp::from_ms(0), seconds: -5 * 3_600 }];
    let genesis = Genesis { offsets, ..genesis() };
    let time = Timestamp::from_ms(20_000 * DAY_MS + 4 * 3_600_000);
    assert_eq!(LocalTime::of(&genesis, time), LocalTime { day: 19_999, ms: 23 * 3_600_000 });
}
