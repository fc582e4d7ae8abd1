"""A bar that says what is being measured."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Callable, Iterator


@contextmanager
def progress(title: str) -> Iterator[Callable[[str], None]]:
    """A function to be told what has just been done. On a terminal it moves a line, else it prints none."""
    from rich.console import Console

    console = Console(stderr=True)
    with console.status(title) as status:
        yield lambda done: status.update(f"{title} · {done}")
