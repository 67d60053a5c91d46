//! What other nodes ask this one, as curl can ask it too. Who asks is believed nothing, and learns nothing that the pages
//! do not show him: the attachments of readings only where the ledger opens them, or to a registered node, which signs
//! that it asks.

mod news;

pub(crate) use news::News;

use super::AppState;
use super::access::{Caller, Guarded as _, Need, NodeAsks};
use super::failure::Failure;
use ::api::{
    FindingsView, MEDIA_COSE, PAGE_ITEMS_DEFAULT, Page, PeerHead, PeerIdentity, PeerNews, PeerView, Problem, path,
};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use consensus::peer::{Answer, Ask, LOCATOR_MAX};
use ledger::{Header, SignedStatement};
use node::findings::FINDINGS_MAX;
use node::{NodeError, NodeHandle};
use serde::Deserialize;
use units::{BlockHash, StatementId};
use utoipa::IntoParams;

/// Media type of what travels in its own bytes.
const MEDIA_BYTES: &str = "application/octet-stream";

/// Longest name of a node's run that is remembered.
const INSTANCE_BYTES_MAX: usize = 64;

fn query<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Failure> {
    query.map(|Query(value)| value).map_err(|error| Failure::malformed(&error.body_text()))
}

fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, Failure> {
    text.parse().map_err(|error| Failure::malformed(&error))
}

/// A node's answer, which is of the question's own kind.
fn of_kind<T>(answer: Answer, what: &str, wanted: impl FnOnce(Answer) -> Option<T>) -> Result<T, Failure> {
    match answer {
        Answer::Missing => Err(Failure::not_found(what)),
        other => wanted(other).ok_or_else(|| Failure::internal(&"an answer of another kind")),
    }
}

fn bytes(kind: &'static str, bytes: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, kind)], bytes).into_response()
}

/// The nodes that this one was told of: whether they answer, how far they are, and whether they agree.
#[utoipa::path(get, path = path::PEERS, tag = "peers", responses((status = 200, body = Page<PeerView>)))]
pub(crate) async fn peers(State(state): State<AppState>) -> Result<Json<Page<PeerView>>, Failure> {
    let items = state.ask(|node| Ok(node.peers()?)).await?;
    Ok(Json(Page { items, next: None }))
}

/// How many.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FindingsQuery {
    /// The newest so many, at most 1,000, which are all that are remembered; 50 unless said otherwise.
    limit: Option<u32>,
}

/// What was found changed in what this node stores, newest first: where, what, when, and what became of it.
#[utoipa::path(get, path = path::FINDINGS, tag = "peers", params(FindingsQuery), responses(
    (status = 200, body = FindingsView),
    (status = 403, description = "For the operator, and at the node's own computer", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn findings(
    State(state): State<AppState>,
    asked: Result<Query<FindingsQuery>, QueryRejection>,
) -> Result<Json<FindingsView>, Failure> {
    let limit = query(asked)?.limit.unwrap_or(PAGE_ITEMS_DEFAULT);
    let limit = usize::try_from(limit).unwrap_or(FINDINGS_MAX).min(FINDINGS_MAX);
    Ok(Json(state.ask(move |node| Ok(node.findings(limit)?)).await?))
}

/// The genesis document: what another node begins with, and what whoever verifies must trust. Its SHA-256 is the ledger's id.
#[utoipa::path(get, path = path::GENESIS, tag = "ledger", responses(
    (status = 200, body = Vec<u8>, content_type = "application/cbor"),
))]
pub(crate) async fn genesis(State(state): State<AppState>) -> Result<Response, Failure> {
    Ok(bytes("application/cbor", state.ask(|node| Ok(node.genesis()?)).await?))
}

fn head_of(node: &NodeHandle) -> Result<PeerHead, Failure> {
    let ledger = node.status()?.ledger;
    of_kind(node.serve(Ask::Head)?, "head", |answer| match answer {
        Answer::Head(head) => Some(PeerHead { ledger, height: head.height, hash: head.hash, checkpoint: head.anchor }),
        _ => None,
    })
}

/// Where this node's chain ends, and the newest checkpoint that it knows.
#[utoipa::path(get, path = path::PEER_HEAD, tag = "peers", responses((status = 200, body = PeerHead)))]
pub(crate) async fn head(State(state): State<AppState>) -> Result<Json<PeerHead>, Failure> {
    state.ask(head_of).await.map(Json)
}

/// Which headers.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct HeadersQuery {
    /// Hashes of the asker's chain, newest first, at most 64, commas between them.
    after: String,
}

/// Headers after the first of these blocks that this node has, oldest first: 212 bytes each, at most 512.
#[utoipa::path(get, path = path::PEER_HEADERS, tag = "peers", params(HeadersQuery), responses(
    (status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
    (status = 400, description = "No hashes, or too many", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn headers(
    State(state): State<AppState>,
    asked: Result<Query<HeadersQuery>, QueryRejection>,
) -> Result<Response, Failure> {
    let after = query(asked)?.after;
    if after.split(',').count() > LOCATOR_MAX {
        return Err(Failure::malformed(&format_args!("name at most {LOCATOR_MAX} blocks in `after`")));
    }
    let locator = after.split(',').map(parse).collect::<Result<Vec<BlockHash>, _>>()?;
    let answer = state.ask(move |node| Ok(node.serve(Ask::Headers { locator })?)).await?;
    let headers = of_kind(answer, "block of these", |answer| match answer {
        Answer::Headers(headers) => Some(headers),
        _ => None,
    })?;
    Ok(bytes(MEDIA_BYTES, headers.iter().flat_map(Header::to_bytes).collect()))
}

/// A block in its wire form, by its hash.
#[utoipa::path(get, path = path::PEER_BLOCK, tag = "peers", params(("hash" = String, Path)), responses(
    (status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn block(State(state): State<AppState>, Path(hash): Path<String>) -> Result<Response, Failure> {
    let hash = parse(&hash)?;
    let answer = state.ask(move |node| Ok(node.serve(Ask::Block(hash))?)).await?;
    let block = of_kind(answer, "such block", |answer| match answer {
        Answer::Block(block) => Some(block),
        _ => None,
    })?;
    Ok(bytes(MEDIA_BYTES, block))
}

/// Ids of the statements that wait for a block, oldest first, at most 2,048.
#[utoipa::path(get, path = path::PEER_POOL, tag = "peers", responses((status = 200, body = Vec<String>)))]
pub(crate) async fn pool(State(state): State<AppState>) -> Result<Json<Vec<StatementId>>, Failure> {
    let answer = state.ask(|node| Ok(node.serve(Ask::Pool)?)).await?;
    let ids = of_kind(answer, "pool", |answer| match answer {
        Answer::Pool(ids) => Some(ids),
        _ => None,
    });
    ids.map(Json)
}

/// A statement that waits, in its submission form.
#[utoipa::path(get, path = path::PEER_WAITING, tag = "peers", params(("id" = String, Path)), responses(
    (status = 200, body = Vec<u8>, content_type = "application/cose"),
    (status = 403, description = "It carries readings, which the ledger does not open to everybody", body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn waiting(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    request: Parts,
) -> Result<Response, Failure> {
    let id = parse(&id)?;
    let answer = state.ask(move |node| Ok((node.serve(Ask::Waiting(id))?, node.status()?)));
    let (answer, status) = answer.await?;
    let statement = of_kind(answer, "such statement waiting", |answer| match answer {
        Answer::Waiting(statement) => Some(statement),
        _ => None,
    })?;
    if SignedStatement::from_submission(&statement).is_ok_and(|(_, attachment)| attachment.is_some()) {
        // Nodes at one computer are one operator's, and hand each other everything.
        let may = caller.sight(status.public_readings).reads_all() || caller.is_here();
        let asks = NodeAsks::of(&request.method, &request.uri, &request.headers);
        let may = match asks.filter(|_| !may) {
            Some(asks) => state.is_asked_by_node(asks).await?,
            None => may,
        };
        may.then_some(()).ok_or_else(|| Need::Attachment.refusal(&caller))?;
    }
    Ok(bytes(MEDIA_COSE, statement))
}

/// What is new.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct NewsQuery {
    /// `next` of the answer before; without it the answer comes at once.
    #[serde(default)]
    after: String,
    /// A name of the asker's run: a node that listens is not handed what it hears anyway.
    #[serde(default)]
    instance: String,
}

/// What happened since the answer before: the chain's end, and statements accepted. Waits up to 15 seconds for something to
/// happen, unless too many wait already.
#[utoipa::path(get, path = path::PEER_NEWS, tag = "peers", params(NewsQuery), responses((status = 200, body = PeerNews)))]
pub(crate) async fn news(
    State(state): State<AppState>,
    asked: Result<Query<NewsQuery>, QueryRejection>,
) -> Result<Json<PeerNews>, Failure> {
    let NewsQuery { after, instance } = query(asked)?;
    if !instance.is_empty() && instance.len() <= INSTANCE_BYTES_MAX {
        state.node().listened_to_by(&instance);
    }
    let heard = state.news().after(state.node().instance(), &after).await;
    let head = state.ask(head_of).await?;
    let instance = state.node().instance().to_owned();
    Ok(Json(PeerNews { next: heard.next, instance, head, statements: heard.statements }))
}

/// Whose signature.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct IdentityQuery {
    /// What the node shall sign, 64 hexadecimal digits that nobody could foresee.
    challenge: String,
}

/// Who this node is: the account of its key, shown by a signature over the asker's challenge.
#[utoipa::path(get, path = path::PEER_IDENTITY, tag = "peers", params(IdentityQuery), responses(
    (status = 200, body = PeerIdentity),
    (status = 400, description = "No challenge", body = Problem, content_type = "application/problem+json"),
    (status = 501, description = "The node has no key", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn identity(
    State(state): State<AppState>,
    asked: Result<Query<IdentityQuery>, QueryRejection>,
) -> Result<Json<PeerIdentity>, Failure> {
    // 32 bytes in hexadecimal digits are what a block's hash is written as.
    let challenge: BlockHash = parse(&query(asked)?.challenge)?;
    let answer: Result<PeerIdentity, NodeError> =
        state.ask(move |node| Ok(node.identity(*challenge.as_bytes()))).await?;
    Ok(Json(answer?))
}
