//! What moved an account's month: readings summed up by meter, then each trade and other act, under the number of the
//! formula that it went into.

use super::Gathered;
use crate::web::format::{MINUS, Moment, group_number, kwh, money};
use crate::web::i18n::Texts;
use crate::web::view::{Words, currency_sign};
use api::{ActView, EntryKind, EntryView, MeterMonthView, OfferAnswerView, SheetView, StatementView};
use units::Energy;

/// Trades and other single entries listed, newest first; readings are summed up by meter.
const ENTRIES_MAX: usize = 60;
/// Numbers of the formula in its order; what went into none comes last.
const TERMS: [&str; 8] = ["contract", "carried", "generated", "gained", "used", "traded", "reward", OTHER];
const OTHER: &str = "other-entries";

/// The entries behind a number.
pub(super) struct Group {
    /// Its text.
    pub(super) key: &'static str,
    pub(super) entries: Vec<EntryText>,
}

pub(super) struct EntryText {
    term: &'static str,
    pub(super) time: Moment,
    pub(super) what: String,
    pub(super) energy: String,
    pub(super) href: String,
    pub(super) height: String,
}

/// Entries that are listed one by one, newest first.
pub(super) fn single_entries(sheet: &SheetView) -> impl Iterator<Item = &EntryView> {
    sheet.entries.iter().rev().filter(|entry| entry.act.as_deref() != Some("readings")).take(ENTRIES_MAX)
}

/// How many there are.
pub(super) fn entries_note(t: Texts, sheet: &SheetView) -> String {
    let count = group_number(u64::try_from(sheet.entries.len()).unwrap_or(u64::MAX));
    let single = sheet.entries.iter().filter(|entry| entry.act.as_deref() != Some("readings")).count();
    if single > ENTRIES_MAX {
        return t.with("entries-more", &[("count", &count), ("shown", &ENTRIES_MAX.to_string())]);
    }
    t.arg("entries-note", "count", count)
}

/// Readings summed up by meter, then the single entries, each under its number.
pub(super) fn groups(words: &Words<'_>, gathered: &Gathered) -> Vec<Group> {
    let mut entries = entries(words, gathered);
    let mut groups = Vec::new();
    for key in TERMS {
        let (own, rest): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.term == key);
        entries = rest;
        if !own.is_empty() {
            groups.push(Group { key, entries: own });
        }
    }
    groups
}

fn entries(words: &Words<'_>, gathered: &Gathered) -> Vec<EntryText> {
    let sheet = &gathered.sheet;
    let newest = sheet.entries.iter().rev().find(|entry| entry.act.as_deref() == Some("readings"));
    let count = sheet.entries.iter().filter(|entry| entry.act.as_deref() == Some("readings")).count();
    let readings = newest.into_iter().flat_map(|entry| {
        sheet.meters.iter().flat_map(move |meter| {
            let counted = counted_entry(words, entry, count, meter);
            std::iter::once(counted).chain(generated_entry(words, entry, count, meter))
        })
    });
    readings.chain(single_entries(sheet).map(|entry| single_entry(words, gathered, entry))).collect()
}

fn counted_entry(words: &Words<'_>, entry: &EntryView, count: usize, meter: &MeterMonthView) -> EntryText {
    let moved = (meter.import_start_mwh, meter.import_end_mwh);
    readings_entry(words, (entry, count, meter), moved, ("used", MINUS))
}

/// What a meter fed back, where it counts that.
fn generated_entry(words: &Words<'_>, entry: &EntryView, count: usize, meter: &MeterMonthView) -> Option<EntryText> {
    let moved = meter.export_start_mwh.zip(meter.export_end_mwh).filter(|(start, end)| start < end)?;
    Some(readings_entry(words, (entry, count, meter), moved, ("generated", "+")))
}

fn readings_entry(
    words: &Words<'_>,
    (entry, count, meter): (&EntryView, usize, &MeterMonthView),
    (start, end): (Energy, Energy),
    (term, sign): (&'static str, &'static str),
) -> EntryText {
    let energy = Energy::from_mwh(end.mwh().saturating_sub(start.mwh()).saturating_mul(u64::from(meter.factor)));
    let what = words.t.with(
        "entry-readings",
        &[
            ("count", &count.to_string()),
            ("previous", &kwh(start)),
            ("present", &kwh(end)),
            ("meter", meter.meter.as_str()),
        ],
    );
    entry_text(words, entry, Told { term, what, energy: Some((sign, energy)) })
}

/// What an entry says.
struct Told {
    term: &'static str,
    what: String,
    /// How much, with its sign.
    energy: Option<(&'static str, Energy)>,
}

fn single_entry(words: &Words<'_>, gathered: &Gathered, entry: &EntryView) -> EntryText {
    let t = words.t;
    let told = match entry.kind {
        EntryKind::Reward => {
            Told { term: "reward", what: t.arg("entry-reward", "height", entry.height.to_string()), energy: None }
        }
        EntryKind::Carried => {
            let month = entry.carried_from.map_or_else(String::new, |month| month.to_string());
            Told { term: "carried", what: t.arg("entry-carried", "month", month), energy: None }
        }
        EntryKind::Act => act_entry(words, gathered, entry),
    };
    entry_text(words, entry, told)
}

/// What an act did to this sheet.
fn act_entry(words: &Words<'_>, gathered: &Gathered, entry: &EntryView) -> Told {
    let t = words.t;
    let statement = entry.statement.and_then(|id| gathered.statements.get(&id));
    let index = entry.act_index.and_then(|index| usize::try_from(index).ok());
    let act = statement.zip(index).and_then(|(statement, index)| Some((statement, statement.acts.get(index)?)));
    match act {
        Some((statement, ActView::Transfer(transfer))) if transfer.to == gathered.sheet.account => Told {
            term: "gained",
            what: t.arg("entry-gained", "name", words.name(&statement.signer)),
            energy: Some(("+", transfer.energy_mwh)),
        },
        Some((_, ActView::Transfer(transfer))) => Told {
            term: "traded",
            what: t.arg("entry-sold", "name", words.name(&transfer.to)),
            energy: Some((MINUS, transfer.energy_mwh)),
        },
        Some((statement, ActView::Accept(accept))) => priced_entry(words, gathered, statement, accept),
        Some((_, ActView::Contract(contract))) => {
            Told { term: "contract", what: t.get("entry-contract"), energy: Some(("+", contract.energy_mwh)) }
        }
        _ => Told {
            term: OTHER,
            what: t.arg("entry-other", "act", words.act(entry.act.as_deref().unwrap_or_default())),
            energy: None,
        },
    }
}

/// A trade at a price: the buyer signed the acceptance, the seller the offer.
fn priced_entry(words: &Words<'_>, gathered: &Gathered, statement: &StatementView, accept: &OfferAnswerView) -> Told {
    let t = words.t;
    let (Some(seller), Some(terms)) = (accept.seller, &accept.terms) else {
        return Told { term: OTHER, what: t.get("act-accept"), energy: None };
    };
    let bought = statement.signer == gathered.sheet.account;
    let name = words.name(if bought { &seller } else { &statement.signer });
    let (price, amount) = (money(terms.price_1e4), terms.amount_1e4.map(money).unwrap_or_default());
    let currency = currency_sign(&words.currency);
    let values = [("name", name.as_str()), ("price", &price), ("amount", &amount), ("currency", &currency)];
    if bought {
        Told { term: "gained", what: t.with("entry-bought", &values), energy: Some(("+", terms.energy_mwh)) }
    } else {
        Told { term: "traded", what: t.with("entry-sold-priced", &values), energy: Some((MINUS, terms.energy_mwh)) }
    }
}

fn entry_text(words: &Words<'_>, entry: &EntryView, Told { term, what, energy }: Told) -> EntryText {
    let anchor = entry.statement.map_or_else(String::new, |id| format!("#s-{id}"));
    let unit = words.t.get("kwh");
    EntryText {
        term,
        time: words.face.moment(entry.time_ms),
        what,
        energy: energy.map_or_else(String::new, |(sign, energy)| format!("{sign}{} {unit}", kwh(energy))),
        href: format!("/blocks/{}{anchor}", entry.height),
        height: entry.height.to_string(),
    }
}
