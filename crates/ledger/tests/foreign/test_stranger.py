#!/usr/bin/env python3
"""That the verifier can say no: what libraries accept and the protocol refuses, each with a case that must be accepted.

    test_stranger.py

Prints `N passed, 0 failed`; exit 1 when anything failed.
"""

import sys
import tomllib
import types

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from stranger import block, cbor, frames, hours, keys, log, meters, prices, tree
from stranger.acts import Counters
from stranger.refusal import Refused

MESSAGE = b"a message"


def accepts(check, *arguments):
    try:
        check(*arguments)
    except Refused:
        return False
    return True


# CBOR: (bytes, whether they are the one encoding of something).
ENCODINGS = [
    ("00", True), ("17", True), ("1818", True), ("1817", False), ("190100", True), ("1900ff", False),
    ("1affffffff", True), ("1a0000ffff", False), ("1bffffffffffffffff", True), ("1b00000000ffffffff", False),
    ("20", True), ("3818", True), ("3817", False), ("3bffffffffffffffff", True),
    ("4161", True), ("580161", False), ("5f4161ff", False), ("6161", True), ("61ff", False), ("7f6161ff", False),
    ("8100", True), ("9f00ff", False), ("a0", True), ("bfff", False), ("f4", True), ("f5", True), ("f6", True),
    ("a201000200", True), ("a202000100", False), ("a201000100", False), ("a20a002000", True), ("a220000a00", False),
    ("a2181900" + "2000", True), ("a22000" + "181900", False),  # bytewise, not by length
    ("f7", False), ("f0", False), ("f90000", False), ("fb0000000000000000", False), ("c100", False), ("c24101", False),
    ("d28440a04040", True), ("d8128440a04040", False), ("0000", False), ("", False), ("81", False), ("ff", False),
]  # fmt: skip


def encodings():
    for text, good in ENCODINGS:
        yield f"CBOR {text or 'without bytes'}", accepts(cbor.decode, bytes.fromhex(text)) == good


# Ed25519: the group's order, and the eight points of small order in each of their encodings.
ORDER = 2**252 + 27742317777372353535851937790883648493


def encoded_point(y, sign):
    return (y | sign << 255).to_bytes(32, "little")


def ed25519_keys():
    good = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
    yield "an Ed25519 key", is_usable(good)
    for y in sorted(keys.SMALL_ORDER_YS):
        for sign in (0, 1):
            yield f"a key of small order, y = {y:x}, sign {sign}", not is_usable(encoded_point(y, sign))
    for y in (0, 1, 2, 18):
        yield f"a key with y = p + {y}", not is_usable(encoded_point(keys.P + y, 0))
    off_curve = next(y for y in range(2, 100) if not keys.is_on_curve(y))
    yield "a key off the curve", not is_usable(encoded_point(off_curve, 0))


def is_usable(point):
    return keys.Key({1: 1, -1: 6, -2: point}).is_valid()


def ed25519_signatures():
    secret = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))
    key = keys.Key({1: 1, -1: 6, -2: secret.public_key().public_bytes_raw()})
    good = secret.sign(MESSAGE)
    r, s = good[:32], int.from_bytes(good[32:], "little")
    cases = [
        ("a signature", good, True),
        ("S raised by the order", r + (s + ORDER).to_bytes(32, "little"), False),
        ("the sign of R turned", r[:31] + bytes([r[31] ^ 0x80]) + good[32:], False),
        ("a byte too many", good + b"\x00", False),
        ("a byte too few", good[:-1], False),
    ]
    cases += [(f"R of small order, y = {y:x}", encoded_point(y, 0) + bytes(32), False) for y in keys.SMALL_ORDER_YS]
    for name, signature, wanted in cases:
        yield f"Ed25519: {name}", accepts(key.verify, MESSAGE, signature) == wanted
    yield "Ed25519: another message", not accepts(key.verify, b"another message", good)


def p256_signatures():
    secret = ec.derive_private_key(7, ec.SECP256R1())
    numbers = secret.public_key().public_numbers()
    x, y = numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")
    key = keys.Key({1: 2, -1: 1, -2: x, -3: y})
    r, s = decode_dss_signature(secret.sign(MESSAGE, ec.ECDSA(hashes.SHA256())))
    low = min(s, keys.P256_ORDER - s)
    for name, (r_sent, s_sent), wanted in [
        ("a signature", (r, low), True),
        ("s in the upper half", (r, keys.P256_ORDER - low), False),
        ("r zero", (0, low), False),
        ("s zero", (r, 0), False),
        ("r raised by the order", (r + keys.P256_ORDER if r + keys.P256_ORDER < 2**256 else 2**256 - 1, low), False),
    ]:
        signature = r_sent.to_bytes(32, "big") + s_sent.to_bytes(32, "big")
        yield f"P-256: {name}", accepts(key.verify, MESSAGE, signature) == wanted
    yield "P-256: a key off the curve", not keys.Key({1: 2, -1: 1, -2: x, -3: bytes(32)}).is_valid()


def rsa_signatures():
    secret = rsa.generate_private_key(65_537, 2048)
    modulus = secret.public_key().public_numbers().n
    key = keys.Key({1: 3, -1: modulus.to_bytes(256, "big"), -2: b"\x01\x00\x01"})
    good = secret.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256())
    number, private = int.from_bytes(good, "big"), secret.private_numbers().d
    bare = b"\x00\x01" + b"\xff" * (256 - 3 - 49) + b"\x00" + keys.SHA256_DIGEST_INFO.replace(b"\x05\x00", b"")
    loose = b"\x00\x01\xff\xff\xff\xff\xff\xff\xff\xff\x00" + keys.SHA256_DIGEST_INFO + keys.sha256(MESSAGE)
    cases = [
        ("a signature", good, True),
        ("zero", bytes(256), False),
        ("a byte too few", good[1:], False),
        ("a zero in front", b"\x00" + good, False),
        ("by another hash", secret.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA512()), False),
        (
            "another padding",
            secret.sign(MESSAGE, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256()),
            False,
        ),
        ("a digest info without its parameter", signed_block(bare + keys.sha256(MESSAGE), private, modulus), False),
        ("a short padding with garbage behind", signed_block(loose.ljust(256, b"\x00"), private, modulus), False),
        ("raised by the modulus", ((number + modulus) % 2**2048).to_bytes(256, "big"), False),
    ]
    for name, signature, wanted in cases:
        yield f"RSA: {name}", accepts(key.verify, MESSAGE, signature) == wanted
    for length, first, last, wanted in [
        (256, 0x80, 1, True), (128, 0x80, 1, True), (512, 0xFF, 1, True),
        (256, 0x7F, 1, False), (256, 0x80, 2, False), (255, 0x80, 1, False), (129, 0x80, 1, False),
    ]:  # fmt: skip
        cose = {1: 3, -1: bytes([first]) + bytes(length - 2) + bytes([last]), -2: b"\x01\x00\x01"}
        yield f"RSA: a modulus of {length} bytes, {first:x} to {last:x}", keys.Key(cose).is_valid() == wanted


def signed_block(block, private, modulus):
    return pow(int.from_bytes(block, "big"), private, modulus).to_bytes(256, "big")


COSE_KEYS = [
    ({1: 1, -1: 6, -2: bytes(32)}, True),
    ({1: 1, -1: 6, -2: bytes(31)}, False),
    ({1: 1, -1: 7, -2: bytes(32)}, False),
    ({1: 1, -1: 6, -2: bytes(32), 3: -8}, False),
    ({1: 2, -1: 1, -2: bytes(32), -3: bytes(32)}, True),
    ({1: 2, -1: 1, -2: bytes(32), -3: True}, False),
    ({1: 2, -1: 1, -2: bytes(32)}, False),
    ({1: 5, -1: 6, -2: bytes(32)}, False),
    ({1: 3, -1: bytes(256), -2: b"\x01\x00\x01"}, True),
    ({1: 3, -1: bytes(256), -2: b"\x03"}, False),
    ({1: 3, -1: bytes(127), -2: b"\x01\x00\x01"}, False),
    ({1: 3, -1: bytes(513), -2: b"\x01\x00\x01"}, False),
    ({}, False),
]


def cose_keys():
    for cose, good in COSE_KEYS:
        yield f"COSE_Key {cose}"[:60], accepts(keys.Key, cose) == good


def plain_root(leaves):
    """RFC 9162 2.1.1, as it is defined."""
    if len(leaves) < 2:
        return log.leaf_hash(leaves[0]) if leaves else keys.sha256(b"")
    cut = 1 << (len(leaves) - 1).bit_length() - 1
    return log.node_hash(plain_root(leaves[:cut]), plain_root(leaves[cut:]))


def plain_path(index, leaves):
    """RFC 9162 2.1.3.1, as it is defined."""
    if len(leaves) == 1:
        return []
    cut = 1 << (len(leaves) - 1).bit_length() - 1
    if index < cut:
        return [*plain_path(index, leaves[:cut]), plain_root(leaves[cut:])]
    return [*plain_path(index - cut, leaves[cut:]), plain_root(leaves[:cut])]


def logs():
    grown, leaves = log.Log(), []
    for size in range(20):
        yield f"the root of {size} leaves", grown.root() == plain_root(leaves)
        for index in range(size):
            path, leaf = plain_path(index, leaves), log.leaf_hash(leaves[index])
            yield f"leaf {index} of {size}", log.root_from_path(leaf, index, size, path) == grown.root()
            others = [(index, size, path + [bytes(32)]), (size, size, path)]
            if path:
                others += [(index, size, path[:-1]), (index ^ 1, size, path)]
            wrong = [place for place in others if leads_to(leaf, *place, grown.root())]
            yield f"leaf {index} of {size}: no other path", not wrong
            path, older = plain_growth(index + 1, leaves), plain_root(leaves[: index + 1])
            yield f"from {index + 1} to {size}", grows(index + 1, size, older, path, grown.root())
            others = [(index + 1, size, older, [*path, bytes(32)]), (index, size, older, path)]
            others += [(index + 1, size, older, path[:-1])] if path else []
            others += [(index + 1, size, bytes(32), path)]
            wrong = [place for place in others if grows(*place, grown.root())]
            yield f"from {index + 1} to {size}: no other path", not wrong
        leaves.append(bytes([size]))
        grown.append(leaves[-1])


def plain_growth(old, leaves, is_whole=True):
    """RFC 9162 2.1.4.1, as it is defined."""
    if old == len(leaves):
        return [] if is_whole else [plain_root(leaves)]
    cut = 1 << (len(leaves) - 1).bit_length() - 1
    if old <= cut:
        return [*plain_growth(old, leaves[:cut], is_whole), plain_root(leaves[cut:])]
    return [*plain_growth(old - cut, leaves[cut:], False), plain_root(leaves[:cut])]


def grows(old, new, older, path, newer):
    try:
        return log.roots_from_growth(old, new, older, path) == (older, newer)
    except Refused:
        return False


def leads_to(leaf, index, size, path, root):
    try:
        return log.root_from_path(leaf, index, size, path) == root
    except Refused:
        return False


def state_trees():
    """A record's proof leads to the root at every depth, and no other record's does."""
    leaves = sorted((keys.sha256(bytes([n])), keys.sha256(b"value", bytes([n]))) for n in range(9))
    root = tree.root(leaves)
    yield "an empty state", tree.root([]) == bytes(32)
    for key, value in leaves:
        siblings = siblings_of(key, leaves)
        yield f"record {key.hex()[:6]}", tree.root_of_presence(key, value, siblings) == root
        other = bytes([value[0] ^ 1]) + value[1:]
        yield f"record {key.hex()[:6]} changed", tree.root_of_presence(key, other, siblings) != root
        yield f"record {key.hex()[:6]} is not absent", not is_absent(key, siblings, None, root)
        yield f"record {key.hex()[:6]} is no other", not is_absent(key, siblings, (key, value), root)
    ends = set()
    for n in range(100, 200):
        key = keys.sha256(bytes([n]))
        siblings = siblings_of(key, leaves)
        bits = [tree.bit(key, depth) for depth in range(len(siblings))]
        met = [leaf for leaf in leaves if [tree.bit(leaf[0], depth) for depth in range(len(siblings))] == bits]
        other = met[0] if met else None
        ends.add(other is None)
        yield f"no record {key.hex()[:6]}", is_absent(key, siblings, other, root)
        far = bytes([key[0] ^ 0x80]) + key[1:]
        yield f"no record {far.hex()[:6]} by that way", not is_absent(far, siblings, other, root)
    yield "absence by nothing and by another record", ends == {False, True}


def is_absent(key, siblings, other, root):
    try:
        return tree.root_of_absence(key, siblings, other) == root
    except Refused:
        return False


def siblings_of(key, leaves, depth=0):
    if len(leaves) < 2:
        return []
    halves = [[leaf for leaf in leaves if tree.bit(leaf[0], depth) == side] for side in (0, 1)]
    own = tree.bit(key, depth)
    return [tree.root(halves[1 - own], depth + 1), *siblings_of(key, halves[own], depth + 1)]


class Schedule:
    """Of genesis what the difficulty needs."""

    block_time, half_life = 10_000, 600_000


class Mined:
    def __init__(self, height, time):
        self.height, self.time = height, time


def difficulties():
    """One half-life ahead of the schedule doubles, one behind halves; the bounds hold."""
    first, begin = Mined(1, 50_000), 16**3
    for height, late, wanted in [
        (1, 0, begin),
        (61, 0, begin),
        (61, -600_000, 2 * begin),
        (61, 600_000, begin // 2),
        (61, 1_200_000, begin // 4),
        (121, -1_200_000, 4 * begin),
        (61, 10**12, 1),
        (10**6, -(10**7) * 600, 2**56),
        (61, -300_000, begin * 92_682 >> 16),
    ]:
        parent = Mined(height, 50_000 + 10_000 * (height - 1) + late)
        yield (
            f"difficulty after {height} blocks, {late} ms late",
            block.difficulty(Schedule, 3, parent, first) == wanted,
        )
    for difficulty, level in [(1, 1), (16, 1), (255, 1), (256, 2), (4095, 2), (4096, 3), (16**5, 5), (2**56, 5)]:
        yield f"the level of {difficulty}", block.level_of(difficulty) == level


class Zone:
    """Of genesis what the time of day needs: Berlin's clock is put on an hour on 2026-03-29 at 01:00 UTC."""

    change = 1_774_746_000_000

    @classmethod
    def offset_at(cls, time):
        return (3_600, cls.change) if time < cls.change else (7_200, None)


def hours_of_the_day():
    """Off-peak 0, peak 1 from 02:30 to 20:00 on weekdays, 2 on Saturdays from noon; one Tuesday is listed."""
    week = [[(0, 0), (150, 1), (1_200, 0)], [(0, 0), (720, 2)], [(0, 0)]]
    day = 20_541  # 2026-03-29, a Sunday
    table = prices.TimeOfUse(0, None, [("a", None), ("b", None), ("c", None)], week, None, [day + 2])
    sunday = day * hours.DAY
    hour = 3_600_000
    for name, after, band, until in [
        ("Saturday before noon", -14 * hour, 0, -13 * hour),
        ("Saturday afternoon", -13 * hour, 2, -hour),
        ("Sunday night", 0, 0, 22 * hour + hour // 2 + 2 * hour),
        ("Monday's switch in summer time", 24 * hour + hour // 2, 1, 42 * hour),
        ("a listed day", 48 * hour, 0, 72 * hour + hour // 2),
    ]:
        found = hours.band_until(Zone, table, False, sunday + after, sunday + 100 * hour)
        yield f"{name}: band {band}", found == (band, sunday + until)
    part = meters.Stretch(sunday + 24 * hour, sunday + 25 * hour, Counters(1_000, 2_001), None, False)
    tariff = types.SimpleNamespace(table=table, is_summer=lambda month: False)
    wanted = hours.Divided(10_010, (5_000, 5_010, 0), True)
    yield "a stretch across a switch", hours.divided(Zone, tariff, 0, part, 10) == wanted


def meters_frames():
    """The examples in the models' tables, with a bit changed and without; a model without an energy counter gives none."""
    for path in sorted(frames.PROFILES.glob("*.toml")):
        for number, example in enumerate(tomllib.loads(path.read_text())["example"]):
            exchanges = [[bytes.fromhex(one["request"]), bytes.fromhex(one["response"])] for one in example["exchange"]]
            wanted = example["reading"].get("energy_import_mwh")
            found = frames.counter(path.stem, [0, exchanges])
            yield f"frame {number} of {path.stem}", found in (None, wanted)
            request, response = exchanges[0]
            changed = bytes([*response[:-1], response[-1] ^ 1])
            if found is not None:
                yield (
                    f"frame {number} of {path.stem} changed",
                    not accepts(frames.counter, path.stem, [0, [[request, changed]]]),
                )
    read = [path.stem for path in frames.PROFILES.glob("*.toml") if any(frames_read(path))]
    yield "frames of two models are read", len(read) >= 2


def frames_read(path):
    for example in tomllib.loads(path.read_text())["example"]:
        exchanges = [[bytes.fromhex(one["request"]), bytes.fromhex(one["response"])] for one in example["exchange"]]
        yield frames.counter(path.stem, [0, exchanges]) is not None


def numbers_in_notes():
    for text, good in [("AA==", True), ("AB==", False), ("AA=", False), ("A A==", False)]:
        yield f"base64 {text}", accepts(log.canonical_base64, text) == good


def main():
    groups = [
        encodings, ed25519_keys, ed25519_signatures, p256_signatures, rsa_signatures, cose_keys, logs,
        state_trees, difficulties, hours_of_the_day,
        meters_frames, numbers_in_notes,
    ]  # fmt: skip
    outcomes = [outcome for group in groups for outcome in group()]
    failed = [name for name, good in outcomes if not good]
    for name in failed:
        print("FAIL", name)
    print(f"{len(outcomes) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
