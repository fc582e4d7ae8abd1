"""Options, registry and autodiscovery: what is right works in both styles, what is wrong says so."""

from __future__ import annotations

import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_cache_me import CacheMeOptions, cache_me_register
from django_cache_me.autodiscover import autodiscover
from django_cache_me.exceptions import RegistrationError
from django_cache_me.registry import CacheMeRegistry, cache_me_registry
from tests.shop.models import Both, Category, Plain, Product, ProductProxy, Sketch, TableOnly, Tag


def test_look_ups():
    assert cache_me_registry.is_registered(Product)
    assert not cache_me_registry.is_registered(Plain)
    assert Product in cache_me_registry.get_registered_models()
    assert cache_me_registry.get_options(Plain) is None
    options = cache_me_registry.get_options(Product)
    assert (options.cache_table, options.cache_queryset, options.timeout) == (False, True, 1800)
    assert options.model_class is Product


def test_both_styles_of_options():
    assert cache_me_registry.get_options(TableOnly).cache_table is True
    both = cache_me_registry.get_options(Both)
    assert (both.cache_table, both.cache_queryset, both.timeout) == (True, True, 60)


def test_proxies_follow_their_concrete_model():
    assert cache_me_registry.get_options(ProductProxy) is cache_me_registry.get_options(Product)


def test_several_models_at_once():
    assert {Category, Tag} <= set(cache_me_registry.get_registered_models())


def test_unregister():
    registry = CacheMeRegistry()
    registry.register(Plain, CacheMeOptions)
    registry.unregister(Plain)
    assert not registry.is_registered(Plain)
    with pytest.raises(RegistrationError, match="not registered"):
        registry.unregister(Plain)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Product, r"shop.Product is registered already, with tests.shop.cache_me.ProductOptions"),
        (Sketch, r"Sketch is abstract"),
        (ProductProxy, r"shop.ProductProxy is a proxy; register shop.Product"),
        (object, r"takes model classes, not <class 'object'>"),
        ("shop.Product", r"takes model classes, not 'shop.Product'"),
        (Product(), r"takes model classes"),
    ],
)
def test_wrong_models(model, message):
    with pytest.raises(RegistrationError, match=message) as caught:

        @cache_me_register(model)
        class Options(CacheMeOptions):
            pass

    assert isinstance(caught.value, ImproperlyConfigured)


def test_swapped_models():
    from django.contrib.auth.models import User

    class Meta:
        label, abstract, proxy, swapped = "auth.User", False, False, "shop.Person"

    registry = CacheMeRegistry()
    original, User._meta = User._meta, Meta
    try:
        with pytest.raises(RegistrationError, match=r"auth.User is swapped for shop.Person"):
            registry.register(User, CacheMeOptions)
    finally:
        User._meta = original


def test_no_models():
    with pytest.raises(RegistrationError, match="needs at least one model"):
        cache_me_register()


@pytest.mark.parametrize("wrong", [object, CacheMeOptions(Plain), "options"])
def test_wrong_options_class(wrong):
    with pytest.raises(RegistrationError, match="subclass of CacheMeOptions"):
        cache_me_register(Plain)(wrong)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cache_tables": True}, "sets 'cache_tables', which is no option. Did you mean 'cache_table'?"),
        ({"qqqq": 1}, "The options are cache_table, cache_queryset, timeout"),
        ({"cache_table": 1}, "cache_table must be True or False, not 1"),
        ({"cache_queryset": None}, "cache_queryset must be True or False, not None"),
        ({"timeout": "300"}, "timeout must be a positive number of seconds or None, not '300'"),
        ({"timeout": 0}, "not 0"),
        ({"timeout": -1}, "not -1"),
        ({"timeout": True}, "not True"),
        ({"timeout": float("nan")}, "not nan"),
        ({"timeout": 10**30}, "not 1000000"),
    ],
)
@pytest.mark.parametrize("style", ["class", "instance"])
def test_wrong_options(values, message, style):
    if style == "class":
        options = type("Options", (CacheMeOptions,), values)
    else:

        class options(CacheMeOptions):
            def __init__(self, model_class):
                super().__init__(model_class)
                self.__dict__.update(values)

    with pytest.raises(RegistrationError) as caught:
        CacheMeRegistry().register(Plain, options)
    assert message in str(caught.value)


def test_options_that_forget_super():
    class Options(CacheMeOptions):
        def __init__(self, model_class):
            self.cache_table = True

    with pytest.raises(RegistrationError, match=r"must call super\(\)"):
        CacheMeRegistry().register(Plain, Options)


def test_options_may_have_methods_and_private_names():
    class Options(CacheMeOptions):
        _note = 1

        def describe(self):
            return self.model_class.__name__

    registry = CacheMeRegistry()
    registry.register(Plain, Options)
    assert registry.get_options(Plain).describe() == "Plain"


def test_an_import_error_in_cache_me_is_raised(tmp_path, monkeypatch):
    from django.apps import apps

    package = tmp_path / "faulty_app"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "cache_me.py").write_text("import there_is_no_such_module\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    from django.apps import AppConfig

    config = AppConfig.create("faulty_app")
    monkeypatch.setitem(apps.app_configs, "faulty_app", config)
    with pytest.raises(ImportError, match="there_is_no_such_module"):
        autodiscover()
    sys.modules.pop("faulty_app.cache_me", None)


def test_wrong_timeout_of_cache():
    for wrong in (0, -1, "5", True):
        with pytest.raises(RegistrationError, match="positive number of seconds"):
            Product.objects.all().cache(timeout=wrong)
