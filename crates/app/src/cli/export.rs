//! `wattproof export`: writes files that prove themselves, from a node or from a directory that nobody runs on.

mod readings;

use super::names::Names;
use super::terminal::{say, warned};
use super::{ExportArgs, ExportCommand, Trouble, run};
use crate::clock::RealClock;
use crate::community::{Community, KeyName};
use crate::key_file::PassphraseSource;
use crate::{export as source, web};
use api::{Client, Method, Request, Response, Transport};
use gateway::HttpTransport;
use node::NodeError;
pub(super) use readings::ReadingsExport;
use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

pub(super) fn export(args: &ExportArgs, passphrases: PassphraseSource) -> Result<ExitCode, Trouble> {
    // Asked before anything is gathered, and made sure of when the file is made.
    if args.out.exists() {
        return Err(exists(&args.out));
    }
    if let ExportCommand::Readings(wanted) = &args.what {
        return readings::export(args, wanted);
    }
    let bytes = match &args.data {
        Some(dir) => from_directory(dir, args, passphrases)?,
        None => from_node(args)?,
    };
    let mut file = File::create_new(&args.out).map_err(|error| not_written(&args.out, &error))?;
    file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(|error| not_written(&args.out, &error))?;
    let out = args.out.display();
    say(format_args!("{out}: {} bytes\ncheck it: wattproof verify {out} --trust genesis.cbor", bytes.len()));
    Ok(ExitCode::SUCCESS)
}

fn not_written(path: &Path, error: &std::io::Error) -> Trouble {
    match error.kind() {
        ErrorKind::AlreadyExists => exists(path),
        _ => Trouble::environment(format_args!("{}: {error}", path.display()), "name a file that you may write"),
    }
}

fn exists(path: &Path) -> Trouble {
    Trouble::environment(
        format_args!("{} exists and is not overwritten", path.display()),
        "name another file with --out",
    )
}

fn from_directory(dir: &Path, args: &ExportArgs, passphrases: PassphraseSource) -> Result<Vec<u8>, Trouble> {
    let community = Community::open(dir)?.with_passphrases(passphrases);
    let receipt = community.key_path(KeyName::Receipt);
    let keys =
        run::NodeKeys { miner: None, log: None, receipt: Some(warned(&receipt, community.key(KeyName::Receipt)?)) };
    let directory = dir.join("directory.toml");
    let names = Names::read(Some(args.directory.as_deref().unwrap_or(&directory)), None)?;
    let operator = community.genesis().operator.account();
    if matches!(args.what, ExportCommand::Genesis) {
        return Ok(community.genesis().to_bytes());
    }
    let node = run::start_node(&community, keys, Vec::new(), false, Arc::new(RealClock))?;
    let bytes = match &args.what {
        ExportCommand::Statement { id } => node.transparent_statement(*id),
        ExportCommand::Bill { account, month } => {
            source::bill_bundle(&node, names.account(account, || Ok(operator))?, *month)
        }
        ExportCommand::Claim { claim } => source::claim_bundle(&node, *claim),
        // The genesis document and readings were answered before.
        ExportCommand::Ledger | ExportCommand::Genesis | ExportCommand::Readings(_) => source::ledger(&node),
    };
    node.shutdown();
    bytes.map_err(not_exported)
}

fn not_exported(error: NodeError) -> Trouble {
    match &error {
        NodeError::NotFound(_) => Trouble::refused(&error, "check the id, the name and the month"),
        NodeError::Bundle(_) => {
            Trouble::refused(&error, "put the bill on the ledger first: wattproof submit ... bill ACCOUNT MONTH")
        }
        NodeError::NotFinal(_) | NodeError::NothingFinal | NodeError::FinalTooOld => {
            Trouble::refused(&error, "let the node run until the log key has signed, then export again")
        }
        _ => run::node_trouble(&error),
    }
}

fn from_node(args: &ExportArgs) -> Result<Vec<u8>, Trouble> {
    let transport = args.url.transport()?;
    let client = Client::new(transport.clone());
    match &args.what {
        ExportCommand::Statement { id } => Ok(client.receipt(id)?),
        ExportCommand::Bill { account, month } => {
            let names = Names::read(args.directory.as_deref(), None)?;
            let account = names.account(account, || Ok(client.status()?.operator))?;
            let path = web::bundle::PATH.replace("{id}", &account.to_string());
            bundle_of_node(&transport, path.replace("{month}", &month.to_string()))
        }
        ExportCommand::Claim { claim } => {
            bundle_of_node(&transport, web::bundle::claim_path(&claim.statement, claim.act))
        }
        ExportCommand::Ledger | ExportCommand::Genesis | ExportCommand::Readings(_) => Err(Trouble::environment(
            "a node gives neither the whole ledger nor its genesis document over the network",
            "stop the node and name its directory with --data",
        )),
    }
}

/// A bundle is a download of the pages, not a type of the contract.
fn bundle_of_node(transport: &HttpTransport, path: String) -> Result<Vec<u8>, Trouble> {
    let request =
        Request { method: Method::Get, path, content_type: None, accept: "application/cbor", body: Vec::new() };
    let Response { status, body } = transport.send(request).map_err(api::ClientError::from)?;
    if (200..300).contains(&status) {
        return Ok(body);
    }
    Err(match serde_json::from_slice(&body) {
        Ok(problem) => api::ClientError::Problem(Box::new(problem)).into(),
        Err(error) => api::ClientError::Answer { status, reason: error.to_string() }.into(),
    })
}
