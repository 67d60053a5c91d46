//! Tests of the ledger from outside, against other people's code where there is some.

// Tests read their texts and leave their samples for others.
#![allow(clippy::disallowed_methods)]

mod attacks;
mod bundle;
mod claim;
mod conformance;
mod difficulty;
mod foreign;
mod fuzz;
mod golden;
mod parameters;
mod prices;
mod proofs;
mod properties;
mod rules;
mod scenario;
mod support;
