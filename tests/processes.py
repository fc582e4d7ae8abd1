"""Worker processes of the test project: each evaluates the expressions that it is sent.

Run as a program it is the worker itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any, Sequence


class Worker:
    """A process of its own with Django set up; killed at the end of its ``with`` block.

    ``within``: a command that runs it, such as ``unshare``.
    """

    def __init__(self, within: Sequence[str] = (), **environment: str) -> None:
        self.process = subprocess.Popen(
            [*within, sys.executable, "-m", "tests.processes"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        assert self.ask("1") == 1

    def send(self, expression: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(expression) + "\n")
        self.process.stdin.flush()

    def receive(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker ended with {self.process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["value"]

    def ask(self, expression: str) -> Any:
        """The value of ``expression`` in the worker, by way of JSON."""
        self.send(expression)
        return self.receive()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


def serve() -> None:
    import traceback

    import django

    django.setup()
    from django.core.cache import caches
    from django.core.management import call_command
    from django.db import connections, transaction

    import django_cache_me
    from tests import crashing
    from tests.judges import load
    from tests.shop import models

    namespace: dict[str, Any] = {
        "caches": caches,
        "call_command": call_command,
        "connections": connections,
        "transaction": transaction,
        "cache_me": django_cache_me,
        "os": os,
        **{name: getattr(models, name) for name in dir(models) if not name.startswith("_")},
    }

    def names(alias: str) -> list[str]:
        return sorted(category.name for category in models.Category.objects.using(alias).all())

    def hits_of(alias: str) -> list[Any]:
        """The names, and whether they were a hit."""
        before = django_cache_me.stats()["hits"]
        found = names(alias)
        return [found, django_cache_me.stats()["hits"] - before]

    def sql(alias: str, text: str) -> None:
        with connections[alias].cursor() as cursor:
            cursor.execute(text)

    def spawn(expression: str) -> int:
        """Fork a child that evaluates ``expression``; its process number."""
        while True:
            try:
                if os.waitpid(-1, os.WNOHANG)[0] == 0:
                    break
            except ChildProcessError:
                break
        child = os.fork()
        if child == 0:
            try:
                eval(expression, namespace)
            finally:
                os._exit(0)
        return child

    defect = os.environ.get("CACHE_ME_TEST_DEFECT")
    if defect:
        from tests.judges.defects import planted

        at_work = planted(defect)
        at_work.__enter__()
    namespace.update(cut=crashing.cut, interrupt=crashing.interrupt)
    namespace.update(load=load, spawn=spawn, do=crashing.do, names=names, hits_of=hits_of, sql=sql, state={})
    for line in sys.stdin:
        try:
            answer = {"value": eval(json.loads(line), namespace)}
            text = json.dumps(answer, default=str)
        except (Exception, crashing.Interrupted):
            text = json.dumps({"error": traceback.format_exc()})
        print(text, flush=True)


if __name__ == "__main__":
    serve()
