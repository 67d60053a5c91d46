//! The demo's one story in five scenes, each a line or two. A scene that does not come out as it must ends the demo.

use super::founding::{self, FINAL_WITHIN, Household, MONTH, START};
use super::{DemoError, Running, loads};
use crate::community::Community;
use crate::export;
use crate::web::format;
use api::Event;
use ledger::act::{
    Accept, Act, ActId, Answer, Bill, BillLine, Claim, Decision, Offer, OfferId, Transfer, VoltageClaim,
};
use ledger::bundle::BillBundle;
use ledger::verify::Verdict;
use ledger::{SignedStatement, bill};
use meter::Disturbance;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use units::{AccountId, Energy, Key, Millis, Money, Quantity, StatementId, Voltage};

/// What Lee pays Chen for a kWh in the second scene: a little less than the operator's price.
const SALE_PRICE: Money = Money::from_1e4(32_000);
/// How long the offer stands: no longer than the month, which closes in the fourth scene.
const SALE_STANDS: Millis = Millis::from_minutes(15);
/// The voltage of the third scene.
const TOO_HIGH: Voltage = Voltage::from_mv(130_000);

/// What the story must have shown is kept here, so that it is told once.
fn told_file(community: &Community) -> PathBuf {
    community.dir().join("story-told")
}

/// Whether the story was told to its end.
pub(super) fn is_told(community: &Community) -> bool {
    told_file(community).is_file()
}

/// Tells it.
pub(super) async fn tell(demo: &Arc<Running>) -> Result<(), DemoError> {
    scene(demo, counting).await?;
    demo.wait_until(START + Millis::from_minutes(9)).await;
    scene(demo, selling).await?;
    demo.wait_until(START + Millis::from_minutes(14)).await;
    scene(demo, too_high_a_voltage).await?;
    scene(demo, loads::switched).await?;
    scene(demo, the_month_closes).await?;
    tampering(demo).await?;
    let (file, demo) = (told_file(&demo.community), demo.clone());
    super::blocking(move || {
        std::fs::write(&file, "").map_err(|error| DemoError::Story(error.to_string()))?;
        println!("{}\n", demo.texts.get("demo-told"));
        Ok(())
    })
    .await
}

/// A scene waits for what it tells, so it has a thread of its own.
async fn scene(demo: &Arc<Running>, scene: fn(&Running) -> Result<(), DemoError>) -> Result<(), DemoError> {
    let demo = demo.clone();
    super::blocking(move || scene(&demo)).await
}

impl Running {
    fn chen(&self) -> &Household {
        &self.households[0]
    }
    pub(super) fn lee(&self) -> &Household {
        &self.households[1]
    }

    /// Waits for an event, for a bounded time.
    fn event<T>(
        &self,
        events: &Receiver<Event>,
        within: Duration,
        mut wanted: impl FnMut(&Event) -> Option<T>,
    ) -> Result<T, DemoError> {
        let deadline = Instant::now() + within;
        loop {
            match events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(event) => {
                    if let Some(found) = wanted(&event) {
                        return Ok(found);
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    return Err(DemoError::Story(self.texts.get("demo-nothing-happened")));
                }
            }
        }
    }
}

/// Leaves a proof in the community's directory; gives its path.
fn write(demo: &Running, name: &str, bytes: &[u8]) -> Result<String, DemoError> {
    let path = demo.community.dir().join(name);
    std::fs::write(&path, bytes).map_err(|error| DemoError::Story(error.to_string()))?;
    Ok(path.display().to_string())
}

/// One: Chen's meter counts, its readings are committed and final.
fn counting(demo: &Running) -> Result<(), DemoError> {
    let meter = &demo.chen().meter;
    let deadline = Instant::now() + demo.real(founding::INTERVAL) * 3 + FINAL_WITHIN;
    let view = loop {
        let view = demo.node.meter(meter.clone())?;
        if view.head.next_seq > 0 {
            break view;
        }
        if Instant::now() > deadline {
            return Err(DemoError::Story(demo.texts.get("demo-nothing-happened")));
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let height = founding::wait_final(&demo.node, &view.head.previous)?;
    let live = demo.gateway.snapshot().into_iter().find(|live| live.meter == *meter).and_then(|live| live.reading);
    let power = live.and_then(|reading| reading.active_power()).unwrap_or_default();
    demo.say(
        1,
        "demo-counting",
        &[
            ("meter", meter.as_str()),
            ("counter", &format::kwh(view.head.import_mwh.unwrap_or_default())),
            ("watts", &format::decimal(i128::from(power.mw()), 3, 0)),
            ("height", &height.to_string()),
        ],
    );
    Ok(())
}

/// Two: Chen offers 20 kWh at a price and Lee accepts; 1,000 cannot be given away.
fn selling(demo: &Running) -> Result<(), DemoError> {
    let (chen, lee) = (demo.chen(), demo.lee());
    let sign = |by: &Household, act| founding::sign(&demo.community, &by.key, demo.clock.time(), vec![act]);
    let offer = Offer {
        to: Some(lee.account()),
        energy: Energy::from_kwh(20),
        price: SALE_PRICE,
        month: MONTH,
        until: demo.clock.time() + SALE_STANDS,
    };
    let (until, amount) = (offer.until, offer.amount().unwrap_or_default());
    let offered = sign(chen, Act::Offer(offer))?;
    founding::submit_and_wait(&demo.node, &offered)?;
    let offer = OfferId { until, statement: offered.id(), act: 0 };
    let accepted = sign(lee, Act::Accept(Accept { offer }))?;
    let height = founding::submit_and_wait(&demo.node, &accepted)?;
    let file = write(demo, "sale-20-kwh.cose", &demo.node.transparent_statement(accepted.id())?)?;
    let (price, amount) = (format::money(SALE_PRICE), format::money(amount));
    let values = [("height", height.to_string()), ("file", file), ("price", price), ("amount", amount)];
    demo.say(2, "demo-sold", &values.each_ref().map(|(name, value)| (*name, value.as_str())));
    let gift = Transfer { to: lee.account(), energy: Energy::from_kwh(1_000), month: MONTH };
    match demo.node.submit(sign(chen, Act::Transfer(gift))?.leaf().to_vec()) {
        Err(refusal) if refusal.name() == "energy_used_up" => {
            let chen = chen.account();
            let remaining = move |state: &ledger::State| state.sheet(MONTH, &chen).map(|sheet| sheet.terms.remaining());
            let left = demo.node.with_state(remaining)?.unwrap_or_default();
            demo.go_on("demo-refused", &[("left", &format::kwh_balance(left))]);
            Ok(())
        }
        other => Err(DemoError::Story(format!("a sale of 1,000 kWh out of 100 was answered with {other:?}"))),
    }
}

/// Three: the voltage rises; the event is named and stands in a committed statement.
fn too_high_a_voltage(demo: &Running) -> Result<(), DemoError> {
    let events = demo.node.subscribe()?;
    let from = demo.clock.time();
    let disturbance = Disturbance { from, until: from + Millis::from_minutes(4), voltage: TOO_HIGH };
    demo.buses[0].disturb(0, Some(disturbance));
    loads::disturb(demo, from, TOO_HIGH);
    demo.say(3, "demo-voltage-rises", &[("meter", demo.chen().meter.as_str()), ("volts", "130")]);
    loads::protected(demo)?;
    let within = demo.real(founding::INTERVAL) * 3 + FINAL_WITHIN;
    let (statement, extreme) = demo.event(&events, within, |event| match event {
        Event::Voltage { meter, statement, extreme_mv, .. } if *meter == demo.chen().meter => {
            Some((*statement, *extreme_mv))
        }
        _ => None,
    })?;
    let height = founding::wait_final(&demo.node, &statement)?;
    let volts = format::decimal(i128::from(extreme.mv()), 3, 1);
    let id = statement.to_string();
    demo.go_on("demo-voltage", &[("volts", &volts), ("height", &height.to_string()), ("id", &id[..12])]);
    claiming(demo, statement)
}

/// Chen claims the interval, and the operator answers. Which act of the statement it is, the ledger's own record says.
fn claiming(demo: &Running, statement: StatementId) -> Result<(), DemoError> {
    let outside = demo.node.account(demo.chen().account())?.outside;
    let interval = outside.iter().find(|interval| interval.statement == statement);
    let interval = interval.ok_or_else(|| DemoError::Story(demo.texts.get("demo-nothing-happened")))?;
    let text = demo.texts.get("demo-claim-text");
    let intervals = vec![ActId { statement, act: interval.act_index }];
    let claim = Act::Claim(Claim::Voltage(VoltageClaim { intervals, text }));
    let claim = founding::sign(&demo.community, &demo.chen().key, demo.clock.time(), vec![claim])?;
    founding::submit_and_wait(&demo.node, &claim)?;
    let operator = demo.community.key(crate::community::KeyName::Operator)?.key;
    let answer = Act::Answer(Answer {
        claim: ActId { statement: claim.id(), act: 0 },
        decision: Decision::Accepted,
        text: demo.texts.get("demo-answer-text"),
    });
    let answer = founding::sign(&demo.community, &operator, demo.clock.time(), vec![answer])?;
    let height = founding::submit_and_wait(&demo.node, &answer)?;
    demo.go_on("demo-claim", &[("height", &height.to_string())]);
    Ok(())
}

/// Four: the month closes, and everybody is billed.
fn the_month_closes(demo: &Running) -> Result<(), DemoError> {
    let (from, until) = demo.community.genesis().month_span(MONTH).unwrap_or_default();
    let close = demo.community.genesis().close_time(MONTH).unwrap_or_default();
    let deadline = Instant::now() + demo.real(close.since(demo.clock.time())) + FINAL_WITHIN;
    while demo.node.with_state(ledger::State::first_open)? <= MONTH {
        if Instant::now() > deadline {
            return Err(DemoError::Story(demo.texts.get("demo-nothing-happened")));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let operator = demo.community.key(crate::community::KeyName::Operator)?.key;
    let compute = |household: &Household| {
        let account = household.account();
        let computed = demo.node.with_state(move |state| bill::of_state(state, account, from, until))?;
        computed.map_err(|violation| DemoError::Story(violation.to_string()))
    };
    let bills: Vec<Bill> = demo.households.iter().map(compute).collect::<Result<_, _>>()?;
    let acts = bills.iter().map(|bill| Act::Bill(Box::new(bill.clone()))).collect();
    founding::submit_and_wait(&demo.node, &founding::sign(&demo.community, &operator, demo.clock.time(), acts)?)?;
    for (household, bill) in demo.households.iter().zip(&bills).take(2) {
        tell_bill(demo, household, bill);
    }
    Ok(())
}

fn tell_bill(demo: &Running, household: &Household, bill: &Bill) {
    let Some(meter) = bill.months.first().and_then(|month| month.meters.first()) else { return };
    let price = bill.lines.first().and_then(|line| line.unit_price).unwrap_or_default();
    // Energy and what was traded at a price; the words are the bill page's own.
    let line = |line: &BillLine| {
        let kind = demo.texts.get(&format!("line-kind-{}", line.kind.name()));
        format!("{kind} {}", format::money(line.amount))
    };
    let lines = bill.lines.iter().map(line).collect::<Vec<_>>().join(", ");
    demo.go_on(
        "demo-bill",
        &[
            ("name", &household.name),
            ("meter", meter.meter.as_str()),
            ("previous", &format::kwh(meter.previous)),
            ("present", &format::kwh(meter.present)),
            ("energy", &format::kwh(meter.energy)),
            ("price", &format::money(price)),
            ("lines", &lines),
            ("total", &format::money(bill.total)),
        ],
    );
}

/// Five: one digit changed in the operator's database is named, a forged bill fails, the true one passes.
async fn tampering(demo: &Arc<Running>) -> Result<(), DemoError> {
    let change = Change::of_chens_energy(demo)?;
    change.write(change.forged)?;
    let url = super::database_url(&demo.community);
    let report = gateway::audit(&url, &export::NodeSource(&demo.node), &meter::Profile::shipped).await;
    // Put back whatever the audit says: the demo's own database goes on.
    change.write(change.honest)?;
    let report = report.map_err(|error| DemoError::Story(error.to_string()))?;
    let named = report.findings.iter().find(|finding| {
        matches!(finding, gateway::Finding::Column { row, column, ledger, database, .. }
            if *row == change.row
                && *column == Key::from(Quantity::EnergyImport)
                && (*ledger, *database) == (Some(change.honest), Some(change.forged)))
    });
    if named.is_none() {
        return Err(DemoError::Story(format!("the audit did not name the changed row: {report:?}")));
    }
    demo.say(
        5,
        "demo-tampered",
        &[
            ("row", &change.row.to_string()),
            ("meter", demo.chen().meter.as_str()),
            ("honest", &format::kwh(energy(change.honest))),
            ("forged", &format::kwh(energy(change.forged))),
        ],
    );
    scene(demo, verifying).await
}

fn energy(mwh: i64) -> Energy {
    Energy::from_mwh(u64::try_from(mwh).unwrap_or(0))
}

/// One digit of a committed counter in the operator's database, changed behind the gateway's back.
struct Change {
    database: PathBuf,
    row: i64,
    honest: i64,
    forged: i64,
}

impl Change {
    /// A row of Chen's that stands in a committed interval, and the same with its kWh digit raised (9 becomes 0).
    fn of_chens_energy(demo: &Running) -> Result<Self, DemoError> {
        let query = "SELECT id, energy_import_mwh FROM readings \
                     WHERE meter = ? AND statement IS NOT NULL ORDER BY time_ms LIMIT 1";
        let database = demo.community.dir().join("gateway.db");
        let (row, honest) = connect(&database)?
            .query_row(query, [demo.chen().meter.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(|error| DemoError::Story(error.to_string()))?;
        let digit = honest / 1_000_000 % 10;
        let forged = honest + if digit == 9 { -9_000_000 } else { 1_000_000 };
        Ok(Self { database, row, honest, forged })
    }

    fn write(&self, value: i64) -> Result<(), DemoError> {
        connect(&self.database)?
            .execute("UPDATE readings SET energy_import_mwh = ? WHERE id = ?", [value, self.row])
            .map(drop)
            .map_err(|error| DemoError::Story(error.to_string()))
    }
}

/// Waits for the gateway's own writes rather than failing beside them.
fn connect(database: &Path) -> Result<rusqlite::Connection, DemoError> {
    let connected = rusqlite::Connection::open(database).and_then(|connection| {
        connection.busy_timeout(Duration::from_secs(10))?;
        Ok(connection)
    });
    connected.map_err(|error| DemoError::Story(error.to_string()))
}

/// The bill of Chen as a file: true, and with one dollar more.
fn verifying(demo: &Running) -> Result<(), DemoError> {
    let account = demo.chen().account();
    let bytes = export::bill_bundle(&demo.node, account, MONTH).map_err(|error| DemoError::Story(error.to_string()))?;
    let file = write(demo, "chen-2026-07.bill.cbor", &bytes)?;
    let verify = |bytes: &[u8]| ledger::verify::verify(bytes, Some(demo.community.genesis()), &export::read_frame);
    let forged = verify(&forge(&bytes, account)?);
    let reason = forged.findings.iter().find(|finding| finding.outcome == ledger::verify::Outcome::Failed);
    let (Verdict::Failed, Some(reason)) = (forged.verdict(), reason) else {
        return Err(DemoError::Story("a forged bill was verified".to_owned()));
    };
    demo.go_on(
        "demo-forged",
        &[("layer", &demo.texts.get(&format!("cli-layer-{}", reason.layer.name().replace('_', "-"))))],
    );
    let report = verify(&bytes);
    if report.verdict() != Verdict::Verified {
        return Err(DemoError::Story(format!("the true bill was not verified: {:?}", report.findings)));
    }
    let trust = demo.community.genesis_path().display().to_string();
    demo.go_on("demo-verified", &[("file", &file), ("trust", &trust)]);
    Ok(())
}

/// The same bundle, the total of its bill one dollar higher; nobody but the operator could sign that.
fn forge(bytes: &[u8], account: AccountId) -> Result<Vec<u8>, DemoError> {
    let error = |error: &dyn std::fmt::Display| DemoError::Story(error.to_string());
    let mut bundle = BillBundle::from_bytes(bytes).map_err(|e| error(&e))?;
    for proven in &mut bundle.statements {
        let statement = SignedStatement::from_leaf(&proven.leaf).map_err(|e| error(&e))?;
        if statement.id() == bundle.bill {
            proven.leaf = with_higher_total(&statement, &proven.leaf, account)?;
        }
    }
    Ok(bundle.to_bytes())
}

/// The payload stands in the leaf as it is encoded, so that a total of the same length can be put in its place.
fn with_higher_total(statement: &SignedStatement, leaf: &[u8], account: AccountId) -> Result<Vec<u8>, DemoError> {
    let honest = ledger::cbor::encode(statement.payload());
    let mut payload = statement.payload().clone();
    for act in &mut payload.acts {
        if let Act::Bill(bill) = act
            && bill.account == account
        {
            bill.total = units::Money::from_1e4(bill.total.as_1e4() + 10_000);
        }
    }
    let forged = ledger::cbor::encode(&payload);
    let at = leaf.windows(honest.len()).position(|window| window == honest);
    match at {
        Some(at) if forged.len() == honest.len() => Ok([&leaf[..at], &forged, &leaf[at + honest.len()..]].concat()),
        _ => Err(DemoError::Story("the total cannot be raised without changing its length".to_owned())),
    }
}
