//! What a run of the demo came to, in figures, and how to go on with a meter of one's own.

use super::nodes::Outcome;
use super::{DemoError, Running};
use crate::export;
use crate::web::format::group_number;
use crate::web::i18n::Texts;
use ledger::state::{Record, RecordKey};
use ledger::verify::Verdict;

/// The figures.
pub(super) struct Summary {
    polls: u64,
    readings: u64,
    intervals: u64,
    nodes: Outcome,
    is_final: bool,
    difficulty: u64,
    bills: u64,
    bills_verified: u64,
    loads: u64,
    serial: String,
}

/// Counts them, and verifies every bill in the ledger once more.
pub(super) fn of(demo: &Running, nodes: Outcome) -> Result<Summary, DemoError> {
    let meters = demo.gateway.snapshot();
    let status = demo.node.status()?;
    let (bills, intervals, loads) = demo.node.with_state(|state| {
        let bills: Vec<_> = state
            .records()
            .filter_map(|(key, _)| match key {
                RecordKey::Bill(account, from) => Some((*account, state.genesis().month_at(*from)?)),
                _ => None,
            })
            .collect();
        let chains = state.records().filter_map(|(_, record)| match record {
            Record::Binding(binding) => Some(binding.head.next_seq),
            _ => None,
        });
        let loads = state.records().filter(|(_, record)| matches!(record, Record::Load(_))).count();
        (bills, chains.sum(), loads)
    })?;
    let depth = u64::from(demo.community.genesis().order.final_depth);
    let mut bills_verified = 0;
    for (account, month) in &bills {
        let bytes =
            export::bill_bundle(&demo.node, *account, *month).map_err(|error| DemoError::Story(error.to_string()))?;
        let report = ledger::verify::verify(&bytes, Some(demo.community.genesis()), &export::read_frame);
        bills_verified += u64::from(report.verdict() == Verdict::Verified);
    }
    Ok(Summary {
        polls: meters.iter().map(|meter| meter.polls).sum(),
        readings: meters.iter().map(|meter| meter.answers).sum(),
        intervals,
        nodes,
        is_final: status.height.number() <= status.final_height.number() + depth,
        difficulty: status.mining.difficulty,
        bills: u64::try_from(bills.len()).unwrap_or(u64::MAX),
        bills_verified,
        loads: u64::try_from(loads).unwrap_or(u64::MAX),
        serial: "/dev/ttyUSB0".to_owned(),
    })
}

impl Summary {
    /// Readings were committed, a switched load stands in the ledger, the nodes agree on it and it is final, and every bill
    /// verifies.
    pub(super) const fn is_good(&self) -> bool {
        let booked = self.intervals > 0 && self.loads > 0;
        booked && self.nodes.agree && self.is_final && self.bills == self.bills_verified
    }

    pub(super) fn print(&self, texts: Texts) {
        println!();
        let line = |key: &str, values: &[(&str, u64)]| {
            let shown: Vec<(&str, String)> = values.iter().map(|(name, value)| (*name, group_number(*value))).collect();
            let values: Vec<(&str, &str)> = shown.iter().map(|(name, value)| (*name, value.as_str())).collect();
            println!("{}", texts.with(key, &values));
        };
        line("demo-sum-readings", &[("polls", self.polls), ("readings", self.readings), ("intervals", self.intervals)]);
        let Outcome { heights, agree, blocks, attempts, forks_seen, reorganisations } = &self.nodes;
        if *agree {
            let height = heights.first().map_or(0, |height| height.number());
            line("demo-sum-nodes", &[("nodes", heights.len() as u64), ("height", height)]);
        } else {
            let heights: Vec<String> = heights.iter().map(ToString::to_string).collect();
            println!("{}", texts.arg("demo-sum-disagree", "heights", heights.join(", ")));
        }
        line("demo-sum-forks", &[("forks", *forks_seen), ("reorganisations", *reorganisations)]);
        let mean = attempts.checked_div(*blocks).unwrap_or(0).saturating_sub(1);
        line("demo-sum-nonce", &[("blocks", *blocks), ("mean", mean), ("difficulty", self.difficulty)]);
        line("demo-sum-bills", &[("verified", self.bills_verified), ("bills", self.bills)]);
        line("demo-sum-loads", &[("loads", self.loads)]);
        println!("{}", texts.get("demo-own-meter"));
        println!("  wattproof meter read --profile im1281b --serial {} --baud 9600 --address 1", self.serial);
    }
}
