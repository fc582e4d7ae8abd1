"""What a piece of code did: statements sent to the database, and hits, misses and the rest."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from django_cache_me import stats
from django_cache_me.stores.select import DUMMY, store_kind


class Seen:
    """Filled when its ``with`` block ends."""

    hits = misses = fills = bumps = -1
    statements: list[str]
    passed: dict[str, int]
    not_filled: dict[str, int]


@contextmanager
def seen(alias: str) -> Iterator[Seen]:
    result = Seen()
    before = stats()
    with CaptureQueriesContext(connections[alias]) as queries:
        yield result
    after = stats()
    for name in ("hits", "misses", "fills", "bumps"):
        setattr(result, name, after[name] - before[name])
    for name in ("passed", "not_filled"):
        setattr(result, name, _grown(before[name], after[name]))
    result.statements = [query["sql"] for query in queries.captured_queries]


def _grown(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {key: number - before.get(key, 0) for key, number in after.items() if number != before.get(key, 0)}


def assert_hit(alias: str, read: Any) -> Any:
    """Evaluate ``read()`` and insist that it came from the cache alone.

    On a store that keeps nothing the test ends here, skipped: that there was no hit is insisted on.
    """
    with seen(alias) as result:
        value = read()
    if store_kind() == DUMMY:
        assert result.hits == result.fills == 0
        pytest.skip("asks for a hit")
    assert result.hits >= 1, f"no hit: {vars(result)}"
    assert result.statements == [], result.statements
    return value


def read_elsewhere(alias: str, read: Any, times: int = 1) -> list[Any]:
    """What ``read()`` gives in another thread, with a connection of its own, so many times in turn."""
    found: list[Any] = []

    def look() -> None:
        try:
            found.extend(read() for _ in range(times))
        finally:
            connections[alias].close()

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    return found


def warm_up(alias: str, read: Any) -> None:
    """Read until it's a hit: a session that the last test has cut off may still be at work for a moment."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        with seen(alias) as result:
            read()
        if result.hits:
            break
        time.sleep(0.01 * (result.fills == 0))
    assert_hit(alias, read)


def assert_miss(alias: str, read: Any) -> Any:
    """Evaluate ``read()`` and insist that the database was asked."""
    with seen(alias) as result:
        value = read()
    assert result.hits == 0, vars(result)
    assert len(result.statements) >= 1, vars(result)
    return value


def stored_keys() -> list[str]:
    """The keys of querysets that stand in the shared-memory store."""
    from django_cache_me.stores.places import place
    from django_cache_me.stores.shared_memory import open_entries

    keys = [key.partition(b"\0")[0] for key in list(open_entries(place()).keys())]
    return [key.decode() for key in keys if key.startswith(b"cache_me:")]


def is_stored(key: str) -> bool:
    """Whether an entry stands under that very key, in whatever store the settings choose."""
    from django.core.cache import caches

    from django_cache_me.stores.select import SHARED_MEMORY, store_kind

    if store_kind() == SHARED_MEMORY:
        return key in stored_keys()
    return caches["default"].get(key) is not None
