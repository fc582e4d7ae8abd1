"""One contender in a process of its own: Django with one cache (or none), asked to do reads and to time them.

Run as a program it takes requests from stdin, a line of JSON each, ``{"do": ..., arguments}``, and answers
with a line each. Everything else that is printed goes to stderr.
"""

from __future__ import annotations

import gc
import itertools
import json
import os
import sys
import time
from typing import Any

from benchmarks.costs import start


class Statements:
    """Counts what the database is sent; installed in Django's connection."""

    def __init__(self) -> None:
        self.number = 0

    def __call__(self, execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
        self.number += 1
        return execute(sql, params, many, context)


class Worker:
    def __init__(self, started: dict[str, float]) -> None:
        from django.db import connection

        from benchmarks import kinds, workload

        self.statements = Statements()
        connection.ensure_connection()
        connection.execute_wrappers.append(self.statements)
        self.kinds = {kind.name: kind for kind in kinds.kinds()}
        self.workload = workload.Workload(self.statements)
        self._turns = {name: itertools.count() for name in self.kinds}
        self._operations: list[Any] = []
        self._started = started

    def started(self) -> Any:
        """What setting up has cost."""
        return self._started

    def memory(self) -> Any:
        return start.private_memory()

    def parts(self) -> Any:
        from django.db import connection

        from benchmarks.costs import parts

        return parts.taken_apart(connection)

    def hello(self) -> Any:
        """The kinds that it can be asked for, with the group of each."""
        return {name: kind.group for name, kind in self.kinds.items()}

    def read(self, kind: str, seconds: float, least: int = 5, most: int = 4000) -> Any:
        """Reads for so many seconds: the ns of each, and the statements sent by all of them."""
        asked, turns, statements = self.kinds[kind], self._turns[kind], self.statements
        ask, before = asked.ask, asked.before
        times: list[int] = []
        sent = 0
        now = time.perf_counter_ns
        gc.collect()
        end = now() + int(seconds * 1e9)
        for turn in turns:
            if before is not None:
                before(turn)
            old = statements.number
            begin = now()
            ask(turn)
            done = now()
            times.append(done - begin)
            sent += statements.number - old
            if len(times) >= most or (done > end and len(times) >= least):
                break
        return {"times": times, "statements": sent}

    def deal(self, seed: int, number: int, writes: float, process: int = 0) -> Any:
        """Choose the operations of the next :meth:`load` or :meth:`play`."""
        self._operations = self.workload.deal(seed, number, writes, process)
        gc.collect()
        return len(self._operations)

    def warm(self, number: int | None) -> Any:
        """So many reads, or each that a load may do; the cache is filled by that."""
        if number is None:
            self._operations = self.workload.every_read()
            gc.collect()
        else:
            self.deal(seed=0, number=number, writes=0.0)
        return self.play()

    def load(self, seconds: float) -> Any:
        return self.workload.load(self._operations, seconds)

    def play(self) -> Any:
        return self.workload.play(self._operations)


def serve() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    import django
    from django.conf import settings

    from benchmarks.contenders import settings_of

    settings.configure(**settings_of(json.loads(os.environ["BENCH_SITE"])))
    begin = time.perf_counter()
    django.setup()
    setup = time.perf_counter() - begin
    worker = Worker({start.SETUP: setup * 1000, start.AFTER_SETUP: start.private_memory()})
    for line in sys.stdin:
        request = json.loads(line)
        answer = getattr(worker, request.pop("do"))(**request)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve()
