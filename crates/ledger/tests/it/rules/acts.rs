//! The rules of what ends and changes, of offers, claims, controls and parameters.

use super::{Case, noon, readings, register_key, transfer};
use crate::support::{
    DAY_MS, GATEWAY, MINER, OPERATOR, account, at, bill_claim, genesis, key, kwh, level, limits, meter_id, month,
    next_readings, offer, offer_id, retire_meter, retire_role, revoke, rotate, voltage_claim,
};
use ledger::act::{
    Accept, Act, ActId, Answer, Cause, Control, Decision, LoadState, Offer, OfferId, Register, Role, Upgrade,
    VoltageRange, Withdraw,
};
use ledger::state::{AccountRecord, RecordKey};
use ledger::{BlockTime, Genesis, State, VoltageLimits, log};
use units::{Height, Millis, Money, StatementId, Timestamp, Voltage};

pub(super) fn rules() -> Vec<&'static str> {
    [retire_rules(), key_rules(), hand_rules(), offer_rules(), claim_rules(), control_rules(), parameter_rules()]
        .concat()
}

fn retire_rules() -> Vec<&'static str> {
    let case = Case::new;
    let (july, later) = (at(7, 1, 0, 0), at(7, 2, 0, 0));
    vec![
        case("unknown_account").refuses(OPERATOR, |_| retire_role("stranger", Role::Member, july)),
        case("unknown_account").refuses(OPERATOR, |_| revoke("stranger")),
        case("unknown_meter").refuses(OPERATOR, |_| retire_meter("m-none", july)),
        case("operator_stays").refuses(OPERATOR, |_| retire_role(OPERATOR, Role::Operator, july)),
        case("operator_stays").refuses(OPERATOR, |_| revoke(OPERATOR)),
        case("role_needed").refuses("chen", |_| revoke("lee")),
        case("role_not_held").refuses(OPERATOR, |_| retire_role("chen", Role::Gateway, july)),
        case("role_not_held")
            .after(OPERATOR, |_| retire_role(GATEWAY, Role::Gateway, later))
            .refuses(OPERATOR, |_| retire_role(GATEWAY, Role::Gateway, july)),
        case("retire_time").refuses(OPERATOR, |_| retire_role(GATEWAY, Role::Gateway, Timestamp::from_ms(1))),
        case("retire_time")
            .after(GATEWAY, readings(|_| ()))
            .refuses(OPERATOR, |_| retire_meter("m-chen", later - Millis::from_ms(1))),
        case("binding_ended")
            .after(OPERATOR, |_| retire_meter("m-chen", july))
            .refuses(OPERATOR, |_| retire_meter("m-chen", july)),
        case("binding_ended").after(OPERATOR, |_| retire_meter("m-chen", july)).refuses(GATEWAY, readings(|_| ())),
        case("binding_ended")
            .after(OPERATOR, |_| retire_meter("m-chen", later - Millis::from_ms(1)))
            .refuses(GATEWAY, readings(|_| ())),
        case("role_needed")
            .after(OPERATOR, |_| retire_role(GATEWAY, Role::Gateway, later - Millis::from_ms(1)))
            .refuses(GATEWAY, readings(|_| ())),
        // What the gateway read before its end it still delivers.
        case("role_needed")
            .after(OPERATOR, |_| retire_role(GATEWAY, Role::Gateway, later))
            .after(GATEWAY, readings(|_| ()))
            .refuses(GATEWAY, |state| Act::Readings(Box::new(next_readings(state, "m-chen", ("90", "95"))))),
        case("meters_bound").refuses(OPERATOR, |_| retire_role("chen", Role::Member, noon())),
        case("meter_party")
            .after(OPERATOR, |_| retire_meter("m-lee", july))
            .after(OPERATOR, |_| retire_role("lee", Role::Member, at(8, 1, 0, 0)))
            .refuses(OPERATOR, |_| Act::Register(Register::Meter(crate::support::bind("m-new", "lee", july)))),
        case("meter_party").refuses(OPERATOR, |_| {
            let main = ledger::act::RegisterMeter { main: true, ..crate::support::bind("m-main", "lee", july) };
            Act::Register(Register::Meter(main))
        }),
        case("not_a_member")
            .after(OPERATOR, |_| retire_meter("m-lee", july))
            .after(OPERATOR, |_| retire_role("lee", Role::Member, july))
            .refuses("chen", |_| transfer("lee", "1")),
        case("last_miner").refuses(OPERATOR, |_| retire_role(MINER, Role::Miner, noon())),
        case("last_miner").refuses(OPERATOR, |_| revoke(MINER)),
    ]
}

fn key_rules() -> Vec<&'static str> {
    let case = Case::new;
    let mut full = case("account_full");
    for number in 1..=16u64 {
        // A role that ends and begins again, until there is no room.
        let from = at(1, 1, 0, 0) + Millis::from_minutes(number);
        let register = move |_: &State| {
            let key = key("stranger").public();
            Act::Register(Register::Key(ledger::act::RegisterKey { key, role: Role::Auditor, from, beneficiary: None }))
        };
        full = full.after(OPERATOR, register);
        full = full.after(OPERATOR, move |_| retire_role("stranger", Role::Auditor, from));
        full = full.after(OPERATOR, register);
        full = full.after(OPERATOR, move |_| retire_role("stranger", Role::Auditor, from));
    }
    assert_eq!(full.state.account(&account("stranger")).unwrap().roles.len(), AccountRecord::ROLES_MAX);
    vec![
        case("key_revoked").after(OPERATOR, |_| revoke("chen")).refuses("chen", |_| transfer("lee", "1")),
        case("key_revoked").after(OPERATOR, |_| revoke("chen")).refuses(OPERATOR, |_| revoke("chen")),
        case("key_revoked")
            .after(OPERATOR, |_| revoke("chen"))
            .refuses(OPERATOR, |_| register_key(key("chen").public(), Role::Auditor, None)),
        case("key_in_use").refuses("chen", |state| rotate(state, "chen", "lee")),
        case("key_in_use").refuses("chen", |state| rotate(state, "chen", "chen")),
        case("key_in_use")
            .after("chen", |state| rotate(state, "chen", "new"))
            .refuses(OPERATOR, |_| register_key(key("new").public(), Role::Member, None)),
        case("key_in_use")
            .after("chen", |state| rotate(state, "chen", "new"))
            .refuses("lee", |state| rotate(state, "lee", "new")),
        case("wrong_key").after("chen", |state| rotate(state, "chen", "new")).refuses("chen", |_| transfer("lee", "1")),
        case("possession").refuses("chen", |state| {
            let Act::Rotate(mut act) = rotate(state, "lee", "new") else { unreachable!() };
            act.key = key("new").public();
            Act::Rotate(act)
        }),
        full.refuses(OPERATOR, |_| register_key(key("stranger").public(), Role::Member, None)),
    ]
}

fn hand_rules() -> Vec<&'static str> {
    let by_hand = |change: fn(&mut ledger::act::Readings)| {
        readings(move |act| {
            (act.source, act.count) = (ledger::act::ReadingSource::ByHand, 0);
            (act.columns, act.frames) = (log::empty_root(), log::empty_root());
            change(act);
        })
    };
    vec![
        Case::new("not_the_signer").refuses(GATEWAY, by_hand(|_| ())),
        Case::new("hand_reading").refuses(OPERATOR, by_hand(|act| act.count = 1)),
        Case::new("interval_length")
            .at(at(11, 1, 0, 0))
            .refuses(OPERATOR, by_hand(|act| act.end = act.start + Millis::from_ms(92 * DAY_MS) + Millis::from_ms(1))),
    ]
}

fn offer_with(change: impl FnOnce(&mut Offer)) -> Act {
    let Act::Offer(mut act) = offer(Some("lee"), "10", "2", at(7, 16, 0, 0)) else { unreachable!() };
    change(&mut act);
    Act::Offer(act)
}

fn accept(state: &State) -> Act {
    Act::Accept(Accept { offer: offer_id(state) })
}

fn offer_rules() -> Vec<&'static str> {
    let case = Case::new;
    let offered = |name| case(name).after("chen", |_| offer_with(|_| ()));
    let nowhere = OfferId { until: noon(), statement: StatementId::from_bytes([0; 32]), act: 0 };
    let mut many = case("too_many_offers");
    for _ in 0..Offer::OPEN_MAX {
        many = many.after("chen", |_| offer_with(|offer| offer.energy = kwh("1")));
    }
    vec![
        case("role_needed").refuses(GATEWAY, |_| offer_with(|_| ())),
        case("not_a_member").refuses("chen", |_| offer_with(|offer| offer.to = Some(account(GATEWAY)))),
        case("empty_transfer").refuses("lee", |_| offer_with(|_| ())),
        case("empty_transfer").refuses("chen", |_| offer_with(|offer| offer.energy = kwh("0"))),
        case("month_closed").refuses("chen", |_| offer_with(|offer| offer.month = month(6))),
        case("energy_used_up").refuses("chen", |_| offer_with(|offer| offer.energy = kwh("200.000001"))),
        case("offer_price").refuses("chen", |_| offer_with(|offer| offer.price = Money::from_1e4(-1))),
        case("offer_price").refuses("chen", |_| offer_with(|offer| offer.price = Money::from_1e4(i64::MAX))),
        case("offer_span").refuses("chen", |_| offer_with(|offer| offer.until = noon())),
        case("offer_span").refuses("chen", |_| offer_with(|offer| offer.until = at(8, 1, 6, 0) + Millis::from_ms(1))),
        case("offer_span").refuses("chen", |_| {
            offer_with(|offer| {
                (offer.month, offer.until) = (month(9), noon() + Offer::LIFE_MAX + Millis::from_ms(1));
            })
        }),
        many.refuses("chen", |_| offer_with(|_| ())),
        case("unknown_offer").refuses("lee", |_| Act::Accept(Accept { offer: nowhere })),
        case("unknown_offer").refuses("lee", |_| Act::Withdraw(Withdraw { offer: nowhere })),
        offered("not_offered_to").refuses(OPERATOR, accept),
        offered("role_needed").refuses(GATEWAY, accept),
        offered("not_the_seller").refuses("lee", |state| Act::Withdraw(Withdraw { offer: offer_id(state) })),
        offered("key_revoked").after(OPERATOR, |_| revoke("chen")).refuses("lee", accept),
        offered("energy_used_up").after("chen", |_| transfer("lee", "195")).refuses("lee", accept),
        case("empty_transfer").after("chen", |_| offer_with(|offer| offer.to = None)).refuses("chen", accept),
        offered("role_needed")
            .after(OPERATOR, |_| retire_meter("m-chen", at(7, 1, 0, 0)))
            .after(OPERATOR, |_| retire_role("chen", Role::Member, at(7, 2, 0, 0)))
            .refuses("lee", accept),
    ]
}

fn outside(state: &State) -> ActId {
    let found = state.records().find_map(|(key, _)| match key {
        RecordKey::Outside(_, id) => Some(*id),
        _ => None,
    });
    found.expect("an interval outside the limits")
}

fn claimed(state: &State) -> ActId {
    let found = state.records().find_map(|(key, _)| match key {
        RecordKey::Claim(id) => Some(*id),
        _ => None,
    });
    found.expect("a claim")
}

fn answer(claim: ActId) -> Act {
    Act::Answer(Answer { claim, decision: Decision::Accepted, text: "the transformer was set wrong".into() })
}

fn claim_rules() -> Vec<&'static str> {
    let case = Case::new;
    let of = |volts: [u64; 3]| {
        let [min, max, mean] = volts.map(|volts| Voltage::from_mv(volts * 1_000));
        readings(move |act| act.voltage = Some(VoltageRange { min, max, mean }))
    };
    let high = |name| case(name).after(GATEWAY, of([110, 130, 120]));
    let nowhere = ActId { statement: StatementId::from_bytes([0; 32]), act: 0 };
    vec![
        case("role_needed").refuses(GATEWAY, |_| voltage_claim(&[nowhere])),
        case("unknown_interval").refuses("chen", |_| voltage_claim(&[nowhere])),
        case("unknown_interval").after(GATEWAY, of([99, 121, 110])).refuses("chen", |state| {
            let (_, binding) = state.meter(&meter_id("m-chen")).unwrap();
            voltage_claim(&[ActId { statement: binding.head.previous, act: 0 }])
        }),
        high("unknown_interval").refuses("lee", |state| voltage_claim(&[outside(state)])),
        high("already_claimed")
            .after("chen", |state| voltage_claim(&[outside(state)]))
            .refuses("chen", |state| voltage_claim(&[outside(state)])),
        high("already_claimed").refuses("chen", |state| voltage_claim(&[outside(state), outside(state)])),
        case("unknown_bill").refuses("chen", |_| bill_claim(at(7, 1, 0, 0))),
        case("unknown_claim").refuses(OPERATOR, |_| answer(nowhere)),
        high("role_needed")
            .after("chen", |state| voltage_claim(&[outside(state)]))
            .refuses("chen", |state| answer(claimed(state))),
        high("already_answered")
            .after("chen", |state| voltage_claim(&[outside(state)]))
            .after(OPERATOR, |state| answer(claimed(state)))
            .refuses(OPERATOR, |state| answer(claimed(state))),
    ]
}

fn control(meter: &str, time: Timestamp) -> Act {
    Act::Control(Control {
        meter: meter_id(meter),
        time,
        by: Cause::Protection,
        who: "over-voltage".into(),
        why: "130 V".into(),
        before: LoadState::On,
        after: LoadState::Off,
    })
}

fn control_rules() -> Vec<&'static str> {
    let case = Case::new;
    vec![
        case("unknown_meter").refuses(GATEWAY, |_| control("m-none", noon())),
        case("not_the_signer").refuses("chen", |_| control("m-chen", noon())),
        case("control_time").refuses(GATEWAY, |_| control("m-chen", at(6, 30, 23, 59))),
        case("control_time")
            .refuses(GATEWAY, |_| control("m-chen", noon() + Millis::from_minutes(10) + Millis::from_ms(1))),
        case("binding_ended")
            .after(OPERATOR, |_| retire_meter("m-chen", at(7, 2, 0, 0)))
            .refuses(GATEWAY, |_| control("m-chen", at(7, 2, 0, 0))),
    ]
}

/// A ledger whose difficulty follows a block time.
fn by_time() -> Genesis {
    let mut genesis = genesis();
    let (target, half_life) = (Millis::from_minutes(1), Millis::from_minutes(60));
    genesis.order.block_time = Some(BlockTime { target, half_life });
    genesis
}

fn parameter_rules() -> Vec<&'static str> {
    let case = Case::new;
    let upgrade = |version, height| Act::Upgrade(Upgrade { version, height: Height::from_number(height) });
    let of = |min, nominal, max| {
        let [min, nominal, max] = [min, nominal, max].map(Voltage::from_mv);
        VoltageLimits { nominal, min, max, source: String::new() }
    };
    vec![
        case("role_needed").refuses("chen", |_| level(2, 9)),
        Case::of("level_by_time", by_time()).refuses(OPERATOR, |_| level(2, 9)),
        case("level_range").refuses(OPERATOR, |_| level(0, 9)),
        case("level_range").refuses(OPERATOR, |_| level(6, 9)),
        case("not_ahead").refuses(OPERATOR, |state| level(2, state.head().height.number() + 1)),
        case("not_ahead").refuses(OPERATOR, |_| limits(of(1, 2, 3), noon())),
        case("limits_order").refuses(OPERATOR, |_| limits(of(3, 2, 1), at(8, 1, 0, 0))),
        case("version_not_above").refuses(OPERATOR, |_| upgrade(1, 1_000)),
        case("version_not_above").after(OPERATOR, |_| upgrade(3, 1_000)).refuses(OPERATOR, |_| upgrade(3, 2_000)),
        case("notice_too_short").refuses(OPERATOR, |state| upgrade(2, state.head().height.number() + 100)),
    ]
}
