"""A table, for the terminal and for a document."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Iterable


@dataclass
class Table:
    title: str
    columns: list[str]
    rows: list[list[str]] = field(default_factory=list)
    #: What a reader has to know, a sentence or two.
    note: str = ""
    #: So many columns from the left hold text; the others figures.
    labels: int = 1

    def markdown(self) -> str:
        ruler = ["---" if at < self.labels else "---:" for at in range(len(self.columns))]
        lines = [f"## {self.title}", "", *([self.note, ""] if self.note else [])]
        if not self.rows:
            return "\n".join([*lines, "None.", ""])
        every = [self.columns, ruler, *self.rows]
        return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in every), ""])

    def rich(self) -> Any:
        from rich.table import Table as RichTable
        from rich.text import Text

        made = RichTable(title=self.title, caption=self.note or None)
        for at, column in enumerate(self.columns):
            made.add_column(column, justify="left" if at < self.labels else "right")
        for row in self.rows:
            made.add_row(*(Text(cell.replace("**", ""), "bold" if "**" in cell else "") for cell in row))
        return made


def show(tables: Iterable[Table], lines: Iterable[str] = ()) -> None:
    from rich.console import Console

    console = Console(width=None if Console().is_terminal else 180)
    for table in tables:
        console.print(table.rich() if table.rows else f"{table.title}: none")
    for line in lines:
        console.print(line, markup=False, highlight=False)


def number(value: float | None) -> str:
    """Three digits that count, more for what is large."""
    if value is None:
        return "–"
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def times(value: float) -> str:
    return f"{value:,.0f}×" if value >= 10 else f"{value:.1f}×"


def best(figures: dict[str, float | None], least: bool) -> str | None:
    """The name with the best figure."""
    there = {name: value for name, value in figures.items() if value is not None}
    if not there:
        return None
    return (min if least else max)(there, key=lambda name: there[name])


def bold(text: str, yes: bool) -> str:
    return f"**{text}**" if yes else text
