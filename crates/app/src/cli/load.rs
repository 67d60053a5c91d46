//! `wattproof load`: look at a gateway's loads, switch them, and read their journal.

use super::terminal::{note, say, say_json};
use super::{Trouble, read_token};
use crate::key_file;
use api::{Client, LoadNow, LoadOrder, LoadReset, LoadsView, PAGE_ITEMS_MAX, Power, Switching};
use clap::{Args, Subcommand};
use gateway::HttpTransport;
use ledger::act::Control;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use units::{MeterId, Millis};

/// Longest wait for an outcome: a staggered turn included.
const OUTCOME_WITHIN: Duration = Duration::from_secs(120);
/// Pause between two looks at it.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What is asked of loads.
#[derive(Debug, Subcommand)]
pub(super) enum LoadCommand {
    /// Every load: on or off, what it draws, what holds it.
    #[command(after_help = "Example:\n  wattproof load list --gateway http://127.0.0.1:8081")]
    List(Asking),
    /// Switch a load on, and wait until its relay was read back.
    #[command(after_help = "Example:\n  wattproof load on A-101 --why \"back from holiday\"")]
    On(OrderArgs),
    /// Switch a load off, and wait until its relay was read back.
    #[command(after_help = "Example:\n  wattproof load off A-101 --why \"away until Monday\" --as Lee")]
    Off(OrderArgs),
    /// Take back the latch of a protection rule; nothing is switched on by it.
    #[command(after_help = "Example:\n  wattproof load reset A-101 --why \"the heater was repaired\"")]
    Reset(OrderArgs),
    /// Who switched what, when and why, and what came of it.
    #[command(after_help = "Example:\n  wattproof load journal --limit 20")]
    Journal(JournalArgs),
}

/// Which gateway, and how the answer is shown.
#[derive(Debug, Args)]
pub(super) struct Asking {
    /// Address of the gateway: its `http` in the settings, or the node's where both run in one program.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8081")]
    gateway: String,
    /// File with the operator's token: access/operator.token beside the gateway's settings, or its `control_token_file`.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Show JSON.
    #[arg(long)]
    json: bool,
}

/// An order.
#[derive(Debug, Args)]
pub(super) struct OrderArgs {
    /// Number of the meter whose load it is.
    meter: MeterId,
    /// Why; the journal and the ledger keep it, and everybody can read it there.
    #[arg(long, value_name = "TEXT", value_parser = why)]
    why: String,
    /// Who asks; the journal and the ledger keep it.
    #[arg(long = "as", value_name = "WHO", default_value = "operator", value_parser = who)]
    who: String,
    #[command(flatten)]
    asking: Asking,
}

/// Which part of the journal.
#[derive(Debug, Args)]
pub(super) struct JournalArgs {
    /// How many lines, newest first.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=i64::from(PAGE_ITEMS_MAX)))]
    limit: u32,
    /// Where to go on: the number that a page before named.
    #[arg(long, value_name = "NUMBER")]
    cursor: Option<String>,
    #[command(flatten)]
    asking: Asking,
}

fn text(text: &str, most: usize) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err(format!("say it in words, up to {most} bytes; this is blank"));
    }
    if text.len() > most {
        return Err(format!("say it in up to {most} bytes; this has {}", text.len()));
    }
    Ok(text.to_owned())
}

fn why(given: &str) -> Result<String, String> {
    text(given, Control::WHY_MAX)
}

fn who(given: &str) -> Result<String, String> {
    text(given, Control::WHO_MAX)
}

impl Asking {
    fn client(&self) -> Result<Client<HttpTransport>, Trouble> {
        let token = self.token_file.as_deref().map(read_token).transpose()?;
        Ok(Client::new(HttpTransport::new(&self.gateway).with_token(token)))
    }
}

/// The gateway's refusals are refusals; that it is not there is the environment's.
fn trouble(error: &api::ClientError) -> Trouble {
    match error {
        api::ClientError::Transport(reason) => Trouble::environment(
            format_args!("the gateway does not answer: {reason}"),
            "start the gateway with `http = \"127.0.0.1:8081\"` in its settings, or name its address with --gateway",
        ),
        api::ClientError::Answer { .. } => Trouble::environment(error, "see that --gateway names a Wattproof gateway"),
        api::ClientError::Problem(problem) if ["not_allowed", "readings_private"].contains(&problem.name()) => {
            Trouble::environment(
                &problem.detail,
                "give --token-file access/operator.token, which lies beside the settings",
            )
        }
        api::ClientError::Problem(problem) => Trouble::refused(&problem.detail, "nothing was switched"),
    }
}

pub(super) fn load(command: &LoadCommand) -> Result<ExitCode, Trouble> {
    match command {
        LoadCommand::List(asking) => list(asking),
        LoadCommand::On(args) => switch(args, Power::On),
        LoadCommand::Off(args) => switch(args, Power::Off),
        LoadCommand::Reset(args) => reset(args),
        LoadCommand::Journal(args) => journal(args),
    }
}

fn list(asking: &Asking) -> Result<ExitCode, Trouble> {
    let view: LoadsView = asking.client()?.loads().map_err(|error| trouble(&error))?;
    if asking.json {
        say_json(&view);
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(reason) = &view.trouble {
        note(format_args!("nothing is stored at the moment: {reason}"));
    }
    if view.loads.is_empty() {
        say("no meter of this gateway has a relay; `wattproof meter profiles` says which models have one");
    }
    for load in &view.loads {
        say(line(load));
        for line in hindrances(load) {
            say(format_args!("  {line}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn line(load: &LoadNow) -> String {
    let value = |name: &str, scale: i64| load.values.get(name).map(|value| (value / scale, value % scale));
    let power = value("active_power_mw", 1_000).map(|(whole, _)| format!("{whole} W"));
    let current = value("current_ua", 1_000_000).map(|(whole, rest)| format!("{whole}.{:03} A", rest / 1_000));
    let voltage = value("voltage_mv", 1_000).map(|(whole, rest)| format!("{whole}.{} V", rest / 100));
    let values: Vec<String> = [power, current, voltage].into_iter().flatten().collect();
    let values = match load.values_age_ms {
        Some(age) => format!("; {} {} s ago", values.join(", "), age.ms() / 1_000),
        None => "; no values yet".to_owned(),
    };
    let state = load.state.map_or("unknown", Power::name);
    let age = match (load.state_age_ms, load.reads_back) {
        (_, false) => " (cannot be read back)".to_owned(),
        (Some(age), true) => format!(" (relay read {} s ago)", age.ms() / 1_000),
        (None, true) => " (relay not read yet)".to_owned(),
    };
    let stale = if load.stale { ", stale" } else { "" };
    format!("{}  {state}{age}{values}{stale}", load.meter)
}

/// What stands in the way of the next switching, each a line.
fn hindrances(load: &LoadNow) -> Vec<String> {
    let mut lines = Vec::new();
    for lock in &load.locks {
        let until = if lock.latched { "until it is reset" } else { "until its cause is gone" };
        lines.push(format!("held off {until} by rule `{}`: {}", lock.rule, lock.why));
    }
    if let Some(order) = &load.order {
        lines.push(format!("order {} ({}) is under way", order.number, order.deed));
    }
    for (is_so, wait, state) in [
        (load.state != Some(Power::On), load.on_in_ms, Power::On),
        (load.state == Some(Power::On), load.off_in_ms, Power::Off),
    ] {
        if is_so && wait > Millis::ZERO {
            lines.push(format!("may be switched {} in {} s", state.name(), wait.ms().div_ceil(1_000)));
        }
    }
    if !load.never_with.is_empty() {
        let others: Vec<String> = load.never_with.iter().map(ToString::to_string).collect();
        lines.push(format!("never on together with {}", others.join(", ")));
    }
    lines
}

fn switch(args: &OrderArgs, state: Power) -> Result<ExitCode, Trouble> {
    let client = args.asking.client()?;
    let key: [u8; 16] = key_file::random()?;
    let key = Some(super::terminal::hex(&key));
    let order = LoadOrder { state, why: args.why.clone(), who: Some(args.who.clone()), key };
    let taken = client.switch(&args.meter, &order).map_err(|error| trouble(&error))?;
    note(format_args!("order {} is taken; waiting for its outcome", taken.order));
    let ended = wait(&client, taken.order)?;
    if args.asking.json {
        say_json(&ended);
    } else {
        let change = change(&ended).map(|change| format!("{change} ")).unwrap_or_default();
        say(format_args!("{}: {change}({})", ended.meter, told(&ended)));
    }
    let is_done = ended.outcome == "switched" || ended.outcome == "unconfirmed";
    Ok(if is_done { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// What the relay showed before and after; `None` where nothing was sent, or nothing came of it yet.
fn change(entry: &Switching) -> Option<String> {
    let sent = ["switched", "unconfirmed", "failed", "unknown"].contains(&entry.outcome.as_str());
    (sent && entry.ended_ms.is_some()).then(|| format!("{} -> {}", entry.before, entry.after))
}

fn told(entry: &Switching) -> String {
    let reason = entry.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("{}{reason}", entry.outcome.replace('_', " "))
}

/// Until the order has an outcome.
fn wait(client: &Client<HttpTransport>, order: u64) -> Result<Switching, Trouble> {
    let began = Instant::now();
    loop {
        let entry = client.switching(order).map_err(|error| trouble(&error))?;
        if entry.ended_ms.is_some() {
            return Ok(entry);
        }
        if began.elapsed() > OUTCOME_WITHIN {
            let what = format!("order {order} has no outcome after {} s", OUTCOME_WITHIN.as_secs());
            return Err(Trouble::refused(what, "look for it with `wattproof load journal`; it is not sent again"));
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn reset(args: &OrderArgs) -> Result<ExitCode, Trouble> {
    let client = args.asking.client()?;
    let reset = LoadReset { why: args.why.clone(), who: Some(args.who.clone()) };
    let taken = client.reset_load(&args.meter, &reset).map_err(|error| trouble(&error))?;
    if args.asking.json {
        say_json(&taken);
    } else {
        say(format_args!("{}: the latch is taken back; switch it on with `wattproof load on {0}`", args.meter));
    }
    Ok(ExitCode::SUCCESS)
}

fn journal(args: &JournalArgs) -> Result<ExitCode, Trouble> {
    let client = args.asking.client()?;
    let page = client.switchings(args.cursor.as_deref(), args.limit).map_err(|error| trouble(&error))?;
    if args.asking.json {
        say_json(&page);
        return Ok(ExitCode::SUCCESS);
    }
    if page.items.is_empty() {
        say("nothing was switched yet");
    }
    let zone = crate::web::format::Clockface::new("UTC");
    for entry in &page.items {
        let block = entry.height.map(|height| format!(", block {height}")).unwrap_or_default();
        let time = zone.moment(entry.time_ms).iso;
        say(format_args!("{}  {time}  {} {}  {}{block}", entry.number, entry.meter, entry.deed, told(entry)));
        let by = if entry.by == "person" { "" } else { "rule " };
        let change = change(entry).map(|change| format!("{change}, ")).unwrap_or_default();
        say(format_args!("  {change}by {by}{}: {}", entry.who, entry.why));
    }
    if let Some(next) = &page.next {
        say(format_args!("older lines: --cursor {next}"));
    }
    Ok(ExitCode::SUCCESS)
}
