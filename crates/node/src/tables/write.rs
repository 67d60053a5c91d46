//! The rows of one block.

use super::{TablesError, integer};
use crate::core::Committed;
use ledger::VerifiedStatement;
use ledger::act::{Act, Readings};
use ledger::state::Entry;
use rusqlite::{Transaction, params};
use std::collections::BTreeMap;
use units::{AccountId, Height, Month, Power};

pub(super) fn block(transaction: &Transaction<'_>, committed: &Committed) -> Result<(), TablesError> {
    let header = committed.block.header();
    let (beneficiary, reward) = committed.reward.unzip();
    let put = "INSERT INTO blocks (height, hash, header, size_bytes, reward_mwh, beneficiary)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    transaction.prepare_cached(put)?.execute(params![
        integer(header.height.number()),
        committed.block.hash().as_bytes(),
        header.to_bytes(),
        integer(committed.size_bytes),
        reward.map_or(0, |reward| integer(reward.mwh())),
        beneficiary.as_ref().map(AccountId::as_bytes),
    ])?;
    for ((position, log_index), verified) in (0..).zip(committed.first_log_index..).zip(committed.block.statements()) {
        statement(transaction, committed, verified, position, log_index)?;
    }
    entries(transaction, header.height, &committed.entries)
}

/// Deletes the rows of all blocks above a height.
pub(super) fn delete_above(transaction: &Transaction<'_>, above: Height) -> Result<(), TablesError> {
    let above = integer(above.number());
    let first = "SELECT MIN(log_index) FROM statements WHERE height > ?1";
    let first: Option<i64> = transaction.query_row(first, [above], |row| row.get(0))?;
    if let Some(first) = first {
        for table in ["statements", "acts", "intervals"] {
            transaction.execute(&format!("DELETE FROM {table} WHERE log_index >= ?1"), [first])?;
        }
    }
    for table in ["blocks", "entries"] {
        transaction.execute(&format!("DELETE FROM {table} WHERE height > ?1"), [above])?;
    }
    Ok(())
}

fn statement(
    transaction: &Transaction<'_>,
    committed: &Committed,
    statement: &VerifiedStatement,
    position: u32,
    log_index: u64,
) -> Result<(), TablesError> {
    let payload = statement.payload();
    let put = "INSERT INTO statements (log_index, id, height, position, signer, issued_ms, expires_ms, size_bytes)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    transaction.prepare_cached(put)?.execute(params![
        integer(log_index),
        statement.id().as_bytes(),
        integer(committed.block.header().height.number()),
        position,
        statement.signer().as_bytes(),
        integer(payload.issued.ms()),
        payload.expires.map(|expires| integer(expires.ms())),
        u32::try_from(statement.signed().leaf().len()).unwrap_or(u32::MAX),
    ])?;
    for (act_index, act) in (0u32..).zip(&payload.acts) {
        let put = "INSERT INTO acts (log_index, act_index, act) VALUES (?1, ?2, ?3)";
        transaction.prepare_cached(put)?.execute(params![integer(log_index), act_index, act.name()])?;
        if let Act::Readings(readings) = act {
            interval(transaction, committed, statement, readings, log_index)?;
        }
    }
    Ok(())
}

fn interval(
    transaction: &Transaction<'_>,
    committed: &Committed,
    statement: &VerifiedStatement,
    readings: &Readings,
    log_index: u64,
) -> Result<(), TablesError> {
    let Some(meter) = committed.meters.get(&readings.binding) else { return Ok(()) };
    let put = "INSERT INTO intervals (meter, end_ms, log_index, start_ms, binding, seq, import_start_mwh,
               import_end_mwh, statement, count, voltage_min_mv, voltage_max_mv, peak_current_ua, peak_power_mw)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
    transaction.prepare_cached(put)?.execute(params![
        meter.as_str(),
        integer(readings.end.ms()),
        integer(log_index),
        integer(readings.start.ms()),
        readings.binding.as_bytes(),
        integer(readings.seq),
        integer(readings.import.start.mwh()),
        integer(readings.import.end.mwh()),
        statement.id().as_bytes(),
        readings.count,
        readings.voltage.map(|voltage| integer(voltage.min.mv())),
        readings.voltage.map(|voltage| integer(voltage.max.mv())),
        readings.peak_current.map(|current| integer(current.ua())),
        readings.peak_power.map(Power::mw),
    ])?;
    Ok(())
}

/// Entries are numbered within their sheet, from 0.
fn entries(
    transaction: &Transaction<'_>,
    height: Height,
    entries: &[(Month, AccountId, Entry)],
) -> Result<(), TablesError> {
    let mut next: BTreeMap<(Month, AccountId), i64> = BTreeMap::new();
    for (month, account, entry) in entries {
        let number = match next.get(&(*month, *account)) {
            Some(number) => *number,
            None => {
                let query = "SELECT COALESCE(MAX(number) + 1, 0) FROM entries WHERE month = ?1 AND account = ?2";
                let mut query = transaction.prepare_cached(query)?;
                query.query_row(params![month.index(), account.as_bytes()], |row| row.get(0))?
            }
        };
        next.insert((*month, *account), number + 1);
        let (kind, statement, act_index, carried) = match entry {
            Entry::Act(statement, act) => ("act", Some(statement.as_bytes()), Some(*act), None),
            Entry::Reward(_) => ("reward", None, None, None),
            Entry::Carried(from) => ("carried", None, None, Some(from.index())),
        };
        let put = "INSERT INTO entries (month, account, number, kind, statement, act_index, carried_from, height)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        transaction.prepare_cached(put)?.execute(params![
            month.index(),
            account.as_bytes(),
            number,
            kind,
            statement,
            act_index,
            carried,
            integer(height.number()),
        ])?;
    }
    Ok(())
}
