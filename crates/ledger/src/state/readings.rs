//! The interval of a meter: it must continue its chain or say why not, and only counter differences are booked.

use super::divide::Part;
use super::draft::{Draft, Posting, bounded_sum};
use super::{BindingRecord, ChainHead, Entry, MeterMonth, Record, RecordKey, RoleSpan, SEGMENTS_MAX, Terms};
use crate::RuleViolation;
use crate::act::{ActId, Break, CounterPair, Readings, Role};
use crate::state::CLOCK_AHEAD_MAX;
use units::{AccountId, Energy, Month, Timestamp};

/// A stretch of time with the counters at its ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    /// With a wrap the end is told as if the counter had run on, so that it can be divided by time like any other.
    pub(crate) import: CounterPair,
    export: Option<CounterPair>,
    /// Where the counters begin at zero again, if one does within.
    wraps_at: Option<Energy>,
    estimated: bool,
}

impl Draft<'_> {
    /// Checks an interval against its chain and books what its counters moved.
    pub(super) fn readings(&mut self, readings: &Readings, signer: AccountId, at: ActId) -> Result<(), RuleViolation> {
        let unknown = RuleViolation::UnknownBinding(readings.binding);
        let mut binding = self.state.binding(&readings.binding).cloned().ok_or(unknown)?;
        self.check_signer(readings, &binding, signer)?;
        self.check_interval(readings, &binding)?;
        let mut stretch = continue_chain(readings, &binding.head)?;
        // Within a month the next interval's counter makes good what this end's lacks; what a bill shows must be marked.
        stretch.estimated &= binding.until == Some(readings.end) || self.is_month_start(readings.end);
        self.book_stretch(&binding, readings.binding, stretch, &Entry::Act(at.statement, at.act))?;
        self.record_outside(readings, &binding, at)?;
        binding.head = ChainHead {
            next_seq: binding.head.next_seq + 1,
            previous: at.statement,
            end: readings.end,
            import: Some(readings.import.end),
            export: readings.export.map(|export| export.end),
        };
        if !binding.is_live() {
            self.count_ended_binding(binding.member);
        }
        self.put_binding(readings.binding, binding);
        Ok(())
    }

    /// The binding's signer, whose role must have held until the interval's end; or the operator by hand.
    fn check_signer(
        &self,
        readings: &Readings,
        binding: &BindingRecord,
        signer: AccountId,
    ) -> Result<(), RuleViolation> {
        if readings.source.is_operators() {
            if !self.has(signer, Role::Operator) {
                return Err(RuleViolation::NotTheSigner(signer));
            }
            let nothing = crate::log::empty_root();
            let bare = readings.count == 0 && readings.columns == nothing && readings.frames == nothing;
            return if bare { Ok(()) } else { Err(RuleViolation::HandReading) };
        }
        if binding.signer != signer {
            return Err(RuleViolation::NotTheSigner(signer));
        }
        let signs = |span: &RoleSpan| {
            matches!(span.role, Role::Gateway | Role::Meter) && span.until.is_none_or(|until| readings.end <= until)
        };
        if self.state.account(&signer).is_some_and(|account| account.roles.iter().any(signs)) {
            return Ok(());
        }
        Err(RuleViolation::RoleNeeded { account: signer, role: Role::Gateway, act: "readings" })
    }

    fn check_interval(&self, readings: &Readings, binding: &BindingRecord) -> Result<(), RuleViolation> {
        if let Some(ended) = binding.until.filter(|until| readings.end > *until) {
            return Err(RuleViolation::BindingEnded(ended));
        }
        let head = &binding.head;
        if readings.seq != head.next_seq {
            return Err(RuleViolation::WrongSequence { found: readings.seq, expected: head.next_seq });
        }
        if readings.previous != head.previous {
            return Err(RuleViolation::WrongPrevious { expected: head.previous });
        }
        let longest =
            if readings.source.is_operators() { Readings::INTERVAL_MAX_BY_HAND } else { Readings::INTERVAL_MAX };
        if readings.end <= readings.start || readings.end.since(readings.start) > longest {
            return Err(RuleViolation::IntervalLength);
        }
        if readings.end > self.time + CLOCK_AHEAD_MAX {
            return Err(RuleViolation::IntervalInFuture);
        }
        Ok(())
    }

    fn is_month_start(&self, time: Timestamp) -> bool {
        let month = self.state.genesis.month_at(time).and_then(|month| self.state.genesis.month_span(month));
        month.is_some_and(|(start, _)| start == time)
    }

    /// Splits a stretch at month starts and books each part.
    fn book_stretch(
        &mut self,
        binding: &BindingRecord,
        id: units::BindingId,
        stretch: Stretch,
        entry: &Entry,
    ) -> Result<(), RuleViolation> {
        let mut rest = stretch;
        while rest.start < rest.end {
            let month = self.state.genesis.month_at(rest.start).ok_or(RuleViolation::OutsideCalendar)?;
            let (_, month_end) = self.state.genesis.month_span(month).ok_or(RuleViolation::OutsideCalendar)?;
            let (part, after) = rest.cut_at(month_end);
            self.book_part(binding, id, month, part, entry)?;
            rest = after;
        }
        Ok(())
    }

    /// Books a part that lies within one month: in its sheet, or as a correction if the month is closed.
    fn book_part(
        &mut self,
        binding: &BindingRecord,
        id: units::BindingId,
        month: Month,
        part: Stretch,
        entry: &Entry,
    ) -> Result<(), RuleViolation> {
        let member = binding.member;
        let sheet_month = month.max(self.state.first_open);
        let consumed = times(difference(part.import)?, binding.factor)?;
        let generated = part.export.map_or(Ok(Energy::ZERO), |export| times(difference(export)?, binding.factor))?;
        if binding.main {
            return self.book_main(sheet_month, consumed, generated);
        }
        self.post(sheet_month, member, Posting::Consumed, consumed)?;
        if !generated.is_zero() {
            self.post(sheet_month, member, Posting::Generated, generated)?;
        }
        let mut sheet = self.sheet(sheet_month, member);
        for piece in part.folded() {
            extend_meters(&mut sheet.meters, binding, id, piece)?;
        }
        let Stretch { start, end, import, .. } = part;
        self.divide(
            &mut sheet,
            sheet_month,
            member,
            &Part { month, start, end, import, factor: binding.factor, consumed },
        );
        self.put_sheet(sheet_month, member, sheet);
        self.enter(sheet_month, member, entry.clone());
        Ok(())
    }
}

impl Draft<'_> {
    /// What a main meter counted stands beside the month's sums and moves none of them.
    fn book_main(&mut self, month: Month, import: Energy, export: Energy) -> Result<(), RuleViolation> {
        let mut record = self.month_record(month);
        record.main_import = bounded_sum(record.main_import, import)?;
        record.main_export = bounded_sum(record.main_export, export)?;
        self.put(RecordKey::Month(month), Record::Month(record));
        Ok(())
    }
}

/// Checks start and counters against the chain's head; gives the stretch to be booked.
fn continue_chain(readings: &Readings, head: &ChainHead) -> Result<Stretch, RuleViolation> {
    if readings.wraps_at.is_some() != (readings.broken == Some(Break::Wrap)) {
        return Err(RuleViolation::CounterWrap);
    }
    let here = Stretch::of(readings);
    difference(here.import)?;
    here.export.map(difference).transpose()?;
    let Some(import) = head.import else {
        // The first interval ever of this meter: its own first reading begins the count.
        return if readings.start >= head.end {
            Ok(here)
        } else {
            Err(RuleViolation::StartDiscontinuous { expected: head.end })
        };
    };
    let continues = readings.export.map(|export| export.start) == head.export && readings.import.start == import;
    match readings.broken {
        None if readings.start != head.end => Err(RuleViolation::StartDiscontinuous { expected: head.end }),
        None if !continues => Err(RuleViolation::CounterDiscontinuous { expected: import }),
        None => Ok(here),
        Some(_) if readings.start < head.end => Err(RuleViolation::StartDiscontinuous { expected: head.end }),
        Some(Break::Gap) => Ok(here.joined_to(head, import)?),
        Some(Break::Wrap) => here.wrapped_from(head, import, readings.wraps_at.ok_or(RuleViolation::CounterWrap)?),
        Some(Break::Reset | Break::Exchange) => Ok(here),
    }
}

/// A counter that was told as if it had run on, as its display shows it.
fn fold(pair: CounterPair, wraps_at: Energy) -> (CounterPair, Option<CounterPair>) {
    let less = |energy: Energy| Energy::from_mwh(energy.mwh().saturating_sub(wraps_at.mwh()));
    if pair.start >= wraps_at {
        (CounterPair { start: less(pair.start), end: less(pair.end) }, None)
    } else if pair.end > wraps_at {
        let (before, after) =
            (CounterPair { end: wraps_at, ..pair }, CounterPair { start: Energy::ZERO, end: less(pair.end) });
        (before, Some(after))
    } else {
        (pair, None)
    }
}

fn difference(pair: CounterPair) -> Result<Energy, RuleViolation> {
    pair.end.checked_sub(pair.start).ok_or(RuleViolation::CounterBackwards)
}

fn times(energy: Energy, factor: u32) -> Result<Energy, RuleViolation> {
    let product = energy.mwh().checked_mul(u64::from(factor)).map(Energy::from_mwh);
    product.filter(|energy| *energy <= Terms::TERM_MAX).ok_or(RuleViolation::AmountTooLarge)
}

impl Stretch {
    /// An interval as it was stated.
    pub(crate) const fn of(readings: &Readings) -> Self {
        let Readings { start, end, import, export, estimated, .. } = *readings;
        Self { start, end, import, export, wraps_at: None, estimated }
    }

    /// The interval before this one ended there: what lies between is this one's, if it says that the counters ran on.
    ///
    /// # Errors
    /// As the ledger refuses it.
    pub(crate) fn after_interval(readings: &Readings, before: &Readings) -> Result<Self, RuleViolation> {
        let head = ChainHead {
            next_seq: readings.seq,
            previous: readings.previous,
            end: before.end,
            import: Some(before.import.end),
            export: before.export.map(|export| export.end),
        };
        continue_chain(readings, &head)
    }

    /// Up to a boundary, and what is left behind it: nothing, if the boundary is not within.
    pub(crate) fn cut_at(self, boundary: Timestamp) -> (Self, Self) {
        if boundary < self.end { self.split_at(boundary) } else { (self, self.after()) }
    }

    /// With the gap before it: the counters ran on while nobody read them.
    fn joined_to(self, head: &ChainHead, import: Energy) -> Result<Self, RuleViolation> {
        let back_to = |pair: CounterPair, start| {
            let joined = CounterPair { start, end: pair.end };
            if pair.start < start { Err(RuleViolation::CounterDiscontinuous { expected: start }) } else { Ok(joined) }
        };
        let export = match (self.export, head.export) {
            (Some(export), Some(start)) => Some(back_to(export, start)?),
            (None, None) => None,
            // A counter that comes or goes is another device; as a gap it would let generated energy vanish.
            _ => return Err(RuleViolation::CounterDiscontinuous { expected: import }),
        };
        Ok(Self { start: head.end, import: back_to(self.import, import)?, export, ..self })
    }

    /// With the time before it, in which at least one counter began at zero again; less than half its way round, because
    /// more is as likely another device, or one that was set back.
    fn wrapped_from(self, head: &ChainHead, import: Energy, wraps_at: Energy) -> Result<Self, RuleViolation> {
        let run_on = |pair: CounterPair, from: Energy| {
            if from >= wraps_at || pair.end >= wraps_at {
                return Err(RuleViolation::CounterWrap);
            }
            if pair.start >= from {
                return Ok(CounterPair { start: from, end: pair.end });
            }
            let end = wraps_at.checked_add(pair.end).ok_or(RuleViolation::AmountTooLarge)?;
            let moved = end.mwh().saturating_sub(from.mwh());
            if moved > wraps_at.mwh() / 2 {
                return Err(RuleViolation::CounterWrap);
            }
            Ok(CounterPair { start: from, end })
        };
        let whole = run_on(self.import, import)?;
        let export = match (self.export, head.export) {
            (Some(export), Some(from)) => Some(run_on(export, from)?),
            (None, None) => None,
            _ => return Err(RuleViolation::CounterDiscontinuous { expected: import }),
        };
        let fell = whole.end != self.import.end || export.map(|pair| pair.end) != self.export.map(|pair| pair.end);
        if !fell {
            return Err(RuleViolation::CounterWrap);
        }
        Ok(Self { start: head.end, import: whole, export, wraps_at: Some(wraps_at), ..self })
    }

    /// As the display shows it: up to where a counter begins at zero again, and from there on.
    pub(crate) fn folded(self) -> Vec<Self> {
        let Some(wraps_at) = self.wraps_at else { return vec![self] };
        let (import, import_after) = fold(self.import, wraps_at);
        let export = self.export.map(|pair| fold(pair, wraps_at));
        if import_after.is_none() && export.is_none_or(|(_, after)| after.is_none()) {
            return vec![Self { import, export: export.map(|(pair, _)| pair), ..self }];
        }
        // Where only one counter wraps, the other's way lies behind the zero.
        let halves = |(pair, after): (CounterPair, Option<CounterPair>)| match after {
            Some(after) => (pair, after),
            None => (CounterPair { end: pair.start, ..pair }, pair),
        };
        let (import, export) = (halves((import, import_after)), export.map(halves));
        let before = Self { import: import.0, export: export.map(|export| export.0), ..self };
        vec![before, Self { import: import.1, export: export.map(|export| export.1), ..self }]
    }

    /// Two parts, the counter's difference split by time, rounded down in the earlier one. The boundary lies within.
    fn split_at(self, boundary: Timestamp) -> (Self, Self) {
        let elapsed = u128::from(boundary.since(self.start).ms());
        let length = u128::from(self.end.since(self.start).ms());
        let at = |pair: CounterPair| {
            let moved = u128::from(pair.end.mwh().saturating_sub(pair.start.mwh()));
            let share = u64::try_from(moved * elapsed / length).unwrap_or(u64::MAX);
            Energy::from_mwh(pair.start.mwh().saturating_add(share))
        };
        let before = |pair: CounterPair| CounterPair { end: at(pair), ..pair };
        let after = |pair: CounterPair| CounterPair { start: at(pair), ..pair };
        (
            Self {
                end: boundary,
                import: before(self.import),
                export: self.export.map(before),
                estimated: true,
                ..self
            },
            Self {
                start: boundary,
                import: after(self.import),
                export: self.export.map(after),
                estimated: true,
                ..self
            },
        )
    }

    /// Nothing, at its end.
    const fn after(self) -> Self {
        Self { start: self.end, ..self }
    }
}

/// Continues the sheet's last stretch of this binding, or begins a new one after a break.
fn extend_meters(
    meters: &mut Vec<MeterMonth>,
    binding: &BindingRecord,
    id: units::BindingId,
    part: Stretch,
) -> Result<(), RuleViolation> {
    let continues = |meter: &&mut MeterMonth| {
        meter.binding == id
            && meter.import.end == part.import.start
            && meter.export.map(|export| export.end) == part.export.map(|export| export.start)
    };
    if let Some(meter) = meters.iter_mut().rev().find(|meter| meter.binding == id).filter(continues) {
        meter.import.end = part.import.end;
        if let (Some(export), Some(part)) = (&mut meter.export, part.export) {
            export.end = part.end;
        }
        meter.estimated |= part.estimated;
        return Ok(());
    }
    if meters.len() >= SEGMENTS_MAX {
        return Err(RuleViolation::TooManyBreaks);
    }
    meters.push(MeterMonth {
        meter: binding.meter.clone(),
        binding: id,
        factor: binding.factor,
        import: part.import,
        export: part.export,
        estimated: part.estimated,
    });
    Ok(())
}
