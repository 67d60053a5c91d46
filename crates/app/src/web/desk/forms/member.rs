//! Somebody new, and how a member's key or membership ends.

use super::meter::{bind, bind_fields};
use super::{MadeKey, Plan, Scene, contract};
use crate::key_file::{self, KeyKind};
use crate::web::desk::fields::{Checking, Field, Group, Kind, Typed};
use crate::web::directory::Person;
use ledger::PublicKey;
use ledger::act::{Act, Register, RegisterKey, Retire, RetireRole, Revoke, Role};
use units::AccountId;

/// Longest name or room: more than a line of a bill has.
pub(in crate::web) const NAME_BYTES_MAX: usize = 96;

/// Name of the file of a key that is made here: the form's own mark tells two of the same room apart.
pub(super) fn file_name(typed: &Typed) -> String {
    let plain = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).take(16).collect::<String>();
    let (room, mark) = (plain(typed.get("room")), plain(typed.get("nonce")));
    format!("{}-{mark}.key", if room.is_empty() { "member" } else { &room })
}

pub(super) fn groups(scene: &Scene, typed: &Typed) -> Vec<Group> {
    let t = scene.t;
    let line = |name, label| Field::new(typed, name, label, Kind::Line);
    let own = ("own".to_owned(), t.get("desk-key-own"));
    let here = scene.has_key.then(|| ("here".to_owned(), t.get("desk-key-here")));
    let kinds = Kind::Choice(std::iter::once(own).chain(here).collect());
    vec![
        Group {
            title: t.get("desk-who"),
            fields: vec![
                line("name", t.get("desk-name")).hint(t.get("desk-name-hint")),
                line("room", t.get("desk-room")).hint(t.get("desk-optional")),
            ],
        },
        Group {
            title: t.get("desk-key"),
            fields: vec![
                Field::new(typed, "key_kind", t.get("desk-key-kind"), kinds).hint(t.get("desk-key-kind-hint")),
                Field::new(typed, "key", t.get("desk-public-key"), Kind::Lines).hint(t.get("desk-public-key-hint")),
            ],
        },
        Group { title: t.get("meter"), fields: bind_fields(scene, typed, t.get("desk-meters-optional")) },
        Group {
            title: t.get("contract"),
            fields: contract::fields(scene, typed, ("", "12"), t.get("desk-contract-optional")),
        },
    ]
}

pub(super) fn plan(scene: &Scene, checking: &mut Checking<'_>) -> Option<Plan> {
    let name = checking.text("name", NAME_BYTES_MAX);
    let room = Some(checking.typed.get("room").to_owned()).filter(|room| !room.is_empty());
    if room.as_ref().is_some_and(|room| room.len() > NAME_BYTES_MAX) {
        checking.text("room", NAME_BYTES_MAX);
    }
    let key = key(scene, checking);
    // Without a key the rest is checked all the same, for its faults.
    let account = key.as_ref().map_or(scene.status.operator, |(key, _)| key.account());
    if scene.with_role("member").any(|member| member.id == account) {
        let words = checking.t.arg("desk-fault-known-key", "name", scene.name(&account));
        checking.fault("key", words);
    }
    let mut acts = Vec::new();
    let mut notes = Vec::new();
    if !checking.typed.get("meter").is_empty()
        && let Some((bindings, more)) = bind(scene, checking, account, false)
    {
        acts.extend(bindings);
        notes.extend(more);
    }
    if !checking.typed.get("energy").is_empty() {
        acts.extend(contract::acts(scene, checking, account).unwrap_or_default());
    }
    let (key, made) = key?;
    let from = scene.now;
    let register = RegisterKey { key, role: Role::Member, from, beneficiary: None };
    acts.insert(0, Act::Register(Register::Key(register)));
    if made.is_some() {
        notes.push(checking.t.get("desk-note-made-key"));
    }
    let person = Person { name: name?, room, is_member: true };
    Some(Plan { acts, person: Some((account, person)), made, notes })
}

/// The member's own key, or one that is made here.
fn key(scene: &Scene, checking: &mut Checking<'_>) -> Option<(PublicKey, Option<MadeKey>)> {
    let t = checking.t;
    if checking.typed.get("key_kind") == "here" && scene.has_key {
        if let Some(kept) = &scene.kept {
            return Some((kept.public(), None));
        }
        let Ok(key) = key_file::new_key(KeyKind::Ed25519) else {
            checking.fault("key_kind", t.get("desk-fault-random"));
            return None;
        };
        return Some((key.public(), Some(MadeKey { file: file_name(checking.typed), key })));
    }
    let typed = checking.typed.get("key");
    if typed.is_empty() {
        checking.fault("key", t.get("desk-fault-no-key"));
        return None;
    }
    let bytes = crate::hex::from_hex(typed).unwrap_or_else(|| typed.as_bytes().to_vec());
    match PublicKey::read(&bytes) {
        Ok(key) => Some((key, None)),
        Err(error) => {
            checking.fault("key", t.arg("desk-fault-key", "reason", error.to_string()));
            None
        }
    }
}

pub(super) fn end_groups(scene: &Scene, typed: &Typed) -> Vec<Group> {
    vec![Group { title: scene.t.get("member"), fields: vec![scene.member_field(typed)] }]
}

pub(super) fn revoke_plan(scene: &Scene, checking: &mut Checking<'_>) -> Option<Plan> {
    let account = scene.member(checking)?;
    Some(Plan { notes: vec![checking.t.get("desk-note-revoke")], ..Plan::of(vec![Act::Revoke(Revoke { account })]) })
}

/// Out of the house: the meters end with the membership, because a member with meters cannot leave.
pub(super) fn leave_plan(scene: &Scene, checking: &mut Checking<'_>) -> Option<Plan> {
    let account = scene.member(checking)?;
    let at = scene.now;
    let meters = scene.meters.iter().filter(|meter| is_bound_to(meter, &account));
    let ends = meters.map(|meter| super::meter::end(meter.meter.clone(), at));
    let leaves = Act::Retire(Retire::Role(RetireRole { account, role: Role::Member, at }));
    let acts = ends.chain(std::iter::once(leaves)).collect();
    Some(Plan { notes: vec![checking.t.get("desk-note-leave")], ..Plan::of(acts) })
}

fn is_bound_to(meter: &api::MeterView, account: &AccountId) -> bool {
    meter.member == *account && meter.until_ms.is_none() && !meter.main
}
