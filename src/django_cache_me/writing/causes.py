"""Which statement bumped what: kept only if somebody wants to know (``DJANGO_CACHE_ME_EXPLAIN_MISSES``)."""

from __future__ import annotations

import time
from typing import AbstractSet

from django.db.backends.base.base import BaseDatabaseWrapper

from ..databases.connection import ConnectionState
from ..stores.base import Cause
from ..stores.dependencies import ALL, SCHEMA, any_of, bulk_of
from .execution import Execution, Placed

#: Characters of a statement that are kept.
_MOST_OF_A_TEXT = 500


def note(
    wrapper: BaseDatabaseWrapper,
    state: ConnectionState,
    execution: Execution,
    coarse: AbstractSet[int],
    tables: AbstractSet[str],
    placed: Placed,
) -> None:
    """Note in ``state`` that ``execution`` has added these to its write set."""
    now = time.time()
    words = {ALL: "everything", SCHEMA: "the schema"}
    for table in tables:
        words[any_of(table)] = f"{table}.any"
        words[bulk_of(table)] = f"{table}.bulk"
    noted = {number: words.get(number, "") for number in coarse}
    if placed.rule is not None:
        assert state.driver is not None
        trusted = state.driver.stores_values_as_given(wrapper)
        for parameters in execution.parameters or ():
            noted.update(placed.rule.words(parameters, trusted, placed.hinted))
    sql = execution.text[:_MOST_OF_A_TEXT] or execution.script.kind
    state.causes.update((number, Cause(word, sql, now)) for number, word in noted.items())
