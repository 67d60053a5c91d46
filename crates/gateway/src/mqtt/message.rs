//! What is published, as pure functions: topics, a meter's state, and what lets Home Assistant find it.
//!
//! Every message is retained and complete by itself, so that one lost or repeated does no harm.

use super::words;
use crate::config::MqttConfig;
use crate::{LiveMeter, LiveReading};
use serde_json::{Map, Value, json};
use units::{Key, MeterId};

/// Polls without a reading after which Home Assistant shows a value as unavailable.
const EXPIRE_AFTER_POLLS: u64 = 3;
/// A value is never shown as unavailable before this, so that one lost poll does not flicker.
const EXPIRE_AFTER_SECONDS_MIN: u64 = 60;

/// A retained message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) topic: String,
    pub(super) payload: String,
}

/// Where everything is published.
#[derive(Debug, Clone)]
pub(super) struct Topics {
    prefix: String,
    client_id: String,
    discovery_prefix: Option<String>,
}

impl Topics {
    pub(super) fn new(config: &MqttConfig, client_id: &str) -> Self {
        let discovery_prefix = config.discovery_prefix.clone();
        Self { prefix: config.prefix.clone(), client_id: client_id.to_owned(), discovery_prefix }
    }

    /// Whether the gateway is there: `online` or, as its last will, `offline`.
    pub(super) fn availability(&self) -> String {
        format!("{}/gateway/{}", self.prefix, self.client_id)
    }

    /// A meter's newest reading.
    pub(super) fn state(&self, meter: &MeterId) -> String {
        format!("{}/meter/{meter}", self.prefix)
    }

    /// Where Home Assistant says that it has started anew.
    pub(super) fn birth(&self) -> Option<String> {
        self.discovery_prefix.as_ref().map(|prefix| format!("{prefix}/status"))
    }
}

/// A meter's newest reading: integers under the names of the API, which carry the unit.
pub(super) fn state(topics: &Topics, reading: &LiveReading) -> Message {
    let mut values = Map::new();
    values.insert("time_ms".to_owned(), reading.time.ms().into());
    values.extend(reading.reading.iter().map(|(key, value)| (key.to_string(), value.into())));
    Message { topic: topics.state(&reading.meter), payload: Value::Object(values).to_string() }
}

/// What Home Assistant has to know of one value of a meter (its documentation of MQTT discovery); `None` when it is not to
/// be told.
pub(super) fn discovery(topics: &Topics, config: &MqttConfig, meter: &LiveMeter, key: Key) -> Option<Message> {
    let prefix = topics.discovery_prefix.as_ref()?;
    let kind = words::kind(key.quantity);
    let number = meter.meter.as_str();
    let poll_seconds = meter.poll_every.ms().div_ceil(1_000).max(config.every_seconds);
    let mut payload = json!({
        "name": words::name(key, config.language),
        "unique_id": format!("wattproof_{number}_{key}"),
        "state_topic": topics.state(&meter.meter),
        "value_template": format!("{{{{ value_json.{key} / {} }}}}", kind.divisor),
        "device_class": kind.device_class,
        "state_class": kind.state_class,
        "suggested_display_precision": kind.digits,
        "expire_after": poll_seconds.saturating_mul(EXPIRE_AFTER_POLLS).max(EXPIRE_AFTER_SECONDS_MIN),
        "availability_topic": topics.availability(),
        "qos": 1,
        "device": {
            "identifiers": [format!("wattproof_{number}")],
            "name": words::device(number, config.language),
            "model": meter.model,
            "serial_number": number,
        },
        "origin": { "name": "Wattproof", "sw_version": env!("CARGO_PKG_VERSION") },
    });
    if let (Some(unit), Some(object)) = (kind.unit, payload.as_object_mut()) {
        object.insert("unit_of_measurement".to_owned(), unit.into());
    }
    let topic = format!("{prefix}/sensor/wattproof_{}/{key}/config", node_id(number));
    Some(Message { topic, payload: payload.to_string() })
}

/// A meter's number in the characters that Home Assistant allows there (`[A-Za-z0-9_-]`), no two numbers as one.
fn node_id(number: &str) -> String {
    number.replace('_', "__").replace('.', "_d")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Quality;
    use crate::config::Language;
    use std::collections::BTreeMap;
    use units::{Channel, Millis, Quantity, Reading, Timestamp};

    fn config() -> MqttConfig {
        MqttConfig {
            host: "localhost".to_owned(),
            port: 1_883,
            login: None,
            prefix: "house".to_owned(),
            client_id: None,
            every_seconds: 1,
            discovery_prefix: Some("homeassistant".to_owned()),
            language: Language::ZhTw,
        }
    }

    fn meter() -> LiveMeter {
        LiveMeter {
            meter: "A.1_0-1".parse().unwrap(),
            bus: "first floor".to_owned(),
            address: meter::Address::FIRST,
            model: "IM1281B".to_owned(),
            poll_every: Millis::from_seconds(30),
            reading: None,
            time: None,
            age: None,
            quality: Quality::Missing,
            polls: 0,
            answers: 0,
            errors: BTreeMap::new(),
            unconfirmed: 0,
            unconfirmed_since: None,
        }
    }

    #[test]
    fn a_state_holds_integers_under_names_with_units() {
        let topics = Topics::new(&config(), "gate");
        let mut reading = Reading::new();
        reading.insert(Quantity::Voltage, 110_250);
        reading.insert(Key { quantity: Quantity::ActivePower, channel: Channel::L2 }, -5);
        let reading = LiveReading { meter: "A-1".parse().unwrap(), time: Timestamp::from_ms(7), reading };
        let expected = Message {
            topic: "house/meter/A-1".to_owned(),
            payload: r#"{"active_power_mw_l2":-5,"time_ms":7,"voltage_mv":110250}"#.to_owned(),
        };
        assert_eq!(state(&topics, &reading), expected);
    }

    #[test]
    fn home_assistant_is_told_kind_unit_device_and_when_a_value_is_too_old() {
        let topics = Topics::new(&config(), "gate");
        let told = |key: Key| {
            let message = discovery(&topics, &config(), &meter(), key).unwrap();
            let payload: Value = serde_json::from_str(&message.payload).unwrap();
            (message.topic, payload)
        };
        let (topic, energy) = told(Quantity::EnergyImport.into());
        assert_eq!(topic, "homeassistant/sensor/wattproof_A_d1__0-1/energy_import_mwh/config");
        for (key, value) in [
            ("name", json!("用電度數")),
            ("unique_id", json!("wattproof_A.1_0-1_energy_import_mwh")),
            ("state_topic", json!("house/meter/A.1_0-1")),
            ("value_template", json!("{{ value_json.energy_import_mwh / 1000000 }}")),
            ("device_class", json!("energy")),
            ("state_class", json!("total_increasing")),
            ("unit_of_measurement", json!("kWh")),
            ("expire_after", json!(90)),
            ("availability_topic", json!("house/gateway/gate")),
        ] {
            assert_eq!(energy[key], value, "{key}");
        }
        assert_eq!(energy["device"]["name"], json!("電表 A.1_0-1"));
        let (_, factor) = told(Quantity::PowerFactor.into());
        assert_eq!((factor["device_class"].as_str(), factor.get("unit_of_measurement")), (Some("power_factor"), None));
        let (_, phase) = told(Key { quantity: Quantity::Voltage, channel: Channel::L2 });
        assert_eq!(phase["name"], json!("電壓 L2"));
    }

    #[test]
    fn home_assistant_is_told_nothing_where_it_is_switched_off() {
        let config = MqttConfig { discovery_prefix: None, ..config() };
        let topics = Topics::new(&config, "gate");
        assert_eq!(discovery(&topics, &config, &meter(), Quantity::Voltage.into()), None);
        assert_eq!(topics.birth(), None);
    }

    #[test]
    fn no_two_meters_share_a_topic_of_home_assistant() {
        let numbers = ["A.1", "A_1", "Ad1", "A_d1", "A__1", "A_.1", "A-1", "A._1"];
        let ids: std::collections::BTreeSet<String> = numbers.iter().map(|number| node_id(number)).collect();
        assert_eq!(ids.len(), numbers.len());
        assert!(ids.iter().flat_map(|id| id.bytes()).all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)));
    }
}
