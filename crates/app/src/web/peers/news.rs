//! News for other nodes: a number that grows with each event that concerns them, and the statements accepted last.
//!
//! A node that asks waits here until the number grows. Only so many may wait at once; one more is answered at once, and
//! asks again after a moment, so that a crowd of strangers slows honest nodes down by that moment and no more.

use api::Event;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use units::StatementId;

/// Statements that are told of; who missed more finds them in the pool.
const STATEMENTS_MAX: usize = 1_000;
/// Nodes that wait at once; each holds a connection.
const WAITING_MAX: usize = 128;
/// How long one waits for something to happen: below every proxy's patience, and below the server's own limit.
const WAIT: Duration = Duration::from_secs(15);

/// What happened. Clones share it.
#[derive(Clone)]
pub(crate) struct News(Arc<Shared>);

struct Shared {
    accepted: Mutex<VecDeque<(u64, StatementId)>>,
    number: watch::Sender<u64>,
    places: Semaphore,
}

/// What one who asks is told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    /// What to ask with next.
    pub(crate) next: String,
    /// Accepted since.
    pub(crate) statements: Vec<StatementId>,
}

impl News {
    /// Nothing has happened yet.
    pub(crate) fn new() -> Self {
        let (number, _) = watch::channel(0);
        Self(Arc::new(Shared { accepted: Mutex::default(), number, places: Semaphore::new(WAITING_MAX) }))
    }

    /// An event of the node.
    pub(crate) fn tell(&self, event: &Event) {
        match event {
            Event::Accepted { id, .. } => {
                let mut accepted = self.0.accepted.lock().unwrap_or_else(PoisonError::into_inner);
                if accepted.len() >= STATEMENTS_MAX {
                    accepted.pop_front();
                }
                accepted.push_back((*self.0.number.borrow() + 1, *id));
            }
            Event::Block { .. } | Event::Final { .. } => {}
            _ => return,
        }
        self.0.number.send_modify(|number| *number += 1);
    }

    /// What happened after a mark that this run of the node gave; with any other mark, where things stand.
    pub(crate) async fn after(&self, instance: &str, mark: &str) -> Heard {
        self.after_within(WAIT, instance, mark).await
    }

    async fn after_within(&self, wait: Duration, instance: &str, mark: &str) -> Heard {
        let number = mark.strip_prefix(instance).and_then(|rest| rest.strip_prefix('-')?.parse::<u64>().ok());
        let mut changes = self.0.number.subscribe();
        let now = *changes.borrow();
        let Some(after) = number.filter(|number| *number <= now) else {
            return Heard { next: format!("{instance}-{now}"), statements: Vec::new() };
        };
        if let Ok(_place) = self.0.places.try_acquire() {
            // That nothing happened in time is an answer too.
            let _ = tokio::time::timeout(wait, changes.wait_for(|number| *number > after)).await;
        }
        let accepted = self.0.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        // After the lock: what is told of as accepted is never beyond the mark.
        let now = *self.0.number.borrow();
        let statements = accepted.iter().filter(|(number, _)| (after + 1..=now).contains(number)).map(|(_, id)| *id);
        Heard { next: format!("{instance}-{now}"), statements: statements.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(byte: u8) -> Event {
        Event::Accepted { id: id(byte), acts: Vec::new() }
    }

    fn id(byte: u8) -> StatementId {
        StatementId::from_bytes([byte; 32])
    }

    fn heard(next: &str, statements: &[u8]) -> Heard {
        Heard { next: next.to_owned(), statements: statements.iter().map(|byte| id(*byte)).collect() }
    }

    #[tokio::test]
    async fn each_asker_hears_everything_after_its_mark_once() {
        let news = News::new();
        news.tell(&accepted(1));
        for (mark, next, statements) in [
            ("", "run-1", &[][..]),
            ("run-0", "run-1", &[1][..]),
            ("other-0", "run-1", &[]),
            ("run-7", "run-1", &[]),
            ("run-x", "run-1", &[]),
        ] {
            assert_eq!(news.after("run", mark).await, heard(next, statements), "{mark}");
        }
        news.tell(&Event::Mining { automatic: true });
        news.tell(&accepted(2));
        assert_eq!(news.after("run", "run-1").await, heard("run-2", &[2]));
    }

    #[tokio::test]
    async fn an_asker_waits_for_something_to_happen_and_not_for_ever() {
        let news = News::new();
        let waiting = {
            let news = news.clone();
            tokio::spawn(async move { news.after("run", "run-0").await })
        };
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        news.tell(&accepted(3));
        assert_eq!(waiting.await.unwrap(), heard("run-1", &[3]));
        let in_vain = news.after_within(Duration::from_millis(1), "run", "run-1").await;
        assert_eq!(in_vain, heard("run-1", &[]));
    }

    #[tokio::test]
    async fn one_more_than_may_wait_is_answered_at_once() {
        let news = News::new();
        let crowd: Vec<_> = (0..WAITING_MAX)
            .map(|_| {
                let news = news.clone();
                tokio::spawn(async move { news.after("run", "run-0").await })
            })
            .collect();
        while news.0.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let for_ever = Duration::from_secs(86_400);
        assert_eq!(news.after_within(for_ever, "run", "run-0").await, heard("run-0", &[]));
        crowd.iter().for_each(tokio::task::JoinHandle::abort);
    }
}
