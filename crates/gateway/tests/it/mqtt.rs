//! A real broker (mosquitto) takes the readings, and a foreign client sees them; brokers that are away, refuse, or are none.

use crate::community::gateway_key;
use crate::polling::{running, two_meters, wait_for};
use crate::world::folder;
use gateway::config::{Config, MqttConfig};
use gateway::mqtt;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Starts a program of the system, or says how to get it.
fn program(name: &str) -> Command {
    let found =
        ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"].map(|folder| Path::new(folder).join(name));
    let found = found.iter().find(|path| path.exists());
    Command::new(found.unwrap_or_else(|| panic!("{name} is missing: apt-get install mosquitto mosquitto-clients")))
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A broker that keeps nothing over its end.
struct Broker {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl Broker {
    /// With a password, nobody else is let in.
    fn start(port: u16, password: Option<&str>) -> Self {
        let folder = folder();
        let file = folder.path().join("mosquitto.conf");
        let mut text = format!("listener {port} 127.0.0.1\npersistence false\nuser root\n");
        match password {
            Some(password) => {
                let users = folder.path().join("users");
                let made = program("mosquitto_passwd").args(["-b", "-c"]).arg(&users).args(["gate", password]).output();
                assert!(made.unwrap().status.success());
                text += &format!("allow_anonymous false\npassword_file {}\n", users.display());
            }
            None => text += "allow_anonymous true\n",
        }
        std::fs::write(&file, text).unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let child = program("mosquitto").arg("-c").arg(&file).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let broker = Self { child, port, folder };
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = std::fs::read_to_string(broker.folder.path().join("log")).unwrap();
            assert!(Instant::now() < deadline, "mosquitto does not listen: {log}");
            std::thread::sleep(Duration::from_millis(20));
        }
        broker
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// What the broker keeps for whoever comes: topics and payloads, as another client is told.
    fn retained(&self) -> BTreeMap<String, String> {
        let port = self.port.to_string();
        let arguments = ["-h", "127.0.0.1", "-p", &port, "-t", "#", "-v", "--retained-only", "-W", "1"];
        let Output { stdout, .. } = program("mosquitto_sub").args(arguments).output().unwrap();
        let text = String::from_utf8(stdout).unwrap();
        let parted = text.lines().map(|line| line.split_once(' ').unwrap());
        parted.map(|(topic, payload)| (topic.to_owned(), payload.to_owned())).collect()
    }

    fn publish(&self, topic: &str, payload: &[&str]) {
        let port = self.port.to_string();
        let sent = program("mosquitto_pub").args(["-h", "127.0.0.1", "-p", &port, "-t", topic]).args(payload).output();
        assert!(sent.unwrap().status.success());
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// The section as the configuration file has it.
fn config(section: &str, folder: &Path) -> MqttConfig {
    let example = include_str!("../../example.toml");
    let buses = example.find("\n[[bus]]").unwrap();
    let settings: String =
        example[..buses].lines().take_while(|line| !line.starts_with('[')).map(|line| format!("{line}\n")).collect();
    let text = format!("{settings}\n[mqtt]\n{section}\n{}", &example[buses..]);
    Config::from_toml(&text, folder).unwrap().mqtt.unwrap()
}

fn json(retained: &BTreeMap<String, String>, topic: &str) -> Value {
    serde_json::from_str(retained.get(topic).unwrap_or_else(|| panic!("{topic} of {retained:#?}"))).unwrap()
}

/// Everything that another client must find: both meters with values, and what Home Assistant needs of each value.
fn complete(retained: &BTreeMap<String, String>) -> bool {
    retained.get("wattproof/gateway/gate").map(String::as_str) == Some("online")
        && ["A-1", "A-2"].iter().all(|meter| retained.contains_key(&format!("wattproof/meter/{meter}")))
        && retained.keys().filter(|topic| topic.starts_with("homeassistant/sensor/")).count() >= 12
}

/// Asks the broker until what it keeps is as it should be.
fn eventually(
    broker: &Broker,
    what: &str,
    holds: impl Fn(&BTreeMap<String, String>) -> bool,
) -> BTreeMap<String, String> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let retained = broker.retained();
        if holds(&retained) {
            return retained;
        }
        assert!(Instant::now() < deadline, "in vain: {what}\n{retained:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_is_given_everything_again_after_its_end_and_after_home_assistants_start() {
    let (folder, port) = (folder(), free_port());
    let broker = Broker::start(port, None);
    let (_simulation, running, ..) = running(&folder, two_meters(), 1).await;
    let handle = running.handle().clone();
    let settings = config(&format!("url = \"mqtt://127.0.0.1:{port}\"\nclient_id = \"gate\""), folder.path());
    let publisher = mqtt::start(&settings, handle.clone(), gateway_key().account()).unwrap();

    let retained = eventually(&broker, "the first values", complete);
    let state = json(&retained, "wattproof/meter/A-1");
    let reading = handle.snapshot()[0].reading.clone().unwrap();
    let published: Vec<&String> = state.as_object().unwrap().keys().filter(|key| *key != "time_ms").collect();
    let mut read: Vec<String> = reading.iter().map(|(key, _)| key.to_string()).collect();
    read.sort();
    assert_eq!(published, read.iter().collect::<Vec<_>>());
    assert!(state["energy_import_mwh"].as_u64().unwrap() >= 1_000_000, "{state}");
    // Every value that Home Assistant is told of stands in the state that it is told to read.
    for (topic, payload) in retained.iter().filter(|(topic, _)| topic.starts_with("homeassistant/")) {
        let told: Value = serde_json::from_str(payload).unwrap();
        let state = json(&retained, told["state_topic"].as_str().unwrap());
        let key = topic.split('/').nth(3).unwrap();
        assert!(state[key].is_i64() || state[key].is_u64(), "{topic}: {payload}");
        assert!(told["value_template"].as_str().unwrap().starts_with(&format!("{{{{ value_json.{key} /")), "{payload}");
        assert_eq!(retained[told["availability_topic"].as_str().unwrap()], "online");
    }

    // Whatever happens to the broker, the meters are asked.
    broker.kill();
    wait_for("the loss of the broker", || publisher.status().trouble().is_some()).await;
    let before: u64 = handle.snapshot().iter().map(|meter| meter.answers).sum();
    wait_for("answers without a broker", || {
        handle.snapshot().iter().map(|meter| meter.answers).sum::<u64>() > before + 10
    })
    .await;
    let broker = Broker::start(port, None);
    let counter =
        |retained: &BTreeMap<String, String>| json(retained, "wattproof/meter/A-1")["time_ms"].as_u64().unwrap();
    let retained = eventually(&broker, "everything, to a broker that forgot it", complete);
    assert!(counter(&retained) > state["time_ms"].as_u64().unwrap(), "what waited is not sent, the newest is");

    // Home Assistant starts anew and has lost what it knew.
    let topic = "homeassistant/sensor/wattproof_A-1/voltage_mv/config";
    broker.publish(topic, &["-r", "-n"]);
    assert!(!broker.retained().contains_key(topic));
    broker.publish("homeassistant/status", &["-m", "online"]);
    eventually(&broker, "the discovery again", |retained| retained.contains_key(topic));

    let status = publisher.status().clone();
    publisher.stop().await;
    assert_eq!(broker.retained()["wattproof/gateway/gate"], "offline");
    assert!(status.published() > 20);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_refuses_or_is_none_is_named_with_what_to_do() {
    let folder = folder();
    let (guarded, empty) = (free_port(), free_port());
    let _broker = Broker::start(guarded, Some("right"));
    std::fs::write(folder.path().join("wrong"), "wrong\n").unwrap();
    std::fs::write(folder.path().join("right"), "right\n").unwrap();
    let web = TcpListener::bind("127.0.0.1:0").unwrap();
    let web_port = web.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = web.accept() {
            let mut asked = [0; 256];
            let _count = stream.read(&mut asked);
            let _sent = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
        }
    });
    for (port, login, expected) in [
        (guarded, "user = \"gate\"\npassword_file = \"right\"", None),
        (
            guarded,
            "user = \"gate\"\npassword_file = \"wrong\"",
            Some("refuses the user or the password; correct `user` and `password_file`"),
        ),
        (guarded, "", Some("refuses the user or the password; correct `user` and `password_file`")),
        (
            guarded,
            "user = \"gate\"\npassword_file = \"none\"",
            Some("`password_file` names a file whose first line is the password"),
        ),
        (empty, "", Some("is the broker started, and is the port right?")),
        (web_port, "", Some("what listens at")),
    ] {
        let settings = config(&format!("url = \"mqtt://127.0.0.1:{port}\"\n{login}"), folder.path());
        let found = mqtt::check(&settings).await.map_err(|error| error.to_string());
        match (expected, &found) {
            (None, Ok(())) => {}
            (Some(words), Err(error)) => assert!(error.contains(words), "{login}: {error}"),
            _ => panic!("{port} {login}: {found:?}"),
        }
        assert!(found.is_ok() || !found.unwrap_err().contains("wrong\n"), "no password is shown");
    }
    let nowhere = config("url = \"mqtt://no-such-host.invalid\"", folder.path());
    let error = mqtt::check(&nowhere).await.unwrap_err().to_string();
    assert!(error.starts_with("the broker at no-such-host.invalid:1883 is not reached"), "{error}");
}
