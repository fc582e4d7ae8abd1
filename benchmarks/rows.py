"""`make bench-rows`: what it costs to make results of rows, without lookup and without a database.

Django's own ways beside the engine's, each from what it would find in a cache: rows of values, a pickle, an
entry's bytes. The engine's are measured in both tiers (engine/python/attributes.hpp), and as at a process's
first hit of an entry ("decoded") and at its later ones ("kept": engine/python/decoded_rows.hpp). Results take
turns (``VARIETY``), so that none is warm alone; each is made and dropped. Printed is the least of all rounds,
in µs of the processor: the machine's noise only ever adds.
"""

from __future__ import annotations

import gc
import json
import pickle
import sys
import time
from pathlib import Path
from typing import Any, Callable, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

SIZES = (1, 20, 100, 1000)
VARIETY = 5
ROUNDS = 20
#: Columns of the results that are no instances.
THREE = ("pk", "name", "price")
BUDGET = 8 << 20


class Way(NamedTuple):
    """Makes the result of a turn; of the engine: in which tier, and whether decoded values are kept."""

    make: Callable[[int], Any]
    fast: bool = False
    kept: bool = False


def main() -> None:
    _set_up()
    ways = {size: _ways(size) for size in SIZES}
    gc.collect()
    gc.freeze()  # what was prepared isn't to be collected again and again while others are measured
    results = {size: _measure(ways[size], max(VARIETY, 600 // size)) for size in SIZES}
    names = list(results[SIZES[0]])
    width = max(map(len, names))
    print(f"{'µs':<{width}}" + "".join(f"{size:>10,}" for size in SIZES) + "  rows")
    for name in names:
        print(f"{name:<{width}}" + "".join(f"{results[size][name]:>10,.2f}" for size in SIZES))
    target = ROOT / "build" / "bench-rows.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(results, indent=1))


def _set_up() -> None:
    import django
    from django.conf import settings

    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        INSTALLED_APPS=["benchmarks.catalogue"],
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    )
    django.setup()
    from django.core.management import call_command

    import django_cache_me.reading.building  # noqa: F401  (as early as an application has it)
    from benchmarks.catalogue.load import load

    call_command("migrate", run_syncdb=True, verbosity=0)
    load("default")
    print(f"Python {sys.version.split()[0]}, Django {django.get_version()}")


def _measure(ways: dict[str, Way], repeats: int) -> dict[str, float]:
    from django_cache_me import _engine

    least = dict.fromkeys(ways, float("inf"))
    for _ in range(ROUNDS):
        for name, way in ways.items():
            _engine.use_fast_tier(way.fast)
            _engine.set_decoded_budget(0)
            if way.kept:
                _engine.set_decoded_budget(BUDGET)
            for turn in range(2 * VARIETY):
                way.make(turn % VARIETY)
            begin = time.thread_time()
            for turn in range(repeats):
                way.make(turn % VARIETY)
            least[name] = min(least[name], (time.thread_time() - begin) / repeats * 1e6)
    return least


def _ways(size: int) -> dict[str, Way]:
    """Name -> a way to make the result of a turn."""
    from benchmarks.catalogue.models import Product
    from django_cache_me import _engine
    from django_cache_me.reading.building import building_plan, fetch_mode
    from django_cache_me.reading.replay import results
    from django_cache_me.reading.rows import rows_plan

    def of(queryset: Any) -> tuple[Any, Any, list[Any], list[bytes]]:
        """The queryset's compiler, and what it gives at each turn: rows, and their bytes."""
        compiler = queryset.query.get_compiler(using="default")
        compiler.as_sql()
        rows = []
        for turn in range(VARIETY):
            part = queryset.filter(pk__gt=turn * 1000)[:size]
            rows.append(list(map(tuple, part.query.get_compiler(using="default").results_iter())))
        return queryset, compiler, rows, [_engine.encode_rows(one) for one in rows]

    def engine(kind: str, make: Callable[[int], Any], tiers: bool = False) -> dict[str, Way]:
        return {
            f"{kind}: engine, {tier}{kept}": Way(make, tier == "fast, ", kept == "kept")
            for tier in (("portable, ", "fast, ") if tiers else ("",))
            for kept in ("decoded", "kept")
        }

    def plain(kind: str, queryset: Any, compiler: Any, rows: list[Any], blobs: list[bytes]) -> dict[str, Way]:
        plan = rows_plan(queryset, "default", compiler)
        assert plan is not None
        django = Way(
            lambda turn: results(queryset, "default", compiler, _engine.decode_rows(blobs[turn]), False)
        )
        make = lambda turn: plan.build_from(blobs[turn], "default", None)  # noqa: E731
        return {f"{kind}: decode_rows, Django": django, **engine(kind, make)}

    products, compiler, rows, blobs = of(Product.objects.order_by("pk"))
    names = [field.attname for field in Product._meta.concrete_fields]
    pickles = [
        pickle.dumps([Product.from_db("default", names, row) for row in one], pickle.HIGHEST_PROTOCOL)
        for one in rows
    ]
    plan = building_plan(products, compiler)
    assert plan is not None
    build, mode = plan.plan.build_from, fetch_mode(products)

    joined, joined_compiler, joined_rows, joined_blobs = of(
        Product.objects.select_related("category").order_by("pk")
    )
    joined_plan = building_plan(joined, joined_compiler)
    assert joined_plan is not None
    build_joined = joined_plan.plan.build_from

    ways = {
        "instances: from_db": Way(
            lambda turn: [Product.from_db("default", names, row) for row in rows[turn]]
        ),
        "instances: pickle.loads": Way(lambda turn: pickle.loads(pickles[turn])),
    }
    ways.update(engine("instances", lambda turn: build(blobs[turn], "default", mode), tiers=True))
    ways["select_related: ModelIterable"] = Way(
        lambda turn: results(joined, "default", joined_compiler, joined_rows[turn], False)
    )
    ways.update(
        engine("select_related", lambda turn: build_joined(joined_blobs[turn], "default", mode), tiers=True)
    )
    kinds = {
        "values_list of 3": Product.objects.order_by("pk").values_list(*THREE),
        "values of 3": Product.objects.order_by("pk").values(*THREE),
        "values of all": Product.objects.order_by("pk").values(),
        "flat": Product.objects.order_by("pk").values_list("name", flat=True),
        "named": Product.objects.order_by("pk").values_list(*THREE, named=True),
    }
    for kind, queryset in kinds.items():
        ways.update(plain(kind, *of(queryset)))
    return ways


if __name__ == "__main__":
    main()
