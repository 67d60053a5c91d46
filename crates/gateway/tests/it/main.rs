//! Whole-gateway tests: simulated meters at one end, a ledger at the other.

// Tells clippy that the helpers are tests too.
#![cfg(test)]

mod audit;
mod community;
mod crash;
mod foreign;
mod http;
mod interval;
mod line;
mod loads;
mod mqtt;
mod peer;
#[path = "../peers/mod.rs"]
mod peers;
mod polling;
mod world;
