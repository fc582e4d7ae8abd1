"""``queryset.explain_cache()``: what becomes of a queryset in the cache, in words."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.core.exceptions import EmptyResultSet
from django.db.models import QuerySet
from django.db.models.query import ModelIterable

from . import bypass
from .admission import plan_for
from .fetch import asked_of
from .lookup import footing_for
from .misses import Miss, recent_misses


class CacheExplanation(NamedTuple):
    """What becomes of a queryset in the cache; ``print()`` it."""

    #: Where its entry stands, or stands once it is filled; "" if it never does.
    key: str
    #: Why it isn't cached, or "".
    reason: str
    #: There is an entry, and it counts.
    is_hit: bool
    #: Seconds of life of an entry; None: no end.
    timeout: float | None
    #: What the answer rests on, each with the words of the engine's rules.
    rests_on: list[str]
    #: The last misses of this process under this key, if ``DJANGO_CACHE_ME_EXPLAIN_MISSES`` says so.
    misses: list[Miss]

    def __str__(self) -> str:
        if self.reason:
            return f"Not cached: {self.reason}"
        lines = [
            f"Key: {self.key}",
            "There is an entry that counts." if self.is_hit else "There is no entry that counts.",
            "It lives until it is made a miss."
            if self.timeout is None
            else f"It lives for {self.timeout:g} s.",
            "A miss comes of:",
            *(f"  - {_in_words(dependency)}" for dependency in self.rests_on),
        ]
        if self.misses:
            lines.append("The last misses:")
            lines.extend(f"  - {miss}" for miss in self.misses)
        return "\n".join(lines)


def explain_cache(self: QuerySet[Any]) -> CacheExplanation:
    """What becomes of this queryset in the cache: its key, what it rests on, or why it isn't cached.

    Asks the database for the answer, whose rows are part of what it rests on; fills nothing.
    """
    plan = plan_for(self, whole_rows=self._iterable_class is ModelIterable)
    reason = "its model's options and its own methods leave it out" if plan is None else ""
    reason = reason or bypass.reason_to_pass(self) or ""
    footing = footing_for(self.db) if not reason else None
    if plan is None or footing is None:
        return _not_cached(reason or "the connection's state forbids it")
    try:
        asked = asked_of(self, plan, self.db, footing)
    except EmptyResultSet:
        return _not_cached("it is empty without asking the database")
    looked = asked.question.look()
    if looked.reason:
        return _not_cached(looked.reason)
    return CacheExplanation(
        looked.key, "", looked.is_hit, plan.timeout, looked.rests_on, recent_misses(looked.key)
    )


def _not_cached(reason: str) -> CacheExplanation:
    return CacheExplanation("", reason, False, None, [], [])


def _in_words(dependency: str) -> str:
    """``table.any`` and its like as a sentence's end."""
    for sign, words in (
        (".any", "any write to {0}"),
        (".bulk", "a write to {0} whose rows aren't known one by one"),
        (".permanent", "the invalidation by hand of {0}, permanent entries included"),
    ):
        if dependency.endswith(sign):
            return words.format(dependency[: -len(sign)])
    table, is_row, key = dependency.partition(".pk=")
    if is_row:
        return f"a write to the row {key} of {table}"
    column, is_band, band = dependency.partition("≈")
    if is_band:
        table, _, column = column.rpartition(".")
        if band == "?":
            return f"a row written to {table} whose {column} isn't told by bands"
        return f"a row written to {table} with a {column} in the band {band}"
    for sign, words in (
        ("=", "a row written to {0} with {1}"),
        ("~", "a change of {1} in a row of {0} whose other columns stay"),
        ("?", "a row written to {0} with a value of {1} that isn't known"),
    ):
        if sign in dependency:
            if sign == "=":
                table, _, rest = dependency.partition(".")
            else:
                table, _, rest = dependency.partition(sign)
            return words.format(table, rest)
    return dependency
