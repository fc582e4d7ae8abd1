"""Hits beside plain Django on the same data: ``get(pk)`` and a queryset of 100 rows."""

from __future__ import annotations

import datetime
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable
from typing import Any

from tests.servers import PostgreSQL, ServerMissing

from benchmarks.rounds import side_by_side

PRODUCTS = 2000


def measure() -> list[dict[str, Any]]:
    """Rows of: database, query, microseconds plain and as a hit."""
    folder = tempfile.mkdtemp(prefix="cache_me_bench_")
    try:
        server: PostgreSQL | None = PostgreSQL()
    except ServerMissing as missing:
        print(f"Without PostgreSQL: {missing}")
        server = None
    try:
        return _measure(_set_up(folder, server))
    finally:
        if server is not None:
            from django.db import connections

            connections.close_all()
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _set_up(folder: str, server: PostgreSQL | None) -> list[str]:
    import django
    from django.conf import settings

    databases: dict[str, Any] = {
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.path.join(folder, "bench.sqlite3")}
    }
    if server is not None:
        import psycopg

        with psycopg.connect(host=server.host, user="postgres", autocommit=True) as connection:
            connection.execute("CREATE DATABASE bench")
        databases["postgresql"] = {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": "bench",
            "USER": "postgres",
            "HOST": server.host,
        }
    settings.configure(
        SECRET_KEY=folder,
        INSTALLED_APPS=["django_cache_me", "benchmarks.catalogue"],
        DATABASES=databases,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
    )
    django.setup()
    from django.core.management import call_command

    for alias in databases:
        call_command("migrate", database=alias, run_syncdb=True, verbosity=0)
        _fill(alias)
    return list(databases)


def _fill(alias: str) -> None:
    from django.db import connections

    from benchmarks.catalogue.models import Category, Product

    category = Category.objects.using(alias).create(name="all")
    day = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)
    Product.objects.using(alias).bulk_create(
        Product(
            name=f"A product's name, number {number}",
            category=category,
            price=f"{number}.50",
            weight=number / 7,
            made=day.date(),
            added=day,
            stock=number,
        )
        for number in range(PRODUCTS)
    )
    connections[alias].close()  # the migrations have changed the session


def _measure(aliases: list[str]) -> list[dict[str, Any]]:
    from benchmarks.catalogue.models import Product
    from django_cache_me import stats

    rows = []
    for alias in aliases:
        cached = Product.objects.using(alias)
        plain = Product.objects.using(alias).no_cache()
        pks = list(plain.values_list("pk", flat=True)[:500])

        def get(queryset: Any, pks: list[int] = pks) -> Callable[[int], None]:
            def run(number: int) -> None:
                for pk in itertools.islice(itertools.cycle(pks), number):
                    queryset.get(pk=pk)

            return run

        def rows_100(queryset: Any) -> Callable[[int], None]:
            def run(number: int) -> None:
                for _ in range(number):
                    list(queryset.order_by("stock")[:100])

            return run

        for query, make, times in (("get(pk)", get, 500), ("100 rows", rows_100, 60)):
            make(cached)(600)
            before = stats()
            found = side_by_side({"plain": make(plain), "hit": make(cached)}, times)
            after = stats()
            missed = after["misses"] - before["misses"]
            assert missed == 0, f"{missed} reads were no hits: {after}"
            rows.append({"database": alias, "query": query, **{k: v * 1e6 for k, v in found.items()}})
    return rows
