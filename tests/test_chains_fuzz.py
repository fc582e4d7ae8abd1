"""Random chains of fields × lookups × kinds of values, each beside its eager shadow (tests/shadow.py).

What is compared is the SQL, the parameters with their types, the key, and where errors rise.
``CACHE_ME_FUZZ_CHAINS`` sets how many chains, ``CACHE_ME_FUZZ_SEED`` which (make fuzz-chains).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from django_cache_me import _engine

ROOT = Path(__file__).resolve().parent.parent
CHAINS = int(os.environ.get("CACHE_ME_FUZZ_CHAINS", "400"))
SEED = os.environ.get("CACHE_ME_FUZZ_SEED", "7")


@pytest.mark.skipif(not _engine.CAN_RECORD, reason="nothing is recorded without the GIL")
def test_random_chains_agree_with_their_shadows(sqlite):
    # In a process of its own: the shadow can't be taken away again.
    done = subprocess.run(
        [sys.executable, "-m", "tests.chains_fuzzer", str(CHAINS), SEED],
        cwd=ROOT,
        check=False,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
    )
    assert done.returncode == 0, done.stdout[-4000:]
    report = json.loads(done.stdout.splitlines()[-1])
    wrong = {kind: number for kind, number in report["counts"].items() if kind.startswith("MISMATCH")}
    assert not wrong, report["found"][:10]
    assert report["counts"]["plan equal"] > CHAINS / 20
    assert report["counts"]["equal with a queryset within"] > CHAINS / 100
    assert report["counts"]["prefetched equal"] > CHAINS / 100
    assert report["counts"]["accessed equal"] > CHAINS / 10
