//! `/members/{account}`: all that the operator does about one member: name and room, contract, meters, key, links.

use super::{links_text, name_of};
use crate::web::AppState;
use crate::web::access::Access;
use crate::web::access::links::Link;
use crate::web::directory::Person;
use crate::web::failure::{Failure, optional};
use crate::web::format::{Clockface, kwh, kwh_balance};
use crate::web::frame::{Frame, Reader, Section};
use crate::web::i18n::Texts;
use crate::web::pages::{error_page, render};
use api::{AccountView, MeterView, Status};
use askama::Template;
use axum::Extension;
use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use units::{AccountId, Energy, EnergyBalance, Month};

/// Longest name or room: more than a line of a bill has.
const NAME_BYTES_MAX: usize = 96;

struct MeterLine {
    number: String,
    profile: String,
    factor: u32,
    since: String,
    until: Option<String>,
}

struct ContractLine {
    month: String,
    contract: String,
    used: String,
    remaining: String,
    is_below: bool,
}

#[derive(Template)]
#[template(path = "member.html")]
struct MemberPage {
    frame: Frame,
    t: Texts,
    title: String,
    account: String,
    name: String,
    room: String,
    /// What is wrong with the name that was typed.
    fault: Option<String>,
    /// Whether names can be written here.
    has_directory: bool,
    roles: Vec<String>,
    key: String,
    /// The block from which on the key signs nothing.
    revoked: Option<String>,
    meters: Vec<MeterLine>,
    contracts: Vec<ContractLine>,
    links: String,
    has_links: bool,
}

/// What is known of the member.
struct Found {
    status: Status,
    account: AccountView,
    meters: Vec<MeterView>,
    contracts: Vec<(Month, Energy, Energy, EnergyBalance)>,
}

/// Months on the page: the oldest open one and those after it.
const MONTHS_MAX: usize = 13;

fn find(node: &node::NodeHandle, id: AccountId) -> Result<Found, Failure> {
    let status = node.status()?;
    let account = node.account(id)?;
    let meters = node.meters()?.into_iter().filter(|meter| meter.member == account.id).collect();
    let months = account.months.iter().filter(|month| **month >= status.first_open_month).take(MONTHS_MAX);
    let mut contracts = Vec::new();
    for month in months {
        if let Some(sheet) = optional(node.sheet(account.id, *month))? {
            let terms = sheet.terms;
            contracts.push((*month, terms.contract_mwh, terms.consumed_mwh, terms.remaining_mwh));
        }
    }
    contracts.sort_by_key(|(month, ..)| *month);
    Ok(Found { status, account, meters, contracts })
}

/// `GET /members/{account}`.
pub(crate) async fn member(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    reader: Reader,
    Path(account): Path<String>,
) -> Response {
    match page(&state, &access, &reader, &account).await {
        Ok(page) => render(&page, StatusCode::OK),
        Err(failure) => error_page(&reader, "Wattproof", &failure),
    }
}

async fn page(state: &AppState, access: &Access, reader: &Reader, account: &str) -> Result<MemberPage, Failure> {
    let id: AccountId = account.parse().map_err(|error| Failure::malformed(&error))?;
    let Found { status, account, meters, contracts } = state.ask(move |node| find(node, id)).await?;
    let t = reader.texts();
    let face = Clockface::new(&status.time_zone);
    let links = access.links().all().map_err(|error| Failure::internal(&error))?;
    let own: Vec<&Link> = links.iter().filter(|link| link.account == account.id).collect();
    let person = state.directory(&reader.caller).person(&account.id);
    let title = name_of(state, reader, &account.id);
    let words = crate::web::view::Words {
        t,
        face: face.clone(),
        directory: state.directory(&reader.caller),
        operator: status.operator,
        currency: status.currency.clone(),
    };
    let lasting = account.roles.iter().filter(|role| role.until_ms.is_none());
    Ok(MemberPage {
        frame: Frame::new(reader, Section::Members, &status.name, title.clone()),
        t,
        title,
        account: account.id.to_string(),
        name: person.as_ref().map(|person| person.name.clone()).unwrap_or_default(),
        room: person.and_then(|person| person.room).unwrap_or_default(),
        fault: None,
        has_directory: state.desk().is_some(),
        roles: lasting.map(|role| words.role(&role.role)).collect(),
        key: account.key.clone(),
        revoked: account.revoked.map(|place| place.height.to_string()),
        meters: meters.iter().map(|meter| meter_line(&face, meter)).collect(),
        contracts: contracts.into_iter().map(contract_line).collect(),
        links: links_text(t, &face, &own),
        has_links: !own.is_empty(),
    })
}

fn meter_line(face: &Clockface, meter: &MeterView) -> MeterLine {
    MeterLine {
        number: meter.meter.to_string(),
        profile: meter.profile.clone(),
        factor: meter.factor,
        since: face.moment(meter.from_ms).full(),
        until: meter.until_ms.map(|until| face.moment(until).full()),
    }
}

fn contract_line((month, contract, used, remaining): (Month, Energy, Energy, EnergyBalance)) -> ContractLine {
    ContractLine {
        month: month.to_string(),
        contract: kwh(contract),
        used: kwh(used),
        remaining: kwh_balance(remaining),
        is_below: remaining < EnergyBalance::ZERO,
    }
}

/// A name as it was typed.
#[derive(Debug, Deserialize)]
pub(crate) struct Named {
    #[serde(default)]
    name: String,
    #[serde(default)]
    room: String,
}

/// `POST /members/{account}/name`: names an account in the directory; an empty name leaves the account's number only.
pub(crate) async fn rename(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    reader: Reader,
    Path(account): Path<String>,
    Form(typed): Form<Named>,
) -> Response {
    match try_rename(&state, &access, &reader, &account, typed).await {
        Ok(response) => response,
        Err(failure) => error_page(&reader, "Wattproof", &failure),
    }
}

async fn try_rename(
    state: &AppState,
    access: &Access,
    reader: &Reader,
    account: &str,
    typed: Named,
) -> Result<Response, Failure> {
    let page = page(state, access, reader, account).await?;
    let id: AccountId = page.account.parse().map_err(|error| Failure::malformed(&error))?;
    let (name, room) = (typed.name.trim().to_owned(), typed.room.trim().to_owned());
    let t = reader.texts();
    let refused = |fault: String| {
        let page = MemberPage { fault: Some(fault), name: typed.name.clone(), room: typed.room.clone(), ..page };
        Ok(render(&page, StatusCode::UNPROCESSABLE_ENTITY))
    };
    if name.len() > NAME_BYTES_MAX || room.len() > NAME_BYTES_MAX {
        return refused(t.arg("desk-fault-long", "bytes", NAME_BYTES_MAX.to_string()));
    }
    if name.is_empty() && !room.is_empty() {
        return refused(t.get("desk-fault-empty"));
    }
    let Some(desk) = state.desk() else { return refused(t.get("member-no-directory")) };
    let was_member = state.0.directory.person(&id).is_none_or(|person| person.is_member);
    let room = Some(room).filter(|room| !room.is_empty());
    let person = (!name.is_empty()).then_some(Person { name, room, is_member: was_member });
    let state = state.clone();
    let named = tokio::task::spawn_blocking(move || desk.name(&state.0.directory, id, person)).await;
    match named.map_err(|error| Failure::internal(&error))? {
        Ok(()) => Ok(Redirect::to(&format!("/members/{id}")).into_response()),
        Err(error) => refused(error.to_string()),
    }
}
