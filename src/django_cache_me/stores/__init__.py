"""Where entries and versions live. Each store keeps the same promises behind the same small protocol.

:class:`SharedMemoryCache` is a cache backend for ``CACHES``; it is loaded when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cache_backend import SharedMemoryCache

__all__ = ["SharedMemoryCache"]


def __getattr__(name: str) -> Any:
    if name != "SharedMemoryCache":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .cache_backend import SharedMemoryCache

    return SharedMemoryCache
