//! Errors as RFC 9457 problems.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// What went wrong, worded for a person, with a stable `type` for a program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A stable name as a relative reference: `/problems/energy_used_up`.
    #[serde(rename = "type")]
    pub kind: String,
    /// A short title, the same for every problem of the type.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time, and what to do.
    pub detail: String,
    /// Further members of the type's own.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub extras: Map<String, Value>,
}

impl Problem {
    /// What every type begins with.
    pub const PREFIX: &str = "/problems/";

    /// A problem of a type by its name (`energy_used_up`); the title is the name in words.
    #[must_use]
    pub fn new(name: &str, status: u16, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("{}{name}", Self::PREFIX),
            title: name.replace('_', " "),
            status,
            detail: detail.into(),
            extras: Map::new(),
        }
    }

    /// With a further member.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extras.insert(name.to_owned(), value.into());
        self
    }

    /// The type's name without its prefix.
    #[must_use]
    pub fn name(&self) -> &str {
        self.kind.strip_prefix(Self::PREFIX).unwrap_or(&self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_the_json_of_rfc_9457() {
        let problem = Problem::new("energy_used_up", 422, "91.5 kWh are left").with("remaining_mwh", 91_500_000);
        let json = serde_json::to_string(&problem).unwrap();
        assert_eq!(
            json,
            r#"{"type":"/problems/energy_used_up","title":"energy used up","status":422,"detail":"91.5 kWh are left","remaining_mwh":91500000}"#
        );
        assert_eq!(serde_json::from_str::<Problem>(&json).unwrap(), problem);
        assert_eq!(problem.name(), "energy_used_up");
    }
}
