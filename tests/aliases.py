"""Aliases of databases that stand in ``DATABASES`` for the time of a test."""

from __future__ import annotations

import contextlib
from typing import Any, Iterator

from django.db import connections


@contextlib.contextmanager
def database(alias: str, like: str, **changed: Any) -> Iterator[str]:
    """One more entry of DATABASES for a while."""
    settings = {**connections.databases[like], **changed}
    connections.databases[alias] = settings
    try:
        yield alias
    finally:
        connections[alias].close()
        close_pool = getattr(connections[alias], "close_pool", None)
        if close_pool is not None:
            close_pool()
        del connections.databases[alias]
        delattr(connections._connections, alias)
