from django_cache_me import CacheMeOptions, cache_me_register

from .models import Category, Product, Tag


@cache_me_register(Category, Tag, Product, Product.tags.through)
class CatalogueOptions(CacheMeOptions):
    timeout = 3600
