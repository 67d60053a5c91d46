//! What members and the operator sign from a terminal, against a real node.

use crate::community::World;
use crate::program::eventually;
use units::Millis;

const OPERATOR: &str = "house/keys/operator.key";
const DIRECTORY: [&str; 2] = ["--directory", "house/directory.toml"];

impl World {
    /// Asks with names, as JSON.
    fn json(&self, arguments: &[&str]) -> serde_json::Value {
        self.ask(&[arguments, &DIRECTORY, &["--json"]].concat()).json()
    }

    /// Submits, waits until it is final, and gives the statement's id.
    fn stated(&self, key: &str, act: &[&str]) -> String {
        let view = self.submit(key, &[&["--json"][..], act].concat()).json();
        assert_eq!(view["state"], "final", "{act:?}");
        view["id"].as_str().unwrap().to_owned()
    }

    /// A refusal by the rule of a name.
    fn refused(&self, key: &str, act: &[&str], rule: &str) {
        let ended = self.submit(key, act);
        assert!(ended.code == 1 && ended.err.contains(rule), "{act:?}: {ended:?}");
    }
}

#[test]
fn a_sale_at_a_price_is_offered_accepted_and_billed() {
    // Time for the sale, on a machine that is busy.
    let world = World::closing_in(Millis::from_seconds(60));
    world.register();
    let month = world.month.to_string();
    let offer = ["offer", "20", &month, "--price", "3.2", "--to", "Lee", "--for", "30s"];
    let id = world.stated("Chen.key", &offer);
    let taken_back = world.stated("Chen.key", &["offer", "5", &month, "--price", "3", "--for", "30s"]);
    world.stated("Chen.key", &["withdraw", &taken_back]);

    let open = world.json(&["offers"]);
    assert_eq!(open["items"].as_array().unwrap().len(), 1, "{open}");
    assert_eq!(
        (open["items"][0]["energy_mwh"].as_i64(), open["items"][0]["amount_1e4"].as_i64()),
        (Some(20_000_000), Some(640_000))
    );
    let said = world.ask(&[&["offers"][..], &DIRECTORY].concat()).ok();
    assert!(said.contains(&id) && said.contains("Chen: 20.0 kWh"), "{said}");
    let gone = world.submit("Lee.key", &["accept", &taken_back]);
    assert!(gone.code == 1 && gone.err.contains("wattproof offers"), "{gone:?}");
    let accepted = world.stated("Lee.key", &["accept", &id]);
    let said = world.ask(&[&["statement", &accepted][..], &DIRECTORY].concat()).ok();
    assert!(said.contains("accept the offer of Chen: 20.0 kWh"), "{said}");
    let sheet = world.json(&["account", "Lee", &month]);
    assert_eq!(sheet["bought"]["amount_1e4"], 640_000);
    assert_eq!(world.json(&["account", "Chen", &month])["terms"]["remaining_mwh"], 180_000_000);

    eventually("the month closes", || {
        world.submit("Lee.key", &["note", "--text", "time passes"]).ok();
        (world.json(&["status"])["first_open_month"] != month.as_str()).then_some(())
    });
    let line = |name: &str, kind: &str| {
        let bill = world.json(&["bill", name, &month]);
        let lines = bill["lines"].as_array().unwrap().clone();
        lines.iter().find(|line| line["kind"] == kind).unwrap_or_else(|| panic!("{bill}"))["amount_1e4"].as_i64()
    };
    assert_eq!((line("Chen", "sold"), line("Lee", "bought")), (Some(-640_000), Some(640_000)));
    world.stated("Lee.key", &["bill", "Lee", &month]);
    world.stated("Lee.key", &["claim", "bill", &month, "I bought less"]);
    let claims = world.json(&["claims"]);
    assert_eq!(
        (claims["items"][0]["status"].as_str(), claims["items"][0]["text"].as_str()),
        (Some("open"), Some("I bought less"))
    );
}

#[test]
fn keys_change_end_and_are_withdrawn() {
    let world = World::closing_in(Millis::from_seconds(600));
    world.register();
    let month = world.month.to_string();
    world.run(&["key", "new", "--plain", "Chen-new.key"]).ok();
    world.stated("Chen.key", &["rotate", "Chen-new.key"]);
    world.refused("Chen.key", &["note", "--energy", "1"], "wrong_signature");
    world.stated("Chen-new.key", &["note", "--energy", "1"]);
    world.stated("Chen-new.key", &["transfer", "Lee", "1", &month]);
    let account = world.json(&["account", "Chen"]);
    let keys = account["keys"].as_array().unwrap();
    let heights: Vec<u64> = keys.iter().map(|key| key["since"]["height"].as_u64().unwrap()).collect();
    assert!(heights.len() == 2 && heights[0] < heights[1], "{account}");
    assert_eq!(account["key"], keys[1]["key"]);

    world.refused("Lee.key", &["revoke", "Chen"], "role_needed");
    world.refused(OPERATOR, &["retire", "role", "Chen", "member"], "meters_bound");
    world.stated(OPERATOR, &["retire", "meter", "A-101"]);
    world.stated(OPERATOR, &["retire", "role", "Lee", "member"]);
    world.refused("Lee.key", &["transfer", "Chen", "1", &month], "role_needed");
    world.stated(OPERATOR, &["revoke", "Chen"]);
    world.refused("Chen-new.key", &["note", "--energy", "2"], "key_revoked");
    let account = world.json(&["account", "Chen"]);
    assert!(account["revoked"]["height"].as_u64().unwrap() > heights[1], "{account}");
    let said = world.ask(&[&["account", "Chen"][..], &DIRECTORY].concat()).ok();
    assert!(said.contains("The key is withdrawn since block"), "{said}");
}

#[test]
fn a_voltage_claim_is_filed_answered_exported_and_verified() {
    let world = World::closing_in(Millis::from_seconds(600));
    world.register();
    // The recording is of a 230 V household, and the ledger's limits are those of 110 V.
    world.readings();
    let listed = world.json(&["claims", "--account", "Chen"]);
    let interval = listed["outside"][0]["statement"].as_str().unwrap().to_owned();
    assert!(
        listed["outside"][0]["voltage_max_mv"].as_i64() > listed["outside"][0]["limit_max_mv"].as_i64(),
        "{listed}"
    );
    world.refused("Lee.key", &["claim", "voltage", "not mine", &interval], "unknown_interval");
    let claim = world.stated("Chen.key", &["claim", "voltage", "too high", &interval]);
    world.refused("Chen.key", &["claim", "voltage", "again", &interval], "already_claimed");
    world.stated(OPERATOR, &["answer", &claim, "accepted", "the tap was changed"]);
    world.refused(OPERATOR, &["answer", &claim, "declined", "no"], "already_answered");
    let claims = world.json(&["claims"]);
    let answered = (claims["items"][0]["status"].as_str(), claims["items"][0]["answer"]["text"].as_str());
    assert_eq!(answered, (Some("accepted"), Some("the tap was changed")));
    let said = world.ask(&[&["claims"][..], &DIRECTORY].concat()).ok();
    assert!(said.contains("not instruments") && said.contains("the tap was changed"), "{said}");

    world.run(&["export", "--out", "claim.cbor", "--node", &world.url, "claim", &claim]).ok();
    let said = world.run(&["verify", "claim.cbor", "--trust", "house/genesis.cbor"]).ok();
    assert!(said.contains("Verified: "), "{said}");
}

#[test]
fn the_operator_states_prices_settings_and_versions() {
    let world = World::closing_in(Millis::from_seconds(600));
    world.register();
    let next = world.month.plus(2).to_string();
    world.stated(OPERATOR, &["tariff", &next, "--file", "taipower-residential"]);
    let typed = world.submit(OPERATOR, &["tariff", &next, "--file", "absent.toml"]);
    assert!(typed.code == 2 && typed.err.contains("taipower-simple-tou-2"), "{typed:?}");
    std::fs::write(world.path().join("misspelt.toml"), "round_too = \"1\"\n").unwrap();
    let typed = world.submit(OPERATOR, &["tariff", &next, "--file", "misspelt.toml"]);
    assert!(typed.code == 2 && typed.err.contains("misspelt.toml"), "{typed:?}");

    world.stated(OPERATOR, &["parameter", "level", "2", "--height", "100000"]);
    world.refused(OPERATOR, &["parameter", "level", "2", "--height", "1"], "not_ahead");
    let from = ["--from", "2100-01-01T00:00:00Z"];
    world.stated(OPERATOR, &[&["parameter", "voltage-limits", "taiwan-lighting-110"][..], &from].concat());
    world.refused(OPERATOR, &["upgrade", "2", "--height", "3"], "notice_too_short");
    world.stated(OPERATOR, &["upgrade", "2", "--height", "100000"]);
    let bill = ["utility", "--from", "2026-01-01T00:00:00Z", "--until", "2026-03-01T00:00:00Z"];
    let utility = world.submit(OPERATOR, &[&bill[..], &["--amount", "1250", "--energy", "410"]].concat());
    assert_eq!(utility.code, 1, "no tenancy ledger: {utility:?}");
}

#[test]
fn a_tenants_bill_waits_for_the_utilitys_and_shows_its_figures() {
    let world = World::founded(&["--tenancy"], "", Millis::from_seconds(30));
    world.register();
    let month = world.month.to_string();
    for (counter, day) in [("1000", 1), ("1100", 2)] {
        let day = world.day(day);
        let entered = ["reading", "enter", "A-101", counter, "--key", OPERATOR, "--at", &day, "--yes"];
        assert_eq!(world.ask(&[&entered[..], &["--json"]].concat()).json()["state"], "final", "{counter}");
    }
    eventually("the month closes", || {
        world.submit("Lee.key", &["note", "--text", "time passes"]).ok();
        (world.json(&["status"])["first_open_month"] != month.as_str()).then_some(())
    });
    world.refused(OPERATOR, &["bill", "Chen", &month], "utility_bill_missing");
    let (from, until) = (world.day(0), world.month_end());
    world.stated(OPERATOR, &["utility", "--from", &from, "--until", &until, "--amount", "2000", "--energy", "500"]);
    world.stated(OPERATOR, &["bill", "Chen", &month]);
    let bill = world.json(&["bill", "Chen", &month]);
    assert_eq!(bill["total_1e4"], 3_500_000, "{bill}");
    let shown = &bill["utilities"][0];
    assert_eq!(
        (shown["average_1e4"].as_i64(), shown["amount_1e4"].as_i64()),
        (Some(40_000), Some(20_000_000)),
        "{bill}"
    );
}
