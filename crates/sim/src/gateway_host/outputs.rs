//! What a gateway wants done, and what comes of it: the lines, the database, the node.

use crate::Sabotage;
use crate::network::{Caller, Question};
use crate::world::{Happening, World};
use gateway::core::{HeadAnswer, Input, JournalWrite, NodeAnswer, Output};
use std::collections::VecDeque;
use units::{Energy, MeterId, Millis, StatementId};

/// Ticks at least this often, for the ends of intervals.
const TICK: Millis = Millis::from_seconds(5);
const RESTART_MAX_MS: u64 = 20_000;
/// Time of a byte on the wire at 9600 baud, in us, and what a meter thinks before it answers.
const BYTE_US: u64 = 1_146;
const THINK_MS: (u64, u64) = (5, 60);

impl World {
    /// One input and whatever follows from it at once. A crash may come before any output.
    pub(crate) fn gateway_input(&mut self, number: usize, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let now = self.gateways[number].now(self.now);
            let Some(gateway) = &mut self.gateways[number].running else { return };
            for output in gateway.step(now, input) {
                if self.random.chance(self.chaos.gateway_crash) {
                    if self.random.chance(self.chaos.power_cut) {
                        self.cut_gateway_power(number, output);
                    }
                    let down = Millis::from_ms(self.random.below(RESTART_MAX_MS));
                    self.crash_gateway(number, down);
                    return;
                }
                if let Output::StoreReading(row) = &output {
                    let reading = (row.meter.clone(), row.time);
                    self.gateways[number].newest = Some(reading.clone());
                    self.gateways[number].acknowledged.insert(reading);
                }
                inputs.extend(self.carry_out(number, output));
            }
        }
        self.plan_wake(number);
    }

    /// The power fails while an output is carried out. A write of the database is lost, torn, which its journal makes the
    /// same, or whole; the gateway hears of none of it. What was acknowledged before is safe.
    fn cut_gateway_power(&mut self, number: usize, under_way: Output) {
        self.gateways[number].power_cuts += 1;
        if self.sabotage == Some(Sabotage::AcknowledgeUnsynced)
            && let Some(newest) = self.gateways[number].newest.take()
        {
            self.gateways[number].database.forget(&newest);
        }
        match under_way {
            Output::CloseInterval(closed) if self.sabotage == Some(Sabotage::TearTransaction) => {
                self.gateways[number].database.tear_interval(&closed);
            }
            Output::StoreReading(_) | Output::CloseInterval(_) | Output::MarkFinal { .. } | Output::TakeHead { .. }
                if self.random.chance(50_000) =>
            {
                self.note(format_args!("power cut behind a write"));
                // What would follow from it, nobody learns.
                let _unheard = self.carry_out(number, under_way);
            }
            _ => self.note(format_args!("power cut before a write")),
        }
    }

    fn plan_wake(&mut self, number: usize) {
        let Some(gateway) = &self.gateways[number].running else { return };
        let wanted = self.gateways[number].started + gateway.wake_at().ceil_ms();
        let at = wanted.min(self.now + TICK).max(self.now + Millis::from_ms(1));
        if self.gateways[number].next_wake.is_none_or(|planned| at < planned || planned <= self.now) {
            self.gateways[number].next_wake = Some(at);
            self.at(at, Happening::GatewayWake(number));
        }
    }

    pub(crate) fn wake_gateway(&mut self, number: usize) {
        if self.gateways[number].next_wake == Some(self.now) {
            self.gateways[number].next_wake = None;
            self.gateway_input(number, Input::Tick);
        }
    }

    fn carry_out(&mut self, number: usize, output: Output) -> Option<Input> {
        match output {
            Output::Send { bus, bytes } => self.send(number, bus, &bytes),
            Output::StoreReading(row) => {
                let mut import = row.reading.energy_import().unwrap_or_default();
                if self.sabotage == Some(Sabotage::AlterReading) {
                    // As if the meter had said something else than what goes on.
                    import = Energy::from_mwh(import.mwh() + 1);
                }
                self.gateways[number].stored.entry((row.meter.clone(), row.time)).or_insert(import);
                self.note(format_args!("reading {} {}", row.meter, import));
                self.gateways[number].database.store_reading(row);
            }
            Output::CloseInterval(closed) => {
                let (seq, id) = (closed.chain.head.next_seq - 1, closed.statement.id());
                self.note(format_args!("interval {} {seq} {} closed", closed.meter, id));
                self.gateways[number].database.close_interval(*closed);
            }
            Output::MarkFinal { statement, .. } => {
                self.note(format_args!("gateway hears that {} is final", statement));
                self.gateways[number].database.mark_final(&statement);
            }
            Output::TakeHead { meter, chain, withdrawn } => {
                let (next, count) = (chain.head.next_seq, withdrawn.len());
                self.note(format_args!("gateway takes head {next} of {meter}, {count} withdrawn"));
                let rows = self.gateways[number].database.take_head(&meter, chain, &withdrawn);
                return Some(Input::HeadTaken { meter, rows });
            }
            Output::Deliver { meter, statement } => match self.gateways[number].database.submission(&statement) {
                Some(submission) => self.gateway_asks(number, meter, Some(statement), Question::Submit(submission)),
                None => {
                    let answer = NodeAnswer::Unreachable("not in the outbox".to_owned());
                    return Some(Input::Answered { meter, statement, answer });
                }
            },
            Output::AskFinal { meter, statement } => {
                self.gateway_asks(number, meter, Some(statement), Question::Progress(statement));
            }
            Output::AskHead { meter } => {
                let question = Question::Head(meter.clone());
                self.gateway_asks(number, meter, None, question);
            }
            Output::Journal(write) => {
                self.note(format_args!("journal: {}", told(&write)));
                self.gateways[number].database.journal(write);
            }
            Output::Ordered { answer: Ok(number), .. } => self.note(format_args!("order {number} is taken")),
            Output::Ordered { answer: Err(refusal), .. } => self.note(format_args!("order refused: {refusal}")),
            Output::AskVoltage => return Some(Input::Voltage(None)),
            Output::AskEnergy { meter, .. } => return Some(Input::Energy { meter, remaining: None }),
            Output::DeliverControl { meter, statement } => match self.gateways[number].database.control(&statement) {
                Some(submission) => self.gateway_asks(number, meter, Some(statement), Question::Submit(submission)),
                None => {
                    let answer = NodeAnswer::Unreachable("not in the journal".to_owned());
                    return Some(Input::Answered { meter, statement, answer });
                }
            },
            Output::Event(event) => self.note(format_args!("gateway: {}", event.happening)),
        }
        None
    }

    fn gateway_asks(&mut self, number: usize, meter: MeterId, about: Option<StatementId>, question: Question) {
        let life = self.gateways[number].life;
        let caller = Caller::Gateway { gateway: number, life, meter, about };
        self.ask(self.gateways[number].node, caller, question);
    }

    pub(crate) fn gateway_heard(
        &mut self,
        number: usize,
        life: u64,
        meter: MeterId,
        about: Option<StatementId>,
        answer: Heard,
    ) {
        let nodes = self.honest;
        let host = &mut self.gateways[number];
        if life != host.life {
            return;
        }
        if matches!(answer, Heard::Nothing) {
            host.node = (host.node + 1) % nodes;
        }
        let unreachable = || "no answer".to_owned();
        let input = match (about, answer) {
            (Some(statement), Heard::Statement(answer)) => Input::Answered { meter, statement, answer },
            (Some(statement), _) => {
                Input::Answered { meter, statement, answer: NodeAnswer::Unreachable(unreachable()) }
            }
            (None, Heard::Head(answer)) => Input::Head { meter, answer },
            (None, _) => Input::Head { meter, answer: HeadAnswer::Unreachable(unreachable()) },
        };
        self.gateway_input(number, input);
    }

    /// The bytes go over the wire, the meter thinks, its answer comes in one piece or several.
    fn send(&mut self, number: usize, bus: usize, bytes: &[u8]) {
        if self.gateways[number].lost_ports.contains(&bus) {
            return;
        }
        let Some(line) = self.gateways[number].lines.get_mut(bus) else { return };
        let heard = line.receive(self.now, bytes);
        if heard.is_empty() {
            return;
        }
        let bytes_on_wire = |count: usize| u64::try_from(count).unwrap_or_default() * BYTE_US / 1_000;
        let thought = self.random.between(THINK_MS.0, THINK_MS.1);
        let mut wait = bytes_on_wire(bytes.len()) + thought;
        let pieces = usize::try_from(self.random.between(1, 3)).unwrap_or(1);
        for piece in heard.chunks(heard.len().div_ceil(pieces)) {
            wait += bytes_on_wire(piece.len());
            self.later(Millis::from_ms(wait), Happening::Received { gateway: number, bus, bytes: piece.to_vec() });
        }
    }

    pub(crate) fn port(&mut self, number: usize, bus: usize, is_back: bool) {
        let input = if is_back {
            self.gateways[number].lost_ports.remove(&bus);
            Input::PortOpened { bus }
        } else {
            self.gateways[number].lost_ports.insert(bus);
            Input::PortLost { bus, reason: "pulled out".to_owned() }
        };
        self.gateway_input(number, input);
    }
}

/// A write of the journal in a few words.
fn told(write: &JournalWrite) -> String {
    match write {
        JournalWrite::Entry(entry, _) => {
            let (number, meter, deed, outcome) = (entry.number, &entry.meter, entry.deed.name(), entry.outcome.name());
            format!("{number} {meter} {deed} {outcome}")
        }
        JournalWrite::Lock(lock) => format!("{} held off by {}", lock.meter, lock.rule),
        JournalWrite::Unlock { meter, rule } => format!("{meter} let go by {rule}"),
        JournalWrite::Stated { statement, .. } => format!("{statement} is final"),
    }
}

/// What the gateway hears of a question.
pub(crate) enum Heard {
    Statement(NodeAnswer),
    Head(HeadAnswer),
    Nothing,
}
