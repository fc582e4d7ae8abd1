"""The program that tests/test_chains_fuzz.py runs: ``python -m tests.chains_fuzzer <chains> <seed>``."""

from __future__ import annotations

import datetime
import decimal
import json
import random
import sys
import uuid
import warnings
from typing import Any, NamedTuple

UTC = datetime.timezone.utc
LOOKUPS = (
    "exact iexact contains icontains startswith endswith istartswith iendswith gt gte lt lte in range isnull"
    " regex iregex date year month day week hour time"
).split()
COLUMN = "column "
AGGREGATES = ("Avg", "Count", "Max", "Min", "Sum", "StdDev")
VALUES: list[Any] = [
    0,
    1,
    -1,
    5,
    2**31,
    -(2**31) - 1,
    2**63,
    1 << 80,
    True,
    False,
    None,
    "",
    "5",
    "12",
    "-3",
    "0",
    "2147483648",
    "99999999999999999999",
    "007",
    "-0",
    " 5",
    "1.5",
    "00000000-0000-0000-0000-000000000007",
    "00000000-0000-0000-0000-00000000000e",
    "00000000-0000-0000-0000-00000000000E",
    "00000000000000000000000000000007",
    "a",
    "a%b_c\\",
    "ä中",
    "2024-01-01",
    "True",
    0.0,
    1.5,
    1e300,
    float("nan"),
    float("inf"),
    decimal.Decimal("1.5"),
    decimal.Decimal("NaN"),
    decimal.Decimal("1E+40"),
    uuid.UUID(int=7),
    datetime.date(2024, 2, 29),
    datetime.datetime(2024, 1, 1, 12),
    datetime.datetime(2024, 1, 1, 12, tzinfo=UTC),
    datetime.datetime(2024, 1, 1, 12, tzinfo=datetime.timezone(datetime.timedelta(hours=5))),
    datetime.time(1, 2, 3),
    datetime.timedelta(1, 2, 3),
    b"abc",
    [1, 2],
    ["a", "b"],
    (1, None),
    [],
    {3, 1, 2},
    [1, "a"],
    (1, 5),
    (2**40, 3),
    [7, 9],
    ("1", "12"),
    ["3", "40"],
    ("a", "b"),
    ("0", "b"),
    (decimal.Decimal("1.5"), 7),
    (decimal.Decimal("0.25"), decimal.Decimal(9)),
    (1.5, decimal.Decimal("NaN")),
    (datetime.date(2024, 2, 29), datetime.date(2025, 1, 1)),
    (datetime.datetime(2024, 1, 1, 12, tzinfo=UTC), datetime.datetime(2025, 1, 1, 12, tzinfo=UTC)),
    [True],
    {"a": 1},
]


def main(number: int, seed: int) -> None:
    import django

    django.setup()
    from django.apps import apps

    from django_cache_me.registry import cache_me_registry
    from tests import shadow

    shadow.install()
    warnings.simplefilter("ignore")
    models = [
        model
        for model in cache_me_registry.get_registered_models()
        if model._meta.app_label in ("shop", "shapes", "everything") and not model._meta.swapped
    ]
    assert apps.ready
    _fill()
    for i in range(number):
        # The same shape with other values, a few times over.
        once = random.Random(f"{seed} {i}")
        calls = _calls(once, once.choice(models), models)
        for turn in range(4):
            _run(once, models, calls, turn)
        _follow(once)
    print(json.dumps(shadow.report()))


def _calls(rng: random.Random, model: Any, models: list[Any]) -> Any:
    from tests.shop import models as shop

    endings = "list list count exists first last get aggregate prefetch".split()
    ending = rng.choice(endings)
    if ending == "prefetch":
        model = rng.choice([shop.Category, shop.Product, shop.ProductProxy, shop.Tag])
    fields = [field.name for field in model._meta.get_fields()]
    steps: list[Any] = []
    for _ in range(rng.randint(1, 3)):
        kind = rng.randint(0, 14)
        if kind > 12:
            steps.append((rng.choice(["filter", "exclude"]), *_within(rng, model, fields, models)))
        elif kind > 10:
            steps.append((rng.choice(["filter", "exclude"]), _tree(rng, fields, 0), 0))
        elif kind == 10:
            steps.append(("annotate", rng.choice(fields), rng.choice(AGGREGATES)))
        elif kind < 6:
            name = rng.choice(fields)
            lookup = rng.choice(LOOKUPS) if rng.random() < 0.7 else "exact"
            value = rng.randrange(len(VALUES)) if rng.random() < 0.92 else COLUMN + rng.choice(fields)
            steps.append((rng.choice(["filter", "exclude"]), f"{name}__{lookup}", value))
        else:
            other = ["order_by", "values", "values_list", "only", "defer", "select_related"]
            steps.append((rng.choice([*other, "distinct", "reverse", "slice"]), rng.choice(fields), 0))
    if ending == "prefetch":
        fields = [
            one.get_accessor_name() if one.auto_created and not one.concrete else one.name
            for one in model._meta.get_fields()
            if one.is_relation
        ] or fields
    names = [(rng.choice(AGGREGATES), rng.choice([*fields, "*"]), rng.random() < 0.2) for _ in range(2)]
    return model, steps, (ending, names[: rng.randint(1, 2)])


class Within(NamedTuple):
    """A queryset as the value of an IN, described."""

    model: Any
    steps: list[Any]
    values: str | None


def _within(rng: random.Random, model: Any, fields: list[str], models: list[Any]) -> tuple[str, Within]:
    name = rng.choice(fields)
    # As a rule one that fits there.
    related = getattr(model._meta.get_field(name), "related_model", None)
    inner = related if related in models and rng.random() < 0.8 else rng.choice([model, *models])
    columns = [field.name for field in inner._meta.get_fields()]
    steps: list[Any] = []
    for _ in range(rng.randint(0, 2)):
        column, method = rng.choice(columns), rng.choice(["filter", "exclude"])
        if rng.random() < 0.15:
            steps.append((method, *_within(rng, inner, columns, models)))
        elif rng.random() < 0.15:
            steps.append((method, _tree(rng, columns, 1), 0))
        else:
            lookup = rng.choice(LOOKUPS) if rng.random() < 0.5 else "exact"
            steps.append((method, f"{column}__{lookup}", rng.randrange(len(VALUES))))
    values = rng.choice(columns) if rng.random() < 0.3 else None
    return f"{name}__in", Within(inner, steps, values)


def _tree(rng: random.Random, fields: list[str], depth: int) -> list[Any]:
    """A Q, described: how it is joined, whether it's negated, and what is joined."""
    joined: list[Any] = []
    for _ in range(rng.randint(1, 3)):
        if depth < 2 and rng.random() < 0.3:
            joined.append(_tree(rng, fields, depth + 1))
        else:
            name, lookup = rng.choice(fields), rng.choice(LOOKUPS) if rng.random() < 0.4 else "exact"
            joined.append((f"{name}__{lookup}", rng.randrange(len(VALUES))))
    return [rng.choice(["AND", "OR"]), rng.random() < 0.2, joined]


def _q(rng: random.Random, tree: list[Any], turn: int) -> Any:
    from django.db.models import Q

    connector, negated, joined = tree
    children = [
        _q(rng, one, turn) if isinstance(one, list) else (one[0], _another(rng, VALUES[one[1]], turn))
        for one in joined
    ]
    return Q(*children, _connector=connector, _negated=negated)


def _run(rng: random.Random, models: Any, calls: Any, turn: int) -> None:
    model, steps, (ending, aggregates) = calls
    try:
        queryset = _made(rng, model.objects.all(), steps, turn)
        if ending == "list":
            list(queryset)
        elif ending == "prefetch":
            # Steps that narrow it down would leave nothing to prefetch for.
            several = model.objects.all() if rng.random() < 0.7 else queryset
            list(several.prefetch_related(*dict.fromkeys(name for _, name, _ in aggregates)))
        elif ending == "aggregate":
            asked = [_aggregate(*one) for one in aggregates]
            queryset.aggregate(*asked[1:], n=asked[0])
        else:
            getattr(queryset, ending)()
    except Exception:  # Django's own: that it rises at the same place is the shadow's to see
        pass


def _made(rng: random.Random, queryset: Any, steps: list[Any], turn: int) -> Any:
    for method, name, value in steps:
        if method == "annotate":
            queryset = queryset.annotate(made=_aggregate(value, name, False))
        elif isinstance(name, list):
            queryset = getattr(queryset, method)(_q(rng, name, turn))
        elif method in ("filter", "exclude"):
            queryset = getattr(queryset, method)(**{name: _value(rng, value, turn)})
        elif method == "slice":
            queryset = queryset[turn : turn + 5]
        elif method in ("distinct", "reverse"):
            queryset = getattr(queryset, method)()
        else:
            queryset = getattr(queryset, method)(name)
    return queryset


def _follow(rng: random.Random) -> None:
    """A foreign key forwards, whose value may be anything."""
    from tests.shop import models as shop

    model = rng.choice([shop.Category, shop.Product, shop.ProductProxy, shop.Review])
    relations = [field for field in model._meta.concrete_fields if field.many_to_one]
    columns = [relation.attname for relation in relations]
    for instance in (model.objects.only(*columns) if rng.random() < 0.2 else model.objects.all())[:5]:
        relation = rng.choice(relations)
        if rng.random() < 0.3:
            setattr(instance, relation.attname, rng.choice(VALUES))
        try:
            for _ in range(2):
                getattr(instance, relation.name)
        except Exception:  # as above
            pass


def _fill() -> None:
    """Rows for prefetches to have something to do."""
    from tests.shop.models import Category, Product, Review, Tag

    rng = random.Random(3)
    categories = [Category.objects.create(name=f"c{i}") for i in range(3)]
    for one in categories[1:]:
        one.parent = categories[0]
        one.save()
    tags = [Tag.objects.create(word=f"fuzz{i}") for i in range(5)]
    for i in range(15):
        product = Product.objects.create(
            name="a", category=rng.choice([*categories, None]), code=uuid.UUID(int=i)
        )
        product.tags.set(rng.sample(tags, rng.randint(0, 5)))
        for _ in range(rng.randint(0, 2)):
            Review.objects.create(product=product, text="a")


def _aggregate(name: str, column: str, distinct: bool) -> Any:
    from django.db import models

    return getattr(models, name)(column, distinct=distinct)


def _value(rng: random.Random, described: Any, turn: int) -> Any:
    from django.db.models import F

    if isinstance(described, str):
        return F(described[len(COLUMN) :])
    if isinstance(described, Within):
        made = _made(rng, described.model.objects.all(), described.steps, turn)
        return made if described.values is None else made.values(described.values)
    return _another(rng, VALUES[described], turn)


def _another(rng: random.Random, value: Any, turn: int) -> Any:
    """A value of the same kind."""
    if turn == 0:
        return value
    alike = [other for other in VALUES if type(other) is type(value)]
    if rng.random() < 0.7:
        alike = [other for other in alike if _form(other) == _form(value)]
    return rng.choice(alike)


def _form(value: Any) -> Any:
    """What plans tell apart among values of a class, roughly."""
    if isinstance(value, str):
        return len(value) if len(value) > 30 else value.lstrip("-").isdigit()
    return [type(one) for one in value] if isinstance(value, (list, tuple)) else None


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
