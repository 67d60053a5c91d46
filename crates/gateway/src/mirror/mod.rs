//! The local file forwarded to MariaDB, MySQL or PostgreSQL: everything, in order, once in effect.
//!
//! What changed stands in the file's own log (`store/changes.rs`). A batch of it is written to the server in one transaction together with
//! the position reached, and forgotten here afterwards; wherever a cut falls between the two, the server's position says
//! what it has. Nothing of the gateway waits for this: while the server is away the log grows, to a bound.

mod link;
mod probe;

pub use link::Link;
pub use probe::{ProbeError, Probed, probe};

use crate::Clock;
use crate::core::{Event, Happening};
use crate::store::{Batch, DatabaseUrl, MirrorState, Position, Store, StoreError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use units::Timestamp;

/// Changes of one batch, about: some megabytes, and a fraction of a second on a server.
pub const BATCH_ENTRIES: usize = 4_000;
/// How long a batch may take before the connection is given up: a server that stands still keeps it open.
pub const BATCH_TIMEOUT: Duration = Duration::from_secs(30);
/// How long it is waited for changes when there are none.
const IDLE: Duration = Duration::from_millis(500);
/// First pause after a failure; doubles up to [`BACKOFF_MAX`].
const BACKOFF_FIRST: Duration = Duration::from_millis(500);
/// Longest pause: a server that comes back is noticed within half a minute.
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// How the forwarding fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorStatus {
    /// The server, without its password.
    pub place: String,
    /// Changes that wait, as of the last look.
    pub waiting: u64,
    /// Why the server is not reached; `None` while it is.
    pub lost: Option<String>,
    /// Since when it is not, by the community's clock.
    pub lost_since: Option<Timestamp>,
    /// The newest trouble and when it was noticed; it stays after the server's return.
    pub last_trouble: Option<(Timestamp, String)>,
    /// How often it was lost since the start.
    pub times_lost: u64,
    /// Final readings that were given up for it since the start, because too much waited.
    pub given_up: u64,
}

/// What forwards.
pub struct Mirror {
    store: Store,
    url: DatabaseUrl,
    waiting_max: u64,
    clock: Arc<dyn Clock>,
    status: Arc<Mutex<MirrorStatus>>,
    is_lost: bool,
}

impl Mirror {
    /// From a file to a server; up to `waiting_max` changes may wait.
    #[must_use]
    pub fn new(store: Store, url: DatabaseUrl, waiting_max: u64, clock: Arc<dyn Clock>) -> Self {
        let status = MirrorStatus {
            place: url.to_string(),
            waiting: 0,
            lost: None,
            lost_since: None,
            last_trouble: None,
            times_lost: 0,
            given_up: 0,
        };
        Self { store, url, waiting_max, clock, status: Arc::new(Mutex::new(status)), is_lost: false }
    }

    /// To look at while it runs.
    #[must_use]
    pub fn status(&self) -> Arc<Mutex<MirrorStatus>> {
        Arc::clone(&self.status)
    }

    /// Forwards until it is to stop. What was not forwarded then waits in the file.
    pub async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        let mut backoff = BACKOFF_FIRST;
        loop {
            let error = tokio::select! {
                biased;
                _ = stopped.wait_for(|stop| *stop) => return,
                error = self.forward_all(&mut backoff) => error,
            };
            self.lost(&error).await;
            tokio::select! {
                biased;
                _ = stopped.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(backoff) => backoff = (backoff * 2).min(BACKOFF_MAX),
            }
        }
    }

    /// Connects and forwards until something fails.
    async fn forward_all(&mut self, backoff: &mut Duration) -> StoreError {
        let joined = async {
            let mut link = Link::connect(&self.url).await?;
            let forwarding = self.agree(&mut link).await?;
            Ok::<_, StoreError>((link, forwarding))
        };
        let (mut link, mut forwarding) = match joined.await {
            Ok(joined) => joined,
            Err(error) => return error,
        };
        loop {
            let forwarded = forwarding.forward(&self.store, &mut link);
            let forwarded = match tokio::time::timeout(BATCH_TIMEOUT, forwarded).await {
                Ok(forwarded) => forwarded,
                Err(_elapsed) => Err(StoreError::TimedOut(BATCH_TIMEOUT.as_secs())),
            };
            match forwarded {
                Ok(true) => {}
                Ok(false) => {
                    if let Err(error) = link.ping().await {
                        return error;
                    }
                    tokio::time::sleep(IDLE).await;
                }
                Err(error) => return error,
            }
            *backoff = BACKOFF_FIRST;
            self.found().await;
        }
    }

    /// Server and file say up to where the server has the file's log. Where they cannot agree (another server, a copy put
    /// back on either side), everything that the file still holds is forwarded again, which changes nothing that is right.
    async fn agree(&self, link: &mut Link) -> Result<Forwarding, StoreError> {
        let state = self.store.mirror_state().await?;
        let server = link.position(&state.spool).await?;
        let agreed = |state: MirrorState| Forwarding::new(state.spool, server);
        if server == state.position {
            return Ok(agreed(state));
        }
        if server.number > state.position.number && self.store.has_entry(server).await? {
            // The last batch was taken, and the answer was lost.
            self.store.forwarded(server).await?;
            return Ok(agreed(state));
        }
        if state.position != Position::default() {
            let reason = format!("{} holds another state than this gateway had forwarded", self.url);
            self.tell(Happening::ArchiveBegunAnew(reason)).await;
            self.store.log_everything_again().await?;
        }
        Ok(agreed(state))
    }

    async fn lost(&mut self, error: &StoreError) {
        let waiting = self.count().await;
        let (now, reason) = (self.clock.now(), error.to_string());
        {
            let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
            status.waiting = waiting;
            status.lost_since = status.lost_since.or(Some(now));
            status.times_lost += u64::from(!self.is_lost);
            (status.last_trouble, status.lost) = (Some((now, reason.clone())), Some(reason));
        }
        if !self.is_lost {
            self.is_lost = true;
            self.tell(Happening::ArchiveLost(error.to_string())).await;
        }
        match self.store.give_up_waiting(self.waiting_max).await {
            Ok(Some((readings, from, until))) => {
                self.status.lock().unwrap_or_else(PoisonError::into_inner).given_up += readings;
                self.tell(Happening::ArchiveGivenUp { readings, from, until }).await;
            }
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "the log of changes could not be kept to its bound"),
        }
    }

    async fn found(&mut self) {
        let waiting = self.count().await;
        if self.is_lost {
            self.is_lost = false;
            self.tell(Happening::ArchiveBack { waiting }).await;
        }
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        (status.waiting, status.lost, status.lost_since) = (waiting, None, None);
    }

    async fn count(&self) -> u64 {
        self.store.changes_waiting().await.unwrap_or_default()
    }

    async fn tell(&self, happening: Happening) {
        tracing::warn!("{happening}");
        let event = Event { time: self.clock.now(), meter: None, bus: None, happening, raw: Vec::new() };
        if let Err(error) = self.store.store_event(&event).await {
            tracing::error!(%error, "an event could not be stored");
        }
    }
}

/// What is forwarded over one link, batch after batch: while the server takes one, the next is read.
#[derive(Debug)]
pub struct Forwarding {
    spool: String,
    position: Position,
    ahead: Option<Batch>,
}

impl Forwarding {
    /// From where the server is said to have the file of this identity.
    #[must_use]
    pub const fn new(spool: String, position: Position) -> Self {
        Self { spool, position, ahead: None }
    }

    /// Forwards the next batch; `false` when nothing waits.
    ///
    /// # Errors
    /// When file or server refuse; then the server has the whole batch with its position, or nothing of it, and nothing
    /// more is to be forwarded by this.
    pub async fn forward(&mut self, store: &Store, link: &mut Link) -> Result<bool, StoreError> {
        let next = match self.ahead.take() {
            Some(batch) => Some(batch),
            None => store.batch_after(Position::default(), BATCH_ENTRIES).await?,
        };
        let Some(batch) = next else { return Ok(false) };
        let (taken, ahead) = tokio::join!(self.write(link, &batch), store.batch_after(batch.end, BATCH_ENTRIES));
        taken?;
        store.forwarded(batch.end).await?;
        (self.position, self.ahead) = (batch.end, ahead?);
        Ok(true)
    }

    async fn write(&self, link: &mut Link, batch: &Batch) -> Result<(), StoreError> {
        link.begin(&self.spool, self.position).await?;
        for rows in &batch.rows {
            link.write(&self.spool, rows).await?;
        }
        link.commit(&self.spool, batch.end).await
    }
}
