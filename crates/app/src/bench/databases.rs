//! Rows a second into a database server, through the gateway's forwarding, against that database's own client (`mariadb`,
//! `psql`) doing the same: the same rows, in statements of as many rows, replacing what is there, in transactions of the same size, into a table
//! with the same keys. And the same rows through the database's fastest way in, against which the ledger's own batches are held.

use super::table::Figure;
use super::{BenchError, Work, timed};
use gateway::core::ReadingRow;
use gateway::mirror::{BATCH_ENTRIES, Forwarding, Link};
use gateway::{DatabaseUrl, Store};
use ledger::attachment::{Exchange, Frame};
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use units::{AccountId, MeterId, Quantity, Reading, Timestamp};

/// Rows of a round: some seconds of a small server's work.
const ROWS: u64 = 20_000;
/// Figure and limit take turns, so that whatever else the machine does meets both.
const ROUNDS: u64 = 3;
/// Rows of one statement of the client.
const TOGETHER: usize = 500;
const AIM: &str = ">= 0.85";
const COLUMNS: &str = "meter, time_ms, member_account, operator_account, profile, voltage_mv, current_ua, active_power_mw, \
                       reactive_power_mvar, apparent_power_mva, power_factor_1e4, frequency_mhz, energy_import_mwh, \
                       energy_export_mwh, channels, frames, statement";

/// Of each database that was named; the others are not measured. `committed` is what the ledger's batches reach.
pub(super) fn figures(urls: &[DatabaseUrl], committed: Option<f64>, folder: &Path) -> Result<Vec<Figure>, BenchError> {
    let mut figures = Vec::new();
    for (name, is_it) in
        [("MariaDB", is_mysql as fn(&DatabaseUrl) -> bool), ("PostgreSQL", |url| url.is_server() && !is_mysql(url))]
    {
        let (rows, batches) = (format!("rows into {name}, forwarded"), format!("readings committed, against {name}"));
        let measured = match urls.iter().find(|url| is_it(url)) {
            Some(url) => measure(url, &folder.join(name))?,
            None => None,
        };
        let Some((forwarded, client, bulk)) = measured else {
            figures.push(Figure::not_measured(rows, "/s", AIM));
            figures.push(Figure::not_measured(batches, "/s", ">= 5"));
            continue;
        };
        let (own, fastest) = if is_mysql_name(name) {
            ("mariadb, the same INSERTs", "mariadb, LOAD DATA of the same rows")
        } else {
            ("psql, the same INSERTs", "psql, COPY of the same rows")
        };
        figures.push(Figure::rate(rows, "/s", forwarded.per_second(), AIM).against(own, client.per_second()));
        if let Some(committed) = committed {
            figures.push(Figure::rate(batches, "/s", committed, ">= 5").against(fastest, bulk.per_second()));
        }
    }
    Ok(figures)
}

fn is_mysql(url: &DatabaseUrl) -> bool {
    matches!(url, DatabaseUrl::MySql(_))
}

fn is_mysql_name(name: &str) -> bool {
    name == "MariaDB"
}

/// Forwarding, the client's INSERTs, the client's fastest way; `None` when the client is not installed.
fn measure(url: &DatabaseUrl, folder: &Path) -> Result<Option<(Work, Work, Work)>, BenchError> {
    std::fs::create_dir_all(folder)?;
    let client = Client::new(url)?;
    if !client.is_installed() {
        return Ok(None);
    }
    let runtime = tokio::runtime::Runtime::new()?;
    let (mut forwarded, mut inserted, mut bulk) = (Work::default(), Work::default(), Work::default());
    for round in 0..ROUNDS {
        let file = format!("sqlite://{}", folder.join(format!("spool-{round}.db")).display());
        let rows = rows("bench-forwarded", round)?;
        let (store, link) = runtime
            .block_on(async {
                let store = Store::open(&file).await?;
                store.log_changes().await?;
                for together in rows.chunks(TOGETHER) {
                    store.store_readings(together).await?;
                }
                Ok::<_, gateway::StoreError>((store, Link::connect(url).await?))
            })
            .map_err(BenchError::database)?;
        forwarded
            .add(timed(|| runtime.block_on(forward_all(&store, link)).map(|()| ROWS)).map_err(BenchError::database)?);
        runtime.block_on(store.close());
        let sql = folder.join("inserts.sql");
        std::fs::write(&sql, client.inserts(&self::rows("bench-client", round)?))?;
        inserted.add(timed(|| client.run(&sql).map(|()| ROWS))?);
        let (sql, data) = (folder.join("bulk.sql"), folder.join("bulk.tsv"));
        std::fs::write(&data, client.table(&self::rows("bench-bulk", round)?))?;
        std::fs::write(&sql, client.bulk(&data))?;
        bulk.add(timed(|| client.run(&sql).map(|()| ROWS))?);
    }
    let sql = folder.join("clean.sql");
    std::fs::write(&sql, "DELETE FROM readings WHERE meter LIKE 'bench-%';\n")?;
    client.run(&sql)?;
    Ok(Some((forwarded, inserted, bulk)))
}

async fn forward_all(store: &Store, mut link: Link) -> Result<(), gateway::StoreError> {
    let spool = store.mirror_state().await?.spool;
    let position = link.position(&spool).await?;
    let mut forwarding = Forwarding::new(spool, position);
    while forwarding.forward(store, &mut link).await? {}
    Ok(())
}

/// Readings as a gateway stores them: nine quantities, two accounts, the raw frames of an exchange.
fn rows(meter: &str, round: u64) -> Result<Vec<ReadingRow>, BenchError> {
    let meter: MeterId = meter.parse().map_err(BenchError::ledger)?;
    let (member, operator) = (AccountId::from_bytes([1; 32]), AccountId::from_bytes([2; 32]));
    let row = |number: u64| {
        let time = Timestamp::from_ms(1_785_513_600_000 + number * 1_000);
        let value = i64::try_from(number).map_err(BenchError::ledger)?;
        let mut reading = Reading::new();
        for (at, quantity) in (1..).zip(Quantity::ALL) {
            reading.insert(quantity, value * at);
        }
        let response = (0..32).map(|at| u8::try_from((number + at) % 256).unwrap_or_default()).collect();
        let frame = Frame { time, exchanges: vec![Exchange { request: vec![1, 3, 0, 72, 0, 6, 69, 222], response }] };
        Ok(ReadingRow {
            meter: meter.clone(),
            member,
            operator,
            profile: "im1281b".to_owned(),
            time,
            reading,
            frame: Arc::new(frame),
        })
    };
    (round * ROWS..(round + 1) * ROWS).map(row).collect()
}

/// The database's own client.
struct Client {
    is_mysql: bool,
    program: &'static str,
    arguments: Vec<String>,
    password: Option<(&'static str, String)>,
}

impl Client {
    fn new(url: &DatabaseUrl) -> Result<Self, BenchError> {
        if !is_mysql(url) {
            let arguments = ["-X", "-q", "-v", "ON_ERROR_STOP=1", url.as_str(), "-f"].map(str::to_owned).into();
            return Ok(Self { is_mysql: false, program: "psql", arguments, password: None });
        }
        let wrong =
            || BenchError::Database("a URL such as mysql://USER:PASSWORD@HOST:PORT/DATABASE is needed".to_owned());
        let rest = url.as_str().strip_prefix("mysql://").ok_or_else(wrong)?;
        let (place, database) = rest.split_once('/').ok_or_else(wrong)?;
        let (user, host) = place.rsplit_once('@').ok_or_else(wrong)?;
        let (user, password) = user.split_once(':').unwrap_or((user, ""));
        let (host, port) = host.split_once(':').unwrap_or((host, "3306"));
        let words = ["--no-defaults", "--local-infile=1", "-h", host, "-P", port, "-u", user, database];
        let arguments = words.map(str::to_owned).into();
        Ok(Self { is_mysql: true, program: "mariadb", arguments, password: Some(("MYSQL_PWD", unescaped(password))) })
    }

    fn is_installed(&self) -> bool {
        Command::new(self.program).arg("--version").stdout(Stdio::null()).status().is_ok()
    }

    fn run(&self, sql: &Path) -> Result<(), BenchError> {
        let mut command = Command::new(self.program);
        command.args(&self.arguments).envs(self.password.clone());
        if self.is_mysql {
            command.stdin(std::fs::File::open(sql)?);
        } else {
            command.arg(sql);
        }
        let output = command.output()?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(BenchError::Database(format!("{}: {}", self.program, said.lines().next().unwrap_or_default())))
    }

    fn inserts(&self, rows: &[ReadingRow]) -> String {
        let key = ["meter", "time_ms"];
        let replaced: Vec<String> = COLUMNS
            .split(", ")
            .filter(|column| !key.contains(column))
            .map(|column| {
                if self.is_mysql {
                    format!("{column} = VALUES({column})")
                } else {
                    format!("{column} = EXCLUDED.{column}")
                }
            })
            .collect();
        let on = if self.is_mysql { "ON DUPLICATE KEY UPDATE" } else { "ON CONFLICT (meter, time_ms) DO UPDATE SET" };
        let tail = format!("\n{on} {};\n", replaced.join(", "));
        let mut sql = String::new();
        for batch in rows.chunks(BATCH_ENTRIES) {
            sql += "BEGIN;\n";
            for together in batch.chunks(TOGETHER) {
                let rows: Vec<String> =
                    together.iter().map(|row| format!("({})", self.values(row).join(", "))).collect();
                sql += &format!("INSERT INTO readings ({COLUMNS}) VALUES\n{}{tail}", rows.join(",\n"));
            }
            sql += "COMMIT;\n";
        }
        sql
    }

    fn values(&self, row: &ReadingRow) -> Vec<String> {
        let mut values = vec![format!("'{}'", row.meter), row.time.ms().to_string()];
        values.extend([row.member, row.operator].map(|account| format!("'{account}'")));
        values.push(format!("'{}'", row.profile));
        let null = || "NULL".to_owned();
        values.extend(
            Quantity::ALL.map(|quantity| row.reading.get(quantity).map_or_else(null, |value| value.to_string())),
        );
        let frames = hex(&ledger::cbor::encode(&*row.frame));
        let frames = if self.is_mysql { format!("X'{frames}'") } else { format!("'\\x{frames}'") };
        values.extend([null(), frames, null()]);
        values
    }

    /// Tab-separated, as both read it.
    fn table(&self, rows: &[ReadingRow]) -> String {
        let mut text = String::new();
        for row in rows {
            let mut values = vec![row.meter.to_string(), row.time.ms().to_string()];
            values.extend([row.member.to_string(), row.operator.to_string(), row.profile.clone()]);
            let null = || "\\N".to_owned();
            values.extend(
                Quantity::ALL.map(|quantity| row.reading.get(quantity).map_or_else(null, |value| value.to_string())),
            );
            let frames = hex(&ledger::cbor::encode(&*row.frame));
            let frames = if self.is_mysql { frames } else { format!("\\\\x{frames}") };
            values.extend([null(), frames, null()]);
            text += &values.join("\t");
            text.push('\n');
        }
        text
    }

    fn bulk(&self, data: &Path) -> String {
        let data = data.display();
        if self.is_mysql {
            let columns = COLUMNS.replace("frames", "@frames");
            format!("LOAD DATA LOCAL INFILE '{data}' INTO TABLE readings ({columns}) SET frames = UNHEX(@frames);\n")
        } else {
            format!("\\copy readings ({COLUMNS}) FROM '{data}'\n")
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string does not fail.
        let _written = write!(text, "{byte:02x}");
    }
    text
}

/// `%40` as `@`.
fn unescaped(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend(&part.as_bytes()[2..]);
            }
            None => {
                bytes.push(b'%');
                bytes.extend(part.as_bytes());
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
