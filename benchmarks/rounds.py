"""Timing side by side: contenders take turns, and the median of their rounds is what counts."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

ROUNDS = 7


def side_by_side(contenders: dict[str, Callable[[int], None]], number: int) -> dict[str, float]:
    """Median seconds per operation of each contender.

    A contender is called with the number of operations it is to do; all of them take their turn in each
    round, so that a change of the machine's speed hits all alike.
    """
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for contender in contenders.values():
        contender(max(1, number // 10))
    for _ in range(ROUNDS):
        for name, contender in contenders.items():
            begin = time.perf_counter()
            contender(number)
            times[name].append((time.perf_counter() - begin) / number)
    return {name: statistics.median(found) for name, found in times.items()}
