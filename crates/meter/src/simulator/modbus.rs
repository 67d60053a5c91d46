//! The simulated meter's Modbus side: registers read, relay switched, the rest refused as the standard says.

use super::SimulatedMeter;
use crate::modbus::{
    EXCEPTION_FLAG, FRAME_BYTES_MAX, ILLEGAL_ADDRESS, ILLEGAL_FUNCTION, ILLEGAL_VALUE, READ_HOLDING, READ_INPUT,
    RegisterKind, crc16, seal,
};
use crate::profile::{Protocol, RegisterRead, RelayCommand};
use units::Timestamp;

impl SimulatedMeter {
    /// The answer to a request on a serial line that only asks; `None` when it is for somebody else or broken, as a real meter keeps
    /// silent. A command is refused here: [`SimulatedMeter::take`] obeys it.
    #[must_use]
    pub fn respond(&self, now: Timestamp, request: &[u8]) -> Option<Vec<u8>> {
        if self.profile.protocol() == Protocol::Dlt645 {
            return self.respond_dlt645(now, request);
        }
        self.for_me(request).map(|pdu| self.sealed(self.answer(now, pdu)))
    }

    /// The answer to a request on a serial line, after what it commands is done.
    pub fn take(&mut self, now: Timestamp, request: &[u8]) -> Option<Vec<u8>> {
        if self.profile.protocol() == Protocol::Dlt645 {
            return self.take_dlt645(now, request);
        }
        let answer = self.take_pdu(now, self.for_me(request)?);
        Some(self.sealed(answer))
    }

    /// The answer to a function and what follows, after what it commands is done.
    pub(super) fn take_pdu(&mut self, now: Timestamp, pdu: &[u8]) -> Vec<u8> {
        let command = self.profile.relay().and_then(|relay| relay.asked(pdu));
        if let Some(Ok(RelayCommand::Switch(on))) = command {
            self.switch(now, on);
            // A write is confirmed by its first five bytes (V1.1b3, 6.5, 6.6 and 6.12).
            return pdu.get(..5).unwrap_or(pdu).to_vec();
        }
        self.answer(now, pdu)
    }

    /// Function and data of a frame that is whole and for this meter.
    fn for_me<'a>(&self, request: &'a [u8]) -> Option<&'a [u8]> {
        let (body, crc) = request.split_last_chunk::<2>()?;
        let (&address, pdu) = body.split_first()?;
        let is_mine =
            Some(address) == self.address.as_modbus() && u16::from_le_bytes(*crc) == crc16(body) && !pdu.is_empty();
        is_mine.then_some(pdu)
    }

    fn sealed(&self, pdu: Vec<u8>) -> Vec<u8> {
        seal(self.address.as_modbus().into_iter().chain(pdu).collect())
    }

    /// The answer to a function and what follows that only asks.
    fn answer(&self, now: Timestamp, pdu: &[u8]) -> Vec<u8> {
        let data = match self.profile.relay().and_then(|relay| Some((relay, relay.asked(pdu)?))) {
            Some((relay, Ok(RelayCommand::Show))) => Ok(relay.state_data(self.is_on())),
            Some((_, Ok(RelayCommand::Switch(_)))) => Err(ILLEGAL_FUNCTION),
            Some((_, Err(code))) => Err(code),
            None => self.registers(now, pdu),
        };
        let function = pdu.first().copied().unwrap_or_default();
        let counted = |data: Vec<u8>| Some([vec![function, u8::try_from(data.len()).ok()?], data].concat());
        let refused = |code| vec![function | EXCEPTION_FLAG, code];
        match data {
            Ok(data) => counted(data).unwrap_or_else(|| refused(ILLEGAL_VALUE)),
            Err(code) => refused(code),
        }
    }

    /// The data of a read, or the exception code.
    fn registers(&self, now: Timestamp, pdu: &[u8]) -> Result<Vec<u8>, u8> {
        let kind = match pdu.first() {
            Some(&READ_HOLDING) => RegisterKind::Holding,
            Some(&READ_INPUT) => RegisterKind::Input,
            _ => return Err(ILLEGAL_FUNCTION),
        };
        let &[_, a, b, c, d] = pdu else { return Err(ILLEGAL_VALUE) };
        let (first, count) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        let bytes = usize::from(count) * usize::from(self.profile.bytes_per_count());
        if !(1..=FRAME_BYTES_MAX - 5).contains(&bytes) {
            return Err(ILLEGAL_VALUE);
        }
        self.block(now, kind, first, count).ok_or(ILLEGAL_ADDRESS)
    }

    /// The data of `count` registers; `None` unless all of them lie in one read of the profile.
    fn block(&self, now: Timestamp, kind: RegisterKind, first: u16, count: u16) -> Option<Vec<u8>> {
        let end = |read: &RegisterRead| u32::from(read.address) + u32::from(read.count);
        let asked_end = u32::from(first) + u32::from(count);
        let holds = |read: &&RegisterRead| read.kind == kind && read.address <= first && asked_end <= end(read);
        let read = self.profile.reads().iter().find(holds)?;
        let each = usize::from(self.profile.bytes_per_count());
        let values = self.values_at(now);
        let mut data = vec![0; usize::from(read.count) * each];
        for register in self.profile.registers() {
            let place = register.range_in(read, self.profile.bytes_per_count());
            let Some((place, value)) = place.zip(values.get(register.key)) else { continue };
            data[place].copy_from_slice(&register.encode(value, self.profile.word_order()));
            let sign = register.sign.as_ref().filter(|_| value < 0);
            let place = sign.and_then(|sign| Some((sign, sign.place_in(read, self.profile.bytes_per_count())?)));
            if let Some((sign, place)) = place {
                data[place] = sign.negative;
            }
        }
        let start = usize::from(first - read.address) * each;
        data.get(start..start + usize::from(count) * each).map(<[u8]>::to_vec)
    }
}
