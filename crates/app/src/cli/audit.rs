//! `wattproof audit`: everything stored, checked again; and the gateway's database against the ledger.

use super::terminal::{say, say_json};
use super::{AuditArgs, Trouble, run, trouble};
use crate::clock::RealClock;
use crate::community::{Community, KeyName};
use crate::export::FolderSource;
use crate::web::format::Clockface;
use gateway::Config;
use meter::Profile;
use node::audit::AuditError;
use node::repair::{FolderRepairError, repair_folder};
use node::shell::peers::PeerSource;
use serde::Serialize;
use std::process::ExitCode;
use std::sync::Arc;

/// The findings of both audits.
#[derive(Default, Serialize)]
struct AuditView {
    height: u64,
    statements: u64,
    attachments: u64,
    readings: u64,
    tables_compared: bool,
    database: Option<DatabaseView>,
    findings: Vec<FindingView>,
    /// What was found damaged before, and what became of it, oldest first.
    remembered: Vec<api::Finding>,
}

#[derive(Serialize)]
struct DatabaseView {
    url: String,
    intervals: u64,
    rows: u64,
    waiting: u64,
    erased: u64,
    removed: u64,
    switchings: u64,
}

#[derive(Serialize)]
struct FindingView {
    place: &'static str,
    detail: String,
}

pub(super) fn audit(args: &AuditArgs) -> Result<ExitCode, Trouble> {
    let community = Community::open(&args.data)?;
    if let Some(peer) = args.peer.as_ref().filter(|_| args.repair) {
        repair(&community, peer)?;
    }
    let mut view = of_node(&community)?;
    if let Some(url) = database(args, &community) {
        of_database(&url, &community, &mut view)?;
    }
    if args.json {
        say_json(&view)
    } else {
        show(&view)
    }
    Ok(if view.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(trouble::FOUND_WRONG) })
}

/// Puts right what is damaged in the node's folder, from the node at an address; what was found is remembered.
fn repair(community: &Community, peer: &str) -> Result<(), Trouble> {
    let folder = community.node_dir();
    let mut source = PeerSource::connect(peer).map_err(|error| {
        Trouble::environment(error, "name a node of this ledger that runs, such as http://192.168.1.20:8080")
    })?;
    // A ledger may keep readings to its members and to registered nodes; without a key, everything else is fetched.
    let key = community.key_if_any(KeyName::Miner).ok().flatten().map(|key| key.key);
    if let Some(key) = key {
        source = source.signing(key, Arc::new(RealClock));
    }
    let found = repair_folder(&folder, RealClock.time(), &mut source).map_err(|error| match error {
        FolderRepairError::Folder(error) => Trouble::environment(error, "stop the node first"),
        error => Trouble::environment(
            error,
            "see that the disk has room and can be written, and that the peer keeps this ledger",
        ),
    })?;
    node::findings::remember(&folder, &found)
        .map_err(|error| Trouble::environment(error, "see that the disk has room and can be written"))
}

/// The database named, else the one of the directory's own gateway, if it has been used.
fn database(args: &AuditArgs, community: &Community) -> Option<String> {
    if args.database.is_some() {
        return args.database.clone();
    }
    let of_config = Config::read(&community.gateway_config()).ok().map(|config| config.database_url().to_owned());
    let url = of_config.unwrap_or_else(|| format!("sqlite://{}", community.dir().join("gateway.db").display()));
    let is_used = url.strip_prefix("sqlite://").is_none_or(|file| std::path::Path::new(file).is_file());
    is_used.then_some(url)
}

fn of_node(community: &Community) -> Result<AuditView, Trouble> {
    let report = node::audit::audit(&community.node_dir()).map_err(|error| match error {
        AuditError::Node(error) => run::node_trouble(&error),
        AuditError::Tables(error) => Trouble::environment(error, "see that there is room for temporary files"),
    })?;
    let finding = |finding: &node::audit::Finding| FindingView { place: "node", detail: finding.to_string() };
    Ok(AuditView {
        height: report.height.number(),
        statements: report.statements,
        attachments: report.attachments,
        readings: report.readings,
        tables_compared: report.tables_compared,
        database: None,
        findings: report.findings.iter().map(finding).collect(),
        remembered: node::findings::read(&community.node_dir()).unwrap_or_default(),
    })
}

fn of_database(url: &str, community: &Community, view: &mut AuditView) -> Result<(), Trouble> {
    let unreadable = |error: &dyn std::fmt::Display| {
        Trouble::environment(
            error,
            "name the gateway's database with --database, such as sqlite:///DIR/gateway.db or mysql://USER:PASSWORD@HOST/DATABASE",
        )
    };
    // Only blocks that the first audit found right are compared with.
    let source = FolderSource::open(&community.node_dir(), units::Height::from_number(view.height));
    let source = source.map_err(|error| unreadable(&error))?;
    let report = run::runtime()?.block_on(gateway::audit(url, &source, &Profile::shipped));
    let report = report.map_err(|error| unreadable(&error))?;
    let finding = |finding: &gateway::Finding| FindingView { place: "gateway", detail: finding.to_string() };
    view.findings.extend(report.findings.iter().map(finding));
    view.database = Some(DatabaseView {
        // Without its password.
        url: url.parse::<gateway::DatabaseUrl>().map_or_else(|error| error.to_string(), |url| url.to_string()),
        intervals: report.intervals,
        rows: report.rows,
        waiting: report.waiting,
        erased: report.erased,
        removed: report.removed,
        switchings: report.switchings,
    });
    Ok(())
}

fn show(view: &AuditView) {
    say(format_args!("ledger: {} statements up to block {}", view.statements, view.height));
    say(format_args!("attachments: {} with {} readings", view.attachments, view.readings));
    say(format_args!("tables: {}", if view.tables_compared { "every row compared" } else { "none" }));
    match &view.database {
        Some(database) => say(format_args!(
            "{}: {} readings of {} intervals and {} switchings compared; {} statements not in the ledger yet, {} erased; \
             {} readings removed by retention",
            database.url,
            database.rows,
            database.intervals,
            database.switchings,
            database.waiting,
            database.erased,
            database.removed
        )),
        None => say("no gateway's database"),
    }
    view.remembered.iter().for_each(show_remembered);
    for finding in &view.findings {
        say(format_args!("\u{2717} {}: {}", finding.place, finding.detail));
    }
    say(match view.findings.len() {
        0 => "nothing is wrong".to_owned(),
        1 => "1 finding".to_owned(),
        count => format!("{count} findings"),
    });
}

/// A point in time in UTC, whoever reads it.
fn utc(time: units::Timestamp) -> String {
    Clockface::new("UTC").moment(time).iso
}

/// What was found before: where, what, and what became of it.
fn show_remembered(finding: &api::Finding) {
    let noticed = utc(finding.noticed_ms);
    say(format_args!("noticed {noticed}: {}: {}", finding.place, finding.what));
    if let Some(field) = &finding.field {
        let block = finding.height.map(|height| format!("block {height}, ")).unwrap_or_default();
        let (found, right) = (finding.found.as_deref().unwrap_or("-"), finding.expected.as_deref().unwrap_or("-"));
        say(format_args!("  {block}{field}: {found}, where {right} is right"));
    }
    if let Some(repaired) = &finding.repaired {
        say(format_args!("  repaired {} from {}", utc(repaired.time_ms), repaired.from));
    }
    if let Some(lost) = &finding.lost {
        say(format_args!("  lost: {lost}"));
    }
    if let Some(kept) = &finding.kept_in {
        say(format_args!("  as it was found: {kept}"));
    }
}
