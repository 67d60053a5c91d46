//! Acts beside readings, contracts and bills, and the records that they leave, as the HTTP contract shows them.

use super::{key_hex, role_name};
use api::{
    ActRef, ActView, AnswerView, ClaimBillView, ClaimVoltageView, ControlView, LevelView, OfferAnswerView, OfferRef,
    OfferView, OpenOffer, OutsideView, RetireMeterView, RetireRoleView, RevokeView, RotateView, UpgradeView,
    VoltageLimitsView,
};
use ledger::act::{
    Act, ActId, Answer, Cause, Claim, Control, Decision, LoadState, NewLimits, Offer, OfferId, Parameter, Readings,
    Retire,
};
use ledger::state::{OfferRecord, OutsideRecord, ParametersRecord};
use ledger::{SignedStatement, State, VoltageLimits};
use units::Timestamp;

pub(super) const fn act_ref(id: ActId) -> ActRef {
    ActRef { statement: id.statement, act_index: id.act }
}

const fn offer_ref(id: OfferId) -> OfferRef {
    OfferRef { statement: id.statement, act_index: id.act, until_ms: id.until }
}

pub(super) fn retire(retire: &Retire) -> ActView {
    match retire {
        Retire::Role(end) => ActView::RetireRole(RetireRoleView {
            account: end.account,
            role: role_name(end.role).to_owned(),
            at_ms: end.at,
        }),
        Retire::Meter(end) => ActView::RetireMeter(RetireMeterView { meter: end.meter.clone(), at_ms: end.at }),
    }
}

pub(super) const fn revoke(revoke: &ledger::act::Revoke) -> RevokeView {
    RevokeView { account: revoke.account }
}

pub(super) fn rotate(rotate: &ledger::act::Rotate) -> RotateView {
    RotateView { key: key_hex(&rotate.key) }
}

pub(super) fn offer(offer: &Offer) -> OfferView {
    OfferView {
        to: offer.to,
        energy_mwh: offer.energy,
        price_1e4: offer.price,
        amount_1e4: offer.amount(),
        month: offer.month,
        until_ms: offer.until,
    }
}

pub(super) const fn offer_answer(id: OfferId) -> OfferAnswerView {
    OfferAnswerView { offer: offer_ref(id), seller: None, terms: None }
}

pub(super) fn claim(claim: &Claim) -> ActView {
    match claim {
        Claim::Voltage(claim) => ActView::ClaimVoltage(ClaimVoltageView {
            intervals: claim.intervals.iter().copied().map(act_ref).collect(),
            text: claim.text.clone(),
        }),
        Claim::Bill(claim) => ActView::ClaimBill(ClaimBillView { bill_from_ms: claim.from, text: claim.text.clone() }),
    }
}

pub(super) fn answer(answer: &Answer) -> AnswerView {
    let decision = match answer.decision {
        Decision::Accepted => "accepted",
        Decision::Declined => "declined",
    };
    AnswerView { claim: act_ref(answer.claim), decision: decision.to_owned(), text: answer.text.clone() }
}

/// A load's state in JSON.
pub(super) const fn load_name(state: LoadState) -> &'static str {
    match state {
        LoadState::Unknown => "unknown",
        LoadState::On => "on",
        LoadState::Off => "off",
    }
}

pub(super) fn control(control: &Control) -> ControlView {
    let by = match control.by {
        Cause::Person => "person",
        Cause::Protection => "protection",
        Cause::Schedule => "schedule",
    };
    ControlView {
        meter: control.meter.clone(),
        time_ms: control.time,
        by: by.to_owned(),
        who: control.who.clone(),
        why: control.why.clone(),
        before: load_name(control.before).to_owned(),
        after: load_name(control.after).to_owned(),
    }
}

pub(super) fn parameter(parameter: &Parameter) -> ActView {
    match parameter {
        Parameter::Level(new) => ActView::Level(LevelView { level: new.level, from_height: new.height }),
        Parameter::Limits(NewLimits { limits, from }) => ActView::VoltageLimits(limits_from(limits, *from)),
    }
}

fn limits_from(limits: &VoltageLimits, from: Timestamp) -> VoltageLimitsView {
    VoltageLimitsView {
        nominal_mv: limits.nominal,
        min_mv: limits.min,
        max_mv: limits.max,
        source: limits.source.clone(),
        from_ms: from,
    }
}

/// The voltage limits that are in force, from the beginning on as far as it matters, and those to come.
#[must_use]
pub fn voltage_limits(parameters: &ParametersRecord) -> Vec<VoltageLimitsView> {
    let next = parameters.next_limits.as_ref().map(|next| limits_from(&next.limits, next.from));
    [limits_from(&parameters.limits, Timestamp::default())].into_iter().chain(next).collect()
}

pub(super) const fn upgrade(upgrade: &ledger::act::Upgrade) -> UpgradeView {
    UpgradeView { version: upgrade.version, from_height: upgrade.height }
}

/// An offer's terms as they were stated, into the answer to it.
pub(crate) fn add_terms(answer: &mut OfferAnswerView, statement: &SignedStatement) {
    let index = usize::try_from(answer.offer.act_index).unwrap_or(usize::MAX);
    if let Some(Act::Offer(stated)) = statement.payload().acts.get(index) {
        answer.seller = Some(statement.signer());
        answer.terms = Some(offer(stated));
    }
}

/// An open offer.
#[must_use]
pub fn open_offer(id: &OfferId, record: &OfferRecord) -> OpenOffer {
    OpenOffer { statement: id.statement, act_index: id.act, seller: record.seller, offer: offer(&record.offer) }
}

/// An interval that may be claimed.
#[must_use]
pub fn outside(id: ActId, record: &OutsideRecord) -> OutsideView {
    let ([found_min, found_max], [limit_min, limit_max]) = (record.found, record.limits);
    OutsideView {
        statement: id.statement,
        act_index: id.act,
        meter: Some(record.meter.clone()),
        start_ms: record.start,
        end_ms: record.end,
        voltage_min_mv: Some(found_min),
        voltage_max_mv: Some(found_max),
        limit_min_mv: Some(limit_min),
        limit_max_mv: Some(limit_max),
        claim: record.claim.map(act_ref),
    }
}

/// An interval that was claimed, from its own act: the state's record of it is dropped some months later.
#[must_use]
pub fn claimed(id: ActId, readings: &Readings, claim: ActId, state: &State) -> OutsideView {
    OutsideView {
        statement: id.statement,
        act_index: id.act,
        meter: state.binding(&readings.binding).map(|binding| binding.meter.clone()),
        start_ms: readings.start,
        end_ms: readings.end,
        voltage_min_mv: readings.voltage.map(|voltage| voltage.min),
        voltage_max_mv: readings.voltage.map(|voltage| voltage.max),
        limit_min_mv: None,
        limit_max_mv: None,
        claim: Some(act_ref(claim)),
    }
}
