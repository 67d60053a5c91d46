//! Delivery over real HTTP: what each kind of answer means to the outbox.

use crate::community::gateway_key;
use crate::world::meter_id;
use gateway::core::{HeadAnswer, NodeAnswer, Place};
use gateway::{HttpLink, NodeLink as _};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use units::StatementId;

/// Answers one call with a status and a body; gives the address and, at the end, what was asked.
fn serve(status: &str, body: &str) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let answer =
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()).into_bytes();
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut heard = Vec::new();
        let mut buffer = [0; 1_024];
        while !heard.ends_with(b"\r\n\r\n") && !heard.ends_with(b"submission") {
            let count = stream.read(&mut buffer).unwrap();
            heard.extend(&buffer[..count]);
        }
        stream.write_all(&answer).unwrap();
        String::from_utf8(heard).unwrap()
    });
    (address, asked)
}

fn problem(status: u16) -> String {
    format!(r#"{{"type":"/problems/wrong_sequence","title":"wrong sequence","status":{status},"detail":"3 is next"}}"#)
}

#[test]
fn each_kind_of_answer_to_a_delivery_is_told_apart() {
    let id = StatementId::from_bytes([5; 32]);
    let (pending, done) = (
        format!(r#"{{"id":"{id}","state":"pending"}}"#),
        format!(r#"{{"id":"{id}","state":"final","place":{{"height":8,"index":1,"log_index":21}}}}"#),
    );
    let refused = NodeAnswer::Refused("3 is next (wrong_sequence)".into());
    for (status, body, expected) in [
        ("202 Accepted", pending, Some(NodeAnswer::Pending)),
        ("200 OK", done, Some(NodeAnswer::Final(Place { height: 8, log_index: 21 }))),
        ("422 Unprocessable Content", problem(422), Some(refused)),
        // Busy, full, restarting, or no node at all: tried again.
        ("429 Too Many Requests", problem(429), None),
        ("503 Service Unavailable", problem(503), None),
        ("200 OK", "<html>".to_owned(), None),
        ("302 Found", String::new(), None),
    ] {
        let (address, asked) = serve(status, &body);
        let answer = HttpLink::new(&address).submit(b"submission".to_vec());
        match expected {
            Some(expected) => assert_eq!(answer, expected, "{status}"),
            None => assert!(matches!(answer, NodeAnswer::Unreachable(_)), "{status}: {answer:?}"),
        }
        let asked = asked.join().unwrap();
        assert!(asked.starts_with("POST /api/v1/statements HTTP/1.1\r\n"), "{asked}");
        assert!(asked.to_lowercase().contains("content-type: application/cose\r\n"), "{asked}");
    }
}

#[test]
fn an_unknown_statement_and_an_unregistered_meter_are_no_outage() {
    let (address, asked) = serve("404 Not Found", &problem(404));
    assert_eq!(HttpLink::new(&address).progress(&StatementId::from_bytes([5; 32])), NodeAnswer::Unknown);
    asked.join().unwrap();
    let (address, asked) = serve("404 Not Found", &problem(404));
    let answer = HttpLink::new(&address).head(&meter_id("A-1"), &gateway_key().account());
    assert!(matches!(answer, HeadAnswer::NotBound(_)), "{answer:?}");
    assert!(asked.join().unwrap().starts_with("GET /api/v1/meters/A-1 HTTP/1.1\r\n"));
}

#[test]
fn a_closed_port_is_an_outage_that_names_the_address() {
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let answer = HttpLink::new(&address).submit(Vec::new());
    assert!(matches!(&answer, NodeAnswer::Unreachable(reason) if reason.contains(&address)), "{answer:?}");
}
