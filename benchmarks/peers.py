"""Hits beside plain Django, django-cacheops and django-cachalot, on PostgreSQL and SQLite in one run.

Contenders take turns in each round; what counts is the median of all of a contender's reads.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

from tests.servers import PostgreSQL, ServerMissing

from benchmarks.contender import CONTENDERS, ROOT, Contender
from benchmarks.kinds import NAMES, VARIETY
from benchmarks.stores import RedisServer

ROUNDS = 5
#: Reads of a contender in a round: as many as take it some tens of milliseconds.
NUMBERS = {"1,000 rows": 10, "100 rows": 50, "100 rows with select_related": 50, "m2m prefetch of 20": 50}
NUMBER = 200


def measure() -> list[dict[str, Any]]:
    """Rows of: database, kind, and for each contender the median µs; p99s stand beside as ``<name> p99``."""
    folder = tempfile.mkdtemp(prefix="cache_me_bench_")
    redis = RedisServer(folder)
    server: PostgreSQL | None = None
    try:
        databases = {"sqlite": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{folder}/bench.sqlite3"}}
        try:
            server = PostgreSQL()
            databases["postgresql"] = _postgresql(server)
        except ServerMissing as missing:
            print(f"Without PostgreSQL: {missing}")
        return [row for name, database in databases.items() for row in _on(name, database, redis, folder)]
    finally:
        redis.stop()
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _postgresql(server: PostgreSQL) -> dict[str, Any]:
    import psycopg

    with psycopg.connect(host=server.host, user="postgres", autocommit=True) as connection:
        connection.execute("CREATE DATABASE bench")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "bench",
        "USER": "postgres",
        "HOST": server.host,
        "CONN_MAX_AGE": None,
    }


def _on(name: str, database: dict[str, Any], redis: RedisServer, folder: str) -> list[dict[str, Any]]:
    environment = {**os.environ, "BENCH_DATABASE": json.dumps(database), "BENCH_REDIS": redis.socket,
                   "BENCH_SECRET": folder}  # fmt: skip
    subprocess.run([sys.executable, "-m", "benchmarks.prepare"], check=True, cwd=ROOT, env=environment)
    contenders = [Contender(one, database, redis.socket, folder) for one in CONTENDERS]
    try:
        # Nobody trusts a new version file before two leases (2 s) have passed since its first use.
        for contender in contenders:
            contender.run("get by pk", 1)
        time.sleep(2.2)
        return [{"database": name, "kind": kind, **_compare(contenders, kind)} for kind in NAMES]
    finally:
        for contender in contenders:
            contender.stop()


def _compare(contenders: list[Contender], kind: str) -> dict[str, float]:
    number = NUMBERS.get(kind, NUMBER)
    times: dict[str, list[int]] = {contender.name: [] for contender in contenders}
    for contender in contenders:  # fill; some fill at the second sight only
        for _ in range(2):
            contender.run(kind, VARIETY)
    for _ in range(ROUNDS):
        for contender in contenders:
            done = contender.run(kind, number)
            times[contender.name] += done["times"]
            if contender.name == "ours" and done["statements"]:
                raise SystemExit(f"{kind}: {done['statements']} statements in {number} reads: no hits")
            if contender.name != "plain" and done["statements"]:
                print(f"  ({contender.name} sent {done['statements']} statements for {number} × {kind})")
    found: dict[str, float] = {}
    for name, all_times in times.items():
        found[name] = statistics.median(all_times) / 1000
        found[f"{name} p99"] = sorted(all_times)[int(0.99 * (len(all_times) - 1))] / 1000
    return found
