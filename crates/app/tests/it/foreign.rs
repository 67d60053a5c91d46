//! `wattproof meter read` against servers that share no code with ours, and against a simulated line on which things go
//! wrong.

use crate::peers::{Foreign, Way};
use crate::program::{Running, run};

#[test]
fn meter_read_reads_foreign_servers_over_tcp_and_on_a_pty() {
    let folder = tempfile::tempdir().unwrap();
    for (name, server, way) in [
        ("pymodbus", Foreign::pymodbus(Way::Tcp), Way::Tcp),
        ("pymodbus", Foreign::pymodbus(Way::Pty), Way::Pty),
        ("libmodbus", Foreign::libmodbus(Way::Tcp), Way::Tcp),
        ("libmodbus", Foreign::libmodbus(Way::Pty), Way::Pty),
    ] {
        let place = match way {
            Way::Tcp => ["--tcp", &server.place, "--framing", "tcp"],
            Way::Pty => ["--serial", &server.place, "--baud", "9600"],
        };
        let arguments = [&["meter", "read", "--profile", "sdm120", "--address", "1", "--json"], &place[..]].concat();
        let ended = run(folder.path(), &arguments);
        assert_eq!(ended.code, 0, "{name} over {way:?}: {}{}", ended.out, ended.err);
        let reading: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
        for (quantity, value) in
            [("voltage_mv", 231_500), ("active_power_mw", 500_000), ("energy_import_mwh", 123_250_000)]
        {
            assert_eq!(reading[quantity], value, "{name} over {way:?}");
        }
    }
}

#[test]
fn a_simulated_line_loses_every_answer_if_told_so_and_says_what_faults_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let simulate = ["meter", "simulate", "--profile", "sdm120", "--tcp", "127.0.0.1:0", "--framing", "rtu"];
    for (faults, code) in [(&["--fault", "loss=1000"][..], 1), (&["--pace", "--fault", "noise=1000", "--seed", "5"], 0)]
    {
        let running = Running::start(folder.path(), &[&simulate, faults].concat());
        let line = running.line_with("read one: ");
        let place = line.split_whitespace().skip_while(|word| *word != "--tcp").nth(1).unwrap().to_owned();
        let ended = run(folder.path(), &["meter", "read", "--profile", "sdm120", "--tcp", &place, "--address", "1"]);
        assert_eq!(ended.code, code, "{faults:?}: {}{}", ended.out, ended.err);
    }
    let ended = run(folder.path(), &[&simulate[..], &["--fault", "storm=5"]].concat());
    assert!(ended.code == 2 && ended.err.contains("flip, burst, cut"), "{}", ended.err);
}
