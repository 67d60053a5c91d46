//! `/accounts`: every member's month in a line.

use super::overview::Quota;
use super::{Answer, ask, render, words};
use crate::web::AppState;
use crate::web::access::Sight;
use crate::web::failure::{Failure, optional};
use crate::web::format::decimal;
use crate::web::frame::{Frame, Reader, Section};
use crate::web::i18n::Texts;
use crate::web::view::{Party, Words};
use api::{AccountSummary, OpenOffer, PAGE_ITEMS_DEFAULT, SheetView, Status};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use node::NodeHandle;

/// Accounts on the page: a thousand households; more need a search, which is not here yet.
const ACCOUNTS_MAX: usize = 1_000;

struct Line {
    name: String,
    room: String,
    href: String,
    meters: String,
    contract: String,
    used: String,
    remaining: String,
    below: bool,
}

struct Other {
    name: String,
    roles: String,
    id: String,
}

#[derive(Template)]
#[template(path = "accounts.html")]
struct AccountsPage {
    frame: Frame,
    t: Texts,
    lead: String,
    /// Whether there may be accounts that are not open to the reader.
    is_private: bool,
    rows: Vec<Line>,
    offers: Vec<OfferText>,
    others: Vec<Other>,
}

/// An offer that can be accepted.
struct OfferText {
    seller: Party,
    line: String,
    id: String,
}

/// What everybody's ledger says of an account, and its month for whom that is open.
type Listed = (AccountSummary, Option<SheetView>);

fn gather(node: &NodeHandle, status: &Status, sight: Sight) -> Result<(Vec<Listed>, Vec<OpenOffer>), Failure> {
    let offers = node.offers(None, PAGE_ITEMS_DEFAULT)?.items;
    let open = |account: &AccountSummary| !is_member(account) || sight.sees(&account.id);
    let accounts = node.accounts()?.into_iter().filter(open).take(ACCOUNTS_MAX);
    let listed = accounts
        .map(|account| {
            let sheet = match status.month.filter(|_| is_member(&account)) {
                Some(month) => optional(node.sheet(account.id, month))?,
                None => None,
            };
            Ok((account, sheet))
        })
        .collect::<Result<_, Failure>>()?;
    Ok((listed, offers))
}

fn is_member(account: &AccountSummary) -> bool {
    account.roles.iter().any(|role| role.role == "member")
}

/// `GET /accounts`.
pub(crate) async fn accounts(State(state): State<AppState>, reader: Reader) -> Answer {
    let caller = reader.caller.clone();
    let question = move |node: &NodeHandle, status: &Status| gather(node, status, caller.sight(status.public_readings));
    let (status, (listed, offers)) = ask(&state, &reader, question).await?;
    let words = words(&state, &reader, &status);
    let t = reader.texts();
    let (mut members, others): (Vec<_>, Vec<_>) = listed.iter().partition(|(account, _)| is_member(account));
    members.sort_by_cached_key(|(account, _)| {
        let room = words.directory.person(&account.id).and_then(|person| person.room.clone());
        (room.is_none(), room, words.name(&account.id))
    });
    let page = AccountsPage {
        frame: Frame::new(&reader, Section::Accounts, &status.name, t.get("accounts-title")),
        t,
        is_private: !reader.caller.sight(status.public_readings).reads_all(),
        lead: status
            .month
            .map_or_else(|| t.get("accounts-lead-none"), |month| t.arg("accounts-lead", "month", month.to_string())),
        rows: members.into_iter().map(|(account, sheet)| line(&words, account, sheet.as_ref())).collect(),
        offers: offers.iter().map(|offer| offer_text(&words, offer)).collect(),
        others: others.into_iter().map(|(account, _)| other(&words, account)).collect(),
    };
    Ok(render(&page, StatusCode::OK))
}

fn line(words: &Words<'_>, account: &AccountSummary, sheet: Option<&SheetView>) -> Line {
    let quota = Quota::of(words.t, sheet);
    let meters: Vec<_> = account.meters.iter().map(ToString::to_string).collect();
    let used = sheet.map(|sheet| decimal(i128::from(sheet.terms.consumed_mwh.mwh()), 6, 3));
    let room = words.directory.person(&account.id).and_then(|person| person.room.clone());
    Line {
        name: words.name(&account.id),
        room: room.unwrap_or_default(),
        href: format!("/accounts/{}", account.id),
        meters: meters.join(", "),
        contract: quota.contract,
        used: used.unwrap_or_else(|| "–".to_owned()),
        remaining: quota.remaining,
        below: quota.class == "over",
    }
}

fn offer_text(words: &Words<'_>, open: &OpenOffer) -> OfferText {
    OfferText { seller: words.party(&open.seller), line: words.offer_line(&open.offer), id: open.statement.to_string() }
}

fn other(words: &Words<'_>, account: &AccountSummary) -> Other {
    let roles: Vec<_> = account.roles.iter().map(|role| words.role(&role.role)).collect();
    Other { name: words.name(&account.id), roles: roles.join(", "), id: account.id.to_string() }
}
