//! Published DL/T 645 frames, each with its verdict; then the same frames spoilt.

use crate::hex;
use meter::Address;
use meter::dlt645::{Authority, Command, Frame, FrameError, LocalTime, Request, Whom};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn address(digits: &str) -> Address {
    digits.parse().unwrap()
}

/// The request behind each vector, as our own builder makes it, and the data of its answer.
fn requests() -> BTreeMap<&'static str, (Request, &'static str)> {
    let of = |digits, identifier, bytes| Request::read(address(digits), identifier, bytes);
    let trip = Request::command(
        address("111111111111"),
        Command::Trip,
        Authority::default(),
        LocalTime::new(2018, [5, 12], [15, 41, 24]).unwrap(),
    );
    BTreeMap::from([
        ("dlt645-fwd-active", (of("000000000161", 0x0001_0000, 4), "26 00 00 00")),
        ("dlt645-rev-active", (of("000000000161", 0x0002_0000, 4), "26 01 00 00")),
        ("dlt645-fwd-reactive", (of("000000000161", 0x0003_0000, 4), "26 00 01 00")),
        ("dlt645-ua", (of("000000000161", 0x0201_0100, 2), "01 10")),
        ("dlt645-ia-req", (of("000000000161", 0x0202_0100, 3), "")),
        ("dlt645-read-addr", (Request::read_address(), "01 00 00 00 00 00")),
        ("dlt645-combined-req", (of("000000237177", 0, 4), "")),
        ("dlt645-voltage-398192", (of("398192000337", 0x0201_0100, 2), "")),
        ("dlt645-req-freq", (of("201500000016", 0x0280_0002, 2), "")),
        ("dlt645-req-energy", (of("201500000016", 0x0001_0000, 4), "")),
        ("dlt645-req-maxdemand", (of("201500000016", 0x0101_0000, 8), "")),
        ("dlt645-bcast-energy", (Request::read_any(0x0001_0000, 4), "")),
        ("dlt645-trip-relay", (trip, "")),
        ("dlt645-rs-crate", (of("202208310002", 0x0280_22FF, 2), "")),
    ])
}

#[test]
fn every_published_frame_is_built_and_taken_as_published_and_a_wrong_sum_is_refused() {
    let file: serde_json::Value = serde_json::from_str(include_str!("../vectors/dlt645-frames.json")).unwrap();
    let mut requests = requests();
    let mut refused = Vec::new();
    for vector in file["vectors"].as_array().unwrap() {
        let id = vector["id"].as_str().unwrap();
        let (request, data) = requests.remove(id).unwrap_or_else(|| panic!("{id} has no request in the table"));
        let bytes = |key: &str| vector[key].as_str().map(hex);
        if let Some(published) = bytes("request") {
            let frame: Vec<u8> = published.iter().copied().skip_while(|byte| *byte == 0xFE).collect();
            if vector["request_checksum_ok"] == true {
                assert_eq!(request.frame(), frame, "{id}");
                assert!(request.awakened().ends_with(&published[published.len() - frame.len()..]), "{id}");
            } else {
                assert!(matches!(Frame::parse(&frame), Err(FrameError::Sum { .. })), "{id}");
                refused.push(id);
            }
        }
        if let Some(response) = bytes("response") {
            if vector["response_checksum_ok"] == true {
                assert_eq!(request.parse(&response), Ok(hex(data)), "{id}");
                assert_eq!(request.find(&response), Ok(Some(response.as_slice())), "{id}");
            } else {
                assert!(matches!(request.parse(&response), Err(FrameError::Sum { .. })), "{id}");
                assert_eq!(request.find(&response), Ok(None), "{id}");
                refused.push(id);
            }
        }
    }
    assert_eq!(refused, ["dlt645-combined-req", "dlt645-voltage-398192", "dlt645-req-freq"]);
    assert_eq!(requests.keys().collect::<Vec<_>>(), Vec::<&&str>::new(), "in the table, not in the file");
}

/// A frame of the meter 161 with any control code and data.
fn frame(digits: &str, control: u8, data: &str) -> Vec<u8> {
    Frame { whom: Whom::Meter(address(digits)), control, data: hex(data) }.bytes()
}

#[test]
fn a_spoilt_answer_is_refused_with_its_reason() {
    use FrameError as E;
    const ME: &str = "000000000161";
    let request = Request::read(address(ME), 0x0201_0100, 2);
    let good = frame(ME, 0x91, "00 01 01 02 01 10");
    assert_eq!(request.parse(&good), Ok(vec![0x01, 0x10]));
    let mut broken = good.clone();
    broken[14] ^= 1;
    let mut not_decimal = good.clone();
    not_decimal[1] = 0x6A;
    not_decimal[16] += 9;
    let (expected, got) = (address(ME), address("000000000162"));
    for (name, bytes, error) in [
        ("nothing", vec![], E::Incomplete { got: 0 }),
        ("cut", good[..17].to_vec(), E::Incomplete { got: 17 }),
        ("longer", [good.clone(), vec![0]].concat(), E::Incomplete { got: 19 }),
        ("a broken sum", broken, E::Sum { computed: 0x11, received: 0x10 }),
        ("an address that is none", not_decimal, E::NotAnAddress),
        ("another meter", frame("000000000162", 0x91, "00 01 01 02 01 10"), E::WrongAddress { expected, got }),
        ("another service", frame(ME, 0x93, "00 01 01 02 01 10"), E::WrongControl { expected: 0x91, got: 0x93 }),
        ("the echo", request.frame(), E::WrongControl { expected: 0x91, got: 0x11 }),
        (
            "another quantity",
            frame(ME, 0x91, "00 02 01 02 01 10"),
            E::WrongIdentifier { expected: 0x0201_0100, got: 0x0201_0200 },
        ),
        ("three bytes", frame(ME, 0x91, "00 01 01 02 01 10 00"), E::WrongLength { expected: 2, got: 3 }),
        ("no data", frame(ME, 0x91, ""), E::WrongLength { expected: 2, got: 0 }),
        ("more follows", frame(ME, 0xB1, "00 01 01 02 01 10"), E::MoreFollows),
        ("a refusal", frame(ME, 0xD1, "02"), E::Refused { control: 0x11, word: 2 }),
        ("an empty refusal", frame(ME, 0xD1, ""), E::WrongLength { expected: 1, got: 0 }),
    ] {
        assert_eq!(request.parse(&bytes), Err(error), "{name}");
    }
    let refused = request.parse(&frame(ME, 0xD1, "04")).unwrap_err();
    let said = "the meter refuses control code 0x11 with error 0x04: the password is wrong or does not allow it";
    assert_eq!(refused.to_string(), said);
}

#[test]
fn noise_and_the_echo_before_an_answer_cost_nothing() {
    let request = Request::read(address("000000000161"), 0x0201_0100, 2);
    let answer = frame("000000000161", 0x91, "00 01 01 02 01 10");
    for noise in ["", "FE FE FE FE", "68", "68 61 01 00 00 00 00 68 91 C8", "00 FF 16 68 68"] {
        let stream = [hex(noise), request.awakened(), answer.clone()].concat();
        assert_eq!(request.find(&stream), Ok(Some(answer.as_slice())), "after {noise}");
        assert_eq!(request.find(&stream[..stream.len() - 1]), Ok(None), "incomplete after {noise}");
    }
    let other = [request.awakened(), frame("000000000162", 0x91, "00 01 01 02 01 10")].concat();
    assert!(matches!(request.diagnose(&other), FrameError::WrongAddress { .. }), "the echo is passed over");
}

#[test]
fn local_seconds_become_the_meters_calendar() {
    for (seconds, expected) in [
        (1_785_499_200, LocalTime::new(2026, [7, 31], [12, 0, 0])),
        (951_782_399, LocalTime::new(2000, [2, 28], [23, 59, 59])),
        (951_782_400, LocalTime::new(2000, [2, 29], [0, 0, 0])),
        (951_868_800, LocalTime::new(2000, [3, 1], [0, 0, 0])),
        (4_102_444_799, LocalTime::new(2099, [12, 31], [23, 59, 59])),
        (4_102_444_800, None),
        (0, None),
    ] {
        assert_eq!(LocalTime::at_local_seconds(seconds), expected, "{seconds}");
    }
    for (year, date, clock) in [(1999, [1, 1], [0, 0, 0]), (2026, [13, 1], [0, 0, 0]), (2026, [1, 1], [24, 0, 0])] {
        assert_eq!(LocalTime::new(year, date, clock), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn frames_survive_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        survive(&bytes);
    }

    #[test]
    fn a_flipped_bit_is_always_noticed(data in prop::collection::vec(any::<u8>(), 4), bit in 0_usize..20 * 8) {
        let request = Request::read(address("000000000161"), 0x0001_0000, 4);
        let data = [vec![0, 0, 1, 0], data].concat();
        let mut bytes = Frame { whom: Whom::Meter(address("000000000161")), control: 0x91, data }.bytes();
        prop_assert!(request.parse(&bytes).is_ok());
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(request.parse(&bytes).is_err());
        prop_assert_eq!(request.find(&bytes), Ok(None));
    }
}

/// Whatever is taken is a frame that says what it is taken for, and is the same when it is built again.
fn survive(bytes: &[u8]) {
    let request = Request::read(address("000000000161"), 0x0001_0000, 4);
    let _ = request.diagnose(bytes);
    let _ = Request::read_address().find(bytes);
    if let Ok(frame) = Frame::parse(bytes) {
        assert_eq!(frame.bytes(), bytes);
    }
    if let Ok(Some(frame)) = request.find(bytes) {
        assert_eq!(request.parse(frame).map(|data| data.len()), Ok(4));
    }
}

/// Bytes in the shape of an answer, so that the search comes past the sum.
#[test]
fn fuzzed_frames_are_taken_or_refused_but_never_break_the_decoder() {
    bolero::check!().with_iterations(20_000).for_each(|input: &[u8]| {
        survive(input);
        let data = input[..input.len().min(200)].to_vec();
        let control = input.first().copied().unwrap_or(0x91);
        let mut bytes = Frame { whom: Whom::Meter(address("000000000161")), control, data }.bytes();
        survive(&bytes);
        bytes.extend(input);
        survive(&bytes);
    });
}
