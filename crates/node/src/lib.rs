//! The node: it admits statements, orders them into blocks, stores them, signs checkpoints and answers what is asked.
//!
//! [`core::Node`] is a pure machine; [`store`] keeps what could not be computed again, [`tables`] what can; [`shell`] is
//! the one thread that owns all three and carries the machine's outputs out. [`NodeHandle`] is how the rest of the
//! program speaks to it.

pub mod audit;
pub mod clock;
pub mod core;
pub mod findings;
pub mod losses;
pub mod record;
pub mod repair;
pub mod scrub;
mod serve;
pub mod shell;
pub mod store;
pub mod tables;
mod threads;
pub mod view;

pub use clock::Clock;
pub use scrub::Scrubbing;
pub use serve::{head, missing_attachments, serve};
pub use shell::{EntryDetail, NodeError, NodeHandle, Options, StatementProof, create, read_genesis, start, start_on};
pub use threads::Threads;
