//! What happens to a gateway, and what it wants done.

use super::{
    ClosedInterval, Event, HeadAnswer, JournalWrite, LastReading, NodeAnswer, Order, Place, Queued, Refusal, Reset,
    VoltageSpan,
};
use ledger::attachment::Frame;
use ledger::state::ChainHead;
use std::sync::Arc;
use units::{AccountId, BindingId, EnergyBalance, MeterId, Reading, StatementId, Timestamp};

/// A meter's chain: the binding and where its chain stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The binding.
    pub binding: BindingId,
    /// The head.
    pub head: ChainHead,
}

/// A believed reading with its raw frames: one row of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadingRow {
    /// The meter.
    pub meter: MeterId,
    /// The member's account.
    pub member: AccountId,
    /// The operator's account.
    pub operator: AccountId,
    /// The profile's name.
    pub profile: String,
    /// When the answer arrived, by the community's clock.
    pub time: Timestamp,
    /// What the meter said, and the powers that follow from it.
    pub reading: Reading,
    /// The bytes that say so.
    pub frame: Arc<Frame>,
}

/// What the database holds of a meter, for a start after a stop of any kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredMeter {
    /// Its chain, if one was ever known.
    pub chain: Option<Chain>,
    /// Readings in no interval yet, none before the chain's end, in order of time, at most [`super::ROWS_WAITING_MAX`].
    pub rows: Vec<ReadingRow>,
    /// Its newest reading.
    pub last: Option<LastReading>,
    /// Statements that are not final, in the order of their chain.
    pub outbox: Vec<Queued>,
}

/// What happens to the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Time has passed.
    Tick,
    /// Bytes arrived on a bus.
    Received {
        /// The bus.
        bus: usize,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// A bus's port was opened.
    PortOpened {
        /// The bus.
        bus: usize,
    },
    /// A bus's port vanished, or could not be opened.
    PortLost {
        /// The bus.
        bus: usize,
        /// Why.
        reason: String,
    },
    /// The node answered [`Output::Deliver`] or [`Output::AskFinal`].
    Answered {
        /// Of which meter.
        meter: MeterId,
        /// The statement.
        statement: StatementId,
        /// What it said.
        answer: NodeAnswer,
    },
    /// The node answered [`Output::AskHead`].
    Head {
        /// Of which meter.
        meter: MeterId,
        /// What it said.
        answer: HeadAnswer,
    },
    /// [`Output::TakeHead`] was carried out. Must be the next input after the outputs that it came with, unless
    /// [`Input::StoreLost`] was told in between.
    HeadTaken {
        /// Of which meter.
        meter: MeterId,
        /// The meter's readings in no interval, none before the head's end, in order of time.
        rows: Vec<ReadingRow>,
    },
    /// Somebody wants a load switched; answered with [`Output::Ordered`].
    Order {
        /// Whom to answer.
        ticket: u64,
        /// What.
        order: Order,
    },
    /// Somebody takes latches back; answered with [`Output::Ordered`].
    Reset {
        /// Whom to answer.
        ticket: u64,
        /// What.
        reset: Reset,
    },
    /// The node answered [`Output::AskVoltage`]: the limits in force and those to come; `None` when it does not say.
    Voltage(Option<Vec<VoltageSpan>>),
    /// The node answered [`Output::AskEnergy`].
    Energy {
        /// Of which meter.
        meter: MeterId,
        /// What its member has left of this month; `None` when the node does not say.
        remaining: Option<EnergyBalance>,
    },
    /// The database refuses: what it is to take waits in memory, in order.
    StoreLost {
        /// Why.
        reason: String,
    },
    /// The database has taken everything that waited.
    StoreBack,
    /// The oldest readings that waited for the database are given up, so they must be in no interval.
    GivenUp {
        /// Of which meter.
        meter: MeterId,
        /// How many.
        readings: usize,
        /// The newest of them.
        until: Timestamp,
    },
}

/// What the gateway wants done, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Write bytes to a bus's port.
    Send {
        /// The bus.
        bus: usize,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Store a reading, one row.
    StoreReading(ReadingRow),
    /// Store statement and attachment in the outbox, mark the interval's readings and move the chain's head, in one
    /// transaction.
    CloseInterval(Box<ClosedInterval>),
    /// Send a statement of the outbox to the node; answered with [`Input::Answered`].
    Deliver {
        /// Of which meter.
        meter: MeterId,
        /// The statement.
        statement: StatementId,
    },
    /// Ask the node whether a statement is final; answered with [`Input::Answered`].
    AskFinal {
        /// Of which meter.
        meter: MeterId,
        /// The statement.
        statement: StatementId,
    },
    /// Ask the node for a meter's binding and head; answered with [`Input::Head`].
    AskHead {
        /// The meter.
        meter: MeterId,
    },
    /// Note that a statement is final. Only the one that the node was asked about has its place known.
    MarkFinal {
        /// The statement.
        statement: StatementId,
        /// Where it stands.
        place: Option<Place>,
    },
    /// Store the chain and withdraw statements, freeing their readings, in one transaction; answered with
    /// [`Input::HeadTaken`] at once.
    TakeHead {
        /// Of which meter.
        meter: MeterId,
        /// The chain from now on.
        chain: Chain,
        /// What is withdrawn.
        withdrawn: Vec<StatementId>,
    },
    /// Store an event and show it.
    Event(Event),
    /// Send a statement of the journal to the node; answered with [`Input::Answered`].
    DeliverControl {
        /// Of which meter.
        meter: MeterId,
        /// The statement.
        statement: StatementId,
    },
    /// Write into the journal of loads, durably before the next output.
    Journal(JournalWrite),
    /// Answer an order: its number in the journal, or why it is refused.
    Ordered {
        /// Whom.
        ticket: u64,
        /// What.
        answer: Result<u64, Refusal>,
    },
    /// Ask the node for the community's voltage limits; answered with [`Input::Voltage`].
    AskVoltage,
    /// Ask the node how much of the month's energy a member has left; answered with [`Input::Energy`].
    AskEnergy {
        /// For the rules of which meter.
        meter: MeterId,
        /// The member.
        member: AccountId,
    },
}
