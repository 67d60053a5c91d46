//! `/lab`: for teaching. The paper's function by hand, a real block's bytes, its mining experiment, and what one changed
//! digit does to a chain. The reader's browser computes; the server only brings the page and the paper's figures.

use super::{Answer, ask, render};
use crate::paper;
use crate::web::AppState;
use crate::web::frame::{Frame, Reader, Section};
use crate::web::i18n::Texts;
use crate::web::script::{self, Key};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;

/// The paper's levels (its table 3).
const LEVELS: [u8; 5] = [1, 2, 3, 4, 5];

#[derive(Template)]
#[template(path = "lab.html")]
struct LabPage {
    frame: Frame,
    t: Texts,
    texts: String,
    /// The newest final block.
    newest: u64,
    /// The paper's nonces, level by level, as JSON.
    paper: String,
    levels: [u8; 5],
}

/// `GET /lab`.
pub(crate) async fn lab(State(state): State<AppState>, reader: Reader) -> Answer {
    let (status, ()) = ask(&state, &reader, |_, _| Ok(())).await?;
    let t = reader.texts();
    let page = LabPage {
        frame: Frame::new(&reader, Section::Lab, &status.name, t.get("lab-title")),
        t,
        texts: script::json(t, TEXTS),
        newest: status.final_height.number(),
        paper: serde_json::json!(LEVELS.map(paper::nonces)).to_string(),
        levels: LEVELS,
    };
    Ok(render(&page, StatusCode::OK))
}

/// What the scripts say.
const TEXTS: [Key; 70] = [
    Key("copy"),
    Key("copied"),
    Key("hash"),
    Key("nonce"),
    Key("peers-this-node"),
    Key("field-version"),
    Key("verify-ledger"),
    Key("block-number"),
    Key("block-time"),
    Key("previous-hash"),
    Key("field-log-size"),
    Key("field-log-root"),
    Key("field-state-root"),
    Key("miner"),
    Key("difficulty"),
    Key("field-extra-nonce"),
    Key("lab-zeros"),
    Key("lab-zeros-none"),
    Key("lab-stop"),
    Key("lab-silent"),
    Key("lab-level"),
    Key("lab-hand-find"),
    Key("lab-hand-found"),
    Key("lab-hand-chained"),
    Key("lab-bytes-at"),
    Key("lab-block-none"),
    Key("lab-block-same"),
    Key("lab-block-differs"),
    Key("lab-block-recorded"),
    Key("lab-block-next-fits"),
    Key("lab-block-next-broken"),
    Key("lab-block-page"),
    Key("lab-block-bytes"),
    Key("lab-check-elsewhere"),
    Key("lab-restore"),
    Key("lab-exp-runs"),
    Key("lab-exp-mean"),
    Key("lab-exp-theory"),
    Key("lab-exp-ratio"),
    Key("lab-exp-paper"),
    Key("lab-exp-rate"),
    Key("lab-exp-time"),
    Key("lab-exp-progress"),
    Key("lab-exp-done"),
    Key("lab-exp-stopped"),
    Key("lab-exp-broken"),
    Key("lab-exp-no-level"),
    Key("lab-plot-label"),
    Key("lab-copy-b"),
    Key("lab-copy-c"),
    Key("lab-copy-whole"),
    Key("lab-copy-broken"),
    Key("lab-copy-changed"),
    Key("lab-copies-early"),
    Key("lab-cube-previous"),
    Key("lab-cube-data"),
    Key("lab-cube-nonce"),
    Key("lab-cube-right"),
    Key("lab-cube-other"),
    Key("lab-cube-no-work"),
    Key("lab-digit"),
    Key("lab-ask-peers"),
    Key("lab-mine-again"),
    Key("lab-mining"),
    Key("lab-mined"),
    Key("lab-mined-all"),
    Key("lab-repair-step"),
    Key("lab-repair-nobody"),
    Key("lab-repaired"),
    Key("lab-hash"),
];
