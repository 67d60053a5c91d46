//! What runs beside the loop on the same database: the forwarding to a server, roll-ups and retention.

use crate::Clock;
use crate::mirror::{Mirror, MirrorStatus};
use crate::store::{Archive, DatabaseUrl, Days, MINUTES_TOGETHER, Retention, Store, StoreError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;
use units::Timestamp;

/// Between two looks for minutes that have ended.
const ROLL_UP_EVERY: Duration = Duration::from_secs(5);
/// Between two portions of roll-ups: polling's own writes go in between.
const BREATH: Duration = Duration::from_millis(20);
/// Between two runs of retention.
const RETAIN_EVERY: Duration = Duration::from_secs(3_600);

/// What is kept where, and for how long.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Storage {
    /// The server that everything is forwarded to, if there is one.
    pub server: Option<DatabaseUrl>,
    /// Days that the local file keeps what the server has.
    pub spool_days: u32,
    /// Changes that may wait for the server.
    pub spool_rows_max: u64,
    /// How long what is kept in the database that is configured.
    pub retention: Retention,
}

impl Storage {
    /// What the local file keeps.
    fn local(&self) -> Retention {
        match self.server {
            Some(_) => Retention { readings_days: Some(self.spool_days), readings_max: None, ..self.retention },
            None => self.retention,
        }
    }
}

/// Begins; ends when told to stop.
pub(super) async fn start(
    storage: &Storage,
    store: &Store,
    days: Days,
    clock: &Arc<dyn Clock>,
    stopped: &watch::Receiver<bool>,
    tasks: &mut JoinSet<()>,
) -> Result<Option<Arc<Mutex<MirrorStatus>>>, StoreError> {
    match storage.server {
        Some(_) => store.log_changes().await?,
        None => store.log_no_changes().await?,
    }
    let upkeep = Upkeep { storage: storage.clone(), store: store.clone(), days, clock: Arc::clone(clock) };
    tasks.spawn(upkeep.run(stopped.clone()));
    let Some(server) = &storage.server else { return Ok(None) };
    let mirror = Mirror::new(store.clone(), server.clone(), storage.spool_rows_max, Arc::clone(clock));
    let status = mirror.status();
    tasks.spawn(mirror.run(stopped.clone()));
    Ok(Some(status))
}

struct Upkeep {
    storage: Storage,
    store: Store,
    days: Days,
    clock: Arc<dyn Clock>,
}

impl Upkeep {
    async fn run(self, mut stopped: watch::Receiver<bool>) {
        let work = async {
            let mut retained: Option<Instant> = None;
            loop {
                if let Err(error) = self.roll_up().await {
                    tracing::warn!(%error, "roll-ups wait");
                } else if retained.is_none_or(|at| at.elapsed() >= RETAIN_EVERY) {
                    // After the roll-ups, which need the readings.
                    retained = Some(Instant::now());
                    self.retain().await;
                }
                tokio::time::sleep(ROLL_UP_EVERY).await;
            }
        };
        tokio::select! {
            biased;
            _ = stopped.wait_for(|stop| *stop) => {}
            () = work => {}
        }
    }

    async fn roll_up(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let kept_from = match self.storage.local().readings_days {
            Some(days) => self.days.before(now, days),
            None => Timestamp::default(),
        };
        while self.store.roll_up(&self.days, now, kept_from).await? == MINUTES_TOGETHER {
            tokio::time::sleep(BREATH).await;
        }
        Ok(())
    }

    async fn retain(&self) {
        let now = self.clock.now();
        let removed = self.store.archive().retain(self.storage.local(), &self.days, now).await;
        log(&removed, "the local file");
        if let Some(server) = self.storage.server.as_ref().filter(|_| self.storage.retention != Retention::default()) {
            // A server that is away is tidied up the next time.
            let removed = async {
                let archive = Archive::open(server.as_str()).await?;
                let removed = archive.retain(self.storage.retention, &self.days, now).await;
                archive.close().await;
                removed
            };
            log(&removed.await, "the database server");
        }
    }
}

fn log(removed: &Result<crate::store::Removed, StoreError>, place: &str) {
    match removed {
        Ok(removed) if *removed == crate::store::Removed::default() => {}
        Ok(removed) => tracing::info!(
            readings = removed.readings,
            statements = removed.statements,
            rollups = removed.rollups,
            "retention removed rows of {place}"
        ),
        Err(error) => tracing::warn!(%error, "retention waits"),
    }
}
