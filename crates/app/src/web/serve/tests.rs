//! A real server on a free port: who is cut off, and what TLS changes.

use super::*;
use axum::extract::Extension;
use axum::routing::{get, post};
use std::time::Instant;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::oneshot;

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

/// A server that tells how it was asked; it stops when the sender is dropped.
async fn server(limits: Limits, tls: Option<Tls>) -> (SocketAddr, oneshot::Sender<()>) {
    let how = |Extension(scheme): Extension<Scheme>| async move { format!("{scheme:?}") };
    let router = Router::new().route("/", get(how)).route("/", post(|body: String| async move { body }));
    let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(serve_router(listener, tls, router, limits, async {
        let _ = stopped.await;
    }));
    (address, stop)
}

/// Everything that comes back until the other end closes.
async fn answer(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_does_not_come_is_waited_for_so_long_and_then_cut() {
    let limits = Limits { head_within: Duration::from_millis(300), ..Limits::default() };
    let (address, _stop) = server(limits, None).await;
    for begun in ["", "GET / HT", "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "] {
        let answer = timeout(Duration::from_secs(60), answer(address, begun)).await.expect("it is cut");
        assert!(!answer.contains("200 OK"), "{begun:?}: {answer}");
    }
    let whole = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert!(answer(address, whole).await.ends_with("Http"));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_connections_than_there_are_places_wait_until_one_is_free() {
    let limits = Limits { connections: 2, head_within: Duration::from_secs(60), ..Limits::default() };
    let (address, _stop) = server(limits, None).await;
    let held = [TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap()];
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let waiting = tokio::spawn(answer(address, request));
    sleep(Duration::from_millis(200)).await;
    assert!(!waiting.is_finished(), "there is no place");
    drop(held);
    assert!(waiting.await.unwrap().starts_with("HTTP/1.1 200 OK"));
}

#[test]
fn an_address_elsewhere_has_a_bounded_number_of_connections() {
    let addresses = Addresses::default();
    let (one, other): (IpAddr, IpAddr) = ("192.168.1.7".parse().unwrap(), "192.168.1.8".parse().unwrap());
    let held: Vec<_> = (0..2).map(|_| addresses.enter(one, 2).unwrap()).collect();
    assert!(addresses.enter(one, 2).is_none() && addresses.enter(other, 2).is_some());
    assert!((0..5).all(|_| addresses.enter("127.0.0.1".parse().unwrap(), 2).is_some()));
    drop(held);
    assert!(addresses.enter(one, 2).is_some());
    assert!(addresses.0.lock().unwrap().is_empty(), "what has ended is forgotten");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_stops_although_somebody_holds_a_connection() {
    let (address, stop) = server(Limits::default(), None).await;
    let _held = TcpStream::connect(address).await.unwrap();
    drop(stop);
    let deadline = Instant::now() + Duration::from_secs(60);
    while TcpStream::connect(address).await.is_ok() {
        assert!(Instant::now() < deadline, "it still listens");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_tls_the_port_speaks_both_and_the_plain_one_only_to_this_computer() {
    use tokio_rustls::TlsConnector;
    use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
    use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};
    let dir = tempfile::tempdir().unwrap();
    let folder = crate::web::access::Folder::of(dir.path()).unwrap();
    let tls = Tls::self_made(&folder, vec!["localhost".to_owned()]).unwrap();
    let (address, _stop) = server(Limits::default(), Some(tls)).await;
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert!(answer(address, request).await.ends_with("Http"), "this computer");

    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.file("tls.cert")).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap();
    let connector = TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()));
    let stream = TcpStream::connect(address).await.unwrap();
    let mut stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("Https"), "{answer}");
}
