"""From a statement to bumped versions."""

from __future__ import annotations


def install() -> None:
    """Put the observer under Django's connections; once per process."""
    from . import attach, observer

    observer.install()
    attach.install()
