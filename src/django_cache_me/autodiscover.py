"""Finds and imports the ``cache_me`` module of each installed app."""

from __future__ import annotations

from django.utils.module_loading import autodiscover_modules


def autodiscover() -> None:
    """Import every app's ``cache_me`` module; an import error inside one of them is raised."""
    autodiscover_modules("cache_me")
