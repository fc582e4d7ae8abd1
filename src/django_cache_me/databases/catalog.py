"""What the SQL text can't say: the database's own word on its tables.

Asked once per database, process and schema version: every DDL statement that an observer sees bumps a
dependency of its own, and a catalog is only believed while that one is unchanged.
"""

from __future__ import annotations

import threading
from typing import Tuple

from django.db.backends.base.base import BaseDatabaseWrapper

from .drivers import driver_for
from .vendors.base import Catalog, Table

__all__ = ["Catalog", "Table", "catalog_of", "forget"]

_Key = Tuple[str, ...]
_catalogs: dict[str, tuple[_Key, Catalog]] = {}
_lock = threading.Lock()


def catalog_of(wrapper: BaseDatabaseWrapper, database: str, schema_version: _Key) -> Catalog:
    """The catalog of ``database``, read over ``wrapper``'s open connection if it isn't known yet.

    ``schema_version`` is anything that differs after a DDL statement. The driver's errors are raised.
    """
    known = _catalogs.get(database)
    if known is not None and known[0] == schema_version:
        return known[1]
    driver = driver_for(wrapper)
    assert driver is not None
    catalog = driver.read_catalog(wrapper)
    with _lock:
        _catalogs[database] = (schema_version, catalog)
    return catalog


def forget(database: str) -> None:
    """Forget what is known of ``database``: a DDL statement was executed by this process."""
    with _lock:
        _catalogs.pop(database, None)
