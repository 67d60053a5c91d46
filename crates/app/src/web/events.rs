//! Server-sent events: what the node tells and what the meters say, to every open page.
//!
//! One thread listens to the node and one task to the gateway; each listener of a page gets its own place in a bounded
//! queue. A page that does not keep up is cut off and comes back by itself, fresh.

use super::AppState;
use super::access::{Caller, Who};
use super::failure::{Failure, optional};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::BroadcastStream;
use units::{MeterId, Reading, Timestamp};
use utoipa::ToSchema;

/// Events kept for a page that is slow: some seconds of a community of a hundred meters.
const QUEUE_MAX: usize = 512;

/// Pages that listen at once; each holds a connection. A community's households, with some tabs each.
const LISTENERS_MAX: usize = 512;

/// Often enough that proxies keep the connection and a page notices a lost one.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// A meter's newest reading, as soon as it was polled; not yet booked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ReadingEvent {
    /// Always `reading`.
    event: &'static str,
    /// The meter.
    #[schema(value_type = String)]
    meter: MeterId,
    /// When it was taken.
    #[schema(value_type = u64)]
    time_ms: Timestamp,
    /// Each quantity under its name, which carries the unit.
    #[serde(flatten)]
    values: BTreeMap<String, i64>,
}

impl ReadingEvent {
    /// Of a reading.
    pub(crate) fn new(meter: &MeterId, time: Timestamp, reading: &Reading) -> Self {
        let values = reading.iter().map(|(key, value)| (key.to_string(), value)).collect();
        Self { event: "reading", meter: meter.clone(), time_ms: time, values }
    }
}

/// Name and JSON of an event, written once for all pages.
#[derive(Debug)]
struct Message {
    name: &'static str,
    json: String,
    /// Whose reading it is; `None` for what the ledger tells everybody.
    meter: Option<MeterId>,
}

/// Which meters' readings a listener hears.
#[derive(Debug, Clone)]
enum Heard {
    All,
    Of(BTreeSet<MeterId>),
}

impl Heard {
    fn includes(&self, message: &Message) -> bool {
        match (self, &message.meter) {
            (_, None) | (Self::All, _) => true,
            (Self::Of(meters), Some(meter)) => meters.contains(meter),
        }
    }
}

/// Hands events on to all pages that listen.
#[derive(Debug, Clone)]
pub(crate) struct Hub {
    /// `None` says that the server stops.
    sender: broadcast::Sender<Option<Arc<Message>>>,
    places: Arc<Semaphore>,
}

impl Hub {
    /// Without listeners.
    pub(crate) fn new() -> Self {
        Self { sender: broadcast::channel(QUEUE_MAX).0, places: Arc::new(Semaphore::new(LISTENERS_MAX)) }
    }

    /// An event of the node.
    pub(crate) fn tell(&self, event: &api::Event) {
        self.send(event.name(), event, None);
    }

    /// A meter's newest reading.
    pub(crate) fn tell_reading(&self, reading: &ReadingEvent) {
        self.send("reading", reading, Some(reading.meter.clone()));
    }

    fn send(&self, name: &'static str, event: &impl Serialize, meter: Option<MeterId>) {
        match serde_json::to_string(event) {
            // Nobody listening is no failure.
            Ok(json) => drop(self.sender.send(Some(Arc::new(Message { name, json, meter })))),
            Err(error) => tracing::error!(%error, name, "an event could not be written"),
        }
    }

    /// Ends all streams, so that the server can stop.
    pub(crate) fn close(&self) {
        drop(self.sender.send(None));
    }

    /// A place for one more page.
    pub(crate) fn listen(&self) -> Result<Listener, Failure> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            let detail = "too many pages listen at once; try again in a minute";
            Failure::new("too_many_listeners", StatusCode::SERVICE_UNAVAILABLE, detail)
        })?;
        Ok(Listener { stream: BroadcastStream::new(self.sender.subscribe()), place })
    }
}

/// One page that listens.
pub(crate) struct Listener {
    stream: BroadcastStream<Option<Arc<Message>>>,
    place: OwnedSemaphorePermit,
}

impl Listener {
    /// With the readings that the listener may hear, for as long as `holds` says that it may.
    fn into_response(self, heard: Heard, holds: impl Fn() -> bool + Send + 'static) -> Response {
        let Self { stream, place } = self;
        // An error means that the page fell behind: end its stream, it will ask anew.
        let messages = stream.map_while(|message| message.ok().flatten());
        // A link that is revoked, or a session that has ended, ends the stream before the next reading.
        let messages = messages.map_while(move |message| (message.meter.is_none() || holds()).then_some(message));
        let messages = messages.filter(move |message| heard.includes(message));
        let opening = tokio_stream::once(Event::default().event("open").data("{}"));
        let events = messages.map(|message| Event::default().event(message.name).data(&message.json));
        let events = opening.chain(events).map(move |event| {
            let _held_while_streaming = &place;
            Ok::<_, Infallible>(event)
        });
        Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
    }
}

/// Server-sent events: those of the node, and `reading` for every meter polled by a gateway in this program.
#[utoipa::path(
    get,
    path = api::path::EVENTS,
    tag = "events",
    responses(
        (status = 200, description = "A stream of events; `event:` is the name, `data:` the JSON", body = api::Event, content_type = "text/event-stream"),
        (status = 503, description = "Too many listeners", body = api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn events(State(state): State<AppState>, caller: Caller) -> Result<Response, Failure> {
    let who = caller.who;
    let question = move |node: &node::NodeHandle| {
        let status = node.status()?;
        let meters = match who {
            Who::Member(account) => optional(node.account(account))?.map(|account| account.meters).unwrap_or_default(),
            Who::Anyone | Who::Operator => Vec::new(),
        };
        Ok((status.public_readings, meters))
    };
    let (public_readings, meters) = state.ask(question).await?;
    let heard =
        if caller.sight(public_readings).reads_all() { Heard::All } else { Heard::Of(meters.into_iter().collect()) };
    let listener = state.hub().listen()?;
    let access = state.access().clone();
    Ok(listener.into_response(heard, move || public_readings || access.still_holds(&caller)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_listener_hears_what_is_told_and_ends_when_the_server_stops() {
        let hub = Hub::new();
        let mut listener = hub.listen().unwrap();
        hub.tell(&api::Event::Mining { automatic: true });
        hub.close();
        let heard = listener.stream.next().await.unwrap().unwrap().unwrap();
        assert_eq!((heard.name, heard.json.as_str()), ("mining", r#"{"event":"mining","automatic":true}"#));
        assert!(listener.stream.next().await.unwrap().unwrap().is_none());
    }

    #[tokio::test]
    async fn refuse_one_listener_too_many_and_take_the_next_when_one_leaves() {
        let hub = Hub::new();
        let mut held: Vec<_> = (0..LISTENERS_MAX).map(|_| hub.listen().map(|l| l.place).unwrap()).collect();
        assert_eq!(hub.listen().map(|_| ()).unwrap_err().status(), StatusCode::SERVICE_UNAVAILABLE);
        held.pop();
        assert!(hub.listen().is_ok());
    }

    #[test]
    fn a_reading_carries_its_units_in_its_names() {
        let mut reading = Reading::new();
        reading.insert(units::Quantity::Voltage, 110_250);
        let event = ReadingEvent::new(&"M-1".parse().unwrap(), Timestamp::from_ms(5), &reading);
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(json, r#"{"event":"reading","meter":"M-1","time_ms":5,"voltage_mv":110250}"#);
    }
}
