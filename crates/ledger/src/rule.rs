//! Why a statement is refused. One variant per rule in `docs/protocol.md`: this enum is the rule book.

use crate::act::Role;
use crate::price::TableError;
use units::{AccountId, BindingId, Energy, EnergyBalance, MeterId, Month, StatementId, Timestamp};

/// Why a statement is refused, worded so that a person can act on it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleViolation {
    // Every statement.
    /// Made for another ledger.
    #[error("the statement is for another ledger; sign it for this one")]
    WrongLedger,
    /// Verified with a key that is not the signer's present one.
    #[error("the statement is signed with a key that is not {0}'s present one; sign it again with that one")]
    WrongKey(AccountId),
    /// Already in the ledger.
    #[error("statement {0} is already in the ledger")]
    Duplicate(StatementId),
    /// Its life is over.
    #[error("the statement expired at {expired} ms; sign it again", expired = .0.ms())]
    Expired(Timestamp),
    /// Made in the future.
    #[error("the statement was issued in the future; check the signer's clock against the node's time")]
    IssuedInFuture,
    /// The signer's role does not allow the act.
    #[error("{account} is not registered as {role:?}, which `{act}` needs")]
    RoleNeeded {
        /// Who signed.
        account: AccountId,
        /// The role.
        role: Role,
        /// The act.
        act: &'static str,
    },
    /// An amount beyond what an account can hold.
    #[error("the amount is beyond what an account can hold (10^18 mWh)")]
    AmountTooLarge,
    /// A month outside the ledger's calendar.
    #[error("the ledger's calendar does not contain that time or month")]
    OutsideCalendar,
    /// The month is closed.
    #[error("month {0} is closed; nothing moves in it any more")]
    MonthClosed(Month),

    // Register.
    /// The operator's role is given by genesis alone.
    #[error("the operator's role is given by the genesis document alone")]
    OperatorByGenesis,
    /// The key is unusable.
    #[error("the key to be registered is unusable")]
    KeyInvalid,
    /// RSA of 1024 bits on a ledger that is not for teaching.
    #[error("an RSA key of 1024 bits is for a teaching ledger only; register one of 2048 bits or more, or Ed25519")]
    WeakKey,
    /// A miner's key whose signatures are longer than a block's seal.
    #[error("a miner's key is Ed25519 or P-256, because a block's seal has 64 bytes")]
    MinerKey,
    /// The account has the role already.
    #[error("{account} is already registered as {role:?}")]
    AlreadyRegistered {
        /// The account.
        account: AccountId,
        /// The role.
        role: Role,
    },
    /// A member who left has the final bill of a month that is still open.
    #[error("{account} has left and has had the final bill; register again when {month} is closed")]
    SheetBilled {
        /// The account.
        account: AccountId,
        /// The first open month.
        month: Month,
    },
    /// A miner needs an account that gains; others must not name one.
    #[error("a miner names the member or operator that gains its rewards; other roles name none")]
    Beneficiary,
    /// A meter's signer or member has no such role.
    #[error("{account} cannot be bound to meter {meter}: it is not registered as {role:?}")]
    MeterParty {
        /// The meter.
        meter: MeterId,
        /// The account.
        account: AccountId,
        /// The role that it needs.
        role: Role,
    },
    /// Factor of 0, or a profile name that is empty or too long.
    #[error("a meter's factor is 1 or more and its profile's name 1 to 32 characters of a-z 0-9 -")]
    MeterDescription,
    /// A new binding must begin exactly where the old one's readings end.
    #[error("meter {meter} has readings until {head} ms; a new binding must begin there", head = .head.ms())]
    BindingNotAtHead {
        /// The meter.
        meter: MeterId,
        /// End of the last interval.
        head: Timestamp,
    },

    // Retire, revoke, rotate.
    /// No such account.
    #[error("{0} is not registered")]
    UnknownAccount(AccountId),
    /// No such meter.
    #[error("meter {0} is not registered")]
    UnknownMeter(MeterId),
    /// The operator's role and key stay.
    #[error(
        "the operator's role can be neither retired nor revoked: nobody could act any more; rotate its key instead"
    )]
    OperatorStays,
    /// There is nothing to retire.
    #[error("{account} has no role {role:?} without an end")]
    RoleNotHeld {
        /// The account.
        account: AccountId,
        /// The role.
        role: Role,
    },
    /// The end lies before what has happened.
    #[error("a role ends at or after its start, a meter's binding at or after its last interval, within the calendar")]
    RetireTime,
    /// A member whose meters still count.
    #[error(
        "{0} has meters that still count; retire the meters at their last readings first, or bind them to another member"
    )]
    MetersBound(AccountId),
    /// Without a miner no block could be.
    #[error("it is the last miner; register another one first")]
    LastMiner,
    /// The signer's key is revoked.
    #[error("the key of {0} is revoked; it signs nothing any more")]
    KeyRevoked(AccountId),
    /// The key is, or was, another account's or this one's.
    #[error("the key is or was in use by an account; make a new one")]
    KeyInUse,
    /// The new key did not sign the rotation.
    #[error("the new key's own signature over the rotation does not fit")]
    Possession,
    /// More keys or roles than an account keeps.
    #[error("{0} has had as many keys or roles as an account keeps; register a new account")]
    AccountFull(AccountId),

    // Contract.
    /// A contract may only rise in an open month.
    #[error("{account} has a contract of {present} in {month}; it may only rise")]
    ContractLowered {
        /// The member.
        account: AccountId,
        /// The month.
        month: Month,
        /// As it stands.
        present: Energy,
    },
    /// Only members have contracts.
    #[error("{0} is not a member")]
    NotAMember(AccountId),

    // Readings.
    /// No such binding.
    #[error("meter binding {0} is not registered")]
    UnknownBinding(BindingId),
    /// The binding names another signer.
    #[error("{0} does not sign for this meter")]
    NotTheSigner(AccountId),
    /// The binding ended.
    #[error("the binding ended at {ended} ms", ended = .0.ms())]
    BindingEnded(Timestamp),
    /// Not the next of the chain.
    #[error("number {found} in the meter's chain; {expected} is next")]
    WrongSequence {
        /// As stated.
        found: u64,
        /// Next in the chain.
        expected: u64,
    },
    /// Names another predecessor.
    #[error("the meter's chain continues from {expected}")]
    WrongPrevious {
        /// The chain's head.
        expected: StatementId,
    },
    /// An interval that is empty or longer than a day.
    #[error("an interval has a length, of at most a day")]
    IntervalLength,
    /// An interval of the future.
    #[error("the interval ends in the future")]
    IntervalInFuture,
    /// Does not start where the chain's head ended.
    #[error("the interval must start at {expected} ms, where the last one ended, or say why it does not", expected = .expected.ms())]
    StartDiscontinuous {
        /// End of the last interval.
        expected: Timestamp,
    },
    /// The counter does not continue.
    #[error("the counter must continue from {expected}, or the statement must say why it does not")]
    CounterDiscontinuous {
        /// The counter at the chain's head.
        expected: Energy,
    },
    /// A wrap that is none.
    #[error(
        "a wrap names the value at which the counter begins at zero again, above every counter, and at least one counter \
         must have fallen past it, by at most half of it; say that it was reset or exchanged instead"
    )]
    CounterWrap,
    /// The counter runs backwards within the interval.
    #[error("the counter runs backwards within the interval")]
    CounterBackwards,
    /// Breaks beyond what a sheet keeps.
    #[error("more than {max} breaks of meter counters in one month", max = crate::state::SEGMENTS_MAX)]
    TooManyBreaks,

    /// A reading by eye that claims an attachment.
    #[error("a reading by eye has no attachment: its count is 0, and both hashes are those of nothing")]
    HandReading,

    // Note.
    /// A note that states nothing.
    #[error("a note states at least one value or a remark")]
    EmptyNote,

    // Transfer.
    /// Nothing, or to oneself.
    #[error("a transfer moves more than nothing, to somebody else")]
    EmptyTransfer,
    /// The energy is used up.
    #[error("the energy is used up: {account} has {remaining} left in {month} and cannot give {offered}")]
    EnergyUsedUp {
        /// The seller.
        account: AccountId,
        /// The month.
        month: Month,
        /// What remains.
        remaining: EnergyBalance,
        /// What was offered, the fee included.
        offered: Energy,
    },

    // Offer, accept, withdraw.
    /// A price below zero or beyond what money can say.
    #[error("a price is not negative, and energy x price is within what money can say")]
    OfferPrice,
    /// It ends at a wrong time.
    #[error("an offer ends after now, within 31 days and no later than its month closes")]
    OfferSpan,
    /// Too many open offers.
    #[error("{0} has {max} open offers; withdraw one first", max = crate::act::Offer::OPEN_MAX)]
    TooManyOffers(AccountId),
    /// No such open offer.
    #[error("there is no such open offer; it was accepted, withdrawn, or its time is over")]
    UnknownOffer,
    /// Offered to somebody else.
    #[error("the offer is not made to {0}")]
    NotOfferedTo(AccountId),
    /// Somebody else's offer.
    #[error("the offer is not {0}'s to withdraw")]
    NotTheSeller(AccountId),

    // Claim, answer, control.
    /// Not an interval of the claimant with a voltage outside the limits.
    #[error(
        "statement {0} has no interval of the claimant with a voltage outside the limits, or its month is more than three before the oldest open one"
    )]
    UnknownInterval(StatementId),
    /// No such bill of the claimant.
    #[error("the claimant has no bill from that time on")]
    UnknownBill,
    /// It is claimed already.
    #[error("there is a claim about this already; await its answer")]
    AlreadyClaimed,
    /// No such claim.
    #[error("there is no such claim")]
    UnknownClaim,
    /// It is answered already.
    #[error("the claim is answered already")]
    AlreadyAnswered,
    /// Switched before the meter was bound, or in the future.
    #[error("the time of a control lies within the meter's binding and not in the future")]
    ControlTime,

    // Parameter, upgrade.
    /// The difficulty follows a block time.
    #[error("the difficulty of this ledger follows its block time; there is no level to change")]
    LevelByTime,
    /// A level outside 1 to 5.
    #[error("mining level {0}; it must be 1 to 5")]
    LevelRange(u8),
    /// Limits out of order.
    #[error("the lower voltage limit is at most the nominal voltage, and that at most the upper limit")]
    LimitsOrder,
    /// Not from a future height or time on.
    #[error("a change holds from a later block or time than this block's")]
    NotAhead,
    /// Not a later version.
    #[error("the ledger speaks, or is about to speak, version {0}; an upgrade names a later one")]
    VersionNotAbove(u32),
    /// Too early.
    #[error("an upgrade leaves time to install it: block {earliest} is the earliest")]
    NoticeTooShort {
        /// The earliest height.
        earliest: units::Height,
    },

    // Tariff.
    /// A negative price or a rounding step below one.
    #[error("prices are not negative and the rounding step is positive")]
    TariffAmounts,
    /// The month has begun under another tariff.
    #[error("month {0} has begun under another tariff; a new one begins with a later month")]
    TariffTooLate(Month),

    /// A price table that is incomplete or contradicts itself.
    #[error("the price table: {0}")]
    TariffTable(TableError),
    /// A price beyond the sheet where the table leaves no place for one.
    #[error("a table by time of day or of the utility's average has no other price beyond the sheet")]
    TariffExcess,
    /// Bands stated after readings were booked without them.
    #[error("readings of {0} are booked already; prices by time of day are stated before their first month begins")]
    TariffAfterReadings(Month),

    // Utility.
    /// Not a tenancy ledger.
    #[error("the genesis document says that nobody here is a tenant; the utility's bill has no place")]
    NoTenancy,
    /// No energy, or an amount below zero.
    #[error("the utility's bill has energy, and an amount that is not negative")]
    UtilityAmounts,
    /// An empty period, one that overlaps another, or one outside the calendar.
    #[error(
        "the period of the utility's bill is empty or overlaps another one that is stated or charged against already"
    )]
    UtilityPeriod,

    // Bill.
    /// Neither the operator nor the account itself.
    #[error("only the operator or the account itself makes a bill")]
    BillSigner,
    /// The span is not whole months.
    #[error("a bill spans 1 to 12 whole months")]
    BillSpan,
    /// A month in the span is still open.
    #[error("month {0} is not closed yet")]
    MonthOpen(Month),
    /// No sheet to bill.
    #[error("{account} has nothing to bill in {month}")]
    NothingToBill {
        /// The account.
        account: AccountId,
        /// The month.
        month: Month,
    },
    /// No tariff in force.
    #[error("no tariff was in force in {0}")]
    NoTariff(Month),
    /// Part of the span is billed already.
    #[error("part of the span is billed already")]
    BillOverlaps,
    /// Not what the ledger computes.
    #[error("the bill is not what the ledger computes: the total is {computed}", computed = computed)]
    BillDiffers {
        /// The right total.
        computed: units::Money,
    },
    /// No bill of the utility covers part of the span.
    #[error("no bill of the utility covers all of {0}; state it first")]
    UtilityBillMissing(Month),
    /// A price above the average of the utility's bill.
    #[error("{month} is charged above the utility's average of {average} a kWh, or by something else than kWh")]
    TenancyPrice {
        /// The month.
        month: Month,
        /// The highest price allowed.
        average: units::Money,
    },
    /// Tenants pay more than the utility's total.
    #[error("tenants would pay {sum} together, and the utility's bill is {utility}")]
    TenancySum {
        /// With this bill.
        sum: units::Money,
        /// The utility's total.
        utility: units::Money,
    },
    /// Tenants are billed more energy than the utility's bill has.
    #[error("tenants would be billed {sum} together, and the utility's bill has {utility}")]
    TenancyEnergy {
        /// With this bill.
        sum: Energy,
        /// On the utility's bill.
        utility: Energy,
    },
}

impl RuleViolation {
    /// A short stable name, for JSON and scenarios.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::WrongLedger => "wrong_ledger",
            Self::WrongKey(_) => "wrong_key",
            Self::Duplicate(_) => "duplicate",
            Self::Expired(_) => "expired",
            Self::IssuedInFuture => "issued_in_future",
            Self::RoleNeeded { .. } => "role_needed",
            Self::AmountTooLarge => "amount_too_large",
            Self::OutsideCalendar => "outside_calendar",
            Self::MonthClosed(_) => "month_closed",
            Self::OperatorByGenesis => "operator_by_genesis",
            Self::KeyInvalid => "key_invalid",
            Self::WeakKey => "weak_key",
            Self::MinerKey => "miner_key",
            Self::AlreadyRegistered { .. } => "already_registered",
            Self::SheetBilled { .. } => "sheet_billed",
            Self::Beneficiary => "beneficiary",
            Self::MeterParty { .. } => "meter_party",
            Self::MeterDescription => "meter_description",
            Self::BindingNotAtHead { .. } => "binding_not_at_head",
            Self::UnknownAccount(_) => "unknown_account",
            Self::UnknownMeter(_) => "unknown_meter",
            Self::OperatorStays => "operator_stays",
            Self::RoleNotHeld { .. } => "role_not_held",
            Self::RetireTime => "retire_time",
            Self::MetersBound(_) => "meters_bound",
            Self::LastMiner => "last_miner",
            Self::KeyRevoked(_) => "key_revoked",
            Self::KeyInUse => "key_in_use",
            Self::Possession => "possession",
            Self::AccountFull(_) => "account_full",
            Self::ContractLowered { .. } => "contract_lowered",
            Self::NotAMember(_) => "not_a_member",
            Self::UnknownBinding(_) => "unknown_binding",
            Self::NotTheSigner(_) => "not_the_signer",
            Self::BindingEnded(_) => "binding_ended",
            Self::WrongSequence { .. } => "wrong_sequence",
            Self::WrongPrevious { .. } => "wrong_previous",
            Self::IntervalLength => "interval_length",
            Self::IntervalInFuture => "interval_in_future",
            Self::StartDiscontinuous { .. } => "start_discontinuous",
            Self::CounterDiscontinuous { .. } => "counter_discontinuous",
            Self::CounterWrap => "counter_wrap",
            Self::CounterBackwards => "counter_backwards",
            Self::TooManyBreaks => "too_many_breaks",
            Self::HandReading => "hand_reading",
            Self::EmptyNote => "empty_note",
            Self::EmptyTransfer => "empty_transfer",
            Self::EnergyUsedUp { .. } => "energy_used_up",
            Self::OfferPrice => "offer_price",
            Self::OfferSpan => "offer_span",
            Self::TooManyOffers(_) => "too_many_offers",
            Self::UnknownOffer => "unknown_offer",
            Self::NotOfferedTo(_) => "not_offered_to",
            Self::NotTheSeller(_) => "not_the_seller",
            Self::UnknownInterval(_) => "unknown_interval",
            Self::UnknownBill => "unknown_bill",
            Self::AlreadyClaimed => "already_claimed",
            Self::UnknownClaim => "unknown_claim",
            Self::AlreadyAnswered => "already_answered",
            Self::ControlTime => "control_time",
            Self::LevelByTime => "level_by_time",
            Self::LevelRange(_) => "level_range",
            Self::LimitsOrder => "limits_order",
            Self::NotAhead => "not_ahead",
            Self::VersionNotAbove(_) => "version_not_above",
            Self::NoticeTooShort { .. } => "notice_too_short",
            Self::TariffAmounts => "tariff_amounts",
            Self::TariffTooLate(_) => "tariff_too_late",
            Self::BillSigner => "bill_signer",
            Self::BillSpan => "bill_span",
            Self::MonthOpen(_) => "month_open",
            Self::NothingToBill { .. } => "nothing_to_bill",
            Self::NoTariff(_) => "no_tariff",
            Self::BillOverlaps => "bill_overlaps",
            Self::BillDiffers { .. } => "bill_differs",
            Self::TariffTable(_) => "tariff_table",
            Self::TariffExcess => "tariff_excess",
            Self::TariffAfterReadings(_) => "tariff_after_readings",
            Self::NoTenancy => "no_tenancy",
            Self::UtilityAmounts => "utility_amounts",
            Self::UtilityPeriod => "utility_period",
            Self::UtilityBillMissing(_) => "utility_bill_missing",
            Self::TenancyPrice { .. } => "tenancy_price",
            Self::TenancySum { .. } => "tenancy_sum",
            Self::TenancyEnergy { .. } => "tenancy_energy",
        }
    }
}
