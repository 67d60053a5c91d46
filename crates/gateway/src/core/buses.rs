//! What the buses say of themselves: whether the schedule fits, and what is wrong with a line.

use super::{Gateway, Happening, Now, Output, event};
use meter::{LineVerdict, Plan};
use std::collections::BTreeSet;
use std::fmt;
use units::Micros;

/// Rates that a message names: the likeliest, not the whole list.
const RATES_SHOWN: usize = 3;

/// A line of which nothing is understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineTrouble {
    /// What it looks like.
    pub verdict: LineVerdict,
    /// The rate used, in baud.
    pub baud: u32,
    /// Rates to try, the likeliest first.
    pub rates: Vec<u32>,
}

impl LineTrouble {
    /// The rates to try as a message names them.
    #[must_use]
    pub fn rates_shown(&self) -> String {
        let rates: Vec<String> = self.rates.iter().take(RATES_SHOWN).map(ToString::to_string).collect();
        rates.join(", ")
    }
}

impl fmt::Display for LineTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (baud, rates) = (self.baud, self.rates_shown());
        match self.verdict {
            LineVerdict::Silent => write!(
                f,
                "no meter of this line answers with a single byte: check power, the wires A and B, the addresses, and the \
                 rate; the gateway uses {baud} baud, meters at another rate keep silent; try {rates}"
            ),
            LineVerdict::Noise => write!(
                f,
                "only noise comes from this line: check contacts, termination and the cable's neighbours; the gateway uses \
                 {baud} baud"
            ),
            LineVerdict::SlowerSender { by } => write!(
                f,
                "the bytes look like another baud rate, about {by} times as slow; the gateway uses {baud}; set `baud` to \
                 {rates}, and give both radios of a pair one rate"
            ),
            LineVerdict::OtherSetting => write!(
                f,
                "something answers in a way that is not understood: the bytes look like another baud rate, parity or \
                 protocol; the gateway uses {baud}; try {rates}, and give both radios of a pair one rate"
            ),
        }
    }
}

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

    /// Why nothing is understood on a bus's line; `None` while something is.
    #[must_use]
    pub fn line_trouble(&self, bus: usize) -> Option<LineTrouble> {
        let (asked, _) = self.buses.get(bus)?;
        self.trouble(bus, asked.verdict()?)
    }

    /// Nothing is understood on a line.
    pub(super) fn judged(&self, now: Now, at: usize, verdict: LineVerdict, outputs: &mut Vec<Output>) {
        let happening = self.trouble(at, verdict).map(Happening::LineNotUnderstood);
        outputs.extend(happening.map(|happening| event(now, None, Some(at), happening, Vec::new())));
    }

    fn trouble(&self, at: usize, verdict: LineVerdict) -> Option<LineTrouble> {
        let (bus, meters) = self.buses.get(at)?;
        let baud = bus.framing().baud()?;
        let usual: BTreeSet<u32> = meters.iter().map(|meter| meter.device.profile.baud()).collect();
        let usual: Vec<u32> = usual.into_iter().collect();
        Some(LineTrouble { verdict, baud, rates: verdict.rates_to_try(baud, &usual) })
    }
}
