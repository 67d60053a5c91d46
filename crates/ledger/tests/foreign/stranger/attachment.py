"""Attachments (section 8): the readings of an interval and the frames at its ends, against the act."""

from . import cbor, frames
from .keys import sha256
from .log import leaf_hash, root_from_path
from .refusal import need

ROWS_MAX, COLUMNS_MAX, PACKED_FROM = 4_096, 64, 64
ATTACHMENT_BYTES_MAX = 1 << 20
QUANTITIES = [
    "voltage_mv", "current_ua", "active_power_mw", "reactive_power_mvar", "apparent_power_mva",
    "power_factor_1e4", "frequency_mhz", "energy_import_mwh", "energy_export_mwh",
]  # fmt: skip
CHANNELS = ["", "_l1", "_l2", "_l3", "_ch1", "_ch2"]
NAMES = [quantity + channel for quantity in QUANTITIES for channel in CHANNELS]
OVER_VOLTAGE = 1


class Attachment:
    """Salt, the columns as they were written, and the frames that are carried."""

    def __init__(self, data):
        need(len(data) <= ATTACHMENT_BYTES_MAX, "an attachment that is too large")
        parts = cbor.fields(cbor.decode(data), (1, 2, 3), (4,))
        self.salt, self.columns = cbor.octets(parts[1], 32), cbor.octets(parts[2])
        self.frame_count = cbor.uint(parts[3], 32)
        self.ends = cbor.present(parts[4], lambda ends: cbor.listed(ends, frames.read_proof, 2, 2))

    def check(self, act):
        """Gives the number of readings that were compared; packed ones are not unpacked here."""
        need(sha256(self.salt, self.columns) == act.columns, "other columns than those that were signed")
        need(self.frames_root() == act.frames, "other frames than those that were signed")
        table = Table(self.columns)
        need(table.count == act.count, "another number of readings than the act's")
        need(self.ends is None or self.frame_count == act.count, "frames, but not one for each reading")
        if table.is_packed:
            return 0
        if self.ends:
            need([frame[0] for frame, _ in self.ends] == [table.times[0], table.times[-1]], "frames of other readings")
        table.check(act)
        return act.count

    def frames_root(self):
        if self.ends is None:
            need(self.frame_count == 0, "frames, but none at the ends")
            return sha256(b"")
        need(self.frame_count > 0, "no frames, but those at the ends")
        roots = {
            root_from_path(leaf_hash(self.salt + cbor.encode(frame)), index, self.frame_count, path)
            for (frame, path), index in zip(self.ends, (0, self.frame_count - 1))
        }
        need(len(roots) == 1, "the two frames are not of one tree")
        return roots.pop()


class Table:
    """The columns of an interval."""

    def __init__(self, data):
        parts = cbor.fields(cbor.decode(data), (1, 2, 3, 4))
        self.count = cbor.uint(parts[2])
        need(1 <= self.count <= ROWS_MAX, "no readings, or more than 4,096")
        self.is_packed = cbor.one_of(parts[1], {0, 1}) == 1
        need(self.is_packed == (self.count >= PACKED_FROM), "packed, or not packed, against the rule")
        columns = cbor.listed(parts[4], lambda column: cbor.items(column, 3), 0, COLUMNS_MAX)
        names = [cbor.text(name) for name, *_ in columns]
        need(names == [name for name in NAMES if name in names], "columns that are unknown or not in order")
        if not self.is_packed:
            self._read(parts[3], columns)

    def _read(self, times, columns):
        self.times = cbor.listed(times, cbor.uint, self.count, self.count)
        need(all(a < b for a, b in zip(self.times, self.times[1:])), "times that do not rise")
        self.columns = {}  # name to [(time, value)]
        for name, presence, values in columns:
            rows = self.times if presence is None else self._rows(cbor.octets(presence))
            self.columns[name] = list(zip(rows, cbor.listed(values, cbor.sint, len(rows), len(rows))))

    def _rows(self, presence):
        need(len(presence) == (self.count + 7) // 8, "presence bits of another number of rows")
        bits = int.from_bytes(presence, "little")
        need(0 < bits < (1 << self.count) - 1, "presence bits without need, or beyond the rows")
        return [time for at, time in enumerate(self.times) if bits >> at & 1]

    def of(self, quantity):
        """(time, value) of the whole meter and of each phase and channel."""
        return [pair for channel in CHANNELS for pair in self.columns.get(quantity + channel, [])]

    def check(self, act):
        need(all(act.start <= time < act.end for time in self.times), "a reading outside the interval")
        volts = [value for _, value in self.of("voltage_mv")]
        need(act.voltage == (volts and [min(volts), max(volts), sum(volts) // len(volts)] or None), "other voltages")
        currents = [value for _, value in self.of("current_ua")]
        need(act.peak_current == max(currents, default=None), "another highest current")
        powers = [value for _, value in self.columns.get("active_power_mw", [])]
        need(act.peak_power == max(powers, default=None), "another highest power")
        self.check_counter("energy_import_mwh", act.imported, act.estimated)
        self.check_counter("energy_export_mwh", act.exported, act.estimated)
        for kind, first, last, extreme in act.events:
            within = [value for time, value in self.of("voltage_mv") if first <= time <= last]
            need(within and extreme == (max if kind == OVER_VOLTAGE else min)(within), "another extreme of an event")

    def check_counter(self, name, stated, is_estimated):
        """The act's counters enclose those of the readings; unless estimated, the last one ends the interval."""
        counters = [value for _, value in self.columns.get(name, [])]
        need(counters == sorted(counters), "a counter that falls")
        need((stated is None) == (not counters), "a counter that came or went")
        if stated:
            need(stated.start <= counters[0] and counters[-1] <= stated.end, "a counter outside the interval's")
            need(is_estimated or counters[-1] == stated.end, "another counter at the interval's end")
