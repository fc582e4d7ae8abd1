"""What makes the recorder forget all shapes: whatever changes what Django does, without a trace in a chain.

Settings, lookups and transforms that are registered or taken back, models that are made. ``Meta`` options
that are assigned at run time leave no trace here; docs/limits.md says so.
"""

from __future__ import annotations

import functools
import os
from typing import Any, Callable

from django.core.signals import setting_changed
from django.db.models.query_utils import RegisterLookupMixin
from django.db.models.signals import class_prepared

from .. import _engine

_REGISTERING = (
    "register_lookup register_class_lookup register_instance_lookup"
    " _unregister_lookup _unregister_class_lookup _unregister_instance_lookup"
).split()


def install() -> None:
    setting_changed.connect(_begin_another, dispatch_uid="django_cache_me.epoch")
    class_prepared.connect(_begin_another, dispatch_uid="django_cache_me.epoch")
    for name in _REGISTERING:
        original: Any = RegisterLookupMixin.__dict__.get(name)
        if hasattr(original, "class_method"):  # Django 4.2+: a descriptor that chooses between two functions
            original.class_method = _forgetting(original.class_method)
            original.instance_method = _forgetting(original.instance_method)
        elif original is not None:
            setattr(RegisterLookupMixin, name, _forgetting(original))
    os.register_at_fork(after_in_child=_engine.forget_shapes)
    _switch()


def _switch() -> None:
    from .recording import switch

    switch()


def _begin_another(**kwargs: Any) -> None:
    _engine.forget_shapes()
    _switch()


def _forgetting(original: Any) -> Any:
    kind: Callable[[Any], Any] | None = None
    if isinstance(original, (classmethod, staticmethod)):
        kind, original = type(original), original.__func__

    @functools.wraps(original)
    def method(*args: Any, **kwargs: Any) -> Any:
        try:
            return original(*args, **kwargs)
        finally:
            _engine.forget_shapes()

    return method if kind is None else kind(method)
