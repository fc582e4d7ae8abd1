"""What a piece of code leaves behind: memory, objects, references, told per call."""

from __future__ import annotations

import gc
import sys
from typing import Any, Callable, Sequence

#: A leak shows in each of these; a cache that fills up, or an arena more for the interpreter, in one.
STEPS = 3
#: Calls of a step at least, so that one object a call is more than what may be left behind.
LEAST = 750
#: What may be left behind by a step (sqlite3 itself forgets dead cursors only at every 200th), and by each of
#: its calls.
BYTES, BLOCKS, OBJECTS, REFERENCES = 128 * 1024, 300, 300, 10
BYTES_PER_CALL, PER_CALL = 24, 0.02


def level(watched: Sequence[Any] = ()) -> dict[str, int]:
    for _ in range(3):
        gc.collect()
    return {
        "bytes": _private_bytes(),
        "blocks": sys.getallocatedblocks(),
        "objects": len(gc.get_objects()),
        **{f"references to {one!r}": sys.getrefcount(one) for one in watched},
    }


def grown(act: Callable[[int], Any], times: int, watched: Sequence[Any] = ()) -> list[str]:
    """Call ``act`` with a number, so many times; what has grown with the calls, in words.

    ``watched``: objects to which every call refers, so that a reference too many shows with them alone.
    """
    part = max(LEAST, times // STEPS)
    for turn in range(part):
        act(turn)
    levels = [level(watched)]
    for step in range(1, STEPS + 1):
        for turn in range(step * part, (step + 1) * part):
            act(turn)
        levels.append(level(watched))
    allowed = {
        "bytes": BYTES + part * BYTES_PER_CALL,
        "blocks": BLOCKS + part * PER_CALL,
        "objects": OBJECTS + part * PER_CALL,
        **{f"references to {one!r}": REFERENCES + part * PER_CALL for one in watched},
    }
    complaints = []
    for what, most in allowed.items():
        more = [after[what] - before[what] for before, after in zip(levels, levels[1:])]
        if min(more) > most:
            complaints.append(f"{what}: {more} more after {part} calls each")
    return complaints


def _private_bytes() -> int:
    """The process's own memory: the store's mapped file is not in it."""
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    return 0
