//! Tables and readings by eye at a node that runs: what is booked, what is refused, and that a run that was cut off is
//! simply repeated.

use crate::community::{World, get_text};
use crate::program::{Ended, Running, eventually, run};
use api::Transport as _;
use tempfile::TempDir;
use units::{AccountId, Energy, Millis};

/// A founded community whose node runs.
struct House {
    folder: TempDir,
    node: Option<Running>,
    url: String,
}

impl House {
    fn founded(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let arguments = ["init", "--plain-keys", "house", "--block-interval", "50ms", "--public-readings"];
        run(folder.path(), &[&arguments[..], flags].concat()).ok();
        let mut house = Self { folder, node: None, url: String::new() };
        house.start_node();
        house
    }

    fn start_node(&mut self) {
        let node = Running::start(self.folder.path(), &["node", "--data", "house", "--http", "127.0.0.1:0"]);
        let line = node.line_with("http://");
        self.url = line.split_once("at ").unwrap().1.split_once(';').unwrap().0.to_owned();
        self.node = Some(node);
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.folder.path().join(file), text).unwrap();
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(file)).unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        run(self.folder.path(), arguments)
    }

    /// A command that asks the node.
    fn ask(&self, arguments: &[&str]) -> Ended {
        self.run(&[arguments, &["--node", &self.url]].concat())
    }

    /// One that goes on beside the test.
    fn begin(&self, arguments: &[&str]) -> Running {
        Running::start(self.folder.path(), &[arguments, &["--node", &self.url]].concat())
    }

    fn mine(&self, order: &str) {
        let request = api::Request {
            method: api::Method::Post,
            path: "/api/v1/mining".to_owned(),
            content_type: Some(api::MEDIA_JSON),
            accept: api::MEDIA_JSON,
            body: format!("{{\"order\":\"{order}\"}}").into_bytes(),
        };
        let token = self.read("house/access/operator.token").trim().to_owned();
        let answer = gateway::HttpTransport::new(&self.url).with_token(Some(token)).send(request).unwrap();
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    }

    fn client(&self) -> api::Client<gateway::HttpTransport> {
        api::Client::new(gateway::HttpTransport::new(&self.url))
    }

    fn wait_for_pool(&self, size: u64) {
        eventually("statements wait", || (self.client().pool().unwrap().size >= size).then_some(()));
    }

    /// Everything that an import of rooms could have changed.
    fn everything(&self) -> Vec<String> {
        let keys = std::fs::read_dir(self.folder.path().join("house/keys/members")).map(Iterator::count);
        vec![
            get_text(&format!("{}/api/v1/meters", self.url)),
            get_text(&format!("{}/api/v1/accounts", self.url)),
            self.read("house/directory.toml"),
            self.read("house/gateway.toml"),
            format!("{} keys", keys.unwrap_or_default()),
        ]
    }

    /// What was booked to an account in all months.
    fn consumed(&self, account: &AccountId) -> u64 {
        let client = self.client();
        let months = client.account(account).unwrap().months;
        months.iter().map(|month| client.month(account, *month).unwrap().terms.consumed_mwh.mwh()).sum()
    }
}

const ROOMS: [&str; 11] = [
    "import",
    "rooms",
    "rooms.csv",
    "--data",
    "house",
    "--plain-keys",
    "--serial",
    "/dev/no-such-port",
    "--baud",
    "9600",
    "--from=2026-01-01T00:00:00Z",
];

#[test]
fn a_table_of_rooms_is_booked_once_whatever_cuts_the_import_off() {
    let house = House::founded(&["--time-zone", "UTC", "--first-month", "2026-01", "--close-after", "3650d"]);
    let untouched = house.everything();
    let head = "\u{feff}Room;Member;Meter;Profile;Address;Contract kWh\r\n101;Chen;A-101;im1281b;1;200\r\n";
    let good = format!(
        "{head}102;\"Lee, \"\"Ann\"\"; 2nd\";A-102;pzem-004t-v3;2;180\r\n103;Chen;A-103;im1281b;3;50.5\r\n;;;;;\r\n"
    );

    // One bad line or more: all of them are named, and nothing is made.
    house.write("rooms.csv", &format!("{good}104;Wu;A-104;im1281;0;many\r\n105;;A-101;im1281b;4;\r\n"));
    let refused = house.ask(&ROOMS);
    assert_eq!(refused.code, 1, "{refused:?}");
    for words in [
        "line 6, column profile: there is no profile `im1281`; did you mean `im1281b`?",
        "line 6, column address: ",
        "line 6, column contract_kwh: `many`",
        "line 7, column member: it is empty",
        "nothing was changed",
    ] {
        assert!(refused.err.contains(words), "{words}\n{}", refused.err);
    }
    assert_eq!(house.everything(), untouched);

    house.write("rooms.csv", &good);
    let said = house.ask(&[&ROOMS[..], &["--check"]].concat()).ok();
    assert!(said.contains("3 lines are right; 0 of the meters"), "{said}");
    assert_eq!(house.everything(), untouched);

    // Cut off while what it has sent waits for a block: the next run waits for that, and sends none of it again.
    house.mine("by_hand");
    let cut = house.begin(&ROOMS);
    house.wait_for_pool(1);
    cut.kill_9().unwrap();
    let again = house.begin(&ROOMS);
    house.mine("automatic");
    let said = again.line_with("acts booked");
    assert!(said.contains("2 members, 3 meters, 0 acts booked"), "{said}");
    drop(again);

    let client = house.client();
    let meters = client.meters().unwrap();
    let listed: Vec<(String, String)> =
        meters.iter().map(|meter| (meter.meter.to_string(), meter.profile.clone())).collect();
    let pair = |meter: &str, profile: &str| (meter.to_owned(), profile.to_owned());
    let expected = [pair("A-101", "im1281b"), pair("A-102", "pzem-004t-v3"), pair("A-103", "im1281b")];
    assert_eq!(listed, expected);
    assert_eq!(meters[0].member, meters[2].member, "Chen has two");
    let month = client.status().unwrap().month.unwrap();
    for (meter, contract) in [(&meters[0], 250_500_000), (&meters[1], 180_000_000)] {
        let sheet = client.month(&meter.member, month).unwrap();
        assert_eq!(sheet.terms.contract_mwh, Energy::from_mwh(contract));
        assert_eq!(client.account(&meter.member).unwrap().roles.len(), 1, "registered once");
    }
    let directory = house.read("house/directory.toml");
    assert_eq!((directory.matches("name = \"Chen\"").count(), directory.matches("Ann").count()), (2, 1), "{directory}");

    // Again: nothing.
    let booked = house.everything();
    let said = house.ask(&ROOMS).ok();
    assert!(said.contains("0 acts booked"), "{said}");
    assert_eq!(house.everything(), booked);

    // The gateway takes its settings and finds its meters registered.
    let settings = house.read("house/gateway.toml");
    let node = settings.lines().find(|line| line.starts_with("node = ")).unwrap().to_owned();
    house.write("house/gateway.toml", &settings.replace(&node, &format!("node = \"{}\"", house.url)));
    let checked = house.run(&["gateway", "--config", "house/gateway.toml", "--check"]);
    for meter in ["A-101", "A-102", "A-103"] {
        assert!(checked.out.contains(&format!("ok    meter {meter}: registered")), "{checked:?}");
    }
    house.write("house/gateway.toml", &settings.replace("number = \"A-101\"", "number=\"A-101\" # hall"));
    house.ask(&ROOMS).ok();
    let settings = house.read("house/gateway.toml");
    let blocks = settings.lines().filter(|line| line.starts_with("number") && line.contains("A-101")).count();
    assert_eq!(blocks, 1, "found however it is written");

    // What contradicts the ledger is a fault of its line, and again nothing is made.
    house.run(&["key", "new", "--plain", "stranger.key"]).ok();
    let shown = house.run(&["key", "show", "stranger.key", "--json"]).json();
    let stranger = shown["account"].as_str().unwrap();
    house.write(
        "rooms.csv",
        &format!("room,member,meter,profile,address,account\n101,Wu,A-101,im1281b,1,\n104,Ho,A-104,im1281b,8,{stranger}\n105,Lin,A-105,im1281b,9,\n"),
    );
    let booked = house.everything();
    let refused = house.ask(&ROOMS);
    assert_eq!(refused.code, 1, "{refused:?}");
    for words in ["line 2, column member: directory.toml calls this account `Chen`", "line 3, column account: "] {
        assert!(refused.err.contains(words), "{words}\n{}", refused.err);
    }
    assert_eq!(house.everything(), booked);
}

/// The customer's half hours as a table for the import, and their sum in mWh; `skip` are left out, `twice` stand twice.
fn ausgrid(meter: &str, skip: std::ops::Range<usize>, twice: usize) -> (String, u64) {
    let (mut table, mut sum) = (String::new(), 0);
    for (at, line) in include_str!("data/ausgrid/customer-12.csv").lines().skip(1).enumerate() {
        let mut cells = line.split(',');
        let (start, kw) = (cells.next().unwrap(), cells.next().unwrap());
        // The mean power of half an hour in W, and so its energy: 1 W for half an hour is 500 mWh.
        let (whole, part) = kw.split_once('.').unwrap();
        let mwh = format!("{whole}{part:0<3}").parse::<u64>().unwrap() * 500;
        if skip.contains(&at) {
            continue;
        }
        sum += mwh;
        let row = format!("{meter},{start},{}.{:06}\n", mwh / 1_000_000, mwh % 1_000_000);
        table += &row.repeat(if at < twice { 2 } else { 1 });
    }
    (table, sum)
}

const READINGS: [&str; 7] = ["import", "readings", "past.csv", "--key", "house/keys/operator.key", "--minutes", "30"];

#[test]
fn past_readings_of_a_real_house_are_booked_to_their_sum_once_and_marked() {
    let mut house = House::founded(&["--time-zone", "Australia/Sydney", "--first-month", "2011-07"]);
    let url = house.url.clone();
    let operator = ["submit", "--key", "house/keys/operator.key", "--node", &url];
    let from = "2011-06-30T14:00:00Z";
    let submit = |act: &[&str]| house.run(&[&operator[..], act, &["--from", from]].concat()).ok();
    submit(&["register", "key", "house/keys/gateway.key", "gateway"]);
    let mut accounts = Vec::new();
    for (name, meter, factor) in [("Chen", "A-12", "1"), ("Lee", "T-12", "20")] {
        let key = format!("{name}.key");
        house.run(&["key", "new", "--plain", &key]).ok();
        let shown = house.run(&["key", "show", &key, "--json"]).json();
        let account = shown["account"].as_str().unwrap();
        submit(&["register", "key", &key, "member"]);
        let meter = ["register", "meter", meter, "--signer", "house/keys/gateway.key", "--member", account];
        submit(&[&meter[..], &["--profile", "im1281b", "--factor", factor]].concat());
        accounts.push(account.parse::<AccountId>().unwrap());
    }

    // What cannot be is told with its line before anything is booked.
    let head = "meter,start,kwh\n";
    let early = "A-12,2011-06-30 23:30,1\nX-1,2011-07-01 00:00,1\nT-12,2999-01-01 00:00,1\n";
    house.write("past.csv", &format!("{head}{early}"));
    let refused = house.ask(&READINGS);
    assert_eq!(refused.code, 1, "{refused:?}");
    for words in [
        "line 2, column start: A-12: it is registered from 2011-07-01 00:00:00+10:00 on",
        "line 3, column meter: X-1 is not registered",
        "line 4, column end: T-12: this is to come",
    ] {
        assert!(refused.err.contains(words), "{words}\n{}", refused.err);
    }

    let ((chen, chens), (lee, lees)) = (ausgrid("A-12", 20..24, 2), ausgrid("T-12", 0..0, 0));
    house.write("past.csv", &format!("{head}{chen}{lee}"));
    let checked = house.ask(&[&READINGS[..], &["--check"]].concat());
    assert_eq!(checked.code, 0, "{checked:?}");
    assert!(checked.out.contains("284 intervals are right; 284 of them are not in the ledger yet"), "{checked:?}");
    let gap = "meter A-12: no line from 2011-07-01 10:00:00+10:00 to 2011-07-01 12:00:00+10:00; marked as a gap";
    assert!(checked.err.contains(gap) && checked.err.contains("2 lines say again"), "{checked:?}");
    assert_eq!(accounts.iter().map(|account| house.consumed(account)).collect::<Vec<_>>(), [0, 0]);

    // Node and import are cut off half way; what was taken before is not taken again.
    house.mine("by_hand");
    let cut = house.begin(&READINGS);
    house.wait_for_pool(20);
    house.node.take().unwrap().kill_9().unwrap();
    let _it_may_have_given_up = cut.kill_9();
    house.start_node();
    let said = house.ask(&READINGS).ok();
    let imported: usize = said.split(' ').next().unwrap().parse().unwrap();
    assert!(imported <= 264 && said.contains(&format!("{} were in the ledger already", 284 - imported)), "{said}");
    let booked = |house: &House| accounts.iter().map(|account| house.consumed(account)).collect::<Vec<_>>();
    assert_eq!(booked(&house), [chens, lees]);
    let said = house.ask(&READINGS).ok();
    assert!(said.contains("0 intervals imported, 284 were in the ledger already"), "{said}");
    assert_eq!(booked(&house), [chens, lees]);

    // Marked in the interface for programs, in the terminal and on the page.
    let meter = house.client().meter(&"A-12".parse().unwrap()).unwrap();
    assert_eq!((meter.head.next_seq, meter.head.import_mwh), (140, Some(Energy::from_mwh(chens))));
    let height = house.client().statement(&meter.head.previous).unwrap().place.unwrap().height;
    let statement = meter.head.previous.to_string();
    for (said, word) in [
        (get_text(&format!("{}/api/v1/statements/{statement}", house.url)), "\"source\":\"imported\""),
        (house.ask(&["statement", &statement]).ok(), "imported from another system"),
    ] {
        assert!(said.contains(word), "{word}\n{said}");
    }
    let page = get_text(&format!("{}/blocks/{height}", house.url));
    assert!(page.contains("imported by the operator") || page.contains("自其他系統匯入"), "{page}");
}

#[test]
fn a_counter_read_by_eye_is_held_against_what_the_meter_can_have_counted() {
    let world = World::closing_in(Millis::from_minutes(60));
    world.register();
    let enter = |counter: &str, day: u64, more: &[&str]| {
        let day = world.day(day);
        let arguments = ["reading", "enter", "A-101", counter, "--key", "house/keys/operator.key", "--at", &day];
        world.ask(&[&arguments[..], more].concat())
    };
    enter("1000", 1, &[]).ok();
    for (name, counter, day, more, remedy) in [
        ("backwards", "990", 2, &[][..], "--wrapped-at 100000"),
        ("backwards, another remedy", "990", 2, &[], "--exchanged 0"),
        ("backwards, though somebody is sure", "990", 2, &["--yes"], "cannot be 990.0 kWh now"),
        ("beyond the model", "90000", 2, &["--yes"], "mind the decimal point"),
        ("unusual", "1024", 2, &[], "add --yes"),
        ("earlier than the last", "1001", 0, &["--yes"], "enter a reading that was taken after it"),
    ] {
        let refused = enter(counter, day, more);
        assert!(refused.code == 1 && refused.err.contains(remedy), "{name}: {refused:?}");
    }
    let month = world.month.to_string();
    let consumed = || {
        let account = ["account", "Chen", &month, "--json", "--directory", "house/directory.toml"];
        world.ask(&account).json()["terms"]["consumed_mwh"].as_u64().unwrap()
    };
    assert_eq!(consumed(), 0, "nothing refused was booked");
    for (counter, day, more, expected) in [
        ("1024", 2, &["--yes"][..], 24_000_000),
        ("5", 3, &["--wrapped-at", "1030", "--yes"], 35_000_000),
        ("3", 4, &["--exchanged", "2"], 36_000_000),
    ] {
        let said = enter(counter, day, more).ok();
        assert!(said.contains("booked, read by eye"), "{said}");
        assert_eq!(consumed(), expected, "{counter}");
    }
    let meter = get_text(&format!("{}/api/v1/meters/A-101", world.url));
    let meter: serde_json::Value = serde_json::from_str(&meter).unwrap();
    let statement = meter["head"]["previous"].as_str().unwrap();
    let view = get_text(&format!("{}/api/v1/statements/{statement}", world.url));
    assert!(view.contains("\"source\":\"by_hand\""), "{view}");
    let said = world.ask(&["statement", statement]).ok();
    assert!(said.contains("read by eye"), "{said}");
}
