#!/usr/bin/env python3
"""Checks whole ledgers, bundles of bills and claims, and transparent statements with a verifier written from
docs/protocol.md alone.

    verify_export.py [--tamper] FILE [FILE ...]

A file named `WORDS.RULE.refused` is an export whose last block breaks that rule: it must be refused under that name.
`WORDS.lie` is a file that somebody made to deceive: it must be refused. `WORDS.absence` and `WORDS.growth` are a
proof that the state lacks a record, and a receipt of how the log grew, with the checkpoints they stand on. With `--tamper`, copies of each other file
with changed bytes must be refused too. Prints each finding and `N passed, 0 failed`;
exit 1 when anything failed, 2 on wrong use.
"""

import os
import sys
from pathlib import Path

from stranger import bundle, claim_bundle, export, proofs, receipt
from stranger.refusal import Refused, RuleBroken

# Changed copies of a file, each of which costs a replay; with WATTPROOF_LONG every byte is changed in turn.
TAMPERED_COPIES = 150
# First bytes: the tag of a statement, and arrays of five and of four whose first item is a genesis document.
TAG_OF_A_STATEMENT, ABSENCE, GROWTH = b"\xd2", b"\x85", b"\x84"


def verify(data):
    """Says what was found, or refuses."""
    if bundle.is_bundle(data):
        return bundle.verify(data)
    if claim_bundle.is_bundle(data):
        return claim_bundle.verify(data)
    if data.startswith(ABSENCE):
        return proofs.verify_absence(data)
    if data.startswith(GROWTH):
        return proofs.verify_growth(data)
    if data.startswith(TAG_OF_A_STATEMENT):
        return receipt.verify(data)
    state = export.verify(data)
    return f"{state.head.height} blocks, {state.log.size} statements, state root {state.root().hex()[:16]}"


def expect_verified(name, data):
    try:
        return True, f"{name}: {verify(data)}"
    except Refused as refused:
        return False, f"{name}: {refused}"


def expect_refused(name, data, rule):
    try:
        return False, f"{name}: accepted: {verify(data)}"
    except RuleBroken as broken:
        return broken.name == rule, f"{name}: {broken}"
    except Refused as refused:
        return False, f"{name}: refused, but not by a rule: {refused}"


def expect_lie_noticed(name, data):
    good, words = expect_verified(name, data)
    return not good, words


def tampered(data):
    """Copies with one bit changed at places spread over the file, and copies that are cut."""
    step = 1 if os.environ.get("WATTPROOF_LONG") else max(1, len(data) // TAMPERED_COPIES)
    for at in range(0, len(data), step):
        changed = bytearray(data)
        changed[at] ^= 1 << at // step % 8
        yield f"bit {at // step % 8} of byte {at}", bytes(changed)
    yield "the last byte left out", data[:-1]
    yield "a byte after the end", data + b"\x00"


def expect_tampering_noticed(name, data):
    passed = [place for place, copy in tampered(data) if expect_verified(place, copy)[0]]
    return not passed, f"{name}: changed copies are refused" if not passed else f"{name}: accepted with {passed}"


def outcomes(path, with_tampering):
    data = path.read_bytes()
    if path.suffix == ".refused":
        yield expect_refused(path.name, data, path.stem.rpartition(".")[2])
        return
    if path.suffix == ".lie":
        yield expect_lie_noticed(path.name, data)
        return
    yield expect_verified(path.name, data)
    if with_tampering:
        yield expect_tampering_noticed(path.name, data)


def main(arguments):
    with_tampering = "--tamper" in arguments
    names = [argument for argument in arguments if argument != "--tamper"]
    if not names or any(name.startswith("-") for name in names):
        print(__doc__, file=sys.stderr)
        return 2
    passed = failed = 0
    for name in names:
        try:
            found = list(outcomes(Path(name), with_tampering))
        except OSError as error:
            print(error, file=sys.stderr)
            return 2
        for good, words in found:
            print("ok  " if good else "FAIL", words)
            passed, failed = passed + good, failed + (not good)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
