"""Servers and databases of a run: unprivileged, on unix sockets in temporary folders, stopped at the end."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Iterator

from tests import servers

from benchmarks.contenders import Site
from benchmarks.process import ROOT

MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None
#: So that a save's time is not the disk's: nothing waits for it, as on PostgreSQL (fsync is off there).
PRAGMAS = "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF"
REDIS_DATABASES = 64


class _Redis(servers.Redis):
    """As the tests start it, but never as root, and with a database for every site."""

    def start(self) -> None:
        if os.getuid() == 0 and self._command[0] != "setpriv":
            shutil.chown(self.directory, "nobody")
            self._command = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *self._command]
        if "--databases" not in self._command:
            self._command += ["--databases", str(REDIS_DATABASES)]
        super().start()


class Places:
    """What is there: the sockets of the servers that could be started, and databases copied on demand."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.missing: list[str] = []
        self.folder = self._folder(None)
        self.memory = self._folder(MEMORY)
        self.secret = secrets.token_hex(8)
        redis, memcached = self._start(_Redis), self._start(servers.Memcached)
        self._postgresql = self._start(servers.PostgreSQL)
        self.databases = ["sqlite", *(["postgresql"] if self._postgresql else [])]
        self._number = 0
        self.sockets: dict[str, Any] = {
            "redis": redis and redis.socket,
            "memcached": memcached and memcached.socket,
        }

    def fill(self, database: str) -> None:
        """Make the database that :meth:`site` copies."""
        if database == "postgresql":
            self._sql("CREATE DATABASE catalogue")
        site = self._describe("plain", self._address(database, "catalogue"), "catalogue")
        subprocess.run(
            [sys.executable, "-m", "benchmarks.prepare"],
            check=True, cwd=ROOT, env={**os.environ, "BENCH_SITE": json.dumps(site)},
        )  # fmt: skip

    def site(self, contender: str, database: str) -> Site:
        """A place for a contender: a copy of the filled database, and caches that nobody else has filled."""
        self._number += 1
        name = f"catalogue_{self._number}"
        if database == "postgresql":
            self._sql(f"CREATE DATABASE {name} TEMPLATE catalogue")
        else:
            shutil.copyfile(f"{self.folder}/catalogue.sqlite3", f"{self.folder}/{name}.sqlite3")
        return self._describe(contender, self._address(database, name), name)

    def server_versions(self) -> dict[str, str]:
        import sqlite3

        found = {"SQLite": sqlite3.sqlite_version}
        if self._postgresql:
            found["PostgreSQL"] = self._sql("SHOW server_version").split()[0]
        for name, program in (("redis", "redis-server"), ("memcached", "memcached")):
            if self.sockets[name]:
                told = subprocess.run([program, "--version"], check=True, stdout=subprocess.PIPE, text=True)
                found[program] = next(
                    word.lstrip("v=") for word in told.stdout.split() if word.lstrip("v=")[:1].isdigit()
                )
        return found

    def _describe(self, contender: str, address: dict[str, Any], name: str) -> Site:
        store = Path(self.memory, name)
        store.mkdir(mode=0o700, exist_ok=True)
        return {
            "contender": contender,
            "name": name,
            "database": address,
            "store": str(store),
            "secret": f"{self.secret} {name}",
            "redis database": self._number,
            **self.sockets,
        }

    def _address(self, database: str, name: str) -> dict[str, Any]:
        if database == "postgresql":
            assert self._postgresql is not None
            return {"ENGINE": "django.db.backends.postgresql", "NAME": name, "USER": "postgres",
                    "HOST": self._postgresql.host, "CONN_MAX_AGE": None}  # fmt: skip
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{self.folder}/{name}.sqlite3",
                "OPTIONS": {"init_command": PRAGMAS, "timeout": 20}}  # fmt: skip

    def _sql(self, statement: str) -> str:
        import psycopg

        assert self._postgresql is not None
        with psycopg.connect(host=self._postgresql.host, user="postgres", autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            row = cursor.fetchone() if cursor.description else None
            return str(row[0]) if row else ""

    def _start(self, server: Any) -> Any:
        try:
            started = server()
        except servers.ServerMissing as missing:
            self.missing.append(str(missing))
            return None
        self._stack.callback(started.stop)
        return started

    def _folder(self, parent: str | None) -> str:
        made = tempfile.mkdtemp(prefix="cache_me_bench_", dir=parent)
        self._stack.callback(shutil.rmtree, made, ignore_errors=True)
        return made


@contextmanager
def places() -> Iterator[Places]:
    with ExitStack() as stack:
        yield Places(stack)
