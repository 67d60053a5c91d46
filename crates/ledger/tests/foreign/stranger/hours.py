"""Time of day (section 10): how the energy of a stretch divides among the bands of a tariff."""

from dataclasses import dataclass

from .prices import TIME_OF_USE

DAY, MINUTE = 86_400_000, 60_000


@dataclass(frozen=True)
class Divided:
    """Energy, and the same by band."""

    energy: int = 0
    bands: tuple = ()
    estimated: bool = False

    def to_cbor(self):
        return [self.energy, list(self.bands), self.estimated]

    def plus(self, more):
        width = max(len(self.bands), len(more.bands))
        wide = [(*each.bands, *[0] * (width - len(each.bands))) for each in (self, more)]
        bands = tuple(a + b for a, b in zip(*wide))
        return Divided(self.energy + more.energy, bands, self.estimated or more.estimated)


def divided(genesis, tariff, month, part, factor):
    """The energy of a stretch within a month, under a tariff or none."""
    energy = (part.imported.end - part.imported.start) * factor
    if tariff is None or tariff.table.kind != TIME_OF_USE:
        return Divided(energy)
    bands = [0] * len(tariff.table.bands)
    is_summer, counter, at, estimated = tariff.is_summer(month), part.imported.start, part.start, False
    while at < part.end:
        band, until = band_until(genesis, tariff.table, is_summer, at, part.end)
        share = (part.imported.end - counter) * (until - at) // (part.end - at)
        bands[band] += share
        counter += share
        estimated |= until < part.end
        at = until
    return Divided(energy, tuple(share * factor for share in bands), estimated)


def band_until(genesis, table, is_summer, time, limit):
    """The band at a moment, and the first later one with another band, at most `limit`."""
    band, until = switch_after(genesis, table, is_summer, time)
    while until < limit:
        next_band, after = switch_after(genesis, table, is_summer, until)
        if next_band != band:
            return band, until
        until = after
    return band, limit


def switch_after(genesis, table, is_summer, time):
    """The band at a moment, and when the plan, the day or the wall clock's offset changes next."""
    offset, change = genesis.offset_at(time)
    day, local = divmod(time + offset * 1_000, DAY)
    plan = table.week(is_summer)[kind_of_day(table, day)]
    band = [band for minute, band in plan if minute * MINUTE <= local][-1]
    later = [minute * MINUTE for minute, _ in plan if minute * MINUTE > local]
    until = time + (later[0] if later else DAY) - local
    return band, until if change is None else min(until, change)


def kind_of_day(table, day):
    """0 weekday, 1 Saturday, 2 Sunday or a listed date. 1970-01-01 was a Thursday."""
    weekday = (day + 3) % 7
    if weekday == 6 or day in table.off_days:
        return 2
    return 1 if weekday == 5 else 0
