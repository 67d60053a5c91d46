//! Prices from a month on: one price, a table that comes with the program, or a file of the operator's.

use super::{Plan, Scene};
use crate::web::desk::fields::{Checking, Field, Group, Kind, Typed};
use ledger::act::{Act, Tariff};
use ledger::price::file::{SHIPPED, TariffFile};
use units::Money;

/// The choice of one price.
const FLAT: &str = "flat";
/// The choice of a file.
const FILE: &str = "file";

pub(super) fn groups(scene: &Scene, typed: &Typed) -> Vec<Group> {
    let t = scene.t;
    let currency = scene.status.currency.clone();
    let shipped = SHIPPED.iter().map(|(name, _)| ((*name).to_owned(), t.arg("desk-tariff-shipped", "name", name)));
    let own = [(FLAT.to_owned(), t.get("desk-tariff-flat")), (FILE.to_owned(), t.get("desk-tariff-file"))];
    let tables = Kind::Choice(own.into_iter().chain(shipped).collect());
    let number = |name, label| Field::new(typed, name, label, Kind::Number(currency.clone()));
    vec![
        Group {
            title: t.get("desk-tariff-which"),
            fields: vec![
                Field::new(typed, "table", t.get("desk-tariff-table"), tables),
                Field::new(typed, "month", t.get("desk-from-month"), Kind::Choice(scene.months()))
                    .first(typed, &scene.month().plus(1).to_string())
                    .hint(t.get("desk-tariff-month-hint")),
            ],
        },
        Group {
            title: t.get("desk-tariff-flat"),
            fields: vec![
                number("price", t.get("desk-price")),
                number("excess", t.get("desk-excess")).hint(t.get("desk-optional")),
                number("round_to", t.get("desk-round-to")).first(typed, "1"),
            ],
        },
        Group {
            title: t.get("desk-tariff-file"),
            fields: vec![
                Field::new(typed, "file", t.get("desk-tariff-text"), Kind::Lines).hint(t.get("desk-tariff-text-hint")),
            ],
        },
    ]
}

pub(super) fn plan(scene: &Scene, checking: &mut Checking<'_>) -> Option<Plan> {
    let t = checking.t;
    let from = checking.month("month");
    match checking.typed.get("table") {
        FLAT | "" => {
            let price = money(checking, "price");
            let has_excess = !checking.typed.get("excess").is_empty();
            let excess = if has_excess { money(checking, "excess") } else { None };
            let round_to = money(checking, "round_to").filter(|step| !step.is_zero());
            if round_to.is_none() {
                checking.fault("round_to", t.get("desk-fault-money"));
            }
            Some(Plan::of(vec![Act::Tariff(Tariff::flat(from?, price?, excess, round_to?))]))
        }
        FILE => match TariffFile::parse(checking.typed.get("file")) {
            Ok(file) => of_file(scene, checking, &file),
            Err(error) => {
                checking.fault("file", t.arg("desk-fault-file", "reason", error.to_string()));
                None
            }
        },
        shipped => match TariffFile::shipped(shipped) {
            Some(file) => of_file(scene, checking, &file),
            None => {
                checking.fault("table", t.get("desk-choose"));
                None
            }
        },
    }
}

fn of_file(scene: &Scene, checking: &mut Checking<'_>, file: &TariffFile) -> Option<Plan> {
    let t = checking.t;
    let from = checking.month("month")?;
    if file.currency != scene.status.currency {
        let (theirs, ours) = (file.currency.as_str(), scene.status.currency.as_str());
        checking.fault("table", t.with("desk-fault-currency", &[("theirs", theirs), ("ours", ours)]));
    }
    let note = t.with("desk-note-tariff", &[("source", &file.source), ("date", &file.effective_from)]);
    Some(Plan { notes: vec![note], ..Plan::of(vec![Act::Tariff(file.tariff(from))]) })
}

fn money(checking: &mut Checking<'_>, name: &'static str) -> Option<Money> {
    let money = Money::parse(checking.typed.get(name)).ok();
    if money.is_none() {
        let words = checking.t.get("desk-fault-money");
        checking.fault(name, words);
    }
    money
}
