//! `/accounts/{account}/{yyyy-mm}`: an account's month as the poster's formula (8), what stands behind it, and its bill.

mod bill;
mod entries;

use super::claims::{IntervalText, interval_text};
use super::losses::sums_text;
use super::overview::percent_used;
use super::{Answer, ask, render, words};
use crate::web::AppState;
use crate::web::chart::{Step, waterfall};
use crate::web::failure::Failure;
use crate::web::format::{MINUS, kwh, kwh_balance};
use crate::web::frame::{Frame, Reader, Section};
use crate::web::i18n::Texts;
use crate::web::script::{self, Key};
use crate::web::view::Words;
use api::{BillSummary, BillView, LossView, OpenOffer, OutsideView, SheetView, StatementView, Status, TermsView};
use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect};
use bill::{BillOf, BillText, bill_note, bill_text, bills_of};
use entries::{Group, entries_note, groups, single_entries};
use node::NodeHandle;
use node::losses::LossRules;
use std::collections::BTreeMap;
use units::{AccountId, Energy, EnergyBalance, Month, StatementId};

/// Intervals outside the voltage limits listed, newest first: as many as a claim names.
const INTERVALS_MAX: usize = 16;

struct Gathered {
    sheet: SheetView,
    months: Vec<Month>,
    bill: Result<BillView, String>,
    /// Whether the ledger has accepted it, so that there is a bundle.
    is_issued: bool,
    statements: BTreeMap<StatementId, StatementView>,
    /// Intervals of the month whose voltage was outside the limits, newest first.
    outside: Vec<OutsideView>,
    /// The account's open offers of the month.
    offers: Vec<OpenOffer>,
    /// The account's bills, oldest first, each with the month that it begins in.
    bills: Vec<(BillSummary, Month)>,
    /// The newest checkpoint; none before the first block is final.
    note: Option<String>,
    /// Of the operator: what the main meters counted against those below.
    losses: Vec<LossView>,
}

fn gather(
    node: &NodeHandle,
    (account, operator): (AccountId, AccountId),
    month: Month,
    rules: &LossRules,
) -> Result<Gathered, Failure> {
    let view = node.account(account)?;
    let sheet = node.sheet(account, month)?;
    let bill = if sheet.closed {
        node.bill(account, month).map(|bill| node::view::bill(&bill)).map_err(|error| error.to_string())
    } else {
        Err(String::new())
    };
    let mut statements = BTreeMap::new();
    for id in single_entries(&sheet).filter_map(|entry| entry.statement) {
        statements.insert(id, node.statement(id)?);
    }
    let is_issued = view.bills.iter().any(|bill| bill.from_ms == sheet.from_ms);
    let within = |at| (sheet.from_ms..sheet.until_ms).contains(&at);
    let outside = view.outside.into_iter().filter(|interval| within(interval.start_ms)).take(INTERVALS_MAX).collect();
    let offers = view.offers.into_iter().filter(|open| open.offer.month == month).collect();
    let note = node.checkpoint().ok();
    let losses = if account == operator {
        node::view::losses(month, rules, &node.losses(rules.clone(), month)?, 0).meters
    } else {
        Vec::new()
    };
    let bills = with_months(node, view.bills)?;
    Ok(Gathered { sheet, months: view.months, bill, is_issued, statements, outside, offers, bills, note, losses })
}

/// Bills with the months that they begin in.
fn with_months(node: &NodeHandle, bills: Vec<BillSummary>) -> Result<Vec<(BillSummary, Month)>, Failure> {
    let month_of = move |state: &ledger::State| {
        let each = bills.into_iter().map(|bill| (state.genesis().month_at(bill.from_ms), bill));
        each.filter_map(|(month, bill)| Some((bill, month?))).collect()
    };
    Ok(node.with_state(month_of)?)
}

struct StepRow {
    class: &'static str,
    sign: &'static str,
    key: &'static str,
    value: String,
    is_zero: bool,
    /// The entries behind it on this page.
    behind: Option<String>,
    bar_at: i64,
    bar_width: i64,
}

#[derive(Template)]
#[template(path = "month.html")]
struct MonthPage {
    frame: Frame,
    t: Texts,
    initial: String,
    name: String,
    room: Option<String>,
    account: String,
    account_short: String,
    month: String,
    earlier: Option<String>,
    later: Option<String>,
    closed: bool,
    closes: String,
    warning: Option<String>,
    below: bool,
    remaining: String,
    steps: Vec<StepRow>,
    zero_at: i64,
    bill: Option<BillText>,
    bill_note: String,
    bills: Vec<BillOf>,
    offers: Vec<(String, String)>,
    outside: Vec<IntervalText>,
    /// Where the voltage of the month is, and evidence made.
    voltage: Option<String>,
    groups: Vec<Group>,
    entries_note: String,
    /// What the script says about the checkpoint, and the ledger with its log key.
    texts: String,
    ledger: String,
    log_key: String,
    losses: Vec<(String, String, Option<String>)>,
}

/// `GET /accounts/{account}`: its present month.
pub(crate) async fn account(State(state): State<AppState>, reader: Reader, Path(account): Path<String>) -> Answer {
    let question = move |node: &NodeHandle, status: &Status| {
        let account: AccountId = account.parse().map_err(|error| Failure::malformed(&error))?;
        let view = node.account(account)?;
        let month = status.month.filter(|month| view.months.contains(month)).or(view.months.last().copied());
        let month = month.ok_or_else(|| Failure::not_found("sheet of this account"))?;
        Ok(format!("/accounts/{account}/{month}"))
    };
    let (_, place) = ask(&state, &reader, question).await?;
    Ok(Redirect::temporary(&place).into_response())
}

/// `GET /accounts/{account}/{month}`.
pub(crate) async fn month(
    State(state): State<AppState>,
    reader: Reader,
    Path((account, month)): Path<(String, String)>,
) -> Answer {
    let rules = state.loss_rules().clone();
    let question = move |node: &NodeHandle, status: &Status| {
        let account = account.parse().map_err(|error| Failure::malformed(&error))?;
        let month = month.parse().map_err(|error| Failure::malformed(&error))?;
        gather(node, (account, status.operator), month, &rules)
    };
    let (status, gathered) = ask(&state, &reader, question).await?;
    let words = words(&state, &reader, &status);
    Ok(render(&page(&words, &reader, &status, &gathered), StatusCode::OK))
}

fn page(words: &Words<'_>, reader: &Reader, status: &Status, gathered: &Gathered) -> MonthPage {
    let t = words.t;
    let sheet = &gathered.sheet;
    let name = words.name(&sheet.account);
    let month = sheet.month.to_string();
    let title = t.with("month-title", &[("name", &name), ("month", &month)]);
    let below = sheet.terms.remaining_mwh < EnergyBalance::ZERO;
    let with_readings = reader.caller.sight(status.public_readings).reads(&sheet.account);
    let bill = gathered.bill.as_ref().ok();
    let groups = groups(words, gathered);
    let (steps, zero_at) = steps(&sheet.terms, &groups);
    MonthPage {
        frame: Frame::new(reader, Section::Accounts, &status.name, title),
        t,
        initial: name.chars().next().map(String::from).unwrap_or_default(),
        room: words.directory.person(&sheet.account).and_then(|person| person.room.clone()),
        name,
        account: sheet.account.to_string(),
        account_short: sheet.account.short(),
        earlier: neighbour(gathered, |other| other < sheet.month, Iterator::last),
        later: neighbour(gathered, |other| other > sheet.month, |mut months| months.next()),
        month,
        closed: sheet.closed,
        closes: t.arg("month-open-until", "time", words.when(sheet.closes_ms)),
        warning: warning(t, sheet),
        below,
        remaining: kwh_balance(sheet.terms.remaining_mwh),
        steps,
        zero_at,
        bill: bill.map(|bill| bill_text(words, status, gathered, (bill, with_readings))),
        bill_note: bill_note(words, gathered),
        bills: bills_of(words, sheet.account, sheet.month, &gathered.bills),
        offers: gathered
            .offers
            .iter()
            .map(|open| (words.offer_line(&open.offer), open.statement.to_string()))
            .collect(),
        outside: gathered.outside.iter().map(|interval| interval_text(words, interval)).collect(),
        entries_note: entries_note(t, sheet),
        losses: gathered.losses.iter().map(|loss| sums_text(t, loss)).collect(),
        voltage: voltage_page(gathered).filter(|_| with_readings),
        groups,
        texts: script::json(t, TEXTS),
        ledger: status.ledger.to_string(),
        log_key: status.log_key.clone(),
    }
}

/// What the script says about the checkpoint.
const TEXTS: [Key; 8] = [
    Key("seen-first"),
    Key("seen-same"),
    Key("seen-grown"),
    Key("seen-older"),
    Key("seen-rewritten"),
    Key("seen-other-ledger"),
    Key("seen-bad-signature"),
    Key("seen-unknown"),
];

/// The page of the month's voltage, of the meter that was outside the limits last.
fn voltage_page(gathered: &Gathered) -> Option<String> {
    let meter = gathered.outside.iter().find_map(|interval| interval.meter.as_ref())?;
    Some(format!("/meters/{meter}/voltage?month={}", gathered.sheet.month))
}

/// The page of another month of the same account.
fn neighbour(
    gathered: &Gathered,
    keep: impl Fn(Month) -> bool,
    pick: impl Fn(std::vec::IntoIter<Month>) -> Option<Month>,
) -> Option<String> {
    let months: Vec<_> = gathered.months.iter().copied().filter(|month| keep(*month)).collect();
    pick(months.into_iter()).map(|month| format!("/accounts/{}/{month}", gathered.sheet.account))
}

fn warning(t: Texts, sheet: &SheetView) -> Option<String> {
    let terms = &sheet.terms;
    if terms.remaining_mwh < EnergyBalance::ZERO {
        return Some(if sheet.closed { t.get("warn-over-closed") } else { t.get("warn-over") });
    }
    let percent = percent_used(terms.consumed_mwh, terms.remaining_mwh);
    (sheet.used_percent_warning >= 80 && !sheet.closed).then(|| t.arg("warn-80", "percent", percent.to_string()))
}

/// The formula's terms in the poster's order, then what remains. A term that not every ledger has is left out at zero.
fn steps(terms: &TermsView, groups: &[Group]) -> (Vec<StepRow>, i64) {
    let all = [
        ("contract", terms.contract_mwh, true),
        ("carried", terms.carried_mwh, true),
        ("generated", terms.generated_mwh, true),
        ("gained", terms.gained_mwh, true),
        ("used", terms.consumed_mwh, false),
        ("traded", terms.traded_mwh, false),
        ("fee", terms.fee_mwh, false),
        ("reward", terms.reward_mwh, true),
    ];
    let shown: Vec<_> = all.into_iter().filter(|(key, energy, _)| *key != "carried" || !energy.is_zero()).collect();
    let signed = |(_, energy, is_plus): &(&str, Energy, bool)| {
        let value = i64::try_from(energy.mwh()).unwrap_or(i64::MAX);
        if *is_plus { value } else { -value }
    };
    let (bars, zero) = waterfall(&shown.iter().map(signed).collect::<Vec<_>>());
    let behind = |key| groups.iter().any(|group| group.key == key).then(|| format!("#behind-{key}"));
    let terms_rows = shown
        .into_iter()
        .zip(&bars)
        .map(|((key, energy, is_plus), bar)| StepRow { behind: behind(key), ..term_row(key, energy, is_plus, *bar) });
    let result = bars.last().map(|bar| result_row(terms.remaining_mwh, *bar));
    (terms_rows.chain(result).collect(), zero)
}

fn term_row(key: &'static str, energy: Energy, is_plus: bool, bar: Step) -> StepRow {
    StepRow {
        class: if is_plus { "plus" } else { "minus" },
        sign: if is_plus { "+" } else { MINUS },
        key,
        value: kwh(energy),
        is_zero: energy.is_zero(),
        behind: None,
        bar_at: bar.at,
        bar_width: bar.width,
    }
}

fn result_row(remaining: EnergyBalance, bar: Step) -> StepRow {
    StepRow {
        class: if remaining < EnergyBalance::ZERO { "result below" } else { "result" },
        sign: "=",
        key: "remaining",
        value: kwh_balance(remaining),
        is_zero: false,
        behind: None,
        bar_at: bar.at,
        bar_width: bar.width,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_formula_is_shown_in_the_poster_s_order_and_adds_up() {
        let kwh = Energy::from_kwh;
        let terms = TermsView {
            contract_mwh: kwh(200),
            gained_mwh: kwh(10),
            consumed_mwh: kwh(90),
            traded_mwh: kwh(110),
            remaining_mwh: EnergyBalance::from_mwh(10_000_000),
            ..TermsView::default()
        };
        let (rows, zero) = steps(&terms, &[]);
        let shown: Vec<_> = rows.iter().map(|row| format!("{}{} {}", row.sign, row.key, row.value)).collect();
        assert_eq!(
            shown,
            [
                "+contract 200.000",
                "+generated 0.000",
                "+gained 10.000",
                "\u{2212}used 90.000",
                "\u{2212}traded 110.000",
                "\u{2212}fee 0.000",
                "+reward 0.000",
                "=remaining 10.000"
            ]
        );
        assert_eq!(zero, 0);
    }

    #[test]
    fn a_sheet_below_zero_is_marked() {
        let terms = TermsView {
            contract_mwh: Energy::from_kwh(100),
            consumed_mwh: Energy::from_kwh(150),
            remaining_mwh: EnergyBalance::from_mwh(-50_000_000),
            ..TermsView::default()
        };
        let (rows, zero) = steps(&terms, &[]);
        let last = rows.last().unwrap();
        assert_eq!((last.class, last.value.as_str()), ("result below", "\u{2212}50.000"));
        assert_eq!(zero, 333);
    }
}
