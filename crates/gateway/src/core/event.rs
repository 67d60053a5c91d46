//! What happened beside the readings, for the operator's pages and for evidence.

use super::{CounterBreak, LineTrouble};
use meter::MeterError;
use meter::bus::LOAD_PERMILLE_MAX;
use std::fmt;
use units::{Energy, MeterId, Millis, StatementId, Timestamp};

/// Why a reading that the meter's frames do give is nevertheless not booked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The counter moved by more than the meter can carry in the time.
    #[error("the counter went from {last} to {found} within {} ms, more than the meter can carry", .elapsed.ms())]
    CounterLeapt {
        /// The counter before.
        last: Energy,
        /// As read.
        found: Energy,
        /// Time between both.
        elapsed: Millis,
    },
    /// The counter is below the one before. The second such reading in a row is believed and booked as a reset.
    #[error("the counter fell from {last} to {found}; if the next reading confirms it, it is a reset")]
    CounterFell {
        /// The counter before.
        last: Energy,
        /// As read.
        found: Energy,
    },
    /// The community's clock is not after the reading before, or within an interval that was stated already.
    #[error("the clock says {} ms, but readings up to {} ms are taken already: the clock was set back", .now.ms(), .last.ms())]
    ClockBack {
        /// The clock.
        now: Timestamp,
        /// The reading before, or the end of the newest interval.
        last: Timestamp,
    },
    /// There is nothing to book by.
    #[error("the answer holds no energy counter")]
    NoCounter,
}

impl Rejection {
    /// A short stable name to count by.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::CounterLeapt { .. } => "counter_leapt",
            Self::CounterFell { .. } => "counter_fell",
            Self::ClockBack { .. } => "clock_back",
            Self::NoCounter => "no_counter",
        }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// A poll gave no reading.
    PollFailed(MeterError),
    /// A reading is not believed; its frames are kept with the event.
    Rejected(Rejection),
    /// Readings wait for a chain head, and the oldest of them are given up: the next interval begins with a gap.
    WaitedTooLong {
        /// How many were given up.
        readings: usize,
    },
    /// An interval cannot be made into a statement: a defect, or a meter with more values than an attachment holds.
    NotStated(String),
    /// A node refused a statement; the chain's head is asked for.
    Refused {
        /// The statement.
        statement: StatementId,
        /// The node's reason.
        reason: String,
    },
    /// The chain goes on from the node's head, because the gateway had none or another.
    HeadTaken {
        /// Number of the next statement.
        next_seq: u64,
        /// Statements that were withdrawn; their readings are stated anew.
        withdrawn: usize,
    },
    /// The node knows fewer statements of the meter than it had said were final.
    NodeBehind {
        /// The node's next number.
        node: u64,
        /// The gateway's.
        gateway: u64,
    },
    /// An interval does not continue the one before: the raw counters and what is booked between them.
    Counter(CounterBreak),
    /// The ledger has no binding of the meter to this gateway's key.
    NotBound(String),
    /// The node does not answer.
    NodeLost(String),
    /// The node answers again.
    NodeBack,
    /// A line's schedule needs more time than there is.
    BusOverloaded {
        /// Thousandths of the line's time that the schedule needs.
        permille: u64,
        /// The shortest period for all of its meters that fits, in seconds.
        seconds_min: u64,
    },
    /// Every meter of a line has failed, and nothing that came was understood.
    LineNotUnderstood(LineTrouble),
    /// The database refuses; what it is to take waits in memory.
    StoreLost(String),
    /// The database has taken everything that waited.
    StoreBack,
    /// Readings waited for the database, and the oldest of them are given up: a gap will stand for them.
    NotStored {
        /// How many were given up.
        readings: usize,
    },
    /// The database server is not reached; what it is to get waits in the local file.
    ArchiveLost(String),
    /// The database server is reached again.
    ArchiveBack {
        /// Changes that wait for it.
        waiting: u64,
    },
    /// The database server and the local file hold different states; everything in the file is forwarded again.
    ArchiveBegunAnew(String),
    /// Too much waits for the database server: its oldest readings, which the ledger holds, are given up.
    ArchiveGivenUp {
        /// How many.
        readings: u64,
        /// The oldest.
        from: Timestamp,
        /// The newest.
        until: Timestamp,
    },
    /// A port was opened.
    PortOpened,
    /// A port vanished or could not be opened.
    PortLost(String),
}

impl Happening {
    /// A short stable name to count by.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::PollFailed(error) => error.kind(),
            Self::Rejected(rejection) => rejection.kind(),
            Self::WaitedTooLong { .. } => "waited_too_long",
            Self::NotStated(_) => "not_stated",
            Self::Refused { .. } => "refused",
            Self::HeadTaken { .. } => "head_taken",
            Self::NodeBehind { .. } => "node_behind",
            Self::Counter(broken) => broken.kind(),
            Self::NotBound(_) => "not_bound",
            Self::NodeLost(_) => "node_lost",
            Self::NodeBack => "node_back",
            Self::BusOverloaded { .. } => "bus_overloaded",
            Self::LineNotUnderstood(trouble) => trouble.verdict.kind(),
            Self::StoreLost(_) => "store_lost",
            Self::StoreBack => "store_back",
            Self::NotStored { .. } => "not_stored",
            Self::ArchiveLost(_) => "archive_lost",
            Self::ArchiveBack { .. } => "archive_back",
            Self::ArchiveBegunAnew(_) => "archive_begun_anew",
            Self::ArchiveGivenUp { .. } => "archive_given_up",
            Self::PortOpened => "port_opened",
            Self::PortLost(_) => "port_lost",
        }
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PollFailed(error) => error.fmt(f),
            Self::Rejected(rejection) => rejection.fmt(f),
            Self::WaitedTooLong { readings } => {
                write!(f, "{readings} readings waited too long for the meter's chain head; a gap will stand for them")
            }
            Self::NotStated(reason) => write!(f, "an interval could not be stated: {reason}"),
            Self::Refused { statement, reason } => write!(f, "the node refused statement {statement}: {reason}"),
            Self::HeadTaken { next_seq, withdrawn } => {
                write!(f, "the chain goes on from the node's number {next_seq}; {withdrawn} statements withdrawn")
            }
            Self::NodeBehind { node, gateway } => write!(
                f,
                "the node's next number is {node}, but it had confirmed all before {gateway}: is it the right node?"
            ),
            Self::Counter(broken) => broken.fmt(f),
            Self::NotBound(reason) => write!(f, "{reason}; register the meter with this gateway's key"),
            Self::NodeLost(reason) => write!(f, "the node does not answer ({reason}); statements wait in the outbox"),
            Self::NodeBack => f.write_str("the node answers again"),
            Self::BusOverloaded { permille, seconds_min } => write!(
                f,
                "the schedule needs {}.{} % of the line, which carries {} %: ask each of its meters every {seconds_min} s or \
                 less often, raise the baud rate, or move meters to another line",
                permille / 10,
                permille % 10,
                LOAD_PERMILLE_MAX / 10
            ),
            Self::LineNotUnderstood(trouble) => trouble.fmt(f),
            Self::StoreLost(reason) => write!(f, "the database refuses ({reason}); readings wait in memory"),
            Self::StoreBack => f.write_str("the database takes readings again, and has taken all that waited"),
            Self::NotStored { readings } => {
                write!(f, "{readings} readings waited too long for the database; a gap will stand for them")
            }
            Self::ArchiveLost(reason) => {
                write!(f, "the database server is not reached ({reason}); what it is to get waits in the local file")
            }
            Self::ArchiveBack { waiting } => {
                write!(f, "the database server is reached again; {waiting} changes wait for it")
            }
            Self::ArchiveBegunAnew(reason) => {
                write!(f, "{reason}; everything that the local file still holds is forwarded again")
            }
            Self::ArchiveGivenUp { readings, from, until } => write!(
                f,
                "{readings} readings of {} to {} ms will be missing on the database server, because too much waits for \
                 it; the ledger holds them: let the server come back, or raise `spool_rows_max`",
                from.ms(),
                until.ms()
            ),
            Self::PortOpened => f.write_str("the port is open"),
            Self::PortLost(reason) => write!(f, "the port is lost ({reason}); it is tried again"),
        }
    }
}

/// A happening with its time and place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub time: Timestamp,
    /// Of which meter, if of one.
    pub meter: Option<MeterId>,
    /// On which bus, by its place in the configuration, if on one.
    pub bus: Option<usize>,
    /// What.
    pub happening: Happening,
    /// The bytes that led to it, at most a few frames.
    pub raw: Vec<u8>,
}
