from django.apps import apps

from django_cache_me import CacheMeOptions, cache_me_register


@cache_me_register(*(model for model in apps.get_app_config("trees").get_models() if not model._meta.proxy))
class Options(CacheMeOptions):
    pass
