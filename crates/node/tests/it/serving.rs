//! A node that answers over HTTP, as little of it as another node asks.

use api::{PeerHead, PeerNews, path};
use consensus::peer::{Answer, Ask};
use ledger::Genesis;
use node::NodeHandle;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use units::{BlockHash, StatementId};

/// Serves a node on a free port until the tests end; gives its address.
pub(crate) fn served(node: &NodeHandle) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let node = node.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let node = node.clone();
            std::thread::spawn(move || answer(&stream.unwrap(), &node));
        }
    });
    address
}

fn answer(mut stream: &TcpStream, node: &NodeHandle) -> Option<()> {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next()?.ok()?;
    while !lines.next()?.ok()?.is_empty() {}
    let target = request.split(' ').nth(1)?.to_owned();
    let body = body(&target, node);
    let status = if body.is_some() { "200 OK" } else { "404 Not Found" };
    let body = body.unwrap_or_default();
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len()).ok()?;
    stream.write_all(&body).ok()
}

fn body(target: &str, node: &NodeHandle) -> Option<Vec<u8>> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let after = |template: &str| {
        let (prefix, _) = template.split_once('{')?;
        path.strip_prefix(prefix).map(str::to_owned)
    };
    if path == path::GENESIS {
        return node.genesis().ok();
    }
    if path == path::PEER_HEAD {
        return serde_json::to_vec(&head(node)).ok();
    }
    if path == path::PEER_NEWS {
        let (next, instance) = ("a".to_owned(), "witness".to_owned());
        let is_first = query.starts_with("after=&") || !query.contains("after=a");
        // What a node does that has no news: it lets the asker wait a while.
        std::thread::sleep(std::time::Duration::from_millis(if is_first { 0 } else { 200 }));
        return serde_json::to_vec(&PeerNews { next, instance, head: head(node), statements: Vec::new() }).ok();
    }
    let ask = if path == path::PEER_HEADERS {
        let hashes = query.strip_prefix("after=")?.split(',').map(str::parse::<BlockHash>);
        Ask::Headers { locator: hashes.collect::<Result<_, _>>().ok()? }
    } else if path == path::PEER_POOL {
        Ask::Pool
    } else if let Some(hash) = after(path::PEER_BLOCK) {
        Ask::Block(hash.parse().ok()?)
    } else if path.starts_with("/api/v1/statements/") {
        Ask::Attachment(path.split('/').nth(4)?.parse::<StatementId>().ok()?)
    } else {
        return None;
    };
    match node.serve(ask).ok()? {
        Answer::Headers(headers) => Some(headers.iter().flat_map(ledger::Header::to_bytes).collect()),
        Answer::Block(bytes) | Answer::Attachment(bytes) => Some(bytes),
        Answer::Pool(ids) => serde_json::to_vec(&ids).ok(),
        _ => None,
    }
}

fn head(node: &NodeHandle) -> PeerHead {
    let Answer::Head(head) = node.serve(Ask::Head).unwrap() else { panic!("a head has a head for an answer") };
    let ledger = Genesis::from_bytes(&node.genesis().unwrap()).unwrap().ledger();
    PeerHead { ledger, height: head.height, hash: head.hash, checkpoint: head.anchor }
}
