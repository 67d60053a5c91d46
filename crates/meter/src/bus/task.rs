//! What a bus does with one meter from the first request to the outcome: a poll, an order to a relay, a look at one.

use super::{BusOutput, Device};
use crate::dlt645::LocalTime;
use crate::{Exchange, MeterError, Request};
use units::Micros;

/// How often a relay's state is asked after a command until it shows what was ordered: a contact takes its time, and an
/// answer may be lost. The command itself goes out once, whatever happens.
pub const READ_BACK_TRIES: u8 = 3;
/// Pause before a relay that does not show what was ordered is asked again: contacts of these meters move in some 20 ms,
/// and their registers follow once a measuring cycle.
const READ_BACK_PAUSE: Micros = Micros::from_ms(200);

/// An order that waits for its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// A relay is to be switched.
    Switch { device: usize, on: bool, order: u64, until: Option<LocalTime> },
    /// A relay's state is to be read.
    Look { device: usize },
}

impl Order {
    pub(super) const fn device(self) -> usize {
        let (Self::Switch { device, .. } | Self::Look { device }) = self;
        device
    }

    /// What comes of it when it never reaches the line.
    pub(super) fn refused(self, error: MeterError) -> BusOutput {
        match self {
            Self::Switch { device, order, .. } => BusOutput::Switched {
                device,
                order,
                before: None,
                after: None,
                result: Err(error),
                exchanges: Vec::new(),
            },
            Self::Look { device } => BusOutput::RelayRead { device, state: Err(error) },
        }
    }
}

/// What is under way.
#[derive(Debug)]
pub(super) enum Task {
    /// The reads of a poll go out one after the other.
    Poll { device: usize, requests: Vec<Request>, exchanges: Vec<Exchange> },
    /// An order.
    Switch(Switch),
    /// A relay's state alone.
    Look { device: usize, request: Request },
}

impl Task {
    pub(super) fn poll(device: usize, Device { address, profile, .. }: &Device) -> Self {
        Self::Poll { device, requests: profile.requests(*address), exchanges: Vec::new() }
    }

    /// An order on its way, or why it cannot go.
    pub(super) fn order(order: Order, Device { address, profile, .. }: &Device) -> Result<Self, MeterError> {
        let no_relay = || MeterError::NoRelay { model: profile.model().to_owned() };
        let relay = profile.relay().ok_or_else(no_relay)?;
        match order {
            Order::Look { device } => {
                let request = relay.read_back(*address).ok_or_else(no_relay)?;
                Ok(Self::Look { device, request })
            }
            Order::Switch { device, on, order, until } => {
                let command = relay.switch(*address, on, until).ok_or(MeterError::NoExpiry)?;
                let state = relay.read_back(*address);
                let step = if state.is_some() { Step::Before } else { Step::Command };
                let (before, after, exchanges) = (None, None, Vec::new());
                Ok(Self::Switch(Switch {
                    device,
                    on,
                    order,
                    command,
                    state,
                    step,
                    before,
                    after,
                    result: None,
                    exchanges,
                }))
            }
        }
    }

    pub(super) const fn device(&self) -> usize {
        match self {
            Self::Poll { device, .. } | Self::Look { device, .. } => *device,
            Self::Switch(switch) => switch.device,
        }
    }

    /// What is to be asked next; `None` when all is done.
    pub(super) fn request(&self) -> Option<&Request> {
        match self {
            Self::Poll { requests, exchanges, .. } => requests.get(exchanges.len()),
            Self::Look { request, .. } => Some(request),
            Self::Switch(switch) => switch.request(),
        }
    }
}

/// What of an order comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Before,
    Command,
    /// Read back, so many times already.
    After(u8),
    Done,
}

/// An order under way.
#[derive(Debug)]
pub(super) struct Switch {
    device: usize,
    on: bool,
    order: u64,
    command: Request,
    state: Option<Request>,
    step: Step,
    before: Option<bool>,
    after: Option<bool>,
    result: Option<Result<(), MeterError>>,
    exchanges: Vec<Exchange>,
}

impl Switch {
    fn request(&self) -> Option<&Request> {
        match self.step {
            Step::Before | Step::After(_) => self.state.as_ref(),
            Step::Command => Some(&self.command),
            Step::Done => None,
        }
    }

    /// Takes an answer, or why there was none; gives the pause before the next request, beyond what the line needs.
    pub(super) fn take(&mut self, device: &Device, answer: Result<Exchange, MeterError>) -> Micros {
        let seen = match &answer {
            Ok(exchange) => self.seen(device, exchange),
            Err(_) => None,
        };
        let outcome = answer.map(|exchange| self.exchanges.push(exchange));
        match self.step {
            Step::Before => {
                self.before = seen;
                self.step = Step::Command;
            }
            Step::Command => {
                self.result = Some(outcome);
                self.step = if self.state.is_some() { Step::After(0) } else { Step::Done };
            }
            Step::After(tries) => {
                self.after = seen.or(self.after);
                let is_over = self.after == Some(self.on) || tries + 1 >= READ_BACK_TRIES;
                self.step = if is_over { Step::Done } else { Step::After(tries + 1) };
                return if is_over { Micros::ZERO } else { READ_BACK_PAUSE };
            }
            Step::Done => {}
        }
        Micros::ZERO
    }

    /// What an answer to the question for the state says; `None` for one to the command.
    fn seen(&self, device: &Device, exchange: &Exchange) -> Option<bool> {
        let state = self.state.as_ref().filter(|_| self.step != Step::Command)?;
        let data = state.parse(&exchange.response).ok()?;
        device.profile.relay()?.state(&data).ok()
    }

    /// Its outcome; `cut` is why it ends before its command was sent.
    pub(super) fn finish(self, cut: Option<MeterError>) -> BusOutput {
        let Self { device, order, before, after, result, exchanges, .. } = self;
        let result = result.unwrap_or_else(|| cut.map_or(Ok(()), Err));
        BusOutput::Switched { device, order, before, after, result, exchanges }
    }
}
