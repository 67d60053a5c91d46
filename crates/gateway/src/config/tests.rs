use super::*;
use std::collections::BTreeMap;

/// The line on which something stands, from 1.
fn line_of(text: &str, what: &str) -> usize {
    text.lines().position(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}")) + 1
}

fn refused(text: &str) -> String {
    Config::from_toml(text, Path::new("/etc/wattproof")).unwrap_err().to_string()
}

#[test]
fn the_example_is_a_configuration_with_paths_below_its_folder() {
    let config = Config::from_toml(EXAMPLE, Path::new("/etc/wattproof")).unwrap();
    assert_eq!(config.database, "sqlite:///etc/wattproof/gateway.db");
    assert_eq!(config.key_file, Path::new("/etc/wattproof/gateway.key"));
    assert_eq!(config.interval, Millis::from_minutes(15));
    let meters = config.buses.iter().flat_map(|bus| &bus.settings.meters);
    let meters: Vec<String> =
        meters.map(|meter| format!("{} {} {}", meter.device.meter, meter.device.address, meter.profile)).collect();
    assert_eq!(meters, ["A-101 1 im1281b", "A-102 2 pzem-004t-v3", "PV-1 1 sdm120"]);
    let serial = Port::Serial { path: "/dev/ttyUSB0".into(), baud: 9_600, parity: Parity::None };
    assert_eq!(config.buses[0].port, serial);
    assert_eq!(config.buses[1].settings.framing, Framing::Tcp);
}

/// Of each table of the example, by its name, the keys that stand in it, those in comments too.
fn keys_of_example() -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut table = String::new();
    for line in EXAMPLE.lines().map(|line| line.trim_start_matches('#').trim()) {
        let header = line.strip_prefix('[').map(|rest| rest.trim_matches(['[', ']']));
        if let Some(name) = header.filter(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'.')) {
            let (parent, own) = name.rsplit_once('.').unwrap_or(("", name));
            found.entry(parent.to_owned()).or_default().insert(own.to_owned());
            table = name.to_owned();
        } else if let Some((key, _)) = line.split_once(" = ")
            && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        {
            found.entry(table.clone()).or_default().insert(key.to_owned());
        }
    }
    found
}

/// The example without the marks of comments before keys and tables: everything at once, which no gateway wants.
fn everything() -> String {
    let uncomment = |line: &str| {
        let inner = line.trim_start_matches('#').trim();
        let word = inner.split(" = ").next().unwrap_or_default();
        let is_key = inner.contains(" = ") && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        let is_table = inner.starts_with('[') && inner.ends_with(']');
        if is_key || is_table { format!("{inner}\n") } else { format!("{line}\n") }
    };
    EXAMPLE.lines().map(uncomment).collect()
}

/// The keys that the parser takes in a table, out of its own words about one that it does not take.
fn keys_of_parser(table: &str) -> BTreeSet<String> {
    let everything = everything();
    let begin = if table.is_empty() {
        0
    } else {
        let header = [format!("[[{table}]]\n"), format!("[{table}]\n")];
        let at = header.iter().find_map(|header| Some(everything.find(header.as_str())? + header.len()));
        at.unwrap_or_else(|| panic!("[{table}]"))
    };
    let text = format!("{}no_such_key = 1\n{}", &everything[..begin], &everything[begin..]);
    let error = toml::from_str::<ConfigText>(&text).err().map(|error| error.message().to_owned()).unwrap_or_default();
    let known =
        error.strip_prefix("unknown field `no_such_key`, expected ").unwrap_or_else(|| panic!("{table}: {error}"));
    known.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_key_of_the_parser_stands_in_the_example_and_no_other() {
    toml::from_str::<ConfigText>(&everything()).map(drop).unwrap();
    let of_example = keys_of_example();
    for (table, keys) in &of_example {
        assert_eq!(keys, &keys_of_parser(table), "[{table}]");
    }
    let keys: usize = of_example.values().map(BTreeSet::len).sum();
    assert!(of_example.len() > 5 && keys > 40, "the search finds them: {of_example:?}");
}

#[test]
fn a_wrong_value_is_refused_with_its_line_and_what_to_do() {
    let mut different = Vec::new();
    // What is replaced, by what, where the error points to, and its words.
    for (from, to, place, expected) in [
        (
            "interval_minutes = 15",
            "interval_minuts = 15",
            "interval_minuts",
            "unknown key `interval_minuts`; did you mean `interval_minutes`?",
        ),
        (
            "poll_seconds = 5",
            "poll_second = 5",
            "poll_second = 5",
            "unknown key `poll_second`; did you mean `poll_seconds`?",
        ),
        (
            "interval_minutes = 15",
            "interval_minutes = 7",
            "interval_minutes = 7",
            "interval_minutes = 7: it must divide a day (1440 minutes), such as 15, 30 or 60",
        ),
        (
            "interval_minutes = 15",
            "interval_minutes = 0",
            "interval_minutes = 0",
            "interval_minutes = 0: it must divide a day (1440 minutes), such as 15, 30 or 60",
        ),
        (
            "interval_minutes = 15",
            "interval_minutes = \"15\"",
            "interval_minutes = ",
            "invalid type: string \"15\", expected u64",
        ),
        (
            "interval_minutes = 15",
            "interval_minutes = -15",
            "interval_minutes = ",
            "invalid value: integer `-15`, expected u64",
        ),
        (
            "interval_minutes = 15",
            "interval_minutes = 15 minutes",
            "interval_minutes = ",
            "string values must be quoted, expected literal string",
        ),
        (
            "\"im1281b\"",
            "\"im1281\"",
            "\"im1281\"",
            "meter A-101: there is no profile `im1281`; did you mean `im1281b`?",
        ),
        ("baud = 9600", "", "name = \"first floor\"", "bus `first floor`: a serial port needs its `baud` rate"),
        ("baud = 9600", "baud = 0", "name = \"first floor\"", "bus `first floor`: a serial port needs its `baud` rate"),
        (
            "baud = 9600",
            "baud = 9600\nframing = \"tcp\"",
            "name = \"first floor\"",
            "bus `first floor`: `framing = \"tcp\"` is for `tcp`; a serial line has \"rtu\" or \"dlt645\"",
        ),
        (
            "framing = \"tcp\"",
            "",
            "name = \"roof\"",
            "bus `roof`: `tcp` needs `framing`: \"rtu\", \"tcp\" or \"dlt645\"",
        ),
        (
            "framing = \"tcp\"",
            "framing = \"ascii\"",
            "framing = \"ascii\"",
            "unknown variant `ascii`, expected one of `rtu`, `tcp`, `dlt645`",
        ),
        ("\"192.168.1.50:502\"", "\"192.168.1.50\"", "tcp = \"192", "invalid socket address syntax"),
        ("serial = \"/dev/ttyUSB0\"", "", "name = \"first floor\"", "bus `first floor`: give either `serial` or `tcp`"),
        ("[[bus]]\nname = \"roof\"", "[[bus]] # roof", "[[bus]] # roof", "missing field `name`"),
        ("number = \"A-102\"", "number = \"A-101\" # second", "# second", "meter A-101 is configured twice"),
        (
            "address = 2",
            "address = 1 # again",
            "address = 1 # again",
            "bus `first floor`, meter A-102: address 1 is another meter's of that bus; both would answer at once",
        ),
        (
            "address = 2",
            "address = 0",
            "address = 0",
            "`0` is no address: give 1 to 247 for Modbus, or the twelve digits of a DL/T 645 meter in quotes, such as \"000000000161\"",
        ),
        (
            "address = 2",
            "address = \"000000000161\"",
            "address = \"0",
            "meter A-102: profile `pzem-004t-v3` cannot be asked at address 000000000161 on a line with framing \"rtu\"; Modbus models have addresses 1 to 247, DL/T 645 ones twelve digits and framing \"dlt645\"",
        ),
        (
            "poll_seconds = 5",
            "poll_seconds = 0",
            "poll_seconds = 0",
            "meter A-101: poll_seconds = 0; a meter is asked every 1 to 3600 seconds",
        ),
        (
            "poll_seconds = 5",
            "poll_seconds = 5\ntimeout_ms = 10001",
            "timeout_ms = 10001",
            "meter A-101: gap_ms = 0, timeout_ms = 10001; a gap is 0 to 10000, a timeout 1 to 10000",
        ),
        (
            "poll_seconds = 5",
            "poll_seconds = 3601",
            "poll_seconds = 3601",
            "meter A-101: poll_seconds = 3601; a meter is asked every 1 to 3600 seconds",
        ),
        (
            "\"A-101\"\n# Its",
            "\"A 101\"\n# Its",
            "\"A 101\"",
            "`A 101` is not a meter number: 1 to 32 of the characters A-Z a-z 0-9 . _ -",
        ),
        (
            "\"wp1yg3z",
            "\"wp1zg3z",
            "\"wp1zg3z",
            "`wp1zg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3qp5wzyw` is not an account id; it begins with wp1 and a mistyped character is noticed",
        ),
        (
            "# [mqtt]\n",
            "[mqtt]\nurl = \"mqtts://host\"\n",
            "url = \"mqtts",
            "[mqtt] url = \"mqtts://host\": TLS is not spoken; let a broker on this computer bridge to the other; write mqtt://HOST or mqtt://HOST:PORT",
        ),
        (
            "# [mqtt]\n",
            "[mqtt]\nurl = \"mqtt://host\"\nuser = \"me\"\n",
            "user = \"me\"",
            "[mqtt] `user` and `password_file` belong together: give both or neither",
        ),
        (
            "# [mqtt]\n",
            "[mqtt]\nurl = \"mqtt://host\"\nprefix = \"#\"\n",
            "prefix = \"#\"",
            "[mqtt] prefix = \"#\": 1 to 64 characters, levels parted by single `/`, none of `+`, `#` or spaces",
        ),
        (
            "# [mqtt]\n",
            "[mqtt]\nurl = \"mqtt://host\"\nevery_seconds = 0\n",
            "every_seconds = 0",
            "[mqtt] every_seconds = 0: 1 to 3600",
        ),
        (
            "# [mqtt]\n",
            "[mqtt]\nurl = \"mqtt://host\"\nlanguage = \"zh\"\n",
            "language = \"zh\"",
            "unknown variant `zh`, expected `en` or `zh-TW`",
        ),
        (
            "# control_token_file",
            "control_token_file",
            "control_token_file = ",
            "`control_token_file` without `http`: nobody could use the token; give `http` too, or take it out",
        ),
        (
            "# [bus.meter.load]",
            "[bus.meter.load]",
            "[bus.meter.load]",
            "meter PV-1: its profile has no [relay], so take [bus.meter.load] out, or use a profile with one",
        ),
    ] {
        assert!(EXAMPLE.contains(from), "{from}");
        let text = EXAMPLE.replacen(from, to, 1);
        let (said, expected) = (refused(&text), format!("line {}: {expected}", line_of(&text, place)));
        if said != expected {
            different.push(format!("said     {said}\nexpected {expected}"));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn a_file_without_meters_or_with_too_many_buses_is_refused() {
    let settings = &EXAMPLE[..EXAMPLE.find("\n[[bus]]").unwrap()];
    assert_eq!(refused(settings), "0 [[bus]] blocks; a gateway has 1 to 32");
    let bus = |number: usize| format!("\n[[bus]]\nname = \"b-{number}\"\ntcp = \"127.0.0.1:502\"\nframing = \"tcp\"");
    let empty = format!("{settings}{}", bus(0));
    assert_eq!(refused(&empty), format!("line {}: bus `b-0` has no [[bus.meter]]", line_of(&empty, "name = \"b-0\"")));
    let many = format!("{settings}{}", (0..33).map(bus).collect::<String>());
    assert_eq!(refused(&many), format!("line {}: 33 [[bus]] blocks; a gateway has 1 to 32", line_of(&many, "b-32")));
}

#[test]
fn a_profile_of_ones_own_replaces_the_shipped_one_and_a_name_is_no_path() {
    let folder = tempfile::tempdir().unwrap();
    assert!(load_profile("../etc/passwd", Some(folder.path())).unwrap().is_none());
    std::fs::write(folder.path().join("sdm120.toml"), "model = 1").unwrap();
    assert!(matches!(load_profile("sdm120", Some(folder.path())), Err(ConfigError::Profile { .. })));
    assert!(load_profile("im1281b", Some(folder.path())).unwrap().is_some());
}

/// A small generator of numbers (xorshift), so that a failure can be repeated from the seed in its message.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(end.max(1)).unwrap()).unwrap()
    }

    /// One change of the kinds that editors, people and broken disks make.
    fn change(&mut self, text: &str) -> String {
        let mut characters: Vec<char> = text.chars().collect();
        let (at, other) = (self.below(characters.len()), self.below(characters.len()));
        match self.below(6) {
            0 => drop(characters.remove(at)),
            1 => {
                characters.insert(at, ['"', '[', ']', '=', '\n', '\0', '#', '9', '-', '\u{feff}', '電'][self.below(11)])
            }
            2 => characters.swap(at, other),
            3 => characters.truncate(at),
            4 => drop(characters.drain(at.min(other)..at.max(other))),
            _ => {
                let part = characters[at.min(other)..at.max(other).min(at.min(other) + 200)].to_vec();
                characters.splice(at..at, part);
            }
        }
        characters.into_iter().collect()
    }
}

#[test]
fn no_change_of_a_configuration_or_profile_breaks_the_program() {
    let rounds = if std::env::var_os("WATTPROOF_LONG").is_some() { 200_000 } else { 2_000 };
    let profile = Profile::shipped_text("im1281b").unwrap();
    let everything = everything();
    for seed in 1..=rounds {
        let mut random = Random(seed);
        let (mut config, mut model) = ((*[EXAMPLE, &everything][random.below(2)]).to_owned(), profile.to_owned());
        for _ in 0..=random.below(4) {
            (config, model) = (random.change(&config), random.change(&model));
        }
        // Whatever comes of it, it is a configuration or an error in words.
        if let Err(error) = Config::from_toml(&config, Path::new("")) {
            assert!(!error.to_string().is_empty(), "seed {seed}");
        }
        if let Err(error) = Profile::from_toml(&model) {
            assert!(!error.to_string().is_empty(), "seed {seed}");
        }
    }
}
