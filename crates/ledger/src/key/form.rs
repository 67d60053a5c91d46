//! Keys as other programs write and read them: PEM and DER (RFC 5958 and RFC 5280; RSA also in the form of RFC 8017,
//! P-256 in that of RFC 5915), hexadecimal digits of DER (the paper's form), and COSE_Key (RFC 9053, RFC 8230).
//!
//! Reading is generous about the form and strict about the key: what comes out has passed [`PublicKey::check`].

use super::cose::{self, Parameters};
use super::{KeyError, PublicKey, SecretKey, rsa};
use ::rsa::pkcs1::{DecodeRsaPrivateKey as _, DecodeRsaPublicKey as _, EncodeRsaPrivateKey as _};
use ::rsa::{RsaPrivateKey, RsaPublicKey};
use ed25519_dalek::pkcs8::spki::der::pem::{self, LineEnding};
use ed25519_dalek::pkcs8::spki::der::zeroize::Zeroizing;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _};
use ed25519_dalek::pkcs8::{KeypairBytes, SecretDocument};

/// Labels of PEM texts (RFC 7468 10 and 13; the last two are what OpenSSL wrote before them).
const PRIVATE_LABELS: [&str; 3] = ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"];
const PUBLIC_LABELS: [&str; 2] = ["PUBLIC KEY", "RSA PUBLIC KEY"];

impl PublicKey {
    /// As SubjectPublicKeyInfo in DER (RFC 5280 4.1.2.7). A 1024-bit RSA key has 162 bytes, the paper's 324 digits.
    ///
    /// # Errors
    /// [`KeyError::InvalidKey`] for bytes that are no key.
    pub fn to_der(&self) -> Result<Vec<u8>, KeyError> {
        self.document().map(|document| document.into_vec())
    }

    /// As PEM text, `-----BEGIN PUBLIC KEY-----`.
    ///
    /// # Errors
    /// [`KeyError::InvalidKey`] for bytes that are no key.
    pub fn to_pem(&self) -> Result<String, KeyError> {
        self.document()?.to_pem(PUBLIC_LABELS[0], LineEnding::LF).map_err(|_| KeyError::InvalidKey)
    }

    fn document(&self) -> Result<ed25519_dalek::pkcs8::Document, KeyError> {
        match self {
            Self::Ed25519(x) => super::ed25519(x)?.to_public_key_der(),
            Self::P256(x, y) => super::p256(x, y)?.to_public_key_der(),
            Self::Rsa(n) => rsa::public(n)?.to_public_key_der(),
        }
        .map_err(|_| KeyError::InvalidKey)
    }

    /// From a file or a text of another program: PEM, DER or COSE_Key, the last two also in hexadecimal digits.
    ///
    /// # Errors
    /// When it is none of these, or its key is unusable.
    pub fn read(bytes: &[u8]) -> Result<Self, KeyError> {
        let key = match unwrapped(bytes, &PUBLIC_LABELS)? {
            Wrapped::Der(der) => Self::from_der(&der),
            Wrapped::Either(bytes) => {
                Self::from_der(&bytes).or_else(|_| Parameters::parse(&bytes).and_then(|key| key.public()))
            }
        }?;
        key.check().map(|()| key)
    }

    fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        if let Ok(key) = ed25519_dalek::VerifyingKey::from_public_key_der(der) {
            return Ok(Self::Ed25519(key.to_bytes()));
        }
        if let Ok(key) = p256::ecdsa::VerifyingKey::from_public_key_der(der) {
            return Ok(super::p256_coordinates(&key));
        }
        let key = RsaPublicKey::from_public_key_der(der).or_else(|_| RsaPublicKey::from_pkcs1_der(der));
        rsa::of_public(&key.map_err(|_| KeyError::InvalidForm)?)
    }
}

impl SecretKey {
    /// As PKCS#8 in DER (RFC 5958; Ed25519 as in RFC 8410), not encrypted. Other programs read it too, so of Ed25519 only
    /// the secret part is written: version 1 of the form, which all of them know.
    ///
    /// # Errors
    /// [`KeyError::InvalidKey`] never for a key that exists; the encoding is the libraries' and they answer so.
    pub fn to_der(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        self.document().map(|document| document.to_bytes())
    }

    /// As PEM text (RFC 7468), `-----BEGIN PRIVATE KEY-----`, not encrypted.
    ///
    /// # Errors
    /// [`KeyError::InvalidKey`] as [`SecretKey::to_der`].
    pub fn to_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        self.document()?.to_pem(PRIVATE_LABELS[0], LineEnding::LF).map_err(|_| KeyError::InvalidKey)
    }

    /// As the paper shows a private key: of RSA the PKCS#1 form (RFC 8017 A.1.2; 608 bytes or so for 1024 bits), of
    /// others PKCS#8.
    ///
    /// # Errors
    /// [`KeyError::InvalidKey`] as [`SecretKey::to_der`].
    pub fn to_paper_der(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        match self {
            Self::Rsa(key) => key.to_pkcs1_der().map(|document| document.to_bytes()).map_err(|_| KeyError::InvalidKey),
            _ => self.to_der(),
        }
    }

    /// As COSE_Key with its private parameters (RFC 9053 7.1 and 7.2, RFC 8230 4).
    #[must_use]
    pub fn to_cose(&self) -> Zeroizing<Vec<u8>> {
        cose::encode_secret(self)
    }

    fn document(&self) -> Result<SecretDocument, KeyError> {
        match self {
            Self::Ed25519(key) => KeypairBytes { secret_key: key.to_bytes(), public_key: None }.to_pkcs8_der(),
            Self::P256(key) => key.to_pkcs8_der(),
            Self::Rsa(key) => key.to_pkcs8_der(),
        }
        .map_err(|_| KeyError::InvalidKey)
    }

    /// From a PEM text that is not encrypted; which kind of key it is stands in it.
    ///
    /// # Errors
    /// [`KeyError::InvalidPem`] for another text, [`KeyError::InvalidKey`] for a key of a kind that is not used here.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        match unwrapped(text.as_bytes(), &PRIVATE_LABELS)? {
            Wrapped::Der(der) => Self::from_der(&der).map_err(|error| match error {
                KeyError::InvalidForm => KeyError::InvalidPem,
                other => other,
            }),
            Wrapped::Either(_) => Err(KeyError::InvalidPem),
        }
    }

    /// From PKCS#8 in DER that is not encrypted, PKCS#1 (RSA) or the form of RFC 5915 (P-256).
    ///
    /// # Errors
    /// [`KeyError::InvalidForm`] for other bytes, [`KeyError::InvalidKey`] for a key of a kind that is not used here.
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        if let Ok(key) = ed25519_dalek::SigningKey::from_pkcs8_der(der) {
            return Ok(Self::Ed25519(Box::new(key)));
        }
        if let Ok(key) = p256::SecretKey::from_pkcs8_der(der).or_else(|_| p256::SecretKey::from_der(der)) {
            return Ok(Self::P256(Box::new(key.into())));
        }
        let key = RsaPrivateKey::from_pkcs8_der(der).or_else(|_| RsaPrivateKey::from_pkcs1_der(der));
        Self::of_rsa(key.map_err(|_| KeyError::InvalidForm)?)
    }

    /// From a file or a text of another program: PEM, DER or COSE_Key, the last two also in hexadecimal digits. None of
    /// them encrypted.
    ///
    /// # Errors
    /// When it is none of these, or its key is unusable.
    pub fn read(bytes: &[u8]) -> Result<Self, KeyError> {
        match unwrapped(bytes, &PRIVATE_LABELS)? {
            Wrapped::Der(der) => Self::from_der(&der),
            Wrapped::Either(bytes) => {
                Self::from_der(&bytes).or_else(|_| Parameters::parse(&bytes).and_then(|key| key.secret()))
            }
        }
    }

    pub(super) fn of_rsa(key: RsaPrivateKey) -> Result<Self, KeyError> {
        rsa::check(&key)?;
        Ok(Self::Rsa(Box::new(key)))
    }
}

/// Bytes out of their text.
enum Wrapped {
    /// A PEM text said that they are DER.
    Der(Zeroizing<Vec<u8>>),
    /// DER or a COSE_Key.
    Either(Zeroizing<Vec<u8>>),
}

fn unwrapped(bytes: &[u8], labels: &[&str]) -> Result<Wrapped, KeyError> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(Wrapped::Either(bytes.to_vec().into())) };
    if text.contains("-----BEGIN ") {
        // Some programs write about the key before it, or line ends of another system; RFC 7468 2 allows both.
        let (label, der) = pem::decode_vec(text.as_bytes()).map_err(|_| KeyError::InvalidPem)?;
        let der = Zeroizing::new(der);
        return if labels.contains(&label) { Ok(Wrapped::Der(der)) } else { Err(KeyError::InvalidPem) };
    }
    Ok(Wrapped::Either(from_hex(text).unwrap_or_else(|| bytes.to_vec().into())))
}

/// Hexadecimal digits of either case; white space between them is for people.
fn from_hex(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let digits = Zeroizing::new(text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect::<Vec<u8>>());
    if digits.is_empty() || !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    digits
        .chunks_exact(2)
        .map(|pair| Some(digit(&pair[0])? << 4 | digit(&pair[1])?))
        .collect::<Option<Vec<u8>>>()
        .map(Zeroizing::new)
}
