//! The operator's sessions: who has logged in, until when. Kept in memory, so that a restart ends them all; only the
//! hash of what the browser holds is kept.

use super::token::{SecretHash, hash_of};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A session that nobody uses ends: a browser left open in an office.
pub(crate) const IDLE: Duration = Duration::from_secs(2 * 3_600);
/// Every session ends: a working day.
pub(crate) const LONGEST: Duration = Duration::from_secs(12 * 3_600);
/// Sessions at once: an operator has some browsers. One more ends the one that was not used for longest.
const OPEN_MAX: usize = 64;

/// A session.
#[derive(Debug, Clone)]
struct Session {
    made: Instant,
    used: Instant,
    csrf: String,
    password: SecretHash,
}

/// The open sessions.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    open: BTreeMap<SecretHash, Session>,
}

impl Sessions {
    /// Opens one for a cookie's secret, with the secret that its forms carry. `password` says which password it was opened
    /// with: with another one it ends.
    pub(crate) fn open(&mut self, now: Instant, cookie: &str, csrf: String, password: SecretHash) {
        self.open.retain(|_, session| session.is_open(now));
        if self.open.len() >= OPEN_MAX
            && let Some(oldest) = self.open.iter().min_by_key(|(_, session)| session.used).map(|(hash, _)| *hash)
        {
            self.open.remove(&oldest);
        }
        self.open.insert(hash_of(cookie), Session { made: now, used: now, csrf, password });
    }

    /// The secret of the forms of a cookie's session, if it is open under the present password; it then counts as used.
    pub(crate) fn find(&mut self, now: Instant, cookie: &str, password: &SecretHash) -> Option<String> {
        let hash = hash_of(cookie);
        let session = self.open.get_mut(&hash)?;
        if !session.is_open(now) || session.password != *password {
            self.open.remove(&hash);
            return None;
        }
        session.used = now;
        Some(session.csrf.clone())
    }

    /// Whether a cookie's session is open under the present password; that alone does not use it.
    pub(crate) fn is_open(&self, now: Instant, cookie: &str, password: &SecretHash) -> bool {
        self.open.get(&hash_of(cookie)).is_some_and(|session| session.is_open(now) && session.password == *password)
    }

    /// Ends a cookie's session.
    pub(crate) fn close(&mut self, cookie: &str) {
        self.open.remove(&hash_of(cookie));
    }
}

impl Session {
    fn is_open(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.used) < IDLE && now.saturating_duration_since(self.made) < LONGEST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: SecretHash = [1; 32];

    fn opened(now: Instant) -> Sessions {
        let mut sessions = Sessions::default();
        sessions.open(now, "cookie", "form".to_owned(), PASSWORD);
        sessions
    }

    #[test]
    fn a_session_ends_when_idle_when_old_with_its_password_and_when_closed() {
        let start = Instant::now();
        let minute = Duration::from_secs(60);
        assert_eq!(opened(start).find(start, "cookie", &PASSWORD).as_deref(), Some("form"));
        for (what, cookie, after, password, is_open) in [
            ("used within its time", "cookie", IDLE - minute, PASSWORD, true),
            ("idle", "cookie", IDLE, PASSWORD, false),
            ("another password since", "cookie", minute, [2; 32], false),
            ("another cookie", "cooki", minute, PASSWORD, false),
        ] {
            assert_eq!(opened(start).find(start + after, cookie, &password).is_some(), is_open, "{what}");
        }
        let mut sessions = opened(start);
        let mut now = start;
        while now + minute * 60 < start + LONGEST {
            now += minute * 60;
            assert!(sessions.find(now, "cookie", &PASSWORD).is_some(), "it is in use");
        }
        assert!(sessions.find(start + LONGEST, "cookie", &PASSWORD).is_none(), "it is old");
        let mut sessions = opened(start);
        sessions.close("cookie");
        assert!(sessions.find(start, "cookie", &PASSWORD).is_none(), "it was closed");
    }

    #[test]
    fn one_too_many_ends_the_one_not_used_for_longest() {
        let start = Instant::now();
        let mut sessions = Sessions::default();
        for number in 0..OPEN_MAX {
            let second = Duration::from_secs(u64::try_from(number).unwrap());
            sessions.open(start + second, &format!("cookie {number}"), String::new(), PASSWORD);
        }
        let now = start + Duration::from_secs(100);
        assert!(sessions.find(now, "cookie 0", &PASSWORD).is_some());
        sessions.open(now, "one more", String::new(), PASSWORD);
        for (cookie, is_open) in [("cookie 0", true), ("cookie 1", false), ("cookie 2", true), ("one more", true)] {
            assert_eq!(sessions.find(now, cookie, &PASSWORD).is_some(), is_open, "{cookie}");
        }
    }
}
