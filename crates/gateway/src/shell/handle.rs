//! What the rest of the program sees of a running gateway, and what it may ask of it.

use super::live::{Live, LiveBus, LiveMeter, LiveReading};
use super::orders::{self, Asked, OrderError, Request};
use crate::Clock;
use crate::core::{Entry, LoadView, Order, Reset, RuleView};
use crate::history::{History, Piece};
use crate::mirror::MirrorStatus;
use crate::mqtt::MqttStatus;
use crate::store::{Store, StoreError, StoredReading};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::sync::{broadcast, mpsc};
use units::{MeterId, Timestamp};

/// A running gateway, to look at. Cheap to clone.
#[derive(Clone)]
pub struct GatewayHandle {
    pub(super) live: Arc<Mutex<Live>>,
    pub(super) readings: broadcast::Sender<LiveReading>,
    pub(super) store: Store,
    pub(super) history: History,
    pub(super) mirror: Option<Arc<Mutex<MirrorStatus>>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) mqtt: Arc<OnceLock<MqttStatus>>,
    pub(super) orders: mpsc::Sender<Request>,
}

impl GatewayHandle {
    /// Every meter with its newest reading, its age and quality, and how its polls fare.
    #[must_use]
    pub fn snapshot(&self) -> Vec<LiveMeter> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).meters()
    }
    /// Every bus with its port's state.
    #[must_use]
    pub fn buses(&self) -> Vec<LiveBus> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).buses.clone()
    }
    /// Every load at this moment.
    #[must_use]
    pub fn loads(&self) -> Vec<LoadView> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).loads()
    }
    /// Every protection rule, and where it is tripped.
    #[must_use]
    pub fn rules(&self) -> Vec<RuleView> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).rules.clone()
    }
    /// The newest entries of the journal, newest first, whether the database answers or not.
    #[must_use]
    pub fn recent_entries(&self) -> Vec<Entry> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).journal.clone()
    }
    /// What came of orders and rules' acts since the start, counted by meter and outcome (`switched`, `failed`, ...).
    #[must_use]
    pub fn outcomes(&self) -> BTreeMap<(MeterId, &'static str), u64> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).outcomes.clone()
    }
    /// Orders a load switched; gives the order's number in the journal, under which its outcome will stand.
    ///
    /// # Errors
    /// When it is refused, or the gateway stops.
    pub async fn switch(&self, order: Order) -> Result<u64, OrderError> {
        orders::ask(&self.orders, Asked::Switch(order)).await
    }
    /// Takes back the latches that hold a load off.
    ///
    /// # Errors
    /// When there are none, or the gateway stops.
    pub async fn reset(&self, reset: Reset) -> Result<u64, OrderError> {
        orders::ask(&self.orders, Asked::Reset(reset)).await
    }
    /// Why nothing is stored at the moment; `None` when all is well.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).trouble.clone()
    }
    /// The community's time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
    /// How the broker fares that readings are published to; `None` without one.
    #[must_use]
    pub fn mqtt(&self) -> Option<&MqttStatus> {
        self.mqtt.get()
    }
    pub(crate) fn show_mqtt(&self, status: MqttStatus) {
        // A gateway has one broker.
        let _second = self.mqtt.set(status);
    }
    /// Readings from now on, each after it was stored.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<LiveReading> {
        self.readings.subscribe()
    }
    /// How the forwarding to the database server fares; `None` without one.
    #[must_use]
    pub fn mirror(&self) -> Option<MirrorStatus> {
        let status = self.mirror.as_ref()?;
        Some(status.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
    /// Readings of a meter from a time (inclusive) to another (exclusive), oldest first: from the local file, and what it
    /// no longer has from the database server.
    ///
    /// # Errors
    /// When the local file refuses, or a row was changed by hand.
    pub async fn readings(
        &self,
        meter: &MeterId,
        from: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Piece<StoredReading>>, StoreError> {
        self.history.span(meter, from, until, limit).await
    }
    /// The meters' past, wherever it still is.
    #[must_use]
    pub const fn history(&self) -> &History {
        &self.history
    }
    /// The local file, for reading.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }
}
