//! The other end of a bus: simulated meters that answer in bytes on a pty or a TCP port, at the pace of their line.

mod pace;

use crate::Clock;
use meter::{Arrival, Disturbance, SimulatedBus};
use pace::Pacer;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_serial::{SerialPort as _, SerialStream};

/// TCP connections served at once: a gateway, and a few curious readers.
pub const CONNECTIONS_MAX: usize = 8;
/// Bytes taken at once: more than a request.
const READ_BYTES: usize = 256;

/// Where simulated meters are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SimulatedPort {
    /// A pseudo-terminal, in place of a serial device.
    Pty,
    /// A TCP port; port 0 takes a free one.
    Tcp(SocketAddr),
}

/// A simulated bus that runs until it is dropped.
#[derive(Debug)]
pub struct Simulation {
    place: String,
    bus: Arc<Mutex<SimulatedBus>>,
    task: JoinHandle<()>,
}

impl Simulation {
    /// Begins; from then on whoever opens [`Simulation::place`] finds the meters.
    ///
    /// # Errors
    /// When the system gives no pty, or the TCP port is taken.
    pub async fn start(port: SimulatedPort, bus: SimulatedBus, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let bus = Arc::new(Mutex::new(bus));
        let (place, task) = match port {
            SimulatedPort::Pty => {
                let (near, far) = SerialStream::pair()?;
                let place = far.name().ok_or_else(|| io::Error::other("the pty has no name"))?;
                let bus = Arc::clone(&bus);
                let task = tokio::spawn(async move {
                    // Held open, so that a reader who leaves does not end the line for the next.
                    let _far = far;
                    let _ended = answer(near, &bus, &*clock).await;
                });
                (place, task)
            }
            SimulatedPort::Tcp(address) => {
                let listener = TcpListener::bind(address).await?;
                (listener.local_addr()?.to_string(), tokio::spawn(listen(listener, Arc::clone(&bus), clock)))
            }
        };
        Ok(Self { place, bus, task })
    }

    /// The device's path, or the address with its port.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Disturbs the supply of a meter by its place on the bus, or ends a disturbance; `false` when there is no such meter.
    pub fn disturb(&self, meter: usize, disturbance: Option<Disturbance>) -> bool {
        let mut bus = self.bus.lock().unwrap_or_else(PoisonError::into_inner);
        bus.meters_mut().get_mut(meter).map(|meter| meter.set_disturbance(disturbance)).is_some()
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(listener: TcpListener, bus: Arc<Mutex<SimulatedBus>>, clock: Arc<dyn Clock>) {
    let free = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok(permit) = Arc::clone(&free).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (bus, clock) = (Arc::clone(&bus), Arc::clone(&clock));
        connections.spawn(async move {
            let _ended = answer(stream, &bus, &*clock).await;
            drop(permit);
        });
        while connections.try_join_next().is_some() {}
    }
}

/// Answers on one connection until it ends.
async fn answer<S>(mut stream: S, bus: &Mutex<SimulatedBus>, clock: &dyn Clock) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut buffer = [0; READ_BYTES];
    let (pacer, mut due) = Pacer::start()?;
    loop {
        let count = tokio::select! {
            read = stream.read(&mut buffer) => read?,
            Some(bytes) = due.recv() => {
                stream.write_all(&bytes).await?;
                continue;
            }
        };
        if count == 0 {
            return Ok(());
        }
        let asked = Instant::now();
        let arrivals = {
            let mut bus = bus.lock().unwrap_or_else(PoisonError::into_inner);
            bus.transmit(clock.now(), &buffer[..count])
        };
        let (at_once, later) = arrivals.split_at(arrivals.partition_point(|arrival| arrival.after == Duration::ZERO));
        let at_once: Vec<u8> = at_once.iter().map(|Arrival { byte, .. }| *byte).collect();
        stream.write_all(&at_once).await?;
        stream.flush().await?;
        pacer.send(asked, later);
    }
}
