//! What was found damaged or changed in what a node stores, and what became of it.

use serde::{Deserialize, Serialize};
use units::Timestamp;
use utoipa::ToSchema;

/// One place where something stored was not what was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// The file and byte (`blocks-00000000.seg at byte 812`), or the table and row.
    pub place: String,
    /// What is wrong there, in words.
    pub what: String,
    /// What stands there now, where it is known and short.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub found: Option<String>,
    /// What belongs there, where it is known and short.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expected: Option<String>,
    /// The file with the damaged bytes as they were found.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub kept_in: Option<String>,
    /// When it was noticed.
    #[schema(value_type = u64)]
    pub noticed_ms: Timestamp,
    /// When and from where it was put right; nothing while it is not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub repaired: Option<Repaired>,
    /// What is gone for good, or may be, where something is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lost: Option<String>,
}

/// How a damaged place was put right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Repaired {
    /// When.
    #[schema(value_type = u64)]
    pub time_ms: Timestamp,
    /// From where: a peer's address, or what the node computed it from.
    pub from: String,
}

impl Finding {
    /// One line of a log of findings.
    #[must_use]
    pub fn to_line(&self) -> String {
        // Strings, numbers and nothing else: there is nothing that cannot be written.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads a line of a log of findings; `None` when it is none.
    #[must_use]
    pub fn from_line(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }
}

/// `GET /api/v1/findings`, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FindingsView {
    /// Those that are remembered.
    pub findings: Vec<Finding>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_back_and_others_are_none() {
        let noticed_ms = Timestamp::from_ms(5);
        let bare = Finding {
            place: "blocks-00000000.seg at byte 8".into(),
            what: "damaged".into(),
            found: None,
            expected: None,
            kept_in: None,
            noticed_ms,
            repaired: None,
            lost: None,
        };
        let full = Finding {
            repaired: Some(Repaired { time_ms: noticed_ms, from: "a peer".into() }),
            lost: Some("nothing".into()),
            ..bare.clone()
        };
        for finding in [bare, full] {
            assert_eq!(Finding::from_line(&finding.to_line()), Some(finding.clone()));
            assert!(!finding.to_line().contains('\n'));
        }
        assert_eq!(Finding::from_line("{"), None);
    }
}
