"""Wiring at start."""

from __future__ import annotations

from django.apps import AppConfig


class CacheMeConfig(AppConfig):
    name = "django_cache_me"
    verbose_name = "Django Cache Me If You Can"

    def ready(self) -> None:
        from . import async_checks, checks  # noqa: F401  (these register the system checks)
        from .autodiscover import autodiscover
        from .reading import install as install_reading
        from .reading import prepare
        from .writing import install as install_writing

        install_writing()
        install_reading()
        autodiscover()
        prepare()
