//! One log of a store, taken apart and put together again.

use super::RepairError;
use super::pieces::{Piece, pieces};
use crate::record::LogName;
use crate::store::segment::HEAD_BYTES;
use crate::store::{Disk, segment, segment_name};

/// A segment in memory.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) file: String,
    pub(super) bytes: Vec<u8>,
    pub(super) pieces: Vec<Piece>,
}

/// A log in memory. Repair reads it whole: it is done by hand, or when something is wrong.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) name: LogName,
    pub(super) segments: Vec<Segment>,
}

/// A piece of a log: which segment, and which of its pieces.
pub(super) type Place = (usize, usize);

/// What a damaged piece is replaced by.
#[derive(Debug)]
pub(super) struct Fill {
    /// Which piece.
    pub(super) at: Place,
    /// Records, framed; nothing to leave it out.
    pub(super) records: Vec<u8>,
}

impl Log {
    pub(super) fn read(disk: &mut dyn Disk, log: LogName) -> Result<Self, RepairError> {
        let mut segments = Vec::new();
        for number in 0.. {
            let file = segment_name(log, number);
            let io = |error| RepairError::Io { file: file.clone(), error };
            let size =
                usize::try_from(disk.size(&file).map_err(io)?).map_err(|_| RepairError::TooLarge(file.clone()))?;
            if size == 0 {
                break;
            }
            let bytes = disk.read(&file, 0, size).map_err(io)?;
            let pieces = pieces(&bytes);
            segments.push(Segment { file, bytes, pieces });
        }
        Ok(Self { name: log, segments })
    }

    /// Lets the log be filled at its end, where records are missing that nothing damaged stands for.
    pub(super) fn open_end(&mut self) {
        if let Some(segment) = self.segments.last_mut() {
            let end = segment.bytes.len();
            segment.pieces.push(Piece::Damaged(end..end));
        }
    }

    /// Takes whole records for damaged ones: they were rewritten together with their checks.
    pub(super) fn doubt(&mut self, places: &[Place]) {
        for (number, piece) in places {
            let piece = self.segments.get_mut(*number).and_then(|segment| segment.pieces.get_mut(*piece));
            if let Some(piece) = piece
                && let Piece::Whole { at, .. } = piece
            {
                *piece = Piece::Damaged(at.clone());
            }
        }
    }

    /// What stands where the payload of a record lies, whole or not.
    pub(super) fn payload(&self, (number, piece): Place) -> Option<&[u8]> {
        let segment = self.segments.get(number)?;
        let (Piece::Whole { at, .. } | Piece::Damaged(at)) = segment.pieces.get(piece)?;
        segment.bytes.get(at.start + HEAD_BYTES..at.end)
    }

    /// Places of damage.
    pub(super) fn damaged(&self) -> Vec<Place> {
        let numbered = self.segments.iter().enumerate();
        let places = numbered.flat_map(|(number, segment)| {
            let damaged = segment.pieces.iter().enumerate().filter(|(_, piece)| matches!(piece, Piece::Damaged(_)));
            damaged.map(move |(piece, _)| (number, piece))
        });
        places.collect()
    }

    /// All whole records in order, each with its place.
    pub(super) fn whole(&self) -> impl Iterator<Item = (Place, u8, &[u8])> {
        self.segments.iter().enumerate().flat_map(|(number, segment)| {
            let payloads = segment.pieces.iter().enumerate();
            payloads.filter_map(move |(piece, at)| {
                at.payload(&segment.bytes).map(|(kind, payload)| ((number, piece), kind, payload))
            })
        })
    }

    /// Where a piece lies: the file, and its first byte.
    pub(super) fn place(&self, (number, piece): Place) -> Option<(&str, usize, usize)> {
        let segment = self.segments.get(number)?;
        match segment.pieces.get(piece)? {
            Piece::Whole { at, .. } | Piece::Damaged(at) => Some((&segment.file, at.start, at.len())),
        }
    }

    /// Copies the damaged segments beside themselves, and those behind `cut`; gives the copies' names by segment.
    pub(super) fn quarantine(
        &self,
        disk: &mut dyn Disk,
        cut: Option<Place>,
        mark: &str,
    ) -> Result<Vec<Option<String>>, RepairError> {
        let damaged = self.damaged();
        let mut copies = Vec::new();
        for (number, segment) in self.segments.iter().enumerate() {
            let first = damaged.iter().find(|(damaged, _)| *damaged == number);
            let first = first.and_then(|at| self.place(*at)).map(|(_, offset, _)| offset);
            let is_behind = cut.is_some_and(|(cut, _)| number > cut);
            copies.push(match first.or(is_behind.then_some(0)) {
                Some(offset) => {
                    let name = format!("{}{mark}{offset}", segment.file);
                    let io = |error| RepairError::Io { file: name.clone(), error };
                    disk.replace(&name, &segment.bytes).map_err(io)?;
                    Some(name)
                }
                None => None,
            });
        }
        Ok(copies)
    }

    /// Writes the damaged segments anew, with what fills the damage; durable on return. Behind `cut` the log ends.
    pub(super) fn write(&self, disk: &mut dyn Disk, fills: &[Fill], cut: Option<Place>) -> Result<(), RepairError> {
        // From the last segment on, so that a crash in between leaves no gap.
        for (number, segment) in self.segments.iter().enumerate().rev() {
            let io = |error| RepairError::Io { file: segment.file.clone(), error };
            if cut.is_some_and(|(cut, _)| number > cut) {
                disk.truncate(&segment.file, 0).map_err(io)?;
            } else if segment.pieces.iter().any(|piece| matches!(piece, Piece::Damaged(_))) {
                disk.replace(&segment.file, &segment.filled(number, fills, cut)).map_err(io)?;
            }
        }
        Ok(())
    }
}

impl Segment {
    fn filled(&self, number: usize, fills: &[Fill], cut: Option<Place>) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.bytes.len());
        for (index, piece) in self.pieces.iter().enumerate() {
            match piece {
                Piece::Whole { at, .. } => bytes.extend(self.bytes.get(at.clone()).unwrap_or_default()),
                Piece::Damaged(_) => {
                    let fill = fills.iter().find(|fill| fill.at == (number, index));
                    bytes.extend(fill.map(|fill| fill.records.as_slice()).unwrap_or_default());
                }
            }
            if cut == Some((number, index)) {
                break;
            }
        }
        bytes
    }
}

/// A record as it lies in a file.
pub(super) fn framed(kind: u8, payload: &[u8]) -> Result<Vec<u8>, RepairError> {
    segment::frame(kind, payload).ok_or_else(|| RepairError::TooLarge("a record".to_owned()))
}
