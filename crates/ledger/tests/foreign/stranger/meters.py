"""Intervals of meters (section 7): they continue their chain or say why not, and only differences are booked."""

from dataclasses import dataclass, replace

from .acts import GAP, GATEWAY, METER, OPERATOR, WRAP, Counters
from .hours import divided
from .keys import sha256
from .records import BINDING, MONTH, OUTSIDE, SHEET, Correction, Head, MeterMonth, Outside
from .refusal import rule
from .state import TERM_MAX

MINUTE, HOUR = 60_000, 3_600_000
CLOCK_AHEAD = 10 * MINUTE
STRETCHES_MAX = 64
CLAIM_MONTHS = 3


@dataclass(frozen=True)
class Stretch:
    start: int
    end: int
    imported: Counters
    exported: Counters | None
    estimated: bool
    wraps_at: int | None = None  # then the ends are told as if the counters had run on
    is_unknown: bool = False  # its start is not known, so nothing can be divided by time

    def cut(self, at):
        """Before and after a point in time; the counters' share rounds down."""
        elapsed, length = at - self.start, self.end - self.start

        def counter(pair):
            return pair.start + (pair.end - pair.start) * elapsed // length

        def pairs(pair):
            return pair and (Counters(pair.start, counter(pair)), Counters(counter(pair), pair.end))

        imported, exported = pairs(self.imported), pairs(self.exported) or (None, None)
        before = Stretch(self.start, at, imported[0], exported[0], True, self.wraps_at)
        return before, Stretch(at, self.end, imported[1], exported[1], True, self.wraps_at)

    def folded(self):
        """As the displays show it: up to where a counter begins at zero again, and from there on."""
        if self.wraps_at is None:
            return [self]
        imported, exported = (pair and self.fold(pair) for pair in (self.imported, self.exported))
        if len(imported) == 1 and (exported is None or len(exported) == 1):
            return [replace(self, imported=imported[0], exported=exported and exported[0])]
        ways = [
            pair if pair is None or len(pair) == 2 else [Counters(pair[0].start, pair[0].start), pair[0]]
            for pair in (imported, exported)
        ]
        return [replace(self, imported=ways[0][at], exported=ways[1] and ways[1][at]) for at in (0, 1)]

    def fold(self, pair):
        if pair.start >= self.wraps_at:
            return [Counters(pair.start - self.wraps_at, pair.end - self.wraps_at)]
        if pair.end > self.wraps_at:
            return [Counters(pair.start, self.wraps_at), Counters(0, pair.end - self.wraps_at)]
        return [pair]


def book_interval(state, act, signer, statement, index, time):
    binding = state.binding(act.binding)
    rule(binding, "unknown_binding")
    check_signer(state, act, binding, signer, time)
    check_interval(act, binding, time)
    stretch = continued(act, binding.head)
    stretch = replace(stretch, estimated=act.estimated and shows(state.genesis, binding, act.end))
    while stretch.start < stretch.end:
        month = state.genesis.month_of(stretch.start)
        rule(month is not None, "outside_calendar")
        end = state.genesis.span(month)[1]
        part, stretch = stretch.cut(end) if end < stretch.end else (stretch, replace(stretch, start=stretch.end))
        book_part(state, act.binding, binding, month, part, [1, statement, index])
    keep_if_outside(state, act, binding, (statement, index))
    exported = act.exported and act.exported.end
    head = Head(binding.head.next + 1, statement, act.end, act.imported.end, exported)
    binding = replace(binding, head=head)
    if not binding.is_live():
        state.count_bindings(binding.member, -1)
    state.put((BINDING, act.binding), binding)


def shows(genesis, binding, end):
    """Whether a bill may show the counter of this time: a month begins, or the binding ends."""
    month = genesis.month_of(end)
    return end == binding.until or (month is not None and genesis.span(month)[0] == end)


def check_signer(state, act, binding, signer, time):
    """The gateway or meter that the binding names, whose role has not ended before; by hand the operator."""
    if act.is_operators:
        rule(state.has(signer, OPERATOR, time), "not_the_signer")
        rule((act.count, act.columns, act.frames) == (0, sha256(b""), sha256(b"")), "hand_reading")
        return
    rule(binding.signer == signer, "not_the_signer")
    signs = [span for span in state.account(signer).roles if span.role in (GATEWAY, METER)]
    rule(any(span.until is None or act.end <= span.until for span in signs), "role_needed")


def check_interval(act, binding, time):
    rule(binding.until is None or act.end <= binding.until, "binding_ended")
    rule(act.number == binding.head.next, "wrong_sequence")
    rule(act.previous == binding.head.previous, "wrong_previous")
    longest = 92 * 24 * HOUR if act.is_operators else 24 * HOUR
    rule(0 < act.end - act.start <= longest, "interval_length")
    rule(act.end <= time + CLOCK_AHEAD, "interval_in_future")


def continued(act, head):
    """What is booked: the interval, with the gap before it if it is one."""
    rule((act.wraps_at is not None) == (act.broken == WRAP), "counter_wrap")
    for pair in filter(None, (act.imported, act.exported)):
        rule(pair.start <= pair.end, "counter_backwards")
    here = Stretch(act.start, act.end, act.imported, act.exported, act.estimated)
    if head.imported is None:
        rule(act.start >= head.end, "start_discontinuous")
        return here
    if act.broken is None:
        rule(act.start == head.end, "start_discontinuous")
        continues = act.imported.start == head.imported and (act.exported and act.exported.start) == head.exported
        rule(continues, "counter_discontinuous")
        return here
    rule(act.start >= head.end, "start_discontinuous")
    if act.broken == WRAP:
        return wrapped(here, head, act.wraps_at)
    return joined(here, head) if act.broken == GAP else here


def wrapped(here, head, wraps_at):
    """A counter began at zero again; what it moved on the way counts."""
    rule((here.exported is None) == (head.exported is None), "counter_discontinuous", "a counter came or went")
    pairs = [(here.imported, head.imported), (here.exported, head.exported)]
    ways = []
    for pair, start in pairs:
        if pair is None:
            ways.append(None)
            continue
        rule(start < wraps_at and pair.end < wraps_at, "counter_wrap")
        fell = pair.start < start
        end = pair.end + wraps_at if fell else pair.end
        rule(not fell or end - start <= wraps_at // 2, "counter_wrap")
        ways.append(Counters(start, end))
    rule(any(pair and pair.start < start for pair, start in pairs), "counter_wrap")
    return replace(here, start=head.end, imported=ways[0], exported=ways[1], wraps_at=wraps_at)


def joined(here, head):
    """A gap: the counters ran on while nobody read them."""
    rule((here.exported is None) == (head.exported is None), "counter_discontinuous", "a counter came or went")
    pairs = [(here.imported, head.imported), (here.exported, head.exported)]
    rule(all(pair is None or pair.start >= start for pair, start in pairs), "counter_discontinuous")
    imported, exported = (pair and Counters(start, pair.end) for pair, start in pairs)
    return replace(here, start=head.end, imported=imported, exported=exported)


def moved(pair, factor):
    energy = (pair.end - pair.start) * factor if pair else 0
    rule(energy <= TERM_MAX, "amount_too_large")
    return energy


def book_part(state, binding_id, binding, month, part, entry):
    """In the month's sheet, or in the first open one's with a correction (section 10, late readings)."""
    booked, member = max(month, state.first_open), binding.member
    consumed, generated = moved(part.imported, binding.factor), moved(part.exported, binding.factor)
    if binding.main:
        book_main(state, booked, consumed, generated)
        return
    state.post(booked, member, "consumed", consumed)
    state.post(booked, member, "generated", generated)
    sheet = state.sheet(booked, member)
    stretches = sheet.meters
    for piece in part.folded():
        stretches = with_part(stretches, binding_id, binding, piece)
    sheet = replace(sheet, meters=stretches)
    state.put((SHEET, booked, member), divide(state, sheet, booked, member, month, part, binding.factor))
    state.enter(booked, member, entry)


def divide(state, sheet, booked, member, month, part, factor):
    """Adds a part to the sheet's own use, or to the correction of a closed month that had a tariff."""
    late_under = state.tariff(month) if booked != month else None
    if late_under is None:
        record = state.tariff(booked)
        more = divided(state.genesis, record and record.tariff, booked, part, factor)
        return replace(sheet, regular=sheet.regular.plus(more))
    late = divided(state.genesis, late_under.tariff, month, part, factor)
    for at, known in enumerate(sheet.corrections):
        if known.month == month:
            more = replace(known, late=known.late.plus(late))
            return replace(sheet, corrections=(*sheet.corrections[:at], more, *sheet.corrections[at + 1 :]))
    before = known_use(state, member, month, booked)
    new = Correction(month, late_under.tariff.since, late, before)
    return replace(sheet, corrections=(*sheet.corrections, new))


def known_use(state, member, of, booked):
    """Of a closed month so far: its own use, and what came late before the open month."""
    known = state.sheet(of, member).regular
    for month in range(of + 1, booked):
        for correction in state.sheet(month, member).corrections:
            if correction.month == of:
                known = known.plus(correction.late)
    return known


def book_main(state, month, imported, exported):
    """A main meter counts beside the sheets."""
    record = state.month(month)
    imported, exported = record.main_import + imported, record.main_export + exported
    rule(max(imported, exported) <= TERM_MAX, "amount_too_large")
    state.put((MONTH, month), replace(record, main_import=imported, main_export=exported))


def keep_if_outside(state, act, binding, act_id):
    """A member's interval whose voltage left the limits that were in force at its start may be claimed for a while."""
    limits = state.parameters().limits_at(act.start)
    if act.voltage is None or binding.main or (act.voltage[0] >= limits.lowest and act.voltage[1] <= limits.highest):
        return
    month = state.genesis.month_of(act.start)
    rule(month is not None, "outside_calendar")
    if month + CLAIM_MONTHS >= state.first_open:
        found, allowed = tuple(act.voltage[:2]), (limits.lowest, limits.highest)
        record = Outside(binding.member, binding.meter, act.start, act.end, found, allowed)
        state.put((OUTSIDE, month, act_id), record)


def with_part(meters, binding_id, binding, part):
    """The binding's last stretch goes on where the counters do; otherwise a new one begins."""
    for at in range(len(meters) - 1, -1, -1):
        last = meters[at]
        if last.binding != binding_id:
            continue
        if last.imported.end != part.imported.start or (last.exported and last.exported.end) != (
            part.exported and part.exported.start
        ):
            break
        longer = replace(
            last,
            imported=Counters(last.imported.start, part.imported.end),
            exported=part.exported and Counters(last.exported.start, part.exported.end),
            estimated=last.estimated or part.estimated,
        )
        return (*meters[:at], longer, *meters[at + 1 :])
    rule(len(meters) < STRETCHES_MAX, "too_many_breaks")
    new = MeterMonth(binding.meter, binding_id, binding.factor, part.imported, part.exported, part.estimated)
    return (*meters, new)
