//! The derived tables on a thread of their own: nobody who submits waits for rows that could be made again, and whoever
//! reads waits until the rows of every block so far are there.

use crate::tables::{Change, Tables};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Lots of changes that wait for their rows; the node's thread waits beyond, so that they never fill memory.
const WAITING_MAX: usize = 16;

/// The tables and the thread that writes them.
#[derive(Debug)]
pub(super) struct Rows {
    shared: Arc<Shared>,
    waiting: Option<SyncSender<Vec<Change>>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    tables: Mutex<Tables>,
    /// Lots handed over and not yet written.
    behind: Mutex<usize>,
    written: Condvar,
}

impl Rows {
    /// Starts the thread.
    pub(super) fn start(tables: Tables) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { tables: Mutex::new(tables), behind: Mutex::new(0), written: Condvar::new() });
        let (sender, waiting) = sync_channel(WAITING_MAX);
        let writer = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("rows".into()).spawn(move || write(&writer, &waiting))?;
        Ok(Self { shared, waiting: Some(sender), thread: Some(thread) })
    }

    /// Hands over what happened to the chain. Rows can always be derived again, so a failure stops nothing.
    pub(super) fn change(&self, changes: Vec<Change>) {
        *lock(&self.shared.behind) += 1;
        let handed = self.waiting.as_ref().map(|waiting| waiting.send(changes));
        if !matches!(handed, Some(Ok(()))) {
            tracing::warn!("derived tables: their thread has ended; they are completed on the next start");
            *lock(&self.shared.behind) -= 1;
        }
    }

    /// The tables, with the rows of all blocks handed over.
    pub(super) fn tables(&self) -> MutexGuard<'_, Tables> {
        let mut behind = lock(&self.shared.behind);
        while *behind > 0 {
            behind = self.shared.written.wait(behind).unwrap_or_else(PoisonError::into_inner);
        }
        lock(&self.shared.tables)
    }
}

impl Drop for Rows {
    /// Waits until everything is written and the file is closed.
    fn drop(&mut self) {
        self.waiting = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported by it.
            drop(thread.join());
        }
    }
}

/// A lock that outlives a panic elsewhere: SQLite takes an unfinished transaction back.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write(shared: &Shared, waiting: &Receiver<Vec<Change>>) {
    while let Ok(mut changes) = waiting.recv() {
        // One transaction for all that wait.
        let mut lots = 1;
        for more in waiting.try_iter() {
            changes.extend(more);
            lots += 1;
        }
        if let Err(error) = lock(&shared.tables).change(&changes) {
            tracing::warn!("{error}");
        }
        *lock(&shared.behind) -= lots;
        shared.written.notify_all();
    }
}
