//! The page that says what went wrong and what to do next.

use super::render;
use crate::web::AppState;
use crate::web::failure::Failure;
use crate::web::frame::{Frame, Reader, Section};
use crate::web::i18n::Texts;
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// A failure as a page.
#[derive(Template)]
#[template(path = "error.html")]
pub(crate) struct ErrorPage {
    frame: Frame,
    t: Texts,
    status: StatusCode,
    heading: String,
    detail: String,
}

impl ErrorPage {
    /// In the reader's language; what a rule says stays in its own words.
    pub(crate) fn new(reader: &Reader, community: &str, failure: &Failure) -> Self {
        let t = reader.texts();
        let status = failure.status();
        let (heading, detail) = match status {
            StatusCode::NOT_FOUND => (t.get("error-not-found"), t.get("error-not-found-detail")),
            StatusCode::BAD_REQUEST => (t.get("error-bad-address"), failure.0.detail.clone()),
            StatusCode::FORBIDDEN => (t.get("error-forbidden"), failure.0.detail.clone()),
            _ => (t.get("error-server"), t.arg("error-server-detail", "detail", &failure.0.detail)),
        };
        let frame = Frame::new(reader, Section::Nowhere, community, heading.clone());
        Self { frame, t, status, heading, detail }
    }
}

impl IntoResponse for ErrorPage {
    fn into_response(self) -> Response {
        render(&self, self.status)
    }
}

/// Any other address.
pub(crate) async fn not_found(State(state): State<AppState>, reader: Reader) -> ErrorPage {
    let community = state.ask(|node| Ok(node.status()?.name)).await;
    ErrorPage::new(&reader, community.as_deref().unwrap_or("Wattproof"), &Failure::not_found("page"))
}
