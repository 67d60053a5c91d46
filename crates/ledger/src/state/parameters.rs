//! What the operator changed of genesis' rules while the ledger runs.

use super::{Record, RecordKey, State};
use crate::act::{NewLevel, NewLimits, Upgrade};
use crate::genesis::{Genesis, VoltageLimits};
use minicbor::{Decode, Encode};
use units::{Height, Timestamp};

/// What the operator changed of genesis' rules: each with the value that stands and the next one. A further change takes
/// the next one's place while that lies in the future, so nothing here grows.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ParametersRecord {
    /// The mining level.
    #[n(0)]
    pub level: u8,
    /// The next level and its first block.
    #[n(1)]
    pub next_level: Option<NewLevel>,
    /// The voltage limits.
    #[n(2)]
    pub limits: VoltageLimits,
    /// The next limits and from when.
    #[n(3)]
    pub next_limits: Option<NewLimits>,
    /// The next protocol version and its first block.
    #[n(4)]
    pub upgrade: Option<Upgrade>,
}

impl ParametersRecord {
    /// What genesis says.
    #[must_use]
    pub fn of_genesis(genesis: &Genesis) -> Self {
        let limits = genesis.voltage_limits.clone();
        Self { level: genesis.order.level, next_level: None, limits, next_limits: None, upgrade: None }
    }

    /// The mining level of a block.
    #[must_use]
    pub fn level_at(&self, height: Height) -> u8 {
        self.next_level.as_ref().filter(|next| next.height <= height).map_or(self.level, |next| next.level)
    }

    /// The limits for an interval that starts at a time.
    #[must_use]
    pub fn limits_at(&self, start: Timestamp) -> &VoltageLimits {
        self.next_limits.as_ref().filter(|next| next.from <= start).map_or(&self.limits, |next| &next.limits)
    }

    /// The protocol version of a block.
    #[must_use]
    pub fn version_at(&self, height: Height) -> u32 {
        self.upgrade.as_ref().filter(|next| next.height <= height).map_or(Genesis::VERSION, |next| next.version)
    }
}

impl State {
    /// The parameters as they stand after the newest block.
    #[must_use]
    pub fn parameters(&self) -> ParametersRecord {
        match self.records.get(&RecordKey::Parameters) {
            Some(Record::Parameters(parameters)) => parameters.clone(),
            _ => ParametersRecord::of_genesis(&self.genesis),
        }
    }
}
