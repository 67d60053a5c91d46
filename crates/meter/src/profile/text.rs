//! A profile as it is written, and the checks that make it a [`Profile`].

use super::dlt645::{ItemText, identifiers};
use super::register::SignByte;
use super::relay::{RelayText, yes};
use super::{
    Example, Exchange, Item, Profile, ProfileError, ProfileFault, Register, RegisterRead, RegisterType, Scale,
    TypeApproval, WordOrder,
};
use crate::MeterError;
use crate::modbus::{FRAME_BYTES_MAX, RegisterKind};
use crate::strict_toml::{self, nearest};
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;
use units::{Channel, Key, Millis, Quantity, Reading};

/// Most reads of a poll: more would keep the other meters of the bus waiting for seconds.
const READS_MAX: usize = 16;
/// Most registers: every quantity of every channel, with room.
const REGISTERS_MAX: usize = 128;
/// Baud rates that serial lines have.
const BAUD: [u64; 2] = [300, 921_600];
/// Times for a first byte: below it is no time, and a longer one would keep the other meters waiting.
const TIMEOUT_MS: [u64; 2] = [1, 60_000];
/// Times between an answer and the next question.
const GAP_MS: [u64; 2] = [0, 10_000];
/// What the standard answers for each counted register.
const BYTES_PER_COUNT: u8 = 2;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProfileText {
    model: String,
    manual: String,
    baud: Spanned<u32>,
    timeout_ms: Spanned<u64>,
    gap_ms: Option<Spanned<u64>>,
    bytes_per_count: Option<Spanned<u8>>,
    #[serde(default)]
    word_order: WordOrder,
    #[serde(default = "yes")]
    verified: bool,
    legal_metrology: Option<TypeApproval>,
    relay: Option<Spanned<RelayText>>,
    #[serde(default, rename = "read")]
    reads: Vec<Spanned<ReadText>>,
    #[serde(default, rename = "register")]
    registers: Vec<Spanned<RegisterText>>,
    #[serde(default, rename = "item")]
    items: Vec<Spanned<ItemText>>,
    #[serde(default, rename = "example")]
    examples: Vec<Spanned<ExampleText>>,
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

/// What is wrong, and at which byte of the text.
type Found<T> = Result<T, (usize, ProfileFault)>;

/// From a profile's TOML.
pub(super) fn parse(text: &str) -> Result<Profile, ProfileError> {
    let parsed: ProfileText = strict_toml::from_str(text)
        .map_err(|error| ProfileError { line: error.line(), fault: ProfileFault::Toml(error) })?;
    parsed.check().map_err(|(at, fault)| ProfileError { line: strict_toml::line(text, at), fault })
}

/// Puts the place of a block to what is wrong with it.
fn at<T, U>(block: Spanned<T>, check: impl FnOnce(T) -> Result<U, ProfileFault>) -> Found<U> {
    let start = block.span().start;
    check(block.into_inner()).map_err(|fault| (start, fault))
}

/// A number between two others.
fn within(key: &'static str, value: Spanned<u64>, [least, most]: [u64; 2]) -> Found<u64> {
    at(value, |value| {
        let fault = ProfileFault::Bounds { key, value, least, most };
        if (least..=most).contains(&value) { Ok(value) } else { Err(fault) }
    })
}

impl ProfileText {
    fn check(self) -> Found<Profile> {
        let baud = Spanned::new(self.baud.span(), u64::from(*self.baud.get_ref()));
        within("baud", baud, BAUD)?;
        let timeout = within("timeout_ms", self.timeout_ms, TIMEOUT_MS)?;
        let gap = self.gap_ms.map(|gap| within("gap_ms", gap, GAP_MS)).transpose()?.unwrap_or_default();
        let bytes_per_count = self.bytes_per_count.map(|bytes| at(bytes, check_bytes_per_count)).transpose()?;
        let bytes_per_count = bytes_per_count.unwrap_or(BYTES_PER_COUNT);
        let items: Vec<Item> = each(self.items, ItemText::check)?;
        check_counts(&self.reads, &self.registers, &items).map_err(|fault| (0, fault))?;
        let reads: Vec<RegisterRead> = each(self.reads, |read| read.check(bytes_per_count))?;
        let registers = check_registers(self.registers, &reads, bytes_per_count)?;
        let relay = self.relay.map(|relay| at(relay, |relay| relay.check(bytes_per_count))).transpose()?;
        let profile = Profile {
            model: self.model,
            manual: self.manual,
            baud: self.baud.into_inner(),
            timeout: Millis::from_ms(timeout),
            gap: Millis::from_ms(gap),
            bytes_per_count,
            word_order: self.word_order,
            reads,
            registers,
            items,
            relay,
            verified: self.verified,
            legal_metrology: self.legal_metrology,
            examples: Vec::new(),
        };
        let examples = each(self.examples, |example| example.check(&profile))?;
        Ok(Profile { examples, ..profile })
    }
}

fn each<T, U>(blocks: Vec<Spanned<T>>, check: impl Fn(T) -> Result<U, ProfileFault>) -> Found<Vec<U>> {
    blocks.into_iter().map(|block| at(block, &check)).collect()
}

fn check_bytes_per_count(bytes: u8) -> Result<u8, ProfileFault> {
    if matches!(bytes, 2 | 4) { Ok(bytes) } else { Err(ProfileFault::BytesPerCount(bytes)) }
}

fn check_counts<R, V>(reads: &[R], registers: &[V], items: &[Item]) -> Result<(), ProfileFault> {
    let asked = reads.len() + identifiers(items).len();
    let values = registers.len() + items.len();
    if !(1..=READS_MAX).contains(&asked) || !(1..=REGISTERS_MAX).contains(&values) {
        return Err(ProfileFault::Empty { reads_max: READS_MAX, registers_max: REGISTERS_MAX });
    }
    if !items.is_empty() && reads.len() + registers.len() > 0 {
        return Err(ProfileFault::TwoProtocols);
    }
    Ok(())
}

/// Each register by itself, and then held against those before it.
fn check_registers(
    texts: Vec<Spanned<RegisterText>>,
    reads: &[RegisterRead],
    bytes_per_count: u8,
) -> Found<Vec<Register>> {
    let mut registers: Vec<Register> = Vec::new();
    for text in texts {
        let register = at(text, |text| {
            let register = text.check(reads, bytes_per_count)?;
            for other in &registers {
                if other.key == register.key {
                    return Err(ProfileFault::Twice { quantity: register.key });
                }
                if register.overlaps(other, bytes_per_count) {
                    let (quantity, other, address) = (register.key, other.key, register.address);
                    return Err(ProfileFault::Overlap { quantity, other, address });
                }
            }
            Ok(register)
        })?;
        registers.push(register);
    }
    Ok(registers)
}

impl ReadText {
    fn check(self, bytes_per_count: u8) -> Result<RegisterRead, ProfileFault> {
        let Self { kind, address, count, short_count } = self;
        let read = RegisterRead { kind: kind.into(), address, count, short_count };
        read.request(1, bytes_per_count).map_err(|reason| ProfileFault::Read { address, reason })?;
        if let Some(short_count) = short_count.filter(|short| *short == 0 || *short >= count) {
            return Err(ProfileFault::ShortCount { short_count, count });
        }
        Ok(read)
    }
}

impl RegisterText {
    fn check(self, reads: &[RegisterRead], bytes_per_count: u8) -> Result<Register, ProfileFault> {
        let (quantity, address, width) = (self.quantity.clone(), self.address, self.coding.width());
        let key = parse_key(&self.quantity)?;
        let scale = Scale::parse(&self.scale);
        let scale = scale.ok_or(ProfileFault::Scale { quantity: quantity.clone(), scale: self.scale })?;
        // A quantity that has no negative values is never given one, whatever the profile says.
        let min = if key.quantity.is_signed() { self.min } else { self.min.max(0) };
        if min > self.max {
            return Err(ProfileFault::Limits { quantity, min: self.min, max: self.max });
        }
        if !width.is_multiple_of(usize::from(bytes_per_count)) {
            return Err(ProfileFault::Width { quantity, width, bytes_per_count });
        }
        let (kind, coding, obis, max, wraps_at) = (self.kind.into(), self.coding, self.obis, self.max, self.wraps_at);
        let is_counter = matches!(key.quantity, Quantity::EnergyImport | Quantity::EnergyExport);
        let is_wrap = |wraps_at: i64| is_counter && (1..=scale.step()).contains(&wraps_at.saturating_sub(max));
        if let Some(wraps_at) = wraps_at.filter(|wraps_at| !is_wrap(*wraps_at)) {
            return Err(ProfileFault::Wrap { quantity, wraps_at, max });
        }
        let sign = self.sign.map(|SignText { address, byte, negative }| SignByte { kind, address, byte, negative });
        let has_place = |sign: &SignByte| reads.iter().any(|read| sign.place_in(read, bytes_per_count).is_some());
        if sign.as_ref().is_some_and(|sign| !key.quantity.is_signed() || !coding.is_unsigned() || !has_place(sign)) {
            return Err(ProfileFault::Sign { quantity });
        }
        let register = Register { key, kind, address, coding, obis, min, max, wraps_at, sign, scale };
        if reads.iter().any(|read| register.range_in(read, bytes_per_count).is_some()) {
            Ok(register)
        } else {
            Err(ProfileFault::OutsideReads { quantity, address })
        }
    }
}

impl ExampleText {
    fn check(self, profile: &Profile) -> Result<Example, ProfileFault> {
        let exchange = |text: ExchangeText| {
            Ok(Exchange { request: parse_hex(&text.request)?, response: parse_hex(&text.response)? })
        };
        let mut written = Reading::new();
        for (name, value) in self.reading {
            written.insert(parse_key(&name)?, value);
        }
        let exchanges = self.exchanges.into_iter().map(exchange).collect::<Result<Vec<_>, ProfileFault>>()?;
        let source_text = self.source;
        let decoded = match profile.address_in(&exchanges) {
            Some(address) => profile.reading(address, &exchanges),
            None => Err(MeterError::WrongExchanges { expected: profile.reads_per_poll(), got: exchanges.len() }),
        };
        let decoded = match decoded {
            Ok(decoded) => decoded,
            Err(reason) => return Err(ProfileFault::ExampleRefused { source_text, reason }),
        };
        let keys = decoded.iter().chain(written.iter()).map(|(key, _)| key);
        if let Some(quantity) = keys.into_iter().find(|key| decoded.get(*key) != written.get(*key)) {
            let (decoded, written) = (decoded.get(quantity), written.get(quantity));
            return Err(ProfileFault::ExampleDiffers { source_text, quantity, decoded, written });
        }
        Ok(Example { source: source_text, exchanges, reading: written })
    }
}

pub(super) fn parse_key(name: &str) -> Result<Key, ProfileFault> {
    name.parse().map_err(|name: String| {
        let known: Vec<String> =
            Quantity::ALL.into_iter().map(|quantity| Key { quantity, channel: Channel::Total }.to_string()).collect();
        let nearest = nearest(&name, known.iter().map(String::as_str)).unwrap_or_default().to_owned();
        ProfileFault::UnknownQuantity { name, nearest }
    })
}

/// Bytes from hexadecimal pairs with blanks anywhere between them.
fn parse_hex(text: &str) -> Result<Vec<u8>, ProfileFault> {
    let error = || ProfileFault::Hex(text.to_owned());
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok()).ok_or_else(error);
    if digits.len() % 2 == 1 || digits.len() > FRAME_BYTES_MAX * 2 {
        return Err(error());
    }
    digits.chunks_exact(2).map(|pair| Ok(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}
