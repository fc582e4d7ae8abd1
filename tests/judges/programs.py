"""Random programs: two connections that write, begin, roll back and commit, and a pool of reads between.

After each step some reads of the pool are answered twice through the cache, and once more by Django alone:
inside a transaction on the same connection, otherwise on a third one. Any difference is a :class:`Mismatch`.
A program is a list of quadruples of numbers, so that it can be drawn and shrunk by Hypothesis, or by chance.
"""

from __future__ import annotations

import contextlib
import random
from typing import Any, Iterator, Sequence, Tuple

from django.apps import apps
from django.db import DatabaseError, connections, transaction
from django.test import override_settings

import django_cache_me
from tests.test_instances import picture

from . import motley, ranges  # noqa: F401  more of both
from .reads import READS
from .writes import FIRST, WRITES

Step = Tuple[int, int, int, int]
#: Reads of the pool that are looked at after each step, and kept in the pool.
LOOKED_AT, KEPT = 4, 12
#: Blocks within blocks.
DEEPEST = 3
#: Kinds of write and of read that one program has: among all of them two that matter to one another seldom
#: meet.
WRITES_OF_ONE, READS_OF_ONE = 8, 6


class Mismatch(AssertionError):
    """The cache and the database said different things."""


class Undone(Exception):
    """Ends a block whose writes are to be rolled back."""


class Actor:
    """One connection with its open blocks, as one process has."""

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self.blocks: list[transaction.Atomic] = []

    def begin(self) -> None:
        block = transaction.atomic(using=self.alias)
        block.__enter__()
        self.blocks.append(block)

    def end(self, error: Exception | None = None) -> None:
        """Commit the innermost block, or roll it back because of ``error``."""
        if not self.blocks:
            return
        block = self.blocks.pop()
        with contextlib.suppress(DatabaseError):
            block.__exit__(None if error is None else type(error), error, None)

    def act(self, write: Any, n: int, m: int) -> None:
        try:
            write(self.alias, n, m)
        except DatabaseError as error:  # a constraint, a lock: what Django's own blocks would do
            self.end(error)


class Program:
    """Runs steps on ``aliases``: two that act, and one that tells the truth; all of one database."""

    def __init__(self, aliases: Sequence[str]) -> None:
        self.actors = [Actor(alias) for alias in aliases[:2]]
        self.witness = aliases[2]
        self.pool: list[tuple[Any, int, int]] = []
        self.reads = 0

    def run(self, steps: Sequence[Step]) -> None:
        # One in four goes by whole tables; its entries and bumps are the others' too.
        mode = "model" if steps and steps[0][0] % 4 == 3 else "exact"
        with override_settings(DJANGO_CACHE_ME_INVALIDATION=mode):
            self._run(steps)

    def _run(self, steps: Sequence[Step]) -> None:
        chance = random.Random(str(steps[0]))
        self.kinds_of_write = chance.sample(WRITES, WRITES_OF_ONE)
        self.kinds_of_read = chance.sample(READS, READS_OF_ONE)
        try:
            for number, (kind, which, n, m) in enumerate(steps):
                self.step(kind, which, n, m)
                self.look(number)
            for actor in self.actors:
                while actor.blocks:
                    actor.end()
            self.look_at_all()
        finally:
            for actor in self.actors:
                while actor.blocks:
                    actor.end(Undone())

    def step(self, kind: int, which: int, n: int, m: int) -> None:
        actor, other = self.actors if kind % 4 else reversed(self.actors)
        kind = kind // 4 % 11
        if kind < 4:
            # SQLite lets one connection write at a time; the other would wait for a lock in vain.
            if not (other.blocks and connections[other.alias].vendor == "sqlite"):
                actor.act(self.kinds_of_write[which % WRITES_OF_ONE], n, m)
        elif kind < 7:
            self.pool.append((self.kinds_of_read[which % READS_OF_ONE], n, m))
            del self.pool[:-KEPT]
        elif kind < 9:
            if len(actor.blocks) < DEEPEST and not (
                other.blocks and connections[other.alias].vendor == "sqlite"
            ):
                actor.begin()
        elif kind == 9:
            actor.end()
        else:
            actor.end(Undone())

    def look(self, number: int) -> None:
        if not self.pool:
            return
        newest = len(self.pool) - 1
        for place in {newest, *((number * 7 + one * 5) % len(self.pool) for one in range(LOOKED_AT - 1))}:
            self.compare(self.actors[(number + place) % 2], *self.pool[place])

    def look_at_all(self) -> None:
        for read, n, m in self.pool:
            for actor in self.actors:
                self.compare(actor, read, n, m)

    def compare(self, actor: Actor, read: Any, n: int, m: int) -> None:
        found = [portrait(read, actor.alias, n, m) for _ in range(2)]
        self.reads += 2
        witness = actor.alias if actor.blocks else self.witness
        with override_settings(DJANGO_CACHE_ME_ON=False):
            truth = portrait(read, witness, n, m)
        for one in found:
            if one != truth:
                raise Mismatch(
                    f"{read.__name__}({n}, {m}) on {actor.alias}, {len(actor.blocks)} blocks deep:"
                    f"\n  {one}\nis not\n  {truth}"
                )


def portrait(read: Any, alias: str, n: int, m: int) -> Any:
    """What ``read`` gives, to its last attribute, with the alias left out."""
    return _without_alias(picture(read(alias, n, m)), (str, repr(alias)))


def _without_alias(found: Any, alias: Any) -> Any:
    if found == alias:
        return (str, "the alias")
    if isinstance(found, (list, tuple)):
        return type(found)(_without_alias(one, alias) for one in found)
    return found


@contextlib.contextmanager
def begun(aliases: Sequence[str]) -> Iterator[None]:
    """The tables of the programs with a few rows of each kind."""
    for alias in aliases:
        connections[alias].ensure_connection()
    with override_settings(DJANGO_CACHE_ME_ON=False), transaction.atomic(using=aliases[0]):
        with connections[aliases[0]].constraint_checks_disabled():
            for model in apps.get_app_config("judges").get_models(include_auto_created=True):
                if not model._meta.proxy:
                    model._base_manager.using(aliases[0]).all()._raw_delete(aliases[0])
        for number in range(4):
            for write in FIRST:
                write(aliases[0], number, number + 1)
    yield


def hits() -> int:
    return int(django_cache_me.stats()["hits"])
