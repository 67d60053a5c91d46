//! The program's commands: one table, from which flags, help and errors follow. What each command does is in the module
//! of its name.
//!
//! Exit codes: 0 done, 1 found wrong (a check said no), 2 usage or environment.

mod acts;
mod amount;
mod args;
mod audit;
mod bill;
mod check;
mod experiment;
mod export;
mod import;
mod init;
mod key;
mod listing;
mod load;
mod member;
mod meter;
mod names;
mod operator;
mod peers;
mod reading;
mod run;
mod show;
mod submit;
mod terminal;
mod trouble;
mod verify;

use crate::clock::SharedClock;
use crate::key_file::PassphraseSource;
use crate::language;
use crate::reach::Reach;
use crate::web::i18n::Lang;
use crate::{bench, demo};
use acts::{
    ActCommand, ClaimCommand, NoteArgs, OfferArgs, ParameterCommand, RegisterCommand, RetireCommand, RoleName,
    SpanArgs, TariffArgs, UtilityArgs,
};
use args::{
    AccountArgs, AuditArgs, BillArgs, BlockArgs, ClaimsArgs, EnterArgs, ExportArgs, ExportCommand, FormName,
    ImportCommand, ImportReadingsArgs, ImportRoomsArgs, KeyCommand, KindName, ListArgs, NewKeyArgs, ReadingCommand,
    ShowKeyArgs, StatementArgs, StatusArgs, VerifyArgs,
};
use clap::{Args, Parser, Subcommand};
use gateway::HttpTransport;
use ledger::VoltageLimits;
use meter::MeterCommand;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
pub(crate) use trouble::Trouble;
use units::{Energy, LedgerId, Millis, Month};

/// Energy of a community, from the meter's bytes to a bill that everybody can check.
#[derive(Debug, Parser)]
#[command(name = "wattproof", version, arg_required_else_help = true, max_term_width = 110)]
pub(crate) struct Cli {
    /// Language of what members read, zh-TW or en; by default what LC_ALL, LC_MESSAGES or LANG says.
    #[arg(long, global = true, value_name = "LANGUAGE", value_parser = language::parse)]
    lang: Option<Lang>,
    /// File whose first line is the passphrase of encrypted key files [default: WATTPROOF_PASSPHRASE, or it is asked for]
    #[arg(long, global = true, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

impl Cli {
    /// What is logged unless RUST_LOG says otherwise: how ports, node and database fare, and others' warnings. The demo
    /// tells its own story.
    pub(crate) const fn told(&self) -> &'static str {
        match self.command {
            Command::Demo(_) => "warn",
            _ => "warn,gateway=info,node=info",
        }
    }
}

/// Exit codes: 0 done, 1 found wrong (a check said no), 2 usage or environment.
#[derive(Debug, Subcommand)]
enum Command {
    /// Run a whole community on this machine: simulated meters, gateway, node and pages.
    #[command(after_help = "Example:\n  wattproof demo --for 60s")]
    Demo(demo::Args),
    /// Measure speed and size on this machine, each figure beside a limit measured in the same run.
    #[command(after_help = "Example:\n  wattproof bench --seconds 3")]
    Bench(bench::Args),
    /// Repeat the paper's mining experiment, and see what a difficulty that follows time does.
    #[command(subcommand, after_help = "Example:\n  wattproof experiment difficulty --levels 1-5 --runs 50")]
    Experiment(experiment::ExperimentCommand),
    /// Make a community: its genesis document, keys and settings.
    #[command(after_help = "Example:\n  wattproof init maple-house --name \"Maple House\" --currency TWD")]
    Init(InitArgs),
    /// Run a community's node: it keeps the ledger, makes blocks and serves the pages.
    #[command(
        after_help = "Example:\n  wattproof node --data maple-house --peer http://192.168.1.20:8080\n  wattproof node --data copy --join http://192.168.1.20:8080 --genesis 5f0c..."
    )]
    Node(NodeArgs),
    /// Run a gateway: it asks the meters and states what they say.
    #[command(
        after_help = "Example:\n  wattproof gateway --config maple-house/gateway.toml --check\n  wattproof gateway --config maple-house/gateway.toml"
    )]
    Gateway(GatewayArgs),
    /// Loads of a gateway: see them, switch them, read their journal.
    #[command(subcommand, after_help = "Example:\n  wattproof load off A-101 --why \"away until Monday\" --as Lee")]
    Load(load::LoadCommand),
    /// Members' personal links: make one, revoke them, see who has one.
    #[command(subcommand, after_help = "Example:\n  wattproof member link Chen --data maple-house")]
    Member(member::MemberCommand),
    /// How the operator logs in.
    #[command(subcommand, after_help = "Example:\n  wattproof operator reset-password --data maple-house")]
    Operator(operator::OperatorCommand),
    /// Meters: find them, read one, listen to a line, simulate some, decode captured bytes.
    #[command(subcommand, after_help = "Example:\n  wattproof meter profiles")]
    Meter(MeterCommand),
    /// Keys: make one, look at one, take one over.
    #[command(subcommand, after_help = "Example:\n  wattproof key new chen.key")]
    Key(KeyCommand),
    /// Sign a statement, send it to a node, and wait until it is final.
    #[command(after_help = "Example:\n  wattproof submit --key chen.key transfer Lee 20 2026-07")]
    Submit(SubmitArgs),
    /// Readings by eye: of a meter that cannot communicate.
    #[command(
        subcommand,
        after_help = "Example:\n  wattproof reading enter A-101 1284.5 --key maple-house/keys/operator.key"
    )]
    Reading(ReadingCommand),
    /// Take over tables: rooms with their members and meters, and past readings of another system.
    #[command(subcommand, after_help = "Example:\n  wattproof import rooms rooms.csv --data maple-house --check")]
    Import(ImportCommand),
    /// Where the ledger and the node stand.
    #[command(after_help = "Example:\n  wattproof status --node http://127.0.0.1:8080")]
    Status(StatusArgs),
    /// An account, or its month: what it had, used, traded and has left.
    #[command(after_help = "Example:\n  wattproof account Chen 2026-07")]
    Account(AccountArgs),
    /// A block by its number or hash.
    #[command(after_help = "Example:\n  wattproof block 12")]
    Block(BlockArgs),
    /// A statement by its id.
    #[command(after_help = "Example:\n  wattproof statement 5f0c... --json")]
    Statement(StatementArgs),
    /// An account's bill of a closed month, as the ledger computes it.
    #[command(after_help = "Example:\n  wattproof bill Chen 2026-07")]
    Bill(BillArgs),
    /// The offers that can be accepted.
    #[command(after_help = "Example:\n  wattproof offers --directory maple-house/directory.toml")]
    Offers(ListArgs),
    /// The claims and how they stand; with an account, the intervals that it may claim too.
    #[command(after_help = "Example:\n  wattproof claims --account Chen")]
    Claims(ClaimsArgs),
    /// The statements that wait for a block.
    #[command(after_help = "Example:\n  wattproof pool")]
    Pool(StatusArgs),
    /// The other nodes: whether they answer, how far they are, and whether they agree.
    #[command(after_help = "Example:\n  wattproof peers")]
    Peers(StatusArgs),
    /// Write a statement, a bill, a claim, the whole ledger or its genesis document into a file that others can verify.
    #[command(after_help = "Example:\n  wattproof export --out chen-07.cbor bill Chen 2026-07")]
    Export(ExportArgs),
    /// Check files, without a network: a statement, a bill, a checkpoint, a ledger.
    #[command(after_help = "Example:\n  wattproof verify chen-07.cbor --trust genesis.cbor")]
    Verify(VerifyArgs),
    /// Check everything that is stored: blocks, tables, readings, and the gateway's database against the ledger.
    /// With --repair, put right first what was damaged, from another node.
    #[command(after_help = "Example:\n  wattproof audit --data maple-house\n  \
                           wattproof audit --data maple-house --repair --peer http://192.168.1.20:8080")]
    Audit(AuditArgs),
}

/// Which node is asked.
#[derive(Debug, Args)]
struct NodeUrl {
    /// Address of the node.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    node: String,
    /// File with the operator's token, for what the node keeps to members: access/operator.token in its directory.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl NodeUrl {
    fn transport(&self) -> Result<HttpTransport, Trouble> {
        Ok(HttpTransport::new(&self.node).with_token(self.token_file.as_deref().map(read_token).transpose()?))
    }
}

/// The first line of a token's file.
fn read_token(path: &Path) -> Result<String, Trouble> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let remedy = "name access/operator.token of the community's directory, or a copy of it";
        Trouble::environment(format_args!("{}: {error}", path.display()), remedy)
    })?;
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

/// Which node is asked, how the answer is shown, and where names are looked up.
#[derive(Debug, Args)]
struct Asking {
    #[command(flatten)]
    url: NodeUrl,
    /// Show JSON.
    #[arg(long)]
    json: bool,
    /// File with names of accounts [default: directory.toml here, if there is one]
    #[arg(long, value_name = "FILE")]
    directory: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct InitArgs {
    /// The directory to make.
    dir: PathBuf,
    /// Name of the community [default: the directory's name]
    #[arg(long)]
    name: Option<String>,
    /// ISO 4217 code of the currency of its bills.
    #[arg(long, default_value = "TWD", value_parser = amount::currency)]
    currency: String,
    /// IANA name of the time zone that its months begin in.
    #[arg(long, value_name = "ZONE", default_value = "Asia/Taipei")]
    time_zone: String,
    /// Leading zero hexadecimal digits of a block's hash, 1 to 5; each one costs 16 times the work.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=5))]
    level: u8,
    /// Let the difficulty follow the hash power so that blocks, empty ones too, come this far apart; the level is then
    /// where it begins.
    #[arg(long, value_name = "TIME", value_parser = amount::span)]
    block_time: Option<Millis>,
    /// How far ahead of its block time a chain gets twice as hard [default: 60 block times]
    #[arg(long, value_name = "TIME", value_parser = amount::span, requires = "block_time")]
    half_life: Option<Millis>,
    /// First month that anything can be booked in [default: the present one]
    #[arg(long, value_name = "MONTH")]
    first_month: Option<Month>,
    /// How long after its end a month closes; readings may come late until then.
    #[arg(long, value_name = "TIME", default_value = "72h", value_parser = amount::span)]
    close_after: Millis,
    /// How many blocks must follow a block before it is final: 1 or more when several nodes make blocks, so that branches
    /// found at the same time are settled before. Empty blocks then come every ten least distances.
    #[arg(long, value_name = "BLOCKS", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=64))]
    final_depth: u32,
    /// Least distance of two blocks.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = amount::span)]
    block_interval: Millis,
    /// What is left of a month is carried over into the next, instead of lapsing.
    #[arg(long)]
    carry_over: bool,
    /// Everybody may read every reading, not only the member, the operator and the auditor.
    #[arg(long)]
    public_readings: bool,
    /// The tenancy rule: no bill asks more a kWh than the average of the utility's bill for the time, nor more in sum than
    /// its total. Bills then wait for `submit utility`.
    #[arg(long)]
    tenancy: bool,
    /// For teaching: miners gain 2, 4, 6, 8 or 10 kWh a block by level, out of the budget; weak keys may be allowed.
    #[arg(long)]
    classroom: bool,
    /// What a classroom's rewards of a month may sum to, in kWh.
    #[arg(long, value_name = "KWH", default_value = "500", value_parser = Energy::parse_kwh)]
    reward_budget: Energy,
    /// Limits of the supply voltage by name: en-50160-230, taiwan-lighting-110, taiwan-power-110 or taiwan-power-220. What
    /// is outside is stated as an event and may be claimed; an indication, no class A measurement.
    #[arg(long, value_name = "NAME", default_value = "taiwan-power-110", value_parser = crate::voltage::named)]
    voltage_limits: VoltageLimits,
    /// Where the node will serve its pages.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    http: SocketAddr,
    /// Do not encrypt the operator's key either: whoever reads the file can sign as the operator. The keys of services
    /// never are encrypted, so that they start unattended.
    #[arg(long)]
    plain_keys: bool,
}

#[derive(Debug, Args)]
struct NodeArgs {
    /// The community's directory.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Serve the pages here instead of where config.toml says; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    http: Option<SocketAddr>,
    /// Another node to exchange blocks and statements with, besides those in config.toml; may be given several times.
    #[arg(long = "peer", value_name = "URL")]
    peers: Vec<String>,
    /// Join the ledger that this node keeps: if the directory does not exist yet, it is made, and everything booked is
    /// fetched and checked.
    #[arg(long, value_name = "URL", requires = "genesis")]
    join: Option<String>,
    /// Id of the ledger to join, which is the hash of its genesis document; ask whoever you trust for it.
    #[arg(long, value_name = "HASH", requires = "join")]
    genesis: Option<LedgerId>,
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    time: ClockArgs,
}

#[derive(Debug, Args)]
struct GatewayArgs {
    /// The gateway's settings.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Try everything that it needs (ports, database, node, broker) and say what is wrong, without starting it.
    #[arg(long)]
    check: bool,
    /// With --check: show JSON.
    #[arg(long, requires = "check")]
    json: bool,
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    time: ClockArgs,
}

/// Which clock a process goes by.
#[derive(Debug, Clone, Copy, Args)]
struct ClockArgs {
    /// For demonstrations and tests: several processes share one fast clock, which showed COMMUNITY_MS when this computer's
    /// showed REAL_MS (ms since 1970 UTC) and runs SPEED times as fast [default: this computer's clock]
    #[arg(long, value_name = "COMMUNITY_MS,REAL_MS,SPEED")]
    clock: Option<SharedClock>,
}

#[derive(Debug, Args)]
struct SubmitArgs {
    /// The signer's key file.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    #[command(flatten)]
    asking: Asking,
    /// Do not wait until it is final.
    #[arg(long)]
    no_wait: bool,
    #[command(subcommand)]
    act: ActCommand,
}

/// Does what the command line says.
///
/// # Errors
/// What went wrong, and what to do about it.
pub(crate) fn run(cli: Cli) -> Result<ExitCode, Trouble> {
    let texts = language::texts(cli.lang);
    let passphrases = PassphraseSource { file: cli.passphrase_file };
    match cli.command {
        Command::Demo(args) => demo::run(&args, texts).map_err(Trouble::from),
        Command::Bench(args) => Ok(bench::run(&args)),
        Command::Experiment(command) => experiment::experiment(&command, texts),
        Command::Init(args) => init::init(args, &passphrases),
        Command::Node(args) => run::node(&args, passphrases),
        Command::Gateway(args) => run::gateway(&args, &passphrases),
        Command::Load(command) => load::load(&command),
        Command::Member(command) => member::member(&command),
        Command::Operator(command) => operator::operator(&command),
        Command::Meter(command) => meter::meter(command),
        Command::Key(command) => key::key(command, &passphrases),
        Command::Submit(args) => submit::submit(args, texts, &passphrases),
        Command::Reading(command) => reading::reading(command, texts, &passphrases),
        Command::Import(command) => import::import(command, texts, &passphrases),
        Command::Status(args) => show::status(&args, texts),
        Command::Account(args) => show::account(&args, texts),
        Command::Block(args) => show::block(&args),
        Command::Statement(args) => show::statement(&args),
        Command::Bill(args) => show::bill(&args, texts),
        Command::Offers(args) => listing::offers(&args, texts),
        Command::Claims(args) => listing::claims(&args, texts),
        Command::Pool(args) => show::pool(&args),
        Command::Peers(args) => peers::peers(&args, texts),
        Command::Export(args) => export::export(&args, passphrases),
        Command::Verify(args) => verify::verify(&args, texts),
        Command::Audit(args) => audit::audit(&args),
    }
}

#[cfg(test)]
mod tests;
