"""``CacheMeInvalidationMixin``: for models that want invalidation logic of their own."""

from __future__ import annotations

from typing import Any

from django.db.models.signals import class_prepared, post_delete, post_save


class CacheMeInvalidationMixin:
    """Calls :meth:`cache_me_invalidate` when an instance was saved or deleted.

    To be mixed in in either order of bases. The model's own entries are invalidated by themselves, mixin or
    not; this is the place for what only the project knows: other models, pages, a CDN. Like Django's
    signals, it isn't called for querysets' ``update()``, ``bulk_create()`` and raw SQL.
    """

    def cache_me_invalidate(self, *, using: str, deleted: bool) -> None:
        """To be overridden. ``using``: the alias of the database; the transaction may still be open."""


def _saved(sender: Any, instance: Any, using: str, **kwargs: Any) -> None:
    instance.cache_me_invalidate(using=using, deleted=False)


def _deleted(sender: Any, instance: Any, using: str, **kwargs: Any) -> None:
    instance.cache_me_invalidate(using=using, deleted=True)


def _connect(sender: Any, **kwargs: Any) -> None:
    # A receiver for each model with the mixin: one for all models would cost all of them their fast deletes.
    if issubclass(sender, CacheMeInvalidationMixin):
        post_save.connect(_saved, sender=sender, dispatch_uid="django_cache_me.mixin")
        post_delete.connect(_deleted, sender=sender, dispatch_uid="django_cache_me.mixin")


class_prepared.connect(_connect, dispatch_uid="django_cache_me.mixin")
