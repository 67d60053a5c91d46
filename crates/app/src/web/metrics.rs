//! `GET /metrics`: the node, the process, and the gateway where one runs in the same program, for Prometheus.

use super::AppState;
use super::access::Caller;
use super::failure::Failure;
use ::api::{LossView, Status};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use gateway::metrics::{self, Family, count, flag};

/// Address of the metrics.
pub(crate) const METRICS: &str = "/metrics";

/// How node, gateway and process fare, as OpenMetrics 1.0. The meters' newest readings are among it for whom the ledger
/// opens them.
#[utoipa::path(get, path = METRICS, tag = "ledger", responses(
    (status = 200, body = String, content_type = "application/openmetrics-text"),
))]
pub(crate) async fn metrics(State(state): State<AppState>, caller: Caller) -> Result<Response, Failure> {
    let status = state.ask(|node| Ok(node.status()?)).await?;
    let mut families = metrics::of_process();
    families.push(metrics::of_program(env!("CARGO_PKG_VERSION")));
    families.extend(of_node(&status));
    if caller.sight(status.public_readings).reads_all() {
        let (rules, month) = (state.loss_rules().clone(), status.month.unwrap_or(status.first_open_month));
        let losses =
            state.ask(move |node| Ok(node::view::losses(month, &rules, &node.losses(rules.clone(), month)?, 1).meters));
        families.extend(of_losses(&losses.await?));
    }
    if let Some(gateway) = &state.0.live {
        families.extend(metrics::of_gateway(gateway));
        if caller.sight(status.public_readings).reads_all() {
            families.extend(metrics::of_readings(gateway));
        }
    }
    Ok(([(header::CONTENT_TYPE, metrics::MEDIA_TYPE)], metrics::exposition(families)).into_response())
}

/// What main meters counted against those below them, in the present month so far.
fn of_losses(losses: &[LossView]) -> Vec<Family> {
    let mut supplied =
        Family::gauge("wattproof_loss_supplied", "What the upper meters counted in this month's comparable intervals.")
            .unit("joules");
    let mut lost = Family::gauge(
        "wattproof_loss_energy",
        "What of it the meters below did not count; negative where they counted more.",
    )
    .unit("joules");
    let mut alarm =
        Family::gauge("wattproof_loss_alarm", "1 while the month's sums or the newest interval are beyond the limits.");
    for loss in losses {
        let upper: Vec<&str> = loss.upper.iter().map(units::MeterId::as_str).collect();
        let upper = upper.join(" ");
        let labels = [("meters", upper.as_str())];
        // A milliwatt-hour is 3.6 J.
        supplied = supplied.with(&labels, count(loss.supplied_mwh.mwh()) * 3.6);
        let size = count(loss.loss_mwh.mwh().unsigned_abs()) * 3.6;
        lost = lost.with(&labels, if loss.loss_mwh.mwh() < 0 { -size } else { size });
        let newest = loss.intervals.first().is_some_and(|interval| interval.alarm.is_some());
        alarm = alarm.with(&labels, flag(loss.alarm.is_some() || newest));
    }
    vec![supplied, lost, alarm]
}

fn of_node(status: &Status) -> Vec<Family> {
    let mining = &status.mining;
    vec![
        Family::gauge("wattproof_node_height", "Number of the newest block.").one(count(status.height.number())),
        Family::gauge("wattproof_node_final_height", "Number of the newest final block.")
            .one(count(status.final_height.number())),
        Family::gauge("wattproof_node_head_timestamp", "Time of the newest block, by the community's clock.")
            .unit("seconds")
            .one(count(status.head_time_ms.ms()) / 1_000.0),
        Family::gauge("wattproof_node_log_statements", "Statements in the log.").one(count(status.log_size)),
        Family::gauge("wattproof_node_final_log_statements", "Statements in the log that are final.")
            .one(count(status.final_log_size)),
        Family::gauge("wattproof_node_pool_statements", "Statements that wait for a block.")
            .one(count(status.pool_size)),
        Family::gauge("wattproof_node_read_only", "1 while nothing is written.").one(flag(status.read_only.is_some())),
        Family::gauge("wattproof_node_searching", "1 while the next block is searched for.")
            .one(flag(mining.searching)),
        Family::gauge("wattproof_node_difficulty", "Expected attempts for the next block.")
            .one(count(mining.difficulty)),
        Family::counter("wattproof_node_blocks_found", "Blocks found since the start.").one(count(mining.blocks)),
        Family::counter("wattproof_node_attempts", "Attempts of all searches that found a block, since the start.")
            .one(count(mining.attempts)),
    ]
}
