//! Who is who: names and rooms of accounts. It is the operator's, lies beside the ledger and never in it; erasing an
//! entry leaves a pseudonym.

use std::collections::BTreeMap;
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

/// All that the operator knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Directory {
    people: BTreeMap<AccountId, Person>,
}

impl Directory {
    /// Of nobody.
    pub(crate) const fn empty() -> Self {
        Self { people: BTreeMap::new() }
    }

    /// Adds an account, replacing what was known of it.
    pub(crate) fn insert(&mut self, account: AccountId, person: Person) {
        self.people.insert(account, person);
    }

    /// What is known of an account.
    pub(crate) fn person(&self, account: &AccountId) -> Option<&Person> {
        self.people.get(account)
    }
}
