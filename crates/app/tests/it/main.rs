//! The whole program, as people start it.

mod cli;
mod community;
mod program;
