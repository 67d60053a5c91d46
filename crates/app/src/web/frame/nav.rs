//! The site's parts and how readers reach them: all of them in the rail of a desktop, in groups; on a phone four as tabs,
//! which ones depends on who reads, and the others behind a fifth.

use super::{Frame, Link, Site};

/// Which part of the site a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    /// `/`.
    Overview,
    /// `/meters`.
    Readings,
    /// `/accounts`.
    Accounts,
    /// `/tariff`.
    Tariff,
    /// `/claims`.
    Claims,
    /// `/submit`, `/keys`, `/results` and `/verify`.
    Submit,
    /// `/chain` and `/blocks`.
    Chain,
    /// `/pool`.
    Pool,
    /// `/peers`.
    Peers,
    /// `/lab`.
    Lab,
    /// `/loads`.
    Loads,
    /// `/members`.
    Members,
    /// `/losses`.
    Losses,
    /// None of them.
    Nowhere,
}

/// What belongs together in the rail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    /// What was used, and what it comes to.
    Energy,
    /// What is written down for good.
    Ledger,
    /// Running the house.
    House,
}

impl Group {
    const ALL: [Self; 3] = [Self::Energy, Self::Ledger, Self::House];

    /// Key of its name.
    const fn key(self) -> &'static str {
        match self {
            Self::Energy => "nav-group-energy",
            Self::Ledger => "nav-group-ledger",
            Self::House => "nav-group-house",
        }
    }
}

/// One part of the site. The label's key is `nav-` and the name, which is the picture's as well.
struct Part {
    section: Section,
    href: &'static str,
    name: &'static str,
    group: Group,
    /// Whether it is for the operator alone.
    is_operators: bool,
}

const fn part(group: Group, section: Section, href: &'static str, name: &'static str) -> Part {
    Part { section, href, name, group, is_operators: false }
}

const fn operators(section: Section, href: &'static str, name: &'static str) -> Part {
    Part { section, href, name, group: Group::House, is_operators: true }
}

/// Every part, in the order of the rail. A new page gets its line here, and its picture in `templates/parts.html`.
const PARTS: &[Part] = &[
    part(Group::Energy, Section::Overview, "/", "overview"),
    part(Group::Energy, Section::Readings, "/meters", "readings"),
    part(Group::Energy, Section::Accounts, "/accounts", "accounts"),
    part(Group::Energy, Section::Tariff, "/tariff", "tariff"),
    part(Group::Energy, Section::Claims, "/claims", "claims"),
    part(Group::Ledger, Section::Submit, "/submit", "submit"),
    part(Group::Ledger, Section::Chain, "/chain", "chain"),
    part(Group::Ledger, Section::Pool, "/pool", "pool"),
    part(Group::Ledger, Section::Peers, "/peers", "peers"),
    part(Group::Ledger, Section::Lab, "/lab", "lab"),
    part(Group::House, Section::Loads, "/loads", "loads"),
    operators(Section::Members, "/members", "members"),
    operators(Section::Losses, "/losses", "losses"),
];

/// Tabs beside the one for the rest: five fit a phone of 320 CSS pixels with room for a thumb (44 px, WCAG 2.5.5).
const TABS: usize = 4;

/// What somebody wants first, by who they are. Those that a site lacks are passed over.
const FOR_OPERATOR: &[Section] =
    &[Section::Overview, Section::Loads, Section::Chain, Section::Members, Section::Accounts, Section::Submit];
const FOR_MEMBER: &[Section] =
    &[Section::Overview, Section::Readings, Section::Accounts, Section::Submit, Section::Loads];
const FOR_ANYONE: &[Section] = &[Section::Overview, Section::Accounts, Section::Submit, Section::Chain, Section::Loads];

/// Parts under one name.
#[derive(Debug, Clone)]
pub(crate) struct NavGroup {
    /// Part of an identifier in the page.
    pub(crate) id: &'static str,
    /// The name.
    pub(crate) label: String,
    /// The parts.
    pub(crate) links: Vec<Link>,
}

impl Frame {
    /// The parts that this reader has on this site.
    fn parts(&self) -> impl Iterator<Item = &'static Part> {
        let (is_operator, site) = (self.is_operator(), self.reader.site);
        PARTS.iter().filter(move |part| is_operator || !part.is_operators).filter(move |part| match site {
            Site::Node => part.section != Section::Loads,
            Site::Both => true,
            Site::Gateway => part.section == Section::Loads,
        })
    }

    fn link_to(&self, part: &Part) -> Link {
        Link {
            href: part.href.to_owned(),
            label: self.t.get(&format!("nav-{}", part.name)),
            icon: part.name,
            current: part.section == self.section,
        }
    }

    fn grouped(&self, wanted: impl Fn(&Part) -> bool) -> Vec<NavGroup> {
        let group = |group: Group| NavGroup {
            id: group.key(),
            label: self.t.get(group.key()),
            links: self
                .parts()
                .filter(|part| part.group == group && wanted(part))
                .map(|part| self.link_to(part))
                .collect(),
        };
        Group::ALL.into_iter().map(group).filter(|group| !group.links.is_empty()).collect()
    }

    fn tab_sections(&self) -> Vec<Section> {
        let wanted = match (self.is_operator(), self.is_member()) {
            (true, _) => FOR_OPERATOR,
            (_, true) => FOR_MEMBER,
            _ => FOR_ANYONE,
        };
        let has = |section: &&Section| self.parts().any(|part| part.section == **section);
        wanted.iter().filter(has).take(TABS).copied().collect()
    }

    /// All parts, for the rail.
    pub(crate) fn rail(&self) -> Vec<NavGroup> {
        self.grouped(|_| true)
    }

    /// The parts that a phone shows as tabs, the most wanted first.
    pub(crate) fn tabs(&self) -> Vec<Link> {
        let part = |section: Section| self.parts().find(|part| part.section == section);
        self.tab_sections().into_iter().filter_map(part).map(|part| self.link_to(part)).collect()
    }

    /// The parts behind the last tab.
    pub(crate) fn more(&self) -> Vec<NavGroup> {
        let tabs = self.tab_sections();
        self.grouped(|part| !tabs.contains(&part.section))
    }

    /// Whether the reader is in a part behind the last tab.
    pub(crate) fn is_in_more(&self) -> bool {
        self.more().iter().flat_map(|group| &group.links).any(|link| link.current)
    }
}
