//! A load as its operator switches it from a terminal: listed, switched with a reason, told in the journal.

use crate::community::World;
use crate::gateway::{configure, simulated};
use crate::program::{Running, eventually};
use units::Millis;

const RELAY: &str = "dds238-2-zn-sr";

/// A meter with a relay, its gateway beside the node's settings, and the gateway's address. All stop when dropped.
pub(crate) fn relay_and_gateway(world: &World) -> (Running, Running, String) {
    let (signer, from) = ("house/keys/gateway.key", world.day(0));
    let meter = ["register", "meter", "A-102", "--signer", signer, "--member", "Chen", "--profile", RELAY];
    world.submit("house/keys/operator.key", &[&meter[..], &["--from", &from]].concat()).ok();
    let (simulation, place) = simulated(world, RELAY);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let bus = format!("tcp = \"{place}\"\nframing = \"rtu\"");
    configure(world, ("A-102", RELAY), &bus, &format!("http = \"127.0.0.1:{port}\""));
    let gateway = Running::start(world.path(), &["gateway", "--config", "house/gateway.toml"]);
    gateway.line_with("meters 1");
    (simulation, gateway, format!("http://127.0.0.1:{port}"))
}

#[test]
fn a_load_is_switched_with_a_reason_read_back_and_told_in_the_journal_and_the_ledger() {
    let world = World::closing_in(Millis::from_minutes(60));
    world.register();
    let (_simulation, gateway, url) = relay_and_gateway(&world);
    let unknown = |arguments: &[&str]| world.run(&[&["load"], arguments, &["--gateway", &url]].concat());
    let token = ["--token-file", "house/access/operator.token"];
    let load = |arguments: &[&str]| unknown(&[arguments, &token].concat());
    let list = eventually("the relay and a reading are there", || {
        let said = load(&["list"]).ok();
        (said.starts_with("A-102  on (relay read ") && said.contains(" W, ")).then_some(said)
    });
    assert!(list.contains(" A, ") && list.contains(" V "), "{list}");
    assert_eq!(load(&["journal"]).ok(), "nothing was switched yet\n");

    let refused = unknown(&["off", "A-102", "--why", "a test"]);
    assert!(refused.code == 2 && refused.err.contains("house/access/operator.token"), "{refused:?}");
    for (arguments, code, said) in [
        (&["off", "A-102"][..], 2, "--why <TEXT>"),
        (&["off", "A-102", "--why", " "], 2, "this is blank"),
        (&["off", "A-999", "--why", "a test"], 1, "A-999 is not one of this gateway's"),
        (&["on", "A-102", "--why", "a test"], 1, "is on already"),
        (&["reset", "A-102", "--why", "a test"], 1, "nothing to reset"),
    ] {
        let ended = load(arguments);
        assert!(ended.code == code && ended.out.is_empty() && ended.err.contains(said), "{arguments:?}: {ended:?}");
    }
    let said = load(&["off", "A-102", "--why", "away until Monday", "--as", "Lee"]).ok();
    assert_eq!(said, "A-102: on -> off (switched)\n");
    let list = load(&["list", "--json"]).json();
    assert_eq!(list["loads"][0]["state"], "off", "{list}");
    let planned = list["buses"][0]["load_planned_permille"].as_u64().unwrap();
    assert!(planned > 0 && list["buses"][0]["line"].is_null(), "{list}");
    // It rests a while before it may come on again; then it does.
    let on = eventually("the load has rested", || {
        let ended = load(&["on", "A-102", "--why", "back", "--json"]);
        assert!(ended.code == 0 || (ended.code == 1 && ended.err.contains("may be switched on in")), "{ended:?}");
        (ended.code == 0).then(|| ended.json())
    });
    assert_eq!((&on["before"], &on["after"], &on["outcome"]), (&"off".into(), &"on".into(), &"switched".into()));

    let journal = eventually("both stand in the ledger", || {
        let journal = load(&["journal", "--json"]).json();
        journal["items"].as_array().unwrap().iter().all(|item| item["stated"] == "final").then_some(journal)
    });
    let lines: Vec<[&str; 3]> = journal["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| ["deed", "who", "why"].map(|key| item[key].as_str().unwrap()))
        .collect();
    assert_eq!(lines, [["on", "operator", "back"], ["off", "Lee", "away until Monday"]], "a refusal is no switching");
    let said = load(&["journal", "--limit", "1"]).ok();
    for words in ["A-102 on  switched, block ", "  off -> on, by operator: back\n", "older lines: --cursor "] {
        assert!(said.contains(words), "{words}\n{said}");
    }
    assert_eq!(gateway.stop(), 0);
    let gone = load(&["list"]);
    assert!(gone.code == 2 && gone.err.contains("the gateway does not answer"), "{gone:?}");
}
