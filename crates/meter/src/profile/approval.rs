//! Whether a model may measure what is paid for.

use serde::Deserialize;

/// What is known of a model's legal metrology.
///
/// It speaks of the model as it was sold, not of the meter at hand: seals, its verification's end and the country are
/// for the operator to check.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypeApproval {
    /// Whether it is placed on the market with a type approval.
    pub approved: Approved,
    /// By which law or certificate, if it was.
    pub scheme: Option<String>,
    /// Where that stands.
    pub source: String,
}

/// Which meters of a model have a type approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approved {
    /// All.
    Yes,
    /// Only those that are marked with it.
    SomeVersions,
    /// None.
    No,
}
