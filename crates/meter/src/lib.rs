//! Meter bytes to readings and back: Modbus and DL/T 645 frames, meter models as data, one bus as a state machine, and a simulated
//! meter that answers in bytes.
//!
//! Invariant: everything here is pure. Bytes and time come in, values and bytes go out; ports, clocks and databases
//! are the gateway's. A value leaves only as a [`units::Reading`] whose frames passed every check, and the frames go
//! with it, because they are the end of a bill's chain of proof.

mod address;
pub mod bus;
pub mod capture;
pub mod dlt645;
mod error;
pub mod modbus;
pub mod profile;
mod request;
pub mod simulator;
pub mod strict_toml;

pub use address::{Address, AddressError, MODBUS_ADDRESS_MAX};
pub use bus::{Bus, BusInput, BusOutput, Device, DeviceStats, Evidence, Framing, LineVerdict, Parity, Plan};
pub use error::MeterError;
pub use profile::{Example, Exchange, Profile, ProfileError, ProfileFault, Protocol, Relay};
pub use request::Request;
pub use simulator::{
    Arrival, Disturbance, Fault, Faults, Mismatch, Options, Outages, Replay, ReplayError, SimulatedBus, SimulatedMeter,
    Timing,
};
