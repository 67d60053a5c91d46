//! Flags of what comes in by hand and from tables: `wattproof reading` and `wattproof import`.

use crate::cli::{Asking, NodeUrl, amount};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use units::{Energy, MeterId, Month, Timestamp};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ReadingCommand {
    /// Enter what a meter's display says. What it cannot have counted is refused; what is unusual is asked about.
    #[command(
        after_help = "Example:\n  wattproof reading enter A-101 1284.5 --key maple-house/keys/operator.key --at 2026-07-31T18:00:00+08:00"
    )]
    Enter(EnterArgs),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct EnterArgs {
    /// The number on the meter.
    pub(in crate::cli) meter: MeterId,
    /// What its display says, in kWh.
    #[arg(value_name = "KWH", value_parser = Energy::parse_kwh)]
    pub(in crate::cli) counter: Energy,
    /// The operator's key file.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) key: PathBuf,
    /// What its export counter says, in kWh, if it has one.
    #[arg(long, value_name = "KWH", value_parser = Energy::parse_kwh)]
    pub(in crate::cli) export: Option<Energy>,
    /// When it was read, such as 2026-07-31T18:00:00+08:00 [default: now]
    #[arg(long, value_name = "TIME", value_parser = amount::time)]
    pub(in crate::cli) at: Option<Timestamp>,
    /// The meter was exchanged: what the new one said when it was put in, in kWh.
    #[arg(long, value_name = "KWH", value_parser = Energy::parse_kwh, conflicts_with = "wrapped_at")]
    pub(in crate::cli) exchanged: Option<Energy>,
    /// The counter began at zero again: where, in kWh, such as 100000 of a display of five digits.
    #[arg(long, value_name = "KWH", value_parser = Energy::parse_kwh)]
    pub(in crate::cli) wrapped_at: Option<Energy>,
    /// It is right although it is unusual.
    #[arg(long)]
    pub(in crate::cli) yes: bool,
    #[command(flatten)]
    pub(in crate::cli) asking: Asking,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ImportCommand {
    /// Rooms with their members and meters: names, keys, registrations, contracts and the gateway's settings. All lines are
    /// checked before anything is made; run again after a failure, it goes on where it stopped.
    #[command(after_help = "Example:\n  wattproof import rooms rooms.csv --data maple-house --serial /dev/ttyUSB0")]
    Rooms(ImportRoomsArgs),
    /// Past readings of another system, signed by the operator and marked as imported.
    #[command(
        after_help = "Example:\n  wattproof import readings readings.csv --key maple-house/keys/operator.key --minutes 15"
    )]
    Readings(ImportReadingsArgs),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ImportRoomsArgs {
    /// The table: room, member, meter, profile, address, and if wanted bus, contract_kwh, account, factor.
    pub(in crate::cli) file: PathBuf,
    /// The community's directory.
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) data: PathBuf,
    #[command(flatten)]
    pub(in crate::cli) url: NodeUrl,
    /// Only check.
    #[arg(long)]
    pub(in crate::cli) check: bool,
    /// From when members and meters are registered [default: now]
    #[arg(long, value_name = "TIME", value_parser = amount::time)]
    pub(in crate::cli) from: Option<Timestamp>,
    /// The month of the contracts [default: the present one]
    #[arg(long)]
    pub(in crate::cli) month: Option<Month>,
    /// Do not encrypt the members' new keys: whoever reads a file can sign as that member.
    #[arg(long)]
    pub(in crate::cli) plain_keys: bool,
    /// Serial device of the bus, if gateway.toml has none yet.
    #[arg(long, value_name = "DEVICE")]
    pub(in crate::cli) serial: Option<String>,
    /// Its rate, in bits a second.
    #[arg(long, default_value_t = 9_600, requires = "serial", value_parser = clap::value_parser!(u32).range(1..))]
    pub(in crate::cli) baud: u32,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ImportReadingsArgs {
    /// The table: meter, start, end, and kwh (what was used) or counter (at the end, in kWh).
    pub(in crate::cli) file: PathBuf,
    /// The operator's key file.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) key: PathBuf,
    #[command(flatten)]
    pub(in crate::cli) url: NodeUrl,
    /// Only check.
    #[arg(long)]
    pub(in crate::cli) check: bool,
    /// IANA name of the zone of times without an offset [default: the community's]
    #[arg(long, value_name = "ZONE")]
    pub(in crate::cli) time_zone: Option<String>,
    /// How long an interval is, for a table without the column `end`.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_440))]
    pub(in crate::cli) minutes: Option<u32>,
}
