from django.apps import apps

from django_cache_me import CacheMeOptions, cache_me_register


@cache_me_register(*apps.get_app_config("pgfields").get_models())
class PostgreSQLOptions(CacheMeOptions):
    pass
