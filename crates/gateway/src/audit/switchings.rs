//! The journal of loads against the ledger: each row that was stated must say what the signed act says.
//!
//! When an order was given and its number are in no statement; they are the gateway's own word.

use super::{AuditError, AuditReport, FINDINGS_MAX, Finding, LedgerSource};
use crate::core::{Deed, Outcome};
use crate::store::{Archive, JOURNAL_MAX, StoredEntry, cause_name, load_state_name};
use ledger::SignedStatement;
use ledger::act::{Act, Control, LoadState};
use std::collections::BTreeSet;
use units::{StatementId, Timestamp};

/// Rows read at once; one takes about a kilobyte.
const ROWS_TOGETHER: u32 = 500;

/// What is left in the journal, for telling a row that is gone from one that gave way.
#[derive(Default)]
struct Seen {
    statements: BTreeSet<StatementId>,
    rows: i64,
    oldest: Option<Timestamp>,
}

/// Compares every row; then looks for switchings of this database's gateways that have none.
pub(super) async fn audit(
    store: &Archive,
    source: &dyn LedgerSource,
    report: &mut AuditReport,
) -> Result<(), AuditError> {
    let (mut seen, mut after) = (Seen::default(), 0);
    loop {
        let rows = store.journal_after(after, ROWS_TOGETHER).await?;
        let Some((last, _)) = rows.last() else { break };
        after = *last;
        for (row, stored) in rows {
            seen.rows += 1;
            match stored {
                Ok(stored) => compare_row(row, &stored, source, &mut seen, report)?,
                Err(error) => {
                    let reason = error.to_string();
                    report.findings.push(Finding::Unreadable { table: "journal", row, reason });
                }
            }
        }
        if report.findings.len() >= FINDINGS_MAX {
            return Ok(());
        }
    }
    missing(source, &seen, report)
}

fn compare_row(
    row: i64,
    stored: &StoredEntry,
    source: &dyn LedgerSource,
    seen: &mut Seen,
    report: &mut AuditReport,
) -> Result<(), AuditError> {
    let time = stored.entry.ended.unwrap_or(stored.entry.time);
    seen.oldest = Some(seen.oldest.map_or(time, |oldest| oldest.min(time)));
    let Some(statement) = stored.statement else { return Ok(()) };
    seen.statements.insert(statement);
    let finding = |column, ledger: &str, database: &str| Finding::Switching {
        row,
        meter: stored.entry.meter.clone(),
        column,
        ledger: ledger.to_owned(),
        database: database.to_owned(),
    };
    let Some(committed) = source.committed(&statement).map_err(AuditError::Ledger)? else {
        match stored.stated.as_deref() {
            Some("final") => report.findings.push(finding("statement", "nothing", &statement.to_string())),
            Some("refused") => {}
            _ => report.waiting += 1,
        }
        return Ok(());
    };
    report.signers.insert(committed.statement.signer());
    let Some(control) = control_of(&committed.statement) else {
        report.findings.push(finding("statement", "no switching", &statement.to_string()));
        return Ok(());
    };
    report.switchings += 1;
    report.findings.extend(
        differences(stored, control).into_iter().map(|(column, ledger, database)| finding(column, &ledger, &database)),
    );
    Ok(())
}

fn control_of(statement: &SignedStatement) -> Option<&Control> {
    let mut acts = statement.payload().acts.iter();
    acts.find_map(|act| if let Act::Control(control) = act { Some(control) } else { None })
}

/// Columns that differ, as committed and as found.
fn differences(stored: &StoredEntry, control: &Control) -> Vec<(&'static str, String, String)> {
    let entry = &stored.entry;
    let time = |time: Timestamp| time.ms().to_string();
    let mut columns = vec![
        ("meter", control.meter.to_string(), entry.meter.to_string()),
        ("ended_ms", time(control.time), entry.ended.map_or_else(|| "nothing".to_owned(), time)),
        ("cause", cause_name(control.by).to_owned(), cause_name(entry.by).to_owned()),
        ("who", control.who.clone(), entry.who.clone()),
        ("why", control.why.clone(), entry.why.clone()),
        ("before_state", load_state_name(control.before).to_owned(), load_state_name(entry.before).to_owned()),
        ("after_state", load_state_name(control.after).to_owned(), load_state_name(entry.after).to_owned()),
    ];
    // Switched means read back as ordered, so the state that is committed says what was ordered.
    let ordered = match control.after {
        LoadState::On => Some(Deed::On),
        LoadState::Off => Some(Deed::Off),
        LoadState::Unknown => None,
    };
    if let (Outcome::Switched, Some(ordered)) = (&entry.outcome, ordered) {
        columns.push(("deed", ordered.name().to_owned(), entry.deed.name().to_owned()));
    }
    columns.retain(|(_, ledger, database)| ledger != database);
    columns
}

/// Switchings of gateways that wrote into this database, without a row. The oldest rows of a full journal have given way.
fn missing(source: &dyn LedgerSource, seen: &Seen, report: &mut AuditReport) -> Result<(), AuditError> {
    for statement in source.switchings().map_err(AuditError::Ledger)? {
        if seen.statements.contains(&statement) || report.findings.len() >= FINDINGS_MAX {
            continue;
        }
        let Some(committed) = source.committed(&statement).map_err(AuditError::Ledger)? else { continue };
        let Some(control) = control_of(&committed.statement) else { continue };
        let gave_way = seen.rows >= JOURNAL_MAX && seen.oldest.is_none_or(|oldest| control.time < oldest);
        if report.signers.contains(&committed.statement.signer()) && !gave_way {
            let (meter, time) = (control.meter.clone(), control.time);
            report.findings.push(Finding::SwitchingMissing { statement, meter, time });
        }
    }
    Ok(())
}
