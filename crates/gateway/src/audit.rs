//! The readings database against the ledger: every row of a committed interval must say what the signed attachment says,
//! and what its own raw frame says; every row of the journal of loads what its statement says. What does not fit is named
//! by row, meter, time and column.

mod finding;
mod switchings;

use crate::store::{Archive, StoreError, StoredReading};
pub use finding::Finding;
use finding::Shown;
use ledger::act::{Act, Readings};
use ledger::attachment::{Attachment, Row, frame_leaf};
use ledger::log::Log;
use ledger::{Payload, SignedStatement};
use meter::{Exchange, Profile};
use std::collections::{BTreeMap, BTreeSet};
use units::{AccountId, Key, MeterId, Reading, StatementId, Timestamp};

/// Findings in a report; a database that was replaced would otherwise fill the memory with them.
pub const FINDINGS_MAX: usize = 10_000;

/// A committed statement as the ledger has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The statement.
    pub statement: SignedStatement,
    /// Its attachment, unless it was erased.
    pub attachment: Option<Vec<u8>>,
}

/// Where committed statements come from: a node, or a ledger's files.
///
/// Contract: gives only what is in the ledger; the statement's signature and place were checked by whoever provides it.
pub trait LedgerSource {
    /// A statement with its attachment; `None` while it is in no block.
    ///
    /// # Errors
    /// Why the ledger cannot be asked.
    fn committed(&self, statement: &StatementId) -> Result<Option<Committed>, String>;

    /// Every committed statement of a switched load, by which rows that are gone are found; none of a source that has no
    /// list of them.
    ///
    /// # Errors
    /// Why the ledger cannot be asked.
    fn switchings(&self) -> Result<Vec<StatementId>, String> {
        Ok(Vec::new())
    }
}

/// Why an audit could not be made.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The ledger.
    #[error("the ledger cannot be asked: {0}")]
    Ledger(String),
}

/// What an audit found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditReport {
    /// Committed intervals that were compared.
    pub intervals: u64,
    /// Statements that are in no block yet, so that there is nothing to compare.
    pub waiting: u64,
    /// Committed intervals whose attachment was erased; only their raw frames' form was looked at.
    pub erased: u64,
    /// Rows that were compared.
    pub rows: u64,
    /// Committed readings that retention removed, so that nothing is there to compare.
    pub removed: u64,
    /// Rows of the journal of loads that were compared.
    pub switchings: u64,
    /// Whose statements of this database the ledger has.
    pub signers: BTreeSet<AccountId>,
    /// What does not fit, at most [`FINDINGS_MAX`].
    pub findings: Vec<Finding>,
}

/// Audits a gateway's database against the ledger. Calls of the source may block the calling task.
///
/// # Errors
/// When the database or the ledger cannot be read at all; whatever is merely wrong is a finding.
pub async fn audit(
    database_url: &str,
    source: &dyn LedgerSource,
    profiles: &dyn Fn(&str) -> Option<Profile>,
) -> Result<AuditReport, AuditError> {
    let store = Archive::open(database_url).await?;
    let mut report = AuditReport::default();
    let mut known = BTreeMap::new();
    let thinned = store.thinned().await?;
    let is_thinned = |of: &MeterId, time: Timestamp| {
        thinned.iter().any(|(meter, start, end)| meter == of && (*start..*end).contains(&time))
    };
    for statement in store.statements().await? {
        if report.findings.len() >= FINDINGS_MAX {
            break;
        }
        let Some(committed) = source.committed(&statement).map_err(AuditError::Ledger)? else {
            report.waiting += 1;
            continue;
        };
        report.signers.insert(committed.statement.signer());
        let Some((act, attachment)) = trusted(&committed, &statement, &mut report) else { continue };
        let rows = store.readings_of(&statement).await?;
        let mut readable = Vec::new();
        for row in rows {
            match row {
                Ok(row) => readable.push(row),
                Err((row, error)) => {
                    report.findings.push(Finding::Unreadable { table: "readings", row, reason: error.to_string() });
                }
            }
        }
        report.intervals += 1;
        for row in &readable {
            report.rows += 1;
            let name = &row.row.profile;
            let profile = known.entry(name.clone()).or_insert_with(|| profiles(name));
            report.findings.extend(check_frame(row, profile.as_ref()));
        }
        for finding in compare(statement, act, &attachment, &readable) {
            match finding {
                Finding::Missing { meter: Some(meter), time, .. } if is_thinned(&meter, time) => report.removed += 1,
                finding => report.findings.push(finding),
            }
        }
    }
    switchings::audit(&store, source, &mut report).await?;
    report.findings.truncate(FINDINGS_MAX);
    store.close().await;
    Ok(report)
}

/// The act with its attachment, if both are there and fit each other.
fn trusted<'a>(
    committed: &'a Committed,
    statement: &StatementId,
    report: &mut AuditReport,
) -> Option<(&'a Readings, Attachment)> {
    let Payload { acts, .. } = committed.statement.payload();
    let act = acts.iter().find_map(|act| if let Act::Readings(readings) = act { Some(&**readings) } else { None })?;
    let Some(bytes) = &committed.attachment else {
        report.erased += 1;
        return None;
    };
    let checked = Attachment::from_bytes(bytes).and_then(|attachment| {
        attachment.check(act)?;
        Ok(attachment)
    });
    match checked {
        Ok(attachment) if committed.statement.id() == *statement => Some((act, attachment)),
        Ok(_) => {
            let reason = "the ledger gave another statement".to_owned();
            report.findings.push(Finding::Attachment { statement: *statement, reason });
            None
        }
        Err(error) => {
            report.findings.push(Finding::Attachment { statement: *statement, reason: error.to_string() });
            None
        }
    }
}

/// The row's values are those of its own raw frame.
fn check_frame(stored: &StoredReading, profile: Option<&Profile>) -> Vec<Finding> {
    let row = &stored.row;
    let finding = |reason| Finding::Frame { row: stored.id, meter: row.meter.clone(), time: row.time, reason };
    let Some(profile) = profile else { return vec![finding(format!("there is no profile `{}`", row.profile))] };
    if row.frame.time != row.time {
        return vec![finding(format!("it is of {} ms", row.frame.time.ms()))];
    }
    let exchanges: Vec<Exchange> = row
        .frame
        .exchanges
        .iter()
        .map(|exchange| Exchange { request: exchange.request.clone(), response: exchange.response.clone() })
        .collect();
    let Some(address) = profile.address_in(&exchanges) else { return vec![finding("it names no meter".to_owned())] };
    let decoded = match profile.reading(address, &exchanges) {
        Ok(reading) => reading.with_derived_powers(),
        Err(error) => return vec![finding(error.to_string())],
    };
    let differs =
        |(key, said, stored)| finding(format!("{key} is {} in it, {} in the row", Shown(said), Shown(stored)));
    differences(&decoded, &row.reading).map(differs).collect()
}

/// Keys that differ, with both values.
fn differences<'a>(
    right: &'a Reading,
    found: &'a Reading,
) -> impl Iterator<Item = (Key, Option<i64>, Option<i64>)> + 'a {
    let keys: BTreeSet<Key> = right.iter().chain(found.iter()).map(|(key, _)| key).collect();
    keys.into_iter().map(|key| (key, right.get(key), found.get(key))).filter(|(_, right, found)| right != found)
}

/// The stored rows of an interval against the committed ones.
fn compare(statement: StatementId, act: &Readings, attachment: &Attachment, stored: &[StoredReading]) -> Vec<Finding> {
    let committed: BTreeMap<Timestamp, Reading> = match attachment.rows() {
        Ok(rows) => rows.into_iter().map(|Row { time, reading }| (time, reading)).collect(),
        Err(error) => return vec![Finding::Attachment { statement, reason: error.to_string() }],
    };
    let mut findings = Vec::new();
    let mut seen = BTreeSet::new();
    for StoredReading { id, row, .. } in stored {
        let Some(reading) = committed.get(&row.time) else {
            findings.push(Finding::Extra { row: *id, meter: row.meter.clone(), time: row.time, statement });
            continue;
        };
        seen.insert(row.time);
        findings.extend(differences(reading, &row.reading).map(|(column, ledger, database)| {
            let (meter, time) = (row.meter.clone(), row.time);
            Finding::Column { row: *id, meter, time, column, ledger, database }
        }));
    }
    let meter = stored.first().map(|stored| stored.row.meter.clone());
    let missing = committed.keys().filter(|time| !seen.contains(time));
    findings.extend(missing.map(|time| Finding::Missing { statement, meter: meter.clone(), time: *time }));
    if let Some(meter) = meter.filter(|_| findings.is_empty() && attachment.frame_count > 0) {
        let mut tree = Log::new();
        stored.iter().for_each(|stored| tree.append(frame_leaf(&attachment.salt, &stored.row.frame)));
        if tree.root() != act.frames {
            findings.push(Finding::FramesRoot { statement, meter });
        }
    }
    findings
}
