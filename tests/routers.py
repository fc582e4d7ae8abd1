class PostgreSQLAlone:
    """The app with PostgreSQL's fields has tables there alone."""

    def allow_migrate(self, db, app_label, **hints):
        return db == "postgresql" if app_label == "pgfields" else None


class GeometriesAlone:
    """The app with geometries has a database of its own, and no other app has tables there."""

    def allow_migrate(self, db, app_label, **hints):
        if db == "gis" or app_label == "geometries":
            return db == "gis" and app_label == "geometries"
        return None
