//! Which language the terminal speaks: what `--lang` says, else what the environment says.

use crate::web::i18n::{Lang, Texts};

/// Reads `--lang`.
///
/// # Errors
/// For a language that there are no texts in.
pub(crate) fn parse(tag: &str) -> Result<Lang, String> {
    Lang::from_tag(tag).ok_or_else(|| format!("there are no texts in `{tag}`; there are in zh-TW and en"))
}

/// The reader's texts.
pub(crate) fn texts(flag: Option<Lang>) -> Texts {
    Texts::of(flag.unwrap_or_else(|| from_environment(|name| std::env::var(name).ok())))
}

/// By POSIX the first of these that is set decides (XBD 8.2); a locale that there are no texts in means English.
fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Lang {
    let set = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().filter_map(variable).find(|value| !value.is_empty());
    set.and_then(|locale| Lang::from_tag(&locale)).unwrap_or(Lang::En)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_that_is_set_decides() {
        for (set, lang) in [
            (&[][..], Lang::En),
            (&[("LANG", "zh_TW.UTF-8")], Lang::ZhTw),
            (&[("LANG", "zh_TW.UTF-8"), ("LC_ALL", "C")], Lang::En),
            (&[("LANG", "en_GB.UTF-8"), ("LC_MESSAGES", "zh_TW"), ("LC_ALL", "")], Lang::ZhTw),
            (&[("LANG", "de_DE.UTF-8")], Lang::En),
        ] {
            let value = |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            assert_eq!(from_environment(value), lang, "{set:?}");
        }
    }
}
