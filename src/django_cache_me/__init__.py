"""Django Cache Me If You Can: querysets cached and invalidated by themselves, and never stale."""

from __future__ import annotations

from .counters import stats
from .options import CacheMeOptions
from .reading.misses import recent_misses
from .registry import cache_me_register
from .writing.by_hand import invalidate_all_caches, invalidate_model_cache

__all__ = [
    "CacheMeOptions",
    "cache_me_register",
    "invalidate_all_caches",
    "invalidate_model_cache",
    "recent_misses",
    "stats",
]
__version__ = "0.1.0"
