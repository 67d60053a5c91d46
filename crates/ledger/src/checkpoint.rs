//! Checkpoints: the log's size and root and the block that they belong to, signed by the log key, as a text that fits a
//! bill's foot.
//!
//! The text is a C2SP tlog-checkpoint (c2sp.org/tlog-checkpoint) with two extension lines, in a C2SP signed note
//! (c2sp.org/signed-note) with exactly one Ed25519 signature whose key name is the origin:
//!
//! ```text
//! wattproof/<ledger id, 64 hexadecimal digits>
//! <log size, decimal>
//! <log root, base64>
//! height <block number, decimal>
//! block <block hash, base64>
//!
//! — wattproof/<ledger id> <base64 of 4 bytes key id and 64 bytes signature>
//! ```
//!
//! There is one way to write a checkpoint; whatever is read is written again and compared.

use crate::{Header, KeyError, PublicKey, SecretKey};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};
use units::{BlockHash, Digest, Height, LedgerId};

/// What the log key signs for a final block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// The ledger; the origin line names it.
    pub ledger: LedgerId,
    /// Statements in the log.
    pub size: u64,
    /// Root of the log.
    pub root: Digest,
    /// The block.
    pub height: Height,
    /// Its hash.
    pub block: BlockHash,
}

/// Why a text is not a checkpoint of the expected log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Longer than any checkpoint.
    #[error("{0} bytes; a checkpoint has at most {max}", max = Checkpoint::NOTE_BYTES_MAX)]
    TooLong(usize),
    /// Not the text drawn above, to the letter.
    #[error("not a checkpoint: five lines, an empty line and one signature line, written in their one form")]
    Form,
    /// Signed by another key.
    #[error("signed with another key than the log key")]
    OtherKey,
    /// The log key is not Ed25519.
    #[error("a log key is an Ed25519 key")]
    KeyKind,
    /// The signature does not fit.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Before the ledger id in the origin line.
const ORIGIN_PREFIX: &str = "wattproof/";
/// Begins a signature line (c2sp.org/signed-note): an em dash and a space.
const SIGNATURE_MARK: &str = "\u{2014} ";
/// Signature type of Ed25519 in a key id (c2sp.org/signed-note).
const ED25519_TYPE: u8 = 0x01;

impl Checkpoint {
    /// Longest note; one with the largest numbers has 393 bytes.
    pub const NOTE_BYTES_MAX: usize = 1_024;

    /// Of a block.
    #[must_use]
    pub fn for_header(header: &Header) -> Self {
        Self {
            ledger: header.ledger,
            size: header.log_size,
            root: header.log_root,
            height: header.height,
            block: header.hash(),
        }
    }

    /// The origin line: names the log, and is the name of its key.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("{ORIGIN_PREFIX}{}", self.ledger)
    }

    /// The text that is signed.
    #[must_use]
    pub fn text(&self) -> String {
        let (root, block) =
            (BASE64_STANDARD.encode(self.root.as_bytes()), BASE64_STANDARD.encode(self.block.as_bytes()));
        format!("{}\n{}\n{root}\nheight {}\nblock {block}\n", self.origin(), self.size, self.height)
    }

    /// Signs it as a note.
    ///
    /// # Errors
    /// [`CheckpointError::KeyKind`] unless the key is Ed25519.
    pub fn sign(&self, log_key: &SecretKey) -> Result<String, CheckpointError> {
        let key_id = self.key_id(&log_key.public())?;
        Ok(self.note(&key_id, &log_key.sign_short(self.text().as_bytes())?))
    }

    /// Reads a note and checks its signature.
    ///
    /// # Errors
    /// When it is not in the one form, or not signed by this key.
    pub fn open(note: &str, log_key: &PublicKey) -> Result<Self, CheckpointError> {
        let (checkpoint, key_id, signature) = Self::parse(note)?;
        if checkpoint.key_id(log_key)? != key_id {
            return Err(CheckpointError::OtherKey);
        }
        log_key.verify(checkpoint.text().as_bytes(), &signature)?;
        Ok(checkpoint)
    }

    /// Reads a note without looking at its signature, for a reader that learns only from it which ledger it is about.
    ///
    /// # Errors
    /// When it is not in the one form.
    pub fn read_unverified(note: &str) -> Result<Self, CheckpointError> {
        Self::parse(note).map(|(checkpoint, ..)| checkpoint)
    }

    fn parse(note: &str) -> Result<(Self, [u8; 4], [u8; 64]), CheckpointError> {
        if note.len() > Self::NOTE_BYTES_MAX {
            return Err(CheckpointError::TooLong(note.len()));
        }
        let (checkpoint, signed) = parse_lines(note).ok_or(CheckpointError::Form)?;
        let (key_id, signature) = signed.split_first_chunk::<4>().ok_or(CheckpointError::Form)?;
        let signature: [u8; 64] = signature.try_into().map_err(|_| CheckpointError::Form)?;
        if checkpoint.note(key_id, &signature) != note {
            return Err(CheckpointError::Form);
        }
        Ok((checkpoint, *key_id, signature))
    }

    fn note(&self, key_id: &[u8; 4], signature: &[u8; 64]) -> String {
        let signed = BASE64_STANDARD.encode([key_id.as_slice(), signature].concat());
        format!("{}\n{SIGNATURE_MARK}{} {signed}\n", self.text(), self.origin())
    }

    /// Key id (c2sp.org/signed-note): the first four bytes of SHA-256 over key name, newline, signature type and key.
    fn key_id(&self, key: &PublicKey) -> Result<[u8; 4], CheckpointError> {
        let PublicKey::Ed25519(bytes) = key else {
            return Err(CheckpointError::KeyKind);
        };
        let hasher = Sha256::new_with_prefix(self.origin()).chain_update([b'\n', ED25519_TYPE]).chain_update(bytes);
        let [a, b, c, d, ..]: [u8; 32] = hasher.finalize().into();
        Ok([a, b, c, d])
    }
}

/// The fields of a note; that they are written in their one form is for the caller to compare.
fn parse_lines(note: &str) -> Option<(Checkpoint, Vec<u8>)> {
    let mut lines = note.lines();
    let mut field = |prefix: &str| lines.next()?.strip_prefix(prefix);
    let ledger = field(ORIGIN_PREFIX)?.parse().ok()?;
    let size = field("")?.parse().ok()?;
    let root = Digest::from_bytes(decode_hash(field("")?)?);
    let height = Height::from_number(field("height ")?.parse().ok()?);
    let block = BlockHash::from_bytes(decode_hash(field("block ")?)?);
    field("").filter(|line| line.is_empty())?;
    let (_, signed) = field(SIGNATURE_MARK)?.split_once(' ')?;
    Some((Checkpoint { ledger, size, root, height, block }, BASE64_STANDARD.decode(signed).ok()?))
}

fn decode_hash(text: &str) -> Option<[u8; 32]> {
    BASE64_STANDARD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            ledger: LedgerId::from_bytes([0xab; 32]),
            size: 1_027,
            root: Digest::from_bytes([1; 32]),
            height: Height::from_number(42),
            block: BlockHash::from_bytes([2; 32]),
        }
    }

    fn key() -> SecretKey {
        SecretKey::ed25519([3; 32])
    }

    #[test]
    fn a_signed_note_opens_with_the_log_key_only() {
        let note = checkpoint().sign(&key()).unwrap();
        let origin = format!("wattproof/{}", "ab".repeat(32));
        let text = format!(
            "{origin}\n1027\nAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\nheight 42\n\
             block AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=\n\n\u{2014} {origin} "
        );
        assert!(note.starts_with(&text), "{note}");
        assert_eq!(Checkpoint::open(&note, &key().public()), Ok(checkpoint()));
        assert_eq!(Checkpoint::read_unverified(&note), Ok(checkpoint()));
        let other = SecretKey::ed25519([4; 32]).public();
        assert_eq!(Checkpoint::open(&note, &other), Err(CheckpointError::OtherKey));
        let p256 = SecretKey::p256([4; 32]).unwrap();
        assert_eq!(Checkpoint::open(&note, &p256.public()), Err(CheckpointError::KeyKind));
        assert_eq!(checkpoint().sign(&p256), Err(CheckpointError::KeyKind));
    }

    #[test]
    fn the_largest_numbers_fit() {
        let largest = Checkpoint { size: u64::MAX, height: Height::from_number(u64::MAX), ..checkpoint() };
        let note = largest.sign(&key()).unwrap();
        assert_eq!(Checkpoint::open(&note, &key().public()), Ok(largest));
        assert_eq!(note.len(), 393);
    }

    #[test]
    fn no_flipped_bit_of_a_note_opens() {
        let note = checkpoint().sign(&key()).unwrap().into_bytes();
        for bit in 0..note.len() * 8 {
            let mut flipped = note.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(text) = String::from_utf8(flipped) {
                assert!(Checkpoint::open(&text, &key().public()).is_err(), "bit {bit}: {text}");
            }
        }
    }

    #[test]
    fn reject_notes_written_otherwise() {
        let note = checkpoint().sign(&key()).unwrap();
        let signature = note.lines().last().unwrap().to_owned();
        for other in [
            note.replace('\n', "\r\n"),
            note.replace("1027", "01027"),
            note.replace("1027", "+1027"),
            note.replace("height 42\n", "height 42\nmore\n"),
            note.replace("height 42\n", ""),
            note.replace("wattproof/ab", "wattproof/AB"),
            format!("{note}{signature}\n"),
            format!("{note}\n"),
            note.trim_end().to_owned(),
            String::new(),
        ] {
            assert_eq!(Checkpoint::open(&other, &key().public()), Err(CheckpointError::Form), "{other}");
        }
        assert_eq!(Checkpoint::open(&note.repeat(4), &key().public()), Err(CheckpointError::TooLong(note.len() * 4)));
    }
}
