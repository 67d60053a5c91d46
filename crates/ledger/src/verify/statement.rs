//! A transparent statement: its signature, and its receipts from the ledger's nodes.

use super::{Kind, Layer, Outcome, Report};
use crate::{Genesis, ReceiptError, TransparentStatement, receipt_signer};

pub(super) fn verify(bytes: &[u8], trust: Option<&Genesis>) -> Report {
    let transparent = match TransparentStatement::from_bytes(bytes) {
        Ok(transparent) => transparent,
        Err(error) => return Report::failed(Kind::TransparentStatement, Layer::Structure, error.to_string()),
    };
    let mut report = Report::new(Kind::TransparentStatement);
    report.origin(transparent.statement.payload().ledger, trust);
    let acts: Vec<&str> = transparent.statement.payload().acts.iter().map(|act| act.name()).collect();
    report.add(
        Layer::Structure,
        Outcome::Passed,
        format!("a statement of {}: {}", acts.join(", "), transparent.statement.id()),
    );
    match transparent.check() {
        Err(error @ (ReceiptError::Statement(_) | ReceiptError::UnknownKey(_))) => {
            report.add(Layer::Signatures, Outcome::Failed, error.to_string());
        }
        Err(error) => report.add(Layer::Inclusion, Outcome::Failed, error.to_string()),
        Ok((statement, places)) => {
            let signer = statement.signer();
            if transparent.shows_its_signer() {
                report.add(Layer::Signatures, Outcome::Passed, format!("signed by {signer}"));
            } else {
                let detail =
                    format!("signed with a later key of {signer}; that it is theirs only the whole ledger shows");
                report.add(Layer::Signatures, Outcome::Unknown, detail);
            }
            for place in places {
                let detail = format!("leaf {} in the log of {} with root {}", place.index, place.size, place.root);
                report.add(Layer::Inclusion, Outcome::Passed, detail);
            }
            finality(&mut report, &transparent, trust);
        }
    }
    report
}

/// A receipt counts as finality only if its key is one that the trusted genesis document names: nodes give receipts for
/// final blocks only.
fn finality(report: &mut Report, transparent: &TransparentStatement, trust: Option<&Genesis>) {
    let Some(genesis) = trust else {
        report.add(Layer::Finality, Outcome::Unknown, "whether the receipts' keys are the ledger's is not known");
        return;
    };
    let is_trusted = |account| genesis.receipt_keys.iter().any(|key| key.account() == account);
    let stranger = transparent.receipts.iter().find_map(|receipt| match receipt_signer(receipt) {
        Ok(signer) if is_trusted(signer) => None,
        Ok(signer) => Some(format!("the receipt key of {signer} is not one of this ledger")),
        Err(error) => Some(error.to_string()),
    });
    let result = stranger.map_or_else(|| Ok("the receipt keys are the ledger's".to_owned()), Err);
    report.check(Layer::Finality, result);
}
