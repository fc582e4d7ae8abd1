"""From a queryset to rows."""

from __future__ import annotations


def install() -> None:
    """Put caching under Django's querysets and managers; once per process."""
    from . import manager, queryset, recording

    queryset.install()
    manager.install()
    recording.install()


def prepare() -> None:
    """Do early what is worth less later; once the models are registered."""
    from . import recording

    recording.share_keys()
