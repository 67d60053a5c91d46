"""Price tables (sections 6 and 10): what a use of energy costs, line by line."""

import re
from dataclasses import dataclass

from . import cbor
from .refusal import rule

ENERGY, EXCESS, CORRECTION, BRACKET, BAND, FIXED, SURCHARGE, MINIMUM, BOUGHT, SOLD = range(1, 11)
FLAT, PROGRESSIVE, TIME_OF_USE, AVERAGE = 1, 2, 3, 4
EACH_MONTH, TOGETHER = 1, 2


@dataclass(frozen=True)
class Seasonal:
    """The price of a kWh."""

    other: int | None
    summer: int | None

    def at(self, is_summer):
        return self.summer if is_summer and self.summer is not None else self.other

    def amounts(self):
        return [amount for amount in (self.other, self.summer) if amount is not None]


@dataclass(frozen=True)
class Line:
    kind: int
    amount: int
    energy: int | None = None
    price: int | None = None
    band: str | None = None


def money(amount):
    rule(-(1 << 63) <= amount < 1 << 63, "amount_too_large", "an amount of money beyond 64 bits")
    return amount


def product(energy, price):
    """Half up to 1e-4 of the currency unit."""
    return money((energy * price + 500_000) // 1_000_000)


def average(amount, energy):
    """Of a bill, a kWh; rounded down."""
    return amount * 1_000_000 // energy


def of_energy(kind, energy, price, band=None):
    rule(price is not None, "no_tariff", "no price for the season")
    return Line(kind, product(energy, price), energy, price, band)


def read_seasonal(value):
    other, summer = cbor.items(value, 2, 2)
    return Seasonal(cbor.present(other, cbor.sint), cbor.present(summer, cbor.sint))


def is_price(price, summer, everywhere=True):
    """A price that is there when it is needed; below zero is another fault."""
    rule(all(amount >= 0 for amount in price.amounts()), "tariff_amounts")
    rule(price.summer is None or summer, "tariff_table", "summer prices without a summer")
    rule(price.other is not None or not everywhere, "tariff_table", "a season lacks its price")


@dataclass(frozen=True)
class Flat:
    price: Seasonal
    kind = FLAT

    def check(self, summer):
        is_price(self.price, summer)

    def lines(self, used):
        return [of_energy(ENERGY, used.energy, self.price.at(used.is_summer))]


@dataclass(frozen=True)
class Progressive:
    brackets: list  # (price, limit)
    minimum: int
    kind = PROGRESSIVE

    def check(self, summer):
        rule(self.minimum >= 0, "tariff_amounts")
        limits = [limit for _, limit in self.brackets]
        rule(limits and limits[-1] is None and None not in limits[:-1], "tariff_table", "limits")
        rising = [0, *limits[:-1]]
        rule(all(a < b for a, b in zip(rising, rising[1:])), "tariff_table", "limits that do not rise")
        for price, _ in self.brackets:
            is_price(price, summer)

    def lines(self, used):
        lines, below = [], 0
        for price, limit in self.brackets:
            limit = used.energy if limit is None else min(limit * used.months, 2**64 - 1)
            held = max(min(used.energy, limit) - below, 0)
            if held > 0 or not lines:
                lines.append(of_energy(BRACKET, held, price.at(used.is_summer)))
            below = max(limit, below)
        missing = self.minimum * used.months - sum(line.amount for line in lines)
        if missing > 0:
            lines.append(Line(MINIMUM, money(missing)))
        return lines


@dataclass(frozen=True)
class Average:
    """The average of the utility's bill."""

    kind = AVERAGE

    def check(self, summer):
        pass

    def lines(self, used):
        return [of_energy(ENERGY, used.energy, used.average)]


@dataclass(frozen=True)
class TimeOfUse:
    fixed: int
    surcharge: tuple | None  # (above, price)
    bands: list  # (name, price)
    other: list  # plans of weekday, Saturday, off day
    summer: list | None
    off_days: list
    kind = TIME_OF_USE

    def week(self, is_summer):
        return self.summer if is_summer and self.summer else self.other

    def check(self, summer):
        rule(self.fixed >= 0 and (not self.surcharge or self.surcharge[1] >= 0), "tariff_amounts")
        names = [name for name, _ in self.bands]
        named = all(re.fullmatch("[a-z0-9_]{1,32}", name) for name in names)
        rule(names and named and len(set(names)) == len(names), "tariff_table", "bands")
        for _, price in self.bands:
            is_price(price, summer, everywhere=False)
        rule(self.summer is None or summer, "tariff_table", "summer hours without a summer")
        for is_summer in (False, True) if summer else (False,):
            for plan in self.week(is_summer):
                self.check_plan(plan, is_summer)
        rule(all(a < b for a, b in zip(self.off_days, self.off_days[1:])), "tariff_table", "off days")

    def check_plan(self, plan, is_summer):
        minutes = [minute for minute, _ in plan]
        rising = all(a < b for a, b in zip(minutes, minutes[1:]))
        rule(minutes and minutes[0] == 0 and rising and minutes[-1] < 1_440, "tariff_table", "a plan")
        for _, band in plan:
            rule(band < len(self.bands), "tariff_table", "a plan's band")
            rule(self.bands[band][1].at(is_summer) is not None, "tariff_table", "a band's price")

    def lines(self, used):
        lines = [Line(FIXED, money(self.fixed * used.months))] if self.fixed else []
        for (name, price), energy in zip(self.bands, used.bands):
            if energy:
                lines.append(of_energy(BAND, energy, price.at(used.is_summer), name))
        if self.surcharge:
            above = used.energy - self.surcharge[0] * used.months
            if above > 0:
                lines.append(of_energy(SURCHARGE, above, self.surcharge[1]))
        return lines


@dataclass(frozen=True)
class Use:
    """What is priced together."""

    is_summer: bool
    months: int
    energy: int
    bands: tuple
    average: int | None = None


def read_table(value):
    kind, *parts = cbor.listed(value, lambda item: item, 1, 2)
    readers = {FLAT: read_flat, PROGRESSIVE: read_progressive, TIME_OF_USE: read_time_of_use}
    if cbor.one_of(kind, {*readers, AVERAGE}) == AVERAGE:
        cbor.items(parts, 0)
        return Average()
    return readers[kind](*cbor.items(parts, 1))


def read_flat(value):
    return Flat(read_seasonal(value))


def read_progressive(value):
    brackets, minimum = cbor.items(value, 2)
    return Progressive(cbor.listed(brackets, read_bracket, 0, 16), cbor.sint(minimum))


def read_bracket(value):
    price, limit = cbor.items(value, 2, 1)
    return read_seasonal(price), cbor.present(limit, cbor.uint)


def read_time_of_use(value):
    parts = cbor.fields(value, (1, 3, 4, 6), (2, 5))
    return TimeOfUse(
        cbor.sint(parts[1]),
        cbor.present(parts[2], read_surcharge),
        cbor.listed(parts[3], read_band, 0, 8),
        read_week(parts[4]),
        cbor.present(parts[5], read_week),
        cbor.listed(parts[6], lambda day: cbor.uint(day, 32), 0, 366),
    )


def read_surcharge(value):
    above, price = cbor.items(value, 2)
    return cbor.uint(above), cbor.sint(price)


def read_band(value):
    name, price = cbor.items(value, 2)
    return cbor.text(name), read_seasonal(price)


def read_week(value):
    return [cbor.listed(plan, read_switch, 0, 24) for plan in cbor.items(value, 3)]


def read_switch(value):
    minute, band = cbor.items(value, 2)
    return cbor.uint(minute, 32), cbor.uint(band, 32)
