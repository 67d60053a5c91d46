//! A whole ledger in one file: a CBOR sequence (RFC 8742) of a marker, the genesis document, every block up to the final
//! one, and the checkpoint that covers them. Checked by replaying it through the one path that nodes use.

use super::{Kind, Layer, Outcome, Report};
use crate::{Block, Checkpoint, Genesis, State};
use minicbor::{Decoder, Encoder, data::Type};

/// First item of an export.
const MAGIC: &str = "wattproof ledger 1";

/// A ledger's items, borrowed from the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerExport<'a> {
    /// The genesis document.
    pub genesis: &'a [u8],
    /// Wire forms of all blocks from height 1 on.
    pub blocks: Vec<&'a [u8]>,
    /// The newest checkpoint.
    pub checkpoint: &'a str,
}

/// Why a file is no ledger export.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a ledger export: {0}")]
pub struct ExportError(String);

impl<'a> LedgerExport<'a> {
    /// The file's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes);
        let mut write = || {
            encoder.str(MAGIC)?.bytes(self.genesis)?;
            for block in &self.blocks {
                encoder.bytes(block)?;
            }
            encoder.str(self.checkpoint)?.ok()
        };
        match write() {
            Ok(()) => bytes,
            Err(error) => unreachable!("encoding into memory failed: {error}"),
        }
    }

    /// Whether a file claims to be an export.
    #[must_use]
    pub fn is_export(bytes: &[u8]) -> bool {
        Decoder::new(bytes).str().is_ok_and(|magic| magic == MAGIC)
    }

    /// Reads a file. Blocks are not decoded yet.
    ///
    /// # Errors
    /// When it is not the one encoding of an export.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, ExportError> {
        let read = |decoder: &mut Decoder<'a>| -> Result<Self, minicbor::decode::Error> {
            decoder.str()?;
            let genesis = decoder.bytes()?;
            let mut blocks = Vec::new();
            while decoder.datatype()? == Type::Bytes {
                blocks.push(decoder.bytes()?);
            }
            Ok(Self { genesis, blocks, checkpoint: decoder.str()? })
        };
        let mut decoder = Decoder::new(bytes);
        let export = read(&mut decoder).map_err(|error| ExportError(error.to_string()))?;
        if export.to_bytes() != bytes {
            return Err(ExportError("bytes after the end, or another encoding".to_owned()));
        }
        Ok(export)
    }

    /// Replays the blocks through the one checking path.
    ///
    /// # Errors
    /// Names the block and what is wrong with it.
    pub fn replay(&self) -> Result<State, String> {
        let genesis = Genesis::from_bytes(self.genesis).map_err(|error| error.to_string())?;
        let mut state = State::new(genesis).map_err(|error| error.to_string())?;
        for (height, bytes) in (1u64..).zip(&self.blocks) {
            let wrong = |error: &dyn std::fmt::Display| format!("block {height}: {error}");
            let block = Block::from_bytes(bytes).map_err(|error| wrong(&error))?;
            let checked = block
                .check(state.genesis(), state.head(), state.log(), state.next_difficulty(), &|id| state.key_of(id))
                .map_err(|error| wrong(&error))?;
            state.apply(&checked).map_err(|error| wrong(&error))?;
        }
        Ok(state)
    }
}

pub(super) fn verify(bytes: &[u8], trust: Option<&Genesis>) -> Report {
    let export = match LedgerExport::from_bytes(bytes) {
        Ok(export) => export,
        Err(error) => return Report::failed(Kind::LedgerExport, Layer::Structure, error.to_string()),
    };
    let mut report = Report::new(Kind::LedgerExport);
    let state = match export.replay() {
        Ok(state) => state,
        Err(reason) => return Report::failed(Kind::LedgerExport, Layer::Structure, reason),
    };
    report.origin(state.ledger(), trust);
    let (blocks, statements) = (export.blocks.len(), state.log().size());
    report.add(Layer::Structure, Outcome::Passed, format!("{blocks} blocks, each follows from the one before"));
    report.add(Layer::Signatures, Outcome::Passed, format!("{statements} statements, every signature and every seal"));
    report.check(Layer::Finality, finality(&state, export.checkpoint));
    let balances = state.check_balances().map_err(|error| error.to_string());
    report.check(Layer::Arithmetic, balances.map(|()| format!("all months balance; state root {}", state.root())));
    report
}

/// The checkpoint must be the log key's and name exactly the last block.
fn finality(state: &State, note: &str) -> Result<String, String> {
    let checkpoint = Checkpoint::open(note, &state.genesis().log_key).map_err(|error| error.to_string())?;
    if checkpoint == Checkpoint::for_header(state.head()) {
        Ok(format!("the log key signed block {} {}", checkpoint.height, checkpoint.block))
    } else {
        Err(format!("the checkpoint names block {} {}, not the last one", checkpoint.height, checkpoint.block))
    }
}
