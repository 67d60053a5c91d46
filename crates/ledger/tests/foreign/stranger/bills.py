"""Bills (section 10): what closed sheets and their tariffs come to in money.

`books` gives the records: the whole state, or the few that a bundle proves.
"""

from itertools import pairwise

from . import acts
from .hours import Divided
from .prices import (
    AVERAGE,
    BOUGHT,
    CORRECTION,
    EXCESS,
    FIXED,
    FLAT,
    MINIMUM,
    SOLD,
    SURCHARGE,
    TOGETHER,
    Line,
    Use,
    money,
    of_energy,
    product,
)
from .refusal import rule

MONTHS_MAX = 12


class Span:
    """Whose bill, and for when."""

    def __init__(self, books, account, start, until):
        self.books, self.genesis, self.account = books, books.genesis, account
        self.start, self.until = start, until
        self.months = self._months()

    def _months(self):
        """The months whose sheets it is for: from a month's start or a moving in to a month's end or a moving out."""
        months, at, month = [], self.start, self.genesis.month_of(self.start)
        while month is not None and at < self.until and len(months) < MONTHS_MAX:
            rule(month in self.genesis.months(), "bill_span")
            months.append(month)
            at, month = self.genesis.span(month)[1], month + 1
        rule(months and at >= self.until, "bill_span")
        begins = self.start in (self.genesis.span(months[0])[0], self.moved_in(months[0]))
        ends = self.until in (self.genesis.span(months[-1])[1], self.moved_out(months[-1]))
        rule(begins and ends, "bill_span", "not whole sheets")
        return months

    def bindings(self, month):
        sheet = self.books.known_sheet(month, self.account)
        return [self.books.binding(meter.binding) for meter in sheet.meters] if sheet else []

    def moved_in(self, month):
        return min((binding.since for binding in self.bindings(month)), default=None)

    def moved_out(self, month):
        ends = [binding.until for binding in self.bindings(month)]
        return max(ends) if ends and None not in ends else None

    def part(self, month):
        start, end = self.genesis.span(month)
        return max(start, self.start), min(end, self.until)


class Settled:
    """A month's sheet with its tariff."""

    def __init__(self, span, month):
        rule(self.is_settled(span, month), "month_open")
        self.month, self.sheet = month, span.books.known_sheet(month, span.account)
        rule(self.sheet is not None, "nothing_to_bill")
        community = span.books.known_month(month)
        rule(community is not None, "nothing_to_bill")
        is_open = not span.books.is_closed(month)
        self.record = span.books.tariff(month) if is_open else span.books.tariff_from(community.tariff)
        rule(self.record is not None, "no_tariff")
        self.tariff = self.record.tariff
        self.is_summer = self.tariff.is_summer(month)

    @staticmethod
    def is_settled(span, month):
        """Nothing moves its sheet any more: it is closed, or has begun and the member has left."""
        if span.books.is_closed(month):
            return True
        head = span.books.head.time
        record = span.books.account_of(span.account)
        return span.genesis.span(month)[0] <= head and record is not None and record.has_left(acts.MEMBER, head)

    def joins(self, before):
        """Whether it is priced together with the month before."""
        return (
            self.tariff.grouping == TOGETHER
            and self.tariff.table.kind != AVERAGE
            and self.record.statement == before.record.statement
            and self.is_summer == before.is_summer
        )

    def excess(self):
        """What was used beyond the sheet, if that has a price of its own."""
        if self.tariff.excess_price is None:
            return 0
        regular = self.sheet.regular.energy
        corrected = self.sheet.terms.consumed - regular
        return min(max(-self.sheet.terms.remaining() - corrected, 0), regular)


def compute(books, account, start, until):
    """The body of the bill."""
    span = Span(books, account, start, until)
    settled = [Settled(span, month) for month in span.months]
    lines = [line for run in runs(settled) for line in lines_of_run(span, run)]
    step, total = settled[-1].tariff.step, sum(line[7] for line in lines)
    total = money((total + step // 2) // step * step)
    months = [month_of(month) for month in settled]
    utilities = covering(books, start, until) if span.genesis.tenancy else []
    figures = [figures_of(utility.utility) for utility in utilities]
    bill = {1: account, 2: start, 3: until, 4: months, 5: lines, 6: total, 7: figures}
    if span.genesis.tenancy:
        check_tenancy(span, lines)
    return bill


def runs(settled):
    """Months that are priced together."""
    grouped = [[settled[0]]]
    for before, month in pairwise(settled):
        if month.joins(before):
            grouped[-1].append(month)
        else:
            grouped.append([month])
    return grouped


def month_of(settled):
    sheet = settled.sheet
    return {
        1: settled.month,
        2: sheet.terms.to_cbor(),
        3: [meter_line(meter) for meter in sheet.meters],
        4: settled.record.statement,
        5: list(sheet.regular.bands),
        6: sheet.regular.estimated,
    }


def meter_line(meter):
    energy = (meter.imported.end - meter.imported.start) * meter.factor
    return {
        1: meter.meter,
        2: meter.imported.start,
        3: meter.imported.end,
        4: meter.factor,
        5: energy,
        6: meter.estimated,
    }


def written(line, month, months):
    parts = {1: line.kind, 2: month, 3: months, 4: line.band, 5: line.energy, 6: line.price, 7: line.amount}
    return {key: value for key, value in parts.items() if value is not None}


def lines_of_run(span, run):
    first, used, excess = run[0], Divided(), sum(month.excess() for month in run)
    for month in run:
        used = used.plus(month.sheet.regular)
    tariff, lowest = first.tariff, None
    if tariff.table.kind == AVERAGE:
        lowest = lowest_average(span.books, *span.part(first.month))
    lines = tariff.table.lines(Use(first.is_summer, len(run), used.energy - excess, used.bands, lowest))
    if excess > 0:
        lines.append(of_energy(EXCESS, excess, tariff.excess_price))
    lines = [written(line, first.month, len(run)) for line in lines]
    for month in run:
        lines += [written(correction_line(span.books, one), one.month, 1) for one in month.sheet.corrections]
        for kind, sign, (energy, amount) in ((BOUGHT, 1, month.sheet.bought), (SOLD, -1, month.sheet.sold)):
            if energy > 0:
                lines.append(written(Line(kind, money(sign * amount), energy), month.month, 1))
    return lines


def correction_line(books, correction):
    """At the closed month's own tariff: at its price, or by the difference that the late energy makes to the month."""
    record = books.tariff_from(correction.tariff)
    rule(record is not None, "no_tariff")
    tariff, late = record.tariff, correction.late.energy
    is_summer = tariff.is_summer(correction.month)
    if tariff.table.kind == FLAT:
        return of_energy(CORRECTION, late, tariff.table.price.at(is_summer))
    if tariff.table.kind == AVERAGE:
        return of_energy(CORRECTION, late, lowest_average(books, *books.genesis.span(correction.month)))
    before, after = correction.before, correction.before.plus(correction.late)
    difference = alone(tariff, is_summer, after) - alone(tariff, is_summer, before)
    return Line(CORRECTION, money(difference), late)


def alone(tariff, is_summer, used):
    return sum(line.amount for line in tariff.table.lines(Use(is_summer, 1, used.energy, used.bands)))


# The tenancy rule.


def covering(books, start, until):
    """The utility's bills that cover a span together, by rising start."""
    covered, found = start, []
    for record in books.utilities(start, until):
        if record.utility.start > covered:
            break
        covered = record.utility.until
        found.append(record)
    rule(covered >= until, "utility_bill_missing")
    return found


def lowest_average(books, start, until):
    averages = [record.utility.average() for record in covering(books, start, until)]
    rule(averages, "bill_span")
    return min(averages)


def figures_of(utility):
    return {
        1: utility.start,
        2: utility.until,
        3: utility.average(),
        4: utility.energy,
        5: utility.amount,
        6: utility.common,
    }


def time_of(span, line):
    """The time that a line is for; a correction is for the whole of its own month."""
    if line[1] == CORRECTION:
        return span.genesis.span(line[2])
    return span.part(line[2])[0], span.part(line[2] + line[3] - 1)[1]


def charges(lines):
    return [line for line in lines if line[1] not in (BOUGHT, SOLD)]


def check_tenancy(span, lines):
    """No kWh above the utility's average, and nothing but kWh."""
    for line in charges(lines):
        lowest = lowest_average(span.books, *time_of(span, line))
        energy, price = line.get(5), line.get(6)
        rule(line[1] not in (FIXED, MINIMUM, SURCHARGE) and energy is not None, "tenancy_price")
        fits = price <= lowest if price is not None else line[7] <= product(energy, lowest)
        rule(fits, "tenancy_price", f"the utility's average is {lowest}")


def charged(span, bill):
    """What a bill adds to each bill of the utility, named by its start: (amount, energy)."""
    sums = {}

    def add(utility, amount, energy):
        before = sums.get(utility, (0, 0))
        sums[utility] = before[0] + amount, before[1] + energy

    for line in charges(bill[5]):
        start, end = time_of(span, line)
        amount, energy = line[7], line.get(5, 0)
        for record in covering(span.books, start, end):
            until = min(record.utility.until, end)
            parts = [whole * (until - start) // max(end - start, 1) for whole in (amount, energy)]
            amount, energy, start = amount - parts[0], energy - parts[1], until
            add(record.utility.start, *parts)
    rounding = bill[6] - sum(line[7] for line in bill[5])
    if bill[7]:
        add(bill[7][-1][1], rounding, 0)
    return sums
