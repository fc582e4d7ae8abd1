"""The things an answer rests on, each reduced to a 64-bit hash.

The hashes are shared by every process, release and project on the host: what is hashed never changes. A
database needs no name in them, for each physical database has a version table of its own.
"""

from __future__ import annotations

import functools
import struct
from typing import Iterable, NewType

from .. import _engine

#: Dependencies, packed as the engine reads them: unsigned 64-bit numbers, native byte order.
Dependencies = NewType("Dependencies", bytes)


@functools.lru_cache(maxsize=4096)
def dependency(kind: str, table: str = "") -> int:
    """``all`` and ``schema`` of a database, or ``any``, ``bulk``, ``permanent`` of one of its tables."""
    return _engine.hash64(f"{kind}\0{table}".encode())


#: What the scanner can't read or place bumps this one, and every entry but the permanent ones rests on it.
ALL = dependency("all")
#: Bumped by DDL: what is known of tables is forgotten.
SCHEMA = dependency("schema")


def pack(dependencies: Iterable[int]) -> Dependencies:
    unique = sorted(set(dependencies))
    return Dependencies(struct.pack(f"={len(unique)}Q", *unique))


def any_of(table: str) -> int:
    """Bumped by every write to ``table``."""
    return dependency("any", table)


def bulk_of(table: str) -> int:
    """Bumped by a write whose rows are not all known by their primary keys."""
    return dependency("bulk", table)


def permanent_of(table: str) -> int:
    """Bumped by hand alone."""
    return dependency("permanent", table)


def written(tables: Iterable[str]) -> Iterable[int]:
    """What a write to ``tables`` bumps, in the mode "model"."""
    for table in tables:
        yield any_of(table)
        yield bulk_of(table)
