"""Makes and fills the catalogue's tables in the database that the site describes; run as a program."""

from __future__ import annotations

import json
import os

if __name__ == "__main__":
    import django
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection

    from benchmarks.contenders import settings_of

    settings.configure(**settings_of(json.loads(os.environ["BENCH_SITE"])))
    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)
    from benchmarks.catalogue.load import load

    load("default")
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")
