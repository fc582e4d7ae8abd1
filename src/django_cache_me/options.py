"""``CacheMeOptions``: what is cached of one model, and for how long."""

from __future__ import annotations

import difflib
from typing import Any, Sequence

from django.apps import apps
from django.db.models import Model

from .conf import is_timeout
from .exceptions import RegistrationError

#: The modes of invalidation: what a write makes misses of.
EXACT, MODEL = "exact", "model"
INVALIDATION_MODES = (EXACT, MODEL)


class CacheMeOptions:
    """The options of one model; subclass it in an app's ``cache_me.py`` and register it.

    Set them as class attributes, or in ``__init__(self, model_class)`` after
    ``super().__init__(model_class)``.
    """

    #: Cache the whole table for ``.all()``.
    cache_table: bool = False
    #: Cache other querysets.
    cache_queryset: bool = True
    #: Seconds of life of an entry; None: the setting ``DJANGO_CACHE_ME_TIMEOUT``.
    timeout: int | None = None
    #: Other tables that this one's rows change with, or that a write to it writes, and that no SQL text
    #: names: what a view reads, what triggers write. Models, ``"app.Model"`` or names of tables. None:
    #: undeclared; a view is served without a cache, and a write to a table with triggers bumps everything.
    depends_on: Sequence[type[Model] | str] | None = None
    #: "exact": a write makes misses of the answers that it may change; "model": of all of its table.
    #: None: the setting ``DJANGO_CACHE_ME_INVALIDATION``.
    invalidation: str | None = None

    def __init__(self, model_class: type[Model]) -> None:
        self.model_class = model_class


OPTION_NAMES = ("cache_table", "cache_queryset", "timeout", "depends_on", "invalidation")


def check_options(options: CacheMeOptions) -> None:
    """Raise :class:`RegistrationError` unless names and types of all options are right."""
    owner = type(options).__name__
    for name, value in _named_values(options).items():
        if name in OPTION_NAMES or name == "model_class" or callable(value):
            continue
        close = difflib.get_close_matches(name, OPTION_NAMES, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else f" The options are {', '.join(OPTION_NAMES)}."
        raise RegistrationError(f"{owner} sets {name!r}, which is no option.{hint}")
    for name in ("cache_table", "cache_queryset"):
        value = getattr(options, name)
        if not isinstance(value, bool):
            raise RegistrationError(f"{owner}.{name} must be True or False, not {value!r}.")
    check_timeout(options.timeout, f"{owner}.timeout")
    _check_depends_on(options.depends_on, f"{owner}.depends_on")
    if options.invalidation not in (None, *INVALIDATION_MODES):
        modes = " or ".join(map(repr, INVALIDATION_MODES))
        raise RegistrationError(f"{owner}.invalidation must be {modes}, not {options.invalidation!r}.")
    if not isinstance(getattr(options, "model_class", None), type):
        raise RegistrationError(f"{owner}.__init__ must call super().__init__(model_class).")


def check_timeout(timeout: Any, where: str) -> None:
    """Raise :class:`RegistrationError` unless ``timeout`` is None or a positive number of seconds."""
    if not is_timeout(timeout):
        raise RegistrationError(f"{where} must be a positive number of seconds or None, not {timeout!r}.")


def _check_depends_on(depends_on: Any, where: str) -> None:
    if depends_on is None:
        return
    if not isinstance(depends_on, (list, tuple)):
        raise RegistrationError(f"{where} must be a list of models, not {depends_on!r}.")
    for one in depends_on:
        if isinstance(one, str):
            try:
                if "." in one:
                    apps.get_model(one)
            except (LookupError, ValueError):
                raise RegistrationError(f"{where} names {one!r}, which is no model.") from None
        elif not (isinstance(one, type) and issubclass(one, Model)):
            raise RegistrationError(f"{where} takes models or names of them, not {one!r}.")


def _named_values(options: CacheMeOptions) -> dict[str, Any]:
    """All public names that the subclasses and the instance set, with their values."""
    names: dict[str, Any] = {}
    for cls in reversed(type(options).__mro__):
        if issubclass(cls, CacheMeOptions) and cls is not CacheMeOptions:
            names.update(vars(cls))
    names.update(vars(options))
    return {
        name: value
        for name, value in names.items()
        if not name.startswith("_") and not isinstance(value, (property, classmethod, staticmethod))
    }
