//! Addresses at which no honest node is, and crowds.

use super::{Community, free_port};
use crate::program::{Running, eventually, run};
use api::{Agreement, PeerState};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// A server that answers every request in its own way.
fn stranger(answer: fn(TcpStream)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || answer(stream));
        }
    });
    address
}

fn hear(stream: &mut TcpStream) {
    // Only that something was asked matters.
    drop(stream.read(&mut [0; 4_096]));
}

/// A web page.
fn page(mut stream: TcpStream) {
    hear(&mut stream);
    let page = b"HTTP/1.1 200 OK\r\ncontent-length: 15\r\nconnection: close\r\n\r\n<h1>Hello!</h1>";
    drop(stream.write_all(page));
}

/// An answer without an end.
fn endless(mut stream: TcpStream) {
    hear(&mut stream);
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    while stream.write_all(b"1000\r\n").is_ok() && stream.write_all(&[b' '; 0x1000]).is_ok() {
        if stream.write_all(b"\r\n").is_err() {
            return;
        }
    }
}

/// A byte every now and then, for ever.
fn dribble(mut stream: TcpStream) {
    hear(&mut stream);
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4000\r\n\r\n");
    while stream.write_all(b" ").is_ok() {
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Resident memory of a process in kB (proc(5), `VmRSS`).
fn memory_kb(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn strangers_among_the_peers_are_told_for_what_they_are_and_honest_ones_go_on() {
    let mut community = Community::of(2);
    let mut other = Community::of(1);
    let addresses = [
        (stranger(page), PeerState::Foreign, "not a node's answer"),
        (stranger(endless), PeerState::Foreign, "longer than any such answer may be"),
        (stranger(dribble), PeerState::Unreachable, "no answer in time"),
        (other.url(0), PeerState::Foreign, "a node of another ledger"),
        (format!("http://127.0.0.1:{}", free_port()), PeerState::Unreachable, "not reached"),
    ];
    let id = other.submit(0);
    other.is_final_at(&[0], &id);

    let (port, first, ledger) = (free_port(), community.url(0), community.genesis.ledger().to_string());
    let address = format!("127.0.0.1:{port}");
    let mut arguments = vec!["node", "--data", "third", "--http", &address, "--join", &first, "--genesis", &ledger];
    arguments.extend(addresses.iter().flat_map(|(address, ..)| ["--peer", address]));
    arguments.extend(["--peer", "http://localhost:1/"]);
    let third = Running::start_logged(community.path(), &arguments, &community.path().join("third.log"));
    third.line_with("the pages are at");
    community.ports.push(port);
    let client = community.client(2);
    for (address, state, reason) in &addresses {
        eventually(&format!("{address} is {state:?}: {reason}"), || {
            let peers = client.peers().ok()?;
            let peer = peers.into_iter().find(|peer| peer.address == *address)?;
            (peer.state == *state && peer.failure?.contains(reason)).then_some(())
        });
    }
    let id = community.submit(1);
    community.is_final_at(&[0, 1, 2], &id);
    eventually("it agrees with the honest one", || {
        let peers = client.peers().ok()?;
        let honest = peers.iter().find(|peer| peer.address == first)?;
        (honest.agreement == Some(Agreement::Agrees)).then_some(())
    });
    let memory = memory_kb(third.id());
    assert!(memory < 200_000, "{memory} kB");
    assert_eq!(third.stop(), 0);
    community.ports.pop();
    community.end();
    other.end();
}

#[test]
fn joining_what_is_not_there_makes_nothing_and_says_what_to_do() {
    let community = Community::of(1);
    let (right, wrong) = (community.genesis.ledger().to_string(), "ab".repeat(32));
    let (node, page) = (community.url(0), stranger(page));
    let nobody = format!("http://127.0.0.1:{}", free_port());
    for (address, ledger, code, told) in [
        (&node, &wrong, 1, "keeps another ledger"),
        (&page, &right, 2, "is not a Wattproof node"),
        (&nobody, &right, 2, "see that the node runs there"),
        (&"node.example".to_owned(), &right, 2, "with http:// or https:// before it"),
    ] {
        let join = ["node", "--data", "copy", "--http", "127.0.0.1:0", "--join", address, "--genesis", ledger];
        let ended = run(community.path(), &join);
        assert_eq!(ended.code, code, "{ended:?}");
        assert!(ended.err.contains(told), "{told}: {ended:?}");
        assert!(!community.path().join("copy").exists(), "{told}");
    }
    let other = ["node", "--data", "house", "--join", &node, "--genesis", &wrong];
    let ended = run(community.path(), &other);
    assert!(ended.code == 2 && ended.err.contains("holds ledger"), "{ended:?}");
    let no_address = ["node", "--data", "house", "--http", "127.0.0.1:0", "--peer", "node.example:8080"];
    let mut community = community;
    assert_eq!(community.nodes[0].take().unwrap().stop(), 0);
    let ended = run(community.path(), &no_address);
    assert!(ended.code == 2 && ended.err.contains("write it as http://"), "{ended:?}");
}

#[test]
fn a_thousand_connections_keep_no_honest_node_out() {
    let mut community = Community::of(2);
    let before = memory_kb(community.nodes[0].as_ref().unwrap().id());
    let address = format!("127.0.0.1:{}", community.ports[0]);
    let crowd: Vec<TcpStream> = (0..1_000)
        .map(|number| {
            let mut stream = TcpStream::connect(&address).unwrap();
            // A third says nothing, a third begins a request, a third waits for news.
            let words = match number % 3 {
                0 => "",
                1 => "GET /api/v1/status HTTP/1.1\r\nhost: x\r\n",
                _ => "GET /api/v1/peer/news?after=x HTTP/1.1\r\nhost: x\r\n\r\n",
            };
            // A server that cuts such a one short is right.
            drop(stream.write_all(words.as_bytes()));
            stream
        })
        .collect();
    for number in [0, 1] {
        let id = community.submit(number);
        community.is_final_at(&[0, 1], &id);
    }
    community.agree(&[0, 1]);
    let after = memory_kb(community.nodes[0].as_ref().unwrap().id());
    eprintln!("{before} kB before, {after} kB with 1,000 connections");
    assert!(after < before + 100_000, "{before} kB before, {after} kB after");
    drop(crowd);
    community.end();
}
