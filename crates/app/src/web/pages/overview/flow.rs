//! From sources to uses, as bars of one scale: what came from the grid and from the members' own generation, and where it
//! went. Pure: figures in, texts and widths out.

use crate::web::format::decimal;
use crate::web::i18n::Texts;

/// Width of a bar in its own units.
const WIDTH: u128 = 1_000;
/// Uses that have a part of their own; the rest is one part.
const PARTS_MAX: usize = 7;

/// Somebody's share, in mWh or mW.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Share {
    /// Whose.
    pub(super) name: String,
    /// What was taken.
    pub(super) used: u64,
    /// What was given.
    pub(super) generated: u64,
}

/// What flows, in mWh of a month or in mW now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flow {
    /// What a main meter counted; `None` without one: then it follows from the rest.
    pub(super) supplied: Option<u64>,
    /// Members and common rooms.
    pub(super) shares: Vec<Share>,
}

/// A part of a bar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) label: String,
    pub(super) value: String,
    pub(super) percent: String,
    /// Its colour in the style sheet.
    pub(super) class: String,
    pub(super) x: u128,
    pub(super) width: u128,
}

/// A bar: its parts fill it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bar {
    pub(super) label: String,
    pub(super) total: String,
    pub(super) parts: Vec<Part>,
}

impl Flow {
    /// Sources, then uses; both come to the same, because the difference has a name of its own: lost on the way, fed into
    /// the grid, or not counted by the main meter.
    pub(super) fn bars(&self, t: Texts, places: u32, scale: u32) -> [Bar; 2] {
        let sum = |of: fn(&Share) -> u64| self.shares.iter().map(|share| u128::from(of(share))).sum::<u128>();
        let (used, generated) = (sum(|share| share.used), sum(|share| share.generated));
        let needed = used.saturating_sub(generated);
        let supplied = self.supplied.map_or(needed, u128::from);
        let (given, taken) = (supplied + generated, used);
        let total = given.max(taken);
        let sources = [
            (t.get("flow-grid"), supplied, "grid".to_owned()),
            (t.get("flow-generated"), generated, "sun".to_owned()),
            (t.get("flow-uncounted"), total - given, "lost".to_owned()),
        ];
        let rest = match self.supplied {
            Some(_) => (t.get("flow-lost"), total - taken, "lost".to_owned()),
            None => (t.get("flow-fed-in"), total - taken, "sun".to_owned()),
        };
        let uses = self.uses(t).into_iter().chain([rest]);
        [
            bar(t.get("flow-sources"), sources.into_iter(), total, (scale, places)),
            bar(t.get("flow-uses"), uses, total, (scale, places)),
        ]
    }

    /// The largest users, and all others as one.
    fn uses(&self, t: Texts) -> Vec<(String, u128, String)> {
        let mut shares: Vec<&Share> = self.shares.iter().filter(|share| share.used > 0).collect();
        shares.sort_by(|one, other| (other.used, &one.name).cmp(&(one.used, &other.name)));
        let (large, small) = shares.split_at(shares.len().min(PARTS_MAX));
        let large = large.iter().enumerate();
        let mut uses: Vec<_> =
            large.map(|(at, share)| (share.name.clone(), u128::from(share.used), format!("use-{at}"))).collect();
        if !small.is_empty() {
            let rest = small.iter().map(|share| u128::from(share.used)).sum();
            uses.push((t.arg("flow-others", "count", small.len().to_string()), rest, "others".to_owned()));
        }
        uses
    }
}

/// Parts one after another; where each begins is rounded, so that no gap opens between them.
fn bar(
    label: String,
    parts: impl Iterator<Item = (String, u128, String)>,
    total: u128,
    (scale, places): (u32, u32),
) -> Bar {
    let figure = |value: u128| decimal(i128::try_from(value).unwrap_or(i128::MAX), scale, places);
    let at = |value: u128| (value * WIDTH).checked_div(total).unwrap_or(0);
    let mut before = 0_u128;
    let mut drawn = Vec::new();
    for (label, value, class) in parts.filter(|(_, value, _)| *value > 0) {
        let (x, end) = (at(before), at(before + value));
        before += value;
        let permille = (value * 1_000).checked_div(total).unwrap_or(0);
        let percent = decimal(i128::try_from(permille).unwrap_or(0), 1, 0);
        drawn.push(Part { label, value: figure(value), percent, class, x, width: end - x });
    }
    Bar { label, total: figure(before), parts: drawn }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::i18n::Lang;

    fn drawn(supplied: Option<u64>, shares: &[(&str, u64, u64)]) -> [String; 2] {
        let share = |(name, used, generated): &(&str, u64, u64)| Share {
            name: (*name).to_owned(),
            used: used * 1_000_000,
            generated: generated * 1_000_000,
        };
        let flow = Flow { supplied: supplied.map(|kwh| kwh * 1_000_000), shares: shares.iter().map(share).collect() };
        flow.bars(Texts::of(Lang::En), 0, 6).map(|bar| {
            let parts = bar.parts.iter().map(|part| format!("{} {}", part.class, part.value));
            assert!(bar.parts.iter().map(|part| part.width).sum::<u128>() <= WIDTH);
            parts.collect::<Vec<_>>().join(", ")
        })
    }

    #[test]
    fn sources_and_uses_come_to_the_same() {
        for (what, supplied, shares, sources, uses) in [
            ("nothing yet", None, &[][..], "", ""),
            ("no main meter", None, &[("A", 60, 0), ("B", 40, 0)][..], "grid 100", "use-0 60, use-1 40"),
            ("losses", Some(110), &[("A", 60, 0), ("B", 40, 0)], "grid 110", "use-0 60, use-1 40, lost 10"),
            ("own sun", None, &[("A", 60, 20)], "grid 40, sun 20", "use-0 60"),
            ("more sun than use", None, &[("A", 10, 30)], "sun 30", "use-0 10, sun 20"),
            ("a main meter that counts too little", Some(80), &[("A", 100, 0)], "grid 80, lost 20", "use-0 100"),
        ] {
            assert_eq!(drawn(supplied, shares), [sources, uses].map(str::to_owned), "{what}");
        }
    }

    #[test]
    fn many_small_users_are_one_part() {
        let shares: Vec<(&str, u64, u64)> = (1..=10).map(|used| ("M", used, 0)).collect();
        let [_, uses] = drawn(None, &shares);
        assert!(uses.starts_with("use-0 10, use-1 9") && uses.ends_with("others 6"), "{uses}");
    }
}
