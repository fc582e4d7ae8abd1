"""The contenders of a comparison, each in its process, ready to be asked."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import Iterator

from benchmarks.contenders import known
from benchmarks.places import Places
from benchmarks.process import Process

#: Nobody trusts a new file of versions before two leases have passed since its first use.
LEASES = 2.2


def present(names: tuple[str, ...], places: Places) -> tuple[str, ...]:
    """Those of ``names`` whose packages and servers are there."""
    return tuple(name for name in names if not known()[name].missing(places.sockets))


def left_out(names: tuple[str, ...], places: Places) -> dict[str, list[str]]:
    """The others, and what each of them misses."""
    found = {name: known()[name].missing(places.sockets) for name in names}
    return {name: missing for name, missing in found.items() if missing}


def versions(names: tuple[str, ...]) -> dict[str, str]:
    return {package: number for name in names for package, number in known()[name].versions().items()}


@contextmanager
def team(
    names: tuple[str, ...], database: str, places: Places, processes: int = 1
) -> Iterator[dict[str, list[Process]]]:
    """Name -> processes of that contender, which share its database and its store.

    One whose cache is private to a process gets a single one.
    """
    started: dict[str, list[Process]] = {}
    try:
        for name in names:
            site = places.site(name, database)
            number = processes if known()[name].shared else 1
            started[name] = [Process(site) for _ in range(number)]
        every = [process for group in started.values() for process in group]
        for process in every:
            process.send("read", kind="get by pk", seconds=0, least=1)
        for process in every:
            process.receive()
        time.sleep(LEASES)
        yield started
    finally:
        for group in started.values():
            for process in group:
                process.stop()


def turns(names: list[str], number: int) -> list[list[str]]:
    """The order of each round: whoever began comes last in the next one."""
    return [names[at % len(names) :] + names[: at % len(names)] for at in range(number)]
