//! The connection to the broker: kept up, tried again when it is lost, and worded for whoever has to mend it.

use rumqttc::{ConnectReturnCode, ConnectionError, Event, EventLoop, Outgoing, Packet, StateError};
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// First pause after a failure; doubles up to [`PAUSE_MAX`].
const PAUSE_FIRST: Duration = Duration::from_secs(1);
/// Longest pause: a broker that comes back is noticed within a minute.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// How it stands with the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Connection {
    /// Not connected; why, if it was tried.
    Down(Option<String>),
    /// Connected. The number grows whenever everything is to be published anew.
    Up(u64),
}

/// Keeps the connection until the publisher has ended; tells how it stands.
pub(super) async fn carry(
    mut events: EventLoop,
    broker: Arc<str>,
    birth: Option<String>,
    told: watch::Sender<Connection>,
) {
    let (mut pause, mut connections) = (PAUSE_FIRST, 0);
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                tracing::info!(%broker, "MQTT: connected");
                pause = PAUSE_FIRST;
                connections += 1;
                told.send_replace(Connection::Up(connections));
            }
            Ok(Event::Incoming(Packet::Publish(message)))
                if Some(&message.topic) == birth.as_ref() && &*message.payload == super::ONLINE.as_bytes() =>
            {
                connections += 1;
                told.send_replace(Connection::Up(connections));
            }
            Ok(Event::Outgoing(Outgoing::Disconnect)) | Err(ConnectionError::RequestsDone) => return,
            Ok(_) => {}
            Err(error) => {
                let reason = reason(&broker, &error);
                // Once for each reason, not for each try.
                if *told.borrow() != Connection::Down(Some(reason.clone())) {
                    tracing::warn!("MQTT: {reason}; readings are taken and stored all the same");
                }
                told.send_replace(Connection::Down(Some(reason)));
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}

/// Why there is no connection, with what to do about it.
pub(super) fn reason(broker: &str, error: &ConnectionError) -> String {
    match error {
        ConnectionError::ConnectionRefused(
            ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized,
        ) => {
            format!("the broker at {broker} refuses the user or the password; correct `user` and `password_file`")
        }
        ConnectionError::ConnectionRefused(ConnectReturnCode::BadClientId) => {
            format!("the broker at {broker} refuses the name; choose another with `client_id`")
        }
        ConnectionError::ConnectionRefused(code) => {
            format!("the broker at {broker} refuses the connection ({code:?}); its log says why")
        }
        ConnectionError::NetworkTimeout => {
            format!("the broker at {broker} does not answer; is the address right, and does a firewall let through?")
        }
        ConnectionError::Io(error) if error.kind() == ErrorKind::ConnectionRefused => {
            format!("nothing listens at {broker}; is the broker started, and is the port right?")
        }
        ConnectionError::Io(error)
            if matches!(
                error.kind(),
                ErrorKind::UnexpectedEof | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset
            ) =>
        {
            lost(broker)
        }
        ConnectionError::MqttState(StateError::ConnectionAborted) => lost(broker),
        ConnectionError::NotConnAck(_)
        | ConnectionError::MqttState(StateError::Deserialization(_) | StateError::WrongPacket) => {
            format!("what listens at {broker} speaks no MQTT; correct `url`")
        }
        // Names that nobody knows, no route, no network.
        other => format!("the broker at {broker} is not reached ({other})"),
    }
}

fn lost(broker: &str) -> String {
    format!(
        "the broker at {broker} ended the connection; was it stopped, or does another gateway use the same `client_id`?"
    )
}
