//! A whole community on a virtual clock, a virtual disk and a virtual network, from one seed.
//!
//! One to five nodes, of which each may mine, speak to each other over a network that loses, repeats, delays, reorders and
//! parts; members and gateways, whose simulated meters speak bytes, ask any of them. Each is cut off between any two of its
//! outputs and goes on from what its storage holds. After every step the checkers of [`check`] look at what was promised
//! and at what is there.
//!
//! Invariant: a run is a function of its seed. Nothing here reads a clock, a file or randomness, and every map is ordered,
//! so a seed that fails once fails always. SQLite and real files are tested elsewhere, by killing real processes.

mod auditor;
mod chaos;
pub mod check;
mod community;
mod database;
mod disk;
mod gateway_host;
mod liar;
mod network;
mod node_host;
mod people;
mod random;
mod sabotage;
mod trace;
mod world;

pub use check::Violation;
pub use disk::VirtualDisk;
pub use random::Random;
pub use sabotage::Sabotage;
pub use world::{Failure, Outcome, run, run_double_sale, run_power_cuts, run_sabotaged, trace};
