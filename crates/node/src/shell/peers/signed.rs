//! Requests that a node signs, so that what a ledger keeps to its members (the readings of single minutes) reaches the
//! computers of those who keep the ledger. Whoever serves checks that the key is registered for one of the roles that keep
//! a whole ledger, that the request is for him, is fresh, and was not seen before. A signature opens nothing else, and no
//! answer is believed for it.
//!
//! The bytes that are signed and the header are drawn in `docs/protocol.md` (section 16).

use super::identity::random;
use crate::clock::Clock;
use ledger::act::Role;
use ledger::{KeyError, PublicKey, SecretKey, State};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use units::{AccountId, LedgerId, Millis, Timestamp};

/// The header that carries the signature.
pub const HEADER: &str = "wattproof-node";
/// How far the asker's clock may be off, either way: phones and small computers without a battery are, for a while.
pub const SKEW_MAX: Millis = Millis::from_minutes(5);
/// Requests that are remembered, which is as long as they are fresh: above this the oldest ledger's worth of readings was
/// asked for within minutes, and whoever asks comes again.
pub const SEEN_MAX: usize = 65_536;
/// Longest header: an RSA signature of 512 bytes in hexadecimal digits, and the rest.
const HEADER_BYTES_MAX: usize = 2_048;
/// Roles whose holders keep a whole ledger.
const ROLES: [Role; 4] = [Role::Operator, Role::Miner, Role::Validator, Role::Auditor];

type Nonce = [u8; 16];

/// What is asked, of whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The node that is asked: the name of its run, or `sha256:` and its certificate's SHA-256 in hexadecimal digits.
    pub to: &'a str,
    /// The method.
    pub method: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// The body; empty where there is none.
    pub body: &'a [u8],
}

/// A signed request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRequest {
    /// The header [`HEADER`].
    pub header: String,
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The body; empty where there is none.
    pub body: Vec<u8>,
}

/// Why a signed request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestRefused {
    /// No such header.
    #[error("the header `{HEADER}` is account;time;nonce;signature")]
    Malformed,
    /// The key is not one of those who keep the ledger.
    #[error(
        "the node's key {0} is not registered: the operator registers it with `wattproof submit register key KEY miner` or \
         `auditor`; until then it gets everything but what this ledger keeps to its members"
    )]
    Unregistered(AccountId),
    /// Too old, or from the future.
    #[error("the request was signed at {signed} ms and it is {now} ms here: set the clocks of both computers")]
    Stale {
        /// When it says that it was signed.
        signed: u64,
        /// The time here.
        now: u64,
    },
    /// The signature is not over this request to this node.
    #[error("the signature is not that of {0} over this request to this node")]
    Signature(AccountId),
    /// Seen before.
    #[error("this request was sent before; sign a new one")]
    Replayed,
    /// Too many at once.
    #[error("too many signed requests within some minutes; try again later")]
    Crowded,
}

impl RequestRefused {
    /// A stable name for programs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Malformed => "request_malformed",
            Self::Unregistered(_) => "node_unregistered",
            Self::Stale { .. } => "request_stale",
            Self::Signature(_) => "request_signature",
            Self::Replayed => "request_replayed",
            Self::Crowded => "request_crowded",
        }
    }
}

/// What is signed: a prefix of its own, so that it is never a signature over something else, and everything that must not
/// be exchanged, each in a fixed width.
fn signed_bytes(ledger: LedgerId, asked: &Asked<'_>, time: Timestamp, nonce: &Nonce) -> Vec<u8> {
    let hash = |bytes: &[u8]| -> [u8; 32] { Sha256::digest(bytes).into() };
    let line = format!("{} {}", asked.method, asked.target);
    [
        b"wattproof node request\0".as_slice(),
        ledger.as_bytes(),
        &time.ms().to_be_bytes(),
        nonce,
        &hash(asked.to.as_bytes()),
        &hash(line.as_bytes()),
        &hash(asked.body),
    ]
    .concat()
}

/// Who signs a node's requests.
#[derive(Clone)]
pub struct Signer {
    key: SecretKey,
    ledger: LedgerId,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({})", self.key.account())
    }
}

impl Signer {
    /// With a node's key.
    #[must_use]
    pub fn new(key: SecretKey, ledger: LedgerId, clock: Arc<dyn Clock>) -> Self {
        Self { key, ledger, clock }
    }

    /// The header of a request, which can be sent once.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn sign(&self, asked: &Asked<'_>) -> Result<String, KeyError> {
        let mut nonce: Nonce = [0; 16];
        for part in nonce.as_chunks_mut::<8>().0 {
            *part = random().to_be_bytes();
        }
        self.sign_at(asked, self.clock.now(), &nonce)
    }

    fn sign_at(&self, asked: &Asked<'_>, time: Timestamp, nonce: &Nonce) -> Result<String, KeyError> {
        let signature = self.key.sign(&signed_bytes(self.ledger, asked, time, nonce))?;
        let hex = crate::view::hex;
        Ok(format!("{};{};{};{}", self.key.account(), time.ms(), hex(nonce), hex(&signature)))
    }
}

/// Signed requests that were answered, until they are too old to be sent again.
#[derive(Debug, Default)]
pub struct Seen(BTreeMap<(Timestamp, AccountId, Nonce), ()>);

impl Seen {
    /// Notes one; refuses what is known.
    fn enter(&mut self, now: Timestamp, request: (Timestamp, AccountId, Nonce)) -> Result<(), RequestRefused> {
        let oldest = Timestamp::from_ms(now.ms().saturating_sub(SKEW_MAX.ms()));
        while self.0.first_key_value().is_some_and(|((signed, ..), ())| *signed < oldest) {
            self.0.pop_first();
        }
        if self.0.contains_key(&request) {
            return Err(RequestRefused::Replayed);
        }
        if self.0.len() >= SEEN_MAX {
            return Err(RequestRefused::Crowded);
        }
        self.0.insert(request, ());
        Ok(())
    }
}

/// A header, taken apart.
struct Credential {
    account: AccountId,
    time: Timestamp,
    nonce: Nonce,
    signature: Vec<u8>,
}

impl Credential {
    fn read(header: &str) -> Option<Self> {
        let mut parts = (header.len() <= HEADER_BYTES_MAX).then(|| header.split(';'))?;
        let mut next = || parts.next();
        let credential = Self {
            account: next()?.parse().ok()?,
            time: Timestamp::from_ms(next()?.parse().ok()?),
            nonce: super::identity::from_hex(next()?)?.try_into().ok()?,
            signature: super::identity::from_hex(next()?)?,
        };
        next().is_none().then_some(credential)
    }
}

/// The key of an account that keeps a whole ledger at a time.
fn key_of(state: &State, account: &AccountId, at: Timestamp) -> Option<PublicKey> {
    let of_genesis = state.genesis().receipt_keys.iter().find(|key| key.account() == *account);
    if let Some(key) = of_genesis {
        return Some(key.clone());
    }
    let record = state.account(account)?;
    let keeps = ROLES.into_iter().any(|role| record.has(role, at));
    state.key_of(account).filter(|_| keeps && record.revoked.is_none())
}

/// Checks a signed request; gives who asks. `to` are the names that this node answers to.
///
/// # Errors
/// Why it is refused.
pub(crate) fn check(
    header: &str,
    asked: &Asked<'_>,
    to: &[&str],
    state: &State,
    (now, seen): (Timestamp, &mut Seen),
) -> Result<AccountId, RequestRefused> {
    let Credential { account, time, nonce, signature } = Credential::read(header).ok_or(RequestRefused::Malformed)?;
    let key = key_of(state, &account, now).ok_or(RequestRefused::Unregistered(account))?;
    if now.ms().abs_diff(time.ms()) > SKEW_MAX.ms() {
        return Err(RequestRefused::Stale { signed: time.ms(), now: now.ms() });
    }
    let is_over = |to: &&str| {
        let bytes = signed_bytes(state.ledger(), &Asked { to, ..*asked }, time, &nonce);
        key.verify(&bytes, &signature).is_ok()
    };
    if !to.iter().any(is_over) {
        return Err(RequestRefused::Signature(account));
    }
    seen.enter(now, (time, account, nonce))?;
    Ok(account)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_answered_once_and_the_oldest_are_forgotten() {
        let (account, mut seen) = (AccountId::from_bytes([1; 32]), Seen::default());
        let request =
            |minute: u64, nonce: u8| (Timestamp::from_ms(0) + Millis::from_minutes(minute), account, [nonce; 16]);
        let at = |minute: u64| Timestamp::from_ms(0) + Millis::from_minutes(minute);
        assert_eq!(seen.enter(at(10), request(10, 1)), Ok(()));
        assert_eq!(seen.enter(at(10), request(10, 2)), Ok(()));
        assert_eq!(seen.enter(at(14), request(10, 1)), Err(RequestRefused::Replayed));
        assert_eq!(seen.enter(at(16), request(16, 1)), Ok(()));
        assert_eq!(seen.0.len(), 1, "what is too old is refused for its age");
    }

    #[test]
    fn a_header_is_four_parts_and_nothing_else() {
        let account = AccountId::from_bytes([1; 32]);
        let nonce = "ab".repeat(16);
        let read = |text: &str| Credential::read(text).is_some();
        assert!(read(&format!("{account};5;{nonce};0102")));
        for wrong in [
            String::new(),
            format!("{account};5;{nonce}"),
            format!("{account};5;{nonce};0102;03"),
            format!("{account};-5;{nonce};0102"),
            format!("{account};5;{};0102", &nonce[2..]),
            format!("wp1;5;{nonce};0102"),
            format!("{account};5;{nonce};{}", "00".repeat(HEADER_BYTES_MAX)),
        ] {
            assert!(!read(&wrong), "{wrong}");
        }
    }
}
