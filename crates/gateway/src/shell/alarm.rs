//! A timer for the pauses of a line: the runtime's own counts whole milliseconds and rings up to one late, which is a
//! quarter of the silence between two frames at 9600 baud.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Waits shorter than this are worth a thread's attention; a millisecond more or less does not matter in longer ones.
const FINE_BELOW: Duration = Duration::from_millis(50);

/// Rings at a moment to within the system's scheduling, some tens of microseconds when it is idle.
pub(super) struct Alarm {
    set: Sender<Instant>,
    rung: Arc<Notify>,
}

impl Alarm {
    /// Starts its thread, which ends when the alarm is dropped. Without one the runtime's timer has to do.
    pub(super) fn start() -> Self {
        let (set, asked) = channel();
        let rung = Arc::new(Notify::new());
        let ring = Arc::clone(&rung);
        let thread = std::thread::Builder::new().name("line timer".to_owned());
        if let Err(error) = thread.spawn(move || wait(&asked, &ring)) {
            tracing::warn!(%error, "no thread for the lines' pauses; they are up to a millisecond longer");
        }
        Self { set, rung }
    }

    /// Waits so long, or shorter: whoever is woken looks at the clock and waits again. Dropped, it costs one early ring.
    pub(super) async fn wait(&self, time: Duration) {
        if time >= FINE_BELOW || self.set.send(Instant::now() + time).is_err() {
            return tokio::time::sleep(time).await;
        }
        self.rung.notified().await;
    }
}

fn wait(asked: &Receiver<Instant>, rung: &Notify) {
    let mut next: Option<Instant> = None;
    loop {
        let heard = match next {
            Some(at) => asked.recv_timeout(at.saturating_duration_since(Instant::now())),
            None => asked.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match heard {
            Ok(at) => next = Some(at),
            Err(RecvTimeoutError::Timeout) => {
                next = None;
                rung.notify_one();
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
