"""The demo's workload: always the same page views, in Zipf order, with edits between rounds."""

from __future__ import annotations

import itertools
import random
from typing import Any, NamedTuple
from urllib.parse import quote

SEED = 20
#: One edit follows each round but the last.
ROUNDS = 10
VIEWS_PER_ROUND = 240
EXPONENT = 1.0


class View(NamedTuple):
    url: str


class Edit(NamedTuple):
    pk: int
    name: str
    population: int


class Round(NamedTuple):
    views: list[View]
    edit: Edit | None


def rounds(cities: list[dict[str, Any]], countries: list[str], continents: list[str]) -> list[Round]:
    """``cities`` by population, largest first, as dicts with id, name and population."""
    chance = random.Random(SEED)
    draw_city = _zipf(chance, cities[:3000])
    draw_country = _zipf(chance, countries)
    draw_kind = lambda: chance.choices(  # noqa: E731
        ["city", "country", "near", "search", "continent", "home"], [34, 30, 12, 8, 10, 6]
    )[0]
    plan = []
    for number in range(ROUNDS):
        views = []
        for _ in range(VIEWS_PER_ROUND):
            kind = draw_kind()
            if kind == "city":
                url = f"/city/{draw_city()['id']}/"
            elif kind == "near":
                url = f"/city/{draw_city()['id']}/neighbours/"
            elif kind == "country":
                url = f"/country/{draw_country()}/?page={chance.choices([1, 2, 3], [7, 2, 1])[0]}"
            elif kind == "search":
                url = f"/search/?q={quote(draw_city()['name'][:4].strip())}"
            elif kind == "continent":
                url = f"/continent/{chance.choice(continents)}/"
            else:
                url = "/"
            views.append(View(url))
        city = draw_city()
        edit = Edit(city["id"], f"{city['name']} ({number})", city["population"] + number + 1)
        plan.append(Round(views, None if number == ROUNDS - 1 else edit))
    return plan


def _zipf(chance: random.Random, items: list[Any]) -> Any:
    weights = list(itertools.accumulate(1 / (rank + 1) ** EXPONENT for rank in range(len(items))))
    return lambda: chance.choices(items, cum_weights=weights)[0]
