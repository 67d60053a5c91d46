//! The pages. Each is a struct of finished texts and a template; functions from the node's answers to those texts are
//! pure, the handlers only ask and render.

mod accounts;
mod chain;
mod claims;
mod error;
mod keys;
mod lab;
mod losses;
mod month;
mod nodes;
mod overview;
mod past;
mod peers;
mod pool;
mod readings;
mod results;
mod search;
mod submit;
mod tariff;
mod verify;
mod voltage;

pub(crate) use accounts::accounts;
pub(crate) use chain::{block, chain};
pub(crate) use claims::claims;
pub(crate) use error::not_found;
pub(crate) use keys::keys;
pub(crate) use lab::lab;
pub(crate) use losses::losses;
pub(crate) use month::{account, month};
pub(crate) use nodes::{Beside, nodes};
pub(crate) use overview::overview;
pub(crate) use peers::peers;
pub(crate) use pool::{mine, pool};
pub(crate) use readings::{meters, readings};
pub(crate) use results::results;
pub(crate) use search::search;
pub(crate) use submit::submit;
pub(crate) use tariff::tariff;
pub(crate) use verify::{VerifyPart, verify};
pub(crate) use voltage::voltage;

use super::AppState;
use super::failure::Failure;
use super::format::Clockface;
use super::frame::Reader;
use super::view::Words;
use api::Status;
use askama::Template;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

/// A page, or the page that says why there is none.
type Answer = Result<Response, error::ErrorPage>;

/// Renders a page. It depends on who reads it and on this moment, so nobody keeps it.
pub(crate) fn render(page: &impl Template, status: StatusCode) -> Response {
    let headers = [(header::CACHE_CONTROL, "no-cache"), (header::VARY, "Accept-Language, Cookie")];
    match page.render() {
        Ok(html) => (status, headers, Html(html)).into_response(),
        Err(error) => Failure::internal(&error).into_response(),
    }
}

/// A failure as a page.
pub(crate) fn error_page(reader: &Reader, community: &str, failure: &Failure) -> Response {
    error::ErrorPage::new(reader, community, failure).into_response()
}

/// Asks the node for its status and whatever `question` wants to know, and turns a failure into a page.
async fn ask<T: Send + 'static>(
    state: &AppState,
    reader: &Reader,
    question: impl FnOnce(&node::NodeHandle, &Status) -> Result<T, Failure> + Send + 'static,
) -> Result<(Status, T), error::ErrorPage> {
    let answer = state.ask(move |node| {
        let status = node.status()?;
        let rest = question(node, &status)?;
        Ok((status, rest))
    });
    answer.await.map_err(|failure| error::ErrorPage::new(reader, "Wattproof", &failure))
}

/// The words of a community.
fn words<'a>(state: &'a AppState, reader: &Reader, status: &Status) -> Words<'a> {
    Words {
        t: reader.texts(),
        face: Clockface::new(&status.time_zone),
        directory: state.directory(&reader.caller),
        operator: status.operator,
        currency: status.currency.clone(),
    }
}
