//! Key files: one private key each, as PKCS#8 PEM (RFC 5958, RFC 7468), which other programs read and write too.
//!
//! Invariant: a key file is created once, readable by its owner alone, and never overwritten: a lost key cannot be
//! made again. A person's key is encrypted with a passphrase; a service's is not, because it starts with nobody there,
//! and keeping it from others is the file system's part.

mod encrypted;
mod passphrase;

use encrypted::{EncryptionError, Randomness};
use ledger::{KeyError, PublicKey, SecretKey};
pub(crate) use passphrase::{Passphrase, PassphraseSource};
use pkcs8::der::zeroize::Zeroizing;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Largest file that is read as a key; an RSA key of 4096 bits takes 3.3 kB.
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
    /// It cannot be opened, or a key not be encrypted.
    #[error("{}: {error}", .path.display())]
    Encryption {
        /// The file.
        path: PathBuf,
        /// Why.
        error: EncryptionError,
    },
    /// A passphrase is needed and there is neither one nor a terminal to ask at.
    #[error("{} needs a passphrase, and there is no terminal to ask at", .0.display())]
    NobodyToAsk(PathBuf),
    /// An empty passphrase protects nothing.
    #[error("the passphrase is empty")]
    PassphraseEmpty,
    /// The second is not the first.
    #[error("the two passphrases differ")]
    PassphrasesDiffer,
    /// The operating system gives no random bytes.
    #[error("the operating system gives no random numbers: {0}")]
    Random(getrandom::Error),
}

impl KeyFileError {
    /// What to do about it, in one line.
    pub(crate) const fn remedy(&self) -> &'static str {
        match self {
            Self::Exists(_) => "name another file",
            Self::Missing(_) => "put the key back from your copy; without it nobody can sign in its role",
            Self::Encryption { error: EncryptionError::WrongPassphrase, .. } => {
                "type it again, or see what --passphrase-file or WATTPROOF_PASSPHRASE holds"
            }
            Self::NobodyToAsk(_) | Self::PassphraseEmpty => {
                "name a file that holds it with --passphrase-file, or set WATTPROOF_PASSPHRASE; a new key that a service \
                 uses unattended is left unencrypted by --plain (`init`: --plain-keys)"
            }
            Self::PassphrasesDiffer => "start again",
            _ => "see that the file is a key and that you may read and write it",
        }
    }
}

/// A key that was read.
#[derive(Debug)]
pub(crate) struct KeyFile {
    /// The key.
    pub(crate) key: SecretKey,
    /// Whether others than its owner may read the file.
    pub(crate) is_exposed: bool,
}

/// A kind of key that can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyKind {
    /// Ed25519.
    Ed25519,
    /// ECDSA on P-256.
    P256,
    /// RSA of so many bits.
    Rsa(usize),
}

/// A new key from the operating system's randomness.
///
/// # Errors
/// [`KeyFileError::Random`].
pub(crate) fn new_key(kind: KeyKind) -> Result<SecretKey, KeyFileError> {
    loop {
        let made = match kind {
            KeyKind::Ed25519 => Ok(SecretKey::ed25519(random()?)),
            KeyKind::P256 => SecretKey::p256(random()?),
            KeyKind::Rsa(bits) => SecretKey::rsa(bits, random()?),
        };
        // One draw in 2^32 is not below the curve's order. The bits come from the table of commands.
        if let Ok(key) = made {
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

/// Writes a key into a new file that only its owner may read, encrypted if there is a passphrase; durable on return.
///
/// # Errors
/// When there is a file already, or it cannot be written.
pub(crate) fn create(path: &Path, key: &SecretKey, passphrase: Option<&Passphrase>) -> Result<(), KeyFileError> {
    let io = |error: std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => KeyFileError::Exists(path.to_owned()),
        _ => KeyFileError::Io { path: path.to_owned(), error },
    };
    let invalid = |error| KeyFileError::Key { path: path.to_owned(), error };
    let pem = match passphrase {
        None => key.to_pem().map_err(invalid)?,
        Some(passphrase) => {
            let random = Randomness { salt: random()?, iv: random()? };
            encrypted::seal(&key.to_der().map_err(invalid)?, passphrase, random).map_err(refused(path))?
        }
    };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path).map_err(io)?;
    file.write_all(pem.as_bytes()).and_then(|()| file.sync_all()).map_err(io)
}

fn refused(path: &Path) -> impl FnOnce(EncryptionError) -> KeyFileError {
    let path = path.to_owned();
    move |error| KeyFileError::Encryption { path, error }
}

/// Reads a key file. One that is encrypted is opened with the passphrase from `source`.
///
/// # Errors
/// When it does not exist, cannot be read, holds no key, or there is no passphrase that opens it.
pub(crate) fn read(path: &Path, source: &PassphraseSource) -> Result<KeyFile, KeyFileError> {
    let file = open(path)?;
    let mode = file.metadata().map_err(io_error(path))?.permissions().mode();
    let key = parse(&bytes_of(file, path)?, path, source)?;
    Ok(KeyFile { key, is_exposed: mode & MODE_OTHERS != 0 })
}

/// Whether a key file opens with a passphrase only.
///
/// # Errors
/// When it does not exist or cannot be read.
pub(crate) fn needs_passphrase(path: &Path) -> Result<bool, KeyFileError> {
    let bytes = bytes_of(open(path)?, path)?;
    Ok(std::str::from_utf8(&bytes).is_ok_and(encrypted::is_encrypted))
}

/// Reads a key file with a passphrase that somebody typed; one that is not encrypted takes any.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_typed(path: &Path, passphrase: &Passphrase) -> Result<SecretKey, KeyFileError> {
    let bytes = bytes_of(open(path)?, path)?;
    opened(&bytes, path, || Ok(passphrase.clone()))
}

/// Reads the public key of a file: of a key file, or one that holds a public key only.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_public(path: &Path, source: &PassphraseSource) -> Result<PublicKey, KeyFileError> {
    let bytes = bytes_of(open(path)?, path)?;
    match PublicKey::read(&bytes) {
        Ok(key) => Ok(key),
        Err(KeyError::InvalidPem | KeyError::InvalidForm) => Ok(parse(&bytes, path, source)?.public()),
        Err(error) => Err(KeyFileError::Key { path: path.to_owned(), error }),
    }
}

/// A private key in any form that is read, out of bytes that `path` held.
///
/// # Errors
/// When it is none, or there is no passphrase that opens it.
pub(crate) fn parse(bytes: &[u8], path: &Path, source: &PassphraseSource) -> Result<SecretKey, KeyFileError> {
    opened(bytes, path, || source.to_open(path))
}

fn opened(
    bytes: &[u8],
    path: &Path,
    passphrase: impl FnOnce() -> Result<Passphrase, KeyFileError>,
) -> Result<SecretKey, KeyFileError> {
    let invalid = |error| KeyFileError::Key { path: path.to_owned(), error };
    match std::str::from_utf8(bytes) {
        Ok(text) if encrypted::is_encrypted(text) => {
            let der = encrypted::open(text, &passphrase()?).map_err(refused(path))?;
            // A wrong passphrase may leave bytes that only look unpadded.
            SecretKey::from_der(&der).map_err(|error| match error {
                KeyError::InvalidForm => refused(path)(EncryptionError::WrongPassphrase),
                other => invalid(other),
            })
        }
        _ => SecretKey::read(bytes).map_err(invalid),
    }
}

/// The bytes of a key, from a file or the standard input.
///
/// # Errors
/// When they cannot be read.
pub(crate) fn bytes_of(source: impl std::io::Read, path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let mut bytes = Zeroizing::new(Vec::new());
    source.take(BYTES_MAX).read_to_end(&mut bytes).map_err(io_error(path))?;
    Ok(bytes)
}

/// Opens a key's file.
///
/// # Errors
/// When it does not exist or cannot be opened.
pub(crate) fn open(path: &Path) -> Result<File, KeyFileError> {
    File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => KeyFileError::Missing(path.to_owned()),
        _ => io_error(path)(error),
    })
}

fn io_error(path: &Path) -> impl FnOnce(std::io::Error) -> KeyFileError {
    let path = path.to_owned();
    move |error| KeyFileError::Io { path, error }
}

#[cfg(test)]
mod tests;
