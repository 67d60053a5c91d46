//! From the contract's view of a bill back to the act that is signed.

use api::{BillLineView, BillMeterView, BillMonthView, BillView, TermsView};
use ledger::act::{Bill, BillLine, BillMeter, BillMonth, LineKind};
use ledger::state::Terms;

/// The act of a bill; `None` for a kind of line that this version does not know.
pub(super) fn act(view: BillView) -> Option<Bill> {
    let BillView { account, from_ms, until_ms, months, total_1e4 } = view;
    let months = months.into_iter().map(month).collect::<Option<_>>()?;
    Some(Bill { account, from: from_ms, until: until_ms, months, total: total_1e4 })
}

fn month(view: BillMonthView) -> Option<BillMonth> {
    let BillMonthView { month, terms: terms_view, meters, tariff, lines } = view;
    let lines = lines.into_iter().map(line).collect::<Option<_>>()?;
    Some(BillMonth { month, terms: terms(&terms_view), meters: meters.into_iter().map(meter).collect(), tariff, lines })
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
    let BillLineView { kind, month, energy_mwh, unit_price_1e4, amount_1e4 } = view;
    let kind = match kind.as_str() {
        "energy" => LineKind::Energy,
        "excess" => LineKind::Excess,
        "correction" => LineKind::Correction,
        _ => return None,
    };
    Some(BillLine { kind, month, energy: energy_mwh, unit_price: unit_price_1e4, amount: amount_1e4 })
}
