"""Makes and fills the catalogue's tables in the database that BENCH_DATABASE describes."""

from __future__ import annotations

import django
from django.conf import settings
from django.core.management import call_command

from benchmarks.contender import settings_of

if __name__ == "__main__":
    settings.configure(**settings_of("plain"))
    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)
    from benchmarks.catalogue.load import load

    load("default")
