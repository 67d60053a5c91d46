//! `wattproof gateway --check`: everything that a gateway needs, tried once without starting it.
//!
//! Nothing is asked of a meter and nothing stays written: a database that is not there yet is not made, so that a check by
//! another user leaves no file that the gateway may not open, and a server gets a table that is taken away again.

use super::Trouble;
use super::terminal::{say, say_json};
use super::trouble::FOUND_WRONG;
use crate::web;
use gateway::core::HeadAnswer;
use gateway::mirror::probe;
use gateway::{Config, DatabaseUrl, HttpLink, NodeLink as _, Setup, Storage, Store, mqtt, ports};
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;
use tokio::runtime::Runtime;

/// What a reading takes on disk, in bytes, with its frames, its place in the log of changes and its roll-ups.
const ROW_BYTES: u64 = 500;
const DAY_MS: u64 = 86_400_000;
/// Days of readings that a disk must have room for: long enough for somebody to notice.
const DAYS_MIN: u64 = 7;

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
    findings.extend(databases(config, runtime));
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

/// The local file, the room on its disk, and the server if one is named.
fn databases(config: &Config, runtime: &Runtime) -> Vec<Finding> {
    let Some(server) = &config.storage.server else {
        return local("database", config, runtime);
    };
    let mut findings = local("spool", config, runtime);
    findings.push(finding("database server", runtime.block_on(server_allows(server))));
    findings
}

fn local(what: &str, config: &Config, runtime: &Runtime) -> Vec<Finding> {
    let opened = runtime.block_on(database(&config.database));
    let mut findings = vec![finding(what, opened)];
    if let (Some(file), true) = (file_of(&config.database), findings.iter().all(|finding| finding.ok)) {
        let free = free_bytes(folder_of(file)).map_err(|error| format!("{}: {error}", file.display()));
        let held = std::fs::metadata(file).map_or(0, |about| about.len());
        findings.push(finding("disk", free.and_then(|free| room(free, held, &config.storage, rows_a_day(config)))));
    }
    findings
}

fn file_of(url: &str) -> Option<&Path> {
    url.strip_prefix("sqlite://").map(Path::new)
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// What this user may still write on a folder's disk.
fn free_bytes(folder: &Path) -> Result<u64, std::io::Error> {
    let about = rustix::fs::statvfs(folder)?;
    Ok(about.f_bavail.saturating_mul(about.f_frsize))
}

/// Readings of a day by the schedule of all meters.
fn rows_a_day(config: &Config) -> u64 {
    let meters = config.buses.iter().flat_map(|bus| &bus.settings.meters);
    // As often as the bus allows is about once a second.
    meters.map(|meter| DAY_MS / meter.device.poll_every.ms().max(1_000)).sum()
}

/// Whether what may have to wait for a server, or some days of readings, fit on the disk.
fn room(free: u64, held: u64, storage: &Storage, rows_a_day: u64) -> Result<String, String> {
    let gigabytes = |bytes: u64| format!("{}.{} GB", bytes / 1_000_000_000, bytes / 100_000_000 % 10);
    if storage.server.is_some() {
        let needed = storage.spool_rows_max.saturating_mul(ROW_BYTES);
        let said = format!("{} free; {} may wait there while the server is away", gigabytes(free), gigabytes(needed));
        let fits = free.saturating_add(held) >= needed;
        return if fits { Ok(said) } else { Err(format!("{said}; make room, or lower `spool_rows_max`")) };
    }
    let days = free / rows_a_day.saturating_mul(ROW_BYTES).max(1);
    let said = format!("{} free, room for about {days} days of readings", gigabytes(free));
    if days >= DAYS_MIN { Ok(said) } else { Err(format!("{said}; make room, or ask the meters less often")) }
}

/// What the server lets the gateway do.
async fn server_allows(url: &DatabaseUrl) -> Result<String, String> {
    let probed = probe(url).await.map_err(|error| error.to_string())?;
    let tables = if probed.has_tables { "its tables are there and take rows" } else { "the tables will be made" };
    Ok(format!("{url} is {}; {tables}", probed.version))
}

/// A database that is there is read, and must take a writer; for one that is not, its folder must be writable.
async fn database(url: &str) -> Result<String, String> {
    if let Some(file) = file_of(url).filter(|file| !file.exists()) {
        let folder = folder_of(file);
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
    let tried = async {
        store.archive().statements().await?;
        store.try_writing().await
    };
    let tried = tried.await.map_err(|error| format!("{error}; may this user write the file and its folder?"));
    store.close().await;
    tried.map(|()| format!("{url} is read, and takes rows"))
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
            HeadAnswer::Head { chain, .. } => Ok(format!("registered; statement {} is next", chain.head.next_seq)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_has_room_for_what_may_wait_or_for_some_days() {
        const GB: u64 = 1_000_000_000;
        let file = Storage::default();
        let server = Storage {
            server: Some("mysql://db/meters".parse().unwrap()),
            spool_rows_max: 2_000_000,
            ..Storage::default()
        };
        for (case, free, held, storage, expected) in [
            ("a file with room", 10 * GB, 0, &file, Ok("10.0 GB free, room for about 231 days of readings")),
            ("a file without", GB / 5, 0, &file, Err("0.2 GB free, room for about 4 days of readings; make room")),
            ("a spool with room", GB, 0, &server, Ok("1.0 GB free; 1.0 GB may wait there while the server is away")),
            ("a spool that has grown", GB / 2, GB / 2, &server, Ok("0.5 GB free; 1.0 GB may wait")),
            (
                "a spool without",
                GB / 2,
                0,
                &server,
                Err("0.5 GB free; 1.0 GB may wait there while the server is away; make"),
            ),
        ] {
            let said = room(free, held, storage, 86_400);
            let begins = match (&said, expected) {
                (Ok(said), Ok(words)) | (Err(said), Err(words)) => said.starts_with(words),
                _ => false,
            };
            assert!(begins, "{case}: {said:?}");
        }
    }
}
