//! Keys: Ed25519 for statements, seals and checkpoints, P-256 for receipts (and for members whose device has no other),
//! RSA for those who bring one (the paper's kind).
//!
//! Verification is pinned, one rule per algorithm, because libraries disagree at the edges and nodes must not: Ed25519
//! as `verify_strict` (no small-order points, canonical encodings), ECDSA P-256 with SHA-256 and low S only, RSA with
//! one exponent, one padding and whole bytes.

mod cose;
mod form;
mod rsa;
mod secret;

pub use secret::SecretKey;

use p256::ecdsa::signature::Verifier as _;
use sha2::{Digest as _, Sha256};
use std::fmt;
use units::AccountId;

/// Why a key or a signature is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The bytes are no point of the curve, or one that anybody can sign for; or no RSA modulus of an allowed length.
    #[error("not a usable public key (RSA keys have 2048 to 4096 bits and the exponent 65537)")]
    InvalidKey,
    /// RSA of 1024 bits outside a ledger for teaching.
    #[error("an RSA key of 1024 bits is for a teaching ledger only (`classroom` in its genesis); take 2048 or more")]
    WeakKey,
    /// The key cannot make a signature of the form asked for.
    #[error("the key cannot make this signature: seals, checkpoints and receipts need Ed25519 or P-256")]
    CannotSign,
    /// The signature does not fit key and content.
    #[error("the signature does not fit the key and the content")]
    InvalidSignature,
    /// No form that a key is read from.
    #[error(
        "neither PEM nor DER nor a COSE_Key (the last two also in hexadecimal digits) of an Ed25519, P-256 or RSA key"
    )]
    InvalidForm,
    /// The text is no PKCS#8 private key of a kind that is used here.
    #[error("not a PKCS#8 private key (`-----BEGIN PRIVATE KEY-----`) of Ed25519, P-256 or RSA, or it is encrypted")]
    InvalidPem,
}

/// A public key as a COSE_Key (RFC 9052 7), required parameters only.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PublicKey {
    /// Key type OKP, curve Ed25519: x.
    Ed25519([u8; 32]),
    /// Key type EC2, curve P-256: x and y.
    P256([u8; 32], [u8; 32]),
    /// Key type RSA: the modulus n, big endian. The exponent is always 65537.
    Rsa(Vec<u8>),
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.account())
    }
}

impl PublicKey {
    /// Fewest bytes of an RSA modulus on a ledger that is not for teaching: 2048 bits.
    pub const RSA_BYTES_MIN: usize = 256;
    /// Most bytes of an RSA modulus: 4096 bits, beyond which checking grows slower without use.
    pub const RSA_BYTES_MAX: usize = 512;
    /// Bytes of the paper's RSA modulus, 1024 bits, which a ledger for teaching allows.
    pub const RSA_BYTES_CLASSROOM: usize = 128;
    /// Longest signature: RSA's, as long as its modulus.
    pub const SIGNATURE_BYTES_MAX: usize = Self::RSA_BYTES_MAX;

    /// The account that this key is the first key of: its SHA-256 COSE key thumbprint (RFC 9679 4).
    #[must_use]
    pub fn account(&self) -> AccountId {
        AccountId::from_bytes(Sha256::digest(crate::cbor::encode(self)).into())
    }

    /// COSE algorithm number: -8 EdDSA, -7 ES256 (RFC 9053 2.1, 2.2), -257 RS256 (RFC 8812 2).
    #[must_use]
    pub const fn algorithm(&self) -> i16 {
        match self {
            Self::Ed25519(_) => -8,
            Self::P256(..) => -7,
            Self::Rsa(_) => -257,
        }
    }

    /// Whether only a ledger for teaching may know it: RSA of 1024 bits.
    #[must_use]
    pub fn is_weak(&self) -> bool {
        matches!(self, Self::Rsa(n) if n.len() < Self::RSA_BYTES_MIN)
    }

    /// Whether its signatures have the 64 bytes that a block keeps for the seal: a miner's key must.
    #[must_use]
    pub const fn can_seal(&self) -> bool {
        matches!(self, Self::Ed25519(_) | Self::P256(..))
    }

    /// Whether it is a key that a signature can be checked with. A weak one is.
    ///
    /// # Errors
    /// [`KeyError::InvalidKey`] otherwise.
    pub fn check(&self) -> Result<(), KeyError> {
        match self {
            Self::Ed25519(x) => ed25519(x).map(drop),
            Self::P256(x, y) => p256(x, y).map(drop),
            Self::Rsa(n) => rsa::public(n).map(drop),
        }
    }

    /// Checks a signature over a message: 64 bytes for Ed25519 and ECDSA (r and s), as many as the modulus for RSA.
    ///
    /// # Errors
    /// When the key is unusable or the signature does not fit.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), KeyError> {
        let invalid = |_| KeyError::InvalidSignature;
        match self {
            Self::Ed25519(x) => {
                let signature = ed25519_dalek::Signature::from_slice(signature).map_err(invalid)?;
                ed25519(x)?.verify_strict(message, &signature).map_err(invalid)
            }
            Self::P256(x, y) => {
                let signature = p256::ecdsa::Signature::from_slice(signature).map_err(invalid)?;
                if signature.normalize_s() != signature {
                    return Err(KeyError::InvalidSignature);
                }
                p256(x, y)?.verify(message, &signature).map_err(invalid)
            }
            Self::Rsa(n) => rsa::verify(n, message, signature),
        }
    }
}

fn ed25519(x: &[u8; 32]) -> Result<ed25519_dalek::VerifyingKey, KeyError> {
    if !is_canonical(x) {
        return Err(KeyError::InvalidKey);
    }
    let key = ed25519_dalek::VerifyingKey::from_bytes(x).map_err(|_| KeyError::InvalidKey)?;
    if key.is_weak() { Err(KeyError::InvalidKey) } else { Ok(key) }
}

/// Whether the y coordinate is below 2^255 - 19, as RFC 8032 5.1.3 demands. The library reduces it instead, and then
/// one point has two encodings and two accounts.
fn is_canonical(x: &[u8; 32]) -> bool {
    x[0] < 0xed || x[1..31].iter().any(|byte| *byte != 0xff) || x[31] | 0x80 != 0xff
}

fn p256(x: &[u8; 32], y: &[u8; 32]) -> Result<p256::ecdsa::VerifyingKey, KeyError> {
    let mut sec1 = [4; 65];
    sec1[1..33].copy_from_slice(x);
    sec1[33..].copy_from_slice(y);
    p256::ecdsa::VerifyingKey::from_sec1_bytes(&sec1).map_err(|_| KeyError::InvalidKey)
}

fn p256_coordinates(key: &p256::ecdsa::VerifyingKey) -> PublicKey {
    let point = key.to_sec1_point(false);
    let (mut x, mut y) = ([0; 32], [0; 32]);
    x.copy_from_slice(&point.as_bytes()[1..33]);
    y.copy_from_slice(&point.as_bytes()[33..65]);
    PublicKey::P256(x, y)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
