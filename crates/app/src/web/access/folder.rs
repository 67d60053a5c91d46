//! What access is kept in: a folder of the community's, beside the ledger and never in it, for its owner alone.
//!
//! ```text
//! access/operator.password   hash of the operator's password (argon2id, in the PHC's form)
//! access/setup-code          sets the password, once; gone afterwards
//! access/operator.token      lets programs at this computer do what the operator may
//! access/links.toml          hashes of the members' links
//! access/tls.cert, tls.key   the self-made certificate and its key
//! ```

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The folder in a community's directory.
pub(crate) const FOLDER: &str = "access";
const PASSWORD: &str = "operator.password";
const SETUP_CODE: &str = "setup-code";
const TOKEN: &str = "operator.token";
const LINKS: &str = "links.toml";
/// For the owner alone.
const MODE: u32 = 0o600;
const MODE_FOLDER: u32 = 0o700;
/// Letters of a set-up code: no 0, 1, I, L, O or U, so that a slip is seen (Crockford's base 32 without its digits for them).
const CODE_LETTERS: &[u8; 30] = b"23456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Ten of them are 49 bits: with the limit on guesses, hopeless.
const CODE_LENGTH: usize = 10;

/// Why access cannot be decided.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccessError {
    /// The file system says no.
    #[error("{}: {error}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The operating system gives no random bytes.
    #[error("{0}")]
    Random(String),
    /// A file is not what it should be.
    #[error("{}: {reason}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// There are too many links.
    #[error("{0}")]
    TooManyLinks(&'static str),
}

pub(super) fn io_error(path: &Path) -> impl FnOnce(io::Error) -> AccessError {
    let path = path.to_owned();
    move |error| AccessError::Io { path, error }
}

/// Random bytes from the operating system.
pub(super) fn random<const N: usize>() -> Result<[u8; N], AccessError> {
    crate::key_file::random().map_err(|error| AccessError::Random(error.to_string()))
}

/// The folder.
#[derive(Debug, Clone)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// The folder of a community's directory; made if it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn of(dir: &Path) -> Result<Self, AccessError> {
        let path = dir.join(FOLDER);
        match DirBuilder::new().mode(MODE_FOLDER).create(&path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(io_error(&path)(error)),
            _ => Ok(Self(path)),
        }
    }

    /// A file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Keeps a file in it, for its owner alone.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn keep(&self, name: &str, bytes: &[u8]) -> Result<(), AccessError> {
        write(&self.file(name), bytes)
    }

    /// Where the members' links are.
    pub(crate) fn links(&self) -> PathBuf {
        self.file(LINKS)
    }

    /// Where the token is.
    pub(crate) fn token_path(&self) -> PathBuf {
        self.file(TOKEN)
    }

    /// Where the set-up code is.
    pub(crate) fn setup_code_path(&self) -> PathBuf {
        self.file(SETUP_CODE)
    }

    /// The hash of the password, once it is set.
    pub(crate) fn password(&self) -> Result<Option<String>, AccessError> {
        read(&self.file(PASSWORD))
    }

    /// The set-up code, until it is used.
    pub(crate) fn setup_code(&self) -> Result<Option<String>, AccessError> {
        read(&self.setup_code_path())
    }

    /// Sets the password by its hash; the set-up code is gone then.
    pub(crate) fn set_password(&self, hash: &str) -> Result<(), AccessError> {
        write(&self.file(PASSWORD), hash.as_bytes())?;
        remove(&self.setup_code_path())
    }

    /// Takes the password back, and makes a set-up code.
    pub(crate) fn reset_password(&self) -> Result<String, AccessError> {
        // The code first: without both nobody could log in any more.
        let code = self.new_setup_code()?;
        remove(&self.file(PASSWORD))?;
        Ok(code)
    }

    /// A set-up code, if there is no password yet.
    pub(crate) fn code_if_needed(&self) -> Result<Option<String>, AccessError> {
        if self.password()?.is_some() {
            return Ok(None);
        }
        match self.setup_code()? {
            Some(code) => Ok(Some(code)),
            None => self.new_setup_code().map(Some),
        }
    }

    fn new_setup_code(&self) -> Result<String, AccessError> {
        let code = new_code()?;
        write(&self.setup_code_path(), format!("{code}\n").as_bytes())?;
        Ok(code)
    }

    /// The token of programs at this computer, made if there is none.
    pub(crate) fn token(&self) -> Result<String, AccessError> {
        let path = self.token_path();
        if let Some(token) = read(&path)? {
            return Ok(token);
        }
        let token = super::token::hex(&random::<32>()?);
        // Two programs of one folder may start at once; the first one's token holds.
        match create(&path, format!("{token}\n").as_bytes()) {
            Ok(()) => Ok(token),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(read(&path)?.unwrap_or_default()),
            Err(error) => Err(io_error(&path)(error)),
        }
    }
}

/// Letters by chance, each as likely as the others.
fn new_code() -> Result<String, AccessError> {
    let count = u8::try_from(CODE_LETTERS.len()).unwrap_or(u8::MAX);
    let fair = u8::MAX - u8::MAX % count;
    let mut code = String::new();
    while code.len() < CODE_LENGTH {
        let bytes: [u8; 32] = random()?;
        let letters = bytes
            .iter()
            .filter(|byte| **byte < fair)
            .filter_map(|byte| CODE_LETTERS.get(usize::from(byte % count)).map(|letter| char::from(*letter)));
        let missing = CODE_LENGTH - code.len();
        code.extend(letters.take(missing));
    }
    Ok(code)
}

/// The first line of a file; `None` where there is none.
fn read(path: &Path) -> Result<Option<String>, AccessError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text.lines().next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_error(path)(error)),
    }
}

/// Writes a file for its owner alone, wholly or not at all; durable on return.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), AccessError> {
    let draft = path.with_extension(format!("{}.new", std::process::id()));
    remove(&draft)?;
    create(&draft, bytes).and_then(|()| std::fs::rename(&draft, path)).map_err(io_error(path))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io_error(folder))
}

fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn remove(path: &Path) -> Result<(), AccessError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(io_error(path)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_code_until_there_is_a_password_and_again_after_a_reset() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::of(dir.path()).unwrap();
        let code = folder.code_if_needed().unwrap().unwrap();
        assert!(code.len() == CODE_LENGTH && code.bytes().all(|letter| CODE_LETTERS.contains(&letter)), "{code}");
        assert_eq!(folder.code_if_needed().unwrap().as_ref(), Some(&code), "the same until it is used");
        folder.set_password("hash").unwrap();
        assert_eq!(folder.code_if_needed().unwrap(), None);
        assert_eq!(folder.setup_code().unwrap(), None);
        assert_eq!(Folder::of(dir.path()).unwrap().password().unwrap().as_deref(), Some("hash"));
        let again = folder.reset_password().unwrap();
        assert_ne!(again, code);
        assert_eq!((folder.password().unwrap(), folder.setup_code().unwrap()), (None, Some(again)));
    }

    #[test]
    fn everything_is_for_its_owner_alone_and_the_token_stays() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::of(dir.path()).unwrap();
        let token = folder.token().unwrap();
        assert_eq!((token.len(), folder.token().unwrap()), (64, token));
        folder.reset_password().unwrap();
        assert_eq!(mode(&dir.path().join(FOLDER)), 0o700);
        for path in [folder.token_path(), folder.setup_code_path()] {
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
    }
}
