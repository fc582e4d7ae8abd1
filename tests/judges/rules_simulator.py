"""The rules of DESIGN.md's section 4 alone, tried at random.

A trial asks a random query, keeps the answer with the versions of what the rules say it rests on, lets a
transaction or two write (between the steps of the reader, or after them), bumps what the rules say they bump,
and asks again. An answer whose versions are all unchanged has to be the answer of now.

``python -m tests.judges.rules_simulator --trials 1000000`` tries the rules as they are; ``--without CLAUSE``
leaves a clause out, and so shows what it is for; ``--each`` leaves out each in turn.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import sys
import time
from collections import Counter
from typing import Iterable

from tests.judges.rules.clauses import CLAUSES, SPARE, Clauses
from tests.judges.rules.known import Dependency
from tests.judges.rules.queries import Query, draw_query
from tests.judges.rules.readers import MANY, Plan, plan
from tests.judges.rules.tables import EVERYWHERE, Focus, Row, World, connect, draw_world, fill, look
from tests.judges.rules.writers import bumped
from tests.judges.rules.writes import Write, draw_write

#: Trials with the same tables, and with the same first rows.
TRIALS_OF_WORLD, TRIALS_OF_FILL = 96, 8
#: So often an answer is looked at, with another writer before each look, as long as it's valid.
ROUNDS = 8
#: A reader's moments, before each of which a writer may act: clock and early versions; witness; query; keep;
#: end.
CLOCK, WITNESS, ASK, KEEP, END = range(5)


class Store:
    """A version for each dependency: the number of its last bump."""

    def __init__(self) -> None:
        self.now = 0
        self.versions: dict[Dependency, int] = {}

    def draw(self) -> int:
        self.now += 1
        return self.now

    def bump(self, dependencies: Iterable[Dependency], number: int) -> None:
        # A number that was drawn earlier and comes later takes nothing back (the engine's raise_to).
        for dependency in dependencies:
            self.versions[dependency] = max(number, self.versions.get(dependency, 0))

    def read(self, dependencies: Iterable[Dependency]) -> dict[Dependency, int]:
        return {dependency: self.versions.get(dependency, 0) for dependency in dependencies}


class Writer:
    """A transaction of one or two statements. It commits, draws a number and bumps: three steps, in this
    order."""

    def __init__(self, trial: Trial, writes: list[Write], moments: list[int]) -> None:
        self.trial, self.writes = trial, writes
        has = trial.has
        self.moments = sorted(moments)
        self.schedule = tuple(self.moments)
        self.steps = [self.commit, self.draw, self.bump]
        if not has("time.draw_after_commit"):
            self.steps = [self.draw, self.commit, self.bump]
        if not has("time.bump_after_commit"):
            self.steps = [self.draw, self.bump, self.commit]
        self.bumps: set[Dependency] = set()
        for write in writes:
            self.bumps |= bumped(has, trial.world, write)
        self.number = 0
        self.committed = False

    def act(self, moment: int) -> None:
        while self.moments and self.moments[0] <= moment:
            self.moments.pop(0)
            self.steps.pop(0)()

    def commit(self) -> None:
        self.committed = commit(self.trial.connection, self.writes)

    def draw(self) -> None:
        self.number = self.trial.store.draw()

    def bump(self) -> None:
        # A transaction that failed has written nothing. The engine bumps all the same; here it would hide
        # something.
        if self.committed or not self.trial.has("time.bump_after_commit"):
            self.trial.store.bump(self.bumps, self.number)


def _draw_moments(r: random.Random) -> list[int]:
    """Of a writer's steps: all at once, any, or around a whole reader."""
    kind = r.random()
    if kind < 0.4:
        return [r.randrange(END)] * 3
    return [r.randrange(5) if kind < 0.7 else r.choice([CLOCK, KEEP]) for _ in range(3)]


def commit(connection: sqlite3.Connection, writes: list[Write]) -> bool:
    connection.execute("BEGIN")
    try:
        for write in writes:
            connection.execute(write.sql)
        connection.execute("COMMIT")
    except sqlite3.IntegrityError:
        connection.execute("ROLLBACK")
        return False
    return True


class Trial:
    """One query, its answer, and the writers between and after its steps."""

    def __init__(self, has: Clauses, r: random.Random, world: World, connection: sqlite3.Connection) -> None:
        self.has, self.world, self.connection = has, world, connection
        self.store = Store()
        look(world, connection)
        self.query: Query = draw_query(r, world)
        self.sql = self.query.sql()
        self.plan: Plan = plan(has, self.query)
        self.before = _snapshot(world, connection) if has.without else None
        self.writers: list[Writer] = []
        for _ in range(1 if r.random() < 0.7 else 2):
            self.add_writer(r, between="interleaving" not in world.omits and r.random() < 0.6)
        self.rows: list[Row] = []
        self.reading = 0
        self.versions: dict[Dependency, int] | None = None

    def add_writer(self, r: random.Random, between: bool) -> Writer:
        writes = [draw_write(r, self.world, self.query) for _ in range(1 if r.random() < 0.8 else 2)]
        self.writers.append(Writer(self, writes, _draw_moments(r) if between else [END] * 3))
        return self.writers[-1]

    def run(self) -> None:
        has, early = self.has, self.plan.early
        self._writers_act(CLOCK)
        self.reading = self.store.now
        versions = self.store.read(early)
        self._writers_act(WITNESS)
        late = self._ask_witness() if has("witness.before") else set()
        self._writers_act(ASK)
        self.rows = self._ask(self.sql)
        if not has("witness.before"):
            self._writers_act(KEEP)
            late = self._ask_witness()
        self._writers_act(KEEP)
        if not has("time.clock_first"):
            self.reading = self.store.now
        if not has("time.early_first"):
            versions = self.store.read(early)
        self._keep(versions, late)
        self._writers_act(END)

    def _writers_act(self, moment: int) -> None:
        for writer in self.writers:
            writer.act(moment)

    def _ask(self, sql: str) -> list[Row]:
        return self.connection.execute(sql).fetchall()

    def _ask_witness(self) -> set[Dependency]:
        if self.plan.witness is None:
            return set()
        return self.plan.witness(self._ask(self.query.witness_sql(MANY + 1)))

    def _keep(self, versions: dict[Dependency, int], late: set[Dependency]) -> None:
        """Accept what the answer has shown to rest on only if it wasn't bumped since the clock's reading."""
        for rule in self.plan.late:
            late = late | rule(self.rows)
        for dependency, version in self.store.read(late - set(versions)).items():
            if version > self.reading and self.has("time.late_not_younger"):
                return
            versions[dependency] = version
        self.versions = versions

    def is_valid(self) -> bool:
        return self.versions is not None and self.versions == self.store.read(self.versions)

    def is_right(self) -> bool:
        now = self._ask(self.sql)
        return now == self.rows if self.query.total else Counter(now) == Counter(self.rows)

    def was_near(self) -> bool:
        """Whether a table of the query was written since, so that T.any alone would have ended the answer."""
        names = {table.name for table in self.query.tables(self.world)}
        return any(self.store.versions.get(("any", name), 0) > self.reading for name in names)

    def story(self, seed: str) -> str:
        """All that it takes to see the mistake with one's own eyes."""
        lines = [f"-- {seed}; rules: {', '.join(self.plan.rules)}"]
        lines += [f"{statement};" for table in self.world.tables.values() for statement in table.ddl()]
        lines += self.before or []
        lines += [f"-- reader: clock and early versions at 0, witness 1, query 2, kept at 3:\n{self.sql};"]
        lines += [f"-- answer: {self.rows}", f"-- rests on: {sorted(map(str, self.versions or ()))}"]
        for writer in self.writers:
            lines.append(
                f"-- commit, number, bump before {writer.schedule}; bumps {sorted(map(str, writer.bumps))}"
            )
            lines += [f"{write.sql};" for write in writer.writes] + (
                [] if writer.committed else ["-- failed"]
            )
        return "\n".join([*lines, f"-- now: {self._ask(self.sql)}"])


def _snapshot(world: World, connection: sqlite3.Connection) -> list[str]:
    lines = []
    for table in world.tables.values():
        names = ", ".join(table.pk + table.columns)
        rows = connection.execute(f"SELECT {names} FROM {table.name}").fetchall()
        lines.append(f"-- {table.name} ({names}): {rows}")
    return lines


class Result:
    def __init__(self) -> None:
        self.trials = self.valid = self.near = 0
        #: What led to a stale answer, if one was found.
        self.stale = ""
        #: By the base's rule: trials, those valid though a table was written, and those made a miss for
        #: nothing.
        self.by_rule: dict[str, list[int]] = {}


def simulate(
    trials: int, seed: int = 1, without: Iterable[str] = (), focus: Focus = EVERYWHERE, progress: int = 0
) -> Result:
    """Run so many trials, or until an answer is stale."""
    has, result = Clauses(without), Result()
    while result.trials < trials and not result.stale:
        block = f"{seed}/{result.trials}"
        count = min(TRIALS_OF_WORLD, trials - result.trials)
        _simulate_world(has, random.Random(block), block, result, count, focus)
        if progress and result.trials % (progress * TRIALS_OF_WORLD) == 0:
            print(f"{result.trials} trials", flush=True)
    return result


def _simulate_world(
    has: Clauses, r: random.Random, block: str, result: Result, trials: int, focus: Focus
) -> None:
    world = draw_world(r, focus)
    connection = connect(world)
    for number in range(trials):
        if number % TRIALS_OF_FILL == 0:
            fill(r, world, connection)
        trial = Trial(has, r, world, connection)
        trial.run()
        _judge(trial, r, f"seed {block}, trial {number}", result)
        if result.stale:
            break
    connection.close()


def _judge(trial: Trial, r: random.Random, seed: str, result: Result) -> None:
    result.trials += 1
    of_rule = result.by_rule.setdefault(trial.plan.rules[0], [0, 0, 0])
    of_rule[0] += 1
    for number in range(ROUNDS):
        if number:
            trial.add_writer(r, between=False).act(END)
        if not trial.is_valid():
            of_rule[2] += trial.versions is not None and result.trials % 16 == 0 and trial.is_right()
            return
        result.valid += 1
        near = trial.was_near()
        result.near += near
        of_rule[1] += near
        if not trial.is_right():
            result.stale = trial.story(seed)
            return


def report(result: Result, seconds: float) -> str:
    lines = [
        f"{result.trials} trials in {seconds:.0f} s: {result.valid} looks at answers that were valid, "
        f"{result.near} of them though a table of theirs was written; "
        f"{'one' if result.stale else 'none'} stale"
    ]
    for rule, (trials, near, needless) in sorted(result.by_rule.items()):
        lines.append(
            f"  {rule}: {trials} trials; {near} looks at valid ones whose tables were written; "
            f"about {needless * 16} made misses though nothing had changed"
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=1000000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--without", action="append", default=[], metavar="CLAUSE", help="may be given several times"
    )
    parser.add_argument(
        "--without-spare", action="store_true", help="leave out all that exactness doesn't need"
    )
    parser.add_argument(
        "--each", action="store_true", help="leave out each clause in turn, and say what it took"
    )
    parser.add_argument("--list", action="store_true", help="name the clauses")
    chosen = parser.parse_args(arguments)
    if chosen.list:
        print("\n".join(f"{name}: {why}" for name, why in [*CLAUSES.items(), *SPARE.items()]))
        return 0
    if chosen.each:
        return _each(chosen.trials, chosen.seed)
    started = time.monotonic()
    without = chosen.without + (list(SPARE) if chosen.without_spare else [])
    result = simulate(chosen.trials, chosen.seed, without, progress=100)
    print(report(result, time.monotonic() - started))
    if result.stale:
        print(result.stale)
    return bool(result.stale)


def _each(trials: int, seed: int) -> int:
    """Leave out each clause; fail if one of CLAUSES isn't missed."""
    unmissed = 0
    for name in CLAUSES:
        started = time.monotonic()
        result = simulate(trials, seed, [name])
        found = f"stale after {result.trials}" if result.stale else f"NOTHING in {result.trials}"
        print(f"{name}: {found} trials, {time.monotonic() - started:.1f} s", flush=True)
        unmissed += not result.stale
    return bool(unmissed)


if __name__ == "__main__":
    sys.exit(main())
