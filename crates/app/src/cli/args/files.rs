//! Flags of what is written for others and checked: `wattproof export`, `verify` and `audit`.

use crate::cli::{NodeUrl, amount, export};
use clap::{Args, Subcommand};
use ledger::act::ActId;
use std::path::PathBuf;
use units::{Month, StatementId};

#[derive(Debug, Args)]
pub(in crate::cli) struct ExportArgs {
    /// The file to make.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) out: PathBuf,
    /// From a community's directory, while no node runs on it, instead of from a node.
    #[arg(long, value_name = "DIR", conflicts_with = "node")]
    pub(in crate::cli) data: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) url: NodeUrl,
    /// File with names of accounts [default: directory.toml here, if there is one]
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) directory: Option<PathBuf>,
    #[command(subcommand)]
    pub(in crate::cli) what: ExportCommand,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ExportCommand {
    /// A statement with the proof that it is in the ledger.
    #[command(after_help = "Example:\n  wattproof export --out transfer.cbor statement 5f0c...")]
    Statement {
        /// Its id.
        id: StatementId,
    },
    /// A bill with everything that its check needs.
    #[command(after_help = "Example:\n  wattproof export --out chen-07.cbor bill Chen 2026-07")]
    Bill {
        /// Account id or name.
        account: String,
        /// The month.
        month: Month,
    },
    /// A claim with every reading of its intervals and its answer.
    #[command(after_help = "Example:\n  wattproof export --out claim.cbor claim 5f0c...")]
    Claim {
        /// Its statement's id, and `#` with the act's number there if that is not 0.
        #[arg(value_name = "CLAIM", value_parser = amount::act)]
        claim: ActId,
    },
    /// The whole ledger.
    #[command(after_help = "Example:\n  wattproof export --data maple-house --out ledger.cbor ledger")]
    Ledger,
    /// The genesis document: give it to those who verify.
    #[command(after_help = "Example:\n  wattproof export --data maple-house --out genesis.cbor genesis")]
    Genesis,
    /// A meter's readings as comma-separated values, for a spreadsheet.
    #[command(
        after_help = "Example:\n  wattproof export --out a-101.csv readings A-101 --from 2026-07-01 --until 2026-08-01"
    )]
    Readings(export::ReadingsExport),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct VerifyArgs {
    /// The files to check.
    #[arg(required = true, value_name = "FILE")]
    pub(in crate::cli) files: Vec<PathBuf>,
    /// Genesis document of the ledger that you trust [default: a remembered one, if it is of the same ledger]
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) trust: Option<PathBuf>,
    /// Show JSON.
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct AuditArgs {
    /// The community's directory, while no node runs on it.
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) data: PathBuf,
    /// The gateway's database [default: the one that the directory's gateway.toml names, if it exists]
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) database: Option<String>,
    /// Put right first what is damaged, from another node; what was found there is kept in files beside.
    #[arg(long, requires = "peer")]
    pub(in crate::cli) repair: bool,
    /// Address of the node to repair from.
    #[arg(long, value_name = "URL", requires = "repair")]
    pub(in crate::cli) peer: Option<String>,
    /// Show JSON.
    #[arg(long)]
    pub(in crate::cli) json: bool,
}
