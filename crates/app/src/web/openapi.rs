//! Every route of the contract, once: the router and the OpenAPI 3.1 document come from this one list. The document is
//! committed as `openapi.json`, and a test compares.

use super::loads::api as loads;
use super::loads::tables;
use super::{AppState, api, events, metrics, peers, proofs, readings_csv};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use std::sync::LazyLock;
use utoipa::OpenApi as _;
use utoipa::Path as _;

macro_rules! routes {
    ($($verb:ident $module:ident $handler:ident $declaration:ident,)*) => {
        #[derive(utoipa::OpenApi)]
        #[openapi(
            info(
                title = "Wattproof",
                description = "A community's electricity ledger. Quantities are integers whose names carry the unit.",
            ),
            paths($($module::$handler,)*),
            components(schemas(events::ReadingEvent)),
        )]
        struct Document;

        /// The routes of the contract.
        pub(crate) fn router() -> Router<AppState> {
            Router::new()
                $(.route(&$module::$declaration::path(), $verb($module::$handler)))*
                .route(::api::path::OPENAPI, get(document))
                .layer(DefaultBodyLimit::max(api::SUBMISSION_BYTES_MAX))
        }
    };
}

routes! {
    get api status __path_status,
    get api blocks __path_blocks,
    get api block __path_block,
    post api submit __path_submit,
    get api statement __path_statement,
    get api receipt __path_receipt,
    get api attachment __path_attachment,
    get api accounts __path_accounts,
    get api account __path_account,
    get api month __path_month,
    get api bill __path_bill,
    get api bill_of_span __path_bill_of_span,
    get api bill_bundle __path_bill_bundle,
    get api offers __path_offers,
    get api claims __path_claims,
    get api claim_bundle __path_claim_bundle,
    get api pool __path_pool,
    get api losses __path_losses,
    get api meters __path_meters,
    get api meter __path_meter,
    get api readings __path_readings,
    get readings_csv readings_csv __path_readings_csv,
    post api mining __path_mining,
    get api checkpoint __path_checkpoint,
    get proofs consistency __path_consistency,
    get api health __path_health,
    get metrics metrics __path_metrics,
    get loads loads __path_loads,
    post loads switch __path_switch,
    post loads reset __path_reset,
    get loads switchings __path_switchings,
    get loads switching __path_switching,
    get tables rollups_csv __path_rollups_csv,
    get events events __path_events,
    get peers genesis __path_genesis,
    get peers peers __path_peers,
    get peers head __path_head,
    get peers headers __path_headers,
    get peers block __path_block,
    get peers pool __path_pool,
    get peers waiting __path_waiting,
    get peers news __path_news,
    get peers identity __path_identity,
}

/// The document as text.
fn json() -> &'static str {
    static JSON: LazyLock<String> = LazyLock::new(|| {
        let mut text = Document::openapi().to_pretty_json().unwrap_or_default();
        text.push('\n');
        text
    });
    &JSON
}

/// `GET /api/v1/openapi.json`.
async fn document() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], json()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `UPDATE_OPENAPI=1 cargo test -p app openapi` writes the file anew.
    #[test]
    fn the_committed_document_is_what_the_routes_say() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            std::fs::write(&file, json()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&file).unwrap(), json(), "write it anew with UPDATE_OPENAPI=1");
        assert!(json().contains(r#""openapi": "3.1.0""#));
    }

    #[test]
    fn every_path_of_the_contract_is_declared() {
        use ::api::path;
        let document = Document::openapi();
        for path in [
            path::STATUS,
            path::BLOCKS,
            path::BLOCK,
            path::STATEMENTS,
            path::STATEMENT,
            path::RECEIPT,
            path::ATTACHMENT,
            path::ACCOUNTS,
            path::ACCOUNT,
            path::MONTH,
            path::BILL,
            path::BILL_OF_SPAN,
            path::OFFERS,
            path::CLAIMS,
            path::POOL,
            path::LOSSES,
            path::METERS,
            path::METER,
            path::READINGS,
            path::EVENTS,
            path::GENESIS,
            path::PEERS,
            path::PEER_HEAD,
            path::PEER_HEADERS,
            path::PEER_BLOCK,
            path::PEER_POOL,
            path::PEER_WAITING,
            path::PEER_NEWS,
            path::PEER_IDENTITY,
            path::CHECKPOINT,
        ] {
            assert!(document.paths.paths.contains_key(path), "{path}");
        }
    }
}
