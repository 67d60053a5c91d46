//! Who may see and do what.
//!
//! Every route stands with its [`Need`] in the table that the router is built from ([`Table`]), and the guard in front of
//! the handler asks it; a route without one cannot be written. Pages that list many objects ask [`Sight`] for each.
//!
//! The ledger itself is everybody's: blocks and statements hold pseudonyms. What an account comes to (its months and
//! bills) is its member's and the operator's, and may be read at this computer, where the ledger lies anyway. Single
//! readings, live values and names are the member's and the operator's alone. Where genesis opens readings to
//! everybody, accounts and readings are. A member's act needs no rights here: its signature is looked at.
//!
//! The operator has a session ([`sessions`], opened with a password or, once, with a set-up code), or shows the control
//! token; a member shows a personal link ([`links`]). What a session changes has to come from a page of ours
//! ([`forgery`]), with the secret that our forms carry.

mod folder;
mod forgery;
mod guard;
mod limiter;
pub(crate) mod links;
mod origin;
mod sessions;
mod store;
mod token;

pub(crate) use folder::{AccessError, Folder};
pub(crate) use guard::{Facts, Guarded, NodeAsks, Object, Owner, ReadableSince, Table, is_for_programs};
pub(crate) use origin::{Origin, Scheme};
pub(crate) use store::{Access, AccessSetup, From, LoginError, cookie, identify};

use super::failure::Failure;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use std::convert::Infallible;
use std::path::PathBuf;
use units::AccountId;

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Everybody; what is shown may still depend on who asks.
    Anyone,
    /// Whom every meter's readings are open to.
    Readings,
    /// Whom the readings of the meter in the path (`meter`) are open to.
    ReadingsOfMeter,
    /// Whom the account in the path (`account`, or `id`) is open to.
    Account,
    /// Whom the readings in the statement in the path (`id`) are open to.
    Attachment,
    /// Whom the claim in the path (`id`) is open to: it holds readings.
    Claim,
    /// The operator, or whoever sits at this computer.
    Upkeep,
    /// The operator.
    Operator,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// Somebody who has not said.
    Anyone,
    /// A member, by a personal link.
    Member(AccountId),
    /// The operator, by a session or by the control token.
    Operator,
}

/// Who asks, and how. It holds secrets, so nothing prints it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Who.
    pub(crate) who: Who,
    /// From where.
    pub(crate) origin: Origin,
    /// Over what.
    pub(crate) scheme: Scheme,
    /// The secret of the forms of a session; `None` for who has none and so cannot be made to send one.
    csrf: Option<String>,
    /// The cookie by which they are known.
    cookie: Option<String>,
    /// Where the control token lies, for who may look: this computer.
    token_path: Option<PathBuf>,
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {:?} over {:?}", self.who, self.origin, self.scheme)
    }
}

impl Caller {
    /// Nobody in particular.
    pub(crate) fn nobody(parts: &Parts) -> Self {
        let (origin, scheme) = (Origin::of_parts(parts), Scheme::of(parts));
        Self { who: Who::Anyone, origin, scheme, csrf: None, cookie: None, token_path: None }
    }

    /// The secret that every form of theirs carries; empty without a session.
    pub(crate) fn csrf(&self) -> &str {
        self.csrf.as_deref().unwrap_or_default()
    }

    /// Whether they sit at this computer.
    pub(crate) fn is_here(&self) -> bool {
        self.origin == Origin::Here
    }

    /// Whether a browser gives a page its cryptography (W3C Secure Contexts 3.1): under TLS, or at this computer.
    pub(crate) fn is_secure(&self) -> bool {
        self.scheme == Scheme::Https || self.origin == Origin::Here
    }

    /// Whether it is the operator.
    pub(crate) fn is_operator(&self) -> bool {
        self.who == Who::Operator
    }

    /// What they may see of a ledger whose genesis says whether readings are public.
    pub(crate) const fn sight(&self, public_readings: bool) -> Sight {
        Sight { who: self.who, origin: self.origin, public_readings }
    }
}

/// What somebody may see of a ledger.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sight {
    who: Who,
    origin: Origin,
    public_readings: bool,
}

impl Sight {
    /// Whether single readings and live values of every meter are open to them.
    pub(crate) fn reads_all(self) -> bool {
        self.public_readings || self.who == Who::Operator
    }

    /// Whether single readings and live values of a member's meters are open to them.
    pub(crate) fn reads(self, member: &AccountId) -> bool {
        self.reads_all() || self.who == Who::Member(*member)
    }

    /// Whether what an account comes to is open to them.
    pub(crate) fn sees(self, account: &AccountId) -> bool {
        self.reads(account) || self.origin == Origin::Here
    }

    /// Whether what was found changed in the node's files is open to them.
    pub(crate) fn keeps_up(self) -> bool {
        self.who == Who::Operator || self.origin == Origin::Here
    }

    fn meets(self, need: Need, owner: Option<&AccountId>) -> bool {
        match need {
            Need::Anyone => true,
            Need::Operator => self.who == Who::Operator,
            Need::Upkeep => self.keeps_up(),
            Need::Readings => self.reads_all(),
            Need::Account => self.reads_all() || owner.is_some_and(|owner| self.sees(owner)),
            Need::ReadingsOfMeter | Need::Attachment | Need::Claim => {
                self.reads_all() || owner.is_some_and(|owner| self.reads(owner))
            }
        }
    }
}

impl Need {
    /// Why somebody is refused, and what to do.
    pub(crate) fn refusal(self, caller: &Caller) -> Failure {
        let token = caller.token_path.as_ref().map(|path| format!(", or show the token in {}", path.display()));
        let token = token.unwrap_or_default();
        let (name, detail) = match self {
            Self::Anyone | Self::Upkeep | Self::Operator => {
                ("not_allowed", format!("only the operator may do this: log in at /login{token}"))
            }
            Self::Account => (
                "account_private",
                "this ledger keeps accounts to their members: open your personal link, or log in at /login".to_owned(),
            ),
            Self::Readings | Self::ReadingsOfMeter | Self::Attachment | Self::Claim => (
                "readings_private",
                format!(
                    "this ledger keeps single readings to its members: open your personal link, or log in at /login{token}"
                ),
            ),
        };
        Failure::new(name, StatusCode::FORBIDDEN, detail)
    }
}

/// Whom the outermost layer found a request to speak for. Where there is none, it is nobody.
impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_else(|| Self::nobody(parts)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_meets_which_need() {
        let (chen, lee) = (AccountId::from_bytes([6; 32]), AccountId::from_bytes([7; 32]));
        let (here, elsewhere) = (Origin::Here, Origin::Elsewhere);
        let needs = [
            Need::Anyone,
            Need::Account,
            Need::ReadingsOfMeter,
            Need::Attachment,
            Need::Claim,
            Need::Readings,
            Need::Upkeep,
            Need::Operator,
        ];
        for (what, who, origin, public, may) in [
            ("nobody", Who::Anyone, elsewhere, false, "y......."),
            ("nobody, readings open", Who::Anyone, elsewhere, true, "yyyyyy.."),
            ("somebody at this computer", Who::Anyone, here, false, "yy....y."),
            ("the member", Who::Member(chen), elsewhere, false, "yyyyy..."),
            ("another member", Who::Member(lee), elsewhere, false, "y......."),
            ("another member at this computer", Who::Member(lee), here, false, "yy....y."),
            ("the operator", Who::Operator, elsewhere, false, "yyyyyyyy"),
        ] {
            let sight = Sight { who, origin, public_readings: public };
            let found: String =
                needs.map(|need| if sight.meets(need, Some(&chen)) { 'y' } else { '.' }).iter().collect();
            assert_eq!(found, may, "{what}");
        }
        let operator = Sight { who: Who::Operator, origin: elsewhere, public_readings: false };
        assert!(operator.meets(Need::Account, None), "what does not exist is looked for");
        assert!(!Sight { who: Who::Member(chen), ..operator }.meets(Need::Account, None), "or not told");
    }
}
