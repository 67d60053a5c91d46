//! Implementations that share no code with ours at the other end of real ports: our gateway reads pymodbus and libmodbus,
//! and mbpoll reads our simulated meters, over TCP and on a pty.

use crate::community::{FakeNode, minute};
use crate::peers::{Foreign, Way, missing};
use crate::polling::{clock, setup, wait_for};
use crate::world::{folder, settings_of, simulated};
use gateway::config::{BusConfig, Port};
use gateway::core::BusSettings;
use gateway::{Clock, SimulatedPort, Simulation, start};
use meter::modbus::{RegisterKind, Request, seal, tcp_split};
use meter::{Exchange, Framing, Profile, SimulatedBus};
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use units::{Energy, Millis, Quantity, Timestamp};

/// What the servers' SDM120 shows: the values of `peers/pymodbus_server.py` in our units.
const SDM120: [(Quantity, i64); 9] = [
    (Quantity::Voltage, 231_500),
    (Quantity::Current, 2_250_000),
    (Quantity::ActivePower, 500_000),
    (Quantity::ApparentPower, 520_875),
    (Quantity::ReactivePower, 145_500),
    (Quantity::PowerFactor, 9_600),
    (Quantity::Frequency, 50_000),
    (Quantity::EnergyImport, 123_250_000),
    (Quantity::EnergyExport, 500_000),
];

/// The PZEM-004T of `peers/pymodbus_server.py`: 123.2 V, 90.95 A, 3711.6 W, 138.73 kWh, 60 Hz, 0.33.
const PZEM: [(Quantity, i64); 6] = [
    (Quantity::Voltage, 123_200),
    (Quantity::Current, 90_950_000),
    (Quantity::ActivePower, 3_711_600),
    (Quantity::EnergyImport, 138_730_000),
    (Quantity::Frequency, 60_000),
    (Quantity::PowerFactor, 3_300),
];

/// A meter's address and model, and what it must be read as.
type Shown<'a> = (u8, &'a str, &'a [(Quantity, i64)]);

/// Reads meters of a foreign server with a whole gateway until each has answered twice.
async fn read(server: &Foreign, framing: Framing, meters: &[Shown<'_>]) {
    let folder = folder();
    let port = match server.place.parse() {
        Ok(address) => Port::Tcp(address),
        Err(_) => Port::Serial { path: server.place.clone(), baud: 9_600, parity: meter::Parity::None },
    };
    let name = |address: u8| format!("F-{address}");
    let every = Millis::from_ms(50);
    let settings = meters.iter().map(|(address, model, _)| settings_of(&name(*address), *address, model, every));
    let bus = BusConfig { name: "foreign".into(), port, settings: BusSettings { framing, meters: settings.collect() } };
    let names: Vec<(String, &str)> = meters.iter().map(|(address, model, _)| (name(*address), *model)).collect();
    let node = FakeNode::new(&names.iter().map(|(name, model)| (name.as_str(), *model)).collect::<Vec<_>>());
    let running = start(setup(&folder, vec![bus], node, clock(1))).await.unwrap();
    let handle = running.handle().clone();
    wait_for("two answers of each", || handle.snapshot().iter().all(|meter| meter.answers >= 2)).await;
    for (live, (_, model, expected)) in handle.snapshot().iter().zip(meters) {
        let reading = live.reading.clone().unwrap();
        let shown: Vec<(Quantity, i64)> =
            expected.iter().filter_map(|(quantity, _)| Some((*quantity, reading.get(*quantity)?))).collect();
        assert_eq!(shown, *expected, "{model} over {framing:?}");
        assert_eq!(live.errors.values().sum::<u64>(), 0, "{model} over {framing:?}: {:?}", live.errors);
    }
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn pymodbus_is_read_over_modbus_tcp() {
    let server = Foreign::pymodbus(Way::Tcp);
    read(&server, Framing::Tcp, &[(1, "sdm120", &SDM120), (2, "pzem-004t-v3", &PZEM)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pymodbus_is_read_over_rtu_on_a_pty() {
    let server = Foreign::pymodbus(Way::Pty);
    read(&server, Framing::Rtu { baud: 9_600 }, &[(1, "sdm120", &SDM120), (2, "pzem-004t-v3", &PZEM)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn libmodbus_is_read_over_modbus_tcp() {
    let server = Foreign::libmodbus(Way::Tcp);
    read(&server, Framing::Tcp, &[(1, "sdm120", &SDM120)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn libmodbus_is_read_over_rtu_on_a_pty() {
    let server = Foreign::libmodbus(Way::Pty);
    read(&server, Framing::Rtu { baud: 9_600 }, &[(1, "sdm120", &SDM120)]).await;
}

/// One request and its answer's data over a connection of its own.
fn asked(connection: &mut std::net::TcpStream, transaction: u16, request: &Request) -> Vec<u8> {
    connection.write_all(&request.tcp(transaction)).unwrap();
    let mut heard = Vec::new();
    loop {
        let mut piece = [0; 64];
        let count = connection.read(&mut piece).unwrap();
        assert_ne!(count, 0, "the server hung up");
        heard.extend(&piece[..count]);
        if let Some((frame, _)) = tcp_split(&heard).unwrap() {
            return request.parse_tcp(transaction, &frame).unwrap().to_vec();
        }
    }
}

#[test]
fn a_coil_of_each_server_is_switched_and_read_back() {
    for (server, unit) in [(Foreign::pymodbus(Way::Tcp), 4), (Foreign::libmodbus(Way::Tcp), 1)] {
        let mut connection = std::net::TcpStream::connect(&server.place).unwrap();
        let state = Request::read_coils(unit, 0, 1).unwrap();
        for (turn, on) in [true, false, true].into_iter().enumerate() {
            let transaction = u16::try_from(turn).unwrap() * 2;
            asked(&mut connection, transaction, &Request::write_coil(unit, 0, on));
            assert_eq!(asked(&mut connection, transaction + 1, &state), [u8::from(on)], "unit {unit}, turn {turn}");
        }
    }
}

/// A clock that stands, so that a simulated meter shows the same to everybody.
struct Standing(Timestamp);

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        self.0
    }
}

const UNIT: u8 = 7;

/// Values that `mbpoll` reads from registers of our simulator, as it prints them.
fn mbpoll(place: &str, kind: RegisterKind, coding: &str, first: u16, count: u16) -> Vec<String> {
    let table = if kind == RegisterKind::Input { "3" } else { "4" };
    let mut command = std::process::Command::new("mbpoll");
    match place.parse::<SocketAddr>() {
        Ok(address) => {
            let (host, port) = (address.ip().to_string(), address.port().to_string());
            command.args(["-m", "tcp", "-p", &port, &host]);
        }
        Err(_) => {
            command.args(["-m", "rtu", "-b", "9600", "-P", "none", place]);
        }
    }
    command.args(["-1", "-0", "-B", "-o", "5", "-a", &UNIT.to_string(), "-t", &format!("{table}:{coding}")]);
    command.args(["-r", &first.to_string(), "-c", &count.to_string()]);
    let output = command.output().unwrap_or_else(|error| missing("mbpoll", "mbpoll", &error));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}\n{text}{}", String::from_utf8_lossy(&output.stderr));
    let value = |line: &str| Some(line.strip_prefix('[')?.split_once("]:")?.1.trim().to_owned());
    text.lines().filter_map(value).collect()
}

/// The profiles that a standard Modbus client can read: two bytes for each counted register.
fn standard_profiles() -> impl Iterator<Item = (&'static str, Arc<Profile>)> {
    let load = |name| Some((name, Arc::new(Profile::shipped(name)?)));
    let is_standard = |(_, profile): &(_, Arc<Profile>)| !profile.reads().is_empty() && profile.bytes_per_count() == 2;
    Profile::shipped_names().into_iter().filter_map(load).filter(is_standard)
}

/// What mbpoll sees of every read of every standard profile is, to the last bit, what the simulated meter shows.
async fn is_seen_by_mbpoll(port: SimulatedPort, framing: Framing) {
    let mut seen = 0;
    for (name, profile) in standard_profiles() {
        let meter = simulated(UNIT, name, minute(0), Energy::from_wh(1_234_567));
        let now = minute(17);
        let bus = SimulatedBus::new(vec![meter.clone()], framing);
        let simulation = Simulation::start(port, bus, Arc::new(Standing(now))).await.unwrap();
        let mut exchanges = Vec::new();
        for (read, request) in profile.reads().iter().zip(profile.requests(meter::Address::modbus(UNIT).unwrap())) {
            let place = simulation.place().to_owned();
            let (kind, first, count) = (read.kind, read.address, read.count);
            let words = tokio::task::spawn_blocking(move || mbpoll(&place, kind, "hex", first, count)).await.unwrap();
            let word = |text: &String| u16::from_str_radix(text.trim_start_matches("0x"), 16).unwrap().to_be_bytes();
            let data: Vec<u8> = words.iter().flat_map(word).collect();
            let head = vec![UNIT, kind.function(), u8::try_from(data.len()).unwrap()];
            exchanges.push(Exchange { request: request.frame(), response: seal([head, data].concat()) });
        }
        let (reading, truth) =
            (profile.reading(meter::Address::modbus(UNIT).unwrap(), &exchanges).unwrap(), meter.values_at(now));
        for register in profile.registers() {
            let value = reading.get(register.key).unwrap_or_else(|| panic!("{name}: no {}", register.key));
            // Phases and channels are shown by the meter in its own way; the totals are the recording's.
            if let Some(true_value) = truth.get(register.key) {
                let error = (value - true_value).abs();
                assert!(error <= register.resolution(true_value), "{name} {}: {value}, {true_value}", register.key);
            }
            seen += 1;
        }
    }
    assert!(seen >= 15, "{seen} registers compared");
}

#[tokio::test(flavor = "multi_thread")]
async fn mbpoll_reads_every_standard_simulated_meter_over_modbus_tcp() {
    is_seen_by_mbpoll(SimulatedPort::Tcp("127.0.0.1:0".parse().unwrap()), Framing::Tcp).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mbpoll_reads_every_standard_simulated_meter_over_rtu_on_a_pty() {
    is_seen_by_mbpoll(SimulatedPort::Pty, Framing::Rtu { baud: 9_600 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mbpoll_understands_the_simulated_singles_as_volts_amperes_and_watts() {
    let meter = simulated(UNIT, "sdm120", minute(0), Energy::from_wh(1_234_567));
    let now = minute(17);
    let bus = SimulatedBus::new(vec![meter.clone()], Framing::Tcp);
    let port = SimulatedPort::Tcp("127.0.0.1:0".parse().unwrap());
    let simulation = Simulation::start(port, bus, Arc::new(Standing(now))).await.unwrap();
    for (register, quantity, milli) in [
        (0x00, Quantity::Voltage, 1_000.0),
        (0x06, Quantity::Current, 1_000_000.0),
        (0x0C, Quantity::ActivePower, 1_000.0),
        (0x46, Quantity::Frequency, 1_000.0),
        (0x48, Quantity::EnergyImport, 1_000_000.0),
    ] {
        let place = simulation.place().to_owned();
        let shown = tokio::task::spawn_blocking(move || mbpoll(&place, RegisterKind::Input, "float", register, 1));
        let shown: f64 = shown.await.unwrap()[0].parse().unwrap();
        let truth = f64::from(u32::try_from(meter.values_at(now).get(quantity).unwrap()).unwrap()) / milli;
        // It prints six digits.
        assert!((shown - truth).abs() <= truth * 1e-5, "{quantity:?}: {shown} instead of {truth}");
    }
}
