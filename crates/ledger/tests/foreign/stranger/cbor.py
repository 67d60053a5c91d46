"""Deterministic CBOR (section 2): what was read is written again and must give the same bytes.

The encoder here is the measure; cbor2 only decodes, since it accepts more than the protocol does.
"""

import io

import cbor2

from .refusal import Refused, need

UINT64 = 2**64


def head(major, number):
    """Initial byte and argument in the shortest form (RFC 8949 4.2.1)."""
    for extra, length in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 24:
            return bytes([major << 5 | number])
        if number < 1 << 8 * length:
            return bytes([major << 5 | extra]) + number.to_bytes(length, "big")
    raise Refused("an integer beyond 64 bits")


def encode(value):
    """The one encoding of integers, byte strings, texts, booleans, null, arrays, maps and tags."""
    if value is None or value is True or value is False:
        return {None: b"\xf6", True: b"\xf5", False: b"\xf4"}[value]
    if type(value) is int:
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if type(value) is bytes:
        return head(2, len(value)) + value
    if type(value) is str:
        text = value.encode()
        return head(3, len(text)) + text
    if type(value) in (list, tuple):
        return head(4, len(value)) + b"".join(encode(item) for item in value)
    if type(value) is dict:
        pairs = sorted((encode(key), encode(item)) for key, item in value.items())
        return head(5, len(pairs)) + b"".join(key + item for key, item in pairs)
    if type(value) is cbor2.CBORTag:
        return head(6, value.tag) + encode(value.value)
    raise Refused(f"an item that the protocol does not know ({type(value).__name__})")


def decode_sequence(data):
    """The items of a CBOR sequence (RFC 8742)."""
    stream, items = io.BytesIO(data), []
    decoder = cbor2.CBORDecoder(stream)
    try:
        while stream.tell() < len(data):
            items.append(decoder.decode())
    except Refused:
        raise
    except Exception as error:  # the library raises many kinds
        raise Refused(f"no CBOR ({type(error).__name__}: {error})") from error
    need(b"".join(encode(item) for item in items) == data, "another encoding than the deterministic one")
    return items


def decode(data):
    """The one item that the bytes hold."""
    items = decode_sequence(data)
    need(len(items) == 1, f"{len(items)} items instead of one")
    return items[0]


def array(*items):
    """An array as written: absent items at its end are left out."""
    items = list(items)
    while items and items[-1] is None:
        items.pop()
    return items


# What a value must be. Each gives the value back.


def uint(value, bits=64):
    need(type(value) is int and 0 <= value < 1 << bits, f"no unsigned integer of {bits} bits")
    return value


def sint(value):
    need(type(value) is int and -(1 << 63) <= value < 1 << 63, "no signed integer of 64 bits")
    return value


def boolean(value):
    need(type(value) is bool, "no boolean")
    return value


def text(value, least=0, most=None):
    need(type(value) is str, "no text")
    need(least <= len(value.encode()) and (most is None or len(value.encode()) <= most), "a text of a refused length")
    return value


def octets(value, size=None):
    need(type(value) is bytes and (size is None or len(value) == size), f"no byte string of {size or 'any'} bytes")
    return value


def digest(value):
    return octets(value, 32)


def one_of(value, allowed):
    need(type(value) is int and value in allowed, f"{value!r} is none of {sorted(allowed)}")
    return value


def listed(value, item, least=0, most=None):
    """An array of like items."""
    need(type(value) is list, "no array")
    need(least <= len(value) and (most is None or len(value) <= most), f"an array of {len(value)} items")
    return [item(each) for each in value]


def items(value, count, optional=0):
    """An array of `count` items, of which the last `optional` may be left out; absent ones are given as None."""
    need(type(value) is list and count - optional <= len(value) <= count, "an array of a refused length")
    need(len(value) == count - optional or value[-1] is not None, "null at an array's end")
    return value + [None] * (count - len(value))


def fields(value, required, optional=()):
    """A map with exactly these keys; absent ones are given as None, in the order named."""
    need(type(value) is dict, "no map")
    keys = set(value)
    need(set(required) <= keys <= set(required) | set(optional), f"map keys {sorted(keys, key=repr)}")
    need(all(item is not None for item in value.values()), "null in a map")
    return {key: value.get(key) for key in (*required, *optional)}


def present(value, reader):
    """Reads what is there."""
    return None if value is None else reader(value)
