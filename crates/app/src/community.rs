//! A community's directory: everything that one operator's node needs, in one place.
//!
//! ```text
//! genesis.cbor     what all nodes agree on; also the file that others trust when they verify
//! config.toml      this node's settings
//! directory.toml   names and rooms of accounts, which never enter the ledger
//! keys/            operator, log, receipt, miner and gateway key
//! node/            the node's blocks and tables
//! gateway.toml     the gateway's settings; its database beside it
//! ```
//!
//! A node that joined has no keys but `miner.key`, and no gateway.
//!
//! Invariant: founding makes the whole directory or nothing, and never touches an existing one.

mod joining;
mod names;

pub(crate) use joining::Joining;
pub(crate) use names::{change_entry, directory_path};

use crate::key_file::{self, KeyFile, KeyFileError, KeyKind, Passphrase, PassphraseSource};
use crate::web::directory::{Directory, NamesFor, Person};
use jiff::civil;
use jiff::tz::TimeZone;
use ledger::{Genesis, GenesisError, GenesisMiner, Offset, OrderRules, RewardRules, SecretKey, Surplus, VoltageLimits};
use meter::strict_toml::{self, TomlError};
use node::losses::LossRules;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use units::{AccountId, Energy, MeterId, Millis, Month, Timestamp};

/// The genesis document's file.
const GENESIS: &str = "genesis.cbor";
/// The node's settings.
const CONFIG: &str = "config.toml";
/// Names and rooms.
const DIRECTORY: &str = "directory.toml";
/// The node's blocks and tables.
const NODE: &str = "node";
/// Years of months that a genesis document lists: longer than a meter's life.
const YEARS: u32 = 30;
/// Largest settings or directory file: a thousand members take 200 kB.
const TEXT_BYTES_MAX: u64 = 4 << 20;

/// The keys of a community.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyName {
    /// Signs registrations, contracts, tariffs and bills.
    Operator,
    /// Signs checkpoints.
    Log,
    /// Signs receipts; P-256.
    Receipt,
    /// Seals blocks.
    Miner,
    /// Signs readings.
    Gateway,
}

impl KeyName {
    const ALL: [Self; 5] = [Self::Operator, Self::Log, Self::Receipt, Self::Miner, Self::Gateway];

    const fn file(self) -> &'static str {
        match self {
            Self::Operator => "operator.key",
            Self::Log => "log.key",
            Self::Receipt => "receipt.key",
            Self::Miner => "miner.key",
            Self::Gateway => "gateway.key",
        }
    }

    /// Where it lies in a community's directory.
    pub(crate) fn path_in(self, dir: &Path) -> PathBuf {
        dir.join("keys").join(self.file())
    }
}

/// Why a community is not founded or not opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommunityError {
    /// There is something already.
    #[error("{} exists and is not empty; nothing was changed", .0.display())]
    Exists(PathBuf),
    /// No community lies there.
    #[error("{} is not a community's directory: it has no {GENESIS}", .0.display())]
    NotACommunity(PathBuf),
    /// Its genesis document is not readable.
    #[error("{}: {error}", .path.display())]
    Genesis {
        /// The file.
        path: PathBuf,
        /// Why.
        error: GenesisError,
    },
    /// A settings file is wrong.
    #[error("{}: {error}", .path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// Why, with its line.
        error: TomlError,
    },
    /// An entry of the directory is wrong.
    #[error("{}: {reason}", .path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A key file.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// No such time zone.
    #[error("there is no time zone `{0}`")]
    TimeZone(String),
    /// What is to be founded is no ledger.
    #[error(transparent)]
    Founding(#[from] GenesisError),
    /// The node's folder cannot be made.
    #[error(transparent)]
    Node(#[from] node::NodeError),
    /// The file system says no.
    #[error("{}: {error}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
}

impl CommunityError {
    /// What to do about it, in one line.
    pub(crate) fn remedy(&self) -> &'static str {
        match self {
            Self::Exists(_) => "name a directory that does not exist yet",
            Self::NotACommunity(_) => "name the directory that `wattproof init` made, or make one with it",
            Self::Genesis { .. } => {
                "put back the genesis.cbor that the community was founded with; it cannot be made anew"
            }
            Self::Settings { .. } | Self::Entry { .. } => "correct that line; each key is explained beside it",
            Self::Key(error) => error.remedy(),
            Self::TimeZone(_) => "use an IANA name such as Asia/Taipei or Europe/Berlin",
            Self::Founding(_) => "see `wattproof init --help` for what the options may be",
            Self::Node(_) | Self::Io { .. } => "see that the directory exists and that you may read and write it",
        }
    }
}

fn io_error(path: &Path) -> impl FnOnce(std::io::Error) -> CommunityError {
    let path = path.to_owned();
    move |error| CommunityError::Io { path, error }
}

/// What a new community is to be.
#[derive(Debug, Clone)]
pub(crate) struct Founding {
    /// Its name.
    pub(crate) name: String,
    /// Time of the genesis block; its month is the first.
    pub(crate) created: Timestamp,
    /// IANA time zone that months begin in.
    pub(crate) time_zone: String,
    /// ISO 4217 code.
    pub(crate) currency: String,
    /// How long after its end a month closes.
    pub(crate) close_after: Millis,
    /// What happens to a surplus at the close.
    pub(crate) surplus: Surplus,
    /// Level of mining and distances of blocks.
    pub(crate) order: OrderRules,
    /// Rewards and fees.
    pub(crate) rewards: RewardRules,
    /// Whether everybody may read the attachments.
    pub(crate) public_readings: bool,
    /// Whether it is for teaching.
    pub(crate) classroom: bool,
    /// Whether the tenancy rule holds.
    pub(crate) tenancy: bool,
    /// Voltage outside these is an event.
    pub(crate) voltage_limits: VoltageLimits,
    /// Where the node serves its pages.
    pub(crate) http: SocketAddr,
}

/// The paper's rewards of a block at level 1 to 5: 2, 4, 6, 8 and 10 kWh.
pub(crate) const REWARDS_OF_THE_PAPER: [Energy; 5] =
    [Energy::from_kwh(2), Energy::from_kwh(4), Energy::from_kwh(6), Energy::from_kwh(8), Energy::from_kwh(10)];

/// Neither rewards nor fees: mining costs and earns nothing.
pub(crate) const NO_REWARDS: RewardRules =
    RewardRules { by_level: [Energy::ZERO; 5], monthly_budget: Energy::ZERO, transfer_fee: Energy::ZERO };

/// The node's settings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Where pages and the interface for programs are served.
    pub(crate) http: SocketAddr,
    /// Whether the node makes blocks by itself.
    pub(crate) automatic_mining: bool,
    /// Addresses of the nodes that it exchanges blocks and statements with.
    #[serde(default)]
    pub(crate) peers: Vec<String>,
    /// Bills that are made by themselves; none without.
    pub(crate) bills: Option<BillsConfig>,
    /// When a loss between meters is an alarm.
    pub(crate) losses: Option<LossesConfig>,
    /// Who sees members' names besides the operator.
    #[serde(default)]
    pub(crate) names: NamesFor,
}

/// How bills are made by themselves.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BillsConfig {
    /// Whether they are.
    pub(crate) automatic: bool,
    /// The operator's key, from the community's directory on.
    pub(crate) key: PathBuf,
    /// How many months a bill is for: a divisor of 12, one without.
    #[serde(default = "one_month")]
    pub(crate) months: u32,
}

/// When a loss between meters is an alarm; what is left out is as [`LossRules::default`] says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LossesConfig {
    /// A loss of an interval up to this many Wh is none.
    pub(crate) wh: Option<u64>,
    /// Nor is one up to this many per cent of the supply.
    pub(crate) percent: Option<u32>,
    /// Lower meters that count so many per cent more than the upper one are wired wrongly.
    pub(crate) accuracy_percent: Option<u32>,
    /// Intervals in a row before it is an alarm.
    pub(crate) intervals: Option<u32>,
    /// Which meter is below which.
    #[serde(default)]
    pub(crate) feeds: BTreeMap<String, String>,
}

impl LossesConfig {
    fn rules(&self) -> Result<LossRules, String> {
        let defaults = LossRules::default();
        let energy = |wh: u64| wh.checked_mul(1_000).map(Energy::from_mwh).ok_or("`wh` is too large");
        let percent = |percent: Option<u32>, otherwise| match percent {
            None => Ok(otherwise),
            Some(percent @ 0..=100) => Ok(percent * 100),
            Some(percent) => Err(format!("{percent} per cent: take 0 to 100")),
        };
        let meter = |text: &String| text.parse::<MeterId>().map_err(|error| error.to_string());
        let feeds = self.feeds.iter().map(|(lower, upper)| Ok((meter(lower)?, meter(upper)?)));
        let rules = LossRules {
            feeds: feeds.collect::<Result<_, String>>()?,
            energy: self.wh.map_or(Ok(defaults.energy), energy)?,
            percent_1e2: percent(self.percent, defaults.percent_1e2)?,
            accuracy_1e2: percent(self.accuracy_percent, defaults.accuracy_1e2)?,
            intervals: self.intervals.unwrap_or(defaults.intervals),
        };
        rules.check().map_err(|error| error.to_string())?;
        Ok(rules)
    }
}

const fn one_month() -> u32 {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DirectoryText {
    #[serde(default, rename = "account")]
    accounts: Vec<EntryText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryText {
    id: String,
    name: String,
    room: Option<String>,
    #[serde(default = "is_member_by_default")]
    member: bool,
}

const fn is_member_by_default() -> bool {
    true
}

/// A name in the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The account.
    pub(crate) account: AccountId,
    /// What is known of it.
    pub(crate) person: Person,
}

/// A community's directory, its documents read.
#[derive(Debug, Clone)]
pub(crate) struct Community {
    dir: PathBuf,
    genesis: Genesis,
    config: Config,
    entries: Vec<Entry>,
    passphrases: PassphraseSource,
}

impl Community {
    /// Founds a community in a directory that does not exist yet, or is empty. With a passphrase the operator's key is
    /// encrypted; those of the services never are, because they start with nobody there.
    ///
    /// # Errors
    /// When there is something already, or the founding is no ledger's.
    pub(crate) fn found(
        dir: &Path,
        founding: &Founding,
        operator: Option<&Passphrase>,
    ) -> Result<Self, CommunityError> {
        if std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) || dir.is_file() {
            return Err(CommunityError::Exists(dir.to_owned()));
        }
        let keys = new_keys()?;
        let genesis = genesis(founding, &keys)?;
        let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(parent).map_err(io_error(parent))?;
        let draft = parent.join(format!(".wattproof-init-{}", std::process::id()));
        let made = write_all(&draft, &genesis, founding, (&keys, operator))
            .and_then(|()| std::fs::rename(&draft, dir).map_err(io_error(dir)));
        if made.is_err() {
            // What was begun has only keys that nobody has seen.
            let _ = std::fs::remove_dir_all(&draft);
        }
        made.and_then(|()| Self::open(dir))
    }

    /// Opens a community's directory.
    ///
    /// # Errors
    /// When it is none, or a document in it is damaged.
    pub(crate) fn open(dir: &Path) -> Result<Self, CommunityError> {
        let path = dir.join(GENESIS);
        if !path.is_file() {
            return Err(CommunityError::NotACommunity(dir.to_owned()));
        }
        let bytes = std::fs::read(&path).map_err(io_error(&path))?;
        let genesis = Genesis::from_bytes(&bytes).map_err(|error| CommunityError::Genesis { path, error })?;
        let entries = read_directory(&dir.join(DIRECTORY))?;
        let config: Config = read_toml(&dir.join(CONFIG))?;
        if let Some(bills) = config.bills.as_ref().filter(|bills| bills.months == 0 || 12 % bills.months != 0) {
            let reason = format!("`months = {}` of [bills]: take 1, 2, 3, 4, 6 or 12", bills.months);
            return Err(CommunityError::Entry { path: dir.join(CONFIG), reason });
        }
        Ok(Self { dir: dir.to_owned(), genesis, config, entries, passphrases: PassphraseSource::default() })
    }

    /// The same, with passphrases from elsewhere than the variable and the terminal.
    pub(crate) fn with_passphrases(self, passphrases: PassphraseSource) -> Self {
        Self { passphrases, ..self }
    }

    /// The directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }
    /// The genesis document.
    pub(crate) const fn genesis(&self) -> &Genesis {
        &self.genesis
    }
    /// The node's settings.
    pub(crate) const fn config(&self) -> &Config {
        &self.config
    }
    /// When a loss between meters is an alarm.
    ///
    /// # Errors
    /// When what the settings say of it cannot be.
    pub(crate) fn loss_rules(&self) -> Result<LossRules, CommunityError> {
        let rules = self.config.losses.as_ref().map_or_else(|| Ok(LossRules::default()), LossesConfig::rules);
        rules.map_err(|reason| CommunityError::Entry {
            path: self.dir.join(CONFIG),
            reason: format!("[losses]: {reason}"),
        })
    }
    /// The names as pages look them up.
    pub(crate) fn directory(&self) -> Directory {
        let directory = Directory::default();
        for Entry { account, person } in &self.entries {
            directory.insert(*account, person.clone());
        }
        directory
    }

    /// Adds a name, after those that are there.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn add_entry(&mut self, entry: Entry) -> Result<(), CommunityError> {
        let path = self.dir.join(DIRECTORY);
        let mut file = std::fs::OpenOptions::new().append(true).open(&path).map_err(io_error(&path))?;
        file.write_all(entry_toml(&entry).as_bytes()).map_err(io_error(&path))?;
        self.entries.push(entry);
        Ok(())
    }

    /// One of its keys.
    ///
    /// # Errors
    /// When the file is missing or damaged.
    pub(crate) fn key(&self, name: KeyName) -> Result<KeyFile, CommunityError> {
        Ok(key_file::read(&self.key_path(name), &self.passphrases)?)
    }
    /// One of its keys; `None` where there is no such file, as on a node that joined.
    ///
    /// # Errors
    /// When the file is damaged, or its passphrase is not the one.
    pub(crate) fn key_if_any(&self, name: KeyName) -> Result<Option<KeyFile>, CommunityError> {
        if self.key_path(name).exists() { self.key(name).map(Some) } else { Ok(None) }
    }
    /// The key that bills are made with, if the settings say that they are made by themselves.
    ///
    /// # Errors
    /// When the file is missing or damaged, or its passphrase is not the one.
    pub(crate) fn bills_key(&self) -> Result<Option<(PathBuf, KeyFile)>, CommunityError> {
        let Some(bills) = self.config.bills.as_ref().filter(|bills| bills.automatic) else { return Ok(None) };
        let path = self.dir.join(&bills.key);
        let key = key_file::read(&path, &self.passphrases)?;
        Ok(Some((path, key)))
    }
    /// Where a key lies.
    pub(crate) fn key_path(&self, name: KeyName) -> PathBuf {
        name.path_in(&self.dir)
    }
    /// Where the node keeps its blocks.
    pub(crate) fn node_dir(&self) -> PathBuf {
        self.dir.join(NODE)
    }
    /// The gateway's settings.
    pub(crate) fn gateway_config(&self) -> PathBuf {
        self.dir.join("gateway.toml")
    }
    /// The genesis document's file.
    pub(crate) fn genesis_path(&self) -> PathBuf {
        self.dir.join(GENESIS)
    }
}

/// Reads a directory file; one that does not exist has no names.
///
/// # Errors
/// With the line, or the entry that is wrong.
pub(crate) fn read_directory(path: &Path) -> Result<Vec<Entry>, CommunityError> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text: DirectoryText = read_toml(path)?;
    let entry = |EntryText { id, name, room, member }: EntryText| {
        let account = id.parse().map_err(|error: units::IdError| CommunityError::Entry {
            path: path.to_owned(),
            reason: format!("`{name}`: {error}"),
        })?;
        Ok(Entry { account, person: Person { name, room, is_member: member } })
    };
    text.accounts.into_iter().map(entry).collect()
}

fn read_toml<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, CommunityError> {
    let size = std::fs::metadata(path).map_err(io_error(path))?.len();
    if size > TEXT_BYTES_MAX {
        let reason = format!("{size} bytes; a settings file has at most {TEXT_BYTES_MAX}");
        return Err(CommunityError::Entry { path: path.to_owned(), reason });
    }
    let text = std::fs::read_to_string(path).map_err(io_error(path))?;
    strict_toml::from_str(&text).map_err(|error| CommunityError::Settings { path: path.to_owned(), error })
}

/// In the order of [`KeyName::ALL`].
fn new_keys() -> Result<[SecretKey; 5], KeyFileError> {
    Ok([
        key_file::new_key(KeyKind::Ed25519)?,
        key_file::new_key(KeyKind::Ed25519)?,
        key_file::new_key(KeyKind::P256)?,
        key_file::new_key(KeyKind::Ed25519)?,
        key_file::new_key(KeyKind::Ed25519)?,
    ])
}

fn genesis(founding: &Founding, keys: &[SecretKey; 5]) -> Result<Genesis, CommunityError> {
    let [operator, log, receipt, miner, _] = keys.each_ref().map(SecretKey::public);
    let (first_month, month_starts) = month_starts(&founding.time_zone, founding.created)?;
    let offsets = offsets(&founding.time_zone, &month_starts)?;
    let founding = founding.clone();
    let genesis = Genesis {
        version: Genesis::VERSION,
        name: founding.name,
        created: founding.created,
        operator: operator.clone(),
        log_key: log,
        receipt_keys: vec![receipt],
        miners: vec![GenesisMiner { key: miner, beneficiary: operator.account() }],
        time_zone: founding.time_zone,
        first_month,
        month_starts,
        currency: founding.currency,
        close_after: founding.close_after,
        surplus: founding.surplus,
        order: founding.order,
        rewards: founding.rewards,
        public_readings: founding.public_readings,
        classroom: founding.classroom,
        voltage_limits: founding.voltage_limits,
        offsets,
        tenancy: founding.tenancy,
    };
    genesis.check()?;
    Ok(genesis)
}

/// When a month begins in a time zone.
///
/// # Errors
/// When there is no such time zone, or the month lies beyond what it knows.
pub(crate) fn month_start(zone: &str, month: Month) -> Result<Timestamp, CommunityError> {
    Ok(start_in(&time_zone(zone)?, month).ok_or(GenesisError::Created)?)
}

fn time_zone(zone: &str) -> Result<TimeZone, CommunityError> {
    TimeZone::get(zone).map_err(|_| CommunityError::TimeZone(zone.to_owned()))
}

fn start_in(zone: &TimeZone, month: Month) -> Option<Timestamp> {
    let (year, number) = (i16::try_from(month.year()).ok()?, i8::try_from(month.month()).ok()?);
    let day = civil::Date::new(year, number, 1).ok()?.to_zoned(zone.clone()).ok()?.start_of_day().ok()?;
    u64::try_from(day.timestamp().as_millisecond()).ok().map(Timestamp::from_ms)
}

/// The month that `created` lies in, and the starts in UTC of it and of [`YEARS`] years of months.
fn month_starts(zone: &str, created: Timestamp) -> Result<(Month, Vec<Timestamp>), CommunityError> {
    let zone = time_zone(zone)?;
    let ms = i64::try_from(created.ms()).map_err(|_| GenesisError::Created)?;
    let local = jiff::Timestamp::from_millisecond(ms).map_err(|_| GenesisError::Created)?.to_zoned(zone.clone());
    let (year, month) = (u32::from(local.year().unsigned_abs()), u32::from(local.month().unsigned_abs()));
    let first = Month::new(year, month).ok_or(GenesisError::Created)?;
    let starts: Option<Vec<_>> = (0..=YEARS * 12).map(|count| start_in(&zone, first.plus(count))).collect();
    Ok((first, starts.ok_or(GenesisError::Created)?))
}

/// How far a time zone is ahead of UTC when its months begin, and every change of that until they end.
fn offsets(zone: &str, month_starts: &[Timestamp]) -> Result<Vec<Offset>, CommunityError> {
    let zone = time_zone(zone)?;
    let (Some(first), Some(last)) = (month_starts.first(), month_starts.last()) else { return Ok(Vec::new()) };
    let instant = |time: Timestamp| {
        let ms = i64::try_from(time.ms()).map_err(|_| GenesisError::Created)?;
        jiff::Timestamp::from_millisecond(ms).map_err(|_| GenesisError::Created)
    };
    let mut offsets = vec![Offset { from: *first, seconds: zone.to_offset(instant(*first)?).seconds() }];
    for change in zone.following(instant(*first)?) {
        let from = u64::try_from(change.timestamp().as_millisecond()).map_err(|_| GenesisError::Created)?;
        if from >= last.ms() {
            break;
        }
        let seconds = change.offset().seconds();
        // A zone may change its name or its law without its clocks.
        if offsets.last().is_none_or(|offset| offset.seconds != seconds) {
            offsets.push(Offset { from: Timestamp::from_ms(from), seconds });
        }
    }
    Ok(offsets)
}

fn write_all(
    dir: &Path,
    genesis: &Genesis,
    founding: &Founding,
    (keys, operator): (&[SecretKey; 5], Option<&Passphrase>),
) -> Result<(), CommunityError> {
    std::fs::create_dir(dir).map_err(io_error(dir))?;
    for folder in ["keys", NODE] {
        std::fs::create_dir(dir.join(folder)).map_err(io_error(dir))?;
    }
    for (name, key) in KeyName::ALL.into_iter().zip(keys) {
        let passphrase = operator.filter(|_| name == KeyName::Operator);
        key_file::create(&dir.join("keys").join(name.file()), key, passphrase)?;
    }
    for (file, text) in [
        (CONFIG, config_toml(founding.http, &[])),
        (DIRECTORY, DIRECTORY_TOML.to_owned()),
        ("gateway.toml", gateway_toml(founding)),
    ] {
        write_synced(&dir.join(file), text.as_bytes())?;
    }
    node::create(&dir.join(NODE), genesis)?;
    write_synced(&dir.join(GENESIS), &genesis.to_bytes())
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), CommunityError> {
    let write = || {
        let mut file = std::fs::File::create_new(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(io_error(path))
}

fn config_toml(http: SocketAddr, peers: &[String]) -> String {
    let peers = peers.iter().map(|peer| toml_string(peer)).collect::<Vec<_>>().join(", ");
    format!(
        "# This node's settings. A misspelt key is refused, with its line and the right one.\n\n\
         # Where pages and the interface for programs are served. With an address other than this computer's own\n\
         # (127.0.0.1) everybody in the network reads them, and nothing on the way is encrypted.\n\
         http = \"{http}\"\n\n\
         # Whether the node makes blocks by itself. Without, statements wait until somebody asks for a block.\n\
         automatic_mining = true\n\n\
         # Addresses of the nodes that this one exchanges blocks and statements with, such as \"http://192.168.1.20:8080\".\n\
         # With none it keeps the ledger alone. Each node names the others; nothing that one says is believed unchecked.\n\
         peers = [{peers}]\n\n\
         # Who sees members' names besides the operator: \"operator\" nobody, \"members\" whoever opened a member's personal\n\
         # link, \"everybody\" whoever reaches the pages. Take the last for a demonstration only: names leave the house.\n\
         names = \"operator\"\n\n\
         # Bills that this node makes by itself: when a month has closed, and when a member has left. Whoever runs the\n\
         # node then has the operator's key at hand; if it has a passphrase, that is asked for when the node starts.\n\
         # `months` is how many a bill is for: 1, 2, 3, 4, 6 or 12, in groups that begin with January.\n\
         # [bills]\n\
         # automatic = true\n\
         # key = \"keys/operator.key\"\n\
         # months = 1\n\n\
         # What a main meter counts beyond the meters below it is lost on the way, or taken. An alarm needs more than both\n\
         # limits in so many intervals in a row; too low limits cry wolf, because meters differ and are read seconds apart.\n\
         # Lower meters that count more than the upper one by `accuracy_percent` are wired wrongly or have a wrong factor.\n\
         # [losses]\n\
         # wh = 100\n\
         # percent = 10\n\
         # accuracy_percent = 2\n\
         # intervals = 4\n\
         # Which meter is below which, up to three levels; what is not named is below the main meters.\n\
         # [losses.feeds]\n\
         # A-101 = \"FLOOR-1\"\n"
    )
}

/// What a directory says before it has an entry.
const DIRECTORY_TOML: &str = "# Names and rooms of accounts: yours alone, never in the ledger. Remove an entry and only the account\n\
    # id is left. `member = false` is for those who have no sheet and no bill.\n\
    #\n\
    # [[account]]\n\
    # id = \"wp1...\"\n\
    # name = \"Chen\"\n\
    # room = \"101\"\n";

fn entry_toml(Entry { account, person }: &Entry) -> String {
    let mut text = format!("\n[[account]]\nid = \"{account}\"\nname = {}\n", toml_string(&person.name));
    if let Some(room) = &person.room {
        // Writing into a string cannot fail.
        let _ = writeln!(text, "room = {}", toml_string(room));
    }
    if !person.is_member {
        text.push_str("member = false\n");
    }
    text
}

/// A TOML basic string (toml.io 1.0, String).
fn toml_string(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// The gateway's example with this community's node and key; its meters become an example of how to write them.
fn gateway_toml(founding: &Founding) -> String {
    let example = gateway::config::EXAMPLE;
    let (settings, buses) = example.split_at(example.find("[[bus]]").unwrap_or(example.len()));
    let buses = buses.lines().map(|line| if line.is_empty() { "#\n".to_owned() } else { format!("# {line}\n") });
    let settings = settings
        .replace("node = \"http://127.0.0.1:8080\"", &format!("node = \"http://{}\"", founding.http))
        .replace("key_file = \"gateway.key\"", "key_file = \"keys/gateway.key\"");
    settings + &buses.collect::<String>()
}

#[cfg(test)]
mod tests;
