//! What a verifier that trusts nobody needs beside the files: the path that shows that the log only grew.

use super::AppState;
use super::failure::Failure;
use api::Problem;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use units::Digest;
use utoipa::{IntoParams, ToSchema};

/// Two sizes of the log.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Growth {
    /// Size of the earlier log, at least 1.
    from: u64,
    /// Size of the later one.
    to: u64,
}

/// How the log grew: the consistency path of RFC 9162 2.1.4 between the roots of two checkpoints.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Consistency {
    /// Size of the earlier log.
    from: u64,
    /// Size of the later one.
    to: u64,
    /// Hashes in hexadecimal digits, in the order of RFC 9162; none between equal sizes.
    #[schema(value_type = Vec<String>)]
    path: Vec<Digest>,
}

/// How the log grew between two sizes, for whoever remembers an earlier checkpoint.
#[utoipa::path(get, path = "/api/v1/log/consistency", tag = "ledger", params(Growth), responses(
    (status = 200, body = Consistency),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "The log never had these sizes", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn consistency(
    State(state): State<AppState>,
    growth: Result<Query<Growth>, QueryRejection>,
) -> Result<Json<Consistency>, Failure> {
    let Growth { from, to } = growth.map_err(|error| Failure::malformed(&error.body_text()))?.0;
    let path = move |node: &node::NodeHandle| Ok(node.with_state(move |state| state.log().consistency_path(from, to))?);
    let path = state.ask(path).await?.ok_or_else(|| {
        let detail =
            format!("the log has no sizes {from} and {to}; ask with those of two checkpoints, the earlier one first");
        Failure::new("not_found", StatusCode::NOT_FOUND, detail)
    })?;
    Ok(Json(Consistency { from, to, path }))
}
