//! COSE_Key (RFC 9052 7): the one encoding of a public key in the ledger, and the wider form that is read from and
//! written for other programs, with private parameters and labels that say nothing about the key's value.

use super::{KeyError, PublicKey, SecretKey, rsa};
use ed25519_dalek::pkcs8::spki::der::zeroize::Zeroizing;
use minicbor::data::Type;
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

// Parameters and values (RFC 9053 tables 17 to 21, RFC 8230 tables 3 and 4).
const KTY: i8 = 1;
const CRV: i8 = -1;
const X: i8 = -2;
const Y: i8 = -3;
/// The private parameter of Ed25519 and P-256.
const D: i8 = -4;
const OKP: i8 = 1;
const EC2: i8 = 2;
const ED25519: i8 = 6;
const P256: i8 = 1;
const RSA: i8 = 3;
const N: i8 = -1;
const E: i8 = -2;
/// The private parameters of RSA that a key is read from: exponent and factors.
const RSA_PRIVATE: [i8; 3] = [-3, -4, -5];
/// 65537, big endian.
const EXPONENT: [u8; 3] = [1, 0, 1];
/// Parameters of a key from another program: RSA has ten, and a few may describe it.
const PARAMETERS_MAX: u64 = 32;

impl<C> Encode<C> for PublicKey {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.map(self.parameters())?;
        self.encode_parameters(e)
    }
}

impl PublicKey {
    const fn parameters(&self) -> u64 {
        match self {
            Self::Ed25519(_) | Self::Rsa(_) => 3,
            Self::P256(..) => 4,
        }
    }

    fn encode_parameters<W: encode::Write>(&self, e: &mut Encoder<W>) -> Result<(), encode::Error<W::Error>> {
        match self {
            Self::Ed25519(x) => {
                e.i8(KTY)?.i8(OKP)?.i8(CRV)?.i8(ED25519)?.i8(X)?.bytes(x)?;
            }
            Self::P256(x, y) => {
                e.i8(KTY)?.i8(EC2)?.i8(CRV)?.i8(P256)?;
                e.i8(X)?.bytes(x)?.i8(Y)?.bytes(y)?;
            }
            Self::Rsa(n) => {
                e.i8(KTY)?.i8(RSA)?.i8(N)?.bytes(n)?.i8(E)?.bytes(&EXPONENT)?;
            }
        }
        Ok(())
    }
}

impl<C> Decode<'_, C> for PublicKey {
    fn decode(d: &mut Decoder<'_>, _: &mut C) -> Result<Self, decode::Error> {
        let entries = d.map()?;
        label(KTY, d)?;
        match (entries, d.i8()?) {
            (Some(3), OKP) => {
                curve(ED25519, d)?;
                Ok(Self::Ed25519(coordinate(X, d)?))
            }
            (Some(4), EC2) => {
                curve(P256, d)?;
                Ok(Self::P256(coordinate(X, d)?, coordinate(Y, d)?))
            }
            (Some(3), RSA) => modulus(d).map(Self::Rsa),
            _ => Err(decode::Error::message("not an Ed25519, P-256 or RSA COSE_Key")),
        }
    }
}

fn label(expected: i8, d: &mut Decoder<'_>) -> Result<(), decode::Error> {
    if d.i8()? == expected { Ok(()) } else { Err(decode::Error::message("unexpected COSE_Key parameter")) }
}

fn curve(expected: i8, d: &mut Decoder<'_>) -> Result<(), decode::Error> {
    label(CRV, d)?;
    if d.i8()? == expected { Ok(()) } else { Err(decode::Error::message("not the curve Ed25519 or P-256")) }
}

fn coordinate(name: i8, d: &mut Decoder<'_>) -> Result<[u8; 32], decode::Error> {
    label(name, d)?;
    d.bytes()?.try_into().map_err(|_| decode::Error::message("a coordinate has 32 bytes"))
}

fn modulus(d: &mut Decoder<'_>) -> Result<Vec<u8>, decode::Error> {
    label(N, d)?;
    let n = d.bytes()?;
    label(E, d)?;
    if n.len() > PublicKey::RSA_BYTES_MAX || d.bytes()? != EXPONENT {
        return Err(decode::Error::message("an RSA key has at most 4096 bits and the exponent 65537"));
    }
    Ok(n.to_vec())
}

/// A key with its private parameters, in the order of deterministic CBOR.
pub(super) fn encode_secret(key: &SecretKey) -> Zeroizing<Vec<u8>> {
    let (public, mut bytes) = (key.public(), Zeroizing::new(Vec::new()));
    let private = match key {
        SecretKey::Ed25519(_) | SecretKey::P256(_) => vec![(D, key.secret_bytes())],
        SecretKey::Rsa(key) => (-8..=-3).rev().zip(rsa::private_parameters(key)).collect(),
    };
    let mut e = Encoder::new(&mut *bytes);
    let written = (|| {
        e.map(public.parameters() + private.len() as u64)?;
        public.encode_parameters(&mut e)?;
        private.iter().try_for_each(|(label, value)| e.i8(*label)?.bytes(value)?.ok())
    })();
    match written {
        Ok(()) => bytes,
        Err(error) => unreachable!("encoding into memory failed: {error}"),
    }
}

/// The parameters of a key from another program, in any order; those that do not tell the key's value are passed over.
pub(super) struct Parameters {
    numbers: Vec<(i64, i64)>,
    strings: Vec<(i64, Zeroizing<Vec<u8>>)>,
}

impl Parameters {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, KeyError> {
        let mut d = Decoder::new(bytes);
        let parsed = Self::decode(&mut d).map_err(|_| KeyError::InvalidForm)?;
        if d.position() == bytes.len() { Ok(parsed) } else { Err(KeyError::InvalidForm) }
    }

    fn decode(d: &mut Decoder<'_>) -> Result<Self, decode::Error> {
        let mut parsed = Self { numbers: Vec::new(), strings: Vec::new() };
        let entries = d.map()?.filter(|entries| *entries <= PARAMETERS_MAX);
        for _ in 0..entries.ok_or_else(|| decode::Error::message("too many parameters"))? {
            let label = d.i64()?;
            match d.datatype()? {
                Type::Bytes => parsed.strings.push((label, d.bytes()?.to_vec().into())),
                Type::U8 | Type::I8 => parsed.numbers.push((label, d.i64()?)),
                _ => d.skip()?,
            }
        }
        Ok(parsed)
    }

    fn number(&self, label: i8) -> Option<i64> {
        self.numbers.iter().find(|(found, _)| *found == i64::from(label)).map(|(_, value)| *value)
    }

    fn string(&self, label: i8) -> Result<&[u8], KeyError> {
        let found = self.strings.iter().find(|(found, _)| *found == i64::from(label));
        found.map(|(_, value)| value.as_slice()).ok_or(KeyError::InvalidForm)
    }

    fn array(&self, label: i8) -> Result<[u8; 32], KeyError> {
        self.string(label)?.try_into().map_err(|_| KeyError::InvalidKey)
    }

    pub(super) fn public(&self) -> Result<PublicKey, KeyError> {
        let (kind, curve) = (self.number(KTY).unwrap_or_default(), self.number(CRV).unwrap_or_default());
        if kind == i64::from(OKP) && curve == i64::from(ED25519) {
            Ok(PublicKey::Ed25519(self.array(X)?))
        } else if kind == i64::from(EC2) && curve == i64::from(P256) {
            Ok(PublicKey::P256(self.array(X)?, self.array(Y)?))
        } else if kind == i64::from(RSA) && self.string(E)? == EXPONENT {
            Ok(PublicKey::Rsa(self.string(N)?.to_vec()))
        } else {
            Err(KeyError::InvalidForm)
        }
    }

    /// The private key, if its public parameters are there too and belong to it.
    pub(super) fn secret(&self) -> Result<SecretKey, KeyError> {
        let public = self.public()?;
        let key = match &public {
            PublicKey::Ed25519(_) => SecretKey::ed25519(self.array(D)?),
            PublicKey::P256(..) => SecretKey::p256(self.array(D)?)?,
            PublicKey::Rsa(n) => {
                public.check()?;
                let [d, p, q] = RSA_PRIVATE.map(|label| self.string(label));
                SecretKey::of_rsa(rsa::from_parts(n, d?, [p?, q?])?)?
            }
        };
        if key.public() == public { Ok(key) } else { Err(KeyError::InvalidKey) }
    }
}
