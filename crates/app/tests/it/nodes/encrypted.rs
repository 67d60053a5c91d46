//! Nodes whose way to each other is encrypted, and a folder repaired by hand from a node that runs.

use super::{Community, free_port, house};
use crate::program::{Running, eventually, run};
use api::{Client, PeerState};
use gateway::HttpTransport;
use ledger::Genesis;
use std::path::Path;

/// What follows a mark in a line, up to the next blank.
fn after<'a>(line: &'a str, mark: &str) -> &'a str {
    line.split_once(mark).unwrap().1.split_whitespace().next().unwrap()
}

fn founded(folder: &Path) -> String {
    run(folder, &["init", "house", "--plain-keys", "--level", "1", "--block-interval", "200ms"]).ok();
    let genesis = std::fs::read(folder.join("house/genesis.cbor")).unwrap();
    Genesis::from_bytes(&genesis).unwrap().ledger().to_string()
}

#[test]
fn two_nodes_with_self_made_certificates_name_each_other_by_fingerprint_and_nothing_else_is_believed() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = founded(folder.path());
    let (first, second) = (format!("127.0.0.1:{}", free_port()), format!("127.0.0.1:{}", free_port()));
    let one = Running::start(folder.path(), &["node", "--data", "house", "--http", &first, "--tls"]);
    let line = one.line_with("other nodes name this one");
    let url = after(&line, "--peer ");
    assert!(url.starts_with(&format!("https://{first}#sha256=")), "{line}");

    let join = |data: &str, url: &str| {
        run(folder.path(), &["node", "--data", data, "--http", &second, "--join", url, "--genesis", &ledger])
    };
    let (place, digits) = url.split_once("#sha256=").unwrap();
    let other = format!("{place}#sha256={}", digits.chars().rev().collect::<String>());
    for (wrong, said) in [
        (other.as_str(), "its certificate is another one"),
        (place, "signed by nobody that this computer trusts"),
        (&format!("{}#sha256=12", place), "is not a node's address"),
    ] {
        let refused = join("wrong", wrong);
        assert!(refused.code == 2 && refused.err.contains(said), "{wrong}: {refused:?}");
        assert!(!folder.path().join("wrong").exists(), "{wrong}: nothing is made");
    }
    let plain = Running::start(
        folder.path(),
        &["node", "--data", "house-2", "--http", &second, "--tls", "--join", url, "--genesis", &ledger],
    );
    plain.line_with("other nodes name this one");
    // This computer's own programs need no certificate.
    let client = Client::new(HttpTransport::new(&format!("http://{second}")));
    eventually("the second node follows the first over TLS", || {
        let peers = client.peers().ok()?;
        (peers.first()?.state == PeerState::Connected && peers.first()?.agreement.is_some()).then_some(())
    });
    let peers = client.peers().unwrap();
    assert_eq!((peers.len(), peers[0].address.as_str()), (1, place));
    drop(one);
    drop(plain);
}

#[test]
fn a_folder_is_repaired_from_a_node_that_runs_and_the_audit_says_what_was_changed() {
    let mut community = Community::of(2);
    let ids: Vec<_> = (0..6).map(|_| community.submit(0)).collect();
    community.is_final_at(&[0, 1], ids.last().unwrap());
    let status = community.agree(&[0, 1]);
    assert_eq!(community.nodes[1].take().unwrap().stop(), 0);

    let house = house(1);
    let segment = community.path().join(&house).join("node/blocks-00000000.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    // In a block: the genesis document takes the first half.
    let at = bytes.len() * 4 / 5;
    bytes[at] ^= 1;
    std::fs::write(&segment, &bytes).unwrap();
    let (data, url) = (["audit", "--data", house.as_str()], community.url(0));
    let audited = run(community.path(), &data);
    assert_eq!(audited.code, 1, "the audit finds it: {audited:?}");
    let repaired = run(community.path(), &[&data[..], &["--repair", "--peer", &url]].concat());
    assert_eq!(repaired.code, 0, "{repaired:?}");
    assert!(repaired.out.contains("nothing is wrong") && repaired.out.contains(&format!("from {url}")), "{repaired:?}");
    let view = run(community.path(), &[&data[..], &["--json"]].concat()).json();
    let finding = &view["remembered"][0];
    assert!(finding["kind"] == "block" && finding["height"].is_u64() && finding["field"].is_string(), "{finding}");
    assert_ne!(finding["found"], finding["expected"]);
    assert_eq!(finding["repaired"]["from"], url.as_str());
    let kept = community.path().join(&house).join("node").join(finding["kept_in"].as_str().unwrap());
    assert!(std::fs::read(kept).unwrap() == bytes, "what was found is kept");

    community.start(1);
    let again = community.agree(&[0, 1]);
    assert!(again.height >= status.height);
    assert_eq!(community.client(1).findings(10).unwrap().count, 1);
    let words = run(community.path(), &["status", "--node", &community.url(1)]).ok();
    assert!(words.contains("Found changed: 1"), "{words}");
    community.end();
}
