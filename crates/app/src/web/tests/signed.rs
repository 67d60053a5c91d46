//! What a ledger keeps to its members, asked for by other nodes: who gets it, and why others do not.

use super::fixture::{CHEN_METER, Fixture};
use super::{ELSEWHERE, get, send, site, text};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use ledger::SecretKey;
use node::Clock;
use node::shell::peers::signed::{Asked, HEADER, SKEW_MAX, Signer};
use std::sync::Arc;
use units::{LedgerId, Millis, Timestamp};

/// A clock that stands.
struct At(Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}

fn header(key: &SecretKey, ledger: LedgerId, time: Timestamp, to: &str, target: &str) -> String {
    let signer = Signer::new(key.clone(), ledger, Arc::new(At(time)));
    signer.sign(&Asked { to, method: "GET", target, body: &[] }).unwrap()
}

fn signed(path: &str, header: &str) -> Request<Body> {
    let mut request = get(path);
    request.headers_mut().insert(HEADER, header.parse().unwrap());
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registered_node_gets_private_readings_by_a_fresh_request_of_its_own_and_nobody_else_does() {
    let fixture = Fixture::new(false);
    let status = fixture.node.status().unwrap();
    let (ledger, now, instance) = (status.ledger, status.time_ms, fixture.node.instance().to_owned());
    let id = fixture.node.meter(CHEN_METER.parse().unwrap()).unwrap().head.previous;
    let path = format!("/api/v1/statements/{id}/attachment");
    let other = format!("/api/v1/statements/{}/attachment", fixture.transfer);
    let (miner, stranger) = (fixture.miner(), SecretKey::ed25519([99; 32]));
    let late = Timestamp::from_ms(now.ms() + SKEW_MAX.ms() + 1);
    let early = Timestamp::from_ms(now.ms() - SKEW_MAX.ms() - 1);
    let within = now + Millis::from_minutes(4);
    let name = |key: &SecretKey, time, to: &str, target: &str| header(key, ledger, time, to, target);
    let good = name(&miner, now, &instance, &path);
    let site = site(&fixture);
    for (what, header, status, kind) in [
        ("nobody", None, 403, "readings_private"),
        ("a registered node", Some(good.clone()), 200, ""),
        ("the same request again", Some(good), 403, "request_replayed"),
        ("a clock that is four minutes fast", Some(name(&miner, within, &instance, &path)), 200, ""),
        ("a request from the future", Some(name(&miner, late, &instance, &path)), 403, "request_stale"),
        ("an old request", Some(name(&miner, early, &instance, &path)), 403, "request_stale"),
        ("a request for another node", Some(name(&miner, now, "another", &path)), 403, "request_signature"),
        ("a request for something else", Some(name(&miner, now, &instance, &other)), 403, "request_signature"),
        ("a node that is not registered", Some(name(&stranger, now, &instance, &path)), 403, "node_unregistered"),
        ("a member, who is no node", Some(name(&fixture.lee_key(), now, &instance, &path)), 403, "node_unregistered"),
        ("no signature at all", Some("hello".to_owned()), 403, "request_malformed"),
    ] {
        let request = header.map_or_else(|| get(&path), |header| signed(&path, &header));
        let response = send(&site, ELSEWHERE, request).await;
        assert_eq!(response.status().as_u16(), status, "{what}");
        let body = text(response).await;
        assert!(body.contains(kind), "{what}: {body}");
    }
    // A signature opens attachments and nothing else.
    let path = format!("/api/v1/meters/{CHEN_METER}/readings");
    let response = send(&site, ELSEWHERE, signed(&path, &name(&miner, now, &instance, &path))).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
}
