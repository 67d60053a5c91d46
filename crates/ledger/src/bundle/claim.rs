//! The bundle of a claim: the claim, what it is about, and the answer.
//!
//! Of a voltage claim it holds the committed intervals with all their readings, and the state's own record of each, which
//! names the limits that were in force. Of a bill claim it holds the bill's statement; what the bill rests on is in the
//! bill's own bundle.

use super::{BundleError, Gathering, Proven, ProvenRecord, ProvenStatement, Source};
use crate::act::{Act, ActId, Claim};
use crate::cbor::{self, CborError};
use crate::state::{Record, RecordKey, State};
use minicbor::{Decode, Encode};
use units::StatementId;

/// First element of a claim's file.
const MAGIC: &str = "wattproof claim bundle 1";

/// The attachment of a claimed interval.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct IntervalReadings {
    /// The statement with the `readings` act.
    #[n(0)]
    pub statement: StatementId,
    /// The attachment as it was submitted.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub attachment: Vec<u8>,
}

/// A claim and everything that its check needs.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ClaimBundle {
    /// The genesis document.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub genesis: Vec<u8>,
    /// The final checkpoint, a C2SP signed note.
    #[n(2)]
    pub checkpoint: String,
    /// Header of the block that the checkpoint names.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub header: Vec<u8>,
    /// The claim.
    #[n(4)]
    pub claim: ActId,
    /// Statements by rising index: the claim's, those that it is about, the answer's.
    #[n(5)]
    pub statements: Vec<ProvenStatement>,
    /// State records by rising key: the claim's, those of what it is about, all signers' accounts.
    #[n(6)]
    pub records: Vec<ProvenRecord>,
    /// The readings of the claimed intervals in the claim's order; those that were erased are absent.
    #[n(7)]
    pub readings: Vec<IntervalReadings>,
}

#[derive(Encode, Decode)]
struct ClaimFile {
    #[n(0)]
    magic: String,
    #[n(1)]
    bundle: ClaimBundle,
}

impl ClaimBundle {
    /// The file's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        cbor::encode(&ClaimFile { magic: MAGIC.to_owned(), bundle: self.clone() })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it is not the one encoding of a claim's bundle.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CborError> {
        let file: ClaimFile = cbor::decode(bytes)?;
        if file.magic == MAGIC { Ok(file.bundle) } else { Err(CborError::Malformed("not a claim bundle".into())) }
    }

    /// Whether a file claims to be one.
    #[must_use]
    pub fn is_bundle(bytes: &[u8]) -> bool {
        let mut decoder = minicbor::Decoder::new(bytes);
        decoder.array().is_ok() && decoder.str().is_ok_and(|magic| magic == MAGIC)
    }

    /// Gathers the bundle of a claim. `state` is that of the block that `checkpoint` names.
    ///
    /// # Errors
    /// When there is no such claim, or the source lacks what it refers to.
    pub fn gather(state: &State, checkpoint: String, claim: ActId, source: &dyn Source) -> Result<Self, BundleError> {
        let mut gathering = Gathering::new(state, source);
        let Some(Record::Claim(record)) = gathering.record(RecordKey::Claim(claim)) else {
            return Err(BundleError::NoClaim(claim));
        };
        let readings = match gathering.act(claim)? {
            Some(Act::Claim(Claim::Voltage(about))) => gathering.intervals(&about.intervals)?,
            Some(Act::Claim(Claim::Bill(about))) => {
                if let Some(Record::Bill(bill)) = gathering.record(RecordKey::Bill(record.member, about.from)) {
                    gathering.statement(bill.statement)?;
                }
                Vec::new()
            }
            _ => return Err(BundleError::NoClaim(claim)),
        };
        if let Some(answer) = record.answer {
            gathering.statement(answer.at.statement)?;
        }
        gathering.signers();
        Ok(Self {
            genesis: state.genesis().to_bytes(),
            checkpoint,
            header: state.head().to_bytes().to_vec(),
            claim,
            statements: gathering.statements.into_values().map(|(statement, _)| statement).collect(),
            records: gathering.records.into_values().collect(),
            readings,
        })
    }

    pub(crate) fn proven(&self) -> Proven<'_> {
        let Self { genesis, checkpoint, header, statements, records, .. } = self;
        Proven { genesis, checkpoint, header, statements, records }
    }
}

impl Gathering<'_> {
    fn act(&mut self, id: ActId) -> Result<Option<Act>, BundleError> {
        let acts = self.statement(id.statement)?.payload().acts.clone();
        Ok(usize::try_from(id.act).ok().and_then(|index| acts.into_iter().nth(index)))
    }

    /// The statements and the state's records of claimed intervals, and the readings that are still kept.
    fn intervals(&mut self, claimed: &[ActId]) -> Result<Vec<IntervalReadings>, BundleError> {
        let mut kept: Vec<IntervalReadings> = Vec::new();
        for id in claimed {
            if let Some(Act::Readings(readings)) = self.act(*id)?
                && let Some(month) = self.state.genesis().month_at(readings.start)
            {
                self.record(RecordKey::Outside(month, *id));
            }
            // Two intervals of one statement have one attachment.
            if kept.iter().any(|known| known.statement == id.statement) {
                continue;
            }
            let attachment = self.source.attachment(&id.statement).map(|attachment| attachment.to_bytes());
            kept.extend(attachment.map(|attachment| IntervalReadings { statement: id.statement, attachment }));
        }
        Ok(kept)
    }
}
