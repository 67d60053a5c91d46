//! The voltage limits that `init` knows by name, as data with their sources.

use ledger::VoltageLimits;
use serde::Deserialize;
use std::collections::BTreeMap;
use units::Voltage;

const SHIPPED: &str = include_str!("voltage-limits.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Preset {
    nominal_mv: u64,
    min_mv: u64,
    max_mv: u64,
    source: String,
}

/// Limits by their name in the shipped file.
///
/// # Errors
/// The names that there are, in words for the command line.
pub(crate) fn named(name: &str) -> Result<VoltageLimits, String> {
    let mut presets: BTreeMap<String, Preset> = toml::from_str(SHIPPED).map_err(|error| error.to_string())?;
    let Some(Preset { nominal_mv, min_mv, max_mv, source }) = presets.remove(name) else {
        let names: Vec<&str> = presets.keys().map(String::as_str).collect();
        return Err(format!("there are {}", names.join(", ")));
    };
    let [nominal, min, max] = [nominal_mv, min_mv, max_mv].map(Voltage::from_mv);
    Ok(VoltageLimits { nominal, min, max, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_preset_is_one_that_a_genesis_document_takes() {
        let presets: BTreeMap<String, Preset> = toml::from_str(SHIPPED).unwrap();
        assert!(presets.len() >= 4);
        for name in presets.keys() {
            let limits = named(name).unwrap();
            assert!(limits.is_ordered() && limits.source.len() <= VoltageLimits::SOURCE_MAX, "{name}");
        }
        assert_eq!(named("en-50160-230").unwrap().max, Voltage::from_mv(253_000));
        assert!(named("en-50160").unwrap_err().contains("taiwan-lighting-110"));
    }
}
