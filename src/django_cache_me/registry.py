"""Which models are registered, with which options."""

from __future__ import annotations

from typing import Callable, Type, TypeVar

from django.db.models import Model

from .exceptions import RegistrationError
from .options import CacheMeOptions, check_options

#: Models that are remembered not to be registered; migrations make ever more classes.
_MOST_OTHERS = 1024

OptionsClass = TypeVar("OptionsClass", bound=Type[CacheMeOptions])


class CacheMeRegistry:
    """The registered models of this process. Filled at start; reading it is thread-safe."""

    def __init__(self) -> None:
        self._options: dict[type[Model], CacheMeOptions] = {}
        #: Another one after each change; for what is worked out from the registry.
        self.revision = 0
        #: Models that were asked for and aren't cached; most querysets of a project may be of these.
        self.others: set[type[Model]] = set()

    def register(self, model: type[Model], options_class: type[CacheMeOptions]) -> None:
        """Register ``model``; raises :class:`RegistrationError` for what can't be right."""
        _check_model(model)
        if model in self._options:
            raise RegistrationError(
                f"{model._meta.label} is registered already, with "
                f"{type(self._options[model]).__module__}.{type(self._options[model]).__name__}."
            )
        options = options_class(model)
        check_options(options)
        self._options[model] = options
        self._changed()

    def unregister(self, model: type[Model]) -> None:
        """Forget ``model``; for tests."""
        if self._options.pop(model, None) is None:
            raise RegistrationError(f"{model!r} is not registered.")
        self._changed()

    def _changed(self) -> None:
        self.revision += 1
        self.others.clear()

    def get_registered_models(self) -> list[type[Model]]:
        return list(self._options)

    def is_registered(self, model: type[Model]) -> bool:
        return model in self._options

    def get_options(self, model: type[Model]) -> CacheMeOptions | None:
        """The options that hold for ``model``: its own, or for a proxy those of its concrete model."""
        revision = self.revision
        options = self._options.get(model)
        if options is None and model._meta.proxy:
            options = self._options.get(model._meta.concrete_model)  # type: ignore[arg-type]
        if options is None:
            if len(self.others) >= _MOST_OTHERS:
                self.others.clear()
            self.others.add(model)
            if revision != self.revision:  # it may have been registered just now
                self.others.discard(model)
        return options


cache_me_registry = CacheMeRegistry()


def cache_me_register(*models: type[Model]) -> Callable[[OptionsClass], OptionsClass]:
    """Class decorator: ``@cache_me_register(Product)`` or ``@cache_me_register(A, B)``."""
    if not models:
        raise RegistrationError("cache_me_register() needs at least one model.")

    def register(options_class: OptionsClass) -> OptionsClass:
        if not (isinstance(options_class, type) and issubclass(options_class, CacheMeOptions)):
            raise RegistrationError(
                f"cache_me_register() decorates a subclass of CacheMeOptions, not {options_class!r}."
            )
        for model in models:
            cache_me_registry.register(model, options_class)
        return options_class

    return register


def _check_model(model: object) -> None:
    if not (isinstance(model, type) and issubclass(model, Model)):
        raise RegistrationError(f"cache_me_register() takes model classes, not {model!r}.")
    meta = model._meta
    if meta.abstract:
        raise RegistrationError(f"{model.__name__} is abstract; register the models that inherit from it.")
    if meta.proxy:
        raise RegistrationError(
            f"{meta.label} is a proxy; register {meta.concrete_model._meta.label}, its proxies follow."  # type: ignore[union-attr]
        )
    if meta.swapped:
        raise RegistrationError(f"{meta.label} is swapped for {meta.swapped}; register that one.")
