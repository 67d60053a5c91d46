//! What a bill comes to: to be paid, or, where more was sold than used, to be received.

use super::Words;
use crate::web::format::money_total;
use units::Money;

/// A bill's total in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Total {
    /// Which way it goes.
    pub(crate) label: String,
    /// How much, without a sign: the label says it.
    pub(crate) amount: String,
    /// The currency's sign.
    pub(crate) currency: String,
}

impl Words<'_> {
    /// A bill's total.
    pub(crate) fn total(&self, amount: Money) -> Total {
        let is_credit = amount.as_1e4() < 0;
        let label = if is_credit { self.t.get("bill-credit") } else { self.t.get("bill-total") };
        let size = Money::from_1e4(amount.as_1e4().saturating_abs());
        Total { label, amount: money_total(size), currency: currency_sign(&self.currency) }
    }
}

/// The sign that people write for a currency; the code where none is usual.
pub(crate) fn currency_sign(code: &str) -> String {
    match code {
        "TWD" => "NT$".to_owned(),
        other => other.to_owned(),
    }
}
