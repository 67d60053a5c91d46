//! Where in the file a value stands that was found wrong after the whole was read: checks speak of meters and buses by
//! name, people look for lines.

use super::{BUSES_MAX, ConfigError, MqttConfigError, PAUSE_MS_MAX};
use std::ops::Range;
use toml::de::{DeTable, DeValue};
use units::IdError;

type Span = Range<usize>;

/// The line of what an error speaks of, from 1; `None` where it speaks of the whole file.
pub(super) fn line_of(source: &str, error: &ConfigError) -> Option<usize> {
    let document = DeTable::parse(source).ok()?;
    let root = document.get_ref();
    let span = match error {
        ConfigError::Interval(_) => key(root, "interval_minutes"),
        ConfigError::TokenWithoutHttp => key(root, "control_token_file"),
        ConfigError::BusCount(_) => tables(root, "bus").nth(BUSES_MAX).and_then(first_key),
        ConfigError::Port(bus) | ConfigError::NoMeters(bus) | ConfigError::Line { bus, .. } => {
            tables(root, "bus").find(|table| text(table, "name") == Some(bus)).and_then(|table| key(table, "name"))
        }
        ConfigError::Id(error) => wrong_id(root, error),
        ConfigError::MeterTwice(number) => {
            meters(root).filter(|meter| text(meter, "number") == Some(number.as_str())).nth(1).and_then(first_key)
        }
        // Of two meters at one address it is the second that is told.
        ConfigError::AddressTwice { meter, .. } | ConfigError::Protocol { meter, .. } => {
            of_meter(root, meter.as_str(), "address")
        }
        ConfigError::PollSeconds { meter, .. } => of_meter(root, meter.as_str(), "poll_seconds"),
        ConfigError::Pauses { meter, gap_ms, .. } => {
            let key = if *gap_ms > PAUSE_MS_MAX { "gap_ms" } else { "timeout_ms" };
            of_meter(root, meter.as_str(), key)
        }
        ConfigError::UnknownProfile { meter, .. } | ConfigError::NoCounter { meter, .. } => {
            of_meter(root, meter.as_str(), "profile")
        }
        ConfigError::Loads { meter: Some(meter), .. } => meters(root)
            .find(|table| text(table, "number") == Some(meter.as_str()))
            .and_then(|table| key(table, "load")),
        ConfigError::Loads { meter: None, .. } => key(root, "loads").or_else(|| key(root, "rule")),
        ConfigError::Mqtt(error) => table(root, "mqtt").and_then(|mqtt| match error {
            MqttConfigError::Url { .. } => key(mqtt, "url"),
            MqttConfigError::Login => key(mqtt, "user").or_else(|| key(mqtt, "password_file")),
            MqttConfigError::Topic { key: name, .. } => key(mqtt, name),
            MqttConfigError::Every(_) => key(mqtt, "every_seconds"),
        }),
        // These have a line already, or speak of another file.
        _ => None,
    };
    let before = source.as_bytes().get(..span?.start)?;
    Some(before.iter().filter(|byte| **byte == b'\n').count() + 1)
}

fn key(table: &DeTable<'_>, name: &str) -> Option<Span> {
    table.iter().find(|(key, _)| key.get_ref().as_ref() == name).map(|(key, _)| key.span())
}

/// Of those that are written, not in the order of the alphabet.
fn first_key(table: &DeTable<'_>) -> Option<Span> {
    table.keys().map(toml::Spanned::span).min_by_key(|span| span.start)
}

fn value<'t, 'i>(table: &'t DeTable<'i>, name: &str) -> Option<&'t DeValue<'i>> {
    table.iter().find(|(key, _)| key.get_ref().as_ref() == name).map(|(_, value)| value.get_ref())
}

fn text<'t>(table: &'t DeTable<'_>, name: &str) -> Option<&'t str> {
    value(table, name).and_then(DeValue::as_str)
}

fn table<'t, 'i>(parent: &'t DeTable<'i>, name: &str) -> Option<&'t DeTable<'i>> {
    value(parent, name).and_then(DeValue::as_table)
}

/// The blocks `[[name]]` of a table.
fn tables<'t, 'i>(parent: &'t DeTable<'i>, name: &str) -> impl Iterator<Item = &'t DeTable<'i>> {
    let blocks = value(parent, name).and_then(DeValue::as_array);
    blocks.into_iter().flat_map(|blocks| blocks.iter()).filter_map(|block| block.get_ref().as_table())
}

fn meters<'t, 'i>(root: &'t DeTable<'i>) -> impl Iterator<Item = &'t DeTable<'i>> {
    tables(root, "bus").flat_map(|bus| tables(bus, "meter"))
}

fn of_meter(root: &DeTable<'_>, number: &str, name: &str) -> Option<Span> {
    meters(root).find(|meter| text(meter, "number") == Some(number)).and_then(|meter| key(meter, name))
}

fn wrong_id(root: &DeTable<'_>, error: &IdError) -> Option<Span> {
    let (IdError::Hex(written) | IdError::Account(written) | IdError::Meter(written)) = error;
    meters(root).find_map(|meter| {
        ["number", "member"]
            .into_iter()
            .find(|name| text(meter, name) == Some(written))
            .and_then(|name| key(meter, name))
    })
}
