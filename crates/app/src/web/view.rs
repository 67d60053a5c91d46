//! Small pieces that several pages show: a hash, a person, a statement.

mod acts;
mod total;

pub(crate) use acts::volts;
pub(crate) use total::{Total, currency_sign};

use super::directory::Known;
use super::format::{Clockface, Moment, decimal, group_number, kwh, money};
use super::i18n::Texts;
use api::{ActView, NoteView, Place, ReadingsView, StatementState, StatementView, TariffView};
use units::{AccountId, Timestamp};

/// A hash with its leading zeros apart, so that the searched-for part can be marked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HashText {
    /// The leading zero digits.
    pub(crate) zeros: String,
    /// The rest.
    pub(crate) rest: String,
}

impl HashText {
    /// Of hexadecimal digits.
    pub(crate) fn new(digits: &str) -> Self {
        let rest = digits.trim_start_matches('0');
        let (zeros, rest) = digits.split_at(digits.len() - rest.len());
        Self { zeros: zeros.to_owned(), rest: rest.to_owned() }
    }

    /// The first `keep` digits only, where room is short.
    pub(crate) fn short(digits: &str, keep: usize) -> Self {
        let cut: String = digits.chars().take(keep).collect();
        let mut text = Self::new(&cut);
        text.rest.push('…');
        text
    }
}

/// Somebody: the name that the directory knows, else the account's first characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Party {
    /// The name.
    pub(crate) name: String,
    /// Their account's page, for a member.
    pub(crate) href: Option<String>,
}

/// How far a statement has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// In the pool.
    Pending,
    /// In a block.
    Committed,
    /// In a final block.
    Final,
}

impl From<StatementState> for Progress {
    fn from(state: StatementState) -> Self {
        match state {
            StatementState::Pending => Self::Pending,
            StatementState::Committed => Self::Committed,
            StatementState::Final => Self::Final,
        }
    }
}

/// A statement in words.
#[derive(Debug, Clone)]
pub(crate) struct StatementText {
    /// Its id.
    pub(crate) id: String,
    /// What it is about.
    pub(crate) title: String,
    /// How far it has come.
    pub(crate) progress: Progress,
    /// When it was made.
    pub(crate) issued: Moment,
    /// Who signed.
    pub(crate) sender: Party,
    /// Whom it is for, where that is one.
    pub(crate) receiver: Option<Party>,
    /// One sentence or more for each act.
    pub(crate) lines: Vec<String>,
}

/// What words need: the language, the clock on the wall, who is who and what money is.
#[derive(Debug, Clone)]
pub(crate) struct Words<'a> {
    /// Texts.
    pub(crate) t: Texts,
    /// The community's time zone.
    pub(crate) face: Clockface,
    /// Names.
    pub(crate) directory: Known<'a>,
    /// The operator's account.
    pub(crate) operator: AccountId,
    /// ISO 4217 code.
    pub(crate) currency: String,
}

impl Words<'_> {
    /// The name of an account.
    pub(crate) fn name(&self, account: &AccountId) -> String {
        if let Some(person) = self.directory.person(account) {
            return person.name.clone();
        }
        if *account == self.operator {
            return self.t.get("operator");
        }
        self.t.arg("account-unnamed", "short", account.short())
    }

    /// An account as a party.
    pub(crate) fn party(&self, account: &AccountId) -> Party {
        let is_member = self.directory.person(account).is_some_and(|person| person.is_member);
        Party { name: self.name(account), href: is_member.then(|| format!("/accounts/{account}")) }
    }

    /// A point in time, date and time.
    pub(crate) fn when(&self, time: Timestamp) -> String {
        self.face.moment(time).full()
    }

    /// A statement in words.
    pub(crate) fn statement(&self, view: &StatementView) -> StatementText {
        StatementText {
            id: view.id.to_string(),
            title: self.title(&view.acts),
            progress: view.state.into(),
            issued: self.face.moment(view.issued_ms),
            sender: self.party(&view.signer),
            receiver: view.acts.iter().find_map(|act| self.receiver(act)),
            lines: view.acts.iter().flat_map(|act| self.lines(act)).filter(|line| !line.is_empty()).collect(),
        }
    }

    fn title(&self, acts: &[ActView]) -> String {
        let Some(first) = acts.first() else { return String::new() };
        let first = self.act(act_name(first));
        match acts.len() {
            1 => first,
            several => self.t.with("act-several", &[("first", &first), ("count", &(several - 1).to_string())]),
        }
    }

    fn receiver(&self, act: &ActView) -> Option<Party> {
        match act {
            ActView::Transfer(transfer) => Some(self.party(&transfer.to)),
            ActView::Contract(contract) => Some(self.party(&contract.account)),
            ActView::Bill(bill) => Some(self.party(&bill.account)),
            ActView::RegisterKey(key) => Some(self.party(&key.account)),
            ActView::RegisterMeter(meter) => Some(self.party(&meter.member)),
            ActView::RetireRole(end) => Some(self.party(&end.account)),
            ActView::Revoke(revoke) => Some(self.party(&revoke.account)),
            ActView::Offer(offer) => offer.to.as_ref().map(|to| self.party(to)),
            ActView::Accept(accept) => accept.seller.as_ref().map(|seller| self.party(seller)),
            _ => None,
        }
    }

    /// A price table in a few words.
    pub(crate) fn table_text(&self, tariff: &TariffView) -> String {
        let t = self.t;
        let all = tariff.prices.iter().flat_map(|price| [price.other_1e4, price.summer_1e4]).flatten();
        let lowest = money(all.clone().min().unwrap_or_default());
        let highest = money(all.max().unwrap_or_default());
        let range = [("price", lowest.as_str()), ("highest", highest.as_str())];
        match (tariff.table.as_str(), tariff.excess_price_1e4) {
            ("average", _) => t.get("table-average"),
            ("progressive", _) => t.with("table-progressive", &range),
            ("time_of_use", _) => t.with("table-time-of-use", &range),
            (_, Some(excess)) => t.with("table-flat-excess", &[("price", &lowest), ("excess", &money(excess))]),
            (_, None) => t.arg("table-flat", "price", lowest),
        }
    }

    /// An act's sentences.
    pub(crate) fn lines(&self, act: &ActView) -> Vec<String> {
        let t = self.t;
        let line = match act {
            ActView::RegisterKey(key) => {
                let role = self.role(&key.role);
                t.with("line-register-key", &[("name", &self.name(&key.account)), ("role", &role)])
            }
            ActView::RegisterMeter(meter) if meter.main => t.with(
                "line-register-main",
                &[("meter", meter.meter.as_str()), ("profile", &meter.profile), ("factor", &meter.factor.to_string())],
            ),
            ActView::RegisterMeter(meter) => t.with(
                "line-register-meter",
                &[
                    ("meter", meter.meter.as_str()),
                    ("profile", &meter.profile),
                    ("factor", &meter.factor.to_string()),
                    ("name", &self.name(&meter.member)),
                ],
            ),
            ActView::Contract(contract) => t.with(
                "line-contract",
                &[
                    ("name", &self.name(&contract.account)),
                    ("energy", &kwh(contract.energy_mwh)),
                    ("month", &contract.month.to_string()),
                ],
            ),
            ActView::Readings(readings) => return self.readings_lines(readings),
            ActView::Note(note) => self.note_line(note),
            ActView::Transfer(transfer) => t.with(
                "line-transfer",
                &[("energy", &kwh(transfer.energy_mwh)), ("month", &transfer.month.to_string())],
            ),
            ActView::Tariff(tariff) => t.with(
                "line-tariff",
                &[
                    ("month", &tariff.from.to_string()),
                    ("table", &self.table_text(tariff)),
                    ("currency", &self.currency),
                ],
            ),
            ActView::Utility(bill) => return self.utility_lines(bill),
            ActView::Bill(bill) => {
                t.with("line-bill", &[("total", &money(bill.total_1e4)), ("currency", &self.currency)])
            }
            other => return self.plain_lines(other),
        };
        vec![line]
    }

    /// A role's name.
    pub(crate) fn role(&self, role: &str) -> String {
        let t = self.t;
        match role {
            "operator" => t.get("role-operator"),
            "member" => t.get("role-member"),
            "gateway" => t.get("role-gateway"),
            "meter" => t.get("role-meter"),
            "miner" => t.get("role-miner"),
            "validator" => t.get("role-validator"),
            "auditor" => t.get("role-auditor"),
            other => other.to_owned(),
        }
    }

    fn readings_lines(&self, readings: &ReadingsView) -> Vec<String> {
        let t = self.t;
        let meter = readings.meter.as_ref().map_or_else(String::new, ToString::to_string);
        let span = [
            ("meter", meter.as_str()),
            ("from", &self.when(readings.start_ms)),
            ("until", &self.when(readings.end_ms)),
            ("previous", &kwh(readings.import_start_mwh)),
            ("present", &kwh(readings.import_end_mwh)),
            ("count", &readings.count.to_string()),
        ];
        let mut lines = vec![match readings.source.as_str() {
            "by_hand" => t.with("line-readings-by-hand", &span),
            "imported" => t.with("line-readings-imported", &span),
            _ => t.with("line-readings", &span),
        }];
        if let (Some(min), Some(max)) = (readings.voltage_min_mv, readings.voltage_max_mv) {
            let current = readings.peak_current_ua.map_or(0, |current| i128::from(current.ua()));
            let power = readings.peak_power_mw.map_or(0, |power| i128::from(power.mw()));
            lines.push(t.with(
                "line-readings-values",
                &[
                    ("min", &decimal(i128::from(min.mv()), 3, 1)),
                    ("max", &decimal(i128::from(max.mv()), 3, 1)),
                    ("current", &decimal(current, 6, 3)),
                    ("power", &decimal(power, 3, 1)),
                ],
            ));
        }
        lines.extend(readings.broken.as_deref().map(|broken| match broken {
            "reset" => t.get("line-reset"),
            "exchange" => t.get("line-exchange"),
            "wrap" => t.arg("line-wrap", "at", readings.wraps_at_mwh.map_or_else(String::new, kwh)),
            _ => t.get("line-gap"),
        }));
        lines.extend(readings.estimated.then(|| t.get("line-estimated")));
        lines.extend(readings.events.iter().map(|event| {
            let (time, value) = (self.when(event.from_ms), decimal(i128::from(event.extreme_mv.mv()), 3, 1));
            let values = [("time", time.as_str()), ("value", value.as_str())];
            if is_over(&event.kind) {
                t.with("line-over-voltage", &values)
            } else {
                t.with("line-under-voltage", &values)
            }
        }));
        lines
    }

    fn note_line(&self, note: &NoteView) -> String {
        let values = [
            note.voltage_mv.map(|voltage| voltage.to_string()),
            note.current_ua.map(|current| current.to_string()),
            note.active_power_mw.map(|power| power.to_string()),
            note.energy_mwh.map(|energy| format!("{} {}", kwh(energy), self.t.get("kwh"))),
            note.text.clone(),
        ];
        let values: Vec<_> = values.into_iter().flatten().collect();
        self.t.with("line-note", &[("time", &self.when(note.time_ms)), ("values", &values.join(", "))])
    }
}

/// Whether a voltage event's kind is the upper limit.
pub(crate) fn is_over(kind: &str) -> bool {
    kind == "over_voltage"
}

const fn act_name(act: &ActView) -> &'static str {
    match act {
        ActView::RegisterKey(_) => "register_key",
        ActView::RegisterMeter(_) => "register_meter",
        ActView::Contract(_) => "contract",
        ActView::Readings(_) => "readings",
        ActView::Note(_) => "note",
        ActView::Transfer(_) => "transfer",
        ActView::Tariff(_) => "tariff",
        ActView::Utility(_) => "utility",
        ActView::Bill(_) => "bill",
        ActView::RetireRole(_) => "retire_role",
        ActView::RetireMeter(_) => "retire_meter",
        ActView::Revoke(_) => "revoke",
        ActView::Rotate(_) => "rotate",
        ActView::Offer(_) => "offer",
        ActView::Accept(_) => "accept",
        ActView::Withdraw(_) => "withdraw",
        ActView::ClaimVoltage(_) => "claim_voltage",
        ActView::ClaimBill(_) => "claim_bill",
        ActView::Answer(_) => "answer",
        ActView::Control(_) => "control",
        ActView::Level(_) => "level",
        ActView::VoltageLimits(_) => "voltage_limits",
        ActView::Upgrade(_) => "upgrade",
    }
}

/// The page of a statement in its block.
pub(crate) fn statement_href(id: &str, place: Option<Place>) -> String {
    match place {
        Some(place) => format!("/blocks/{}#s-{id}", place.height),
        None => "/chain#pool".to_owned(),
    }
}

/// `16^level` in words of a page: with its thousands separated.
pub(crate) fn attempts(difficulty: u64) -> String {
    group_number(difficulty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_searched_zeros_are_marked() {
        let hash = HashText::new("0003fa00");
        assert_eq!((hash.zeros.as_str(), hash.rest.as_str()), ("000", "3fa00"));
        assert_eq!(HashText::new("3fa0").zeros, "");
        let short = HashText::short("0003fa0012345678", 8);
        assert_eq!((short.zeros.as_str(), short.rest.as_str()), ("000", "3fa00…"));
    }
}
