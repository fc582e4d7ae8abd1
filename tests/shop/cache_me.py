from django_cache_me import CacheMeOptions, cache_me_register

from .models import Animal, Bird, Both, Category, Detail, Nothing, Product, Purse, Review, TableOnly, Tag


@cache_me_register(Category, Tag, Review, Detail, Purse, Animal, Bird)
class ShopOptions(CacheMeOptions):
    pass


@cache_me_register(Product)
class ProductOptions(CacheMeOptions):
    timeout = 1800


@cache_me_register(TableOnly)
class TableOnlyOptions(CacheMeOptions):
    cache_table = True
    cache_queryset = False


@cache_me_register(Nothing)
class NothingOptions(CacheMeOptions):
    cache_queryset = False


@cache_me_register(Both)
class BothOptions(CacheMeOptions):
    def __init__(self, model_class):
        super().__init__(model_class)
        self.cache_table = True
        self.timeout = 60
