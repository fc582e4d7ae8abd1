"""The databases that the judges work on, each by several connections."""

from __future__ import annotations

import contextlib

import pytest
from django.db import connections

from tests.aliases import database
from tests.conftest import _clean, _close, _missing


@pytest.fixture(params=["sqlite", "sqlite-wal", "postgresql", "mysql", "mysql-snapshots"])
def court(request):
    """Aliases of three connections to one database: two that act, and a witness."""
    like = "default" if request.param.startswith("sqlite") else request.param.partition("-")[0]
    if like in _missing:
        pytest.skip(_missing[like])
    _clean(like)
    connections[like].close()
    if request.param == "sqlite-wal":
        journal(like, "WAL")
    options = {
        "default": {"timeout": 0.2},
        # Who waits for a lock in one thread waits for ever.
        "postgresql": {"options": "-c lock_timeout=50"},
    }
    if like == "mysql":
        level = "repeatable read" if request.param == "mysql-snapshots" else "read committed"
        options["mysql"] = {
            **connections["mysql"].settings_dict["OPTIONS"],
            "isolation_level": level,
            "init_command": "SET innodb_lock_wait_timeout = 0",
        }
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(database(f"{like}_{name}", like, OPTIONS=options[like]))
            for name in ("one", "other", "witness")
        ]
    if request.param == "sqlite-wal":
        journal(like, "DELETE")
    _close(like)


def journal(alias, mode):
    with connections[alias].cursor() as cursor:
        cursor.execute(f"PRAGMA journal_mode={mode}")
        assert cursor.fetchall() == [(mode.lower(),)]
    connections[alias].close()
