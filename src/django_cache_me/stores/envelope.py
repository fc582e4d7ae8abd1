"""An entry as bytes, for stores that keep opaque values: what it rests on, and its rows."""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

from .dependencies import Dependencies

_MAGIC = b"CMd1"
_HEAD = struct.Struct("<4sQII")


class Envelope(NamedTuple):
    """Magic, fingerprint, lengths (bytes) of dependencies and of stamps; then these, then the rows."""

    fingerprint: int
    dependencies: Dependencies
    #: Opaque to all but the store.
    stamps: bytes
    #: As the engine's codec encodes them.
    rows: bytes

    def as_bytes(self) -> bytes:
        head = _HEAD.pack(_MAGIC, self.fingerprint, len(self.dependencies), len(self.stamps))
        return b"".join((head, self.dependencies, self.stamps, self.rows))

    @classmethod
    def parse(cls, value: Any) -> Envelope | None:
        """The envelope in ``value``, or None if it is none. Nothing in it is believed."""
        if not isinstance(value, bytes) or len(value) < _HEAD.size:
            return None
        magic, fingerprint, dependencies, stamps = _HEAD.unpack_from(value)
        rows = _HEAD.size + dependencies + stamps
        if magic != _MAGIC or dependencies % 8 or rows > len(value):
            return None
        split = _HEAD.size + dependencies
        return cls(fingerprint, Dependencies(value[_HEAD.size : split]), value[split:rows], value[rows:])
