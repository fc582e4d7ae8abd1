"""One save() taken apart: what its UPDATE bumps, and the engine's share of telling it."""

from __future__ import annotations

from typing import Any

_PK = 1


class Saving:
    """The save of a product of the catalogue, over ``connection``."""

    def __init__(self, connection: Any) -> None:
        from benchmarks.catalogue.models import Product
        from django_cache_me.databases.catalog import catalog_of
        from django_cache_me.databases.connection import state_of
        from django_cache_me.stores.dependencies import any_of, pack
        from django_cache_me.writing.write_set import place_of

        statements: list[Any] = []

        def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            statements.append((sql, params))
            return execute(sql, params, many, context)

        product = Product.objects.get(pk=_PK)
        with connection.execute_wrapper(note):
            product.save()
        ((update, self._values),) = statements
        select, self._key = Product.objects.filter(pk=_PK)[:21].query.sql_with_params()
        driver = state_of(connection).driver
        assert driver is not None
        identity, store = place_of(connection)
        rules = catalog_of(connection, identity.database, ("",)).rules
        self._write = rules.of_write(update, driver.dialect)
        self._read = rules.of_read(select, driver.dialect)
        with connection.cursor() as cursor:
            cursor.execute(select, self._key)
            self._rows = list(cursor.fetchall())
        self._store: Any = store
        #: All that the save bumps, as the store is told.
        self.dependencies = pack([*self.write_rule(), any_of(Product._meta.db_table)])

    def write_rule(self) -> Any:
        return self._write.dependencies(self._values, True, 0)

    def read_rule(self) -> Any:
        footing, _ = self._read.before(self._key, True)
        return self._read.after(footing, self._key, self._rows, None)

    def read(self) -> Any:
        return self._store.versions(self.dependencies)

    def declare_and_finish(self) -> None:
        self._store.finish_intent(self._store.declare_intent(self.dependencies, b"process", True))
