//! Where a database is: `sqlite://FILE`, `mysql://user:password@host/database` (MariaDB too), `postgres://...`.

use super::StoreError;
use std::fmt;
use std::str::FromStr;

/// A database's URL. Printing it leaves the password out.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// A file.
    Sqlite(String),
    /// MariaDB or MySQL.
    MySql(String),
    /// PostgreSQL.
    Postgres(String),
}

impl DatabaseUrl {
    /// As it was written, password and all.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Sqlite(url) | Self::MySql(url) | Self::Postgres(url) => url,
        }
    }

    /// Whether it is a server, and not a file.
    #[must_use]
    pub const fn is_server(&self) -> bool {
        !matches!(self, Self::Sqlite(_))
    }
}

impl FromStr for DatabaseUrl {
    type Err = StoreError;

    fn from_str(url: &str) -> Result<Self, StoreError> {
        let wrong = || StoreError::Url(without_password(url));
        let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
        match scheme {
            "sqlite" => Ok(Self::Sqlite(url.to_owned())),
            "mysql" | "mariadb" if names_database(rest) => Ok(Self::MySql(format!("mysql://{rest}"))),
            "postgres" | "postgresql" if names_database(rest) => Ok(Self::Postgres(format!("postgres://{rest}"))),
            "mysql" | "mariadb" | "postgres" | "postgresql" => Err(StoreError::NoDatabaseName(without_password(url))),
            _ => Err(wrong()),
        }
    }
}

/// Whether a path that is not empty follows the host.
fn names_database(rest: &str) -> bool {
    let path = rest.split('?').next().and_then(|rest| rest.split_once('/'));
    path.is_some_and(|(_, name)| !name.is_empty())
}

/// The URL with what stands between the first colon and the last `@` of its host part hidden.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.split('@').next_back().unwrap_or(url).to_owned();
    };
    let Some((user, host)) = rest.rsplit_once('@') else { return without_parameters(url) };
    let user = user.split(':').next().unwrap_or_default();
    without_parameters(&format!("{scheme}://{user}@{host}"))
}

/// Parameters may hold a password too.
fn without_parameters(url: &str) -> String {
    url.split('?').next().unwrap_or_default().to_owned()
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_password(self.as_str()))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_password() {
        for (url, shown) in [
            ("sqlite:///var/lib/gateway.db", "sqlite:///var/lib/gateway.db"),
            ("mysql://meters:s3cret@db.example:3306/meters", "mysql://meters@db.example:3306/meters"),
            ("mariadb://meters:p@ss:w@db/meters", "mysql://meters@db/meters"),
            ("postgresql://meters:s3cret@db/meters?password=s3cret", "postgres://meters@db/meters"),
            ("postgres://db/meters", "postgres://db/meters"),
        ] {
            let parsed: DatabaseUrl = url.parse().unwrap();
            assert_eq!((parsed.to_string(), format!("{parsed:?}")), (shown.to_owned(), shown.to_owned()));
        }
    }

    #[test]
    fn what_is_no_database_is_refused_without_its_password() {
        for (url, said) in [
            ("oracle://me:s3cret@db/meters", "`oracle://me@db/meters` is not a database"),
            ("me:s3cret@db", "`db` is not a database"),
            ("mysql://me:s3cret@db", "`mysql://me@db` names no database"),
            ("postgres://me:s3cret@db/", "`postgres://me@db/` names no database"),
        ] {
            let error = url.parse::<DatabaseUrl>().unwrap_err().to_string();
            assert!(error.starts_with(said) && !error.contains("s3cret"), "{error}");
        }
    }
}
