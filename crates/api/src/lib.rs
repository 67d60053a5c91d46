//! The HTTP contract of a node: what travels as JSON, where, and a typed client that builds and parses it.
//!
//! Every quantity is an integer whose name carries the unit (`energy_mwh`, `time_ms`, `total_1e4`); every identifier is
//! its printed form. The server lives elsewhere and answers with the same types, so the two cannot drift apart. There
//! is no socket here: a [`Client`] is given a [`Transport`].

mod account;
mod act;
mod block;
mod client;
mod event;
mod finding;
mod ledger;
mod load;
mod losses;
mod meter;
pub mod path;
mod peer;
mod pool;
mod problem;
mod statement;
mod trade;

pub use account::{
    AccountSummary, AccountView, BillLineView, BillMeterView, BillMonthView, BillSummary, BillView, CorrectionView,
    EntryKind, EntryView, KeyView, LogPlace, MeterMonthView, PriceView, PricedView, RoleView, SheetView, SurchargeView,
    TariffView, TermsView, UtilityView,
};
pub use act::{
    ActRef, AnswerView, ClaimBillView, ClaimVoltageView, ControlView, LevelView, OfferAnswerView, OfferRef, OfferView,
    RetireMeterView, RetireRoleView, RevokeView, RotateView, UpgradeView, VoltageLimitsView,
};
pub use block::{BlockDetail, BlockSummary};
pub use client::{Client, ClientError, Method, Request, Response, Transport, TransportError};
pub use event::Event;
pub use finding::{Finding, FindingKind, FindingsStatus, FindingsView, Repaired};
pub use ledger::{MiningStatus, Page, Status};
pub use load::{
    ArchiveNow, BusNow, LineNow, LoadLock, LoadNow, LoadOrder, LoadReset, LoadsView, OrderTaken, Power, RuleNow,
    Switching,
};
pub use losses::{LossIntervalView, LossView, LossesView};
pub use meter::{ChainHeadView, CoursePoint, CourseView, IntervalView, LoadView, MeterView, ReadingRow};
pub use peer::{Agreement, PeerHead, PeerIdentity, PeerNews, PeerState, PeerView, PeersStatus};
pub use pool::{PoolEntry, PoolView};
pub use problem::Problem;
pub use statement::{
    ActView, ContractView, NoteView, Place, ReadingsView, RegisterKeyView, RegisterMeterView, StatementState,
    StatementView, SubmitAnswer, SubmitState, TransferView, VoltageEventView,
};
pub use trade::{ClaimAnswer, ClaimStatus, ClaimView, OpenOffer, OutsideView};

/// Media type of a statement as it is posted (RFC 9052 2) and of receipts and transparent statements.
pub const MEDIA_COSE: &str = "application/cose";
/// Media type of everything else.
pub const MEDIA_JSON: &str = "application/json";
/// Media type of an error (RFC 9457 3).
pub const MEDIA_PROBLEM: &str = "application/problem+json";
/// Items in a page unless asked otherwise.
pub const PAGE_ITEMS_DEFAULT: u32 = 50;
/// Most items in a page: bounds what one request costs the node.
pub const PAGE_ITEMS_MAX: u32 = 500;
