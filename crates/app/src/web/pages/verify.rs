//! `/verify`: a bill or any other file of a ledger, checked by the reader's own browser. The server only brings the page.

use super::{Answer, ask, render};
use crate::web::AppState;
use crate::web::frame::{Frame, Reader, Section};
use crate::web::i18n::{Lang, Texts};
use crate::web::script::{self, Key};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;

/// The part that the page and the file share.
#[derive(Debug)]
pub(crate) struct VerifyPart {
    /// Texts of the languages that the reader may choose here, by language tag and key.
    pub(crate) texts: String,
}

impl VerifyPart {
    /// In one language; the page's frame changes it.
    fn one_language(t: Texts) -> Self {
        Self { texts: serde_json::json!({ t.lang().tag(): script::texts(t, TEXTS) }).to_string() }
    }

    /// In both; the file has no server to ask.
    pub(crate) fn both_languages(t: Texts) -> Self {
        let other = Texts::of(if t.lang() == Lang::En { Lang::ZhTw } else { Lang::En });
        let both = [t, other].map(|t| (t.lang().tag(), script::texts(t, TEXTS)));
        Self { texts: serde_json::json!(std::collections::BTreeMap::from(both)).to_string() }
    }
}

#[derive(Template)]
#[template(path = "verify.html")]
struct VerifyPage {
    frame: Frame,
    t: Texts,
    part: VerifyPart,
}

/// `GET /verify`.
pub(crate) async fn verify(State(state): State<AppState>, reader: Reader) -> Answer {
    let (status, ()) = ask(&state, &reader, |_, _| Ok(())).await?;
    let t = reader.texts();
    let frame = Frame::new(&reader, Section::Submit, &status.name, t.get("verify-title"));
    Ok(render(&VerifyPage { frame, t, part: VerifyPart::one_language(t) }, StatusCode::OK))
}

/// What the script says.
const TEXTS: [Key; 70] = [
    Key("verify-title"),
    Key("verify-lead"),
    Key("verify-drop"),
    Key("verify-choose"),
    Key("verify-private"),
    Key("verify-result"),
    Key("verify-busy"),
    Key("verify-no-crypto"),
    Key("verify-unreadable"),
    Key("verify-verified"),
    Key("verify-verified-note"),
    Key("verify-origin-unknown"),
    Key("verify-origin-unknown-note"),
    Key("verify-failed"),
    Key("verify-failed-note"),
    Key("verify-partly"),
    Key("verify-remember"),
    Key("verify-remembered"),
    Key("verify-forget"),
    Key("verify-known-head"),
    Key("verify-known-none"),
    Key("verify-known-since"),
    Key("verify-layers"),
    Key("verify-detail"),
    Key("verify-total"),
    Key("verify-account"),
    Key("verify-span"),
    Key("verify-ledger"),
    Key("verify-community"),
    Key("verify-acts"),
    Key("verify-kind"),
    Key("verify-meters-note"),
    Key("meter-number"),
    Key("previous-counter"),
    Key("present-counter"),
    Key("factor"),
    Key("used"),
    Key("kwh"),
    Key("cli-kind-bill-bundle"),
    Key("cli-kind-claim-bundle"),
    Key("cli-kind-transparent-statement"),
    Key("cli-kind-ledger-export"),
    Key("cli-kind-checkpoint"),
    Key("cli-kind-genesis"),
    Key("cli-kind-unknown"),
    Key("verify-origin-passed"),
    Key("verify-origin-failed"),
    Key("verify-structure-passed"),
    Key("verify-structure-failed"),
    Key("verify-signatures-passed"),
    Key("verify-signatures-unknown"),
    Key("verify-signatures-failed"),
    Key("verify-inclusion-passed"),
    Key("verify-inclusion-failed"),
    Key("verify-finality-passed"),
    Key("verify-finality-unknown"),
    Key("verify-finality-failed"),
    Key("verify-meter-sequence-passed"),
    Key("verify-meter-sequence-failed"),
    Key("verify-raw-frames-passed"),
    Key("verify-raw-frames-unknown"),
    Key("verify-raw-frames-failed"),
    Key("verify-arithmetic-passed"),
    Key("verify-arithmetic-unknown"),
    Key("verify-arithmetic-failed"),
    Key("verify-tariff-passed"),
    Key("verify-tariff-failed"),
    Key("verify-origin-unknown-layer"),
    Key("verify-fetch-failed"),
    Key("estimated"),
];
