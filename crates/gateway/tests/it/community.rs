//! A small community's ledger as an in-memory node: it applies every rule, knows nothing of blocks, and calls
//! everything final at once.

use gateway::NodeLink;
use gateway::audit::{Committed, LedgerSource};
use gateway::core::{Chain, HeadAnswer, NodeAnswer, Place, VoltageSpan};
use ledger::act::{Control, Readings, Register, RegisterKey, RegisterMeter, Role};
use ledger::attachment::Attachment;
use ledger::{
    Act, Genesis, GenesisMiner, OrderRules, Payload, RewardRules, SecretKey, SignedStatement, State, Surplus,
};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use units::{AccountId, Energy, EnergyBalance, MeterId, Millis, Month, StatementId, Timestamp, Voltage};

/// The community's first month begins here, a multiple of a day.
pub(crate) const START: Timestamp = Timestamp::from_ms(1_782_864_000_000);
const DAY: Millis = Millis::from_minutes(24 * 60);

pub(crate) fn minute(count: u64) -> Timestamp {
    START + Millis::from_minutes(count)
}

pub(crate) fn key(name: u8) -> SecretKey {
    SecretKey::ed25519([name; 32])
}

pub(crate) fn gateway_key() -> SecretKey {
    key(3)
}

pub(crate) fn member() -> AccountId {
    key(4).account()
}

pub(crate) fn genesis() -> Genesis {
    let (operator, miner) = (key(1), key(2));
    Genesis {
        version: Genesis::VERSION,
        name: "test".into(),
        created: START,
        operator: operator.public(),
        log_key: key(9).public(),
        receipt_keys: Vec::new(),
        miners: vec![GenesisMiner { key: miner.public(), beneficiary: operator.account() }],
        time_zone: "UTC".into(),
        first_month: Month::new(2026, 7).unwrap(),
        // Months of a day and seven minutes, so that a cut lies within an interval.
        month_starts: (0..40).map(|month| START + Millis::from_ms(month * (DAY.ms() + 7 * 60_000))).collect(),
        currency: "TWD".into(),
        close_after: Millis::from_minutes(24 * 60),
        surplus: Surplus::Lapses,
        order: OrderRules {
            level: 1,
            block_interval_min: Millis::ZERO,
            empty_block_after: Millis::from_minutes(60),
            final_depth: 0,
            block_time: None,
        },
        rewards: RewardRules { by_level: [Energy::ZERO; 5], monthly_budget: Energy::ZERO, transfer_fee: Energy::ZERO },
        public_readings: true,
        classroom: false,
        voltage_limits: ledger::VoltageLimits {
            nominal: Voltage::from_mv(230_000),
            min: Voltage::from_mv(200_000),
            max: Voltage::from_mv(260_000),
            source: "test".into(),
        },
        offsets: vec![ledger::Offset { from: Timestamp::from_ms(0), seconds: 8 * 3_600 }],
        tenancy: false,
    }
}

struct Inner {
    state: State,
    now: Timestamp,
    taken: BTreeMap<StatementId, (Place, SignedStatement, Option<Vec<u8>>)>,
    order: Vec<StatementId>,
    /// Every so many calls the answer is lost after the node has done its part.
    lose_every: Option<u32>,
    calls: u32,
    away: bool,
    unsettled: bool,
    submissions: u32,
}

#[derive(Clone)]
pub(crate) struct FakeNode(Arc<Mutex<Inner>>);

impl FakeNode {
    /// With the meters registered to the gateway's key from the community's start on.
    pub(crate) fn new(meters: &[(&str, &str)]) -> Self {
        let mut inner = Inner {
            state: State::new(genesis()).unwrap(),
            now: START,
            taken: BTreeMap::new(),
            order: Vec::new(),
            lose_every: None,
            calls: 0,
            away: false,
            unsettled: false,
            submissions: 0,
        };
        let role = |key: &SecretKey, role| RegisterKey { key: key.public(), role, from: START, beneficiary: None };
        inner.operator(vec![
            Act::Register(Register::Key(role(&gateway_key(), Role::Gateway))),
            Act::Register(Register::Key(role(&key(4), Role::Member))),
        ]);
        let node = Self(Arc::new(Mutex::new(inner)));
        for (meter, profile) in meters {
            node.register(meter, profile, START);
        }
        node
    }

    /// Registers a meter, or binds it anew.
    pub(crate) fn register(&self, meter: &str, profile: &str, from: Timestamp) {
        let (meter, signer, member) = (meter.parse().unwrap(), gateway_key().account(), member());
        let register = RegisterMeter { meter, signer, member, from, profile: profile.into(), factor: 1, main: false };
        self.0.lock().unwrap().operator(vec![Act::Register(Register::Meter(register))]);
    }

    pub(crate) fn set_time(&self, now: Timestamp) {
        self.0.lock().unwrap().now = now;
    }
    pub(crate) fn lose_answers(&self, every: u32) {
        self.0.lock().unwrap().lose_every = Some(every);
    }
    /// Whether what stands on the chains may yet be undone.
    pub(crate) fn set_unsettled(&self, unsettled: bool) {
        self.0.lock().unwrap().unsettled = unsettled;
    }

    pub(crate) fn set_away(&self, away: bool) {
        self.0.lock().unwrap().away = away;
    }
    pub(crate) fn submissions(&self) -> u32 {
        self.0.lock().unwrap().submissions
    }

    /// What was booked for the member, over all months.
    pub(crate) fn consumed(&self) -> Energy {
        let inner = self.0.lock().unwrap();
        let months = (0..40).map(|month| Month::new(2026, 7).unwrap().plus(month));
        let sheets = months.filter_map(|month| inner.state.sheet(month, &member()).map(|sheet| sheet.terms.consumed));
        Energy::from_mwh(sheets.map(Energy::mwh).sum())
    }

    pub(crate) fn chain(&self, meter: &str) -> Chain {
        let inner = self.0.lock().unwrap();
        let (binding, record) = inner.state.meter(&meter.parse().unwrap()).unwrap();
        Chain { binding, head: record.head.clone() }
    }

    /// The switchings taken, in the order taken.
    pub(crate) fn controls(&self) -> Vec<Control> {
        let inner = self.0.lock().unwrap();
        let acts = inner.order.iter().flat_map(|id| inner.taken[id].1.payload().acts.clone());
        acts.filter_map(|act| if let Act::Control(control) = act { Some(control) } else { None }).collect()
    }

    /// The intervals taken, in the order taken.
    pub(crate) fn intervals(&self) -> Vec<Readings> {
        let inner = self.0.lock().unwrap();
        let of = |id: &StatementId| match inner.taken[id].1.payload().acts.as_slice() {
            [Act::Readings(readings)] => Some((**readings).clone()),
            [Act::Control(_)] => None,
            other => panic!("{other:?}"),
        };
        inner.order.iter().filter_map(of).collect()
    }
}

impl Inner {
    fn operator(&mut self, acts: Vec<Act>) {
        let nonce =
            [u8::try_from(self.taken.len() + self.order.len()).unwrap() ^ u8::try_from(acts.len()).unwrap(); 16];
        let expires = Some(self.now + Millis::from_minutes(60));
        let payload = Payload { ledger: self.state.ledger(), nonce, issued: self.now, expires, acts };
        let signed = SignedStatement::sign(&payload, &key(1)).unwrap();
        self.book(&signed).unwrap();
    }

    fn book(&mut self, statement: &SignedStatement) -> Result<(), String> {
        let signer = self.state.key_of(&statement.signer()).ok_or("unknown signer")?;
        let verified = statement.clone().verify(&signer).map_err(|error| error.to_string())?;
        let mut draft = self.state.draft(self.now, key(2).account()).map_err(|error| error.to_string())?;
        if let Err(violation) = draft.push(&verified) {
            draft.cancel();
            return Err(violation.to_string());
        }
        draft.finish().map(drop).map_err(|error| error.to_string())
    }

    fn take(&mut self, submission: &[u8]) -> NodeAnswer {
        self.submissions += 1;
        let (statement, attachment) = match SignedStatement::from_submission(submission) {
            Ok(parts) => parts,
            Err(error) => return NodeAnswer::Refused(error.to_string()),
        };
        if let Some((place, ..)) = self.taken.get(&statement.id()) {
            return NodeAnswer::Final(*place);
        }
        if let [Act::Readings(readings)] = statement.payload().acts.as_slice() {
            let checked = Attachment::from_bytes(attachment.as_deref().unwrap_or_default())
                .and_then(|attachment| attachment.check(readings));
            if let Err(error) = checked {
                return NodeAnswer::Refused(error.to_string());
            }
        }
        if let Err(reason) = self.book(&statement) {
            return NodeAnswer::Refused(reason);
        }
        let place = Place { height: 1, log_index: u64::try_from(self.order.len()).unwrap() };
        self.order.push(statement.id());
        self.taken.insert(statement.id(), (place, statement, attachment));
        // Final only when asked again, so that both questions are used.
        NodeAnswer::Pending
    }

    fn reachable(&mut self) -> Result<bool, String> {
        if self.away {
            return Err("away".to_owned());
        }
        self.calls += 1;
        Ok(self.lose_every.is_none_or(|every| !self.calls.is_multiple_of(every)))
    }
}

impl NodeLink for FakeNode {
    fn submit(&self, submission: Vec<u8>) -> NodeAnswer {
        let mut inner = self.0.lock().unwrap();
        match inner.reachable() {
            Err(reason) => NodeAnswer::Unreachable(reason),
            Ok(heard) => {
                let answer = inner.take(&submission);
                if heard { answer } else { NodeAnswer::Unreachable("the answer was lost".into()) }
            }
        }
    }

    fn progress(&self, statement: &StatementId) -> NodeAnswer {
        let mut inner = self.0.lock().unwrap();
        match inner.reachable() {
            Ok(true) => inner.taken.get(statement).map_or(NodeAnswer::Unknown, |(place, ..)| NodeAnswer::Final(*place)),
            Ok(false) => NodeAnswer::Unreachable("the answer was lost".into()),
            Err(reason) => NodeAnswer::Unreachable(reason),
        }
    }

    fn remaining(&self, _: &AccountId) -> Option<EnergyBalance> {
        None
    }

    fn voltage(&self) -> Option<Vec<VoltageSpan>> {
        let parameters = self.0.lock().unwrap().state.parameters();
        let span = |from, limits: &ledger::VoltageLimits| VoltageSpan { from, min: limits.min, max: limits.max };
        let next = parameters.next_limits.as_ref().map(|next| span(next.from, &next.limits));
        Some([span(Timestamp::default(), &parameters.limits)].into_iter().chain(next).collect())
    }

    fn head(&self, meter: &MeterId, signer: &AccountId) -> HeadAnswer {
        let mut inner = self.0.lock().unwrap();
        match inner.reachable() {
            Ok(true) => match inner.state.meter(meter).filter(|(_, record)| record.signer == *signer) {
                Some((binding, record)) => {
                    let chain = Chain { binding, head: record.head.clone() };
                    HeadAnswer::Head { chain, is_final: !inner.unsettled }
                }
                None => HeadAnswer::NotBound("not registered".into()),
            },
            Ok(false) => HeadAnswer::Unreachable("the answer was lost".into()),
            Err(reason) => HeadAnswer::Unreachable(reason),
        }
    }
}

impl LedgerSource for FakeNode {
    fn committed(&self, statement: &StatementId) -> Result<Option<Committed>, String> {
        let inner = self.0.lock().unwrap();
        Ok(inner.taken.get(statement).map(|(_, statement, attachment)| Committed {
            statement: statement.clone(),
            attachment: attachment.clone(),
        }))
    }

    fn switchings(&self) -> Result<Vec<StatementId>, String> {
        let inner = self.0.lock().unwrap();
        let is_control = |id: &&StatementId| matches!(inner.taken[*id].1.payload().acts.as_slice(), [Act::Control(_)]);
        Ok(inner.order.iter().filter(is_control).copied().collect())
    }
}
