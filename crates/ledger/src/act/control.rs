//! The journal of switched loads.

use minicbor::{Decode, Encode};
use units::{MeterId, Timestamp};

/// What made a relay switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Cause {
    /// Somebody asked for it.
    #[n(1)]
    Person,
    /// A protection rule of the gateway.
    #[n(2)]
    Protection,
    /// A schedule.
    #[n(3)]
    Schedule,
}

/// Whether a load has power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum LoadState {
    /// Nobody could read it.
    #[n(0)]
    Unknown,
    /// It has.
    #[n(1)]
    On,
    /// It has not.
    #[n(2)]
    Off,
}

/// A relay was switched, by the gateway that signs for its meter.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Control {
    /// The meter whose load it is.
    #[n(1)]
    pub meter: MeterId,
    /// When.
    #[n(2)]
    pub time: Timestamp,
    /// By what.
    #[n(3)]
    pub by: Cause,
    /// By whom, in the gateway's words; at most [`Control::WHO_MAX`] bytes of UTF-8.
    #[n(4)]
    pub who: String,
    /// Why; at most [`Control::WHY_MAX`] bytes of UTF-8.
    #[n(5)]
    pub why: String,
    /// The load before.
    #[n(6)]
    pub before: LoadState,
    /// The load as read back afterwards.
    #[n(7)]
    pub after: LoadState,
}

impl Control {
    /// Longest name in bytes: a rule's or a role's, no story.
    pub const WHO_MAX: usize = 64;
    /// Longest reason in bytes: a sentence.
    pub const WHY_MAX: usize = 140;
}
