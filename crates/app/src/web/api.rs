//! The HTTP contract: `/api/v1`, `/checkpoint`, `/healthz`. Types and paths are those of the crate `api`; here is only who
//! answers. Errors are RFC 9457 problems.

use super::access::{Caller, ReadableSince};
use super::failure::Failure;
use super::{AppState, bundle};
use api::{
    AccountSummary, AccountView, BillView, BlockDetail, BlockSummary, ClaimView, LossesView, MEDIA_COSE, MeterView,
    MiningStatus, OpenOffer, PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX, Page, PoolView, Problem, ReadingRow, SheetView,
    StatementView, Status, SubmitAnswer, path,
};
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ledger::SignedStatement;
use ledger::act::ActId;
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::str::FromStr;
use units::{AccountId, MeterId, Month, StatementId, Timestamp};
use utoipa::{IntoParams, ToSchema};

/// Largest submission: a statement, an attachment, and what their envelope adds.
pub(crate) const SUBMISSION_BYTES_MAX: usize =
    SignedStatement::BYTES_MAX + SignedStatement::ATTACHMENT_BYTES_MAX + (64 << 10);

type Answer<T> = Result<Json<T>, Failure>;

/// Reads an identifier out of an address.
fn parse<T: FromStr<Err: Display>>(text: &str) -> Result<T, Failure> {
    text.parse().map_err(|error| Failure::malformed(&error))
}

/// Where in a list, and how much of it.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Listing {
    /// `next` of the page before; the first page without it.
    pub(crate) cursor: Option<String>,
    /// Items in the page, at most 500; 50 unless said otherwise.
    pub(crate) limit: Option<u32>,
}

/// Which readings.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReadingsQuery {
    /// From this time on, ms since 1970 UTC; `next` of the page before goes here.
    from: Option<u64>,
    /// Before this time, ms since 1970 UTC.
    until: Option<u64>,
    /// Items in the page, at most 500; 50 unless said otherwise.
    limit: Option<u32>,
}

fn limit(wanted: Option<u32>) -> u32 {
    wanted.unwrap_or(PAGE_ITEMS_DEFAULT).clamp(1, PAGE_ITEMS_MAX)
}

fn query<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Failure> {
    query.map(|Query(value)| value).map_err(|error| Failure::malformed(&error.body_text()))
}

/// Where the ledger and this node stand.
#[utoipa::path(get, path = path::STATUS, tag = "ledger", responses((status = 200, body = Status)))]
pub(crate) async fn status(State(state): State<AppState>) -> Answer<Status> {
    state.ask(|node| Ok(node.status()?)).await.map(Json)
}

/// Blocks, newest first.
#[utoipa::path(get, path = path::BLOCKS, tag = "ledger", params(Listing), responses(
    (status = 200, body = Page<BlockSummary>),
    (status = 400, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn blocks(
    State(state): State<AppState>,
    listing: Result<Query<Listing>, QueryRejection>,
) -> Answer<Page<BlockSummary>> {
    let listing = query(listing)?;
    let page = state.ask(move |node| Ok(node.blocks(listing.cursor.as_deref(), limit(listing.limit))?));
    page.await.map(Json)
}

/// A block by its number or its hash.
#[utoipa::path(get, path = path::BLOCK, tag = "ledger", params(("block" = String, Path, description = "Number or hash")), responses(
    (status = 200, body = BlockDetail),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn block(State(state): State<AppState>, Path(block): Path<String>) -> Answer<BlockDetail> {
    state.ask(move |node| Ok(node.block(&block)?)).await.map(Json)
}

/// Submits a statement (COSE_Sign1, its attachment in the unprotected header). Safe to repeat: the statement's id makes
/// it so, and a duplicate is answered with where the original stands.
#[utoipa::path(
    post, path = path::STATEMENTS, tag = "statements",
    request_body(content = Vec<u8>, content_type = "application/cose", description = "The signed statement"),
    responses(
        (status = 200, description = "Known already", body = SubmitAnswer),
        (status = 202, description = "Stored; it waits for a block", body = SubmitAnswer),
        (status = 400, description = "Not a statement", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not application/cose", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Refused by a rule, which `type` names", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The pool is full or nothing can be written", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn submit(
    State(state): State<AppState>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<SubmitAnswer>), Failure> {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !media_type.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(MEDIA_COSE)) {
        let detail = format!("post a statement as {MEDIA_COSE}, not as `{media_type}`");
        return Err(Failure::new("media_type", StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    let body = body.map_err(|rejection| too_large(rejection.status(), &rejection.body_text()))?;
    let answer = state.ask(move |node| Ok(node.submit(body.to_vec())?)).await?;
    let status = if answer.state == api::SubmitState::Accepted { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok((status, Json(answer)))
}

fn too_large(status: StatusCode, reason: &str) -> Failure {
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        let detail = format!("a submission has at most {SUBMISSION_BYTES_MAX} bytes");
        return Failure::new("too_large", StatusCode::PAYLOAD_TOO_LARGE, detail);
    }
    Failure::malformed(&reason)
}

/// A statement: what it says and how far it has come.
#[utoipa::path(get, path = path::STATEMENT, tag = "statements", params(("id" = String, Path)), responses(
    (status = 200, body = StatementView),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn statement(State(state): State<AppState>, Path(id): Path<String>) -> Answer<StatementView> {
    let id: StatementId = parse(&id)?;
    state.ask(move |node| Ok(node.statement(id)?)).await.map(Json)
}

/// A final statement with its receipts, a transparent statement (RFC 9942) that other software verifies.
#[utoipa::path(get, path = path::RECEIPT, tag = "statements", params(("id" = String, Path)), responses(
    (status = 200, body = Vec<u8>, content_type = "application/cose"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "Not final yet", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn receipt(State(state): State<AppState>, Path(id): Path<String>) -> Result<Response, Failure> {
    let id: StatementId = parse(&id)?;
    let bytes = state.ask(move |node| Ok(node.transparent_statement(id)?)).await?;
    Ok(([(header::CONTENT_TYPE, MEDIA_COSE)], bytes).into_response())
}

/// The attachment of a `readings` statement: every reading, the raw frames and the salt.
#[utoipa::path(get, path = path::ATTACHMENT, tag = "statements", params(("id" = String, Path)), responses(
    (status = 200, body = Vec<u8>, content_type = "application/cbor"),
    (status = 403, description = "The ledger does not open its readings to everybody", body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn attachment(State(state): State<AppState>, Path(id): Path<String>) -> Result<Response, Failure> {
    let id: StatementId = parse(&id)?;
    let bytes = state.ask(move |node| Ok(node.attachment(id)?)).await?;
    Ok(([(header::CONTENT_TYPE, "application/cbor")], bytes).into_response())
}

/// All accounts.
#[utoipa::path(get, path = path::ACCOUNTS, tag = "accounts", responses((status = 200, body = Vec<AccountSummary>)))]
pub(crate) async fn accounts(State(state): State<AppState>) -> Answer<Vec<AccountSummary>> {
    state.ask(|node| Ok(node.accounts()?)).await.map(Json)
}

/// An account, by its id or by the thumbprint of a later key of it. What its meters and bills came to is left out for whom
/// it is not open.
#[utoipa::path(get, path = path::ACCOUNT, tag = "accounts", params(("id" = String, Path)), responses(
    (status = 200, body = AccountView),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn account(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<AccountView> {
    let id: AccountId = parse(&id)?;
    let account = state.ask(move |node| {
        let view = node.account(id)?;
        if caller.sight(node.status()?.public_readings).sees(&view.id) {
            return Ok(view);
        }
        Ok(AccountView { bills: Vec::new(), outside: Vec::new(), ..view })
    });
    account.await.map(Json)
}

/// An account's month: the formula's terms and what moved them.
#[utoipa::path(get, path = path::MONTH, tag = "accounts", params(("id" = String, Path), ("month" = String, Path, description = "As 2026-07")), responses(
    (status = 200, body = SheetView),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn month(State(state): State<AppState>, Path(place): Path<(String, String)>) -> Answer<SheetView> {
    let (id, month) = account_month(&place)?;
    state.ask(move |node| Ok(node.sheet(id, month)?)).await.map(Json)
}

/// An account's bill of a closed month, as the ledger computes it.
#[utoipa::path(get, path = path::BILL, tag = "accounts", params(("id" = String, Path), ("month" = String, Path, description = "As 2026-07")), responses(
    (status = 200, body = BillView),
    (status = 422, description = "The month is open, or has nothing to bill", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn bill(State(state): State<AppState>, Path(place): Path<(String, String)>) -> Answer<BillView> {
    let (id, month) = account_month(&place)?;
    state.ask(move |node| Ok(node::view::bill(&node.bill(id, month)?))).await.map(Json)
}

/// Which span.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SpanQuery {
    /// Start, ms since 1970 UTC: of a month, or when the member moved in.
    from: u64,
    /// End, exclusive, ms since 1970 UTC: of a month, or when the member moved out.
    until: u64,
}

/// An account's bill of a span, as the ledger computes it: one or several closed months, until moving out, since moving in.
#[utoipa::path(get, path = path::BILL_OF_SPAN, tag = "accounts", params(("id" = String, Path), SpanQuery), responses(
    (status = 200, body = BillView),
    (status = 422, description = "No such span, a month in it is open, or it has nothing to bill", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn bill_of_span(
    State(state): State<AppState>,
    Path(id): Path<String>,
    span: Result<Query<SpanQuery>, QueryRejection>,
) -> Answer<BillView> {
    let (id, span) = (parse(&id)?, query(span)?);
    let (from, until) = (Timestamp::from_ms(span.from), Timestamp::from_ms(span.until));
    state.ask(move |node| Ok(node::view::bill(&node.bill_of_span(id, from, until)?))).await.map(Json)
}

/// The bill with everything that its check needs, one file for `wattproof verify`.
#[utoipa::path(get, path = bundle::PATH, tag = "accounts", params(("id" = String, Path), ("month" = String, Path, description = "As 2026-07")), responses(
    (status = 200, body = Vec<u8>, content_type = "application/cbor"),
    (status = 409, description = "The month is not closed and final yet", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn bill_bundle(
    State(state): State<AppState>,
    Path(place): Path<(String, String)>,
) -> Result<Response, Failure> {
    let (id, month) = account_month(&place)?;
    let bytes = state.ask(move |node| bundle::of_bill(node, id, month)).await?;
    let name = format!("attachment; filename=\"{}\"", bundle::file_name(&id, month));
    let headers = [(header::CONTENT_TYPE, "application/cbor".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, bytes).into_response())
}

/// A claim with the readings behind it and its answer, one file for `wattproof verify`.
#[utoipa::path(get, path = bundle::CLAIM_PATH, tag = "claims", params(("id" = String, Path), ("act" = u32, Path)), responses(
    (status = 200, body = Vec<u8>, content_type = "application/cbor"),
    (status = 403, description = "The ledger does not open its readings to everybody", body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn claim_bundle(
    State(state): State<AppState>,
    Path((id, act)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let claim = ActId { statement: parse(&id)?, act: parse(&act)? };
    let bytes = state.ask(move |node| bundle::of_claim(node, claim)).await?;
    Ok(([(header::CONTENT_TYPE, "application/cbor")], bytes).into_response())
}

fn account_month((id, month): &(String, String)) -> Result<(AccountId, Month), Failure> {
    Ok((parse(id)?, parse(month)?))
}

/// Open offers, those that end first.
#[utoipa::path(get, path = path::OFFERS, tag = "trades", params(Listing), responses(
    (status = 200, body = Page<OpenOffer>),
    (status = 404, description = "No such cursor", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn offers(
    State(state): State<AppState>,
    listing: Result<Query<Listing>, QueryRejection>,
) -> Answer<Page<OpenOffer>> {
    let listing = query(listing)?;
    state.ask(move |node| Ok(node.offers(listing.cursor.as_deref(), limit(listing.limit))?)).await.map(Json)
}

/// Claims and how they stand, newest first. An indication: the meters are not instruments of class A (IEC 61000-4-30).
#[utoipa::path(get, path = path::CLAIMS, tag = "claims", params(Listing), responses(
    (status = 200, body = Page<ClaimView>),
    (status = 404, description = "No such cursor", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn claims(
    State(state): State<AppState>,
    listing: Result<Query<Listing>, QueryRejection>,
) -> Answer<Page<ClaimView>> {
    let listing = query(listing)?;
    state.ask(move |node| Ok(node.claims(listing.cursor.as_deref(), limit(listing.limit))?)).await.map(Json)
}

/// The statements that wait for a block, oldest first.
#[utoipa::path(get, path = path::POOL, tag = "ledger", responses((status = 200, body = PoolView)))]
pub(crate) async fn pool(State(state): State<AppState>) -> Answer<PoolView> {
    state.ask(|node| Ok(node.pool()?)).await.map(Json)
}

/// Which month's losses.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct LossesQuery {
    /// The month, such as 2026-07; the present one without it.
    #[param(value_type = Option<String>)]
    month: Option<Month>,
    /// Intervals of each upper meter, newest first, at most 500; 50 unless said otherwise.
    limit: Option<u32>,
}

/// What upper meters counted against those below, interval by interval.
#[utoipa::path(get, path = path::LOSSES, tag = "meters", params(LossesQuery), responses(
    (status = 200, body = LossesView),
    (status = 403, description = "Readings are not open to everybody", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "No such month", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn losses(
    State(state): State<AppState>,
    asked: Result<Query<LossesQuery>, QueryRejection>,
) -> Answer<LossesView> {
    let asked = query(asked)?;
    let rules = state.loss_rules().clone();
    let most = usize::try_from(limit(asked.limit)).unwrap_or(usize::MAX);
    let question = move |node: &node::NodeHandle| {
        let status = node.status()?;
        let month = asked.month.or(status.month).unwrap_or(status.first_open_month);
        Ok(node::view::losses(month, &rules, &node.losses(rules.clone(), month)?, most))
    };
    state.ask(question).await.map(Json)
}

/// All meters.
#[utoipa::path(get, path = path::METERS, tag = "meters", responses((status = 200, body = Vec<MeterView>)))]
pub(crate) async fn meters(State(state): State<AppState>) -> Answer<Vec<MeterView>> {
    state.ask(|node| Ok(node.meters()?)).await.map(Json)
}

/// A meter: who is billed for it, and where its chain stands.
#[utoipa::path(get, path = path::METER, tag = "meters", params(("meter" = String, Path)), responses(
    (status = 200, body = MeterView),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn meter(State(state): State<AppState>, Path(meter): Path<String>) -> Answer<MeterView> {
    let meter: MeterId = parse(&meter)?;
    state.ask(move |node| Ok(node.meter(meter)?)).await.map(Json)
}

/// Booked readings of a meter, oldest first.
#[utoipa::path(get, path = path::READINGS, tag = "meters", params(("meter" = String, Path), ReadingsQuery), responses(
    (status = 200, body = Page<ReadingRow>),
    (status = 403, description = "The ledger does not open its readings to everybody", body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn readings(
    State(state): State<AppState>,
    since: ReadableSince,
    Path(meter): Path<String>,
    window: Result<Query<ReadingsQuery>, QueryRejection>,
) -> Answer<Page<ReadingRow>> {
    let meter: MeterId = parse(&meter)?;
    let window = query(window)?;
    let from = Timestamp::from_ms(window.from.unwrap_or(0)).max(since.0);
    let until = Timestamp::from_ms(window.until.unwrap_or(u64::MAX));
    state.ask(move |node| Ok(node.readings(meter, from, until, limit(window.limit))?)).await.map(Json)
}

/// The newest checkpoint: a signed note (C2SP) over the final part of the ledger.
#[utoipa::path(get, path = path::CHECKPOINT, tag = "ledger", responses(
    (status = 200, body = String, content_type = "text/plain"),
    (status = 404, description = "Nothing is final yet", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn checkpoint(State(state): State<AppState>) -> Result<String, Failure> {
    state.ask(|node| Ok(node.checkpoint()?)).await
}

/// What the miner shall do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MiningOrder {
    /// Search for the next block once, now.
    MineNow,
    /// Search whenever there is something to book.
    Automatic,
    /// Search only when told.
    ByHand,
}

impl MiningOrder {
    /// Has the node do it.
    ///
    /// # Errors
    /// When this node cannot mine.
    pub(crate) fn carry_out(self, node: &node::NodeHandle) -> Result<(), node::NodeError> {
        match self {
            Self::MineNow => node.mine_now(),
            Self::Automatic => node.set_automatic(true),
            Self::ByHand => node.set_automatic(false),
        }
    }
}

/// Body of `POST /api/v1/mining`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub(crate) struct MiningRequest {
    /// The order.
    order: MiningOrder,
}

/// Address of the mining order.
pub(crate) const MINING: &str = "/api/v1/mining";

/// Mines now, or switches automatic mining. For the operator.
#[utoipa::path(post, path = MINING, tag = "ledger", request_body = MiningRequest, responses(
    (status = 200, body = MiningStatus),
    (status = 403, description = "Not allowed to this caller", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn mining(
    State(state): State<AppState>,
    request: Result<Json<MiningRequest>, JsonRejection>,
) -> Answer<MiningStatus> {
    let Json(MiningRequest { order }) = request.map_err(|error| Failure::malformed(&error.body_text()))?;
    let status = state.ask(move |node| {
        order.carry_out(node)?;
        Ok(node.status()?.mining)
    });
    status.await.map(Json)
}

/// Whether this program answers and its node does.
#[utoipa::path(get, path = HEALTH, tag = "ledger", responses(
    (status = 200, body = String, content_type = "text/plain"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn health(State(state): State<AppState>) -> Result<&'static str, Failure> {
    let status = state.ask(|node| Ok(node.status()?)).await?;
    match status.read_only {
        None => Ok("ok\n"),
        Some(reason) => Err(Failure::new("read_only", StatusCode::SERVICE_UNAVAILABLE, reason)),
    }
}

/// Address of the health check.
pub(crate) const HEALTH: &str = "/healthz";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_a_bounded_number_of_items() {
        assert_eq!([None, Some(0), Some(7), Some(u32::MAX)].map(limit), [50, 1, 7, 500]);
    }
}
