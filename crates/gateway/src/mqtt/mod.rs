//! Readings out to an MQTT broker, and to Home Assistant by its discovery. Only out: nothing that a broker sends switches or
//! changes anything, because whoever can write to a broker is not thereby somebody who may cut a household off.
//!
//! Polling never waits for a broker: the publisher listens to readings as pages do, keeps the newest of each meter, and
//! publishes that once the broker takes it. What was not published is not sent later; the database has all of it. After
//! every connection, and when Home Assistant starts anew, everything is published again.

mod connection;
mod message;
mod words;

use crate::config::MqttConfig;
use crate::{GatewayHandle, LiveReading};
use connection::Connection;
use message::{Message, Topics};
use rumqttc::{AsyncClient, ClientError, LastWill, MqttOptions, QoS};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use units::{AccountId, Key, MeterId};

/// Messages on their way to the broker that it has not acknowledged; beyond it the publisher waits.
const UNDER_WAY_MAX: usize = 64;
/// A broker that says nothing for so long is asked, and given up after as long again.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// How often it is looked whether a meter's newest reading may be published.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long the end waits for the broker to take the farewell.
const FAREWELL_WITHIN: Duration = Duration::from_secs(2);
/// Largest message taken in: only Home Assistant's `online` is.
const INCOMING_BYTES_MAX: usize = 10 * 1_024;
/// Largest message given out: a meter's state of a few dozen values is below 2 KiB.
const OUTGOING_BYTES_MAX: usize = 64 * 1_024;

const ONLINE: &str = "online";
const OFFLINE: &str = "offline";

/// Why nothing can be published.
#[derive(Debug, thiserror::Error)]
pub enum MqttError {
    /// The password's file.
    #[error("{}: {error}; `password_file` names a file whose first line is the password", .path.display())]
    Password {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The broker was asked once, for a check.
    #[error("{0}")]
    Broker(String),
}

/// How the connection to the broker fares, to look at. Cheap to clone.
#[derive(Debug, Clone)]
pub struct MqttStatus {
    broker: Arc<str>,
    connection: watch::Receiver<Connection>,
    published: Arc<AtomicU64>,
}

impl MqttStatus {
    /// Host and port of the broker.
    #[must_use]
    pub fn broker(&self) -> &str {
        &self.broker
    }
    /// Whether the broker takes messages now.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        matches!(*self.connection.borrow(), Connection::Up(_))
    }
    /// Why it does not, with what to do; `None` when it does, or was not asked yet.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        match &*self.connection.borrow() {
            Connection::Down(reason) => reason.clone(),
            Connection::Up(_) => None,
        }
    }
    /// Messages given to the broker since the start.
    #[must_use]
    pub fn published(&self) -> u64 {
        self.published.load(Ordering::Relaxed)
    }
}

/// A running publisher.
pub struct Publisher {
    status: MqttStatus,
    stop: watch::Sender<bool>,
    speaking: JoinHandle<()>,
    carrying: JoinHandle<()>,
}

impl Publisher {
    /// To look at it.
    #[must_use]
    pub const fn status(&self) -> &MqttStatus {
        &self.status
    }

    /// Says farewell to the broker, if it is there, and ends.
    pub async fn stop(self) {
        let is_up = self.status.is_connected();
        self.stop.send_replace(true);
        for task in [self.speaking, self.carrying] {
            let abort = task.abort_handle();
            // The connection ends by itself once the broker has taken the farewell; one that is down has nobody to take it.
            if !is_up || tokio::time::timeout(FAREWELL_WITHIN, task).await.is_err() {
                abort.abort();
            }
        }
    }
}

/// Begins to publish a gateway's readings; needs a tokio runtime. A broker that is away is tried again and again. `signer` is
/// the gateway's account, after which it is called where the settings give no `client_id`.
///
/// # Errors
/// When the password cannot be read.
pub fn start(config: &MqttConfig, gateway: GatewayHandle, signer: AccountId) -> Result<Publisher, MqttError> {
    let client_id = config.client_id.clone().unwrap_or_else(|| default_client_id(signer));
    let topics = Topics::new(config, &client_id);
    let mut options = options(config, &client_id)?;
    options.set_last_will(LastWill::new(topics.availability(), OFFLINE, QoS::AtLeastOnce, true));
    let (client, events) = AsyncClient::new(options, UNDER_WAY_MAX);
    let broker: Arc<str> = broker(config).into();
    let (told, connection) = watch::channel(Connection::Down(None));
    let (stop, stopped) = watch::channel(false);
    let published = Arc::new(AtomicU64::new(0));
    let status = MqttStatus { broker: Arc::clone(&broker), connection: connection.clone(), published };
    gateway.show_mqtt(status.clone());
    let carrying = tokio::spawn(connection::carry(events, broker, topics.birth(), told));
    let speaker = Speaker {
        readings: gateway.subscribe(),
        every: Duration::from_secs(config.every_seconds),
        config: config.clone(),
        topics,
        gateway,
        client,
        published: Arc::clone(&status.published),
        newest: BTreeMap::new(),
        announced: BTreeSet::new(),
    };
    let speaking = tokio::spawn(speaker.run(connection, stopped));
    Ok(Publisher { status, stop, speaking, carrying })
}

/// Asks the broker once whether it lets this gateway in; publishes nothing.
///
/// # Errors
/// Why not, with what to do.
pub async fn check(config: &MqttConfig) -> Result<(), MqttError> {
    let options = options(config, &format!("{}-check", config.client_id.as_deref().unwrap_or("wattproof")))?;
    let (_client, mut events) = AsyncClient::new(options, 1);
    match events.poll().await {
        Ok(_) => Ok(()),
        Err(error) => Err(MqttError::Broker(connection::reason(&broker(config), &error))),
    }
}

fn broker(config: &MqttConfig) -> String {
    format!("{}:{}", config.host, config.port)
}

/// Two gateways of one name would throw each other out of the broker without end; their keys differ.
fn default_client_id(signer: AccountId) -> String {
    let account: String = signer.to_string().chars().take(12).collect();
    format!("gateway-{account}")
}

fn options(config: &MqttConfig, client_id: &str) -> Result<MqttOptions, MqttError> {
    let mut options = MqttOptions::new(client_id, &config.host, config.port);
    options.set_keep_alive(KEEP_ALIVE).set_clean_session(true);
    options.set_max_packet_size(INCOMING_BYTES_MAX, OUTGOING_BYTES_MAX);
    if let Some((user, path)) = &config.login {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|error| MqttError::Password { path: path.clone(), error })?;
        options.set_credentials(user, text.lines().next().unwrap_or_default());
    }
    Ok(options)
}

/// A meter's newest reading and when one was last published.
#[derive(Debug)]
struct Newest {
    reading: Option<LiveReading>,
    published: Option<Instant>,
}

/// Why the speaker wakes.
enum Wake {
    Ended,
    Connection,
    Heard(LiveReading),
    Missed,
    Look,
}

/// Until the flag is up, or nobody can raise it any more.
async fn told(flag: &mut watch::Receiver<bool>) {
    let _gone = flag.wait_for(|is_up| *is_up).await;
}

/// What speaks to the broker.
struct Speaker {
    config: MqttConfig,
    every: Duration,
    topics: Topics,
    gateway: GatewayHandle,
    client: AsyncClient,
    readings: broadcast::Receiver<LiveReading>,
    published: Arc<AtomicU64>,
    newest: BTreeMap<MeterId, Newest>,
    /// What Home Assistant was told of since the connection came up.
    announced: BTreeSet<(MeterId, Key)>,
}

impl Speaker {
    async fn run(mut self, mut connection: watch::Receiver<Connection>, mut stopped: watch::Receiver<bool>) {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let wake = tokio::select! {
                () = told(&mut stopped) => Wake::Ended,
                changed = connection.changed() => changed.map_or(Wake::Ended, |()| Wake::Connection),
                heard = self.readings.recv() => match heard {
                    Ok(reading) => Wake::Heard(reading),
                    Err(RecvError::Lagged(_)) => Wake::Missed,
                    Err(RecvError::Closed) => Wake::Ended,
                },
                _ = look.tick() => Wake::Look,
            };
            let is_up = matches!(*connection.borrow(), Connection::Up(_));
            match wake {
                Wake::Ended => break,
                Wake::Heard(reading) => self.hear(reading),
                // The newest of each meter are asked for instead of those that were lost.
                Wake::Missed => self.take_all(),
                Wake::Connection if is_up && self.greet().await.is_err() => return,
                Wake::Connection | Wake::Look => {}
            }
            if is_up && self.flush().await.is_err() {
                return;
            }
        }
        if matches!(*connection.borrow(), Connection::Up(_)) {
            // The broker says the same by the last will, should this not arrive.
            let _unsaid = self.say(Message { topic: self.topics.availability(), payload: OFFLINE.to_owned() }).await;
        }
        let _ended = self.client.disconnect().await;
    }

    /// A connection that is new knows nothing of this gateway.
    async fn greet(&mut self) -> Result<(), ClientError> {
        self.announced.clear();
        self.newest.clear();
        self.take_all();
        if let Some(birth) = self.topics.birth() {
            self.client.subscribe(birth, QoS::AtLeastOnce).await?;
        }
        self.say(Message { topic: self.topics.availability(), payload: ONLINE.to_owned() }).await
    }

    fn hear(&mut self, reading: LiveReading) {
        let newest = self.newest.entry(reading.meter.clone());
        newest.or_insert(Newest { reading: None, published: None }).reading = Some(reading);
    }

    /// The newest reading of every meter is to be published.
    fn take_all(&mut self) {
        for meter in self.gateway.snapshot() {
            if let (Some(reading), Some(time)) = (meter.reading, meter.time) {
                self.hear(LiveReading { meter: meter.meter, time, reading });
            }
        }
    }

    /// Publishes what is due.
    async fn flush(&mut self) -> Result<(), ClientError> {
        let now = Instant::now();
        let mut due = Vec::new();
        for newest in self.newest.values_mut() {
            let rested = newest.published.is_none_or(|at| now.duration_since(at) >= self.every);
            if rested && let Some(reading) = newest.reading.take() {
                newest.published = Some(now);
                due.push(reading);
            }
        }
        for reading in due {
            self.announce(&reading).await?;
            self.say(message::state(&self.topics, &reading)).await?;
        }
        Ok(())
    }

    /// Tells Home Assistant of values that it does not know of yet.
    async fn announce(&mut self, reading: &LiveReading) -> Result<(), ClientError> {
        let is_new = |key: &Key| !self.announced.contains(&(reading.meter.clone(), *key));
        let keys: Vec<Key> = reading.reading.iter().map(|(key, _)| key).filter(is_new).collect();
        if keys.is_empty() {
            return Ok(());
        }
        let meter = self.gateway.snapshot().into_iter().find(|meter| meter.meter == reading.meter);
        for key in keys {
            let message = meter.as_ref().and_then(|meter| message::discovery(&self.topics, &self.config, meter, key));
            if let Some(message) = message {
                self.say(message).await?;
            }
            self.announced.insert((reading.meter.clone(), key));
        }
        Ok(())
    }

    async fn say(&self, Message { topic, payload }: Message) -> Result<(), ClientError> {
        self.client.publish(topic, QoS::AtLeastOnce, true, payload).await?;
        self.published.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}
