//! Loads on the web: the gateway's routes and its page, in the node's router where both run in one program, and in a
//! router of their own where a gateway runs alone.
//!
//! Looking is open to whom single readings are; switching only to this computer, or to whom holds the gateway's token.

pub(crate) mod api;
mod archive;
mod bus;
mod control;
mod describe;
mod page;
mod refusal;
pub(crate) mod tables;
#[cfg(test)]
mod tests;
mod why;

use super::access::Origin;
use super::assets;
use super::failure::Failure;
use super::format::Clockface;
use super::frame::{self, Reader};
use super::metrics::METRICS;
use super::readings_csv::READINGS_CSV;
use super::security_headers;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
pub(crate) use control::Token;
use gateway::{GatewayHandle, metrics};
use std::sync::Arc;
use tower_http::compression::CompressionLayer;
use tower_http::timeout::TimeoutLayer;

/// Address of the page.
pub(crate) const PAGE: &str = "/loads";
/// Largest body of an order: a few short texts.
const ORDER_BYTES_MAX: usize = 4 << 10;

/// What the routes of loads share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct LoadSite(Arc<Shared>);

struct Shared {
    gateway: GatewayHandle,
    token: Option<Token>,
    community: String,
    face: Clockface,
    public_readings: bool,
}

/// What a site is made of.
pub(crate) struct SiteSetup {
    /// The gateway.
    pub(crate) gateway: GatewayHandle,
    /// Who holds it may switch from elsewhere.
    pub(crate) token: Option<Token>,
    /// The community's name.
    pub(crate) community: String,
    /// Its IANA time zone.
    pub(crate) time_zone: String,
    /// Whether genesis opens single readings to everybody.
    pub(crate) public_readings: bool,
}

impl LoadSite {
    /// Over a gateway.
    pub(crate) fn new(setup: SiteSetup) -> Self {
        let SiteSetup { gateway, token, community, time_zone, public_readings } = setup;
        let face = Clockface::new(&time_zone);
        Self(Arc::new(Shared { gateway, token, community, face, public_readings }))
    }

    /// Refuses loads and readings to whom they are not open.
    fn check_look(&self, origin: Origin) -> Result<(), Failure> {
        if origin == Origin::Here || self.0.public_readings {
            return Ok(());
        }
        let detail = "this ledger keeps single readings to its members; ask at the computer that runs the gateway";
        Err(Failure::new("readings_private", StatusCode::FORBIDDEN, detail))
    }
}

impl<S: Sync> FromRequestParts<S> for LoadSite {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            let detail = "no gateway runs in this program; ask the gateway at its own `http` address";
            Failure::new("no_gateway", StatusCode::NOT_FOUND, detail)
        })
    }
}

/// The page and the two addresses of its form. The routes of the contract are in the list of all.
pub(crate) fn pages<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route(PAGE, get(page::loads))
        .route("/loads/{meter}/switch", get(page::confirm).post(page::switch))
        .layer(DefaultBodyLimit::max(ORDER_BYTES_MAX))
}

/// All routes of a gateway that runs alone.
pub(crate) fn router(site: LoadSite) -> Router {
    let contract = Router::new()
        .route(::api::path::LOADS, get(api::loads))
        .route(::api::path::LOAD, post(api::switch))
        .route(::api::path::LOAD_RESET, post(api::reset))
        .route(::api::path::SWITCHINGS, get(api::switchings))
        .route(::api::path::SWITCHING, get(api::switching))
        .route(tables::ROLLUPS_CSV, get(tables::rollups_csv))
        .route(READINGS_CSV, get(tables::readings_csv))
        .route("/healthz", get(health))
        .route(METRICS, get(own_metrics))
        .layer(DefaultBodyLimit::max(ORDER_BYTES_MAX));
    let pages = pages()
        .route("/", get(|| async { Redirect::temporary(PAGE) }))
        .fallback(not_found)
        .layer(middleware::from_fn(frame::remember_choice));
    Router::new()
        .route("/assets/{fingerprint}/{*name}", get(assets::serve))
        .merge(contract)
        .merge(pages)
        .layer(Extension(frame::Site::Gateway))
        .layer(Extension(site))
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, super::ANSWER_WITHIN))
        .layer(CompressionLayer::new())
        .layer(middleware::from_fn(security_headers))
}

/// Whether the gateway stores what it reads.
async fn health(site: LoadSite) -> Result<&'static str, Failure> {
    match site.0.gateway.trouble() {
        None => Ok("ok\n"),
        Some(reason) => Err(Failure::new("not_stored", StatusCode::SERVICE_UNAVAILABLE, reason)),
    }
}

async fn own_metrics(site: LoadSite, origin: Origin) -> Response {
    let mut families = metrics::of_process();
    families.push(metrics::of_program(env!("CARGO_PKG_VERSION")));
    families.extend(metrics::of_gateway(&site.0.gateway));
    if site.check_look(origin).is_ok() {
        families.extend(metrics::of_readings(&site.0.gateway));
    }
    let kind = [(axum::http::header::CONTENT_TYPE, metrics::MEDIA_TYPE)];
    (kind, metrics::exposition(families)).into_response()
}

async fn not_found(site: LoadSite, reader: Reader, request: Request) -> Response {
    if request.uri().path().starts_with("/api/") {
        return Failure::not_found("such route at a gateway; a node has the ledger's").into_response();
    }
    super::pages::error_page(&reader, &site.0.community, &Failure::not_found("page"))
}
