"""What has to be asked of a database driver, one module per vendor; nothing else touches a driver's own API.

A vendor without a module is served by the database alone, and its writes can't be announced: listed as a
limit.
"""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper

from .vendors.base import FAILED, IDLE, OPEN, UNKNOWN, Driver, Session
from .vendors.mysql import MySQLDriver
from .vendors.postgresql import PostgreSQLDriver
from .vendors.sqlite import SQLiteDriver

__all__ = ["FAILED", "IDLE", "OPEN", "UNKNOWN", "Driver", "Session", "driver_for"]

_DRIVERS: dict[str, Driver] = {
    driver.vendor: driver for driver in (SQLiteDriver(), PostgreSQLDriver(), MySQLDriver())
}


def driver_for(wrapper: BaseDatabaseWrapper) -> Driver | None:
    """The driver's class for this connection, or None if its vendor or driver isn't supported."""
    driver = _DRIVERS.get(wrapper.vendor)
    return driver if driver is not None and driver.supports(wrapper) else None
