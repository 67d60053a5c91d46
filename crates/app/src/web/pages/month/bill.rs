//! The bill of a month: the numbers on the meter, what each line costs and how it came about, and what it comes to.

use super::Gathered;
use crate::web::format::{kwh, money, money_total};
use crate::web::i18n::Texts;
use crate::web::qr::{self, Picture};
use crate::web::view::{Total, Words, currency_sign};
use api::{BillLineView, BillMeterView, BillSummary, BillView, Status};
use units::{AccountId, Money, Month, Timestamp};

pub(super) struct BillMeterText {
    pub(super) number: String,
    pub(super) previous: String,
    pub(super) present: String,
    pub(super) factor: String,
    pub(super) energy: String,
    pub(super) estimated: bool,
    /// Readings around the previous and the present counter, for who may see them.
    pub(super) looked_up: Option<(String, String)>,
}

pub(super) struct BillLineText {
    pub(super) label: String,
    /// How it came about, where that is not energy times price.
    pub(super) how: Option<String>,
    pub(super) energy: String,
    pub(super) price: String,
    pub(super) amount: String,
}

pub(super) struct BillText {
    pub(super) span: String,
    pub(super) total: Total,
    pub(super) meters: Vec<BillMeterText>,
    pub(super) lines: Vec<BillLineText>,
    pub(super) lines_how: String,
    pub(super) utilities: Vec<String>,
    pub(super) notes: Vec<String>,
    pub(super) is_issued: bool,
    pub(super) download: String,
    pub(super) file: String,
    pub(super) checkpoint: String,
    pub(super) verify: String,
    pub(super) note: Option<NoteText>,
}

/// The newest checkpoint, to be printed with the bill.
pub(super) struct NoteText {
    pub(super) text: String,
    pub(super) picture: Option<Picture>,
}

/// Why there is no bill.
pub(super) fn bill_note(words: &Words<'_>, gathered: &Gathered) -> String {
    let closes = words.when(gathered.sheet.closes_ms);
    match &gathered.bill {
        Err(reason) if gathered.sheet.closed => words.t.arg("bill-none", "reason", reason),
        _ => words.t.arg("bill-open", "time", closes),
    }
}

/// The bill in finished texts; with ways to the readings behind its counters for who may see them.
pub(super) fn bill_text(
    words: &Words<'_>,
    status: &Status,
    gathered: &Gathered,
    (bill, with_readings): (&BillView, bool),
) -> BillText {
    let t = words.t;
    let sheet = &gathered.sheet;
    let meters = bill.months.iter().flat_map(|month| &month.meters);
    let round_to = sheet.tariff.as_ref().map_or(Money::from_1e4(1), |tariff| tariff.round_to_1e4);
    let span = [("from", words.when(bill.from_ms)), ("until", words.when(bill.until_ms))];
    BillText {
        span: t.with("bill-span", &[("from", &span[0].1), ("until", &span[1].1)]),
        total: words.total(bill.total_1e4),
        meters: meters
            .map(|meter| BillMeterText {
                number: meter.meter.to_string(),
                previous: kwh(meter.previous_mwh),
                present: kwh(meter.present_mwh),
                factor: meter.factor.to_string(),
                energy: kwh(meter.energy_mwh),
                estimated: meter.estimated,
                looked_up: with_readings.then(|| looked_up(meter, bill)),
            })
            .collect(),
        lines: bill
            .lines
            .iter()
            .map(|line| BillLineText {
                label: line_label(t, line),
                how: line_how(t, line),
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

/// The quarters of an hour that end with the counters of a bill.
fn looked_up(meter: &BillMeterView, bill: &BillView) -> (String, String) {
    let until = |end: Timestamp| format!("/meters/{}/readings?span=15m&show=energy&until={}", meter.meter, end.ms());
    (until(bill.from_ms), until(bill.until_ms))
}

fn line_how(t: Texts, line: &BillLineView) -> Option<String> {
    match line.kind.as_str() {
        "bought" | "sold" => Some(t.get("line-how-trades")),
        "fixed" => Some(t.get("line-how-fixed")),
        "minimum" => Some(t.get("line-how-minimum")),
        _ => None,
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

/// What was used in each band, and whether a change of band was split by time.
fn band_notes(words: &Words<'_>, bill: &BillView) -> Vec<String> {
    let estimated = bill.months.iter().filter(|month| month.bands_estimated);
    estimated.map(|month| words.t.arg("bands-estimated", "month", month.month.to_string())).collect()
}

/// A bill of the account, in its list.
pub(super) struct BillOf {
    pub(super) month: String,
    pub(super) href: String,
    pub(super) total: Total,
    pub(super) current: bool,
}

/// The account's bills, newest first.
pub(super) fn bills_of(
    words: &Words<'_>,
    account: AccountId,
    shown: Month,
    bills: &[(BillSummary, Month)],
) -> Vec<BillOf> {
    let one = |(bill, month): &(BillSummary, Month)| BillOf {
        month: month.to_string(),
        href: format!("/accounts/{account}/{month}"),
        total: words.total(bill.total_1e4),
        current: *month == shown,
    };
    bills.iter().rev().map(one).collect()
}
