//! Where the gateway keeps what it reads, and for how long.

use super::{ConfigError, below};
use crate::shell::Storage;
use crate::store::{DatabaseUrl, Retention};
use serde::Deserialize;
use std::path::Path;

/// Name of the local file when `database` is a server.
const SPOOL: &str = "gateway-spool.db";
/// Days that the local file keeps what the server has.
const SPOOL_DAYS: u32 = 30;
/// Changes that may wait for the server: about a gigabyte, and three weeks of a reading a second.
const SPOOL_ROWS_MAX: u64 = 2_000_000;
/// Below this a server could not even be restarted.
const SPOOL_ROWS_MIN: u64 = 10_000;
/// A hundred years.
const DAYS_MAX: u32 = 36_525;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RetentionText {
    readings_days: Option<u32>,
    readings_max: Option<u64>,
    minutes_days: Option<u32>,
    quarter_hours_days: Option<u32>,
}

/// The keys as they were written.
pub(super) struct DatabaseText<'a> {
    pub(super) database: &'a str,
    pub(super) spool: Option<&'a str>,
    pub(super) spool_days: Option<u32>,
    pub(super) spool_rows_max: Option<u64>,
    pub(super) retention: RetentionText,
}

impl DatabaseText<'_> {
    /// The local file's URL, and what else is kept where.
    pub(super) fn check(self, folder: &Path) -> Result<(String, Storage), ConfigError> {
        let wrong = |reason: &str| ConfigError::Database(reason.to_owned());
        let url: DatabaseUrl = self.database.parse().map_err(|error: crate::StoreError| wrong(&error.to_string()))?;
        let retention = self.retention.check()?;
        if !url.is_server() {
            for (key, is_given) in [
                ("spool", self.spool.is_some()),
                ("spool_days", self.spool_days.is_some()),
                ("spool_rows_max", self.spool_rows_max.is_some()),
            ] {
                if is_given {
                    return Err(wrong(&format!(
                        "`{key}` is for a database server; take it out, since `database` is a file"
                    )));
                }
            }
            let storage = Storage { retention, ..Storage::default() };
            return Ok((below(folder, url.as_str()), storage));
        }
        let spool = self.spool.unwrap_or(SPOOL);
        if spool.contains("://") {
            return Err(wrong("`spool` is a file's name, such as gateway-spool.db"));
        }
        let (days, rows_max) = (self.spool_days.unwrap_or(SPOOL_DAYS), self.spool_rows_max.unwrap_or(SPOOL_ROWS_MAX));
        check_days("spool_days", Some(days))?;
        if rows_max < SPOOL_ROWS_MIN {
            return Err(wrong(&format!("spool_rows_max = {rows_max}: it must be {SPOOL_ROWS_MIN} or more")));
        }
        let storage = Storage { server: Some(url), spool_days: days, spool_rows_max: rows_max, retention };
        Ok((below(folder, &format!("sqlite://{spool}")), storage))
    }
}

impl RetentionText {
    fn check(self) -> Result<Retention, ConfigError> {
        let Self { readings_days, readings_max, minutes_days, quarter_hours_days } = self;
        check_days("readings_days", readings_days)?;
        check_days("minutes_days", minutes_days)?;
        check_days("quarter_hours_days", quarter_hours_days)?;
        let wrong = |reason: &str| Err(ConfigError::Database(reason.to_owned()));
        let forever = |days: Option<u32>| days.unwrap_or(u32::MAX);
        if forever(readings_days) > forever(minutes_days) {
            return wrong("minutes_days must not be less than readings_days: minutes are made of readings");
        }
        if forever(minutes_days) > forever(quarter_hours_days) {
            return wrong("quarter_hours_days must not be less than minutes_days: they are made of minutes");
        }
        if readings_max.is_some_and(|most| most < SPOOL_ROWS_MIN) {
            return wrong(&format!("readings_max must be {SPOOL_ROWS_MIN} or more, or left out"));
        }
        Ok(Retention { readings_days, readings_max, minutes_days, quarter_hours_days })
    }
}

fn check_days(key: &str, days: Option<u32>) -> Result<(), ConfigError> {
    match days {
        Some(days) if !(1..=DAYS_MAX).contains(&days) => {
            Err(ConfigError::Database(format!("{key} = {days}: it must be 1 to {DAYS_MAX}, or left out to keep all")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(String, Storage), String> {
        #[derive(Deserialize)]
        struct Text {
            database: String,
            spool: Option<String>,
            spool_days: Option<u32>,
            spool_rows_max: Option<u64>,
            #[serde(default)]
            retention: RetentionText,
        }
        let text: Text = toml::from_str(text).unwrap();
        let text = DatabaseText {
            database: &text.database,
            spool: text.spool.as_deref(),
            spool_days: text.spool_days,
            spool_rows_max: text.spool_rows_max,
            retention: text.retention,
        };
        text.check(Path::new("/etc/wattproof")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_server_gets_a_local_file_beside_the_configuration() {
        let (file, storage) = check("database = \"mysql://me:pw@db/meters\"").unwrap();
        assert_eq!(file, "sqlite:///etc/wattproof/gateway-spool.db");
        assert_eq!(storage.server.unwrap().as_str(), "mysql://me:pw@db/meters");
        assert_eq!((storage.spool_days, storage.spool_rows_max), (30, 2_000_000));
        let (file, storage) = check("database = \"sqlite://gateway.db\"\n[retention]\nreadings_days = 400").unwrap();
        assert_eq!((file.as_str(), storage.server), ("sqlite:///etc/wattproof/gateway.db", None));
        assert_eq!(storage.retention.readings_days, Some(400));
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_to_do() {
        for (text, said) in [
            (
                "database = \"gateway.db\"",
                "`gateway.db` is not a database that this version knows; write sqlite://FILE",
            ),
            ("database = \"mysql://me:pw@db\"", "`mysql://me@db` names no database"),
            ("database = \"sqlite://a.db\"\nspool = \"b.db\"", "`spool` is for a database server"),
            ("database = \"mysql://db/m\"\nspool = \"sqlite://b.db\"", "`spool` is a file's name"),
            ("database = \"mysql://db/m\"\nspool_days = 0", "spool_days = 0: it must be 1 to 36525"),
            ("database = \"mysql://db/m\"\nspool_rows_max = 5", "spool_rows_max = 5: it must be 10000 or more"),
            ("database = \"sqlite://a.db\"\n[retention]\nminutes_days = 3", "minutes_days must not be less"),
            (
                "database = \"sqlite://a.db\"\n[retention]\nreadings_days = 9\nminutes_days = 9\nquarter_hours_days = 8",
                "quarter_hours_days must not be less",
            ),
        ] {
            let error = check(text).unwrap_err();
            assert!(error.starts_with(said) && !error.contains("pw"), "{error}");
        }
    }
}
