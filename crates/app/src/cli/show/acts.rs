//! Acts beside readings, contracts and bills, each in a line.

use super::Asked;
use crate::web::format::Clockface;
use api::{ActView, OfferAnswerView, OfferView};
use units::Timestamp;

/// A point in time in UTC: a line of a summary is read by programs' writers too.
fn utc(time: Timestamp) -> String {
    Clockface::new("UTC").moment(time).iso
}

/// An offer's terms.
pub(in crate::cli) fn offer_summary(offer: &OfferView, asked: &Asked) -> String {
    let to = offer.to.map_or_else(|| "everybody".to_owned(), |to| asked.names.of(&to));
    let OfferView { energy_mwh, price_1e4, month, .. } = offer;
    let amount = offer.amount_1e4.map(|amount| format!(" = {amount}")).unwrap_or_default();
    format!("{energy_mwh} of {month} at {price_1e4} a kWh{amount} for {to}")
}

fn answered(verb: &str, answer: &OfferAnswerView, asked: &Asked) -> String {
    match (&answer.seller, &answer.terms) {
        (Some(seller), Some(terms)) => {
            format!("{verb} the offer of {}: {}", asked.names.of(seller), offer_summary(terms, asked))
        }
        _ => format!("{verb} the offer {}", answer.offer.statement),
    }
}

pub(super) fn summary(act: &ActView, asked: &Asked) -> String {
    match act {
        ActView::RetireRole(end) => {
            format!("retire {} as {} at {}", asked.names.of(&end.account), end.role, utc(end.at_ms))
        }
        ActView::RetireMeter(end) => format!("retire meter {} at {}", end.meter, utc(end.at_ms)),
        ActView::Revoke(revoke) => format!("revoke the key of {}", asked.names.of(&revoke.account)),
        ActView::Rotate(rotate) => format!("rotate to the key {}", rotate.key),
        ActView::Offer(offer) => format!("offer {}", offer_summary(offer, asked)),
        ActView::Accept(answer) => answered("accept", answer, asked),
        ActView::Withdraw(answer) => answered("withdraw", answer, asked),
        ActView::ClaimVoltage(claim) => {
            format!("claim about the voltage of {} intervals: {}", claim.intervals.len(), claim.text)
        }
        ActView::ClaimBill(claim) => format!("claim about the bill from {}: {}", utc(claim.bill_from_ms), claim.text),
        ActView::Answer(answer) => format!("claim {} {}: {}", answer.claim.statement, answer.decision, answer.text),
        ActView::Control(control) => format!(
            "load of {} {} -> {} by {} ({}): {}",
            control.meter, control.before, control.after, control.by, control.who, control.why
        ),
        ActView::Level(level) => format!("mining level {} from block {}", level.level, level.from_height),
        ActView::VoltageLimits(limits) => {
            format!(
                "voltage limits {} to {} from {} ({})",
                limits.min_mv,
                limits.max_mv,
                utc(limits.from_ms),
                limits.source
            )
        }
        ActView::Upgrade(upgrade) => format!("protocol version {} from block {}", upgrade.version, upgrade.from_height),
        _ => String::new(),
    }
}
