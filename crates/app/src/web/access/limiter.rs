//! How often a password or a code may be guessed: by an address, and by all together.
//!
//! An attempt counts as failed until it is known to be right, so that many at once are no way around.

use super::Origin;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Attempts of an address before it has to wait: slips of a person.
const FREE: u32 = 5;
/// The first wait; each further attempt doubles it.
const WAIT_MIN: Duration = Duration::from_secs(2);
/// The longest wait: 96 guesses a day.
const WAIT_MAX: Duration = Duration::from_secs(15 * 60);
/// An address that has been quiet so long begins anew.
const FORGET_AFTER: Duration = Duration::from_secs(3_600);
/// Addresses remembered; the one quiet for longest gives way, and all together are limited anyway.
const ADDRESSES_MAX: usize = 4_096;
/// Attempts of all addresses together at once, and how soon one more is allowed: against guessing from many addresses.
const TOGETHER_MAX: u32 = 60;
const TOGETHER_EVERY: Duration = Duration::from_secs(2);

/// Who guesses. A proxy at this computer is not somebody at this computer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Guesser {
    network: IpAddr,
    is_here: bool,
}

#[derive(Debug, Clone, Copy)]
struct Attempts {
    count: u32,
    last: Instant,
}

/// Attempts of late.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    addresses: BTreeMap<Guesser, Attempts>,
    together: u32,
    together_since: Option<Instant>,
}

impl Limiter {
    /// Counts an attempt, or says how long to wait. Whoever sits at this computer never waits for others' attempts.
    ///
    /// # Errors
    /// How long to wait.
    pub(crate) fn attempt(&mut self, now: Instant, from: Option<IpAddr>, origin: Origin) -> Result<(), Duration> {
        let guesser = guesser(from, origin);
        self.addresses.retain(|_, attempts| now.saturating_duration_since(attempts.last) < FORGET_AFTER);
        let so_far = self.addresses.get(&guesser).copied();
        if let Some(wait) = so_far.and_then(|attempts| attempts.wait(now)) {
            return Err(wait);
        }
        self.drain(now);
        if origin != Origin::Here {
            if self.together >= TOGETHER_MAX {
                return Err(TOGETHER_EVERY);
            }
            self.together += 1;
        }
        let count = so_far.map_or(0, |attempts| attempts.count).saturating_add(1);
        if self.addresses.len() >= ADDRESSES_MAX
            && let Some(quiet) = self.addresses.iter().min_by_key(|(_, attempts)| attempts.last).map(|(who, _)| *who)
        {
            self.addresses.remove(&quiet);
        }
        self.addresses.insert(guesser, Attempts { count, last: now });
        Ok(())
    }

    /// The attempt was right: the address begins anew.
    pub(crate) fn succeeded(&mut self, from: Option<IpAddr>, origin: Origin) {
        self.addresses.remove(&guesser(from, origin));
        if origin != Origin::Here {
            self.together = self.together.saturating_sub(1);
        }
    }

    /// Takes back what time has allowed.
    fn drain(&mut self, now: Instant) {
        let since = self.together_since.get_or_insert(now);
        let steps = now.saturating_duration_since(*since).as_secs() / TOGETHER_EVERY.as_secs();
        self.together = self.together.saturating_sub(u32::try_from(steps).unwrap_or(u32::MAX));
        *since += TOGETHER_EVERY * u32::try_from(steps).unwrap_or(0);
    }
}

impl Attempts {
    fn wait(self, now: Instant) -> Option<Duration> {
        let over = self.count.checked_sub(FREE)?;
        let wait = WAIT_MIN.saturating_mul(2_u32.saturating_pow(over)).min(WAIT_MAX);
        let rest = wait.saturating_sub(now.saturating_duration_since(self.last));
        (!rest.is_zero()).then_some(rest)
    }
}

/// A household's IPv6 addresses share their first 64 bits (RFC 4291 2.5.1), and are one guesser.
fn guesser(from: Option<IpAddr>, origin: Origin) -> Guesser {
    let network = match from.map(|from| from.to_canonical()) {
        Some(IpAddr::V6(address)) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        Some(address) => address,
        None => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    Guesser { network, is_here: origin == Origin::Here }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn an_address_waits_twice_as_long_after_each_slip_and_others_do_not() {
        let mut limiter = Limiter::default();
        let start = Instant::now();
        let (one, other) = (address("192.168.1.7"), address("192.168.1.8"));
        for _ in 0..FREE {
            assert_eq!(limiter.attempt(start, one, Origin::Elsewhere), Ok(()));
        }
        let mut now = start;
        for seconds in [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
            let wait = Duration::from_secs(seconds);
            assert_eq!(limiter.attempt(now, one, Origin::Elsewhere), Err(wait));
            now += wait;
            assert_eq!(limiter.attempt(now, one, Origin::Elsewhere), Ok(()), "after {seconds} s");
        }
        assert_eq!(limiter.attempt(now, other, Origin::Elsewhere), Ok(()));
        limiter.succeeded(one, Origin::Elsewhere);
        assert_eq!(limiter.attempt(now, one, Origin::Elsewhere), Ok(()));
    }

    #[test]
    fn one_household_is_one_guesser_and_many_addresses_together_are_limited() {
        let mut limiter = Limiter::default();
        let now = Instant::now();
        for end in 0..FREE {
            assert_eq!(limiter.attempt(now, address(&format!("2001:db8::{end}")), Origin::Elsewhere), Ok(()));
        }
        assert!(limiter.attempt(now, address("2001:db8::77"), Origin::Elsewhere).is_err(), "the same network");
        for number in FREE..TOGETHER_MAX {
            assert_eq!(limiter.attempt(now, address(&format!("10.0.0.{number}")), Origin::Elsewhere), Ok(()));
        }
        let fresh = address("10.9.9.9");
        assert_eq!(limiter.attempt(now, fresh, Origin::Elsewhere), Err(TOGETHER_EVERY));
        assert_eq!(limiter.attempt(now, address("127.0.0.1"), Origin::Here), Ok(()), "at the computer itself");
        assert_eq!(limiter.attempt(now + TOGETHER_EVERY, fresh, Origin::Elsewhere), Ok(()));
    }
}
