"""``invalidate_cache()`` on every queryset and manager."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.db.models.manager import BaseManager

from .by_hand import invalidate_model_cache


def install() -> None:
    setattr(QuerySet, "invalidate_cache", invalidate_cache)
    setattr(BaseManager, "invalidate_cache", invalidate_cache)


def invalidate_cache(self: Any, invalidate_all: bool = False) -> None:
    """Make every entry of the model a miss, in every process; permanent ones too with ``invalidate_all``."""
    invalidate_model_cache(self.model, invalidate_permanent=invalidate_all)
