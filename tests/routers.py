class PostgreSQLAlone:
    """The app with PostgreSQL's fields has tables there alone."""

    def allow_migrate(self, db, app_label, **hints):
        return db == "postgresql" if app_label == "pgfields" else None
