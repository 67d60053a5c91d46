//! The forms: which fields each has, and what acts it makes of what was typed.

mod answer;
mod contract;
mod level;
mod member;
mod meter;
mod tariff;

use super::Desk;
use super::fields::{Checking, Faults, Field, Group, Kind, Typed};
use super::sign::Mark;
use crate::key_file::{self, Passphrase};
use crate::web::directory::{Directory, Person};
use crate::web::failure::Failure;
use crate::web::format::Clockface;
use crate::web::i18n::Texts;
use api::{AccountSummary, ClaimView, MeterView, Status};
use ledger::act::{Act, ActId};
use ledger::{PublicKey, SecretKey};
use node::NodeHandle;
use std::collections::BTreeMap;
use units::{AccountId, Energy, Month, Timestamp};

/// Months that are offered to choose from: this year's and the next one's.
const MONTHS_OFFERED: u32 = 24;

/// A form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Somebody new, with meters and contract.
    Member,
    /// A meter for a member, or a main meter.
    Meter,
    /// A meter's end.
    EndMeter,
    /// Contract energy.
    Contract,
    /// A key that signs nothing any more.
    Revoke,
    /// A member who moves out.
    Leave,
    /// Prices.
    Tariff,
    /// An answer to a claim.
    Answer,
    /// The mining level.
    Level,
}

impl Form {
    pub(super) const ALL: [Self; 9] = [
        Self::Member,
        Self::Meter,
        Self::EndMeter,
        Self::Contract,
        Self::Revoke,
        Self::Leave,
        Self::Tariff,
        Self::Answer,
        Self::Level,
    ];

    /// Its name in the address.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Meter => "meter",
            Self::EndMeter => "end-meter",
            Self::Contract => "contract",
            Self::Revoke => "revoke",
            Self::Leave => "leave",
            Self::Tariff => "tariff",
            Self::Answer => "answer",
            Self::Level => "level",
        }
    }

    pub(super) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.name() == name)
    }

    /// Its heading and what it is for.
    pub(super) fn heading(self, t: Texts) -> (String, String) {
        match self {
            Self::Member => (t.get("desk-member"), t.get("desk-member-lead")),
            Self::Meter => (t.get("desk-meter"), t.get("desk-meter-lead")),
            Self::EndMeter => (t.get("desk-end-meter"), t.get("desk-end-meter-lead")),
            Self::Contract => (t.get("desk-contract"), t.get("desk-contract-lead")),
            Self::Revoke => (t.get("desk-revoke"), t.get("desk-revoke-lead")),
            Self::Leave => (t.get("desk-leave"), t.get("desk-leave-lead")),
            Self::Tariff => (t.get("desk-tariff"), t.get("desk-tariff-lead")),
            Self::Answer => (t.get("desk-answer"), t.get("desk-answer-lead")),
            Self::Level => (t.get("desk-level"), t.get("desk-level-lead")),
        }
    }

    /// Where one comes from and goes back to: address and its name.
    pub(super) fn origin(self, t: Texts, typed: &Typed) -> (String, String) {
        match self {
            Self::Member => ("/members".to_owned(), t.get("members-title")),
            Self::Tariff => ("/tariff".to_owned(), t.get("tariff-title")),
            Self::Answer => ("/claims".to_owned(), t.get("claims-title")),
            Self::Level => ("/pool".to_owned(), t.get("mining-title")),
            Self::Meter | Self::EndMeter | Self::Contract | Self::Revoke | Self::Leave => {
                match typed.get("account").parse::<AccountId>() {
                    Ok(account) => (format!("/members/{account}"), t.get("member")),
                    Err(_) => ("/members".to_owned(), t.get("members-title")),
                }
            }
        }
    }

    /// Its fields, with what was typed and what is wrong with it.
    pub(super) fn groups(self, scene: &Scene, typed: &Typed, faults: &Faults) -> Vec<Group> {
        let mut groups = match self {
            Self::Member => member::groups(scene, typed),
            Self::Meter => meter::groups(scene, typed),
            Self::EndMeter => meter::end_groups(scene, typed),
            Self::Contract => contract::groups(scene, typed),
            Self::Revoke | Self::Leave => member::end_groups(scene, typed),
            Self::Tariff => tariff::groups(scene, typed),
            Self::Answer => answer::groups(scene, typed),
            Self::Level => level::groups(scene, typed),
        };
        for field in groups.iter_mut().flat_map(|group| &mut group.fields) {
            field.fault = faults.get(field.name).cloned();
        }
        groups
    }

    /// What it makes of what was typed.
    ///
    /// # Errors
    /// Every field that cannot be used, with what to write.
    pub(super) fn plan(self, scene: &Scene, typed: &Typed) -> Result<Plan, Faults> {
        let mut checking = Checking::new(scene.t, typed);
        let plan = match self {
            Self::Member => member::plan(scene, &mut checking),
            Self::Meter => meter::plan(scene, &mut checking),
            Self::EndMeter => meter::end_plan(scene, &mut checking),
            Self::Contract => contract::plan(scene, &mut checking),
            Self::Revoke => member::revoke_plan(scene, &mut checking),
            Self::Leave => member::leave_plan(scene, &mut checking),
            Self::Tariff => tariff::plan(scene, &mut checking),
            Self::Answer => answer::plan(scene, &mut checking),
            Self::Level => level::plan(scene, &mut checking),
        };
        match plan {
            Some(plan) if checking.faults.is_empty() => Ok(plan),
            _ => Err(checking.faults),
        }
    }
}

/// A member's key that is made on this computer.
#[derive(Debug, Clone)]
pub(super) struct MadeKey {
    /// Name of its file.
    pub(super) file: String,
    /// The key.
    pub(super) key: SecretKey,
}

/// What is stated once it is signed.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan {
    /// The acts of one statement.
    pub(super) acts: Vec<Act>,
    /// Who gets a name in the directory.
    pub(super) person: Option<(AccountId, Person)>,
    /// A key that is kept here first.
    pub(super) made: Option<MadeKey>,
    /// What else to know before it is signed.
    pub(super) notes: Vec<String>,
}

impl Plan {
    pub(super) fn of(acts: Vec<Act>) -> Self {
        Self { acts, ..Self::default() }
    }
}

/// What a form needs to know of the ledger and of this computer.
pub(super) struct Scene {
    pub(super) t: Texts,
    pub(super) status: Status,
    /// From when what is stated holds: when its check was shown, so that a form sent twice states the same.
    pub(super) now: Timestamp,
    pub(super) face: Clockface,
    pub(super) accounts: Vec<AccountSummary>,
    pub(super) meters: Vec<MeterView>,
    pub(super) people: BTreeMap<AccountId, Person>,
    /// What the chosen account has contracted, by month.
    pub(super) contracted: BTreeMap<Month, Energy>,
    /// The claim that is answered.
    pub(super) claim: Option<ClaimView>,
    /// This computer's gateway, as long as the ledger does not know it.
    pub(super) new_gateway: Option<PublicKey>,
    /// Names of meter profiles.
    pub(super) profiles: Vec<String>,
    /// Whether the operator's key lies here.
    pub(super) has_key: bool,
    /// A member's key that an earlier attempt of this form has made.
    pub(super) kept: Option<SecretKey>,
}

impl Scene {
    /// As it stands now; blocks.
    pub(super) fn gather(
        (node, desk): (&NodeHandle, Option<&Desk>),
        t: Texts,
        people: BTreeMap<AccountId, Person>,
        (form, typed, passphrase): (Form, &Typed, &Passphrase),
        mark: Option<Mark>,
    ) -> Result<Self, Failure> {
        let status = node.status()?;
        let accounts = node.accounts()?;
        let contracted = match typed.get("account").parse() {
            Ok(account) if form == Form::Contract => contract::of(node, account)?,
            _ => BTreeMap::new(),
        };
        let claim = match form {
            Form::Answer => answer::claim(node, typed.get("claim"))?,
            _ => None,
        };
        Ok(Self {
            t,
            now: mark.map_or(status.time_ms, |mark| mark.issued),
            face: Clockface::new(&status.time_zone),
            new_gateway: desk.and_then(|desk| new_gateway(desk, &accounts)),
            profiles: profiles(desk),
            has_key: desk.is_some_and(|desk| desk.operator_key().is_some()),
            kept: desk.and_then(|desk| desk.kept(&member::file_name(typed), passphrase)),
            meters: node.meters()?,
            status,
            accounts,
            people,
            contracted,
            claim,
        })
    }

    /// A name as pages show it.
    pub(super) fn name(&self, account: &AccountId) -> String {
        match self.people.get(account) {
            Some(Person { name, room: Some(room), .. }) => format!("{name} ({room})"),
            Some(Person { name, .. }) => name.clone(),
            None if *account == self.status.operator => self.t.get("operator"),
            None => self.t.arg("account-unnamed", "short", account.short()),
        }
    }

    fn with_role(&self, role: &str) -> impl Iterator<Item = &AccountSummary> {
        self.accounts
            .iter()
            .filter(move |account| account.roles.iter().any(|span| span.role == role && span.until_ms.is_none()))
    }

    /// Members to choose from, those with rooms first.
    pub(super) fn members(&self) -> Vec<(String, String)> {
        let room = |account: &AccountId| self.people.get(account).and_then(|person| person.room.clone());
        let mut members: Vec<_> = self
            .with_role("member")
            .map(|account| {
                (room(&account.id).is_none(), room(&account.id), self.name(&account.id), account.id.to_string())
            })
            .collect();
        members.sort();
        members.into_iter().map(|(_, _, name, id)| (id, name)).collect()
    }

    /// Who signs for meters.
    pub(super) fn signers(&self) -> Vec<(String, String)> {
        let known = self.with_role("gateway").chain(self.with_role("meter"));
        let known = known.map(|account| (account.id.to_string(), self.name(&account.id)));
        let new = self.new_gateway.iter().map(|key| (key.account().to_string(), self.t.get("desk-new-gateway")));
        known.chain(new).collect()
    }

    /// Months to choose from, beginning with the oldest open one.
    pub(super) fn months(&self) -> Vec<(String, String)> {
        let first = self.status.first_open_month;
        (0..MONTHS_OFFERED).map(|count| first.plus(count).to_string()).map(|month| (month.clone(), month)).collect()
    }

    /// The present month, in the calendar's.
    pub(super) fn month(&self) -> Month {
        self.status.month.unwrap_or(self.status.first_open_month)
    }

    /// The field for a member, which a link may have chosen.
    fn member_field(&self, typed: &Typed) -> Field {
        Field::new(typed, "account", self.t.get("member"), Kind::Choice(chosen(&self.t, self.members())))
    }

    /// The member that was chosen.
    fn member(&self, checking: &mut Checking<'_>) -> Option<AccountId> {
        let account = checking.typed.get("account").parse().ok();
        let known = account.filter(|account| self.with_role("member").any(|member| member.id == *account));
        if known.is_none() {
            let words = self.t.get("desk-fault-member");
            checking.fault("account", words);
        }
        known
    }

    /// The directory, with somebody new in it.
    pub(super) fn directory(&self, person: Option<&(AccountId, Person)>) -> Directory {
        let directory = Directory::default();
        directory.replace(self.people.clone().into_iter().chain(person.cloned()));
        directory
    }
}

/// Choices with one before them that says to choose.
fn chosen(t: &Texts, choices: Vec<(String, String)>) -> Vec<(String, String)> {
    std::iter::once((String::new(), t.get("desk-choose"))).chain(choices).collect()
}

/// The gateway of this community's directory, which the first meter needs in the ledger.
fn new_gateway(desk: &Desk, accounts: &[AccountSummary]) -> Option<PublicKey> {
    // A service's key has no passphrase.
    let key = key_file::read_typed(&desk.gateway_key, &Passphrase::default()).ok()?.public();
    let is_known = accounts.iter().any(|one| {
        one.id == key.account() && one.roles.iter().any(|span| span.role == "gateway" && span.until_ms.is_none())
    });
    (!is_known).then_some(key)
}

/// Profiles that come with the program, and the operator's own.
fn profiles(desk: Option<&Desk>) -> Vec<String> {
    let mut names: Vec<String> = ::meter::Profile::shipped_names().into_iter().map(str::to_owned).collect();
    let own = desk.and_then(|desk| std::fs::read_dir(&desk.profiles).ok());
    let own = own.into_iter().flatten().filter_map(|entry| {
        let path = entry.ok()?.path();
        let is_profile = path.extension().is_some_and(|extension| extension == "toml");
        path.file_stem().filter(|_| is_profile)?.to_str().map(str::to_owned)
    });
    names.extend(own);
    names.sort();
    names.dedup();
    names
}

/// An act of a statement as it is written: its statement's id, and `#` with its number there.
fn act_id(typed: &str) -> Option<ActId> {
    let (statement, act) = typed.split_once('#').unwrap_or((typed, "0"));
    Some(ActId { statement: statement.parse().ok()?, act: act.parse().ok()? })
}
