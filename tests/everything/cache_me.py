from django.apps import apps

from django_cache_me import CacheMeOptions, cache_me_register


@cache_me_register(*apps.get_app_config("everything").get_models(include_auto_created=True))
class EverythingOptions(CacheMeOptions):
    pass
