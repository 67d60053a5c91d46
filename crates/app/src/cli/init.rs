//! `wattproof init`: makes a community and says what to do next.

use super::terminal::say;
use super::{InitArgs, Trouble};
use crate::clock::RealClock;
use crate::community::{Community, Founding, KeyName, NO_REWARDS, REWARDS_OF_THE_PAPER, month_start};
use crate::key_file::PassphraseSource;
use ledger::{BlockTime, OrderRules, RewardRules, Surplus};
use std::path::Path;
use std::process::ExitCode;
use units::{Energy, Millis};

/// An idle ledger shows once an hour that it lives.
const EMPTY_BLOCK_AFTER: Millis = Millis::from_minutes(60);
/// Where blocks must follow before one is final, an empty one comes after so many least distances: ten seconds by default,
/// which makes some 3 MB a day on a ledger that never rests.
const EMPTY_BLOCK_INTERVALS: u64 = 10;
/// Half-life in blocks when none is named: the difficulty follows a change within two hundred blocks and trembles by 8 %.
const HALF_LIFE_BLOCKS: u64 = 60;

pub(super) fn init(args: InitArgs, passphrases: &PassphraseSource) -> Result<ExitCode, Trouble> {
    let passphrase = if args.plain_keys { None } else { Some(passphrases.for_new(Path::new("the operator's key"))?) };
    let community = Community::found(&args.dir, &founding(&args)?, passphrase.as_ref())?;
    tell_next_steps(&community, passphrase.is_some());
    Ok(ExitCode::SUCCESS)
}

fn founding(args: &InitArgs) -> Result<Founding, Trouble> {
    let of_directory = || args.dir.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let rewards =
        RewardRules { by_level: REWARDS_OF_THE_PAPER, monthly_budget: args.reward_budget, transfer_fee: Energy::ZERO };
    let block_time = args.block_time.map(|target| {
        let half_life = Millis::from_ms(target.ms().saturating_mul(HALF_LIFE_BLOCKS));
        BlockTime { target, half_life: args.half_life.unwrap_or(half_life) }
    });
    let first_month = args.first_month.map(|month| month_start(&args.time_zone, month)).transpose()?;
    Ok(Founding {
        name: args.name.clone().unwrap_or_else(of_directory),
        created: first_month.unwrap_or_else(|| RealClock.time()),
        time_zone: args.time_zone.clone(),
        currency: args.currency.clone(),
        close_after: args.close_after,
        surplus: if args.carry_over { Surplus::CarriesOver } else { Surplus::Lapses },
        order: OrderRules {
            level: args.level,
            block_interval_min: args.block_interval,
            // The block time is kept while nothing happens too, with empty blocks; else a quiet night would be made up
            // for with easy blocks in the morning.
            empty_block_after: match (block_time, args.final_depth) {
                (Some(_), _) => args.block_interval,
                (None, 0) => EMPTY_BLOCK_AFTER,
                // What was booked last waits for blocks that follow it, in a quiet night too.
                (None, _) => Millis::from_ms(args.block_interval.ms().saturating_mul(EMPTY_BLOCK_INTERVALS)),
            },
            final_depth: args.final_depth,
            block_time,
        },
        rewards: if args.classroom { rewards } else { NO_REWARDS },
        public_readings: args.public_readings,
        classroom: args.classroom,
        tenancy: args.tenancy,
        voltage_limits: args.voltage_limits.clone(),
        http: args.http,
    })
}

fn tell_next_steps(community: &Community, is_encrypted: bool) {
    let (dir, genesis) = (community.dir().display(), community.genesis());
    let operator = community.key_path(KeyName::Operator);
    let (operator, month) = (operator.display(), genesis.first_month);
    say(format_args!("made the community `{}` in {dir}", genesis.name));
    say(format_args!("  ledger    {}", genesis.ledger()));
    say(format_args!("  operator  {}", genesis.operator.account()));
    say(if is_encrypted {
        "the operator's key is encrypted; those of the services (log, receipt, miner, gateway) are not, so that they start \
         unattended"
    } else {
        "no key is encrypted: whoever reads the files can sign as the operator"
    });
    say(format_args!("keep a copy of {dir}/keys elsewhere: the keys cannot be made again, nor a passphrase be found"));
    say(format_args!("give {dir}/genesis.cbor to everybody who wants to verify\n\nnext:"));
    for step in [
        format!("wattproof node --data {dir}"),
        format!("wattproof submit --key {operator} register key {dir}/keys/gateway.key gateway"),
        "wattproof key new chen.key".to_owned(),
        format!("wattproof submit --key {operator} register key chen.key member"),
        format!("wattproof submit --key {operator} contract wp1... {month} 200"),
        format!("wattproof submit --key {operator} tariff {month} --price 3.5"),
        format!(
            "wattproof submit --key {operator} register meter A-101 --signer {dir}/keys/gateway.key --member wp1... \
             --profile im1281b"
        ),
        format!("edit {}, then: wattproof gateway --config {0}", community.gateway_config().display()),
    ] {
        say(format_args!("  {step}"));
    }
    say(
        "\nanother computer joins, keeps the ledger too and checks all of it, once this one listens beyond itself (`http`):",
    );
    say(format_args!("  wattproof node --data copy --join http://THIS-COMPUTER:8080 --genesis {}", genesis.ledger()));
}
