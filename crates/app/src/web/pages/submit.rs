//! `/submit`: what a member states, in three steps: what, check, sign. The statement is made and signed in the member's
//! browser; the server is asked for what the choice is among, and gets the signed bytes.

use super::{Answer, ask, render, words};
use crate::web::AppState;
use crate::web::frame::{Frame, Reader, Section};
use crate::web::i18n::Texts;
use crate::web::script::{self, Key};
use crate::web::view::Words;
use api::{AccountSummary, Status};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::json;
use units::Month;

/// Months that a trade may be for, from the first open one on: this month, and one ahead.
const MONTHS_OFFERED: u32 = 2;

#[derive(Template)]
#[template(path = "submit.html")]
struct SubmitPage {
    frame: Frame,
    t: Texts,
    texts: String,
    /// The ledger, its months and who may receive, as JSON.
    ledger: String,
}

/// `GET /submit`.
pub(crate) async fn submit(State(state): State<AppState>, reader: Reader) -> Answer {
    let (status, accounts) = ask(&state, &reader, |node, _| Ok(node.accounts()?)).await?;
    let words = words(&state, &reader, &status);
    let t = words.t;
    let frame = Frame::new(&reader, Section::Submit, &status.name, t.get("submit-title"));
    let ledger = ledger(&words, &status, &accounts);
    Ok(render(&SubmitPage { frame, t, texts: script::json(t, TEXTS), ledger }, StatusCode::OK))
}

fn ledger(words: &Words<'_>, status: &Status, accounts: &[AccountSummary]) -> String {
    let may_trade = |account: &&AccountSummary| {
        account.roles.iter().any(|role| ["member", "operator"].contains(&role.role.as_str()) && role.until_ms.is_none())
    };
    let people = accounts.iter().filter(may_trade);
    let people: Vec<_> = people.map(|one| json!({ "id": one.id, "name": words.name(&one.id) })).collect();
    let months: Vec<Month> = (0..MONTHS_OFFERED).map(|ahead| status.first_open_month.plus(ahead)).collect();
    let zone = &status.time_zone;
    json!({ "id": status.ledger, "currency": status.currency, "people": people, "months": months, "zone": zone })
        .to_string()
}

/// What the script says.
const TEXTS: [Key; 92] = [
    Key("submit-no-key"),
    Key("keys-make"),
    Key("submit-add-first"),
    Key("submit-not-registered"),
    Key("submit-remaining"),
    Key("submit-key-of"),
    Key("submit-remove"),
    Key("submit-to"),
    Key("submit-to-other"),
    Key("submit-to-anybody"),
    Key("submit-energy"),
    Key("submit-price"),
    Key("submit-until"),
    Key("submit-offer"),
    Key("submit-no-offers"),
    Key("submit-no-bills"),
    Key("submit-no-intervals"),
    Key("submit-no-meters"),
    Key("submit-words"),
    Key("submit-remark"),
    Key("submit-reading"),
    Key("submit-reading-none"),
    Key("submit-interval"),
    Key("submit-bill"),
    Key("submit-bad-number"),
    Key("submit-bad-account"),
    Key("submit-empty-note"),
    Key("submit-too-long"),
    Key("submit-until-minutes"),
    Key("submit-receipt-sender"),
    Key("submit-receipt-receiver"),
    Key("submit-receipt-content"),
    Key("submit-receipt-key"),
    Key("submit-receipt-id"),
    Key("submit-receipt-signature"),
    Key("submit-receipt-expires"),
    Key("submit-receipt-ledger"),
    Key("submit-nobody"),
    Key("submit-sending"),
    Key("submit-status-sent"),
    Key("submit-status-pool"),
    Key("submit-status-block"),
    Key("submit-status-final"),
    Key("submit-status-dropped"),
    Key("submit-refused"),
    Key("submit-refused-rule"),
    Key("submit-no-answer"),
    Key("submit-signed"),
    Key("submit-sign-failed"),
    Key("submit-changed"),
    Key("submit-line-transfer"),
    Key("submit-line-offer"),
    Key("submit-line-accept"),
    Key("submit-line-withdraw"),
    Key("submit-line-note"),
    Key("submit-line-bill"),
    Key("submit-line-claim-bill"),
    Key("submit-line-claim-voltage"),
    Key("submit-node-silent"),
    Key("download-claim"),
    Key("act-transfer"),
    Key("act-offer"),
    Key("act-accept"),
    Key("act-withdraw"),
    Key("act-note"),
    Key("act-bill"),
    Key("act-claim-bill"),
    Key("act-claim-voltage"),
    Key("month"),
    Key("kwh"),
    Key("voltage"),
    Key("current"),
    Key("active-power"),
    Key("counter"),
    Key("meter"),
    Key("no-crypto"),
    Key("refused-energy-used-up"),
    Key("refused-role-needed"),
    Key("refused-not-a-member"),
    Key("refused-month-closed"),
    Key("refused-expired"),
    Key("refused-duplicate"),
    Key("refused-key-revoked"),
    Key("refused-empty-transfer"),
    Key("refused-wrong-signature"),
    Key("refused-unknown-account"),
    Key("refused-not-offered-to"),
    Key("refused-unknown-offer"),
    Key("refused-already-claimed"),
    Key("refused-bill-overlaps"),
    Key("refused-outside-calendar"),
    Key("refused-offer-span"),
];
