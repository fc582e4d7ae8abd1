from django_cache_me import CacheMeOptions, cache_me_register

from .models import Place


@cache_me_register(Place)
class Options(CacheMeOptions):
    pass
