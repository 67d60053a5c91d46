//! Flags of `wattproof meter read`, `simulate` and `decode`; those of the other commands stand beside what they do.

use super::profiles::ProfilesArgs;
use super::replay::ReplayArgs;
use super::scan::ScanArgs;
use super::sniff::SniffArgs;
use super::world::WorldArgs;
use crate::cli::amount;
use clap::{Args, Subcommand, ValueEnum};
use meter::Address;
use std::net::SocketAddr;
use std::path::PathBuf;
use units::Voltage;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum MeterCommand {
    /// The meter models that can be read.
    #[command(after_help = "Example:\n  wattproof meter profiles --json")]
    Profiles(ProfilesArgs),
    /// Find the meters of a line, recognise their models, and propose the gateway's settings.
    #[command(
        after_help = "Example:\n  wattproof meter scan --serial /dev/ttyUSB0 --baud 9600,2400 --addresses 1-32 --write bus.toml"
    )]
    Scan(ScanArgs),
    /// Ask a meter once and show what it says.
    #[command(
        after_help = "Example:\n  wattproof meter read --profile im1281b --serial /dev/ttyUSB0 --baud 9600 --address 1"
    )]
    Read(ReadArgs),
    /// Meters that are not there: they answer in bytes and play back a recorded household.
    #[command(
        after_help = "Example:\n  wattproof meter simulate --profile im1281b --address 1 --address 2 --tcp 127.0.0.1:15020\n  wattproof meter simulate --meter sdm120@1 --meter dds238-2-zn-sr@5"
    )]
    Simulate(SimulateArgs),
    /// What a captured answer says, without a meter.
    #[command(
        after_help = "Example:\n  wattproof meter decode --profile pzem-004t-v3 \"01 04 14 09 7C 33 9B 00 00 74 FA 00 00 1F 22 00 00 01 F4 00 5D 00 00 58 8A\""
    )]
    Decode(DecodeArgs),
    /// Show what goes over a line that others use, without sending anything, and keep it.
    #[command(after_help = "Example:\n  wattproof meter sniff --serial /dev/ttyUSB0 --baud 9600 --out evening.txt")]
    Sniff(SniffArgs),
    /// Answer as the meters of a capture did, or decode it with a model.
    #[command(
        after_help = "Example:\n  wattproof meter replay evening.txt --tcp 127.0.0.1:15020\n  wattproof meter replay evening.txt --profile im1281b"
    )]
    Replay(ReplayArgs),
}

/// How frames are told apart on a TCP port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum FramingName {
    /// The bytes of a serial line.
    Rtu,
    /// Modbus TCP.
    Tcp,
    /// The bytes of a DL/T 645 line.
    Dlt645,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ReadArgs {
    /// The meter's model; `wattproof meter profiles` lists them.
    #[arg(long, value_name = "NAME")]
    pub(super) profile: String,
    /// Folder of profiles of your own (NAME.toml); one of a shipped one's name replaces it.
    #[arg(long, value_name = "DIR")]
    pub(super) profiles: Option<PathBuf>,
    /// Its address on the bus: 1 to 247, or the twelve digits of a DL/T 645 meter.
    #[arg(long, default_value_t = Address::FIRST)]
    pub(super) address: Address,
    /// Serial device.
    #[arg(long, value_name = "DEVICE", required_unless_present = "tcp", conflicts_with = "tcp")]
    pub(super) serial: Option<String>,
    /// Bits in a second on the serial line [default: what the meter has when it is new]
    #[arg(long, requires = "serial", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) baud: Option<u32>,
    /// TCP address of a converter or a meter.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) tcp: Option<SocketAddr>,
    /// What the TCP port speaks.
    #[arg(long, value_enum, default_value_t = FramingName::Rtu, requires = "tcp")]
    pub(super) framing: FramingName,
    /// Show what the meter answered as an example for its profile.
    #[arg(long, conflicts_with = "json")]
    pub(super) example: bool,
    /// Show JSON.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct SimulateArgs {
    /// The meters' model; `wattproof meter profiles` lists them.
    #[arg(long, value_name = "NAME", required_unless_present = "meter")]
    pub(super) profile: Option<String>,
    /// Folder of profiles of your own (NAME.toml); one of a shipped one's name replaces it.
    #[arg(long, value_name = "DIR")]
    pub(super) profiles: Option<PathBuf>,
    /// Address of a meter, 1 to 247, or the twelve digits of a DL/T 645 meter; several times for several on one bus
    /// [default: the first]
    #[arg(long, requires = "profile")]
    pub(super) address: Vec<Address>,
    /// A meter of another model on the same bus; several times for several.
    #[arg(long, value_name = "NAME@ADDRESS", value_parser = meter_at)]
    pub(super) meter: Vec<MeterAt>,
    /// On a pseudo-terminal, in place of a serial device (the default).
    #[arg(long, conflicts_with = "tcp")]
    pub(super) pty: bool,
    /// On a TCP port; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) tcp: Option<SocketAddr>,
    /// What the TCP port speaks.
    #[arg(long, value_enum, default_value_t = FramingName::Rtu, requires = "tcp")]
    pub(super) framing: FramingName,
    /// Recording of household minutes with the columns p_kw, q_kvar and v [default: the one that comes with the program]
    #[arg(long, value_name = "FILE")]
    pub(super) csv: Option<PathBuf>,
    /// How many times as fast as real time the recording is played.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub(super) speed: u32,
    /// Voltage to which the recording's 230 V are rescaled; power and energy stay as recorded.
    #[arg(long, value_name = "VOLTS", default_value = "110", value_parser = amount::volts)]
    pub(super) voltage: Voltage,
    #[command(flatten)]
    pub(super) world: WorldArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DecodeArgs {
    /// The meter's model; `wattproof meter profiles` lists them.
    #[arg(long, value_name = "NAME")]
    pub(super) profile: String,
    /// Folder of profiles of your own (NAME.toml); one of a shipped one's name replaces it.
    #[arg(long, value_name = "DIR")]
    pub(super) profiles: Option<PathBuf>,
    /// The request that was answered [default: the profile's own to the answer's address]
    #[arg(long, value_name = "HEX")]
    pub(super) request: Vec<String>,
    /// The answer in hexadecimal digits; one for each read of the profile, in order.
    #[arg(required = true, value_name = "HEX")]
    pub(super) answer: Vec<String>,
    /// Show JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// A model at an address.
#[derive(Debug, Clone)]
pub(super) struct MeterAt {
    pub(super) profile: String,
    pub(super) address: Address,
}

fn meter_at(text: &str) -> Result<MeterAt, String> {
    let wrong = || format!("`{text}` is no model at an address, such as dds238-2-zn-sr@5");
    let (profile, address) = text.split_once('@').ok_or_else(wrong)?;
    Ok(MeterAt { profile: profile.to_owned(), address: address.parse().map_err(|_| wrong())? })
}
