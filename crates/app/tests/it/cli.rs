//! Commands that need no running community: what they refuse, and what they say.

use crate::program::{Running, run};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

/// Captured from a real PZEM-004T v3 (arendst/Tasmota issue 11817): 242.8 V, 13.211 A, 2,994.6 W, 7,970 Wh, 50 Hz.
const PZEM_LIVE_A: &str = "01 04 14 09 7C 33 9B 00 00 74 FA 00 00 1F 22 00 00 01 F4 00 5D 00 00 58 8A";

/// Runs the program and compares its exit code, the error's first line, and a word of the second.
fn refused(folder: &Path, arguments: &[&str], code: i32, what: &str, remedy: &str) {
    let ended = run(folder, arguments);
    let (first, second) = ended.err.trim_end().split_once('\n').unwrap_or_else(|| panic!("{ended:?}"));
    assert_eq!((ended.code, first), (code, format!("error: {what}").as_str()), "{arguments:?}");
    assert!(second.starts_with("  -> ") && second.contains(remedy), "{second}");
    assert!(!second.contains('\n'), "one line what, one line what to do: {}", ended.err);
}

#[test]
fn init_makes_a_community_and_refuses_to_make_it_twice() {
    let folder = tempfile::tempdir().unwrap();
    let said = run(folder.path(), &["init", "--plain-keys", "house", "--name", "Maple House"]).ok();
    assert!(said.contains("made the community `Maple House` in house"), "{said}");
    assert!(said.contains("wattproof node --data house"), "{said}");
    let dir = folder.path().join("house");
    let genesis = std::fs::read(dir.join("genesis.cbor")).unwrap();
    for key in ["operator", "log", "receipt", "miner", "gateway"] {
        let mode = std::fs::metadata(dir.join(format!("keys/{key}.key"))).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
    }
    refused(
        folder.path(),
        &["init", "--plain-keys", "house"],
        2,
        "house exists and is not empty; nothing was changed",
        "does not exist yet",
    );
    assert_eq!(std::fs::read(dir.join("genesis.cbor")).unwrap(), genesis);
    refused(
        folder.path(),
        &["init", "--plain-keys", "other", "--time-zone", "Asia/Taipeh"],
        2,
        "there is no time zone `Asia/Taipeh`",
        "Asia/Taipei",
    );
}

#[test]
fn a_directory_that_is_no_community_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    let what = "empty is not a community's directory: it has no genesis.cbor";
    for arguments in [
        &["node", "--data", "empty"][..],
        &["audit", "--data", "empty"],
        &["export", "--data", "empty", "--out", "x", "ledger"],
    ] {
        refused(folder.path(), arguments, 2, what, "wattproof init");
    }
}

#[test]
fn a_folder_without_its_ledger_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["init", "--plain-keys", "house"]).ok();
    let node = folder.path().join("house/node");
    std::fs::remove_dir_all(&node).unwrap();
    std::fs::create_dir(&node).unwrap();
    for arguments in [&["node", "--data", "house", "--http", "127.0.0.1:0"][..], &["audit", "--data", "house"]] {
        let ended = run(folder.path(), arguments);
        assert_eq!(ended.code, 2, "{ended:?}");
        assert!(ended.err.contains("house/node") || ended.err.contains("ledger"), "{ended:?}");
    }
}

#[test]
fn what_is_none_of_ours_fails_verification_with_exit_1() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in [("empty", &b""[..]), ("text", b"hello"), ("cose", b"\xd2\x84\x40"), ("zero", &[0; 1_000])] {
        std::fs::write(folder.path().join(name), bytes).unwrap();
        let ended = run(folder.path(), &["verify", name]);
        assert_eq!(ended.code, 1, "{ended:?}");
        assert!(ended.out.contains("FAILED"), "{ended:?}");
        let zh = run(folder.path(), &["verify", name, "--lang", "zh-TW"]);
        assert!(zh.code == 1 && zh.out.contains("驗算失敗"), "{zh:?}");
        let json = run(folder.path(), &["verify", name, "--json"]);
        let reports: serde_json::Value = serde_json::from_str(&json.out).unwrap();
        assert_eq!((json.code, reports[0]["verdict"].as_str()), (1, Some("failed")));
    }
    refused(
        folder.path(),
        &["verify", "absent"],
        2,
        "absent: No such file or directory (os error 2)",
        "name a file that exists",
    );
}

#[test]
fn a_genesis_document_is_verified_against_the_trusted_one() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    run(at, &["init", "--plain-keys", "house"]).ok();
    run(at, &["init", "--plain-keys", "other"]).ok();
    let genesis = "house/genesis.cbor";
    assert!(run(at, &["verify", genesis]).ok().contains("origin unknown"));
    assert!(run(at, &["verify", genesis, "--trust", genesis]).ok().contains("Verified"));
    assert_eq!(run(at, &["verify", genesis, "--trust", "other/genesis.cbor"]).code, 1);
    let trusted = at.join(".config/wattproof/trusted");
    std::fs::create_dir_all(&trusted).unwrap();
    std::fs::copy(at.join(genesis), trusted.join("house.cbor")).unwrap();
    let ended = run(at, &["verify", genesis]);
    assert!(ended.err.contains("Trusted from before") && ended.ok().contains("Verified"));
    assert!(run(at, &["verify", "other/genesis.cbor"]).ok().contains("origin unknown"));
}

#[test]
fn a_port_in_use_is_named_and_another_suggested() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["init", "--plain-keys", "house"]).ok();
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap();
    let (what, next) =
        (format!("port {} is in use", address.port()), format!("127.0.0.1:{}", address.port().wrapping_add(1)));
    refused(
        folder.path(),
        &["node", "--data", "house", "--http", &address.to_string()],
        2,
        &what,
        &format!("--http {next}"),
    );
    let arguments = ["meter", "simulate", "--profile", "sdm120", "--tcp", &address.to_string()];
    refused(folder.path(), &arguments, 2, &what, &format!("--tcp {next}"));
}

#[test]
fn a_misspelt_key_is_named_with_its_line_and_the_right_one() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["init", "--plain-keys", "house"]).ok();
    for (file, from, to, arguments, what) in [
        (
            "house/config.toml",
            "automatic_mining",
            "automatic_minning",
            &["node", "--data", "house"][..],
            "unknown key `automatic_minning`; did you mean `automatic_mining`?",
        ),
        (
            "house/gateway.toml",
            "interval_minutes",
            "interval_minute",
            &["gateway", "--config", "house/gateway.toml"],
            "unknown key `interval_minute`; did you mean `interval_minutes`?",
        ),
    ] {
        let path = folder.path().join(file);
        let before = std::fs::read_to_string(&path).unwrap();
        let line = before.lines().position(|line| line.starts_with(from)).unwrap() + 1;
        std::fs::write(&path, before.replace(from, to)).unwrap();
        refused(folder.path(), arguments, 2, &format!("{file}: line {line}: {what}"), "correct");
        std::fs::write(&path, before).unwrap();
    }
    let what = "house/gateway.toml: 0 [[bus]] blocks; a gateway has 1 to 32";
    refused(folder.path(), &["gateway", "--config", "house/gateway.toml"], 2, what, "[[bus]]");
}

#[test]
fn two_simulated_meters_on_one_port_are_read_by_address() {
    let folder = tempfile::tempdir().unwrap();
    for (profile, framing, nominal_mv) in [("im1281b", "rtu", 110_000_i64), ("sdm120", "tcp", 230_000)] {
        let volts = (nominal_mv / 1_000).to_string();
        let simulated = Running::start(
            folder.path(),
            &[
                "meter",
                "simulate",
                "--profile",
                profile,
                "--address",
                "1",
                "--address",
                "2",
                "--tcp",
                "127.0.0.1:0",
                "--framing",
                framing,
                "--voltage",
                &volts,
            ],
        );
        let example = simulated.line_with("read one:");
        let arguments: Vec<&str> = example.split_once("wattproof ").unwrap().1.split(' ').collect();
        assert_eq!(arguments[..2], ["meter", "read"]);
        let [one, two] = ["1", "2"].map(|address| {
            let mut arguments = arguments.clone();
            *arguments.last_mut().unwrap() = address;
            arguments.push("--json");
            run(folder.path(), &arguments).json()
        });
        for values in [&one, &two] {
            let voltage = values["voltage_mv"].as_i64().unwrap();
            assert!((voltage - nominal_mv).abs() < nominal_mv / 8, "{values}");
            // Counters begin at 1,200 kWh; a second of a household is far below a kWh.
            let counter = values["energy_import_mwh"].as_i64().unwrap();
            assert!((1_200_000_000..1_201_000_000).contains(&counter), "{values}");
            assert!(values["active_power_mw"].as_i64().unwrap() > 0, "{values}");
        }
        assert_ne!(one["active_power_mw"], two["active_power_mw"], "two households");
        let text = run(folder.path(), &arguments).ok();
        assert!(text.contains(" V\n") && text.contains(" kWh\n"), "{text}");
        let mut absent = arguments.clone();
        *absent.last_mut().unwrap() = "3";
        assert_eq!(run(folder.path(), &absent).code, 1, "nobody has address 3");
        assert_eq!(simulated.stop(), 0);
    }
}

#[test]
fn a_simulated_meter_on_a_pty_is_read_as_on_a_serial_line() {
    let folder = tempfile::tempdir().unwrap();
    let simulated =
        Running::start(folder.path(), &["meter", "simulate", "--profile", "pzem-004t-v3", "--address", "7"]);
    let example = simulated.line_with("read one:");
    assert!(example.contains("--serial /dev/"), "{example}");
    let mut arguments: Vec<&str> = example.split_once("wattproof ").unwrap().1.split(' ').collect();
    arguments.push("--json");
    let values = run(folder.path(), &arguments).json();
    assert_eq!(values["frequency_mhz"], 60_000);
}

#[test]
fn a_meter_that_is_not_there_is_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let ended = run(folder.path(), &["meter", "read", "--profile", "sdm120", "--tcp", &free]);
    assert!(ended.code == 2 && ended.err.contains(&free), "{ended:?}");
    let ended = run(folder.path(), &["meter", "read", "--profile", "sdm120", "--serial", "/dev/absent"]);
    assert!(ended.code == 2 && ended.err.contains("/dev/absent"), "{ended:?}");
    let arguments = ["meter", "read", "--profile", "sdm12", "--tcp", &free];
    refused(folder.path(), &arguments, 2, "there is no profile `sdm12`", "did you mean `sdm120`?");
}

#[test]
fn the_published_frame_of_a_real_meter_decodes_to_its_values() {
    let folder = tempfile::tempdir().unwrap();
    let values = run(folder.path(), &["meter", "decode", "--profile", "pzem-004t-v3", PZEM_LIVE_A, "--json"]).json();
    for (quantity, value) in [
        ("voltage_mv", 242_800),
        ("current_ua", 13_211_000),
        ("active_power_mw", 2_994_600),
        ("energy_import_mwh", 7_970_000),
        ("frequency_mhz", 50_000),
    ] {
        assert_eq!(values[quantity], value, "{quantity}");
    }
    let text = run(folder.path(), &["meter", "decode", "--profile", "pzem-004t-v3", PZEM_LIVE_A]).ok();
    assert!(text.contains("242.8 V") && text.contains("7.97 kWh"), "{text}");
}

#[test]
fn a_frame_that_fails_a_check_gives_no_reading_and_exit_1() {
    let folder = tempfile::tempdir().unwrap();
    let decode = |arguments: &[&str]| {
        let mut all = vec!["meter", "decode", "--profile", "pzem-004t-v3"];
        all.extend(arguments);
        run(folder.path(), &all)
    };
    let broken = PZEM_LIVE_A.replace("7C", "7D");
    let cut = &PZEM_LIVE_A[..60];
    let foreign = ["--request", "02 04 00 00 00 0A 70 3E", PZEM_LIVE_A];
    for arguments in [&[broken.as_str()][..], &[cut], &foreign] {
        let ended = decode(arguments);
        assert!(ended.code == 1 && ended.out.is_empty() && ended.err.starts_with("error: "), "{ended:?}");
    }
    assert_eq!(decode(&["01 0"]).code, 2, "no bytes at all");
}

#[test]
fn a_key_is_made_shown_and_taken_over_without_its_secret() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for (file, kind) in [("chen.key", "ed25519"), ("phone.key", "p256"), ("paper.key", "rsa-1024")] {
        let made = run(at, &["key", "new", "--plain", "--kind", kind, file]);
        assert_eq!(made.err.contains("warning: RSA of 1024 bits can be broken"), kind == "rsa-1024", "{}", made.err);
        let made = made.ok();
        assert!(made.contains("not encrypted"), "{made}");
        let pem = std::fs::read_to_string(at.join(file)).unwrap();
        let secrets: Vec<&str> = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let shown = run(at, &["key", "show", file]).ok();
        let json = run(at, &["key", "show", file, "--json"]).ok();
        for text in [&made, &shown, &json] {
            assert!(text.contains("wp1") && secrets.iter().all(|secret| !text.contains(secret)), "{text}");
            assert!(!text.contains("PRIVATE"), "{text}");
        }
        assert!(run(at, &["key", "show", file, "--private"]).ok().contains(secrets[0]));
        let copy = format!("copy-{file}");
        assert!(run(at, &["key", "import", "--plain", file, &copy]).ok().contains(shown.lines().next().unwrap()));
        refused(
            at,
            &["key", "new", file],
            2,
            &format!("{file} exists and is not overwritten: a key that is lost cannot be made again"),
            "name another file",
        );
    }
    std::fs::set_permissions(at.join("chen.key"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let warned = run(at, &["key", "show", "chen.key", "--private"]).err;
    assert!(warned.contains("warning: others than you may read chen.key"), "{warned}");
}

#[test]
fn a_key_goes_out_and_comes_back_in_every_form() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for (kind, digits) in [("ed25519", 88), ("p256", 182), ("rsa-1024", 324)] {
        let file = format!("{kind}.key");
        run(at, &["key", "new", "--plain", "--kind", kind, &file]).ok();
        let shown = run(at, &["key", "show", &file]).ok();
        let account = shown.lines().next().unwrap().split_whitespace().last().unwrap().to_owned();
        assert_eq!(run(at, &["key", "show", &file, "--form", "account"]).ok().trim(), account);
        for form in ["pem", "der-hex", "cose"] {
            let (public, private) = (format!("{kind}.{form}.pub"), format!("{kind}.{form}"));
            let text = run(at, &["key", "show", &file, "--form", form]).ok();
            assert!(form != "der-hex" || text.trim().len() == digits, "{kind}: {text}");
            std::fs::write(at.join(&public), text).unwrap();
            assert_eq!(run(at, &["key", "show", &public]).ok(), shown, "{kind} {form}");
            let text = run(at, &["key", "show", &file, "--private", "--form", form]).ok();
            std::fs::write(at.join(&private), text).unwrap();
            let taken = run(at, &["key", "import", "--plain", &private, &format!("{private}.key")]).ok();
            assert!(taken.contains(&account), "{kind} {form}: {taken}");
            assert_eq!(run(at, &["key", "show", &public, "--private"]).code, 2, "a public key has no private part");
        }
    }
}

#[test]
fn a_person_s_key_is_encrypted_and_asks_for_its_passphrase() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("right"), "a long sentence\n").unwrap();
    std::fs::write(at.join("wrong"), "another\n").unwrap();
    std::fs::write(at.join("empty"), "").unwrap();
    let nobody = "chen.key needs a passphrase, and there is no terminal to ask at";
    refused(at, &["key", "new", "chen.key"], 2, nobody, "--passphrase-file");
    let made = run(at, &["key", "new", "chen.key", "--passphrase-file", "right"]).ok();
    assert!(made.contains("encrypted; keep a copy"), "{made}");
    let account = made.lines().next().unwrap();
    refused(at, &["key", "show", "chen.key"], 2, nobody, "WATTPROOF_PASSPHRASE");
    let with = |passphrase| run(at, &["--passphrase-file", passphrase, "key", "show", "chen.key"]);
    assert!(with("right").ok().contains(account));
    for (passphrase, says) in [("wrong", "does not open it"), ("empty", "is empty"), ("none", "none: No such file")] {
        let ended = with(passphrase);
        assert!(ended.code == 2 && ended.err.contains(says) && ended.out.is_empty(), "{ended:?}");
    }
    // What another program knows of it.
    let openssl = |arguments: &[&str]| Command::new("openssl").args(arguments).current_dir(at).output().unwrap();
    let opened = openssl(&["pkey", "-in", "chen.key", "-passin", "file:right", "-pubout"]);
    assert!(opened.status.success(), "{opened:?}");
    let pem = run(at, &["key", "show", "chen.key", "--form", "pem", "--passphrase-file", "right"]).ok();
    assert_eq!(String::from_utf8(opened.stdout).unwrap(), pem);
    assert!(!openssl(&["pkey", "-in", "chen.key", "-passin", "file:wrong", "-noout"]).status.success());
}

#[test]
fn a_community_s_operator_has_an_encrypted_key_and_its_services_have_not() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    refused(
        at,
        &["init", "house"],
        2,
        "the operator's key needs a passphrase, and there is no terminal to ask at",
        "--plain-keys",
    );
    assert!(!at.join("house").exists());
    std::fs::write(at.join("secret"), "a long sentence").unwrap();
    let said = run(at, &["init", "house", "--passphrase-file", "secret"]).ok();
    assert!(said.contains("the operator's key is encrypted; those of the services"), "{said}");
    for (name, encrypted) in
        [("operator", true), ("log", false), ("receipt", false), ("miner", false), ("gateway", false)]
    {
        let text = std::fs::read_to_string(at.join(format!("house/keys/{name}.key"))).unwrap();
        assert_eq!(text.contains("ENCRYPTED"), encrypted, "{name}");
    }
}

#[test]
fn a_node_that_does_not_answer_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}");
    for command in [&["status"][..], &["pool"], &["block", "1"]] {
        let mut arguments = command.to_vec();
        arguments.extend(["--node", &url]);
        let ended = run(folder.path(), &arguments);
        assert!(ended.code == 2 && ended.err.contains(&url) && ended.err.contains("wattproof node"), "{ended:?}");
    }
}

#[test]
fn usage_errors_end_with_2_and_help_with_0() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, code) in [
        (&["--version"][..], 0),
        (&["submit", "--help"], 0),
        (&[], 2),
        (&["audti"], 2),
        (&["verify"], 2),
        (&["verify", "x", "--lang", "fr"], 2),
        (&["init", "x", "--level", "6"], 2),
        (&["init", "x", "--close-after", "72"], 2),
    ] {
        assert_eq!(run(folder.path(), arguments).code, code, "{arguments:?}");
    }
}
