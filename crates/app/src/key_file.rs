//! Key files: one private key each, as PKCS#8 PEM (RFC 5958, RFC 7468), which other programs read and write too.
//!
//! Invariant: a key file is created once, readable by its owner alone, and never overwritten: a lost key cannot be
//! made again. The files are not encrypted; keeping them from others is the file system's part.

use ledger::{KeyError, SecretKey};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Largest file that is read as a key; a P-256 key takes 241 bytes.
const BYTES_MAX: u64 = 16 * 1024;
/// Readable and writable by the owner alone.
const MODE: u32 = 0o600;
/// The permission bits of everybody but the owner.
const MODE_OTHERS: u32 = 0o077;

/// Why a key file was not read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyFileError {
    /// There is a file already.
    #[error("{} exists and is not overwritten: a key that is lost cannot be made again", .0.display())]
    Exists(PathBuf),
    /// There is no such file.
    #[error("the key file {} does not exist", .0.display())]
    Missing(PathBuf),
    /// It is no key.
    #[error("{}: {error}", .path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        error: KeyError,
    },
    /// The file system says no.
    #[error("{}: {error}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The operating system gives no random bytes.
    #[error("the operating system gives no random numbers: {0}")]
    Random(getrandom::Error),
}

/// A key that was read.
#[derive(Debug)]
pub(crate) struct KeyFile {
    /// The key.
    pub(crate) key: SecretKey,
    /// Whether others than its owner may read the file.
    pub(crate) is_exposed: bool,
}

/// A new Ed25519 key from the operating system's randomness.
///
/// # Errors
/// [`KeyFileError::Random`].
pub(crate) fn new_ed25519() -> Result<SecretKey, KeyFileError> {
    random().map(SecretKey::ed25519)
}

/// A new P-256 key from the operating system's randomness.
///
/// # Errors
/// [`KeyFileError::Random`].
pub(crate) fn new_p256() -> Result<SecretKey, KeyFileError> {
    loop {
        // One draw in 2^32 is not below the curve's order.
        if let Ok(key) = SecretKey::p256(random()?) {
            return Ok(key);
        }
    }
}

/// Random bytes from the operating system.
///
/// # Errors
/// [`KeyFileError::Random`].
pub(crate) fn random<const N: usize>() -> Result<[u8; N], KeyFileError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(KeyFileError::Random)?;
    Ok(bytes)
}

/// Writes a key into a new file that only its owner may read; durable on return.
///
/// # Errors
/// When there is a file already, or it cannot be written.
pub(crate) fn create(path: &Path, key: &SecretKey) -> Result<(), KeyFileError> {
    let io = |error: std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => KeyFileError::Exists(path.to_owned()),
        _ => KeyFileError::Io { path: path.to_owned(), error },
    };
    let pem = key.to_pem().map_err(|error| KeyFileError::Key { path: path.to_owned(), error })?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path).map_err(io)?;
    file.write_all(pem.as_bytes()).and_then(|()| file.sync_all()).map_err(io)
}

/// Reads a key file.
///
/// # Errors
/// When it does not exist, cannot be read, or holds no key.
pub(crate) fn read(path: &Path) -> Result<KeyFile, KeyFileError> {
    let io = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => KeyFileError::Missing(path.to_owned()),
        _ => KeyFileError::Io { path: path.to_owned(), error },
    };
    let invalid = |error| KeyFileError::Key { path: path.to_owned(), error };
    let file = File::open(path).map_err(io)?;
    let mode = file.metadata().map_err(io)?.permissions().mode();
    let mut bytes = Vec::new();
    file.take(BYTES_MAX).read_to_end(&mut bytes).map_err(io)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| invalid(KeyError::InvalidPem))?;
    let key = SecretKey::from_pem(text).map_err(invalid)?;
    Ok(KeyFile { key, is_exposed: mode & MODE_OTHERS != 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_is_its_owner_s_alone_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        for key in [new_ed25519().unwrap(), new_p256().unwrap()] {
            let _ = std::fs::remove_file(&path);
            create(&path, &key).unwrap();
            assert!(matches!(create(&path, &key), Err(KeyFileError::Exists(_))));
            let read_back = read(&path).unwrap();
            assert_eq!((read_back.key.public(), read_back.is_exposed), (key.public(), false));
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
            assert!(read(&path).unwrap().is_exposed);
        }
    }

    #[test]
    fn what_is_no_key_is_refused_with_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.key");
        assert!(matches!(read(&path), Err(KeyFileError::Missing(_))));
        std::fs::write(&path, [0xff; 64]).unwrap();
        assert!(matches!(read(&path), Err(KeyFileError::Key { error: KeyError::InvalidPem, .. })));
    }
}
