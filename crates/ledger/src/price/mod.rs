//! Price tables: what energy costs, as data, and one pure function ([`charge`]) from use to the lines of a bill.
//!
//! All tables of a retail seller that a rented home or a small shop meets: one price, rising brackets with a minimum
//! charge, bands by time of day, and the average of the utility's own bill. Each line is rounded half up to 1e-4 of the
//! currency unit; the total of a bill is rounded once more, to the tariff's step, and nowhere else.
//!
//! Tables with a contracted capacity ([`capacity`]) are computed here but are no ledger tariff: see there.

pub mod capacity;
mod charge;
pub mod file;
mod hours;
mod table;

pub(crate) use charge::sum;
pub use charge::{Charge, Use, average, charge, product};
pub use hours::{DayKind, LocalTime, civil_day};
pub use table::{
    Band, Bracket, Grouping, Plan, Progressive, Season, Seasonal, Summer, Surcharge, Switch, Table, TableError,
    TimeOfUse, Week,
};

/// Why a use cannot be priced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// An amount of money beyond 64 bits.
    #[error("the amount is beyond what 64 bits hold")]
    TooLarge,
    /// The table takes the price from the utility's bill, and there is none.
    #[error("the price is the average of the utility's bill, and no such bill covers the time")]
    NoAverage,
    /// The table names no price for the season, or the use no energy for a band.
    #[error("the table has no price for this use")]
    NoPrice,
}
