//! What the buses say of themselves: whether the schedule fits, and what is wrong with a line.

use super::{Gateway, Happening, Now, Output, event};
use meter::{LineVerdict, Plan};
use std::collections::BTreeSet;
use units::Micros;

impl Gateway {
    /// What a bus's schedule asks of its line, and what was measured of late, in thousandths of its time; `None` for no such
    /// bus.
    #[must_use]
    pub fn bus_load(&self, bus: usize, now: Micros) -> Option<(Plan, Option<u64>)> {
        self.buses.get(bus).map(|(bus, _)| (bus.plan(), bus.load_permille(now)))
    }

    /// Once, at the start: every bus that cannot carry its schedule.
    pub(super) fn tell_plans(&mut self, now: Now, outputs: &mut Vec<Output>) {
        if std::mem::replace(&mut self.plans_told, true) {
            return;
        }
        for (at, (bus, _)) in self.buses.iter().enumerate() {
            let Plan { permille, seconds_min } = bus.plan();
            if !bus.plan().fits() {
                let happening = Happening::BusOverloaded { permille, seconds_min };
                outputs.push(event(now, None, Some(at), happening, Vec::new()));
            }
        }
    }

    /// Nothing is understood on a line.
    pub(super) fn judged(&self, now: Now, at: usize, verdict: LineVerdict, outputs: &mut Vec<Output>) {
        let Some((bus, meters)) = self.buses.get(at) else { return };
        let Some(baud) = bus.framing().baud() else { return };
        let usual: BTreeSet<u32> = meters.iter().map(|meter| meter.device.profile.baud()).collect();
        let usual: Vec<u32> = usual.into_iter().collect();
        let happening = Happening::LineNotUnderstood { verdict, baud, rates: verdict.rates_to_try(baud, &usual) };
        outputs.push(event(now, None, Some(at), happening, Vec::new()));
    }
}
