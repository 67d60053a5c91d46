//! `/accounts/{account}/{yyyy-mm}`: an account's month as the poster's formula (8), what stands behind it, and its bill.

use super::claims::{IntervalText, interval_text};
use super::losses::sums_text;
use super::overview::percent_used;
use super::{Answer, ask, render, words};
use crate::web::AppState;
use crate::web::chart::{Step, waterfall};
use crate::web::failure::Failure;
use crate::web::format::{MINUS, Moment, group_number, kwh, kwh_balance, money, money_total};
use crate::web::frame::{Frame, Reader, Section};
use crate::web::i18n::Texts;
use crate::web::qr::{self, Picture};
use crate::web::script::{self, Key};
use crate::web::view::Words;
use api::{
    ActView, BillLineView, BillView, EntryKind, EntryView, LossView, MeterMonthView, OfferAnswerView, OpenOffer,
    OutsideView, SheetView, StatementView, Status, TermsView,
};
use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect};
use node::NodeHandle;
use node::losses::LossRules;
use std::collections::BTreeMap;
use units::{AccountId, Energy, EnergyBalance, Money, Month, StatementId};

/// Trades and other single entries listed, newest first; readings are summed up by meter.
const ENTRIES_MAX: usize = 60;
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
    Ok(Gathered { sheet, months: view.months, bill, is_issued, statements, outside, offers, note, losses })
}

/// Entries that are listed one by one, newest first.
fn single_entries(sheet: &SheetView) -> impl Iterator<Item = &EntryView> {
    sheet.entries.iter().rev().filter(|entry| entry.act.as_deref() != Some("readings")).take(ENTRIES_MAX)
}

struct StepRow {
    class: &'static str,
    sign: &'static str,
    key: &'static str,
    value: String,
    is_zero: bool,
    bar_at: i64,
    bar_width: i64,
}

struct BillMeterText {
    number: String,
    previous: String,
    present: String,
    factor: String,
    energy: String,
    estimated: bool,
}

struct BillLineText {
    label: String,
    energy: String,
    price: String,
    amount: String,
}

struct BillText {
    span: String,
    total: String,
    currency: String,
    meters: Vec<BillMeterText>,
    lines: Vec<BillLineText>,
    lines_how: String,
    utilities: Vec<String>,
    notes: Vec<String>,
    is_issued: bool,
    download: String,
    file: String,
    checkpoint: String,
    verify: String,
    note: Option<NoteText>,
}

/// The newest checkpoint, to be printed with the bill.
struct NoteText {
    text: String,
    picture: Option<Picture>,
}

struct EntryText {
    time: Moment,
    what: String,
    energy: String,
    href: String,
    height: String,
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
    offers: Vec<(String, String)>,
    outside: Vec<IntervalText>,
    entries: Vec<EntryText>,
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
    let (steps, zero_at) = steps(&sheet.terms);
    let bill = gathered.bill.as_ref().ok().map(|bill| bill_text(words, status, gathered, bill));
    let entries = entries(words, gathered);
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
        bill,
        bill_note: bill_note(words, gathered),
        offers: gathered
            .offers
            .iter()
            .map(|open| (words.offer_line(&open.offer), open.statement.to_string()))
            .collect(),
        outside: gathered.outside.iter().map(|interval| interval_text(words, interval)).collect(),
        entries_note: entries_note(t, sheet),
        losses: gathered.losses.iter().map(|loss| sums_text(t, loss)).collect(),
        entries,
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
fn steps(terms: &TermsView) -> (Vec<StepRow>, i64) {
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
    let terms_rows =
        shown.into_iter().zip(&bars).map(|((key, energy, is_plus), bar)| term_row(key, energy, is_plus, *bar));
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
        bar_at: bar.at,
        bar_width: bar.width,
    }
}

fn bill_note(words: &Words<'_>, gathered: &Gathered) -> String {
    let closes = words.when(gathered.sheet.closes_ms);
    match &gathered.bill {
        Err(reason) if gathered.sheet.closed => words.t.arg("bill-none", "reason", reason),
        _ => words.t.arg("bill-open", "time", closes),
    }
}

fn bill_text(words: &Words<'_>, status: &Status, gathered: &Gathered, bill: &BillView) -> BillText {
    let t = words.t;
    let sheet = &gathered.sheet;
    let meters = bill.months.iter().flat_map(|month| &month.meters);
    let round_to = sheet.tariff.as_ref().map_or(Money::from_1e4(1), |tariff| tariff.round_to_1e4);
    let span = [("from", words.when(bill.from_ms)), ("until", words.when(bill.until_ms))];
    BillText {
        span: t.with("bill-span", &[("from", &span[0].1), ("until", &span[1].1)]),
        total: money_total(bill.total_1e4),
        currency: currency_sign(&words.currency),
        meters: meters
            .map(|meter| BillMeterText {
                number: meter.meter.to_string(),
                previous: kwh(meter.previous_mwh),
                present: kwh(meter.present_mwh),
                factor: meter.factor.to_string(),
                energy: kwh(meter.energy_mwh),
                estimated: meter.estimated,
            })
            .collect(),
        lines: bill
            .lines
            .iter()
            .map(|line| BillLineText {
                label: line_label(t, line),
                energy: line.energy_mwh.map(kwh).unwrap_or_default(),
                price: line.unit_price_1e4.map(money).unwrap_or_default(),
                amount: money(line.amount_1e4),
            })
            .collect(),
        lines_how: t
            .with("bill-lines-how", &[("step", &money_total(round_to)), ("currency", &currency_sign(&words.currency))]),
        utilities: bill.utilities.iter().flat_map(|utility| words.utility_lines(utility)).collect(),
        notes: band_notes(words, bill),
        is_issued: gathered.is_issued,
        download: format!("/api/v1/accounts/{}/months/{}/bill.cbor", sheet.account, sheet.month),
        file: format!("bill-{}-{}.cbor", sheet.account.short(), sheet.month),
        checkpoint: t.arg("bill-checkpoint", "height", status.final_height.to_string()),
        verify: format!("/verify?account={}&month={}", sheet.account, sheet.month),
        note: gathered.note.clone().map(|text| NoteText { picture: qr::draw(&text), text }),
    }
}

/// The sign that people write for a currency; the code where none is usual.
fn currency_sign(code: &str) -> String {
    match code {
        "TWD" => "NT$".to_owned(),
        other => other.to_owned(),
    }
}

fn line_label(t: Texts, line: &BillLineView) -> String {
    match line.kind.as_str() {
        "excess" => t.get("line-kind-excess"),
        "correction" => t.arg("line-kind-correction", "month", line.month.to_string()),
        "bracket" => t.get("line-kind-bracket"),
        "band" => t.arg("line-kind-band", "band", band_name(t, line.band.as_deref().unwrap_or_default())),
        "fixed" => t.get("line-kind-fixed"),
        "surcharge" => t.get("line-kind-surcharge"),
        "minimum" => t.get("line-kind-minimum"),
        "bought" => t.get("line-kind-bought"),
        "sold" => t.get("line-kind-sold"),
        _ => t.get("line-kind-energy"),
    }
}

/// The bands of the tables that come with the program have names in words; others are shown as the tariff writes them.
fn band_name(t: Texts, band: &str) -> String {
    match band {
        "weekday_peak" => t.get("band-weekday-peak"),
        "weekday_halfpeak" => t.get("band-weekday-halfpeak"),
        "weekday_offpeak" => t.get("band-weekday-offpeak"),
        "weekend_and_offpeak_day" => t.get("band-weekend"),
        other => other.replace('_', " "),
    }
}

fn entries_note(t: Texts, sheet: &SheetView) -> String {
    let count = group_number(u64::try_from(sheet.entries.len()).unwrap_or(u64::MAX));
    let single = sheet.entries.iter().filter(|entry| entry.act.as_deref() != Some("readings")).count();
    if single > ENTRIES_MAX {
        return t.with("entries-more", &[("count", &count), ("shown", &ENTRIES_MAX.to_string())]);
    }
    t.arg("entries-note", "count", count)
}

/// Readings summed up by meter, then the single entries.
fn entries(words: &Words<'_>, gathered: &Gathered) -> Vec<EntryText> {
    let sheet = &gathered.sheet;
    let newest = sheet.entries.iter().rev().find(|entry| entry.act.as_deref() == Some("readings"));
    let count = sheet.entries.iter().filter(|entry| entry.act.as_deref() == Some("readings")).count();
    let readings = newest
        .into_iter()
        .flat_map(|entry| sheet.meters.iter().map(move |meter| readings_entry(words, entry, count, meter)));
    readings.chain(single_entries(sheet).map(|entry| single_entry(words, gathered, entry))).collect()
}

fn readings_entry(words: &Words<'_>, entry: &EntryView, count: usize, meter: &MeterMonthView) -> EntryText {
    let difference = meter.import_end_mwh.mwh().saturating_sub(meter.import_start_mwh.mwh());
    let used = Energy::from_mwh(difference.saturating_mul(u64::from(meter.factor)));
    let what = words.t.with(
        "entry-readings",
        &[
            ("count", &count.to_string()),
            ("previous", &kwh(meter.import_start_mwh)),
            ("present", &kwh(meter.import_end_mwh)),
            ("meter", meter.meter.as_str()),
        ],
    );
    entry_text(words, entry, what, Some((MINUS, used)))
}

fn single_entry(words: &Words<'_>, gathered: &Gathered, entry: &EntryView) -> EntryText {
    let t = words.t;
    let (what, energy) = match entry.kind {
        EntryKind::Reward => (t.arg("entry-reward", "height", entry.height.to_string()), None),
        EntryKind::Carried => {
            let month = entry.carried_from.map_or_else(String::new, |month| month.to_string());
            (t.arg("entry-carried", "month", month), None)
        }
        EntryKind::Act => act_entry(words, gathered, entry),
    };
    entry_text(words, entry, what, energy)
}

/// What an act did to this sheet, and how much, with its sign.
fn act_entry(words: &Words<'_>, gathered: &Gathered, entry: &EntryView) -> (String, Option<(&'static str, Energy)>) {
    let t = words.t;
    let statement = entry.statement.and_then(|id| gathered.statements.get(&id));
    let index = entry.act_index.and_then(|index| usize::try_from(index).ok());
    let act = statement.zip(index).and_then(|(statement, index)| Some((statement, statement.acts.get(index)?)));
    match act {
        Some((statement, ActView::Transfer(transfer))) if transfer.to == gathered.sheet.account => {
            (t.arg("entry-gained", "name", words.name(&statement.signer)), Some(("+", transfer.energy_mwh)))
        }
        Some((_, ActView::Transfer(transfer))) => {
            (t.arg("entry-sold", "name", words.name(&transfer.to)), Some((MINUS, transfer.energy_mwh)))
        }
        Some((statement, ActView::Accept(accept))) => priced_entry(words, gathered, statement, accept),
        Some((_, ActView::Contract(contract))) => (t.get("entry-contract"), Some(("+", contract.energy_mwh))),
        _ => (t.arg("entry-other", "act", words.act(entry.act.as_deref().unwrap_or_default())), None),
    }
}

/// A trade at a price: the buyer signed the acceptance, the seller the offer.
fn priced_entry(
    words: &Words<'_>,
    gathered: &Gathered,
    statement: &StatementView,
    accept: &OfferAnswerView,
) -> (String, Option<(&'static str, Energy)>) {
    let t = words.t;
    let (Some(seller), Some(terms)) = (accept.seller, &accept.terms) else { return (t.get("act-accept"), None) };
    let bought = statement.signer == gathered.sheet.account;
    let name = words.name(if bought { &seller } else { &statement.signer });
    let (price, amount) = (money(terms.price_1e4), terms.amount_1e4.map(money).unwrap_or_default());
    let currency = currency_sign(&words.currency);
    let values = [("name", name.as_str()), ("price", &price), ("amount", &amount), ("currency", &currency)];
    if bought {
        (t.with("entry-bought", &values), Some(("+", terms.energy_mwh)))
    } else {
        (t.with("entry-sold-priced", &values), Some((MINUS, terms.energy_mwh)))
    }
}

/// What was used in each band, and whether a change of band was split by time.
fn band_notes(words: &Words<'_>, bill: &BillView) -> Vec<String> {
    let estimated = bill.months.iter().filter(|month| month.bands_estimated);
    estimated.map(|month| words.t.arg("bands-estimated", "month", month.month.to_string())).collect()
}

fn entry_text(words: &Words<'_>, entry: &EntryView, what: String, energy: Option<(&'static str, Energy)>) -> EntryText {
    let anchor = entry.statement.map_or_else(String::new, |id| format!("#s-{id}"));
    let unit = words.t.get("kwh");
    EntryText {
        time: words.face.moment(entry.time_ms),
        what,
        energy: energy.map_or_else(String::new, |(sign, energy)| format!("{sign}{} {unit}", kwh(energy))),
        href: format!("/blocks/{}{anchor}", entry.height),
        height: entry.height.to_string(),
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
        let (rows, zero) = steps(&terms);
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
        let (rows, zero) = steps(&terms);
        let last = rows.last().unwrap();
        assert_eq!((last.class, last.value.as_str()), ("result below", "\u{2212}50.000"));
        assert_eq!(zero, 333);
    }
}
