//! What a gateway is told before it begins: the ledger's terms, the buses and their meters.

use super::Protection;
use ledger::{Genesis, Offset};
use meter::{Device, Framing};
use units::{AccountId, LedgerId, Millis, Timestamp, Voltage};

/// What the ledger and the configuration settle for all meters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The ledger that statements are made for.
    pub ledger: LedgerId,
    /// The operator's account, stored with each reading.
    pub operator: AccountId,
    /// Month starts, at which intervals are cut.
    pub month_starts: Vec<Timestamp>,
    /// The community's voltage limits and from when, in order of time; the first holds from the beginning.
    pub voltage: Vec<VoltageSpan>,
    /// Length of an interval; a divisor of a day.
    pub interval: Millis,
    /// The community's time zone, for what is switched by hours of the day.
    pub offsets: Vec<Offset>,
    /// Protection rules, and what relays may do.
    pub protection: Protection,
}

impl Settings {
    /// From the ledger's genesis document.
    #[must_use]
    pub fn from_genesis(genesis: &Genesis, interval: Millis) -> Self {
        Self {
            ledger: genesis.ledger(),
            operator: genesis.operator.account(),
            month_starts: genesis.month_starts.clone(),
            voltage: vec![VoltageSpan {
                from: Timestamp::default(),
                min: genesis.voltage_limits.min,
                max: genesis.voltage_limits.max,
            }],
            interval,
            offsets: genesis.offsets.clone(),
            protection: Protection::default(),
        }
    }

    /// With rules and limits.
    #[must_use]
    pub fn with_protection(self, protection: Protection) -> Self {
        Self { protection, ..self }
    }
}

/// Voltage limits from a time on. An interval is held against those in force at its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VoltageSpan {
    /// From when.
    pub from: Timestamp,
    /// Voltage below which an interval has an event.
    pub min: Voltage,
    /// Voltage above which an interval has an event.
    pub max: Voltage,
}

/// How often the node is asked for the limits: they are changed ahead of their time, at most some times in a life.
pub const ASK_VOLTAGE_EVERY: Millis = Millis::from_minutes(10);

/// A meter, where it is asked and who is billed for it.
#[derive(Debug, Clone)]
pub struct MeterSettings {
    /// Number, address, profile, rate.
    pub device: Device,
    /// The profile's name, stored with each reading so that its frames can be decoded again.
    pub profile: String,
    /// The member's account, stored with each reading.
    pub member: AccountId,
}

/// A bus and its meters.
#[derive(Debug, Clone)]
pub struct BusSettings {
    /// How frames are told apart.
    pub framing: Framing,
    /// The meters, in the order asked.
    pub meters: Vec<MeterSettings>,
}
