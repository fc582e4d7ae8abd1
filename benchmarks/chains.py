"""Hits by recorded chains, beside the second tier, Django's bare building of the query, and plain Django.

    .venv/bin/python -m benchmarks.chains

SQLite in a file, the shared-memory store; µs, the least of 200 short runs. ``tests.shop`` is the project.
"""

from __future__ import annotations

import decimal
import os
import subprocess
import sys
import tempfile
import timeit
from typing import Any, Callable

_folder = tempfile.mkdtemp(prefix="cache_me_chains_")
os.environ["CACHE_ME_TEST_SQLITE"] = os.path.join(_folder, "shop.sqlite3")
os.environ["CACHE_ME_TEST_STORE"] = tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"


def main() -> None:
    import django

    django.setup()
    from django.db import connections
    from django.test import override_settings
    from tests.shop.models import Category, Product

    from django_cache_me import _engine

    # In another process: migrations make so many classes that CPython 3.13 runs out of versions of classes,
    # which costs every look-up something, and every hit 3 µs.
    command = [sys.executable, "-m", "django", "migrate", "--run-syncdb", "--verbosity=0"]
    subprocess.run(command, check=True)
    category = Category.objects.create(name="c")
    for i in range(200):
        Product.objects.create(name=f"p{i}", category=category, price=decimal.Decimal(i))
    connections["default"].close()
    key, of = Product.objects.order_by("id")[0].pk, category.pk
    kinds: dict[str, Callable[[], Any]] = {
        "get(pk=)": lambda: Product.objects.get(pk=key),
        "list of 1": lambda: list(Product.objects.filter(pk=key)),
        "ordered slice of 20": lambda: list(
            Product.objects.filter(active=True, category=of).order_by("-id")[:20]
        ),
        "list of 100": lambda: list(Product.objects.filter(active=True).order_by("id")[:100]),
        "values_list of 100": lambda: list(Product.objects.order_by("id").values_list("id", "name")[:100]),
        "count": lambda: Product.objects.filter(active=True).count(),
        "exists": lambda: Product.objects.filter(name="p1").exists(),
        "first": lambda: Product.objects.filter(active=True).order_by("name").first(),
        "related.filter": lambda: list(category.products.filter(name="p1")),
        "filter(category__in=queryset)": lambda: list(
            Product.objects.filter(category__in=Category.objects.filter(name="c"), name="p1")
        ),
    }
    product = Product.objects.get(pk=key)

    def forward() -> Any:
        product._state.fields_cache.clear()
        return product.category

    kinds["product.category"] = forward
    builds: dict[str, Callable[[], Any]] = {
        "get(pk=)": lambda: Product.objects.filter(pk=key),
        "ordered slice of 20": lambda: (
            Product.objects.filter(active=True, category=of).order_by("-id")[:20]
        ),
    }
    print(f"{'':20} {'hit by plan':>12} {'second tier':>12} {'Django builds':>14} {'plain Django':>13}")
    for name, ask in kinds.items():
        for _ in range(8):
            ask()
        before = _engine.recorded_hits()
        ask()
        assert _engine.recorded_hits() == before + 1, name
        figures = [best(ask, 2000)]
        with override_settings(DJANGO_CACHE_ME_CHAINS=False):
            ask()
            figures.append(best(ask, 200))
        with override_settings(DJANGO_CACHE_ME_ON=False):
            figures.append(best(builds[name], 1000) if name in builds else float("nan"))
            figures.append(best(ask, 100))
        print(f"{name:20} {figures[0]:12.2f} {figures[1]:12.1f} {figures[2]:14.1f} {figures[3]:13.1f}")


def best(ask: Callable[[], Any], number: int) -> float:
    """The least of many short runs: what else the machine does counts little."""
    return min(timeit.repeat(ask, repeat=200, number=max(1, number // 50))) / max(1, number // 50) * 1e6


if __name__ == "__main__":
    main()
