//! Loads of a gateway: how they are, what holds them, who switches them.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use units::{MeterId, Millis, StatementId, Timestamp};
use utoipa::ToSchema;

/// `GET /api/v1/loads`: every load, rule and bus of a gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoadsView {
    /// What time it is, by the community's clock.
    #[schema(value_type = u64)]
    pub time_ms: Timestamp,
    /// Why nothing is stored at the moment; absent when all is well. Protection acts all the same.
    pub trouble: Option<String>,
    /// Every meter with a relay, in the order of their numbers.
    pub loads: Vec<LoadNow>,
    /// Every protection rule, in the order of the configuration.
    pub rules: Vec<RuleNow>,
    /// Every bus.
    pub buses: Vec<BusNow>,
    /// The database server that readings are forwarded to; absent without one.
    pub archive: Option<ArchiveNow>,
}

/// The database server that a gateway's file is forwarded to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ArchiveNow {
    /// Its URL without the password.
    pub place: String,
    /// Changes that wait for it.
    pub waiting: u64,
    /// Since when it is not reached, ms since 1970 UTC; absent while it is.
    #[schema(value_type = Option<u64>)]
    pub lost_since_ms: Option<Timestamp>,
    /// The newest trouble in words; it stays after the server's return.
    pub last_trouble: Option<String>,
    /// When that was noticed, ms since 1970 UTC.
    #[schema(value_type = Option<u64>)]
    pub last_trouble_ms: Option<Timestamp>,
    /// Readings that were given up for it since the gateway's start, because too much waited.
    pub given_up_readings: u64,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Power {
    /// The load has power.
    On,
    /// It has not.
    Off,
}

impl Power {
    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
        }
    }
}

/// A load at this moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoadNow {
    /// The meter whose relay it is.
    #[schema(value_type = String)]
    pub meter: MeterId,
    /// Its bus.
    pub bus: String,
    /// Maker and model.
    pub model: String,
    /// On or off; absent while nobody knows.
    pub state: Option<Power>,
    /// How long ago that was learnt.
    #[schema(value_type = Option<u64>)]
    pub state_age_ms: Option<Millis>,
    /// Whether the relay is read back; where not, the state is what it was told.
    pub reads_back: bool,
    /// The newest reading, each quantity under its name, which carries the unit.
    pub values: BTreeMap<String, i64>,
    /// How old that is.
    #[schema(value_type = Option<u64>)]
    pub values_age_ms: Option<Millis>,
    /// Whether polls have failed since.
    pub stale: bool,
    /// Rules that hold it off.
    pub locks: Vec<LoadLock>,
    /// The order that is not done yet.
    pub order: Option<Switching>,
    /// Whether it comes on by itself when rules let it.
    pub comes_back: bool,
    /// Until its limits let it be switched on; 0 when they do.
    #[schema(value_type = u64)]
    pub on_in_ms: Millis,
    /// Until its limits let a person switch it off; 0 when they do.
    #[schema(value_type = u64)]
    pub off_in_ms: Millis,
    /// Switchings of the last hour.
    pub switches: u32,
    /// How many an hour may have.
    pub switches_max: u32,
    /// Meters whose load must not be on together with it.
    #[schema(value_type = Vec<String>)]
    pub never_with: Vec<MeterId>,
}

/// A rule that holds a load off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoadLock {
    /// The rule.
    pub rule: String,
    /// Since when.
    #[schema(value_type = u64)]
    pub since_ms: Timestamp,
    /// What was found.
    pub why: String,
    /// Whether only a person may release it.
    pub latched: bool,
}

/// A protection rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RuleNow {
    /// Its name.
    pub name: String,
    /// `above`, `below`, `schedule` or `energy_used_up`.
    pub kind: String,
    /// The quantity that it looks at, by its name, which carries the unit.
    pub quantity: Option<String>,
    /// Its limit in that unit.
    pub limit: Option<i64>,
    /// How long the limit must be exceeded.
    #[schema(value_type = Option<u64>)]
    pub delay_ms: Option<Millis>,
    /// First and last minute of the day, of a schedule.
    pub minutes: Option<[u32; 2]>,
    /// The meters that it watches.
    #[schema(value_type = Vec<String>)]
    pub meters: Vec<MeterId>,
    /// Whether it stays tripped until a person resets it.
    pub latch: bool,
    /// Whether it switches; else it only writes into the journal.
    pub switches: bool,
    /// Whether it is on trial.
    pub dry_run: bool,
    /// Where it is tripped now.
    #[schema(value_type = Vec<String>)]
    pub tripped: Vec<MeterId>,
}

/// A bus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BusNow {
    /// Its name.
    pub name: String,
    /// Device or address.
    pub place: String,
    /// Whether its port is open.
    pub open: bool,
    /// Why it is not.
    pub lost: Option<String>,
    /// Meters on it.
    pub meters: u32,
    /// Polls begun, over all its meters.
    pub polls: u64,
    /// Polls that gave a reading.
    pub answers: u64,
    /// Polls that gave none, by kind.
    pub errors: BTreeMap<String, u64>,
    /// Thousandths of the line's time that its schedule needs; above 900 some meters may be asked less often.
    pub load_planned_permille: u64,
    /// Thousandths of the line's time that were taken in the last minute or two; absent at the start.
    pub load_measured_permille: Option<u64>,
    /// Why nothing is understood on its line; absent while something is.
    pub line: Option<LineNow>,
}

/// A line of which nothing is understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LineNow {
    /// `line_silent`, `line_noise` or `line_other_rate`.
    pub kind: String,
    /// The rate used, in baud.
    pub baud: u32,
    /// Rates to try, the likeliest first.
    pub rates: Vec<u32>,
    /// How many times as slow the sender looks, where the bytes say so.
    pub times_as_slow: Option<u32>,
    /// What it looks like and what to do, in English.
    pub advice: String,
}

/// One line of the journal: what was to be switched by whom and why, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Switching {
    /// Its number.
    pub number: u64,
    /// The meter.
    #[schema(value_type = String)]
    pub meter: MeterId,
    /// When it was ordered.
    #[schema(value_type = u64)]
    pub time_ms: Timestamp,
    /// `on`, `off` or `reset`.
    pub deed: String,
    /// `person`, `protection` or `schedule`.
    pub by: String,
    /// A person's name, or the rule's.
    pub who: String,
    /// Why.
    pub why: String,
    /// The load before: `on`, `off` or `unknown`.
    pub before: String,
    /// The load afterwards, as read back.
    pub after: String,
    /// `waiting`, `sent`, `switched`, `unconfirmed`, `failed`, `unknown`, `withdrawn`, `not_needed`, `would_have`, `warned`
    /// or `done`.
    pub outcome: String,
    /// The outcome's reason, where one belongs to it.
    pub reason: Option<String>,
    /// When the outcome was known; absent while it is not.
    #[schema(value_type = Option<u64>)]
    pub ended_ms: Option<Timestamp>,
    /// The statement that tells the ledger.
    #[schema(value_type = Option<String>)]
    pub statement: Option<StatementId>,
    /// How far that is: `waiting`, `final` or `refused`.
    pub stated: Option<String>,
    /// The block that it stands in.
    pub height: Option<u64>,
}

/// Body of `POST /api/v1/loads/{meter}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoadOrder {
    /// On, or off.
    pub state: Power,
    /// Why; the ledger keeps it, at most 140 bytes.
    pub why: String,
    /// Who asks; the ledger keeps it, at most 64 bytes; `operator` unless said.
    pub who: Option<String>,
    /// The same key a second time is the same order; at most 64 bytes.
    pub key: Option<String>,
}

/// Body of `POST /api/v1/loads/{meter}/reset`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoadReset {
    /// Why; at most 140 bytes.
    pub why: String,
    /// Who asks; at most 64 bytes; `operator` unless said.
    pub who: Option<String>,
}

/// An order was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderTaken {
    /// Its number in the journal.
    pub order: u64,
    /// Where its outcome will stand.
    pub watch: String,
}
