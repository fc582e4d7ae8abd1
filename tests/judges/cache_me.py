from django.apps import apps

from django_cache_me import CacheMeOptions, cache_me_register


@cache_me_register(*(model for model in apps.get_app_config("judges").get_models() if not model._meta.proxy))
class JudgesOptions(CacheMeOptions):
    def __init__(self, model_class):
        super().__init__(model_class)
        self.cache_table = model_class.__name__ in ("Area", "Label")
