//! Whole-gateway tests: simulated meters at one end, a ledger at the other.

// Tells clippy that the helpers are tests too.
#![cfg(test)]

mod audit;
mod community;
mod crash;
mod databases;
mod foreign;
mod http;
mod interval;
mod keeping;
mod line;
mod loads;
mod mirror;
mod mqtt;
mod outage;
mod peer;
#[path = "../peers/mod.rs"]
mod peers;
mod polling;
mod probe;
mod servers;
mod world;
