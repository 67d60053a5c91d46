//! Any bytes at any decoder: a value or a typed error, never a panic.

use crate::{START, address, exchanges, profile, simulated};
use meter::modbus::{RegisterKind, Request, crc16, seal, tcp_frame, tcp_split};
use meter::{Address, Bus, BusInput, Device, Exchange, Framing, Profile, Replay, SimulatedBus};
use proptest::prelude::*;
use units::{Micros, Millis};

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..600)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn frames_survive_any_bytes(bytes in any_bytes(), count in 1_u16..60) {
        let request = Request::read(1, RegisterKind::Holding, 0, count, 4).unwrap();
        let _ = request.parse_rtu(&bytes);
        let _ = request.parse_rtu(&seal(bytes.clone()));
        let _ = request.diagnose_rtu(&bytes);
        if let Ok(Some(frame)) = request.find_rtu(&bytes) {
            prop_assert_eq!(request.parse_rtu(frame).unwrap().len(), usize::from(count) * 4);
        }
        if let Ok(Some((frame, length))) = tcp_split(&bytes) {
            prop_assert!(length <= bytes.len());
            let _ = request.parse_tcp(frame.transaction, &frame);
            prop_assert_eq!(tcp_frame(frame.transaction, frame.unit, frame.pdu), bytes[..length].to_vec());
        }
    }

    #[test]
    fn a_flipped_bit_is_always_noticed(data in prop::collection::vec(any::<u8>(), 32), bit in 0_usize..37 * 8) {
        let request = Request::read(1, RegisterKind::Holding, 0x48, 8, 4).unwrap();
        let mut frame = seal([vec![1, 3, 32], data].concat());
        prop_assert!(request.parse_rtu(&frame).is_ok());
        frame[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(request.parse_rtu(&frame).is_err());
        prop_assert_eq!(request.find_rtu(&frame), Ok(None));
    }

    #[test]
    fn a_crc_appended_checks_to_zero(bytes in any_bytes()) {
        prop_assert_eq!(crc16(&seal(bytes)), 0);
    }

    #[test]
    fn profiles_survive_any_data(data in prop::collection::vec(any::<u8>(), 256)) {
        for name in Profile::shipped_names() {
            let profile = profile(name);
            let exchange = |(request, read): (meter::Request, &meter::profile::RegisterRead)| {
                let bytes = read.count * u16::from(profile.bytes_per_count());
                let function = request.as_modbus().unwrap().function();
                let head = vec![1, function, u8::try_from(bytes).unwrap()];
                Exchange { request: request.frame(), response: seal([head, data[..usize::from(bytes)].to_vec()].concat()) }
            };
            let poll: Vec<Exchange> = profile.requests(Address::FIRST).into_iter().zip(profile.reads()).map(exchange).collect();
            if let Ok(reading) = profile.reading(Address::FIRST, &poll) {
                for register in profile.registers() {
                    let value = reading.get(register.key).unwrap();
                    prop_assert!((register.min..=register.max).contains(&value));
                }
            }
        }
    }

    #[test]
    fn texts_survive_any_text(text in "\\PC{0,200}") {
        let _ = Profile::from_toml(&text);
        let _ = Replay::from_csv(&text);
        let _ = Replay::from_csv(&format!("p_kw,q_kvar,v\n{text}"));
    }

    #[test]
    fn both_ends_of_a_line_survive_any_bytes(pieces in prop::collection::vec(any_bytes(), 1..8), tcp: bool) {
        let framing = if tcp { Framing::Tcp } else { Framing::Rtu { baud: 9_600 } };
        let mut line = SimulatedBus::new(vec![simulated("sdm120", 1)], framing);
        let device = Device {
            meter: "M1".parse().unwrap(), address: Address::FIRST, profile: profile("sdm120"), poll_every: Millis::from_seconds(1),
        };
        let mut bus = Bus::new(vec![device], framing);
        for (now, piece) in (0_u64..).step_by(100).zip(pieces) {
            line.receive(START, &piece);
            bus.step(Micros::from_ms(now), BusInput::Received(piece));
        }
    }

    #[test]
    fn what_a_simulated_meter_sends_is_what_it_measures(ms in 0_u64..1_000_000_000_000, number in 1_u8..=247) {
        for name in Profile::shipped_names() {
            let (profile, meter, address) = (profile(name), simulated(name, number), address(name, number));
            let now = START + Millis::from_ms(ms % 2_000_000_000);
            let read = profile.reading(address, &exchanges(&meter, &profile, now)).unwrap();
            let values = meter.values_at(now);
            for register in profile.registers() {
                let (value, shown) = (values.get(register.key).unwrap(), read.get(register.key).unwrap());
                prop_assert!((value - shown).abs() <= register.resolution(value), "{} {}", name, register.key);
            }
        }
    }
}
