//! Keys: Ed25519 for statements, seals and checkpoints, P-256 for receipts (and for members whose device has no other).
//!
//! Verification is pinned, one rule per algorithm, because libraries disagree at the edges and nodes must not: Ed25519
//! as `verify_strict` (no small-order points, canonical encodings), ECDSA P-256 with SHA-256 and low S only.

use ed25519_dalek::Signer as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::spki::der::zeroize::Zeroizing;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, KeypairBytes};
use minicbor::{Decode, Encode, Encoder, decode, encode};
use p256::ecdsa::signature::Verifier as _;
use sha2::{Digest as _, Sha256};
use std::fmt;
use units::AccountId;

/// Why a key or a signature is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The bytes are no point of the curve, or one that anybody can sign for.
    #[error("not a usable public key")]
    InvalidKey,
    /// The signature does not fit key and content.
    #[error("the signature does not fit the key and the content")]
    InvalidSignature,
    /// The text is no PKCS#8 private key of a kind that is used here.
    #[error("not a PKCS#8 private key (`-----BEGIN PRIVATE KEY-----`) of Ed25519 or P-256, or it is encrypted")]
    InvalidPem,
}

/// A public key as a COSE_Key (RFC 9052 7), required parameters only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PublicKey {
    /// Key type OKP, curve Ed25519: x.
    Ed25519([u8; 32]),
    /// Key type EC2, curve P-256: x and y.
    P256([u8; 32], [u8; 32]),
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.account())
    }
}

/// COSE key parameters and values (RFC 9053 tables 17 to 21).
mod cose {
    pub(super) const KTY: i8 = 1;
    pub(super) const CRV: i8 = -1;
    pub(super) const X: i8 = -2;
    pub(super) const Y: i8 = -3;
    pub(super) const OKP: i8 = 1;
    pub(super) const EC2: i8 = 2;
    pub(super) const ED25519: i8 = 6;
    pub(super) const P256: i8 = 1;
}

impl<C> Encode<C> for PublicKey {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        match self {
            Self::Ed25519(x) => {
                e.map(3)?.i8(cose::KTY)?.i8(cose::OKP)?.i8(cose::CRV)?.i8(cose::ED25519)?.i8(cose::X)?.bytes(x)?;
            }
            Self::P256(x, y) => {
                e.map(4)?.i8(cose::KTY)?.i8(cose::EC2)?.i8(cose::CRV)?.i8(cose::P256)?;
                e.i8(cose::X)?.bytes(x)?.i8(cose::Y)?.bytes(y)?;
            }
        }
        Ok(())
    }
}

impl<C> Decode<'_, C> for PublicKey {
    fn decode(d: &mut decode::Decoder<'_>, _: &mut C) -> Result<Self, decode::Error> {
        let entries = d.map()?;
        let label = |expected: i8, d: &mut decode::Decoder<'_>| -> Result<(), decode::Error> {
            if d.i8()? == expected { Ok(()) } else { Err(decode::Error::message("unexpected COSE_Key parameter")) }
        };
        label(cose::KTY, d)?;
        let kind = d.i8()?;
        label(cose::CRV, d)?;
        let curve = d.i8()?;
        label(cose::X, d)?;
        let x = coordinate(d)?;
        match (entries, kind, curve) {
            (Some(3), cose::OKP, cose::ED25519) => Ok(Self::Ed25519(x)),
            (Some(4), cose::EC2, cose::P256) => {
                label(cose::Y, d)?;
                Ok(Self::P256(x, coordinate(d)?))
            }
            _ => Err(decode::Error::message("not an Ed25519 or P-256 COSE_Key")),
        }
    }
}

fn coordinate(d: &mut decode::Decoder<'_>) -> Result<[u8; 32], decode::Error> {
    d.bytes()?.try_into().map_err(|_| decode::Error::message("a coordinate has 32 bytes"))
}

impl PublicKey {
    /// The account that this key is the first key of: its SHA-256 COSE key thumbprint (RFC 9679 4).
    #[must_use]
    pub fn account(&self) -> AccountId {
        AccountId::from_bytes(Sha256::digest(crate::cbor::encode(self)).into())
    }

    /// COSE algorithm number: -8 EdDSA, -7 ES256 (RFC 9053 2.1, 2.2).
    #[must_use]
    pub const fn algorithm(&self) -> i8 {
        match self {
            Self::Ed25519(_) => -8,
            Self::P256(..) => -7,
        }
    }

    /// Whether it is a point of its curve that a signature can be checked with.
    ///
    /// # Errors
    /// [`KeyError::InvalidKey`] otherwise.
    pub fn check(&self) -> Result<(), KeyError> {
        match self {
            Self::Ed25519(x) => ed25519(x).map(drop),
            Self::P256(x, y) => p256(x, y).map(drop),
        }
    }

    /// Checks a 64-byte signature (Ed25519, or r and s of ECDSA) over a message.
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

/// A private key. Signing is deterministic (RFC 8032, RFC 6979), so no randomness is needed.
#[derive(Clone)]
pub enum SecretKey {
    /// Ed25519.
    Ed25519(Box<ed25519_dalek::SigningKey>),
    /// ECDSA on P-256.
    P256(Box<p256::ecdsa::SigningKey>),
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

    /// The 32 secret bytes it is made from.
    #[must_use]
    pub fn seed(&self) -> [u8; 32] {
        match self {
            Self::Ed25519(key) => key.to_bytes(),
            Self::P256(key) => key.to_bytes().into(),
        }
    }

    /// As a PKCS#8 PEM text (RFC 5958, RFC 7468; Ed25519 as in RFC 8410), not encrypted. Other programs read it too, so
    /// of Ed25519 only the secret part is written: version 1 of the form, which all of them know.
    ///
    /// # Errors
    /// [`KeyError::InvalidPem`] never for a key that exists; the encoding is the libraries' and they answer so.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        match self {
            Self::Ed25519(key) => {
                KeypairBytes { secret_key: key.to_bytes(), public_key: None }.to_pkcs8_pem(LineEnding::LF)
            }
            Self::P256(key) => key.to_pkcs8_pem(LineEnding::LF),
        }
        .map_err(|_| KeyError::InvalidPem)
    }

    /// From a PKCS#8 PEM text; which kind of key it is stands in it.
    ///
    /// # Errors
    /// [`KeyError::InvalidPem`] for anything else.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        if let Ok(key) = ed25519_dalek::SigningKey::from_pkcs8_pem(text) {
            return Ok(Self::Ed25519(Box::new(key)));
        }
        let key = p256::ecdsa::SigningKey::from_pkcs8_pem(text).map_err(|_| KeyError::InvalidPem)?;
        Ok(Self::P256(Box::new(key)))
    }

    /// Its public key.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        match self {
            Self::Ed25519(key) => PublicKey::Ed25519(key.verifying_key().to_bytes()),
            Self::P256(key) => {
                let point = key.verifying_key().to_sec1_point(false);
                let (mut x, mut y) = ([0; 32], [0; 32]);
                x.copy_from_slice(&point.as_bytes()[1..33]);
                y.copy_from_slice(&point.as_bytes()[33..65]);
                PublicKey::P256(x, y)
            }
        }
    }

    /// The account of its public key.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.public().account()
    }

    /// Signs a message: 64 bytes, ECDSA with low S.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        match self {
            Self::Ed25519(key) => key.sign(message).to_bytes(),
            Self::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.normalize_s().to_bytes().into()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> [SecretKey; 2] {
        [SecretKey::ed25519([7; 32]), SecretKey::p256([7; 32]).unwrap()]
    }

    #[test]
    fn a_signature_fits_only_its_key_and_message() {
        for key in keys() {
            let (public, signature) = (key.public(), key.sign(b"20 kWh"));
            assert_eq!(public.verify(b"20 kWh", &signature), Ok(()));
            assert_eq!(public.verify(b"21 kWh", &signature), Err(KeyError::InvalidSignature));
            for bit in 0..512 {
                let mut flipped = signature;
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(public.verify(b"20 kWh", &flipped), Err(KeyError::InvalidSignature), "bit {bit}");
            }
            assert_eq!(public.verify(b"20 kWh", &signature[..63]), Err(KeyError::InvalidSignature));
        }
    }

    #[test]
    fn reject_ecdsa_signature_with_high_s() {
        let key = SecretKey::p256([7; 32]).unwrap();
        let low = p256::ecdsa::Signature::from_slice(&key.sign(b"m")).unwrap();
        let high = p256::ecdsa::Signature::from_scalars(low.r().to_bytes(), (-*low.s()).to_bytes()).unwrap();
        assert_eq!(key.public().verify(b"m", &high.to_bytes()), Err(KeyError::InvalidSignature));
    }

    #[test]
    fn reject_keys_that_anybody_can_sign_for() {
        // The identity and a point of order 4 (RFC 8032 5.1.3 lets them decode).
        let mut identity = [0; 32];
        identity[0] = 1;
        for x in [identity, [0; 32]] {
            assert_eq!(PublicKey::Ed25519(x).check(), Err(KeyError::InvalidKey));
        }
        assert_eq!(PublicKey::P256([1; 32], [1; 32]).check(), Err(KeyError::InvalidKey));
    }

    #[test]
    fn reject_a_second_encoding_of_a_point() {
        let reduced = |y: u8| std::array::from_fn(|at| if at == 0 { y } else { 0 });
        let unreduced = |y: u8| -> [u8; 32] {
            std::array::from_fn(|at| match at {
                0 => 0xed + y,
                31 => 0x7f,
                _ => 0xff,
            })
        };
        // Of the y below 19 (only they have a second encoding) some are points of the curve.
        let points: Vec<u8> = (2..19).filter(|y| PublicKey::Ed25519(reduced(*y)).check().is_ok()).collect();
        assert!(!points.is_empty());
        for y in points {
            assert_eq!(PublicKey::Ed25519(unreduced(y)).check(), Err(KeyError::InvalidKey), "y = {y}");
        }
    }

    #[test]
    fn keys_survive_their_cose_key() {
        for key in keys() {
            let encoded = crate::cbor::encode(&key.public());
            assert_eq!(crate::cbor::decode::<PublicKey>(&encoded), Ok(key.public()));
        }
    }

    #[test]
    fn keys_survive_their_pem() {
        for key in keys() {
            let pem = key.to_pem().unwrap();
            assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
            let read = SecretKey::from_pem(&pem).unwrap();
            assert_eq!((read.seed(), read.public()), (key.seed(), key.public()));
        }
    }

    #[test]
    fn read_the_pem_of_rfc_8410() {
        // RFC 8410 10.3 (without the attribute) and the public key that 10.1 gives for it.
        let pem = "-----BEGIN PRIVATE KEY-----\n\
                   MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
                   -----END PRIVATE KEY-----\n";
        let PublicKey::Ed25519(x) = SecretKey::from_pem(pem).unwrap().public() else { panic!("an Ed25519 key") };
        let hex: String = x.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1");
    }

    #[test]
    fn reject_texts_that_are_no_private_key() {
        let pem = keys()[0].to_pem().unwrap();
        for text in ["", "-----BEGIN PRIVATE KEY-----", &pem.replace("PRIVATE", "PUBLIC"), &pem.replace("MC4C", "MC4D")]
        {
            assert_eq!(SecretKey::from_pem(text).err(), Some(KeyError::InvalidPem), "{text}");
        }
    }

    #[test]
    fn the_thumbprint_is_that_of_rfc_9679() {
        // RFC 9679 section 6: the example EC2 key and its SHA-256 thumbprint.
        let hex = |text: &str| -> [u8; 32] {
            let byte = |i: usize| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap();
            std::array::from_fn(byte)
        };
        let key = PublicKey::P256(
            hex("65eda5a12577c2bae829437fe338701a10aaa375e1bb5b5de108de439c08551d"),
            hex("1e52ed75701163f7f9e40ddf9f341b3dc9ba860af7e0ca7ca7e9eecd0084d19c"),
        );
        let expected = hex("496bd8afadf307e5b08c64b0421bf9dc01528a344a43bda88fadd1669da253ec");
        assert_eq!(key.account().as_bytes(), &expected);
    }
}
