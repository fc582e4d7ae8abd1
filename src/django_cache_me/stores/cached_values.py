"""How the cache backend writes values: a tag, then integers, text and bytes plainly, all else pickled.

The engine adds to integers where they lie, so it knows their form (``bind_shared_store.cpp``).
"""

from __future__ import annotations

import pickle
import struct
from typing import Any

from ..log import trouble

_NUMBER = struct.Struct("<cq")
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1
_TEXT, _BYTES, _PICKLE = b"s"[0], b"b"[0], b"p"[0]


def is_number(value: Any) -> bool:
    """Is it an integer (no boolean) of 64 bits, such as the engine can add to?"""
    return type(value) is int and _SMALLEST <= value <= _LARGEST


def encode(value: Any) -> bytes:
    """Raises what :mod:`pickle` raises for what it can't pickle."""
    kind: type = type(value)  # no subclasses: they'd come back as what they aren't
    if kind is int and _SMALLEST <= value <= _LARGEST:
        return _NUMBER.pack(b"i", value)
    if kind is str:
        return b"s" + str(value).encode("utf-8", "surrogatepass")
    if kind is bytes:
        return b"b" + bytes(value)
    return b"p" + pickle.dumps(value, pickle.HIGHEST_PROTOCOL)


def decode(data: bytes, default: Any) -> Any:
    """The value, or ``default`` (logged) if this process can't make it: its class has gone, or is another."""
    try:
        tag = data[0]
        if tag == _TEXT:
            return str(memoryview(data)[1:], "utf-8", "surrogatepass")
        if tag == _BYTES:
            return data[1:]
        if tag == _PICKLE:
            return pickle.loads(memoryview(data)[1:])
        return _NUMBER.unpack(data)[1]
    except Exception as error:
        trouble("unreadable", "A cached value can't be read, which counts as a miss: %r", error)
        return default
