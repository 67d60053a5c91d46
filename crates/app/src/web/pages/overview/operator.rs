//! `/` for the operator: what needs a hand, and where the energy comes from and goes to; then what everybody sees.

use super::super::{Answer, ask, words};
use super::alarms::{Alarm, Signs, Watch};
use super::cards::{self, Booked};
use super::community::{self, Gathered};
use super::flow::{Bar, Flow, Share};
use crate::web::AppState;
use crate::web::frame::Reader;
use crate::web::live::Live;
use crate::web::view::Words;
use api::{LossesView, Status};
use node::NodeHandle;
use std::collections::BTreeMap;
use units::{AccountId, MeterId};

/// A span of time with its two bars.
pub(super) struct FlowText {
    pub(super) title: String,
    pub(super) unit: String,
    pub(super) bars: [Bar; 2],
}

/// What the operator sees before the rest.
pub(super) struct OperatorPart {
    pub(super) alarms: Vec<Alarm>,
    pub(super) flows: Vec<FlowText>,
}

/// The page.
pub(super) async fn overview(state: AppState, reader: Reader) -> Answer {
    let rules = state.loss_rules().clone();
    let caller = reader.caller.clone();
    let question = move |node: &NodeHandle, status: &Status| {
        let gathered = community::gather(node, status, caller.sight(status.public_readings))?;
        Ok((gathered, Signs::gather(node, status, &rules)?))
    };
    let (status, (gathered, signs)) = ask(&state, &reader, question).await?;
    let words = words(&state, &reader, &status);
    let live = state.live();
    let loads = state.0.loads.as_ref().map(crate::web::loads::LoadSite::view);
    let watch = Watch { words: &words, status: &status, meters: &gathered.meters, live: &live };
    let part = OperatorPart {
        alarms: watch.alarms(&signs, &community::notices(&words, &gathered), loads.as_ref()),
        flows: flows(&words, &status, &gathered, &signs.losses, &live),
    };
    Ok(community::page(&state, &reader, &status, &gathered, Some(part)))
}

fn flows(
    words: &Words<'_>,
    status: &Status,
    gathered: &Gathered,
    losses: &LossesView,
    live: &BTreeMap<MeterId, Live>,
) -> Vec<FlowText> {
    let t = words.t;
    let month = status.month.map_or_else(String::new, |month| month.to_string());
    vec![
        FlowText {
            title: t.get("flow-now"),
            unit: "W".to_owned(),
            bars: now(words, &gathered.meters, live).bars(t, 0, 3),
        },
        FlowText {
            title: t.arg("flow-month", "month", month),
            unit: t.get("kwh"),
            bars: of_month(words, &gathered.meters, losses).bars(t, 1, 6),
        },
    ]
}

/// What the meters say now: a power below zero is fed in.
fn now(words: &Words<'_>, meters: &[Booked], live: &BTreeMap<MeterId, Live>) -> Flow {
    let power = |booked: &Booked| cards::value(booked, live, "active_power_mw").unwrap_or(0);
    let main: Vec<i64> = meters.iter().filter(|booked| booked.meter.main).map(power).collect();
    let shares = meters.iter().filter(|booked| !booked.meter.main).map(|booked| {
        let power = power(booked);
        Share {
            name: words.name(&booked.meter.member),
            used: u64::try_from(power).unwrap_or(0),
            generated: u64::try_from(-power).unwrap_or(0),
        }
    });
    let supplied = (!main.is_empty()).then(|| main.iter().map(|power| u64::try_from(*power).unwrap_or(0)).sum());
    Flow { supplied, shares: together(shares) }
}

/// What the month's sheets have booked, and what the main meters counted.
fn of_month(words: &Words<'_>, meters: &[Booked], losses: &LossesView) -> Flow {
    let mut sheets = BTreeMap::new();
    for booked in meters.iter().filter(|booked| !booked.meter.main) {
        if let Some(sheet) = &booked.sheet {
            sheets.insert(sheet.account, sheet);
        }
    }
    let share = |(account, sheet): (&AccountId, &&api::SheetView)| Share {
        name: words.name(account),
        used: sheet.terms.consumed_mwh.mwh(),
        generated: sheet.terms.generated_mwh.mwh(),
    };
    let has_main = meters.iter().any(|booked| booked.meter.main);
    let top = losses.meters.iter().filter(|loss| {
        // Meters of a floor are below the main ones, and would be counted twice.
        loss.upper.iter().all(|upper| meters.iter().any(|booked| booked.meter.meter == *upper && booked.meter.main))
    });
    let supplied = has_main.then(|| top.map(|loss| loss.supplied_mwh.mwh()).sum());
    Flow { supplied, shares: together(sheets.iter().map(share)) }
}

/// One share for each name.
fn together(shares: impl Iterator<Item = Share>) -> Vec<Share> {
    let mut by_name: BTreeMap<String, Share> = BTreeMap::new();
    for share in shares {
        let known = by_name.entry(share.name.clone()).or_insert(Share { used: 0, generated: 0, ..share.clone() });
        known.used = known.used.saturating_add(share.used);
        known.generated = known.generated.saturating_add(share.generated);
    }
    by_name.into_values().collect()
}
