//! Members' personal links: who holds one sees that member's own accounts and readings, and signs nothing.
//!
//! A link is a random secret; only its hash is kept, off the ledger, so a link is shown once, when it is made. The file
//! may be changed by a command while the pages run, so it is looked at again whenever it has changed.

use super::folder::{AccessError, Folder, io_error, random, write};
use super::token::{hash_of, hex};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use units::{AccountId, Timestamp};

/// Path of a link, without its secret.
pub(crate) const PATH: &str = "/m/";
/// Links of one member: the telephones and computers of a household, each with its own if they like.
const OF_A_MEMBER_MAX: usize = 8;
/// Links of all: more members than a node is made for.
const ALL_MAX: usize = 20_000;

/// A link, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    /// The member.
    pub(crate) account: AccountId,
    /// SHA-256 of the secret, in hexadecimal digits.
    hash: String,
    /// When it was made, by this computer's clock.
    pub(crate) made: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LinksText {
    #[serde(default, rename = "link")]
    links: Vec<LinkText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkText {
    account: String,
    hash: String,
    made_ms: u64,
}

/// What tells one state of a file from another: its inode (each state is a new file), size and time.
type Stamp = (u64, u64, i64, i64);

/// The links of a folder.
#[derive(Debug)]
pub(crate) struct Links {
    path: PathBuf,
    read: Mutex<Option<(Stamp, Arc<Vec<Link>>)>>,
}

impl Links {
    /// Of a folder.
    pub(crate) fn of(folder: &Folder) -> Self {
        Self { path: folder.links(), read: Mutex::new(None) }
    }

    /// Every link that holds, the oldest first.
    ///
    /// # Errors
    /// When the file cannot be read, or is damaged.
    pub(crate) fn all(&self) -> Result<Arc<Vec<Link>>, AccessError> {
        let Ok(found) = std::fs::metadata(&self.path) else { return Ok(Arc::default()) };
        let stamp = (found.ino(), found.size(), found.mtime(), found.mtime_nsec());
        // What a panic elsewhere left behind is whole: it is put there in one step.
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, links)) = &*read
            && *known == stamp
        {
            return Ok(Arc::clone(links));
        }
        let links = Arc::new(read_file(&self.path)?);
        *read = Some((stamp, Arc::clone(&links)));
        Ok(links)
    }

    /// Whose link a secret is, while it holds.
    ///
    /// # Errors
    /// As [`Links::all`].
    pub(crate) fn account_of(&self, secret: &str) -> Result<Option<AccountId>, AccessError> {
        // Hashes are compared, so how long it takes tells nothing of a secret.
        let hash = hex(&hash_of(secret));
        Ok(self.all()?.iter().find(|link| link.hash == hash).map(|link| link.account))
    }

    /// Makes a link and gives its secret, which nothing shows again.
    ///
    /// # Errors
    /// When there are too many, or the file cannot be written.
    pub(crate) fn make(&self, account: AccountId, made: Timestamp) -> Result<String, AccessError> {
        let secret = hex(&random::<16>()?);
        let link = Link { account, hash: hex(&hash_of(&secret)), made };
        self.change(|links| {
            if links.len() >= ALL_MAX {
                return Err(AccessError::TooManyLinks(
                    "there are too many links; revoke those of members who have left",
                ));
            }
            if links.iter().filter(|link| link.account == account).count() >= OF_A_MEMBER_MAX {
                return Err(AccessError::TooManyLinks(
                    "the member has 8 links already; revoke them and make a new one",
                ));
            }
            links.push(link);
            Ok(())
        })?;
        Ok(secret)
    }

    /// Revokes every link of a member; gives how many there were.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn revoke(&self, account: &AccountId) -> Result<usize, AccessError> {
        self.change(|links| {
            let before = links.len();
            links.retain(|link| link.account != *account);
            Ok(before - links.len())
        })
    }

    /// Changes the file while nobody else does.
    fn change<T>(&self, change: impl FnOnce(&mut Vec<Link>) -> Result<T, AccessError>) -> Result<T, AccessError> {
        let lock = self.path.with_extension("lock");
        let held: File =
            OpenOptions::new().create(true).truncate(false).write(true).open(&lock).map_err(io_error(&lock))?;
        held.lock().map_err(io_error(&lock))?;
        let mut links = if self.path.exists() { read_file(&self.path)? } else { Vec::new() };
        let changed = change(&mut links)?;
        write(&self.path, text_of(&links).as_bytes())?;
        Ok(changed)
    }
}

fn damaged(path: &Path, reason: impl std::fmt::Display) -> AccessError {
    AccessError::Damaged { path: path.to_owned(), reason: reason.to_string() }
}

fn read_file(path: &Path) -> Result<Vec<Link>, AccessError> {
    let text = std::fs::read_to_string(path).map_err(io_error(path))?;
    let LinksText { links } = toml::from_str(&text).map_err(|error| damaged(path, error.message()))?;
    let link = |LinkText { account, hash, made_ms }: LinkText| {
        let account = account.parse().map_err(|error| damaged(path, error))?;
        Ok(Link { account, hash, made: Timestamp::from_ms(made_ms) })
    };
    links.into_iter().map(link).collect()
}

fn text_of(links: &[Link]) -> String {
    let mut text = "# Hashes of the members' links; change them with `wattproof member`.\n".to_owned();
    for Link { account, hash, made } in links {
        text.push_str(&format!("\n[[link]]\naccount = \"{account}\"\nhash = \"{hash}\"\nmade_ms = {}\n", made.ms()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_opens_one_account_until_it_is_revoked_by_whoever_does_it() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::of(dir.path()).unwrap();
        // The pages and a command, each with its own view of the file.
        let (pages, command) = (Links::of(&folder), Links::of(&folder));
        let (chen, lee) = (AccountId::from_bytes([6; 32]), AccountId::from_bytes([7; 32]));
        assert_eq!(pages.account_of("anything").unwrap(), None);
        let made = Timestamp::from_ms(5);
        let secrets =
            [command.make(chen, made).unwrap(), command.make(chen, made).unwrap(), pages.make(lee, made).unwrap()];
        let whose = |links: &Links| secrets.each_ref().map(|secret| links.account_of(secret).unwrap());
        assert_eq!(whose(&pages), [Some(chen), Some(chen), Some(lee)]);
        assert_eq!(pages.account_of(&secrets[0][1..]).unwrap(), None, "a part of a secret");
        let kept = std::fs::read_to_string(folder.links()).unwrap();
        assert!(secrets.iter().all(|secret| !kept.contains(secret.as_str())), "only hashes are kept");
        assert_eq!(command.revoke(&chen).unwrap(), 2);
        assert_eq!(whose(&pages), [None, None, Some(lee)]);
        assert_eq!(command.revoke(&chen).unwrap(), 0);
    }

    #[test]
    fn a_member_has_a_bounded_number_of_links() {
        let dir = tempfile::tempdir().unwrap();
        let links = Links::of(&Folder::of(dir.path()).unwrap());
        let chen = AccountId::from_bytes([6; 32]);
        for _ in 0..OF_A_MEMBER_MAX {
            links.make(chen, Timestamp::from_ms(0)).unwrap();
        }
        let refused = links.make(chen, Timestamp::from_ms(0)).unwrap_err().to_string();
        assert_eq!(refused, "the member has 8 links already; revoke them and make a new one");
        assert!(links.make(AccountId::from_bytes([7; 32]), Timestamp::from_ms(0)).is_ok());
    }
}
