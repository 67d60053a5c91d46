//! A repair by hand, while no node runs: the files, then whatever an audit names, then the computed rows.

use super::{KEPT_MARK, RepairError, Source, Suspects, Task, repair_as};
use crate::audit::{AuditError, Inspection, Manner, inspect};
use crate::scrub::finding_of_row;
use crate::shell::TABLES_FILE;
use crate::store::{Folder, FolderError};
use crate::tables::{Tables, TablesError};
use crate::threads::Threads;
use api::{Finding, Repaired};
use std::path::Path;
use units::Timestamp;

/// Audits of one repair: each names the first block that is still wrong, so more mean that nothing gets better.
const ROUNDS_MAX: usize = 64;

/// Why a folder cannot be repaired.
#[derive(Debug, thiserror::Error)]
pub enum FolderRepairError {
    /// A node runs on it, or it cannot be opened.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Its files cannot be repaired.
    #[error(transparent)]
    Repair(#[from] RepairError),
    /// It cannot be audited.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The computed rows cannot be written.
    #[error(transparent)]
    Tables(#[from] TablesError),
}

/// Repairs a folder from a peer, and what follows from the blocks from them. Gives what was found, in order.
///
/// # Errors
/// When a node runs on the folder, or it cannot be read or written. What was repaired until then stays so.
pub fn repair_folder(
    folder: &Path,
    now: Timestamp,
    source: &mut dyn Source,
) -> Result<Vec<Finding>, FolderRepairError> {
    let mut disk = Folder::open(folder)?;
    let (mut found, mut suspects) = (Vec::new(), Suspects::default());
    for _ in 0..ROUNDS_MAX {
        let task = Task { now, suspects: &suspects, end: None, mark: KEPT_MARK, may_cut: true };
        found.extend(repair_as(&mut disk, &task, source)?);
        let manner = Manner { jobs: &Threads::all(), goes_on: &|| true };
        let Some(inspection) = inspect(folder, &manner)? else { break };
        let named = inspection.report.suspects();
        if named.is_empty() || named == suspects {
            found.extend(rows(folder, now, &inspection)?);
            break;
        }
        suspects = named;
    }
    Ok(found)
}

fn rows(folder: &Path, now: Timestamp, inspection: &Inspection) -> Result<Vec<Finding>, FolderRepairError> {
    if inspection.corrections.is_empty() || inspection.rows_up_to.is_none() {
        return Ok(Vec::new());
    }
    let genesis = crate::shell::read_genesis(folder).map_err(AuditError::from)?;
    Tables::open(&folder.join(TABLES_FILE), genesis.ledger())?.correct(&inspection.corrections)?;
    let repaired = Some(Repaired { time_ms: now, from: "the blocks".to_owned() });
    let wrong = inspection.corrections.iter().map(|correction| &correction.difference);
    Ok(wrong.map(|wrong| Finding { repaired: repaired.clone(), ..finding_of_row(wrong, now) }).collect())
}
