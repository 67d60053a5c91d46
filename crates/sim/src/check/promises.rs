//! What was promised against what is there.

use super::Violation;
use std::collections::{BTreeMap, BTreeSet};
use units::{BlockHash, Height, MeterId, StatementId, Timestamp};

/// Everything acknowledged is known to the node: in its pool or in its chain.
///
/// # Errors
/// With the first that is not.
pub fn nothing_acknowledged_is_lost<'a>(
    acknowledged: impl IntoIterator<Item = &'a StatementId>,
    is_known: impl Fn(&StatementId) -> bool,
) -> Result<(), Violation> {
    match acknowledged.into_iter().find(|id| !is_known(id)) {
        Some(lost) => Err(Violation::AcknowledgedLost(*lost)),
        None => Ok(()),
    }
}

/// Every reading whose storing was acknowledged is stored.
///
/// # Errors
/// With the first that is not.
pub fn nothing_stored_is_lost<'a>(
    acknowledged: impl IntoIterator<Item = &'a (MeterId, Timestamp)>,
    is_stored: impl Fn(&(MeterId, Timestamp)) -> bool,
) -> Result<(), Violation> {
    match acknowledged.into_iter().find(|reading| !is_stored(reading)) {
        Some((meter, time)) => Err(Violation::StoredReadingLost { meter: meter.clone(), time: *time }),
        None => Ok(()),
    }
}

/// What was final once is final for ever, as the same block.
///
/// # Errors
/// With the first height that has another block, or none.
pub fn final_stays_final<'a>(
    finals: impl IntoIterator<Item = (&'a Height, &'a BlockHash)>,
    hash_at: impl Fn(Height) -> Option<BlockHash>,
) -> Result<(), Violation> {
    for (height, was) in finals {
        let is = hash_at(*height);
        if is != Some(*was) {
            return Err(Violation::FinalChanged { height: *height, was: *was, is });
        }
    }
    Ok(())
}

/// A block that becomes final on one node is what is final at its height on every other.
///
/// # Errors
/// When another block is.
pub fn finals_agree(finals: &BTreeMap<Height, BlockHash>, height: Height, hash: BlockHash) -> Result<(), Violation> {
    match finals.get(&height) {
        Some(one) if *one != hash => Err(Violation::FinalForked { height, one: *one, other: hash }),
        _ => Ok(()),
    }
}

/// A checkpoint that a node shows is of a block of its own chain.
///
/// # Errors
/// When it is not.
pub fn anchor_on_chain(height: Height, signed: BlockHash, found: Option<BlockHash>) -> Result<(), Violation> {
    if found == Some(signed) { Ok(()) } else { Err(Violation::AnchorOffChain { height, signed, found }) }
}

/// What somebody was told to be final stands in a final block, at the place that was named. `log_index` is its place in
/// the final block of that height; `None` when that block does not hold it or is not final.
///
/// # Errors
/// When it does not.
pub fn told_final_is_final(statement: StatementId, said: u64, log_index: Option<u64>) -> Result<(), Violation> {
    let false_receipt = |reason| Err(Violation::FalseReceipt { statement, reason });
    match log_index {
        Some(found) if found == said => Ok(()),
        Some(found) => false_receipt(format!("its number in the log is {found} and not {said}")),
        None => false_receipt("the final block of that height does not hold it, or there is none".to_owned()),
    }
}

/// None of a block's statements is in the chain before it, or in the block twice.
///
/// # Errors
/// With the first that is.
pub fn booked_once(committed: &BTreeSet<StatementId>, block: &[StatementId]) -> Result<(), Violation> {
    let mut within = BTreeSet::new();
    match block.iter().find(|id| committed.contains(id) || !within.insert(**id)) {
        Some(twice) => Err(Violation::BookedTwice(*twice)),
        None => Ok(()),
    }
}

/// Of statements that sell the same energy at most one is in the chain, and whoever made the others was told why not.
///
/// # Errors
/// When two are, or nobody was told.
pub fn sold_once(
    sales: &[StatementId],
    is_committed: impl Fn(&StatementId) -> bool,
    is_told: impl Fn(&StatementId) -> bool,
) -> Result<(), Violation> {
    let mut committed = sales.iter().filter(|id| is_committed(id));
    if let (Some(one), Some(other)) = (committed.next(), committed.next()) {
        return Err(Violation::SoldTwice(*one, *other));
    }
    match sales.iter().find(|id| !is_committed(id) && !is_told(id)) {
        Some(untold) => Err(Violation::NotTold(*untold)),
        None => Ok(()),
    }
}

/// A node that keeps the rules is never taken for one that lies, whatever its line, its clock and its crashes make of what
/// it says.
///
/// # Errors
/// When it is.
pub fn honest_not_banned(node: usize, peer: usize, is_honest: bool, reason: &str) -> Result<(), Violation> {
    if is_honest { Err(Violation::HonestBanned { node, peer, reason: reason.to_owned() }) } else { Ok(()) }
}
