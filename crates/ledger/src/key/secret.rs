//! Private keys: made from random bytes that the caller brings, and signing, which needs none.

use super::{KeyError, PublicKey, p256_coordinates, rsa};
use ed25519_dalek::Signer as _;
use ed25519_dalek::pkcs8::spki::der::zeroize::Zeroizing;
use std::fmt;
use units::AccountId;

/// A private key. Signing is deterministic (RFC 8032, RFC 6979, RFC 8017 8.2), so no randomness is needed.
#[derive(Clone)]
pub enum SecretKey {
    /// Ed25519.
    Ed25519(Box<ed25519_dalek::SigningKey>),
    /// ECDSA on P-256.
    P256(Box<p256::ecdsa::SigningKey>),
    /// RSA with the exponent 65537.
    Rsa(Box<::rsa::RsaPrivateKey>),
}

impl fmt::Debug for SecretKey {
    /// Shows whose key it is, never the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.account())
    }
}

impl SecretKey {
    /// An Ed25519 key from 32 random bytes.
    #[must_use]
    pub fn ed25519(seed: [u8; 32]) -> Self {
        Self::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(&seed)))
    }

    /// A P-256 key from 32 random bytes.
    ///
    /// # Errors
    /// When the bytes are zero or not below the curve's order (chance 2^-32): draw again.
    pub fn p256(seed: [u8; 32]) -> Result<Self, KeyError> {
        let key = p256::ecdsa::SigningKey::from_slice(&seed).map_err(|_| KeyError::InvalidKey)?;
        Ok(Self::P256(Box::new(key)))
    }

    /// An RSA key of 2048 to 4096 bits, or of 1024 for a ledger that is for teaching, from 32 random bytes. It takes
    /// seconds: the primes are searched.
    ///
    /// # Errors
    /// [`KeyError::InvalidKey`] for another number of bits.
    pub fn rsa(bits: usize, seed: [u8; 32]) -> Result<Self, KeyError> {
        rsa::generate(bits, seed).map(|key| Self::Rsa(Box::new(key)))
    }

    /// What it keeps secret, for deriving other secrets: the seed, the scalar, or the private exponent, big endian.
    #[must_use]
    pub fn secret_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match self {
            Self::Ed25519(key) => key.to_bytes().to_vec(),
            Self::P256(key) => key.to_bytes().to_vec(),
            Self::Rsa(key) => rsa::exponent(key),
        })
    }

    /// Its public key.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        match self {
            Self::Ed25519(key) => PublicKey::Ed25519(key.verifying_key().to_bytes()),
            Self::P256(key) => p256_coordinates(key.verifying_key()),
            Self::Rsa(key) => PublicKey::Rsa(rsa::modulus(key)),
        }
    }

    /// The account of its public key.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.public().account()
    }

    /// Signs a message: 64 bytes (ECDSA with low S), or as many as the modulus of an RSA key has.
    ///
    /// # Errors
    /// [`KeyError::CannotSign`] when the check after an RSA computation fails, so when the machine miscalculates.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        match self {
            Self::Ed25519(key) => Ok(key.sign(message).to_vec()),
            Self::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                Ok(signature.normalize_s().to_bytes().to_vec())
            }
            Self::Rsa(key) => rsa::sign(key, message),
        }
    }

    /// Signs where the form has room for 64 bytes: the seal of a block, the line of a checkpoint.
    ///
    /// # Errors
    /// [`KeyError::CannotSign`] for an RSA key.
    pub fn sign_short(&self, message: &[u8]) -> Result<[u8; 64], KeyError> {
        self.sign(message)?.try_into().map_err(|_| KeyError::CannotSign)
    }
}
