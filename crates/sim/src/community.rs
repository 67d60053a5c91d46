//! The community that is simulated: an operator, members with a meter each, gateways that read them over buses, miners, a
//! while around the end of a month.

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
/// What a member may use and trade in a month, unless a planted bug says otherwise.
pub(crate) const CONTRACT: Energy = Energy::from_kwh(200);

/// How large a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Nodes that keep the rules, 1 to [`NODES_MAX`]. The first has the log key.
    pub(crate) nodes: usize,
    /// Nodes that keep the rules until they mine for themselves alone, on a branch that they show and never leave.
    pub(crate) hermits: usize,
    /// Peers that lie.
    pub(crate) liars: usize,
    /// Gateways: none, one that reads all meters over two buses, or two with a bus each.
    pub(crate) gateways: usize,
    /// Whether a household has its contract and nothing beyond: no rewards, nothing carried over, and the month's end far
    /// enough away.
    pub(crate) is_scarce: bool,
}

/// A majority, a minority and one between them.
pub(crate) const NODES_MAX: usize = 5;
/// In a hundred thousand runs: those with meters, which cost ten times as much as the others.
const METERED: u64 = 20_000;

impl Shape {
    /// The shape of a seed.
    pub(crate) fn of(random: &mut Random) -> Self {
        let gateways = if random.chance(METERED) { random.between(1, 2) } else { 0 };
        let nodes = if gateways > 0 { random.between(1, 3) } else { random.between(1, 5) };
        let hermits = u64::from(nodes > 1 && random.chance(15_000));
        let liars = if random.chance(30_000) { random.between(1, 2) } else { 0 };
        let small = |number| usize::try_from(number).unwrap_or(1);
        let [nodes, hermits, liars, gateways] = [nodes, hermits, liars, gateways].map(small);
        Self { nodes, hermits, liars, gateways, is_scarce: false }
    }

    /// One node, and one gateway that reads all meters.
    pub(crate) const SMALLEST: Self = Self { gateways: 1, ..Self::of_nodes(1) };

    /// So many honest nodes and nobody else.
    pub(crate) const fn of_nodes(nodes: usize) -> Self {
        Self { nodes, hermits: 0, liars: 0, gateways: 0, is_scarce: false }
    }
}

/// A member and the meter in the room.
#[derive(Debug, Clone)]
pub(crate) struct Household {
    pub(crate) key: SecretKey,
    pub(crate) meter: MeterId,
    /// Which gateway reads it, if there are any.
    pub(crate) gateway: usize,
    /// Which bus of that gateway.
    pub(crate) bus: usize,
    /// Place of its meter among those of its bus.
    pub(crate) device: usize,
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
    /// Of each node its own.
    pub(crate) miners: Vec<SecretKey>,
    pub(crate) gateways: Vec<SecretKey>,
    /// Signs for meters that no gateway reads; the operator reads them by eye.
    reader: SecretKey,
    /// What a member may use and trade in a month.
    pub(crate) contract: Energy,
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
    pub(crate) fn new(random: &mut Random, shape: Shape, replay: Arc<Replay>) -> Result<Self, Violation> {
        let [operator, log_key, reader] = std::array::from_fn(|_| key(random));
        let miners: Vec<SecretKey> = (0..shape.nodes + shape.hermits).map(|_| key(random)).collect();
        let gateways: Vec<SecretKey> = (0..shape.gateways).map(|_| key(random)).collect();
        let mut households = Vec::new();
        for number in 0..MEMBERS {
            let meter = format!("m-{}", number + 1).parse().map_err(|error| broken("meter number", &error))?;
            let profile = if number % 2 == 0 { "im1281b" } else { "pzem-004t-v3" };
            let (line, device) = (number / METERS_A_BUS, number % METERS_A_BUS);
            let (gateway, bus) = if shape.gateways > 1 { (line, 0) } else { (0, line) };
            households.push(Household { key: key(random), meter, gateway, bus, device, profile });
        }
        // Whoever waits for intervals of meters needs an hour or two.
        let (before, closing) = match shape {
            Shape { gateways: 1.., .. } => ((30, 80), (5, 40)),
            Shape { is_scarce: true, .. } => ((10, 20), (2, 12)),
            _ => ((4, 20), (2, 12)),
        };
        let start = MONTH_END - Millis::from_minutes(random.between(before.0, before.1));
        let close_after = Millis::from_minutes(random.between(closing.0, closing.1));
        let beneficiaries = households.iter().map(Household::account).cycle();
        let miner = |(key, beneficiary): (&SecretKey, AccountId)| GenesisMiner { key: key.public(), beneficiary };
        let genesis_miners = miners.iter().zip(beneficiaries).map(miner).collect();
        let mut genesis = genesis(random, [&operator, &log_key], genesis_miners, start)?;
        genesis.close_after = close_after;
        if shape.is_scarce {
            genesis.surplus = Surplus::Lapses;
            genesis.rewards.monthly_budget = Energy::ZERO;
        }
        if shape.nodes > 1 {
            genesis.order.final_depth = u32::try_from(random.below(5)).unwrap_or_default();
        }
        let interval = Millis::from_minutes([5, 15][usize::from(random.chance(50_000))]);
        // Below 10,000 kWh, where the display of a PZEM ends.
        let counters = households.iter().map(|_| Energy::from_kwh(random.between(1, 9_000))).collect();
        Ok(Self {
            genesis,
            operator,
            log_key,
            miners,
            gateways,
            reader,
            contract: CONTRACT,
            households,
            start,
            interval,
            replay,
            counters,
        })
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

    /// The households that a gateway reads.
    pub(crate) fn read_by(&self, gateway: usize) -> impl Iterator<Item = (usize, &Household)> {
        self.households.iter().enumerate().filter(move |(_, household)| household.gateway == gateway)
    }

    /// The far ends of a gateway's buses.
    pub(crate) fn lines(&self, gateway: usize) -> Result<Vec<SimulatedBus>, Violation> {
        let numbers: Vec<usize> = self.read_by(gateway).map(|(number, _)| number).collect();
        let bus = |meters: &[usize]| {
            let meters = meters.iter().map(|number| self.meter(*number, false)).collect::<Result<_, _>>()?;
            Ok(SimulatedBus::new(meters, Framing::Rtu { baud: BAUD }))
        };
        numbers.chunks(METERS_A_BUS).map(bus).collect()
    }

    /// The buses as a gateway is configured.
    pub(crate) fn buses(&self, gateway: usize) -> Result<Vec<BusSettings>, Violation> {
        let meter = |household: &&Household| {
            let device = Device {
                meter: household.meter.clone(),
                address: address(household),
                profile: Self::profile(household)?,
                poll_every: Millis::from_seconds(30),
            };
            Ok(MeterSettings { device, profile: household.profile.to_owned(), member: household.account() })
        };
        let bus = |households: &[&Household]| {
            let meters = households.iter().map(meter).collect::<Result<_, _>>()?;
            Ok(BusSettings { framing: Framing::Rtu { baud: BAUD }, meters })
        };
        let households: Vec<&Household> = self.read_by(gateway).map(|(_, household)| household).collect();
        households.chunks(METERS_A_BUS).map(bus).collect()
    }

    /// The operator's acts that found the community.
    pub(crate) fn founding_acts(&self) -> Vec<Act> {
        let register = |key: &SecretKey, role| {
            let from = self.genesis.created;
            Act::Register(Register::Key(RegisterKey { key: key.public(), role, from, beneficiary: None }))
        };
        let gateways = self.gateways.iter().chain([&self.reader]);
        let mut acts: Vec<Act> = gateways.map(|gateway| register(gateway, Role::Gateway)).collect();
        for household in &self.households {
            acts.push(register(&household.key, Role::Member));
            let gateway = self.gateways.get(household.gateway).unwrap_or(&self.reader);
            acts.push(Act::Register(Register::Meter(RegisterMeter {
                meter: household.meter.clone(),
                signer: gateway.account(),
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

    /// The registration of a key that nobody had before.
    pub(crate) fn registration(&self, number: usize, role: Role) -> Act {
        let mut random = Random::new(u64::try_from(number).unwrap_or_default());
        let key = key(&mut random).public();
        Act::Register(Register::Key(RegisterKey { key, role, from: self.genesis.created, beneficiary: None }))
    }

    /// Everybody's contract of a month.
    pub(crate) fn contracts(&self, month: Month) -> Vec<Act> {
        let contract = |household: &Household| {
            Act::Contract(Contract { account: household.account(), month, energy: self.contract })
        };
        self.households.iter().map(contract).collect()
    }
}

fn address(household: &Household) -> Address {
    u8::try_from(household.device + 1).ok().and_then(Address::modbus).unwrap_or(Address::FIRST)
}

fn genesis(
    random: &mut Random,
    [operator, log_key]: [&SecretKey; 2],
    miners: Vec<GenesisMiner>,
    start: Timestamp,
) -> Result<Genesis, Violation> {
    let july = MONTH_END - Millis::from_ms(31 * DAY.ms());
    let september = MONTH_END + Millis::from_ms(31 * DAY.ms());
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
        miners,
        time_zone: "Asia/Taipei".to_owned(),
        first_month,
        month_starts: vec![july, MONTH_END, september],
        currency: "TWD".to_owned(),
        close_after: Millis::from_minutes(5),
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
