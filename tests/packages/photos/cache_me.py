from taggit.models import Tag, TaggedItem

from django_cache_me import CacheMeOptions, cache_me_register

from .models import Photo


@cache_me_register(Photo, Tag, TaggedItem)
class Options(CacheMeOptions):
    pass
