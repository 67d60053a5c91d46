//! What a node stores: everything that it could not compute again. Each record goes to one of the store's logs.

use api::FindingKind;
use units::{Height, StatementId, Timestamp};

/// One stored record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// The genesis document; the first record of the first block segment.
    Genesis(Vec<u8>),
    /// A block's wire form.
    Block(Vec<u8>),
    /// The chain goes on from this height: the blocks above it that were stored before are abandoned.
    Rewound(Height),
    /// What the log key signed last: a checkpoint as a signed note.
    Anchor(String),
    /// The attachment of a `readings` statement.
    Attachment {
        /// The statement.
        statement: StatementId,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// A statement that was acknowledged and waits for a block.
    Pooled {
        /// When it came.
        received: Timestamp,
        /// Its leaf form.
        leaf: Vec<u8>,
    },
    /// A statement that waited and was dropped, because it no longer applies.
    Dropped(StatementId),
    /// A statement that takes a place in a meter's chain which another one has: proof that somebody signed twice.
    Evidence {
        /// The statement that has the place.
        original: StatementId,
        /// The other one's leaf form.
        leaf: Vec<u8>,
    },
}

/// The logs of a store; each is its own sequence of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogName {
    /// Genesis and blocks.
    Blocks,
    /// Attachments.
    Attachments,
    /// The pool; rewritten when most of it has gone into blocks.
    Pool,
    /// What the log key signed. Apart from the blocks, so that blocks put back from an old copy are noticed.
    Anchors,
    /// Statements that contradict others.
    Evidence,
}

impl LogName {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Blocks, Self::Attachments, Self::Pool, Self::Anchors, Self::Evidence];

    /// What is told of its records when one is found changed.
    #[must_use]
    pub const fn kind(self) -> FindingKind {
        match self {
            Self::Blocks => FindingKind::Block,
            Self::Attachments => FindingKind::Attachment,
            Self::Pool => FindingKind::Waiting,
            Self::Anchors => FindingKind::Checkpoint,
            Self::Evidence => FindingKind::Evidence,
        }
    }

    /// What its file names begin with.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blocks => "blocks",
            Self::Attachments => "attachments",
            Self::Pool => "pool",
            Self::Anchors => "anchors",
            Self::Evidence => "evidence",
        }
    }
}

/// Why a record's payload is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a record of kind {kind} with {length} bytes is not of this version")]
pub struct RecordError {
    kind: u8,
    length: usize,
}

impl Record {
    pub(crate) const BLOCK_KIND: u8 = 2;
    pub(crate) const ANCHOR_KIND: u8 = 3;
    pub(crate) const ATTACHMENT_KIND: u8 = 4;
    pub(crate) const REWOUND_KIND: u8 = 8;

    /// The log that it belongs to.
    #[must_use]
    pub const fn log(&self) -> LogName {
        match self {
            Self::Genesis(_) | Self::Block(_) | Self::Rewound(_) => LogName::Blocks,
            Self::Anchor(_) => LogName::Anchors,
            Self::Attachment { .. } => LogName::Attachments,
            Self::Pooled { .. } | Self::Dropped(_) => LogName::Pool,
            Self::Evidence { .. } => LogName::Evidence,
        }
    }

    /// Its kind number on disk.
    #[must_use]
    pub const fn kind(&self) -> u8 {
        match self {
            Self::Genesis(_) => 1,
            Self::Block(_) => Self::BLOCK_KIND,
            Self::Anchor(_) => Self::ANCHOR_KIND,
            Self::Attachment { .. } => Self::ATTACHMENT_KIND,
            Self::Pooled { .. } => 5,
            Self::Dropped(_) => 6,
            Self::Evidence { .. } => 7,
            Self::Rewound(_) => Self::REWOUND_KIND,
        }
    }

    /// Its payload on disk.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        match self {
            Self::Genesis(bytes) | Self::Block(bytes) => bytes.clone(),
            Self::Anchor(note) => note.clone().into_bytes(),
            Self::Attachment { statement, bytes } => [statement.as_bytes().as_slice(), bytes].concat(),
            Self::Pooled { received, leaf } => [received.ms().to_be_bytes().as_slice(), leaf].concat(),
            Self::Dropped(statement) => statement.as_bytes().to_vec(),
            Self::Evidence { original, leaf } => [original.as_bytes().as_slice(), leaf].concat(),
            Self::Rewound(height) => height.number().to_be_bytes().to_vec(),
        }
    }

    /// How often it is written. A checkpoint is twice: a changed bit in the last record of a file cannot be told from an
    /// interrupted write, and the log key must not forget what it signed last.
    #[must_use]
    pub const fn copies(&self) -> usize {
        if matches!(self, Self::Anchor(_)) { 2 } else { 1 }
    }

    /// The log of which everything must be durable before this record is: a power cut must not take what it builds upon
    /// and leave it.
    #[must_use]
    pub const fn builds_upon(&self) -> Option<LogName> {
        match self {
            // The block that was signed, and the block that makes a statement impossible.
            Self::Anchor(_) | Self::Dropped(_) => Some(LogName::Blocks),
            // The statements of the abandoned blocks, which wait again.
            Self::Rewound(_) => Some(LogName::Pool),
            _ => None,
        }
    }

    /// Reads what [`Record::payload`] wrote. What is inside is checked where it is used.
    ///
    /// # Errors
    /// When the kind is unknown or the payload too short for it.
    pub fn read(kind: u8, payload: &[u8]) -> Result<Self, RecordError> {
        let error = || RecordError { kind, length: payload.len() };
        let identified = || -> Result<(StatementId, Vec<u8>), RecordError> {
            let (id, rest) = payload.split_first_chunk::<32>().ok_or_else(error)?;
            Ok((StatementId::from_bytes(*id), rest.to_vec()))
        };
        Ok(match kind {
            1 => Self::Genesis(payload.to_vec()),
            Self::BLOCK_KIND => Self::Block(payload.to_vec()),
            Self::ANCHOR_KIND => Self::Anchor(String::from_utf8(payload.to_vec()).map_err(|_| error())?),
            Self::ATTACHMENT_KIND => {
                let (statement, bytes) = identified()?;
                Self::Attachment { statement, bytes }
            }
            5 => {
                let (received, leaf) = payload.split_first_chunk::<8>().ok_or_else(error)?;
                Self::Pooled { received: Timestamp::from_ms(u64::from_be_bytes(*received)), leaf: leaf.to_vec() }
            }
            6 => match identified()? {
                (statement, rest) if rest.is_empty() => Self::Dropped(statement),
                _ => return Err(error()),
            },
            7 => {
                let (original, leaf) = identified()?;
                Self::Evidence { original, leaf }
            }
            Self::REWOUND_KIND => {
                let height = payload.try_into().map_err(|_| error())?;
                Self::Rewound(Height::from_number(u64::from_be_bytes(height)))
            }
            _ => return Err(error()),
        })
    }
}

/// The records without the blocks that a later [`Record::Rewound`] abandons, and without those marks; for records that
/// begin with the first block.
pub(crate) fn without_abandoned(records: impl IntoIterator<Item = Record>) -> Vec<Record> {
    let mut kept: Vec<Option<Record>> = Vec::new();
    // Places of the present chain's blocks, by height - 1.
    let mut chain = Vec::new();
    for record in records {
        match record {
            Record::Rewound(height) => {
                let left = usize::try_from(height.number()).unwrap_or(usize::MAX).min(chain.len());
                chain.drain(left..).for_each(|place: usize| kept[place] = None);
            }
            other => {
                if matches!(other, Record::Block(_)) {
                    chain.push(kept.len());
                }
                kept.push(Some(other));
            }
        }
    }
    kept.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_reads_back_and_short_ones_are_refused() {
        let id = StatementId::from_bytes([7; 32]);
        for record in [
            Record::Genesis(vec![1]),
            Record::Block(vec![2, 3]),
            Record::Anchor("note".into()),
            Record::Attachment { statement: id, bytes: vec![4] },
            Record::Pooled { received: Timestamp::from_ms(5), leaf: vec![6] },
            Record::Dropped(id),
            Record::Evidence { original: id, leaf: vec![8] },
            Record::Rewound(Height::from_number(9)),
        ] {
            let payload = record.payload();
            assert_eq!(Record::read(record.kind(), &payload), Ok(record.clone()));
            if record.kind() > 3 {
                assert!(Record::read(record.kind(), &payload[..5]).is_err(), "{record:?}");
            }
        }
        assert!(
            Record::read(0, &[]).is_err() && Record::read(8, &[0; 40]).is_err() && Record::read(9, &[0; 40]).is_err()
        );
    }

    #[test]
    fn blocks_above_a_mark_are_abandoned_and_those_after_it_take_their_place() {
        let block = |name: u8| Record::Block(vec![name]);
        let to = |height| Record::Rewound(Height::from_number(height));
        let other = Record::Anchor("note".into());
        for (stored, present) in [
            (vec![block(1), to(0), block(2)], vec![block(2)]),
            (vec![block(1), block(2), other.clone(), block(3), to(1)], vec![block(1), other.clone()]),
            (vec![block(1), block(2), to(1), block(3), block(4), to(2), block(5)], vec![block(1), block(3), block(5)]),
            (vec![block(1), to(5), block(2)], vec![block(1), block(2)]),
        ] {
            assert_eq!(without_abandoned(stored.clone()), present, "{stored:?}");
        }
    }
}
