//! What is asked of a load, and why it is not done.

use ledger::act::{Control, LoadState};
use units::{MeterId, Millis};

/// Longest idempotency key in bytes: a UUID has 36.
pub const KEY_BYTES_MAX: usize = 64;

/// Somebody wants a load switched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The meter whose relay it is.
    pub meter: MeterId,
    /// On, or off.
    pub on: bool,
    /// Who asks; at most [`Control::WHO_MAX`] bytes.
    pub who: String,
    /// Why; at most [`Control::WHY_MAX`] bytes.
    pub why: String,
    /// The same key a second time is the same order: a double click switches once.
    pub key: Option<String>,
}

/// Somebody takes back the latches that hold a load off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reset {
    /// The meter.
    pub meter: MeterId,
    /// Who asks; at most [`Control::WHO_MAX`] bytes.
    pub who: String,
    /// Why; at most [`Control::WHY_MAX`] bytes.
    pub why: String,
}

/// Why an order is refused; nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not a meter of this gateway.
    #[error("meter {0} is not one of this gateway's; `wattproof load list` shows them")]
    UnknownMeter(MeterId),
    /// Its model has none, or none that its profile describes.
    #[error("meter {0} has no relay that its profile describes, so its load cannot be switched")]
    NoRelay(MeterId),
    /// Who, why or key are missing or too long for the ledger.
    #[error(
        "say who ({who} bytes at most) and why ({why} bytes at most); a key has {KEY_BYTES_MAX} bytes at most",
        who = Control::WHO_MAX, why = Control::WHY_MAX
    )]
    Text,
    /// There is nothing to do.
    #[error("the load of {meter} is {} already", state_name(*.on))]
    Already {
        /// The meter.
        meter: MeterId,
        /// On, or off.
        on: bool,
    },
    /// Another order is not done yet.
    #[error("order {order} for {meter} is not done yet; wait for it")]
    Busy {
        /// The meter.
        meter: MeterId,
        /// The other order.
        order: u64,
    },
    /// A protection rule holds it off.
    #[error(
        "rule `{rule}` holds the load of {meter} off{}",
        if *.latched { "; when its cause is mended, reset it: wattproof load reset" } else { " until its cause is gone" }
    )]
    Locked {
        /// The meter.
        meter: MeterId,
        /// The rule.
        rule: String,
        /// Whether only a person may release it.
        latched: bool,
    },
    /// Another load must be off first.
    #[error(
        "the loads of {meter} and {other} must not be on together, and {other} is {}",
        if *.state == LoadState::Unknown { "perhaps on; read or switch it first" } else { "on; switch it off first" }
    )]
    Interlock {
        /// The meter.
        meter: MeterId,
        /// The other.
        other: MeterId,
        /// How the other's load is.
        state: LoadState,
    },
    /// It was switched off too short a time ago.
    #[error("the load of {meter} rests after it was switched off; it may be switched on in {} s", seconds(*.wait))]
    RestsOff {
        /// The meter.
        meter: MeterId,
        /// Time until it may.
        wait: Millis,
    },
    /// It was switched on too short a time ago.
    #[error("the load of {meter} was switched on a moment ago; it may be switched off in {} s", seconds(*.wait))]
    RestsOn {
        /// The meter.
        meter: MeterId,
        /// Time until it may.
        wait: Millis,
    },
    /// The relay switched as often as it may in an hour; one switching is kept for protection.
    #[error(
        "the relay of {meter} may switch {most} times an hour, the last of them kept for protection; wait {} s",
        seconds(*.wait)
    )]
    TooOften {
        /// The meter.
        meter: MeterId,
        /// Its limit.
        most: u32,
        /// Time until it may.
        wait: Millis,
    },
    /// There is no latch.
    #[error("no rule holds the load of {0} by a latch, so there is nothing to reset")]
    NotLatched(MeterId),
}

impl Refusal {
    /// A short stable name, for programs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::UnknownMeter(_) => "unknown_meter",
            Self::NoRelay(_) => "no_relay",
            Self::Text => "order_text",
            Self::Already { .. } => "already_so",
            Self::Busy { .. } => "order_under_way",
            Self::Locked { .. } => "locked_by_rule",
            Self::Interlock { .. } => "interlock",
            Self::RestsOff { .. } => "minimum_off_time",
            Self::RestsOn { .. } => "minimum_on_time",
            Self::TooOften { .. } => "too_often",
            Self::NotLatched(_) => "not_latched",
        }
    }
}

/// `on` or `off`.
#[must_use]
pub const fn state_name(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

/// Whole seconds, begun ones counted.
const fn seconds(wait: Millis) -> u64 {
    wait.ms().div_ceil(1_000)
}

/// Who and why fit the ledger's act, and neither is empty.
pub(super) fn check_text(who: &str, why: &str, key: Option<&str>) -> Result<(), Refusal> {
    let fits = |text: &str, most: usize| !text.trim().is_empty() && text.len() <= most;
    let key_fits = key.is_none_or(|key| fits(key, KEY_BYTES_MAX));
    if fits(who, Control::WHO_MAX) && fits(why, Control::WHY_MAX) && key_fits { Ok(()) } else { Err(Refusal::Text) }
}

/// The longest beginning of a text within a bound of bytes.
pub(super) fn shortened(text: &str, most: usize) -> String {
    text.chars()
        .scan(0, |length, letter| {
            *length += letter.len_utf8();
            (*length <= most).then_some(letter)
        })
        .collect()
}
