"""What is known of a driver's connection, whatever wrapper of Django's holds it: a pool hands it on."""

from __future__ import annotations

import weakref
from typing import Any

_known: weakref.WeakKeyDictionary[Any, dict[str, Any]] = weakref.WeakKeyDictionary()


def remember(raw: Any, name: str, value: Any) -> None:
    """Keep ``value`` for as long as ``raw`` lives.

    Drivers whose connections can't be referred to weakly are let pass; those have no pools either.
    """
    try:
        _known.setdefault(raw, {})[name] = value
    except TypeError:
        pass


def remembered_of(raw: Any, name: str, default: Any) -> Any:
    try:
        return _known.get(raw, {}).get(name, default)
    except TypeError:
        return default
