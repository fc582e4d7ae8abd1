"""How long the judges sit: a little in CI, and for as long as ``make judge MINUTES=…`` says."""

from __future__ import annotations

import os
import time

#: Seconds for each judge; there are fifteen: three on five databases.
SECONDS = float(os.environ.get("JUDGE_SECONDS", "4"))


class Budget:
    def __init__(self, seconds: float = SECONDS) -> None:
        self._end = time.monotonic() + seconds

    @property
    def is_spent(self) -> bool:
        return time.monotonic() > self._end
