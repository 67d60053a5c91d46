//! `/`: what the meters say now, and where the ledger stands. Who asks decides which page it is.

mod alarms;
mod cards;
mod community;
mod flow;
mod member;
mod operator;

pub(super) use cards::{Quota, percent_used};
pub(super) use member::in_force;

use super::Answer;
use crate::web::AppState;
use crate::web::access::Who;
use crate::web::frame::Reader;
use axum::extract::State;

/// `GET /`.
pub(crate) async fn overview(State(state): State<AppState>, reader: Reader) -> Answer {
    match reader.caller.who {
        Who::Anyone => community::overview(state, reader).await,
        Who::Member(account) => member::overview(state, reader, account).await,
        Who::Operator => operator::overview(state, reader).await,
    }
}
