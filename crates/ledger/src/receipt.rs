//! Receipts: COSE Receipts (RFC 9942) over the log, which foreign software verifies.
//!
//! A receipt is a tagged COSE_Sign1 whose payload, the log's root, is detached: the verifier computes the root from the
//! leaf and the path, so a receipt fits only its own statement.
//!
//! ```text
//! 18([ << { 1: alg, 4: kid, 395: 1, -70003: size } >>,                       kid: thumbprint of the receipt key
//!      { 396: { -1: [ << [size, index, [node, ...]] >> ] } },  or -2: [ << [old size, new size, [node, ...]] >> ]
//!      nil, signature ])
//! ```
//!
//! A statement with its receipts under header 394 is a transparent statement.

use crate::cbor::{self, CborError};
use crate::log;
use crate::statement::{CoseSign1, NoHeader, SignedStatement, StatementError, VerifiedStatement, sig_structure};
use crate::{KeyError, PublicKey, SecretKey};
use minicbor::bytes::ByteVec;
use minicbor::data::Tag;
use minicbor::{Decode, Encode, Encoder, decode, encode};
use units::{AccountId, Digest};

/// Largest receipt in bytes: two paths of a tree of 2^64 leaves and the rest, with room.
pub const RECEIPT_BYTES_MAX: usize = 8_192;

/// Why a receipt, or a statement with receipts, is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// Larger than a receipt or a transparent statement may be.
    #[error("{0} bytes are too many for a receipt or a statement with receipts")]
    TooLarge(usize),
    /// The COSE_Sign1 is not of the one form.
    #[error("not a receipt of the form drawn in RFC 9942: {0}")]
    Form(CborError),
    /// The protected header is not of the one form.
    #[error("the receipt's protected header: {0}")]
    ProtectedHeader(CborError),
    /// The proof within is not of the one form.
    #[error("the receipt's proof: {0}")]
    Proof(CborError),
    /// Over another kind of tree.
    #[error("a receipt over the data structure {0}; this program knows 1, RFC9162_SHA256")]
    DataStructure(i64),
    /// A proof of consistency where one of inclusion is needed, or the other way round.
    #[error("a receipt of the other kind: inclusion and consistency prove different things")]
    Kind,
    /// Signed by a key that the file does not bring.
    #[error("signed by {0}, whose key the file does not bring")]
    UnknownKey(AccountId),
    /// A key that signed nothing in the file.
    #[error("the file brings a key of {0}, which signed nothing in it")]
    IdleKey(AccountId),
    /// Keys that are not in the order of their accounts.
    #[error("the keys are not in the order of their accounts, each once")]
    KeyOrder,
    /// Signed by another key than the one given.
    #[error("signed by {0}, not by the key given")]
    WrongKey(AccountId),
    /// The algorithm in the header is not the key's.
    #[error("the receipt's header names an algorithm that is not the key's")]
    WrongAlgorithm,
    /// The proof is of a tree of another size than the one signed.
    #[error("the receipt's proof is of a tree of {stated} leaves, signed is one of {signed}")]
    Size {
        /// In the protected header.
        signed: u64,
        /// In the proof.
        stated: u64,
    },
    /// The path cannot belong to its index and size.
    #[error("the receipt's path cannot belong to its place in the log")]
    Path,
    /// The signature does not fit the root that leaf and path give.
    #[error("the receipt does not fit the statement: {0}")]
    Signature(KeyError),
    /// No receipts, or too many.
    #[error("{0} receipts; a transparent statement has 1 to {max}", max = TransparentStatement::RECEIPTS_MAX)]
    ReceiptCount(usize),
    /// The statement that carries receipts is malformed.
    #[error("the statement: {0}")]
    Statement(#[from] StatementError),
}

/// `RFC9162_SHA256` among the verifiable data structures (RFC 9942).
const RFC9162_SHA256: i64 = 1;
/// Header label of the proofs in a receipt (RFC 9942).
const PROOFS: i32 = 396;

/// Protected header: alg (1), kid (4), verifiable data structure (395), tree size (-70003, of COSE's private-use range).
#[derive(Encode, Decode)]
#[cbor(map)]
struct ProtectedHeader {
    #[n(1)]
    algorithm: i16,
    #[n(4)]
    key_id: AccountId,
    #[n(395)]
    data_structure: i64,
    /// Of the tree, so that it is signed: a root does not tell the size of its tree, and several sizes share a path's
    /// shape.
    #[n(-70003)]
    size: u64,
}

/// The proof that a receipt carries, wrapped as a byte string.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Proof {
    /// -1: `[size, index, path]`.
    Inclusion(Vec<u8>),
    /// -2: `[old size, new size, path]`.
    Consistency(Vec<u8>),
}

/// `[number, number, [node, ...]]`, for both kinds of proof.
#[derive(Encode, Decode)]
struct ProofArray {
    #[n(0)]
    first: u64,
    #[n(1)]
    second: u64,
    #[cbor(n(2), decode_with = "cbor::bounded::<{ log::PATH_MAX }, _, _>")]
    path: Vec<Digest>,
}

struct Receipt {
    protected: Vec<u8>,
    proof: Proof,
    signature: Vec<u8>,
}

impl<C> Encode<C> for Receipt {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        let (label, proof) = match &self.proof {
            Proof::Inclusion(bytes) => (-1, bytes),
            Proof::Consistency(bytes) => (-2, bytes),
        };
        e.tag(Tag::new(18))?.array(4)?.bytes(&self.protected)?;
        e.map(1)?.i32(PROOFS)?.map(1)?.i32(label)?.array(1)?.bytes(proof)?;
        e.null()?.bytes(&self.signature)?.ok()
    }
}

impl<C> Decode<'_, C> for Receipt {
    fn decode(d: &mut decode::Decoder<'_>, _: &mut C) -> Result<Self, decode::Error> {
        let expect = |fits: bool, what| if fits { Ok(()) } else { Err(decode::Error::message(what)) };
        expect(d.tag()? == Tag::new(18), "a receipt is a COSE_Sign1")?;
        expect(d.array()? == Some(4), "a COSE_Sign1 has four parts")?;
        let protected = d.bytes()?.to_vec();
        let unprotected = d.map()? == Some(1) && d.i32()? == PROOFS && d.map()? == Some(1);
        expect(unprotected, "the unprotected header holds one proof under label 396 and nothing else")?;
        let label = d.i32()?;
        expect(d.array()? == Some(1), "a receipt holds one proof")?;
        let proof = match label {
            -1 => Proof::Inclusion(d.bytes()?.to_vec()),
            -2 => Proof::Consistency(d.bytes()?.to_vec()),
            _ => return Err(decode::Error::message("a proof is of inclusion (-1) or of consistency (-2)")),
        };
        d.null()?;
        Ok(Self { protected, proof, signature: d.bytes()?.to_vec() })
    }
}

impl Receipt {
    /// Signs a root, which stays detached.
    fn issue(key: &SecretKey, proof: Proof, size: u64, root: &Digest) -> Result<Vec<u8>, KeyError> {
        let public = key.public();
        let protected = cbor::encode(&ProtectedHeader {
            algorithm: public.algorithm(),
            key_id: public.account(),
            data_structure: RFC9162_SHA256,
            size,
        });
        let signature = key.sign_short(&sig_structure(&protected, root.as_bytes()))?.to_vec();
        Ok(cbor::encode(&Self { protected, proof, signature }))
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, ReceiptError> {
        if bytes.len() > RECEIPT_BYTES_MAX {
            return Err(ReceiptError::TooLarge(bytes.len()));
        }
        cbor::decode(bytes).map_err(ReceiptError::Form)
    }

    fn header(&self) -> Result<ProtectedHeader, ReceiptError> {
        let header: ProtectedHeader = cbor::decode(&self.protected).map_err(ReceiptError::ProtectedHeader)?;
        match header.data_structure {
            RFC9162_SHA256 => Ok(header),
            other => Err(ReceiptError::DataStructure(other)),
        }
    }

    /// Checks the signature over the root of a tree of this size.
    fn verify(&self, size: u64, root: &Digest, key: &PublicKey) -> Result<(), ReceiptError> {
        let header = self.header()?;
        if header.size != size {
            return Err(ReceiptError::Size { signed: header.size, stated: size });
        }
        if header.key_id != key.account() {
            return Err(ReceiptError::WrongKey(header.key_id));
        }
        if header.algorithm != key.algorithm() {
            return Err(ReceiptError::WrongAlgorithm);
        }
        let signed = sig_structure(&self.protected, root.as_bytes());
        key.verify(&signed, &self.signature).map_err(ReceiptError::Signature)
    }
}

/// Where in the log a statement stands, and the root that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InclusionPlace {
    /// Index of the leaf, from 0.
    pub index: u64,
    /// Size of the log.
    pub size: u64,
    /// Root of the log of that size.
    pub root: Digest,
}

/// That a log of one size grew into a log of another, nothing rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Growth {
    /// The earlier size.
    pub old_size: u64,
    /// The later size.
    pub new_size: u64,
}

/// A receipt of inclusion: leaf `leaf_index` is in the log of `tree_size` leaves with this root, by this path.
/// The key is a receipt key (P-256, because foreign verifiers know it).
///
/// # Errors
/// [`KeyError::CannotSign`] for an RSA key.
pub fn issue_receipt(
    key: &SecretKey,
    leaf_index: u64,
    tree_size: u64,
    path: &[Digest],
    root: &Digest,
) -> Result<Vec<u8>, KeyError> {
    let proof = ProofArray { first: tree_size, second: leaf_index, path: path.to_vec() };
    Receipt::issue(key, Proof::Inclusion(cbor::encode(&proof)), tree_size, root)
}

/// Checks a receipt of inclusion for a leaf's data (a statement's leaf form).
///
/// # Errors
/// When it is not of the one form, not signed by this key, or does not fit the leaf.
pub fn verify_receipt(receipt: &[u8], leaf: &[u8], key: &PublicKey) -> Result<InclusionPlace, ReceiptError> {
    let receipt = Receipt::from_bytes(receipt)?;
    let Proof::Inclusion(proof) = &receipt.proof else {
        return Err(ReceiptError::Kind);
    };
    let ProofArray { first: size, second: index, path } = cbor::decode(proof).map_err(ReceiptError::Proof)?;
    let root = log::root_from_inclusion(log::leaf_hash(leaf), index, size, &path).ok_or(ReceiptError::Path)?;
    receipt.verify(size, &root, key)?;
    Ok(InclusionPlace { index, size, root })
}

/// A receipt of consistency: the log of `growth.new_size` leaves with `new_root` begins with that of `growth.old_size`.
///
/// # Errors
/// [`KeyError::CannotSign`] for an RSA key.
pub fn issue_consistency_receipt(
    key: &SecretKey,
    growth: Growth,
    path: &[Digest],
    new_root: &Digest,
) -> Result<Vec<u8>, KeyError> {
    let proof = ProofArray { first: growth.old_size, second: growth.new_size, path: path.to_vec() };
    Receipt::issue(key, Proof::Consistency(cbor::encode(&proof)), growth.new_size, new_root)
}

/// Checks a receipt of consistency between two roots.
///
/// # Errors
/// When it is not of the one form, not signed by this key, or the roots are not so related.
pub fn verify_consistency_receipt(
    receipt: &[u8],
    old_root: Digest,
    new_root: Digest,
    key: &PublicKey,
) -> Result<Growth, ReceiptError> {
    let receipt = Receipt::from_bytes(receipt)?;
    let Proof::Consistency(proof) = &receipt.proof else {
        return Err(ReceiptError::Kind);
    };
    let ProofArray { first: old_size, second: new_size, path } = cbor::decode(proof).map_err(ReceiptError::Proof)?;
    if !log::verify_consistency(old_size, old_root, new_size, new_root, &path) {
        return Err(ReceiptError::Path);
    }
    receipt.verify(new_size, &new_root, key)?;
    Ok(Growth { old_size, new_size })
}

/// Who a receipt says has signed it, so that the verifier can look up the key.
///
/// # Errors
/// When it is not of the one form.
pub fn receipt_signer(receipt: &[u8]) -> Result<AccountId, ReceiptError> {
    Ok(Receipt::from_bytes(receipt)?.header()?.key_id)
}

/// A statement with its receipts of inclusion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransparentStatement {
    /// The statement.
    pub statement: SignedStatement,
    /// Its receipts, one from each node that gave one.
    pub receipts: Vec<Vec<u8>>,
    /// Keys of the statement's and the receipts' signers. An account id is its key's thumbprint, so they prove
    /// themselves, and the file can be checked without asking anybody for a key.
    pub keys: Vec<PublicKey>,
}

/// Header label of the receipts (RFC 9942).
const RECEIPTS: i32 = 394;
/// Header label of the signers' keys; from COSE's private-use range (RFC 9052 11.1).
const KEYS: i32 = -70_002;

/// The unprotected header `{ 394: [receipt, ...], -70002: [COSE_Key, ...] }`.
struct ReceiptsHeader {
    receipts: Vec<ByteVec>,
    keys: Vec<PublicKey>,
}

impl<C> Encode<C> for ReceiptsHeader {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, c: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.map(2)?.i32(RECEIPTS)?;
        self.receipts.encode(e, c)?;
        e.i32(KEYS)?;
        self.keys.encode(e, c)
    }
}

impl<'b, C> Decode<'b, C> for ReceiptsHeader {
    fn decode(d: &mut decode::Decoder<'b>, c: &mut C) -> Result<Self, decode::Error> {
        let expect = |fits: bool| {
            let what = "the unprotected header holds receipts (394) and keys (-70002) and nothing else";
            if fits { Ok(()) } else { Err(decode::Error::message(what)) }
        };
        expect(d.map()? == Some(2) && d.i32()? == RECEIPTS)?;
        let receipts = cbor::bounded::<{ TransparentStatement::RECEIPTS_MAX }, _, _>(d, c)?;
        expect(d.i32()? == KEYS)?;
        let keys = cbor::bounded::<{ TransparentStatement::RECEIPTS_MAX + 1 }, _, _>(d, c)?;
        Ok(Self { receipts, keys })
    }
}

impl TransparentStatement {
    /// Receipts of a statement: one from each of a large community's nodes.
    pub const RECEIPTS_MAX: usize = 16;
    /// Largest transparent statement in bytes.
    pub const BYTES_MAX: usize = SignedStatement::BYTES_MAX + Self::RECEIPTS_MAX * (RECEIPT_BYTES_MAX + 8);

    /// The tagged COSE_Sign1 with the receipts in its unprotected header.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match cbor::decode::<CoseSign1<NoHeader>>(self.statement.leaf()) {
            Ok(CoseSign1 { protected, payload, signature, .. }) => {
                let receipts = self.receipts.iter().map(|receipt| receipt.clone().into()).collect();
                let unprotected = ReceiptsHeader { receipts, keys: self.keys.clone() };
                cbor::encode(&CoseSign1 { protected, unprotected, payload, signature })
            }
            Err(error) => unreachable!("a signed statement holds its own leaf form: {error}"),
        }
    }

    /// Reads it; signature and receipts are still to be checked.
    ///
    /// # Errors
    /// When it is not of the one form: other header labels, no receipts, or not deterministic CBOR.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ReceiptError> {
        if bytes.len() > Self::BYTES_MAX {
            return Err(ReceiptError::TooLarge(bytes.len()));
        }
        let envelope: CoseSign1<ReceiptsHeader> = cbor::decode(bytes).map_err(ReceiptError::Form)?;
        let CoseSign1 { protected, unprotected, payload, signature } = envelope;
        if unprotected.receipts.is_empty() {
            return Err(ReceiptError::ReceiptCount(0));
        }
        let leaf = cbor::encode(&CoseSign1 { protected, unprotected: NoHeader, payload, signature });
        let statement = SignedStatement::from_leaf(&leaf)?;
        let receipts = unprotected.receipts.into_iter().map(Vec::from).collect();
        Ok(Self { statement, receipts, keys: unprotected.keys })
    }

    /// Checks the statement's signature and every receipt with the keys that the file brings, none of which may be idle.
    /// Whether a receipt's key is one of the ledger's is for the caller to say.
    ///
    /// # Errors
    /// When a signature, a receipt or a key does not fit.
    pub fn check(&self) -> Result<(VerifiedStatement, Vec<InclusionPlace>), ReceiptError> {
        if self.receipts.is_empty() || self.receipts.len() > Self::RECEIPTS_MAX {
            return Err(ReceiptError::ReceiptCount(self.receipts.len()));
        }
        let mut used = vec![self.signer_key()?];
        let statement = self.statement.clone().verify(&used[0])?;
        let mut places = Vec::with_capacity(self.receipts.len());
        for receipt in &self.receipts {
            let key = self.key_of(receipt_signer(receipt)?)?;
            places.push(verify_receipt(receipt, self.statement.leaf(), &key)?);
            used.push(key);
        }
        match self.keys.iter().find(|key| !used.contains(key)) {
            Some(idle) => Err(ReceiptError::IdleKey(idle.account())),
            None if !self.keys.is_sorted_by(|a, b| a.account() < b.account()) => Err(ReceiptError::KeyOrder),
            None => Ok((statement, places)),
        }
    }

    /// Whether the file itself shows that the key is the signer's: it is the account's first, whose thumbprint the id is.
    /// That a later key was the signer's only the ledger tells, which checked it when it took the statement in.
    #[must_use]
    pub fn shows_its_signer(&self) -> bool {
        self.key_of(self.statement.signer()).is_ok()
    }

    /// The signer's first key; without it the one that signs no receipt.
    fn signer_key(&self) -> Result<PublicKey, ReceiptError> {
        let signer = self.statement.signer();
        let first = self.key_of(signer);
        if first.is_ok() {
            return first;
        }
        let of_receipts: Vec<_> = self.receipts.iter().filter_map(|receipt| receipt_signer(receipt).ok()).collect();
        let mut others = self.keys.iter().filter(|key| !of_receipts.contains(&key.account()));
        others.next().cloned().ok_or(ReceiptError::UnknownKey(signer))
    }

    fn key_of(&self, account: AccountId) -> Result<PublicKey, ReceiptError> {
        self.keys.iter().find(|key| key.account() == account).cloned().ok_or(ReceiptError::UnknownKey(account))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::act::{Act, Note};
    use crate::log::Log;
    use crate::statement::Payload;
    use proptest::prelude::*;
    use units::{LedgerId, Millis, Timestamp};

    fn key() -> SecretKey {
        SecretKey::p256([9; 32]).unwrap()
    }

    fn log_of(size: u64) -> Log {
        let mut log = Log::new();
        (0..size).for_each(|index| log.append(log::leaf_hash(&index.to_be_bytes())));
        log
    }

    fn receipt(log: &Log, index: u64) -> Vec<u8> {
        let path = log.inclusion_path(index, log.size()).unwrap();
        issue_receipt(&key(), index, log.size(), &path, &log.root()).unwrap()
    }

    /// A statement as leaf `index` of a log of six.
    fn transparent(index: u64) -> TransparentStatement {
        let issued = Timestamp::from_ms(1_700_000_000_000);
        let note =
            Note { time: issued, voltage: None, current: None, power: None, energy: None, text: Some("7".into()) };
        let payload = Payload {
            ledger: LedgerId::from_bytes([1; 32]),
            nonce: [2; 16],
            issued,
            expires: Some(issued + Millis::from_minutes(5)),
            acts: vec![Act::Note(note)],
        };
        let statement = SignedStatement::sign(&payload, &SecretKey::ed25519([8; 32])).unwrap();
        let mut log = log_of(index);
        log.append(log::leaf_hash(statement.leaf()));
        (index + 1..6).for_each(|later| log.append(log::leaf_hash(&later.to_be_bytes())));
        let mut keys = vec![key().public(), SecretKey::ed25519([8; 32]).public()];
        keys.sort_by_key(PublicKey::account);
        TransparentStatement { receipts: vec![receipt(&log, index)], keys, statement }
    }

    #[test]
    fn a_receipt_fits_its_leaf_and_key_only() {
        let log = log_of(11);
        for index in 0..11u64 {
            let (receipt, leaf) = (receipt(&log, index), index.to_be_bytes());
            let place = InclusionPlace { index, size: 11, root: log.root() };
            assert_eq!(verify_receipt(&receipt, &leaf, &key().public()), Ok(place));
            assert_eq!(receipt_signer(&receipt), Ok(key().account()));
            let forged = ReceiptError::Signature(KeyError::InvalidSignature);
            assert_eq!(verify_receipt(&receipt, b"another", &key().public()), Err(forged));
            let other = SecretKey::p256([10; 32]).unwrap().public();
            let wrong = ReceiptError::WrongKey(key().account());
            assert_eq!(verify_receipt(&receipt, &leaf, &other), Err(wrong));
        }
    }

    #[test]
    fn the_bytes_are_those_of_rfc_9942() {
        let bytes = receipt(&log_of(1), 0);
        // 18([ h'{1: -7, 4: h'..32..', 395: 1}', {396: {-1: [h'[1, 0, []]']}}, nil, h'..64..' ])
        let mut expected = vec![0xd2, 0x84, 0x58, 0x30, 0xa4, 0x01, 0x26, 0x04, 0x58, 0x20];
        expected.extend(key().account().as_bytes());
        expected.extend([
            0x19, 0x01, 0x8b, 0x01, 0x3a, 0x00, 0x01, 0x11, 0x72, 0x01, 0xa1, 0x19, 0x01, 0x8c, 0xa1, 0x20, 0x81, 0x44,
            0x83, 0x01, 0x00, 0x80,
        ]);
        expected.extend([0xf6, 0x58, 0x40]);
        assert_eq!(bytes[..bytes.len() - 64], expected);
    }

    #[test]
    fn a_consistency_receipt_fits_its_two_roots_only() {
        let (old, new) = (log_of(6), log_of(13));
        let path = new.consistency_path(6, 13).unwrap();
        let growth = Growth { old_size: 6, new_size: 13 };
        let bytes = issue_consistency_receipt(&key(), growth, &path, &new.root()).unwrap();
        let verify = |old, new| verify_consistency_receipt(&bytes, old, new, &key().public());
        assert_eq!(verify(old.root(), new.root()), Ok(growth));
        assert_eq!(verify(new.root(), old.root()), Err(ReceiptError::Path));
        assert_eq!(verify(log_of(5).root(), new.root()), Err(ReceiptError::Path));
        assert_eq!(verify_receipt(&bytes, b"leaf", &key().public()), Err(ReceiptError::Kind));
        let inclusion = receipt(&new, 3);
        let other = verify_consistency_receipt(&inclusion, old.root(), new.root(), &key().public());
        assert_eq!(other, Err(ReceiptError::Kind));
    }

    #[test]
    fn no_flipped_bit_of_a_transparent_statement_passes() {
        for transparent in [transparent(0), transparent(4)] {
            let passes = |bytes: &[u8]| TransparentStatement::from_bytes(bytes).is_ok_and(|read| read.check().is_ok());
            let bytes = transparent.to_bytes();
            assert_eq!(TransparentStatement::from_bytes(&bytes).as_ref(), Ok(&transparent));
            assert!(passes(&bytes));
            for bit in 0..bytes.len() * 8 {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert!(!passes(&flipped), "bit {bit}");
            }
        }
    }

    #[test]
    fn reject_missing_and_idle_keys_and_no_receipts() {
        let mut without_key = transparent(4);
        without_key.keys.retain(|known| *known != key().public());
        assert_eq!(without_key.check(), Err(ReceiptError::UnknownKey(key().account())));
        let mut with_idle_key = transparent(4);
        let idle = SecretKey::ed25519([11; 32]).public();
        with_idle_key.keys.push(idle.clone());
        assert_eq!(with_idle_key.check(), Err(ReceiptError::IdleKey(idle.account())));
        let mut without_receipts = transparent(4);
        without_receipts.receipts.clear();
        assert_eq!(without_receipts.check(), Err(ReceiptError::ReceiptCount(0)));
        let bytes = without_receipts.to_bytes();
        assert_eq!(TransparentStatement::from_bytes(&bytes), Err(ReceiptError::ReceiptCount(0)));
    }

    #[test]
    fn reject_a_path_that_cannot_belong_to_its_place() {
        let log = log_of(8);
        let path = log.inclusion_path(3, 8).unwrap();
        for (index, size, path) in [(3, 8, &path[1..]), (8, 8, &path[..]), (0, 1, &path[..])] {
            let bytes = issue_receipt(&key(), index, size, path, &log.root()).unwrap();
            let outcome = verify_receipt(&bytes, &3u64.to_be_bytes(), &key().public());
            assert_eq!(outcome, Err(ReceiptError::Path));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_decode_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (receipt_signer(&bytes), TransparentStatement::from_bytes(&bytes));
            prop_assert!(verify_receipt(&bytes, b"leaf", &key().public()).is_err());
        }
    }
}
