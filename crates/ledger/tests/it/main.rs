//! Tests of the ledger from outside, against other people's code where there is some.

mod bundle;
mod golden;
mod proofs;
mod properties;
mod rules;
mod scenario;
mod support;
