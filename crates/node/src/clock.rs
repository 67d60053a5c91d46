//! The community's clock, injected: the real one, the demo's scaled one, a simulated one.

use units::Timestamp;

/// Tells the community's time.
///
/// Contract: cheap, never blocks, may be called from any thread. It may jump; the node keeps the order of blocks whatever
/// it says, and proposes none while it is behind the newest block.
pub trait Clock: Send + Sync + 'static {
    /// What time it is.
    fn now(&self) -> Timestamp;
}
