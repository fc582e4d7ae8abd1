"""One statement that is about to be executed, where it may write, and whether it did."""

from __future__ import annotations

from typing import Any, NamedTuple, Sequence

from .. import _engine
from ..databases.connection import ConnectionState
from ..databases.drivers import UNKNOWN
from ..databases.statements import Script
from ..stores.dependencies import Dependencies


class Execution(NamedTuple):
    """One call of the driver that executes ``text``."""

    script: Script
    text: str
    #: The parameters of each time that it is executed; None: they aren't known.
    parameters: Sequence[Any] | None


class Placed(NamedTuple):
    """Where the rows are that a statement may write."""

    #: Whose rows may be any.
    tables: set[str]
    #: Nothing else may be written.
    complete: bool
    #: Dependencies on single rows and values.
    exact: Sequence[int] = ()
    #: What told them, and by which hints of readers.
    rule: _engine.WriteRule | None = None
    hinted: int = 0


class WritePlan(NamedTuple):
    """What is the same at each execution of a text that writes row by row.

    The order of the parts is known to ``engine/python/single_way.cpp``.
    """

    rule: _engine.WriteRule
    #: ``any`` of its table, and what foreign keys and triggers carry along.
    coarse: frozenset[int]
    tables: frozenset[str]
    #: ``coarse`` as the engine takes it.
    others: Dependencies
    script: Script
    #: What readers leave who ask for bands of the table's columns.
    band_hints: Dependencies


def outcome_is_known(state: ConnectionState) -> bool:
    """Whether the driver knows what became of a statement that failed."""
    assert state.driver is not None
    try:
        return state.driver.status(state.raw) != UNKNOWN
    except Exception:  # a driver that can't even say that
        return False
