//! Shipped profiles give the readings of their example frames; a profile with a mistake is refused with its reason.

use crate::{hex, profile};
use meter::modbus::seal;
use meter::strict_toml::TomlError;
use meter::{Address, Exchange, MeterError, Profile, ProfileError, ProfileFault, Relay};
use units::{Key, Quantity, Reading};

#[test]
fn every_shipped_profile_gives_the_readings_of_its_examples() {
    for name in Profile::shipped_names() {
        let profile = profile(name);
        assert!(!profile.examples().is_empty(), "{name} has no example");
        for example in profile.examples() {
            let reading = profile.reading(profile.address_in(&example.exchanges).unwrap(), &example.exchanges);
            assert_eq!(reading.as_ref(), Ok(&example.reading), "{name}: {}", example.source);
        }
    }
    assert_eq!(Profile::shipped("no-such-meter"), None);
}

const SMALL: &str = r#"
model = "Small"
manual = "none"
baud = 9600
timeout_ms = 100
[[read]]
kind = "input"
address = 0
count = 2
[[register]]
quantity = "voltage_mv"
kind = "input"
address = 0
type = "f32"
scale = "1000"
min = 0
max = 300_000
"#;

#[test]
fn a_misspelt_key_is_named_with_its_line_and_the_right_one() {
    assert!(Profile::from_toml(SMALL).is_ok());
    for (right, wrong, line, suggestion) in [
        ("timeout_ms", "timout_ms", 5, Some("timeout_ms")),
        ("scale", "scal", 15, Some("scale")),
        ("count", "cuont", 9, Some("count")),
        ("[[register]]", "[[regsiter]]", 10, Some("register")),
        ("kind", "zzzzzzzz", 7, None),
    ] {
        let text = SMALL.replacen(right, wrong, 1);
        let key = wrong.trim_matches(['[', ']']).to_owned();
        let error = TomlError::UnknownKey { key, line, suggestion: suggestion.map(str::to_owned) };
        assert_eq!(Profile::from_toml(&text), Err(ProfileError { line, fault: ProfileFault::Toml(error) }), "{wrong}");
    }
    let slip = Profile::from_toml(&SMALL.replacen("timeout_ms", "timout_ms", 1)).unwrap_err();
    assert_eq!(slip.to_string(), "line 5: unknown key `timout_ms`; did you mean `timeout_ms`?");
}

/// The small profile's example: 230.5 V.
const EXAMPLE: &str = r#"
[[example]]
source = "made up"
[[example.exchange]]
request = "01 04 00 00 00 02 71 CB"
response = "01 04 04 43 66 80 00 6F DF"
[example.reading]
voltage_mv = 230_500
"#;

/// A second register behind the first.
const SECOND: &str = r#"
[[register]]
quantity = "active_power_mw"
kind = "input"
address = 1
type = "u16"
scale = "1000"
min = 0
max = 300_000
"#;

#[test]
fn a_profile_with_a_mistake_is_refused_with_line_and_reason() {
    let good = format!("{SMALL}{EXAMPLE}");
    assert_eq!(Profile::from_toml(&good).map(|profile| profile.examples().len()), Ok(1));
    let block = format!("{SMALL}{SECOND}");
    for (text, right, wrong, refusal) in [
        (&good, "model = \"Small\"\n", "", "line 1: missing field `model`"),
        (&good, "9600", "0", "line 4: `baud` = 0 is not 300 to 921600"),
        (&good, "9600", "-1", "line 4: invalid value: integer `-1`, expected u32"),
        (&good, "= 100", "= 0", "line 5: `timeout_ms` = 0 is not 1 to 60000"),
        (&good, "= 100", "= 100\ngap_ms = 10_001", "line 6: `gap_ms` = 10001 is not 0 to 10000"),
        (
            &good,
            "= 100",
            "= 100\nbytes_per_count = 3",
            "line 6: `bytes_per_count` = 3 is neither 2, the standard's, nor 4, as the IM12xx and JSY families answer",
        ),
        (
            &good,
            "count = 2",
            "count = 126",
            "line 6: [[read]] at 0x0000: a request for 126 registers of 2 bytes does not fit a frame: split it",
        ),
        (
            &good,
            "count = 2",
            "count = 2\nshort_count = 2",
            "line 6: `short_count` = 2 is not below `count` = 2, or is 0",
        ),
        (&good, "voltage_mv", "voltage_v", "line 10: unknown quantity `voltage_v`; did you mean `voltage_mv`?"),
        (&good, "\"1000\"", "\"1e3\"", "line 10: voltage_mv: scale `1e3` is not a positive decimal such as 0.1"),
        (
            &good,
            "address = 0\ntype",
            "address = 1\ntype",
            "line 10: voltage_mv: register 0x0001 is in none of the [[read]] blocks; extend one",
        ),
        (&good, "min = 0", "min = 300_001", "line 10: voltage_mv: min 300001 is above max 300000"),
        (
            &good,
            "max = 300_000",
            "max = 300_000\nwraps_at = 300_001",
            "line 10: voltage_mv: `wraps_at` 300001 is for a counter of energy, and lies one step above max 300000",
        ),
        (
            &good,
            "max = 300_000",
            "max = 300_000\nsign = { address = 0, byte = 0, negative = 1 }",
            "line 10: voltage_mv: a `sign` byte is for a signed quantity with an unsigned type, and lies in one of the reads",
        ),
        (
            &block,
            "active_power_mw",
            "voltage_mv",
            "line 19: voltage_mv is given twice; a quantity of a phase or channel has one register",
        ),
        (&block, "", "", "line 19: active_power_mw and voltage_mv lie in the same bytes, from register 0x0001 on"),
        (&good, "71 CB", "71 C", "line 19: example: `01 04 00 00 00 02 71 C` is not bytes in hexadecimal"),
        (
            &good,
            "71 CB",
            "71 CC",
            "line 19: example `made up` gives no reading: the request is not this profile's read at 0x0000: another profile or address",
        ),
        (
            &good,
            "230_500",
            "230_400",
            "line 19: example `made up`: voltage_mv is 230500 by its frames, and 230400 by its reading",
        ),
        (
            &good,
            "230_500",
            "230_500\nfrequency_mhz = 50_000",
            "line 19: example `made up`: frequency_mhz is missing by its frames, and 50000 by its reading",
        ),
        (
            &good,
            "= 100",
            "= 100\nrelay = { kind = \"coil\", function = 6, address = 0, source = \"\" }",
            "line 6: [relay]: a coil is written with `function = 0x05`",
        ),
        (
            &good,
            "kind = \"input\"",
            "kind = \"inputs\"",
            "line 7: unknown variant `inputs`, expected `holding` or `input`",
        ),
    ] {
        let text = text.replacen(right, wrong, 1);
        let error = Profile::from_toml(&text).unwrap_err().to_string();
        assert_eq!(error, refusal, "{wrong}");
    }
    let four = SMALL.replacen("f32", "u16", 1).replacen("baud", "bytes_per_count = 4\nbaud", 1);
    let width = "line 11: voltage_mv: its type has 2 bytes, but the meter answers in steps of 4";
    assert_eq!(Profile::from_toml(&four).unwrap_err().to_string(), width);
    let unread = SMALL.split("[[register]]").next().unwrap();
    let empty = "line 1: a profile has 1 to 16 [[read]] and 1 to 128 [[register]] blocks";
    assert!(Profile::from_toml(unread).unwrap_err().to_string().starts_with(empty));
}

#[test]
fn what_a_usable_profile_leaves_open_is_said() {
    use meter::profile::Warning;
    let open = |text: &str| Profile::from_toml(text).unwrap().warnings();
    assert_eq!(open(SMALL), [Warning::NoExample, Warning::NoCounter]);
    assert_eq!(open(&format!("{SMALL}{EXAMPLE}")), [Warning::NoCounter]);
    for (name, warnings) in [
        ("im1281b", &[][..]),
        ("lt-114", &[Warning::Unverified, Warning::RelayUnverified]),
        ("dds238-2-zn-sr", &[]),
        ("adtek-mwh-7a", &[Warning::Unverified, Warning::NoCounter]),
        ("jsy-mk-194", &[Warning::NoCounter]),
        ("jsy-mk-194:ch2", &[]),
    ] {
        assert_eq!(Profile::shipped(name).unwrap().warnings(), warnings, "{name}");
    }
}

#[test]
fn a_channel_is_a_meter_of_its_own() {
    let whole = profile("jsy-mk-194");
    for (name, channel) in [("jsy-mk-194:ch1", "ch1"), ("jsy-mk-194:ch2", "ch2")] {
        let one = Profile::shipped(name).unwrap();
        let exchanges = &whole.examples()[1].exchanges;
        let (all, own) =
            (whole.reading(Address::FIRST, exchanges).unwrap(), one.reading(Address::FIRST, exchanges).unwrap());
        for key in ["voltage_mv", "active_power_mw", "energy_import_mwh", "energy_export_mwh"] {
            let of_channel: Key = format!("{key}_{channel}").parse().unwrap();
            assert_eq!(own.get(key.parse::<Key>().unwrap()), all.get(of_channel), "{name} {key}");
        }
        assert_eq!(own.frequency(), all.frequency(), "both have the one supply");
        assert_eq!(own.iter().count(), 7, "{name} has nothing of the other channel");
    }
    assert!(
        Profile::shipped("jsy-mk-194:ch2")
            .unwrap()
            .reading(Address::FIRST, &whole.examples()[1].exchanges)
            .unwrap()
            .active_power()
            .unwrap()
            .mw()
            < 0
    );
    for name in ["jsy-mk-194:l1", "jsy-mk-194:ch3", "jsy-mk-194:", "sdm120:ch1", "no-such-meter:ch1"] {
        assert_eq!(Profile::shipped(name), None, "{name}");
    }
}

/// What the small profile says of a voltage's bytes.
fn decoded(single: f32) -> Result<Reading, MeterError> {
    let profile = Profile::from_toml(SMALL).unwrap();
    let response = seal([hex("01 04 04"), single.to_be_bytes().to_vec()].concat());
    profile.reading(Address::FIRST, &[Exchange { request: profile.requests(Address::FIRST)[0].frame(), response }])
}

#[test]
fn an_impossible_value_is_refused_with_quantity_value_and_limits() {
    let quantity = Key::from(Quantity::Voltage);
    let implausible = |value| Err(MeterError::Implausible { quantity, value, min: 0, max: 300_000 });
    let not_a_number = || Err(MeterError::NotANumber { quantity });
    let volts = |mv| {
        let mut reading = Reading::new();
        reading.insert(Quantity::Voltage, mv);
        Ok(reading)
    };
    for (single, verdict) in [
        (300.0, volts(300_000)),
        (300.001, implausible(300_001)),
        (-0.001, implausible(-1)),
        (-0.0001, volts(0)),
        (f32::NAN, not_a_number()),
        (f32::INFINITY, not_a_number()),
        (1e30, not_a_number()),
    ] {
        assert_eq!(decoded(single), verdict, "{single}");
    }
}

#[test]
fn exchanges_of_another_poll_are_refused() {
    let sdm = profile("sdm120");
    let example = &sdm.examples()[0];
    let swapped: Vec<Exchange> = example.exchanges.iter().rev().cloned().collect();
    assert_eq!(sdm.reading(Address::FIRST, &swapped), Err(MeterError::WrongRequest { at: 0 }));
    assert_eq!(sdm.reading(Address::modbus(2).unwrap(), &example.exchanges), Err(MeterError::WrongRequest { at: 0 }));
    let one = &example.exchanges[..1];
    assert_eq!(sdm.reading(Address::FIRST, one), Err(MeterError::WrongExchanges { expected: 2, got: 1 }));
}

/// The small profile with a relay.
fn with_relay(relay: &str) -> Result<Relay, ProfileError> {
    let text = format!("{SMALL}\n[relay]\nsource = \"none\"\n{relay}");
    Profile::from_toml(&text).map(|profile| profile.relay().unwrap().clone())
}

#[test]
fn a_relay_is_switched_and_asked_in_its_models_own_way() {
    let register = "kind = \"holding\"\naddress = 0x1A\non = 1\noff = 0\nfunction =";
    for (relay, on, off, asked) in [
        ("kind = \"coil\"\nfunction = 5\naddress = 0", "05 00 00 FF 00", "05 00 00 00 00", Some("01 00 00 00 01")),
        (&format!("{register} 6"), "06 00 1A 00 01", "06 00 1A 00 00", Some("03 00 1A 00 01")),
        (&format!("{register} 16"), "10 00 1A 00 01 02 00 01", "10 00 1A 00 01 02 00 00", Some("03 00 1A 00 01")),
        (&format!("{register} 16\nread_back = false"), "10 00 1A 00 01 02 00 01", "10 00 1A 00 01 02 00 00", None),
    ] {
        let parsed = with_relay(relay).unwrap();
        let frame = |pdu: &str| seal([vec![9], hex(pdu)].concat());
        let nine = Address::modbus(9).unwrap();
        let switch = |on| parsed.switch(nine, on, None).map(|request| request.frame());
        assert_eq!((switch(true), switch(false)), (Some(frame(on)), Some(frame(off))), "{relay}");
        assert_eq!(parsed.read_back(nine).map(|request| request.frame()), asked.map(frame), "{relay}");
    }
}

#[test]
fn a_relays_state_is_on_off_or_an_error_that_names_the_value() {
    let coil = with_relay("kind = \"coil\"\nfunction = 5\naddress = 0").unwrap();
    let register = with_relay("kind = \"holding\"\naddress = 0\non = 0xAA\noff = 0x55\nfunction = 6").unwrap();
    let neither = |value| Err(MeterError::RelayState { value, on: 0xAA, off: 0x55 });
    for (relay, data, state) in [
        (&coil, "01", Ok(true)),
        (&coil, "00", Ok(false)),
        (&coil, "FE", Ok(false)),
        (&register, "00 AA", Ok(true)),
        (&register, "00 55", Ok(false)),
        (&register, "00 01", neither(1)),
        (&register, "01 AA", neither(0x1AA)),
    ] {
        assert_eq!(relay.state(&hex(data)), state, "{data}");
    }
}

#[test]
fn a_relay_that_makes_no_sense_is_refused() {
    for (relay, reason) in [
        ("kind = \"coil\"\nfunction = 6\naddress = 0", "function = 0x05"),
        ("kind = \"coil\"\nfunction = 5\naddress = 0\non = 1", "no `on` and `off`"),
        ("kind = \"holding\"\nfunction = 5\naddress = 0\non = 1\noff = 0", "0x06` or `0x10"),
        ("kind = \"holding\"\nfunction = 6\naddress = 0\non = 1\noff = 1", "two different values"),
        ("kind = \"holding\"\nfunction = 6\naddress = 0\non = 1", "two different values"),
        ("kind = \"input\"\nfunction = 6\naddress = 0\non = 1\noff = 0", "coil"),
    ] {
        let error = with_relay(relay).unwrap_err().to_string();
        assert!(error.contains(reason), "{relay}: {error}");
    }
}

#[test]
fn long_values_are_read_in_both_word_orders() {
    for (coding, order, data, value) in [
        ("u64", "high_first", "00 00 00 00 00 01 E2 40", 123_456),
        ("u64", "low_first", "E2 40 00 01 00 00 00 00", 123_456),
        ("i64", "high_first", "FF FF FF FF FF FF FF FE", -2),
        ("i32", "low_first", "FF FE FF FF", -2),
        ("i16", "high_first", "FF FE", -2),
    ] {
        let text = SMALL.replacen("voltage_mv", "active_power_mw", 1).replacen("min = 0", "min = -300_000", 1);
        let text = text.replacen("f32", coding, 1).replacen("\"1000\"", "\"1\"", 1);
        let text = text.replacen("count = 2", &format!("count = {}", hex(data).len() / 2), 1);
        let text = text.replacen("baud", &format!("word_order = \"{order}\"\nbaud"), 1);
        let profile = Profile::from_toml(&text).unwrap();
        let length = u8::try_from(hex(data).len()).unwrap();
        let response = seal([vec![1, 4, length], hex(data)].concat());
        let exchange = Exchange { request: profile.requests(Address::FIRST)[0].frame(), response };
        assert_eq!(
            profile.reading(Address::FIRST, &[exchange]).unwrap().get(Quantity::ActivePower),
            Some(value),
            "{coding} {order}"
        );
    }
}

#[test]
fn shipped_profiles_leave_the_pause_between_questions_to_the_line() {
    for name in Profile::shipped_names() {
        let gap = Profile::shipped(name).unwrap().gap();
        assert_eq!(gap, units::Millis::ZERO, "{name}: cite the manual that asks for more than 3.5 characters");
    }
}
