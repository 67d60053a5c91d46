//! Readings in batches: how fast they are committed, how much room they take, how fast a whole ledger of them is audited.

use super::chain::{Chain, MEMBERS, gateway, meter as meter_id};
use super::table::Figure;
use super::{BenchError, Work, cores, timed};
use ::meter::{Address, Exchange, Options, Profile, Replay, SimulatedMeter};
use gateway::core::{CounterRules, ReadingRow, Settings, Span, close};
use ledger::attachment::Frame;
use pco::ChunkConfig;
use pco::standalone::{simple_compress, simple_decompress};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use units::{Energy, Frequency, Key, MeterId, Millis, Timestamp, Voltage};

/// Readings of a batch, as section 12 of the design has it.
const BATCH: u64 = 1_024;
/// Between two readings: the recording's own step, so that no value is there twice.
const STEP: Millis = Millis::from_minutes(1);
/// Batches of a meter in a round: a round then has enough readings that its last block's sync weighs little.
const BATCHES: u64 = 8;
/// The longest run; the calendar would hold more.
const ROUNDS_MAX: u64 = 12;

pub(super) fn figures(time: Duration, folder: &Path) -> Result<Vec<Figure>, BenchError> {
    let mut chain = Chain::found(folder)?;
    let mut meters = Meters::new(&chain)?;
    let before = size(folder)?;
    let (mut total, mut packed) = (Work::default(), Vec::new());
    for round in 0..ROUNDS_MAX {
        if total.time >= time {
            break;
        }
        let batches = meters.batches(round)?;
        for rows in batches.iter().flatten() {
            packed.extend(pack(rows)?);
        }
        chain.forward_to(meters.span(round * BATCHES + BATCHES - 1).1);
        total.add(timed(|| meters.commit(&mut chain, round, &batches))?);
    }
    drop(chain);
    let bytes = size(folder)? - before;
    let alone: usize = packed.iter().map(Vec::len).sum();
    let readings = total.count.max(1) as f64;
    Ok(vec![
        Figure::rate(
            format!("readings committed, batches of {BATCH}"),
            "/s",
            total.per_second(),
            ">= 1 M/s, >= 5 times",
        ),
        Figure::size("ledger and attachment, a reading", "B", bytes as f64 / readings, "<= 1.3")
            .against("pco alone", alone as f64 / readings),
        audit(folder, &packed, total.count)?,
    ])
}

/// Bytes of everything that is kept for good: blocks, attachments and checkpoints.
fn size(folder: &Path) -> Result<u64, BenchError> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if ["blocks-", "attachments-", "anchors-"].iter().any(|log| name.to_string_lossy().starts_with(log)) {
            bytes += entry.metadata()?.len();
        }
    }
    Ok(bytes)
}

/// The columns alone, each packed by itself: times, then every quantity.
fn pack(rows: &[ReadingRow]) -> Result<Vec<Vec<u8>>, BenchError> {
    let mut columns: BTreeMap<Option<Key>, Vec<i64>> = BTreeMap::new();
    for row in rows {
        let time = i64::try_from(row.time.ms()).map_err(BenchError::ledger)?;
        columns.entry(None).or_default().push(time);
        for (key, value) in row.reading.iter() {
            columns.entry(Some(key)).or_default().push(value);
        }
    }
    columns
        .values()
        .map(|column| simple_compress(column, &ChunkConfig::default()).map_err(BenchError::ledger))
        .collect()
}

/// The whole folder checked again, against hashing its bytes and unpacking its columns.
fn audit(folder: &Path, packed: &[Vec<u8>], readings: u64) -> Result<Figure, BenchError> {
    let audited = timed(|| {
        let report = node::audit::audit(folder).map_err(BenchError::ledger)?;
        match report.findings.first() {
            None => Ok(report.readings),
            Some(finding) => Err(BenchError::ledger(finding)),
        }
    })?;
    let alone = timed(|| {
        for entry in std::fs::read_dir(folder)? {
            std::hint::black_box(Sha256::digest(std::fs::read(entry?.path())?));
        }
        for column in packed {
            std::hint::black_box(simple_decompress::<i64>(column).map_err(BenchError::ledger)?);
        }
        Ok::<u64, BenchError>(readings)
    })?;
    Ok(Figure::rate("whole-ledger audit, readings", "/s", audited.per_second(), ">= 0.5")
        .against("SHA-256 and unpacking alone", alone.per_second()))
}

/// The load generator: simulated meters that play the recorded household, each from another minute on.
struct Meters {
    profile: Arc<Profile>,
    meters: Vec<SimulatedMeter>,
    /// Where each meter's chain stands.
    chains: Vec<gateway::core::Chain>,
    settings: Settings,
    start: Timestamp,
}

impl Meters {
    fn new(chain: &Chain) -> Result<Self, BenchError> {
        let profile = Profile::shipped("im1281b").ok_or_else(|| BenchError::Ledger("no such profile".to_owned()))?;
        let (profile, replay) = (Arc::new(profile), Arc::new(Replay::excerpt().map_err(BenchError::ledger)?));
        let genesis = &super::chain::genesis()?;
        let meter = |number: u8| {
            let options = Options {
                start: genesis.created,
                offset_minutes: u64::from(number) * 150,
                nominal_voltage: Some(Voltage::from_mv(110_000)),
                frequency: Frequency::from_mhz(60_000),
                counter_start: Energy::from_kwh(100),
            };
            SimulatedMeter::new(Arc::clone(&profile), Address::FIRST, Arc::clone(&replay), options)
        };
        let settings = Settings::from_genesis(genesis, Millis::from_ms(BATCH * STEP.ms()));
        let meters = (0..MEMBERS).map(meter).collect();
        let chains = (0..MEMBERS).map(|number| chain_of(chain, meter_id(number)?)).collect::<Result<_, _>>()?;
        Ok(Self { profile, meters, chains, settings, start: genesis.created })
    }

    fn span(&self, batch: u64) -> (Timestamp, Timestamp) {
        let length = BATCH * STEP.ms();
        let start = self.start + Millis::from_ms(batch * length);
        (start, start + Millis::from_ms(length))
    }

    /// Every meter's next batches.
    fn batches(&self, round: u64) -> Result<Vec<Vec<Vec<ReadingRow>>>, BenchError> {
        let of_meter = |(number, meter)| {
            let batches = round * BATCHES..(round + 1) * BATCHES;
            batches.map(|batch| self.rows(number, meter, batch)).collect::<Result<_, _>>()
        };
        (0..MEMBERS).zip(&self.meters).map(of_meter).collect()
    }

    fn rows(&self, number: u8, simulated: &SimulatedMeter, batch: u64) -> Result<Vec<ReadingRow>, BenchError> {
        let (start, _) = self.span(batch);
        let row = |index: u64| {
            let time = start + Millis::from_ms(index * STEP.ms());
            let exchange = |request: &::meter::Request| {
                let request = request.frame();
                let response = simulated.respond(time, &request).unwrap_or_default();
                Exchange { request, response }
            };
            let exchanges: Vec<Exchange> = self.profile.requests(Address::FIRST).iter().map(exchange).collect();
            let reading = self.profile.reading(Address::FIRST, &exchanges).map_err(BenchError::ledger)?;
            let exchanges = exchanges.into_iter().map(|exchange| ledger::attachment::Exchange {
                request: exchange.request,
                response: exchange.response,
            });
            Ok(ReadingRow {
                meter: meter_id(number)?,
                member: super::chain::key(number).account(),
                operator: self.settings.operator,
                profile: "im1281b".to_owned(),
                time,
                reading: reading.with_derived_powers(),
                frame: Arc::new(Frame { time, exchanges: exchanges.collect() }),
            })
        };
        (0..BATCH).map(row).collect()
    }

    /// What gateways and node do with the batches: state, attach, sign, verify, book, sync. Gives the number of readings.
    fn commit(&mut self, chain: &mut Chain, round: u64, batches: &[Vec<Vec<ReadingRow>>]) -> Result<u64, BenchError> {
        let spans: Vec<_> = (round * BATCHES..(round + 1) * BATCHES).map(|batch| self.span(batch)).collect();
        let settings = &self.settings;
        let state = |(chain, batches): (&mut gateway::core::Chain, &Vec<Vec<ReadingRow>>)| {
            let stated = batches.iter().zip(&spans).map(|(rows, (start, end))| {
                let first = rows.first().ok_or_else(|| BenchError::Ledger("an empty batch".to_owned()))?;
                let span = Span { start: *start, end: *end, rows: rows.len() };
                let closed = close(settings, &gateway(), (&first.meter, &CounterRules::default()), chain, span, rows)
                    .map_err(BenchError::ledger)?;
                *chain = closed.chain;
                Ok(closed.statement.to_submission(Some(&closed.attachment)))
            });
            stated.collect::<Result<Vec<_>, BenchError>>()
        };
        let share = self.chains.len().div_ceil(usize::try_from(cores()).map_err(BenchError::ledger)?);
        let pairs = self.chains.chunks_mut(share).zip(batches.chunks(share));
        let stated: Vec<Result<Vec<Vec<Vec<u8>>>, BenchError>> = std::thread::scope(|scope| {
            let gateway =
                |(chains, batches): (&'_ mut [_], &'_ [_])| chains.iter_mut().zip(batches).map(state).collect();
            let gateways: Vec<_> = pairs.map(|pair| scope.spawn(move || gateway(pair))).collect();
            let broke = |_| Err(BenchError::Ledger("a gateway broke".to_owned()));
            gateways.into_iter().map(|gateway| gateway.join().unwrap_or_else(broke)).collect()
        });
        let stated = stated.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
        chain.commit(stated)?;
        Ok(u64::from(MEMBERS) * BATCH * BATCHES)
    }
}

/// A meter's binding and the head of its chain.
fn chain_of(chain: &Chain, meter: MeterId) -> Result<gateway::core::Chain, BenchError> {
    let found = chain.node().with_state(move |state| state.meter(&meter).map(|(id, record)| (id, record.head.clone())));
    let (binding, head) =
        found.map_err(BenchError::ledger)?.ok_or_else(|| BenchError::Ledger("an unknown meter".to_owned()))?;
    Ok(gateway::core::Chain { binding, head })
}
