//! `/statements/{id}`: one statement, and how far it has come. What the operator signed is followed here until it is final.

use crate::web::AppState;
use crate::web::failure::{Failure, optional};
use crate::web::format::Clockface;
use crate::web::frame::{Frame, Reader, Section};
use crate::web::i18n::Texts;
use crate::web::pages::{error_page, render};
use crate::web::view::{Progress, StatementText, Words};
use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use units::StatementId;

#[derive(Template)]
#[template(path = "statement.html")]
struct StatementPage {
    frame: Frame,
    t: Texts,
    id: String,
    /// `None`: it waited, and was dropped.
    statement: Option<StatementText>,
    /// Sent, waiting, in a block, final: the name, and whether it has come so far.
    stages: Vec<(String, bool)>,
    block: Option<String>,
}

/// `GET /statements/{id}`.
pub(crate) async fn statement(State(state): State<AppState>, reader: Reader, Path(id): Path<String>) -> Response {
    let Ok(id) = id.parse::<StatementId>() else {
        return error_page(&reader, "Wattproof", &Failure::malformed(&"this is no statement's number"));
    };
    let (status, view) = match state.ask(move |node| Ok((node.status()?, optional(node.statement(id))?))).await {
        Ok(found) => found,
        Err(failure) => return error_page(&reader, "Wattproof", &failure),
    };
    let t = reader.texts();
    let words = Words {
        t,
        face: Clockface::new(&status.time_zone),
        directory: state.directory(&reader.caller),
        operator: status.operator,
        currency: status.currency.clone(),
    };
    let place = view.as_ref().and_then(|view| view.place);
    let statement = view.as_ref().map(|view| words.statement(view));
    let title = statement.as_ref().map_or_else(|| t.get("statement-title"), |text| text.title.clone());
    let page = StatementPage {
        frame: Frame::new(&reader, Section::Chain, &status.name, title),
        t,
        id: id.to_string(),
        stages: stages(t, statement.as_ref(), place.map(|place| place.height.to_string())),
        block: place.map(|place| place.height.to_string()),
        statement,
    };
    render(&page, if page.statement.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND })
}

fn stages(t: Texts, statement: Option<&StatementText>, height: Option<String>) -> Vec<(String, bool)> {
    let Some(statement) = statement else { return Vec::new() };
    let reached = match statement.progress {
        Progress::Pending => 1,
        Progress::Committed => 2,
        Progress::Final => 3,
    };
    let height = height.unwrap_or_else(|| "…".to_owned());
    let names = [
        t.get("submit-status-sent"),
        t.get("submit-status-pool"),
        t.arg("submit-status-block", "height", height),
        t.get("submit-status-final"),
    ];
    names.into_iter().enumerate().map(|(at, name)| (name, at <= reached)).collect()
}
