//! The two languages of the pages. Every string is in `locales/`; the two files hold the same keys, and a test keeps
//! that so. Numbers and names go in as finished text, so that no language formats a quantity its own way.

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use std::sync::LazyLock;

/// A language that the pages speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lang {
    /// Traditional Chinese, as used in Taiwan.
    ZhTw,
    /// English.
    En,
}

impl Lang {
    /// Both, in the order in which the pages offer them.
    pub(crate) const ALL: [Self; 2] = [Self::ZhTw, Self::En];

    /// Its BCP 47 tag, as in `<html lang>`.
    pub(crate) const fn tag(self) -> &'static str {
        match self {
            Self::ZhTw => "zh-TW",
            Self::En => "en",
        }
    }

    /// What its readers call it.
    pub(crate) const fn own_name(self) -> &'static str {
        match self {
            Self::ZhTw => "中文",
            Self::En => "English",
        }
    }

    /// The language of a tag that somebody wrote: `zh`, `zh-Hant-TW` and `en-GB` are understood.
    pub(crate) fn from_tag(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next()?;
        match primary.to_ascii_lowercase().as_str() {
            "zh" => Some(Self::ZhTw),
            "en" => Some(Self::En),
            _ => None,
        }
    }

    /// The first language of an `Accept-Language` header (RFC 9110 12.5.4) that the pages speak. Weights are obeyed;
    /// of equal ones the earlier wins.
    pub(crate) fn from_accept(header: &str) -> Option<Self> {
        let mut best: Option<(u16, Self)> = None;
        for range in header.split(',').take(RANGES_MAX) {
            let mut parts = range.trim().split(';');
            let Some(lang) = parts.next().and_then(|tag| Self::from_tag(tag.trim())) else { continue };
            let weight = parts.find_map(|part| part.trim().strip_prefix("q=")).map_or(Some(1_000), parse_weight);
            if let Some(weight) = weight.filter(|weight| *weight > 0)
                && best.is_none_or(|(other, _)| weight > other)
            {
                best = Some((weight, lang));
            }
        }
        best.map(|(_, lang)| lang)
    }

    fn source(self) -> &'static str {
        match self {
            Self::ZhTw => include_str!("../../locales/zh-TW.ftl"),
            Self::En => include_str!("../../locales/en.ftl"),
        }
    }
}

/// Ranges of an `Accept-Language` header that are read; browsers send fewer than ten.
const RANGES_MAX: usize = 32;

/// `0.8` as 800: the quality values of RFC 9110 12.4.2 have at most three decimals.
fn parse_weight(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1_000),
        _ => None,
    }
}

type Bundle = FluentBundle<FluentResource>;

static ZH_TW: LazyLock<Bundle> = LazyLock::new(|| bundle(Lang::ZhTw));
static EN: LazyLock<Bundle> = LazyLock::new(|| bundle(Lang::En));

fn bundle(lang: Lang) -> Bundle {
    // A message that does not parse is left out here; the tests hold that none does.
    let resource = FluentResource::try_new(lang.source().to_owned()).unwrap_or_else(|(partial, _)| partial);
    let mut bundle = FluentBundle::new_concurrent(lang.tag().parse().into_iter().collect());
    // Isolation marks help bidirectional scripts, of which there is none here, and would end up in attributes.
    bundle.set_use_isolating(false);
    bundle.add_resource_overriding(resource);
    bundle
}

/// The texts of one language, as templates use them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Texts {
    lang: Lang,
}

impl Texts {
    /// Of a language.
    pub(crate) const fn of(lang: Lang) -> Self {
        Self { lang }
    }

    /// The language.
    pub(crate) const fn lang(self) -> Lang {
        self.lang
    }

    fn bundle(self) -> &'static Bundle {
        match self.lang {
            Lang::ZhTw => &ZH_TW,
            Lang::En => &EN,
        }
    }

    /// A text without variables; a key that does not exist shows itself, which no release does (tested).
    pub(crate) fn get(self, key: &str) -> String {
        self.with(key, &[])
    }

    /// A text with one variable.
    pub(crate) fn arg(self, key: &str, name: &str, value: impl AsRef<str>) -> String {
        self.with(key, &[(name, value.as_ref())])
    }

    /// A text with several variables.
    pub(crate) fn with(self, key: &str, values: &[(&str, &str)]) -> String {
        let mut arguments = FluentArgs::new();
        for (name, value) in values {
            arguments.set(*name, *value);
        }
        let bundle = self.bundle();
        let Some(pattern) = bundle.get_message(key).and_then(|message| message.value()) else {
            return key.to_owned();
        };
        bundle.format_pattern(pattern, Some(&arguments), &mut Vec::new()).into_owned()
    }

    /// The term that the source paper uses where members' own word differs (attribute `.paper` of a text).
    pub(crate) fn paper(self, key: &str) -> Option<String> {
        let bundle = self.bundle();
        let term = bundle.get_message(key)?.get_attribute("paper")?.value();
        let term = bundle.format_pattern(term, None, &mut Vec::new()).into_owned();
        Some(self.arg("paper-term", "term", term))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::Path;

    /// Every message with the names of its attributes and variables, read from the text so that nothing is assumed of
    /// the bundle.
    fn messages(lang: Lang) -> BTreeMap<String, BTreeSet<String>> {
        let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut current = String::new();
        for line in lang.source().lines().filter(|line| !line.starts_with('#')) {
            if line.starts_with(|c: char| c.is_ascii_alphabetic())
                && let Some((key, _)) = line.split_once(" =")
            {
                current = key.to_owned();
                assert!(found.insert(current.clone(), BTreeSet::new()).is_none(), "{current} twice in {lang:?}");
            }
            let variables = line.split("{ $").skip(1).filter_map(|rest| rest.split(' ').next());
            let attribute = line.trim_start().strip_prefix('.').and_then(|rest| rest.split(" =").next());
            let names = variables.map(|name| format!("${name}")).chain(attribute.map(|name| format!(".{name}")));
            found.entry(current.clone()).or_default().extend(names);
        }
        found.remove("");
        found
    }

    #[test]
    fn both_languages_hold_the_same_keys_variables_and_paper_terms() {
        assert_eq!(messages(Lang::ZhTw), messages(Lang::En));
        for lang in Lang::ALL {
            assert!(FluentResource::try_new(lang.source().to_owned()).is_ok(), "{lang:?} does not parse");
        }
    }

    fn sources(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else {
                found.push(std::fs::read_to_string(&path).unwrap());
            }
        }
    }

    /// The keys that templates and page code name.
    fn used_keys() -> BTreeSet<String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files = Vec::new();
        sources(&root.join("templates"), &mut files);
        sources(&root.join("src/web"), &mut files);
        let mut keys = BTreeSet::new();
        for call in ["t.get(\"", "t.arg(\"", "t.with(\"", "t.paper(\"", "term(t, \"", "key: \"", "Key(\""] {
            for file in &files {
                let file = file.replace("(\n", "(").replace("( ", "(");
                keys.extend(file.split(call).skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned));
            }
        }
        keys.retain(|key| key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
        keys
    }

    #[test]
    fn every_key_that_is_used_exists() {
        let known = messages(Lang::En);
        let used = used_keys();
        assert!(used.len() > 60, "the search finds the keys: {}", used.len());
        let missing: Vec<_> = used.iter().filter(|key| !known.contains_key(*key)).collect();
        assert!(missing.is_empty(), "used but not in locales/: {missing:?}");
    }

    #[test]
    fn members_texts_keep_the_inner_words_out() {
        for lang in Lang::ALL {
            for word in ["Merkle", "COSE", "mWh", "損失電能", "流水號", "電錶", "CBOR"] {
                let shown = lang.source().lines().filter(|line| !line.trim_start().starts_with(".paper"));
                assert!(shown.clone().all(|line| !line.contains(word)), "{word} in {lang:?}");
            }
        }
    }

    #[test]
    fn the_reader_s_language_is_found_in_the_header() {
        for (header, lang) in [
            ("zh-TW,zh;q=0.9,en;q=0.8", Some(Lang::ZhTw)),
            ("en-US,en;q=0.9", Some(Lang::En)),
            ("fr,en;q=0.3,zh;q=0.5", Some(Lang::ZhTw)),
            ("de, fr;q=0.9", None),
            ("en;q=0, zh;q=0.1", Some(Lang::ZhTw)),
            ("en;q=nonsense", None),
            ("", None),
        ] {
            assert_eq!(Lang::from_accept(header), lang, "{header}");
        }
    }
}
