//! Published and captured frames, each with its verdict; then the same frames spoilt.

use crate::hex;
use meter::modbus::{FrameError, RegisterKind, Request, crc16, seal, tcp_frame, tcp_split};
use std::collections::BTreeMap;

fn read(address: u8, kind: RegisterKind, first: u16, count: u16, bytes_each: u8) -> Request {
    Request::read(address, kind, first, count, bytes_each).unwrap()
}

/// The request behind each vector, as our own builder makes it.
fn requests() -> BTreeMap<&'static str, Request> {
    use RegisterKind::{Holding, Input};
    BTreeMap::from([
        ("im-read-all", read(1, Holding, 0x48, 8, 4)),
        ("im-clear-energy", Request::write_registers(1, 0x4B, &[0, 0]).unwrap()),
        ("im-old-6-block", read(1, Holding, 0x48, 6, 4)),
        ("im-resync", Request::write_registers(1, 0x4B, &[0, 0]).unwrap()),
        ("im-addr160-read", read(160, Holding, 0x48, 8, 4)),
        ("im-bcast-addr", read(255, Holding, 0x48, 8, 4)),
        ("im-read-2", read(1, Holding, 0x48, 2, 4)),
        ("im-block-8", read(1, Holding, 0x48, 8, 4)),
        ("jsy194-read-all", read(1, Holding, 0x48, 14, 4)),
        ("pzem-live-a", read(1, Input, 0, 10, 2)),
        ("pzem-live-b", read(1, Input, 0, 10, 2)),
        ("pzem-live-d", read(1, Input, 0, 10, 2)),
        ("pzem-read-all", read(1, Input, 0, 10, 2)),
        ("sdm630-p2-power", read(1, Input, 0x0E, 2, 2)),
        ("sdm630-sum-l3-kwh", read(1, Input, 0x16A, 2, 2)),
        ("sdm630-va-total", read(1, Input, 0x38, 2, 2)),
        ("sdm72-first", read(1, Input, 0, 2, 2)),
        ("sdm72-one-reg-wrong", read(1, Input, 0, 1, 2)),
        ("peer-pymodbus-im", read(2, Holding, 0x48, 16, 2)),
        ("peer-pymodbus-sdm-v", read(1, Input, 0, 2, 2)),
        ("peer-coil-on", Request::write_coil(4, 0, true)),
        ("peer-coil-read", Request::read_coils(4, 0, 1).unwrap()),
    ])
}

#[test]
fn every_published_frame_is_built_and_taken_as_published() {
    let file: serde_json::Value = serde_json::from_str(include_str!("../vectors/modbus-frames.json")).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    let mut requests = requests();
    for vector in vectors {
        let id = vector["id"].as_str().unwrap();
        let request = requests.remove(id).unwrap_or_else(|| panic!("{id} has no request in the table"));
        let bytes = |key: &str| vector[key].as_str().map(hex);
        if let Some(published) = bytes("request") {
            assert_eq!(request.rtu(), published, "{id}");
        }
        if let Some(response) = bytes("response") {
            request.parse_rtu(&response).unwrap_or_else(|error| panic!("{id}: {error}"));
            assert_eq!(request.find_rtu(&response), Ok(Some(response.as_slice())), "{id}");
        }
        if let Some(stream) = bytes("stream_hex") {
            assert_eq!(request.find_rtu(&stream), Ok(Some(&stream[2..])), "{id}");
        }
    }
    assert_eq!(requests.keys().collect::<Vec<_>>(), Vec::<&&str>::new(), "in the table, not in the file");
}

#[test]
fn noise_before_an_answer_costs_nothing() {
    let request = read(1, RegisterKind::Holding, 0x48, 6, 4);
    let answer = hex("01 03 18 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 03 E7 00 00 00 00 58 D1");
    for noise in ["01 AA", "", "00", "01 03 18", "FF FF FF 01", "01 03 00 48 00 06 C5 DE"] {
        let stream = [hex(noise), answer.clone()].concat();
        assert_eq!(request.find_rtu(&stream), Ok(Some(answer.as_slice())), "after {noise}");
        assert_eq!(request.find_rtu(&stream[..stream.len() - 1]), Ok(None), "incomplete after {noise}");
    }
}

#[test]
fn a_spoilt_answer_is_refused_with_its_reason() {
    use FrameError as E;
    let request = read(1, RegisterKind::Input, 0, 2, 2);
    let good = hex("01 04 04 43 66 33 33 5A FA");
    assert_eq!(request.parse_rtu(&good), Ok(&good[3..7]));
    let broken_crc = E::Crc { computed: crc16(&good[..7]), received: 0xFB5A };
    for (name, frame, error) in [
        ("nothing", vec![], E::TooShort { got: 0, need: 9 }),
        ("cut", good[..7].to_vec(), E::TooShort { got: 7, need: 9 }),
        ("broken CRC", hex("01 04 04 43 66 33 33 5A FB"), broken_crc),
        ("another address", seal(hex("02 04 04 43 66 33 33")), E::WrongAddress { expected: 1, got: 2 }),
        ("another function", seal(hex("01 03 04 43 66 33 33")), E::WrongFunction { expected: 4, got: 3 }),
        ("a longer read", seal(hex("01 04 06 43 66 33 33 00 00")), E::WrongLength { expected: 4, got: 6 }),
        ("half a float", seal(hex("01 04 02 43 66")), E::WrongLength { expected: 4, got: 2 }),
        ("a false count", seal(hex("01 04 04 43 66 33")), E::WrongLength { expected: 4, got: 3 }),
        ("exception", seal(hex("01 84 02")), E::Exception { function: 4, code: 2, meaning: "it has no such register" }),
        ("long exception", seal(hex("01 84 02 00")), E::WrongLength { expected: 1, got: 2 }),
    ] {
        assert_eq!(request.parse_rtu(&frame), Err(error), "{name}");
    }
}

#[test]
fn what_came_instead_of_an_answer_is_named() {
    use FrameError as E;
    let request = read(1, RegisterKind::Input, 0, 2, 2);
    for (name, stream, error) in [
        ("another address after noise", seal(hex("02 04 04 43 66 33 33")), E::WrongAddress { expected: 1, got: 2 }),
        ("another length", seal(hex("01 04 02 43 66")), E::WrongLength { expected: 4, got: 2 }),
    ] {
        let stream = [hex("AA 55 00"), stream].concat();
        assert_eq!(request.find_rtu(&stream), Ok(None), "{name}");
        assert_eq!(request.diagnose_rtu(&stream), error, "{name}");
    }
    let noise = hex("AA 55 00 12 34 56");
    assert!(matches!(request.diagnose_rtu(&noise), E::Crc { .. }));
}

#[test]
fn a_write_confirmed_with_another_value_is_refused() {
    let request = Request::write_register(4, 1, 0x1234);
    assert_eq!(request.parse_rtu(&request.rtu()), Ok(&hex("00 01 12 34")[..]));
    assert_eq!(request.parse_rtu(&seal(hex("04 06 00 01 12 35"))), Err(FrameError::WrongEcho));
}

#[test]
fn a_request_that_fits_no_frame_is_refused() {
    for (count, bytes_each) in [(0, 2), (126, 2), (63, 4), (u16::MAX, 4), (8, 0)] {
        let error = FrameError::RequestSize { count, bytes_each };
        assert_eq!(Request::read(1, RegisterKind::Input, 0, count, bytes_each), Err(error));
    }
    assert!(Request::read(1, RegisterKind::Input, 0, 125, 2).is_ok());
    assert!(Request::write_registers(1, 0, &[0; 124]).is_err());
    assert!(Request::read_coils(1, 0, 2_001).is_err());
}

#[test]
fn over_tcp_only_the_answer_to_this_transaction_is_taken() {
    use FrameError as E;
    let request = read(1, RegisterKind::Input, 0, 2, 2);
    assert_eq!(request.tcp(0x0102), hex("01 02 00 00 00 06 01 04 00 00 00 02"));
    let pdu = hex("04 04 43 66 33 33");
    for (name, transaction, unit, pdu, verdict) in [
        ("this one", 7, 1, pdu.clone(), Ok(pdu[2..].to_vec())),
        ("an earlier one", 6, 1, pdu.clone(), Err(E::WrongTransaction { expected: 7, got: 6 })),
        ("another unit", 7, 2, pdu.clone(), Err(E::WrongAddress { expected: 1, got: 2 })),
        ("cut inside", 7, 1, pdu[..5].to_vec(), Err(E::WrongLength { expected: 4, got: 3 })),
    ] {
        let stream = [tcp_frame(transaction, unit, &pdu), hex("00 08")].concat();
        let (frame, length) = tcp_split(&stream).unwrap().unwrap();
        assert_eq!(length, stream.len() - 2, "{name}");
        assert_eq!(request.parse_tcp(7, &frame).map(<[u8]>::to_vec), verdict, "{name}");
        assert_eq!(tcp_split(&stream[..length - 1]), Ok(None), "{name}, incomplete");
    }
    for (stream, protocol, length) in
        [("00 07 00 01 00 06 01", 1, 6), ("00 07 00 00 00 01 01", 0, 1), ("00 07 00 00 00 FF 01", 0, 255)]
    {
        assert_eq!(tcp_split(&hex(stream)), Err(E::WrongProtocol { protocol, length }));
    }
}
