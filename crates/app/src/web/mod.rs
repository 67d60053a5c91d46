//! The ground of the pages and the HTTP contract: one router over a node, and over a gateway where one runs in the same
//! program.
//!
//! It owns no business rule: it asks the node, and writes what it is told as JSON or as a page. Calls to the node block,
//! so they leave the async threads. Without being told otherwise it listens to this computer only.

pub(crate) mod access;
mod api;
mod assets;
pub(crate) mod bundle;
mod chart;
mod course;
pub(crate) mod desk;
pub(crate) mod directory;
mod events;
mod failure;
pub(crate) mod format;
mod frame;
pub(crate) mod i18n;
mod live;
pub(crate) mod loads;
mod login;
pub(crate) mod members;
mod metrics;
mod openapi;
mod pages;
mod peers;
mod proofs;
pub(crate) mod qr;
mod readings_csv;
mod script;
mod serve;
pub(crate) mod tls;
mod verify_file;
mod view;

pub(crate) use serve::{Limits, ServeError, bind, serve, serve_router};

use ::api::{ActView, Status};
use access::{Access, Caller, Facts, Guarded, Need, NodeAsks, Object, Owner, Table, Who, identify};
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::{Extension, Router};
use desk::Desk;
use directory::{Directory, Known, NamesFor, Whom};
use events::{Hub, ReadingEvent};
use failure::Failure;
use gateway::GatewayHandle;
use live::Live;
use loads::LoadSite;
use node::NodeHandle;
use node::losses::LossRules;
use node::shell::peers::signed::RequestRefused;
use peers::News;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tower_http::compression::CompressionLayer;
use tower_http::timeout::TimeoutLayer;
use units::{MeterId, Timestamp};

/// How long an answer may take to begin. A page asks the node some dozens of questions of under a millisecond each.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Largest body of a form of the login: two passwords and a code.
const LOGIN_BYTES_MAX: usize = 8 << 10;

/// What the routes share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct AppState(Arc<Shared>);

struct Shared {
    node: NodeHandle,
    live: Option<GatewayHandle>,
    directory: Arc<Directory>,
    hub: Hub,
    access: Access,
    news: News,
    loads: Option<LoadSite>,
    losses: OnceLock<LossRules>,
    names: OnceLock<NamesFor>,
    address: OnceLock<String>,
    certificate: OnceLock<String>,
    desk: OnceLock<Arc<Desk>>,
    beside: pages::Beside,
}

impl AppState {
    /// Over a node, and a gateway in the same program if there is one. Begins to listen to both; needs a tokio runtime.
    pub(crate) fn new(
        node: NodeHandle,
        live: Option<GatewayHandle>,
        directory: Arc<Directory>,
        access: Access,
    ) -> Self {
        let (hub, news) = (Hub::new(), News::new());
        hear_node(&node, hub.clone(), news.clone());
        if let Some(gateway) = &live {
            hear_gateway(gateway, hub.clone());
        }
        let (losses, names, address, desk) = (OnceLock::new(), OnceLock::new(), OnceLock::new(), OnceLock::new());
        Self(Arc::new(Shared {
            node,
            live,
            directory,
            hub,
            access,
            news,
            loads: None,
            losses,
            names,
            address,
            certificate: OnceLock::new(),
            desk,
            beside: pages::Beside::default(),
        }))
    }

    /// With the loads of the gateway in the same program.
    pub(crate) fn with_loads(self, loads: LoadSite) -> Self {
        let Shared { node, live, directory, hub, access, news, losses, names, address, desk, beside, .. } = &*self.0;
        let certificate = self.0.certificate.clone();
        let (node, live, directory, hub) = (node.clone(), live.clone(), Arc::clone(directory), hub.clone());
        let (access, news, losses) = (access.clone(), news.clone(), losses.clone());
        let (names, address, desk) = (names.clone(), address.clone(), desk.clone());
        let (loads, beside) = (Some(loads), beside.clone());
        Self(Arc::new(Shared {
            node,
            live,
            directory,
            hub,
            access,
            news,
            loads,
            losses,
            names,
            address,
            certificate,
            desk,
            beside,
        }))
    }

    /// With rules of the operator's for losses between meters.
    pub(crate) fn with_losses(self, rules: LossRules) -> Self {
        // Set once, before anything is served.
        let _ = self.0.losses.set(rules);
        self
    }

    fn loss_rules(&self) -> &LossRules {
        self.0.losses.get_or_init(LossRules::default)
    }

    /// With names shown to others than the operator.
    pub(crate) fn with_names(self, names: NamesFor) -> Self {
        // Set once, before anything is served.
        let _ = self.0.names.set(names);
        self
    }

    /// Reached from other computers at this address, such as `http://192.168.1.5:8080`.
    pub(crate) fn with_address(self, address: Option<String>) -> Self {
        if let Some(address) = address {
            // Set once, before anything is served.
            let _ = self.0.address.set(address);
        }
        self
    }

    /// With the operator's desk: keys and names on this computer.
    pub(crate) fn with_desk(self, desk: Desk) -> Self {
        // Set once, before anything is served.
        let _ = self.0.desk.set(Arc::new(desk));
        self
    }

    fn desk(&self) -> Option<Arc<Desk>> {
        self.0.desk.get().cloned()
    }

    /// Showing a certificate with this SHA-256, in hexadecimal digits: requests that nodes sign may be for it.
    pub(crate) fn with_certificate(self, fingerprint: Option<&str>) -> Self {
        if let Some(fingerprint) = fingerprint {
            // Set once, before anything is served.
            let _ = self.0.certificate.set(fingerprint.replace(':', "").to_lowercase());
        }
        self
    }

    fn address(&self) -> Option<&str> {
        self.0.address.get().map(String::as_str)
    }

    /// Who is who, as far as somebody may know.
    fn directory(&self, caller: &Caller) -> Known<'_> {
        let names = self.0.names.get().copied().unwrap_or_default();
        self.0.directory.known(match (caller.who, names) {
            (Who::Operator, _) | (_, NamesFor::Everybody) | (Who::Member(_), NamesFor::Members) => Whom::Everybody,
            (Who::Member(own), NamesFor::Operator) => Whom::Only(own),
            (Who::Anyone, NamesFor::Operator | NamesFor::Members) => Whom::Nobody,
        })
    }

    /// What other nodes listen for.
    fn news(&self) -> &News {
        &self.0.news
    }

    /// The node, for what does not block.
    fn node(&self) -> &NodeHandle {
        &self.0.node
    }

    fn hub(&self) -> &Hub {
        &self.0.hub
    }

    /// Who may log in, and how.
    fn access(&self) -> &Access {
        &self.0.access
    }

    /// The newest values of the gateway's meters; empty without a gateway.
    fn live(&self) -> BTreeMap<MeterId, Live> {
        self.0.live.as_ref().map(|gateway| Live::of_snapshot(gateway.snapshot())).unwrap_or_default()
    }

    /// Asks the node on a thread that may block.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&NodeHandle) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let node = self.0.node.clone();
        match tokio::task::spawn_blocking(move || question(&node)).await {
            Ok(answer) => answer,
            Err(error) => Err(Failure::internal(&error)),
        }
    }
}

/// Hands the node's events on to the pages until the node stops. The node drops a listener that is slow; this one then
/// asks again. A thread of its own, since it waits all the time and must not hold up the end of the runtime.
fn hear_node(node: &NodeHandle, hub: Hub, news: News) {
    let node = node.clone();
    std::thread::spawn(move || {
        while let Ok(events) = node.subscribe() {
            while let Ok(event) = events.recv() {
                hub.tell(&event);
                news.tell(&event);
            }
        }
    });
}

/// Hands the gateway's readings on to the pages until the gateway stops.
fn hear_gateway(gateway: &GatewayHandle, hub: Hub) {
    let mut readings = gateway.subscribe();
    tokio::spawn(async move {
        loop {
            match readings.recv().await {
                Ok(reading) => hub.tell_reading(&ReadingEvent::new(&reading.meter, reading.time, &reading.reading)),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => break,
            }
        }
    });
}

impl Guarded for AppState {
    async fn is_asked_by_node(&self, asks: NodeAsks) -> Result<bool, Failure> {
        let certificate = self.0.certificate.get().cloned();
        let checked = self.ask(move |node| Ok(node.check_request(asks.into_inner(), certificate.as_deref())?)).await?;
        let refused =
            |refused: RequestRefused| Failure::new(refused.name(), StatusCode::FORBIDDEN, refused.to_string());
        checked.map(|_| true).map_err(refused)
    }

    async fn facts(&self, object: Option<Object>) -> Result<Facts, Failure> {
        let facts = self.ask(move |node| {
            let Status { name, public_readings, .. } = node.status()?;
            // Where everybody may look, or there is nothing to look at, the handler itself says what it is not.
            let object = object.filter(|_| !public_readings);
            let owner = object.and_then(|object| owner_of(node, object).transpose()).transpose()?;
            Ok(Facts { community: name, public_readings, owner })
        });
        facts.await
    }
}

/// Whose something is; `None` where there is no such thing.
fn owner_of(node: &NodeHandle, object: Object) -> Result<Option<Owner>, Failure> {
    let of_meter = |meter: MeterId| {
        let view = failure::optional(node.meter(meter))?;
        Ok::<_, Failure>(view.map(|view| Owner { account: view.member, since: view.from_ms }))
    };
    match object {
        Object::Meter(meter) => meter.parse().ok().map_or(Ok(None), of_meter),
        Object::Account(account) => {
            let account = account.parse().ok();
            Ok(account.map(|account| Owner { account, since: Timestamp::default() }))
        }
        Object::Claim(statement) => {
            let Ok(id) = statement.parse() else { return Ok(None) };
            let view = failure::optional(node.statement(id))?;
            Ok(view.map(|view| Owner { account: view.signer, since: Timestamp::default() }))
        }
        Object::Attachment(statement) => {
            let Ok(id) = statement.parse() else { return Ok(None) };
            let Some(view) = failure::optional(node.statement(id))? else { return Ok(None) };
            let read = view.acts.iter().find_map(|act| match act {
                ActView::Readings(readings) => readings.meter.clone().map(|meter| (meter, readings.start_ms)),
                _ => None,
            });
            let Some((meter, start)) = read else { return Ok(None) };
            Ok(of_meter(meter)?.filter(|owner| owner.since <= start))
        }
    }
}

/// All routes: the contract, the pages and their assets, each with who may call it.
fn table(state: AppState) -> Table<AppState> {
    let pages = Table::new(state.clone())
        .get("/", Need::Anyone, pages::overview)
        .get("/meters", Need::Anyone, pages::meters)
        .get("/meters/{meter}/readings", Need::ReadingsOfMeter, pages::readings)
        .get("/meters/{meter}/voltage", Need::ReadingsOfMeter, pages::voltage)
        .get("/chain", Need::Anyone, pages::chain)
        .get("/chain/nodes", Need::Anyone, pages::nodes)
        .get("/search", Need::Anyone, pages::search)
        .get("/pool", Need::Anyone, pages::pool)
        .post("/pool", Need::Operator, pages::mine)
        .get("/tariff", Need::Anyone, pages::tariff)
        .get("/blocks/{block}", Need::Anyone, pages::block)
        .get("/accounts", Need::Anyone, pages::accounts)
        .get("/claims", Need::Anyone, pages::claims)
        .get("/losses", Need::Readings, pages::losses)
        .get("/peers", Need::Anyone, pages::peers)
        .get("/lab", Need::Anyone, pages::lab)
        .get("/keys", Need::Anyone, pages::keys)
        .get("/submit", Need::Anyone, pages::submit)
        .get("/results", Need::Anyone, pages::results)
        .get("/verify", Need::Anyone, pages::verify)
        .get("/verify.html", Need::Anyone, verify_file::download)
        .get("/accounts/{account}", Need::Account, pages::account)
        .get("/accounts/{account}/{month}", Need::Account, pages::month)
        .merge(loads::pages(state.clone()))
        .merge(login_pages(state.clone()))
        .get(members::MEMBERS, Need::Operator, members::members)
        .get("/members/{account}", Need::Operator, members::member)
        .post("/members/{account}/name", Need::Operator, members::rename)
        .get("/desk/{form}", Need::Operator, desk::form)
        .post("/desk/{form}", Need::Operator, desk::send)
        .get("/statements/{id}", Need::Anyone, desk::statement)
        .post("/members/{account}/link", Need::Operator, members::make_link)
        .post("/members/{account}/revoke-links", Need::Operator, members::revoke_links)
        .get("/m/{secret}", Need::Anyone, members::follow)
        .around(|pages| pages.fallback(not_found).layer(middleware::from_fn(frame::remember_choice)));
    let assets = Table::new(state.clone()).get("/assets/{fingerprint}/{*name}", Need::Anyone, assets::serve);
    openapi::routes(Table::new(state)).merge(assets).merge(pages)
}

/// How the operator comes and goes.
fn login_pages<S: Guarded>(site: S) -> Table<S> {
    Table::new(site)
        .get(login::LOGIN, Need::Anyone, login::login_page::<S>)
        .post(login::LOGIN, Need::Anyone, login::login::<S>)
        .get(login::SETUP, Need::Anyone, login::setup_page::<S>)
        .post(login::SETUP, Need::Anyone, login::setup::<S>)
        .post(login::LOGOUT, Need::Anyone, login::logout)
        .around(|pages| pages.layer(DefaultBodyLimit::max(LOGIN_BYTES_MAX)))
}

/// The router over a node, and a gateway in the same program if there is one.
pub(crate) fn router(state: AppState) -> Router {
    let (loads, access) = (state.0.loads.clone(), state.0.access.clone());
    let (all, _) = table(state).finish();
    let all = match loads {
        Some(loads) => all.layer(Extension(frame::Site::Both)).layer(Extension(loads)),
        None => all,
    };
    around(all, access)
}

/// What stands around every site: who asks, how long it may take, and what a page may do.
fn around(site: Router, access: Access) -> Router {
    site.layer(Extension(access.clone()))
        .layer(middleware::from_fn_with_state(access, identify))
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, ANSWER_WITHIN))
        .layer(CompressionLayer::new())
        .layer(middleware::from_fn(security_headers))
}

/// An address that no route knows: a problem for programs, a page for people.
async fn not_found(
    state: axum::extract::State<AppState>,
    reader: frame::Reader,
    request: Request,
) -> Result<Response, Failure> {
    if request.uri().path().starts_with("/api/") {
        return Err(Failure::not_found("such route; see /api/v1/openapi.json"));
    }
    Ok(axum::response::IntoResponse::into_response(pages::not_found(state, reader).await))
}

/// What a page may load and do: only what comes from here, and no script or style within the page itself, so that text
/// that slips through unescaped still does nothing.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

async fn security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests;
