//! Words of the scenarios for what ends and changes, for offers, claims, controls and parameters.

use super::{Runner, money, role_named};
use crate::support::{
    GATEWAY, OPERATOR, account, bill_claim, kwh, level, limits, meter_id, offer_id, retire_meter, retire_role, revoke,
    rotate, voltage_claim,
};
use ledger::act::{
    Accept, Act, ActId, Answer, Cause, Control, Decision, LoadState, Note, Offer, Transfer, Upgrade, Withdraw,
};
use ledger::state::{Record, RecordKey};
use ledger::{VoltageLimits, bill};
use units::{Height, Month, Voltage};

impl Runner {
    /// One line of these words; whether it was one.
    pub(super) fn acts_line(&mut self, words: &[&str], verdict: &str) -> bool {
        let (signer, act) = match words {
            ["offer", from, "->", to, energy, "kWh", "at", price, "until", day, time, rest @ ..] => {
                let to = (*to != "anybody").then(|| account(to));
                let (energy, price, month) = (kwh(energy), money(price), self.month_in(rest));
                (*from, Act::Offer(Offer { to, energy, price, month, until: self.moment(day, time) }))
            }
            ["accept", name] => (*name, self.with_offer(|offer| Act::Accept(Accept { offer }))),
            ["withdraw", name] => (*name, self.with_offer(|offer| Act::Withdraw(Withdraw { offer }))),
            ["retire", "meter", meter, "at", day, time] => (OPERATOR, retire_meter(meter, self.moment(day, time))),
            ["retire", name, "as", role, "at", day, time] => {
                (OPERATOR, retire_role(name, role_named(role), self.moment(day, time)))
            }
            ["revoke", name] => (OPERATOR, revoke(name)),
            ["rotate", name, "to", new] => return self.rotated(name, new, verdict),
            ["claim", name, "voltage"] => (*name, self.voltage_claim()),
            ["claim", name, "bill", month] => (*name, bill_claim(self.span(month).0)),
            ["answer", decision] => (OPERATOR, self.answer(decision)),
            ["switch", meter, state] => (GATEWAY, self.control(meter, state)),
            ["switch", meter, state, "by", name] => (*name, self.control(meter, state)),
            ["level", new, "from", height] => (OPERATOR, level(new.parse().unwrap(), height.parse().unwrap())),
            ["limits", min, max, "from", day, time] => (OPERATOR, limits(volts(min, max), self.moment(day, time))),
            ["upgrade", version, "at", height] => {
                let height = Height::from_number(height.parse().unwrap());
                (OPERATOR, Act::Upgrade(Upgrade { version: version.parse().unwrap(), height }))
            }
            ["submission", name, acts @ ..] => return self.submission(name, acts, verdict),
            _ => return false,
        };
        self.submit(signer, act, verdict);
        true
    }

    fn with_offer(&mut self, act: impl FnOnce(ledger::act::OfferId) -> Act) -> Act {
        self.flush();
        act(offer_id(&self.state))
    }

    fn rotated(&mut self, name: &str, new: &str, verdict: &str) -> bool {
        let act = rotate(&self.state, name, new);
        self.submit(name, act, verdict);
        if verdict == "ok" {
            self.keys.insert(name.to_owned(), new.to_owned());
        }
        true
    }

    fn span(&self, month: &str) -> (units::Timestamp, units::Timestamp) {
        self.state.genesis().month_span(month.parse().unwrap()).unwrap()
    }

    /// About the first interval outside the limits that the state keeps, or about none.
    fn voltage_claim(&mut self) -> Act {
        self.flush();
        let mut keys = self.state.records().map(|(key, _)| key);
        let outside = keys.find_map(|key| if let RecordKey::Outside(_, id) = key { Some(*id) } else { None });
        let nowhere = ActId { statement: units::StatementId::from_bytes([0; 32]), act: 0 };
        voltage_claim(&[outside.unwrap_or(nowhere)])
    }

    /// To the first claim that has no answer, or else to the first.
    fn answer(&mut self, decision: &str) -> Act {
        self.flush();
        let mut claims: Vec<_> = self
            .state
            .records()
            .filter_map(|(key, record)| match (key, record) {
                (RecordKey::Claim(id), Record::Claim(claim)) => Some((claim.answer.is_some(), *id)),
                _ => None,
            })
            .collect();
        claims.sort_unstable();
        let decision = match decision {
            "accepted" => Decision::Accepted,
            "declined" => Decision::Declined,
            word => panic!("{}: no decision `{word}`", self.place),
        };
        Act::Answer(Answer { claim: claims[0].1, decision, text: "looked at".into() })
    }

    fn control(&self, meter: &str, state: &str) -> Act {
        let (before, after) = match state {
            "on" => (LoadState::Off, LoadState::On),
            "off" => (LoadState::On, LoadState::Off),
            word => panic!("{}: no load is `{word}`", self.place),
        };
        let (who, why) = ("over-voltage".into(), "130 V".into());
        Act::Control(Control {
            meter: meter_id(meter),
            time: self.clock,
            by: Cause::Protection,
            who,
            why,
            before,
            after,
        })
    }

    /// Several acts in one statement, joined by `+`: the paper's submission of data, bill and trade.
    fn submission(&mut self, name: &str, acts: &[&str], verdict: &str) -> bool {
        self.flush();
        let acts = acts.split(|word| *word == "+").map(|words| match words {
            ["note", volts, "V"] => {
                let voltage = Some(Voltage::from_mv(volts.parse::<u64>().unwrap() * 1_000));
                Act::Note(Note { time: self.clock, voltage, current: None, power: None, energy: None, text: None })
            }
            ["bill", month] => {
                let (from, until) = self.span(month);
                Act::Bill(Box::new(bill::of_state(&self.state, account(name), from, until).unwrap()))
            }
            ["sell", to, energy, "kWh"] => {
                Act::Transfer(Transfer { to: account(to), energy: kwh(energy), month: self.month })
            }
            _ => panic!("{}: {words:?} is not understood", self.place),
        });
        let acts = acts.collect();
        self.submit_all(name, acts, verdict);
        true
    }

    /// Lines of these words that look at the state; whether it was one.
    pub(super) fn expect_acts(&self, words: &[&str]) -> bool {
        match words {
            ["money", name, "bought", energy, amount, "sold", sold_energy, sold_amount] => {
                let sheet = self.sheet(name, self.month);
                let found = [sheet.bought, sheet.sold].map(|side| (side.energy, side.amount));
                let wanted = [(kwh(energy), money(amount)), (kwh(sold_energy), money(sold_amount))];
                assert_eq!(found, wanted, "{}", self.place);
            }
            ["operator_money", amount] => {
                let negative = amount.starts_with('-');
                let size = money(amount.trim_start_matches('-')).as_1e4();
                let found = self.state.month(self.month).unwrap().money.as_1e4();
                assert_eq!(found, if negative { -size } else { size }, "{}", self.place);
            }
            ["offers", count] => self.expect_count("open offers", count, |key| matches!(key, RecordKey::Offer(_))),
            ["outside", count] => {
                self.expect_count("intervals outside", count, |key| matches!(key, RecordKey::Outside(..)));
            }
            ["loss", month, energy] => {
                let loss = self.state.month(month.parse::<Month>().unwrap()).unwrap().loss();
                assert_eq!(loss, super::balance(energy), "{}: {loss}", self.place);
            }
            ["load", meter, wanted] => {
                let Some(Record::Load(load)) = self.state.record(&RecordKey::Load(meter_id(meter))) else {
                    panic!("{}: nothing was switched", self.place)
                };
                assert_eq!(format!("{:?}", load.state).to_lowercase(), *wanted, "{}", self.place);
            }
            ["account", name, "has_left", wanted] => {
                let left = self.state.account(&account(name)).unwrap().has_left(self.state.head().time);
                assert_eq!(left.to_string(), *wanted, "{}", self.place);
            }
            _ => return false,
        }
        true
    }

    fn expect_count(&self, what: &str, wanted: &str, is_one: fn(&RecordKey) -> bool) {
        let found = self.state.records().filter(|(key, _)| is_one(key)).count();
        assert_eq!(found.to_string(), wanted, "{}: {what}", self.place);
    }
}

fn volts(min: &str, max: &str) -> VoltageLimits {
    let [min, max] = [min, max].map(|volts| Voltage::from_mv(volts.parse::<u64>().unwrap() * 1_000));
    VoltageLimits { nominal: min, min, max, source: "scenario".into() }
}
