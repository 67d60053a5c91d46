//! A family of metrics, and all of them as the text that Prometheus reads.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::{Registry, Unit};
use std::fmt;

/// Media type of the text: OpenMetrics 1.0, which every Prometheus since 2.5 reads.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels = Vec<(&'static str, String)>;

/// One name with its values, a value for each set of labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    name: &'static str,
    help: &'static str,
    unit: Option<&'static str>,
    is_counter: bool,
    samples: Vec<(Labels, f64)>,
}

impl Family {
    /// Of values that go up and down.
    #[must_use]
    pub const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { name, help, unit: None, is_counter: false, samples: Vec::new() }
    }

    /// Of values that only go up; `_total` is put behind the name.
    #[must_use]
    pub const fn counter(name: &'static str, help: &'static str) -> Self {
        Self { name, help, unit: None, is_counter: true, samples: Vec::new() }
    }

    /// In a unit, which is put behind the name.
    #[must_use]
    pub fn unit(self, unit: &'static str) -> Self {
        Self { unit: Some(unit), ..self }
    }

    /// With a value without labels.
    #[must_use]
    pub fn one(self, value: f64) -> Self {
        self.with(&[], value)
    }

    /// With one more value.
    #[must_use]
    pub fn with(mut self, labels: &[(&'static str, &str)], value: f64) -> Self {
        self.samples.push((labels.iter().map(|(name, text)| (*name, (*text).to_owned())).collect(), value));
        self
    }

    /// Whether it has no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }
}

#[derive(Debug)]
struct Scrape(Vec<Family>);

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for family in self.0.iter().filter(|family| !family.is_empty()) {
            let unit = family.unit.map(|unit| Unit::Other(unit.to_owned()));
            let kind = if family.is_counter { MetricType::Counter } else { MetricType::Gauge };
            let mut metric = encoder.encode_descriptor(family.name, family.help, unit.as_ref(), kind)?;
            for (labels, value) in &family.samples {
                // An empty set of labels would be written as `{}`, which is allowed but not needed.
                if labels.is_empty() && !family.is_counter {
                    metric.encode_gauge(value)?;
                } else if family.is_counter {
                    metric.encode_family(labels)?.encode_counter(value, None::<&Exemplar<Labels, f64>>)?;
                } else {
                    metric.encode_family(labels)?.encode_gauge(value)?;
                }
            }
        }
        Ok(())
    }
}

/// All families as [`MEDIA_TYPE`].
#[must_use]
pub fn exposition(families: Vec<Family>) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape(families)));
    let mut encoded = String::new();
    // Writing to a string does not fail.
    let _never = text::encode(&mut encoded, &registry);
    encoded
}
