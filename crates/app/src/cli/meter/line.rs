//! A port of the gateway's, opened once and asked by one bus machine after another.

use crate::cli::Trouble;
use gateway::config::Port;
use gateway::ports::{self, PortEvent};
use meter::{Bus, BusInput, BusOutput, Device, Exchange, Framing, MeterError, Request};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use units::{Micros, Reading};

/// Events of the port that wait; the loop takes them at once.
const EVENTS_MAX: usize = 16;
/// Bytes that are kept of what is heard: some frames and as much noise.
const HEARD_BYTES_MAX: usize = 1_024;

/// An open line.
pub(super) struct Line {
    request_to: mpsc::Sender<Vec<u8>>,
    events: mpsc::Receiver<PortEvent>,
    port: JoinHandle<()>,
    started: Instant,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.port.abort();
    }
}

/// What a meter said, or why not, and the bytes that came instead.
pub(super) type Polled = Result<(Reading, Vec<Exchange>), (MeterError, Vec<u8>)>;

impl Line {
    /// Opens a port.
    pub(super) async fn open(port: Port) -> Result<Self, Trouble> {
        let (request_to, requests) = mpsc::channel(1);
        let (event_to, events) = mpsc::channel(EVENTS_MAX);
        let port = tokio::spawn(ports::serve(0, port, requests, event_to));
        let mut line = Self { request_to, events, port, started: Instant::now() };
        loop {
            match line.events.recv().await {
                Some(PortEvent::Opened { .. }) => return Ok(line),
                Some(PortEvent::Received { .. }) => {}
                Some(PortEvent::Lost { reason, .. }) => return Err(lost(&reason)),
                None => return Err(lost("the port has closed")),
            }
        }
    }

    /// Closes the port, so that it can be opened at once with other settings: whoever drops a line only asks for it.
    pub(super) async fn close(mut self) {
        self.port.abort();
        // That it was cancelled is what was asked for.
        let _cancelled = (&mut self.port).await;
    }

    fn now(&self) -> Micros {
        Micros::from_us(u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// Polls a meter once.
    pub(super) async fn poll(&mut self, device: Device, framing: Framing) -> Result<Polled, Trouble> {
        let mut bus = Bus::new(vec![device], framing);
        let mut input = BusInput::Reopened;
        loop {
            match bus.step(self.now(), input).into_iter().next() {
                // A port that is away says so by an event.
                Some(BusOutput::Send(bytes)) => drop(self.request_to.try_send(bytes)),
                Some(BusOutput::Reading { reading, exchanges, .. }) => return Ok(Ok((reading, exchanges))),
                Some(BusOutput::Failed { error, raw, .. }) => return Ok(Err((error, raw))),
                _ => {}
            }
            let wake = Duration::from_micros(bus.wake_at().us()).saturating_sub(self.started.elapsed());
            input = match tokio::time::timeout(wake, self.events.recv()).await {
                Err(_) => BusInput::Tick,
                Ok(event) => BusInput::Received(bytes(event)?),
            };
        }
    }

    /// Sends a request and gives everything that is heard until the time is up: several may answer.
    pub(super) async fn all_heard(&mut self, request: &Request, wait: Duration) -> Result<Vec<u8>, Trouble> {
        let end = Instant::now() + wait;
        drop(self.request_to.try_send(request.serial()));
        let mut heard = Vec::new();
        loop {
            match tokio::time::timeout(end.saturating_duration_since(Instant::now()), self.events.recv()).await {
                Err(_) => return Ok(heard),
                Ok(event) => heard.extend(bytes(event)?),
            }
            heard.truncate(HEARD_BYTES_MAX);
        }
    }

    /// What arrives next; `None` for an opened port.
    pub(super) async fn listen(&mut self) -> Result<Vec<u8>, Trouble> {
        bytes(self.events.recv().await)
    }
}

fn bytes(event: Option<PortEvent>) -> Result<Vec<u8>, Trouble> {
    match event {
        Some(PortEvent::Received { bytes, .. }) => Ok(bytes),
        Some(PortEvent::Opened { .. }) => Ok(Vec::new()),
        Some(PortEvent::Lost { reason, .. }) => Err(lost(&reason)),
        None => Err(lost("the port has closed")),
    }
}

fn lost(reason: &str) -> Trouble {
    Trouble::environment(reason, "see that the device or address is right, and that nothing else uses it")
}
