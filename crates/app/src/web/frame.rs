//! What stands around every page: navigation ([`nav`]), language and appearance, and how a reader chooses the last two.

mod nav;

pub(crate) use nav::Section;

use super::access::{Caller, Who, cookie};
use super::assets;
use super::i18n::{Lang, Texts};
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use std::convert::Infallible;

/// Light or dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Theme {
    /// As the reader's system says.
    Auto,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

impl Theme {
    const ALL: [Self; 3] = [Self::Auto, Self::Light, Self::Dark];

    const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|theme| theme.name() == name)
    }

    /// For `<html data-theme>`; none where the system decides.
    pub(crate) const fn attribute(self) -> Option<&'static str> {
        match self {
            Self::Auto => None,
            Self::Light | Self::Dark => Some(self.name()),
        }
    }
}

/// What runs in this program, which says which parts a site has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Site {
    /// A node.
    #[default]
    Node,
    /// A node and a gateway.
    Both,
    /// A gateway.
    Gateway,
}

/// How the reader wants pages. In order: the address (`?lang=en&theme=dark`), the cookie, the browser's language.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    /// Language.
    pub(crate) lang: Lang,
    /// Appearance.
    pub(crate) theme: Theme,
    /// Who asks.
    pub(crate) caller: Caller,
    /// What runs here.
    site: Site,
    /// Path and query of the page, without the choices themselves.
    address: String,
}

impl Reader {
    fn of(parts: &Parts, caller: Caller) -> Self {
        let query = parts.uri.query().unwrap_or_default();
        let lang = query_value(query, "lang").and_then(Lang::from_tag);
        let lang = lang.or_else(|| cookie(&parts.headers, "lang").and_then(Lang::from_tag));
        let accept = parts.headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let theme = query_value(query, "theme").and_then(Theme::from_name);
        let theme = theme.or_else(|| cookie(&parts.headers, "theme").and_then(Theme::from_name));
        let kept: Vec<_> = query.split('&').filter(|pair| !pair.is_empty() && !is_choice(pair)).collect();
        let kept = if kept.is_empty() { String::new() } else { format!("?{}", kept.join("&")) };
        Self {
            lang: lang.or_else(|| accept.and_then(Lang::from_accept)).unwrap_or(Lang::ZhTw),
            theme: theme.unwrap_or(Theme::Auto),
            caller,
            site: parts.extensions.get::<Site>().copied().unwrap_or_default(),
            address: format!("{}{kept}", parts.uri.path()),
        }
    }

    /// This page with another choice.
    fn link(&self, name: &str, value: &str) -> String {
        let joint = if self.address.contains('?') { '&' } else { '?' };
        format!("{}{joint}{name}={value}", self.address)
    }

    /// The texts in the reader's language.
    pub(crate) const fn texts(&self) -> Texts {
        Texts::of(self.lang)
    }
}

fn is_choice(pair: &str) -> bool {
    ["lang", "theme"].contains(&pair.split('=').next().unwrap_or_default())
}

fn query_value<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
}

impl<S: Sync> FromRequestParts<S> for Reader {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let caller = Caller::from_request_parts(parts, state).await?;
        Ok(Self::of(parts, caller))
    }
}

/// Keeps a choice made in the address for the following pages. It is no secret and opens nothing, so a link from
/// elsewhere that sets it does no harm.
pub(crate) async fn remember_choice(request: Request, next: Next) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let lang = query_value(query, "lang").and_then(Lang::from_tag).map(|lang| ("lang", lang.tag()));
    let theme = query_value(query, "theme").and_then(Theme::from_name).map(|theme| ("theme", theme.name()));
    let mut response = next.run(request).await;
    for (name, value) in [lang, theme].into_iter().flatten() {
        let line = format!("{name}={value}; Path=/; Max-Age=31536000; SameSite=Lax; HttpOnly");
        if let Ok(line) = HeaderValue::from_str(&line) {
            response.headers_mut().append(header::SET_COOKIE, line);
        }
    }
    response
}

/// A link in a row of links.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    /// Where to.
    pub(crate) href: String,
    /// Its text.
    pub(crate) label: String,
    /// Name of its picture, or language of its text.
    pub(crate) icon: &'static str,
    /// Whether it is where the reader is.
    pub(crate) current: bool,
}

/// The frame of one page.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    /// Texts in the reader's language.
    pub(crate) t: Texts,
    /// Appearance.
    pub(crate) theme: Theme,
    /// Where the assets are.
    pub(crate) assets: &'static str,
    /// The community's name.
    pub(crate) community: String,
    /// Title of the page.
    pub(crate) title: String,
    section: Section,
    reader: Reader,
}

impl Frame {
    /// Around a page.
    pub(crate) fn new(reader: &Reader, section: Section, community: &str, title: impl Into<String>) -> Self {
        Self {
            t: reader.texts(),
            theme: reader.theme,
            assets: assets::base(),
            community: community.to_owned(),
            title: title.into(),
            section,
            reader: reader.clone(),
        }
    }

    /// How old a value is, in words with `#` for the number, for the script that counts on: a JSON list of now, seconds,
    /// minutes, hours.
    pub(crate) fn ages(&self) -> String {
        let t = self.t;
        let count = |key: &str| t.arg(key, "count", "#");
        serde_json::json!([t.get("age-now"), count("age-seconds"), count("age-minutes"), count("age-hours")])
            .to_string()
    }

    /// This page's address, for a part of it that is asked for anew.
    pub(crate) fn here(&self) -> &str {
        &self.reader.address
    }

    /// Where the site tells what happens; a gateway alone does not.
    pub(crate) fn events(&self) -> Option<&'static str> {
        (self.reader.site != Site::Gateway).then_some("/api/v1/events")
    }

    /// The secret that a form carries; empty without a session.
    pub(crate) fn csrf(&self) -> &str {
        self.reader.caller.csrf()
    }

    /// Whether the browser gives the page its cryptography: under TLS, or at this computer.
    pub(crate) fn is_secure(&self) -> bool {
        self.reader.caller.is_secure()
    }

    /// Whether the operator reads.
    pub(crate) fn is_operator(&self) -> bool {
        self.reader.caller.is_operator()
    }

    /// Whether a member reads, by a personal link.
    pub(crate) fn is_member(&self) -> bool {
        matches!(self.reader.caller.who, Who::Member(_))
    }

    /// Where to log in and come back from.
    pub(crate) fn login(&self) -> String {
        // What would end the parameter, or begin another, is written in its percent form (RFC 3986 2.1).
        let here = self.reader.address.replace('%', "%25").replace('&', "%26").replace('#', "%23").replace('+', "%2B");
        format!("/login?next={here}")
    }

    /// This page in each language, each named in its own.
    pub(crate) fn languages(&self) -> Vec<Link> {
        let link = |lang: Lang| Link {
            href: self.reader.link("lang", lang.tag()),
            label: lang.own_name().to_owned(),
            icon: lang.tag(),
            current: lang == self.reader.lang,
        };
        Lang::ALL.map(link).into()
    }

    /// This page in each appearance.
    pub(crate) fn themes(&self) -> Vec<Link> {
        let t = self.t;
        let names = [t.get("theme-auto"), t.get("theme-light"), t.get("theme-dark")];
        let link = |(theme, label): (Theme, String)| Link {
            href: self.reader.link("theme", theme.name()),
            label,
            icon: "",
            current: theme == self.theme,
        };
        Theme::ALL.into_iter().zip(names).map(link).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(uri: &str, headers: &[(&str, &str)]) -> Reader {
        let mut request = axum::http::Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let parts = request.body(()).unwrap().into_parts().0;
        Reader::of(&parts, Caller::nobody(&parts))
    }

    #[test]
    fn address_beats_cookie_beats_browser() {
        let (zh, en) = (Lang::ZhTw, Lang::En);
        for (uri, headers, lang, theme) in [
            ("/", &[][..], zh, Theme::Auto),
            ("/", &[("accept-language", "en")][..], en, Theme::Auto),
            ("/", &[("accept-language", "en"), ("cookie", "a=b; lang=zh-TW; theme=dark")][..], zh, Theme::Dark),
            ("/?lang=en&theme=light", &[("cookie", "lang=zh-TW; theme=dark")][..], en, Theme::Light),
            ("/?lang=tlh&theme=pink", &[("accept-language", "en")][..], en, Theme::Auto),
        ] {
            let found = reader(uri, headers);
            assert_eq!((found.lang, found.theme), (lang, theme), "{uri} {headers:?}");
        }
    }

    #[test]
    fn a_choice_keeps_the_rest_of_the_address() {
        let found = reader("/chain?before=12&lang=en&theme=dark", &[]);
        assert_eq!(found.link("lang", "zh-TW"), "/chain?before=12&lang=zh-TW");
        assert_eq!(reader("/?lang=en", &[]).link("theme", "dark"), "/?theme=dark");
    }

    #[test]
    fn every_part_of_a_site_is_a_tab_or_behind_the_last_one_and_no_tab_is_missing() {
        for (site, who, tabs) in [
            (Site::Node, Who::Anyone, "/ /accounts /submit /chain"),
            (Site::Node, Who::Member(units::AccountId::from_bytes([7; 32])), "/ /meters /accounts /submit"),
            (Site::Node, Who::Operator, "/ /chain /members /accounts"),
            (Site::Both, Who::Operator, "/ /loads /chain /members"),
            (Site::Gateway, Who::Operator, "/loads"),
        ] {
            let mut reader = reader("/", &[]);
            (reader.site, reader.caller.who) = (site, who);
            let frame = Frame::new(&reader, Section::Peers, "House", "Nodes");
            let addresses = |links: &[Link]| links.iter().map(|link| link.href.clone()).collect::<Vec<_>>();
            let of =
                |groups: &[nav::NavGroup]| groups.iter().flat_map(|group| addresses(&group.links)).collect::<Vec<_>>();
            assert_eq!(addresses(&frame.tabs()).join(" "), tabs);
            let mut reached = [addresses(&frame.tabs()), of(&frame.more())].concat();
            let mut rail = of(&frame.rail());
            reached.sort();
            rail.sort();
            assert_eq!(reached, rail, "{site:?} {who:?}");
            let has = |address: &str| rail.iter().any(|found| found == address);
            assert_eq!(has("/members"), who == Who::Operator && site != Site::Gateway);
            assert_eq!((has("/loads"), has("/chain")), (site != Site::Node, site != Site::Gateway));
            assert_eq!(frame.is_in_more(), site != Site::Gateway, "nodes are behind the last tab");
        }
    }
}
