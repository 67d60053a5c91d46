//! The gateway's configuration file, checked as a whole before anything runs. `example.toml` documents every key.

mod database;
mod mqtt;
mod place;
mod protection;

use crate::core::{BusSettings, MeterSettings, Protection};
use crate::shell::Storage;
use meter::strict_toml::{self, TomlError};
use meter::{Address, Device, Framing, MODBUS_ADDRESS_MAX, Parity, Profile, ProfileError};
pub use mqtt::{Language, MqttConfig, MqttConfigError};
pub use protection::RULES_MAX;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml::Spanned;
use units::{AccountId, IdError, MeterId, Millis, Quantity};

/// A whole configuration with every key explained; what `wattproof init` writes is made from it.
pub const EXAMPLE: &str = include_str!("../example.toml");
/// Buses of a gateway: each has a task and a port; a Raspberry Pi has fewer USB ports.
pub const BUSES_MAX: usize = 32;
/// Longest time between two polls: an hour. A meter asked less often gives intervals without a reading.
pub const POLL_SECONDS_MAX: u64 = 3_600;
/// Longest pause for one meter, in milliseconds: a slow radio link and a sleepy meter, not a bus that stands still.
pub const PAUSE_MS_MAX: u64 = 10_000;
/// Largest profile file: ten times the largest shipped one.
pub const PROFILE_BYTES_MAX: u64 = 64 * 1024;

const MINUTES_OF_A_DAY: u64 = 24 * 60;

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {error}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// What follows, with where it stands.
    #[error("line {line}: {error}")]
    At {
        /// Its line, from 1.
        line: usize,
        /// What is wrong.
        error: Box<ConfigError>,
    },
    /// Not TOML, a key missing, or a key misspelt.
    #[error(transparent)]
    Toml(#[from] TomlError),
    /// The interval does not divide a day.
    #[error("interval_minutes = {0}: it must divide a day (1440 minutes), such as 15, 30 or 60")]
    Interval(u64),
    /// No bus, or too many.
    #[error("{0} [[bus]] blocks; a gateway has 1 to {BUSES_MAX}")]
    BusCount(usize),
    /// Not exactly one port.
    #[error("bus `{0}`: give either `serial` or `tcp`")]
    Port(String),
    /// A serial bus without its rate, or a TCP one with it.
    #[error("bus `{bus}`: {reason}")]
    Line {
        /// The bus.
        bus: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// A bus without meters.
    #[error("bus `{0}` has no [[bus.meter]]")]
    NoMeters(String),
    /// Not a meter number or account id.
    #[error(transparent)]
    Id(#[from] IdError),
    /// A meter number that stands twice.
    #[error("meter {0} is configured twice")]
    MeterTwice(MeterId),
    /// Two meters of one bus at one address.
    #[error("bus `{bus}`, meter {meter}: address {address} is another meter's of that bus; both would answer at once")]
    AddressTwice {
        /// The bus.
        bus: String,
        /// The meter.
        meter: MeterId,
        /// The address.
        address: Address,
    },
    /// An address of another protocol.
    #[error(
        "meter {meter}: profile `{profile}` cannot be asked at address {address} on a line with framing \"{framing}\"; \
         Modbus models have addresses 1 to {MODBUS_ADDRESS_MAX}, DL/T 645 ones twelve digits and framing \"dlt645\""
    )]
    Protocol {
        /// The meter.
        meter: MeterId,
        /// Its profile.
        profile: String,
        /// Its address.
        address: Address,
        /// The bus's framing.
        framing: &'static str,
    },
    /// A meter asked without a pause, or too rarely.
    #[error("meter {meter}: poll_seconds = {seconds}; a meter is asked every 1 to {POLL_SECONDS_MAX} seconds")]
    PollSeconds {
        /// The meter.
        meter: MeterId,
        /// As written.
        seconds: u64,
    },
    /// Pauses that would hold up the whole bus.
    #[error(
        "meter {meter}: gap_ms = {gap_ms}, timeout_ms = {timeout_ms}; a gap is 0 to {PAUSE_MS_MAX}, a timeout 1 to {PAUSE_MS_MAX}"
    )]
    Pauses {
        /// The meter.
        meter: MeterId,
        /// Its gap.
        gap_ms: u64,
        /// Its timeout.
        timeout_ms: u64,
    },
    /// No such profile.
    #[error("meter {meter}: there is no profile `{profile}`; did you mean `{nearest}`?")]
    UnknownProfile {
        /// The meter.
        meter: MeterId,
        /// As written.
        profile: String,
        /// The nearest name.
        nearest: String,
    },
    /// A profile of one's own that does not load.
    #[error("{}: {error}", .path.display())]
    Profile {
        /// The file.
        path: PathBuf,
        /// Why.
        error: ProfileError,
    },
    /// The section `[mqtt]`.
    #[error(transparent)]
    Mqtt(#[from] MqttConfigError),
    /// A profile that gives nothing to bill by.
    #[error("meter {meter}: profile `{profile}` has no register energy_import_mwh, so nothing could be booked")]
    NoCounter {
        /// The meter.
        meter: MeterId,
        /// The profile.
        profile: String,
    },
    /// What a relay may do is not possible.
    #[error("{}{reason}", of_meter(.meter.as_ref()))]
    Loads {
        /// Of which meter, if of one.
        meter: Option<MeterId>,
        /// What is wrong, and what to write.
        reason: String,
    },
    /// A protection rule that could not act as it says.
    #[error("line {line}: rule `{rule}`: {reason}")]
    Rule {
        /// Where its block begins.
        line: usize,
        /// Its name.
        rule: String,
        /// What is wrong, and what to write.
        reason: String,
    },
    /// The database, or what is kept in it.
    #[error("{0}")]
    Database(String),
    /// A token that guards nothing.
    #[error("`control_token_file` without `http`: nobody could use the token; give `http` too, or take it out")]
    TokenWithoutHttp,
}

fn of_meter(meter: Option<&MeterId>) -> String {
    meter.map_or_else(String::new, |meter| format!("meter {meter}: "))
}

/// Where a bus is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Port {
    /// A serial device, 8 data bits, 1 stop bit.
    Serial {
        /// The device.
        path: String,
        /// Bits in a second.
        baud: u32,
        /// Its parity.
        parity: Parity,
    },
    /// A TCP port.
    Tcp(SocketAddr),
}

/// A bus: its port, how frames are told apart, and its meters.
#[derive(Debug, Clone)]
pub struct BusConfig {
    /// What pages and messages call it.
    pub name: String,
    /// Where it is.
    pub port: Port,
    /// Framing and meters.
    pub settings: BusSettings,
}

/// A configuration that was checked. Programs that need no file fill it in themselves.
#[derive(Debug, Clone)]
pub struct Config {
    /// The URL of the local file that the gateway works on.
    pub database: String,
    /// The server that it is forwarded to, and how long what is kept.
    pub storage: Storage,
    /// The node's address.
    pub node: String,
    /// The ledger's genesis document; read by the program.
    pub genesis_file: PathBuf,
    /// The signing key; read by the program.
    pub key_file: PathBuf,
    /// Length of an interval.
    pub interval: Millis,
    /// The buses.
    pub buses: Vec<BusConfig>,
    /// The folder of one's own profiles.
    pub profiles: Option<PathBuf>,
    /// The broker that readings are published to.
    pub mqtt: Option<MqttConfig>,
    /// Protection rules, and what relays may do.
    pub protection: Protection,
    /// Where the gateway serves its own page and interface; nowhere without.
    pub http: Option<SocketAddr>,
    /// The file with a token that lets a program switch from another computer; read by the program.
    pub control_token_file: Option<PathBuf>,
    /// The file with the node's token, where the node runs on another computer and keeps accounts to their members.
    pub node_token_file: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigText {
    database: String,
    spool: Option<String>,
    spool_days: Option<u32>,
    spool_rows_max: Option<u64>,
    #[serde(default)]
    retention: database::RetentionText,
    node: String,
    genesis_file: PathBuf,
    key_file: PathBuf,
    interval_minutes: u64,
    profiles: Option<PathBuf>,
    mqtt: Option<mqtt::MqttText>,
    http: Option<SocketAddr>,
    control_token_file: Option<PathBuf>,
    node_token_file: Option<PathBuf>,
    #[serde(default)]
    loads: protection::LoadsText,
    #[serde(default, rename = "rule")]
    rules: Vec<Spanned<protection::RuleText>>,
    #[serde(default, rename = "bus")]
    buses: Vec<BusText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BusText {
    name: String,
    serial: Option<String>,
    tcp: Option<SocketAddr>,
    baud: Option<u32>,
    parity: Option<Parity>,
    framing: Option<FramingText>,
    #[serde(default, rename = "meter")]
    meters: Vec<MeterText>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FramingText {
    Rtu,
    Tcp,
    Dlt645,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MeterText {
    number: String,
    address: Address,
    profile: String,
    poll_seconds: u64,
    gap_ms: Option<u64>,
    timeout_ms: Option<u64>,
    member: String,
    load: Option<protection::LoadText>,
}

/// Baud rate by which the silence between frames is reckoned behind a converter whose own rate is not known.
const CONVERTER_BAUD: u32 = 9_600;

impl Config {
    /// Reads and checks a configuration file.
    ///
    /// # Errors
    /// The first thing found wrong, worded for whoever wrote the file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Read { path: path.to_owned(), error })?;
        Self::from_toml(&text, path.parent().unwrap_or(Path::new("")))
    }

    /// Checks a configuration; relative paths begin at `folder`.
    ///
    /// # Errors
    /// The first thing found wrong.
    pub fn from_toml(source: &str, folder: &Path) -> Result<Self, ConfigError> {
        Self::check(source, folder).map_err(|error| match place::line_of(source, &error) {
            Some(line) => ConfigError::At { line, error: Box::new(error) },
            None => error,
        })
    }

    fn check(source: &str, folder: &Path) -> Result<Self, ConfigError> {
        let mut text: ConfigText = strict_toml::from_str(source)?;
        if text.interval_minutes == 0 || !MINUTES_OF_A_DAY.is_multiple_of(text.interval_minutes) {
            return Err(ConfigError::Interval(text.interval_minutes));
        }
        if text.buses.is_empty() || text.buses.len() > BUSES_MAX {
            return Err(ConfigError::BusCount(text.buses.len()));
        }
        if text.control_token_file.is_some() && text.http.is_none() {
            return Err(ConfigError::TokenWithoutHttp);
        }
        let limits = text.buses.iter_mut().flat_map(|bus| &mut bus.meters);
        let limits = limits.filter_map(|meter| Some((meter.number.clone(), meter.load.take()?)));
        let limits: Vec<(String, protection::LoadText)> = limits.collect();
        let profiles = text.profiles.map(|path| folder.join(path));
        let mut numbers = BTreeSet::new();
        let buses = text.buses.into_iter().map(|bus| bus.check(profiles.as_deref(), &mut numbers));
        let buses = buses.collect::<Result<Vec<_>, _>>()?;
        let limits = limits.into_iter().map(|(number, load)| Ok((number.parse()?, load)));
        let limits = limits.collect::<Result<_, ConfigError>>()?;
        let protection = protection::check(source, text.loads, limits, text.rules, &buses)?;
        let database = database::DatabaseText {
            database: &text.database,
            spool: text.spool.as_deref(),
            spool_days: text.spool_days,
            spool_rows_max: text.spool_rows_max,
            retention: text.retention,
        };
        let (database, storage) = database.check(folder)?;
        Ok(Self {
            database,
            storage,
            node: text.node,
            genesis_file: folder.join(text.genesis_file),
            key_file: folder.join(text.key_file),
            interval: Millis::from_minutes(text.interval_minutes),
            buses,
            profiles,
            mqtt: text.mqtt.map(|mqtt| mqtt.check(folder)).transpose()?,
            protection,
            http: text.http,
            control_token_file: text.control_token_file.map(|path| folder.join(path)),
            node_token_file: text.node_token_file.map(|path| folder.join(path)),
        })
    }

    /// The URL of the database that people look into: the server if there is one, else the local file.
    #[must_use]
    pub fn database_url(&self) -> &str {
        self.storage.server.as_ref().map_or(&self.database, |server| server.as_str())
    }
}

/// A database file's path begins at the configuration's folder.
fn below(folder: &Path, url: &str) -> String {
    match url.strip_prefix("sqlite://") {
        Some(file) if !file.starts_with('/') && !file.starts_with(':') => {
            format!("sqlite://{}", folder.join(file).display())
        }
        _ => url.to_owned(),
    }
}

impl BusText {
    fn check(self, profiles: Option<&Path>, numbers: &mut BTreeSet<MeterId>) -> Result<BusConfig, ConfigError> {
        let (port, framing) = self.line()?;
        if self.meters.is_empty() {
            return Err(ConfigError::NoMeters(self.name));
        }
        let mut addresses: BTreeMap<Address, BTreeSet<Option<String>>> = BTreeMap::new();
        let mut meters = Vec::new();
        for text in self.meters {
            let meter = text.check(profiles)?;
            let Device { meter: number, address, profile, .. } = &meter.device;
            if !numbers.insert(number.clone()) {
                return Err(ConfigError::MeterTwice(number.clone()));
            }
            if !profile.protocol().has(*address) || !profile.protocol().fits(framing) {
                let (meter, profile, address) = (number.clone(), meter.profile.clone(), *address);
                return Err(ConfigError::Protocol { meter, profile, address, framing: framing.name() });
            }
            // Channels of one device share its address; a whole device shares it with nobody.
            let channel = meter.profile.split_once(':').map(|(_, channel)| channel.to_owned());
            let taken = addresses.entry(*address).or_default();
            let is_shared = taken.is_empty() || (channel.is_some() && !taken.contains(&None));
            if !is_shared || !taken.insert(channel) {
                let (bus, meter, address) = (self.name, number.clone(), *address);
                return Err(ConfigError::AddressTwice { bus, meter, address });
            }
            meters.push(meter);
        }
        Ok(BusConfig { name: self.name, port, settings: BusSettings { framing, meters } })
    }

    /// Port and framing; what is not said is what most meters of that framing have.
    fn line(&self) -> Result<(Port, Framing), ConfigError> {
        let wrong = |reason| Err(ConfigError::Line { bus: self.name.clone(), reason });
        let serial_framing = |baud| match self.framing {
            Some(FramingText::Dlt645) => Framing::Dlt645 { baud },
            _ => Framing::Rtu { baud },
        };
        match (&self.serial, self.tcp, self.baud, self.framing) {
            (Some(_), None, None | Some(0), _) => wrong("a serial port needs its `baud` rate"),
            (Some(_), None, _, Some(FramingText::Tcp)) => {
                wrong("`framing = \"tcp\"` is for `tcp`; a serial line has \"rtu\" or \"dlt645\"")
            }
            (Some(path), None, Some(baud), _) => {
                let framing = serial_framing(baud);
                let parity = self.parity.unwrap_or(framing.parity());
                Ok((Port::Serial { path: path.clone(), baud, parity }, framing))
            }
            (None, Some(_), ..) if self.parity.is_some() => wrong("`parity` is for `serial`; set it in the converter"),
            (None, Some(_), _, None) => wrong("`tcp` needs `framing`: \"rtu\", \"tcp\" or \"dlt645\""),
            (None, Some(_), Some(0), _) => wrong("a `baud` rate is above zero"),
            (None, Some(_), Some(_), Some(FramingText::Tcp)) => wrong("Modbus TCP has no `baud` rate"),
            (None, Some(address), None, Some(FramingText::Tcp)) => Ok((Port::Tcp(address), Framing::Tcp)),
            (None, Some(address), baud, Some(_)) => {
                Ok((Port::Tcp(address), serial_framing(baud.unwrap_or(CONVERTER_BAUD))))
            }
            (Some(_), Some(_), ..) | (None, None, ..) => Err(ConfigError::Port(self.name.clone())),
        }
    }
}

impl MeterText {
    fn check(self, profiles: Option<&Path>) -> Result<MeterSettings, ConfigError> {
        let (meter, member): (MeterId, AccountId) = (self.number.parse()?, self.member.parse()?);
        if !(1..=POLL_SECONDS_MAX).contains(&self.poll_seconds) {
            return Err(ConfigError::PollSeconds { meter, seconds: self.poll_seconds });
        }
        let profile = load_profile(&self.profile, profiles)?;
        let Some(profile) = profile else {
            let names = Profile::shipped_names();
            let nearest = strict_toml::nearest(&self.profile, names.into_iter()).unwrap_or_default().to_owned();
            return Err(ConfigError::UnknownProfile { meter, profile: self.profile, nearest });
        };
        if profile.limits(Quantity::EnergyImport).is_none() {
            return Err(ConfigError::NoCounter { meter, profile: self.profile });
        }
        let poll_every = Millis::from_seconds(self.poll_seconds);
        let (gap_ms, timeout_ms) = (self.gap_ms.unwrap_or_default(), self.timeout_ms.unwrap_or(1));
        if gap_ms > PAUSE_MS_MAX || !(1..=PAUSE_MS_MAX).contains(&timeout_ms) {
            return Err(ConfigError::Pauses { meter, gap_ms, timeout_ms });
        }
        let profile = profile.with_timing(self.gap_ms.map(Millis::from_ms), self.timeout_ms.map(Millis::from_ms));
        let device = Device { meter, address: self.address, profile: Arc::new(profile), poll_every };
        Ok(MeterSettings { device, profile: self.profile, member })
    }
}

/// A profile by name: of one's own folder first, then the program's; `None` when there is no such. The name may end in one
/// of its channels, such as `jsy-mk-194:ch2`.
///
/// # Errors
/// When a file of one's own cannot be read or is no profile.
pub fn load_profile(name: &str, folder: Option<&Path>) -> Result<Option<Profile>, ConfigError> {
    let mut error = None;
    let profile = Profile::of_name(name, |name| {
        load_whole(name, folder).unwrap_or_else(|wrong| {
            error = Some(wrong);
            None
        })
    });
    error.map_or(Ok(profile), Err)
}

/// A profile by the name of its file.
fn load_whole(name: &str, folder: Option<&Path>) -> Result<Option<Profile>, ConfigError> {
    // A name is no path: it must not lead out of the folder.
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let own = folder.map(|folder| folder.join(format!("{name}.toml"))).filter(|path| is_name && path.exists());
    let Some(path) = own else { return Ok(Profile::shipped(name)) };
    let text = std::fs::metadata(&path).and_then(|metadata| match metadata.len() {
        0..=PROFILE_BYTES_MAX => std::fs::read_to_string(&path),
        _ => Err(std::io::Error::other("larger than any profile")),
    });
    let text = text.map_err(|error| ConfigError::Read { path: path.clone(), error })?;
    Profile::from_toml(&text).map(Some).map_err(|error| ConfigError::Profile { path, error })
}

#[cfg(test)]
mod tests;
