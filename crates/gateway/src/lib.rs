//! The gateway: asks the meters of its buses, keeps every reading with its raw frames, states each interval under its
//! own key, and delivers the statements until a node says that they are final.
//!
//! [`core`] is one pure function from what happened to what is to be done. The rest carries it out: [`ports`], the
//! database ([`store`]), HTTP ([`transport`], [`link`]), and [`shell`], which joins them. [`simulate`] is the other end of a bus
//! for demonstrations and tests; [`mod@audit`] compares the database with the ledger.

pub mod audit;
mod clock;
pub mod config;
pub mod core;
pub mod history;
pub mod link;
pub mod metrics;
pub mod mirror;
pub mod mqtt;
pub mod ports;
pub mod shell;
pub mod simulate;
pub mod store;
pub mod transport;

pub use audit::{AuditReport, Finding, LedgerSource, audit};
pub use clock::{Clock, Now};
pub use config::{Config, ConfigError};
pub use history::History;
pub use link::{HttpLink, NodeLink};
pub use shell::{
    GatewayHandle, HELD_EVENTS_MAX, HELD_READINGS_MAX, LiveBus, LiveMeter, LiveReading, OrderError, Quality, Running,
    Setup, StartError, Storage, start,
};
pub use simulate::{SimulatedPort, Simulation};
pub use store::{Archive, DatabaseUrl, Store, StoreError};
pub use transport::HttpTransport;
