"""Sees every SQL statement of every connection, innermost: around the driver's own cursor.

What it does is fixed by DESIGN.md section 5. Just before whatever commits (COMMIT, an autocommit statement,
``set_autocommit(True)``) intents are declared on all that the transaction has written; when the commit has
returned, and in autocommit the cursor is exhausted or closed (SQLite commits ``INSERT … RETURNING`` only
then), the versions are bumped and the intents withdrawn.

Django has no public hook this deep (``execute_wrappers`` sees neither commits nor fetches), so three
private methods of ``BaseDatabaseWrapper`` are wrapped, which are the same from Django 3.2 to 6.1:
``_prepare_cursor``, ``_commit`` and ``_rollback``; and the public ``close`` and ``set_autocommit``.
"""

from __future__ import annotations

import functools
from threading import get_ident
from typing import Any, Callable

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from ..databases.connection import STATE, look_at_new_connection, state_of
from ..databases.drivers import IDLE
from ..databases.identity import forget_connection
from ..stores.own_statements import threads_left_alone
from .announcement import announce, hear_of_the_end
from .cursor import install as install_cursors
from .cursor import observer_of

_INSTALLED = "_cache_me_observed"


def install() -> None:
    """Wrap the connection class of Django; once per process."""
    if getattr(BaseDatabaseWrapper, _INSTALLED, False):
        return
    setattr(BaseDatabaseWrapper, _INSTALLED, True)
    install_cursors()
    _wrap_prepare_cursor()
    for name, around in (
        ("_commit", _commit),
        ("_rollback", _rollback),
        ("close", _close),
        ("set_autocommit", _set_autocommit),
    ):
        _wrap(name, around)
    connection_created.connect(look_at_new_connection, dispatch_uid="django_cache_me")


def _wrap(name: str, around: Callable[..., Any]) -> None:
    original = getattr(BaseDatabaseWrapper, name)

    @functools.wraps(original)
    def wrapped(self: BaseDatabaseWrapper, *args: Any, **kwargs: Any) -> Any:
        return around(original, self, *args, **kwargs)

    setattr(BaseDatabaseWrapper, name, wrapped)


def _wrap_prepare_cursor() -> None:
    # Called for each cursor, so without a function more in between.
    original: Callable[..., Any] = BaseDatabaseWrapper._prepare_cursor  # type: ignore[attr-defined]

    @functools.wraps(original)
    def _prepare_cursor(self: BaseDatabaseWrapper, cursor: Any) -> Any:
        state = self.__dict__.get(STATE)
        if state is None or state.raw is not self.connection:
            state = state_of(self)
        observe = state.observe or observer_of(state)
        if observe is None or (threads_left_alone and get_ident() in threads_left_alone):
            return original(self, cursor)
        return original(self, observe(self, state, cursor))

    setattr(BaseDatabaseWrapper, "_prepare_cursor", _prepare_cursor)


def _commit(original: Callable[..., Any], wrapper: BaseDatabaseWrapper) -> Any:
    return _committing(wrapper, lambda: original(wrapper), ends=True)


def _set_autocommit(
    original: Callable[..., Any], wrapper: BaseDatabaseWrapper, autocommit: bool, *args: Any, **kwargs: Any
) -> Any:
    # Switching it on commits what is open (SQLite, MySQL), or is refused while something is (psycopg).
    state = state_of(wrapper)
    ends = False
    if state.raw is not None and state.driver is not None:
        ends = state.driver.is_ended_by_autocommit(state.raw, autocommit)
    return _committing(wrapper, lambda: original(wrapper, autocommit, *args, **kwargs), ends)


def _committing(wrapper: BaseDatabaseWrapper, commit: Callable[[], Any], ends: bool) -> Any:
    """Call ``commit``, which commits what is open, if anything is; ``ends``: no transaction is open then."""
    state = state_of(wrapper)
    if state.raw is None or state.driver is None:
        return commit()
    announcement = announce(wrapper, state)
    try:
        result = commit()
        state.driver.wait_for_answers(state.raw)
    except BaseException:
        if announcement is not None:
            announcement.end()
        if not state.in_transaction:
            state.end_transaction()
        raise
    if ends:
        state.driver.ended(state.raw)
    if not state.in_transaction:
        state.end_transaction()
    if announcement is not None:
        announcement.finish()
    return result


def _rollback(original: Callable[..., Any], wrapper: BaseDatabaseWrapper) -> Any:
    state = state_of(wrapper)
    try:
        result = original(wrapper)
        if state.raw is not None and state.driver is not None:
            state.driver.ended(state.raw)
        return result
    finally:
        # Nothing was announced, so nothing has to be bumped; a lost connection has rolled back too.
        if not state.in_transaction:
            state.end_transaction()


def _close(original: Callable[..., Any], wrapper: BaseDatabaseWrapper) -> Any:
    state = state_of(wrapper)
    if state.written and state.driver is not None and state.driver.status(state.raw) == IDLE:
        hear_of_the_end(wrapper, state)
    try:
        return original(wrapper)
    finally:
        if wrapper.connection is not state.raw:
            state.end_transaction()
            # A pool may hand the driver's connection to others, and then here again: what they have made of
            # it is remembered with itself.
            wrapper.__dict__.pop(STATE, None)
            forget_connection(wrapper)
