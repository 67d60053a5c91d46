//! Frames in words.

use super::{Heard, What};
use crate::dlt645::{self, Ending, Whom};
use crate::modbus::{
    EXCEPTION_FLAG, READ_COILS, READ_HOLDING, READ_INPUT, WRITE_COIL, WRITE_REGISTER, WRITE_REGISTERS, crc16,
    exception_meaning,
};

/// What was heard, in words that name address, function and place, or what is wrong with the bytes.
#[must_use]
pub fn describe(heard: &Heard) -> String {
    let Heard { bytes, what, .. } = heard;
    match (dlt645::Frame::parse(bytes), what) {
        (_, What::Noise) => noise(bytes),
        (Ok(frame), _) => dlt645_frame(&frame),
        (Err(_), What::Request) => modbus_request(bytes),
        (Err(_), What::Answer { .. }) => modbus_answer(bytes),
    }
}

fn noise(bytes: &[u8]) -> String {
    let count = bytes.len();
    match bytes.split_last_chunk::<2>() {
        Some((body, crc)) if body.len() >= 2 => {
            let (computed, received) = (crc16(body), u16::from_le_bytes(*crc));
            format!("no frame: {count} bytes; check value {received:#06x} instead of {computed:#06x}")
        }
        _ => format!("no frame: {count} bytes"),
    }
}

/// The two words behind address and function.
fn words(bytes: &[u8]) -> (u16, u16) {
    let word = |at: usize| match bytes.get(at..at + 2) {
        Some(&[high, low]) => u16::from_be_bytes([high, low]),
        _ => 0,
    };
    (word(2), word(4))
}

fn modbus_request(bytes: &[u8]) -> String {
    let (address, function) = (bytes.first().copied().unwrap_or_default(), bytes.get(1).copied().unwrap_or_default());
    let (at, word) = words(bytes);
    match function {
        READ_COILS => format!("asks {address} for {word} coils from {at:#06x}"),
        READ_HOLDING => format!("asks {address} for {word} holding registers from {at:#06x}"),
        READ_INPUT => format!("asks {address} for {word} input registers from {at:#06x}"),
        WRITE_COIL => format!("sets coil {at:#06x} of {address} to {}", if word == 0 { "off" } else { "on" }),
        WRITE_REGISTER => format!("writes {word} to register {at:#06x} of {address}"),
        WRITE_REGISTERS => format!("writes {word} registers of {address} from {at:#06x}"),
        _ => format!("asks {address} for function {function:#04x}"),
    }
}

fn modbus_answer(bytes: &[u8]) -> String {
    let (address, function) = (bytes.first().copied().unwrap_or_default(), bytes.get(1).copied().unwrap_or_default());
    let third = bytes.get(2).copied().unwrap_or_default();
    match function {
        READ_COILS..=READ_INPUT => format!("{address} answers {third} data bytes"),
        WRITE_COIL | WRITE_REGISTER | WRITE_REGISTERS => {
            format!("{address} confirms the write at {:#06x}", words(bytes).0)
        }
        _ => format!(
            "{address} refuses function {:#04x} with exception {third}: {}",
            function & !EXCEPTION_FLAG,
            exception_meaning(third)
        ),
    }
}

fn dlt645_frame(frame: &dlt645::Frame) -> String {
    let meter = match frame.whom {
        Whom::Meter(address) => address.to_string(),
        Whom::Ending(Ending::ANY) => "any meter".to_owned(),
        Whom::Ending(ending) => format!("all meters ending in {ending}"),
    };
    let identifier = match frame.data.get(..4) {
        Some(&[a, b, c, d]) => format!(" {:08X}", u32::from_le_bytes([a, b, c, d])),
        _ => String::new(),
    };
    if frame.control & dlt645::FROM_METER == 0 {
        return match frame.control {
            dlt645::READ => format!("asks {meter} for data{identifier}"),
            dlt645::READ_ADDRESS => format!("asks {meter} for its address"),
            dlt645::CONTROL => format!("commands the relay of {meter}"),
            other => format!("asks {meter} for function {other:#04x}"),
        };
    }
    if frame.control & dlt645::REFUSED != 0 {
        let word = frame.data.first().copied().unwrap_or_default();
        return format!("{meter} refuses with error word {word:#04x}");
    }
    let count = frame.data.len();
    if frame.control & 0x1F == dlt645::READ {
        format!("{meter} answers data{identifier}, {count} data bytes")
    } else {
        format!("{meter} answers {count} data bytes")
    }
}
