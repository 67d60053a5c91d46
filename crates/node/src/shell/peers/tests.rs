use super::*;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use units::{BlockHash, Height};

const LEDGER: LedgerId = LedgerId::from_bytes([1; 32]);
const WITHIN: Duration = Duration::from_secs(30);

/// A server that gives one answer to every request whose path begins so; a request for anything else gets 404.
fn server(routes: Vec<(&'static str, Vec<u8>)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let routes = Arc::new(routes);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (Ok(stream), routes) = (stream, Arc::clone(&routes)) else { return };
            std::thread::spawn(move || serve(stream, &routes));
        }
    });
    address
}

fn serve(mut stream: TcpStream, routes: &[(&'static str, Vec<u8>)]) {
    let mut request = Vec::new();
    let mut bytes = [0; 4_096];
    while !request.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut bytes) {
            Ok(0) | Err(_) => return,
            Ok(count) => request.extend(&bytes[..count]),
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let path = request.split(' ').nth(1).unwrap_or_default();
    let found = routes.iter().find(|(start, _)| path.starts_with(start)).map(|(_, answer)| answer.clone());
    // Whoever asks may have gone.
    drop(stream.write_all(&found.unwrap_or_else(|| http("404 Not Found", b"{}"))));
}

fn http(status: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn news(ledger: LedgerId, instance: &str, next: &str) -> Vec<u8> {
    let hash = BlockHash::from_bytes([2; 32]);
    let head = api::PeerHead { ledger, height: Height::from_number(7), hash, checkpoint: None };
    let statements = vec![StatementId::from_bytes([3; 32])];
    let news = api::PeerNews { next: next.to_owned(), instance: instance.to_owned(), head, statements };
    http("200 OK", &serde_json::to_vec(&news).unwrap())
}

/// The peers at these addresses, and what they report.
fn peers(addresses: &[String]) -> (Peers, Receiver<Report>) {
    let (sender, reports) = channel();
    let sender = Mutex::new(sender);
    let tell = Arc::new(move |report| sender.lock().is_ok_and(|sender| sender.send(report).is_ok()));
    let around = Surroundings { ledger: LEDGER, tell, signer: None };
    (Peers::start(addresses, &"me".into(), Listeners::default(), &around).unwrap(), reports)
}

#[test]
fn a_node_that_answers_is_up_and_its_news_are_told() {
    let (_peers, reports) = peers(&[server(vec![("/api/v1/peer/news", news(LEDGER, "they", "a-1"))])]);
    let told = |report: Report| format!("{:?}", report.told);
    assert!(told(reports.recv_timeout(WITHIN).unwrap()).starts_with("Up { instance: \"they\", key: None }"));
    let news = told(reports.recv_timeout(WITHIN).unwrap());
    assert!(news.starts_with("News { head: Head { height: Height(7)") && news.contains("0303"), "{news}");
}

#[test]
fn what_is_at_an_address_is_told_for_what_it_is() {
    let endless = b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n".to_vec();
    let endless = [endless, vec![b'x'; 1 << 20]].concat();
    let page = http("200 OK", b"<html>It works!</html>");
    for (answers, state, failure) in [
        (page, PeerState::Foreign, Some("not a node's answer: expected value")),
        (http("404 Not Found", b""), PeerState::Foreign, Some("not a node's answer: status 404")),
        (http("302 Found", b""), PeerState::Foreign, Some("not a node's answer: status 302")),
        (endless, PeerState::Foreign, Some("the answer is longer than any such answer may be")),
        (b"220 mail.example ESMTP\r\n".to_vec(), PeerState::Foreign, Some("not a node's answer: ")),
        (news(LedgerId::from_bytes([9; 32]), "they", "1"), PeerState::Foreign, Some("a node of another ledger, 0909")),
        (news(LEDGER, "me", "1"), PeerState::Itself, None),
        (http("503 Service Unavailable", b""), PeerState::Unreachable, Some("the peer is busy")),
    ] {
        let (mut peers, reports) = peers(&[server(vec![("/api/v1/peer/news", answers)])]);
        let report = reports.recv_timeout(WITHIN).unwrap();
        peers.note(Timestamp::from_ms(5), report.peer, &report.told);
        let Peer { state: found, failure: why, .. } = &peers.peers[0];
        let fits = why.as_deref().zip(failure).is_none_or(|(why, failure)| why.starts_with(failure));
        assert!(*found == state && why.is_some() == failure.is_some() && fits, "{found:?} {why:?}, not {failure:?}");
    }
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (_peers, reports) = peers(&[format!("http://{nobody}")]);
    let told = reports.recv_timeout(WITHIN).unwrap().told;
    assert!(matches!(told, Told::Down(Failed::Unreachable(_))), "{told:?}");
}

#[test]
fn an_answer_is_cut_at_its_own_limit() {
    let long = |bytes: usize| http("200 OK", &vec![b'x'; bytes]);
    let address = server(vec![
        ("/api/v1/peer/headers", long(512 * 212 + 1)),
        ("/api/v1/peer/head", long(8_193)),
        ("/api/v1/peer/blocks", long((8 << 20) + 1)),
        ("/api/v1/statements", long((1 << 20) + 1)),
        ("/api/v1/peer/pool", long(2 << 20)),
    ]);
    let (mut peers, reports) = peers(&[address]);
    let id = StatementId::from_bytes([1; 32]);
    let asks = [
        Ask::Head,
        Ask::Headers { locator: Vec::new() },
        Ask::Block(BlockHash::from_bytes([1; 32])),
        Ask::Attachment(id),
        Ask::Pool,
        Ask::Waiting(id),
    ];
    for (number, ask) in (1..).zip(asks) {
        assert_eq!(peers.ask(PeerId(0), AskId(number), ask.clone()), None);
        let answer = std::iter::from_fn(|| reports.recv_timeout(WITHIN).ok()).find_map(|report| match report.told {
            Told::Answered { id, answer } => Some((id, answer)),
            _ => None,
        });
        assert_eq!(answer, Some((AskId(number), Answer::Failed(Failed::TooLong))), "{ask:?}");
    }
}

#[test]
fn a_peer_that_answers_nothing_takes_a_bounded_number_of_questions() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (mut peers, _reports) = peers(&[format!("http://{}", listener.local_addr().unwrap())]);
    let answers = (1..=2_000).map(|number| peers.ask(PeerId(0), AskId(number), Ask::Head));
    let busy = answers.filter(|answer| *answer == Some(Answer::Failed(Failed::Busy))).count();
    assert!((900..=1_000).contains(&busy), "{busy} of 2,000 did not fit among 1,024");
}

#[test]
fn refuse_addresses_that_are_none_and_too_many() {
    let tell: Arc<dyn Fn(Report) -> bool + Send + Sync> = Arc::new(|_| true);
    let around = Surroundings { ledger: LEDGER, tell, signer: None };
    let start = |addresses: &[String]| {
        let started = Peers::start(addresses, &"me".into(), Listeners::default(), &around);
        started.map(|peers| peers.counts()).map_err(|error| error.to_string())
    };
    let many: Vec<String> = (0..=PEERS_MAX).map(|port| format!("http://127.0.0.1:{}", 1_000 + port)).collect();
    let twice = ["http://127.0.0.1:9".to_owned(), "http://127.0.0.1:9/".to_owned()];
    assert_eq!(start(&twice), Ok((1, 0)));
    assert!(start(&["node.example".to_owned()]).unwrap_err().contains("write it as http://"));
    assert!(start(&many).unwrap_err().starts_with(&format!("{} peers", PEERS_MAX + 1)));
}

#[test]
fn a_peer_that_listens_needs_nothing_handed_over() {
    let listeners = Listeners::default();
    assert!(!listeners.has("they"));
    listeners.heard("they");
    assert!(listeners.has("they") && !listeners.has("others"));
    for number in 0..2 * LISTENERS_MAX {
        listeners.heard(&number.to_string());
    }
    assert_eq!(listeners.0.lock().unwrap().len(), LISTENERS_MAX);
    assert!(listeners.has("they"));
}
