//! `wattproof demo`: a whole community on this machine. Simulated meters answer real bytes on real ptys and replay
//! recorded minutes; gateway, nodes and pages are the ones that `wattproof gateway` and `wattproof node` run.
//!
//! The story is told once, when the community is new. A community that exists goes on where it stopped.

mod founding;
mod loads;
mod meters;
mod nodes;
mod story;
mod summary;

use crate::clock::{ClockError, ScaledClock};
use crate::community::{Community, CommunityError, KeyName};
use crate::reach::{self, Reach};
use crate::web;
use crate::web::access::{Access, AccessError, AccessSetup};
use crate::web::directory::NamesFor;
use crate::web::i18n::Texts;
use crate::web::tls::TlsError;
use api::Event;
use founding::Household;
use gateway::config::BusConfig;
use gateway::{GatewayHandle, HttpLink, SimulatedPort, Simulation};
use node::NodeHandle;
use nodes::Nodes;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use units::{Millis, Timestamp};

/// The options of `wattproof demo`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Where the community is kept; a second start with the same directory goes on where the first stopped
    #[arg(long, value_name = "DIR", default_value = "wattproof-demo")]
    data: PathBuf,
    /// Address and port of the pages; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    http: SocketAddr,
    #[command(flatten)]
    reach: Reach,
    /// How many members a new community has
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(2..=founding::MEMBERS_MAX))]
    members: u32,
    /// How many times as fast as real time the community's clock runs
    #[arg(long, value_name = "FACTOR", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=600))]
    speed: u32,
    /// Stop by itself after this long, with a summary: 60s, 5m
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    run_for: Option<Duration>,
}

/// Reads `60s`, `5m` or `1h`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a time such as 60s, 5m or 1h");
    let split = text.len().checked_sub(1).filter(|at| text.is_char_boundary(*at)).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

/// Why the demo does not start or ends early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    /// The community's directory.
    #[error(transparent)]
    Community(#[from] CommunityError),
    /// The stored clock.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// The node.
    #[error(transparent)]
    Node(#[from] node::NodeError),
    /// The pages.
    #[error(transparent)]
    Web(#[from] web::ServeError),
    /// Who may log in.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The gateway.
    #[error(transparent)]
    Gateway(#[from] gateway::StartError),
    /// A simulated bus.
    #[error("the system gives no pseudo-terminal for the simulated meters: {0}")]
    Bus(std::io::Error),
    /// A step of the story did not come out as it must.
    #[error("{0}")]
    Story(String),
}

/// Everything that runs, for the story to look at and to act on.
struct Running {
    texts: Texts,
    community: Community,
    clock: ScaledClock,
    /// The first node, which has the log key and the operator's pages.
    node: NodeHandle,
    nodes: Nodes,
    gateway: GatewayHandle,
    buses: Vec<Simulation>,
    households: Vec<Household>,
    places: reach::Places,
    began: Instant,
}

/// Runs the demo until its time is over or Ctrl-C.
///
/// # Errors
/// When something of it does not start, or the story does not come out.
pub(crate) fn run(args: &Args, texts: Texts) -> Result<ExitCode, DemoError> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| DemoError::Story(error.to_string()))?;
    runtime.block_on(run_all(args, texts))
}

async fn run_all(args: &Args, texts: Texts) -> Result<ExitCode, DemoError> {
    let is_new = !args.data.join("genesis.cbor").is_file();
    let (community, households) = if is_new { founding::found(&args.data, args)? } else { founding::open(&args.data)? };
    let clock = ScaledClock::open(&args.data.join("clock"), founding::START, args.speed)?;
    println!("{}", texts.with("demo-hello", &[("data", &args.data.display().to_string())]));
    println!("{}", texts.get("demo-replay"));

    // Bound before the gateway starts, which delivers to it; served once the gateway's live values are there.
    let listener = web::bind(args.reach.address(args.http)).await?;
    let address = listener.local_addr().map_err(|error| DemoError::Story(error.to_string()))?;
    let (nodes, other_pages) = nodes::start(&community, &clock, &listener).await?;
    let node = nodes.handles[0].clone();
    if is_new {
        let (node, community, households) = (node.clone(), community.clone(), households.clone());
        blocking(move || founding::register(&node, &community, &households)).await?;
    }
    let (buses, bus_configs) = start_buses(&households, &clock).await?;
    let gateway = gateway::start(gateway::Setup {
        database: database_url(&community),
        storage: gateway::Storage::default(),
        buses: bus_configs,
        interval: founding::INTERVAL,
        genesis: community.genesis().clone(),
        key: community.key(KeyName::Gateway)?.key,
        node: Arc::new(HttpLink::new(&format!("http://{}", reach::from_here(address)))),
        clock: Arc::new(clock.clone()),
        protection: loads::protection(&households),
    })
    .await?;
    let directory = Arc::new(community.directory());
    let access =
        Access::open(&AccessSetup { dir: community.dir(), program: "demo", token_file: None, operator_here: true })?;
    let tls = args.reach.tls(access.folder())?;
    let places = reach::places(address, tls.as_ref());
    let loads = web::loads::LoadSite::new(web::loads::SiteSetup {
        gateway: gateway.handle().clone(),
        community: community.genesis().name.clone(),
        time_zone: community.genesis().time_zone.clone(),
        public_readings: community.genesis().public_readings,
    });
    let state = web::AppState::new(node.clone(), Some(gateway.handle().clone()), directory, access)
        .with_loads(loads)
        .with_names(NamesFor::Everybody)
        .with_address(places.elsewhere.clone())
        .with_desk(web::desk::Desk::of(community.dir()));
    let (stop_pages, pages_stopped) = tokio::sync::oneshot::channel::<()>();
    let pages = tokio::spawn(web::serve(listener, tls, state, async {
        // A sender that is gone means the same.
        let _ = pages_stopped.await;
    }));

    let demo = Arc::new(Running {
        texts,
        community,
        clock,
        node,
        nodes: nodes.clone(),
        gateway: gateway.handle().clone(),
        buses,
        households,
        places,
        began: Instant::now(),
    });
    demo.greet(is_new);
    let told = demo.clone().until_stopped(args.run_for, is_new).await;

    // The gateway delivers to the pages' address, so it stops first.
    gateway.stop().await?;
    let outcome = nodes.settle().await?;
    drop(stop_pages);
    pages.await.map_err(|error| DemoError::Story(error.to_string()))?;
    other_pages.stop().await?;
    let summary = {
        let demo = demo.clone();
        blocking(move || summary::of(&demo, outcome)).await
    };
    nodes.shutdown();
    let summary = summary?;
    summary.print(texts);
    told?;
    Ok(if summary.is_good() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// The simulated ends of both buses, and the gateway's side of them.
async fn start_buses(
    households: &[Household],
    clock: &ScaledClock,
) -> Result<(Vec<Simulation>, Vec<BusConfig>), DemoError> {
    let (mut simulations, mut configs) = (Vec::new(), Vec::new());
    for bus in meters::buses(households) {
        let simulation = Simulation::start(SimulatedPort::Pty, bus.simulated, Arc::new(clock.clone()));
        let simulation = simulation.await.map_err(DemoError::Bus)?;
        configs.push(meters::bus_config(bus.name, simulation.place(), bus.meters));
        simulations.push(simulation);
    }
    Ok((simulations, configs))
}

/// Runs what blocks on a thread of its own.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DemoError> + Send + 'static,
) -> Result<T, DemoError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| DemoError::Story(error.to_string()))?
}

impl Running {
    fn greet(&self, is_new: bool) {
        let place = self.buses.first().map(|bus| bus.place().to_owned()).unwrap_or_default();
        println!("{}", self.texts.arg("demo-look", "url", &self.places.here));
        println!("{}", self.texts.get("demo-operator"));
        if let Some(elsewhere) = &self.places.elsewhere {
            println!("{}", self.texts.arg("demo-look-lan", "url", elsewhere));
        }
        if let Some(fingerprint) = &self.places.fingerprint {
            println!("{}", self.texts.arg("demo-fingerprint", "fingerprint", fingerprint));
        }
        let others = self.nodes.addresses.iter().skip(1).map(|address| format!("http://{address}/peers"));
        let urls: Vec<String> = std::iter::once(format!("{}/peers", self.places.here)).chain(others).collect();
        println!("{}", self.texts.arg("demo-nodes", "urls", urls.join(" ")));
        println!("{}", self.texts.get("demo-stop"));
        println!("{}", self.texts.with("demo-bus", &[("place", &place)]));
        if !is_new {
            let height = self.node.status().map_or_else(|_| "?".to_owned(), |status| status.height.to_string());
            println!("{}", self.texts.with("demo-goes-on", &[("time", &self.time_of_day()), ("height", &height)]));
        }
        println!();
    }

    /// The story, then waiting; whatever comes first of the end of both, the time limit and Ctrl-C.
    async fn until_stopped(self: Arc<Self>, limit: Option<Duration>, is_new: bool) -> Result<(), DemoError> {
        let events = self.node.subscribe()?;
        let reporter = self.clone();
        std::thread::spawn(move || reporter.report(&events));
        let story = async {
            if is_new {
                story::tell(&self).await?;
            }
            std::future::pending::<Result<(), DemoError>>().await
        };
        let limit = async {
            match limit {
                Some(limit) => tokio::time::sleep(limit.saturating_sub(self.began.elapsed())).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            result = story => result,
            () = limit => self.ended_in_time(is_new),
            _ = tokio::signal::ctrl_c() => Ok(()),
        }
    }

    /// A limit that cuts the story short is said, not hidden.
    fn ended_in_time(&self, is_new: bool) -> Result<(), DemoError> {
        if is_new && !story::is_told(&self.community) {
            return Err(DemoError::Story(self.texts.get("demo-cut-short")));
        }
        Ok(())
    }

    /// Tells of months that close, in whatever run that happens.
    fn report(&self, events: &std::sync::mpsc::Receiver<Event>) {
        while let Ok(event) = events.recv() {
            if let Event::MonthClosed { month } = event {
                self.say(4, "demo-month-closed", &[("month", &month.to_string())]);
            }
        }
    }

    /// A line that begins a scene, with the community's time before it.
    fn say(&self, scene: u32, key: &str, values: &[(&str, &str)]) {
        println!("[{}] {scene}  {}", self.time_of_day(), self.texts.with(key, values));
    }

    /// A line that goes on with the scene.
    fn go_on(&self, key: &str, values: &[(&str, &str)]) {
        println!("[{}]    {}", self.time_of_day(), self.texts.with(key, values));
    }

    fn time_of_day(&self) -> String {
        web::format::Clockface::new(&self.community.genesis().time_zone).moment(self.clock.time()).time
    }

    /// How long a span of the community's time is in reality.
    fn real(&self, community: Millis) -> Duration {
        Duration::from_millis(community.ms() / self.clock.speed().max(1))
    }

    /// Waits for a point of the community's time.
    async fn wait_until(&self, time: Timestamp) {
        while self.clock.time() < time {
            let rest = self.real(time.since(self.clock.time()));
            tokio::time::sleep(rest.max(Duration::from_millis(20))).await;
        }
    }
}

fn database_url(community: &Community) -> String {
    format!("sqlite://{}", community.dir().join("gateway.db").display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_number_and_a_unit() {
        for (text, seconds) in [("60s", Some(60)), ("5m", Some(300)), ("1h", Some(3_600))] {
            assert_eq!(duration(text).ok().map(|time| time.as_secs()), seconds);
        }
        for wrong in ["", "60", "s", "-1s", "1.5m", "60秒"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
