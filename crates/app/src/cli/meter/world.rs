//! The faulty world of `wattproof meter simulate`: what may go wrong on the line and in the meters, from a seed.

use clap::Args;
use meter::{Fault, Faults, Mismatch, Outages, SimulatedBus, SimulatedMeter, Timing};
use units::{Energy, Millis, Timestamp};

/// What goes wrong. The same seed gives the same faults.
#[derive(Debug, Args)]
#[command(next_help_heading = "The faulty world")]
pub(in crate::cli) struct WorldArgs {
    /// Where chance begins: the same seed gives the same faults and delays.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// A fault in so many of a thousand answers, such as loss=20; several times for several faults
    #[arg(long = "fault", value_name = "NAME=PER_MILLE", value_parser = fault, long_help = faults_help())]
    faults: Vec<(Fault, u16)>,
    /// Bytes take their time on the wire, and the meters think 5 to 60 ms before they answer.
    #[arg(long)]
    pace: bool,
    /// The same through a pair of 433 MHz radios, which hold everything for another 20 to 60 ms each way.
    #[arg(long, conflicts_with = "pace")]
    radio: bool,
    /// The reader's baud rate, when it is not the meters': nobody understands the other then.
    #[arg(long, value_name = "BAUD", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    heard_at: Option<u32>,
    /// Of a thousand minutes of each meter, so many are outages, in which it does not answer.
    #[arg(long, value_name = "PER_MILLE", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=1_000))]
    outages: u16,
    /// What the counters show at the start, so that the meters look as if they had been in use.
    #[arg(long, value_name = "KWH", default_value = "1200", value_parser = Energy::parse_kwh)]
    pub(super) counter: Energy,
    /// Where the counters go on from zero.
    #[arg(long, value_name = "KWH", value_parser = Energy::parse_kwh)]
    counter_wraps_at: Option<Energy>,
    /// After so many minutes of the recording somebody sets the counters to zero.
    #[arg(long, value_name = "MINUTES")]
    counter_reset_after: Option<u64>,
}

/// What each fault does: the one list of them, for people.
fn faults_help() -> String {
    let line = |fault: Fault| format!("\n  {:<10} {}", fault.name(), fault.meaning());
    let lines: String = Fault::ALL.into_iter().map(line).collect();
    format!("A fault in so many of a thousand answers, such as loss=20; several times for several faults:{lines}")
}

fn fault(text: &str) -> Result<(Fault, u16), String> {
    let (name, per_mille) = text.split_once('=').ok_or("write NAME=PER_MILLE, such as loss=20")?;
    let per_mille = per_mille.parse().ok().filter(|per_mille| *per_mille <= 1_000);
    Ok((name.parse()?, per_mille.ok_or("after the = stands how many of a thousand answers it meets, 0 to 1000")?))
}

impl WorldArgs {
    /// The line with all that may go wrong on it.
    pub(super) fn line(&self, bus: SimulatedBus, baud: u32) -> SimulatedBus {
        let faults = Faults::of_seed(self.seed);
        let faults = self.faults.iter().fold(faults, |faults, (fault, per_mille)| faults.with(*fault, *per_mille));
        let outages = Outages { seed: self.seed, per_mille: self.outages, ..Outages::NONE };
        let bus = bus.with_faults(faults).with_outages(outages);
        let bus = match self.heard_at {
            Some(reader) => bus.with_mismatch(Mismatch::of_rates(baud, reader)),
            None => bus,
        };
        match (self.pace, self.radio) {
            (true, _) => bus.with_timing(Timing::wire(baud), self.seed),
            (_, true) => bus.with_timing(Timing::radio(baud), self.seed),
            _ => bus,
        }
    }

    /// A meter with what happens to its counter.
    pub(super) fn meter(&self, meter: SimulatedMeter, started: Timestamp) -> SimulatedMeter {
        let meter = match self.counter_wraps_at {
            Some(at) => meter.with_counter_wrap(at),
            None => meter,
        };
        match self.counter_reset_after {
            Some(minutes) => meter.with_counter_reset(started + Millis::from_minutes(minutes)),
            None => meter,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_a_name_and_a_number_of_a_thousand() {
        assert_eq!(fault("loss=20"), Ok((Fault::Loss, 20)));
        assert_eq!(fault("burst=1000"), Ok((Fault::Burst, 1_000)));
        for (text, problem) in [
            ("loss", "NAME=PER_MILLE"),
            ("loss=1001", "0 to 1000"),
            ("loss=-1", "0 to 1000"),
            ("storm=5", "there are flip, burst"),
        ] {
            assert!(fault(text).is_err_and(|error| error.contains(problem)), "{text}");
        }
        assert!(Fault::ALL.into_iter().all(|fault| faults_help().contains(fault.name())));
    }
}
