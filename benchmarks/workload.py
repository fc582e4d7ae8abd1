"""A mixed load: reads of several kinds whose popularity follows Zipf's law, with some writes among them.

The same seed gives the same operations. :meth:`Workload.load` runs them for a time, for reads per second;
:meth:`Workload.play` runs them all, and tells of each read whether it was a hit, and what a miss was for.
"""

from __future__ import annotations

import datetime
import hashlib
import itertools
import random
import time
from collections import defaultdict
from typing import Any, Callable

from benchmarks.catalogue.load import CATEGORIES, DAY, PRODUCTS, TAGS, product

EXPONENT = 1.0
#: Kind of read -> its share. Those of COVERED rest on rows known by key or by value (DESIGN.md, section 4).
READS = {
    "get by key": 35, "FK access": 10, "list by FK, ordered slice": 20, "list by FK, joined": 10,
    "count by FK": 10, "search by range": 10, "list by m2m": 5,
}  # fmt: skip
COVERED = ("get by key", "FK access", "list by FK, ordered slice", "list by FK, joined")
WRITES = {
    "save a price": 45, "save a stock (update_fields)": 30, "move to a category": 5,
    "insert": 10, "delete": 10,
}  # fmt: skip
RANGES = 200


class Zipf:
    """Numbers from 0 to ``size - 1``; which of them are the popular ones is the same in all runs."""

    def __init__(self, size: int) -> None:
        self._numbers = list(range(size))
        random.Random(size).shuffle(self._numbers)
        self._weights = list(itertools.accumulate((rank + 1) ** -EXPONENT for rank in range(size)))

    def all(self) -> list[int]:
        return self._numbers

    def draw(self, source: random.Random, number: int) -> list[int]:
        return source.choices(self._numbers, cum_weights=self._weights, k=number)


class Workload:
    def __init__(self, statements: Any) -> None:
        from benchmarks.catalogue import models

        self._statements = statements
        self._products = models.Product.objects
        self._Product = models.Product
        self._inserted: list[int] = []
        self._made = itertools.count()
        self._process = 0
        self._last: dict[tuple[str, int], str] = {}
        self._spaces = {
            "get by key": Zipf(PRODUCTS), "FK access": Zipf(CATEGORIES),
            "list by FK, ordered slice": Zipf(CATEGORIES * 2), "list by FK, joined": Zipf(CATEGORIES),
            "count by FK": Zipf(CATEGORIES), "search by range": Zipf(RANGES), "list by m2m": Zipf(TAGS),
            **dict.fromkeys(WRITES, Zipf(PRODUCTS)),
        }  # fmt: skip
        self._calls: dict[str, Callable[[int], Any]] = {
            "get by key": lambda at: self._products.get(pk=at + 1),
            "FK access": lambda at: self._Product(category_id=at + 1).category,
            "list by FK, ordered slice": self._slice,
            "list by FK, joined": lambda at: list(
                self._products.select_related("category").filter(category_id=at + 1).order_by("pk")[:20]
            ),
            "count by FK": lambda at: self._products.filter(category_id=at + 1).count(),
            "search by range": lambda at: list(
                self._products.filter(price__range=(at * 5, at * 5 + 5)).order_by("price", "pk")[:20]
            ),
            "list by m2m": lambda at: list(self._products.filter(tags=at + 1).order_by("pk")[:20]),
            "save a price": self._save_price,
            "save a stock (update_fields)": self._save_stock,
            "move to a category": self._move,
            "insert": self._insert,
            "delete": self._delete,
        }

    def deal(self, seed: int, number: int, writes: float, process: int = 0) -> list[Any]:
        """So many operations; ``writes`` is their share of writes, ``process`` tells processes apart."""
        self._process = process
        source = random.Random(f"{seed} {process}")
        reads = {kind: share * (1 - writes) / sum(READS.values()) for kind, share in READS.items()}
        changes = {kind: share * writes / sum(WRITES.values()) for kind, share in WRITES.items()}
        shares = {**reads, **changes}
        chosen = source.choices(list(shares), list(shares.values()), k=number)
        ats = {kind: iter(space.draw(source, chosen.count(kind))) for kind, space in self._spaces.items()}
        return [(kind, self._calls[kind], next(ats[kind])) for kind in chosen]

    def every_read(self) -> list[Any]:
        """Each read that there may be among those dealt, once."""
        return [(kind, self._calls[kind], at) for kind in READS for at in self._spaces[kind].all()]

    def load(self, operations: list[Any], seconds: float) -> dict[str, Any]:
        """Run them for so long (a read at least), from the start again if they run out; what was done."""
        statements = self._statements
        reads = hits = writes = 0
        now = time.perf_counter
        begin = now()
        end = begin + seconds
        for kind, call, at in itertools.cycle(operations):
            if kind in READS:
                old = statements.number
                call(at)
                reads += 1
                hits += statements.number == old
            else:
                call(at)
                writes += 1
            if reads and now() >= end:
                break
        return {"reads": reads, "hits": hits, "writes": writes, "seconds": now() - begin}

    def play(self, operations: list[Any]) -> dict[str, Any]:
        """Run them all. Answers are compared outside of the time that counts.

        A miss is ``first`` (of a query that this process hasn't asked before), ``changed`` (another answer
        than at the last miss) or ``needless`` (the same answer).
        """
        statements, last = self._statements, self._last
        counts: dict[str, dict[str, int]] = {
            kind: defaultdict(int, reads=0, hits=0, first=0, changed=0, needless=0) for kind in READS
        }
        nanoseconds = {"reads": 0, "writes": 0}
        writes = 0
        answers = []
        now = time.perf_counter_ns
        for kind, call, at in operations:
            old = statements.number
            begin = now()
            answer = call(at)
            took = now() - begin
            if kind not in READS:
                nanoseconds["writes"] += took
                writes += 1
                continue
            nanoseconds["reads"] += took
            seen = digest(answer)
            answers.append(seen)
            count = counts[kind]
            count["reads"] += 1
            if statements.number == old:
                count["hits"] += 1
            else:
                known = last.get((kind, at))
                count["first" if known is None else "needless" if known == seen else "changed"] += 1
                last[kind, at] = seen
        return {"kinds": counts, "nanoseconds": nanoseconds, "writes": writes, "answers": answers}

    def _slice(self, at: int) -> Any:
        order = ("-added", "-pk") if at % 2 else ("price", "pk")
        return list(self._products.filter(category_id=at // 2 + 1).order_by(*order)[:20])

    def _save_price(self, at: int) -> None:
        changed = self._products.get(pk=at + 1)
        changed.price = f"{(at * 7 + next(self._made)) % 1000}.25"
        changed.save()

    def _save_stock(self, at: int) -> None:
        changed = self._products.get(pk=at + 1)
        changed.stock = next(self._made) % 1000
        changed.save(update_fields=["stock"])

    def _move(self, at: int) -> None:
        changed = self._products.get(pk=at + 1)
        changed.category_id = next(self._made) % CATEGORIES + 1
        changed.save()

    def _insert(self, at: int) -> None:
        made = next(self._made)
        added = DAY + datetime.timedelta(seconds=PRODUCTS + made)
        values = product(at, slug=f"new-{self._process}-{made}", added=added)
        self._inserted.append(self._products.create(**values).pk)

    def _delete(self, at: int) -> None:
        """Take out what this process has put in: the others read the products of the start."""
        if self._inserted:
            self._products.get(pk=self._inserted.pop(0)).delete()
        else:
            self._insert(at)


def digest(answer: Any) -> str:
    """A few characters that differ if the answer does."""
    return hashlib.blake2b("\n".join(_lines(answer)).encode(), digest_size=6).hexdigest()


def _lines(answer: Any) -> Any:
    if isinstance(answer, list):
        for one in answer:
            yield from _lines(one)
    elif hasattr(answer, "_state"):
        # By field: instances out of a pickle have an attribute more.
        for field in answer._meta.concrete_fields:
            yield f"{field.attname}={answer.__dict__[field.attname]}"
        for related in answer._state.fields_cache.values():
            yield from _lines(related)
    else:
        yield str(answer)
