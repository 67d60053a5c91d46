//! Listens, serves, and stops when told. Who is slow, or opens many connections, is cut off.
//!
//! With TLS one port speaks both. What does not begin as TLS is served plainly to this computer, where nobody listens in
//! and programs need no certificate. From anywhere else programs get the contract plainly too, for other nodes and
//! gateways believe bytes for their hashes and signatures; a browser that wants a page is sent on to the encrypted one.

use super::access::{Scheme, is_for_programs};
use super::tls::Tls;
use super::{AppState, router};
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

/// Connections that are still open after this are cut at the end: answers take milliseconds, only streams last.
const GRACE: Duration = Duration::from_secs(3);
/// The first byte of a TLS connection: a handshake record (RFC 8446 5.1).
const TLS_HANDSHAKE: u8 = 22;
/// Pause when the system gives no connection, such as for want of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// Largest head of a request; browsers send a few kilobytes.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// Something listens there already.
    #[error("port {port} is in use, perhaps by another Wattproof; choose another with --http {suggestion}")]
    PortInUse {
        /// The port.
        port: u16,
        /// An address to try instead.
        suggestion: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}; use --http {suggestion} for this computer only")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
        /// An address that this computer has.
        suggestion: SocketAddr,
    },
}

/// How much a server lets clients have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Longest time until the head of a request is there, the TLS handshake before it apart, which has as long.
    pub(crate) head_within: Duration,
    /// Connections at once; each takes some tens of kilobytes. Twice the pages that listen at once.
    pub(crate) connections: usize,
    /// Of one address elsewhere, so that nobody takes all places: many tabs of many browsers behind one router.
    pub(crate) of_an_address: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { head_within: Duration::from_secs(10), connections: 1_024, of_an_address: 256 }
    }
}

/// Listens on an address; port 0 takes any free one.
///
/// # Errors
/// When the port is in use or the address is not this computer's; the message says what to try.
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            let next = address.port().checked_add(1).unwrap_or(0);
            ServeError::PortInUse { port: address.port(), suggestion: SocketAddr::new(address.ip(), next) }
        }
        _ => {
            let suggestion = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port());
            ServeError::Listen { address, error, suggestion }
        }
    })
}

/// Serves until `stop` ends, then lets answers under way finish.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    state: AppState,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let hub = state.hub().clone();
    let ending = async move {
        stop.await;
        hub.close();
    };
    serve_router(listener, tls, router(state), Limits::default(), ending).await;
}

/// Serves any router until `stop` ends, then lets answers under way finish.
pub(crate) async fn serve_router(
    listener: TcpListener,
    tls: Option<Tls>,
    router: Router,
    limits: Limits,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let (ending, addresses) = (GracefulShutdown::new(), Addresses::default());
    let mut stop = pin!(stop);
    loop {
        let accept = async {
            // A closed semaphore does not occur: nobody closes it.
            let place = Arc::clone(&places).acquire_owned().await.ok();
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            accepted = accept => accepted,
            () = &mut stop => break,
        };
        let Ok((stream, peer)) = accepted else {
            sleep(ACCEPT_AGAIN).await;
            continue;
        };
        let Some(counted) = addresses.enter(peer.ip(), limits.of_an_address) else { continue };
        let connection = Connection {
            peer,
            tls: tls.clone(),
            service: TowerToHyperService::new(router.clone()),
            watcher: ending.watcher(),
            limits,
        };
        tokio::spawn(async move {
            connection.serve(stream).await;
            drop((place, counted));
        });
    }
    drop(listener);
    tokio::select! {
        () = ending.shutdown() => {}
        () = sleep(GRACE) => {}
    }
}

/// Connections by address.
#[derive(Debug, Clone, Default)]
struct Addresses(Arc<Mutex<BTreeMap<IpAddr, usize>>>);

/// A connection that is counted until it ends.
struct Counted {
    addresses: Addresses,
    address: IpAddr,
}

impl Addresses {
    /// Counts one more, unless there are too many; this computer's own are not limited.
    fn enter(&self, address: IpAddr, most: usize) -> Option<Counted> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_default();
        if *count >= most && !address.to_canonical().is_loopback() {
            return None;
        }
        *count += 1;
        Some(Counted { addresses: self.clone(), address })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut open = self.addresses.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

/// One connection.
struct Connection {
    peer: SocketAddr,
    tls: Option<Tls>,
    service: TowerToHyperService<Router>,
    watcher: Watcher,
    limits: Limits,
}

impl Connection {
    /// A connection that breaks off, or says nothing in time, is its other end's affair.
    async fn serve(self, stream: TcpStream) {
        // Answers are short and wanted at once; a system that cannot is slower only.
        let _ = stream.set_nodelay(true);
        let Some(tls) = self.tls.clone() else { return self.answer(stream, Scheme::Http).await };
        let mut first = [0];
        match timeout(self.limits.head_within, stream.peek(&mut first)).await {
            Ok(Ok(1)) if first == [TLS_HANDSHAKE] => {
                if let Ok(Ok(stream)) = timeout(self.limits.head_within, tls.acceptor().accept(stream)).await {
                    self.answer(stream, Scheme::Https).await;
                }
            }
            Ok(Ok(1)) if self.peer.ip().to_canonical().is_loopback() => self.answer(stream, Scheme::Http).await,
            Ok(Ok(1)) => self.send_on(stream).await,
            _ => {}
        }
    }

    fn http(&self) -> http1::Builder {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(self.limits.head_within).max_buf_size(HEAD_BYTES_MAX);
        http
    }

    async fn answer(self, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, scheme: Scheme) {
        let http = self.http();
        let Self { peer, service, watcher, .. } = self;
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            request.extensions_mut().insert(scheme);
            service.call(request)
        });
        let served = watcher.watch(http.serve_connection(TokioIo::new(stream), service)).await;
        if let Err(error) = served {
            tracing::debug!(%error, %peer, "a connection ended early");
        }
    }

    /// Programs are answered, pages are at the same address under TLS.
    async fn send_on(self, stream: TcpStream) {
        let http = self.http();
        let Self { peer, service, watcher, .. } = self;
        let service = service_fn(move |mut request: Request<Incoming>| {
            let elsewhere = (!is_for_programs(request.uri().path())).then(|| encrypted(&request));
            request.extensions_mut().insert(ConnectInfo(peer));
            request.extensions_mut().insert(Scheme::Http);
            let service = service.clone();
            async move {
                match elsewhere {
                    Some(answer) => Ok(answer),
                    None => service.call(request).await,
                }
            }
        });
        // Whoever does not wait for it does not want it.
        let _ = watcher.watch(http.serve_connection(TokioIo::new(stream), service)).await;
    }
}

/// The same page, encrypted.
fn encrypted(request: &Request<Incoming>) -> Response<Body> {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let place = request.uri().path_and_query().map_or("/", |place| place.as_str());
    let answer = Response::builder()
        .status(StatusCode::PERMANENT_REDIRECT)
        .header(header::LOCATION, format!("https://{host}{place}"))
        .header(header::CONNECTION, "close");
    // A host that is no header value cannot be gone to.
    answer.body(Body::empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
