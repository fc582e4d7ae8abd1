"""What a worker does for one model."""

from __future__ import annotations

from django.apps import apps

from .aftermath import follow
from .by_hand import invalidate_model_cache


def follow_up(label: str, using: str = "default", bumped: bool = False) -> None:
    """Reclaim and warm the model ``app.Model`` of the database ``using``.

    ``bumped``: its versions were bumped by the commit that this follows. Otherwise (a task that was enqueued
    by hand) they are bumped first.
    """
    model = apps.get_model(label)
    if bumped:
        follow(model._meta.label_lower, using)
        return
    invalidate_model_cache(model, using=using, follow_up=False)
    follow(model._meta.label_lower, using)
