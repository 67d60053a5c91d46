//! A small real community, over the program alone: founded, run, billed, exported, verified, audited.

use crate::program::{Ended, Running, eventually, run};
use ledger::act::{Act, CounterPair, Readings};
use ledger::attachment::{Attachment, Exchange, Frame, Row, Summary};
use ledger::verify::{Verdict, verify};
use ledger::{Genesis, Payload, SecretKey, SignedStatement};
use meter::{Options, Profile, Replay, SimulatedMeter};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use units::{Energy, Frequency, Millis, Month, Timestamp};

/// Time for what must be booked before the month closes.
const CLOSES_IN: Millis = Millis::from_seconds(40);

/// A community whose first month was the last one, and closes within the minute.
pub(crate) struct World {
    folder: TempDir,
    node: Option<Running>,
    pub(crate) url: String,
    pub(crate) month: Month,
    month_start: Timestamp,
}

fn now() -> Timestamp {
    let elapsed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_ms(u64::try_from(elapsed.as_millis()).unwrap())
}

fn said(time: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(i64::try_from(time.ms()).unwrap()).unwrap().to_string()
}

impl World {
    fn new() -> Self {
        Self::founded(&[], "", CLOSES_IN)
    }

    /// With some time until the month closes.
    pub(crate) fn closing_in(closes_in: Millis) -> Self {
        Self::founded(&[], "", closes_in)
    }

    /// With more flags of `init`, and more in the node's settings.
    pub(crate) fn founded(flags: &[&str], more: &str, closes_in: Millis) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // In UTC, so that the test computes the months by itself.
        let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
        let this = today.first_of_month();
        let last = this.saturating_sub(jiff::Span::new().months(1));
        let start = |date: jiff::civil::Date| {
            let midnight = date.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_millisecond();
            Timestamp::from_ms(u64::try_from(midnight).unwrap())
        };
        let month: Month = last.strftime("%Y-%m").to_string().parse().unwrap();
        let close_after = format!("{}ms", now().since(start(this)).ms() + closes_in.ms());
        let arguments = [
            "init",
            "--plain-keys",
            "house",
            "--time-zone",
            "UTC",
            "--first-month",
            &month.to_string(),
            "--close-after",
            &close_after,
            "--block-interval",
            "50ms",
            "--public-readings",
        ];
        run(folder.path(), &[&arguments[..], flags].concat()).ok();
        let config = folder.path().join("house/config.toml");
        // The tests look at pages with nobody logged in.
        let settings =
            std::fs::read_to_string(&config).unwrap().replace("names = \"operator\"", "names = \"everybody\"");
        std::fs::write(&config, settings + more).unwrap();
        let mut world = Self { folder, node: None, url: String::new(), month, month_start: start(last) };
        world.start_node();
        world
    }

    pub(crate) fn start_node(&mut self) {
        let node = Running::start(self.folder.path(), &["node", "--data", "house", "--http", "127.0.0.1:0"]);
        let line = node.line_with("http://");
        self.url = line.split_once("at ").unwrap().1.split_once(';').unwrap().0.to_owned();
        self.node = Some(node);
    }

    pub(crate) fn stop_node(&mut self) {
        assert_eq!(self.node.take().unwrap().stop(), 0);
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        run(self.path(), arguments)
    }

    /// A command that asks the node.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Ended {
        let mut all = arguments.to_vec();
        all.extend(["--node", &self.url]);
        self.run(&all)
    }

    pub(crate) fn submit(&self, key: &str, act: &[&str]) -> Ended {
        let mut all = vec!["submit", "--key", key, "--node", &self.url, "--directory", "house/directory.toml"];
        all.extend(act);
        self.run(&all)
    }

    fn genesis(&self) -> Genesis {
        Genesis::from_bytes(&std::fs::read(self.path().join("house/genesis.cbor")).unwrap()).unwrap()
    }

    /// A time of the month, in words, some days after it began.
    pub(crate) fn day(&self, days: u64) -> String {
        said(self.month_start + Millis::from_minutes(days * 24 * 60))
    }

    /// When the month ends.
    pub(crate) fn month_end(&self) -> String {
        said(self.genesis().month_span(self.month).unwrap().1)
    }

    /// Two members by name, a meter, a price, contracts.
    pub(crate) fn register(&self) {
        let (operator, month) = ("house/keys/operator.key", self.month.to_string());
        let from = self.day(0);
        let mut directory = std::fs::read_to_string(self.path().join("house/directory.toml")).unwrap();
        self.submit(operator, &["register", "key", "house/keys/gateway.key", "gateway", "--from", &from]).ok();
        for (name, contract) in [("Chen", "200"), ("Lee", "100")] {
            let key = format!("{name}.key");
            self.run(&["key", "new", "--plain", &key]).ok();
            let account = self.run(&["key", "show", &key, "--json"]).json()["account"].as_str().unwrap().to_owned();
            directory += &format!("\n[[account]]\nid = \"{account}\"\nname = \"{name}\"\n");
            std::fs::write(self.path().join("house/directory.toml"), &directory).unwrap();
            self.submit(operator, &["register", "key", &key, "member", "--from", &from]).ok();
            self.submit(operator, &["contract", name, &month, contract]).ok();
        }
        self.submit(operator, &["tariff", &month, "--price", "3.5"]).ok();
        let meter = ["register", "meter", "A-101", "--signer", "house/keys/gateway.key", "--member", "Chen"];
        self.submit(operator, &[&meter[..], &["--profile", "im1281b", "--from", &from]].concat()).ok();
    }

    /// Chen's meter over a quarter of an hour, as a gateway states it, from a meter's own bytes.
    pub(crate) fn readings(&self) {
        let view = get_json(&format!("{}/api/v1/meters/A-101", self.url));
        let (end, every) = (self.month_start + Millis::from_minutes(15), Millis::from_minutes(5));
        let meter = simulated_meter(self.month_start);
        let mut times = vec![self.month_start + every, self.month_start + every + every];
        times.push(Timestamp::from_ms(end.ms() - 1));
        let taken: Vec<(Row, Frame)> = times.into_iter().map(|time| taken(&meter, time)).collect();
        let (rows, frames): (Vec<Row>, Vec<Frame>) = taken.into_iter().unzip();
        let attachment = Attachment::build([5; 32], &rows, &frames).unwrap();
        let summary = Summary::of(&rows);
        let readings = Readings {
            binding: view["binding"].as_str().unwrap().parse().unwrap(),
            seq: 0,
            previous: view["binding"].as_str().unwrap().parse().unwrap(),
            start: self.month_start,
            end,
            import: CounterPair {
                start: rows[0].reading.energy_import().unwrap(),
                end: rows[2].reading.energy_import().unwrap(),
            },
            export: None,
            count: 3,
            voltage: summary.voltage,
            peak_current: summary.peak_current,
            peak_power: summary.peak_power,
            broken: None,
            events: Vec::new(),
            estimated: false,
            columns: attachment.columns_hash(),
            frames: attachment.frames_root().unwrap(),
            source: ledger::act::ReadingSource::Meter,
            wraps_at: None,
        };
        let acts = vec![Act::Readings(Box::new(readings))];
        let payload = Payload { ledger: self.genesis().ledger(), nonce: [1; 16], issued: now(), expires: None, acts };
        let pem = std::fs::read_to_string(self.path().join("house/keys/gateway.key")).unwrap();
        let signed = SignedStatement::sign(&payload, &SecretKey::from_pem(&pem).unwrap()).unwrap();
        let client = api::Client::new(gateway::HttpTransport::new(&self.url));
        client.submit(signed.to_submission(Some(&attachment.to_bytes()))).unwrap();
        eventually("readings are final", || {
            let view = client.statement(&signed.id()).ok()?;
            (view.state == api::StatementState::Final).then_some(())
        });
    }
}

fn get_json(url: &str) -> serde_json::Value {
    serde_json::from_str(&get_text(url)).unwrap()
}

/// What an address of a program on this computer answers.
pub(crate) fn get_text(url: &str) -> String {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let request = api::Request {
        method: api::Method::Get,
        path: format!("/{path}"),
        content_type: None,
        accept: api::MEDIA_JSON,
        body: Vec::new(),
    };
    let base = format!("http://{host}");
    let response = api::Transport::send(&gateway::HttpTransport::new(&base), request).unwrap();
    String::from_utf8(response.body).unwrap()
}

fn simulated_meter(start: Timestamp) -> SimulatedMeter {
    let options = Options {
        start,
        offset_minutes: 0,
        nominal_voltage: None,
        frequency: Frequency::from_mhz(60_000),
        counter_start: Energy::from_kwh(1_200),
    };
    let profile = Arc::new(Profile::shipped("im1281b").unwrap());
    SimulatedMeter::new(profile, meter::Address::FIRST, Arc::new(Replay::excerpt().unwrap()), options)
}

fn taken(meter: &SimulatedMeter, time: Timestamp) -> (Row, Frame) {
    let profile = Profile::shipped("im1281b").unwrap();
    let exchange = |request: &meter::Request| meter::Exchange {
        request: request.frame(),
        response: meter.respond(time, &request.frame()).unwrap(),
    };
    let exchanges: Vec<meter::Exchange> = profile.requests(meter::Address::FIRST).iter().map(exchange).collect();
    let reading = profile.reading(meter::Address::FIRST, &exchanges).unwrap();
    let exchanges = exchanges.into_iter();
    let exchanges = exchanges.map(|exchange| Exchange { request: exchange.request, response: exchange.response });
    (Row { time, reading }, Frame { time, exchanges: exchanges.collect() })
}

/// As the program reads frames.
fn read_frame(profile: &str, frame: &Frame) -> Result<Energy, String> {
    let profile = Profile::shipped(profile).ok_or("unknown model")?;
    let exchanges = frame.exchanges.iter();
    let exchanges: Vec<meter::Exchange> = exchanges
        .map(|exchange| meter::Exchange { request: exchange.request.clone(), response: exchange.response.clone() })
        .collect();
    let address = profile.address_in(&exchanges).ok_or("no request")?;
    let reading = profile.reading(address, &exchanges).map_err(|error| error.to_string())?;
    reading.energy_import().ok_or_else(|| "no counter".to_owned())
}

/// Flips bits in turn; each copy must fail. In this process, since starting the program for each would take hours.
fn every_flip_fails(name: &str, bytes: &[u8], trust: &Genesis, bits_of: impl Fn(usize) -> Vec<usize>) {
    assert_eq!(verify(bytes, Some(trust), &read_frame).verdict(), Verdict::Verified, "{name}");
    let mut copy = bytes.to_vec();
    for at in 0..bytes.len() {
        for bit in bits_of(at) {
            copy[at] ^= 1 << bit;
            let verdict = verify(&copy, Some(trust), &read_frame).verdict();
            assert_eq!(verdict, Verdict::Failed, "{name}: byte {at} bit {bit}");
            copy[at] ^= 1 << bit;
        }
    }
}

#[test]
fn a_community_lives_from_its_founding_to_a_bill_that_proves_itself() {
    let mut world = World::new();
    world.register();
    world.readings();
    let month = world.month.to_string();

    // A sale is booked; one beyond what remains is refused with the rule's sentence, in the reader's language.
    let sold = world.submit("Chen.key", &["--json", "transfer", "Lee", "20", &month]).json();
    assert_eq!(sold["state"], "final");
    let id = sold["id"].as_str().unwrap();
    let refused = world.submit("Chen.key", &["transfer", "Lee", "1000", &month]);
    assert!(refused.code == 1 && refused.err.contains("used up") && refused.err.contains("1000.0 kWh"), "{refused:?}");
    let refused = world.submit("Chen.key", &["--lang", "zh-TW", "transfer", "Lee", "1000", &month]);
    assert!(refused.code == 1 && refused.err.contains("電量已用完"), "{refused:?}");
    let stranger = world.run(&["key", "new", "--plain", "stranger.key"]).code
        + world.submit("stranger.key", &["note", "--energy", "1"]).code;
    assert_eq!(stranger, 1, "a key that nobody registered");

    // What the terminal shows.
    let directory = ["--directory", "house/directory.toml"];
    let sheet = world.ask(&[&["account", "Chen", &month, "--json"][..], &directory].concat()).json();
    assert_eq!(sheet["terms"]["traded_mwh"], 20_000_000);
    assert!(sheet["terms"]["consumed_mwh"].as_i64().unwrap() > 0, "{sheet}");
    for (arguments, word) in [
        (&["status"][..], "Ledger: "),
        (&["account", "Chen"], "A-101"),
        (&["account", "Lee", &month], "100.0 kWh"),
        (&["statement", id], "transfer 20.0 kWh to Lee"),
        (&["block", "2"], "register"),
        (&["pool"], "0 of at most"),
    ] {
        let said = world.ask(&[arguments, &directory].concat()).ok();
        assert!(said.contains(word), "{arguments:?}: {said}");
    }
    let open = world.submit("house/keys/operator.key", &["bill", "Chen", &month]);
    assert_eq!(open.code, 1, "the month is open: {open:?}");

    // The month closes; its bill is put on the ledger.
    eventually("the month closes", || {
        world.submit("Lee.key", &["note", "--text", "time passes"]).ok();
        (world.ask(&["status", "--json"]).json()["first_open_month"] != month.as_str()).then_some(())
    });
    let bill = world.ask(&[&["bill", "Chen", &month, "--json"][..], &directory].concat()).json();
    let meter = &bill["months"][0]["meters"][0];
    assert_eq!((meter["meter"].as_str(), meter["previous_mwh"].as_i64() >= Some(1_200_000_000)), (Some("A-101"), true));
    world.submit("house/keys/operator.key", &["bill", "Chen", &month]).ok();
    // Whoever is billed may make the bill, and nobody else but the operator.
    assert_eq!(world.submit("Chen.key", &["bill", "Lee", &month]).code, 1);
    world.submit("Lee.key", &["bill", "Lee", &month]).ok();

    // Exported while the node runs, and from its directory when it does not.
    let operator = ["--directory", "house/directory.toml", "--node", &world.url];
    world.run(&[&["export", "--out", "bill.cbor"][..], &operator, &["bill", "Chen", &month]].concat()).ok();
    world.run(&[&["export", "--out", "sale.cbor"][..], &operator, &["statement", id]].concat()).ok();
    assert_eq!(world.run(&[&["export", "--out", "sale.cbor"][..], &operator, &["statement", id]].concat()).code, 2);
    let in_use = world.run(&["export", "--data", "house", "--out", "x.cbor", "ledger"]);
    assert!(in_use.code == 2 && in_use.err.contains("in use"), "{in_use:?}");
    world.stop_node();
    for (out, what) in [
        ("bill2.cbor", &["bill", "Chen", &month][..]),
        ("sale2.cbor", &["statement", id]),
        ("ledger.cbor", &["ledger"]),
        ("genesis.cbor", &["genesis"]),
    ] {
        world.run(&[&["export", "--data", "house", "--out", out][..], what].concat()).ok();
    }
    let trust = ["--trust", "house/genesis.cbor"];
    for file in ["bill.cbor", "sale.cbor", "bill2.cbor", "sale2.cbor", "ledger.cbor", "genesis.cbor"] {
        let said = world.run(&[&["verify", file][..], &trust].concat()).ok();
        assert!(said.contains("\nVerified: "), "{file}: {said}");
        assert!(!said.contains("  ?"), "{file}: every layer is checked: {said}");
        let said = world.run(&["verify", file]).ok();
        assert!(said.contains("origin unknown"), "{file}: {said}");
    }
    flips_fail(&world);
    an_audit_names_what_was_changed(&world);
}

#[test]
fn bills_make_themselves_after_the_close_and_only_once() {
    let mut world = World::founded(&[], "[bills]\nautomatic = true\nkey = \"keys/operator.key\"\n", CLOSES_IN);
    world.register();
    let bills = |world: &World, name| {
        let account = world.ask(&["account", name, "--json", "--directory", "house/directory.toml"]).json();
        account["bills"].as_array().unwrap().clone()
    };
    assert!(bills(&world, "Chen").is_empty(), "the month is open");
    let made = eventually("both are billed", || {
        world.submit("Lee.key", &["note", "--text", "time passes"]).ok();
        let made = [bills(&world, "Chen"), bills(&world, "Lee")];
        made.iter().all(|bills| !bills.is_empty()).then_some(made)
    });
    assert_eq!(made[0][0]["statement"], made[1][0]["statement"], "both in one statement");
    world.stop_node();
    world.start_node();
    world.submit("Lee.key", &["note", "--text", "after the start"]).ok();
    assert_eq!([bills(&world, "Chen"), bills(&world, "Lee")], made);
    let month = world.month.to_string();
    let operator = ["--directory", "house/directory.toml", "--node", &world.url];
    world.run(&[&["export", "--out", "bill.cbor"][..], &operator, &["bill", "Lee", &month]].concat()).ok();
    let said = world.run(&["verify", "bill.cbor", "--trust", "house/genesis.cbor"]).ok();
    assert!(said.contains("\nVerified: "), "{said}");
}

fn flips_fail(world: &World) {
    let genesis = world.genesis();
    let read = |name: &str| std::fs::read(world.path().join(name)).unwrap();
    every_flip_fails("statement", &read("sale.cbor"), &genesis, |_| (0..8).collect());
    every_flip_fails("bill", &read("bill.cbor"), &genesis, |at| vec![at % 8]);
    for name in ["sale.cbor", "bill.cbor"] {
        let bytes = read(name);
        for at in (0..bytes.len()).step_by(bytes.len() / 12) {
            let mut copy = bytes.clone();
            copy[at] ^= 1 << (at % 8);
            std::fs::write(world.path().join("forged.cbor"), copy).unwrap();
            let ended = world.run(&["verify", "forged.cbor", "--trust", "house/genesis.cbor"]);
            assert!(ended.code == 1 && ended.out.contains("FAILED: "), "{name} byte {at}: {ended:?}");
        }
    }
}

fn an_audit_names_what_was_changed(world: &World) {
    let said = world.run(&["audit", "--data", "house"]).ok();
    assert!(said.contains("nothing is wrong"), "{said}");
    let tables = rusqlite::Connection::open(world.path().join("house/node/tables.sqlite")).unwrap();
    let changed = tables.execute("UPDATE statements SET issued_ms = 1 WHERE log_index = 2", []);
    drop(tables);
    assert_eq!(changed.unwrap(), 1);
    let ended = world.run(&["audit", "--data", "house", "--json"]);
    let view: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    let detail = view["findings"][0]["detail"].as_str().unwrap();
    assert!(ended.code == 1 && detail.contains("statements") && detail.contains("issued_ms"), "{view}");
}

#[test]
fn a_ledger_of_another_community_is_not_trusted() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["init", "--plain-keys", "house"]).ok();
    run(folder.path(), &["init", "--plain-keys", "other"]).ok();
    run(folder.path(), &["export", "--data", "house", "--out", "g.cbor", "genesis"]).ok();
    let ended = run(folder.path(), &["verify", "g.cbor", "--trust", "other/genesis.cbor"]);
    assert!(ended.code == 1 && ended.out.contains("but the trusted one is"), "{ended:?}");
}
