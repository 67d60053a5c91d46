//! Every route of the contract, once, with who may call it: the router and the OpenAPI 3.1 document come from this one
//! list. The document is committed as `openapi.json`, and a test compares.

use super::access::{Need, Table};
use super::loads::api as loads;
use super::loads::tables;
use super::{AppState, api, course, events, metrics, peers, proofs, readings_csv};
use axum::extract::DefaultBodyLimit;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use std::sync::LazyLock;
use utoipa::OpenApi as _;
use utoipa::Path as _;

macro_rules! routes {
    ($($verb:ident $module:ident $handler:ident $declaration:ident $need:ident,)*) => {
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

        /// The routes of the contract, each with who may call it.
        pub(crate) fn routes(table: Table<AppState>) -> Table<AppState> {
            table
                $(.$verb(&$module::$declaration::path(), Need::$need, $module::$handler))*
                .get(::api::path::OPENAPI, Need::Anyone, document)
                .around(|router| router.layer(DefaultBodyLimit::max(api::SUBMISSION_BYTES_MAX)))
        }
    };
}

routes! {
    get api status __path_status Anyone,
    get api blocks __path_blocks Anyone,
    get api block __path_block Anyone,
    post api submit __path_submit Anyone,
    get api statement __path_statement Anyone,
    get api receipt __path_receipt Anyone,
    get api attachment __path_attachment Attachment,
    get api accounts __path_accounts Anyone,
    get api account __path_account Anyone,
    get api month __path_month Account,
    get api bill __path_bill Account,
    get api bill_of_span __path_bill_of_span Account,
    get api bill_bundle __path_bill_bundle Account,
    get api offers __path_offers Anyone,
    get api claims __path_claims Anyone,
    get api claim_bundle __path_claim_bundle Claim,
    get api pool __path_pool Anyone,
    get api losses __path_losses Readings,
    get api meters __path_meters Anyone,
    get api meter __path_meter Anyone,
    get api readings __path_readings ReadingsOfMeter,
    get course course __path_course ReadingsOfMeter,
    get readings_csv readings_csv __path_readings_csv ReadingsOfMeter,
    post api mining __path_mining Operator,
    get api checkpoint __path_checkpoint Anyone,
    get proofs consistency __path_consistency Anyone,
    get api health __path_health Anyone,
    get metrics metrics __path_metrics Anyone,
    get loads loads __path_loads Readings,
    post loads switch __path_switch Operator,
    post loads reset __path_reset Operator,
    get loads switchings __path_switchings Readings,
    get loads switching __path_switching Readings,
    get tables rollups_csv __path_rollups_csv ReadingsOfMeter,
    get events events __path_events Anyone,
    get peers genesis __path_genesis Anyone,
    get peers peers __path_peers Anyone,
    get peers findings __path_findings Upkeep,
    get peers head __path_head Anyone,
    get peers headers __path_headers Anyone,
    get peers block __path_block Anyone,
    get peers pool __path_pool Anyone,
    get peers waiting __path_waiting Anyone,
    get peers news __path_news Anyone,
    get peers identity __path_identity Anyone,
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
            path::COURSE,
            path::EVENTS,
            path::GENESIS,
            path::PEERS,
            path::FINDINGS,
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
