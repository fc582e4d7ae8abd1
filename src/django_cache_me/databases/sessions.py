"""Commits of unknown outcome are settled once the database says that their session is gone."""

from __future__ import annotations

import time

from django.db.backends.base.base import BaseDatabaseWrapper

from ..log import trouble
from ..stores.base import Store
from .connection import state_of

#: How long (s) to wait between two looks at the same store.
_PAUSE = 0.05
_looked_at: dict[int, float] = {}


def settle_unknown_outcomes(wrapper: BaseDatabaseWrapper, store: Store) -> None:
    """Ask over ``wrapper``'s open connection which of the store's unknown sessions are gone; settle these.

    Called by readers that met an intent. Never raises.
    """
    now = time.monotonic()
    if now - _looked_at.get(id(store), 0.0) < _PAUSE:
        return
    _looked_at[id(store)] = now
    state = state_of(wrapper)
    if state.raw is None or state.driver is None or state.in_transaction or not wrapper.get_autocommit():
        return
    for token, session in store.unknown_outcomes():
        try:
            gone = state.driver.session_is_gone(state.raw, session)
        except Exception as error:
            trouble("sessions", "Could not ask after a lost session: %s", error)
            return
        if gone:
            store.settle(token)
