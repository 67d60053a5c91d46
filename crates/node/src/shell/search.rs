//! The searcher threads. They share one job; the first to find a nonce ends it for all.

use super::Message;
use crate::core::TemplateId;
use consensus::pow::Search;
use ledger::{Engine, Header};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Attempts between two looks at whether the search is still wanted: a millisecond or so.
const ATTEMPTS_A_LOOK: u64 = 8_192;

#[derive(Debug, Clone)]
struct Job {
    template: TemplateId,
    header: Header,
    begun: Instant,
}

#[derive(Debug, Default)]
struct Shared {
    job: Mutex<Option<Job>>,
    changed: Condvar,
    /// The wanted search's number; 0 for none.
    wanted: AtomicU64,
    attempts: AtomicU64,
    stopping: AtomicBool,
}

/// The threads.
#[derive(Debug)]
pub(super) struct Searchers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Searchers {
    /// Starts threads that wait for a job.
    pub(super) fn start(count: u64, found: &SyncSender<Message>) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let spawn = |extra_nonce| {
            let (shared, found) = (Arc::clone(&shared), found.clone());
            std::thread::Builder::new()
                .name(format!("search-{extra_nonce}"))
                .spawn(move || work(&shared, extra_nonce, &found))
        };
        let threads = (0..count).map(spawn).collect::<Result<_, _>>()?;
        Ok(Self { shared, threads })
    }

    /// Begins a search in place of any other.
    pub(super) fn search(&self, template: TemplateId, header: Header) {
        let mut job = lock(&self.shared.job);
        self.shared.attempts.store(0, Ordering::Relaxed);
        self.shared.wanted.store(template.0, Ordering::Release);
        *job = Some(Job { template, header, begun: Instant::now() });
        self.shared.changed.notify_all();
    }

    /// Attempts of the search under way, and how long it has gone on.
    pub(super) fn under_way(&self) -> Option<(u64, Duration)> {
        let job = lock(&self.shared.job);
        let wanted = self.shared.wanted.load(Ordering::Acquire);
        let job = job.as_ref().filter(|job| job.template.0 == wanted)?;
        Some((self.shared.attempts.load(Ordering::Relaxed), job.begun.elapsed()))
    }

    /// Ends the search under way.
    pub(super) fn end(&self) {
        let mut job = lock(&self.shared.job);
        self.shared.wanted.store(0, Ordering::Release);
        *job = None;
    }

    /// Ends the threads. Nobody may be waiting to receive what they found.
    pub(super) fn stop(self) {
        {
            let _job = lock(&self.shared.job);
            self.shared.stopping.store(true, Ordering::Release);
            self.shared.wanted.store(0, Ordering::Release);
            self.shared.changed.notify_all();
        }
        for thread in self.threads {
            // A searcher that panicked has nothing more to say.
            drop(thread.join());
        }
    }
}

/// A lock that outlives a panic elsewhere: the job is replaced whole.
fn lock(job: &Mutex<Option<Job>>) -> MutexGuard<'_, Option<Job>> {
    job.lock().unwrap_or_else(PoisonError::into_inner)
}

fn work(shared: &Shared, extra_nonce: u64, found: &SyncSender<Message>) {
    let mut last = TemplateId(0);
    while let Some(job) = next_job(shared, last) {
        last = job.template;
        if let Some(message) = search(shared, extra_nonce, &job)
            && found.send(message).is_err()
        {
            return;
        }
    }
}

/// Waits for a job later than the last; `None` when the threads are to end.
fn next_job(shared: &Shared, last: TemplateId) -> Option<Job> {
    let mut job = lock(&shared.job);
    loop {
        if shared.stopping.load(Ordering::Acquire) {
            return None;
        }
        if let Some(job) = job.as_ref().filter(|job| job.template > last) {
            return Some(job.clone());
        }
        job = shared.changed.wait(job).unwrap_or_else(PoisonError::into_inner);
    }
}

fn search(shared: &Shared, extra_nonce: u64, job: &Job) -> Option<Message> {
    let engine = Engine { extra_nonce, ..job.header.engine };
    let search = Search::new(&Header { engine, ..job.header.clone() });
    let mut first = 0u64;
    while shared.wanted.load(Ordering::Acquire) == job.template.0 {
        let found = search.run(first, ATTEMPTS_A_LOOK);
        let tried = found.map_or(ATTEMPTS_A_LOOK, |nonce| nonce - first + 1);
        let attempts = shared.attempts.fetch_add(tried, Ordering::Relaxed) + tried;
        if let Some(nonce) = found {
            let ended = shared.wanted.compare_exchange(job.template.0, 0, Ordering::AcqRel, Ordering::Acquire);
            let elapsed = job.begun.elapsed();
            let template = job.template;
            return ended.ok().map(|_| Message::Found { template, extra_nonce, nonce, attempts, elapsed });
        }
        // 2^64 attempts of one searcher take a hundred thousand years.
        first = first.wrapping_add(ATTEMPTS_A_LOOK);
    }
    None
}
