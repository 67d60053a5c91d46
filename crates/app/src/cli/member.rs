//! `wattproof member`: members' personal links.

use super::Trouble;
use super::names::Names;
use super::run::access_trouble;
use super::terminal::{note, say, say_json};
use crate::community::Community;
use crate::web::access::links::{Links, PATH};
use crate::web::access::{AccessError, Folder};
use crate::web::members::now;
use crate::web::qr;
use clap::{Args, Subcommand};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use units::AccountId;

/// What to do about a picture that cannot be written.
const NEW_FILE: &str = "name a new file in a folder of yours";

/// What is done about members' links.
#[derive(Debug, Subcommand)]
pub(super) enum MemberCommand {
    /// Make a personal link: who has it sees the member's own readings and bills, and signs nothing. It is shown this once.
    #[command(
        after_help = "Example:\n  wattproof member link Chen --data maple-house --url https://192.168.1.5:8080 --svg chen.svg"
    )]
    Link(LinkArgs),
    /// Revoke every personal link of a member, at once.
    #[command(after_help = "Example:\n  wattproof member revoke-link Chen --data maple-house")]
    RevokeLink(WhoseArgs),
    /// Which members have a link, and since when.
    #[command(after_help = "Example:\n  wattproof member links --data maple-house")]
    Links(DataArgs),
}

/// Whose community.
#[derive(Debug, Args)]
pub(super) struct DataArgs {
    /// The community's directory.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Show JSON.
    #[arg(long)]
    json: bool,
}

/// Which member.
#[derive(Debug, Args)]
pub(super) struct WhoseArgs {
    /// Account id, or name.
    member: String,
    #[command(flatten)]
    data: DataArgs,
}

/// A link that is to be made.
#[derive(Debug, Args)]
pub(super) struct LinkArgs {
    #[command(flatten)]
    whose: WhoseArgs,
    /// Address of the pages as the member reaches them [default: `http` of config.toml]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Write the link as a QR code into this new file.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

pub(super) fn member(command: &MemberCommand) -> Result<ExitCode, Trouble> {
    match command {
        MemberCommand::Link(args) => link(args),
        MemberCommand::RevokeLink(args) => revoke(args),
        MemberCommand::Links(args) => list(args),
    }
}

/// A community with its links and names.
struct Opened {
    community: Community,
    links: Links,
    names: Names,
}

impl Opened {
    fn of(args: &DataArgs) -> Result<Self, Trouble> {
        let community = Community::open(&args.data)?;
        let folder = Folder::of(community.dir()).map_err(|error| access_trouble(&error))?;
        let directory = community.dir().join("directory.toml");
        let names = Names::read(directory.exists().then_some(directory.as_path()), None)?;
        Ok(Self { community, links: Links::of(&folder), names })
    }

    fn account(&self, typed: &str) -> Result<AccountId, Trouble> {
        self.names.account(typed, || Ok(self.community.genesis().operator.account()))
    }
}

fn link(args: &LinkArgs) -> Result<ExitCode, Trouble> {
    let opened = Opened::of(&args.whose.data)?;
    let account = opened.account(&args.whose.member)?;
    let base = args.url.clone().unwrap_or_else(|| format!("http://{}", opened.community.config().http));
    let base = base.trim_end_matches('/');
    if !base.starts_with("http://") && !base.starts_with("https://") {
        let remedy = "give it as the member types it, such as https://192.168.1.5:8080";
        return Err(Trouble::environment(format_args!("`{base}` is no address of pages"), remedy));
    }
    // Before the link is made: what a refused command made, nobody would know of.
    if let Some(path) = args.svg.as_deref().filter(|path| path.exists()) {
        return Err(Trouble::environment(format_args!("{}: it exists", path.display()), NEW_FILE));
    }
    let secret = opened.links.make(account, now()).map_err(|error| match error {
        AccessError::TooManyLinks(reason) => Trouble::refused(reason, "wattproof member revoke-link MEMBER --data DIR"),
        other => access_trouble(&other),
    })?;
    let url = format!("{base}{PATH}{secret}");
    if let Some(path) = &args.svg {
        let svg = qr::draw(&url).map(|picture| picture.svg()).unwrap_or_default();
        let written = std::fs::File::create_new(path).and_then(|mut file| file.write_all(svg.as_bytes()));
        written.map_err(|error| Trouble::environment(format_args!("{}: {error}", path.display()), NEW_FILE))?;
    }
    if args.whose.data.json {
        say_json(&serde_json::json!({ "account": account.to_string(), "url": url }));
        return Ok(ExitCode::SUCCESS);
    }
    if args.url.is_none() && opened.community.config().http.ip().is_loopback() {
        note("this address works at this computer only; run the node with --lan and name its address with --url");
    }
    say(&url);
    if let Some(drawn) = qr::draw_as_text(&url) {
        say(drawn);
    }
    say(format_args!("It is shown this once. Whoever has it sees what {} sees.", args.whose.member));
    Ok(ExitCode::SUCCESS)
}

fn revoke(args: &WhoseArgs) -> Result<ExitCode, Trouble> {
    let opened = Opened::of(&args.data)?;
    let account = opened.account(&args.member)?;
    let revoked = opened.links.revoke(&account).map_err(|error| access_trouble(&error))?;
    if args.data.json {
        say_json(&serde_json::json!({ "account": account.to_string(), "revoked": revoked }));
    } else {
        say(format_args!("{}: {revoked} links revoked; they open nothing any more", args.member));
    }
    Ok(ExitCode::SUCCESS)
}

fn list(args: &DataArgs) -> Result<ExitCode, Trouble> {
    let opened = Opened::of(args)?;
    let links = opened.links.all().map_err(|error| access_trouble(&error))?;
    if args.json {
        let items = links
            .iter()
            .map(|link| serde_json::json!({ "account": link.account.to_string(), "made_ms": link.made.ms() }));
        say_json(&items.collect::<Vec<_>>());
        return Ok(ExitCode::SUCCESS);
    }
    if links.is_empty() {
        say("no member has a link; make one with `wattproof member link MEMBER --data DIR`");
    }
    let zone = crate::web::format::Clockface::new(&opened.community.genesis().time_zone);
    for link in links.iter() {
        say(format_args!("{}  {}", opened.names.of(&link.account), zone.moment(link.made).full()));
    }
    Ok(ExitCode::SUCCESS)
}
