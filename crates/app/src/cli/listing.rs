//! `wattproof offers, claims`: what waits for somebody.

use super::show::{Asked, offer_summary};
use super::terminal::{say, say_json};
use super::{ClaimsArgs, ListArgs, Trouble};
use crate::web::i18n::Texts;
use api::{ClaimStatus, ClaimView, OpenOffer, OutsideView, Page};
use std::process::ExitCode;
use units::StatementId;

/// An act as the commands take it: its statement, and its number if that is not 0.
fn act_id(statement: &StatementId, act_index: u32) -> String {
    if act_index == 0 { statement.to_string() } else { format!("{statement}#{act_index}") }
}

fn say_next(next: Option<&str>, texts: Texts) {
    if let Some(next) = next {
        say(texts.arg("cli-list-next", "cursor", next));
    }
}

pub(super) fn offers(args: &ListArgs, texts: Texts) -> Result<ExitCode, Trouble> {
    let asked = Asked::new(&args.asking)?;
    let page: Page<OpenOffer> = asked.client.offers(args.cursor.as_deref(), args.limit)?;
    if args.asking.json {
        say_json(&page);
        return Ok(ExitCode::SUCCESS);
    }
    if page.items.is_empty() {
        say(texts.get("cli-offers-none"));
    }
    let face = asked.clockface()?;
    for open in &page.items {
        let until = texts.arg("cli-offer-until", "time", face.moment(open.offer.until_ms).full());
        let (seller, terms) = (asked.names.of(&open.seller), offer_summary(&open.offer, &asked));
        say(format_args!("{}\n  {seller}: {terms}; {until}", act_id(&open.statement, open.act_index)));
    }
    say_next(page.next.as_deref(), texts);
    Ok(ExitCode::SUCCESS)
}

pub(super) fn claims(args: &ClaimsArgs, texts: Texts) -> Result<ExitCode, Trouble> {
    let ClaimsArgs { account, list } = args;
    let asked = Asked::new(&list.asking)?;
    let outside = match account {
        Some(typed) => asked.client.account(&asked.account(typed)?)?.outside,
        None => Vec::new(),
    };
    let page: Page<ClaimView> = asked.client.claims(list.cursor.as_deref(), list.limit)?;
    if list.asking.json {
        match account {
            Some(_) => say_json(&serde_json::json!({ "claims": page, "outside": outside })),
            None => say_json(&page),
        }
        return Ok(ExitCode::SUCCESS);
    }
    say(texts.get("indication"));
    for claim in &page.items {
        say_claim(claim, &asked, texts)?;
    }
    if page.items.is_empty() {
        say(texts.get("cli-claims-none"));
    }
    for interval in outside.iter().filter(|interval| interval.claim.is_none()) {
        let id = act_id(&interval.statement, interval.act_index);
        say(format_args!("{} {id}\n  {}", texts.get("cli-claimable"), interval_text(interval, &asked)?));
    }
    say_next(page.next.as_deref(), texts);
    Ok(ExitCode::SUCCESS)
}

fn say_claim(claim: &ClaimView, asked: &Asked, texts: Texts) -> Result<(), Trouble> {
    let status = texts.get(match claim.status {
        ClaimStatus::Open => "claim-open",
        ClaimStatus::Accepted => "claim-accepted",
        ClaimStatus::Declined => "claim-declined",
    });
    let member = asked.names.of(&claim.member);
    say(format_args!("{} ({status})\n  {member}: {}", act_id(&claim.statement, claim.act_index), claim.text));
    for interval in &claim.intervals {
        say(format_args!("  {}", interval_text(interval, asked)?));
    }
    if let Some(from) = claim.bill_from_ms {
        say(format_args!("  {}", texts.arg("line-claim-bill", "time", asked.clockface()?.moment(from).full())));
    }
    if let Some(answer) = &claim.answer {
        say(format_args!("  {}: {}", texts.get("act-answer"), answer.text));
    }
    Ok(())
}

fn interval_text(interval: &OutsideView, asked: &Asked) -> Result<String, Trouble> {
    let face = asked.clockface()?;
    let meter = interval.meter.as_ref().map(ToString::to_string).unwrap_or_default();
    let range = |ends: [Option<units::Voltage>; 2]| match ends {
        [Some(min), Some(max)] => format!("{min} - {max}"),
        _ => "-".to_owned(),
    };
    let found = range([interval.voltage_min_mv, interval.voltage_max_mv]);
    let limits = range([interval.limit_min_mv, interval.limit_max_mv]);
    let (start, end) = (face.moment(interval.start_ms).full(), face.moment(interval.end_ms).full());
    Ok(format!("{meter}, {start} - {end}: {found} ({limits})"))
}
