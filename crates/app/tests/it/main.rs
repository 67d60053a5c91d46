//! The whole program, as people start it.

// Tells clippy that the helpers are tests too.
#![cfg(test)]

mod acts;
mod browser;
mod cli;
mod community;
mod floors;
mod gateway;
mod kill;
mod meters;
mod program;
#[path = "../../../gateway/tests/it/servers.rs"]
mod servers;
