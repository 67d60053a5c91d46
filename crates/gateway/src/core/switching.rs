//! Where loads meet the buses, the journal and the node.

use super::loads::{Act, Controls, Loads, RelayPlace, Switched, control_statement};
use super::{
    BusSettings, Entry, Gateway, Happening, JournalWrite, LoadView, NodeAnswer, Order, Output, Refusal, Reset,
    RuleView, Settings, StoredJournal, event,
};
use crate::Now;
use crate::core::line::later;
use meter::dlt645::LocalTime;
use meter::{BusInput, MeterError};
use units::{AccountId, EnergyBalance, MeterId, Millis, Reading, StatementId, Timestamp};

/// How long a command that carries its end is valid: longer than any queue of a line, short enough that a command which is
/// found on the way later does nothing. A meter's clock may be wrong by some minutes.
const COMMAND_VALID: Millis = Millis::from_minutes(10);

/// Pause between two questions to the node about the same member's energy.
const ASK_ENERGY_EVERY: Millis = Millis::from_seconds(60);

/// The loads with what belongs to them outside of the relays.
#[derive(Debug)]
pub(super) struct Switching {
    pub(super) loads: Loads,
    controls: Controls,
    /// Whose energy is asked for in turn.
    energy: Vec<(MeterId, AccountId)>,
    energy_next: usize,
    energy_from: Millis,
}

impl Switching {
    pub(super) fn new(settings: &Settings, buses: &[BusSettings]) -> Self {
        let (mut meters, mut relays, mut members) = (Vec::new(), Vec::new(), Vec::new());
        for (bus, BusSettings { meters: on_bus, .. }) in buses.iter().enumerate() {
            for (at, settings) in on_bus.iter().enumerate() {
                let device = &settings.device;
                meters.push((device.meter.clone(), device.poll_every));
                members.push((device.meter.clone(), settings.member));
                let Some(relay) = device.profile.relay() else { continue };
                let (meter, poll_every) = (device.meter.clone(), device.poll_every);
                relays.push(RelayPlace { meter, place: (bus, at), reads_back: relay.reads_back(), poll_every });
            }
        }
        let loads = Loads::new(settings.protection.clone(), settings.offsets.clone(), &meters, relays);
        let watched = loads.energy_watched();
        members.retain(|(meter, _)| watched.contains(meter));
        Self { loads, controls: Controls::default(), energy: members, energy_next: 0, energy_from: Millis::ZERO }
    }
}

impl Gateway {
    /// Goes on from the journal too. What was cut off in it is read back, never sent again.
    #[must_use]
    pub fn with_journal(mut self, mut stored: StoredJournal) -> Self {
        self.switching.controls = Controls::resume(std::mem::take(&mut stored.unstated));
        self.switching.loads.resume(stored);
        self
    }

    /// Every load at this moment, in the order of the meters' numbers.
    #[must_use]
    pub fn loads(&self, now: Now) -> Vec<LoadView> {
        self.switching.loads.views(now)
    }

    /// Every rule, and where it is tripped.
    #[must_use]
    pub fn rules(&self) -> Vec<RuleView> {
        self.switching.loads.rule_views()
    }

    /// The newest entries of the journal, oldest first.
    pub fn recent_entries(&self) -> impl Iterator<Item = &Entry> {
        self.switching.loads.recent()
    }

    /// Statements of the journal that are not final.
    #[must_use]
    pub fn unconfirmed_controls(&self) -> usize {
        self.switching.controls.len()
    }

    pub(super) fn order(&mut self, now: Now, ticket: u64, order: Order, outputs: &mut Vec<Output>) {
        let mut acts = Vec::new();
        let answer = self.switching.loads.order(now, order, &mut acts);
        self.answer(now, ticket, answer, acts, outputs);
    }

    pub(super) fn reset(&mut self, now: Now, ticket: u64, reset: Reset, outputs: &mut Vec<Output>) {
        let mut acts = Vec::new();
        let answer = self.switching.loads.reset(now, reset, &mut acts);
        self.answer(now, ticket, answer, acts, outputs);
    }

    /// What the order led to is stored before whoever gave it hears of it.
    fn answer(
        &mut self,
        now: Now,
        ticket: u64,
        answer: Result<u64, Refusal>,
        acts: Vec<Act>,
        outputs: &mut Vec<Output>,
    ) {
        self.carry_out(now, acts, outputs);
        self.serve_loads(now, outputs);
        outputs.push(Output::Ordered { ticket, answer });
    }

    pub(super) fn energy(
        &mut self,
        now: Now,
        meter: &MeterId,
        remaining: Option<EnergyBalance>,
        outputs: &mut Vec<Output>,
    ) {
        let mut acts = Vec::new();
        self.switching.loads.remaining(now, meter, remaining, &mut acts);
        self.carry_out(now, acts, outputs);
    }

    /// A reading that is believed: protection looks at it at once.
    pub(super) fn protect(&mut self, now: Now, meter: &MeterId, reading: &Reading, outputs: &mut Vec<Output>) {
        let mut acts = Vec::new();
        self.switching.loads.reading(now, meter, reading, &mut acts);
        self.carry_out(now, acts, outputs);
    }

    /// What loads want by now, and what the node is to be told or asked about them.
    pub(super) fn serve_loads(&mut self, now: Now, outputs: &mut Vec<Output>) {
        let mut acts = Vec::new();
        self.switching.loads.begin(now, &mut acts);
        self.switching.loads.due(now, &mut acts);
        self.carry_out(now, acts, outputs);
        let switching = &mut self.switching;
        if switching.energy_from <= now.monotonic.whole_ms()
            && let Some((meter, member)) = switching.energy.get(switching.energy_next).cloned()
        {
            let count = switching.energy.len();
            switching.energy_next = (switching.energy_next + 1) % count;
            let share = ASK_ENERGY_EVERY.ms() / u64::try_from(count).unwrap_or(1);
            switching.energy_from = later(now.monotonic.whole_ms(), Millis::from_ms(share));
            outputs.push(Output::AskEnergy { meter, member });
        }
    }

    /// The journal's next question to the node.
    pub(super) fn deliver_controls(&mut self, now: Now, outputs: &mut Vec<Output>) {
        outputs.extend(self.switching.controls.next(now.monotonic.whole_ms()));
    }

    /// The node's answer, if it is about a statement of the journal.
    pub(super) fn control_answered(
        &mut self,
        now: Now,
        meter: &MeterId,
        statement: StatementId,
        answer: &NodeAnswer,
        outputs: &mut Vec<Output>,
    ) -> bool {
        let controls = &mut self.switching.controls;
        if !controls.holds(&statement) {
            return false;
        }
        if let Some(write) = controls.answered(now.monotonic.whole_ms(), statement, answer) {
            outputs.push(Output::Journal(write));
        }
        if let NodeAnswer::Refused(reason) = answer {
            let happening = Happening::Refused { statement, reason: reason.clone() };
            outputs.push(event(now, Some(meter.clone()), None, happening, Vec::new()));
        }
        true
    }

    /// When loads or their statements next want a tick.
    pub(super) fn loads_wake_at(&self) -> Option<Millis> {
        let loads = self.switching.loads.wake_at();
        [loads, self.switching.controls.wake_at()].into_iter().flatten().min()
    }

    /// In order: what is to be stored comes before the command that it speaks of.
    pub(super) fn carry_out(&mut self, now: Now, acts: Vec<Act>, outputs: &mut Vec<Output>) {
        for act in acts {
            match act {
                Act::Entry(entry) => self.put_entry(now, entry, outputs),
                Act::Lock(lock) => outputs.push(Output::Journal(JournalWrite::Lock(lock))),
                Act::Unlock { meter, rule } => outputs.push(Output::Journal(JournalWrite::Unlock { meter, rule })),
                Act::Switch { place, on, number } => self.switch(now, place, on, number, outputs),
                Act::Read { place } => self.read_relay(now, place, outputs),
            }
        }
    }

    fn switch(&mut self, now: Now, (bus, device): (usize, usize), on: bool, order: u64, outputs: &mut Vec<Output>) {
        let until = self.local_time(now.community + COMMAND_VALID);
        self.bus(now, bus, BusInput::Switch { device, on, order, until }, outputs);
    }

    fn read_relay(&mut self, now: Now, (bus, device): (usize, usize), outputs: &mut Vec<Output>) {
        self.bus(now, bus, BusInput::ReadRelay { device }, outputs);
    }

    /// An order came to its end on the bus.
    pub(super) fn switched(
        &mut self,
        now: Now,
        number: u64,
        [before, after]: [Option<bool>; 2],
        result: Result<(), MeterError>,
        outputs: &mut Vec<Output>,
    ) {
        let result = result.map_err(|error| error.to_string());
        let mut acts = Vec::new();
        self.switching.loads.switched(now, Switched { number, before, after, result }, &mut acts);
        self.carry_out(now, acts, outputs);
    }

    /// A relay was looked at.
    pub(super) fn relay_read(
        &mut self,
        now: Now,
        place: (usize, usize),
        state: Result<bool, MeterError>,
        outputs: &mut Vec<Output>,
    ) {
        let mut acts = Vec::new();
        self.switching.loads.state_read(now, place, state.ok(), &mut acts);
        self.carry_out(now, acts, outputs);
    }

    /// A meter's wall clock at a time, by the community's offsets.
    fn local_time(&self, time: Timestamp) -> Option<LocalTime> {
        let offsets = &self.settings.offsets;
        let begun = offsets.partition_point(|offset| offset.from <= time);
        let seconds = offsets.get(begun.saturating_sub(1)).map_or(0, |offset| offset.seconds);
        LocalTime::at_local_seconds((time.ms() / 1_000).saturating_add_signed(seconds.into()))
    }

    /// An entry with an outcome that went out becomes a statement, if the ledger knows the meter.
    fn put_entry(&mut self, now: Now, entry: Entry, outputs: &mut Vec<Output>) {
        let meter = entry.meter.clone();
        let is_bound = self.lines.get(&meter).is_some_and(|line| line.chain.is_some());
        let mut statement = None;
        if entry.outcome.is_stated() && is_bound {
            match control_statement(&self.settings, &self.key, &entry) {
                Ok(signed) => statement = Some(Box::new(signed)),
                Err(error) => {
                    let happening = Happening::NotStated(error.to_string());
                    outputs.push(event(now, Some(meter.clone()), None, happening, Vec::new()));
                }
            }
        }
        if let Some(statement) = &statement {
            self.switching.controls.push(meter, statement.id());
        }
        outputs.push(Output::Journal(JournalWrite::Entry(Box::new(entry), statement)));
    }
}
