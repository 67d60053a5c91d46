//! What was found damaged or changed in what a node stores, and what became of it.

use serde::{Deserialize, Serialize};
use units::{Height, Timestamp};
use utoipa::ToSchema;

/// What was stored at a place where something was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// A block, or the genesis document.
    Block,
    /// A checkpoint of the log key.
    Checkpoint,
    /// A statement that waited for a block.
    Waiting,
    /// Evidence of signing twice.
    Evidence,
    /// The attachment of readings.
    Attachment,
    /// A row that is computed from the blocks.
    Row,
}

/// One place where something stored was not what was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// What was stored there.
    pub kind: FindingKind,
    /// The file and byte (`blocks-00000000.seg at byte 812`), or the table and row.
    pub place: String,
    /// What is wrong there, in words.
    pub what: String,
    /// The block that it belongs to, where that is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(value_type = Option<u64>)]
    pub height: Option<Height>,
    /// The value that was changed (`nonce`, or `statement 5f0c... voltage.max_mv`), where that is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub field: Option<String>,
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
    /// Nothing but where and what, noticed at a time.
    #[must_use]
    pub const fn new(kind: FindingKind, place: String, what: String, noticed: Timestamp) -> Self {
        Self {
            kind,
            place,
            what,
            height: None,
            field: None,
            found: None,
            expected: None,
            kept_in: None,
            noticed_ms: noticed,
            repaired: None,
            lost: None,
        }
    }

    /// Whether it was only noticed: nothing was set aside or put right yet.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.repaired.is_none() && self.kept_in.is_none()
    }

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

/// Findings at a glance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FindingsStatus {
    /// Findings that are remembered.
    pub count: u64,
    /// Those that were only noticed yet: nothing was set aside or put right.
    pub open: u64,
}

/// `GET /api/v1/findings`: all that are remembered, at most a thousand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FindingsView {
    /// How many are remembered.
    pub count: u64,
    /// How many of them were only noticed yet.
    pub open: u64,
    /// The newest first, as many as were asked for.
    pub findings: Vec<Finding>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_back_and_others_are_none() {
        let noticed = Timestamp::from_ms(5);
        let bare = Finding::new(FindingKind::Block, "blocks-00000000.seg at byte 8".into(), "damaged".into(), noticed);
        let full = Finding {
            height: Some(Height::from_number(3)),
            field: Some("nonce".into()),
            repaired: Some(Repaired { time_ms: noticed, from: "a peer".into() }),
            lost: Some("nothing".into()),
            ..bare.clone()
        };
        for (finding, is_open) in [(bare, true), (full, false)] {
            assert_eq!(Finding::from_line(&finding.to_line()), Some(finding.clone()));
            assert!(!finding.to_line().contains('\n'));
            assert_eq!(finding.is_open(), is_open);
        }
        assert_eq!(Finding::from_line("{"), None);
    }
}
