//! The ground of the pages and the HTTP contract: one router over a node, and over a gateway where one runs in the same
//! program.
//!
//! It owns no business rule: it asks the node, and writes what it is told as JSON or as a page. Calls to the node block,
//! so they leave the async threads. Without being told otherwise it listens to this computer only.

mod access;
mod api;
mod assets;
pub(crate) mod bundle;
mod chart;
pub(crate) mod directory;
mod events;
mod failure;
pub(crate) mod format;
mod frame;
pub(crate) mod i18n;
mod live;
pub(crate) mod loads;
mod metrics;
mod openapi;
mod pages;
mod peers;
mod proofs;
mod qr;
mod readings_csv;
mod script;
mod serve;
mod verify_file;
mod view;

pub(crate) use serve::{ServeError, bind, serve, serve_router};

use ::api::Status;
use access::Origin;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::{Extension, Router, routing::get};
use directory::Directory;
use events::{Hub, ReadingEvent};
use failure::Failure;
use gateway::GatewayHandle;
use live::Live;
use loads::LoadSite;
use node::NodeHandle;
use node::losses::LossRules;
use peers::News;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tower_http::compression::CompressionLayer;
use tower_http::timeout::TimeoutLayer;
use units::MeterId;

/// How long an answer may take to begin. A page asks the node some dozens of questions of under a millisecond each.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// What the routes share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct AppState(Arc<Shared>);

struct Shared {
    node: NodeHandle,
    live: Option<GatewayHandle>,
    directory: Arc<Directory>,
    hub: Hub,
    news: News,
    loads: Option<LoadSite>,
    losses: OnceLock<LossRules>,
}

impl AppState {
    /// Over a node, and a gateway in the same program if there is one. Begins to listen to both; needs a tokio runtime.
    pub(crate) fn new(node: NodeHandle, live: Option<GatewayHandle>, directory: Arc<Directory>) -> Self {
        let (hub, news) = (Hub::new(), News::new());
        hear_node(&node, hub.clone(), news.clone());
        if let Some(gateway) = &live {
            hear_gateway(gateway, hub.clone());
        }
        Self(Arc::new(Shared { node, live, directory, hub, news, loads: None, losses: OnceLock::new() }))
    }

    /// With the loads of the gateway in the same program.
    pub(crate) fn with_loads(self, loads: LoadSite) -> Self {
        let Shared { node, live, directory, hub, news, losses, .. } = &*self.0;
        let (node, live, directory, hub) = (node.clone(), live.clone(), Arc::clone(directory), hub.clone());
        let (news, losses) = (news.clone(), losses.clone());
        Self(Arc::new(Shared { node, live, directory, hub, news, loads: Some(loads), losses }))
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

    /// Who is who, for whom it is open.
    fn directory(&self, origin: Origin, status: &Status) -> &Directory {
        static NOBODY: Directory = Directory::empty();
        if origin.may_read(status) { &self.0.directory } else { &NOBODY }
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

    /// The newest values of the gateway's meters, for whom they are open; empty without a gateway.
    fn live(&self, origin: Origin, status: &Status) -> BTreeMap<MeterId, Live> {
        let gateway = self.0.live.as_ref().filter(|_| origin.may_read(status));
        gateway.map(|gateway| Live::of_snapshot(gateway.snapshot())).unwrap_or_default()
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

/// All routes: the contract, the pages and their assets.
pub(crate) fn router(state: AppState) -> Router {
    let loads = state.0.loads.clone();
    let pages = Router::new()
        .route("/", get(pages::overview))
        .route("/meters", get(pages::meters))
        .route("/meters/{meter}/readings", get(pages::readings))
        .route("/chain", get(pages::chain))
        .route("/blocks/{block}", get(pages::block))
        .route("/accounts", get(pages::accounts))
        .route("/claims", get(pages::claims))
        .route("/losses", get(pages::losses))
        .route("/peers", get(pages::peers))
        .route("/keys", get(pages::keys))
        .route("/submit", get(pages::submit))
        .route("/results", get(pages::results))
        .route("/verify", get(pages::verify))
        .route("/verify.html", get(verify_file::download))
        .route("/accounts/{account}", get(pages::account))
        .route("/accounts/{account}/{month}", get(pages::month))
        .merge(loads::pages())
        .fallback(not_found)
        .layer(middleware::from_fn(frame::remember_choice));
    let all = Router::new()
        .route("/assets/{fingerprint}/{*name}", get(assets::serve))
        .merge(openapi::router())
        .merge(pages)
        .with_state(state);
    let all = match loads {
        Some(loads) => all.layer(Extension(frame::Site::Both)).layer(Extension(loads)),
        None => all,
    };
    all.layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, ANSWER_WITHIN))
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
