//! RSA with SHA-256 and PKCS#1 v1.5 padding (RFC 8017 8.2): the shape of a key, one rule of verification, making and
//! signing.
//!
//! Allowed are moduli of 2048 to 4096 bits, and of 1024 for ledgers that are for teaching, in whole bytes with the top
//! bit set, odd, and the exponent 65537. Signing is blinded with values derived from key and message
//! (`docs/decisions/0007-rsa.md`).

use super::{KeyError, PublicKey};
use ed25519_dalek::pkcs8::spki::der::zeroize::Zeroizing;
use rsa::rand_core::{TryCryptoRng, TryRng};
use rsa::traits::{PrivateKeyParts as _, PublicKeyParts as _};
use rsa::{BoxedUint, Pkcs1v15Sign, RsaPrivateKey, RsaPublicKey};
use sha2::{Digest as _, Sha256};
use std::convert::Infallible;

/// The one public exponent.
const EXPONENT: u64 = 65_537;

/// The key of a modulus, if it is of the one shape.
pub(super) fn public(n: &[u8]) -> Result<RsaPublicKey, KeyError> {
    if !is_allowed(n.len()) || n[0] & 0x80 == 0 || n[n.len() - 1] & 1 == 0 {
        return Err(KeyError::InvalidKey);
    }
    let bits = u32::try_from(n.len() * 8).map_err(|_| KeyError::InvalidKey)?;
    let n = BoxedUint::from_be_slice(n, bits).map_err(|_| KeyError::InvalidKey)?;
    RsaPublicKey::new(n, BoxedUint::from(EXPONENT)).map_err(|_| KeyError::InvalidKey)
}

fn is_allowed(modulus_bytes: usize) -> bool {
    modulus_bytes == PublicKey::RSA_BYTES_CLASSROOM
        || (PublicKey::RSA_BYTES_MIN..=PublicKey::RSA_BYTES_MAX).contains(&modulus_bytes)
}

/// Checks a signature: as long as the modulus, below it, and to the power of 65537 exactly the padded digest, byte by
/// byte (RFC 8017 8.2.2; the digest info has the NULL parameter).
pub(super) fn verify(n: &[u8], message: &[u8], signature: &[u8]) -> Result<(), KeyError> {
    let key = public(n)?;
    if signature.len() != n.len() || signature >= n {
        return Err(KeyError::InvalidSignature);
    }
    key.verify(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message), signature)
        .map_err(|_| KeyError::InvalidSignature)
}

/// A public key from outside, if it is of the one shape.
pub(super) fn of_public(key: &RsaPublicKey) -> Result<PublicKey, KeyError> {
    if *key.e() != BoxedUint::from(EXPONENT) {
        return Err(KeyError::InvalidKey);
    }
    Ok(PublicKey::Rsa(key.n().to_be_bytes_trimmed_vartime().into_vec()))
}

/// A private key from its modulus, exponent and factors, big endian.
pub(super) fn from_parts(n: &[u8], d: &[u8], factors: [&[u8]; 2]) -> Result<RsaPrivateKey, KeyError> {
    let bits = u32::try_from(n.len() * 8).map_err(|_| KeyError::InvalidKey)?;
    let number = |bytes: &[u8]| BoxedUint::from_be_slice(bytes, bits).map_err(|_| KeyError::InvalidKey);
    let factors = factors.into_iter().map(number).collect::<Result<Vec<_>, _>>()?;
    RsaPrivateKey::from_components(number(n)?, BoxedUint::from(EXPONENT), number(d)?, factors)
        .map_err(|_| KeyError::InvalidKey)
}

/// Exponent, factors, the exponent by each factor, and the second factor's inverse (RFC 8017 3.2), big endian without
/// leading zeros.
pub(super) fn private_parameters(key: &RsaPrivateKey) -> Vec<Zeroizing<Vec<u8>>> {
    let factors = key.primes().iter().map(|factor| Some(factor.as_ref().clone()));
    let derived = [key.dp().cloned(), key.dq().cloned(), key.crt_coefficient()];
    let numbers = [Some(key.d().clone())].into_iter().chain(factors).chain(derived);
    numbers.flatten().map(|number| Zeroizing::new(number.to_be_bytes_trimmed_vartime().into_vec())).collect()
}

/// A key whose primes are searched from the seed on.
pub(super) fn generate(bits: usize, seed: [u8; 32]) -> Result<RsaPrivateKey, KeyError> {
    if !bits.is_multiple_of(8) || !is_allowed(bits / 8) {
        return Err(KeyError::InvalidKey);
    }
    RsaPrivateKey::new(&mut Stream::new(&[b"wattproof rsa key", &seed]), bits).map_err(|_| KeyError::InvalidKey)
}

/// Whether a private key from outside is of the one shape and its parts belong together.
pub(super) fn check(key: &RsaPrivateKey) -> Result<(), KeyError> {
    if *key.e() != BoxedUint::from(EXPONENT) {
        return Err(KeyError::InvalidKey);
    }
    public(&modulus(key))?;
    // The library compares products only; factors that are no primes show in a signature that does not fit.
    sign(key, b"a trial").map(drop)
}

/// The modulus, big endian, without leading zeros.
pub(super) fn modulus(key: &RsaPrivateKey) -> Vec<u8> {
    key.n().to_be_bytes_trimmed_vartime().into_vec()
}

/// The private exponent, big endian.
pub(super) fn exponent(key: &RsaPrivateKey) -> Vec<u8> {
    key.d().to_be_bytes().into_vec()
}

/// Signs. The computation is blinded, and checked before the signature is shown: a wrong one could give the key away.
pub(super) fn sign(key: &RsaPrivateKey, message: &[u8]) -> Result<Vec<u8>, KeyError> {
    let digest = Sha256::digest(message);
    let mut blinding = Stream::new(&[b"wattproof rsa blinding", &exponent(key), &digest]);
    key.sign_with_rng(&mut blinding, Pkcs1v15Sign::new::<Sha256>(), &digest).map_err(|_| KeyError::CannotSign)
}

/// Bytes that look random to whoever does not know the secret: SHA-256 of the secret's digest and a counter.
pub(super) struct Stream {
    secret: [u8; 32],
    counter: u64,
    buffer: [u8; 32],
    used: usize,
}

impl Stream {
    fn new(secrets: &[&[u8]]) -> Self {
        let secret = secrets.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part)).finalize().into();
        Self { secret, counter: 0, buffer: [0; 32], used: 32 }
    }

    fn next_byte(&mut self) -> u8 {
        if self.used == self.buffer.len() {
            self.buffer =
                Sha256::new_with_prefix(self.secret).chain_update(self.counter.to_be_bytes()).finalize().into();
            self.counter += 1;
            self.used = 0;
        }
        let byte = self.buffer[self.used];
        self.used += 1;
        byte
    }

    fn next<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.next_byte())
    }
}

impl TryRng for Stream {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_be_bytes(self.next()))
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_be_bytes(self.next()))
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill_with(|| self.next_byte());
        Ok(())
    }
}

impl TryCryptoRng for Stream {}
