//! Shipped profiles give the readings of their example frames; a profile with a mistake is refused with its reason.

use crate::{hex, profile};
use meter::modbus::{FrameError, seal};
use meter::strict_toml::TomlError;
use meter::{Address, Exchange, MeterError, Profile, ProfileError, Relay};
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
        assert_eq!(Profile::from_toml(&text), Err(ProfileError::Toml(error)), "{wrong}");
    }
    let slip = Profile::from_toml(&SMALL.replacen("timeout_ms", "timout_ms", 1)).unwrap_err();
    assert_eq!(slip.to_string(), "line 5: unknown key `timout_ms`; did you mean `timeout_ms`?");
}

#[test]
fn a_profile_with_a_mistake_is_refused_with_its_reason() {
    let quantity = || "voltage_mv".to_owned();
    for (right, wrong, error) in [
        (
            "voltage_mv",
            "voltage_v",
            ProfileError::UnknownQuantity { name: "voltage_v".to_owned(), nearest: "voltage_mv".to_owned() },
        ),
        ("\"1000\"", "\"1e3\"", ProfileError::Scale { quantity: quantity(), scale: "1e3".to_owned() }),
        ("address = 0\ntype", "address = 1\ntype", ProfileError::OutsideReads { quantity: quantity(), address: 1 }),
        ("min = 0", "min = 300_001", ProfileError::Limits { quantity: quantity(), min: 300_001, max: 300_000 }),
        (
            "count = 2",
            "count = 126",
            ProfileError::Read { address: 0, reason: FrameError::RequestSize { count: 126, bytes_each: 2 } },
        ),
        (
            "type = \"f32\"",
            "type = \"u16\"",
            ProfileError::Width { quantity: quantity(), width: 2, bytes_per_count: 4 },
        ),
    ] {
        let text = SMALL.replacen(right, wrong, 1);
        let four = if wrong.contains("u16") { text.replacen("baud", "bytes_per_count = 4\nbaud", 1) } else { text };
        assert_eq!(Profile::from_toml(&four), Err(error), "{wrong}");
    }
    let missing = Profile::from_toml(&SMALL.replacen("baud = 9600\n", "", 1)).unwrap_err();
    assert!(missing.to_string().contains("baud"), "{missing}");
    let unread = SMALL.split("[[register]]").next().unwrap();
    assert!(matches!(Profile::from_toml(unread), Err(ProfileError::Empty { .. })));
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
