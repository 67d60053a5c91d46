"""What a meter's own bytes say: Modbus RTU answers, read by the model's table of registers (crates/meter/profiles)."""

import tomllib
from pathlib import Path

from . import cbor
from .refusal import need

PROFILES = Path(__file__).parents[4] / "meter" / "profiles"
FUNCTIONS = {"holding": 3, "input": 4}
WORDS = {"u16": 1, "u32": 2}


def read_proof(value):
    """A frame and its path (section 8)."""
    frame, path = cbor.items(value, 2)
    time, exchanges = cbor.items(frame, 2)
    cbor.uint(time)
    cbor.listed(exchanges, lambda pair: cbor.listed(pair, cbor.octets, 2, 2), 0, 32)
    return frame, cbor.listed(path, cbor.digest, 0, 64)


def counter(profile, frame):
    """The import counter in mWh; None for a model without one, with another protocol, with registers that are not integers,
    or whose table is not here."""
    path = PROFILES / f"{profile}.toml"
    if not path.is_file():
        return None
    table = tomllib.loads(path.read_text())
    counters = (one for one in table.get("register", []) if one["quantity"] == "energy_import_mwh")
    register = next(counters, None)
    if register is None or register["type"] not in WORDS:
        return None
    _, exchanges = frame
    for request, response in exchanges:
        value = read_register(table, register, request, response)
        if value is not None:
            return value * int(register["scale"])
    need(False, "no counter in a frame")


def read_register(table, register, request, response):
    """The register's number if this answer holds it."""
    need(len(request) == 8 and len(response) >= 5, "no Modbus exchange")
    need(crc(request) == 0 and crc(response) == 0, "a frame with a wrong check sum")
    need(request[:2] == response[:2] and response[2] == len(response) - 5, "an answer to another request")
    each = table.get("bytes_per_count", 2)
    offset = (register["address"] - int.from_bytes(request[2:4], "big")) * each
    data, size = response[3:-2], 2 * WORDS[register["type"]]
    if request[1] != FUNCTIONS[register["kind"]] or not 0 <= offset <= len(data) - size:
        return None
    words = [data[at : at + 2] for at in range(offset, offset + size, 2)]
    if table.get("word_order") == "low_first":
        words.reverse()
    return int.from_bytes(b"".join(words), "big")


def crc(data):
    """CRC-16/MODBUS over data and its own check sum, low byte first, is 0."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value
