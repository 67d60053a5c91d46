//! `wattproof meter profiles`: the models that can be read, shipped and own.

use super::own;
use crate::cli::Trouble;
use crate::cli::terminal::{say, say_json};
use clap::Args;
use meter::profile::{Approved, TypeApproval};
use meter::{Profile, Protocol, Relay};
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(in crate::cli) struct ProfilesArgs {
    /// One profile only.
    name: Option<String>,
    /// Folder of profiles of your own (NAME.toml); one of a shipped one's name replaces it.
    #[arg(long, value_name = "DIR")]
    profiles: Option<PathBuf>,
    /// Show the profile as it is written, to begin one of your own with.
    #[arg(long, requires = "name", conflicts_with = "json")]
    text: bool,
    /// Show JSON.
    #[arg(long)]
    json: bool,
}

/// Where a profile comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Origin {
    /// With the program.
    Shipped,
    /// From the folder.
    Own,
    /// From the folder, in place of one of the program's.
    OwnInPlaceOfShipped,
}

#[derive(Serialize)]
struct ProfileView {
    name: String,
    model: String,
    manual: String,
    baud: u32,
    protocol: &'static str,
    origin: Origin,
    verified: bool,
    quantities: Vec<String>,
    relay: Option<RelayView>,
    legal_metrology: Option<ApprovalView>,
    wraps_at_mwh: Option<u64>,
    examples: usize,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct RelayView {
    verified: bool,
    reads_back: bool,
    source: String,
}

#[derive(Serialize)]
struct ApprovalView {
    approved: &'static str,
    scheme: Option<String>,
    source: String,
}

pub(super) fn profiles(args: &ProfilesArgs) -> Result<ExitCode, Trouble> {
    let folder = args.profiles.as_deref();
    if let (Some(name), true) = (&args.name, args.text) {
        let text = own::text(name, folder)?;
        say(text.trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    let own = folder.map(own::names).transpose()?.unwrap_or_default();
    let names: BTreeSet<String> = match &args.name {
        Some(name) => BTreeSet::from([name.clone()]),
        None => own.iter().cloned().chain(Profile::shipped_names().into_iter().map(str::to_owned)).collect(),
    };
    let view = |name: String| {
        let profile = super::profile(&name, folder)?;
        let origin = match (own.contains(&name), Profile::shipped(&name).is_some()) {
            (false, _) => Origin::Shipped,
            (true, false) => Origin::Own,
            (true, true) => Origin::OwnInPlaceOfShipped,
        };
        Ok(ProfileView::new(name, &profile, origin))
    };
    let views: Vec<ProfileView> = names.into_iter().map(view).collect::<Result<_, Trouble>>()?;
    if args.json {
        say_json(&views);
    } else {
        views.iter().for_each(ProfileView::say);
    }
    Ok(ExitCode::SUCCESS)
}

impl ProfileView {
    fn new(name: String, profile: &Profile, origin: Origin) -> Self {
        Self {
            name,
            model: profile.model().to_owned(),
            manual: profile.manual().to_owned(),
            baud: profile.baud(),
            protocol: match profile.protocol() {
                Protocol::Modbus => "modbus",
                Protocol::Dlt645 => "dlt645",
            },
            origin,
            verified: profile.is_verified(),
            quantities: profile.keys().map(|key| key.to_string()).collect(),
            relay: profile.relay().map(RelayView::new),
            legal_metrology: profile.legal_metrology().map(ApprovalView::new),
            wraps_at_mwh: profile.wraps_at().map(units::Energy::mwh),
            examples: profile.examples().len(),
            warnings: profile.warnings().iter().map(ToString::to_string).collect(),
        }
    }

    fn say(&self) {
        let origin = match self.origin {
            Origin::Shipped => "",
            Origin::Own => ", own",
            Origin::OwnInPlaceOfShipped => ", own in place of the shipped one",
        };
        let unverified = if self.verified { "" } else { ", UNVERIFIED" };
        let Self { name, model, baud, protocol, .. } = self;
        say(format_args!("{name:<16} {model}, {baud} baud, {protocol}{origin}{unverified}"));
        let indented = |line: &str| say(format_args!("{:<16} {line}", ""));
        indented(&self.quantities.join(" "));
        let relay = match &self.relay {
            None => "none",
            Some(RelayView { verified: true, .. }) => "yes",
            Some(RelayView { verified: false, .. }) => "UNVERIFIED",
        };
        let approval = self.legal_metrology.as_ref().map_or_else(|| "unknown".to_owned(), ApprovalView::words);
        let wraps = match self.wraps_at_mwh {
            Some(mwh) => format!("at {}", units::Energy::from_mwh(mwh)),
            None => "not stated".to_owned(),
        };
        indented(&format!("relay: {relay}; legal metrology: {approval}; counter wraps: {wraps}"));
        self.warnings.iter().for_each(|warning| indented(&format!("note: {warning}")));
    }
}

impl RelayView {
    fn new(relay: &Relay) -> Self {
        Self { verified: relay.is_verified(), reads_back: relay.reads_back(), source: relay.source().to_owned() }
    }
}

impl ApprovalView {
    fn new(approval: &TypeApproval) -> Self {
        let approved = match approval.approved {
            Approved::Yes => "yes",
            Approved::SomeVersions => "some_versions",
            Approved::No => "no",
        };
        Self { approved, scheme: approval.scheme.clone(), source: approval.source.clone() }
    }

    fn words(&self) -> String {
        let scheme = self.scheme.as_deref().unwrap_or("its scheme is not stated");
        match self.approved {
            "yes" => format!("approved ({scheme})"),
            "some_versions" => format!("some versions ({scheme})"),
            _ => "not approved".to_owned(),
        }
    }
}
