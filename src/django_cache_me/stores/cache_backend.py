"""Django's cache interface over the host's shared memory, usable for anything.

Its values live in the same file as the entries of querysets, under keys that begin with a byte of their own.
Two aliases with the same ``LOCATION`` share their values, as far as their keys (``KEY_PREFIX``) are the same;
``clear()`` empties both. What is larger than an entry may be is not kept, as with Memcached.

Safe in threads and processes; a forked child may go on using it. All that is not an integer, text or bytes
is pickled: whoever can write to the file can run code here, so it is its owner's (and the group's) alone.
"""

from __future__ import annotations

import math
import threading
import time
from contextlib import contextmanager
from typing import Any, Callable, Iterable, Iterator, Mapping

from asgiref.sync import sync_to_async
from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache

from .. import _engine, counters
from ..exceptions import StoreError
from ..log import trouble
from .cached_values import decode, encode, is_number
from .places import Place, place_at
from .shared_memory import entries_at

#: All keys of this backend begin so, and no others.
_KEYS_BEGIN = b"\x01"
#: How long (s) a change waits for others who hold the lock (stopped, or starved), so that no old value stays.
_PATIENCE = 0.5
_PAUSE = 0.005
#: After a wait in vain, changes don't wait for so long (s), lest a page with many of them wait for each.
_NO_PATIENCE_FOR = 5.0
#: Longer (ms) is for ever.
_LONGEST = 2**53
_MISSING = object()

#: What is to be done with the entries; says how it came out (the engine's words).
Change = Callable[[_engine.SharedStore], str]


class SharedMemoryCache(BaseCache):
    """A cache backend for ``CACHES``.

    ``LOCATION``: the directory of the file (default ``/dev/shm``). ``OPTIONS``: ``size`` in bytes of the
    file, and ``group``, who may share it. While these are wrong or the file can't be opened, all is a miss,
    with a line in the log; the system check E006 says it at start. Nothing here raises for it but ``incr()``
    and ``incr_version()``, for a key that isn't there.
    """

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        self._place: Place | None = None
        self._wrong = ""
        try:
            self._place = place_at(location, params.get("OPTIONS"), "CACHES[...]")
        except StoreError as error:  # raised here, it would end Django's checks before ours could say it
            self._wrong = str(error)

    # --- Reading

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        full = self._full_key(key, version)
        entries = self._entries()
        data = None if entries is None else entries.get_bytes(full)
        return default if data is None else decode(data, default)

    async def aget(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        return self.get(key, default, version)  # a busy entry is a miss: nothing here waits

    # --- Changing

    def set(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        self._store(key, value, timeout, version)

    def set_many(
        self, data: Mapping[Any, Any], timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> list[Any]:
        """Set each; returns the keys whose values were not kept."""
        return [key for key, value in data.items() if not self._store(key, value, timeout, version)]

    def add(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Set it if it isn't there, in one step; returns whether that was so."""
        full = self._full_key(key, version)
        data = encode(value)
        lifetime = self._lifetime(timeout)
        if lifetime is None:  # over as soon as it is added
            entries = self._entries()
            return entries is not None and entries.get_bytes(full) is None
        milliseconds = lifetime
        return self._carry_out(lambda entries: entries.add_bytes(full, data, milliseconds)) == "stored"

    def touch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        full = self._full_key(key, version)
        lifetime = self._lifetime(timeout)
        if lifetime is None:
            return self._carry_out(lambda entries: entries.erase(full)) == "erased"
        milliseconds = lifetime
        return self._carry_out(lambda entries: entries.touch(full, milliseconds)) == "stored"

    def delete(self, key: Any, version: int | None = None) -> bool:
        full = self._full_key(key, version)
        return self._carry_out(lambda entries: entries.erase(full)) == "erased"

    def incr(self, key: Any, delta: Any = 1, version: int | None = None) -> Any:
        """Add in one step, whatever other processes do; its end stays. ValueError if it isn't there."""
        full = self._full_key(key, version)
        results: list[Any] = []

        def add(entries: _engine.SharedStore) -> str:
            outcome = "no_number"
            if is_number(delta):
                outcome, result = entries.add_number(full, delta)
            if outcome == "no_number":  # others, and what becomes too large: Python adds
                outcome, result = _add_in_python(entries, full, delta)
            results.append(result)
            return outcome

        if self._carry_out(add) != "stored":
            raise ValueError(f"Key '{key}' not found")
        return results[-1]

    def clear(self) -> None:
        """Drop all values of this backend in its file, of all prefixes and versions; nobody else's."""
        self._carry_out(lambda entries: "erased" if entries.clear(_KEYS_BEGIN) else "busy")

    # --- On an event loop: here and now, without the hop to a thread, unless it has to wait.

    async def aset(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> None:
        await _at_once(self.set, key, value, timeout, version)

    async def aset_many(
        self, data: Mapping[Any, Any], timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> list[Any]:
        failed: list[Any] = await _at_once(self.set_many, data, timeout, version)
        return failed

    async def aadd(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        return bool(await _at_once(self.add, key, value, timeout, version))

    async def atouch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return bool(await _at_once(self.touch, key, timeout, version))

    async def adelete(self, key: Any, version: int | None = None) -> bool:
        return bool(await _at_once(self.delete, key, version))

    async def adelete_many(self, keys: Iterable[Any], version: int | None = None) -> None:
        await _at_once(self.delete_many, list(keys), version)

    async def aincr(self, key: Any, delta: Any = 1, version: int | None = None) -> Any:
        return await _at_once(self.incr, key, delta, version)

    async def aclear(self) -> None:
        await sync_to_async(self.clear, thread_sensitive=False)()  # some milliseconds, if the file is large

    async def aclose(self, **kwargs: Any) -> None:
        self.close(**kwargs)

    # --- What they are made of

    def _entries(self) -> _engine.SharedStore | None:
        if self._place is None:
            trouble("cache_backend.options", "Nothing is cached: %s", self._wrong)
            return None
        return entries_at(self._place)

    def _full_key(self, key: Any, version: int | None) -> bytes:
        made = self.make_key(key, version=version)
        self.validate_key(made)
        return _KEYS_BEGIN + str(made).encode("utf-8", "surrogatepass")

    def _lifetime(self, timeout: Any) -> int | None:
        """Milliseconds; 0: for ever; None: it is over already."""
        if timeout is DEFAULT_TIMEOUT:
            timeout = self.default_timeout
        if timeout is None:
            return 0
        if timeout <= 0:
            return None
        milliseconds = timeout * 1000
        return 0 if milliseconds >= _LONGEST else math.ceil(milliseconds)

    def _store(self, key: Any, value: Any, timeout: Any, version: int | None) -> bool:
        """False: it is not kept, and what was there before isn't either."""
        full = self._full_key(key, version)
        data = encode(value)
        lifetime = self._lifetime(timeout)
        if lifetime is None:
            return self._carry_out(lambda entries: entries.erase(full)) in ("erased", "kept")
        milliseconds = lifetime
        return self._carry_out(lambda entries: entries.put_bytes(full, data, milliseconds)) == "stored"

    def _carry_out(self, change: Change) -> str:
        """How the change came out. It is tried for a while if somebody else is busy with that entry."""
        entries = self._entries()
        if entries is None:
            counters.dropped("no_store")
            return "no_store"
        outcome = change(entries)
        if outcome in ("busy", "unusable"):
            if _waiting.forbidden:
                raise _HasToWait
            outcome = self._try_again(change)
        if outcome == "too_large":
            counters.dropped(outcome)
        return outcome

    def _try_again(self, change: Change) -> str:
        global _impatient_until
        began = time.monotonic()
        patient = began >= _impatient_until
        while True:
            entries = self._entries()  # another one, if the file was replaced
            outcome = "no_store" if entries is None else change(entries)
            if outcome not in ("busy", "unusable", "no_store"):
                return outcome
            if outcome == "no_store" or not patient or time.monotonic() - began > _PATIENCE:
                break
            time.sleep(_PAUSE)
        if patient:
            _impatient_until = time.monotonic() + _NO_PATIENCE_FOR
        counters.dropped(outcome)
        trouble(
            "cache_backend." + outcome,
            "A change of the cache was given up, an old value may stay: the entry is %s.",
            outcome,
        )
        return outcome


_impatient_until = 0.0


def _add_in_python(entries: _engine.SharedStore, key: bytes, delta: Any) -> tuple[str, Any]:
    """The outcome and the sum. Tried again as long as others change it in between: they get on, at least."""
    outcome, total = "kept", None
    while outcome == "kept":
        data = entries.get_bytes(key)
        value = _MISSING if data is None else decode(data, _MISSING)
        if data is None or value is _MISSING:
            break
        total = value + delta
        outcome = entries.replace_bytes(key, data, encode(total))
    return outcome, total


class _HasToWait(Exception):
    """Raised on an event loop, where nothing may wait."""


class _Waiting(threading.local):
    forbidden = False


_waiting = _Waiting()


@contextmanager
def _no_waiting() -> Iterator[None]:
    _waiting.forbidden = True
    try:
        yield
    finally:
        _waiting.forbidden = False


async def _at_once(change: Callable[..., Any], *arguments: Any) -> Any:
    """The result of a change, made here, or in a thread if it has to wait (each may be done again)."""
    try:
        with _no_waiting():
            return change(*arguments)
    except _HasToWait:
        return await sync_to_async(change, thread_sensitive=False)(*arguments)
