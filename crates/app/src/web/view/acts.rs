//! Acts beside readings, contracts and bills, in words.

use super::Words;
use crate::web::format::{decimal, group_number, kwh, money};
use api::{ActView, ControlView, OfferAnswerView, OfferView, UtilityView, VoltageLimitsView};
use units::Voltage;

/// Volts with one decimal.
pub(crate) fn volts(voltage: Voltage) -> String {
    decimal(i128::from(voltage.mv()), 3, 1)
}

impl Words<'_> {
    /// The name of an act: as JSON tells acts apart, and as the ledger names them.
    pub(crate) fn act(&self, name: &str) -> String {
        let t = self.t;
        match name {
            "register_key" | "register" => t.get("act-register-key"),
            "register_meter" => t.get("act-register-meter"),
            "retire_role" | "retire" => t.get("act-retire-role"),
            "retire_meter" => t.get("act-retire-meter"),
            "revoke" => t.get("act-revoke"),
            "rotate" => t.get("act-rotate"),
            "contract" => t.get("act-contract"),
            "readings" => t.get("act-readings"),
            "note" => t.get("act-note"),
            "transfer" => t.get("act-transfer"),
            "offer" => t.get("act-offer"),
            "accept" => t.get("act-accept"),
            "withdraw" => t.get("act-withdraw"),
            "tariff" => t.get("act-tariff"),
            "utility" => t.get("act-utility"),
            "bill" => t.get("act-bill"),
            "claim_voltage" | "claim" => t.get("act-claim-voltage"),
            "claim_bill" => t.get("act-claim-bill"),
            "answer" => t.get("act-answer"),
            "control" => t.get("act-control"),
            "level" => t.get("act-level"),
            "voltage_limits" => t.get("act-voltage-limits"),
            "parameter" => t.get("act-parameter"),
            "upgrade" => t.get("act-upgrade"),
            other => other.to_owned(),
        }
    }

    /// The sentences of an act that has no figures of a meter or a price table.
    pub(super) fn plain_lines(&self, act: &ActView) -> Vec<String> {
        let t = self.t;
        let line = match act {
            ActView::RetireRole(end) => {
                let (name, role) = (self.name(&end.account), self.role(&end.role));
                t.with("line-retire-role", &[("name", &name), ("role", &role), ("time", &self.when(end.at_ms))])
            }
            ActView::RetireMeter(end) => {
                t.with("line-retire-meter", &[("meter", end.meter.as_str()), ("time", &self.when(end.at_ms))])
            }
            ActView::Revoke(revoke) => t.arg("line-revoke", "name", self.name(&revoke.account)),
            ActView::Rotate(_) => t.get("line-rotate"),
            ActView::Offer(offer) => self.offer_line(offer),
            ActView::Accept(accept) => return self.offer_answer_lines(accept, t.get("line-accept")),
            ActView::Withdraw(withdraw) => return self.offer_answer_lines(withdraw, t.get("line-withdraw")),
            ActView::ClaimVoltage(claim) => {
                let count = claim.intervals.len().to_string();
                return vec![t.arg("line-claim-voltage", "count", count), self.quoted(&claim.text)];
            }
            ActView::ClaimBill(claim) => {
                let about = t.arg("line-claim-bill", "time", self.when(claim.bill_from_ms));
                return vec![about, self.quoted(&claim.text)];
            }
            ActView::Answer(answer) => return vec![self.decision(&answer.decision), self.quoted(&answer.text)],
            ActView::Control(control) => self.control_line(control),
            ActView::Level(level) => t.with(
                "line-level",
                &[("height", &group_number(level.from_height.number())), ("level", &level.level.to_string())],
            ),
            ActView::VoltageLimits(limits) => self.limits_line(limits),
            ActView::Upgrade(upgrade) => t.with(
                "line-upgrade",
                &[("height", &group_number(upgrade.from_height.number())), ("version", &upgrade.version.to_string())],
            ),
            _ => return Vec::new(),
        };
        vec![line]
    }

    /// What somebody wrote, as a quotation; nothing where they wrote nothing.
    fn quoted(&self, text: &str) -> String {
        if text.is_empty() { String::new() } else { self.t.arg("quoted", "text", text) }
    }

    /// How the operator decided a claim.
    pub(crate) fn decision(&self, decision: &str) -> String {
        match decision {
            "accepted" => self.t.get("line-answer-accepted"),
            _ => self.t.get("line-answer-declined"),
        }
    }

    /// An offer's terms in a sentence.
    pub(crate) fn offer_line(&self, offer: &OfferView) -> String {
        let t = self.t;
        let to = offer.to.map_or_else(|| t.get("everybody"), |to| self.name(&to));
        t.with(
            "line-offer",
            &[
                ("energy", &kwh(offer.energy_mwh)),
                ("month", &offer.month.to_string()),
                ("price", &money(offer.price_1e4)),
                ("amount", &offer.amount_1e4.map(money).unwrap_or_default()),
                ("currency", &self.currency),
                ("to", &to),
                ("time", &self.when(offer.until_ms)),
            ],
        )
    }

    fn offer_answer_lines(&self, answer: &OfferAnswerView, verb: String) -> Vec<String> {
        let seller = answer.seller.map(|seller| self.t.arg("line-offer-seller", "name", self.name(&seller)));
        let terms = answer.terms.as_ref().map(|terms| self.offer_line(terms));
        [Some(verb), seller, terms].into_iter().flatten().collect()
    }

    fn control_line(&self, control: &ControlView) -> String {
        let t = self.t;
        let by = match control.by.as_str() {
            "protection" => t.get("cause-protection"),
            "schedule" => t.get("cause-schedule"),
            _ => t.get("cause-person"),
        };
        t.with(
            "line-control",
            &[
                ("meter", control.meter.as_str()),
                ("time", &self.when(control.time_ms)),
                ("before", &self.load(&control.before)),
                ("after", &self.load(&control.after)),
                ("by", &by),
                ("who", &control.who),
                ("why", &control.why),
            ],
        )
    }

    /// A load's state.
    pub(crate) fn load(&self, state: &str) -> String {
        match state {
            "on" => self.t.get("load-on"),
            "off" => self.t.get("load-off"),
            _ => self.t.get("load-unknown"),
        }
    }

    fn limits_line(&self, limits: &VoltageLimitsView) -> String {
        self.t.with(
            "line-voltage-limits",
            &[
                ("time", &self.when(limits.from_ms)),
                ("min", &volts(limits.min_mv)),
                ("max", &volts(limits.max_mv)),
                ("nominal", &volts(limits.nominal_mv)),
                ("source", &limits.source),
            ],
        )
    }

    /// The four figures of the utility's bill that a tenant may ask for: average, energy, total, common facilities.
    pub(crate) fn utility_lines(&self, bill: &UtilityView) -> Vec<String> {
        let t = self.t;
        let common =
            if bill.common_facilities { t.get("utility-common-included") } else { t.get("utility-common-none") };
        let figures = t.with(
            "line-utility",
            &[
                ("from", &self.when(bill.from_ms)),
                ("until", &self.when(bill.until_ms)),
                ("total", &money(bill.amount_1e4)),
                ("energy", &kwh(bill.energy_mwh)),
                ("average", &money(bill.average_1e4)),
                ("currency", &self.currency),
            ],
        );
        vec![figures, common]
    }
}
