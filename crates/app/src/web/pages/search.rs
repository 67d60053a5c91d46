//! `/search`: a block by number or hash, a statement, an account, a meter, or a name.

use super::error_page;
use crate::web::AppState;
use crate::web::failure::{Failure, optional};
use crate::web::frame::{Frame, Reader, Section};
use crate::web::i18n::Texts;
use crate::web::pages::render;
use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use node::NodeHandle;
use serde::Deserialize;
use units::{AccountId, MeterId, StatementId};

/// Longest text that is looked for: an account number has 61 characters, a hash 64.
const TYPED_MAX: usize = 128;

/// What is looked for.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct SearchQuery {
    #[serde(default)]
    q: String,
}

#[derive(Template)]
#[template(path = "search.html")]
struct SearchPage {
    frame: Frame,
    t: Texts,
    typed: String,
}

/// `GET /search?q=`: goes to what was found; what is found nothing says what to type.
pub(crate) async fn search(
    State(state): State<AppState>,
    reader: Reader,
    Query(query): Query<SearchQuery>,
) -> Response {
    let typed = query.q.trim().to_owned();
    let named = (0..=TYPED_MAX).contains(&typed.len()).then(|| account_named(&state, &reader, &typed)).flatten();
    let asked = typed.clone();
    let found = state.ask(move |node| {
        let place = if asked.len() > TYPED_MAX { None } else { place(node, &asked, named)? };
        Ok((node.status()?.name, place))
    });
    match found.await {
        Ok((_, Some(place))) => Redirect::to(&place).into_response(),
        Ok((community, None)) => {
            let t = reader.texts();
            let frame = Frame::new(&reader, Section::Chain, &community, t.get("search-title"));
            let status = if typed.is_empty() { StatusCode::OK } else { StatusCode::NOT_FOUND };
            render(&SearchPage { frame, t, typed }, status)
        }
        Err(failure) => error_page(&reader, "Wattproof", &failure),
    }
}

/// The account of a name, as far as the reader may know names.
fn account_named(state: &AppState, reader: &Reader, typed: &str) -> Option<AccountId> {
    let known = state.directory(&reader.caller);
    let same = |name: &str| !typed.is_empty() && name.to_lowercase() == typed.to_lowercase();
    state
        .0
        .directory
        .people()
        .into_keys()
        .find(|account| known.person(account).is_some_and(|person| same(&person.name)))
}

/// Where it is shown. A number counts as a block's; digits as long as a hash are looked for among blocks first.
fn place(node: &NodeHandle, typed: &str, named: Option<AccountId>) -> Result<Option<String>, Failure> {
    let plain = typed.strip_prefix('#').unwrap_or(typed).to_ascii_lowercase();
    let is_number_or_hash =
        !plain.is_empty() && plain.len() <= 64 && plain.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_number_or_hash && let Some(block) = optional(node.block(&plain))? {
        return Ok(Some(format!("/blocks/{}", block.height)));
    }
    if let Ok(id) = plain.parse::<StatementId>()
        && let Some(view) = optional(node.statement(id))?
    {
        return Ok(Some(format!("/statements/{}", view.id)));
    }
    let account = typed.parse().ok().or(named);
    if let Some(account) = account
        && let Some(view) = optional(node.account(account))?
    {
        return Ok(Some(format!("/results?account={}", view.id)));
    }
    match typed.parse::<MeterId>() {
        Ok(meter) => Ok(optional(node.meter(meter))?.map(|view| format!("/meters/{}/readings", view.meter))),
        Err(_) => Ok(None),
    }
}
