//! `wattproof node` and `wattproof gateway`: run until they are told to stop.

mod joining;

use super::terminal::{note, say, warned};
use super::{ClockArgs, GatewayArgs, NodeArgs, Trouble, check};
use crate::bills;
use crate::clock::RealClock;
use crate::community::{Community, KeyName};
use crate::key_file::{self, PassphraseSource};
use crate::reach::{self, Places};
use crate::web;
use crate::web::access::{Access, AccessError, AccessSetup};
use crate::web::desk::Desk;
use crate::web::tls::{Tls, TlsError};
use gateway::{Config, HttpLink, HttpTransport, StartError};
use ledger::bill::Due;
use ledger::{Genesis, SecretKey};
use meter::strict_toml::TomlError;
use node::{NodeError, NodeHandle};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// The keys that a node is run with; one that it lacks it does without.
pub(super) struct NodeKeys {
    /// Seals blocks.
    pub(super) miner: Option<SecretKey>,
    /// Signs checkpoints.
    pub(super) log: Option<SecretKey>,
    /// Signs receipts.
    pub(super) receipt: Option<SecretKey>,
}

impl ClockArgs {
    fn of_node(self) -> Arc<dyn node::Clock> {
        self.clock.map_or_else(|| Arc::new(RealClock) as Arc<dyn node::Clock>, |clock| Arc::new(clock))
    }

    fn of_gateway(self) -> Arc<dyn gateway::Clock> {
        self.clock.map_or_else(|| Arc::new(RealClock) as Arc<dyn gateway::Clock>, |clock| Arc::new(clock))
    }
}

pub(super) fn node(args: &NodeArgs, passphrases: PassphraseSource) -> Result<ExitCode, Trouble> {
    let community = joining::community(args)?.with_passphrases(passphrases);
    let key = |name| {
        let key = community.key_if_any(name)?;
        Ok::<_, Trouble>(key.map(|key| warned(&community.key_path(name), key)))
    };
    let keys = NodeKeys { miner: key(KeyName::Miner)?, log: key(KeyName::Log)?, receipt: key(KeyName::Receipt)? };
    let bills_key = community.bills_key()?.map(|(path, key)| warned(&path, key));
    let peers = [community.config().peers.as_slice(), &args.peers, args.join.as_slice()].concat();
    let address = args.reach.address(args.http.unwrap_or(community.config().http));
    let setup = AccessSetup { dir: community.dir(), program: "node", token_file: None, operator_here: false };
    let access = Access::open(&setup).map_err(|error| access_trouble(&error))?;
    let tls = args.reach.tls(access.folder()).map_err(|error| tls_trouble(&error))?;
    runtime()?.block_on(async {
        // The port first: a node that cannot be reached need not read its whole ledger.
        let listener = web::bind(address).await.map_err(|error| served_at(&error))?;
        let places = reach::places(listener.local_addr().unwrap_or(address), tls.as_ref());
        let node = start_node(&community, keys, peers, community.config().automatic_mining, args.time.of_node())?;
        if let Some((bills, key)) = community.config().bills.as_ref().zip(bills_key) {
            bills::start(node.clone(), key, Due { months: bills.months }).map_err(|error| node_trouble(&error))?;
        }
        let state = web::AppState::new(node.clone(), None, Arc::new(community.directory()), access.clone())
            .with_losses(community.loss_rules()?)
            .with_names(community.config().names)
            .with_address(places.elsewhere.clone())
            .with_certificate(places.fingerprint.as_deref())
            .with_desk(Desk::of(community.dir()));
        say(format_args!("`{}`: the pages are at {}; Ctrl-C stops the node", community.genesis().name, places.here));
        say_places(&places);
        say_setup(&access, &places)?;
        let watched = node.clone();
        let stop = async move {
            tokio::select! {
                () = until_told_to_stop() => {}
                () = until_stopped(&watched) => {}
            }
        };
        web::serve(listener, tls, state, stop).await;
        let fault = node.stopped();
        node.shutdown();
        match fault {
            None => Ok(ExitCode::SUCCESS),
            Some(reason) => Err(Trouble::environment(
                format_args!("the node has stopped: {reason}"),
                "see that the disk is well and has room, run `wattproof audit --data DIR`, then start it again",
            )),
        }
    })
}

/// From where others reach the pages, and by what they know that it is these.
fn say_places(places: &Places) {
    if let Some(elsewhere) = &places.elsewhere {
        say(format_args!("from other computers: {elsewhere}"));
        if places.fingerprint.is_none() {
            note("nothing on the way is encrypted; --tls ends that");
        }
    }
    if let Some(fingerprint) = &places.fingerprint {
        say(format_args!("certificate (SHA-256): {fingerprint}"));
        let place = places.elsewhere.as_ref().unwrap_or(&places.here);
        let digits = fingerprint.replace(':', "").to_lowercase();
        say(format_args!("other nodes name this one: --peer {place}#sha256={digits}"));
    }
}

/// How the operator's password is set, until it is.
fn say_setup(access: &Access, places: &Places) -> Result<(), Trouble> {
    let code = access.folder().code_if_needed().map_err(|error| access_trouble(&error))?;
    if let Some(code) = code {
        let file = access.folder().setup_code_path();
        let place = &places.here;
        say(format_args!("operator: set a password at {place}/setup with the code {code} (in {} too)", file.display()));
    }
    Ok(())
}

/// A node that meets a fault stops by itself; the pages must not go on without it.
async fn until_stopped(node: &NodeHandle) {
    while node.stopped().is_none() {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
}

fn served_at(error: &web::ServeError) -> Trouble {
    match error {
        web::ServeError::PortInUse { port, suggestion } => Trouble::environment(
            format_args!("port {port} is in use"),
            format_args!("choose another: --http {suggestion}"),
        ),
        web::ServeError::Listen { address, error, suggestion } => Trouble::environment(
            format_args!("cannot listen on {address}: {error}"),
            format_args!("choose an address of this computer: --http {suggestion}"),
        ),
    }
}

/// Runs a community's node on a thread of its own.
///
/// # Errors
/// When its folder is in use, holds no ledger, or a damaged one.
pub(super) fn start_node(
    community: &Community,
    keys: NodeKeys,
    peers: Vec<String>,
    automatic: bool,
    clock: Arc<dyn node::Clock>,
) -> Result<NodeHandle, Trouble> {
    let options = node::Options {
        data_dir: community.node_dir(),
        miner: keys.miner,
        log_key: keys.log,
        receipt_key: keys.receipt,
        automatic,
        peers,
        search_threads: 1,
        scrubbing: node::Scrubbing::default(),
    };
    node::start(options, clock).map_err(|error| node_trouble(&error))
}

/// A node's error with what to do about it.
pub(super) fn node_trouble(error: &NodeError) -> Trouble {
    let remedy = match error {
        NodeError::Folder(node::store::FolderError::InUse(_)) => {
            "stop the other node first, or ask it: leave --data out and name it with --node"
        }
        NodeError::Folder(_) => "see that the directory exists and that you may read and write it",
        NodeError::Store(_) | NodeError::Recover(_) => {
            "run `wattproof audit --data DIR` to see what is damaged, and put back a copy of the node's folder"
        }
        NodeError::Peers(_) => "correct --peer, or `peers` in the directory's config.toml",
        NodeError::Tables(_) => "remove tables.sqlite in the node's folder; it is made again from the blocks",
        _ => "look at the message, then try again",
    };
    Trouble::environment(error, remedy)
}

pub(super) fn gateway(args: &GatewayArgs, passphrases: &PassphraseSource) -> Result<ExitCode, Trouble> {
    let path = args.config.display();
    let config = Config::read(&args.config).map_err(|error| {
        let what = match &error {
            gateway::ConfigError::Read { .. } => error.to_string(),
            _ => format!("{path}: {error}"),
        };
        Trouble::environment(what, config_remedy(&error))
    })?;
    let genesis = std::fs::read(&config.genesis_file).map_err(|error| error.to_string());
    let genesis = genesis.and_then(|bytes| Genesis::from_bytes(&bytes).map_err(|error| error.to_string()));
    let genesis = genesis.map_err(|error| {
        let what = format!("{}: {error}", config.genesis_file.display());
        Trouble::environment(what, "name the community's genesis.cbor with `genesis_file`")
    })?;
    let key = warned(&config.key_file, key_file::read(&config.key_file, passphrases)?);
    let signer = key.account();
    let node_token = config.node_token_file.as_deref().map(super::read_token).transpose()?;
    let served = Served::of(args, &config, &genesis)?;
    let setup = gateway::Setup {
        database: config.database.clone(),
        storage: config.storage.clone(),
        buses: config.buses.clone(),
        interval: config.interval,
        genesis,
        key,
        node: Arc::new(HttpLink::over(HttpTransport::new(&config.node).with_token(node_token))),
        clock: args.time.of_gateway(),
        protection: config.protection.clone(),
    };
    let runtime = runtime()?;
    if args.check {
        return check::check(&config, &setup, &runtime, args.json);
    }
    runtime.block_on(async {
        // The port first: a gateway that cannot be reached need not open its database.
        let listener = match config.http {
            Some(address) => Some(web::bind(args.reach.address(address)).await.map_err(|error| served_at(&error))?),
            None => None,
        };
        let running = gateway::start(setup).await.map_err(|error| gateway_trouble(&error))?;
        let publisher = config.mqtt.as_ref().map(|mqtt| gateway::mqtt::start(mqtt, running.handle().clone(), signer));
        let publisher =
            publisher.transpose().map_err(|error| Trouble::environment(error, "correct [mqtt] in the file"))?;
        let meters: usize = config.buses.iter().map(|bus| bus.settings.meters.len()).sum();
        say(format_args!("meters {meters}, buses {}, node {}; Ctrl-C stops it", config.buses.len(), config.node));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let pages = listener.map(|listener| tokio::spawn(served.serve(listener, running.handle().clone(), stopped)));
        until_told_to_stop().await;
        drop(stop);
        if let Some(pages) = pages {
            // What ended them was said already; the gateway itself goes down in order.
            let _ended = pages.await;
        }
        if let Some(publisher) = publisher {
            publisher.stop().await;
        }
        running.stop().await.map_err(|error| gateway_trouble(&error))?;
        Ok(ExitCode::SUCCESS)
    })
}

/// What a gateway's own pages need.
struct Served {
    access: Access,
    tls: Option<Tls>,
    community: String,
    time_zone: String,
    public_readings: bool,
}

impl Served {
    fn of(args: &GatewayArgs, config: &Config, genesis: &Genesis) -> Result<Self, Trouble> {
        let dir = args.config.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let token_file = config.control_token_file.as_deref();
        let setup = AccessSetup { dir, program: "gateway", token_file, operator_here: false };
        let access = Access::open(&setup).map_err(|error| access_trouble(&error))?;
        let tls = args.reach.tls(access.folder()).map_err(|error| tls_trouble(&error))?;
        let (community, time_zone) = (genesis.name.clone(), genesis.time_zone.clone());
        Ok(Self { access, tls, community, time_zone, public_readings: genesis.public_readings })
    }

    async fn serve(
        self,
        listener: tokio::net::TcpListener,
        gateway: gateway::GatewayHandle,
        stopped: tokio::sync::oneshot::Receiver<()>,
    ) {
        if let Ok(place) = listener.local_addr() {
            let places = reach::places(place, self.tls.as_ref());
            say(format_args!("loads are at {}/loads", places.here));
            say_places(&places);
            if let Err(trouble) = say_setup(&self.access, &places) {
                note(trouble);
            }
        }
        let Self { access, tls, community, time_zone, public_readings } = self;
        let site = web::loads::SiteSetup { gateway, community, time_zone, public_readings };
        let router = web::loads::router(web::loads::LoadSite::new(site), access);
        let stop = async {
            // A sender that is gone means the same.
            let _ = stopped.await;
        };
        web::serve_router(listener, tls, router, web::Limits::default(), stop).await;
    }
}

/// What is wrong with the folder that access is kept in.
pub(super) fn access_trouble(error: &AccessError) -> Trouble {
    let remedy = match error {
        AccessError::Damaged { .. } => {
            "write a long random text into it, such as `openssl rand -hex 32` gives, or remove it"
        }
        _ => "see that the directory exists and that you may read and write it",
    };
    Trouble::environment(error, remedy)
}

fn tls_trouble(error: &TlsError) -> Trouble {
    Trouble::environment(error, "name a certificate and its key in PEM, or take --tls for a self-made one")
}

fn config_remedy(error: &gateway::ConfigError) -> &'static str {
    match error {
        gateway::ConfigError::Read { .. } => {
            "name the gateway's settings with --config; `wattproof init` writes a first one"
        }
        gateway::ConfigError::Toml(TomlError::UnknownKey { .. }) => "correct the key's spelling",
        gateway::ConfigError::BusCount(_) => "add a [[bus]] block with your meters; the file shows one",
        _ => "correct it in the file; each key is explained beside it",
    }
}

fn gateway_trouble(error: &StartError) -> Trouble {
    Trouble::environment(error, "see that `database` names a place that you may write, and that the disk has room")
}

/// The runtime that ports and pages run on.
pub(super) fn runtime() -> Result<Runtime, Trouble> {
    Runtime::new()
        .map_err(|error| Trouble::environment(error, "the system gives no threads; try again with fewer programs"))
}

/// Until Ctrl-C, or what a service manager sends. A system that gives no signals runs until it is killed.
pub(super) async fn until_told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminated) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated.recv() => {}
    }
}

/// Why simulated meters are not reached.
pub(super) fn not_listening(address: Option<SocketAddr>, error: &std::io::Error) -> Trouble {
    match address {
        Some(address) if error.kind() == std::io::ErrorKind::AddrInUse => {
            let next = SocketAddr::new(address.ip(), address.port().checked_add(1).unwrap_or(0));
            let what = format!("port {} is in use", address.port());
            Trouble::environment(what, format_args!("choose another: --tcp {next}"))
        }
        Some(address) => Trouble::environment(
            format_args!("cannot listen on {address}: {error}"),
            "use --tcp 127.0.0.1:0 for any free port",
        ),
        None => {
            Trouble::environment(format_args!("the system gives no pseudo-terminal: {error}"), "use --tcp 127.0.0.1:0")
        }
    }
}
