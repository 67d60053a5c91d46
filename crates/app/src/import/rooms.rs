//! `rooms.csv`: who lives where, behind which meter.

use super::{Fault, Table};
use meter::{Address, Profile};
use std::collections::BTreeMap;
use units::{AccountId, Energy, MeterId};

/// What a table of rooms may have.
pub(crate) const COLUMNS: &[&str] =
    &["room", "member", "meter", "profile", "address", "bus", "contract_kwh", "account", "factor"];
/// What it must have.
const NEEDED: &[&str] = &["room", "member", "meter", "profile", "address"];

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Room {
    /// Its number in the file.
    pub(crate) line: u64,
    /// The room, as it is called in the house.
    pub(crate) room: String,
    /// The member's name.
    pub(crate) member: String,
    /// The number on the meter.
    pub(crate) meter: MeterId,
    /// Its model.
    pub(crate) profile: String,
    /// Its address on the bus.
    pub(crate) address: Address,
    /// The bus, if there are several.
    pub(crate) bus: Option<String>,
    /// The energy contracted for a month.
    pub(crate) contract: Option<Energy>,
    /// The member's account, if they have made their key themselves.
    pub(crate) account: Option<AccountId>,
    /// What the counter is multiplied by.
    pub(crate) factor: u32,
}

/// Reads and checks a table of rooms as a whole. `has_profile` says whether there is a profile of a name.
///
/// # Errors
/// All that is wrong with it.
pub(crate) fn read(bytes: &[u8], has_profile: impl Fn(&str) -> bool) -> Result<Vec<Room>, Vec<Fault>> {
    let table = Table::read(bytes, NEEDED, COLUMNS)?;
    let (mut rooms, mut faults) = (Vec::new(), Vec::new());
    for line in &table.lines {
        let text = |text: &str| Ok::<_, String>(text.to_owned());
        let profile = |name: &str| {
            if has_profile(name) {
                return Ok(name.to_owned());
            }
            let nearest = meter::strict_toml::nearest(name, Profile::shipped_names().into_iter()).unwrap_or_default();
            Err(format!("there is no profile `{name}`; did you mean `{nearest}`?"))
        };
        let factor = |text: &str| match text.parse::<u32>() {
            Ok(factor @ 1..) => Ok(factor),
            _ => Err(format!("`{text}` is not a factor; write a whole number from 1 on")),
        };
        let room = table.need(&mut faults, line, "room", text);
        let member = table.need(&mut faults, line, "member", text);
        let meter = table.need(&mut faults, line, "meter", |text| text.parse::<MeterId>().map_err(|e| e.to_string()));
        let profile = table.need(&mut faults, line, "profile", profile);
        let address =
            table.need(&mut faults, line, "address", |text| text.parse::<Address>().map_err(|e| e.to_string()));
        let bus = table.may(&mut faults, line, "bus", text);
        let kwh = |text: &str| Energy::parse_kwh(text).map_err(|error| format!("`{text}`: {error}"));
        let contract = table.may(&mut faults, line, "contract_kwh", kwh);
        let account =
            table.may(&mut faults, line, "account", |text| text.parse().map_err(|e: units::IdError| e.to_string()));
        let factor = table.may(&mut faults, line, "factor", factor).unwrap_or(1);
        let line = line.number;
        if let (Some(room), Some(member), Some(meter), Some(profile), Some(address)) =
            (room, member, meter, profile, address)
        {
            rooms.push(Room { line, room, member, meter, profile, address, bus, contract, account, factor });
        }
    }
    faults.extend(twice(&rooms));
    faults.sort_by_key(|fault| fault.line);
    if faults.is_empty() && rooms.is_empty() {
        faults.push(Fault { line: 1, column: String::new(), what: "there is no line below the header".to_owned() });
    }
    if faults.is_empty() { Ok(rooms) } else { Err(faults) }
}

/// What stands in two lines and must stand in one.
fn twice(rooms: &[Room]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let (mut meters, mut addresses, mut members) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for room in rooms {
        let mut fault = |column: &str, what| faults.push(Fault { line: room.line, column: column.to_owned(), what });
        if let Some(before) = meters.insert(&room.meter, room.line) {
            fault("meter", format!("{} stands in line {before} too", room.meter));
        }
        if let Some(before) = addresses.insert((&room.bus, room.address.to_string()), room.line) {
            fault("address", format!("{} is that of line {before} too, on the same bus", room.address));
        }
        let (account, before) = *members.entry(&room.member).or_insert((room.account, room.line));
        if account != room.account {
            fault("account", format!("{} has another account in line {before}", room.member));
        }
    }
    faults
}
