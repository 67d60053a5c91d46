"""Keys, accounts and signatures (section 3)."""

import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from . import cbor
from .refusal import Refused, need

ED25519, ES256, RS256 = -8, -7, -257


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


# Edwards25519 (RFC 8032 5.1), as far as the checks need it that libraries leave out.
P = 2**255 - 19
D = -121665 * pow(121666, P - 2, P) % P


def square_root(square):
    """A root modulo P, or None (RFC 8032 5.1.3)."""
    root = pow(square, (P + 3) // 8, P)
    for candidate in (root, root * pow(2, (P - 1) // 4, P) % P):
        if candidate * candidate % P == square % P:
            return candidate
    return None


def small_order_ys():
    """The y of the points of order 1, 2, 4 and 8. Doubling an order 8 point gives y = 0, thus D y^4 + 2 y^2 - 1 = 0."""
    ys = {1, P - 1, 0}
    root = square_root((1 + D) % P)
    for numerator in (root - 1, -root - 1):
        y = square_root(numerator * pow(D, P - 2, P) % P)
        if y is not None:
            ys |= {y, P - y}
    return ys


SMALL_ORDER_YS = small_order_ys()


def y_of(point):
    """The y of an encoded point; the highest bit is the sign of x."""
    return int.from_bytes(point, "little") & ~(1 << 255)


def is_on_curve(y):
    return square_root((y * y - 1) * pow(D * y * y + 1, P - 2, P) % P) is not None


P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
RSA_BYTES_TEACHING = 128
SHA256_DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


class Key:
    """A public key as a COSE_Key."""

    def __init__(self, cose):
        need(type(cose) is dict, "no COSE_Key")
        self.cose = cose
        reader = {1: self._ed25519, 2: self._p256, 3: self._rsa}.get(cose.get(1))
        need(reader, f"a key of kind {cose.get(1)!r}")
        reader()
        self.account = sha256(cbor.encode(cose))

    def _ed25519(self):
        parts = cbor.fields(self.cose, (1, -1, -2))
        need(parts[-1] == 6, "no Ed25519 key")
        self.algorithm, self.point = ED25519, cbor.octets(parts[-2], 32)

    def _p256(self):
        parts = cbor.fields(self.cose, (1, -1, -2, -3))
        need(parts[-1] == 1, "no P-256 key")
        self.algorithm, self.point = ES256, cbor.octets(parts[-2], 32) + cbor.octets(parts[-3], 32)

    def _rsa(self):
        parts = cbor.fields(self.cose, (1, -1, -2))
        need(parts[-2] == b"\x01\x00\x01", "another exponent than 65,537")
        self.algorithm, self.point = RS256, cbor.octets(parts[-1])
        need(128 <= len(self.point) <= 512, "a modulus of a refused length")

    def is_weak(self):
        """For ledgers for teaching only."""
        return self.algorithm == RS256 and len(self.point) == RSA_BYTES_TEACHING

    def is_valid(self):
        """Whether section 3 accepts it as a key, on a ledger for teaching at least."""
        if self.algorithm == RS256:
            length = len(self.point)
            return (length == RSA_BYTES_TEACHING or 256 <= length) and self.point[0] >= 0x80 and self.point[-1] & 1 == 1
        if self.algorithm == ED25519:
            y = y_of(self.point)
            return y < P and y not in SMALL_ORDER_YS and is_on_curve(y)
        try:
            self._p256_key()
        except ValueError:
            return False
        return True

    def _p256_key(self):
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + self.point)

    def verify(self, message, signature):
        """Refuses a signature that is not this key's."""
        need(self.is_valid(), "a key that section 3 refuses")
        try:
            verifiers = {ED25519: self._verify_ed25519, ES256: self._verify_p256, RS256: self._verify_rsa}
            verifiers[self.algorithm](message, signature)
        except InvalidSignature as error:
            raise Refused("the signature does not fit") from error

    def _verify_ed25519(self, message, signature):
        """The library checks S < L and compares R as bytes, so R is canonical where it passes."""
        need(len(signature) == 64, "a signature of another length")
        need(y_of(signature[:32]) not in SMALL_ORDER_YS, "R is a point of small order")
        ed25519.Ed25519PublicKey.from_public_bytes(self.point).verify(signature, message)

    def _verify_p256(self, message, signature):
        need(len(signature) == 64, "a signature of another length")
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        need(0 < r < P256_ORDER and 0 < s <= P256_ORDER // 2, "r is zero, or s not in the lower half")
        self._p256_key().verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))

    def _verify_rsa(self, message, signature):
        """PKCS#1 v1.5 (RFC 8017 8.2.2): what must come out is built and compared; nothing is parsed."""
        length, modulus = len(self.point), int.from_bytes(self.point, "big")
        need(len(signature) == length, "a signature of another length")
        number = int.from_bytes(signature, "big")
        need(number < modulus, "a signature that is not below the modulus")
        found = pow(number, 65_537, modulus).to_bytes(length, "big")
        digest_info = SHA256_DIGEST_INFO + sha256(message)
        need(
            found == b"\x00\x01" + b"\xff" * (length - 3 - len(digest_info)) + b"\x00" + digest_info, "no RSA signature"
        )


BECH32_LETTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def bech32m(prefix, data):
    """BIP 350."""
    number, bits = int.from_bytes(data, "big"), len(data) * 8
    padding = -bits % 5
    number <<= padding
    groups = [number >> shift & 31 for shift in range(bits + padding - 5, -1, -5)]
    expanded = [ord(letter) >> 5 for letter in prefix] + [0] + [ord(letter) & 31 for letter in prefix]
    check = 1
    for value in [*expanded, *groups, 0, 0, 0, 0, 0, 0]:
        top, check = check >> 25, (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            if top >> bit & 1:
                check ^= generator
    check ^= 0x2BC830A3
    groups += [check >> shift & 31 for shift in range(25, -1, -5)]
    return prefix + "1" + "".join(BECH32_LETTERS[group] for group in groups)


def printed(account):
    """An account id as a person sees it."""
    return bech32m("wp", account)
