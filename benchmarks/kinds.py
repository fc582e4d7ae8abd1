"""The kinds of query that contenders are compared by; each is a function of the number of the turn."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, Callable, Iterator

#: Reads of different rows that take turns: more than one, so that nothing is kept by accident; few enough
#: that all of them are warm after the first turns.
VARIETY = 50

HIT, BUILD, MISS, PASS, SAVE, NOTHING = "hit", "build", "miss", "pass", "save", "nothing"


@dataclass(frozen=True)
class Kind:
    name: str
    group: str
    ask: Callable[[int], Any]
    #: Done before each turn, outside of its time and of the count of its statements.
    before: Callable[[int], Any] | None = None


def is_as_it_should(group: str, contender: str, reads: int, statements: int) -> bool:
    """Whether so many statements say that the reads were what the group's name promises."""
    if group == HIT:
        return contender == "plain" or statements == 0
    if group in (MISS, PASS):
        return statements == reads
    return statements >= reads if group == SAVE else statements == 0


def kinds() -> list[Kind]:
    """All kinds, in the order in which they are measured; to be called once Django is set up."""
    return [*_hits(), *_builds(), *_costs(), Kind("(the timer alone)", NOTHING, lambda turn: None)]


def _hits() -> Iterator[Kind]:
    from django.db.models import Avg, Max

    from benchmarks.catalogue.models import Product

    products = Product.objects
    of_categories = [Product(category_id=number + 1) for number in range(VARIETY)]

    def fk_access(turn: int) -> Any:
        product = of_categories[turn % VARIETY]
        product._state.fields_cache.pop("category", None)
        return product.category

    def rows(number: int) -> Callable[[int], Any]:
        return lambda turn: list(products.filter(stock__gte=turn % VARIETY).order_by("pk")[:number])

    yield Kind("get by pk", HIT, lambda turn: products.get(pk=turn % VARIETY * 100 + 1))
    yield Kind("get by slug", HIT, lambda turn: products.get(slug=f"product-{turn % VARIETY * 100}"))
    for number in (1, 20, 100, 1000):
        yield Kind(f"{number:,} row{'s' * (number > 1)}", HIT, rows(number))
    yield Kind("20 rows, ordered slice", HIT, lambda turn: list(_slice(turn)))
    yield Kind(
        "100 rows with select_related",
        HIT,
        lambda turn: list(
            products.select_related("category").filter(stock__gte=turn % VARIETY).order_by("pk")[:100]
        ),
    )
    yield Kind(
        "values_list of 100",
        HIT,
        lambda turn: list(
            products.filter(stock__gte=turn % VARIETY).order_by("pk").values_list("pk", "name", "price")[:100]
        ),
    )
    yield Kind("count", HIT, lambda turn: products.filter(category_id=turn % VARIETY + 1).count())
    yield Kind(
        "exists", HIT, lambda turn: products.filter(category_id=turn % VARIETY + 1, active=True).exists()
    )
    yield Kind(
        "aggregate",
        HIT,
        lambda turn: products.filter(category_id=turn % VARIETY + 1).aggregate(
            mean=Avg("price"), top=Max("stock")
        ),
    )
    # Most of a hit's time above goes into the caller's own making of its two expressions.
    mean, top = Avg("price"), Max("stock")
    yield Kind(
        "aggregate, expressions made before",
        HIT,
        lambda turn: products.filter(category_id=turn % VARIETY + 1).aggregate(mean=mean, top=top),
    )
    yield Kind(
        "m2m prefetch of 20",
        HIT,
        lambda turn: [
            [tag.word for tag in product.tags.all()]
            for product in products.filter(category_id=turn % VARIETY + 1)
            .order_by("pk")[:20]
            .prefetch_related("tags")
        ],
    )
    yield Kind("FK access", HIT, fk_access)


def _slice(turn: int) -> Any:
    from benchmarks.catalogue.models import Product

    return Product.objects.filter(category_id=turn % VARIETY + 1).order_by("-added")[:20]


def _builds() -> Iterator[Kind]:
    from benchmarks.catalogue.models import Product

    yield Kind("filter(pk=…), not evaluated", BUILD, lambda turn: Product.objects.filter(pk=turn))
    yield Kind("the ordered slice, not evaluated", BUILD, _slice)


def _costs() -> Iterator[Kind]:
    """What a cache costs when it doesn't help."""
    from django.db import connection

    from benchmarks.catalogue.models import Product, Visit

    products = Product.objects
    cursor = connection.cursor()
    fresh = itertools.count(1)
    loaded: list[Product] = []

    def select(turn: int) -> Any:
        # To the last row: what is left open on SQLite is an old state in view, and nothing may be kept.
        cursor.execute("SELECT 1")
        return cursor.fetchall()

    def change(turn: int) -> Product:
        if not loaded:
            loaded.extend(products.filter(pk__in=range(1, VARIETY * 100, 100)).order_by("pk"))
        product = loaded[turn % VARIETY]
        product.weight = next(fresh) / 7
        return product

    def save(turn: int) -> None:
        change(turn).save()

    yield Kind("pass through: get, uncached model", PASS, lambda turn: Visit.objects.get(pk=turn % 1000 + 1))
    yield Kind("pass through: cursor.execute()", PASS, select)
    yield Kind(
        "miss: get, first sight",
        MISS,
        lambda turn: products.get(pk=turn % 5000 + 1, stock__gt=-1 - next(fresh)),
    )
    yield Kind("miss: get, after a write", MISS, lambda turn: products.get(pk=turn % VARIETY * 100 + 1), save)
    yield Kind(
        "miss: 1,000 rows, after a write",
        MISS,
        lambda turn: list(products.filter(stock__gte=turn % VARIETY).order_by("pk")[:1000]),
        save,
    )
    yield Kind("save", SAVE, lambda turn: loaded[turn % VARIETY].save(), change)
