//! Ports of buses: serial lines and TCP connections, opened again whenever they vanish.
//!
//! A task owns each port. Bytes that are to be sent while it is away are thrown away: the bus times out and asks again,
//! and a request sent late would meet nobody who waits for its answer.

use crate::config::Port;
use meter::Parity;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio_serial::SerialPortBuilderExt as _;

/// First pause before a lost port is tried again; doubles up to [`REOPEN_PAUSE_MAX`].
pub const REOPEN_PAUSE_FIRST: Duration = Duration::from_millis(250);
/// Longest pause: an adapter that is plugged in again is seen within seconds.
pub const REOPEN_PAUSE_MAX: Duration = Duration::from_secs(5);
/// Longest wait for a TCP connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes taken from a port at once: more than one frame.
const READ_BYTES: usize = 512;
/// Requests waiting for a port: a bus has one under way.
pub(crate) const SEND_QUEUE: usize = 4;

/// What a port tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortEvent {
    /// It was opened.
    Opened {
        /// The bus.
        bus: usize,
    },
    /// Bytes arrived.
    Received {
        /// The bus.
        bus: usize,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// It vanished or could not be opened; told once until it is open again.
    Lost {
        /// The bus.
        bus: usize,
        /// Why.
        reason: String,
    },
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

async fn open(port: &Port) -> io::Result<Box<dyn Stream>> {
    match port {
        Port::Serial { path, baud, parity } => {
            let parity = match parity {
                Parity::None => tokio_serial::Parity::None,
                Parity::Even => tokio_serial::Parity::Even,
                Parity::Odd => tokio_serial::Parity::Odd,
            };
            Ok(Box::new(tokio_serial::new(path, *baud).parity(parity).open_native_async()?))
        }
        Port::Tcp(address) => {
            let connect = tokio::net::TcpStream::connect(address);
            let stream = tokio::time::timeout(CONNECT_TIMEOUT, connect).await.map_err(io::Error::other)??;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream))
        }
    }
}

/// Serves a port until either channel closes.
pub async fn serve(bus: usize, port: Port, mut requests: mpsc::Receiver<Vec<u8>>, events: mpsc::Sender<PortEvent>) {
    let mut pause = REOPEN_PAUSE_FIRST;
    let mut told = false;
    loop {
        let error = match open(&port).await {
            Ok(stream) => {
                (pause, told) = (REOPEN_PAUSE_FIRST, false);
                if events.send(PortEvent::Opened { bus }).await.is_err() {
                    return;
                }
                match carry(bus, stream, &mut requests, &events).await {
                    Ok(()) => return,
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        let reason = format!("{}: {error}", name(&port));
        if !told && events.send(PortEvent::Lost { bus, reason }).await.is_err() {
            return;
        }
        told = true;
        if !wait(pause, &mut requests).await {
            return;
        }
        pause = (pause * 2).min(REOPEN_PAUSE_MAX);
    }
}

/// Opens a port once and closes it again.
///
/// # Errors
/// Why it cannot be opened.
pub async fn try_open(port: &Port) -> io::Result<()> {
    open(port).await.map(drop)
}

/// What messages call a port.
#[must_use]
pub fn name(port: &Port) -> String {
    match port {
        Port::Serial { path, .. } => path.clone(),
        Port::Tcp(address) => address.to_string(),
    }
}

/// Waits, throwing requests away; `false` when nobody will ask any more.
async fn wait(pause: Duration, requests: &mut mpsc::Receiver<Vec<u8>>) -> bool {
    let end = tokio::time::sleep(pause);
    tokio::pin!(end);
    loop {
        tokio::select! {
            () = &mut end => return true,
            request = requests.recv() => if request.is_none() { return false },
        }
    }
}

/// Carries bytes both ways until the port fails; `Ok` when nobody asks or listens any more.
async fn carry(
    bus: usize,
    mut stream: Box<dyn Stream>,
    requests: &mut mpsc::Receiver<Vec<u8>>,
    events: &mpsc::Sender<PortEvent>,
) -> io::Result<()> {
    let mut buffer = [0; READ_BYTES];
    loop {
        tokio::select! {
            read = stream.read(&mut buffer) => match read? {
                0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
                count => {
                    let bytes = buffer[..count].to_vec();
                    if events.send(PortEvent::Received { bus, bytes }).await.is_err() {
                        return Ok(());
                    }
                }
            },
            request = requests.recv() => match request {
                Some(bytes) => {
                    stream.write_all(&bytes).await?;
                    stream.flush().await?;
                }
                None => return Ok(()),
            },
        }
    }
}
