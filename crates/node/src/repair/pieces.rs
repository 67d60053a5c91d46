//! A segment's bytes as whole records and what lies between them.

use crate::store::segment::{self, HEAD_BYTES, Head};
use std::ops::Range;

/// A part of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// A record whose checks hold.
    Whole {
        /// Its kind number.
        kind: u8,
        /// Where it lies, head included.
        at: Range<usize>,
    },
    /// Bytes that are no record.
    Damaged(Range<usize>),
}

impl Piece {
    /// The payload of a whole record.
    pub(super) fn payload<'a>(&self, bytes: &'a [u8]) -> Option<(u8, &'a [u8])> {
        match self {
            Self::Whole { kind, at } => bytes.get(at.start + HEAD_BYTES..at.end).map(|payload| (*kind, payload)),
            Self::Damaged(_) => None,
        }
    }
}

/// Takes a segment apart. Behind damage the next whole record is looked for: where the damaged one's head says that it
/// ends, and else byte by byte.
pub(super) fn pieces(bytes: &[u8]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = bytes.get(at..).unwrap_or_default();
        let end = match segment::read(rest) {
            Ok((head, payload)) => {
                let end = at + HEAD_BYTES + payload.len();
                pieces.push(Piece::Whole { kind: head.kind, at: at..end });
                end
            }
            Err(_) => {
                let end = at + next_whole(rest);
                pieces.push(Piece::Damaged(at..end));
                end
            }
        };
        at = end;
    }
    pieces
}

/// How far away the next whole record is; the end when there is none.
fn next_whole(rest: &[u8]) -> usize {
    let is_whole = |at: usize| rest.get(at..).is_some_and(|bytes| segment::read(bytes).is_ok());
    let stated = Head::read(rest).ok().map(|head| HEAD_BYTES + head.length);
    let stated = stated.filter(|at| *at == rest.len() || is_whole(*at));
    stated.or_else(|| (1..rest.len()).find(|at| is_whole(*at))).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_told_from_what_is_whole_wherever_it_is() {
        let record = |name: &[u8]| segment::frame(2, name).unwrap();
        let bytes = [record(b"one"), record(b"twice two"), record(b"three")].concat();
        let whole = |at: Range<usize>| Piece::Whole { kind: 2, at };
        assert_eq!(pieces(&bytes), [whole(0..19), whole(19..44), whole(44..65)]);
        for place in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1;
            let expected = match place {
                0..19 => [Piece::Damaged(0..19), whole(19..44), whole(44..65)],
                19..44 => [whole(0..19), Piece::Damaged(19..44), whole(44..65)],
                _ => [whole(0..19), whole(19..44), Piece::Damaged(44..65)],
            };
            assert_eq!(pieces(&damaged), expected, "byte {place}");
        }
        assert_eq!(pieces(&bytes[..50]), [whole(0..19), whole(19..44), Piece::Damaged(44..50)]);
        assert_eq!(pieces(&[]), []);
    }
}
