//! The gateway as its operator meets it: tried with `--check`, run on a line, its readings as a table, its figures in the
//! format of Prometheus, its service files.

use crate::community::{World, get_text};
use crate::program::{Running, eventually, run};
use crate::servers;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use units::Millis;

/// The meters' end of a line, on a free TCP port.
pub(crate) fn simulated(world: &World, profile: &str) -> (Running, String) {
    let arguments = ["meter", "simulate", "--profile", profile, "--address", "1", "--tcp", "127.0.0.1:0"];
    let simulation = Running::start(world.path(), &arguments);
    let line = simulation.line_with("read one:");
    let place = line.split_once("--tcp ").unwrap().1.split_whitespace().next().unwrap().to_owned();
    (simulation, place)
}

/// The gateway's settings with a bus of one meter, the node as it runs, and more.
pub(crate) fn configure(world: &World, (number, profile): (&str, &str), bus: &str, more: &str) {
    let path = world.path().join("house/gateway.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let settings: Vec<&str> = text.lines().take_while(|line| !line.contains("[[bus]]")).collect();
    let node = settings.iter().position(|line| line.starts_with("node = ")).unwrap();
    let mut settings: Vec<String> = settings.into_iter().map(str::to_owned).collect();
    settings[node] = format!("node = \"{}\"", world.url);
    let member = world.run(&["key", "show", "Chen.key", "--json"]).json()["account"].as_str().unwrap().to_owned();
    let meter = format!(
        "[[bus.meter]]\nnumber = \"{number}\"\naddress = 1\nprofile = \"{profile}\"\npoll_seconds = 1\nmember = \"{member}\"\n"
    );
    std::fs::write(path, format!("{}\n{more}\n[[bus]]\nname = \"floor\"\n{bus}\n{meter}", settings.join("\n")))
        .unwrap();
}

const CHECK: [&str; 4] = ["gateway", "--config", "house/gateway.toml", "--check"];

#[test]
fn a_gateway_is_checked_then_polls_and_its_readings_become_a_table() {
    let world = World::closing_in(Millis::from_minutes(60));
    world.register();
    let (_simulation, place) = simulated(&world, "im1281b");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    configure(
        &world,
        ("A-101", "im1281b"),
        &format!("tcp = \"{place}\"\nframing = \"rtu\""),
        &format!("http = \"127.0.0.1:{port}\""),
    );
    let said = world.run(&CHECK).ok();
    for words in ["will be made", "ok    bus `floor`", "answers", "ok    meter A-101: registered", "are well"] {
        assert!(said.contains(words), "{words}\n{said}");
    }
    assert!(!world.path().join("house/gateway.db").exists(), "a check makes no database");

    let gateway = Running::start(world.path(), &["gateway", "--config", "house/gateway.toml"]);
    gateway.line_with("meters 1");
    let table = eventually("readings in a table", || {
        let out = world.path().join("readings.csv");
        let _first = std::fs::remove_file(&out);
        let ended = world.run(&["export", "--data", "house", "--out", "readings.csv", "readings", "A-101", "--bom"]);
        let table = (ended.code == 0).then(|| std::fs::read_to_string(&out).unwrap())?;
        (table.lines().count() > 3).then_some(table)
    });
    let (head, rows) = table.split_once("\r\n").unwrap();
    assert!(head.starts_with("\u{feff}time,local_time,voltage_v,current_a,active_power_w"), "{head}");
    assert!(rows.lines().all(|row| row.contains("+00:00,") && row.ends_with(",,in no statement yet")), "{rows}");
    let parsed = scraped(&format!("http://127.0.0.1:{port}/metrics"));
    for sample in [
        "gauge wattproof_meter_voltage_volts ['bus', 'meter'] ",
        "counter wattproof_meter_energy_import_joules_total ['bus', 'meter'] ",
        "counter wattproof_meter_polls_total ['bus', 'meter'] ",
        "gauge wattproof_bus_open ['bus'] 1.0",
        "gauge wattproof_gateway_outbox_statements [] ",
    ] {
        assert!(parsed.lines().any(|line| line.starts_with(sample)), "{sample}\n{parsed}");
    }
    let quarters = eventually("roll-ups in a table", || {
        let _first = std::fs::remove_file(world.path().join("minutes.csv"));
        let arguments = ["export", "--data", "house", "--out", "minutes.csv", "readings", "A-101", "--interval", "1m"];
        let ended = world.run(&arguments);
        let table = (ended.code == 0).then(|| std::fs::read_to_string(world.path().join("minutes.csv")).unwrap())?;
        (table.lines().count() > 1).then_some(table)
    });
    assert!(quarters.starts_with("time,local_time,end_time,readings,voltage_mean_v,voltage_min_v"), "{quarters}");
    let served = get_text(&format!("http://127.0.0.1:{port}/api/v1/meters/A-101/rollups.csv?interval=1m"));
    assert_eq!(served.lines().nth(1), quarters.lines().nth(1), "the gateway serves the same rows");
    let served = get_text(&format!("http://127.0.0.1:{port}/api/v1/meters/A-101/readings.csv"));
    assert_eq!(served.lines().nth(1), rows.lines().next());
    let of_node = ["export", "--out", "x.csv", "--node", &world.url, "readings", "A-101", "--interval", "day"];
    let ended = world.run(&of_node);
    assert_eq!((ended.code, ended.err.contains("--config")), (2, true), "{ended:?}");
    // What a command line says wrong is said back.
    let wrong = world.run(&["export", "--data", "house", "--out", "x.csv", "readings", "A-101", "--from", "July"]);
    assert_eq!((wrong.code, wrong.err.contains("`July` is no time")), (2, true), "{wrong:?}");
    assert_eq!(gateway.stop(), 0);
}

#[test]
fn a_check_names_everything_that_is_wrong_at_once_and_how_to_mend_it() {
    let world = World::closing_in(Millis::from_minutes(60));
    world.register();
    configure(
        &world,
        ("A-101", "im1281b"),
        "serial = \"/dev/no-such-port\"\nbaud = 9600",
        "[mqtt]\nurl = \"mqtt://127.0.0.1:1\"\n",
    );
    let ended = world.run(&CHECK);
    assert_eq!(ended.code, 1, "{ended:?}");
    for words in [
        "WRONG bus `floor`: /dev/no-such-port: No such file or directory; is the adapter plugged in",
        "ok    node",
        "WRONG mqtt: nothing listens at 127.0.0.1:1; is the broker started",
        "2 of ",
    ] {
        assert!(ended.out.contains(words), "{words}\n{}", ended.out);
    }
    let found = world.run(&[&CHECK[..], &["--json"]].concat());
    let found: serde_json::Value = serde_json::from_str(&found.out).unwrap();
    let wrong = found.as_array().unwrap().iter().filter(|finding| finding["ok"] == false).count();
    assert_eq!(wrong, 2, "{found}");

    // Without its node a gateway says so once, whatever the number of its meters.
    let path = world.path().join("house/gateway.toml");
    let text = std::fs::read_to_string(&path).unwrap().replace(&world.url, "http://127.0.0.1:1");
    std::fs::write(&path, text.replace("gateway.db", "no-such-folder/gateway.db")).unwrap();
    let ended = world.run(&CHECK);
    for words in ["WRONG node: ", "statements would wait in the database", "WRONG database: "] {
        assert!(ended.out.contains(words), "{words}\n{}", ended.out);
    }
}

/// The gateway's settings with a database server.
fn with_server(world: &World, server: &str) {
    let path = world.path().join("house/gateway.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let line = text.lines().find(|line| line.starts_with("database = ")).unwrap();
    std::fs::write(&path, text.replace(line, &format!("database = \"{server}\""))).unwrap();
}

#[test]
fn a_gateway_with_a_server_is_checked_and_its_page_and_metrics_say_how_forwarding_fares() {
    let world = World::closing_in(Millis::from_minutes(60));
    world.register();
    let (_simulation, place) = simulated(&world, "im1281b");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let bus = format!("tcp = \"{place}\"\nframing = \"rtu\"");
    configure(&world, ("A-101", "im1281b"), &bus, &format!("http = \"127.0.0.1:{port}\""));
    let mut server = servers::Server::start(servers::Kind::Postgres);
    let (name, url) = server.database();
    with_server(&world, &url);
    let said = world.run(&CHECK).ok();
    for words in [
        "ok    spool: ",
        "ok    disk: ",
        "may wait there while the server is away",
        "is PostgreSQL ",
        "the tables will be made",
    ] {
        assert!(said.contains(words), "{words}\n{said}");
    }
    with_server(&world, &server.url("absent"));
    let ended = world.run(&CHECK);
    assert!(ended.code == 1 && ended.out.contains("WRONG database server: "), "{ended:?}");
    assert!(!ended.out.contains("pa%3A"), "{ended:?}");
    with_server(&world, &url);

    let gateway = Running::start(world.path(), &["gateway", "--config", "house/gateway.toml"]);
    gateway.line_with("meters 1");
    let counted = || server.client_of(Some(&name), "SELECT count(*) FROM readings").unwrap_or_default();
    eventually("rows on the server", || (counted().parse::<u64>().unwrap_or_default() > 2).then_some(()));
    let page = || get_text(&format!("http://127.0.0.1:{port}/loads?lang=en"));
    assert!(page().contains("Database server") && page().contains("reached"), "{}", page());
    server.kill_9();
    let away = eventually("the loss on the page", || {
        Some(page()).filter(|page| page.contains("archive-head\">") && page.contains("changes wait for it"))
    });
    assert!(away.contains("Last trouble:") && !away.contains("pa%3A"), "{away}");
    let parsed = scraped(&format!("http://127.0.0.1:{port}/metrics"));
    for sample in [
        "gauge wattproof_archive_reached [] 0.0",
        "gauge wattproof_archive_away_seconds [] ",
        "counter wattproof_archive_outages_total [] 1.0",
        "counter wattproof_archive_given_up_readings_total [] 0.0",
        "gauge wattproof_archive_waiting_changes [] ",
    ] {
        assert!(parsed.lines().any(|line| line.starts_with(sample)), "{sample}\n{parsed}");
    }
    assert_eq!(gateway.stop(), 0);
}

/// A program of Python's virtual environment for the tests.
fn python() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let python = target.join("foreign-venv/bin/python");
    let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/requirements.txt");
    let found = python.exists()
        && Command::new(&python).args(["-c", "import prometheus_client"]).status().is_ok_and(|ended| ended.success());
    assert!(
        found,
        "prometheus-client is missing; let scripts/test install it, or: python3 -m venv {0} && {0}/bin/pip install -r {1}",
        target.join("foreign-venv").display(),
        requirements.display()
    );
    python
}

/// Prints each sample's name, labels and value; ends with an error where the text breaks a rule of the format.
const PARSER: &str = "
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
for family in parse(sys.stdin.read()):
    for sample in family.samples:
        print(family.type, sample.name, sorted(sample.labels), sample.value)
";

/// What Prometheus' own parser reads out of an address: kind, name and labels of each sample, and its value.
fn scraped(url: &str) -> String {
    let text = get_text(url);
    let mut parser =
        Command::new(python()).args(["-B", "-c", PARSER]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    parser.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let parsed = parser.wait_with_output().unwrap();
    assert!(parsed.status.success(), "{text}");
    String::from_utf8(parsed.stdout).unwrap()
}

#[test]
fn prometheus_own_parser_reads_the_metrics_of_a_node() {
    let world = World::closing_in(Millis::from_minutes(60));
    let parsed = scraped(&format!("{}/metrics", world.url));
    for sample in [
        "gauge wattproof_node_height [] ",
        "counter wattproof_node_blocks_found_total [] ",
        "gauge process_resident_memory_bytes [] ",
    ] {
        assert!(parsed.lines().any(|line| line.starts_with(sample)), "{sample}\n{parsed}");
    }
}

#[test]
fn the_service_files_hold_what_systemd_understands() {
    let folder = tempfile::tempdir().unwrap();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/systemd");
    for name in ["wattproof-gateway.service", "wattproof-node.service"] {
        let text = std::fs::read_to_string(sources.join(name)).unwrap();
        // What it starts is understood too: the command's own words, without a meter or a node.
        let start = text.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/wattproof ")).unwrap();
        let usage = run(folder.path(), &[&start.split(' ').collect::<Vec<_>>()[..], &["--help"]].concat());
        assert_eq!(usage.code, 0, "{usage:?}");
        let unit = folder.path().join(name);
        std::fs::write(&unit, text.replace("/usr/local/bin/wattproof", env!("CARGO_BIN_EXE_wattproof"))).unwrap();
        let checked = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit).output();
        let checked = checked.expect("systemd-analyze is missing: apt-get install systemd");
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert!(checked.status.success() && !said.contains(name), "{said}");
    }
}
