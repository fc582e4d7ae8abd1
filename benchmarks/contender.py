"""One contender in a process of its own: Django with one cache (or none), asked to do reads and to time them.

Run as a program it reads requests from stdin, a line of JSON each: {"kind": ..., "number": ...}. Each package
patches Django for the whole process, so each has to have its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CONTENDERS = ("plain", "ours", "cacheops", "cachalot on Redis", "cachalot on locmem")


class Contender:
    """The parent's side."""

    def __init__(self, name: str, database: dict[str, Any], redis: str, secret: str) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.contender", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "BENCH_DATABASE": json.dumps(database), "BENCH_REDIS": redis,
                 "BENCH_SECRET": secret},
        )  # fmt: skip
        self.versions = self._receive()

    def run(self, kind: str, number: int) -> dict[str, Any]:
        """``number`` reads: their times in ns, and the statements that the database was sent meanwhile."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"kind": kind, "number": number}) + "\n")
        self._process.stdin.flush()
        return self._receive()

    def _receive(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"The contender {self.name!r} ended; its error stands above.")
        return json.loads(line)

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def settings_of(name: str) -> dict[str, Any]:
    redis = os.environ["BENCH_REDIS"]
    apps = ["benchmarks.catalogue"]
    found: dict[str, Any] = {
        "SECRET_KEY": os.environ["BENCH_SECRET"],
        "DATABASES": {"default": json.loads(os.environ["BENCH_DATABASE"])},
        "INSTALLED_APPS": apps,
        "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
        "USE_TZ": True,
    }
    if name == "ours":
        apps.insert(0, "django_cache_me")
    elif name == "cacheops":
        apps.insert(0, "cacheops")
        found["CACHEOPS_REDIS"] = f"unix://{redis}?db=1"
        found["CACHEOPS"] = {"catalogue.*": {"ops": "all", "timeout": 3600}}
    elif name == "cachalot on Redis":
        apps.insert(0, "cachalot")
        found["CACHES"] = {
            "default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": f"unix://{redis}?db=2"}
        }
    elif name == "cachalot on locmem":
        apps.insert(0, "cachalot")
        found["CACHES"] = {
            "default": {
                "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
                "OPTIONS": {"MAX_ENTRIES": 100_000},
            }
        }
    return found


def _versions(name: str) -> dict[str, str]:
    from importlib.metadata import version

    packages = {"ours": ["django-cache-me"], "plain": ["django"], "cacheops": ["django-cacheops"]}
    return {package: version(package) for package in packages.get(name, ["django-cachalot"])}


def serve() -> None:
    import django
    from django.conf import settings

    name = sys.argv[1]
    settings.configure(**settings_of(name))
    django.setup()
    from django.db import connection

    from benchmarks.kinds import VARIETY, kinds

    statements = 0

    def counting(execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
        nonlocal statements
        statements += 1
        return execute(sql, params, many, context)

    connection.ensure_connection()
    connection.execute_wrappers.append(counting)
    known = kinds()
    print(json.dumps(_versions(name)), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        read, number = known[request["kind"]], request["number"]
        statements = 0
        times = []
        now = time.perf_counter_ns
        for turn in range(number):
            begin = now()
            read(turn % VARIETY)
            times.append(now() - begin)
        print(json.dumps({"times": times, "statements": statements}), flush=True)


if __name__ == "__main__":
    serve()
