//! The log of blocks, filled from a peer: each block by the hash that the one after it names, so that nothing the peer
//! says about its chain is believed.

use super::log::{Fill, Log, Place, framed};
use super::{RepairError, Source};
use crate::record::Record;
use consensus::peer::{Answer, Ask};
use ledger::{Block, Checkpoint, Genesis, Header, State};
use std::collections::{BTreeMap, BTreeSet};
use units::{BlockHash, Height};

/// The block that a chain must end with, or have reached.
pub(super) type End = (Height, BlockHash);

/// Kind number of the genesis document's record.
const GENESIS_KIND: u8 = 1;

/// What is known of the chain while its log is gone through.
pub(super) struct Chain {
    genesis: Genesis,
    /// Hash of every block of the chain as it stood at a place of the log, by height.
    hashes: Vec<BlockHash>,
}

/// What came of a damaged piece.
pub(super) enum Filled {
    /// These blocks belong there, or nothing any more.
    Whole(Fill, usize),
    /// The peer does not have what belongs there: the log can only go on from here with these records.
    Missing {
        /// What the peer lacks.
        what: String,
        /// Nothing, or the genesis document.
        fill: Fill,
    },
}

impl Chain {
    fn begin(genesis: Genesis) -> Result<Self, RepairError> {
        let state = State::new(genesis.clone()).map_err(|error| RepairError::Genesis(error.to_string()))?;
        Ok(Self { genesis, hashes: vec![state.head().hash()] })
    }

    fn tip(&self) -> BlockHash {
        self.hashes.last().copied().unwrap_or_else(|| BlockHash::from_bytes([0; 32]))
    }

    fn height(&self) -> u64 {
        u64::try_from(self.hashes.len()).unwrap_or(u64::MAX).saturating_sub(1)
    }

    fn rewind(&mut self, height: u64) {
        self.hashes.truncate(usize::try_from(height).unwrap_or(usize::MAX).saturating_add(1));
    }

    fn take(&mut self, record: &Record) {
        match record {
            Record::Block(bytes) => self.hashes.extend(header_of(bytes).map(|header| header.hash())),
            Record::Rewound(height) => self.rewind(height.number()),
            _ => {}
        }
    }
}

fn header_of(bytes: &[u8]) -> Option<Header> {
    Block::header_of(bytes)
}

/// The genesis document: the log's own, or the peer's when it founds the ledger that the blocks belong to.
pub(super) fn genesis(log: &mut Log, source: &mut dyn Source) -> Result<Genesis, RepairError> {
    let (mut own, mut ledger) = (None, None);
    for (_, kind, payload) in log.whole() {
        match Record::read(kind, payload) {
            Ok(Record::Genesis(bytes)) => own = Some(Genesis::from_bytes(&bytes)),
            Ok(Record::Block(bytes)) => ledger = header_of(&bytes).map(|header| header.ledger),
            _ => {}
        }
        if ledger.is_some() {
            break;
        }
    }
    match own {
        Some(Ok(own)) if ledger.is_none_or(|ledger| ledger == own.ledger()) => return Ok(own),
        // Rewritten: the blocks belong to another one.
        Some(_) => log.doubt(&[(0, 0)]),
        None => {}
    }
    let theirs = source.genesis().and_then(|bytes| Genesis::from_bytes(&bytes).ok());
    let theirs = theirs.ok_or_else(|| RepairError::Genesis("the peer has none".to_owned()))?;
    // Without a block nothing here says which ledger it was.
    if ledger == Some(theirs.ledger()) {
        Ok(theirs)
    } else {
        Err(RepairError::Genesis("the peer keeps another ledger".to_owned()))
    }
}

/// Whether the log, whole as it is, ends before the block that the log key signed last.
pub(super) fn is_short(log: &Log, genesis: &Genesis, end: Option<End>) -> Result<bool, RepairError> {
    let Some((end, _)) = end else { return Ok(false) };
    let mut chain = Chain::begin(genesis.clone())?;
    log.whole()
        .filter_map(|(_, kind, payload)| Record::read(kind, payload).ok())
        .for_each(|record| chain.take(&record));
    Ok(chain.height() < end.number())
}

/// Blocks that are whole and yet not those of the chain: the one above names another hash, or `end` does, or an audit
/// named them.
pub(super) fn wrong(log: &Log, end: Option<End>, suspects: &BTreeSet<Height>) -> Vec<Place> {
    let mut chain: BTreeMap<Height, (Place, Header)> = BTreeMap::new();
    for (at, kind, payload) in log.whole() {
        match Record::read(kind, payload) {
            Ok(Record::Block(bytes)) => {
                chain.extend(header_of(&bytes).map(|header| (header.height, (at, header))));
            }
            Ok(Record::Rewound(height)) => drop(chain.split_off(&height.next())),
            _ => {}
        }
    }
    let mut wrong = Vec::new();
    // What the block above names as its parent.
    let mut parent: Option<(Height, BlockHash)> = None;
    for (height, (at, header)) in chain.iter().rev() {
        let named = [end, parent].into_iter().flatten().find(|(named, _)| named == height);
        let is_wrong = suspects.contains(height) || named.is_some_and(|(_, hash)| hash != header.hash());
        wrong.extend(is_wrong.then_some(*at));
        let below = height.number().checked_sub(1).map(Height::from_number).filter(|_| !is_wrong);
        parent = below.map(|below| (below, header.previous));
    }
    wrong
}

/// Fills every damaged piece of the log, or says what is missing.
pub(super) fn fill(
    log: &Log,
    genesis: &Genesis,
    end: Option<End>,
    anchors: &[Checkpoint],
    source: &mut dyn Source,
) -> Result<Vec<(Place, Filled)>, RepairError> {
    let mut chain = Chain::begin(genesis.clone())?;
    let records: Vec<_> =
        log.whole().filter_map(|(at, kind, payload)| Some((at, Record::read(kind, payload).ok()?))).collect();
    let mut filled = Vec::new();
    let mut next = records.iter().peekable();
    for gap in log.damaged() {
        while let Some((_, record)) = next.next_if(|(at, _)| *at < gap) {
            chain.take(record);
        }
        let behind = next.clone().find_map(|(_, record)| match record {
            Record::Block(bytes) => header_of(bytes),
            _ => None,
        });
        let result = match behind {
            Some(header) => chain.fill_before(gap, &header, source)?,
            None => chain.fill_up_to(gap, end, source)?,
        };
        let result = chain.leave_unsigned(result, anchors)?;
        let result = if gap == (0, 0) { with_genesis(result, &chain.genesis)? } else { result };
        let is_missing = matches!(result, Filled::Missing { .. });
        filled.push((gap, result));
        if is_missing {
            break;
        }
    }
    Ok(filled)
}

/// The log begins with the genesis document, whatever else was damaged with it.
fn with_genesis(mut filled: Filled, genesis: &Genesis) -> Result<Filled, RepairError> {
    let (Filled::Whole(fill, _) | Filled::Missing { fill, .. }) = &mut filled;
    fill.records = [framed(GENESIS_KIND, &genesis.to_bytes())?, std::mem::take(&mut fill.records)].concat();
    Ok(filled)
}

impl Chain {
    /// Where the log has to end, it may end in a branch that the chain had left: what leads away from it was damaged. From
    /// the first block on that is another than the log key signed, that branch is left again.
    fn leave_unsigned(&mut self, mut filled: Filled, anchors: &[Checkpoint]) -> Result<Filled, RepairError> {
        let Filled::Missing { fill, .. } = &mut filled else { return Ok(filled) };
        let within = anchors.iter().filter(|anchor| anchor.height.number() <= self.height());
        if let Some(first) = within
            .into_iter()
            .find(|anchor| !self.holds(&(anchor.height, anchor.block)))
            .map(|anchor| anchor.height.number())
        {
            let mark = Record::Rewound(Height::from_number(first.saturating_sub(1)));
            fill.records.extend(framed(mark.kind(), &mark.payload())?);
            self.rewind(first.saturating_sub(1));
        }
        Ok(filled)
    }
}

fn missing(at: Place, what: String) -> Filled {
    Filled::Missing { what, fill: Fill { at, records: Vec::new() } }
}

impl Chain {
    /// The blocks between the chain and a block of it that is whole.
    fn fill_before(&mut self, at: Place, behind: &Header, source: &mut dyn Source) -> Result<Filled, RepairError> {
        let mut fetched: Vec<(BlockHash, Vec<u8>)> = Vec::new();
        let (mut wanted, mut height) = (behind.previous, behind.height.number().saturating_sub(1));
        let fork = loop {
            let known = usize::try_from(height).ok().and_then(|height| self.hashes.get(height));
            if known == Some(&wanted) {
                break height;
            }
            let Some((header, bytes)) = fetch(wanted, source).filter(|_| height > 0) else {
                return Ok(missing(at, format!("block {height}, {wanted}")));
            };
            fetched.push((wanted, bytes));
            (wanted, height) = (header.previous, height - 1);
        };
        let mut records = Vec::new();
        if fork < self.height() {
            self.rewind(fork);
            let mark = Record::Rewound(Height::from_number(fork));
            records.extend(framed(mark.kind(), &mark.payload())?);
        }
        let count = fetched.len();
        for (hash, bytes) in fetched.into_iter().rev() {
            records.extend(framed(Record::BLOCK_KIND, &bytes)?);
            self.hashes.push(hash);
        }
        Ok(Filled::Whole(Fill { at, records }, count))
    }

    /// The blocks behind the chain up to the one that it must reach: the log key signed it last, or a node that runs ends
    /// with it. What comes behind it a node fetches when it runs.
    fn fill_up_to(&mut self, at: Place, end: Option<End>, source: &mut dyn Source) -> Result<Filled, RepairError> {
        let mut records = Vec::new();
        let mut count = 0;
        let last = end.map_or(0, |(height, _)| height.number());
        while self.height() < last {
            let locator = [self.tip()].into_iter().chain(self.hashes.first().copied()).collect();
            let Answer::Headers(headers) = source.ask(&Ask::Headers { locator }) else { break };
            let before = self.height();
            for header in headers.iter().filter(|header| header.height.number() <= last) {
                if header.previous != self.tip() {
                    break;
                }
                let Some((_, bytes)) = fetch(header.hash(), source) else { break };
                records.extend(framed(Record::BLOCK_KIND, &bytes)?);
                self.hashes.push(header.hash());
                count += 1;
            }
            if self.height() == before {
                break;
            }
        }
        match end.filter(|end| self.height() < last || (last > 0 && !self.holds(end))) {
            Some((height, hash)) => Ok(missing(at, format!("block {height}, {hash}"))),
            None => Ok(Filled::Whole(Fill { at, records }, count)),
        }
    }

    fn holds(&self, (height, hash): &End) -> bool {
        let height = usize::try_from(height.number()).ok();
        height.and_then(|height| self.hashes.get(height)) == Some(hash)
    }
}

/// A block by its hash. That its statements are those that the header names is found when it is applied.
fn fetch(hash: BlockHash, source: &mut dyn Source) -> Option<(Header, Vec<u8>)> {
    let Answer::Block(bytes) = source.ask(&Ask::Block(hash)) else { return None };
    let block = Block::from_bytes(&bytes).ok()?;
    (block.header.hash() == hash).then_some((block.header, bytes))
}
