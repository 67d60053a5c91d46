"""Transparent statements and COSE Receipts (section 13)."""

import cbor2

from . import cbor
from .keys import ES256, Key
from .log import leaf_hash, root_from_path, roots_from_growth
from .refusal import at, need
from .statement import Statement

RECEIPTS, KEYS, STRUCTURE, PROOFS, SIZE = 394, -70002, 395, 396, -70003
INCLUSION, CONSISTENCY = -1, -2
RECEIPT_BYTES_MAX = 8_192


def verify(data):
    """A statement with its receipts. Whether their keys are the ledger's, genesis says."""
    tagged = cbor.decode(data)
    need(type(tagged) is cbor2.CBORTag and tagged.tag == 18, "no COSE_Sign1")
    protected, unprotected, payload, signature = cbor.items(tagged.value, 4)
    header = cbor.fields(unprotected, (RECEIPTS, KEYS))
    statement = Statement(cbor.encode(cbor2.CBORTag(18, [protected, {}, payload, signature])))
    keys = {key.account: key for key in cbor.listed(header[KEYS], Key, 1, 17)}
    need(list(keys) == sorted(keys), "keys that are not in order")
    used = set()
    for number, receipt in enumerate(cbor.listed(header[RECEIPTS], cbor.octets, 1, 16)):
        with at(f"receipt {number}"):
            used.add(check_receipt(receipt, statement.leaf, keys))
    # The signer's first key has the account's id as its thumbprint; of a later one only the ledger tells whose it is.
    signers = [statement.signer] if statement.signer in keys else [account for account in keys if account not in used]
    need(len(signers) == 1, "the signer's key is missing, or a key signed nothing here")
    statement.verify(keys[signers[0]])
    need(used | set(signers) == set(keys), "a key that signed nothing here")
    return f"a statement with {len(header[RECEIPTS])} receipts"


def read_receipt(data, kind):
    """Its signer, the tree's size, the proof of this kind, and what checks the signature over a root with a key."""
    need(len(data) <= RECEIPT_BYTES_MAX, "more than 8,192 bytes")
    tagged = cbor.decode(data)
    need(type(tagged) is cbor2.CBORTag and tagged.tag == 18, "no COSE_Sign1")
    protected, unprotected, payload, signature = cbor.items(tagged.value, 4)
    header = cbor.fields(cbor.decode(cbor.octets(protected)), (1, 4, STRUCTURE, SIZE))
    need((header[1], header[STRUCTURE], payload) == (ES256, 1, None), "no ES256 receipt of an RFC 9162 log")
    proofs = cbor.fields(cbor.fields(unprotected, (PROOFS,))[PROOFS], (kind,))
    (proof,) = cbor.listed(proofs[kind], cbor.octets, 1, 1)

    def check(key, root):
        need(key.algorithm == ES256, "a key of another kind than receipts have")
        key.verify(cbor.encode(["Signature1", protected, b"", root]), signature)

    return cbor.digest(header[4]), cbor.uint(header[SIZE]), cbor.decode(proof), check


def check_receipt(data, leaf, keys):
    """Of inclusion; gives the account that signed."""
    account, tree_size, proof, check = read_receipt(data, INCLUSION)
    size, index, path = cbor.items(proof, 3)
    need(cbor.uint(size) == tree_size, "a path of another tree")
    root = root_from_path(leaf_hash(leaf), cbor.uint(index), size, cbor.listed(path, cbor.digest, 0, 64))
    need(account in keys, "the receipt's key is missing")
    check(keys[account], root)
    return account


def check_growth(data, old, new, genesis):
    """Of consistency between two checkpoints, by a receipt key of genesis."""
    account, tree_size, proof, check = read_receipt(data, CONSISTENCY)
    old_size, new_size, path = cbor.items(proof, 3)
    need((cbor.uint(old_size), cbor.uint(new_size)) == (old.size, new.size), "a path between other trees")
    need(tree_size == new.size, "a receipt of another tree")
    roots = roots_from_growth(old.size, new.size, old.root, cbor.listed(path, cbor.digest, 0, 64))
    need(roots == (old.root, new.root), "the later log does not begin with the earlier one")
    keys = {key.account: key for key in genesis.receipt_keys}
    need(account in keys, "signed by no receipt key of the ledger")
    check(keys[account], new.root)
