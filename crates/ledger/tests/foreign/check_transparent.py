#!/usr/bin/env python3
"""Checks an exported statement with software that knows nothing of Wattproof.

    check_transparent.py STATEMENT [KEY ...]

STATEMENT is a COSE_Sign1 with COSE Receipts (RFC 9942) under header 394. Keys are found by their thumbprint (RFC 9679)
among those that the statement brings under header -70002 and the COSE_Key files (RFC 9052 7) given. Signatures are checked by pycose, the inclusion path by hand (RFC 9162 2.1.3.2). The same checks must fail on
changed copies. Prints `N passed, 0 failed`; exit 1 when anything failed, 2 on wrong use.
"""

import hashlib
import sys

import cbor2
from pycose.keys import CoseKey
from pycose.messages import Sign1Message

RECEIPTS, DATA_STRUCTURE, PROOFS, KEYS = 394, 395, 396, -70002
ALGORITHM, KEY_ID, RFC9162_SHA256, INCLUSION = 1, 4, 1, -1


def leaf_hash(leaf):
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_from_inclusion(leaf, index, size, path):
    """RFC 9162 2.1.3.2; None when the path does not belong to index and size."""
    if index >= size:
        return None
    at, last, result = index, size - 1, leaf
    for node in path:
        if last == 0:
            return None
        if at & 1 or at == last:
            result = node_hash(node, result)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            result = node_hash(result, node)
        at, last = at >> 1, last >> 1
    return result if last == 0 else None


def thumbprint(key):
    """RFC 9679: SHA-256 over the required parameters in deterministic order. Ours are written so."""
    return hashlib.sha256(cbor2.dumps(key)).digest()


def signature_fits(message, protected, keys, detached=None):
    """By the one key whose thumbprint the protected header names."""
    message.key = CoseKey.decode(cbor2.dumps(keys[cbor2.loads(protected)[KEY_ID]]))
    if detached is None:
        return message.verify_signature()
    return message.verify_signature(detached_payload=detached)


def statement_fits(statement, keys):
    protected, _, payload, signature = cbor2.loads(statement).value
    bare = cbor2.dumps(cbor2.CBORTag(18, [protected, {}, payload, signature]))
    return signature_fits(Sign1Message.decode(bare), protected, keys)


def receipts_fit(statement, keys):
    """Every receipt's path leads from this statement to the root that the receipt signs."""
    protected, unprotected, payload, signature = cbor2.loads(statement).value
    leaf = cbor2.dumps(cbor2.CBORTag(18, [protected, {}, payload, signature]))
    receipts = unprotected[RECEIPTS]
    return bool(receipts) and all(receipt_fits(receipt, leaf, keys) for receipt in receipts)


def receipt_fits(receipt, leaf, keys):
    protected, unprotected, payload, _ = cbor2.loads(receipt).value
    if cbor2.loads(protected)[DATA_STRUCTURE] != RFC9162_SHA256 or payload is not None:
        return False
    (proof,) = unprotected[PROOFS][INCLUSION]
    size, index, path = cbor2.loads(proof)
    root = root_from_inclusion(leaf_hash(leaf), index, size, path)
    return root is not None and signature_fits(Sign1Message.decode(receipt), protected, keys, root)


def fits(check, *arguments):
    """Malformed is as good as wrong: a changed copy may fail in the decoder."""
    try:
        return bool(check(*arguments))
    except Exception as error:  # the libraries raise many kinds
        print(f"     ({type(error).__name__}: {error})")
        return False


def changed_copies(statement):
    """The parts that hold the promise, each with one bit changed."""
    protected, unprotected, payload, signature = cbor2.loads(statement).value

    def rebuilt(protected=protected, receipts=unprotected[RECEIPTS], payload=payload, signature=signature):
        return cbor2.dumps(cbor2.CBORTag(18, [protected, {**unprotected, RECEIPTS: receipts}, payload, signature]))

    def flipped(part, at=-1):
        changed = bytearray(part)
        changed[at] ^= 1
        return bytes(changed)

    receipt_protected, proofs, _, receipt_signature = cbor2.loads(unprotected[RECEIPTS][0]).value
    size, index, path = cbor2.loads(proofs[PROOFS][INCLUSION][0])

    def with_receipt(size=size, index=index, path=path, signature=receipt_signature):
        proof = cbor2.dumps([size, index, path])
        receipt = [receipt_protected, {PROOFS: {INCLUSION: [proof]}}, None, signature]
        return rebuilt(receipts=[cbor2.dumps(cbor2.CBORTag(18, receipt))])

    both = (statement_fits, receipts_fit)
    yield "payload", both, rebuilt(payload=flipped(payload))
    yield "signature", both, rebuilt(signature=flipped(signature, 0))
    yield "receipt's signature", (receipts_fit,), with_receipt(signature=flipped(receipt_signature))
    yield "receipt's index", (receipts_fit,), with_receipt(index=index ^ 1)
    if path:
        yield "receipt's path", (receipts_fit,), with_receipt(path=path[:-1] + [flipped(path[-1])])
        yield "receipt's path cut", (receipts_fit,), with_receipt(path=path[:-1])


def keys_by_thumbprint(statement, key_files):
    unprotected = cbor2.loads(statement).value[1]
    keys = unprotected.get(KEYS, []) + [cbor2.loads(key) for key in key_files]
    return {thumbprint(key): key for key in keys}


def main(arguments):
    if not arguments:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        statement, *key_files = (open(name, "rb").read() for name in arguments)
    except OSError as error:
        print(error, file=sys.stderr)
        return 2
    try:
        keys = keys_by_thumbprint(statement, key_files)
    except Exception as error:
        print(f"FAIL not a COSE_Sign1 with a header ({type(error).__name__}: {error})\n0 passed, 1 failed")
        return 1
    outcomes = [
        ("the statement's signature fits its signer's key", fits(statement_fits, statement, keys)),
        ("every receipt proves the statement's place in the log", fits(receipts_fit, statement, keys)),
    ]
    try:
        for part, checks, copy in changed_copies(statement):
            for check in checks:
                outcomes.append((f"changed {part}: {check.__name__} says no", not fits(check, copy, keys)))
    except Exception as error:
        outcomes.append((f"changed copies can be made ({type(error).__name__}: {error})", False))
    for name, passed in outcomes:
        print("ok  " if passed else "FAIL", name)
    failed = sum(not passed for _, passed in outcomes)
    print(f"{len(outcomes) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
