//! Whose meter it is, from now on.

use super::{Plan, Scene, chosen};
use crate::web::desk::fields::{Checking, Field, Group, Kind, Typed};
use ledger::act::{Act, Register, RegisterKey, RegisterMeter, Retire, RetireMeter, Role};
use units::{AccountId, MeterId, Timestamp};

/// Meters of one form: more than a flat has.
const METERS_MAX: usize = 16;
/// Largest factor of instrument transformers: 6,000 A to 5 A, and 69 kV to 115 V.
const FACTOR_MAX: u32 = 720_000;

/// The choice of a main meter, among the members.
const MAIN: &str = "main";

pub(super) fn groups(scene: &Scene, typed: &Typed) -> Vec<Group> {
    let t = scene.t;
    let whose = scene.members().into_iter().chain([(MAIN.to_owned(), t.get("desk-main-meter"))]).collect();
    let member = Field::new(typed, "account", t.get("desk-whose-meter"), Kind::Choice(chosen(&t, whose)));
    let fields = std::iter::once(member).chain(bind_fields(scene, typed, t.get("desk-meters-hint"))).collect();
    vec![Group { title: t.get("meter"), fields }]
}

/// Number, model, factor and who signs.
pub(super) fn bind_fields(scene: &Scene, typed: &Typed, hint: String) -> Vec<Field> {
    let t = scene.t;
    let profiles = scene.profiles.iter().map(|name| (name.clone(), name.clone())).collect();
    let signers = scene.signers();
    let signer = Field::new(typed, "signer", t.get("desk-signer"), Kind::Choice(signers.clone()));
    vec![
        Field::new(typed, "meter", t.get("meter-number"), Kind::Line).hint(hint),
        Field::new(typed, "profile", t.get("desk-profile"), Kind::Choice(chosen(&t, profiles))),
        Field::new(typed, "factor", t.get("factor"), Kind::Number(String::new()))
            .first(typed, "1")
            .hint(t.get("desk-factor-hint")),
        if signers.is_empty() { signer.hint(t.get("desk-no-gateway")) } else { signer },
    ]
}

pub(super) fn plan(scene: &Scene, checking: &mut Checking<'_>) -> Option<Plan> {
    let is_main = checking.typed.get("account") == MAIN;
    let member = if is_main { Some(scene.status.operator) } else { scene.member(checking) };
    if checking.typed.get("meter").is_empty() {
        checking.text("meter", MeterId::LENGTH_MAX);
    }
    let (acts, notes) = bind(scene, checking, member.unwrap_or(scene.status.operator), is_main)?;
    Some(Plan { notes, ..Plan::of(acts) })
}

/// The acts that bind the meters that were typed, and what to do beside them.
pub(super) fn bind(
    scene: &Scene,
    checking: &mut Checking<'_>,
    member: AccountId,
    main: bool,
) -> Option<(Vec<Act>, Vec<String>)> {
    let t = checking.t;
    let meters = numbers(checking);
    let profile = Some(checking.typed.get("profile")).filter(|name| scene.profiles.iter().any(|known| known == name));
    if profile.is_none() {
        checking.fault("profile", t.get("desk-fault-profile"));
    }
    let factor = checking.number("factor", 1, FACTOR_MAX);
    let signer = checking.typed.get("signer");
    let signer = scene.signers().into_iter().find(|(id, _)| id == signer).and_then(|(id, _)| id.parse().ok());
    if signer.is_none() {
        checking.fault("signer", t.get("desk-fault-signer"));
    }
    let (meters, profile, factor, signer) = (meters?, profile?, factor?, signer?);
    let from = scene.now;
    let mut acts = Vec::new();
    let mut notes = Vec::new();
    if let Some(key) = scene.new_gateway.as_ref().filter(|key| key.account() == signer) {
        let register = RegisterKey { key: key.clone(), role: Role::Gateway, from, beneficiary: None };
        acts.push(Act::Register(Register::Key(register)));
    }
    for meter in &meters {
        if let Some(bound) = scene.meters.iter().find(|bound| bound.meter == *meter && bound.until_ms.is_none()) {
            notes.push(t.with("desk-note-rebound", &[("meter", meter.as_str()), ("name", &scene.name(&bound.member))]));
        }
        acts.push(Act::Register(Register::Meter(RegisterMeter {
            meter: meter.clone(),
            signer,
            member,
            from,
            profile: profile.to_owned(),
            factor,
            main,
        })));
    }
    notes.push(t.get("desk-note-gateway"));
    Some((acts, notes))
}

/// The numbers that were typed, with commas or spaces between them.
fn numbers(checking: &mut Checking<'_>) -> Option<Vec<MeterId>> {
    let typed = checking.typed.get("meter");
    let parts = typed.split([',', '，', '、', ' ', ';']).filter(|part| !part.is_empty());
    let mut meters: Vec<MeterId> = Vec::new();
    for part in parts {
        match part.parse() {
            Ok(meter) if meters.contains(&meter) => {
                let words = checking.t.arg("desk-fault-meter-twice", "meter", part);
                checking.fault("meter", words);
            }
            Ok(meter) => meters.push(meter),
            Err(_) => {
                let words = checking.t.arg("desk-fault-meter", "meter", part);
                checking.fault("meter", words);
            }
        }
    }
    if meters.len() > METERS_MAX {
        let words = checking.t.arg("desk-fault-meters", "count", METERS_MAX.to_string());
        checking.fault("meter", words);
    }
    (!meters.is_empty()).then_some(meters)
}

pub(super) fn end_groups(scene: &Scene, typed: &Typed) -> Vec<Group> {
    let t = scene.t;
    let bound = scene.meters.iter().filter(|meter| meter.until_ms.is_none());
    let name = |meter: &api::MeterView| format!("{} · {}", meter.meter, scene.name(&meter.member));
    let meters = bound.map(|meter| (meter.meter.to_string(), name(meter))).collect();
    let field = Field::new(typed, "meter", t.get("meter"), Kind::Choice(chosen(&t, meters)));
    vec![Group { title: t.get("meter"), fields: vec![field] }]
}

pub(super) fn end_plan(scene: &Scene, checking: &mut Checking<'_>) -> Option<Plan> {
    let typed = checking.typed.get("meter");
    let bound = scene.meters.iter().find(|meter| meter.meter.as_str() == typed && meter.until_ms.is_none());
    let Some(bound) = bound else {
        let words = checking.t.get("desk-fault-no-meter");
        checking.fault("meter", words);
        return None;
    };
    Some(Plan::of(vec![end(bound.meter.clone(), scene.now)]))
}

/// The end of a meter's binding.
pub(super) fn end(meter: MeterId, at: Timestamp) -> Act {
    Act::Retire(Retire::Meter(RetireMeter { meter, at }))
}
