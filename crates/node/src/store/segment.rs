//! How a record lies in a segment file.
//!
//! ```text
//! 0        4      5             8              16        16 + length
//! length   kind   head check    payload check  payload
//! u32 BE   u8     3 bytes       8 bytes
//! ```
//!
//! The head check is the beginning of SHA-256 over length and kind, so that a damaged length is not mistaken for a cut
//! record; the payload check is that of kind and payload.

use sha2::{Digest as _, Sha256};

/// Bytes before a payload.
pub(crate) const HEAD_BYTES: usize = 16;
/// Largest payload: a block of the largest size, with room.
pub(crate) const PAYLOAD_BYTES_MAX: usize = ledger::Block::BYTES_MAX + 4_096;

/// Why no record begins at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The file ends within the record.
    Cut,
    /// The bytes are not those that were written.
    Changed,
}

/// The head of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) kind: u8,
    pub(crate) length: usize,
    check: [u8; 8],
}

fn head_check(length: [u8; 4], kind: u8) -> [u8; 3] {
    let [a, b, c, ..]: [u8; 32] = Sha256::new_with_prefix(length).chain_update([kind]).finalize().into();
    [a, b, c]
}

fn payload_check(kind: u8, payload: &[u8]) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..]: [u8; 32] =
        Sha256::new_with_prefix([kind]).chain_update(payload).finalize().into();
    [a, b, c, d, e, f, g, h]
}

/// A record as it lies in the file; `None` when the payload is too large.
pub(crate) fn frame(kind: u8, payload: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(payload.len()).ok().filter(|_| payload.len() <= PAYLOAD_BYTES_MAX)?.to_be_bytes();
    let mut bytes = Vec::with_capacity(HEAD_BYTES + payload.len());
    bytes.extend(length);
    bytes.push(kind);
    bytes.extend(head_check(length, kind));
    bytes.extend(payload_check(kind, payload));
    bytes.extend(payload);
    Some(bytes)
}

impl Head {
    /// Reads the head at the beginning of `bytes`.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Broken> {
        let head = bytes.first_chunk::<HEAD_BYTES>().ok_or(Broken::Cut)?;
        let [a, b, c, d, kind, x, y, z, check @ ..] = *head;
        let length = [a, b, c, d];
        if head_check(length, kind) != [x, y, z] {
            return Err(Broken::Changed);
        }
        let length = usize::try_from(u32::from_be_bytes(length)).map_err(|_| Broken::Changed)?;
        if length > PAYLOAD_BYTES_MAX { Err(Broken::Changed) } else { Ok(Self { kind, length, check }) }
    }

    /// Whether a payload is the one that was written.
    pub(crate) fn fits(&self, payload: &[u8]) -> bool {
        payload.len() == self.length && payload_check(self.kind, payload) == self.check
    }
}

/// Reads the record at the beginning of `bytes`.
pub(crate) fn read(bytes: &[u8]) -> Result<(Head, &[u8]), Broken> {
    let head = Head::read(bytes)?;
    let payload = bytes.get(HEAD_BYTES..HEAD_BYTES + head.length).ok_or(Broken::Cut)?;
    if head.fits(payload) { Ok((head, payload)) } else { Err(Broken::Changed) }
}

/// Whether a whole record lies anywhere in `bytes`. If none does, what is broken is the tail of an interrupted write;
/// if one does, something that was once whole was changed.
pub(crate) fn any_record_in(bytes: &[u8]) -> bool {
    (0..bytes.len().saturating_sub(HEAD_BYTES - 1)).any(|at| read(&bytes[at..]).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_and_every_cut_of_a_record_is_noticed() {
        let framed = frame(2, b"twenty kWh").unwrap();
        assert_eq!(read(&framed).unwrap().1, b"twenty kWh");
        for bit in 0..framed.len() * 8 {
            let mut flipped = framed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&flipped).is_err(), "bit {bit}");
        }
        for length in 0..framed.len() {
            assert_eq!(read(&framed[..length]), Err(Broken::Cut), "{length} bytes");
        }
    }

    #[test]
    fn a_whole_record_is_found_behind_damage_and_none_in_a_torn_tail() {
        let whole = frame(2, b"next").unwrap();
        assert!(any_record_in(&[&[9; 77][..], &whole].concat()));
        assert!(!any_record_in(&whole[..whole.len() - 1]));
        assert!(!any_record_in(&[0; 4_096]));
        assert_eq!(frame(2, &vec![0; PAYLOAD_BYTES_MAX + 1]), None);
    }
}
