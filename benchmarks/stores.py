"""The store beside Redis over a unix socket, diskcache and LMDB: get and put from Python."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from benchmarks.rounds import side_by_side

SIZES = {"100 B": 100, "1 KB": 1000, "10 KB": 10_000}
KEYS = 1000


def clients(
    folder: str, socket: str
) -> dict[str, tuple[Callable[[bytes], Any], Callable[[bytes, bytes], Any]]]:
    """(get, put) of each contender; made anew in each process."""
    import diskcache
    import lmdb
    import redis

    from django_cache_me import _engine

    ours = _engine.SharedStore.open(os.path.join(folder, "django_cache_me.entries.bench"), 128 << 20)
    server = redis.Redis(unix_socket_path=socket)
    disk = diskcache.Cache(os.path.join(folder, "diskcache"))
    environment = lmdb.open(os.path.join(folder, "lmdb"), map_size=256 << 20, sync=False, metasync=False)

    def lmdb_get(key: bytes) -> bytes | None:
        with environment.begin() as reading:
            return reading.get(key)

    def lmdb_put(key: bytes, value: bytes) -> None:
        with environment.begin(write=True) as writing:
            writing.put(key, value)

    return {
        "ours": (ours.get_bytes, lambda key, value: ours.put_bytes(key, value, 0)),
        "redis": (server.get, server.set),
        "diskcache": (disk.get, disk.set),
        "lmdb": (lmdb_get, lmdb_put),
    }


def _load(folder: str, socket: str, name: str, operation: str, size: int, stop: Any) -> None:
    """The second process: the same operation on the same contender until it's told to stop."""
    get, put = clients(folder, socket)[name]
    value = b"v" * size
    while not stop.is_set():
        for key in range(KEYS):
            if operation == "get":
                get(b"key:%d" % key)
            else:
                put(b"key:%d" % key, value)


def measure(parent: str, redis: str | None, quick: bool = False) -> list[dict[str, Any]]:
    """Rows of: operation, size, processes, and nanoseconds per operation of each contender.

    Files go to a new folder in ``parent``; ``redis`` is the socket of a server. None without the packages.
    """
    if redis is None or any(find_spec(name) is None for name in ("redis", "diskcache", "lmdb")):
        return []
    folder = tempfile.mkdtemp(dir=parent)
    rows = []
    for label, size in {"1 KB": 1000}.items() if quick else SIZES.items():
        for operation in ("get", "put"):
            for processes in (1,) if quick else (1, 2):
                nanoseconds = _measure(folder, redis, operation, size, processes)
                rows.append({"operation": operation, "value": label, "processes": processes, **nanoseconds})
    return rows


def _measure(folder: str, socket: str, operation: str, size: int, processes: int) -> dict[str, float]:
    value = b"v" * size
    keys = [b"key:%d" % key for key in range(KEYS)]
    known = clients(folder, socket)
    found = {}
    for name, (get, put) in known.items():
        for key in keys:
            put(key, value)
        assert get(keys[-1]) == value, name

        def run(number: int, get: Any = get, put: Any = put) -> None:
            if operation == "get":
                for at in range(number):
                    get(keys[at % KEYS])
            else:
                for at in range(number):
                    put(keys[at % KEYS], value)

        found[name] = run
    # diskcache and Redis take tens of microseconds: fewer operations say as much.
    number = 2000
    if processes == 1:
        return {name: seconds * 1e9 for name, seconds in side_by_side(found, number).items()}
    result = {}
    for name, run in found.items():
        spawn = multiprocessing.get_context("spawn")
        stop = spawn.Event()
        other = spawn.Process(target=_load, args=(folder, socket, name, operation, size, stop))
        other.start()
        try:
            time.sleep(1.0)
            result[name] = side_by_side({name: run}, number)[name] * 1e9
        finally:
            stop.set()
            other.join()
    return result
