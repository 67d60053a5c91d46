//! `/` for a member who opened a personal link.

use super::super::Answer;
use super::community;
use crate::web::AppState;
use crate::web::frame::Reader;

/// The page.
pub(super) async fn overview(state: AppState, reader: Reader) -> Answer {
    community::overview(state, reader).await
}
