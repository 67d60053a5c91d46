//! What leaves the node as files that prove themselves, and how those are read back: bills, and the sources that audits
//! compare with. Only what is final is exported; what is not yet is asked for again for a moment.

use gateway::audit::{Committed, LedgerSource};
use ledger::act::{Act, ActId};
use ledger::attachment::Frame;
use ledger::{Block, SignedStatement, TransparentStatement};
use meter::{Exchange, Profile};
use node::record::{LogName, Record};
use node::store::{Folder, Store, StoreError};
use node::{NodeError, NodeHandle};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};
use units::{AccountId, Energy, Height, Month, StatementId};

/// How long is waited for the newest block to become final: the log key signs within milliseconds, or when the blocks that
/// must follow have come.
const FINAL_WITHIN: Duration = Duration::from_secs(3);
/// How often it is looked whether it is.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The bundle of the bill that an account has for a span that begins with a month.
///
/// # Errors
/// When the month is outside the ledger's calendar, or there is no such bill in the final ledger.
pub(crate) fn bill_bundle(node: &NodeHandle, account: AccountId, month: Month) -> Result<Vec<u8>, NodeError> {
    let start = node.with_state(move |state| {
        let (start, _) = state.genesis().month_span(month)?;
        Some(ledger::bill::start_of(state, account, month).unwrap_or(start))
    })?;
    let from = start.ok_or_else(|| NodeError::NotFound(format!("month {month} in the ledger's calendar")))?;
    when_final(node, || node.bill_bundle(account, from))
}

/// The bundle of a claim.
///
/// # Errors
/// When there is no such claim in the final ledger.
pub(crate) fn claim_bundle(node: &NodeHandle, claim: ActId) -> Result<Vec<u8>, NodeError> {
    when_final(node, || node.claim_bundle(claim))
}

/// The whole ledger.
///
/// # Errors
/// When nothing is final, or the store fails.
pub(crate) fn ledger(node: &NodeHandle) -> Result<Vec<u8>, NodeError> {
    when_final(node, || node.ledger_export())
}

/// Asks again while what is not there yet may be in a block that is not final yet.
fn when_final<T>(node: &NodeHandle, ask: impl Fn() -> Result<T, NodeError>) -> Result<T, NodeError> {
    let started = Instant::now();
    loop {
        let status = node.status()?;
        match ask() {
            Err(NodeError::Bundle(_) | NodeError::NothingFinal | NodeError::FinalTooOld)
                if status.final_height < status.height && started.elapsed() < FINAL_WITHIN =>
            {
                std::thread::sleep(LOOK_EVERY);
            }
            answer => return answer,
        }
    }
}

/// What a raw frame's import counter says, read through the profile that reads it live.
///
/// # Errors
/// Why the frame does not read, in words.
pub(crate) fn read_frame(profile: &str, frame: &Frame) -> Result<Energy, String> {
    let profile = Profile::shipped(profile).ok_or_else(|| format!("the meter model `{profile}` is not known"))?;
    let exchange = |exchange: &ledger::attachment::Exchange| Exchange {
        request: exchange.request.clone(),
        response: exchange.response.clone(),
    };
    let exchanges: Vec<Exchange> = frame.exchanges.iter().map(exchange).collect();
    let address = profile.address_in(&exchanges).ok_or("the frame names no meter")?;
    let reading = profile.reading(address, &exchanges).map_err(|error| error.to_string())?;
    reading.energy_import().ok_or_else(|| "the frame holds no energy counter".to_owned())
}

/// Final statements of a running node, for the audit of a gateway's database.
pub(crate) struct NodeSource<'a>(pub(crate) &'a NodeHandle);

impl LedgerSource for NodeSource<'_> {
    fn committed(&self, id: &StatementId) -> Result<Option<Committed>, String> {
        let bytes = match self.0.transparent_statement(*id) {
            Ok(bytes) => bytes,
            Err(NodeError::NotFound(_) | NodeError::NotFinal(_) | NodeError::NothingFinal) => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        let transparent = TransparentStatement::from_bytes(&bytes).map_err(|error| error.to_string())?;
        let attachment = match self.0.attachment(*id) {
            Ok(bytes) => Some(bytes),
            Err(NodeError::NotFound(_)) => None,
            Err(error) => return Err(error.to_string()),
        };
        Ok(Some(Committed { statement: transparent.statement, attachment }))
    }
}

/// Statements of a node's folder that nobody runs on, for the same.
pub(crate) struct FolderSource {
    store: RefCell<Store>,
    /// Where each statement is: its block and its place in it.
    places: BTreeMap<StatementId, (u64, usize)>,
    /// Those of switched loads.
    switchings: Vec<StatementId>,
}

impl FolderSource {
    /// Of all blocks up to `height`, which the caller has checked.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub(crate) fn open(folder: &Path, height: Height) -> Result<Self, StoreError> {
        let mut store = Store::open_for_reading(Box::new(Folder::open_for_reading(folder)))?;
        let (mut places, mut switchings) = (BTreeMap::new(), Vec::new());
        store.replay(LogName::Blocks, |record| {
            if let Record::Block(bytes) = record
                && let Ok(block) = Block::from_bytes(&bytes)
                && block.header.height <= height
            {
                let number = block.header.height.number();
                switchings.extend(
                    block.statements.iter().filter(|statement| is_switching(statement)).map(SignedStatement::id),
                );
                places.extend((0..).zip(&block.statements).map(|(at, statement)| (statement.id(), (number, at))));
            }
            Ok::<(), StoreError>(())
        })?;
        Ok(Self { store: RefCell::new(store), places, switchings })
    }

    fn statement(&self, id: &StatementId) -> Result<Option<SignedStatement>, StoreError> {
        let Some((height, at)) = self.places.get(id) else { return Ok(None) };
        let block = self.store.borrow_mut().block(*height)?.and_then(|bytes| Block::from_bytes(&bytes).ok());
        Ok(block.and_then(|block| block.statements.into_iter().nth(*at)))
    }
}

fn is_switching(statement: &SignedStatement) -> bool {
    statement.payload().acts.iter().any(|act| matches!(act, Act::Control(_)))
}

impl LedgerSource for FolderSource {
    fn committed(&self, id: &StatementId) -> Result<Option<Committed>, String> {
        let Some(statement) = self.statement(id).map_err(|error| error.to_string())? else { return Ok(None) };
        let attachment = self.store.borrow_mut().attachment(id).map_err(|error| error.to_string())?;
        Ok(Some(Committed { statement, attachment }))
    }

    fn switchings(&self) -> Result<Vec<StatementId>, String> {
        Ok(self.switchings.clone())
    }
}
