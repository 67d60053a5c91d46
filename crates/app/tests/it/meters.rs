//! Meters from the terminal: found, listened to, replayed, and described by a file of one's own.

use crate::program::{Running, run};
use std::path::Path;

/// The walkthrough whose boxes are run here.
const YOUR_OWN_METER: &str = include_str!("../../../../docs/your-own-meter.md");

/// The text of the boxes of one language in the walkthrough.
fn boxes(language: &str) -> Vec<&'static str> {
    let begins = format!("```{language}\n");
    YOUR_OWN_METER.split(begins.as_str()).skip(1).map(|rest| rest.split_once("```").unwrap().0).collect()
}

/// Runs each command of a console box and compares what it says.
fn as_shown(folder: &Path, console: &str) {
    for command in console.split("$ wattproof ").skip(1) {
        let (line, expected) = command.split_once('\n').unwrap();
        let mut words = Vec::new();
        for (place, part) in line.split('"').enumerate() {
            if place % 2 == 1 {
                words.push(part);
            } else {
                words.extend(part.split_ascii_whitespace());
            }
        }
        assert_eq!(run(folder, &words).ok(), expected, "{line}");
    }
}

#[test]
fn the_walkthrough_to_a_meter_of_ones_own_is_true() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("profiles")).unwrap();
    let file = folder.path().join("profiles/ddm18sd.toml");
    let [profile, example] = boxes("toml")[..] else { panic!("a profile and its example") };
    assert!(profile.lines().count() <= 12, "ten lines, and the two that close the list");
    std::fs::write(&file, profile).unwrap();
    let [listed, decoded] = boxes("console")[..] else { panic!("listed and decoded") };
    as_shown(folder.path(), listed);
    std::fs::write(&file, format!("{profile}\n{example}")).unwrap();
    as_shown(folder.path(), decoded);
    let view = run(folder.path(), &["meter", "profiles", "ddm18sd", "--profiles", "profiles", "--json"]).json();
    assert_eq!((view[0]["examples"].as_u64(), view[0]["warnings"].as_array().map(Vec::len)), (Some(1), Some(0)));

    // A meter that has these registers: read it, and what `--example` prints is a block that the profile takes.
    let arguments = ["meter", "simulate", "--profile", "ddm18sd", "--profiles", "profiles", "--tcp", "127.0.0.1:0"];
    let simulated = Running::start(folder.path(), &arguments);
    let line = simulated.line_with("read one:");
    let mut arguments: Vec<&str> = line.split_once("wattproof ").unwrap().1.split(' ').collect();
    arguments.extend(["--profiles", "profiles"]);
    let values = run(folder.path(), &[&arguments[..], &["--json"]].concat()).json();
    assert!(values["energy_import_mwh"].as_i64().unwrap() >= 1_200_000_000, "{values}");
    let example = run(folder.path(), &[&arguments[..], &["--example"]].concat()).ok();
    std::fs::write(&file, format!("{profile}\n{example}")).unwrap();
    let view = run(folder.path(), &["meter", "profiles", "ddm18sd", "--profiles", "profiles", "--json"]).json();
    assert_eq!(view[0]["examples"], 1);
}

#[test]
fn profiles_are_listed_by_name_with_what_replaces_what() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("own")).unwrap();
    let text = run(folder.path(), &["meter", "profiles", "lt-114", "--text"]).ok();
    let tried = text.replacen("verified = false\nsource = \"guessed", "verified = true\nsource = \"tried; guessed", 1);
    assert_ne!(tried, text);
    std::fs::write(folder.path().join("own/lt-114.toml"), tried).unwrap();
    std::fs::write(folder.path().join("own/aaa.toml"), text.replacen("LT-114", "Mine", 1)).unwrap();
    let listed = run(folder.path(), &["meter", "profiles", "--profiles", "own", "--json"]).json();
    let names: Vec<&str> = listed.as_array().unwrap().iter().map(|view| view["name"].as_str().unwrap()).collect();
    assert!(names.is_sorted() && names.contains(&"sdm630") && names[0] == "aaa", "{names:?}");
    for (name, origin, relay_verified) in [
        ("aaa", "own", Some(false)),
        ("lt-114", "own_in_place_of_shipped", Some(true)),
        ("im1232", "shipped", Some(false)),
        ("dds238-2-zn-sr", "shipped", Some(true)),
        ("sdm120", "shipped", None),
    ] {
        let view = listed.as_array().unwrap().iter().find(|view| view["name"] == name).unwrap();
        assert_eq!(
            (view["origin"].as_str(), view["relay"]["verified"].as_bool()),
            (Some(origin), relay_verified),
            "{name}"
        );
    }
    let shown = run(folder.path(), &["meter", "profiles"]).ok();
    assert!(shown.contains("lt-114           LT-114, 9600 baud, modbus, UNVERIFIED\n"), "{shown}");
    assert!(shown.contains("relay: UNVERIFIED;") && shown.contains("counter wraps: at 10000.0 kWh"), "{shown}");
}

#[test]
fn a_bad_profile_is_refused_with_file_line_and_reason() {
    let folder = tempfile::tempdir().unwrap();
    let profile = boxes("toml")[0];
    for (right, wrong, reason) in [
        ("scale = \"1000\", min = 0", "scal = \"1000\", min = 0", "line 7: unknown key `scal`; did you mean `scale`?"),
        ("current_ua", "current_a", "line 8: unknown quantity `current_a`; did you mean `current_ua`?"),
        (
            "0x0100, type",
            "0x0200, type",
            "line 10: energy_import_mwh: register 0x0200 is in none of the [[read]] blocks; extend one",
        ),
        ("0x0008", "0x0001", "line 8: current_ua and voltage_mv lie in the same bytes, from register 0x0001 on"),
    ] {
        std::fs::write(folder.path().join("mine.toml"), profile.replacen(right, wrong, 1)).unwrap();
        let ended = run(folder.path(), &["meter", "profiles", "mine", "--profiles", "."]);
        assert_eq!((ended.code, ended.err.lines().next()), (2, Some(format!("error: ./mine.toml: {reason}").as_str())));
    }
}

/// Simulated meters, and how `--serial` or `--tcp` reaches them.
fn simulate(folder: &Path, arguments: &[&str]) -> (Running, Vec<String>) {
    let simulated = Running::start(folder, &[&["meter", "simulate"], arguments].concat());
    let line = simulated.line_with("read one:");
    let (_, how) = line.split_once("--profile ").unwrap();
    let words: Vec<&str> = how.split(' ').skip(1).take(2).collect();
    (simulated, words.iter().map(|word| (*word).to_owned()).collect())
}

#[test]
fn a_scan_finds_the_meters_of_a_line_and_proposes_settings_that_the_gateway_takes() {
    let folder = tempfile::tempdir().unwrap();
    let meters = ["sdm120@1", "im1281b@2", "jsy-mk-194@4", "dds238-2-zn-sr@5", "sdm630@6", "pzem-004t-v3@7"];
    let arguments: Vec<&str> = meters.iter().flat_map(|meter| ["--meter", meter]).collect();
    let (_simulated, line) = simulate(folder.path(), &arguments);
    let line: Vec<&str> = line.iter().map(String::as_str).collect();
    let scan = [&["meter", "scan"], &line[..], &["--addresses", "1-8", "--write", "bus.toml", "--json"]].concat();
    let found = run(folder.path(), &scan).json();
    let models: Vec<(&str, &str)> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|found| (found["address"].as_str().unwrap(), found["profile"].as_str().unwrap()))
        .collect();
    let expected = [
        ("1", "sdm120"),
        ("2", "im1281b"),
        ("4", "jsy-mk-194"),
        ("5", "dds238-2-zn-s"),
        ("6", "sdm630"),
        ("7", "pzem-004t-v3"),
    ];
    assert_eq!(models, expected);
    assert_eq!(found[0]["or"][0], "sdm230", "the same registers");
    assert_eq!(found[3]["or"][0], "dds238-2-zn-sr", "a relay is not seen by reading");
    let again = run(folder.path(), &scan);
    assert!(again.code == 2 && again.err.contains("bus.toml exists and is not overwritten"), "{again:?}");

    // With a member in each place the proposal is a gateway's configuration; the two-channel device is two meters.
    let proposal = std::fs::read_to_string(folder.path().join("bus.toml")).unwrap();
    run(folder.path(), &["init", "--plain-keys", "house"]).ok();
    let gateway = std::fs::read_to_string(folder.path().join("house/gateway.toml")).unwrap();
    let member = "wp1yg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3qp5wzyw";
    let filled = proposal.replace("member = \"\"", &format!("member = \"{member}\""));
    let config = gateway::Config::from_toml(&format!("{gateway}\n{filled}"), folder.path()).unwrap();
    assert_eq!(config.buses[0].settings.meters.len(), expected.len() + 1);
}

#[test]
fn a_scan_says_what_to_try_when_nobody_answers_and_finds_a_dlt645_meter() {
    let folder = tempfile::tempdir().unwrap();
    let (_simulated, line) = simulate(folder.path(), &["--profile", "sdm120", "--address", "9"]);
    let line: Vec<&str> = line.iter().map(String::as_str).collect();
    let ended = run(folder.path(), &[&["meter", "scan"], &line[..], &["--addresses", "3", "--wait-ms", "10"]].concat());
    assert!(ended.code == 1 && ended.err.contains("error: no meter answered"), "{ended:?}");
    assert!(ended.err.contains("--baud 1200,2400,4800,19200,115200"), "{ended:?}");
    let (_simulated, line) = simulate(folder.path(), &["--profile", "dlt645-2007", "--address", "000000000161"]);
    let line: Vec<&str> = line.iter().map(String::as_str).collect();
    let scan = [&["meter", "scan"], &line[..], &["--addresses", "1", "--wait-ms", "10", "--json"]].concat();
    let found = run(folder.path(), &scan).json();
    assert_eq!(
        (found[0]["address"].as_str(), found[0]["profile"].as_str()),
        (Some("000000000161"), Some("dlt645-2007"))
    );
}

#[test]
fn what_is_heard_on_a_line_is_shown_kept_decoded_and_served() {
    use std::io::Write as _;
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["meter", "sniff", "--tcp-listen", "127.0.0.1:0", "--out", "heard.txt", "--profile", "im1281b"];
    let log = folder.path().join("log");
    let sniffer = Running::start_logged(folder.path(), &arguments, &log);
    let address = loop {
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        if let Some(rest) = said.split_once("waiting on ").and_then(|(_, rest)| rest.split_once(' ')) {
            break rest.0.to_owned();
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    let mut converter = std::net::TcpStream::connect(&address).unwrap();
    for bytes in [
        "01 03 00 48 00 08 C4 1A",
        "01 03 20 00 23 18 60 00 00 FD E8 00 E4 1E 70 00 01 E2 40 00 00 03 D4 00 00 00 00 00 00 09 C4 00 00 13 88 FB 24",
        "AA BB CC DD",
    ] {
        let bytes: Vec<u8> = bytes.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
        converter.write_all(&bytes).unwrap();
        converter.flush().unwrap();
    }
    let request = sniffer.line_with("request");
    assert!(request.contains("asks 1 for 8 holding registers from 0x0048, check value right"), "{request}");
    sniffer.line_with("answer  1 answers 32 data bytes");
    sniffer.line_with("meter 1 says");
    assert!(sniffer.line_with("voltage").ends_with("230.0 V"));
    sniffer.line_with("noise   no frame: 4 bytes");
    assert_eq!(sniffer.stop(), 0);

    let replayed = run(folder.path(), &["meter", "replay", "heard.txt", "--profile", "im1281b", "--json"]).json();
    assert_eq!(replayed["values"]["energy_import_mwh"], 12_345_600);
    let none = run(folder.path(), &["meter", "replay", "heard.txt", "--profile", "sdm120"]);
    assert!(none.code == 1 && none.err.contains("no whole poll of sdm120 is in it"), "{none:?}");
    for arguments in [&["--tcp", "127.0.0.1:0"][..], &["--pty"]] {
        let served = Running::start(folder.path(), &[&["meter", "replay", "heard.txt"], arguments].concat());
        let line = served.line_with("are given again on");
        let place = line.rsplit(' ').next().unwrap();
        let port = if arguments[0] == "--tcp" { "--tcp" } else { "--serial" };
        let read = ["meter", "read", "--profile", "im1281b", port, place, "--json"];
        assert_eq!(run(folder.path(), &read).json()["voltage_mv"], 230_000, "{arguments:?}");
    }
    std::fs::write(folder.path().join("bad.txt"), "5 01\n3 02\n").unwrap();
    let bad = run(folder.path(), &["meter", "replay", "bad.txt"]);
    assert!(bad.code == 2 && bad.err.contains("bad.txt: line 2: the time goes back to 3 ms"), "{bad:?}");
}
