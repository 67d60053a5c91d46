//! The ledger's values as the HTTP contract shows them.

mod acts;

pub(crate) use acts::add_terms;
pub use acts::{claimed, open_offer, outside, voltage_limits};

use crate::core::{Committed, Node};
use crate::losses::{self, Alarm, Compared, Comparison, LossRules};
use acts::act_ref;
use api::{
    AccountSummary, AccountView, ActView, BillLineView, BillMeterView, BillMonthView, BillSummary, BillView,
    BlockSummary, ChainHeadView, ContractView, CorrectionView, Event, KeyView, LoadView, LogPlace, LossIntervalView,
    LossView, LossesView, MeterMonthView, MeterView, NoteView, Place, PriceView, PricedView, ReadingsView,
    RegisterKeyView, RegisterMeterView, RoleView, StatementState, StatementView, SurchargeView, TariffView, TermsView,
    TransferView, UtilityView, VoltageEventView,
};
use ledger::act::{
    Act, Bill, Break, EventKind, Note, ReadingSource, Readings, Register, Role, Utility, UtilityFigures,
};
use ledger::price::{Grouping, Seasonal, Table};
use ledger::state::{AccountRecord, BindingRecord, Correction, MeterMonth, Priced, Record, RecordKey, RoleSpan, Terms};
use ledger::{Header, PublicKey, SignedStatement, State, cbor};
use std::collections::BTreeMap;
use units::{AccountId, BindingId, EnergyBalance, Height, MeterId, Month, StatementId};

/// Lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A COSE_Key in hexadecimal digits.
#[must_use]
pub fn key_hex(key: &PublicKey) -> String {
    hex(&cbor::encode(key))
}

/// A role's name in JSON.
#[must_use]
pub const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Operator => "operator",
        Role::Member => "member",
        Role::Gateway => "gateway",
        Role::Meter => "meter",
        Role::Miner => "miner",
        Role::Validator => "validator",
        Role::Auditor => "auditor",
    }
}

/// A block in a list, not final; `first_log_index` is the log's size before it.
#[must_use]
pub fn block_summary(header: &Header, first_log_index: u64, size_bytes: u64) -> BlockSummary {
    BlockSummary {
        height: header.height,
        hash: header.hash(),
        previous: header.previous,
        time_ms: header.time,
        statements: header.log_size.saturating_sub(first_log_index),
        log_size: header.log_size,
        proposer: header.proposer,
        difficulty: header.engine.difficulty,
        nonce: header.engine.nonce,
        size_bytes,
        is_final: false,
    }
}

/// The voltage events that a new block brings.
pub(crate) fn voltage_events(committed: &Committed) -> Vec<Event> {
    let mut events = Vec::new();
    for statement in committed.block.statements() {
        for act in &statement.payload().acts {
            let Act::Readings(readings) = act else { continue };
            let Some(meter) = committed.meters.get(&readings.binding) else { continue };
            events.extend(readings.events.iter().map(|event| Event::Voltage {
                meter: meter.clone(),
                kind: event_name(event.kind).to_owned(),
                from_ms: event.from,
                extreme_mv: event.extreme,
                statement: statement.id(),
            }));
        }
    }
    events
}

const fn event_name(kind: EventKind) -> &'static str {
    match kind {
        EventKind::OverVoltage => "over_voltage",
        EventKind::UnderVoltage => "under_voltage",
    }
}

/// A statement.
#[must_use]
pub fn statement(
    statement: &SignedStatement,
    state: StatementState,
    place: Option<Place>,
    ledger: &State,
) -> StatementView {
    let payload = statement.payload();
    StatementView {
        id: statement.id(),
        signer: statement.signer(),
        state,
        place,
        ledger: payload.ledger,
        issued_ms: payload.issued,
        expires_ms: payload.expires,
        size_bytes: u64::try_from(statement.leaf().len()).unwrap_or(u64::MAX),
        acts: payload.acts.iter().map(|shown| act(shown, ledger)).collect(),
    }
}

/// An act, of a statement or not yet in one.
#[must_use]
pub fn act(act: &Act, state: &State) -> ActView {
    match act {
        Act::Register(Register::Key(register)) => ActView::RegisterKey(RegisterKeyView {
            account: register.key.account(),
            key: key_hex(&register.key),
            role: role_name(register.role).to_owned(),
            from_ms: register.from,
            beneficiary: register.beneficiary,
        }),
        Act::Register(Register::Meter(register)) => ActView::RegisterMeter(RegisterMeterView {
            meter: register.meter.clone(),
            signer: register.signer,
            member: register.member,
            from_ms: register.from,
            profile: register.profile.clone(),
            factor: register.factor,
            main: register.main,
        }),
        Act::Contract(contract) => ActView::Contract(ContractView {
            account: contract.account,
            month: contract.month,
            energy_mwh: contract.energy,
        }),
        Act::Readings(shown) => ActView::Readings(Box::new(readings(shown, state))),
        Act::Note(shown) => ActView::Note(note(shown)),
        Act::Transfer(transfer) => {
            ActView::Transfer(TransferView { to: transfer.to, energy_mwh: transfer.energy, month: transfer.month })
        }
        Act::Tariff(shown) => ActView::Tariff(tariff(shown, None)),
        Act::Utility(shown) => ActView::Utility(utility(shown)),
        Act::Bill(shown) => ActView::Bill(bill(shown)),
        Act::Retire(shown) => acts::retire(shown),
        Act::Revoke(shown) => ActView::Revoke(acts::revoke(shown)),
        Act::Rotate(shown) => ActView::Rotate(acts::rotate(shown)),
        Act::Offer(shown) => ActView::Offer(acts::offer(shown)),
        Act::Accept(shown) => ActView::Accept(acts::offer_answer(shown.offer)),
        Act::Withdraw(shown) => ActView::Withdraw(acts::offer_answer(shown.offer)),
        Act::Claim(shown) => acts::claim(shown),
        Act::Answer(shown) => ActView::Answer(acts::answer(shown)),
        Act::Control(shown) => ActView::Control(acts::control(shown)),
        Act::Parameter(shown) => acts::parameter(shown),
        Act::Upgrade(shown) => ActView::Upgrade(acts::upgrade(shown)),
    }
}

fn readings(readings: &Readings, state: &State) -> ReadingsView {
    let broken = readings.broken.map(|broken| match broken {
        Break::Gap => "gap",
        Break::Reset => "reset",
        Break::Exchange => "exchange",
        Break::Wrap => "wrap",
    });
    let source = match readings.source {
        ReadingSource::Meter => "meter",
        ReadingSource::ByHand => "by_hand",
        ReadingSource::Imported => "imported",
    };
    let events = readings.events.iter().map(|event| VoltageEventView {
        kind: event_name(event.kind).to_owned(),
        from_ms: event.from,
        until_ms: event.until,
        extreme_mv: event.extreme,
    });
    ReadingsView {
        binding: readings.binding,
        meter: state.binding(&readings.binding).map(|binding| binding.meter.clone()),
        seq: readings.seq,
        previous: readings.previous,
        start_ms: readings.start,
        end_ms: readings.end,
        import_start_mwh: readings.import.start,
        import_end_mwh: readings.import.end,
        export_start_mwh: readings.export.map(|export| export.start),
        export_end_mwh: readings.export.map(|export| export.end),
        count: readings.count,
        voltage_min_mv: readings.voltage.map(|voltage| voltage.min),
        voltage_max_mv: readings.voltage.map(|voltage| voltage.max),
        voltage_mean_mv: readings.voltage.map(|voltage| voltage.mean),
        peak_current_ua: readings.peak_current,
        peak_power_mw: readings.peak_power,
        broken: broken.map(str::to_owned),
        events: events.collect(),
        estimated: readings.estimated,
        source: source.to_owned(),
        wraps_at_mwh: readings.wraps_at,
        columns: readings.columns,
        frames: readings.frames,
    }
}

fn note(note: &Note) -> NoteView {
    NoteView {
        time_ms: note.time,
        voltage_mv: note.voltage,
        current_ua: note.current,
        active_power_mw: note.power,
        energy_mwh: note.energy,
        text: note.text.clone(),
    }
}

/// A tariff.
#[must_use]
pub fn tariff(tariff: &ledger::act::Tariff, statement: Option<StatementId>) -> TariffView {
    let price = |band, up_to, price: Seasonal| PriceView {
        band,
        up_to_mwh: up_to,
        other_1e4: price.other,
        summer_1e4: price.summer,
    };
    let none = (None, None, None);
    let (table, prices, (minimum, fixed, surcharge)) = match &tariff.table {
        Table::Flat(flat) => ("flat", vec![price(None, None, *flat)], none),
        Table::Progressive(table) => {
            let brackets = table.brackets.iter().map(|bracket| price(None, bracket.up_to, bracket.price));
            ("progressive", brackets.collect(), (Some(table.minimum), None, None))
        }
        Table::TimeOfUse(table) => {
            let bands = table.bands.iter().map(|band| price(Some(band.name.clone()), None, band.price));
            let surcharge = table.surcharge.map(|one| SurchargeView { above_mwh: one.above, price_1e4: one.price });
            ("time_of_use", bands.collect(), (None, Some(table.fixed), surcharge))
        }
        Table::Average => ("average", Vec::new(), none),
    };
    let grouping = match tariff.grouping {
        Grouping::EachMonth => "each_month",
        Grouping::Together => "together",
    };
    TariffView {
        from: tariff.from,
        table: table.to_owned(),
        prices,
        minimum_1e4: minimum,
        fixed_1e4: fixed,
        surcharge,
        excess_price_1e4: tariff.excess_price,
        round_to_1e4: tariff.round_to,
        summer: tariff.summer.map(|summer| (summer.first, summer.last)),
        grouping: grouping.to_owned(),
        statement,
    }
}

/// The utility's bill.
#[must_use]
pub fn utility(utility: &Utility) -> UtilityView {
    UtilityView {
        from_ms: utility.from,
        until_ms: utility.until,
        average_1e4: utility.average().unwrap_or_default(),
        energy_mwh: utility.energy,
        amount_1e4: utility.amount,
        common_facilities: utility.common_facilities,
    }
}

/// The formula's terms.
#[must_use]
pub fn terms(terms: &Terms) -> TermsView {
    let e1 = terms.accumulated_trade();
    // The paper's (e2), signs put right. Terms keep below 10^18, so the sum fits.
    let e2 = i128::from(terms.contract.mwh()) + i128::from(e1.mwh()) - i128::from(terms.consumed.mwh());
    TermsView {
        contract_mwh: terms.contract,
        carried_mwh: terms.carried,
        generated_mwh: terms.generated,
        gained_mwh: terms.gained,
        consumed_mwh: terms.consumed,
        traded_mwh: terms.traded,
        fee_mwh: terms.fee,
        reward_mwh: terms.reward,
        remaining_mwh: terms.remaining(),
        e1_mwh: e1,
        e2_mwh: EnergyBalance::from_mwh(i64::try_from(e2).unwrap_or(i64::MAX)),
    }
}

/// A bill.
#[must_use]
pub fn bill(bill: &Bill) -> BillView {
    let months = bill.months.iter().map(|month| BillMonthView {
        month: month.month,
        terms: terms(&month.terms),
        meters: month.meters.iter().map(bill_meter).collect(),
        tariff: month.tariff,
        bands_mwh: month.bands.clone(),
        bands_estimated: month.bands_estimated,
    });
    BillView {
        account: bill.account,
        from_ms: bill.from,
        until_ms: bill.until,
        months: months.collect(),
        lines: bill.lines.iter().map(bill_line).collect(),
        utilities: bill.utilities.iter().map(utility_figures).collect(),
        total_1e4: bill.total,
    }
}

fn bill_meter(meter: &ledger::act::BillMeter) -> BillMeterView {
    BillMeterView {
        meter: meter.meter.clone(),
        previous_mwh: meter.previous,
        present_mwh: meter.present,
        factor: meter.factor,
        energy_mwh: meter.energy,
        estimated: meter.estimated,
    }
}

fn utility_figures(figures: &UtilityFigures) -> UtilityView {
    UtilityView {
        from_ms: figures.from,
        until_ms: figures.until,
        average_1e4: figures.average,
        energy_mwh: figures.energy,
        amount_1e4: figures.amount,
        common_facilities: figures.common_facilities,
    }
}

fn bill_line(line: &ledger::act::BillLine) -> BillLineView {
    BillLineView {
        kind: line.kind.name().to_owned(),
        month: line.month,
        months: line.months,
        band: line.band.clone(),
        energy_mwh: line.energy,
        unit_price_1e4: line.unit_price,
        amount_1e4: line.amount,
    }
}

fn role(span: &RoleSpan) -> RoleView {
    RoleView { role: role_name(span.role).to_owned(), from_ms: span.from, until_ms: span.until }
}

/// Energy with the money for it.
#[must_use]
pub const fn priced(priced: Priced) -> PricedView {
    PricedView { energy_mwh: priced.energy, amount_1e4: priced.amount }
}

/// Meters that an account is billed for at present.
fn meters_of(state: &State, account: &AccountId) -> Vec<MeterId> {
    present_bindings(state).filter(|(_, binding)| binding.member == *account).map(|(_, b)| b.meter.clone()).collect()
}

/// The present binding of every meter, in the order of their numbers.
pub(crate) fn present_bindings(state: &State) -> impl Iterator<Item = (BindingId, &BindingRecord)> {
    state.records().filter_map(|(_, record)| match record {
        Record::Meter(id) => state.binding(id).map(|binding| (*id, binding)),
        _ => None,
    })
}

/// A month's losses, with at most `limit` intervals of each upper meter, newest first.
#[must_use]
pub fn losses(month: Month, rules: &LossRules, comparisons: &[Comparison], limit: usize) -> LossesView {
    LossesView {
        month,
        limit_mwh: rules.energy,
        limit_percent_1e2: rules.percent_1e2,
        alarm_after: rules.intervals,
        meters: comparisons.iter().map(|comparison| loss(rules, comparison, limit)).collect(),
    }
}

fn loss(rules: &LossRules, comparison: &Comparison, limit: usize) -> LossView {
    let (supplied, used) = comparison.sums();
    let count = |wanted: fn(&Compared) -> bool| {
        u64::try_from(comparison.intervals.iter().filter(|interval| wanted(interval)).count()).unwrap_or(u64::MAX)
    };
    LossView {
        upper: comparison.upper.clone(),
        lower: comparison.lower.clone(),
        supplied_mwh: supplied,
        used_mwh: used,
        loss_mwh: losses::loss(supplied, used),
        comparable: count(|interval| interval.energies.is_some()),
        not_comparable: count(|interval| interval.energies.is_none()),
        alarms: count(|interval| interval.alarm.is_some()),
        alarm: rules.of_sums(supplied, used).map(|alarm| alarm_name(alarm).to_owned()),
        intervals: comparison.intervals.iter().rev().take(limit).map(loss_interval).collect(),
    }
}

const fn alarm_name(alarm: Alarm) -> &'static str {
    match alarm {
        Alarm::Loss => "loss",
        Alarm::Negative => "negative",
    }
}

fn loss_interval(interval: &Compared) -> LossIntervalView {
    let alarm = interval.alarm.map(alarm_name);
    LossIntervalView {
        start_ms: interval.start,
        end_ms: interval.end,
        supplied_mwh: interval.energies.map(|(supplied, _)| supplied),
        used_mwh: interval.energies.map(|(_, used)| used),
        loss_mwh: interval.energies.map(|(supplied, used)| losses::loss(supplied, used)),
        loss_percent_1e2: interval.energies.and_then(|(supplied, used)| losses::percent_1e2(supplied, used)),
        missing: interval.missing.clone(),
        alarm: alarm.map(str::to_owned),
    }
}

/// All accounts, with what remains of a month.
#[must_use]
pub fn accounts(state: &State, month: Month) -> Vec<AccountSummary> {
    let mut meters = BTreeMap::<AccountId, Vec<MeterId>>::new();
    for (_, binding) in present_bindings(state) {
        meters.entry(binding.member).or_default().push(binding.meter.clone());
    }
    let accounts = state.records().filter_map(|(key, record)| match (key, record) {
        (RecordKey::Account(id), Record::Account(account)) => Some((*id, account)),
        _ => None,
    });
    let summary = |(id, account): (AccountId, &AccountRecord)| AccountSummary {
        id,
        roles: account.roles.iter().map(role).collect(),
        meters: meters.get(&id).cloned().unwrap_or_default(),
        remaining_mwh: state.sheet(month, &id).map(|sheet| sheet.terms.remaining()),
    };
    accounts.map(summary).collect()
}

/// An account; `heights` gives the block of each place in the log that its record names.
#[must_use]
pub fn account(state: &State, id: AccountId, heights: &BTreeMap<u64, Height>) -> Option<AccountView> {
    let record = state.account(&id)?;
    let place = |log_index| Some(LogPlace { log_index, height: *heights.get(&log_index)? });
    let keys = record.keys.iter().map(|span| Some(KeyView { key: key_hex(&span.key), since: place(span.since)? }));
    let mut view = AccountView {
        id,
        key: key_hex(record.key()?),
        keys: keys.collect::<Option<_>>()?,
        revoked: record.revoked.and_then(place),
        roles: record.roles.iter().map(role).collect(),
        beneficiary: record.beneficiary,
        meters: meters_of(state, &id),
        months: Vec::new(),
        bills: Vec::new(),
        offers: Vec::new(),
        outside: Vec::new(),
    };
    for (key, record) in state.records() {
        add_record(&mut view, key, record);
    }
    view.outside.sort_by_key(|interval| std::cmp::Reverse(interval.start_ms));
    view.outside.truncate(usize::try_from(api::PAGE_ITEMS_MAX).unwrap_or(usize::MAX));
    Some(view)
}

/// Adds a record to the account that it is of.
fn add_record(view: &mut AccountView, key: &RecordKey, record: &Record) {
    match (key, record) {
        (RecordKey::Sheet(month, account), _) if *account == view.id => view.months.push(*month),
        (RecordKey::Bill(account, from), Record::Bill(bill)) if *account == view.id => view.bills.push(BillSummary {
            from_ms: *from,
            until_ms: bill.until,
            total_1e4: bill.total,
            statement: bill.statement,
            claim: bill.claim.map(act_ref),
        }),
        (RecordKey::Offer(id), Record::Offer(offer)) if offer.seller == view.id => {
            view.offers.push(open_offer(id, offer));
        }
        (RecordKey::Outside(_, id), Record::Outside(found)) if found.member == view.id => {
            view.outside.push(outside(*id, found));
        }
        _ => {}
    }
}

/// A meter's present binding and its load.
#[must_use]
pub fn meter(node: &Node, id: BindingId, binding: &BindingRecord) -> MeterView {
    let state = node.state();
    let load = match state.record(&RecordKey::Load(binding.meter.clone())) {
        Some(Record::Load(load)) => Some(LoadView {
            state: acts::load_name(load.state).to_owned(),
            time_ms: load.time,
            statement: load.statement,
        }),
        _ => None,
    };
    MeterView {
        meter: binding.meter.clone(),
        binding: id,
        signer: binding.signer,
        member: binding.member,
        from_ms: binding.from,
        until_ms: binding.until,
        profile: binding.profile.clone(),
        factor: binding.factor,
        main: binding.main,
        head: ChainHeadView {
            next_seq: binding.head.next_seq,
            previous: binding.head.previous,
            end_ms: binding.head.end,
            import_mwh: binding.head.import,
            export_mwh: binding.head.export,
        },
        head_is_final: node.is_final(&RecordKey::Binding(id)),
        load,
    }
}

/// Counters of a meter in a sheet.
#[must_use]
pub fn meter_month(meter: &MeterMonth) -> MeterMonthView {
    MeterMonthView {
        meter: meter.meter.clone(),
        binding: meter.binding,
        factor: meter.factor,
        import_start_mwh: meter.import.start,
        import_end_mwh: meter.import.end,
        export_start_mwh: meter.export.map(|export| export.start),
        export_end_mwh: meter.export.map(|export| export.end),
        estimated: meter.estimated,
    }
}

/// A correction in a sheet.
#[must_use]
pub const fn correction(correction: &Correction) -> CorrectionView {
    CorrectionView { of: correction.of, consumed_mwh: correction.late.energy }
}
