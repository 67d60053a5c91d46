//! The table of routes, each with who may call it, and the guard that stands before each.

use super::forgery::{form_secret, is_cross_site, is_form};
use super::token::{hash_of, is_same};
use super::{Caller, Need};
use crate::web::failure::Failure;
use crate::web::frame::Reader;
use crate::web::pages::error_page;
use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::handler::Handler;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{self, MethodRouter};
use node::shell::peers::signed::{self, SignedRequest};
use std::future::Future;
use units::{AccountId, Timestamp};

/// Header by which a script shows the secret that forms carry.
const CSRF_HEADER: &str = "x-csrf-token";
/// Longest body that a session sends: a form, or an order of a few short texts.
const FORM_BYTES_MAX: usize = 64 << 10;

/// What a request is about, as its path names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Object {
    /// A meter's readings.
    Meter(String),
    /// An account.
    Account(String),
    /// The readings attached to a statement.
    Attachment(String),
    /// A claim.
    Claim(String),
}

/// Whose an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The member.
    pub(crate) account: AccountId,
    /// Since when: a meter's earlier readings are those of who lived there before.
    pub(crate) since: Timestamp,
}

/// What a guard needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    /// The community's name.
    pub(crate) community: String,
    /// Whether genesis opens single readings to everybody.
    pub(crate) public_readings: bool,
    /// Whose the object is; `None` where there is no such object.
    pub(crate) owner: Option<Owner>,
}

/// What a guard stands before.
pub(crate) trait Guarded: Clone + Send + Sync + 'static {
    /// What is known about the site and an object in it.
    fn facts(&self, object: Option<Object>) -> impl Future<Output = Result<Facts, Failure>> + Send;

    /// Whether a registered node asks; an error says why a signed request is refused.
    fn is_asked_by_node(&self, _asks: NodeAsks) -> impl Future<Output = Result<bool, Failure>> + Send {
        async { Ok(false) }
    }
}

/// A request that another node may have signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NodeAsks(SignedRequest);

impl NodeAsks {
    /// Of a request without a body; `None` where nothing is signed.
    pub(crate) fn of(method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Self> {
        let header = headers.get(signed::HEADER)?.to_str().unwrap_or_default().to_owned();
        let target = uri.path_and_query().map(ToString::to_string).unwrap_or_default();
        Some(Self(SignedRequest { header, method: method.to_string(), target, body: Vec::new() }))
    }

    /// As the node takes it.
    pub(crate) fn into_inner(self) -> SignedRequest {
        self.0
    }
}

/// From when on the caller may read the meter in the path. A handler that takes it stands behind a guard that looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReadableSince(pub(crate) Timestamp);

/// A line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// The method.
    pub(crate) method: Method,
    /// The path, with its parameters in braces.
    pub(crate) path: String,
    /// Who may call it.
    pub(crate) need: Need,
}

/// Routes with who may call them.
pub(crate) struct Table<S> {
    router: Router<S>,
    rows: Vec<Row>,
    site: S,
}

impl<S: Guarded> Table<S> {
    /// Without a route yet.
    pub(crate) fn new(site: S) -> Self {
        Self { router: Router::new(), rows: Vec::new(), site }
    }

    /// With a route that is asked.
    pub(crate) fn get<H: Handler<T, S>, T: 'static>(self, path: &str, need: Need, handler: H) -> Self {
        self.route(Method::GET, path, need, routing::get(handler))
    }

    /// With a route that is told.
    pub(crate) fn post<H: Handler<T, S>, T: 'static>(self, path: &str, need: Need, handler: H) -> Self {
        self.route(Method::POST, path, need, routing::post(handler))
    }

    fn route(mut self, method: Method, path: &str, need: Need, handler: MethodRouter<S>) -> Self {
        let handler = handler.layer(middleware::from_fn_with_state((self.site.clone(), need), guard::<S>));
        self.rows.push(Row { method, path: path.to_owned(), need });
        Self { router: self.router.route(path, handler), ..self }
    }

    /// With another table's routes.
    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.rows.extend(other.rows);
        Self { router: self.router.merge(other.router), ..self }
    }

    /// With something around all its routes so far.
    pub(crate) fn around(self, wrap: impl FnOnce(Router<S>) -> Router<S>) -> Self {
        Self { router: wrap(self.router), ..self }
    }

    /// The router, and what it was built from.
    pub(crate) fn finish(self) -> (Router, Vec<Row>) {
        (self.router.with_state(self.site), self.rows)
    }
}

async fn guard<S: Guarded>(
    State((site, need)): State<(S, Need)>,
    caller: Caller,
    params: RawPathParams,
    request: Request,
    next: Next,
) -> Response {
    let mut request = match own_forms_only(&caller, need, request).await {
        Ok(request) => request,
        Err(refused) => return *refused,
    };
    if need == Need::Anyone {
        return next.run(request).await;
    }
    let facts = match site.facts(object(need, &params)).await {
        Ok(facts) => facts,
        Err(failure) => return refuse(request, "Wattproof", failure).await,
    };
    let sight = caller.sight(facts.public_readings);
    if !sight.meets(need, facts.owner.as_ref().map(|owner| &owner.account)) {
        // What a node may have, it has for the ledger's sake, and that is attachments only.
        let asks = NodeAsks::of(request.method(), request.uri(), request.headers());
        let by_node = match asks.filter(|_| need == Need::Attachment) {
            Some(asks) => site.is_asked_by_node(asks).await,
            None => Ok(false),
        };
        match by_node {
            Ok(true) => {}
            Ok(false) => return refuse(request, &facts.community, need.refusal(&caller)).await,
            Err(failure) => return refuse(request, &facts.community, failure).await,
        }
    }
    let since = facts.owner.filter(|_| !sight.reads_all()).map(|owner| owner.since).unwrap_or_default();
    request.extensions_mut().insert(ReadableSince(since));
    next.run(request).await
}

/// Refuses what another site's page made a browser send. Programs that show a token, or post what is signed, cannot be
/// made to; forms of pages and whatever a session orders can.
async fn own_forms_only(caller: &Caller, need: Need, request: Request) -> Result<Request, Box<Response>> {
    let by_session = !caller.csrf().is_empty() && need == Need::Operator;
    if request.method().is_safe() || (is_for_programs(request.uri().path()) && !by_session) {
        return Ok(request);
    }
    if is_cross_site(request.headers()) {
        return Err(Box::new(refuse(request, "Wattproof", forged("this came from a page of another site")).await));
    }
    if caller.csrf().is_empty() {
        return Ok(request);
    }
    let (parts, body) = request.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, FORM_BYTES_MAX).await else {
        let detail = format!("what a page sends has at most {FORM_BYTES_MAX} bytes");
        let failure = Failure::new("too_large", StatusCode::PAYLOAD_TOO_LARGE, detail);
        return Err(Box::new(refuse(Request::from_parts(parts, Body::empty()), "Wattproof", failure).await));
    };
    let shown = parts.headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok());
    let shown = shown.or_else(|| form_secret(&bytes).filter(|_| is_form(&parts.headers)));
    if !shown.is_some_and(|shown| is_same(&hash_of(shown), &hash_of(caller.csrf()))) {
        let failure = forged("this page is from before you logged in; load it again and repeat the order");
        return Err(Box::new(refuse(Request::from_parts(parts, Body::empty()), "Wattproof", failure).await));
    }
    Ok(Request::from_parts(parts, Body::from(bytes)))
}

fn forged(detail: &str) -> Failure {
    Failure::new("forged", StatusCode::FORBIDDEN, detail)
}

/// What the path of a route with this need names.
fn object(need: Need, params: &RawPathParams) -> Option<Object> {
    let param =
        |names: &[&str]| params.iter().find(|(name, _)| names.contains(name)).map(|(_, value)| value.to_owned());
    match need {
        Need::Anyone | Need::Readings | Need::Upkeep | Need::Operator => None,
        Need::ReadingsOfMeter => param(&["meter"]).map(Object::Meter),
        Need::Account => param(&["account", "id"]).map(Object::Account),
        Need::Attachment => param(&["id"]).map(Object::Attachment),
        Need::Claim => param(&["id"]).map(Object::Claim),
    }
}

/// A problem for programs, a page for people.
async fn refuse(request: Request, community: &str, failure: Failure) -> Response {
    let (mut parts, _) = request.into_parts();
    if is_for_programs(parts.uri.path()) {
        return failure.into_response();
    }
    match Reader::from_request_parts(&mut parts, &()).await {
        Ok(reader) => error_page(&reader, community, &failure),
        Err(never) => match never {},
    }
}

/// Whether a path is one of the contract's, not a page's.
pub(crate) fn is_for_programs(path: &str) -> bool {
    path.starts_with("/api/") || ["/metrics", "/healthz", "/checkpoint"].contains(&path)
}

impl<S: Sync> FromRequestParts<S> for ReadableSince {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, _: &S) -> Result<Self, Failure> {
        parts.extensions.get().copied().ok_or_else(|| {
            Failure::new("internal", StatusCode::INTERNAL_SERVER_ERROR, "this route stands behind no guard")
        })
    }
}
