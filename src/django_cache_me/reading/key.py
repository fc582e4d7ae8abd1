"""The key of a queryset's entry."""

from __future__ import annotations

import hashlib
import sys
from typing import Any

from .. import _engine

_MD5_ARGUMENTS = {"usedforsecurity": False} if sys.version_info >= (3, 9) else {}


def key_of(
    kind: str, label: str, is_table: bool, sql: str, params: tuple[Any, ...], result: str, database: str
) -> str | None:
    """``cache_me:<kind>:<app.model>[:<md5>]``, or None if a parameter's type isn't known.

    ``result`` is the kind of result with its row layout, ``database`` the digest of all that shapes answers.
    A parameter of unknown type never gets into a key by way of its ``repr``.
    """
    if is_table:
        return f"cache_me:{kind}:{label}"
    try:
        encoded = _engine.encode_value(tuple(params))
    except _engine.UnsupportedType:
        return None
    digest = hashlib.md5(**_MD5_ARGUMENTS)  # type: ignore[arg-type]
    for part in (sql.encode("utf-8", "surrogatepass"), encoded, result.encode(), database.encode()):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return f"cache_me:{kind}:{label}:{digest.hexdigest()}"
