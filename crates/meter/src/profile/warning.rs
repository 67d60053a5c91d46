//! What a usable profile leaves open.

use super::Profile;
use std::fmt;
use units::Quantity;

/// What whoever relies on a profile should know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warning {
    /// Its registers are a guess.
    Unverified,
    /// Its relay's registers are a guess.
    RelayUnverified,
    /// Nothing shows that its registers are right.
    NoExample,
    /// It has no import counter.
    NoCounter,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unverified => "its registers are unverified: compare with the meter's display before billing by it",
            Self::RelayUnverified => "its relay is unverified: try it with a lamp before relying on it",
            Self::NoExample => "it has no [[example]], so nothing shows that its registers are the right ones",
            Self::NoCounter => "it has no energy_import_mwh of the whole meter, so the gateway cannot bill by it",
        })
    }
}

impl Profile {
    /// What to know before relying on it.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        let relay_is_a_guess = self.relay.as_ref().is_some_and(|relay| !relay.is_verified());
        let has_counter = self.keys().any(|key| key == Quantity::EnergyImport.into());
        [
            (!self.verified, Warning::Unverified),
            (relay_is_a_guess, Warning::RelayUnverified),
            (self.examples.is_empty(), Warning::NoExample),
            (!has_counter, Warning::NoCounter),
        ]
        .into_iter()
        .filter_map(|(holds, warning)| holds.then_some(warning))
        .collect()
    }
}
