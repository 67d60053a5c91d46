//! The operator's answer to a claim, once.

use super::{Plan, Scene, act_id, chosen};
use crate::web::desk::fields::{Checking, Field, Group, Kind, Typed};
use crate::web::failure::Failure;
use api::{ClaimStatus, ClaimView, PAGE_ITEMS_MAX};
use ledger::act::{Act, Answer, Claim, Decision};
use node::NodeHandle;

/// Pages of claims that are looked through.
const PAGES_MAX: u32 = 20;

/// The claim of an id, if there is one.
pub(super) fn claim(node: &NodeHandle, typed: &str) -> Result<Option<ClaimView>, Failure> {
    let Some(id) = act_id(typed) else { return Ok(None) };
    let mut cursor: Option<String> = None;
    for _ in 0..PAGES_MAX {
        let page = node.claims(cursor.as_deref(), PAGE_ITEMS_MAX)?;
        let same = |claim: &ClaimView| (claim.statement, claim.act_index) == (id.statement, id.act);
        if let Some(found) = page.items.into_iter().find(same) {
            return Ok(Some(found));
        }
        match page.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    Ok(None)
}

pub(super) fn groups(scene: &Scene, typed: &Typed) -> Vec<Group> {
    let t = scene.t;
    let decisions = vec![("accepted".to_owned(), t.get("desk-accept")), ("declined".to_owned(), t.get("desk-decline"))];
    let about = scene.claim.as_ref().map_or_else(String::new, |claim| {
        let name = scene.name(&claim.member);
        t.with("desk-claim-of", &[("name", &name), ("text", &claim.text)])
    });
    vec![Group {
        title: t.get("act-answer"),
        fields: vec![
            Field::new(typed, "claim", t.get("desk-claim"), Kind::Line).hint(about),
            Field::new(typed, "decision", t.get("desk-decision"), Kind::Choice(chosen(&t, decisions))),
            Field::new(typed, "text", t.get("desk-reason"), Kind::Lines).hint(t.get("desk-reason-hint")),
        ],
    }]
}

pub(super) fn plan(scene: &Scene, checking: &mut Checking<'_>) -> Option<Plan> {
    let t = checking.t;
    let claim = act_id(checking.typed.get("claim"));
    match &scene.claim {
        None => checking.fault("claim", t.get("desk-fault-claim")),
        Some(claim) if claim.status != ClaimStatus::Open => checking.fault("claim", t.get("desk-fault-answered")),
        Some(_) => {}
    }
    let decision = match checking.typed.get("decision") {
        "accepted" => Some(Decision::Accepted),
        "declined" => Some(Decision::Declined),
        _ => {
            checking.fault("decision", t.get("desk-choose"));
            None
        }
    };
    let text = checking.text("text", Claim::TEXT_MAX);
    Some(Plan::of(vec![Act::Answer(Answer { claim: claim?, decision: decision?, text: text? })]))
}
