//! Meter models as data: which registers to read, and how their values become a [`Reading`].
//!
//! Invariant: a [`Profile`] that was loaded is usable as it stands: every register lies in a read, every read fits a
//! frame, every scale is exact, and a value outside its limits never becomes part of a reading.
//!
//! A new model needs one TOML file and no code; its `[[example]]` frames are its test.

mod approval;
mod channel;
mod dlt645;
mod error;
mod number;
mod powers;
mod protocol;
mod register;
mod relay;
mod shipped;
mod text;
mod warning;

use crate::{Address, MeterError, Request};
pub use approval::{Approved, TypeApproval};
pub use dlt645::Item;
pub(crate) use dlt645::simulated_data;
pub use error::{ProfileError, ProfileFault};
use number::Scale;
pub use protocol::Protocol;
pub use register::{Register, RegisterRead, RegisterType, SignByte, WordOrder};
pub use relay::Relay;
pub(crate) use relay::RelayCommand;
use shipped::SHIPPED;
use std::ops::RangeInclusive;
use units::{Energy, Key, Millis, Quantity, Reading};
pub use warning::Warning;

/// One request and its answer, both as they stand on a serial line: what is kept as evidence of a reading.
///
/// Modbus over TCP carries no CRC; there both frames are put into RTU form, so that one decoder checks all evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// As sent.
    pub request: Vec<u8>,
    /// As received.
    pub response: Vec<u8>,
}

/// Example frames with the reading that they must give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// Where the frames come from.
    pub source: String,
    /// One exchange for each read, in order.
    pub exchanges: Vec<Exchange>,
    /// What they say.
    pub reading: Reading,
}

/// A meter model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    model: String,
    manual: String,
    baud: u32,
    timeout: Millis,
    gap: Millis,
    bytes_per_count: u8,
    word_order: WordOrder,
    reads: Vec<RegisterRead>,
    registers: Vec<Register>,
    items: Vec<Item>,
    relay: Option<Relay>,
    verified: bool,
    legal_metrology: Option<TypeApproval>,
    examples: Vec<Example>,
}

impl Profile {
    /// A profile that comes with the program, such as `im1281b`, or one channel of it, such as `jsy-mk-194:ch2`.
    #[must_use]
    pub fn shipped(name: &str) -> Option<Self> {
        // A shipped profile that does not load is a defect of the build; a test loads each.
        Self::of_name(name, |name| Self::from_toml(Self::shipped_text(name)?).ok())
    }

    /// The names that [`Profile::shipped`] knows.
    #[must_use]
    pub fn shipped_names() -> Vec<&'static str> {
        SHIPPED.iter().map(|(name, _)| *name).collect()
    }

    /// The text of a profile that comes with the program: what an own one can begin with.
    #[must_use]
    pub fn shipped_text(name: &str) -> Option<&'static str> {
        SHIPPED.into_iter().find(|(shipped, _)| *shipped == name).map(|(_, text)| text)
    }

    /// From a profile's TOML.
    ///
    /// # Errors
    /// When it is not one, with the line; for a misspelt key with the key probably meant.
    pub fn from_toml(text: &str) -> Result<Self, ProfileError> {
        text::parse(text)
    }

    /// The same model with other pauses: behind a radio a meter answers later than on a wire.
    #[must_use]
    pub fn with_timing(mut self, gap: Option<Millis>, timeout: Option<Millis>) -> Self {
        self.gap = gap.unwrap_or(self.gap);
        self.timeout = timeout.unwrap_or(self.timeout);
        self
    }

    /// Maker and model.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }
    /// Where its manual is.
    #[must_use]
    pub fn manual(&self) -> &str {
        &self.manual
    }
    /// The baud rate that it has when it comes out of its box.
    #[must_use]
    pub const fn baud(&self) -> u32 {
        self.baud
    }
    /// How long it may think before its answer begins; the time on the wire comes on top.
    #[must_use]
    pub const fn timeout(&self) -> Millis {
        self.timeout
    }
    /// Silence that it needs between an answer and the next request, if longer than the line's own.
    #[must_use]
    pub const fn gap(&self) -> Millis {
        self.gap
    }
    /// Bytes that it answers for each counted register: 2 by the standard, 4 for the IM12xx family.
    #[must_use]
    pub const fn bytes_per_count(&self) -> u8 {
        self.bytes_per_count
    }
    /// The order of the two words of a 32-bit value.
    #[must_use]
    pub const fn word_order(&self) -> WordOrder {
        self.word_order
    }
    /// The blocks that are read, in order.
    #[must_use]
    pub fn reads(&self) -> &[RegisterRead] {
        &self.reads
    }
    /// The registers that give its values.
    #[must_use]
    pub fn registers(&self) -> &[Register] {
        &self.registers
    }
    /// Its switch, if it has one.
    #[must_use]
    pub const fn relay(&self) -> Option<&Relay> {
        self.relay.as_ref()
    }
    /// Whether its registers were found in a document or tried on a real meter; shown wherever the profile is.
    #[must_use]
    pub const fn is_verified(&self) -> bool {
        self.verified
    }
    /// Its type approval; `None` when nothing is known of one.
    #[must_use]
    pub const fn legal_metrology(&self) -> Option<&TypeApproval> {
        self.legal_metrology.as_ref()
    }
    /// The register of a key; a DL/T 645 meter has items instead.
    #[must_use]
    pub fn register(&self, key: impl Into<Key>) -> Option<&Register> {
        let key = key.into();
        self.registers.iter().find(|register| register.key == key)
    }
    /// Where the import counter begins again at zero: the first value that it does not show. `None` when no source says.
    #[must_use]
    pub fn wraps_at(&self) -> Option<Energy> {
        let key = Key::from(Quantity::EnergyImport);
        let item = self.items.iter().find(|item| item.key == key).and_then(|item| item.wraps_at);
        let wraps_at = item.or_else(|| self.register(key)?.wraps_at)?;
        u64::try_from(wraps_at).ok().map(Energy::from_mwh)
    }
    /// The values of a DL/T 645 meter; a Modbus one has registers instead.
    #[must_use]
    pub fn items(&self) -> &[Item] {
        &self.items
    }
    /// What it speaks.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        if self.items.is_empty() { Protocol::Modbus } else { Protocol::Dlt645 }
    }
    /// What it measures, in the order of its registers or items.
    pub fn keys(&self) -> impl Iterator<Item = Key> + '_ {
        self.registers.iter().map(|register| register.key).chain(self.items.iter().map(|item| item.key))
    }
    /// Lowest and highest possible value of what it measures, in the quantity's unit; `None` for what it does not.
    #[must_use]
    pub fn limits(&self, key: impl Into<Key>) -> Option<RangeInclusive<i64>> {
        let key = key.into();
        let registers = self.registers.iter().map(|register| (register.key, register.min..=register.max));
        let items = self.items.iter().map(|item| (item.key, item.min..=item.max));
        registers.chain(items).find(|(found, _)| *found == key).map(|(_, limits)| limits)
    }
    /// The same model, waited for another time.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Millis) -> Self {
        self.timeout = timeout;
        self
    }
    /// How many requests make a poll.
    #[must_use]
    pub fn reads_per_poll(&self) -> usize {
        self.reads.len() + dlt645::identifiers(&self.items).len()
    }
    /// Frames with the reading they must give.
    #[must_use]
    pub fn examples(&self) -> &[Example] {
        &self.examples
    }

    /// The requests of one poll, in order; none for an address of another protocol.
    #[must_use]
    pub fn requests(&self, address: Address) -> Vec<Request> {
        let Some(modbus) = address.as_modbus() else { return dlt645::requests(&self.items, address) };
        // Loading has tried each read, so none is refused here.
        let request = |read: &RegisterRead| read.request(modbus, self.bytes_per_count).ok().map(Request::from);
        self.reads.iter().filter_map(request).collect()
    }

    /// The address that a poll's exchanges speak of: the one asked, or of answers alone the one that answered.
    #[must_use]
    pub fn address_in(&self, exchanges: &[Exchange]) -> Option<Address> {
        let Exchange { request, response } = exchanges.first()?;
        let frame = if request.is_empty() { response } else { request };
        match self.protocol() {
            Protocol::Modbus => Address::modbus(*frame.first()?),
            Protocol::Dlt645 => dlt645::address_of(frame),
        }
    }

    /// The reading that one poll's exchanges give: the only way from bytes to values, used live and for evidence.
    ///
    /// # Errors
    /// When the exchanges are not this poll's, a frame fails a check, or a value is impossible.
    pub fn reading(&self, address: Address, exchanges: &[Exchange]) -> Result<Reading, MeterError> {
        let requests = self.requests(address);
        if requests.is_empty() || requests.len() != exchanges.len() {
            return Err(MeterError::WrongExchanges { expected: requests.len(), got: exchanges.len() });
        }
        let mut blocks = Vec::new();
        for ((request, exchange), at) in requests.iter().zip(exchanges).zip(self.places()) {
            if exchange.request != request.frame() {
                return Err(MeterError::WrongRequest { at });
            }
            blocks.push(request.parse(&exchange.response)?);
        }
        let mut reading = Reading::new();
        for (read, block) in self.reads.iter().zip(&blocks) {
            let answered = self.values(read, block)?;
            // Only values of one answer are compared: between two answers a load may have been switched.
            powers::check(&answered, |key, value| self.resolution(key, value))?;
            answered.iter().for_each(|(key, value)| reading.insert(key, value));
        }
        for (identifier, block) in dlt645::identifiers(&self.items).into_iter().map(|(at, _)| at).zip(&blocks) {
            dlt645::take_values(&self.items, identifier, block, &mut reading)?;
        }
        if self.protocol() == Protocol::Dlt645 {
            // Each value is an answer of its own here, and a sum of 8 bits passes one damaged answer in 256, so that the
            // reading which a switched load costs now and then is the smaller harm.
            powers::check(&reading, |key, value| self.resolution(key, value))?;
        }
        Ok(reading)
    }

    /// First registers of the reads, or identifiers, in the order of the requests.
    fn places(&self) -> Vec<u32> {
        let reads = self.reads.iter().map(|read| u32::from(read.address));
        reads.chain(dlt645::identifiers(&self.items).into_iter().map(|(at, _)| at)).collect()
    }

    /// How far apart neighbouring values of a quantity are at a value, in the quantity's unit; zero for one that the model
    /// does not have.
    #[must_use]
    pub fn resolution(&self, key: Key, value: i64) -> i64 {
        let item = self.items.iter().find(|item| item.key == key).map(Item::resolution);
        let register = || self.register(key).map(|register| register.resolution(value));
        item.or_else(register).unwrap_or(0)
    }

    /// Decodes the registers of one read out of its data; an older model's shorter answer has fewer.
    fn values(&self, read: &RegisterRead, block: &[u8]) -> Result<Reading, MeterError> {
        let mut reading = Reading::new();
        for register in &self.registers {
            let Some(bytes) = register.range_in(read, self.bytes_per_count).and_then(|range| block.get(range)) else {
                continue;
            };
            let is_negative = register.sign.as_ref().is_some_and(|sign| sign.is_set(read, self.bytes_per_count, block));
            reading.insert(register.key, register.decode(bytes, self.word_order, is_negative)?);
        }
        Ok(reading)
    }
}
