//! `wattproof import`: rooms and past readings out of tables. A file is checked as a whole before anything is made of it,
//! and what is there already is left alone, so that a run that was cut off is simply repeated.

use super::submit::Sender;
use super::terminal::{note, say};
use super::{ImportCommand, ImportReadingsArgs, ImportRoomsArgs, Trouble};
use crate::community::{Community, Entry, KeyName};
use crate::import::gateway_toml::{NewBus, with_meters};
use crate::import::readings::{Interval, Said};
use crate::import::rooms::Room;
use crate::import::{FILE_BYTES_MAX, Fault, listed, readings, rooms};
use crate::key_file::{self, KeyKind, PassphraseSource};
use crate::web::directory::Person;
use crate::web::i18n::Texts;
use api::{ClientError, MeterView};
use jiff::tz::TimeZone;
use ledger::act::{
    Act, Break, Contract, CounterPair, ReadingSource, Readings, Register, RegisterKey, RegisterMeter, Role,
};
use ledger::log::empty_root;
use ledger::{Payload, PublicKey};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use units::{AccountId, Energy, MeterId, StatementId};

/// How often a long import says how far it is, in statements.
const TELL_EVERY: usize = 500;

pub(super) fn import(command: ImportCommand, texts: Texts, keys: &PassphraseSource) -> Result<ExitCode, Trouble> {
    match command {
        ImportCommand::Rooms(args) => import_rooms(&args, texts, keys),
        ImportCommand::Readings(args) => import_readings(&args, texts, keys),
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
    let sender = Sender::open(&args.url.node, &community.key_path(KeyName::Operator), passphrases, texts)?;
    let known = registered(&sender, &rooms)?;
    if args.check {
        say(format_args!("{} lines are right; {} of the meters are registered already", rooms.len(), known.len()));
        return Ok(ExitCode::SUCCESS);
    }
    let residents = residents(&community, &rooms, args.plain_keys, passphrases)?;
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
    let signer = community.key(KeyName::Gateway)?.key.public().account();
    let acts = acts(&sender, args, &residents, &known, signer)?;
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
    let written = std::fs::write(&draft, text).and_then(|()| std::fs::rename(&draft, path));
    written
        .map_err(|error| Trouble::environment(format_args!("{}: {error}", path.display()), "see that you may write it"))
}

/// Meters of the table that the ledger has; another member's is a fault of its line.
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

/// The members with their keys: given, found from an earlier run, or made.
fn residents<'a>(
    community: &Community,
    rooms: &'a [Room],
    plain: bool,
    passphrases: &PassphraseSource,
) -> Result<Vec<Resident<'a>>, Trouble> {
    let mut by_name: BTreeMap<&str, Vec<&Room>> = BTreeMap::new();
    rooms.iter().for_each(|room| by_name.entry(&room.member).or_default().push(room));
    let folder = community.key_path(KeyName::Operator).with_file_name("members");
    let file = |room: &&Room| folder.join(format!("{}.key", room.meter));
    let mut residents = Vec::new();
    for rooms in by_name.into_values() {
        if let Some(account) = rooms.iter().find_map(|room| room.account) {
            residents.push(Resident { key: None, account, rooms });
            continue;
        }
        let path: PathBuf = match rooms.iter().map(file).find(|path| path.exists()) {
            Some(path) => path,
            None => {
                let made = std::fs::create_dir_all(&folder);
                made.map_err(|error| {
                    Trouble::environment(format_args!("{}: {error}", folder.display()), "see that you may write there")
                })?;
                let path = rooms.first().map(file).unwrap_or_default();
                let passphrase = if plain { None } else { Some(passphrases.for_new(&path)?) };
                key_file::create(&path, &key_file::new_key(KeyKind::Ed25519)?, passphrase.as_ref())?;
                path
            }
        };
        let key = key_file::read_public(&path, passphrases)?;
        residents.push(Resident { account: key.account(), key: Some(key), rooms });
    }
    Ok(residents)
}

/// What the ledger does not have yet, in an order in which each act finds what it needs.
fn acts(
    sender: &Sender,
    args: &ImportRoomsArgs,
    residents: &[Resident<'_>],
    known: &BTreeMap<MeterId, MeterView>,
    signer: AccountId,
) -> Result<Vec<Act>, Trouble> {
    let from = args.from.unwrap_or(sender.status().time_ms);
    let month = args.month.or(sender.status().month).unwrap_or(sender.status().first_open_month);
    let mut acts = Vec::new();
    for resident in residents {
        let is_member = match sender.client().account(&resident.account) {
            Ok(view) => view.roles.iter().any(|role| role.role == "member" && role.until_ms.is_none()),
            Err(ClientError::Problem(problem)) if problem.status == 404 => false,
            Err(error) => return Err(error.into()),
        };
        match &resident.key {
            Some(key) if !is_member => {
                let act = RegisterKey { key: key.clone(), role: Role::Member, from, beneficiary: None };
                acts.push(Act::Register(Register::Key(act)));
            }
            None if !is_member => {
                let line = resident.rooms.first().map_or(0, |room| room.line);
                return Err(Trouble::refused(
                    format_args!("line {line}: account {} is no member yet", resident.account),
                    "register its public key first: wattproof submit register key PUBLIC-KEY member",
                ));
            }
            _ => {}
        }
        for room in &resident.rooms {
            match known.get(&room.meter) {
                Some(view) if view.member != resident.account => {
                    return Err(Trouble::refused(
                        format_args!("line {}: meter {} is another member's", room.line, room.meter),
                        "take the line out, or register the meter anew: wattproof submit register meter --help",
                    ));
                }
                Some(_) => {}
                None => acts.push(Act::Register(Register::Meter(RegisterMeter {
                    meter: room.meter.clone(),
                    signer,
                    member: resident.account,
                    from,
                    profile: room.profile.clone(),
                    factor: room.factor,
                    main: false,
                }))),
            }
        }
        if let Some(energy) = contract_of(&resident.rooms) {
            let contracted = match sender.client().month(&resident.account, month) {
                Ok(sheet) => sheet.terms.contract_mwh,
                Err(ClientError::Problem(_)) => Energy::ZERO,
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

fn import_readings(
    args: &ImportReadingsArgs,
    texts: Texts,
    passphrases: &PassphraseSource,
) -> Result<ExitCode, Trouble> {
    let sender = Sender::open(&args.url.node, &args.key, passphrases, texts)?;
    let name = args.time_zone.clone().unwrap_or_else(|| sender.status().time_zone.clone());
    let zone = TimeZone::get(&name).map_err(|_| {
        Trouble::environment(format_args!("there is no time zone `{name}`"), "use a name such as Asia/Taipei")
    })?;
    let length = args.minutes.map(|minutes| units::Millis::from_minutes(u64::from(minutes)));
    let found = readings::read(&bytes_of(&args.file)?, &zone, length).map_err(|faults| faulty(&args.file, &faults))?;
    for (meter, from, until) in found.gaps.iter().take(10) {
        note(format_args!("meter {meter}: no line from {} to {} ms; marked as a gap", from.ms(), until.ms()));
    }
    if found.gaps.len() > 10 {
        note(format_args!("and {} more gaps", found.gaps.len() - 10));
    }
    if found.repeated > 0 {
        note(format_args!("{} lines say again what another line says", found.repeated));
    }
    let mut chains = Vec::new();
    for (meter, intervals) in &found.meters {
        let view = sender.client().meter(meter)?;
        let new = not_yet(&view, intervals).map_err(|fault| faulty(&args.file, &[fault]))?;
        chains.push((view, new));
    }
    let total: usize = chains.iter().map(|(_, intervals)| intervals.len()).sum();
    let of_file: usize = found.meters.values().map(Vec::len).sum();
    if args.check {
        say(format_args!("{of_file} intervals are right; {total} of them are not in the ledger yet"));
        return Ok(ExitCode::SUCCESS);
    }
    let mut sent = 0;
    let mut last = None;
    for (view, intervals) in &chains {
        let mut chain = Chain::of(view);
        for interval in *intervals {
            let id = sender.send(vec![Act::Readings(Box::new(chain.act(interval)))])?;
            chain.went_on(id);
            last = Some(id);
            sent += 1;
            if sent % TELL_EVERY == 0 {
                note(format_args!("{sent} of {total} intervals sent"));
            }
        }
    }
    if let Some(id) = last {
        sender.wait(&id)?;
    }
    say(format_args!("{sent} intervals imported, {} were in the ledger already", of_file - sent));
    Ok(ExitCode::SUCCESS)
}

/// The intervals behind the chain's head; one that reaches across it is a fault.
fn not_yet<'a>(view: &MeterView, intervals: &'a [Interval]) -> Result<&'a [Interval], Fault> {
    let head = view.head.end_ms;
    let new = &intervals[intervals.partition_point(|interval| interval.end <= head)..];
    match new.first() {
        Some(first) if first.start < head => Err(Fault {
            line: first.line,
            column: "start".to_owned(),
            what: format!(
                "meter {}: the ledger has its readings up to {} ms, within this interval",
                view.meter,
                head.ms()
            ),
        }),
        _ => Ok(new),
    }
}

/// Where a meter's chain stands while its intervals are stated.
struct Chain {
    view: MeterView,
    import: Option<Energy>,
}

impl Chain {
    fn of(view: &MeterView) -> Self {
        Self { import: view.head.import_mwh, view: view.clone() }
    }

    /// The next act. Energies are counted on from the head; a table of counters begins with its own first one.
    fn act(&mut self, interval: &Interval) -> Readings {
        let head = &self.view.head;
        let (start, end) = match interval.said {
            Said::Counter(counter) => (self.import.unwrap_or(counter), counter),
            Said::Energy(energy) => {
                let start = self.import.unwrap_or_default();
                (start, start.checked_add(energy).unwrap_or(start))
            }
        };
        let gap = self.import.is_some() && interval.start > head.end_ms;
        // A counter below the ledger's is of another device, as far as a file can tell.
        let broken = if end < start { Some(Break::Exchange) } else { gap.then_some(Break::Gap) };
        let start = if end < start { end } else { start };
        self.view.head.end_ms = interval.end;
        self.import = Some(end);
        Readings {
            binding: self.view.binding,
            seq: self.view.head.next_seq,
            previous: self.view.head.previous,
            start: interval.start,
            end: interval.end,
            import: CounterPair { start, end },
            export: None,
            count: 0,
            voltage: None,
            peak_current: None,
            peak_power: None,
            broken,
            events: Vec::new(),
            estimated: false,
            columns: empty_root(),
            frames: empty_root(),
            source: ReadingSource::Imported,
            wraps_at: None,
        }
    }

    fn went_on(&mut self, statement: StatementId) {
        self.view.head.next_seq += 1;
        self.view.head.previous = statement;
    }
}
