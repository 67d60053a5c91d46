//! `wattproof status, account, block, statement, bill, pool`: what a node answers, as text or as JSON.

mod acts;

pub(super) use acts::offer_summary;

use super::names::Names;
use super::terminal::{say, say_json};
use super::{AccountArgs, Asking, BillArgs, BlockArgs, StatementArgs, StatusArgs, Trouble};
use crate::web::format::Clockface;
use crate::web::i18n::Texts;
use api::{
    AccountView, ActView, BillView, BlockDetail, Client, PoolView, SheetView, StatementState, StatementView, Status,
};
use gateway::HttpTransport;
use std::process::ExitCode;
use units::{AccountId, Timestamp};

/// A node, and who is who.
pub(super) struct Asked {
    pub(super) client: Client<HttpTransport>,
    pub(super) names: Names,
}

impl Asked {
    pub(super) fn new(asking: &Asking) -> Result<Self, Trouble> {
        let client = Client::new(asking.url.transport()?);
        Ok(Self { client, names: Names::read(asking.directory.as_deref(), None)? })
    }

    pub(super) fn account(&self, typed: &str) -> Result<AccountId, Trouble> {
        self.names.account(typed, || Ok(self.client.status()?.operator))
    }

    /// How times are shown: in the community's own time zone.
    pub(super) fn clockface(&self) -> Result<Clockface, Trouble> {
        Ok(Clockface::new(&self.client.status()?.time_zone))
    }
}

/// A line: what, and its value.
fn line(label: impl std::fmt::Display, value: impl std::fmt::Display) {
    say(format_args!("{label}: {value}"));
}

pub(super) fn status(args: &StatusArgs, texts: Texts) -> Result<ExitCode, Trouble> {
    let asked = Asked::new(&args.asking)?;
    let status = asked.client.status()?;
    if args.asking.json {
        say_json(&status)
    } else {
        show_status(&status, texts)
    }
    Ok(ExitCode::SUCCESS)
}

fn show_status(status: &Status, texts: Texts) {
    let moment = |time: Timestamp| Clockface::new(&status.time_zone).moment(time).full();
    line(texts.get("cli-status-community"), &status.name);
    line(texts.get("cli-status-ledger"), status.ledger);
    line(texts.get("cli-status-time"), format_args!("{} ({})", moment(status.time_ms), status.time_zone));
    line(texts.get("cli-status-head"), format_args!("{} {}", status.height, status.hash));
    line(texts.get("cli-status-final"), status.final_height);
    line(texts.get("cli-status-statements"), status.log_size);
    line(texts.get("cli-status-pool"), status.pool_size);
    line(texts.get("cli-status-open"), status.first_open_month);
    line(texts.get("cli-status-level"), format_args!("{} (1/{})", status.mining.level, status.mining.difficulty));
    if status.findings.count > 0 {
        let (count, open) = (status.findings.count.to_string(), status.findings.open.to_string());
        let value = texts.with("cli-status-findings-value", &[("count", &count), ("open", &open)]);
        line(texts.get("cli-status-findings"), value);
    }
    if let Some(reason) = &status.read_only {
        line(texts.get("cli-status-read-only"), reason);
    }
}

pub(super) fn account(args: &AccountArgs, texts: Texts) -> Result<ExitCode, Trouble> {
    let asked = Asked::new(&args.asking)?;
    let id = asked.account(&args.account)?;
    match args.month {
        None => {
            let view = asked.client.account(&id)?;
            if args.asking.json { say_json(&view) } else { show_account(&view, &asked, texts) }
        }
        Some(month) => {
            let view = asked.client.month(&id, month)?;
            if args.asking.json { say_json(&view) } else { show_sheet(&view, &asked, texts) }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show_account(view: &AccountView, asked: &Asked, texts: Texts) {
    let list = |items: Vec<String>| if items.is_empty() { "-".to_owned() } else { items.join(", ") };
    say(asked.names.of(&view.id));
    line(texts.get("cli-account-id"), view.id);
    let roles = view.roles.iter().map(|role| texts.get(&format!("role-{}", role.role)));
    line(texts.get("cli-account-roles"), list(roles.collect()));
    for key in &view.keys {
        let since = texts.arg("cli-account-key-since", "height", key.since.height.to_string());
        line(texts.get("cli-account-key"), format_args!("{} ({since})", key.key));
    }
    if let Some(revoked) = &view.revoked {
        say(texts.arg("cli-account-revoked", "height", revoked.height.to_string()));
    }
    line(texts.get("cli-account-meters"), list(view.meters.iter().map(ToString::to_string).collect()));
    line(texts.get("cli-account-months"), list(view.months.iter().map(ToString::to_string).collect()));
    for bill in &view.bills {
        line(texts.get("cli-account-bill"), format_args!("{} ({})", bill.total_1e4, bill.statement));
    }
}

fn show_sheet(view: &SheetView, asked: &Asked, texts: Texts) {
    let terms = &view.terms;
    let state = texts.get(if view.closed { "cli-month-closed" } else { "cli-month-open" });
    say(format_args!("{} {} ({state})", asked.names.of(&view.account), view.month));
    for (sign, key, energy) in [
        (" ", "contract", terms.contract_mwh),
        ("+", "carried", terms.carried_mwh),
        ("+", "generated", terms.generated_mwh),
        ("+", "gained", terms.gained_mwh),
        ("-", "used", terms.consumed_mwh),
        ("-", "traded", terms.traded_mwh),
        ("-", "fee", terms.fee_mwh),
        ("+", "reward", terms.reward_mwh),
    ] {
        line(format_args!("{sign} {}", texts.get(key)), energy);
    }
    line(format_args!("= {}", texts.get("remaining")), terms.remaining_mwh);
    for (key, priced) in [("cli-month-bought", view.bought), ("cli-month-sold", view.sold)] {
        if priced != api::PricedView::default() {
            line(texts.get(key), format_args!("{}, {}", priced.energy_mwh, priced.amount_1e4));
        }
    }
    if view.used_percent_warning > 0 {
        say(texts.arg("cli-month-warning", "percent", view.used_percent_warning.to_string()));
    }
    for meter in &view.meters {
        let mark = if meter.estimated { texts.get("estimated") } else { String::new() };
        line(
            &meter.meter,
            format_args!("{} -> {} x {} {mark}", meter.import_start_mwh, meter.import_end_mwh, meter.factor),
        );
    }
}

pub(super) fn bill(args: &BillArgs, texts: Texts) -> Result<ExitCode, Trouble> {
    let asked = Asked::new(&args.asking)?;
    let view = args.span.bill(&asked.client, &asked.account(&args.account)?)?;
    if args.asking.json {
        say_json(&view);
    } else {
        let currency = asked.client.status()?.currency;
        show_bill(&view, &currency, &asked, texts);
    }
    Ok(ExitCode::SUCCESS)
}

fn show_bill(view: &BillView, currency: &str, asked: &Asked, texts: Texts) {
    let months: Vec<String> = view.months.iter().map(|month| month.month.to_string()).collect();
    say(format_args!("{} {}", asked.names.of(&view.account), months.join(", ")));
    for month in &view.months {
        for meter in &month.meters {
            line(texts.get("meter-number"), &meter.meter);
            line(texts.get("previous-counter"), meter.previous_mwh);
            line(texts.get("present-counter"), meter.present_mwh);
            line(texts.get("factor"), meter.factor);
            let mark = if meter.estimated { texts.get("estimated") } else { String::new() };
            line(texts.get("used"), format_args!("{} {mark}", meter.energy_mwh));
        }
    }
    for item in &view.lines {
        let (month, band) = (item.month.to_string(), item.band.clone().unwrap_or_default());
        let kind = texts.with(&format!("line-kind-{}", item.kind), &[("month", &month), ("band", &band)]);
        let amount = item.amount_1e4;
        match (item.energy_mwh, item.unit_price_1e4) {
            (Some(energy), Some(price)) => line(kind, format_args!("{energy} x {price} = {amount} {currency}")),
            (Some(energy), None) => line(kind, format_args!("{energy}: {amount} {currency}")),
            (None, _) => line(kind, format_args!("{amount} {currency}")),
        }
    }
    line(texts.get("cli-bill-total"), format_args!("{} {currency}", view.total_1e4));
}

pub(super) fn block(args: &BlockArgs) -> Result<ExitCode, Trouble> {
    let asked = Asked::new(&args.asking)?;
    let view = asked.client.block(&args.block)?;
    if args.asking.json {
        say_json(&view)
    } else {
        show_block(&view, &asked)?
    }
    Ok(ExitCode::SUCCESS)
}

fn show_block(view: &BlockDetail, asked: &Asked) -> Result<(), Trouble> {
    let finality = if view.is_final { "final" } else { "not final yet" };
    say(format_args!("block {} ({finality})", view.height));
    line("hash", view.hash);
    line("previous", view.previous);
    line("time", asked.clockface()?.moment(view.time_ms).full());
    line("proposer", asked.names.of(&view.proposer));
    line("difficulty", view.difficulty);
    line("nonce", view.nonce);
    line("log", format_args!("{} statements, root {}", view.log_size, view.log_root));
    line("state root", view.state_root);
    if let Some(beneficiary) = &view.beneficiary {
        line("reward", format_args!("{} for {}", view.reward_mwh, asked.names.of(beneficiary)));
    }
    for statement in &view.statements {
        say(format_args!("  {} {}", statement.id, summary(statement, asked)));
    }
    Ok(())
}

/// Who stated what, in one line.
fn summary(view: &StatementView, asked: &Asked) -> String {
    let acts: Vec<String> = view.acts.iter().map(|act| act_summary(act, asked)).collect();
    format!("{}: {}", asked.names.of(&view.signer), acts.join("; "))
}

fn act_summary(act: &ActView, asked: &Asked) -> String {
    let name = |account: &AccountId| asked.names.of(account);
    match act {
        ActView::RegisterKey(key) => format!("register {} as {}", name(&key.account), key.role),
        ActView::RegisterMeter(meter) => format!("register meter {} of {}", meter.meter, name(&meter.member)),
        ActView::Contract(contract) => {
            format!("contract {} {} {}", name(&contract.account), contract.month, contract.energy_mwh)
        }
        ActView::Readings(readings) => {
            let meter = readings.meter.as_ref().map(ToString::to_string).unwrap_or_default();
            let source = match readings.source.as_str() {
                "by_hand" => ", read by eye",
                "imported" => ", imported from another system",
                _ => "",
            };
            format!("readings of {meter}: {} -> {}{source}", readings.import_start_mwh, readings.import_end_mwh)
        }
        ActView::Note(note) => format!("note {}", note.text.as_deref().unwrap_or_default()),
        ActView::Transfer(transfer) => {
            format!("transfer {} to {} in {}", transfer.energy_mwh, name(&transfer.to), transfer.month)
        }
        ActView::Tariff(tariff) => format!("tariff from {}: {}", tariff.from, tariff.table),
        ActView::Utility(bill) => format!("utility's bill: {} for {}", bill.amount_1e4, bill.energy_mwh),
        ActView::Bill(bill) => format!("bill of {}: {}", name(&bill.account), bill.total_1e4),
        other => acts::summary(other, asked),
    }
}

pub(super) fn statement(args: &StatementArgs) -> Result<ExitCode, Trouble> {
    let asked = Asked::new(&args.asking)?;
    let view = asked.client.statement(&args.id)?;
    if args.asking.json {
        say_json(&view);
        return Ok(ExitCode::SUCCESS);
    }
    let state = match view.state {
        StatementState::Pending => "waits for a block",
        StatementState::Committed => "in a block",
        StatementState::Final => "final",
    };
    say(format_args!("statement {} ({state})", view.id));
    line("issued", asked.clockface()?.moment(view.issued_ms).full());
    if let Some(place) = &view.place {
        line("place", format_args!("block {}, leaf {} of the log", place.height, place.log_index));
    }
    say(summary(&view, &asked));
    Ok(ExitCode::SUCCESS)
}

pub(super) fn pool(args: &StatusArgs) -> Result<ExitCode, Trouble> {
    let asked = Asked::new(&args.asking)?;
    let view: PoolView = asked.client.pool()?;
    if args.asking.json {
        say_json(&view);
        return Ok(ExitCode::SUCCESS);
    }
    say(format_args!("{} of at most {} statements wait for a block", view.size, view.size_max));
    for entry in &view.entries {
        say(format_args!("  {} {}", entry.statement.id, summary(&entry.statement, &asked)));
    }
    Ok(ExitCode::SUCCESS)
}
