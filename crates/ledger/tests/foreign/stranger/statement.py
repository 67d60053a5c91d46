"""Statements (section 5) in leaf form."""

import cbor2

from . import cbor
from .acts import Accept, Offer, Readings, Transfer, read_act
from .keys import ED25519, ES256, RS256, printed, sha256
from .refusal import need

BYTES_MAX = 65_535
MINUTE, DAY = 60_000, 86_400_000


class Statement:
    """A statement as it is written. Its signature and the rules are still to be checked."""

    def __init__(self, leaf):
        need(len(leaf) <= BYTES_MAX, "a statement of more than 65,535 bytes")
        self.leaf = leaf
        tagged = cbor.decode(leaf)
        need(type(tagged) is cbor2.CBORTag and tagged.tag == 18, "no COSE_Sign1")
        protected, unprotected, payload, self.signature = cbor.items(tagged.value, 4)
        need(unprotected == {}, "an unprotected header in a leaf form")
        cbor.octets(self.signature)
        self.signed_bytes = cbor.encode(["Signature1", cbor.octets(protected), b"", cbor.octets(payload)])
        self.id = sha256(self.signed_bytes)
        self._read_payload(cbor.decode(payload))
        self._read_header(cbor.decode(protected))

    def _read_header(self, header):
        parts = cbor.fields(header, (1, 3, 4, 15))
        self.algorithm = cbor.one_of(parts[1], {ED25519, ES256, RS256})
        need(parts[3] == "application/wattproof-statement+cbor", "another content type")
        self.signer = cbor.digest(parts[4])
        claims = cbor.fields(parts[15], (1, 2))
        need(claims[1] == printed(self.signer), "`iss` is another account than `kid`")
        need(claims[2] == "wattproof:" + self.ledger.hex(), "`sub` is another ledger than the payload's")

    def _read_payload(self, payload):
        parts = cbor.fields(payload, (1, 2, 3, 5), (4,))
        self.ledger = cbor.digest(parts[1])
        cbor.octets(parts[2], 16)
        self.issued, self.expires = cbor.uint(parts[3]), cbor.present(parts[4], cbor.uint)
        self.acts = cbor.listed(parts[5], read_act, 1, 64)
        self._check_life()

    def _check_life(self):
        if self.expires is None:
            need(all(isinstance(act, Readings) for act in self.acts), "no expiry")
            return
        trades = any(isinstance(act, (Transfer, Offer, Accept)) for act in self.acts)
        longest = 60 * MINUTE if trades else 31 * DAY
        need(self.issued < self.expires <= self.issued + longest, "a life that is empty or too long")

    def verify(self, key):
        need(key.algorithm == self.algorithm, "signed by another algorithm than the key's")
        key.verify(self.signed_bytes, self.signature)
