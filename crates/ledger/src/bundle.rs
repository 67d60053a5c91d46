//! Bundles: a bill, or a claim, in one file with everything that its check needs, but for knowing which ledger to trust.
//!
//! The chain from the amount to the meter: the bill's statement is in the log, whose root the checkpoint signs; the
//! checkpoint names a block, whose state root proves the sheet and the month's tariff; the sheet's hash chain proves
//! that the list of entries is complete; the entries' statements are in the log; their intervals continue each other
//! from the previous counter to the present one; and the frames at both ends are the meter's own bytes.
//!
//! [`crate::verify`] checks a bundle; this module only gathers one.

mod claim;

pub use claim::{ClaimBundle, IntervalReadings};

use crate::Header;
use crate::act::{Act, ActId, Readings};
use crate::attachment::{Attachment, Frame, FrameProof};
use crate::cbor::{self, CborError};
use crate::smt::SparseProof;
use crate::state::{Entry, MonthStatus, Record, RecordKey, State};
use crate::statement::SignedStatement;
use minicbor::{Decode, Encode};
use std::collections::{BTreeMap, BTreeSet};
use units::{AccountId, Digest, Month, StatementId, Timestamp};

/// First element of a bundle file.
const MAGIC: &str = "wattproof bill bundle 1";

/// A statement with its place in the log.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ProvenStatement {
    /// Index of its leaf.
    #[n(0)]
    pub index: u64,
    /// The leaf form.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub leaf: Vec<u8>,
    /// RFC 9162 inclusion path to the checkpoint's root.
    #[cbor(n(2), decode_with = "cbor::bounded::<{ crate::log::PATH_MAX }, _, _>")]
    pub path: Vec<Digest>,
}

/// A state record with its proof against the header's state root.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ProvenRecord {
    /// Its key.
    #[n(0)]
    pub key: RecordKey,
    /// The record.
    #[n(1)]
    pub record: Record,
    /// Proof of presence.
    #[n(2)]
    pub proof: SparseProof,
}

/// What all bundles have: where they come from, and what is shown to be the ledger's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Proven<'a> {
    pub(crate) genesis: &'a [u8],
    pub(crate) checkpoint: &'a str,
    pub(crate) header: &'a [u8],
    pub(crate) statements: &'a [ProvenStatement],
    pub(crate) records: &'a [ProvenRecord],
}

impl Proven<'_> {
    /// The header; `None` if its length is wrong.
    pub(crate) fn header(&self) -> Option<Header> {
        <&[u8; Header::BYTES]>::try_from(self.header).ok().map(Header::from_bytes)
    }
}

/// The raw frame at an end of an interval.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct FrameEvidence {
    /// The statement whose `readings` act commits to it.
    #[n(0)]
    pub statement: StatementId,
    /// Whether it is the interval's last frame (else its first).
    #[n(1)]
    pub last: bool,
    /// The attachment's salt.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub salt: [u8; 32],
    /// The frame and its path under the act's root, whose tree has the act's `count` of leaves.
    #[n(3)]
    pub proof: FrameProof,
}

/// The entries of a month's sheet, in order.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct MonthEntries {
    /// The month.
    #[n(0)]
    pub month: Month,
    /// All of them.
    #[n(1)]
    pub entries: Vec<Entry>,
}

/// A bill and everything that its check needs.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct BillBundle {
    /// The genesis document.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub genesis: Vec<u8>,
    /// The final checkpoint, a C2SP signed note.
    #[n(2)]
    pub checkpoint: String,
    /// Header of the block that the checkpoint names.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub header: Vec<u8>,
    /// The statement that carries the bill.
    #[n(4)]
    pub bill: StatementId,
    /// Statements by rising index.
    #[n(5)]
    pub statements: Vec<ProvenStatement>,
    /// State records by rising key; those of all signers' accounts are among them, because keys change, and that of an
    /// account that is billed for an open month, because it has left.
    #[n(6)]
    pub records: Vec<ProvenRecord>,
    /// What moved each month's sheet.
    #[n(7)]
    pub entries: Vec<MonthEntries>,
    /// Frames at the ends of the billed counters.
    #[n(8)]
    pub frames: Vec<FrameEvidence>,
    /// Which of the statement's acts is the bill; one statement may bill a whole community.
    #[n(9)]
    pub act: u32,
}

#[derive(Encode, Decode)]
struct BundleFile {
    #[n(0)]
    magic: String,
    #[n(1)]
    bundle: BillBundle,
}

/// Why a bundle cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// No bill of that span in the final state.
    #[error("{account} has no bill from {from} ms in the final ledger; bills follow the month's close", from = .from.ms())]
    NoBill {
        /// The account.
        account: AccountId,
        /// Start of the span.
        from: Timestamp,
    },
    /// No claim of that name in the final state.
    #[error("the final ledger holds no claim in act {act} of statement {statement}", statement = .0.statement, act = .0.act)]
    NoClaim(ActId),
    /// The source lacks something that the state refers to.
    #[error("the store lacks {0}, which the bundle refers to")]
    Missing(String),
}

/// Where a bundle's material comes from: a node's store, or a ledger export.
pub trait Source {
    /// A statement's log index and leaf form.
    fn statement(&self, id: &StatementId) -> Option<(u64, Vec<u8>)>;
    /// What moved a sheet, in order.
    fn entries(&self, month: Month, account: &AccountId) -> Vec<Entry>;
    /// The attachment of a `readings` statement, unless it was erased.
    fn attachment(&self, id: &StatementId) -> Option<Attachment>;
}

impl BillBundle {
    /// The file's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        cbor::encode(&BundleFile { magic: MAGIC.to_owned(), bundle: self.clone() })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it is not the one encoding of a bundle.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CborError> {
        let file: BundleFile = cbor::decode(bytes)?;
        if file.magic == MAGIC { Ok(file.bundle) } else { Err(CborError::Malformed("not a bill bundle".into())) }
    }

    /// Whether a file claims to be a bundle.
    #[must_use]
    pub fn is_bundle(bytes: &[u8]) -> bool {
        let mut decoder = minicbor::Decoder::new(bytes);
        decoder.array().is_ok() && decoder.str().is_ok_and(|magic| magic == MAGIC)
    }

    /// Gathers the bundle of the bill that `account` has from `from` on. `state` is that of the block that
    /// `checkpoint` names.
    ///
    /// # Errors
    /// When there is no such bill, or the source lacks what it refers to.
    pub fn gather(
        state: &State,
        checkpoint: String,
        account: AccountId,
        from: Timestamp,
        source: &dyn Source,
    ) -> Result<Self, BundleError> {
        let Some(Record::Bill(bill)) = state.record(&RecordKey::Bill(account, from)) else {
            return Err(BundleError::NoBill { account, from });
        };
        let mut gathering = Gathering::new(state, source);
        let acts = gathering.statement(bill.statement)?.payload().acts.clone();
        let is_meant = |act: &Act| matches!(act, Act::Bill(bill) if bill.account == account && bill.from == from);
        let found = (0..).zip(&acts).find(|(_, act)| is_meant(act));
        let Some((act, Act::Bill(meant))) = found else {
            return Err(BundleError::Missing(format!("the bill in statement {}", bill.statement)));
        };
        gathering.utilities(meant.from, meant.until)?;
        let (mut entries, mut frames) = (Vec::new(), Vec::new());
        for month in meant.months.iter().map(|month| month.month) {
            let of_month = source.entries(month, &account);
            gathering.month(month, account, &of_month)?;
            frames.extend(gathering.frames(&of_month)?);
            entries.push(MonthEntries { month, entries: of_month });
        }
        gathering.signers();
        Ok(Self {
            genesis: state.genesis().to_bytes(),
            checkpoint,
            header: state.head().to_bytes().to_vec(),
            bill: bill.statement,
            act,
            records: gathering.records.into_values().collect(),
            statements: gathering.statements.into_values().map(|(statement, _)| statement).collect(),
            entries,
            frames,
        })
    }

    pub(crate) fn proven(&self) -> Proven<'_> {
        let Self { genesis, checkpoint, header, statements, records, .. } = self;
        Proven { genesis, checkpoint, header, statements, records }
    }
}

/// A bundle being gathered: everything once, by its natural order.
struct Gathering<'a> {
    state: &'a State,
    source: &'a dyn Source,
    statements: BTreeMap<u64, (ProvenStatement, SignedStatement)>,
    records: BTreeMap<RecordKey, ProvenRecord>,
}

impl<'a> Gathering<'a> {
    fn new(state: &'a State, source: &'a dyn Source) -> Self {
        Self { state, source, statements: BTreeMap::new(), records: BTreeMap::new() }
    }

    fn statement(&mut self, id: StatementId) -> Result<SignedStatement, BundleError> {
        let missing = || BundleError::Missing(format!("statement {id}"));
        let (index, leaf) = self.source.statement(&id).ok_or_else(missing)?;
        let signed = SignedStatement::from_leaf(&leaf).map_err(|_| missing())?;
        let log = self.state.log();
        let path = log.inclusion_path(index, log.size()).ok_or_else(missing)?;
        self.statements.insert(index, (ProvenStatement { index, leaf, path }, signed.clone()));
        Ok(signed)
    }

    fn record(&mut self, key: RecordKey) -> Option<Record> {
        let record = self.state.record(&key)?.clone();
        let proof = self.state.prove(&key);
        self.records.insert(key.clone(), ProvenRecord { key, record: record.clone(), proof });
        Some(record)
    }

    /// Sheet, the community's record with its tariff, and the statements of all entries.
    fn month(&mut self, month: Month, account: AccountId, entries: &[Entry]) -> Result<(), BundleError> {
        self.record(RecordKey::Sheet(month, account));
        if let Some(Record::Month(community)) = self.record(RecordKey::Month(month)) {
            let in_force = match community.status {
                MonthStatus::Closed(from) => from,
                MonthStatus::Open => {
                    // Only who has left is billed for an open month.
                    self.record(RecordKey::Account(account));
                    self.state.tariff(month).map(|record| record.tariff.from)
                }
            };
            in_force.map(|from| self.tariff(from)).transpose()?;
        }
        self.corrections(month, account)?;
        for id in statement_ids(entries) {
            for act in self.statement(id)?.payload().acts.clone() {
                match act {
                    Act::Readings(readings) => drop(self.record(RecordKey::Binding(readings.binding))),
                    // What was accepted stands in the seller's statement.
                    Act::Accept(accept) => drop(self.statement(accept.offer.statement)?),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// A tariff and the statement that made it.
    fn tariff(&mut self, from: Month) -> Result<(), BundleError> {
        if let Some(Record::Tariff(tariff)) = self.record(RecordKey::Tariff(from)) {
            self.statement(tariff.statement)?;
        }
        Ok(())
    }

    /// The tariffs of the months that the sheet corrects, and on a tenancy ledger the utility's bills that cover them.
    fn corrections(&mut self, month: Month, account: AccountId) -> Result<(), BundleError> {
        let corrections = self.state.sheet(month, &account).map(|sheet| sheet.corrections.clone()).unwrap_or_default();
        for correction in corrections {
            self.tariff(correction.tariff)?;
            if let Some((from, until)) = self.state.genesis().month_span(correction.of) {
                self.utilities(from, until)?;
            }
        }
        Ok(())
    }

    fn utilities(&mut self, from: Timestamp, until: Timestamp) -> Result<(), BundleError> {
        let touching: Vec<Timestamp> = self.state.utilities(from, until).map(|record| record.utility.from).collect();
        for from in touching {
            if let Some(Record::Utility(utility)) = self.record(RecordKey::Utility(from)) {
                self.statement(utility.statement)?;
            }
        }
        Ok(())
    }

    /// The frames that show each meter's counters at the month's ends: the last frame before the month (or the first
    /// ever), and the last one in it; and both sides of every break.
    fn frames(&mut self, entries: &[Entry]) -> Result<Vec<FrameEvidence>, BundleError> {
        let mut chains: BTreeMap<_, Vec<(StatementId, Box<Readings>)>> = BTreeMap::new();
        for id in statement_ids(entries) {
            for act in self.statement(id)?.payload().acts.clone() {
                if let Act::Readings(readings) = act {
                    chains.entry(readings.binding).or_default().push((id, readings));
                }
            }
        }
        let mut evidence = Vec::new();
        for chain in chains.values() {
            for (at, (id, readings)) in chain.iter().enumerate() {
                if at == 0 && readings.seq > 0 && readings.broken.is_none() {
                    self.statement(readings.previous)?;
                    evidence.extend(self.frame(readings.previous, true));
                } else if at == 0 || readings.broken.is_some() {
                    evidence.extend(self.frame(*id, false));
                }
                let ends_stretch = chain.get(at + 1).is_none_or(|(_, next)| next.broken.is_some());
                if ends_stretch {
                    evidence.extend(self.frame(*id, true));
                }
            }
        }
        Ok(evidence)
    }

    /// `None` when the attachment was erased or has no frames: the verifier then says so.
    fn frame(&self, statement: StatementId, last: bool) -> Option<FrameEvidence> {
        let attachment = self.source.attachment(&statement)?;
        let ends = attachment.ends?;
        let proof = if last { ends.last } else { ends.first };
        Some(FrameEvidence { statement, last, salt: attachment.salt, proof })
    }

    /// The account of every signer: which key counted at which place in the log.
    fn signers(&mut self) {
        let signers: BTreeSet<AccountId> = self.statements.values().map(|(_, signed)| signed.signer()).collect();
        for signer in signers {
            self.record(RecordKey::Account(signer));
        }
    }
}

/// The statements of a list of entries, each once, in order.
fn statement_ids(entries: &[Entry]) -> Vec<StatementId> {
    let mut known = BTreeSet::new();
    let acts = entries.iter().filter_map(|entry| if let Entry::Act(id, _) = entry { Some(*id) } else { None });
    acts.filter(|id| known.insert(*id)).collect()
}

/// What the frame says: `Err` names why it does not read. Meter models are not known here, so whoever verifies hands in
/// how the frames of a profile are read.
pub type FrameReader<'a> = &'a dyn Fn(&str, &Frame) -> Result<units::Energy, String>;
