//! Texts that scripts show. They come with the page, as JSON, so that a script needs no words of its own.

use super::i18n::Texts;
use std::collections::BTreeMap;

/// Names a text; a test holds that it exists.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key(pub(crate) &'static str);

/// Variables in such texts; the script puts values in the place of `#name#`.
const VARIABLES: [&str; 16] = [
    "count", "time", "name", "energy", "reason", "month", "height", "amount", "price", "left", "short", "rule",
    "level", "from", "until", "tried",
];

/// Texts by their keys.
pub(crate) fn texts(t: Texts, keys: impl IntoIterator<Item = Key>) -> BTreeMap<&'static str, String> {
    let places: Vec<(&str, String)> = VARIABLES.map(|name| (name, format!("#{name}#"))).into();
    let values: Vec<(&str, &str)> = places.iter().map(|(name, place)| (*name, place.as_str())).collect();
    keys.into_iter().map(|Key(key)| (key, t.with(key, &values))).collect()
}

/// The same as JSON.
pub(crate) fn json(t: Texts, keys: impl IntoIterator<Item = Key>) -> String {
    serde_json::json!(texts(t, keys)).to_string()
}
