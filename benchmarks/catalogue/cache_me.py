from django_cache_me import CacheMeOptions, cache_me_register

from .models import Category, Product


@cache_me_register(Category, Product)
class CatalogueOptions(CacheMeOptions):
    timeout = 3600
