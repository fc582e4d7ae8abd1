"""The store over Django's cache interface: Redis, Memcached, a database, files, any ``BaseCache``.

Such a cache knows ``get`` and ``set`` of single keys, forgets what it likes, and can't notice that a writer
died. So versions are *stamps*: random, unique, each under a key made of the physical database's identity and
the dependency. The argument, in DESIGN.md's words:

- A stamp that is lost (evicted, server restarted) is set anew by the next reader, to one that never was: no
  entry recorded it, so nothing comes back to life.
- Just before a commit each dependency gets a stamp that says *intent*; readers that meet one go to the
  database and fill nothing. When the commit has returned, each gets a new plain stamp. An entry filled before
  the declaration holds an older stamp, one filled after the bump read what was committed.
- A writer that is killed in between leaves its intents behind. Nobody can ask whether it lives, so they stand
  for :data:`GRACE` seconds; the next reader then sets a new stamp, which no entry holds.
- Two writers of one dependency: the second's intent takes the place of the first's. The first, when it has
  committed, sees an intent that isn't its own and renews it in place of ending it. What is left is the
  moment between that look and the ``set``: only together with the second writer's death in that very commit
  does it leave an entry stale, until its timeout (docs/stores.md, "limits").
- A stamp that can't be set (the server is gone, Memcached drops it) is deleted; if that fails too, this
  process trusts the cache no more until it has bumped ``all``.

Stamps have no order, so nothing is hit or filled inside of snapshots, and rows' own dependencies can't be
taken late. A hit costs one round trip where this process has seen before what the entry rests on, else
two. Thread-safe as far as Django's caches are, one per thread.
"""

from __future__ import annotations

import math
import struct
import threading
import time
import uuid
from typing import Any, Callable, TypeVar

from django.core.cache import caches
from django.core.cache.backends.base import BaseCache

from .. import _engine
from ..counters import dropped
from ..log import trouble
from .base import Building, Clock, Intent, Reading, Row, Store
from .dependencies import ALL, Dependencies, pack
from .envelope import Envelope

#: How long (s) the intent of a writer that doesn't come back keeps readers at the database.
GRACE = 60.0
#: How long (s) readers leave a cache alone that has just failed.
_PAUSE = 1.0

#: Of what is remembered in a process, for each database.
_MOST_KNOWN = 4096

Result = TypeVar("Result")


class _ThisThread(threading.local):
    #: The key that :meth:`DjangoCacheStore.rows_of` has just missed.
    missed: str | None = None


class DjangoCacheStore(Store):
    has_clock = False

    def __init__(self, alias: str, database: str) -> None:
        self._alias = alias
        self._prefix = f"cache_me:v:{uuid.uuid5(uuid.NAMESPACE_OID, database).hex}:"
        #: What couldn't be told of a write; nothing is believed before ``all`` is bumped.
        self._distrusted = False
        self._resting_until = 0.0
        self._lock = threading.Lock()
        self._thread = _ThisThread()
        #: By key, the names of the stamps that an entry was last seen to rest on: asked for with the entry.
        self._rests_on: dict[str, tuple[str, ...]] = {}
        self._names_of: dict[bytes, tuple[str, ...]] = {}

    # Entries.

    def get(
        self, key: str, fingerprint: int, clock: Clock | None = None, building: Building | None = None
    ) -> list[Any] | None:
        if clock is not None or not self._is_trusted():
            return None
        return self._reading(lambda: self._get(key, fingerprint, building))

    def rows_of(self, key: str, fingerprint: int) -> bytes | None:
        """The rows of a valid entry, as they are kept; None: a miss. The engine asks so (recorder_plan.cpp).

        What it misses, :meth:`get` is asked for next by the same thread, which takes its word for it.
        """
        if not self._is_trusted():
            return None
        rows = self._reading(lambda: self._rows_of(key, fingerprint))
        self._thread.missed = key if rows is None else None
        return rows

    def _rows_of(self, key: str, fingerprint: int) -> bytes | None:
        names = self._rests_on.get(key)
        # Stamps are unique: if the entry's stood there at any moment since the call, it was right then.
        found = self._cache.get_many([key, *names]) if names else {key: self._cache.get(key)}
        envelope = Envelope.parse(found.get(key))
        if envelope is None or envelope.fingerprint != fingerprint:
            return None
        now = self._known_names(envelope.dependencies)
        if now != names:
            self._remember(key, now)
            found = self._cache.get_many(now)
        return envelope.rows if _plain_stamps(found, now) == envelope.stamps else None

    def _get(self, key: str, fingerprint: int, building: Building | None) -> list[Any] | None:
        missed, self._thread.missed = self._thread.missed, None
        rows = None if missed == key else self._rows_of(key, fingerprint)
        if rows is None:
            return None
        try:
            if building is None:
                return _engine.decode_rows(rows)
            return building.plan.build_from(rows, building.alias, building.mode)
        except ValueError:  # bytes that are no rows
            dropped("malformed")
            self._cache.delete(key)
            return None

    def put(
        self, key: str, fingerprint: int, rows: list[Row], reading: Reading, timeout: float | None
    ) -> str:
        envelope = Envelope(fingerprint, reading.dependencies, reading.versions, _engine.encode_rows(rows))
        if not self._is_trusted():
            return "no_store"
        # Caches count whole seconds.
        seconds = None if timeout is None else math.ceil(timeout)
        outcome = self._reading(lambda: self._put(key, envelope.as_bytes(), seconds)) or "no_store"
        if outcome == "stored":
            self._remember(key, self._known_names(reading.dependencies))
        return outcome

    def _put(self, key: str, value: bytes, seconds: int | None) -> str:
        try:
            self._cache.set(key, value, seconds)
        except Exception:  # too large for this backend, or it is gone; what stood there before must go too
            self._cache.delete(key)
            raise
        return "stored"

    def delete(self, key: str) -> bool:
        return bool(self._reading(lambda: self._cache.delete(key)))

    def clear(self) -> None:
        """Nothing: the cache holds other things too. Who clears bumps as well."""

    def stats(self) -> dict[str, Any]:
        return {}

    # Versions, as readers see them.

    def clock(self) -> Clock:
        return Clock(None)

    def versions(self, dependencies: Dependencies, clock: Clock | None = None) -> Reading | None:
        if clock is not None or not self._is_trusted():
            return None
        stamps = self._reading(lambda: self._settled_stamps(dependencies))
        return None if stamps is None else Reading(dependencies, stamps)

    def _stamps(self, dependencies: Dependencies) -> bytes | None:
        """The plain stamps of all, or None if one is lost or is an intent."""
        names = self._names(dependencies)
        return _plain_stamps(self._cache.get_many(names), names)

    def _settled_stamps(self, dependencies: Dependencies) -> bytes | None:
        """The same, with lost stamps set anew, and those of dead writers."""
        stamps = self._stamps(dependencies)
        if stamps is not None:
            return stamps
        names = self._names(dependencies)
        found = self._cache.get_many(names)
        for name in names:
            value = found.get(name)
            if not isinstance(value, str):
                # add(): another reader's new stamp is as good as ours.
                self._cache.add(name, _new_stamp(), None)
            elif value.startswith("i") and _is_over(value):
                self._cache.set(name, _new_stamp(), None)
        return self._stamps(dependencies)

    @property
    def is_resting(self) -> bool:
        return time.monotonic() < self._resting_until

    # Versions, as writers change them.

    def declare_intent(self, dependencies: Dependencies, session: bytes, ends_with_process: bool) -> Intent:
        owner = uuid.uuid4().hex
        self._tell({name: _new_intent(owner) for name in self._names(dependencies)})
        return Intent((owner, dependencies))

    def finish_intent(self, intent: Intent) -> None:
        owner, dependencies = intent.token
        self._renew(dependencies, owner)

    def keep_intent(self, intent: Intent) -> None:
        # Nobody can be asked about the session: the intent stands for its time of grace, from now on.
        owner, dependencies = intent.token
        self._tell({name: _new_intent(owner) for name in self._names(dependencies)})

    def bump(self, dependencies: Dependencies) -> None:
        self._renew(dependencies, "")

    def unknown_outcomes(self) -> list[tuple[Any, bytes]]:
        return []

    def settle(self, token: Any) -> None:
        pass

    def _renew(self, dependencies: Dependencies, owner: str) -> None:
        """A new stamp for each; where another writer's intent stands, a new intent of that writer."""
        names = self._names(dependencies)
        try:
            found = self._cache.get_many(names)
        except Exception:
            found = {}
        self._tell({name: _renewed(found.get(name), owner) for name in names})

    def _tell(self, stamps: dict[str, str]) -> None:
        """Set stamps, or make sure in another way that no entry with the old ones is believed."""
        try:
            untold = self._set_stamps(stamps)
        except Exception as error:
            trouble("store", "The cache %r could not be told of a write: %s", self._alias, error)
            untold = list(stamps)
        try:
            for name in untold:
                self._cache.delete(name)
        except Exception:
            self._distrusted = True
            self._rest()

    def _set_stamps(self, stamps: dict[str, str]) -> list[str]:
        """Set them; the names of those that the cache says it didn't take."""
        return self._cache.set_many(stamps, None) or []  # django-redis says None

    # Bad luck.

    def _is_trusted(self) -> bool:
        """Whether what stands in the cache may be believed; tries to mend it if not."""
        if not self._distrusted:
            return time.monotonic() >= self._resting_until
        if time.monotonic() < self._resting_until:
            return False
        with self._lock:
            if self._distrusted:
                self._distrusted = False
                self._tell({name: _new_stamp() for name in self._names(pack([ALL]))})
        return not self._distrusted

    def _reading(self, operation: Callable[[], Result]) -> Result | None:
        try:
            return operation()
        except _engine.UnsupportedType:
            raise
        except Exception as error:  # whatever the backend raises is a miss
            dropped("store_failed")
            trouble("store", "The cache %r failed, so nothing is cached: %s", self._alias, error)
            self._rest()
            return None

    def _rest(self) -> None:
        self._resting_until = time.monotonic() + _PAUSE

    @property
    def _cache(self) -> BaseCache:
        return caches[self._alias]

    def _names(self, dependencies: Dependencies) -> tuple[str, ...]:
        numbers = struct.unpack(f"={len(dependencies) // 8}Q", dependencies)
        return tuple([f"{self._prefix}{number:016x}" for number in numbers])

    def _known_names(self, dependencies: Dependencies) -> tuple[str, ...]:
        """The same of what entries rest on: many rest on the same."""
        names = self._names_of.get(dependencies)
        if names is None:
            names = self._names(dependencies)
            _make_room(self._names_of)
            self._names_of[dependencies] = names
        return names

    def _remember(self, key: str, names: tuple[str, ...]) -> None:
        self._rests_on.pop(key, None)  # it's the youngest from now on
        _make_room(self._rests_on)
        self._rests_on[key] = names


def _make_room(remembered: dict[Any, Any]) -> None:
    """Forget the older half of what is full."""
    if len(remembered) >= _MOST_KNOWN:
        for one in list(remembered)[: _MOST_KNOWN // 2]:
            remembered.pop(one, None)


def _plain_stamps(found: dict[str, Any], names: tuple[str, ...]) -> bytes | None:
    """What was found under the names, one after the other; None if one is lost or is an intent."""
    values = [found.get(name) for name in names]
    if not all(isinstance(value, str) and value.startswith("v") for value in values):
        return None
    return "".join(values).encode()  # type: ignore[arg-type]


# A stamp: "v" and 32 hexadecimal digits. An intent: "i", as many, ":", its owner, ":", the end of its grace.


def _new_stamp() -> str:
    return "v" + uuid.uuid4().hex


def _new_intent(owner: str, end: float | None = None) -> str:
    # The clock of the wall, for hosts compare it; they agree to within the grace time, or it is a limit.
    return f"i{uuid.uuid4().hex}:{owner}:{time.time() + GRACE if end is None else end:.0f}"


def _renewed(value: Any, owner: str) -> str:
    if isinstance(value, str) and value.startswith("i") and not _is_over(value):
        _, other, end = value.split(":")
        if other != owner:
            return _new_intent(other, float(end))
    return _new_stamp()


def _is_over(intent: str) -> bool:
    try:
        return float(intent.rpartition(":")[2]) < time.time()
    except ValueError:
        return True
