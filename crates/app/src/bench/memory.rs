//! What an idle gateway with ten meters holds in memory: the real process, its meters simulated at the other end of ptys.

use super::BenchError;
use super::table::Figure;
use crate::clock::RealClock;
use gateway::{SimulatedPort, Simulation};
use meter::{Address, Framing, Options, Profile, Replay, SimulatedBus, SimulatedMeter};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use units::{Energy, Frequency};

const METERS: u8 = 10;
const BAUD: u32 = 9_600;
const NAME: &str = "idle gateway, 10 meters, resident memory";
const UNIT: &str = "MB";
const AIM: &str = "< 40 MB";

/// Resident memory after some time of polling; "not measured" where the system does not tell (no `/proc`).
pub(super) fn idle_gateway(time: Duration, folder: &Path) -> Result<Figure, BenchError> {
    let runtime = tokio::runtime::Runtime::new()?;
    let simulation = runtime.block_on(simulation())?;
    let program = std::env::current_exe()?;
    let quiet = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        command.args(arguments).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    std::fs::create_dir_all(folder)?;
    if !quiet(&["init", "--plain-keys", "house"]).status()?.success() {
        return Err(BenchError::Ledger("`wattproof init` failed".to_owned()));
    }
    let config = folder.join("house/gateway.toml");
    let settings = std::fs::read_to_string(&config)? + &bus(simulation.place());
    std::fs::write(&config, settings)?;
    let gateway = Gateway(quiet(&["gateway", "--config", "house/gateway.toml"]).spawn()?);
    // Its meters are all polled within the first seconds.
    std::thread::sleep(time.max(Duration::from_secs(3)));
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.0.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse::<u32>().ok());
    Ok(match kib {
        Some(kib) => Figure::size(NAME, UNIT, f64::from(kib) * 1_024.0 / 1e6, AIM).against("the aim", 40.0),
        None => Figure::not_measured(NAME, UNIT, AIM),
    })
}

async fn simulation() -> Result<Simulation, BenchError> {
    let profile = Arc::new(Profile::shipped("im1281b").ok_or_else(|| BenchError::ledger("no such profile"))?);
    let replay = Arc::new(Replay::excerpt().map_err(BenchError::ledger)?);
    let start = gateway::Clock::now(&RealClock);
    let options = Options {
        start,
        offset_minutes: 0,
        nominal_voltage: None,
        frequency: Frequency::from_mhz(60_000),
        counter_start: Energy::ZERO,
    };
    let meter = |address| SimulatedMeter::new(Arc::clone(&profile), address, Arc::clone(&replay), options.clone());
    let meters = (1..=METERS).filter_map(Address::modbus).map(meter).collect();
    let bus = SimulatedBus::new(meters, Framing::Rtu { baud: BAUD });
    Ok(Simulation::start(SimulatedPort::Pty, bus, Arc::new(RealClock)).await?)
}

/// The bus in the gateway's settings.
fn bus(place: &str) -> String {
    let member = ledger::SecretKey::ed25519([1; 32]).account();
    let meter = |address| {
        format!(
            "[[bus.meter]]\nnumber = \"B-{address}\"\naddress = {address}\nprofile = \"im1281b\"\npoll_seconds = 2\n\
             member = \"{member}\"\n"
        )
    };
    let meters: String = (1..=METERS).map(meter).collect();
    format!("\n[[bus]]\nname = \"bench\"\nserial = \"{place}\"\nbaud = {BAUD}\n{meters}")
}

/// A process that ends with the measurement.
struct Gateway(Child);

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended by itself, which the figure shows.
        let _ended = self.0.kill();
        let _ended = self.0.wait();
    }
}
