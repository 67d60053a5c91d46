//! Listens, serves, and stops when told.

use super::{AppState, router};
use axum::Router;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpListener;

/// Connections that are still open after this are cut at the end: answers take milliseconds, only streams last.
const GRACE: Duration = Duration::from_secs(3);

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
    /// Serving broke down.
    #[error("serving ended: {0}")]
    Serve(#[from] io::Error),
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
///
/// # Errors
/// When the listener breaks down.
pub(crate) async fn serve(
    listener: TcpListener,
    state: AppState,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let hub = state.hub().clone();
    let ending = async move {
        stop.await;
        hub.close();
    };
    serve_router(listener, router(state), ending).await
}

/// Serves any router until `stop` ends, then lets answers under way finish.
///
/// # Errors
/// When the listener breaks down.
pub(crate) async fn serve_router(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let (stopped, mut stopping) = tokio::sync::watch::channel(false);
    let ending = async move {
        stop.await;
        // Nobody waiting any more is no failure.
        let _ = stopped.send(true);
    };
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let serving = axum::serve(listener, service).with_graceful_shutdown(ending).into_future();
    let overtime = async move {
        let _ = stopping.wait_for(|stopped| *stopped).await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        ended = serving => Ok(ended?),
        () = overtime => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_named_and_the_next_one_suggested() {
        let held = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = held.local_addr().unwrap();
        let error = bind(address).await.unwrap_err().to_string();
        let port = address.port();
        assert_eq!(
            error,
            format!(
                "port {port} is in use, perhaps by another Wattproof; choose another with --http 127.0.0.1:{}",
                port + 1
            )
        );
    }
}
