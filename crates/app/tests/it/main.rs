//! The whole program, as people start it.

// Tells clippy that the helpers are tests too.
#![cfg(test)]

mod access;
mod acts;
mod browser;
mod cli;
mod community;
mod floors;
mod foreign;
mod gateway;
mod import;
mod kill;
mod load;
mod meters;
mod network;
mod nodes;
#[path = "../../../gateway/tests/peers/mod.rs"]
mod peers;
mod program;
#[path = "../../../gateway/tests/it/servers.rs"]
mod servers;
