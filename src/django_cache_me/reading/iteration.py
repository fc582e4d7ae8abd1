"""``iterator()`` and ``aiterator()``: they serve hits; on a miss they stream, and nothing is kept."""

from __future__ import annotations

import functools
from itertools import islice
from typing import Any, AsyncIterator, Callable, Iterator

import django
from asgiref.sync import sync_to_async
from django.db.models import QuerySet, prefetch_related_objects

from .fetch import fetch

#: From Django 4.1 on, iterator() prefetches, a chunk at a time.
_PREFETCHES = django.VERSION >= (4, 1)


def install() -> None:
    setattr(QuerySet, "_iterator", _iterating(QuerySet._iterator))  # type: ignore[attr-defined]
    if hasattr(QuerySet, "aiterator"):  # Django 4.1+
        setattr(QuerySet, "aiterator", _iterating_asynchronously(QuerySet.aiterator))


def _iterating(original: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    @functools.wraps(original)
    def _iterator(self: Any, use_chunked_fetch: bool, chunk_size: int | None) -> Iterator[Any]:
        found = fetch(self, only_hits=True)
        if found is None:
            yield from original(self, use_chunked_fetch, chunk_size)
        elif not (_PREFETCHES and chunk_size and self._prefetch_related_lookups):
            yield from found
        else:
            for chunk in _chunks(found, chunk_size):
                prefetch_related_objects(chunk, *self._prefetch_related_lookups)
                yield from chunk

    return _iterator


def _iterating_asynchronously(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def aiterator(self: Any, chunk_size: int = 2000) -> AsyncIterator[Any]:
        found = await sync_to_async(fetch)(self, only_hits=True) if chunk_size > 0 else None
        if found is None:
            async for item in original(self, chunk_size):
                yield item
            return
        for chunk in _chunks(found, chunk_size):
            if self._prefetch_related_lookups:
                await sync_to_async(prefetch_related_objects)(chunk, *self._prefetch_related_lookups)
            for item in chunk:
                yield item

    return aiterator


def _chunks(items: list[Any], size: int) -> Iterator[list[Any]]:
    rest = iter(items)
    while True:
        chunk = list(islice(rest, size))
        if not chunk:
            return
        yield chunk
