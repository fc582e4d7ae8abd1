"""One statement that is about to be executed, and where it may write."""

from __future__ import annotations

from typing import Any, NamedTuple, Sequence

from .. import _engine
from ..databases.statements import Script


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
    #: What told them.
    rule: _engine.WriteRule | None = None
