//! The mining level from a block on.

use super::{Plan, Scene};
use crate::web::desk::fields::{Checking, Field, Group, Kind, Typed};
use ledger::act::{Act, NewLevel, Parameter};
use units::Height;

/// Blocks ahead that are proposed: the statement itself has to get into one first.
const AHEAD: u64 = 3;

pub(super) fn groups(scene: &Scene, typed: &Typed) -> Vec<Group> {
    let t = scene.t;
    let level = |level: u32| {
        (
            level.to_string(),
            t.with(
                "desk-level-choice",
                &[("level", &level.to_string()), ("attempts", &crate::web::format::group_number(16_u64.pow(level)))],
            ),
        )
    };
    let levels = Kind::Choice((1..=5).map(level).collect());
    let height = scene.status.height.number().saturating_add(AHEAD).to_string();
    vec![Group {
        title: t.get("difficulty"),
        fields: vec![
            Field::new(typed, "level", t.get("difficulty"), levels)
                .first(typed, &scene.status.mining.level.to_string()),
            Field::new(typed, "height", t.get("desk-from-block"), Kind::Number(String::new()))
                .first(typed, &height)
                .hint(t.arg("desk-from-block-hint", "height", scene.status.height.to_string())),
        ],
    }]
}

pub(super) fn plan(scene: &Scene, checking: &mut Checking<'_>) -> Option<Plan> {
    let t = checking.t;
    let level = checking.number("level", 1, 5).and_then(|level| u8::try_from(level).ok());
    let height: Option<u64> = checking.parsed("height", "desk-fault-height");
    if height.is_some_and(|height| height <= scene.status.height.number()) {
        checking.fault("height", t.get("desk-fault-height"));
    }
    let height = Height::from_number(height?);
    Some(Plan::of(vec![Act::Parameter(Parameter::Level(NewLevel { level: level?, height }))]))
}
