//! Whether a model may measure what is paid for.

use serde::Deserialize;

/// What is known of a model's legal metrology.
///
/// It speaks of the model as it was sold, not of the meter at hand: seals, its verification's end and the country are
/// for the operator to check.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypeApproval {
    /// Whether it was placed on the market with a type approval.
    pub approved: bool,
    /// By which law or certificate, if it was.
    pub scheme: Option<String>,
    /// Where that stands.
    pub source: String,
}
