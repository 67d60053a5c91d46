//! What a form asks and what was typed: nothing that was typed is lost when something is wrong with it, and each fault
//! stands at its field.

use crate::web::i18n::Texts;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::str::FromStr;
use units::{Energy, Month};

/// A form as it was sent, by the names of its fields.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Typed(BTreeMap<String, String>);

impl Typed {
    /// What stands in a field, without the spaces around it; empty where there is no such field.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |value| value.trim())
    }

    /// What stands in a field, or what it begins with when it was not sent.
    pub(super) fn or(&self, name: &str, first: &str) -> String {
        self.0.get(name).map_or_else(|| first.to_owned(), Clone::clone)
    }
}

/// How a field is filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A line.
    Line,
    /// A number, in a unit.
    Number(String),
    /// Several lines.
    Lines,
    /// One of several: value and label.
    Choice(Vec<(String, String)>),
}

/// A field of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    /// Its name in the form.
    pub(super) name: &'static str,
    /// What it is called.
    pub(super) label: String,
    /// What to write; empty where that is plain.
    pub(super) hint: String,
    /// What stands in it.
    pub(super) value: String,
    /// What is wrong with that.
    pub(super) fault: Option<String>,
    /// How it is filled in.
    pub(super) kind: Kind,
}

impl Field {
    pub(super) fn new(typed: &Typed, name: &'static str, label: String, kind: Kind) -> Self {
        let value = typed.or(name, "");
        Self { name, label, hint: String::new(), value, fault: None, kind }
    }

    /// With something that helps to fill it in.
    pub(super) fn hint(self, hint: String) -> Self {
        Self { hint, ..self }
    }

    /// Beginning with a value where nothing was typed yet.
    pub(super) fn first(self, typed: &Typed, value: &str) -> Self {
        Self { value: typed.or(self.name, value), ..self }
    }

    /// For the template: the unit of a number.
    pub(super) fn unit(&self) -> &str {
        if let Kind::Number(unit) = &self.kind { unit } else { "" }
    }

    /// For the template: what there is to choose from; nothing to choose means a line.
    pub(super) fn choices(&self) -> &[(String, String)] {
        if let Kind::Choice(choices) = &self.kind { choices } else { &[] }
    }

    /// For the template.
    pub(super) fn is_choice(&self) -> bool {
        matches!(self.kind, Kind::Choice(_))
    }

    /// For the template.
    pub(super) fn is_lines(&self) -> bool {
        self.kind == Kind::Lines
    }

    /// For the template.
    pub(super) fn is_number(&self) -> bool {
        matches!(self.kind, Kind::Number(_))
    }
}

/// Fields that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    /// What they are about.
    pub(super) title: String,
    /// The fields.
    pub(super) fields: Vec<Field>,
}

/// What is wrong, by field.
pub(super) type Faults = BTreeMap<&'static str, String>;

/// A form while it is checked: what cannot be used is noted, and the check goes on, so that a person sees all at once.
pub(super) struct Checking<'a> {
    pub(super) t: Texts,
    pub(super) typed: &'a Typed,
    pub(super) faults: Faults,
}

impl<'a> Checking<'a> {
    pub(super) fn new(t: Texts, typed: &'a Typed) -> Self {
        Self { t, typed, faults: Faults::new() }
    }

    /// Notes a fault; the first of a field stays.
    pub(super) fn fault(&mut self, name: &'static str, words: String) {
        self.faults.entry(name).or_insert(words);
    }

    /// A text that has to be there, of at most so many bytes.
    pub(super) fn text(&mut self, name: &'static str, bytes_max: usize) -> Option<String> {
        let text = self.typed.get(name);
        let t = self.t;
        if text.is_empty() {
            self.fault(name, t.get("desk-fault-empty"));
        } else if text.len() > bytes_max {
            self.fault(name, t.arg("desk-fault-long", "bytes", bytes_max.to_string()));
        } else {
            return Some(text.to_owned());
        }
        None
    }

    /// What a field's text reads as.
    pub(super) fn parsed<T: FromStr>(&mut self, name: &'static str, fault: &str) -> Option<T> {
        let parsed = self.typed.get(name).parse().ok();
        if parsed.is_none() {
            let words = self.t.get(fault);
            self.fault(name, words);
        }
        parsed
    }

    /// Energy in kWh.
    pub(super) fn energy(&mut self, name: &'static str) -> Option<Energy> {
        let energy = Energy::parse_kwh(self.typed.get(name)).ok();
        if energy.is_none() {
            let words = self.t.get("desk-fault-energy");
            self.fault(name, words);
        }
        energy
    }

    /// A month.
    pub(super) fn month(&mut self, name: &'static str) -> Option<Month> {
        self.parsed(name, "desk-fault-month")
    }

    /// A whole number within bounds.
    pub(super) fn number(&mut self, name: &'static str, least: u32, most: u32) -> Option<u32> {
        let number = self.typed.get(name).parse().ok().filter(|number| (least..=most).contains(number));
        if number.is_none() {
            let words = self.t.with("desk-fault-number", &[("least", &least.to_string()), ("most", &most.to_string())]);
            self.fault(name, words);
        }
        number
    }
}
