//! `/members`: who has a personal link, for the operator; and `/m/...`, where such a link leads.

mod one;

pub(crate) use one::{member, rename};

use super::AppState;
use super::access::links::{Link, PATH};
use super::access::{Access, AccessError, From, Scheme};
use super::failure::Failure;
use super::format::Clockface;
use super::frame::{Frame, Reader, Section};
use super::i18n::Texts;
use super::pages::{error_page, render};
use super::qr::{self, Picture};
use api::{AccountSummary, Status};
use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use units::{AccountId, Timestamp};

/// Where the members are.
pub(crate) const MEMBERS: &str = "/members";
/// Members on the page: a thousand households.
const MEMBERS_MAX: usize = 1_000;

struct Line {
    name: String,
    room: String,
    account: String,
    meters: String,
    has_links: bool,
    links: String,
}

/// A link that was made just now.
struct Made {
    name: String,
    url: String,
    picture: Option<Picture>,
    here_only: bool,
}

#[derive(Template)]
#[template(path = "members.html")]
struct MembersPage {
    frame: Frame,
    t: Texts,
    made: Option<Made>,
    refused: Option<String>,
    rows: Vec<Line>,
}

/// `GET /members`.
pub(crate) async fn members(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    reader: Reader,
) -> Result<Response, Failure> {
    Ok(render(&page(&state, &access, &reader).await?, StatusCode::OK))
}

async fn page(state: &AppState, access: &Access, reader: &Reader) -> Result<MembersPage, Failure> {
    if let Some(desk) = state.desk()
        && let Err(error) = desk.read_names(&state.0.directory)
    {
        tracing::warn!(%error, "the names could not be read again");
    }
    let (status, accounts) = state.ask(|node| Ok((node.status()?, node.accounts()?))).await?;
    let links = access.links().all().map_err(|error| Failure::internal(&error))?;
    let t = reader.texts();
    let is_member = |account: &AccountSummary| account.roles.iter().any(|role| role.role == "member");
    let members = accounts.into_iter().filter(is_member).take(MEMBERS_MAX);
    let mut rows: Vec<Line> = members.map(|account| line(state, reader, &status, &links, &account)).collect();
    rows.sort_by(|one, other| {
        (one.room.is_empty(), &one.room, &one.name).cmp(&(other.room.is_empty(), &other.room, &other.name))
    });
    Ok(MembersPage {
        frame: Frame::new(reader, Section::Members, &status.name, t.get("members-title")),
        t,
        made: None,
        refused: None,
        rows,
    })
}

fn line(state: &AppState, reader: &Reader, status: &Status, links: &[Link], account: &AccountSummary) -> Line {
    let person = state.directory(&reader.caller).person(&account.id);
    let meters: Vec<_> = account.meters.iter().map(ToString::to_string).collect();
    let own: Vec<&Link> = links.iter().filter(|link| link.account == account.id).collect();
    Line {
        name: name_of(state, reader, &account.id),
        room: person.and_then(|person| person.room.clone()).unwrap_or_default(),
        account: account.id.to_string(),
        meters: meters.join(", "),
        has_links: !own.is_empty(),
        links: links_text(reader.texts(), &Clockface::new(&status.time_zone), &own),
    }
}

fn name_of(state: &AppState, reader: &Reader, account: &AccountId) -> String {
    let person = state.directory(&reader.caller).person(account);
    person.map_or_else(|| reader.texts().arg("account-unnamed", "short", account.short()), |person| person.name.clone())
}

fn links_text(t: Texts, face: &Clockface, links: &[&Link]) -> String {
    match links.last() {
        None => t.get("members-no-link"),
        Some(newest) => {
            let (count, time) = (links.len().to_string(), face.moment(newest.made).full());
            t.with("members-links", &[("count", &count), ("time", &time)])
        }
    }
}

/// `POST /members/{account}/link`: makes a link and shows it, this once.
pub(crate) async fn make_link(
    State(state): State<AppState>,
    Extension(access): Extension<Access>,
    reader: Reader,
    from: From,
    headers: HeaderMap,
    Path(account): Path<String>,
) -> Result<Response, Failure> {
    let account: AccountId = account.parse().map_err(|error| Failure::malformed(&error))?;
    state.ask(move |node| Ok(node.account(account)?)).await?;
    let made = access.links().make(account, now());
    let page = page(&state, &access, &reader).await?;
    let secret = match made {
        Ok(secret) => secret,
        Err(AccessError::TooManyLinks(reason)) => {
            return Ok(render(&MembersPage { refused: Some(reason.to_owned()), ..page }, StatusCode::CONFLICT));
        }
        Err(error) => return Err(Failure::internal(&error)),
    };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let scheme = if from.scheme == Scheme::Https { "https" } else { "http" };
    let base = state.address().map_or_else(|| format!("{scheme}://{host}"), str::to_owned);
    let url = format!("{base}{PATH}{secret}");
    let here_only = state.address().is_none() && reader.caller.is_here();
    let made = Made { name: name_of(&state, &reader, &account), picture: qr::draw(&url), url, here_only };
    Ok(render(&MembersPage { made: Some(made), ..page }, StatusCode::OK))
}

/// `POST /members/{account}/revoke-links`: from now on the member's links open nothing.
pub(crate) async fn revoke_links(
    Extension(access): Extension<Access>,
    Path(account): Path<String>,
) -> Result<Response, Failure> {
    let account: AccountId = account.parse().map_err(|error| Failure::malformed(&error))?;
    access.links().revoke(&account).map_err(|error| Failure::internal(&error))?;
    Ok(Redirect::to(MEMBERS).into_response())
}

/// `GET /m/{secret}`: this browser is the member's from now on, until the link is revoked.
pub(crate) async fn follow(
    Extension(access): Extension<Access>,
    State(state): State<AppState>,
    reader: Reader,
    from: From,
    Path(secret): Path<String>,
) -> Response {
    match access.links().account_of(&secret) {
        Ok(Some(account)) => {
            let mut response = Redirect::to(&format!("/accounts/{account}")).into_response();
            response.headers_mut().append(header::SET_COOKIE, access.link_cookie(from.scheme, &secret));
            response
        }
        Ok(None) => {
            let community = state.ask(|node| Ok(node.status()?.name)).await;
            let detail = reader.texts().get("link-gone");
            let failure = Failure::new("link_gone", StatusCode::FORBIDDEN, detail);
            error_page(&reader, community.as_deref().unwrap_or("Wattproof"), &failure)
        }
        Err(error) => Failure::internal(&error).into_response(),
    }
}

/// By this computer's clock: links are no part of the ledger.
pub(crate) fn now() -> Timestamp {
    node::Clock::now(&crate::clock::RealClock)
}
