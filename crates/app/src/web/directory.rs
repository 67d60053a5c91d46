//! Who is who: names and rooms of accounts. It is the operator's, lies beside the ledger and never in it; erasing an
//! entry leaves a pseudonym.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};
use units::AccountId;

/// What the operator knows of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    /// Name, as pages show it.
    pub(crate) name: String,
    /// Room or address within the community.
    pub(crate) room: Option<String>,
    /// Whether it is a member, so has an account's page.
    pub(crate) is_member: bool,
}

/// All that the operator knows. Pages read it while the operator changes it.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    people: RwLock<BTreeMap<AccountId, Person>>,
}

impl Directory {
    /// Adds an account, replacing what was known of it.
    pub(crate) fn insert(&self, account: AccountId, person: Person) {
        self.people.write().unwrap_or_else(PoisonError::into_inner).insert(account, person);
    }

    /// Knows these from now on, and nobody else.
    pub(crate) fn replace(&self, people: impl IntoIterator<Item = (AccountId, Person)>) {
        *self.people.write().unwrap_or_else(PoisonError::into_inner) = people.into_iter().collect();
    }

    /// What is known of an account.
    pub(crate) fn person(&self, account: &AccountId) -> Option<Person> {
        self.people.read().unwrap_or_else(PoisonError::into_inner).get(account).cloned()
    }

    /// Everybody, for another directory to begin with.
    pub(crate) fn people(&self) -> BTreeMap<AccountId, Person> {
        self.people.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The part of it that somebody may know.
    pub(crate) const fn known(&self, whom: Whom) -> Known<'_> {
        Known { directory: self, whom }
    }
}

/// Who sees members' names. The operator always does, and a member their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NamesFor {
    /// The operator alone.
    #[default]
    Operator,
    /// Everybody who opened a member's link: a house where people know each other.
    Members,
    /// Everybody: a demonstration.
    Everybody,
}

/// Whose names somebody may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whom {
    /// Everybody's.
    Everybody,
    /// One's own.
    Only(AccountId),
    /// Nobody's.
    Nobody,
}

/// The part of a directory that somebody may know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known<'a> {
    directory: &'a Directory,
    whom: Whom,
}

impl Known<'_> {
    /// What is known of an account.
    pub(crate) fn person(&self, account: &AccountId) -> Option<Person> {
        let is_known = match self.whom {
            Whom::Everybody => true,
            Whom::Only(one) => one == *account,
            Whom::Nobody => false,
        };
        is_known.then(|| self.directory.person(account)).flatten()
    }
}
