"""How often a case is run, and what may go before."""

from __future__ import annotations

from typing import Any, Callable

#: Turns before the first count: the interpreter has specialised its code by then, and plans are learnt.
WARM = 60
#: A batch with a look at the clock's lease, a checkpoint of SQLite's or a rehash in it counts more than the
#: others; the smallest is what the code itself takes.
BATCHES = 5
TURNS = 20


class Prepared:
    """A case of which something has to be done before each batch, and isn't counted."""

    def __init__(self, turn: Callable[[int], Any], prepare: Callable[[], None]) -> None:
        self._turn = turn
        self.prepare = prepare

    def __call__(self, turn: int) -> Any:
        return self._turn(turn)


Case = Callable[[int], Any]


def prepare(case: Case) -> None:
    """To be called before each batch of ``TURNS`` turns."""
    if isinstance(case, Prepared):
        case.prepare()
