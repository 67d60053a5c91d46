//! Rules and limits as they are written, and what is said of those that cannot be.

use super::super::Config;
use super::*;
use std::path::Path;

const FILE: &str = r#"database = "sqlite://gateway.db"
node = "http://127.0.0.1:8080"
genesis_file = "genesis.cbor"
key_file = "gateway.key"
interval_minutes = 15
http = "127.0.0.1:8081"
control_token_file = "token"

[loads]
stagger_seconds = 10

[[bus]]
name = "floor"
serial = "/dev/ttyUSB0"
baud = 9600

[[bus.meter]]
number = "A-1"
address = 1
profile = "dds238-2-zn-sr"
poll_seconds = 5
member = "wp1yg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3qp5wzyw"
[bus.meter.load]
min_off_seconds = 180
switches_per_hour = 6
never_with = ["A-2"]

[[bus.meter]]
number = "A-2"
address = 2
profile = "dds238-2-zn-sr"
poll_seconds = 5
member = "wp1yg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3qp5wzyw"

[[bus.meter]]
number = "B-1"
address = 3
profile = "pzem-004t-v3"
poll_seconds = 5
member = "wp1yg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3qp5wzyw"

[[rule]]
name = "over-voltage"
meters = "all"
kind = "over_voltage"
limit = "253.5 V"
release = "248 V"
delay_seconds = 10
latch = true

[[rule]]
name = "night"
meters = ["A-1"]
kind = "schedule"
from = "23:00"
until = "06:00"
days = ["mon", "sun"]

[[rule]]
name = "used up"
meters = "all"
kind = "energy_used_up"
"#;

fn read(text: &str) -> Result<Config, String> {
    Config::from_toml(text, Path::new("/etc/wattproof")).map_err(|error| error.to_string())
}

#[test]
fn rules_and_limits_are_what_the_file_says() {
    let config = read(FILE).unwrap();
    let Protection { rules, limits, stagger } = config.protection;
    assert_eq!((config.http, stagger), ("127.0.0.1:8081".parse().ok(), Millis::from_seconds(10)));
    assert_eq!(config.control_token_file.as_deref(), Some(Path::new("/etc/wattproof/token")));
    let [a1, a2, b1] = ["A-1", "A-2", "B-1"].map(|number| number.parse::<MeterId>().unwrap());
    assert_eq!(limits[&a1].never_with, std::slice::from_ref(&a2));
    assert_eq!((limits[&a1].min_off, limits[&a1].min_on), (Millis::from_seconds(180), Millis::ZERO));
    // A rule that switches takes the meters with a relay; one that warns takes all.
    let meters: Vec<&[MeterId]> = rules.iter().map(|rule| rule.meters.as_slice()).collect();
    assert_eq!(meters, [&[a1.clone(), a2.clone()][..], std::slice::from_ref(&a1), &[a1.clone(), a2, b1]]);
    assert_eq!(
        rules[0].trigger,
        Trigger::Value(Limit {
            quantity: Quantity::Voltage,
            side: Side::Above,
            limit: 253_500,
            delay: Millis::from_seconds(10),
            release: 248_000,
            release_delay: Millis::from_seconds(60),
        })
    );
    let days = [true, false, false, false, false, false, true];
    assert_eq!(rules[1].trigger, Trigger::Schedule(Schedule { from_minute: 1_380, until_minute: 360, days }));
    assert_eq!((rules[2].trigger, rules[0].latch), (Trigger::EnergyUsedUp { cut: false }, true));
}

#[test]
fn a_wrong_rule_is_refused_with_its_line_and_what_to_do() {
    for (from, to, expected) in [
        ("\"over_voltage\"", "\"over_volts\"", "line 45: unknown variant `over_volts`"),
        ("limit = \"253.5 V\"\n", "", "line 42: rule `over-voltage`: it needs `limit`, such as \"253 V\""),
        ("\"253.5 V\"", "\"253\"", "line 46: `253`: give a number with its unit"),
        ("\"253.5 V\"", "\"16 A\"", "line 42: rule `over-voltage`: it needs `limit`, such as \"253 V\""),
        ("\"253.5 V\"", "\"253.1234 V\"", "line 46: `253.1234 V`: give a number with its unit"),
        ("\"248 V\"", "\"255 V\"", "line 42: rule `over-voltage`: `release` lies beyond `limit`"),
        (
            "delay_seconds = 10",
            "delay_seconds = 100000",
            "line 42: rule `over-voltage`: delay_seconds = 100000: at most",
        ),
        (
            "delay_seconds = 10",
            "delay_second = 10",
            "line 48: unknown key `delay_second`; did you mean `delay_seconds`?",
        ),
        ("latch = true", "cut = true", "line 42: rule `over-voltage`: `cut` does not belong to a rule of this kind"),
        ("\"all\"", "\"A-1\"", "line 44: `A-1`: write \"all\", or a list such as [\"A-1\"]"),
        ("\"all\"", "[\"A-9\"]", "line 42: rule `over-voltage`: there is no meter `A-9` in this file"),
        (
            "\"all\"",
            "[\"B-1\"]",
            "line 42: rule `over-voltage`: meter B-1 has no relay; take it out, or set dry_run = true",
        ),
        ("\"all\"", "[]", "line 42: rule `over-voltage`: no meter that it could act on"),
        ("\"night\"", "\"over-voltage\"", "line 51: rule `over-voltage`: another rule has this name"),
        ("\"23:00\"", "\"23h\"", "line 55: `23h`: give hours and minutes, such as \"23:00\""),
        ("until = \"06:00\"\n", "", "line 51: rule `night`: a schedule needs `from` and `until`"),
        ("[\"mon\", \"sun\"]", "[]", "line 51: rule `night`: `days` is empty"),
        ("kind = \"schedule\"", "kind = \"schedule\"\nlatch = true", "line 51: rule `night`: `latch` does not belong"),
        (
            "switches_per_hour = 6",
            "switches_per_hour = 1",
            "line 23: meter A-1: switches_per_hour = 1: it must be 2 to 60",
        ),
        (
            "[\"A-2\"]",
            "[\"B-1\"]",
            "line 23: meter A-1: never_with names B-1, which must be another meter with a relay",
        ),
        (
            "stagger_seconds = 10",
            "stagger_seconds = 90000",
            "line 9: [loads] stagger_seconds = 90000: at most 86400, a day",
        ),
        ("http = \"127.0.0.1:8081\"\n", "", "line 6: `control_token_file` without `http`"),
        (
            "profile = \"pzem-004t-v3\"\npoll_seconds = 5\nmember = \"wp1yg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3qp5wzyw\"",
            "profile = \"pzem-004t-v3\"\npoll_seconds = 5\nmember = \"wp1yg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3qp5wzyw\"\nload = {}",
            "line 41: meter B-1: its profile has no [relay]",
        ),
    ] {
        assert!(FILE.contains(from), "{from}");
        let error = read(&FILE.replacen(from, to, 1)).unwrap_err();
        assert!(error.starts_with(expected), "{from} -> {to}:\n{error}\n{expected}");
    }
}

#[test]
fn the_examples_comments_are_a_configuration_too() {
    let example = include_str!("../../../example.toml");
    let (file, loads) = example.split_once("# --- Loads and protection.").unwrap();
    // A sentence has other characters before its equals sign, if it has one.
    let is_name = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let is_key = |line: &&str| line.split_once(" = ").is_some_and(|(key, _)| is_name(key)) || line.starts_with('[');
    let lines: Vec<&str> = loads.lines().filter_map(|line| line.strip_prefix("# ")).filter(is_key).collect();
    let (top, rest): (Vec<&str>, Vec<&str>) =
        lines.iter().partition(|line| line.starts_with("http") || line.starts_with("control"));
    let at = rest.iter().position(|line| *line == "[bus.meter.load]").unwrap();
    let end = rest.iter().position(|line| line.starts_with("[[rule]]")).unwrap();
    let (stagger, load, rules) = (&rest[..at], &rest[at..end], &rest[end..]);
    let file =
        file.replacen("\"im1281b\"", "\"dds238-2-zn-sr\"", 1).replacen("\"pzem-004t-v3\"", "\"dds238-2-zn-sr\"", 1);
    let (head, tail) = file.split_once("\n[[bus.meter]]\nnumber = \"A-102\"").unwrap();
    let text = format!(
        "{}\n{head}\n{}\n[[bus.meter]]\nnumber = \"A-102\"{tail}\n{}\n{}",
        top.join("\n"),
        load.join("\n"),
        stagger.join("\n"),
        rules.join("\n")
    );
    let config = read(&text).unwrap();
    assert_eq!(config.protection.rules.len(), 3);
    assert_eq!(config.protection.limits.len(), 1);
}
