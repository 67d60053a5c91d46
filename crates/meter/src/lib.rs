//! Meter bytes to readings and back: Modbus frames, meter models as data, one bus as a state machine, and a simulated
//! meter that answers in bytes.
//!
//! Invariant: everything here is pure. Bytes and time come in, values and bytes go out; ports, clocks and databases
//! are the gateway's. A value leaves only as a [`units::Reading`] whose frames passed every check, and the frames go
//! with it, because they are the end of a bill's chain of proof.

pub mod bus;
mod error;
pub mod modbus;
pub mod profile;
pub mod simulator;
pub mod strict_toml;

pub use bus::{Bus, BusInput, BusOutput, Device, DeviceStats, Framing};
pub use error::MeterError;
pub use profile::{Example, Exchange, Profile, ProfileError, Relay};
pub use simulator::{
    Arrival, Disturbance, Fault, Faults, Mismatch, Options, Outages, Replay, ReplayError, SimulatedBus, SimulatedMeter,
    Timing,
};
