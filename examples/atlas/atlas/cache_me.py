"""All that the atlas says about caching."""

from django_cache_me import CacheMeOptions, cache_me_register

from .models import City, Continent, Country, Region


@cache_me_register(Continent, Country, Region)
class PlacesCacheMeOptions(CacheMeOptions):
    cache_table = True
    timeout = 3600


@cache_me_register(City)
class CityCacheMeOptions(CacheMeOptions):
    timeout = 3600
