"""Whom an answer is for, where sessions of one database see different things: ``DJANGO_CACHE_ME_PREFIX``.

With schemas per tenant, row-level security or roles, the text of a query doesn't say whose rows come back;
the session does, and what a session was told (``SET``, ``set_config``) can't be read from here at a hit. The
project knows: its callable names whoever the session serves now, and the name becomes part of every key.
"""

from __future__ import annotations

from typing import Any, Callable

from django.utils.module_loading import import_string

from .. import conf
from ..log import trouble


class NoPrefix(Exception):
    """The project's callable failed, so nobody knows whose answer it would be."""


def prefix_of(alias: str) -> str | None:
    """The prefix for reads over ``alias`` now, or None: sessions aren't told apart. Raises NoPrefix."""
    chosen = conf.setting("PREFIX")
    if chosen is None:
        return None
    try:
        prefix = _callable(chosen)(alias)
    except Exception as error:  # whatever the project's code raises: the page goes on without the cache
        trouble("prefix", "DJANGO_CACHE_ME_PREFIX failed: %s: %s", type(error).__name__, error)
        raise NoPrefix from error
    if prefix is not None and not isinstance(prefix, str):
        trouble("prefix", "DJANGO_CACHE_ME_PREFIX gave %r; it must give text or None.", prefix)
        raise NoPrefix
    return prefix


def reason_not_to_call(chosen: Any) -> str | None:
    """What is wrong with a value of ``DJANGO_CACHE_ME_PREFIX``, or None."""
    if chosen is None or callable(chosen):
        return None
    if not isinstance(chosen, str):
        return "must be a callable, its dotted path, or None"
    try:
        found = import_string(chosen)
    except Exception as error:
        return f"can't be imported ({type(error).__name__}: {error})"
    return None if callable(found) else "leads to something that can't be called"


def _callable(chosen: Any) -> Callable[[str], Any]:
    return import_string(chosen) if isinstance(chosen, str) else chosen  # type: ignore[no-any-return]
