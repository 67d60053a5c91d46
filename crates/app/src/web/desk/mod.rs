//! The operator's desk: what only the operator states (who is a member, whose meter it is, contracts, prices, answers) is
//! typed into a form, checked, shown in words as it will be signed, and then signed with the operator's key where that
//! lies on this computer. Elsewhere the same page gives the commands to sign it with.
//!
//! The desk decides nothing: a refusal of the ledger's rules comes back to the form with everything that was typed.
//! Names never enter a statement; they go into directory.toml.

mod command;
mod fields;
mod forms;
mod page;
mod sent;
mod sign;

pub(crate) use page::{form, send};
pub(crate) use sent::statement;

use crate::community::{CommunityError, KeyName, change_entry, directory_path, read_directory};
use crate::web::directory::{Directory, Person};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use units::{AccountId, StatementId};

/// Where the operator's things lie on this computer.
#[derive(Debug)]
pub(crate) struct Desk {
    operator_key: PathBuf,
    gateway_key: PathBuf,
    /// Keys of members who have none of their own.
    member_keys: PathBuf,
    directory: PathBuf,
    /// Meter profiles of the operator's own.
    profiles: PathBuf,
    /// Held while the directory's file is changed.
    writing: Mutex<()>,
    /// What was signed last, by the mark of its form: a form sent twice is answered with the first.
    sent: Mutex<VecDeque<([u8; 16], StatementId)>>,
}

/// Forms that are remembered as sent: nobody presses twice with so many others in between.
const SENT_MAX: usize = 64;

impl Desk {
    /// In a community's directory.
    pub(crate) fn of(dir: &Path) -> Self {
        let operator_key = KeyName::Operator.path_in(dir);
        Self {
            gateway_key: KeyName::Gateway.path_in(dir),
            member_keys: operator_key.with_file_name("members"),
            operator_key,
            directory: directory_path(dir),
            profiles: dir.join("profiles"),
            writing: Mutex::new(()),
            sent: Mutex::default(),
        }
    }

    /// The operator's key, if it lies here.
    fn operator_key(&self) -> Option<&Path> {
        Some(self.operator_key.as_path()).filter(|path| path.is_file())
    }

    /// The statement of a form that was signed already.
    fn sent(&self, nonce: &[u8; 16]) -> Option<StatementId> {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.iter().find(|(known, _)| known == nonce).map(|(_, id)| *id)
    }

    fn remember(&self, nonce: [u8; 16], id: StatementId) {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.push_back((nonce, id));
        if sent.len() > SENT_MAX {
            sent.pop_front();
        }
    }

    /// Names an account, or forgets it, in the file and on the pages.
    ///
    /// # Errors
    /// When the file is damaged or cannot be written.
    pub(crate) fn name(
        &self,
        directory: &Directory,
        account: AccountId,
        person: Option<Person>,
    ) -> Result<(), CommunityError> {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = change_entry(&self.directory, account, person)?;
        directory.replace(entries.into_iter().map(|entry| (entry.account, entry.person)));
        Ok(())
    }

    /// Reads the names again: an import may have added some while the pages run.
    ///
    /// # Errors
    /// When the file is damaged; then the pages go on with the names that they have.
    pub(crate) fn read_names(&self, directory: &Directory) -> Result<(), CommunityError> {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = read_directory(&self.directory)?;
        directory.replace(entries.into_iter().map(|entry| (entry.account, entry.person)));
        Ok(())
    }
}
