//! Nodes among peers: what each bad answer comes to, fork choice and anchors, and networks that heal.

// Helpers are not in test functions, which alone clippy exempts.
#![allow(clippy::unwrap_used)]

mod anchors;
mod answers;
mod branches;
mod ledger_of_test;
mod machine;
mod network;
mod order;
mod statements;
