//! One bus as a state machine: who is asked when, whose answer a byte belongs to, and what silence means.
//!
//! Invariant: at any moment at most one request is under way, and only bytes that arrive while it is under way can
//! become its answer. Time is told, in microseconds since some start that never goes backwards (the physics of a line
//! has nothing to do with the community's clock); the gateway owns the port and calls [`Bus::step`].
//!
//! An RTU answer carries no number. A late answer to an *earlier* request of the same meter looks like a valid one, so
//! after a timeout the line must fall silent, and that meter is left alone for [`LATE_TIMEOUTS`] more timeouts, during
//! which whatever it sends is thrown away. A meter that is slower still needs a longer `timeout_ms` in its profile.

mod framing;
mod receive;
mod schedule;
mod stats;

use crate::{Address, Exchange, MeterError, Profile, Request};
pub use framing::{Framing, Parity};
use receive::Receiver;
use schedule::Schedule;
pub use stats::DeviceStats;
use std::sync::Arc;
use units::{MeterId, Micros, Millis, Reading};

/// Timeouts for which a meter that did not answer is not asked again, so that its late answer meets no request.
pub const LATE_TIMEOUTS: u64 = 2;
/// Longest pause between two polls of a dead meter, unless its own rate is slower: a meter that comes back is seen
/// within a minute.
pub const BACKOFF_MAX: Micros = Micros::from_ms(60_000);
/// A line without silence for so long is reported: nobody can be polled on it.
pub const LINE_BUSY_AFTER: Micros = Micros::from_ms(5_000);

/// A meter on a bus.
#[derive(Debug, Clone)]
pub struct Device {
    /// The number printed on it.
    pub meter: MeterId,
    /// Its address on the bus.
    pub address: Address,
    /// Its model.
    pub profile: Arc<Profile>,
    /// From the start of a poll to the start of the next; zero is as often as the bus allows.
    pub poll_every: Millis,
}

/// What happens to a bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusInput {
    /// Time has passed.
    Tick,
    /// Bytes arrived.
    Received(Vec<u8>),
    /// The port was opened anew: half a frame from before will never be completed.
    Reopened,
}

/// What a bus wants done, or found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusOutput {
    /// Bytes to write to the port.
    Send(Vec<u8>),
    /// A meter answered.
    Reading {
        /// Its place in the list given to [`Bus::new`].
        device: usize,
        /// What it said.
        reading: Reading,
        /// The frames that say so.
        exchanges: Vec<Exchange>,
    },
    /// A poll gave no reading.
    Failed {
        /// The meter's place in the list given to [`Bus::new`].
        device: usize,
        /// Why.
        error: MeterError,
        /// The bytes that came instead, at most a frame and as much noise.
        raw: Vec<u8>,
    },
}

/// A poll in progress: its reads go out one after the other.
#[derive(Debug)]
struct Poll {
    device: usize,
    requests: Vec<Request>,
    exchanges: Vec<Exchange>,
}

impl Poll {
    fn request(&self) -> Option<&Request> {
        self.requests.get(self.exchanges.len())
    }
}

/// What the line is doing.
#[derive(Debug)]
enum Line {
    /// Nobody is asked. Free from `until` on, which moves on while bytes keep coming; noisy since `since`.
    Quiet { until: Micros, since: Micros },
    /// A request is out.
    Waiting { asked: Micros, deadline: Micros },
}

/// One bus and the meters on it.
#[derive(Debug)]
pub struct Bus {
    devices: Vec<Device>,
    schedule: Schedule,
    stats: Vec<DeviceStats>,
    framing: Framing,
    line: Line,
    poll: Option<Poll>,
    receiver: Receiver,
}

impl Bus {
    /// A bus at rest; every device is due at once.
    #[must_use]
    pub fn new(devices: Vec<Device>, framing: Framing) -> Self {
        Self {
            schedule: Schedule::new(&devices),
            stats: vec![DeviceStats::default(); devices.len()],
            devices,
            framing,
            line: Line::Quiet { until: Micros::ZERO, since: Micros::ZERO },
            poll: None,
            receiver: Receiver::new(framing),
        }
    }

    /// The meters on it, in the order given.
    #[must_use]
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// How a device has fared; `None` beyond the list.
    #[must_use]
    pub fn stats(&self, device: usize) -> Option<&DeviceStats> {
        self.stats.get(device)
    }

    /// When it next wants a [`BusInput::Tick`], if nothing arrives before.
    #[must_use]
    pub fn wake_at(&self) -> Micros {
        match self.line {
            Line::Waiting { deadline, .. } => deadline,
            Line::Quiet { until, .. } if self.poll.is_some() => until,
            Line::Quiet { until, .. } => until.max(self.schedule.next_due()),
        }
    }

    /// Takes what happened at `now` and says what to do. Never blocks, never fails; errors are outputs.
    pub fn step(&mut self, now: Micros, input: BusInput) -> Vec<BusOutput> {
        let mut outputs = Vec::new();
        match input {
            BusInput::Tick => {}
            BusInput::Received(bytes) => self.received(now, &bytes, &mut outputs),
            BusInput::Reopened => self.receiver.clear(),
        }
        self.expire(now, &mut outputs);
        self.advance(now, &mut outputs);
        outputs
    }

    /// Bytes belong to the request under way; without one they are late or foreign and only show that the line is busy.
    fn received(&mut self, now: Micros, bytes: &[u8], outputs: &mut Vec<BusOutput>) {
        for chunk in bytes.chunks(Receiver::CHUNK_BYTES) {
            let request = match (&self.line, &self.poll) {
                (Line::Waiting { .. }, Some(poll)) => poll.request(),
                _ => None,
            };
            match self.receiver.take(chunk, request) {
                None if request.is_some() => {}
                None => self.disturb(now),
                Some(Ok(exchange)) => self.answered(now, exchange, outputs),
                Some(Err(error)) => self.fail(now, error, outputs),
            }
        }
    }

    /// Bytes that nobody waits for push the silence on.
    fn disturb(&mut self, now: Micros) {
        let silence = self.framing.silence();
        if let Line::Quiet { until, since } = &mut self.line {
            // Noise that begins after the line was already free begins its own disturbance.
            *since = if now > *until { now } else { *since };
            *until = (*until).max(now.plus(silence));
        }
    }

    fn answered(&mut self, now: Micros, exchange: Exchange, outputs: &mut Vec<BusOutput>) {
        let Some(poll) = &mut self.poll else { return };
        poll.exchanges.push(exchange);
        let device = poll.device;
        self.rest(now, device);
        if self.poll.as_ref().is_some_and(|poll| poll.request().is_none()) {
            self.finish(now, outputs);
        }
    }

    /// All reads are answered: the profile turns them into a reading, or says why not.
    fn finish(&mut self, now: Micros, outputs: &mut Vec<BusOutput>) {
        let Some(Poll { device, exchanges, .. }) = self.poll.take() else { return };
        let Device { address, profile, .. } = &self.devices[device];
        match profile.reading(*address, &exchanges) {
            Ok(reading) => {
                self.stats[device].answered(now);
                self.schedule.finished(now, device);
                outputs.push(BusOutput::Reading { device, reading, exchanges });
            }
            Err(error) => {
                let raw = exchanges.into_iter().flat_map(|exchange| exchange.response).collect();
                self.report(now, device, error, raw, outputs);
            }
        }
    }

    fn fail(&mut self, now: Micros, error: MeterError, outputs: &mut Vec<BusOutput>) {
        let raw = self.receiver.take_raw();
        let Some(Poll { device, .. }) = self.poll.take() else { return };
        self.rest(now, device);
        self.report(now, device, error, raw, outputs);
    }

    fn report(&mut self, now: Micros, device: usize, error: MeterError, raw: Vec<u8>, outputs: &mut Vec<BusOutput>) {
        self.stats[device].failed(&error);
        match error {
            MeterError::NoAnswer { waited } => self.schedule.silent(now, device, waited.into()),
            // A meter that answers badly is alive; a late answer of its may still come.
            MeterError::Frame(_) | MeterError::Dlt645(_) => {
                self.schedule.garbled(now, device, self.devices[device].profile.timeout().into());
            }
            _ => self.schedule.finished(now, device),
        }
        outputs.push(BusOutput::Failed { device, error, raw });
    }

    /// The line is left alone for its own silence, and longer where the meter needs it.
    fn rest(&mut self, now: Micros, device: usize) {
        let gap = self.framing.silence().max(self.devices[device].profile.gap().into());
        self.line = Line::Quiet { until: now.plus(gap), since: now };
    }

    /// Ends a wait whose time is up, and reports a line that does not fall silent.
    fn expire(&mut self, now: Micros, outputs: &mut Vec<BusOutput>) {
        match self.line {
            Line::Waiting { asked, deadline } if now >= deadline => {
                let request = self.poll.as_ref().and_then(Poll::request);
                let error = request.and_then(|request| self.receiver.diagnose(request));
                let waited = now.since(asked).whole_ms();
                self.fail(now, error.unwrap_or(MeterError::NoAnswer { waited }), outputs);
            }
            Line::Quiet { until, since } if now < until && now >= since.plus(LINE_BUSY_AFTER) => {
                let busy = now.since(since).whole_ms();
                self.line = Line::Quiet { until, since: now };
                let under_way = self.poll.take().map(|poll| poll.device);
                if let Some(device) = under_way.or_else(|| self.start(now)) {
                    self.report(now, device, MeterError::LineBusy { busy }, Vec::new(), outputs);
                }
            }
            _ => {}
        }
    }

    /// Whose turn it is, counted as polled.
    fn start(&mut self, now: Micros) -> Option<usize> {
        let device = self.schedule.due(now)?;
        self.schedule.started(now, device);
        self.stats[device].asked();
        Some(device)
    }

    /// Sends the next request if the line is free and somebody is due.
    fn advance(&mut self, now: Micros, outputs: &mut Vec<BusOutput>) {
        let Line::Quiet { until, .. } = self.line else { return };
        if now < until {
            return;
        }
        if self.poll.is_none() {
            let Some(device) = self.start(now) else { return };
            let Device { address, profile, .. } = &self.devices[device];
            self.poll = Some(Poll { device, requests: profile.requests(*address), exchanges: Vec::new() });
        }
        let Some(poll) = &self.poll else { return };
        let Device { address, profile, .. } = &self.devices[poll.device];
        let sent = poll.request().and_then(|request| Some((self.receiver.begin(request)?, request)));
        let Some((bytes, request)) = sent else {
            let (model, address, framing) = (profile.model().to_owned(), *address, self.framing);
            return self.fail(now, MeterError::NotOnThisLine { model, address, framing }, outputs);
        };
        let deadline = now.plus(self.framing.wire_time(request)).plus(profile.timeout().into());
        outputs.push(BusOutput::Send(bytes));
        self.line = Line::Waiting { asked: now, deadline };
    }
}
