//! The tables that are forwarded to a database server, as data: whoever adds one adds it here and to the migrations of
//! all three databases (`migrations/README.md` says how); a test compares them.

use super::database::Columns;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A signed integer of 64 bits.
    Integer,
    /// Text in UTF-8.
    Text,
    /// Bytes.
    Bytes,
}

/// What tells a table's rows apart on the server, where rows of several gateways may be together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    /// Columns of the table itself: a row that comes again replaces the one that is there.
    Columns(&'static [&'static str]),
    /// The local file's identity and the row's id in it (`spool`, `spool_id`).
    Spool,
}

/// A table that is forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) key: Key,
    /// All columns but `id`, in the order of the migrations.
    pub(crate) columns: &'static [(&'static str, Kind)],
}

use Kind::{Bytes, Integer, Text};

pub(crate) const OUTBOX: Table = Table {
    name: "outbox",
    key: Key::Columns(&["statement"]),
    columns: &[
        ("statement", Text),
        ("meter", Text),
        ("binding", Text),
        ("seq", Integer),
        ("start_ms", Integer),
        ("end_ms", Integer),
        ("bytes", Bytes),
        ("attachment", Bytes),
        ("state", Text),
        ("attempts", Integer),
        ("height", Integer),
        ("log_index", Integer),
    ],
};
pub(crate) const CHAINS: Table = Table {
    name: "chains",
    key: Key::Columns(&["meter"]),
    columns: &[
        ("meter", Text),
        ("binding", Text),
        ("next_seq", Integer),
        ("previous", Text),
        ("end_ms", Integer),
        ("import_mwh", Integer),
        ("export_mwh", Integer),
    ],
};
pub(crate) const READINGS: Table = Table {
    name: "readings",
    key: Key::Columns(&["meter", "time_ms"]),
    columns: &[
        ("meter", Text),
        ("time_ms", Integer),
        ("member_account", Text),
        ("operator_account", Text),
        ("profile", Text),
        ("voltage_mv", Integer),
        ("current_ua", Integer),
        ("active_power_mw", Integer),
        ("reactive_power_mvar", Integer),
        ("apparent_power_mva", Integer),
        ("power_factor_1e4", Integer),
        ("frequency_mhz", Integer),
        ("energy_import_mwh", Integer),
        ("energy_export_mwh", Integer),
        ("channels", Text),
        ("frames", Bytes),
        ("statement", Text),
    ],
};
pub(crate) const EVENTS: Table = Table {
    name: "events",
    key: Key::Spool,
    columns: &[
        ("time_ms", Integer),
        ("meter", Text),
        ("bus", Integer),
        ("kind", Text),
        ("detail", Text),
        ("raw", Bytes),
    ],
};
pub(crate) const JOURNAL: Table = Table {
    name: "journal",
    key: Key::Columns(&["meter", "time_ms", "number"]),
    columns: &[
        ("number", Integer),
        ("meter", Text),
        ("time_ms", Integer),
        ("deed", Text),
        ("cause", Text),
        ("who", Text),
        ("why", Text),
        ("request", Text),
        ("before_state", Text),
        ("after_state", Text),
        ("outcome", Text),
        ("reason", Text),
        ("ended_ms", Integer),
        ("statement", Text),
        ("bytes", Bytes),
        ("stated", Text),
        ("stated_reason", Text),
        ("height", Integer),
        ("log_index", Integer),
    ],
};

pub(crate) const ROLLUPS: Table = Table {
    name: "rollups",
    key: Key::Columns(&["meter", "level", "start_ms"]),
    columns: &[
        ("meter", Text),
        ("level", Integer),
        ("start_ms", Integer),
        ("end_ms", Integer),
        ("readings", Integer),
        ("voltage_readings", Integer),
        ("voltage_sum_mv", Integer),
        ("voltage_min_mv", Integer),
        ("voltage_max_mv", Integer),
        ("current_max_ua", Integer),
        ("power_readings", Integer),
        ("power_sum_mw", Integer),
        ("power_max_mw", Integer),
        ("energy_import_mwh", Integer),
        ("energy_export_mwh", Integer),
    ],
};

/// All of them. A batch is forwarded in this order, so that a reader finds a statement before the readings that name it.
pub(crate) const TABLES: &[Table] = &[OUTBOX, CHAINS, READINGS, ROLLUPS, JOURNAL, EVENTS];

impl Table {
    /// Its columns behind `id`.
    pub(super) const fn of(&self) -> Columns {
        Columns { table: self.name, columns: self.columns }
    }
}

#[cfg(test)]
mod tests;
