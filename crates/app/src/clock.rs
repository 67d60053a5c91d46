//! The community's clock: the real one, the demo's, which runs faster and is stored, and a fast one that processes share.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use units::{Millis, Timestamp};

/// The computer's clock.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RealClock;

impl RealClock {
    /// What time it is; a clock set before 1970 counts as 1970.
    pub(crate) fn time(self) -> Timestamp {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_ms(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
    }
}

impl gateway::Clock for RealClock {
    fn now(&self) -> Timestamp {
        self.time()
    }
}

impl node::Clock for RealClock {
    fn now(&self) -> Timestamp {
        self.time()
    }
}

/// A fast clock that several processes share, for demonstrations and tests: it is a function of the computer's clock alone,
/// so that a process that is killed and started again finds it where the others have it.
///
/// It goes back when the computer's clock is set back; nothing is stored that would prevent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SharedClock {
    community: Timestamp,
    real: Timestamp,
    speed: u64,
}

/// Highest speed of a shared clock: an hour in a second. Faster, what expires after an hour would not outlive a restart.
const SHARED_SPEED_MAX: u64 = 3_600;

/// Text that says no shared clock.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no clock; write COMMUNITY_MS,REAL_MS,SPEED: the community's time when this computer's clock showed REAL_MS, \
     both in ms since 1970 UTC, and a speed of 1 to {SHARED_SPEED_MAX}"
)]
pub(crate) struct SharedClockError(String);

impl SharedClock {
    /// The community's time when the computer's clock shows `real`; before its beginning it stands still.
    const fn at(self, real: Timestamp) -> Timestamp {
        let elapsed = real.since(self.real).ms().saturating_mul(self.speed);
        Timestamp::from_ms(self.community.ms().saturating_add(elapsed))
    }
}

impl FromStr for SharedClock {
    type Err = SharedClockError;
    fn from_str(text: &str) -> Result<Self, SharedClockError> {
        let error = || SharedClockError(text.to_owned());
        let numbers: Result<Vec<u64>, _> = text.split(',').map(str::parse).collect();
        match numbers.map_err(|_| error())?[..] {
            [community, real, speed @ 1..=SHARED_SPEED_MAX] => {
                Ok(Self { community: Timestamp::from_ms(community), real: Timestamp::from_ms(real), speed })
            }
            _ => Err(error()),
        }
    }
}

impl gateway::Clock for SharedClock {
    fn now(&self) -> Timestamp {
        self.at(RealClock.time())
    }
}

impl node::Clock for SharedClock {
    fn now(&self) -> Timestamp {
        self.at(RealClock.time())
    }
}

/// How often a scaled clock's time is stored.
const STORE_EVERY: Duration = Duration::from_secs(1);
/// How far ahead, in real time, the stored time is: how late the next store may be before the clock stands still.
const LEASE: Duration = Duration::from_secs(3);

/// Why a scaled clock's time was not read or stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClockError {
    /// The file is no stored time.
    #[error("{}: not a stored time; remove the file and the clock starts at its beginning again", .0.display())]
    Damaged(PathBuf),
    /// The file system says no.
    #[error("{}: {error}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
}

/// A clock of its own that runs `speed` times as fast as real time and goes on where it stopped.
///
/// Invariant: it never goes back, not even through a crash. What is stored is a time ahead of the clock's, and the clock
/// never passes it; a restart begins there.
#[derive(Debug, Clone)]
pub(crate) struct ScaledClock(Arc<Scaled>);

#[derive(Debug)]
struct Scaled {
    speed: u64,
    started: Instant,
    began: Timestamp,
    file: PathBuf,
    /// The time stored, which the clock does not pass.
    lease_ms: AtomicU64,
}

impl ScaledClock {
    /// Goes on from the time stored in `file`, or begins at `epoch` without one.
    ///
    /// # Errors
    /// When the file is damaged, or the time cannot be stored.
    pub(crate) fn open(file: &Path, epoch: Timestamp, speed: u32) -> Result<Self, ClockError> {
        let began = stored(file)?.unwrap_or(epoch);
        let (speed, started, file) = (u64::from(speed.max(1)), Instant::now(), file.to_owned());
        let clock = Self(Arc::new(Scaled { speed, started, began, file, lease_ms: AtomicU64::new(began.ms()) }));
        clock.0.store_lease()?;
        let weak = Arc::downgrade(&clock.0);
        thread::spawn(move || keep_stored(&weak));
        Ok(clock)
    }

    /// What time it is in the community.
    pub(crate) fn time(&self) -> Timestamp {
        self.0.now()
    }

    /// How many times as fast as real time it runs.
    pub(crate) fn speed(&self) -> u64 {
        self.0.speed
    }
}

impl gateway::Clock for ScaledClock {
    fn now(&self) -> Timestamp {
        self.time()
    }
}

impl node::Clock for ScaledClock {
    fn now(&self) -> Timestamp {
        self.time()
    }
}

impl Scaled {
    fn scaled(&self, real: Duration) -> Millis {
        let ms = u64::try_from(real.as_millis()).unwrap_or(u64::MAX);
        Millis::from_ms(ms.saturating_mul(self.speed))
    }

    fn now(&self) -> Timestamp {
        let free_running = self.began + self.scaled(self.started.elapsed());
        free_running.min(Timestamp::from_ms(self.lease_ms.load(Ordering::Acquire)))
    }

    fn store_lease(&self) -> Result<(), ClockError> {
        self.store(self.began + self.scaled(self.started.elapsed() + LEASE))
    }

    /// Only once the file says so may the clock run up to the new time.
    fn store(&self, time: Timestamp) -> Result<(), ClockError> {
        replace(&self.file, time).map_err(|error| ClockError::Io { path: self.file.clone(), error })?;
        self.lease_ms.store(time.ms(), Ordering::Release);
        Ok(())
    }
}

impl Drop for Scaled {
    /// An orderly end stores the exact time, so that a restart does not skip the lease.
    fn drop(&mut self) {
        let _ = self.store(self.now());
    }
}

/// Until nobody uses the clock any more. While the file cannot be written the clock stands still at its lease.
fn keep_stored(clock: &Weak<Scaled>) {
    loop {
        thread::sleep(STORE_EVERY);
        let Some(clock) = clock.upgrade() else { return };
        if let Err(error) = clock.store_lease() {
            tracing::warn!("the clock's time is not stored, so the clock will stand still: {error}");
        }
    }
}

fn stored(file: &Path) -> Result<Option<Timestamp>, ClockError> {
    match std::fs::read_to_string(file) {
        Ok(text) => match text.trim_end().parse() {
            Ok(ms) => Ok(Some(Timestamp::from_ms(ms))),
            Err(_) => Err(ClockError::Damaged(file.to_owned())),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ClockError::Io { path: file.to_owned(), error }),
    }
}

/// Writes beside the file and renames, so that there is always a whole one.
fn replace(file: &Path, time: Timestamp) -> std::io::Result<()> {
    let new = file.with_extension("new");
    let mut written = File::create(&new)?;
    writeln!(written, "{}", time.ms())?;
    written.sync_all()?;
    std::fs::rename(&new, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: Timestamp = Timestamp::from_ms(1_785_510_000_000);

    #[test]
    fn a_restarted_clock_goes_on_where_it_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("clock");
        let clock = ScaledClock::open(&file, EPOCH, 1_000).unwrap();
        thread::sleep(Duration::from_millis(20));
        let seen = clock.time();
        assert!(seen.since(EPOCH) >= Millis::from_seconds(20), "{seen:?}");
        drop(clock);
        let again = ScaledClock::open(&file, Timestamp::from_ms(0), 1_000).unwrap().time();
        assert!(again >= seen && again.since(seen) < Millis::from_minutes(60), "{again:?} after {seen:?}");
    }

    #[test]
    fn a_clock_that_crashed_never_goes_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("clock");
        let clock = ScaledClock::open(&file, EPOCH, 60).unwrap();
        // What a crash leaves behind is the file as it is now.
        let left_behind = stored(&file).unwrap().unwrap();
        for _ in 0..1_000 {
            assert!(clock.time() <= left_behind.max(stored(&file).unwrap().unwrap()));
        }
    }

    #[test]
    fn a_shared_clock_is_the_same_in_every_process() {
        let clock: SharedClock = "1785510000000,1000,60".parse().unwrap();
        for (real, community) in
            [(1_000, 1_785_510_000_000), (1_500, 1_785_510_030_000), (0, 1_785_510_000_000), (u64::MAX, u64::MAX)]
        {
            assert_eq!(clock.at(Timestamp::from_ms(real)).ms(), community, "{real}");
        }
        for wrong in ["", "1,2", "1,2,0", "1,2,3601", "1,2,3,4", "1,-2,3", "1, 2,3"] {
            assert_eq!(wrong.parse::<SharedClock>(), Err(SharedClockError(wrong.to_owned())));
        }
    }

    #[test]
    fn a_damaged_time_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("clock");
        std::fs::write(&file, "noon").unwrap();
        assert!(matches!(ScaledClock::open(&file, EPOCH, 60), Err(ClockError::Damaged(_))));
    }
}
