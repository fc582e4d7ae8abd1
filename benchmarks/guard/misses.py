"""Cases of misses, each beside the same read by plain Django: of a model that isn't registered, over the same
table. What a miss adds is the difference."""

from __future__ import annotations

import itertools
from typing import Any, Callable, Iterator

from benchmarks.guard.turns import BATCHES, TURNS, WARM, Case, Prepared

#: Conditions that hold for each product: a new choice of them is a query of a new shape.
_CONDITIONS: dict[str, Any] = {
    "stock__gte": 0, "stock__lt": 10**6, "stock__gt": -1, "stock__lte": 10**6, "category_id__gte": 0,
    "category_id__lt": 10**6, "category_id__gt": -1, "category_id__lte": 10**6, "weight__gte": 0.0,
    "weight__lt": 1e9, "weight__gt": -1.0, "weight__lte": 1e9, "name__startswith": "A",
    "name__contains": "number", "slug__startswith": "product", "slug__contains": "product",
    "description__startswith": "Made",
}  # fmt: skip
_CONDITIONS_OF_ONE = 3
#: As many as one case needs.
_SHAPES = WARM + (BATCHES + 2) * TURNS


def cases() -> dict[str, Case]:
    """All cases by name; to be called once Django is set up."""
    from benchmarks.catalogue.models import Product

    plain = _plain_model()

    def invalidate() -> None:
        Product.objects.invalidate_cache()

    found: dict[str, Case] = {}
    for words, read in _reads().items():
        found[f"{words}, a miss"] = Prepared(_of(read, Product.objects), invalidate)
        found[f"{words}, plain Django"] = _of(read, plain.objects)
    some = list(itertools.combinations(sorted(_CONDITIONS), _CONDITIONS_OF_ONE))
    # The scanner reads each text once, so the plain ones have texts of their own.
    first, second, plains = (some[i::3][:_SHAPES] for i in range(3))
    found["get of a new shape, first sight, a miss"] = _new_shapes(Product.objects, first, 1, invalidate)
    found["get of a new shape, second sight, a miss"] = _new_shapes(Product.objects, second, 2, invalidate)
    found["get of a new shape, plain Django"] = _new_shapes(plain.objects, plains, 1, lambda: None)
    return found


def _of(read: Callable[[Any, int], Any], objects: Any) -> Callable[[int], Any]:
    return lambda turn: read(objects, turn)


def _reads() -> dict[str, Callable[[Any, int], Any]]:
    """Each turn of a batch reads something of its own, so that no miss is another one's hit."""
    return {
        "get(pk=…)": lambda objects, turn: objects.get(pk=turn * 100 + 1),
        "20 rows of an ordered slice": lambda objects, turn: list(
            objects.filter(category_id=turn % TURNS + 1).order_by("-added")[:20]
        ),
        "values_list() of 20 rows": lambda objects, turn: list(
            objects.filter(category_id=turn % TURNS + 1).order_by("pk").values_list("pk", "name")[:20]
        ),
        "count()": lambda objects, turn: objects.filter(category_id=turn % TURNS + 1).count(),
    }


def _new_shapes(
    objects: Any, some: list[tuple[str, ...]], sight: int, invalidate: Callable[[], None]
) -> Case:
    """``get()`` by a key and conditions that nobody has asked for yet, at the given sight of each."""
    assert len(some) == _SHAPES
    shapes: Iterator[dict[str, Any]] = ({name: _CONDITIONS[name] for name in names} for names in some)
    batch: list[dict[str, Any]] = []

    def prepare() -> None:
        batch[:] = itertools.islice(shapes, TURNS)
        for _ in range(sight - 1):
            for turn in range(TURNS):
                read(turn)
            invalidate()

    def read(turn: int) -> Any:
        return objects.get(pk=turn % TURNS * 100 + 1, **batch[turn % TURNS])

    return Prepared(read, prepare)


def _plain_model() -> Any:
    """Products as a model that nobody has registered."""
    import uuid

    from django.db import models

    from benchmarks.catalogue.models import Category, Product

    class PlainProduct(models.Model):
        name = models.CharField(max_length=80)
        slug = models.SlugField(unique=True)
        category = models.ForeignKey(Category, models.CASCADE, related_name="+")
        price = models.DecimalField(max_digits=10, decimal_places=2, db_index=True)
        weight = models.FloatField()
        active = models.BooleanField(default=True)
        made = models.DateField()
        added = models.DateTimeField()
        code = models.UUIDField(default=uuid.uuid4)
        stock = models.IntegerField(db_index=True)
        description = models.TextField()

        class Meta:
            app_label = "catalogue"
            managed = False
            db_table = Product._meta.db_table

    assert [f.column for f in PlainProduct._meta.concrete_fields] == [
        f.column for f in Product._meta.concrete_fields
    ]
    return PlainProduct
