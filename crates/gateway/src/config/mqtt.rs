//! The section `[mqtt]`: to which broker readings are published, and how Home Assistant finds them.

use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Port of a broker that names none (IANA's `mqtt`).
const PORT_DEFAULT: u16 = 1_883;
/// Longest interval between two publications of a meter: beyond an hour Home Assistant would show it as gone.
const EVERY_SECONDS_MAX: u64 = 3_600;
/// Longest prefix: topics stay far below the 65,535 bytes of MQTT 3.1.1, 1.5.3.
const PREFIX_BYTES_MAX: usize = 64;

/// Why the section is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MqttConfigError {
    /// Not `mqtt://HOST[:PORT]`.
    #[error("[mqtt] url = \"{url}\": {reason}; write mqtt://HOST or mqtt://HOST:PORT")]
    Url {
        /// As written, without a password.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Only one of both.
    #[error("[mqtt] `user` and `password_file` belong together: give both or neither")]
    Login,
    /// A topic's part that is none.
    #[error(
        "[mqtt] {key} = \"{value}\": 1 to {PREFIX_BYTES_MAX} characters, levels parted by single `/`, none of `+`, `#` or spaces"
    )]
    Topic {
        /// Which key.
        key: &'static str,
        /// As written.
        value: String,
    },
    /// Too often or too seldom.
    #[error("[mqtt] every_seconds = {0}: 1 to {EVERY_SECONDS_MAX}")]
    Every(u64),
}

/// In which language Home Assistant shows what the values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum Language {
    /// English.
    #[default]
    #[serde(rename = "en")]
    En,
    /// Traditional Chinese, as used in Taiwan.
    #[serde(rename = "zh-TW")]
    ZhTw,
}

/// A checked section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MqttConfig {
    /// The broker's name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// User and the file whose first line is the password.
    pub login: Option<(String, PathBuf)>,
    /// First levels of every topic.
    pub prefix: String,
    /// What the broker tells this gateway from others by; made from its key when it is not given.
    pub client_id: Option<String>,
    /// Least time between two publications of a meter, in seconds.
    pub every_seconds: u64,
    /// Home Assistant's own prefix; `None` when it is told nothing.
    pub discovery_prefix: Option<String>,
    /// Of the names that Home Assistant shows.
    pub language: Language,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MqttText {
    url: String,
    user: Option<String>,
    password_file: Option<PathBuf>,
    client_id: Option<String>,
    prefix: Option<String>,
    every_seconds: Option<u64>,
    discovery: Option<bool>,
    discovery_prefix: Option<String>,
    language: Option<Language>,
}

impl MqttText {
    pub(super) fn check(self, folder: &Path) -> Result<MqttConfig, MqttConfigError> {
        let (host, port) = broker(&self.url)?;
        let login = match (self.user, self.password_file) {
            (Some(user), Some(file)) => Some((user, folder.join(file))),
            (None, None) => None,
            _ => return Err(MqttConfigError::Login),
        };
        let every_seconds = self.every_seconds.unwrap_or(1);
        if !(1..=EVERY_SECONDS_MAX).contains(&every_seconds) {
            return Err(MqttConfigError::Every(every_seconds));
        }
        let discovery_prefix = self.discovery_prefix.unwrap_or_else(|| "homeassistant".to_owned());
        let discovery_prefix = topic("discovery_prefix", discovery_prefix)?;
        Ok(MqttConfig {
            host,
            port,
            login,
            prefix: topic("prefix", self.prefix.unwrap_or_else(|| "wattproof".to_owned()))?,
            client_id: self.client_id.map(|id| topic("client_id", id)).transpose()?,
            every_seconds,
            discovery_prefix: self.discovery.unwrap_or(true).then_some(discovery_prefix),
            language: self.language.unwrap_or_default(),
        })
    }
}

/// Host and port of `mqtt://HOST[:PORT]`.
fn broker(url: &str) -> Result<(String, u16), MqttConfigError> {
    // A password that was written here against the advice must not come out in an error.
    let shown = url.rsplit_once('@').map_or_else(|| url.to_owned(), |(_, rest)| format!("...@{rest}"));
    let wrong = |reason| MqttConfigError::Url { url: shown.clone(), reason };
    let Some(rest) = url.strip_prefix("mqtt://") else {
        return Err(wrong(match url.split_once("://") {
            Some(("mqtts" | "ssl" | "tls", _)) => {
                "TLS is not spoken; let a broker on this computer bridge to the other"
            }
            Some(("ws" | "wss" | "http" | "https", _)) => "web sockets are not spoken",
            _ => "it does not begin with mqtt://",
        }));
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains('@') {
        return Err(wrong("a user and a password belong into `user` and `password_file`"));
    }
    if rest.contains(['/', '?', '#']) || rest.contains(char::is_whitespace) {
        return Err(wrong("there is more than a host and a port"));
    }
    let (host, port) = match rest.rsplit_once(':').filter(|(_, port)| !port.contains(']')) {
        Some((host, port)) => {
            let port = port.parse().ok().filter(|port| *port != 0);
            (host, port.ok_or_else(|| wrong("the port is not a number from 1 to 65535"))?)
        }
        None => (rest, PORT_DEFAULT),
    };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if host.is_empty() {
        return Err(wrong("the host is missing"));
    }
    Ok((host.to_owned(), port))
}

/// Levels of a topic (MQTT 3.1.1, 4.7), none of them empty.
fn topic(key: &'static str, value: String) -> Result<String, MqttConfigError> {
    let is_level =
        |level: &str| !level.is_empty() && !level.contains(['+', '#', '\0']) && !level.contains(char::is_whitespace);
    if value.len() > PREFIX_BYTES_MAX || value.starts_with('$') || !value.split('/').all(is_level) {
        return Err(MqttConfigError::Topic { key, value });
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_s_address_is_read_or_refused_with_what_to_write() {
        for (url, expected) in [
            ("mqtt://homeassistant.local", Ok(("homeassistant.local", 1_883))),
            ("mqtt://192.168.1.2:1884", Ok(("192.168.1.2", 1_884))),
            ("mqtt://[fe80::1]", Ok(("fe80::1", 1_883))),
            ("mqtt://[fe80::1]:1884/", Ok(("fe80::1", 1_884))),
            ("192.168.1.2", Err("it does not begin with mqtt://")),
            ("mqtts://host", Err("TLS is not spoken; let a broker on this computer bridge to the other")),
            ("ws://host", Err("web sockets are not spoken")),
            ("mqtt://", Err("the host is missing")),
            ("mqtt://:1883", Err("the host is missing")),
            ("mqtt://host:0", Err("the port is not a number from 1 to 65535")),
            ("mqtt://host:65536", Err("the port is not a number from 1 to 65535")),
            ("mqtt://host:mqtt", Err("the port is not a number from 1 to 65535")),
            ("mqtt://host/topic", Err("there is more than a host and a port")),
            ("mqtt://ho st", Err("there is more than a host and a port")),
            ("mqtt://me:secret@host", Err("a user and a password belong into `user` and `password_file`")),
        ] {
            let found = broker(url);
            let reason = found.as_ref().err().map(ToString::to_string).unwrap_or_default();
            assert!(!reason.contains("secret"), "{reason}");
            let found = found.as_ref().map(|(host, port)| (host.as_str(), *port)).map_err(|error| match error {
                MqttConfigError::Url { reason, .. } => *reason,
                other => panic!("{other}"),
            });
            assert_eq!(found, expected, "{url}");
        }
    }

    #[test]
    fn a_topic_has_levels_and_no_wildcards() {
        for (value, is_topic) in [
            ("wattproof", true),
            ("house/meters", true),
            ("電表", true),
            ("", false),
            ("/house", false),
            ("house//meters", false),
            ("house/#", false),
            ("+", false),
            ("$SYS", false),
            ("my house", false),
        ] {
            assert_eq!(topic("prefix", value.to_owned()).is_ok(), is_topic, "{value}");
        }
    }
}
