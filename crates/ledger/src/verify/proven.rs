//! What every bundle stands on: a trusted origin, statements in a final log, records in its state, keys in those records.

use super::{Layer, Outcome, Report};
use crate::bundle::{Proven, ProvenStatement};
use crate::state::{MonthStatus, Record, RecordKey};
use crate::{Checkpoint, Genesis, Header, SignedStatement, VerifiedStatement, log};
use std::collections::BTreeMap;
use units::{AccountId, LedgerId};

/// Which layer failed, and why.
pub(super) type Failure = (Layer, String);

/// Makes an error the failure of a layer.
pub(super) fn at<E: std::fmt::Display>(layer: Layer) -> impl Fn(E) -> Failure {
    move |error| (layer, error.to_string())
}

/// What has been shown to be the ledger's.
pub(super) struct Opened {
    pub(super) genesis: Genesis,
    pub(super) statements: Vec<VerifiedStatement>,
    pub(super) records: BTreeMap<RecordKey, Record>,
}

/// Checks a bundle from its origin up to its signatures, and reports each layer.
pub(super) fn open(report: &mut Report, bundle: Proven<'_>, trust: Option<&Genesis>) -> Result<Opened, Failure> {
    let genesis = Genesis::from_bytes(bundle.genesis).map_err(at(Layer::Structure))?;
    report.origin(genesis.ledger(), trust);

    let header = bundle.header().ok_or((Layer::Structure, "a header has 212 bytes".to_owned()))?;
    let signed = statements(bundle).map_err(at(Layer::Structure))?;
    report.add(Layer::Structure, Outcome::Passed, format!("a bundle with {} statements", signed.len()));

    let finality = finality(bundle, &genesis, &header).map_err(at(Layer::Finality))?;
    report.add(Layer::Finality, Outcome::Passed, finality);
    inclusion(bundle, &header).map_err(at(Layer::Inclusion))?;
    report.add(Layer::Inclusion, Outcome::Passed, format!("all in the log of {} statements", header.log_size));

    let records = records(bundle, &header).map_err(at(Layer::Inclusion))?;
    let statements = signatures(bundle, genesis.ledger(), signed, &records).map_err(at(Layer::Signatures))?;
    report.add(Layer::Signatures, Outcome::Passed, format!("{} signatures", statements.len()));
    Ok(Opened { genesis, statements, records })
}

fn statements(bundle: Proven<'_>) -> Result<Vec<SignedStatement>, String> {
    if !bundle.statements.is_sorted_by(|a, b| a.index < b.index) {
        return Err("statements are not in the order of the log".to_owned());
    }
    if !bundle.records.is_sorted_by(|a, b| a.key < b.key) {
        return Err("records are not in order".to_owned());
    }
    let parse = |leaf: &[u8]| SignedStatement::from_leaf(leaf).map_err(|error| error.to_string());
    bundle.statements.iter().map(|statement| parse(&statement.leaf)).collect()
}

/// The keys are those of the signers' account records, which the state root proves: each with the place in the log from
/// which it signs. No account may be idle: it signs, or it is billed for a month that is open, because it has left.
fn signatures(
    bundle: Proven<'_>,
    ledger: LedgerId,
    signed: Vec<SignedStatement>,
    records: &BTreeMap<RecordKey, Record>,
) -> Result<Vec<VerifiedStatement>, String> {
    let is_open = |record: &Record| matches!(record, Record::Month(month) if month.status == MonthStatus::Open);
    let has_open_month = records.values().any(is_open);
    let is_billed = |id: &AccountId| records.keys().any(|key| matches!(key, RecordKey::Sheet(_, of) if of == id));
    let is_signer = |id: &AccountId| signed.iter().any(|one| one.signer() == *id);
    let is_idle = |key: &&RecordKey| match key {
        RecordKey::Account(id) => !(is_signer(id) || has_open_month && is_billed(id)),
        _ => false,
    };
    if let Some(RecordKey::Account(idle)) = records.keys().find(is_idle) {
        return Err(format!("the account {idle} signed nothing here"));
    }
    let verify = |(statement, proven): (SignedStatement, &ProvenStatement)| {
        let id = statement.id();
        if statement.payload().ledger != ledger {
            return Err(format!("statement {id} is of another ledger"));
        }
        let Some(Record::Account(account)) = records.get(&RecordKey::Account(statement.signer())) else {
            return Err(format!("statement {id}: no account of its signer"));
        };
        let key = account.key_at(proven.index).ok_or(format!("statement {id}: its signer had no key at its place"))?;
        statement.verify(key).map_err(|error| format!("statement {id}: {error}"))
    };
    signed.into_iter().zip(bundle.statements).map(verify).collect()
}

fn finality(bundle: Proven<'_>, genesis: &Genesis, header: &Header) -> Result<String, String> {
    let checkpoint = Checkpoint::open(bundle.checkpoint, &genesis.log_key).map_err(|error| error.to_string())?;
    if header.ledger != genesis.ledger() {
        return Err("the header is of another ledger".to_owned());
    }
    if checkpoint != Checkpoint::for_header(header) {
        return Err("the checkpoint does not name this header".to_owned());
    }
    Ok(format!("the log key signed block {} {}", header.height, header.hash()))
}

fn inclusion(bundle: Proven<'_>, header: &Header) -> Result<(), String> {
    for statement in bundle.statements {
        let leaf = log::leaf_hash(&statement.leaf);
        let root = log::root_from_inclusion(leaf, statement.index, header.log_size, &statement.path);
        if root != Some(header.log_root) {
            return Err(format!("statement at index {} is not in the log", statement.index));
        }
    }
    Ok(())
}

fn records(bundle: Proven<'_>, header: &Header) -> Result<BTreeMap<RecordKey, Record>, String> {
    let mut records = BTreeMap::new();
    for proven in bundle.records {
        if !proven.proof.verify(&proven.key.digest(), Some(&proven.record.digest()), &header.state_root) {
            return Err(format!("the state does not hold the record {:?}", proven.key));
        }
        records.insert(proven.key.clone(), proven.record.clone());
    }
    Ok(records)
}
