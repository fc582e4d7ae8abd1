"""The engine's dependency rules over one catalog: what a text's answer rests on, what it bumps.

A rule is made once per text and catalog; a DDL statement makes another catalog, and with it other rules.
"""

from __future__ import annotations

from typing import Any, Callable, Iterable, NamedTuple, Tuple, TypeVar

from .. import _engine

#: Rules that are kept; texts with literals in them would otherwise fill the memory.
_MOST_RULES = 4096

Rule = TypeVar("Rule")


class Column(NamedTuple):
    """One column of a table."""

    name: str
    #: "integer", "boolean", "uuid", "date" or "text", if the database compares as Python does; or "".
    type: str
    #: Of a text, how many characters it may have; 0: any number.
    most_characters: int = 0
    #: The database sets it by itself when other columns are written.
    computed: bool = False
    #: Of a decimal that the database compares as a number: digits behind the point, and values with more of
    #: them are rounded, or told apart by nobody. -1: it is none, or has too many.
    digits: int = -1


#: A foreign key of one column that the database enforces: column, table, column of that table.
ForeignKey = Tuple[str, str, str]


class Rules:
    """Thread-safe; two threads may make the same rule at once."""

    def __init__(
        self, tables: Iterable[tuple[str, tuple[Column, ...], tuple[str, ...], tuple[ForeignKey, ...]]]
    ) -> None:
        self._tables = _engine.Tables()
        for name, columns, primary_key, foreign_keys in tables:
            self._tables.add(
                name,
                [(c.name, c.type, c.most_characters, c.computed, c.digits) for c in columns],
                list(primary_key),
                list(foreign_keys),
            )
        self._reads: dict[tuple[str, str], _engine.ReadRule] = {}
        self._writes: dict[tuple[str, str], _engine.WriteRule] = {}

    def of_read(self, sql: str, dialect: str) -> _engine.ReadRule:
        """The rule of a readable text."""
        return self._rule(self._reads, _engine.ReadRule.of, sql, dialect)

    def of_write(self, sql: str, dialect: str) -> _engine.WriteRule:
        """The rule of a text of one statement that writes rows of one table."""
        return self._rule(self._writes, _engine.WriteRule.of, sql, dialect)

    def _rule(
        self, known: dict[tuple[str, str], Rule], make: Callable[..., Any], sql: str, dialect: str
    ) -> Rule:
        key = (sql, dialect)
        rule = known.get(key)
        if rule is None:
            if len(known) >= _MOST_RULES:
                known.clear()
            rule = known[key] = make(sql, dialect, self._tables)
        return rule
