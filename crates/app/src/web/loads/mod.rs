//! Loads on the web: the gateway's routes and its page, in the node's router where both run in one program, and in a
//! router of their own where a gateway runs alone.
//!
//! Looking is open to whom single readings are; switching to the operator, by a session or with the control token.

pub(crate) mod api;
mod archive;
mod bus;
mod describe;
mod page;
mod refusal;
pub(crate) mod tables;
#[cfg(test)]
mod tests;
mod why;

use super::access::{Access, Caller, Facts, Guarded, Need, Object, Table};
use super::assets;
use super::failure::Failure;
use super::format::Clockface;
use super::frame::{self, Reader};
use super::metrics::METRICS;
use super::readings_csv::READINGS_CSV;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware;
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Router};
use gateway::{GatewayHandle, metrics};
use std::sync::Arc;

/// Address of the page.
pub(crate) const PAGE: &str = "/loads";
/// Largest body of an order: a few short texts.
const ORDER_BYTES_MAX: usize = 4 << 10;

/// What the routes of loads share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct LoadSite(Arc<Shared>);

struct Shared {
    gateway: GatewayHandle,
    community: String,
    face: Clockface,
    public_readings: bool,
}

/// What a site is made of.
pub(crate) struct SiteSetup {
    /// The gateway.
    pub(crate) gateway: GatewayHandle,
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
        let SiteSetup { gateway, community, time_zone, public_readings } = setup;
        let face = Clockface::new(&time_zone);
        Self(Arc::new(Shared { gateway, community, face, public_readings }))
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

/// A gateway that runs alone has no ledger, so no object here has an owner.
impl Guarded for LoadSite {
    async fn facts(&self, _: Option<Object>) -> Result<Facts, Failure> {
        let (community, public_readings) = (self.0.community.clone(), self.0.public_readings);
        Ok(Facts { community, public_readings, owner: None })
    }
}

/// The page and the two addresses of its form. The routes of the contract are in the list of all.
pub(crate) fn pages<S: Guarded>(site: S) -> Table<S> {
    Table::new(site)
        .get(PAGE, Need::Readings, page::loads)
        .get("/loads/{meter}/switch", Need::Operator, page::confirm)
        .post("/loads/{meter}/switch", Need::Operator, page::switch)
        .around(|pages| pages.layer(DefaultBodyLimit::max(ORDER_BYTES_MAX)))
}

/// All routes of a gateway that runs alone, each with who may call it.
fn table(site: LoadSite) -> Table<LoadSite> {
    let contract = Table::new(site.clone())
        .get(::api::path::LOADS, Need::Readings, api::loads)
        .post(::api::path::LOAD, Need::Operator, api::switch)
        .post(::api::path::LOAD_RESET, Need::Operator, api::reset)
        .get(::api::path::SWITCHINGS, Need::Readings, api::switchings)
        .get(::api::path::SWITCHING, Need::Readings, api::switching)
        .get(tables::ROLLUPS_CSV, Need::ReadingsOfMeter, tables::rollups_csv)
        .get(READINGS_CSV, Need::ReadingsOfMeter, tables::readings_csv)
        .get("/healthz", Need::Anyone, health)
        .get(METRICS, Need::Anyone, own_metrics)
        .get("/assets/{fingerprint}/{*name}", Need::Anyone, assets::serve)
        .around(|contract| contract.layer(DefaultBodyLimit::max(ORDER_BYTES_MAX)));
    let pages = Table::new(site.clone())
        .get("/", Need::Anyone, || async { Redirect::temporary(PAGE) })
        .merge(pages(site.clone()))
        .merge(super::login_pages(site))
        .around(|pages| pages.fallback(not_found).layer(middleware::from_fn(frame::remember_choice)));
    contract.merge(pages)
}

/// The router of a gateway that runs alone.
pub(crate) fn router(site: LoadSite, access: Access) -> Router {
    let (all, _) = table(site.clone()).finish();
    super::around(all.layer(Extension(frame::Site::Gateway)).layer(Extension(site)), access)
}

/// Whether the gateway stores what it reads.
async fn health(site: LoadSite) -> Result<&'static str, Failure> {
    match site.0.gateway.trouble() {
        None => Ok("ok\n"),
        Some(reason) => Err(Failure::new("not_stored", StatusCode::SERVICE_UNAVAILABLE, reason)),
    }
}

async fn own_metrics(site: LoadSite, caller: Caller) -> Response {
    let mut families = metrics::of_process();
    families.push(metrics::of_program(env!("CARGO_PKG_VERSION")));
    families.extend(metrics::of_gateway(&site.0.gateway));
    if caller.sight(site.0.public_readings).reads_all() {
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
