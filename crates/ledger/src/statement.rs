//! Statements: a COSE_Sign1 (RFC 9052 4.2) over a deterministic-CBOR payload, and the two steps from bytes to trust.

// The derived decoder of a tagged value names this crate.
extern crate alloc;

use crate::act::Act;
use crate::cbor::{self, CborError};
use crate::{KeyError, PublicKey, SecretKey, log};
use minicbor::{Decode, Encode, Encoder, decode, encode};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use units::{AccountId, Digest, LedgerId, Millis, StatementId, Timestamp};

/// What is signed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Payload {
    /// The ledger that it is meant for.
    #[n(1)]
    pub ledger: LedgerId,
    /// Tells two statements of the same content apart.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub nonce: [u8; 16],
    /// When it was made.
    #[n(3)]
    pub issued: Timestamp,
    /// From when it is refused; absent for readings, which their meter chain orders and which may be late.
    #[n(4)]
    pub expires: Option<Timestamp>,
    /// What is stated, applied wholly or not at all.
    #[n(5)]
    pub acts: Vec<Act>,
}

impl Payload {
    /// Acts in a statement: what fits a screen when a person signs.
    pub const ACTS_MAX: usize = 64;
    /// Longest life of a statement that trades.
    pub const LIFE_MAX_TRADE: Millis = Millis::from_minutes(60);
    /// Longest life of any other.
    pub const LIFE_MAX: Millis = Millis::from_minutes(31 * 24 * 60);

    /// What no state is needed to know.
    fn check(&self) -> Result<(), StatementError> {
        if self.acts.is_empty() || self.acts.len() > Self::ACTS_MAX {
            return Err(StatementError::ActCount(self.acts.len()));
        }
        let trades = self.acts.iter().any(Act::is_trade);
        let life_max = if trades { Self::LIFE_MAX_TRADE } else { Self::LIFE_MAX };
        match self.expires {
            None if self.acts.iter().all(|act| matches!(act, Act::Readings(_))) => {}
            Some(expires) if expires > self.issued && expires.since(self.issued) <= life_max => {}
            _ => return Err(StatementError::Life { max: life_max }),
        }
        match self.acts.iter().find(|act| !act.is_bounded()) {
            Some(act) => Err(StatementError::ListTooLong(act.name())),
            None => Ok(()),
        }
    }
}

/// Why bytes are not a statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// Larger than a statement may be.
    #[error("{0} bytes; a statement has at most {max}", max = SignedStatement::BYTES_MAX)]
    TooLarge(usize),
    /// The COSE_Sign1 is not of the profile's one form.
    #[error("not a COSE_Sign1 of this profile: {0}")]
    Envelope(CborError),
    /// The protected header is not of the profile's one form.
    #[error("protected header: {0}")]
    ProtectedHeader(CborError),
    /// An act, or a choice within one (a role, an event), of a kind that this version does not know.
    #[error("an act or a choice within it is of the unknown kind {0}; a newer version may know it")]
    UnknownAct(i64),
    /// The payload is malformed.
    #[error("payload: {0}")]
    Payload(CborError),
    /// Issuer and key id differ.
    #[error("the issuer in the claims is not the account of the key id")]
    IssuerMismatch,
    /// The subject is not the ledger in the payload.
    #[error("the subject in the claims is not the ledger in the payload")]
    SubjectMismatch,
    /// No acts, or too many.
    #[error("{0} acts; a statement has 1 to {max}", max = Payload::ACTS_MAX)]
    ActCount(usize),
    /// It never expires, or too late, or has already when it is made.
    #[error("it must expire after it was issued, and within {} minutes", max.ms() / 60_000)]
    Life {
        /// The longest life of its kind.
        max: Millis,
    },
    /// A list or a text in an act is longer than its kind allows.
    #[error("a list or text in `{0}` is too long")]
    ListTooLong(&'static str),
    /// The algorithm in the header is not the key's.
    #[error("the header names an algorithm that is not the key's")]
    WrongAlgorithm,
    /// The signature does not fit.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Content type (COSE header 3).
const CONTENT_TYPE: &str = "application/wattproof-statement+cbor";

/// Protected header: alg (1), content type (3), kid (4), CWT claims (15: iss 1, sub 2; RFC 9597).
#[derive(Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct ProtectedHeader {
    #[n(1)]
    algorithm: i16,
    #[n(3)]
    content_type: String,
    #[n(4)]
    key_id: AccountId,
    #[n(15)]
    claims: Claims,
}

#[derive(Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct Claims {
    #[n(1)]
    issuer: String,
    #[n(2)]
    subject: String,
}

/// The COSE_Sign1 array. In the leaf form the unprotected header is empty; when submitted it may carry the attachment;
/// when exported it carries receipts ([`crate::TransparentStatement`]).
#[derive(Encode, Decode)]
#[cbor(tag(18))]
pub(crate) struct CoseSign1<U> {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) protected: Vec<u8>,
    #[n(1)]
    pub(crate) unprotected: U,
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(crate) payload: Vec<u8>,
    #[cbor(n(3), with = "minicbor::bytes")]
    pub(crate) signature: Vec<u8>,
}

/// An empty map.
pub(crate) struct NoHeader;

impl<C> Encode<C> for NoHeader {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.map(0)?.ok()
    }
}

impl<C> Decode<'_, C> for NoHeader {
    fn decode(d: &mut decode::Decoder<'_>, _: &mut C) -> Result<Self, decode::Error> {
        if d.map()? == Some(0) { Ok(Self) } else { Err(decode::Error::message("the unprotected header must be empty")) }
    }
}

/// The unprotected header of a submission: nothing, or the attachment under [`SignedStatement::ATTACHMENT_LABEL`].
struct SubmissionHeader(Option<Vec<u8>>);

impl<C> Encode<C> for SubmissionHeader {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        match &self.0 {
            None => e.map(0)?.ok(),
            Some(bytes) => e.map(1)?.i32(SignedStatement::ATTACHMENT_LABEL)?.bytes(bytes)?.ok(),
        }
    }
}

impl<C> Decode<'_, C> for SubmissionHeader {
    fn decode(d: &mut decode::Decoder<'_>, _: &mut C) -> Result<Self, decode::Error> {
        match d.map()? {
            Some(0) => Ok(Self(None)),
            Some(1) if d.i32()? == SignedStatement::ATTACHMENT_LABEL => Ok(Self(Some(d.bytes()?.to_vec()))),
            _ => Err(decode::Error::message("the unprotected header holds an attachment or nothing")),
        }
    }
}

/// `Sig_structure` (RFC 9052 4.4): context, protected header, no external data, payload.
pub(crate) fn sig_structure(protected: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(protected.len() + payload.len() + 24);
    let mut e = Encoder::new(&mut bytes);
    let written = e.array(4).and_then(|e| e.str("Signature1")).and_then(|e| e.bytes(protected));
    match written.and_then(|e| e.bytes(&[])).and_then(|e| e.bytes(payload)) {
        Ok(_) => bytes,
        Err(error) => unreachable!("encoding into memory failed: {error}"),
    }
}

/// A statement whose structure is right. Whether its signature is, nobody has looked yet. A clone shares the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedStatement(Arc<Parts>);

#[derive(Debug, PartialEq, Eq)]
struct Parts {
    bytes: Vec<u8>,
    leaf_hash: Digest,
    id: StatementId,
    signer: AccountId,
    algorithm: i16,
    payload: Payload,
    to_be_signed: Vec<u8>,
    signature: Vec<u8>,
}

impl SignedStatement {
    /// Largest leaf form in bytes.
    pub const BYTES_MAX: usize = 65_535;
    /// Largest attachment in bytes: an hour of readings a second with their raw frames.
    pub const ATTACHMENT_BYTES_MAX: usize = 1 << 20;
    /// Unprotected header label of the attachment in a submission; from COSE's private-use range (RFC 9052 11.1).
    pub const ATTACHMENT_LABEL: i32 = -70_001;

    /// Signs a payload with an account's first key.
    ///
    /// # Errors
    /// When the payload breaks a bound that every statement keeps.
    pub fn sign(payload: &Payload, key: &SecretKey) -> Result<Self, StatementError> {
        Self::sign_for(key.account(), payload, key)
    }

    /// Signs a payload for an account whose present key may not be its first.
    ///
    /// # Errors
    /// When the payload breaks a bound that every statement keeps.
    pub fn sign_for(signer: AccountId, payload: &Payload, key: &SecretKey) -> Result<Self, StatementError> {
        let protected = cbor::encode(&ProtectedHeader {
            algorithm: key.public().algorithm(),
            content_type: CONTENT_TYPE.to_owned(),
            key_id: signer,
            claims: Claims { issuer: signer.to_string(), subject: subject(payload.ledger) },
        });
        let payload = cbor::encode(payload);
        let signature = key.sign(&sig_structure(&protected, &payload))?;
        Self::from_leaf(&cbor::encode(&CoseSign1 { protected, unprotected: NoHeader, payload, signature }))
    }

    /// Reads the leaf form: tagged COSE_Sign1 with an empty unprotected header.
    ///
    /// # Errors
    /// When the structure is not exactly that of the profile.
    pub fn from_leaf(bytes: &[u8]) -> Result<Self, StatementError> {
        if bytes.len() > Self::BYTES_MAX {
            return Err(StatementError::TooLarge(bytes.len()));
        }
        let envelope: CoseSign1<NoHeader> = cbor::decode(bytes).map_err(StatementError::Envelope)?;
        Self::from_envelope(bytes.to_vec(), envelope)
    }

    /// Reads a submission: the leaf form, or the same with the attachment in its unprotected header.
    ///
    /// # Errors
    /// When the structure is not exactly that of the profile.
    pub fn from_submission(bytes: &[u8]) -> Result<(Self, Option<Vec<u8>>), StatementError> {
        if bytes.len() > Self::BYTES_MAX + Self::ATTACHMENT_BYTES_MAX {
            return Err(StatementError::TooLarge(bytes.len()));
        }
        let CoseSign1 { protected, unprotected, payload, signature }: CoseSign1<SubmissionHeader> =
            cbor::decode(bytes).map_err(StatementError::Envelope)?;
        let leaf = cbor::encode(&CoseSign1 { protected, unprotected: NoHeader, payload, signature });
        Ok((Self::from_leaf(&leaf)?, unprotected.0))
    }

    /// The submission form, with the attachment if there is one.
    #[must_use]
    pub fn to_submission(&self, attachment: Option<&[u8]>) -> Vec<u8> {
        match cbor::decode::<CoseSign1<NoHeader>>(&self.0.bytes) {
            Ok(CoseSign1 { protected, payload, signature, .. }) => {
                let unprotected = SubmissionHeader(attachment.map(<[u8]>::to_vec));
                cbor::encode(&CoseSign1 { protected, unprotected, payload, signature })
            }
            Err(error) => unreachable!("a signed statement holds its own leaf form: {error}"),
        }
    }

    fn from_envelope(bytes: Vec<u8>, envelope: CoseSign1<NoHeader>) -> Result<Self, StatementError> {
        let header: ProtectedHeader = cbor::decode(&envelope.protected).map_err(StatementError::ProtectedHeader)?;
        let payload: Payload = cbor::decode(&envelope.payload).map_err(|error| match error {
            CborError::UnknownVariant(kind) => StatementError::UnknownAct(kind),
            other => StatementError::Payload(other),
        })?;
        if header.content_type != CONTENT_TYPE {
            return Err(StatementError::ProtectedHeader(CborError::Malformed("another content type".into())));
        }
        if header.claims.issuer != header.key_id.to_string() {
            return Err(StatementError::IssuerMismatch);
        }
        if header.claims.subject != subject(payload.ledger) {
            return Err(StatementError::SubjectMismatch);
        }
        payload.check()?;
        let to_be_signed = sig_structure(&envelope.protected, &envelope.payload);
        Ok(Self(Arc::new(Parts {
            leaf_hash: log::leaf_hash(&bytes),
            bytes,
            id: StatementId::from_bytes(Sha256::digest(&to_be_signed).into()),
            signer: header.key_id,
            algorithm: header.algorithm,
            payload,
            to_be_signed,
            signature: envelope.signature,
        })))
    }

    /// Its id: SHA-256 of the `Sig_structure`, so without the signature.
    #[must_use]
    pub fn id(&self) -> StatementId {
        self.0.id
    }
    /// Who claims to have signed.
    #[must_use]
    pub fn signer(&self) -> AccountId {
        self.0.signer
    }
    /// What is stated.
    #[must_use]
    pub fn payload(&self) -> &Payload {
        &self.0.payload
    }
    /// The leaf form: the leaf data of the log.
    #[must_use]
    pub fn leaf(&self) -> &[u8] {
        &self.0.bytes
    }
    /// [`log::leaf_hash`] of the leaf form, so of the signature too.
    #[must_use]
    pub fn leaf_hash(&self) -> Digest {
        self.0.leaf_hash
    }

    /// Checks the signature. Whether the key is the signer's present one is a rule of the state, which knows.
    ///
    /// # Errors
    /// When the key's algorithm is not the stated one, or the signature does not fit.
    pub fn verify(self, key: &PublicKey) -> Result<VerifiedStatement, StatementError> {
        self.check_signature(key)?;
        let key = thumbprint(key);
        Ok(VerifiedStatement { statement: self, key })
    }

    pub(crate) fn check_signature(&self, key: &PublicKey) -> Result<(), StatementError> {
        if key.algorithm() != self.0.algorithm {
            return Err(StatementError::WrongAlgorithm);
        }
        Ok(key.verify(&self.0.to_be_signed, &self.0.signature)?)
    }

    /// With a verdict that stands: this very leaf was verified with the key of that thumbprint.
    pub(crate) const fn verified_with(self, key: Digest) -> VerifiedStatement {
        VerifiedStatement { statement: self, key }
    }
}

/// A key's SHA-256 COSE key thumbprint (RFC 9679 4).
pub(crate) fn thumbprint(key: &PublicKey) -> Digest {
    Digest::from_bytes(*key.account().as_bytes())
}

/// The subject claim: names the ledger.
fn subject(ledger: LedgerId) -> String {
    format!("wattproof:{ledger}")
}

/// A statement whose signature fits a key, and which one that was. Only such change state, and only while the key is
/// their signer's present one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedStatement {
    statement: SignedStatement,
    key: Digest,
}

impl VerifiedStatement {
    /// The statement.
    #[must_use]
    pub const fn signed(&self) -> &SignedStatement {
        &self.statement
    }
    /// Thumbprint of the key that it was verified with.
    #[must_use]
    pub const fn key(&self) -> Digest {
        self.key
    }
    /// Its id.
    #[must_use]
    pub fn id(&self) -> StatementId {
        self.statement.id()
    }
    /// Who signed.
    #[must_use]
    pub fn signer(&self) -> AccountId {
        self.statement.signer()
    }
    /// What is stated.
    #[must_use]
    pub fn payload(&self) -> &Payload {
        self.statement.payload()
    }
}
