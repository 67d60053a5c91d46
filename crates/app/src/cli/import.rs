//! `wattproof import`: rooms and past readings out of tables. A file is checked as a whole before anything is made of it,
//! and what is there already is left alone, so that a run that was cut off is simply repeated.

mod readings;

use super::submit::Sender;
use super::terminal::{note, say};
use super::{ImportCommand, ImportRoomsArgs, Trouble};
use crate::community::{Community, Entry, KeyName};
use crate::import::gateway_toml::{NewBus, with_meters};
use crate::import::rooms::Room;
use crate::import::{FILE_BYTES_MAX, Fault, listed, rooms};
use crate::key_file::{self, KeyKind, PassphraseSource};
use crate::web::directory::Person;
use crate::web::i18n::Texts;
use api::{ClientError, MeterView};
use ledger::act::{Act, Contract, Register, RegisterKey, RegisterMeter, Role};
use ledger::{Payload, PublicKey};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use units::{AccountId, Energy, MeterId};

pub(super) fn import(command: ImportCommand, texts: Texts, keys: &PassphraseSource) -> Result<ExitCode, Trouble> {
    match command {
        ImportCommand::Rooms(args) => import_rooms(&args, texts, keys),
        ImportCommand::Readings(args) => readings::import(&args, texts, keys),
    }
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, Trouble> {
    let shown = path.display();
    let read = std::fs::metadata(path).and_then(|metadata| match metadata.len() {
        0..=FILE_BYTES_MAX => std::fs::read(path),
        size => Err(std::io::Error::other(format!("{size} bytes; split it into files of at most {FILE_BYTES_MAX}"))),
    });
    read.map_err(|error| Trouble::environment(format_args!("{shown}: {error}"), "name a CSV file that you may read"))
}

fn faulty(path: &Path, faults: &[Fault]) -> Trouble {
    let what = format!("{}: {} faults; nothing was changed\n{}", path.display(), faults.len(), listed(faults));
    Trouble::refused(what, "mend these lines and run the same command again")
}

/// A member of the table as it is met: with an account of their own, or with the key of an earlier run, or with neither.
struct Household<'a> {
    own: Option<AccountId>,
    key: Option<PublicKey>,
    rooms: Vec<&'a Room>,
}

impl Household<'_> {
    /// The account, if there is one yet.
    fn account(&self) -> Option<AccountId> {
        self.own.or_else(|| self.key.as_ref().map(PublicKey::account))
    }
}

/// A member of the table: key, account, lines.
struct Resident<'a> {
    key: Option<PublicKey>,
    account: AccountId,
    rooms: Vec<&'a Room>,
}

fn import_rooms(args: &ImportRoomsArgs, texts: Texts, passphrases: &PassphraseSource) -> Result<ExitCode, Trouble> {
    let mut community = Community::open(&args.data)?.with_passphrases(passphrases.clone());
    let own = args.data.join("profiles");
    let has_profile =
        |name: &str| gateway::config::load_profile(name, Some(&own)).is_ok_and(|profile| profile.is_some());
    let rooms = rooms::read(&bytes_of(&args.file)?, has_profile).map_err(|faults| faulty(&args.file, &faults))?;
    let config = community.gateway_config();
    let text = std::fs::read_to_string(&config)
        .map_err(|error| Trouble::environment(format_args!("{}: {error}", config.display()), "put it back"))?;
    let new_bus = args.serial.as_deref().map(|serial| NewBus { serial, baud: args.baud });
    // With any account: whether each meter has a bus does not depend on it.
    let placed: Vec<(&Room, AccountId)> =
        rooms.iter().map(|room| (room, community.genesis().operator.account())).collect();
    let settings = |placed: &[(&Room, AccountId)]| {
        let text = with_meters(&text, placed, new_bus)?;
        gateway::Config::from_toml(&text, &args.data).map(|_| text).map_err(|error| error.to_string())
    };
    settings(&placed)
        .map_err(|what| Trouble::refused(format_args!("{}: {what}", config.display()), "mend it first"))?;
    let sender = Sender::open(&args.url, &community.key_path(KeyName::Operator), passphrases, texts)?;
    // What an earlier run has sent is seen in the ledger first, or it would be sent twice.
    sender.settle()?;
    let known = registered(&sender, &rooms)?;
    let households = households(&community, &rooms, passphrases)?;
    let faults = contradictions(&community, &sender, &households, &known)?;
    if !faults.is_empty() {
        return Err(faulty(&args.file, &faults));
    }
    if args.check {
        say(format_args!("{} lines are right; {} of the meters are registered already", rooms.len(), known.len()));
        return Ok(ExitCode::SUCCESS);
    }
    let residents = residents(&community, households, args.plain_keys, passphrases)?;
    for resident in &residents {
        let person = resident.rooms.first().map(|room| Person {
            name: room.member.clone(),
            room: Some(room.room.clone()),
            is_member: true,
        });
        let is_known = community.directory().person(&resident.account).is_some();
        if let Some(person) = person.filter(|_| !is_known) {
            community.add_entry(Entry { account: resident.account, person })?;
        }
    }
    let gateway = community.key(KeyName::Gateway)?.key.public();
    let acts = acts(&sender, args, &residents, &known, &gateway)?;
    let count = acts.len();
    let mut last = None;
    for acts in acts.chunks(Payload::ACTS_MAX) {
        last = Some(sender.send(acts.to_vec())?);
        note(format_args!("{} acts sent", acts.len()));
    }
    if let Some(id) = last {
        sender.wait(&id)?;
    }
    let placed: Vec<(&Room, AccountId)> =
        residents.iter().flat_map(|resident| resident.rooms.iter().map(|room| (*room, resident.account))).collect();
    let text = settings(&placed).map_err(|what| Trouble::environment(what, "mend gateway.toml and run it again"))?;
    replace(&config, &text)?;
    say(format_args!(
        "{} members, {} meters, {count} acts booked; {} names them, restart the gateway to read them",
        residents.len(),
        rooms.len(),
        config.display()
    ));
    Ok(ExitCode::SUCCESS)
}

fn replace(path: &Path, text: &str) -> Result<(), Trouble> {
    let draft = path.with_extension("toml.new");
    let write = || {
        let mut file = std::fs::File::create(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&draft, path)
    };
    write()
        .map_err(|error| Trouble::environment(format_args!("{}: {error}", path.display()), "see that you may write it"))
}

/// Meters of the table that the ledger has.
fn registered(sender: &Sender, rooms: &[Room]) -> Result<BTreeMap<MeterId, MeterView>, Trouble> {
    let mut known = BTreeMap::new();
    for room in rooms {
        match sender.client().meter(&room.meter) {
            Ok(view) => {
                known.insert(room.meter.clone(), view);
            }
            Err(ClientError::Problem(problem)) if problem.status == 404 => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(known)
}

/// The table's lines by member, with the accounts and keys that are there.
fn households<'a>(
    community: &Community,
    rooms: &'a [Room],
    passphrases: &PassphraseSource,
) -> Result<Vec<Household<'a>>, Trouble> {
    let mut by_name: BTreeMap<&str, Vec<&Room>> = BTreeMap::new();
    rooms.iter().for_each(|room| by_name.entry(&room.member).or_default().push(room));
    let household = |rooms: Vec<&'a Room>| {
        let own = rooms.iter().find_map(|room| room.account);
        let file = rooms.iter().map(|room| key_path(community, room)).find(|path| own.is_none() && path.exists());
        let key = file.map(|path| key_file::read_public(&path, passphrases)).transpose()?;
        Ok(Household { own, key, rooms })
    };
    by_name.into_values().map(household).collect()
}

/// Where the key of a member lies whose first line is `room`.
fn key_path(community: &Community, room: &Room) -> PathBuf {
    community.key_path(KeyName::Operator).with_file_name("members").join(format!("{}.key", room.meter))
}

/// Where the table contradicts what is there: accounts that are nobody's, meters and keys of other members.
fn contradictions(
    community: &Community,
    sender: &Sender,
    households: &[Household<'_>],
    known: &BTreeMap<MeterId, MeterView>,
) -> Result<Vec<Fault>, Trouble> {
    let mut faults = Vec::new();
    let directory = community.directory();
    for household in households {
        let named =
            household.account().and_then(|account| directory.person(&account).map(|person| person.name.clone()));
        for room in &household.rooms {
            let mut fault = |column: &str, what: String| {
                faults.push(Fault { line: room.line, column: column.to_owned(), what });
            };
            if let Some(account) = room.account
                && !has_role(sender, &account, "member")?
            {
                let remedy = "register its public key first: wattproof submit register key PUBLIC-KEY member";
                fault("account", format!("{account} is no member yet; {remedy}"));
            }
            if let Some(named) = named.as_ref().filter(|named| **named != room.member) {
                let remedy = "write the name as it is there; for somebody new, register the meter anew first";
                fault("member", format!("directory.toml calls this account `{named}`; {remedy}"));
            }
            if known.get(&room.meter).is_some_and(|view| household.account() != Some(view.member)) {
                let remedy = "take the line out, or register it anew: wattproof submit register meter --help";
                fault("meter", format!("{} is another member's in the ledger; {remedy}", room.meter));
            }
        }
    }
    faults.sort_by_key(|fault| fault.line);
    Ok(faults)
}

/// Whether an account has a role that has no end.
fn has_role(sender: &Sender, account: &AccountId, role: &str) -> Result<bool, Trouble> {
    match sender.client().account(account) {
        Ok(view) => Ok(view.roles.iter().any(|span| span.role == role && span.until_ms.is_none())),
        Err(ClientError::Problem(problem)) if problem.status == 404 => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The members with their accounts; whoever has none gets a key.
fn residents<'a>(
    community: &Community,
    households: Vec<Household<'a>>,
    plain: bool,
    passphrases: &PassphraseSource,
) -> Result<Vec<Resident<'a>>, Trouble> {
    let mut residents = Vec::new();
    for Household { own, key, rooms } in households {
        let (key, account) = match (own, key) {
            (Some(account), _) => (None, account),
            (None, Some(key)) => (Some(key.clone()), key.account()),
            (None, None) => {
                let path = rooms.first().map(|room| key_path(community, room)).unwrap_or_default();
                let key = new_key(&path, plain, passphrases)?;
                (Some(key.clone()), key.account())
            }
        };
        residents.push(Resident { key, account, rooms });
    }
    Ok(residents)
}

fn new_key(path: &Path, plain: bool, passphrases: &PassphraseSource) -> Result<PublicKey, Trouble> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|error| {
        Trouble::environment(format_args!("{}: {error}", folder.display()), "see that you may write there")
    })?;
    let passphrase = if plain { None } else { Some(passphrases.for_new(path)?) };
    let key = key_file::new_key(KeyKind::Ed25519)?;
    key_file::create(path, &key, passphrase.as_ref())?;
    Ok(key.public())
}

/// What the ledger does not have yet, in an order in which each act finds what it needs.
fn acts(
    sender: &Sender,
    args: &ImportRoomsArgs,
    residents: &[Resident<'_>],
    known: &BTreeMap<MeterId, MeterView>,
    gateway: &PublicKey,
) -> Result<Vec<Act>, Trouble> {
    let from = args.from.unwrap_or(sender.status().time_ms);
    let month = args.month.or(sender.status().month).unwrap_or(sender.status().first_open_month);
    let signer = gateway.account();
    let mut acts = Vec::new();
    let register_key = |key: &PublicKey, role| {
        Act::Register(Register::Key(RegisterKey { key: key.clone(), role, from, beneficiary: None }))
    };
    if !has_role(sender, &signer, "gateway")? {
        acts.push(register_key(gateway, Role::Gateway));
    }
    for resident in residents {
        if let Some(key) = resident.key.as_ref()
            && !has_role(sender, &resident.account, "member")?
        {
            acts.push(register_key(key, Role::Member));
        }
        for room in resident.rooms.iter().filter(|room| !known.contains_key(&room.meter)) {
            acts.push(Act::Register(Register::Meter(RegisterMeter {
                meter: room.meter.clone(),
                signer,
                member: resident.account,
                from,
                profile: room.profile.clone(),
                factor: room.factor,
                main: false,
            })));
        }
        if let Some(energy) = contract_of(&resident.rooms) {
            let contracted = match sender.client().month(&resident.account, month) {
                Ok(sheet) => sheet.terms.contract_mwh,
                Err(ClientError::Problem(problem)) if problem.status == 404 => Energy::ZERO,
                Err(error) => return Err(error.into()),
            };
            if contracted < energy {
                acts.push(Act::Contract(Contract { account: resident.account, month, energy }));
            }
        }
    }
    Ok(acts)
}

/// What a member's lines contract together.
fn contract_of(rooms: &[&Room]) -> Option<Energy> {
    let contracts = rooms.iter().filter_map(|room| room.contract);
    contracts.fold(None, |sum: Option<Energy>, more| Some(sum.and_then(|sum| sum.checked_add(more)).unwrap_or(more)))
}
