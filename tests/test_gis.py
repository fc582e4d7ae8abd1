"""GeoDjango's geometries on PostGIS: kept as the driver gave them, with the field's converters on a hit.

SpatiaLite is an extension that SQLite has to load, which the interpreters here are built without.
"""

from __future__ import annotations

import os
import time

import pytest

from tests.judges.programs import portrait
from tests.looking import assert_hit, assert_miss, seen

if not os.environ.get("CACHE_ME_TEST_GIS"):
    pytest.skip(
        "no PostGIS or GDAL; get them with: apt-get install postgresql-15-postgis-3", allow_module_level=True
    )

from django.contrib.gis.db.models import Collect, Extent, Union
from django.contrib.gis.db.models.functions import (
    Area,
    AsGeoJSON,
    Centroid,
    Distance,
    Intersection,
    Transform,
)
from django.contrib.gis.geos import GeometryCollection, LineString, Point, Polygon
from django.contrib.gis.measure import D
from django.test import override_settings

from tests.geometries.models import Place

SQUARE = Polygon.from_bbox((0, 0, 10, 10))
SQUARE.srid = 4326


@pytest.fixture(scope="module")
def settled():
    """PostGIS brings tables along, so the database isn't new: nobody hits or fills before two leases."""
    Place.objects.using("gis").count()
    time.sleep(2.2)


@pytest.fixture
def places(settled):
    Place.objects.using("gis").all().delete()
    Place.objects.using("gis").create(
        name="in",
        at=Point(1, 2, srid=4326),
        area=SQUARE,
        spot=Point(13.4, 52.5, srid=4326),
        line=LineString((0, 0), (100, 100), srid=3857),
        parts=GeometryCollection(Point(1, 2, 3), LineString((0, 0, 0), (1, 1, 1)), srid=4326),
    )
    Place.objects.using("gis").create(name="out", at=Point(50, 50, srid=4326))
    return Place.objects.using("gis").order_by("pk")


CENTRE = Point(5, 5, srid=4326)
READS = {
    "instances": lambda q: [
        (p, p.at.ewkt, p.at.srid, p.area and p.area.ewkt, p.parts and p.parts.hex) for p in q
    ],
    "values": lambda q: [sorted((k, str(v)) for k, v in row.items()) for row in q.values()],
    "values_list": lambda q: [point.ewkt for point in q.values_list("at", flat=True)],
    "contains": lambda q: list(q.filter(area__contains=CENTRE).values_list("name")),
    "within": lambda q: list(q.filter(at__within=SQUARE).values_list("name")),
    "bbox": lambda q: list(q.filter(at__bboverlaps=SQUARE).values_list("name")),
    "dwithin": lambda q: list(
        q.filter(spot__dwithin=(Point(13.4, 52.6, srid=4326), D(km=20))).values_list("name")
    ),
    "distance_lte": lambda q: list(
        q.filter(spot__distance_lte=(Point(13.4, 52.6, srid=4326), D(km=20))).values_list("name")
    ),
    "distance": lambda q: [str(p.far) for p in q.annotate(far=Distance("spot", CENTRE))],
    "area": lambda q: [str(p.size) for p in q.annotate(size=Area(Transform("area", 3857)))],
    "geojson": lambda q: [p.json for p in q.annotate(json=AsGeoJSON("at"))],
    "centroid": lambda q: [p.c and p.c.ewkt for p in q.annotate(c=Centroid("area"))],
    "intersection": lambda q: [p.i and p.i.wkt for p in q.annotate(i=Intersection("area", SQUARE))],
    "nearest": lambda q: list(q.order_by(Distance("at", CENTRE)).values_list("name", flat=True)),
    "extent": lambda q: q.aggregate(Extent("at"))["at__extent"],
    "union": lambda q: q.aggregate(one=Union("at"))["one"].wkt,
    "collect": lambda q: q.aggregate(one=Collect("at"))["one"].num_geom,
    "count": lambda q: q.filter(at__coveredby=SQUARE).count(),
}


@pytest.mark.parametrize("kind", READS)
def test_geometries_come_back_as_they_were(places, kind):
    def taken():
        return portrait(lambda alias, n, m: _without_addresses(READS[kind](places.all())), "gis", 0, 0)

    with override_settings(DJANGO_CACHE_ME_ON=False):
        truth = taken()
    assert assert_miss("gis", taken) == truth
    assert assert_hit("gis", taken) == truth


def _without_addresses(found):
    """Instances hold geometries, whose pictures would be addresses in memory."""
    return (
        [(type(row[0]), *row[1:]) if isinstance(row, tuple) else row for row in found]
        if isinstance(found, list)
        else found
    )


def test_other_geometries_are_other_queries(places):
    def inside(x):
        return list(places.filter(area__contains=Point(x, 5, srid=4326)).values_list("name", flat=True))

    assert inside(5) == inside(5) == ["in"]
    assert inside(20) == inside(20) == []
    assert_hit("gis", lambda: inside(5))

    def near(kilometres):
        return places.filter(spot__dwithin=(Point(13.4, 52.6, srid=4326), D(km=kilometres))).count()

    assert (near(20), near(1), near(20), near(1)) == (1, 0, 1, 0)


def test_geometries_are_not_shared(places):
    first, second = (places.get(name="in") for _ in range(2))
    assert first.at is not second.at
    first.at.x = 99
    first.area.srid = 3857
    third = assert_hit("gis", lambda: places.get(name="in"))
    assert (third.at.x, third.area.srid) == (1, 4326)


def test_writes_of_geometries_are_seen(places):
    read = lambda: [p.at.coords for p in places.filter(at__within=SQUARE)]  # noqa: E731
    assert read() == read() == [(1, 2)]
    moved = places.get(name="out")
    moved.at = Point(3, 3, srid=4326)
    moved.save()
    assert assert_miss("gis", read) == [(1, 2), (3, 3)]
    places.filter(name="in").update(at=Point(4, 4, srid=4326))
    assert read() == [(4, 4), (3, 3)]
    assert assert_hit("gis", read) == [(4, 4), (3, 3)]


def test_nothing_of_it_passes(places):
    with seen("gis") as result:
        for read in READS.values():
            read(places.all())
    assert result.passed == {}
    assert result.not_filled == {}
