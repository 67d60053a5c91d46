//! The simulated DL/T 645 meter.

use super::SimulatedMeter;
use crate::dlt645::{
    CONTROL, Command, Frame, READ, READ_ADDRESS, STATE_WORD_3, address_answer, answer, confirmation, refusal,
};
use crate::profile::simulated_data;
use units::Timestamp;

/// Error word: it has no such data (DL/T 645-2007, annex A).
const NO_SUCH_DATA: u8 = 0x02;
/// Error word: another error.
const OTHER_ERROR: u8 = 0x01;

impl SimulatedMeter {
    /// The answer to a frame that only asks; `None` when it is for somebody else or broken.
    pub(super) fn respond_dlt645(&self, now: Timestamp, request: &[u8]) -> Option<Vec<u8>> {
        let Frame { control, data, .. } = self.mine(request)?;
        let frame = match (control, data.as_slice()) {
            (READ_ADDRESS, []) => address_answer(self.address),
            (READ, &[a, b, c, d]) => {
                let identifier = u32::from_le_bytes([a, b, c, d]);
                match self.data_of(now, identifier) {
                    Some(data) => answer(self.address, identifier, &data),
                    None => refusal(self.address, control, NO_SUCH_DATA),
                }
            }
            _ => refusal(self.address, control, OTHER_ERROR),
        };
        Some(frame.bytes())
    }

    /// The answer to a frame, after what it commands is done. It asks for no password and has no clock to hold the
    /// command's end against.
    pub(super) fn take_dlt645(&mut self, now: Timestamp, request: &[u8]) -> Option<Vec<u8>> {
        let Frame { control, data, .. } = self.mine(request)?;
        let command = data.get(8).and_then(|code| Command::of_code(*code)).filter(|_| control == CONTROL);
        match command.filter(|_| self.profile.relay().is_some()) {
            Some(Command::Trip) => self.switch(now, false),
            Some(Command::Close) => self.switch(now, true),
            // Somebody would have to press the button.
            Some(Command::PermitClosing) => {}
            None => return self.respond_dlt645(now, request),
        }
        Some(confirmation(self.address, control).bytes())
    }

    /// A whole frame that is for this meter; a wildcard is for whoever hears it.
    fn mine(&self, request: &[u8]) -> Option<Frame> {
        let frame = Frame::parse(request).ok()?;
        frame.whom.includes(self.address).then_some(frame)
    }

    fn data_of(&self, now: Timestamp, identifier: u32) -> Option<Vec<u8>> {
        match self.profile.relay().filter(|_| identifier == STATE_WORD_3) {
            Some(relay) => Some(relay.state_data(self.is_on())),
            None => simulated_data(self.profile.items(), identifier, &self.values_at(now)),
        }
    }
}
