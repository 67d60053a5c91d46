//! The community's clock, injected: the real one, the demo's scaled one, a simulated one.

use units::{Micros, Timestamp};

/// Tells the community's time.
///
/// Contract: cheap, never blocks. It may jump; the gateway keeps the order of readings and flags what a jump spoils.
pub trait Clock: Send + Sync + 'static {
    /// What time it is.
    fn now(&self) -> Timestamp;
}

/// Both times of one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The community's time: what readings and intervals are dated by.
    pub community: Timestamp,
    /// Since the gateway's start, never going back: what time-outs and back-off are measured by.
    pub monotonic: Micros,
}
