"""What the package raises: always a programming or set-up mistake, never a passing fault of a store."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured


class CacheMeError(ImproperlyConfigured):
    """Something in the project's set-up of django_cache_me has to be changed; the message says what."""


class RegistrationError(CacheMeError):
    """A wrong ``@cache_me_register(...)`` or a wrong :class:`CacheMeOptions`."""


class StoreError(CacheMeError):
    """The store can't be opened or shared; the message says what to set. Raised of writes, never of reads."""
