"""The example's own judge on a small world: pages of two workers, edits between them, cache off and on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent.parent / "examples" / "atlas"
#: The city that a worker shows first of all.
FIRST = 2950159
SMALL_WORLD = f"""
import django
django.setup()
from django.core.management import call_command
from atlas.models import City, Continent, Country, Region
call_command("migrate", verbosity=0)
Continent(code="EU", name="Europe", population=1).save()
for code in ("DE", "FR"):
    country = Country.objects.create(
        code=code, name="Land " + code, capital="", continent_id="EU", area=1, population=1)
    region = Region.objects.create(country=country, code="1", name="Region " + code)
    City.objects.bulk_create(
        City(id=({FIRST} if code == "DE" else 1) + number, name=f"City {{number}}", country=country,
             region=region, population=1000 - number, latitude=50 + number / 100, longitude=number / 50,
             time_zone="Europe/Berlin")
        for number in range(120))
Country.objects.get(code="DE").neighbours.add("FR")
"""


@pytest.fixture
def demo(tmp_path, monkeypatch):
    """The demo's module, at home in a folder with a small database."""
    environment = {"DJANGO_SETTINGS_MODULE": "atlas.settings", "ATLAS_HOME": str(tmp_path)}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(str(HERE))
    subprocess.run([sys.executable, "-c", SMALL_WORLD], cwd=HERE, env=dict(os.environ), check=True)
    import demo
    import workload

    monkeypatch.setattr(demo, "HOME", tmp_path)
    monkeypatch.setattr(workload, "ROUNDS", 4)
    monkeypatch.setattr(workload, "VIEWS_PER_ROUND", 60)
    return demo


class Silent:
    def print(self, text):
        self.said = text


def test_every_page_is_the_same_with_and_without_the_cache(demo):
    from workload import rounds

    cities = [
        {"id": FIRST + number, "name": f"City {number}", "population": 1000 - number} for number in range(120)
    ]
    plan = rounds(cities, ["DE", "FR"], ["EU"])
    assert sum(part.edit is not None for part in plan) == 3
    runs = {mode: [demo.Run(mode, plan)] for mode in ("off", "on")}
    (off,), (on,) = runs["off"], runs["on"]
    assert len(on.times) == 4 * 60
    assert len({url.split("/")[1] for bodies in on.bodies for url in bodies}) == 5, "all kinds of page"
    console = Silent()
    demo._compare(runs, console)
    assert "are the same" in console.said
    assert (off.total("hits"), on.total("hits") > 100) == (0, True)
    assert on.total("statements") < off.total("statements") / 2
    changed = [url for url in off.bodies[0] if any(off.bodies[0][url] != b.get(url) for b in off.bodies[1:])]
    assert changed, "the edits are seen"
    on.bodies[2][next(iter(on.bodies[2]))] = "an older page"
    with pytest.raises(SystemExit, match="WRONG PAGE"):
        demo._compare(runs, console)
