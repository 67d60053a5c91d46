//! What goes wrong on the way to an answer: one value for programs (RFC 9457) and for people (a page).

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use node::NodeError;

/// A problem that ends a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Failure(pub(crate) Box<api::Problem>);

impl Failure {
    /// Of a stable type, an HTTP status and what happened this time.
    pub(crate) fn new(name: &str, status: StatusCode, detail: impl Into<String>) -> Self {
        Self(Box::new(api::Problem::new(name, status.as_u16(), detail)))
    }

    /// The address does not read as what it should be.
    pub(crate) fn malformed(error: &impl std::fmt::Display) -> Self {
        Self::new("malformed", StatusCode::BAD_REQUEST, error.to_string())
    }

    /// There is nothing under the address.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new("not_found", StatusCode::NOT_FOUND, format!("there is no {what}"))
    }

    /// The program itself failed; the cause goes to the log, not to whoever asked.
    pub(crate) fn internal(cause: &impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request could not be answered");
        Self::new("internal", StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be made; the log says why")
    }

    /// HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<NodeError> for Failure {
    fn from(error: NodeError) -> Self {
        let problem = error.problem();
        if problem.status >= 500 {
            tracing::warn!(%error, "the node could not answer");
        }
        Self(Box::new(problem))
    }
}

/// What the node has, or `None` where it has no such thing.
pub(crate) fn optional<T>(answer: Result<T, NodeError>) -> Result<Option<T>, Failure> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(NodeError::NotFound(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let headers = [(header::CONTENT_TYPE, api::MEDIA_PROBLEM), (header::CACHE_CONTROL, "no-store")];
        match serde_json::to_vec(&self.0) {
            Ok(body) => (self.status(), headers, body).into_response(),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }
}
