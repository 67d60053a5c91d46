//! The database server of `/loads`: whether it is reached, how much waits for it, and what was wrong last.

use crate::web::format::{Clockface, Moment, group_number};
use crate::web::i18n::Texts;
use ::api::ArchiveNow;

pub(super) struct ArchiveLine {
    pub(super) place: String,
    pub(super) state: &'static str,
    pub(super) state_text: String,
    pub(super) waiting: String,
    /// Since when it is away.
    pub(super) since: Option<Moment>,
    /// The newest trouble, and when it was noticed.
    pub(super) trouble: Option<(Moment, String)>,
    /// That readings were given up for it.
    pub(super) given_up: Option<String>,
    /// That something is wrong, for the head of the page.
    pub(super) alert: Option<String>,
}

pub(super) fn archive_line(t: Texts, face: &Clockface, archive: ArchiveNow) -> ArchiveLine {
    let waiting = group_number(archive.waiting);
    let (state, key) = match archive.lost_since_ms {
        Some(_) => ("bad", "archive-away"),
        None => ("final", "archive-reached"),
    };
    let trouble_at = archive.last_trouble_ms.map(|time| face.moment(time));
    let given_up = Some(archive.given_up_readings).filter(|count| *count > 0).map(group_number);
    ArchiveLine {
        place: archive.place,
        state,
        state_text: t.get(key),
        alert: archive.lost_since_ms.map(|_| t.arg("archive-alert", "count", &waiting)),
        waiting,
        since: archive.lost_since_ms.map(|time| face.moment(time)),
        trouble: trouble_at.zip(archive.last_trouble),
        given_up: given_up.map(|count| t.arg("archive-given-up", "count", count)),
    }
}
