//! The node from outside: admission, blocks, crashes, damage, and the running thread.

// A helper of the tests that fails is a test that fails.
#![allow(clippy::unwrap_used)]

mod admission;
mod catch_up;
mod chain;
mod community;
mod crash;
mod damage;
mod machine;
mod mending;
mod net;
mod peers;
mod reorganise;
mod repair;
mod running;
mod serving;
