//! How busy a line is: by its schedule, and as measured.

use super::{Device, Framing};
use units::Micros;

/// What a meter usually takes until its answer begins, for the plan only: between some 10 ms (PZEM-004T) and 100 ms (older
/// SDM models); the measured load tells the truth.
const USUAL_THINK: Micros = Micros::from_ms(30);
/// What a line can be planned for, in thousandths of its time: the rest is for repeated reads, orders and dead meters,
/// whose whole timeout passes in silence.
pub const LOAD_PERMILLE_MAX: u64 = 900;
/// Length of a measured window: some polls of a meter asked every few seconds.
const WINDOW: Micros = Micros::from_ms(60_000);

/// What a line's schedule asks of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Thousandths of the line's time that the schedule needs: sum over its meters of (bytes on the wire, pauses and usual
    /// thinking time of a poll) / period. Above 1,000 the meters are asked less often than configured.
    pub permille: u64,
    /// The shortest period, in whole seconds, at which all of its meters together fit [`LOAD_PERMILLE_MAX`].
    pub seconds_min: u64,
}

impl Plan {
    /// Of a line with these meters. A meter that is asked as often as the line allows counts with the whole line.
    #[must_use]
    pub fn new<'a>(devices: impl IntoIterator<Item = &'a Device>, framing: Framing) -> Self {
        let (mut millionths, mut round) = (0_u64, 0_u64);
        for device in devices {
            let poll = poll_time(device, framing).us();
            round = round.saturating_add(poll);
            let every = device.poll_every.ms();
            let share = poll.saturating_mul(1_000).checked_div(every).unwrap_or(1_000_000);
            millionths = millionths.saturating_add(share);
        }
        Self { permille: millionths.div_ceil(1_000), seconds_min: round.div_ceil(LOAD_PERMILLE_MAX * 1_000).max(1) }
    }

    /// Whether the line can carry it.
    #[must_use]
    pub const fn fits(self) -> bool {
        self.permille <= LOAD_PERMILLE_MAX
    }
}

/// How long one poll of a meter that answers takes of its line.
fn poll_time(Device { address, profile, .. }: &Device, framing: Framing) -> Micros {
    let gap = framing.silence().max(profile.gap().into());
    let exchanges = profile.requests(*address);
    exchanges.iter().fold(Micros::ZERO, |sum, request| sum.plus(framing.wire_time(request)).plus(USUAL_THINK).plus(gap))
}

/// The measured load over the last one to two windows.
#[derive(Debug, Default)]
pub(super) struct Measured {
    began: Micros,
    busy: Micros,
    before: Option<Micros>,
}

impl Measured {
    /// The line was taken until `now`, and rests for some more time.
    pub(super) fn add(&mut self, now: Micros, taken: Micros) {
        while now.since(self.began) >= WINDOW.times(2) {
            // Nothing happened for whole windows.
            (self.before, self.busy) = (Some(Micros::ZERO), Micros::ZERO);
            self.began = Micros::from_us(now.us() - now.us() % WINDOW.us());
        }
        if now.since(self.began) >= WINDOW {
            self.before = Some(std::mem::take(&mut self.busy));
            self.began = self.began.plus(WINDOW);
        }
        self.busy = self.busy.plus(taken);
    }

    /// Thousandths of the time; `None` before anything was measured for a second.
    pub(super) fn permille(&self, now: Micros) -> Option<u64> {
        let elapsed = now.since(self.began).plus(self.before.map_or(Micros::ZERO, |_| WINDOW));
        let busy = self.busy.plus(self.before.unwrap_or_default());
        (elapsed >= Micros::from_ms(1_000)).then(|| (busy.us().saturating_mul(1_000) / elapsed.us()).min(1_000))
    }
}
