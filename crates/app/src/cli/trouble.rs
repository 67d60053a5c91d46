//! Why a command did not do its work: one line what, one line what to do, and the exit code that says which kind.

use crate::community::CommunityError;
use crate::demo::DemoError;
use crate::key_file::KeyFileError;
use api::ClientError;
use std::fmt::Display;
use std::process::ExitCode;

/// A check said no.
pub(crate) const FOUND_WRONG: u8 = 1;
/// Usage or environment.
pub(crate) const ENVIRONMENT: u8 = 2;

/// Why a command ends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub(crate) struct Trouble {
    exit: u8,
    what: String,
    remedy: String,
}

impl Trouble {
    /// The computer, the network or the command line is not as it has to be.
    pub(crate) fn environment(what: impl Display, remedy: impl Display) -> Self {
        Self { exit: ENVIRONMENT, what: what.to_string(), remedy: remedy.to_string() }
    }

    /// A check said no.
    pub(crate) fn refused(what: impl Display, remedy: impl Display) -> Self {
        Self { exit: FOUND_WRONG, what: what.to_string(), remedy: remedy.to_string() }
    }

    /// What to do about it.
    pub(crate) fn remedy(&self) -> &str {
        &self.remedy
    }

    /// The exit code.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.exit)
    }
}

impl From<CommunityError> for Trouble {
    fn from(error: CommunityError) -> Self {
        Self::environment(&error, error.remedy())
    }
}

impl From<KeyFileError> for Trouble {
    fn from(error: KeyFileError) -> Self {
        CommunityError::from(error).into()
    }
}

impl From<DemoError> for Trouble {
    fn from(error: DemoError) -> Self {
        match error {
            DemoError::Community(error) => error.into(),
            DemoError::Story(_) => Self::refused(&error, "start again with RUST_LOG=debug to see what happened"),
            DemoError::Node(_) => Self::environment(&error, "name another directory with --data, or stop who uses it"),
            _ => Self::environment(&error, "correct that and start again; what is stored is kept"),
        }
    }
}

impl From<ClientError> for Trouble {
    fn from(error: ClientError) -> Self {
        match &error {
            ClientError::Transport(_) => Self::environment(
                &error,
                "start the node (`wattproof node --data DIR`), or name its address with --node",
            ),
            ClientError::Answer { .. } => Self::environment(&error, "see that --node names a Wattproof node"),
            ClientError::Problem(problem) if problem.status >= 500 => {
                Self::environment(&problem.detail, "look at the node's own messages, then try again")
            }
            ClientError::Problem(problem) => {
                Self::refused(&problem.detail, format!("nothing was changed; the rule is named `{}`", problem.name()))
            }
        }
    }
}
