//! Tables of what meters counted, in Wh for each quarter of an hour, and what is made of it.

use super::{Alarm, Counted, LossRules, LossRulesError, MeterIntervals, compare};
use std::collections::BTreeMap;
use units::{Energy, MeterId, Millis, Timestamp};

fn id(name: &str) -> MeterId {
    name.parse().unwrap()
}

fn feeds(pairs: &[(&str, &str)]) -> BTreeMap<MeterId, MeterId> {
    pairs.iter().map(|(lower, upper)| (id(lower), id(upper))).collect()
}

/// `-` is an interval that is not there, `?` one whose counter does not continue.
fn meter(name: &str, counted: &str) -> MeterIntervals {
    let quarter = Millis::from_minutes(15);
    let intervals = counted.split_whitespace().zip(0u64..).filter(|(wh, _)| *wh != "-").map(|(wh, number)| {
        let start = Timestamp::from_ms(number * quarter.ms());
        Counted { start, end: start + quarter, energy: wh.parse().ok().map(|wh: u64| Energy::from_mwh(wh * 1_000)) }
    });
    MeterIntervals { meter: id(name), main: name.starts_with("main"), intervals: intervals.collect() }
}

/// One word an interval: the loss in Wh, `x` where it is not comparable, and `!` or `!!` with an alarm.
fn told(rules: &LossRules, meters: &[MeterIntervals]) -> Vec<String> {
    let told = |comparison: &super::Comparison| {
        let words = comparison.intervals.iter().map(|interval| {
            let mark = match interval.alarm {
                None => "",
                Some(Alarm::Loss) => "!",
                Some(Alarm::Negative) => "!!",
            };
            let lost = |(supplied, used)| super::loss(supplied, used).to_string();
            interval
                .energies
                .map_or_else(|| "x".to_owned(), |energies| format!("{}{mark}", lost(energies).trim_end_matches(" kWh")))
        });
        let upper: Vec<&str> = comparison.upper.iter().map(MeterId::as_str).collect();
        format!("{}: {}", upper.join("+"), words.collect::<Vec<_>>().join(" "))
    };
    compare(rules, meters).iter().map(told).collect()
}

#[test]
fn losses_are_told_and_alarms_need_both_limits_and_several_intervals_in_a_row() {
    let rules = LossRules { intervals: 2, ..LossRules::default() };
    for (name, meters, expected) in [
        (
            "a small loss is none",
            vec![meter("main", "1000 1000 1000"), meter("A", "500 500 500"), meter("B", "490 480 470")],
            vec!["main: 0.01 0.02 0.03"],
        ),
        (
            "above both limits it is an alarm from the second interval on",
            vec![meter("main", "1000 1000 1000 1000"), meter("A", "800 800 800 990")],
            vec!["main: 0.2 0.2! 0.2! 0.01"],
        ),
        (
            "above ten per cent of very little it is none",
            vec![meter("main", "200 200 200"), meter("A", "110 110 110")],
            vec!["main: 0.09 0.09 0.09"],
        ),
        (
            "above 100 Wh but within ten per cent it is none",
            vec![meter("main", "5000 5000 5000"), meter("A", "4600 4600 4600")],
            vec!["main: 0.4 0.4 0.4"],
        ),
        (
            "a missing meter is not comparable, and ends no row of alarms",
            vec![meter("main", "1000 1000 1000 1000"), meter("A", "400 400 400 400"), meter("B", "400 - ? 400")],
            vec!["main: 0.2 x x 0.2!"],
        ),
        (
            "lower meters that count more than the upper one are miswired or have a wrong factor",
            vec![meter("main", "1000 1000 1000"), meter("A", "1200 1200 1000")],
            vec!["main: -0.2 -0.2!! 0.0"],
        ),
        (
            "two main meters supply together",
            vec![meter("main-1", "1000 1000"), meter("main-2", "500 -"), meter("A", "1450 1450")],
            vec!["main-1+main-2: 0.05 x"],
        ),
        ("without a main meter there is nothing to compare", vec![meter("A", "1 1")], vec![]),
        ("a main meter alone has no losses", vec![meter("main", "5 5")], vec!["main: "]),
    ] {
        assert_eq!(told(&rules, &meters), expected, "{name}");
    }
}

#[test]
fn a_tree_of_meters_is_compared_level_by_level() {
    let rules =
        LossRules { feeds: feeds(&[("A", "floor"), ("B", "floor"), ("floor", "main")]), ..LossRules::default() };
    let meters =
        [meter("main", "1000"), meter("floor", "600"), meter("A", "300"), meter("B", "250"), meter("C", "350")];
    assert_eq!(told(&rules, &meters), ["main: 0.05", "floor: 0.05"]);
}

#[test]
fn a_tree_that_is_none_is_refused() {
    let refused = |pairs| LossRules { feeds: feeds(pairs), ..LossRules::default() }.check();
    assert_eq!(refused(&[("A", "floor"), ("floor", "main")]), Ok(()));
    assert_eq!(refused(&[("A", "A")]), Err(LossRulesError::Levels(id("A"))));
    let deep = [("A", "B"), ("B", "C"), ("C", "main")];
    assert_eq!(refused(&deep), Err(LossRulesError::Levels(id("A"))));
    assert_eq!(LossRules { intervals: 0, ..LossRules::default() }.check(), Err(LossRulesError::Intervals));
}

#[test]
fn what_is_lost_little_by_little_is_no_alarm_of_an_interval_and_one_of_the_month() {
    let rules = LossRules::default();
    // 90 Wh of 500 Wh are below the limit of 100 Wh in each interval.
    let (main, room) = (meter("main", &"500 ".repeat(96)), meter("A-1", &"410 ".repeat(96)));
    let comparison = compare(&rules, &[main, room]).remove(0);
    assert!(comparison.intervals.iter().all(|interval| interval.alarm.is_none()));
    let (supplied, used) = comparison.sums();
    assert_eq!((supplied, used), (Energy::from_wh(48_000), Energy::from_wh(39_360)));
    let sums = |supplied, used| rules.of_sums(Energy::from_wh(supplied), Energy::from_wh(used));
    for (supplied, used, expected) in [
        (48_000, 39_360, Some(Alarm::Loss)),
        (48_000, 43_200, None),
        (48_000, 43_199, Some(Alarm::Loss)),
        (900, 801, None),
        (48_000, 48_960, None),
        (48_000, 48_961, Some(Alarm::Negative)),
        (0, 0, None),
    ] {
        assert_eq!(sums(supplied, used), expected, "{supplied} Wh supplied, {used} Wh used");
    }
}
