//! `wattproof operator`: how the operator logs in.

use super::Trouble;
use super::run::access_trouble;
use super::terminal::say;
use crate::community::Community;
use crate::web::access::Folder;
use clap::Subcommand;
use std::path::PathBuf;
use std::process::ExitCode;

/// What is done about the operator's login.
#[derive(Debug, Subcommand)]
pub(super) enum OperatorCommand {
    /// Take the operator's password back: every session ends, and a new set-up code is printed.
    #[command(after_help = "Example:\n  wattproof operator reset-password --data maple-house")]
    ResetPassword {
        /// The community's directory.
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
    },
}

pub(super) fn operator(command: &OperatorCommand) -> Result<ExitCode, Trouble> {
    let OperatorCommand::ResetPassword { data } = command;
    let community = Community::open(data)?;
    let folder = Folder::of(community.dir()).map_err(|error| access_trouble(&error))?;
    let code = folder.reset_password().map_err(|error| access_trouble(&error))?;
    say(format_args!("set-up code: {code}"));
    say("open /setup on the node's pages and set a new password with it; it works once, and needs no restart");
    Ok(ExitCode::SUCCESS)
}
