//! The contract's routes of loads.

use super::LoadSite;
use super::describe;
use crate::web::api::Listing;
use crate::web::failure::Failure;
use ::api::{LoadOrder, LoadReset, LoadsView, OrderTaken, PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX, Page, Power, Problem};
use ::api::{Switching, path};
use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use gateway::OrderError;
use gateway::core::{Order, Refusal, Reset};
use gateway::store::StoreError;

/// Who asks where nobody says.
pub(super) const OPERATOR: &str = "operator";

/// Loads, protection rules and buses of the gateway in this program.
#[utoipa::path(get, path = path::LOADS, tag = "loads", responses(
    (status = 200, body = LoadsView),
    (status = 403, description = "Not open to this reader", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "No gateway runs here", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn loads(site: LoadSite) -> Json<LoadsView> {
    Json(site.view())
}

/// Orders a load switched, once; its outcome will stand where `watch` says. For the operator, by a session or
/// with the bearer token.
#[utoipa::path(post, path = path::LOAD, tag = "loads", params(("meter" = String, Path)), request_body = LoadOrder, responses(
    (status = 202, description = "Taken", body = OrderTaken),
    (status = 400, description = "Not an order", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Not allowed to this caller", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "Unknown meter", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "A rule, an interlock or a limit refuses, which `type` names", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "A meter without a relay", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn switch(
    site: LoadSite,
    Path(meter): Path<String>,
    headers: HeaderMap,
    order: Result<Json<LoadOrder>, JsonRejection>,
) -> Result<Response, Failure> {
    let Json(order) = order.map_err(|error| Failure::malformed(&error.body_text()))?;
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).map(str::to_owned);
    let order = Order {
        meter: parse(&meter)?,
        on: order.state == Power::On,
        who: order.who.unwrap_or_else(|| OPERATOR.to_owned()),
        why: order.why,
        key: order.key.or(key),
    };
    Ok(taken(site.0.gateway.switch(order).await.map_err(|error| refused(&error))?))
}

/// Takes back the latches that hold a load off. Nothing is switched on by it. For the operator.
#[utoipa::path(post, path = path::LOAD_RESET, tag = "loads", params(("meter" = String, Path)), request_body = LoadReset, responses(
    (status = 202, description = "Done", body = OrderTaken),
    (status = 403, description = "Not allowed to this caller", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "There is no latch", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn reset(
    site: LoadSite,
    Path(meter): Path<String>,
    reset: Result<Json<LoadReset>, JsonRejection>,
) -> Result<Response, Failure> {
    let Json(LoadReset { why, who }) = reset.map_err(|error| Failure::malformed(&error.body_text()))?;
    let reset = Reset { meter: parse(&meter)?, who: who.unwrap_or_else(|| OPERATOR.to_owned()), why };
    Ok(taken(site.0.gateway.reset(reset).await.map_err(|error| refused(&error))?))
}

/// The journal of loads, newest first.
#[utoipa::path(get, path = path::SWITCHINGS, tag = "loads", params(Listing), responses(
    (status = 200, body = Page<Switching>),
    (status = 403, description = "Not open to this reader", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn switchings(
    site: LoadSite,
    listing: Result<Query<Listing>, QueryRejection>,
) -> Result<Json<Page<Switching>>, Failure> {
    let Query(listing) = listing.map_err(|error| Failure::malformed(&error.body_text()))?;
    let before = listing.cursor.as_deref().map(parse::<u64>).transpose()?;
    let limit = listing.limit.unwrap_or(PAGE_ITEMS_DEFAULT).clamp(1, PAGE_ITEMS_MAX);
    let found = site.0.gateway.store().journal_entries(before, limit).await.map_err(|error| unread(&error))?;
    let full = u32::try_from(found.len()).is_ok_and(|count| count == limit);
    let next = found.last().filter(|_| full).map(|last| last.entry.number.to_string());
    Ok(Json(Page { items: found.into_iter().map(describe::stored).collect(), next }))
}

/// A line of the journal of loads: how far an order has come.
#[utoipa::path(get, path = path::SWITCHING, tag = "loads", params(("number" = u64, Path)), responses(
    (status = 200, body = Switching),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn switching(site: LoadSite, Path(number): Path<String>) -> Result<Json<Switching>, Failure> {
    let number: u64 = parse(&number)?;
    match site.0.gateway.store().journal_entry(number).await {
        Ok(Some(found)) => Ok(Json(describe::stored(found))),
        other => {
            // What was taken while the database was away is known all the same.
            let recent = site.0.gateway.recent_entries().into_iter().find(|entry| entry.number == number);
            match (recent, other) {
                (Some(entry), _) => Ok(Json(describe::switching(entry))),
                (None, Err(error)) => Err(unread(&error)),
                (None, Ok(_)) => Err(Failure::not_found("order of this number in the journal")),
            }
        }
    }
}

pub(super) fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, Failure> {
    text.parse().map_err(|error| Failure::malformed(&error))
}

fn taken(order: u64) -> Response {
    let watch = path::switching(order);
    let place = HeaderValue::from_str(&watch).ok().map(|place| [(header::LOCATION, place)]);
    (StatusCode::ACCEPTED, place, Json(OrderTaken { order, watch })).into_response()
}

/// Why an order has no number, as a problem.
pub(super) fn refused(error: &OrderError) -> Failure {
    let OrderError::Refused(refusal) = error else {
        return Failure::new("stopping", StatusCode::SERVICE_UNAVAILABLE, error.to_string());
    };
    let status = match refusal {
        Refusal::UnknownMeter(_) => StatusCode::NOT_FOUND,
        Refusal::NoRelay(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Refusal::Text => StatusCode::BAD_REQUEST,
        _ => StatusCode::CONFLICT,
    };
    Failure::new(refusal.name(), status, refusal.to_string())
}

pub(super) fn unread(error: &StoreError) -> Failure {
    Failure::new("not_stored", StatusCode::SERVICE_UNAVAILABLE, error.to_string())
}
