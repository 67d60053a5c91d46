//! `/tariff`: the prices in force, those to come and those that were, as the ledger has them.

use super::{Answer, ask, render, words};
use crate::web::AppState;
use crate::web::format::{kwh, money};
use crate::web::frame::{Frame, Reader, Section};
use crate::web::i18n::Texts;
use crate::web::view::Words;
use api::{PriceView, Status, TariffView};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use ledger::state::{Record, RecordKey};
use node::NodeHandle;
use units::{Month, Timestamp};

/// Tariffs on the page: two a year for the ledger's thirty years.
const TARIFFS_MAX: usize = 60;
/// Bills of the utility on the page, newest first.
const UTILITIES_MAX: usize = 12;

struct PriceLine {
    what: String,
    other: String,
    summer: String,
}

struct TariffText {
    from: String,
    /// `now`, `coming` or `past`.
    state: &'static str,
    summary: String,
    prices: Vec<PriceLine>,
    has_summer: bool,
    /// What else is charged, and how it is rounded.
    more: Vec<String>,
    statement: Option<String>,
}

#[derive(Template)]
#[template(path = "tariff.html")]
struct TariffPage {
    frame: Frame,
    t: Texts,
    currency: String,
    tariffs: Vec<TariffText>,
    utilities: Vec<String>,
}

/// `GET /tariff`.
pub(crate) async fn tariff(State(state): State<AppState>, reader: Reader) -> Answer {
    let question = |node: &NodeHandle, status: &Status| {
        let until = status.time_ms;
        Ok(node.with_state(move |state| {
            let mut tariffs: Vec<TariffView> = state
                .range(RecordKey::Tariff(state.genesis().first_month)..)
                .map_while(|(_, record)| match record {
                    Record::Tariff(tariff) => Some(node::view::tariff(&tariff.tariff, Some(tariff.statement))),
                    _ => None,
                })
                .collect();
            tariffs.reverse();
            tariffs.truncate(TARIFFS_MAX);
            let utilities = state.utilities(Timestamp::from_ms(0), until);
            let utilities: Vec<_> = utilities.map(|record| node::view::utility(&record.utility)).collect();
            (tariffs, utilities)
        })?)
    };
    let (status, (tariffs, utilities)) = ask(&state, &reader, question).await?;
    let words = words(&state, &reader, &status);
    let t = reader.texts();
    let month = status.month.unwrap_or(status.first_open_month);
    let page = TariffPage {
        frame: Frame::new(&reader, Section::Tariff, &status.name, t.get("tariff-title")),
        t,
        currency: status.currency.clone(),
        tariffs: texts(&words, &tariffs, month),
        utilities: utilities.iter().rev().take(UTILITIES_MAX).map(|bill| words.utility_lines(bill).join(" ")).collect(),
    };
    Ok(render(&page, StatusCode::OK))
}

/// The tariffs in words, newest first; the first of those that have begun is in force.
fn texts(words: &Words<'_>, tariffs: &[TariffView], month: Month) -> Vec<TariffText> {
    let in_force = tariffs.iter().map(|tariff| tariff.from).find(|from| *from <= month);
    let state = |from: Month| match from {
        from if Some(from) == in_force => "now",
        from if from > month => "coming",
        _ => "past",
    };
    tariffs.iter().map(|tariff| text(words, tariff, state(tariff.from))).collect()
}

fn text(words: &Words<'_>, tariff: &TariffView, state: &'static str) -> TariffText {
    let t = words.t;
    let amount =
        |key: &str, amount: units::Money| t.with(key, &[("currency", &words.currency), ("amount", &money(amount))]);
    let surcharge = tariff.surcharge.as_ref().map(|surcharge| {
        let values = [
            ("energy", &*kwh(surcharge.above_mwh)),
            ("currency", &*words.currency),
            ("amount", &*money(surcharge.price_1e4)),
        ];
        t.with("tariff-surcharge", &values)
    });
    let summer = tariff
        .summer
        .map(|(first, last)| t.with("tariff-summer", &[("first", &first.to_string()), ("last", &last.to_string())]));
    let together = (tariff.grouping == "together").then(|| t.get("tariff-together"));
    let more = [
        tariff.minimum_1e4.map(|minimum| amount("tariff-minimum", minimum)),
        tariff.fixed_1e4.map(|fixed| amount("tariff-fixed", fixed)),
        surcharge,
        tariff.excess_price_1e4.map(|excess| amount("tariff-excess", excess)),
        summer,
        together,
        Some(amount("tariff-rounding", tariff.round_to_1e4)),
    ];
    TariffText {
        from: tariff.from.to_string(),
        state,
        summary: words.table_text(tariff),
        has_summer: tariff.summer.is_some(),
        prices: price_lines(words, &tariff.prices),
        more: more.into_iter().flatten().collect(),
        statement: tariff.statement.map(|id| format!("/statements/{id}")),
    }
}

fn price_lines(words: &Words<'_>, prices: &[PriceView]) -> Vec<PriceLine> {
    let t = words.t;
    let price = |price: Option<units::Money>| price.map_or_else(|| "–".to_owned(), money);
    let mut last = None;
    let mut lines = Vec::new();
    for one in prices {
        let what = match (&one.band, one.up_to_mwh, last) {
            (Some(band), ..) => {
                let key = format!("band-{}", band.replace('_', "-"));
                let name = t.get(&key);
                if name == key { band.clone() } else { name }
            }
            (None, Some(until), None) => t.arg("tariff-up-to", "until", kwh(until)),
            (None, Some(until), Some(from)) => {
                t.with("tariff-from-to", &[("from", &kwh(from)), ("until", &kwh(until))])
            }
            (None, None, Some(from)) => t.arg("tariff-above", "from", kwh(from)),
            (None, None, None) => t.get("tariff-every-kwh"),
        };
        last = one.up_to_mwh.or(last);
        lines.push(PriceLine { what, other: price(one.other_1e4), summer: price(one.summer_1e4.or(one.other_1e4)) });
    }
    lines
}
