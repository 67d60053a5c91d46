//! Which model a meter is: several profiles may make sense of the same bytes.

use meter::modbus::FrameError;
use meter::{MeterError, Profile};
use std::cmp::Reverse;
use std::sync::Arc;
use units::{Quantity, Reading};

/// A profile that gave a reading.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    /// The profile's name.
    pub(super) name: String,
    /// The profile.
    pub(super) profile: Arc<Profile>,
    /// What it made of the meter's answers.
    pub(super) reading: Reading,
}

/// The candidates that explain the meter best, a verified one first.
///
/// Every candidate has passed its limits. A supply voltage and a mains frequency that can be, in every place where the
/// profile sees one, tell a model from one that has zeros there; of those that are equal the ones that see most remain.
pub(super) fn best_first(mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    let Some(best) = candidates.iter().map(|candidate| score(&candidate.reading)).max() else { return Vec::new() };
    candidates.retain(|candidate| score(&candidate.reading) == best);
    candidates.sort_by_key(|candidate| (Reverse(candidate.profile.is_verified()), candidate.name.clone()));
    candidates
}

/// Whether nobody is at an address: silence, or a gateway that says so (exceptions 10 and 11; V1.1b3, 7).
pub(super) const fn is_from_nobody(error: &MeterError) -> bool {
    matches!(error, MeterError::NoAnswer { .. } | MeterError::Frame(FrameError::Exception { code: 10 | 11, .. }))
}

/// Whether an error shows that somebody is at the address, though of another model: a whole frame came.
pub(super) const fn is_from_a_meter(error: &MeterError) -> bool {
    matches!(
        error,
        MeterError::Frame(FrameError::Exception { .. } | FrameError::WrongLength { .. })
            | MeterError::Implausible { .. }
            | MeterError::NotANumber { .. }
            | MeterError::PowersDisagree { .. }
    )
}

/// How well a reading looks like one of a meter on the mains: first that nothing looks wrong, then how much looks right.
fn score(reading: &Reading) -> (Reverse<usize>, usize, usize) {
    let looks = |(key, value): (units::Key, i64)| match key.quantity {
        Quantity::Voltage => Some((80_000..=300_000).contains(&value)),
        Quantity::Frequency => Some((45_000..=65_000).contains(&value)),
        _ => None,
    };
    let wrong = reading.iter().filter(|value| looks(*value) == Some(false)).count();
    let right = reading.iter().filter(|value| looks(*value) == Some(true)).count();
    (Reverse(wrong), right, reading.iter().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(name: &str, values: &[(&str, i64)]) -> Candidate {
        let mut reading = Reading::new();
        for (key, value) in values {
            reading.insert(key.parse::<units::Key>().unwrap(), *value);
        }
        Candidate { name: name.to_owned(), profile: Arc::new(Profile::shipped(name).unwrap()), reading }
    }

    #[test]
    fn the_model_that_explains_most_and_nothing_falsely_comes_first() {
        let single = [("voltage_mv", 230_000), ("frequency_mhz", 50_000)];
        let zeros = [("voltage_mv_l1", 230_000), ("voltage_mv_l2", 0), ("frequency_mhz", 50_000)];
        for (candidates, expected) in [
            (vec![candidate("sdm630", &zeros), candidate("sdm120", &single)], &["sdm120"][..]),
            (vec![candidate("sdm230", &single), candidate("sdm120", &single)], &["sdm120", "sdm230"]),
            (vec![candidate("im1232", &single), candidate("im1281b", &single)], &["im1281b", "im1232"]),
            (vec![candidate("sdm72", &[("active_power_mw", 5)]), candidate("sdm120", &single)], &["sdm120"]),
            (vec![], &[]),
        ] {
            let names: Vec<String> = best_first(candidates).into_iter().map(|candidate| candidate.name).collect();
            assert_eq!(names, expected);
        }
    }
}
