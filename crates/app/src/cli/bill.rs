//! From the contract's view of a bill back to the act that is signed.

use api::{BillLineView, BillMeterView, BillMonthView, BillView, TermsView, UtilityView};
use ledger::act::{Bill, BillLine, BillMeter, BillMonth, LineKind, UtilityFigures};
use ledger::state::Terms;

/// The act of a bill; `None` for a kind of line that this version does not know.
pub(super) fn act(view: BillView) -> Option<Bill> {
    let BillView { account, from_ms, until_ms, months, lines, utilities, total_1e4 } = view;
    Some(Bill {
        account,
        from: from_ms,
        until: until_ms,
        months: months.into_iter().map(month).collect(),
        lines: lines.into_iter().map(line).collect::<Option<_>>()?,
        total: total_1e4,
        utilities: utilities.into_iter().map(utility).collect(),
    })
}

fn month(view: BillMonthView) -> BillMonth {
    let BillMonthView { month, terms: terms_view, meters, tariff, bands_mwh, bands_estimated } = view;
    let meters = meters.into_iter().map(meter).collect();
    BillMonth { month, terms: terms(&terms_view), meters, tariff, bands: bands_mwh, bands_estimated }
}

fn utility(view: UtilityView) -> UtilityFigures {
    let UtilityView { from_ms, until_ms, average_1e4, energy_mwh, amount_1e4, common_facilities } = view;
    UtilityFigures {
        from: from_ms,
        until: until_ms,
        average: average_1e4,
        energy: energy_mwh,
        amount: amount_1e4,
        common_facilities,
    }
}

const fn terms(view: &TermsView) -> Terms {
    Terms {
        contract: view.contract_mwh,
        carried: view.carried_mwh,
        generated: view.generated_mwh,
        gained: view.gained_mwh,
        consumed: view.consumed_mwh,
        traded: view.traded_mwh,
        fee: view.fee_mwh,
        reward: view.reward_mwh,
    }
}

fn meter(view: BillMeterView) -> BillMeter {
    let BillMeterView { meter, previous_mwh, present_mwh, factor, energy_mwh, estimated } = view;
    BillMeter { meter, previous: previous_mwh, present: present_mwh, factor, energy: energy_mwh, estimated }
}

fn line(view: BillLineView) -> Option<BillLine> {
    let BillLineView { kind, month, months, band, energy_mwh, unit_price_1e4, amount_1e4 } = view;
    let kind = LineKind::ALL.into_iter().find(|known| known.name() == kind)?;
    Some(BillLine { kind, month, months, band, energy: energy_mwh, unit_price: unit_price_1e4, amount: amount_1e4 })
}
