"""What every bundle stands on (section 14): a checkpoint, statements in its log, records in its state, keys in those."""

from . import cbor, tree
from .block import read_header
from .export import names_header
from .genesis import Genesis
from .keys import Key, sha256
from .log import Checkpoint, leaf_hash, root_from_path
from .records import ACCOUNT, encoded, read_key, read_record
from .refusal import need
from .statement import Statement


class Proven:
    """The parts of a bundle that all kinds have; the checks of the layers stand on each other in order."""

    def __init__(self, genesis, note, header, statements, records):
        self.genesis = Genesis(cbor.octets(genesis))
        self.note = cbor.text(note)
        self.header = read_header(cbor.octets(header))
        self.statements = cbor.listed(statements, read_statement)
        self.records = cbor.listed(records, read_proven_record)
        rising([index for index, *_ in self.statements], "statements")
        rising([key for key, *_ in self.records], "records")
        self.by_id = {statement.id: statement for _, statement, _ in self.statements}
        self.state = {key: record for key, record, _ in self.records}

    # What is looked up.

    def statement(self, statement):
        need(statement in self.by_id, f"statement {statement.hex()} is missing")
        return self.by_id[statement]

    def record(self, *key):
        need(key in self.state, f"record {key[0]} is missing")
        return self.state[key]

    # Layers.

    def check_signatures(self):
        """With the key that the signer's account had at the statement's place in the log."""
        for index, statement, _ in self.statements:
            need(statement.ledger == self.genesis.ledger, "a statement of another ledger")
            key = self.record(ACCOUNT, statement.signer).key_at(index)
            need(key is not None, "a signer without a key")
            statement.verify(Key(key))

    def check_finality(self):
        need(self.header.ledger == self.genesis.ledger, "a header of another ledger")
        names_header(Checkpoint(self.note, self.genesis.ledger, self.genesis.log_key), self.header)

    def check_inclusion(self):
        for index, statement, path in self.statements:
            root = root_from_path(leaf_hash(statement.leaf), index, self.header.log_size, path)
            need(root == self.header.log_root, f"statement {index} is not in the log")
        for key, record, siblings in self.records:
            place, value = sha256(cbor.encode(list(key))), sha256(encoded(key, record))
            root = tree.root_of_presence(place, value, siblings)
            need(root == self.header.state_root, f"record {key} is not in the state")

    def check_nothing_idle(self, records, statements):
        """Nothing is missing, and nothing is there that nothing here names."""
        signers = {(ACCOUNT, statement.signer) for statement in self.by_id.values()}
        need(set(self.state) == records | signers, "records that nothing names, or too few")
        need(set(self.by_id) == statements, "statements that nothing names, or too few")


def rising(values, what):
    need(all(a < b for a, b in zip(values, values[1:])), f"{what} are not in order")


def read_statement(value):
    index, leaf, path = cbor.items(value, 3)
    return cbor.uint(index), Statement(cbor.octets(leaf)), cbor.listed(path, cbor.digest, 0, 64)


def read_proven_record(value):
    key, record, proof = cbor.items(value, 3)
    key, (kind, record) = read_key(key), read_record(record)
    need(key[0] == kind, "a record of another kind than its key's")
    siblings, other = cbor.items(proof, 2, 1)
    need(other is None, "a proof of absence")
    return key, record, cbor.listed(siblings, cbor.digest, 0, 256)
