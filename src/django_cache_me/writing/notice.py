"""The debug lines of invalidation."""

from __future__ import annotations

from typing import AbstractSet

from .. import conf
from ..log import debug
from ..registry import cache_me_registry


def tables_were_written(tables: AbstractSet[str]) -> None:
    """Log each registered model whose table is among ``tables``."""
    if not conf.in_debug_mode():
        return
    for model in cache_me_registry.get_registered_models():
        if model._meta.db_table.strip('"').lower() in {table.lower() for table in tables}:
            model_was_invalidated(model._meta.label_lower, permanent=False)


def model_was_invalidated(label: str, permanent: bool) -> None:
    which = "permanent and regular cache" if permanent else "regular cache"
    debug(f"Cache invalidated for model '{label}' ({which})")
