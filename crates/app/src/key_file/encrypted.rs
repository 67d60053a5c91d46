//! Keys encrypted at rest: PKCS#8 EncryptedPrivateKeyInfo (RFC 5958 3) with PBES2 (RFC 8018 6.2), scrypt (RFC 7914) and
//! AES-256-CBC, which OpenSSL writes and opens too. What OpenSSL encrypts with PBKDF2 is opened as well.

use pkcs8::der::asn1::OctetString;
use pkcs8::der::pem::LineEnding;
use pkcs8::der::zeroize::Zeroizing;
use pkcs8::der::{Decode as _, pem};
use pkcs8::pkcs5::pbes2::{Kdf, Parameters};
use pkcs8::pkcs5::{EncryptionScheme, scrypt};
use pkcs8::{EncryptedPrivateKeyInfoOwned, EncryptedPrivateKeyInfoRef, SecretDocument};

/// What the text of such a key begins with.
const BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
/// Its label in PEM (RFC 7468 11).
const LABEL: &str = "ENCRYPTED PRIVATE KEY";
/// Cost of scrypt: N = 2^14, r = 8, p = 5, so 16 MiB and a tenth of a second a guess. More memory is more than OpenSSL
/// lends without being told (32 MiB), so the rest is time.
const LOG_N: u8 = 14;
const BLOCK_SIZE: u32 = 8;
const PARALLEL: u32 = 5;
/// Most memory that opening a key may take, in bytes: the file says how much it wants.
const MEMORY_MAX: u64 = 256 << 20;
/// Most passes over that memory.
const PARALLEL_MAX: u16 = 64;
/// Most rounds of PBKDF2: seconds.
const ROUNDS_MAX: u32 = 10_000_000;

/// The random bytes that an encryption needs; never the same twice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Randomness {
    /// Makes equal passphrases different keys.
    pub(crate) salt: [u8; 16],
    /// Makes equal keys different texts.
    pub(crate) iv: [u8; 16],
}

/// Why an encrypted key was not opened, or a key not encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EncryptionError {
    /// The passphrase is another.
    #[error("the passphrase does not open it")]
    WrongPassphrase,
    /// Another cipher, or a cost beyond what is reasonable.
    #[error("it is not encrypted with PBES2 (scrypt or PBKDF2, and AES) of a reasonable cost")]
    Unsupported,
}

/// Whether a text is an encrypted key.
pub(crate) fn is_encrypted(text: &str) -> bool {
    text.contains(BEGIN)
}

/// Encrypts a PKCS#8 key.
///
/// # Errors
/// [`EncryptionError::Unsupported`] never for a key; the libraries answer so.
pub(crate) fn seal(der: &[u8], passphrase: &str, random: Randomness) -> Result<Zeroizing<String>, EncryptionError> {
    let unsupported = EncryptionError::Unsupported;
    let cost = scrypt::Params::new(LOG_N, BLOCK_SIZE, PARALLEL).map_err(|_| unsupported)?;
    let parameters = Parameters::generate_scrypt_aes256cbc(cost, &random.salt, random.iv).map_err(|_| unsupported)?;
    let encrypted = parameters.encrypt(passphrase, der).map_err(|_| unsupported)?;
    let sealed = EncryptedPrivateKeyInfoOwned {
        encryption_algorithm: parameters.into(),
        encrypted_data: OctetString::new(encrypted).map_err(|_| unsupported)?,
    };
    let document = SecretDocument::try_from(&sealed).map_err(|_| unsupported)?;
    document.to_pem(LABEL, LineEnding::LF).map_err(|_| unsupported)
}

/// Opens an encrypted key: PKCS#8 in DER, or nonsense in one of 256 wrong passphrases, which the caller sees by reading
/// it.
///
/// # Errors
/// When the passphrase is another or the encryption of another kind.
pub(crate) fn open(text: &str, passphrase: &str) -> Result<Zeroizing<Vec<u8>>, EncryptionError> {
    let unsupported = EncryptionError::Unsupported;
    let (label, der) = pem::decode_vec(text.as_bytes()).map_err(|_| unsupported)?;
    let sealed = EncryptedPrivateKeyInfoRef::from_der(&der).map_err(|_| unsupported)?;
    if label != LABEL || !is_reasonable(&sealed.encryption_algorithm) {
        return Err(unsupported);
    }
    let opened = sealed.encryption_algorithm.decrypt(passphrase, sealed.encrypted_data.as_bytes());
    opened.map(Zeroizing::new).map_err(|_| EncryptionError::WrongPassphrase)
}

/// Whether the cost that a file asks for is one that an honest program would.
fn is_reasonable(scheme: &EncryptionScheme) -> bool {
    let EncryptionScheme::Pbes2(parameters) = scheme else { return false };
    match &parameters.kdf {
        Kdf::Pbkdf2(kdf) => (1..=ROUNDS_MAX).contains(&kdf.iteration_count),
        Kdf::Scrypt(kdf) => {
            let memory = kdf.cost_parameter.checked_mul(128 * u64::from(kdf.block_size));
            memory.is_some_and(|memory| (1..=MEMORY_MAX).contains(&memory)) && kdf.parallelization <= PARALLEL_MAX
        }
        _ => false,
    }
}
