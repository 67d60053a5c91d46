//! `wattproof gateway --check`: everything that a gateway needs, tried once without starting it.
//!
//! Nothing is asked of a meter and nothing is written: a database that is not there yet is not made, so that a check by
//! another user leaves no file that the gateway may not open.

use super::Trouble;
use super::terminal::{say, say_json};
use super::trouble::FOUND_WRONG;
use crate::web;
use gateway::core::HeadAnswer;
use gateway::{Config, HttpLink, NodeLink as _, Setup, Store, mqtt, ports};
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;
use tokio::runtime::Runtime;

/// What was tried and what came of it.
#[derive(Debug, Serialize)]
struct Finding {
    what: String,
    ok: bool,
    detail: String,
}

/// Tries everything; exit code 1 when something is wrong.
pub(super) fn check(config: &Config, setup: &Setup, runtime: &Runtime, json: bool) -> Result<ExitCode, Trouble> {
    let mut findings = vec![finding("genesis", Ok(format!("`{}`", setup.genesis.name)))];
    findings.push(finding("key", Ok(setup.key.account().to_string())));
    findings.push(finding("database", runtime.block_on(database(&config.database))));
    for bus in &config.buses {
        let opened = runtime.block_on(ports::try_open(&bus.port));
        let port = ports::name(&bus.port);
        let opened = opened.map(|()| format!("{port} opens; {} meters", bus.settings.meters.len()));
        findings.push(finding(format!("bus `{}`", bus.name), opened.map_err(|error| port_trouble(&port, &error))));
    }
    if let Some(address) = config.http {
        let listens = runtime.block_on(web::bind(address)).map(|_| format!("{address} is free"));
        findings.push(finding("http", listens.map_err(|error| error.to_string())));
    }
    findings.extend(node(config, setup));
    if let Some(mqtt) = &config.mqtt {
        let told = runtime.block_on(mqtt::check(mqtt)).map_err(|error| error.to_string());
        findings.push(finding("mqtt", told.map(|()| format!("{}:{} lets us in", mqtt.host, mqtt.port))));
    }
    let wrong = findings.iter().filter(|finding| !finding.ok).count();
    if json {
        say_json(&findings);
    } else {
        for Finding { what, ok, detail } in &findings {
            say(format_args!("{} {what}: {detail}", if *ok { "ok   " } else { "WRONG" }));
        }
        let count = findings.len();
        say(if wrong == 0 { format!("all {count} are well") } else { format!("{wrong} of {count} are wrong") });
    }
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::from(FOUND_WRONG) })
}

fn finding(what: impl Into<String>, result: Result<String, String>) -> Finding {
    let ok = result.is_ok();
    let (Ok(detail) | Err(detail)) = result;
    Finding { what: what.into(), ok, detail }
}

/// A database that is there is read; for one that is not, its folder must be writable.
async fn database(url: &str) -> Result<String, String> {
    let file = url.strip_prefix("sqlite://").map(Path::new);
    if let Some(file) = file.filter(|file| !file.exists()) {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let probe = folder.join(format!(".wattproof-check-{}", std::process::id()));
        let tried = std::fs::File::create_new(&probe).and_then(|_| std::fs::remove_file(&probe));
        return match tried {
            Ok(()) => Ok(format!("{} will be made", file.display())),
            Err(error) => {
                Err(format!("{} cannot be made: {error}; give `database` a folder that you may write", file.display()))
            }
        };
    }
    let store = Store::open_existing(url).await.map_err(|error| error.to_string())?;
    let read = store.archive().statements().await.map_err(|error| error.to_string());
    store.close().await;
    read.map(|_| format!("{url} is read"))
}

fn port_trouble(port: &str, error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    let remedy = match error.kind() {
        ErrorKind::NotFound => "is the adapter plugged in, and is `serial` its name?",
        ErrorKind::PermissionDenied => {
            "put the user into the group dialout: sudo usermod -a -G dialout USER, then log in anew"
        }
        ErrorKind::ConnectionRefused => "is the converter on, and is the port right?",
        // Serial ports give this kind for a line that another program holds.
        _ if error.to_string().contains("busy") || error.to_string().contains("lock") => {
            "another program uses it, perhaps the gateway itself"
        }
        _ => "see that the line is connected and nobody else uses it",
    };
    format!("{port}: {error}; {remedy}")
}

/// Whether the node answers, and knows each meter with this gateway's key.
fn node(config: &Config, setup: &Setup) -> Vec<Finding> {
    let (link, signer) = (HttpLink::new(&config.node), setup.key.account());
    let mut findings = Vec::new();
    for meter in config.buses.iter().flat_map(|bus| &bus.settings.meters) {
        let number = &meter.device.meter;
        let answer = match link.head(number, &signer) {
            HeadAnswer::Head(chain) => Ok(format!("registered; statement {} is next", chain.head.next_seq)),
            HeadAnswer::NotBound(reason) => Err(format!(
                "{reason}; register it: wattproof submit --key OPERATOR.key register meter {number} --signer {} ...",
                config.key_file.display()
            )),
            // One that does not answer need not be asked for every meter.
            HeadAnswer::Unreachable(reason) => {
                findings.push(finding("node", Err(format!("{reason}; statements would wait in the database"))));
                return findings;
            }
        };
        findings.push(finding(format!("meter {number}"), answer));
    }
    findings.insert(0, finding("node", Ok(format!("{} answers", config.node))));
    findings
}
