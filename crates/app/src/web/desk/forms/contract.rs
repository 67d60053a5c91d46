//! A member's contract energy, month by month.

use super::{Plan, Scene};
use crate::web::desk::fields::{Checking, Field, Group, Kind, Typed};
use crate::web::failure::{Failure, optional};
use crate::web::format::kwh;
use ledger::act::{Act, Contract};
use node::NodeHandle;
use std::collections::BTreeMap;
use units::{AccountId, Energy, Month};

/// Months of one form: a year.
const MONTHS_MAX: u32 = 12;

/// What an account has contracted, in every month that it has a sheet of.
pub(super) fn of(node: &NodeHandle, account: AccountId) -> Result<BTreeMap<Month, Energy>, Failure> {
    let months = optional(node.account(account))?.map(|view| view.months).unwrap_or_default();
    let sheets = months.into_iter().map(|month| Ok((month, optional(node.sheet(account, month))?)));
    let sheets = sheets.collect::<Result<Vec<_>, Failure>>()?;
    Ok(sheets.into_iter().filter_map(|(month, sheet)| Some((month, sheet?.terms.contract_mwh))).collect())
}

pub(super) fn groups(scene: &Scene, typed: &Typed) -> Vec<Group> {
    let t = scene.t;
    let hint = match scene.contracted.get(&scene.month()) {
        Some(energy) => {
            t.with("desk-contract-present", &[("energy", &kwh(*energy)), ("month", &scene.month().to_string())])
        }
        None => t.get("desk-contract-hint"),
    };
    let fields = std::iter::once(scene.member_field(typed)).chain(fields(scene, typed, ("", "1"), hint)).collect();
    vec![Group { title: t.get("contract"), fields }]
}

/// How much, from which month on, and for how many; beginning with an energy and a count.
pub(super) fn fields(scene: &Scene, typed: &Typed, (energy, count): (&str, &str), hint: String) -> Vec<Field> {
    let t = scene.t;
    vec![
        Field::new(typed, "energy", t.get("desk-energy-month"), Kind::Number(t.get("kwh")))
            .first(typed, energy)
            .hint(hint),
        Field::new(typed, "month", t.get("desk-from-month"), Kind::Choice(scene.months()))
            .first(typed, &scene.month().to_string()),
        Field::new(typed, "months", t.get("desk-months"), Kind::Number(String::new()))
            .first(typed, count)
            .hint(t.get("desk-months-hint")),
    ]
}

pub(super) fn plan(scene: &Scene, checking: &mut Checking<'_>) -> Option<Plan> {
    let account = scene.member(checking);
    let acts = acts(scene, checking, account.unwrap_or(scene.status.operator))?;
    Some(Plan::of(acts))
}

/// One act a month. A month that has as much already needs none; less than it has is refused.
pub(super) fn acts(scene: &Scene, checking: &mut Checking<'_>, account: AccountId) -> Option<Vec<Act>> {
    let energy = checking.energy("energy");
    let first = checking.month("month");
    let count = checking.number("months", 1, MONTHS_MAX);
    let (energy, first, count) = (energy?, first?, count?);
    let mut acts = Vec::new();
    for month in (0..count).map(|count| first.plus(count)) {
        let present = scene.contracted.get(&month).copied().unwrap_or_default();
        if energy < present {
            let values = [("energy", &*kwh(present)), ("month", &*month.to_string())];
            let words = checking.t.with("desk-fault-lowered", &values);
            checking.fault("energy", words);
        } else if energy > present {
            acts.push(Act::Contract(Contract { account, month, energy }));
        }
    }
    if acts.is_empty() {
        let words = checking.t.get("desk-fault-same-contract");
        checking.fault("energy", words);
        return None;
    }
    Some(acts)
}
