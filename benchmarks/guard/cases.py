"""What is counted: a name, and a function of the number of the turn."""

from __future__ import annotations

import itertools
from typing import Any

from benchmarks.guard import misses
from benchmarks.guard.turns import Case

#: Different rows that take turns, so that nothing is kept by accident.
VARIETY = 10


def cases() -> dict[str, Case]:
    """All cases by name; to be called once Django is set up."""
    return {**_reads(), **_statements(), **_engine(), **misses.cases()}


def _reads() -> dict[str, Case]:
    from django.db.models import Avg, Max

    from benchmarks.catalogue.models import Product

    products = Product.objects
    pointing = list(products.filter(pk__in=range(1, VARIETY * 100, 100)).order_by("pk"))

    def forward(turn: int) -> Any:
        product = pointing[turn % VARIETY]
        product._state.fields_cache.clear()
        return product.category

    return {
        "product.category, a hit": forward,
        "get(pk=…), a hit": lambda turn: products.get(pk=turn % VARIETY * 100 + 1),
        "20 rows of an ordered slice, a hit": lambda turn: list(
            products.filter(category_id=turn % VARIETY + 1).order_by("-added")[:20]
        ),
        "count(), a hit": lambda turn: products.filter(category_id=turn % VARIETY + 1).count(),
        "aggregate(), a hit": lambda turn: products.filter(category_id=turn % VARIETY + 1).aggregate(
            mean=Avg("price"), top=Max("stock")
        ),
        "20 rows with a prefetch of tags, two hits": lambda turn: [
            [tag.word for tag in product.tags.all()]
            for product in products.filter(category_id=turn % VARIETY + 1)
            .order_by("pk")[:20]
            .prefetch_related("tags")
        ],
    }


def _statements() -> dict[str, Case]:
    from django.db import connection

    from benchmarks.catalogue.models import Product, Visit

    fresh = itertools.count(1)
    loaded = list(Product.objects.filter(pk__in=range(1, VARIETY * 100, 100)).order_by("pk"))

    def save(turn: int) -> None:
        product = loaded[turn % VARIETY]
        product.weight = next(fresh) / 7
        product.save()

    def select(turn: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT id, word FROM catalogue_tag WHERE id = %s", [turn % VARIETY + 1])
            cursor.fetchone()

    return {
        "save()": save,
        "get(pk=…) of a model that is not cached": lambda turn: Visit.objects.get(pk=turn % VARIETY + 1),
        "plain SELECT through a cursor": select,
    }


def _engine() -> dict[str, Case]:
    """The engine's part, without Django around it."""
    from django.db import connection

    from benchmarks.costs.saving import Saving

    saving = Saving(connection)
    return {
        "engine: versions of a save's dependencies": lambda turn: saving.read(),
        "engine: declare and finish a save's dependencies": lambda turn: saving.declare_and_finish(),
        "engine: what a save bumps": lambda turn: saving.write_rule(),
        "engine: what a get rests on": lambda turn: saving.read_rule(),
    }
