"""The kinds of read that contenders are compared by; each is a function of the number of the turn."""

from __future__ import annotations

from typing import Any, Callable

#: Reads of different rows that take turns: more than one, so that nothing is kept by accident; few enough
#: that all of them are warm after the first turns.
VARIETY = 50

NAMES = (
    "get by pk", "get by slug", "1 row", "20 rows, ordered slice", "100 rows",
    "100 rows with select_related", "1,000 rows", "values_list of 100", "count", "exists", "aggregate",
    "m2m prefetch of 20", "FK access", "(build filter(pk), no read)",
)  # fmt: skip


def kinds() -> dict[str, Callable[[int], Any]]:
    """Kind -> a function that asks it; to be called once Django is set up."""
    from django.db.models import Avg, Max

    from benchmarks.catalogue.models import Product

    products = Product.objects

    def fk_access(turn: int) -> Any:
        return Product(category_id=turn + 1).category

    return {
        "get by pk": lambda turn: products.get(pk=turn * 100 + 1),
        "get by slug": lambda turn: products.get(slug=f"product-{turn * 100}"),
        "1 row": lambda turn: list(products.filter(pk=turn * 100 + 1)),
        "20 rows, ordered slice": lambda turn: list(
            products.filter(category_id=turn + 1).order_by("-added")[:20]
        ),
        "100 rows": lambda turn: list(products.filter(stock__gte=turn).order_by("pk")[:100]),
        "100 rows with select_related": lambda turn: list(
            products.select_related("category").filter(stock__gte=turn).order_by("pk")[:100]
        ),
        "1,000 rows": lambda turn: list(products.filter(stock__gte=turn).order_by("pk")[:1000]),
        "values_list of 100": lambda turn: list(
            products.filter(stock__gte=turn).order_by("pk").values_list("pk", "name", "price")[:100]
        ),
        "count": lambda turn: products.filter(category_id=turn + 1).count(),
        "exists": lambda turn: products.filter(category_id=turn + 1, active=True).exists(),
        "aggregate": lambda turn: products.filter(category_id=turn + 1).aggregate(
            mean=Avg("price"), top=Max("stock")
        ),
        "m2m prefetch of 20": lambda turn: [
            [tag.word for tag in product.tags.all()]
            for product in products.filter(category_id=turn + 1).order_by("pk")[:20].prefetch_related("tags")
        ],
        "FK access": fk_access,
        "(build filter(pk), no read)": lambda turn: products.filter(pk=turn * 100 + 1),
    }
