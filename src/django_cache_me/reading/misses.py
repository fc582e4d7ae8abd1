"""The last misses of this process, and what they were owed to (``DJANGO_CACHE_ME_EXPLAIN_MISSES``)."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from .. import conf
from ..stores.base import Cause


class Miss(NamedTuple):
    """One read that the cache couldn't answer."""

    key: str
    sql: str
    #: What was bumped since the entry was filled, and by which statement. Empty: there was no entry.
    causes: list[Cause]

    def __str__(self) -> str:
        if not self.causes:
            return f"{self.key}: there was no entry"
        nothing = "a statement of which nothing is noted"
        lines = [
            f"{cause.dependency or 'something'} was bumped by {cause.sql or nothing}" for cause in self.causes
        ]
        return f"{self.key}: " + "; ".join(lines)


_last: deque[Miss] = deque()


def note(key: str, sql: str, causes: list[Cause]) -> None:
    """Keep a miss; the oldest goes."""
    _last.append(Miss(key, sql, causes))
    while len(_last) > conf.setting("EXPLAIN_MISSES"):
        _last.popleft()


def recent_misses(key: str | None = None) -> list[Miss]:
    """The last misses of this process, the newest last; of one key if given.

    As many as ``DJANGO_CACHE_ME_EXPLAIN_MISSES`` says. Statements of other processes are known for an hour if
    they have the setting too.
    """
    return [miss for miss in list(_last) if key is None or miss.key == key]
