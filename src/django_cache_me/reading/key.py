"""The key of a queryset's entry."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from typing import Any

from .. import _engine

_MD5_ARGUMENTS = {"usedforsecurity": False} if sys.version_info >= (3, 9) else {}


def encoded_parameters(params: tuple[Any, ...], plain: Callable[[Any], Any]) -> bytes | None:
    """The parameters as canonical bytes, or None if one's type isn't known.

    ``plain`` takes values out of the driver's own wrapping. Nothing gets into a key by way of its ``repr``.
    """
    try:
        return _engine.encode_value(tuple(params))
    except _engine.UnsupportedType:
        pass
    try:
        return _engine.encode_value([plain(value) for value in params])
    except _engine.UnsupportedType:
        return None


def key_of(kind: str, label: str, sql: str, params: bytes, result: str, database: str) -> str:
    """``cache_me:queryset:<app.model>:<md5>``.

    ``params`` are :func:`encoded_parameters`, ``result`` is the kind of result with its row layout,
    ``database`` the digest of all that shapes answers.
    """
    text = sql.encode("utf-8", "surrogatepass")
    digest = hashlib.md5(**_MD5_ARGUMENTS)  # type: ignore[arg-type]
    # What all queries of one shape share comes first: the engine digests it once (key_template.cpp).
    for part in (result.encode(), database.encode()):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    for part in (text, params, len(text).to_bytes(8, "little"), len(params).to_bytes(8, "little")):
        digest.update(part)
    return f"cache_me:{kind}:{label}:{digest.hexdigest()}"


def table_key_of(kind: str, label: str, prefix: str | None) -> str:
    """``cache_me:table:<app.model>``; with a prefix that tells sessions apart, its md5 behind it."""
    key = f"cache_me:{kind}:{label}"
    if prefix is None:
        return key
    digest = hashlib.md5(prefix.encode(), **_MD5_ARGUMENTS)
    return f"{key}:{digest.hexdigest()}"
