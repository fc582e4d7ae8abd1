"""What the reads over one connection stand on, for the engine to look at on each hit.

A ground is the answer that the second tier works out anew for each read: settings, identity, store. The
engine keeps it with all that it was worked out of (``engine/python/recorder_ground.hpp``), and comes back
here when any of that is another object by now. Whatever isn't plain has no ground, and every read is the
second tier's: the debug mode, prefixes, replicas, a cache in the database, in-memory databases of one
connection.
"""

from __future__ import annotations

import copy
from typing import Any

from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper

from .. import _engine, conf
from ..databases import connection as connection_module
from ..databases import identity as identity_module
from ..databases.connection import OUTSIDE, footing_of, store_for
from ..databases.drivers import IDLE, Driver, driver_for
from ..databases.identity import Identity, identity_of
from ..databases.vendors import sqlite
from ..databases.vendors.base import settings_key
from ..registry import cache_me_registry
from ..stores import select, shared_memory
from ..stores.base import Store
from ..stores.django_cache import DjangoCacheStore
from ..stores.places import place
from . import bypass

GROUND = "_cache_me_ground"
_FOREVER = float("inf")
_SETTINGS = ("SECRET_KEY", "USE_TZ", "TIME_ZONE")


def ground_of(wrapper: BaseDatabaseWrapper) -> _engine.Ground | None:
    """The ground of reads over ``wrapper``, made anew and kept in its ``__dict__``; None: there is none."""
    wrapper.__dict__.pop(GROUND, None)
    # What is watched is looked at first: if it changes meanwhile, the ground doesn't hold.
    watched = _settings_watched()
    if not (conf.setting("CHAINS") and conf.is_on()) or conf.in_debug_mode():
        return None
    if conf.setting("PREFIX") is not None or conf.setting("REPLICAS") or bypass.is_forbidden(wrapper):
        return None
    driver = driver_for(wrapper)
    if driver is None:
        return None
    identity = identity_of(wrapper, ask=False)
    if identity is None or identity.uncacheable:
        return None
    identity_watched, until = _identity_watched(wrapper, driver, identity)
    if identity_watched is None:
        return None
    store = store_for(wrapper, identity)
    stands_on, store_watched = _store_watched(store, identity)
    if stands_on is None:
        return None
    is_sqlite = type(driver) is sqlite.SQLiteDriver
    ground = _engine.Ground(
        identity.key,
        stands_on,
        until,
        None if is_sqlite else driver.status,
        None if is_sqlite else IDLE,
        driver.reads_begin_transactions,
        driver.idle_mark(wrapper),
    )
    for dictionary, name, value in watched:
        ground.watch(dictionary, name, value)
    for dictionary, name, value, equal in [*identity_watched, *store_watched]:
        ground.watch(dictionary, name, value, absent=value is None and name not in dictionary, equal=equal)
    ground.watch_class(type(wrapper))
    wrapper.__dict__[GROUND] = ground
    return ground if ground.holds() else None


def _store_watched(store: Store, identity: Identity) -> tuple[Any, list[tuple[Any, Any, Any, bool]]]:
    """What the engine asks of the store, or None; and by what it is this store, with these files."""
    key = select.key_of(identity.database)
    watched: list[tuple[Any, Any, Any, bool]] = [
        (vars(select), "_stores", select._stores, False),
        (select._stores, _own_key(select._stores, key), store, False),
    ]
    if type(store) is shared_memory.SharedMemoryStore:
        entries = shared_memory._entries()
        if entries is None:
            return None, watched
        where, table = place(), store.table()
        file = _own_key(shared_memory._opened, (where.entries, where.size))
        watched += [(shared_memory._opened, file, entries, False), (vars(store), "_table", table, False)]
        return (entries, table), watched
    return store.rows_of if type(store) is DjangoCacheStore else None, watched


def _own_key(dictionary: dict[Any, Any], key: Any) -> Any:
    """The very object that is the key there: it is found without a comparison of texts."""
    return next((own for own in list(dictionary) if own == key), key)


def _settings_watched() -> list[tuple[Any, str, Any]]:
    """Where the settings stand, ours and Django's, and the registry."""
    values = [getattr(settings, name, None) for name in _SETTINGS]  # keeps them in its __dict__
    own: dict[str, Any] = vars(settings)
    watched: list[tuple[Any, str, Any]] = conf.watched()
    watched += [(own, name, value) for name, value in zip(_SETTINGS, values)]
    registry = vars(cache_me_registry)
    watched.append((registry, "revision", registry["revision"]))
    return watched


def _identity_watched(
    wrapper: BaseDatabaseWrapper, driver: Driver, identity: Identity
) -> tuple[list[tuple[Any, Any, Any, bool]] | None, float]:
    """What the identity was worked out of, and until when it is believed; None: that can't be watched."""
    own, chosen = wrapper.__dict__, wrapper.settings_dict
    watched: list[tuple[Any, Any, Any, bool]] = [
        (own, "timezone_name", wrapper.timezone_name, False),  # a cached property
        (own, "settings_dict", chosen, False),
        (chosen, "NAME", chosen["NAME"], False),
    ]
    if "timezone_name" not in own:
        return None, 0.0
    if isinstance(driver, sqlite.SQLiteDriver) and not wrapper.is_in_memory_db():  # type: ignore[attr-defined]
        known = own.get(sqlite._KNOWN)
        if known is None or known[2] != identity:
            return None, 0.0
        watched.append((own, sqlite._KNOWN, known, False))
        return watched, known[0] + sqlite._LEASE
    for name in ("HOST", "PORT", "USER"):
        if name in chosen:
            watched.append((chosen, name, chosen[name], False))
    if "OPTIONS" in chosen:
        try:
            watched.append((chosen, "OPTIONS", copy.deepcopy(chosen["OPTIONS"]), True))
        except Exception:  # whatever stands in there
            return None, 0.0
    if isinstance(driver, sqlite.SQLiteDriver):
        name = str(chosen["NAME"])
        unique = sqlite._private_names.get(name)
        if unique is None:
            return None, 0.0
        watched.append((sqlite._private_names, name, unique, False))
        return watched, _FOREVER
    facts = own.get(identity_module._FACTS)
    if facts is not None and facts[0] is wrapper.connection and wrapper.connection is not None:
        watched.append((own, identity_module._FACTS, facts, False))
        watched.append((own, "connection", wrapper.connection, False))
    else:
        shaping = settings_key(wrapper)
        watched.append(
            (identity_module._remembered, shaping, identity_module._remembered.get(shaping), False)
        )
        watched.append((own, "connection", wrapper.connection, False))
        watched.append((own, identity_module._FACTS, facts, False))
    return watched, _FOREVER


def may_hit(wrapper: BaseDatabaseWrapper) -> bool:
    """Whether reads over ``wrapper`` stand to the shared store as outside of transactions."""
    if bypass.is_forbidden(wrapper):
        return False
    footing = footing_of(wrapper)
    return footing is OUTSIDE or (
        footing.may_hit
        and footing.snapshot_clock is None
        and footing.overlay is None
        and footing.prefix is None
    )


assert connection_module.STATE == "_cache_me_state"
