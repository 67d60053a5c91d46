//! Real lines: a whole gateway on a pty at the pace of 9600 baud, and the bus on a TCP connection as fast as it goes.

use super::chain::{genesis, key, meter};
use super::table::Figure;
use super::{BenchError, Work};
use gateway::config::{BusConfig, Port};
use gateway::core::{BusSettings, HeadAnswer, MeterSettings, NodeAnswer, Protection, VoltageSpan};
use gateway::ports::{self, PortEvent};
use gateway::{Clock, LiveMeter, NodeLink, Setup, SimulatedPort, Simulation};
use meter::{
    Address, Bus, BusInput, BusOutput, Device, Framing, Options, Profile, Replay, Request, SimulatedBus,
    SimulatedMeter, Timing,
};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use units::{AccountId, Energy, EnergyBalance, Frequency, MeterId, Micros, Millis, StatementId, Timestamp};

/// A model that asks for little silence; its answer has 37 bytes.
const MODEL: &str = "im1281b";
const BAUD: u32 = 9_600;
/// Meters on the line, the dead and the late one among them.
const METERS: u8 = 32;
const DEAD: u8 = 3;
/// By how much the late one misses its time: its answer still comes while the line is drained.
const LATE: Millis = Millis::from_ms(20);
/// How long the line is watched. The dead ones cost most of the first seconds, until they are asked rarely.
const WATCHED: Duration = Duration::from_secs(20);
/// Bits of a character, and characters of silence between frames (MODBUS over Serial Line V1.02, 2.5.1).
const CHARACTER_BITS: f64 = 11.0;
const SILENCE_CHARACTERS: f64 = 3.5;
/// How long a port may take to open.
const OPENING: Duration = Duration::from_secs(10);

/// Stands still: what meters show does not matter here.
struct Standing;

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(1_785_513_600_000)
    }
}

/// Time as it is, because a gateway believes no two readings of one moment.
struct Running(Instant);

impl Clock for Running {
    fn now(&self) -> Timestamp {
        Standing.now() + Millis::from_ms(u64::try_from(self.0.elapsed().as_millis()).unwrap_or_default())
    }
}

/// No node: readings stay in the gateway's database.
struct Nobody;

impl NodeLink for Nobody {
    fn submit(&self, _: Vec<u8>) -> NodeAnswer {
        NodeAnswer::Unreachable("no node".to_owned())
    }
    fn progress(&self, _: &StatementId) -> NodeAnswer {
        NodeAnswer::Unreachable("no node".to_owned())
    }
    fn remaining(&self, _: &AccountId) -> Option<EnergyBalance> {
        None
    }
    fn voltage(&self) -> Option<Vec<VoltageSpan>> {
        None
    }
    fn head(&self, _: &MeterId, _: &AccountId) -> HeadAnswer {
        HeadAnswer::Unreachable("no node".to_owned())
    }
}

fn profile() -> Result<Arc<Profile>, BenchError> {
    Profile::shipped(MODEL).map(Arc::new).ok_or_else(|| BenchError::Ledger(format!("no profile {MODEL}")))
}

fn address(number: u8) -> Result<Address, BenchError> {
    Address::modbus(number).ok_or_else(|| BenchError::Ledger("no such address".to_owned()))
}

fn simulated(profile: &Arc<Profile>, number: u8, replay: &Arc<Replay>) -> Result<SimulatedMeter, BenchError> {
    let options = Options {
        start: Standing.now(),
        offset_minutes: u64::from(number) * 60,
        nominal_voltage: None,
        frequency: Frequency::from_mhz(50_000),
        counter_start: Energy::ZERO,
    };
    Ok(SimulatedMeter::new(Arc::clone(profile), address(number)?, Arc::clone(replay), options))
}

/// Both figures.
pub(super) fn figures(time: Duration, folder: &Path) -> Result<Vec<Figure>, BenchError> {
    let runtime = Runtime::new()?;
    std::fs::create_dir_all(folder)?;
    Ok(vec![runtime.block_on(pty(folder))?, runtime.block_on(tcp(time))?])
}

/// Polls a second of the healthy meters of a line with 32, three dead and one late, by a whole gateway with its database,
/// against what the wire, the meters' own pauses and the waits for the dead ones leave.
async fn pty(folder: &Path) -> Result<Figure, BenchError> {
    let (profile, replay) = (profile()?, Arc::new(Replay::excerpt().map_err(BenchError::ledger)?));
    let framing = Framing::Rtu { baud: BAUD };
    let alive = (1..=METERS - DEAD).map(|number| simulated(&profile, number, &replay)).collect::<Result<_, _>>()?;
    let timing = Timing { think: Millis::ZERO..=Millis::ZERO, ..Timing::wire(BAUD) };
    let late = Millis::from_ms(profile.timeout().ms() + LATE.ms());
    let line = SimulatedBus::new(alive, framing).with_timing(timing, 1).with_slow_meter(address(1)?, late);
    let clock: Arc<dyn Clock> = Arc::new(Running(Instant::now()));
    let simulation = Simulation::start(SimulatedPort::Pty, line, Arc::clone(&clock)).await?;
    let settings = |number: u8| {
        let device = Device {
            meter: meter(number)?,
            address: address(number)?,
            profile: Arc::clone(&profile),
            poll_every: Millis::ZERO,
        };
        Ok(MeterSettings { device, profile: MODEL.to_owned(), member: key(0).account() })
    };
    let meters = (1..=METERS).map(settings).collect::<Result<_, BenchError>>()?;
    let port = Port::Serial { path: simulation.place().to_owned(), baud: BAUD, parity: framing.parity() };
    let setup = Setup {
        database: format!("sqlite://{}", folder.join("gateway.db").display()),
        buses: vec![BusConfig { name: "line".to_owned(), port, settings: BusSettings { framing, meters } }],
        interval: Millis::from_minutes(15),
        genesis: genesis()?,
        key: key(1),
        node: Arc::new(Nobody),
        clock,
        protection: Protection::default(),
        storage: gateway::Storage::default(),
    };
    let running = gateway::start(setup).await.map_err(BenchError::ledger)?;
    let handle = running.handle().clone();
    opened(|| handle.buses().first().is_some_and(|bus| bus.open)).await?;
    let begun = Instant::now();
    tokio::time::sleep(WATCHED).await;
    let (meters, took) = (handle.snapshot(), begun.elapsed().as_secs_f64());
    running.stop().await.map_err(BenchError::ledger)?;
    Ok(healthy(&profile, &meters, took))
}

/// The figure, from how the meters fared: the first of them is late, the last ones are dead.
fn healthy(profile: &Profile, meters: &[LiveMeter], took: f64) -> Figure {
    let seconds = |characters: f64| characters * CHARACTER_BITS / f64::from(BAUD);
    let (question, answer) = wire_bytes(profile);
    let pause = seconds(SILENCE_CHARACTERS).max(profile.gap().ms() as f64 / 1_000.0);
    let poll = seconds(question + answer) + pause;
    // A bus waits for a silent meter until the longest answer could have come.
    let wait = seconds(question + answer) + profile.timeout().ms() as f64 / 1_000.0 + pause;
    let is_healthy = |meter: &&LiveMeter| meter.address != Address::FIRST && meter.answers > 0;
    let answers: u64 = meters.iter().filter(is_healthy).map(|meter| meter.answers).sum();
    let waits: u64 = meters.iter().filter(|meter| !is_healthy(meter)).map(|meter| meter.polls).sum();
    let limit = (took - waits as f64 * wait) / poll / took;
    Figure::rate(
        "32 meters at 9600 baud on a pty, 3 dead, 1 late: healthy polls",
        "/s",
        answers as f64 / took,
        ">= 0.97",
    )
    .against("bytes, pauses, waits for the silent ones", limit)
}

/// Bytes of a poll's question and answer.
fn wire_bytes(profile: &Profile) -> (f64, f64) {
    let requests = profile.requests(Address::FIRST);
    let sum = |bytes: fn(&Request) -> usize| requests.iter().map(bytes).sum::<usize>() as f64;
    (sum(|request| request.serial().len()), sum(Request::answer_bytes_max))
}

async fn opened(is_open: impl Fn() -> bool) -> Result<(), BenchError> {
    let begun = Instant::now();
    while !is_open() {
        if begun.elapsed() > OPENING {
            return Err(BenchError::Ledger("the port does not open".to_owned()));
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// Polls a second of one Modbus TCP meter by the bus and its port, without a database, against bare questions and answers
/// on a connection to the same meter.
async fn tcp(time: Duration) -> Result<Figure, BenchError> {
    let (profile, replay) = (profile()?, Arc::new(Replay::excerpt().map_err(BenchError::ledger)?));
    let line = SimulatedBus::new(vec![simulated(&profile, 1, &replay)?], Framing::Tcp);
    let place = SimulatedPort::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let simulation = Simulation::start(place, line, Arc::new(Standing)).await?;
    let address: SocketAddr = simulation.place().parse().map_err(BenchError::ledger)?;
    let question = profile.requests(Address::FIRST).first().and_then(Request::as_modbus).map(|request| request.tcp(1));
    let question = question.ok_or_else(|| BenchError::Ledger("no Modbus request".to_owned()))?;
    // The two take turns, so that whatever else the machine does meets both.
    let (mut bare, mut polled) = (Work::default(), Work::default());
    for _ in 0..2 {
        let (question, slice) = (question.clone(), time / 4);
        let asked = tokio::task::spawn_blocking(move || ask_barely(address, &question, slice)).await;
        bare.add(asked.map_err(BenchError::ledger)??);
        polled.add(poll_bus(address, &profile, slice).await?);
    }
    Ok(Figure::rate("one Modbus TCP meter, polls", "/s", polled.per_second(), "-")
        .against("bare questions and answers on a socket", bare.per_second()))
}

fn ask_barely(address: SocketAddr, question: &[u8], time: Duration) -> Result<Work, BenchError> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let (begun, mut count, mut buffer) = (Instant::now(), 0, [0; 512]);
    while begun.elapsed() < time {
        stream.write_all(question)?;
        // A frame's length stands in its fifth and sixth byte; it came whole, because it was written whole.
        if stream.read(&mut buffer)? == 0 {
            return Err(BenchError::Ledger("the simulated meter hung up".to_owned()));
        }
        count += 1;
    }
    Ok(Work { count, time: begun.elapsed() })
}

/// The bus and its port as the gateway has them.
async fn poll_bus(address: SocketAddr, profile: &Arc<Profile>, time: Duration) -> Result<Work, BenchError> {
    let (request_to, requests) = mpsc::channel(1);
    let (event_to, mut events) = mpsc::channel(16);
    let port = tokio::spawn(ports::serve(0, Port::Tcp(address), requests, event_to));
    let device =
        Device { meter: meter(1)?, address: Address::FIRST, profile: Arc::clone(profile), poll_every: Millis::ZERO };
    let mut bus = Bus::new(vec![device], Framing::Tcp);
    let Some(PortEvent::Opened { .. }) = events.recv().await else {
        return Err(BenchError::Ledger("the port does not open".to_owned()));
    };
    let (begun, mut count) = (Instant::now(), 0);
    while begun.elapsed() < time {
        let wake = Duration::from_micros(bus.wake_at().us()).saturating_sub(begun.elapsed());
        let input = tokio::select! {
            biased;
            event = events.recv() => match event {
                Some(PortEvent::Received { bytes, .. }) => BusInput::Received(bytes),
                other => return Err(BenchError::Ledger(format!("the port: {other:?}"))),
            },
            () = tokio::time::sleep(wake) => BusInput::Tick,
        };
        let now = Micros::from_us(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX));
        for output in bus.step(now, input) {
            match output {
                // A port that is away says so by an event.
                BusOutput::Send(bytes) => request_to.try_send(bytes).map_err(BenchError::ledger)?,
                BusOutput::Reading { .. } => count += 1,
                other => return Err(BenchError::Ledger(format!("{other:?}"))),
            }
        }
    }
    port.abort();
    Ok(Work { count, time: begun.elapsed() })
}
