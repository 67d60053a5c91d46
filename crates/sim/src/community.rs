//! The community that is simulated: an operator, members with a meter each on two buses, a gateway and one node, a few
//! hours around the end of a month.

use crate::Random;
use gateway::core::{BusSettings, MeterSettings};
use ledger::act::{Act, Contract, Register, RegisterKey, RegisterMeter, Role, Tariff};
use ledger::{Genesis, GenesisMiner, OrderRules, RewardRules, SecretKey, Surplus};
use meter::{Address, Device, Framing, Options, Profile, Replay, SimulatedBus, SimulatedMeter};
use std::sync::Arc;
use units::{AccountId, Energy, Frequency, MeterId, Millis, Money, Month, Timestamp, Voltage};

use crate::check::Violation;

/// 2026-08-01 00:00 in Taipei: the month end that every run crosses.
pub(crate) const MONTH_END: Timestamp = Timestamp::from_ms(1_785_513_600_000);
const DAY: Millis = Millis::from_minutes(24 * 60);
/// Members; each has one meter.
pub(crate) const MEMBERS: usize = 4;
const METERS_A_BUS: usize = 2;
const BAUD: u32 = 9_600;
/// What a member may use and trade in a month.
pub(crate) const CONTRACT: Energy = Energy::from_kwh(200);

/// A member and the meter in the room.
#[derive(Debug, Clone)]
pub(crate) struct Household {
    pub(crate) key: SecretKey,
    pub(crate) meter: MeterId,
    /// Place of its meter among those of its bus.
    pub(crate) device: usize,
    pub(crate) bus: usize,
    profile: &'static str,
}

impl Household {
    pub(crate) fn account(&self) -> AccountId {
        self.key.account()
    }
}

/// Everybody, their keys, and the rules that they agreed on.
#[derive(Debug, Clone)]
pub(crate) struct Community {
    pub(crate) genesis: Genesis,
    pub(crate) operator: SecretKey,
    pub(crate) log_key: SecretKey,
    pub(crate) miner: SecretKey,
    pub(crate) gateway: SecretKey,
    pub(crate) households: Vec<Household>,
    pub(crate) start: Timestamp,
    pub(crate) interval: Millis,
    replay: Arc<Replay>,
    counters: Vec<Energy>,
}

fn key(random: &mut Random) -> SecretKey {
    let mut seed = [0; 32];
    for part in seed.as_chunks_mut::<8>().0 {
        *part = random.next().to_be_bytes();
    }
    SecretKey::ed25519(seed)
}

fn broken(what: &str, error: &dyn std::fmt::Display) -> Violation {
    Violation::Broken(format!("{what}: {error}"))
}

impl Community {
    /// The community of a seed.
    pub(crate) fn new(random: &mut Random, replay: Arc<Replay>) -> Result<Self, Violation> {
        let [operator, log_key, miner, gateway] = std::array::from_fn(|_| key(random));
        let mut households = Vec::new();
        for number in 0..MEMBERS {
            let meter = format!("m-{}", number + 1).parse().map_err(|error| broken("meter number", &error))?;
            let profile = if number % 2 == 0 { "im1281b" } else { "pzem-004t-v3" };
            let (bus, device) = (number / METERS_A_BUS, number % METERS_A_BUS);
            households.push(Household { key: key(random), meter, device, bus, profile });
        }
        let start = MONTH_END - Millis::from_minutes(random.between(30, 80));
        let founders = [&operator, &log_key, &miner];
        let genesis = genesis(random, founders, households.first().map(Household::account), start)?;
        let interval = Millis::from_minutes([5, 15][usize::from(random.chance(50_000))]);
        // Below 10,000 kWh, where the display of a PZEM ends.
        let counters = households.iter().map(|_| Energy::from_kwh(random.between(1, 9_000))).collect();
        Ok(Self { genesis, operator, log_key, miner, gateway, households, start, interval, replay, counters })
    }

    fn profile(household: &Household) -> Result<Arc<Profile>, Violation> {
        Profile::shipped(household.profile).map(Arc::new).ok_or_else(|| Violation::Broken("no such profile".into()))
    }

    /// A meter of a household; `replaced` is one that begins to count anew.
    pub(crate) fn meter(&self, number: usize, replaced: bool) -> Result<SimulatedMeter, Violation> {
        let household = &self.households[number];
        let options = Options {
            start: self.start,
            offset_minutes: u64::try_from(number).unwrap_or_default() * 700 + 400,
            nominal_voltage: Some(Voltage::from_mv(110_000)),
            frequency: Frequency::from_mhz(60_000),
            counter_start: if replaced { Energy::ZERO } else { self.counters[number] },
        };
        Ok(SimulatedMeter::new(Self::profile(household)?, address(household), Arc::clone(&self.replay), options))
    }

    /// The far ends of the buses.
    pub(crate) fn lines(&self) -> Result<Vec<SimulatedBus>, Violation> {
        let numbers: Vec<usize> = (0..self.households.len()).collect();
        let bus = |meters: &[usize]| {
            let meters = meters.iter().map(|number| self.meter(*number, false)).collect::<Result<_, _>>()?;
            Ok(SimulatedBus::new(meters, Framing::Rtu { baud: BAUD }))
        };
        numbers.chunks(METERS_A_BUS).map(bus).collect()
    }

    /// The buses as the gateway is configured.
    pub(crate) fn buses(&self) -> Result<Vec<BusSettings>, Violation> {
        let meter = |household: &Household| {
            let device = Device {
                meter: household.meter.clone(),
                address: address(household),
                profile: Self::profile(household)?,
                poll_every: Millis::from_seconds(30),
            };
            Ok(MeterSettings { device, profile: household.profile.to_owned(), member: household.account() })
        };
        let bus = |households: &[Household]| {
            let meters = households.iter().map(meter).collect::<Result<_, _>>()?;
            Ok(BusSettings { framing: Framing::Rtu { baud: BAUD }, meters })
        };
        self.households.chunks(METERS_A_BUS).map(bus).collect()
    }

    /// The operator's acts that found the community.
    pub(crate) fn founding_acts(&self) -> Vec<Act> {
        let register = |key: &SecretKey, role| {
            let from = self.genesis.created;
            Act::Register(Register::Key(RegisterKey { key: key.public(), role, from, beneficiary: None }))
        };
        let mut acts = vec![register(&self.gateway, Role::Gateway)];
        for household in &self.households {
            acts.push(register(&household.key, Role::Member));
            acts.push(Act::Register(Register::Meter(RegisterMeter {
                meter: household.meter.clone(),
                signer: self.gateway.account(),
                member: household.account(),
                from: self.start,
                profile: household.profile.to_owned(),
                factor: 1,
                main: false,
            })));
        }
        let month = self.genesis.first_month;
        acts.extend(self.contracts(month));
        let (price, excess_price) = (Money::from_1e4(35_000), Money::from_1e4(70_000));
        acts.push(Act::Tariff(Tariff::flat(month, price, Some(excess_price), Money::from_1e4(10_000))));
        acts
    }

    /// Everybody's contract of a month.
    pub(crate) fn contracts(&self, month: Month) -> Vec<Act> {
        let contract =
            |household: &Household| Act::Contract(Contract { account: household.account(), month, energy: CONTRACT });
        self.households.iter().map(contract).collect()
    }
}

fn address(household: &Household) -> Address {
    u8::try_from(household.device + 1).ok().and_then(Address::modbus).unwrap_or(Address::FIRST)
}

fn genesis(
    random: &mut Random,
    [operator, log_key, miner]: [&SecretKey; 3],
    beneficiary: Option<AccountId>,
    start: Timestamp,
) -> Result<Genesis, Violation> {
    let july = MONTH_END - Millis::from_ms(31 * DAY.ms());
    let september = MONTH_END + Millis::from_ms(31 * DAY.ms());
    let beneficiary = beneficiary.ok_or_else(|| Violation::Broken("nobody lives there".into()))?;
    let receipt_key = SecretKey::p256([1; 32]).map_err(|error| broken("receipt key", &error))?;
    let first_month = Month::new(2026, 7).ok_or_else(|| Violation::Broken("no such month".into()))?;
    let pays = random.chance(70_000);
    Ok(Genesis {
        version: Genesis::VERSION,
        name: "simulated".to_owned(),
        created: start - Millis::from_minutes(10),
        operator: operator.public(),
        log_key: log_key.public(),
        receipt_keys: vec![receipt_key.public()],
        miners: vec![GenesisMiner { key: miner.public(), beneficiary }],
        time_zone: "Asia/Taipei".to_owned(),
        first_month,
        month_starts: vec![july, MONTH_END, september],
        currency: "TWD".to_owned(),
        close_after: Millis::from_minutes(random.between(5, 40)),
        surplus: if random.chance(50_000) { Surplus::Lapses } else { Surplus::CarriesOver },
        order: OrderRules {
            level: 1,
            block_interval_min: Millis::from_seconds(random.between(1, 60)),
            empty_block_after: Millis::from_minutes(10),
            final_depth: u32::try_from(random.below(3)).unwrap_or_default(),
            block_time: None,
        },
        rewards: RewardRules {
            by_level: [2, 4, 6, 8, 10].map(Energy::from_kwh),
            monthly_budget: if pays { Energy::from_kwh(random.between(0, 60)) } else { Energy::ZERO },
            transfer_fee: if pays { Energy::from_wh(100) } else { Energy::ZERO },
        },
        public_readings: true,
        classroom: true,
        voltage_limits: ledger::VoltageLimits {
            nominal: Voltage::from_mv(110_000),
            min: Voltage::from_mv(99_000),
            max: Voltage::from_mv(121_000),
            source: "110 V +-10 %".into(),
        },
        offsets: vec![ledger::Offset { from: Timestamp::from_ms(0), seconds: 8 * 3_600 }],
        tenancy: false,
    })
}
