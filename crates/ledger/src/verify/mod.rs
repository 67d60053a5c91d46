//! Offline verification in layers, origin first. Each finding says what was checked and, if it failed, why.
//!
//! Invariant: nothing in a file is taken for true because the file says so. What cannot be checked with the file and the
//! trusted genesis document alone is reported as unknown, never as passed.

mod bands;
mod bill;
mod chain;
mod claim;
mod export;
mod named;
mod proven;
mod statement;

pub use export::{ExportError, LedgerExport};

use crate::bundle::{BillBundle, ClaimBundle, FrameReader};
use crate::{Checkpoint, Genesis};
use units::LedgerId;

/// What is checked, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// Which ledger it is of, and whether that is the trusted one.
    Origin,
    /// One encoding, all fields understood.
    Structure,
    /// Every signature.
    Signatures,
    /// Every statement is in the log.
    Inclusion,
    /// The log is final: signed by the log key.
    Finality,
    /// The meters' intervals continue each other without a hole.
    MeterSequence,
    /// The counters are what the meters' own bytes say.
    RawFrames,
    /// Every sum and every amount, computed again.
    Arithmetic,
    /// The price is that of the tariff in force.
    Tariff,
}

impl Layer {
    /// Its name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Origin => "origin",
            Self::Structure => "structure",
            Self::Signatures => "signatures",
            Self::Inclusion => "inclusion",
            Self::Finality => "finality",
            Self::MeterSequence => "meter_sequence",
            Self::RawFrames => "raw_frames",
            Self::Arithmetic => "arithmetic",
            Self::Tariff => "tariff",
        }
    }
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Checked and right.
    Passed,
    /// Could not be checked with what there is.
    Unknown,
    /// Checked and wrong.
    Failed,
}

impl Outcome {
    /// Its name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Unknown => "unknown",
            Self::Failed => "failed",
        }
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was checked.
    pub layer: Layer,
    /// How it ended.
    pub outcome: Outcome,
    /// In words.
    pub detail: String,
}

/// What a file was understood to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A bill with its evidence.
    BillBundle,
    /// A claim with its evidence.
    ClaimBundle,
    /// A statement with its receipts.
    TransparentStatement,
    /// A whole ledger.
    LedgerExport,
    /// A checkpoint.
    Checkpoint,
    /// A genesis document.
    Genesis,
    /// Nothing that this program knows.
    Unknown,
}

impl Kind {
    /// Its name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BillBundle => "bill_bundle",
            Self::ClaimBundle => "claim_bundle",
            Self::TransparentStatement => "transparent_statement",
            Self::LedgerExport => "ledger_export",
            Self::Checkpoint => "checkpoint",
            Self::Genesis => "genesis",
            Self::Unknown => "unknown",
        }
    }
}

/// The findings together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Everything checked, of the trusted ledger.
    Verified,
    /// Consistent in itself, but nobody said which ledger to trust.
    OriginUnknown,
    /// Something is wrong.
    Failed,
}

impl Verdict {
    /// Its name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::OriginUnknown => "origin_unknown",
            Self::Failed => "failed",
        }
    }
}

/// Everything found about a file, by layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What the file was understood to be.
    pub kind: Kind,
    /// The ledger that it says it is of.
    pub ledger: Option<LedgerId>,
    /// In the order of layers.
    pub findings: Vec<Finding>,
}

impl Report {
    const fn new(kind: Kind) -> Self {
        Self { kind, ledger: None, findings: Vec::new() }
    }

    fn add(&mut self, layer: Layer, outcome: Outcome, detail: impl Into<String>) {
        self.findings.push(Finding { layer, outcome, detail: detail.into() });
    }

    fn check(&mut self, layer: Layer, result: Result<String, String>) {
        match result {
            Ok(detail) => self.add(layer, Outcome::Passed, detail),
            Err(reason) => self.add(layer, Outcome::Failed, reason),
        }
    }

    fn failed(kind: Kind, layer: Layer, reason: impl Into<String>) -> Self {
        let mut report = Self::new(kind);
        report.add(layer, Outcome::Failed, reason);
        report
    }

    /// Compares the ledger with the trusted one.
    fn origin(&mut self, ledger: LedgerId, trust: Option<&Genesis>) {
        self.ledger = Some(ledger);
        match trust.map(Genesis::ledger) {
            None => self.add(
                Layer::Origin,
                Outcome::Unknown,
                format!("origin unknown: of ledger {ledger}; give the genesis document that you trust with --trust"),
            ),
            Some(trusted) if trusted == ledger => {
                self.add(Layer::Origin, Outcome::Passed, format!("of the trusted ledger {ledger}"));
            }
            Some(trusted) => self.add(
                Layer::Origin,
                Outcome::Failed,
                format!("of ledger {ledger}, but the trusted one is {trusted}"),
            ),
        }
    }

    /// All findings together.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let worst = |layer: Option<Layer>| {
            let of_layer = self.findings.iter().filter(|finding| layer.is_none_or(|layer| finding.layer == layer));
            of_layer.map(|finding| finding.outcome).max()
        };
        match (worst(None), worst(Some(Layer::Origin))) {
            (Some(Outcome::Failed) | None, _) => Verdict::Failed,
            (_, Some(Outcome::Passed)) => Verdict::Verified,
            _ => Verdict::OriginUnknown,
        }
    }
}

/// Verifies a file of any kind that this program writes. `trust` is the genesis document of the ledger that the caller
/// trusts; `frames` reads a meter's raw frames.
#[must_use]
pub fn verify(bytes: &[u8], trust: Option<&Genesis>, frames: FrameReader<'_>) -> Report {
    if BillBundle::is_bundle(bytes) {
        return bill::verify(bytes, trust, frames);
    }
    if ClaimBundle::is_bundle(bytes) {
        return claim::verify(bytes, trust);
    }
    if LedgerExport::is_export(bytes) {
        return export::verify(bytes, trust);
    }
    if bytes.first() == Some(&TAG_COSE_SIGN1) {
        return statement::verify(bytes, trust);
    }
    if let Ok(genesis) = Genesis::from_bytes(bytes) {
        let mut report = Report::new(Kind::Genesis);
        report.origin(genesis.ledger(), trust);
        report.add(Layer::Structure, Outcome::Passed, format!("the genesis document of `{}`", genesis.name));
        return report;
    }
    match std::str::from_utf8(bytes) {
        Ok(note) if note.starts_with("wattproof/") => checkpoint(note, trust),
        _ => Report::failed(
            Kind::Unknown,
            Layer::Structure,
            "neither a statement, a bundle of a bill or a claim, a checkpoint, a genesis document nor a ledger export",
        ),
    }
}

/// First byte of a tagged COSE_Sign1 (RFC 9052 4.2): tag 18.
const TAG_COSE_SIGN1: u8 = 0xd2;

fn checkpoint(note: &str, trust: Option<&Genesis>) -> Report {
    let mut report = Report::new(Kind::Checkpoint);
    let Some(genesis) = trust else {
        report.add(
            Layer::Origin,
            Outcome::Unknown,
            "origin unknown: a checkpoint is checked against a genesis document",
        );
        report.add(Layer::Finality, Outcome::Unknown, "the log key is not known without it");
        return report;
    };
    report.origin(genesis.ledger(), trust);
    let opened = Checkpoint::open(note, &genesis.log_key).map_err(|error| error.to_string());
    let named = opened.and_then(|checkpoint| {
        if checkpoint.ledger == genesis.ledger() {
            Ok(format!("{} statements, block {} {}", checkpoint.size, checkpoint.height, checkpoint.block))
        } else {
            Err(format!("it is of ledger {}", checkpoint.ledger))
        }
    });
    report.check(Layer::Finality, named);
    report
}
