//! What needs the operator: voltage, losses, silent meters, claims, damage, loads that were switched off, each with its age
//! and where to look.

use super::cards::Booked;
use super::community::EventNotice;
use crate::web::failure::Failure;
use crate::web::live::{Live, age_text};
use crate::web::view::Words;
use api::{Agreement, ClaimStatus, ClaimView, LoadsView, LossesView, PeerState, PeerView, Status};
use node::NodeHandle;
use node::losses::LossRules;
use std::collections::BTreeMap;
use units::{EnergyBalance, MeterId, Millis, Timestamp};

/// Claims that are looked through for open ones.
const CLAIMS: u32 = 50;
/// Alarms of one kind; the page behind the link has all.
const OF_A_KIND_MAX: usize = 4;
/// A meter without an interval for so long is silent: four intervals of the longest usual length.
const SILENT_AFTER: Millis = Millis::from_minutes(60);
/// Live values older than this are: several polls went unanswered.
const LIVE_SILENT_AFTER: Millis = Millis::from_minutes(1);
/// What waits longer than this is not booked by itself.
const WAITING_LONG: Millis = Millis::from_minutes(15);

/// Something that needs the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Alarm {
    /// `bad` for damage and refusals, else the usual colour.
    pub(super) class: &'static str,
    pub(super) title: String,
    pub(super) detail: String,
    pub(super) age: String,
    pub(super) href: String,
    /// What the link says.
    pub(super) look: String,
}

/// What alarms are made of.
pub(super) struct Signs {
    pub(super) claims: Vec<ClaimView>,
    pub(super) losses: LossesView,
    pub(super) peers: Vec<PeerView>,
    pub(super) oldest_waiting: Option<Timestamp>,
}

impl Signs {
    pub(super) fn gather(node: &NodeHandle, status: &Status, rules: &LossRules) -> Result<Self, Failure> {
        let month = status.month.unwrap_or(status.first_open_month);
        Ok(Self {
            claims: node.claims(None, CLAIMS)?.items,
            losses: node::view::losses(month, rules, &node.losses(rules.clone(), month)?, 1),
            peers: node.peers()?,
            oldest_waiting: node.pool()?.entries.first().map(|entry| entry.received_ms),
        })
    }
}

/// Makes the alarms; the gravest first.
pub(super) struct Watch<'a> {
    pub(super) words: &'a Words<'a>,
    pub(super) status: &'a Status,
    pub(super) meters: &'a [Booked],
    pub(super) live: &'a BTreeMap<MeterId, Live>,
}

impl Watch<'_> {
    pub(super) fn alarms(&self, signs: &Signs, notices: &[EventNotice], loads: Option<&LoadsView>) -> Vec<Alarm> {
        let mut alarms = self.node(signs);
        alarms.extend(loads.into_iter().flat_map(|loads| self.loads(loads)));
        alarms.extend(self.silent());
        alarms.extend(self.voltage(notices));
        alarms.extend(self.losses(&signs.losses));
        alarms.extend(self.claims(&signs.claims));
        alarms.extend(self.beyond());
        alarms
    }

    fn age(&self, since: Timestamp) -> String {
        age_text(self.words.t, self.status.time_ms.since(since))
    }

    /// What hinders the node itself.
    fn node(&self, signs: &Signs) -> Vec<Alarm> {
        let t = self.words.t;
        let look_peers = || t.get("peers-title");
        let mut alarms = Vec::new();
        let alarm = |class, title, detail, age, href: &str, look| Alarm {
            class,
            title,
            detail,
            age,
            href: href.to_owned(),
            look,
        };
        if let Some(reason) = &self.status.read_only {
            alarms.push(alarm("bad", t.get("alarm-read-only"), reason.clone(), String::new(), "/peers", look_peers()));
        }
        for peer in &signs.peers {
            let heard = peer.heard_ms.map(|at| self.age(at)).unwrap_or_default();
            // Two blocks found at the same time are settled by the next ones; what is final is not to differ.
            let is_settled = peer.height.is_some_and(|height| height <= self.status.final_height);
            let is_apart = (peer.agreement == Some(Agreement::Differs) && is_settled)
                || matches!(peer.state, PeerState::OtherHistory | PeerState::Banned | PeerState::Foreign);
            if is_apart {
                alarms.push(alarm(
                    "bad",
                    t.get("alarm-peer-differs"),
                    peer.address.clone(),
                    heard,
                    "/peers",
                    look_peers(),
                ));
            } else if peer.state == PeerState::Unreachable {
                alarms.push(alarm("", t.get("alarm-peer-silent"), peer.address.clone(), heard, "/peers", look_peers()));
            }
        }
        let waits = signs.oldest_waiting.filter(|since| self.status.time_ms.since(*since) > WAITING_LONG);
        if let Some(since) = waits {
            let detail = t.arg("alarm-waiting-detail", "count", self.status.pool_size.to_string());
            alarms.push(alarm("", t.get("alarm-waiting"), detail, self.age(since), "/pool", t.get("mining-title")));
        }
        alarms
    }

    /// Loads that a rule has switched off and holds.
    fn loads(&self, loads: &LoadsView) -> Vec<Alarm> {
        let t = self.words.t;
        let locked = loads.loads.iter().flat_map(|load| load.locks.iter().map(move |lock| (load, lock)));
        let trouble = loads.trouble.iter().map(|reason| (t.get("alarm-gateway"), reason.clone(), String::new()));
        let locked = locked.map(|(load, lock)| {
            let since = age_text(t, loads.time_ms.since(lock.since_ms));
            (t.arg("alarm-load", "meter", load.meter.as_str()), format!("{}: {}", lock.rule, lock.why), since)
        });
        let alarm = |(title, detail, age)| {
            let (href, look) = ("/loads".to_owned(), t.get("nav-loads"));
            Alarm { class: "", title, detail, age, href, look }
        };
        trouble.chain(locked).take(OF_A_KIND_MAX).map(alarm).collect()
    }

    /// Meters of which nothing is heard.
    fn silent(&self) -> Vec<Alarm> {
        let t = self.words.t;
        let now = self.status.time_ms;
        let silence = |booked: &Booked| match self.live.get(&booked.meter.meter) {
            Some(live) => (live.is_stale && live.age > LIVE_SILENT_AFTER).then_some(live.age),
            None => Some(now.since(booked.meter.head.end_ms)).filter(|age| *age > SILENT_AFTER),
        };
        let bound = self.meters.iter().filter(|booked| booked.meter.until_ms.is_none());
        let silent = bound.filter_map(|booked| Some((booked, silence(booked)?)));
        silent
            .take(OF_A_KIND_MAX)
            .map(|(booked, age)| Alarm {
                class: "",
                title: t.arg("alarm-silent", "meter", booked.meter.meter.as_str()),
                detail: t.arg("alarm-silent-detail", "name", self.words.name(&booked.meter.member)),
                age: age_text(t, age),
                href: format!("/meters/{}/readings", booked.meter.meter),
                look: t.get("to-readings"),
            })
            .collect()
    }

    fn voltage(&self, notices: &[EventNotice]) -> Vec<Alarm> {
        let alarm = |notice: &EventNotice| Alarm {
            class: "",
            title: notice.title.clone(),
            detail: notice.detail.clone(),
            age: self.age(notice.from),
            href: notice.href.clone(),
            look: self.words.t.get("voltage-evidence"),
        };
        notices.iter().take(OF_A_KIND_MAX).map(alarm).collect()
    }

    fn losses(&self, losses: &LossesView) -> Vec<Alarm> {
        let t = self.words.t;
        let alarming = losses.meters.iter().filter_map(|loss| {
            let newest = loss.intervals.first();
            let kind = newest.and_then(|interval| interval.alarm.as_deref()).or(loss.alarm.as_deref())?;
            let detail = if kind == "negative" { t.get("losses-alarm-negative") } else { t.get("losses-alarm") };
            let meters: Vec<_> = loss.upper.iter().map(ToString::to_string).collect();
            Some(Alarm {
                class: "",
                title: t.arg("alarm-losses", "meters", meters.join(", ")),
                detail,
                age: newest.map(|interval| self.age(interval.end_ms)).unwrap_or_default(),
                href: "/losses".to_owned(),
                look: t.get("losses-title"),
            })
        });
        alarming.take(OF_A_KIND_MAX).collect()
    }

    fn claims(&self, claims: &[ClaimView]) -> Vec<Alarm> {
        let t = self.words.t;
        let open = claims.iter().filter(|claim| claim.status == ClaimStatus::Open);
        open.take(OF_A_KIND_MAX)
            .map(|claim| Alarm {
                class: "",
                title: t.arg("alarm-claim", "name", self.words.name(&claim.member)),
                detail: if claim.text.is_empty() { String::new() } else { t.arg("quoted", "text", &claim.text) },
                age: self.age(claim.time_ms),
                href: format!("/claims#c-{}", claim.statement),
                look: t.get("desk-answer"),
            })
            .collect()
    }

    /// Members who have used more than there was.
    fn beyond(&self) -> Vec<Alarm> {
        let t = self.words.t;
        let mut names: Vec<String> = self
            .meters
            .iter()
            .filter(|booked| booked.sheet.as_ref().is_some_and(|sheet| sheet.terms.remaining_mwh < EnergyBalance::ZERO))
            .map(|booked| self.words.name(&booked.meter.member))
            .collect();
        names.sort();
        names.dedup();
        if names.is_empty() {
            return Vec::new();
        }
        let month = self.status.month.map_or_else(String::new, |month| month.to_string());
        vec![Alarm {
            class: "",
            title: t.arg("alarm-beyond", "count", names.len().to_string()),
            detail: names.join(", "),
            age: month,
            href: "/accounts".to_owned(),
            look: t.get("accounts-title"),
        }]
    }
}
