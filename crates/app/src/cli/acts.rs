//! What `wattproof submit` can state: one table, from which flags and help follow.

use super::amount;
use clap::{Args, Subcommand, ValueEnum};
use ledger::VoltageLimits;
use ledger::act::ActId;
use std::path::PathBuf;
use units::{Energy, Height, MeterId, Millis, Money, Month, Timestamp, Voltage};

#[derive(Debug, Subcommand)]
pub(super) enum ActCommand {
    /// Give energy to a member or the operator, out of what remains of your month.
    #[command(after_help = "Example:\n  wattproof submit --key chen.key transfer Lee 20 2026-07")]
    Transfer {
        /// Account id, name, or `operator`.
        to: String,
        /// How much, in kWh.
        #[arg(value_name = "KWH", value_parser = Energy::parse_kwh)]
        energy: Energy,
        /// The month whose energy it is [default: the present one]
        month: Option<Month>,
    },
    /// State a reading of your own; it is public and moves no counter.
    #[command(after_help = "Example:\n  wattproof submit --key chen.key note --energy 1284.5 --text \"read by eye\"")]
    Note(NoteArgs),
    /// Set a member's contracted energy of a month; in an open month it may only rise. By the operator.
    #[command(
        after_help = "Example:\n  wattproof submit --key maple-house/keys/operator.key contract Chen 2026-07 200"
    )]
    Contract {
        /// Account id or name.
        account: String,
        /// The month.
        month: Month,
        /// How much, in kWh.
        #[arg(value_name = "KWH", value_parser = Energy::parse_kwh)]
        energy: Energy,
    },
    /// Set the prices from a month on. By the operator.
    #[command(
        after_help = "Example:\n  wattproof submit --key maple-house/keys/operator.key tariff 2026-07 --price 3.5"
    )]
    Tariff(TariffArgs),
    /// Offer energy at a price; nothing moves until somebody accepts.
    #[command(after_help = "Example:\n  wattproof submit --key chen.key offer 20 --price 3.2 --to Lee --for 24h")]
    Offer(OfferArgs),
    /// Accept an offer: energy and money move. `wattproof offers` lists the open ones.
    #[command(after_help = "Example:\n  wattproof submit --key lee.key accept 5f0c...")]
    Accept {
        /// The offer: its statement's id, and `#` with the act's number there if that is not 0.
        #[arg(value_name = "OFFER", value_parser = amount::act)]
        offer: ActId,
    },
    /// Take an own offer back.
    #[command(after_help = "Example:\n  wattproof submit --key chen.key withdraw 5f0c...")]
    Withdraw {
        /// The offer: its statement's id, and `#` with the act's number there if that is not 0.
        #[arg(value_name = "OFFER", value_parser = amount::act)]
        offer: ActId,
    },
    /// Claim that the voltage was outside the limits, or that a bill is wrong.
    #[command(
        subcommand,
        after_help = "Example:\n  wattproof submit --key chen.key claim voltage \"too high\" 5f0c..."
    )]
    Claim(ClaimCommand),
    /// Answer a claim, once. By the operator.
    #[command(
        after_help = "Example:\n  wattproof submit --key maple-house/keys/operator.key answer 5f0c... accepted \"the tap was changed\""
    )]
    Answer {
        /// The claim: its statement's id, and `#` with the act's number there if that is not 0.
        #[arg(value_name = "CLAIM", value_parser = amount::act)]
        claim: ActId,
        /// Whether the claim is right.
        #[arg(value_enum)]
        decision: DecisionName,
        /// In words; public forever.
        text: String,
    },
    /// End a role, or a meter's present binding. By the operator.
    #[command(
        subcommand,
        after_help = "Example:\n  wattproof submit --key maple-house/keys/operator.key retire role Chen member"
    )]
    Retire(RetireCommand),
    /// An account's key signs nothing from here on; what it signed before keeps counting. By the operator.
    #[command(after_help = "Example:\n  wattproof submit --key maple-house/keys/operator.key revoke Chen")]
    Revoke {
        /// Account id or name.
        account: String,
    },
    /// Sign with a new key from here on; the account stays. By the account, with its present key.
    #[command(after_help = "Example:\n  wattproof submit --key chen.key rotate chen-new.key")]
    Rotate {
        /// File of the new key; `wattproof key new` makes one.
        #[arg(value_name = "FILE")]
        new_key: PathBuf,
    },
    /// Change the mining level or the voltage limits. By the operator.
    #[command(
        subcommand,
        after_help = "Example:\n  wattproof submit --key maple-house/keys/operator.key parameter level 2 --height 1200"
    )]
    Parameter(ParameterCommand),
    /// Announce the block from which another protocol version holds. By the operator.
    #[command(after_help = "Example:\n  wattproof submit --key maple-house/keys/operator.key upgrade 2 --height 5000")]
    Upgrade {
        /// The version.
        version: u32,
        /// The first block of that version; at least 100 blocks ahead.
        #[arg(long, value_name = "HEIGHT", value_parser = amount::height)]
        height: Height,
    },
    /// Enter the utility's bill, which bounds what tenants are charged. By the operator.
    #[command(
        after_help = "Example:\n  wattproof submit --key maple-house/keys/operator.key utility --from 2026-07-01T00:00:00+08:00 --until 2026-09-01T00:00:00+08:00 --amount 1250 --energy 410"
    )]
    Utility(UtilityArgs),
    /// Register a key or a meter. By the operator.
    #[command(
        subcommand,
        after_help = "Example:\n  wattproof submit --key maple-house/keys/operator.key register key chen.key member"
    )]
    Register(RegisterCommand),
    /// Put an account's bill of a closed month on the ledger. By the operator or the account.
    #[command(after_help = "Example:\n  wattproof submit --key maple-house/keys/operator.key bill Chen 2026-07")]
    Bill {
        /// Account id or name.
        account: String,
        #[command(flatten)]
        span: SpanArgs,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(super) struct NoteArgs {
    /// Voltage, in V.
    #[arg(long, value_name = "VOLTS", value_parser = amount::volts)]
    pub(super) voltage: Option<Voltage>,
    /// Current, in A.
    #[arg(long, value_name = "AMPERES", value_parser = amount::amperes)]
    pub(super) current: Option<units::Current>,
    /// Active power, in W.
    #[arg(long, value_name = "WATTS", value_parser = amount::watts)]
    pub(super) power: Option<units::Power>,
    /// The counter, in kWh.
    #[arg(long, value_name = "KWH", value_parser = Energy::parse_kwh)]
    pub(super) energy: Option<Energy>,
    /// A remark; it is public forever.
    #[arg(long)]
    pub(super) text: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct TariffArgs {
    /// First month it is in force.
    pub(super) from: Month,
    /// Price of a kWh.
    #[arg(long, value_parser = Money::parse, required_unless_present = "file", conflicts_with = "file")]
    pub(super) price: Option<Money>,
    /// A price table: a TOML file, or one that comes with the program by its name: taipower-residential,
    /// taipower-business, taipower-simple-tou-2, taipower-simple-tou-3.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["excess_price", "round_to"])]
    pub(super) file: Option<String>,
    /// Price of a kWh beyond what the account has [default: the same]
    #[arg(long, value_parser = Money::parse)]
    pub(super) excess_price: Option<Money>,
    /// Totals are rounded half up to a multiple of this.
    #[arg(long, default_value = "1", value_parser = Money::parse)]
    pub(super) round_to: Money,
}

#[derive(Debug, Subcommand)]
pub(super) enum RegisterCommand {
    /// Bind a key to a role.
    #[command(after_help = "Example:\n  wattproof submit --key operator.key register key chen.key member")]
    Key {
        /// A key file, or the public key as `wattproof key show` prints it.
        key: String,
        /// What it may do.
        #[arg(value_enum)]
        role: RoleName,
        /// For a miner: who gains its rewards.
        #[arg(long, value_name = "ACCOUNT")]
        beneficiary: Option<String>,
        /// From when, such as 2026-07-01T00:00:00+08:00 [default: now]
        #[arg(long, value_name = "TIME", value_parser = amount::time)]
        from: Option<Timestamp>,
    },
    /// Bind a meter to the gateway that signs for it and the member who is billed.
    #[command(
        after_help = "Example:\n  wattproof submit --key operator.key register meter A-101 --signer wp1... --member Chen --profile im1281b"
    )]
    Meter {
        /// The number on the meter.
        number: MeterId,
        /// Account of the gateway, or its key file.
        #[arg(long, value_name = "ACCOUNT")]
        signer: String,
        /// Account id or name of the member; the operator's for a main meter.
        #[arg(long, value_name = "ACCOUNT", required_unless_present = "main", conflicts_with = "main")]
        member: Option<String>,
        /// It is a main meter: it books to no sheet, but shows what is lost on the way to the members.
        #[arg(long)]
        main: bool,
        /// The meter's model.
        #[arg(long, value_name = "NAME")]
        profile: String,
        /// What its counter is multiplied by.
        #[arg(long, default_value_t = 1)]
        factor: u32,
        /// From when, such as 2026-07-01T00:00:00+08:00 [default: now]
        #[arg(long, value_name = "TIME", value_parser = amount::time)]
        from: Option<Timestamp>,
    },
}

/// Roles that a registration can give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum RoleName {
    /// Has a sheet, trades and is billed.
    Member,
    /// Signs the readings of meters.
    Gateway,
    /// A meter that signs for itself.
    Meter,
    /// Proposes blocks.
    Miner,
    /// Keeps and confirms a copy.
    Validator,
    /// Reads everything.
    Auditor,
}

/// A bill's span.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct SpanArgs {
    /// A closed month; the first one of several.
    pub(super) month: Month,
    /// Months of the bill.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=12))]
    pub(super) months: u32,
    /// When the member moved in, if that is within the first month.
    #[arg(long, value_name = "TIME", value_parser = amount::time)]
    pub(super) from: Option<Timestamp>,
    /// When the member moved out, if that is within the last month.
    #[arg(long, value_name = "TIME", value_parser = amount::time)]
    pub(super) until: Option<Timestamp>,
}

#[derive(Debug, Args)]
pub(super) struct OfferArgs {
    /// How much, in kWh; as a whole.
    #[arg(value_name = "KWH", value_parser = Energy::parse_kwh)]
    pub(super) energy: Energy,
    /// Price of a kWh.
    #[arg(long, value_parser = Money::parse)]
    pub(super) price: Money,
    /// Who may accept: account id, name, or `operator` [default: everybody who may trade]
    #[arg(long, value_name = "ACCOUNT")]
    pub(super) to: Option<String>,
    /// The month whose energy it is [default: the present one]
    pub(super) month: Option<Month>,
    /// How long it stands; at most 31 days, and not beyond the month's close.
    #[arg(long = "for", value_name = "TIME", default_value = "24h", value_parser = amount::span)]
    pub(super) life: Millis,
}

#[derive(Debug, Subcommand)]
pub(super) enum ClaimCommand {
    /// About intervals whose voltage was outside the limits; `wattproof claims --account NAME` lists them. An indication,
    /// no class A measurement.
    #[command(after_help = "Example:\n  wattproof submit --key chen.key claim voltage \"130 V at noon\" 5f0c...")]
    Voltage {
        /// In words; public forever.
        text: String,
        /// The intervals: statement ids, and `#` with the act's number there if that is not 0.
        #[arg(required = true, num_args = 1..=16, value_name = "INTERVAL", value_parser = amount::act)]
        intervals: Vec<ActId>,
    },
    /// About a bill of yours.
    #[command(after_help = "Example:\n  wattproof submit --key chen.key claim bill 2026-07 \"the counter says less\"")]
    Bill {
        /// The month that the bill begins in.
        month: Month,
        /// In words; public forever.
        text: String,
    },
}

/// How a claim is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum DecisionName {
    /// The claim is right.
    Accepted,
    /// It is not.
    Declined,
}

#[derive(Debug, Subcommand)]
pub(super) enum RetireCommand {
    /// End an account's role. A member's ends when its meters are retired or rebound.
    #[command(after_help = "Example:\n  wattproof submit --key operator.key retire role Chen member")]
    Role {
        /// Account id or name.
        account: String,
        /// The role.
        #[arg(value_enum)]
        role: RoleName,
        /// From when, such as 2026-07-14T12:00:00+08:00 [default: now]
        #[arg(long, value_name = "TIME", value_parser = amount::time)]
        at: Option<Timestamp>,
    },
    /// End a meter's present binding; intervals up to then are still taken.
    #[command(after_help = "Example:\n  wattproof submit --key operator.key retire meter A-101")]
    Meter {
        /// The number on the meter.
        number: MeterId,
        /// From when, such as 2026-07-14T12:00:00+08:00 [default: now]
        #[arg(long, value_name = "TIME", value_parser = amount::time)]
        at: Option<Timestamp>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum ParameterCommand {
    /// Another mining level, on a ledger of a fixed one.
    #[command(after_help = "Example:\n  wattproof submit --key operator.key parameter level 2 --height 1200")]
    Level {
        /// Leading zero hexadecimal digits of a block's hash.
        #[arg(value_parser = clap::value_parser!(u8).range(1..=5))]
        level: u8,
        /// The first block that it holds for.
        #[arg(long, value_name = "HEIGHT", value_parser = amount::height)]
        height: Height,
    },
    /// Other limits of the supply voltage.
    #[command(
        after_help = "Example:\n  wattproof submit --key operator.key parameter voltage-limits taiwan-lighting-110 --from 2026-09-01T00:00:00+08:00"
    )]
    VoltageLimits {
        /// Their name: en-50160-230, taiwan-lighting-110, taiwan-power-110 or taiwan-power-220.
        #[arg(value_parser = crate::voltage::named)]
        limits: VoltageLimits,
        /// From when; in the future.
        #[arg(long, value_name = "TIME", value_parser = amount::time)]
        from: Timestamp,
    },
}

#[derive(Debug, Args)]
pub(super) struct UtilityArgs {
    /// Start of its period.
    #[arg(long, value_name = "TIME", value_parser = amount::time)]
    pub(super) from: Timestamp,
    /// End of its period, exclusive.
    #[arg(long, value_name = "TIME", value_parser = amount::time)]
    pub(super) until: Timestamp,
    /// Its total.
    #[arg(long, value_parser = Money::parse)]
    pub(super) amount: Money,
    /// Energy on it, in kWh.
    #[arg(long, value_name = "KWH", value_parser = Energy::parse_kwh)]
    pub(super) energy: Energy,
    /// Common facilities are apportioned on it.
    #[arg(long)]
    pub(super) common_facilities: bool,
}
