//! `/keys`: a member's keys, made and kept by the member's own browser. The server brings the page and never sees a
//! private key.

use super::{Answer, ask, render};
use crate::web::AppState;
use crate::web::frame::{Frame, Reader, Section};
use crate::web::i18n::Texts;
use crate::web::script::{self, Key};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;

#[derive(Template)]
#[template(path = "keys.html")]
struct KeysPage {
    frame: Frame,
    t: Texts,
    texts: String,
}

/// `GET /keys`.
pub(crate) async fn keys(State(state): State<AppState>, reader: Reader) -> Answer {
    let (status, ()) = ask(&state, &reader, |_, _| Ok(())).await?;
    let t = reader.texts();
    let frame = Frame::new(&reader, Section::Submit, &status.name, t.get("keys-title"));
    Ok(render(&KeysPage { frame, t, texts: script::json(t, TEXTS) }, StatusCode::OK))
}

/// What the script says.
const TEXTS: [Key; 38] = [
    Key("keys-account"),
    Key("keys-kind-ed25519"),
    Key("keys-kind-p256"),
    Key("keys-kind-rsa"),
    Key("keys-made"),
    Key("keys-needs-backup"),
    Key("keys-usable"),
    Key("keys-registered"),
    Key("keys-not-registered"),
    Key("keys-register-how"),
    Key("keys-backup"),
    Key("keys-backup-plain"),
    Key("keys-passphrase-set"),
    Key("keys-public"),
    Key("keys-reveal"),
    Key("keys-reveal-note"),
    Key("keys-delete"),
    Key("keys-delete-sure"),
    Key("keys-delete-yes"),
    Key("keys-cancel"),
    Key("keys-imported"),
    Key("keys-known-already"),
    Key("keys-import-encrypted"),
    Key("keys-import-scrypt"),
    Key("keys-import-wrong"),
    Key("keys-import-none"),
    Key("keys-made-now"),
    Key("keys-not-supported"),
    Key("keys-storage-refused"),
    Key("keys-weak"),
    Key("keys-name-default"),
    Key("keys-node-silent"),
    Key("role-operator"),
    Key("role-member"),
    Key("role-gateway"),
    Key("role-meter"),
    Key("role-miner"),
    Key("role-auditor"),
];
