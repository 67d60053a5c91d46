"""Bills (section 10): what closed months' sheets and tariffs come to in money."""

from .refusal import rule

MONTHS_MAX = 12


def months_of_span(genesis, start, until):
    """The whole months of a span."""
    months, at = [], start
    month = genesis.month_of(start)
    while month is not None and at < until and len(months) < MONTHS_MAX:
        span = genesis.span(month)
        rule(span is not None and span[0] == at, "bill_span", "not whole months")
        months.append(month)
        month, at = month + 1, span[1]
    rule(months and at == until, "bill_span", "not 1 to 12 whole months of the calendar")
    return months


def compute(genesis, account, start, until, records):
    """The body of the bill. `records(month)` gives the sheet and the month's record, or refuses."""
    months, amounts, step = [], 0, 1
    for month in months_of_span(genesis, start, until):
        sheet, community = records(month)
        rule(community.closed, "month_open")
        rule(community.tariff, "no_tariff")
        lines = lines_of(month, sheet, community.tariff.tariff)
        amounts += sum(line[5] for line in lines)
        step = community.tariff.tariff.step
        months.append(
            {
                1: month,
                2: sheet.terms.to_cbor(),
                3: [meter_line(meter) for meter in sheet.meters],
                4: community.tariff.statement,
                5: lines,
            }
        )
    total = money((amounts + step // 2) // step * step)
    return {1: account, 2: start, 3: until, 4: months, 5: total}


def meter_line(meter):
    energy = (meter.imported.end - meter.imported.start) * meter.factor
    return {1: meter.meter, 2: meter.imported.start, 3: meter.imported.end, 4: meter.factor, 5: energy, 6: meter.estimated}


def lines_of(month, sheet, tariff):
    corrected = sum(correction.energy for correction in sheet.corrections)
    regular = sheet.terms.consumed - corrected
    excess = min(regular, max(0, -sheet.terms.remaining() - corrected))
    lines = [line(1, month, regular - excess, tariff.price)]
    if excess > 0:
        lines.append(line(2, month, excess, tariff.excess_price))
    lines += [line(3, one.month, one.energy, one.price) for one in sheet.corrections]
    return lines


def line(kind, month, energy, price):
    """Half up to 1e-4 of the currency unit."""
    return {1: kind, 2: month, 3: energy, 4: price, 5: money((energy * price + 500_000) // 1_000_000)}


def money(amount):
    rule(-(1 << 63) <= amount < 1 << 63, "amount_too_large", "an amount of money beyond 64 bits")
    return amount
