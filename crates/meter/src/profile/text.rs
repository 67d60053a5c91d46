//! A profile as it is written, and the checks that make it a [`Profile`].

use super::dlt645::{ItemText, identifiers};
use super::register::SignByte;
use super::relay::{RelayText, yes};
use super::{
    Example, Exchange, Profile, ProfileError, Register, RegisterRead, RegisterType, Scale, TypeApproval, WordOrder,
};
use crate::modbus::{FRAME_BYTES_MAX, RegisterKind};
use crate::strict_toml::nearest;
use serde::Deserialize;
use std::collections::BTreeMap;
use units::{Channel, Key, Millis, Quantity, Reading};

/// Most reads of a poll: more would keep the other meters of the bus waiting for seconds.
const READS_MAX: usize = 16;
/// Most registers: every quantity of every channel, with room.
const REGISTERS_MAX: usize = 128;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProfileText {
    model: String,
    manual: String,
    baud: u32,
    timeout_ms: u64,
    #[serde(default)]
    gap_ms: u64,
    #[serde(default = "two")]
    bytes_per_count: u8,
    #[serde(default)]
    word_order: WordOrder,
    #[serde(default = "yes")]
    verified: bool,
    legal_metrology: Option<TypeApproval>,
    relay: Option<RelayText>,
    #[serde(default, rename = "read")]
    reads: Vec<ReadText>,
    #[serde(default, rename = "register")]
    registers: Vec<RegisterText>,
    #[serde(default, rename = "item")]
    items: Vec<ItemText>,
    #[serde(default, rename = "example")]
    examples: Vec<ExampleText>,
}

const fn two() -> u8 {
    2
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum KindText {
    Holding,
    Input,
}

impl From<KindText> for RegisterKind {
    fn from(kind: KindText) -> Self {
        match kind {
            KindText::Holding => Self::Holding,
            KindText::Input => Self::Input,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadText {
    kind: KindText,
    address: u16,
    count: u16,
    short_count: Option<u16>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RegisterText {
    quantity: String,
    kind: KindText,
    address: u16,
    #[serde(rename = "type")]
    coding: RegisterType,
    scale: String,
    obis: Option<String>,
    min: i64,
    max: i64,
    wraps_at: Option<i64>,
    sign: Option<SignText>,
}

/// The byte that says whether an unsigned value is meant as a negative one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignText {
    address: u16,
    byte: u8,
    negative: u8,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExampleText {
    source: String,
    #[serde(rename = "exchange")]
    exchanges: Vec<ExchangeText>,
    reading: BTreeMap<String, i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExchangeText {
    request: String,
    response: String,
}

impl ProfileText {
    pub(super) fn check(self) -> Result<Profile, ProfileError> {
        let items = self.items.into_iter().map(ItemText::check).collect::<Result<Vec<_>, _>>()?;
        let reads = self.reads.len() + identifiers(&items).len();
        let values = self.registers.len() + items.len();
        let in_bounds = |length, max| (1..=max).contains(&length);
        if !in_bounds(reads, READS_MAX) || !in_bounds(values, REGISTERS_MAX) {
            return Err(ProfileError::Empty { reads_max: READS_MAX, registers_max: REGISTERS_MAX });
        }
        if !items.is_empty() && reads + values > identifiers(&items).len() + items.len() {
            return Err(ProfileError::TwoProtocols);
        }
        let reads =
            self.reads.into_iter().map(|read| read.check(self.bytes_per_count)).collect::<Result<Vec<_>, _>>()?;
        let registers = self.registers.into_iter().map(|register| register.check(&reads, self.bytes_per_count));
        let registers = registers.collect::<Result<_, _>>()?;
        Ok(Profile {
            model: self.model,
            manual: self.manual,
            baud: self.baud,
            timeout: Millis::from_ms(self.timeout_ms),
            gap: Millis::from_ms(self.gap_ms),
            bytes_per_count: self.bytes_per_count,
            word_order: self.word_order,
            reads,
            registers,
            items,
            relay: self.relay.map(|relay| relay.check(self.bytes_per_count)).transpose()?,
            verified: self.verified,
            legal_metrology: self.legal_metrology,
            examples: self.examples.into_iter().map(ExampleText::check).collect::<Result<_, _>>()?,
        })
    }
}

impl ReadText {
    fn check(self, bytes_per_count: u8) -> Result<RegisterRead, ProfileError> {
        let Self { kind, address, count, short_count } = self;
        let read = RegisterRead { kind: kind.into(), address, count, short_count };
        read.request(1, bytes_per_count).map_err(|reason| ProfileError::Read { address, reason })?;
        Ok(read)
    }
}

impl RegisterText {
    fn check(self, reads: &[RegisterRead], bytes_per_count: u8) -> Result<Register, ProfileError> {
        let (quantity, address, width) = (self.quantity.clone(), self.address, self.coding.width());
        let key = parse_key(&self.quantity)?;
        let scale = Scale::parse(&self.scale);
        let scale = scale.ok_or(ProfileError::Scale { quantity: quantity.clone(), scale: self.scale })?;
        // A quantity that has no negative values is never given one, whatever the profile says.
        let min = if key.quantity.is_signed() { self.min } else { self.min.max(0) };
        if min > self.max {
            return Err(ProfileError::Limits { quantity, min: self.min, max: self.max });
        }
        if !width.is_multiple_of(usize::from(bytes_per_count)) {
            return Err(ProfileError::Width { quantity, width, bytes_per_count });
        }
        let (kind, coding, obis, max, wraps_at) = (self.kind.into(), self.coding, self.obis, self.max, self.wraps_at);
        let is_counter = matches!(key.quantity, Quantity::EnergyImport | Quantity::EnergyExport);
        let is_wrap = |wraps_at: i64| is_counter && (1..=scale.step()).contains(&wraps_at.saturating_sub(max));
        if let Some(wraps_at) = wraps_at.filter(|wraps_at| !is_wrap(*wraps_at)) {
            return Err(ProfileError::Wrap { quantity, wraps_at, max });
        }
        let sign = self.sign.map(|SignText { address, byte, negative }| SignByte { kind, address, byte, negative });
        let has_place = |sign: &SignByte| reads.iter().any(|read| sign.place_in(read, bytes_per_count).is_some());
        if sign.as_ref().is_some_and(|sign| !key.quantity.is_signed() || !coding.is_unsigned() || !has_place(sign)) {
            return Err(ProfileError::Sign { quantity });
        }
        let register = Register { key, kind, address, coding, obis, min, max, wraps_at, sign, scale };
        if reads.iter().any(|read| register.range_in(read, bytes_per_count).is_some()) {
            Ok(register)
        } else {
            Err(ProfileError::OutsideReads { quantity, address })
        }
    }
}

impl ExampleText {
    fn check(self) -> Result<Example, ProfileError> {
        let exchange = |text: ExchangeText| {
            Ok(Exchange { request: parse_hex(&text.request)?, response: parse_hex(&text.response)? })
        };
        let mut reading = Reading::new();
        for (name, value) in self.reading {
            reading.insert(parse_key(&name)?, value);
        }
        let exchanges = self.exchanges.into_iter().map(exchange).collect::<Result<_, ProfileError>>()?;
        Ok(Example { source: self.source, exchanges, reading })
    }
}

pub(super) fn parse_key(name: &str) -> Result<Key, ProfileError> {
    name.parse().map_err(|name: String| {
        let known: Vec<String> =
            Quantity::ALL.into_iter().map(|quantity| Key { quantity, channel: Channel::Total }.to_string()).collect();
        let nearest = nearest(&name, known.iter().map(String::as_str)).unwrap_or_default().to_owned();
        ProfileError::UnknownQuantity { name, nearest }
    })
}

/// Bytes from hexadecimal pairs with blanks anywhere between them.
fn parse_hex(text: &str) -> Result<Vec<u8>, ProfileError> {
    let error = || ProfileError::Hex(text.to_owned());
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok()).ok_or_else(error);
    if digits.len() % 2 == 1 || digits.len() > FRAME_BYTES_MAX * 2 {
        return Err(error());
    }
    digits.chunks_exact(2).map(|pair| Ok(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}
