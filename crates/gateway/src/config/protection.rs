//! Loads and protection in the configuration: what relays may do, and the rules that switch them off.

use super::{BusConfig, ConfigError};
use crate::core::{Limit, LoadLimits, Protection, Rule, Schedule, Side, Trigger};
use ledger::act::Control;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use toml::Spanned;
use units::{MeterId, Millis, Quantity};

/// Rules of a gateway: each is looked at on every reading of its meters.
pub const RULES_MAX: usize = 64;
/// Longest delay, pause or rest: a day.
const SECONDS_MAX: u64 = 24 * 60 * 60;
/// Most switchings an hour: one a minute; a relay in a meter would not last a year of that.
const SWITCHES_PER_HOUR_MAX: u32 = 60;

/// `[loads]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LoadsText {
    #[serde(default)]
    stagger_seconds: u64,
}

/// `[bus.meter.load]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LoadText {
    min_off_seconds: Option<u64>,
    min_on_seconds: Option<u64>,
    switches_per_hour: Option<u32>,
    #[serde(default)]
    never_with: Vec<String>,
}

/// `[[rule]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleText {
    name: String,
    meters: MetersText,
    kind: Kind,
    limit: Option<Measured>,
    release: Option<Measured>,
    #[serde(default)]
    delay_seconds: u64,
    release_seconds: Option<u64>,
    from: Option<Clock>,
    until: Option<Clock>,
    days: Option<Vec<Day>>,
    cut: Option<bool>,
    #[serde(default)]
    latch: bool,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    OverVoltage,
    UnderVoltage,
    OverCurrent,
    OverPower,
    Schedule,
    EnergyUsedUp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// `"all"`, or a list of meter numbers.
enum MetersText {
    All,
    Named(Vec<String>),
}

impl<'de> Deserialize<'de> for MetersText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Meters;
        impl<'de> Visitor<'de> for Meters {
            type Value = MetersText;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"all\", or a list of meter numbers such as [\"A-101\"]")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<MetersText, E> {
                let wrong = || E::custom(format_args!("`{text}`: write \"all\", or a list such as [\"{text}\"]"));
                if text == "all" { Ok(MetersText::All) } else { Err(wrong()) }
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<MetersText, A::Error> {
                let mut named = Vec::new();
                while let Some(number) = list.next_element()? {
                    named.push(number);
                }
                Ok(MetersText::Named(named))
            }
        }
        deserializer.deserialize_any(Meters)
    }
}

/// A value with its unit: `"253 V"`, `"16.5 A"`, `"2.2 kW"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Measured {
    quantity: Quantity,
    value: i64,
}

impl Measured {
    /// Digits, at most as many decimals as the unit has, and the unit.
    fn parse(text: &str) -> Option<Self> {
        let at = text.find(|letter: char| letter.is_ascii_alphabetic())?;
        let (number, unit) = (text[..at].trim(), &text[at..]);
        let (quantity, decimals) = match unit {
            "V" => (Quantity::Voltage, 3),
            "A" => (Quantity::Current, 6),
            "W" => (Quantity::ActivePower, 3),
            "kW" => (Quantity::ActivePower, 6),
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) || fraction.len() > decimals {
            return None;
        }
        let value = format!("{whole}{fraction:0<decimals$}").parse().ok()?;
        Some(Self { quantity, value })
    }
}

impl<'de> Deserialize<'de> for Measured {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = "give a number with its unit, such as \"253 V\", \"16.5 A\" or \"2200 W\"";
        Self::parse(&text).ok_or_else(|| D::Error::custom(format_args!("`{text}`: {wrong}")))
    }
}

/// A minute of the day, `"23:00"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Clock(u32);

impl<'de> Deserialize<'de> for Clock {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parts = text.split_once(':').filter(|(hour, minute)| hour.len() == 2 && minute.len() == 2);
        let number = |text: &str, most: u32| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|number: &u32| digits && *number <= most)
        };
        let minute = parts.and_then(|(hour, minute)| Some(number(hour, 23)? * 60 + number(minute, 59)?));
        minute
            .map(Self)
            .ok_or_else(|| D::Error::custom(format_args!("`{text}`: give hours and minutes, such as \"23:00\"")))
    }
}

/// What rules and limits are checked against.
struct Meters<'b>(Vec<&'b crate::core::MeterSettings>);

impl Meters<'_> {
    fn has_relay(&self, meter: &MeterId) -> bool {
        let device = self.0.iter().map(|settings| &settings.device).find(|device| device.meter == *meter);
        device.is_some_and(|device| device.profile.relay().is_some())
    }

    fn gives(&self, meter: &MeterId, quantity: Quantity) -> bool {
        let device = self.0.iter().map(|settings| &settings.device).find(|device| device.meter == *meter);
        device.is_some_and(|device| device.profile.registers().iter().any(|r| r.key.quantity == quantity))
    }

    fn named(&self, number: &str) -> Result<MeterId, String> {
        let known = self.0.iter().map(|settings| &settings.device.meter).find(|meter| meter.as_str() == number);
        known.cloned().ok_or_else(|| format!("there is no meter `{number}` in this file; give its `number`"))
    }
}

/// Checks everything about loads; `text` is the file, for the lines of what is wrong.
pub(super) fn check(
    text: &str,
    loads: LoadsText,
    limits: Vec<(MeterId, LoadText)>,
    rules: Vec<Spanned<RuleText>>,
    buses: &[BusConfig],
) -> Result<Protection, ConfigError> {
    let meters = Meters(buses.iter().flat_map(|bus| &bus.settings.meters).collect());
    let stagger = seconds("[loads] stagger_seconds", loads.stagger_seconds)
        .map_err(|reason| ConfigError::Loads { meter: None, reason })?;
    let mut checked = BTreeMap::new();
    for (meter, text) in limits {
        let limits = text.check(&meter, &meters);
        let limits = limits.map_err(|reason| ConfigError::Loads { meter: Some(meter.clone()), reason })?;
        checked.insert(meter, limits);
    }
    if rules.len() > RULES_MAX {
        let reason = format!("{} [[rule]] blocks; a gateway has at most {RULES_MAX}", rules.len());
        return Err(ConfigError::Loads { meter: None, reason });
    }
    let (mut names, mut rules_checked) = (BTreeSet::new(), Vec::new());
    for rule in rules {
        let start = rule.span().start.min(text.len());
        let line = text.as_bytes()[..start].iter().filter(|byte| **byte == b'\n').count() + 1;
        let rule = rule.into_inner();
        let name = rule.name.clone();
        let refuse = |reason| ConfigError::Rule { line, rule: name.clone(), reason };
        if !names.insert(rule.name.clone()) {
            return Err(refuse("another rule has this name; the journal could not tell them apart".to_owned()));
        }
        rules_checked.push(rule.check(&meters).map_err(refuse)?);
    }
    Ok(Protection { rules: rules_checked, limits: checked, stagger })
}

fn seconds(key: &str, seconds: u64) -> Result<Millis, String> {
    if seconds > SECONDS_MAX {
        return Err(format!("{key} = {seconds}: at most {SECONDS_MAX}, a day"));
    }
    Ok(Millis::from_seconds(seconds))
}

impl LoadText {
    fn check(self, meter: &MeterId, meters: &Meters<'_>) -> Result<LoadLimits, String> {
        if !meters.has_relay(meter) {
            return Err(
                "its profile has no [relay], so take [bus.meter.load] out, or use a profile with one".to_owned()
            );
        }
        let usual = LoadLimits::default();
        let given = |key, value: Option<u64>, usual| value.map_or(Ok(usual), |value| seconds(key, value));
        let switches_per_hour = self.switches_per_hour.unwrap_or(usual.switches_per_hour);
        if !(2..=SWITCHES_PER_HOUR_MAX).contains(&switches_per_hour) {
            return Err(format!("switches_per_hour = {switches_per_hour}: it must be 2 to {SWITCHES_PER_HOUR_MAX}"));
        }
        let mut never_with = Vec::new();
        for number in &self.never_with {
            let other = meters.named(number)?;
            if other == *meter || !meters.has_relay(&other) {
                return Err(format!("never_with names {other}, which must be another meter with a relay"));
            }
            never_with.push(other);
        }
        Ok(LoadLimits {
            min_off: given("min_off_seconds", self.min_off_seconds, usual.min_off)?,
            min_on: given("min_on_seconds", self.min_on_seconds, usual.min_on)?,
            switches_per_hour,
            never_with,
        })
    }
}

impl RuleText {
    fn check(self, meters: &Meters<'_>) -> Result<Rule, String> {
        if self.name.trim().is_empty() || self.name.len() > Control::WHO_MAX {
            return Err(format!(
                "a rule's name has 1 to {} bytes; the ledger keeps it as who switched",
                Control::WHO_MAX
            ));
        }
        self.check_keys()?;
        let trigger = self.trigger()?;
        let rule = Rule { name: self.name, meters: Vec::new(), trigger, latch: self.latch, dry_run: self.dry_run };
        let suits = |meter: &MeterId| match trigger {
            Trigger::Value(limit) => meters.gives(meter, limit.quantity),
            Trigger::Schedule(_) | Trigger::EnergyUsedUp { .. } => true,
        };
        let acts_on = |meter: &MeterId| !rule.switches() || meters.has_relay(meter);
        let meters = match self.meters {
            MetersText::All => {
                let all = meters.0.iter().map(|settings| settings.device.meter.clone());
                all.filter(|meter| suits(meter) && acts_on(meter)).collect()
            }
            MetersText::Named(numbers) => {
                let named: Vec<MeterId> =
                    numbers.iter().map(|number| meters.named(number)).collect::<Result<_, _>>()?;
                if let Some(meter) = named.iter().find(|meter| !suits(meter)) {
                    return Err(format!("the profile of meter {meter} does not give what the rule looks at"));
                }
                if let Some(meter) = named.iter().find(|meter| !acts_on(meter)) {
                    return Err(format!(
                        "meter {meter} has no relay; take it out, or set dry_run = true to be told only"
                    ));
                }
                named
            }
        };
        if meters.is_empty() {
            return Err("no meter that it could act on; name meters with a relay, or set dry_run = true".to_owned());
        }
        Ok(Rule { meters, ..rule })
    }

    /// A key that belongs to another kind of rule would be read by nobody.
    fn check_keys(&self) -> Result<(), String> {
        let is_value = !matches!(self.kind, Kind::Schedule | Kind::EnergyUsedUp);
        let is_schedule = self.kind == Kind::Schedule;
        for (key, given, fits) in [
            ("limit", self.limit.is_some(), is_value),
            ("release", self.release.is_some(), is_value),
            ("delay_seconds", self.delay_seconds > 0, is_value),
            ("release_seconds", self.release_seconds.is_some(), is_value),
            ("from", self.from.is_some(), is_schedule),
            ("until", self.until.is_some(), is_schedule),
            ("days", self.days.is_some(), is_schedule),
            ("cut", self.cut.is_some(), self.kind == Kind::EnergyUsedUp),
            ("latch", self.latch, self.kind != Kind::Schedule),
        ] {
            if given && !fits {
                return Err(format!("`{key}` does not belong to a rule of this kind; take it out"));
            }
        }
        Ok(())
    }

    fn trigger(&self) -> Result<Trigger, String> {
        match self.kind {
            Kind::OverVoltage => self.limit(Quantity::Voltage, Side::Above),
            Kind::UnderVoltage => self.limit(Quantity::Voltage, Side::Below),
            Kind::OverCurrent => self.limit(Quantity::Current, Side::Above),
            Kind::OverPower => self.limit(Quantity::ActivePower, Side::Above),
            Kind::Schedule => self.schedule(),
            Kind::EnergyUsedUp => Ok(Trigger::EnergyUsedUp { cut: self.cut.unwrap_or(false) }),
        }
    }

    fn limit(&self, quantity: Quantity, side: Side) -> Result<Trigger, String> {
        let example = match quantity {
            Quantity::Voltage => "253 V",
            Quantity::Current => "16 A",
            _ => "2200 W",
        };
        let limit = self.limit.filter(|limit| limit.quantity == quantity);
        let limit = limit.ok_or_else(|| format!("it needs `limit`, such as \"{example}\""))?.value;
        let release = match self.release {
            None => limit,
            Some(release) if release.quantity == quantity => release.value,
            Some(_) => return Err(format!("`release` has another unit than `limit`; write it like \"{example}\"")),
        };
        let is_inside = match side {
            Side::Above => release <= limit,
            Side::Below => release >= limit,
        };
        if !is_inside {
            return Err(
                "`release` lies beyond `limit`, so the load would go on and off; put it on the good side".to_owned()
            );
        }
        Ok(Trigger::Value(Limit {
            quantity,
            side,
            limit,
            delay: seconds("delay_seconds", self.delay_seconds)?,
            release,
            release_delay: seconds("release_seconds", self.release_seconds.unwrap_or(60))?,
        }))
    }

    fn schedule(&self) -> Result<Trigger, String> {
        let (Some(Clock(from_minute)), Some(Clock(until_minute))) = (self.from, self.until) else {
            return Err("a schedule needs `from` and `until`, such as \"23:00\" and \"06:00\"".to_owned());
        };
        let listed = self.days.as_deref();
        let days = [Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri, Day::Sat, Day::Sun];
        let days = days.map(|day| listed.is_none_or(|listed| listed.contains(&day)));
        if !days.contains(&true) {
            return Err("`days` is empty, so it never holds; leave it out for every day".to_owned());
        }
        Ok(Trigger::Schedule(Schedule { from_minute, until_minute, days }))
    }
}

#[cfg(test)]
mod tests;
