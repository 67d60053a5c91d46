//! Which statements a reader wants, and where in the blocks the page begins.

use crate::web::failure::Failure;
use api::{ActView, StatementView};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use units::AccountId;

/// Longest text that is looked for: more than any name, number or remark's beginning.
const TEXT_CHARS_MAX: usize = 80;

/// The form's fields; an empty one is one that was left alone.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    /// Signed by or for this account.
    pub(super) account: String,
    /// With an act of this kind.
    pub(super) act: String,
    /// With this in an id, a number, a name or what was written.
    pub(super) text: String,
    /// From this block on.
    pub(super) from: String,
    /// Up to this block.
    pub(super) until: String,
    /// Where this page begins.
    pub(super) before: String,
    /// Of another node.
    pub(super) node: String,
}

/// A place among the statements, newest first: below it the page goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The block.
    pub(super) height: u64,
    /// The statement in it that was shown last; none before the block's last.
    pub(super) index: Option<usize>,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            Some(index) => write!(f, "{}.{index}", self.height),
            None => write!(f, "{}", self.height),
        }
    }
}

impl FromStr for Cursor {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (height, index) = text.split_once('.').map_or((text, None), |(height, index)| (height, Some(index)));
        Ok(Self { height: height.parse()?, index: index.map(str::parse).transpose()? })
    }
}

/// What is looked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    pub(super) account: Option<AccountId>,
    act: Option<String>,
    text: Option<String>,
    /// Accounts whose name has the text.
    named: BTreeSet<AccountId>,
    pub(super) from: Option<u64>,
    pub(super) until: Option<u64>,
    pub(super) before: Option<Cursor>,
}

impl Filter {
    /// Of the form's fields.
    ///
    /// # Errors
    /// When an account or a block's number is none.
    pub(super) fn of(wanted: &Wanted) -> Result<Self, Failure> {
        let text: String = wanted.text.trim().to_lowercase().chars().take(TEXT_CHARS_MAX).collect();
        Ok(Self {
            account: read(&wanted.account)?,
            act: Some(wanted.act.clone()).filter(|act| !act.is_empty()),
            text: Some(text).filter(|text| !text.is_empty()),
            named: BTreeSet::new(),
            from: read(&wanted.from)?,
            until: read(&wanted.until)?,
            before: read(&wanted.before)?,
        })
    }

    /// With those of some accounts whose names have the text; `name` says what the reader is shown of each.
    pub(super) fn with_names(mut self, accounts: &[AccountId], name: impl Fn(&AccountId) -> String) -> Self {
        if let Some(text) = &self.text {
            let has = |account: &&AccountId| name(account).to_lowercase().contains(text);
            self.named = accounts.iter().filter(has).copied().collect();
        }
        self
    }

    /// Whether a statement is wanted.
    pub(super) fn takes(&self, statement: &StatementView) -> bool {
        self.account.is_none_or(|account| names(statement, &account))
            && self.act.as_deref().is_none_or(|act| has(statement, act))
            && self.text.as_deref().is_none_or(|text| self.says(statement, text))
    }

    fn says(&self, statement: &StatementView, text: &str) -> bool {
        self.named.iter().any(|account| names(statement, account))
            || serde_json::to_value(statement).is_ok_and(|value| holds(&value, text))
    }
}

fn read<T: FromStr<Err: fmt::Display>>(text: &str) -> Result<Option<T>, Failure> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|error| Failure::malformed(&format_args!("`{text}`: {error}")))
}

/// Whether a text stands in one of the statement's own texts: not in the names of its fields.
fn holds(value: &serde_json::Value, text: &str) -> bool {
    match value {
        serde_json::Value::String(own) => own.to_lowercase().contains(text),
        serde_json::Value::Array(all) => all.iter().any(|one| holds(one, text)),
        serde_json::Value::Object(all) => all.values().any(|one| holds(one, text)),
        _ => false,
    }
}

/// Whether an account signed it, or is named in it as who receives.
fn names(statement: &StatementView, account: &AccountId) -> bool {
    let receives = |act: &ActView| match act {
        ActView::Transfer(transfer) => transfer.to == *account,
        ActView::Contract(contract) => contract.account == *account,
        ActView::Bill(bill) => bill.account == *account,
        ActView::RegisterKey(key) => key.account == *account,
        ActView::RegisterMeter(meter) => meter.member == *account,
        ActView::Offer(offer) => offer.to == Some(*account),
        ActView::Accept(accept) => accept.seller == Some(*account),
        _ => false,
    };
    statement.signer == *account || statement.acts.iter().any(receives)
}

/// Whether it has an act of this name.
fn has(statement: &StatementView, kind: &str) -> bool {
    let is_kind = |act: &ActView| {
        // The name is the tag that the JSON interface tells acts apart by.
        serde_json::to_value(act).is_ok_and(|value| value["act"] == kind)
    };
    statement.acts.iter().any(is_kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_as_it_is_written() {
        for cursor in [Cursor { height: 168, index: None }, Cursor { height: 168, index: Some(0) }] {
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for text in ["", "x", "1.", "1.x", "-1"] {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
    }

    #[test]
    fn fields_that_were_left_alone_filter_nothing_and_wrong_ones_are_named() {
        let filter = Filter::of(&Wanted::default()).unwrap();
        assert!(filter.account.is_none() && filter.act.is_none() && filter.text.is_none() && filter.before.is_none());
        let wrong = Filter::of(&Wanted { from: "ten".to_owned(), ..Wanted::default() }).unwrap_err();
        assert!(wrong.0.detail.contains("`ten`"), "{}", wrong.0.detail);
    }
}
