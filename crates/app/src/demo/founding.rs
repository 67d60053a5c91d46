//! The demo's community: a dormitory of six members and the operator's common rooms, forty minutes before a month's end.

use super::{Args, DemoError};
use crate::community::{Community, Entry, Founding, KeyName, REWARDS_OF_THE_PAPER};
use crate::key_file;
use crate::web::directory::Person;
use ledger::act::{Act, Contract, Register, RegisterKey, RegisterMeter, Role, Tariff};
use ledger::{OrderRules, Payload, RewardRules, SecretKey, SignedStatement, Surplus};
use node::NodeHandle;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use units::{AccountId, Energy, MeterId, Millis, Money, Month, StatementId, Timestamp, Voltage};

/// 2026-07-31 23:20 in Taipei.
pub(super) const START: Timestamp = Timestamp::from_ms(1_785_511_200_000);
/// The month that is about to end.
pub(super) const MONTH: Month = match Month::new(2026, 7) {
    Some(month) => month,
    None => panic!("July is a month"),
};
/// One statement a meter in this time.
pub(super) const INTERVAL: Millis = Millis::from_minutes(5);
/// The month closes this long after its end: minutes, so that it closes while one looks.
const CLOSE_AFTER: Millis = Millis::from_minutes(4);
/// Members of a demo: two buses carry them.
pub(super) const MEMBERS_MAX: i64 = 12;
/// How long a statement of the demo may take until it is final.
pub(super) const FINAL_WITHIN: Duration = Duration::from_secs(20);

/// Three miners that begin at the same moment are then some milliseconds apart: some blocks are found twice, most are not.
const LEVEL: u8 = 4;
/// A block that one block follows is final: branches found at the same time are settled by then.
const FINAL_DEPTH: u32 = 1;
/// An empty block comes soon, a second of real time, so that what waits for it is final while one looks.
const EMPTY_BLOCK_AFTER: Millis = Millis::from_minutes(1);

/// Someone with a meter.
#[derive(Debug, Clone)]
pub(super) struct Household {
    /// As pages show it.
    pub(super) name: String,
    /// Signs for it.
    pub(super) key: SecretKey,
    /// Number on its meter.
    pub(super) meter: MeterId,
    /// Contracted energy.
    pub(super) contract: Energy,
}

impl Household {
    /// Its account.
    pub(super) fn account(&self) -> AccountId {
        self.key.account()
    }
}

/// Founds the demo's community.
pub(super) fn found(dir: &Path, args: &Args) -> Result<(Community, Vec<Household>), DemoError> {
    let mut community = Community::found(
        dir,
        &Founding {
            name: "Demo dormitory 示範宿舍".to_owned(),
            created: START,
            time_zone: "Asia/Taipei".to_owned(),
            currency: "TWD".to_owned(),
            close_after: CLOSE_AFTER,
            surplus: Surplus::Lapses,
            order: OrderRules {
                level: LEVEL,
                block_interval_min: Millis::from_seconds(30),
                empty_block_after: EMPTY_BLOCK_AFTER,
                final_depth: FINAL_DEPTH,
                block_time: None,
            },
            rewards: RewardRules {
                by_level: REWARDS_OF_THE_PAPER,
                monthly_budget: Energy::from_kwh(100),
                transfer_fee: Energy::ZERO,
            },
            public_readings: true,
            classroom: true,
            tenancy: false,
            voltage_limits: ledger::VoltageLimits {
                nominal: Voltage::from_mv(110_000),
                min: Voltage::from_mv(99_000),
                max: Voltage::from_mv(121_000),
                source: "110 V +-10 %".into(),
            },
            http: args.http,
        },
        None,
    )?;
    for (key, shown) in
        [(KeyName::Operator, "Operator 管理者"), (KeyName::Gateway, "Gateway 閘道"), (KeyName::Miner, "Node 1 節點 1")]
    {
        let account = community.key(key)?.key.account();
        name(&mut community, account, shown, None, false)?;
    }
    super::nodes::found(&community)?;
    for (number, key) in (2..).zip(super::nodes::miners(&community)?) {
        name(&mut community, key.account(), &format!("Node {number} 節點 {number}"), None, false)?;
    }
    std::fs::create_dir(members_dir(dir)).map_err(|error| DemoError::Story(error.to_string()))?;
    for number in 1..=args.members {
        let key = key_file::new_key(key_file::KeyKind::Ed25519).map_err(crate::community::CommunityError::from)?;
        key_file::create(&key_path(dir, number), &key, None).map_err(crate::community::CommunityError::from)?;
        let (person, room) = person(number);
        name(&mut community, key.account(), &person, Some(room), true)?;
    }
    open(dir)
}

fn name(
    community: &mut Community,
    account: AccountId,
    name: &str,
    room: Option<String>,
    is_member: bool,
) -> Result<(), DemoError> {
    let person = Person { name: name.to_owned(), room, is_member };
    Ok(community.add_entry(Entry { account, person })?)
}

/// The paper's Chen and Lee; the others go by their rooms.
fn person(number: u32) -> (String, String) {
    let room = format!("{}", 100 + number);
    let name = match number {
        1 => "Chen".to_owned(),
        2 => "Lee".to_owned(),
        _ => format!("Room {room}"),
    };
    (name, room)
}

fn members_dir(dir: &Path) -> PathBuf {
    dir.join("keys").join("members")
}

fn key_path(dir: &Path, number: u32) -> PathBuf {
    members_dir(dir).join(format!("room-{}.key", 100 + number))
}

/// Opens the demo's community: as many members as there are keys. The operator's common rooms come last.
pub(super) fn open(dir: &Path) -> Result<(Community, Vec<Household>), DemoError> {
    let community = Community::open(dir)?;
    let mut households = Vec::new();
    for number in (1..).take_while(|number| key_path(dir, *number).is_file()) {
        let key = key_file::read(&key_path(dir, number), &key_file::PassphraseSource::default())
            .map_err(crate::community::CommunityError::from)?
            .key;
        let (name, room) = person(number);
        households.push(household(name, &room, key, if number == 1 { 100 } else { 60 })?);
    }
    if households.len() < 2 {
        return Err(DemoError::Story(format!("{} is not a demo's directory; name another with --data", dir.display())));
    }
    let operator = community.key(KeyName::Operator)?.key;
    households.push(household("Common rooms".to_owned(), "G", operator, 200)?);
    Ok((community, households))
}

fn household(name: String, room: &str, key: SecretKey, kwh: u64) -> Result<Household, DemoError> {
    let meter = format!("TW-{room}").parse().map_err(|error: units::IdError| DemoError::Story(error.to_string()))?;
    Ok(Household { name, key, meter, contract: Energy::from_kwh(kwh) })
}

/// Registers everybody and everything, in one statement of the operator, and waits until it is final.
pub(super) fn register(node: &NodeHandle, community: &Community, households: &[Household]) -> Result<(), DemoError> {
    let operator = community.key(KeyName::Operator)?.key;
    let gateway = community.key(KeyName::Gateway)?.key;
    let register = |key: &SecretKey, role| {
        Act::Register(Register::Key(RegisterKey { key: key.public(), role, from: START, beneficiary: None }))
    };
    let mut acts = vec![register(&gateway, Role::Gateway)];
    for miner in super::nodes::miners(community)? {
        let (key, role, beneficiary) = (miner.public(), Role::Miner, Some(operator.account()));
        acts.push(Act::Register(Register::Key(RegisterKey { key, role, from: START, beneficiary })));
    }
    let (price, excess, round_to) = (Money::from_1e4(35_000), Money::from_1e4(60_000), Money::from_1e4(1_000));
    acts.push(Act::Tariff(Tariff::flat(MONTH, price, Some(excess), round_to)));
    for (number, household) in households.iter().enumerate() {
        acts.push(register(&household.key, Role::Member));
        acts.push(Act::Register(Register::Meter(RegisterMeter {
            meter: household.meter.clone(),
            signer: gateway.account(),
            member: household.account(),
            from: START,
            profile: super::meters::profile_of(number).to_owned(),
            factor: 1,
            main: false,
        })));
        for month in [MONTH, MONTH.plus(1)] {
            acts.push(Act::Contract(Contract { account: household.account(), month, energy: household.contract }));
        }
    }
    let statement = sign(community, &operator, node.status()?.time_ms, acts)?;
    submit_and_wait(node, &statement).map(drop)
}

/// Signs acts with a fresh nonce; `issued` is the node's time, so that a clock that runs fast does not matter.
pub(super) fn sign(
    community: &Community,
    key: &SecretKey,
    issued: Timestamp,
    acts: Vec<Act>,
) -> Result<SignedStatement, DemoError> {
    let nonce = key_file::random().map_err(crate::community::CommunityError::from)?;
    let ledger = community.genesis().ledger();
    let payload = Payload { ledger, nonce, issued, expires: Some(issued + Millis::from_minutes(60)), acts };
    SignedStatement::sign(&payload, key).map_err(|error| DemoError::Story(error.to_string()))
}

/// Submits a statement and waits until it is final; gives the height of its block.
pub(super) fn submit_and_wait(node: &NodeHandle, statement: &SignedStatement) -> Result<units::Height, DemoError> {
    node.submit(statement.leaf().to_vec())?;
    wait_final(node, &statement.id())
}

/// Waits until a statement is final.
pub(super) fn wait_final(node: &NodeHandle, id: &StatementId) -> Result<units::Height, DemoError> {
    let began = Instant::now();
    loop {
        let view = node.statement(*id)?;
        match view.place {
            Some(place) if view.state == api::StatementState::Final => return Ok(place.height),
            _ if began.elapsed() > FINAL_WITHIN => {
                return Err(DemoError::Story(format!(
                    "statement {id} is not final after {} s",
                    FINAL_WITHIN.as_secs()
                )));
            }
            _ => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}
