"""Foreign keys forwards by plans: what comes is Django's own, both sides keep it, and nothing is stale."""
# ruff: noqa: B018  (attributes are what is tested)

from __future__ import annotations

import contextlib
import copy
import pickle
import uuid

import pytest
from django.core.exceptions import ObjectDoesNotExist
from django.db import connections, models, router, transaction
from django.db.models.fields.related_descriptors import ForwardManyToOneDescriptor
from django.db.models.manager import Manager
from django.db.models.signals import post_init, pre_init
from django.test import override_settings
from django.test.utils import isolate_apps

from django_cache_me import _engine, counters
from django_cache_me.reading import forward_access, learning
from django_cache_me.registry import cache_me_registry

from .looking import seen
from .shapes.models import Child, Grandchild, Linked, Parent, Plain, Proxy, Single, SingleKey, Target
from .shop.models import Category, Detail, Product, ProductProxy, Review
from .shop.models import Plain as Unregistered

pytestmark = [
    pytest.mark.skipif(not _engine.CAN_RECORD, reason="nothing is recorded without the GIL"),
    pytest.mark.usefixtures("new_shapes"),
]
ENOUGH = 4


@pytest.fixture
def goods(alias):
    parent = Category.objects.using(alias).create(name="all")
    for i in range(3):
        category = Category.objects.using(alias).create(name=f"c{i}", parent=parent)
        product = Product.objects.using(alias).create(name=f"p{i}", category=category)
        Detail.objects.using(alias).create(product=product, text=f"d{i}")
        Review.objects.using(alias).create(product=product, text=f"r{i}")
    return alias


@pytest.fixture
def shapes(alias):
    plain = Plain.objects.using(alias).create(name="a", number=1)
    other = Plain.objects.using(alias).create(name="b", number=2)
    target = Target.objects.using(alias).create(code="x")
    Linked.objects.using(alias).create(first=plain, second=other, target=target)
    Single.objects.using(alias).create(plain=plain, text="s")
    SingleKey.objects.using(alias).create(plain=other, text="k")
    Grandchild.objects.using(alias).create(name="g", plain=plain, extra="e", more="m")
    return alias


def graph(thing, known=None):
    """All that hangs on an instance: its attributes and its state's in their order, and what is the same."""
    known = {} if known is None else known
    if isinstance(thing, models.Model):
        if id(thing) in known:
            return "again", known[id(thing)]
        known[id(thing)] = len(known)
        own = [(name, graph(value, known)) for name, value in thing.__dict__.items() if name != "_state"]
        state = [(name, graph(value, known)) for name, value in thing._state.__dict__.items()]
        return type(thing), own, type(thing._state), state
    if isinstance(thing, dict):
        return [(name, graph(value, known)) for name, value in thing.items()]
    return type(thing), thing


def as_django(ask):
    with override_settings(DJANGO_CACHE_ME_ON=False):
        return ask()


def hits_by_plan(ask, times=ENOUGH):
    """How many hits by a plan of its own one more access makes, once the relation was met often enough."""
    for _ in range(times):
        ask()
    before = _engine.forward_hits()
    ask()
    return _engine.forward_hits() - before


def loaded(model, alias, **filters):
    return model.objects.using(alias).no_cache.get(**filters)


CODE = uuid.uuid4()


def _of_database(instance, alias):
    if alias != "default":
        instance._state.db = alias
    return instance


#: An instance and the name of its relation.
RELATIONS = {
    "a foreign key": lambda a: (loaded(Product, a, name="p1"), "category"),
    "to the model itself": lambda a: (loaded(Category, a, name="c1"), "parent"),
    "of a proxy": lambda a: (loaded(ProductProxy, a, name="p1"), "category"),
    "one to one": lambda a: (loaded(Detail, a, text="d1"), "product"),
    "to a model with own managers": lambda a: (loaded(Review, a, text="r1"), "product"),
    "with some columns": lambda a: (
        Product.objects.using(a).no_cache.only("category_id").get(name="p1"),
        "category",
    ),
    "that was never saved": lambda a: (
        _of_database(Product(category_id=loaded(Category, a, name="c1").pk, code=CODE), a),
        "category",
    ),
}


@pytest.mark.parametrize("name", RELATIONS)
def test_hits_are_djangos_down_to_what_both_sides_keep(goods, name):
    def ask():
        instance, relation = RELATIONS[name](goods)
        getattr(instance, relation)
        return instance

    assert hits_by_plan(ask) == 1, learning.refusals
    assert graph(ask()) == graph(as_django(ask))


#: The same for models of all shapes.
SHAPES = {
    "first": lambda a: (loaded(Linked, a), "first"),
    "second": lambda a: (loaded(Linked, a), "second"),
    "to a field": lambda a: (loaded(Linked, a), "target"),
    "one to one": lambda a: (loaded(Single, a), "plain"),
    "primary key": lambda a: (loaded(SingleKey, a), "plain"),
    "of a parent's table": lambda a: (loaded(Parent, a), "plain"),
    "of its proxy": lambda a: (loaded(Proxy, a), "plain"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_of_relations(shapes, name):
    def ask():
        instance, relation = SHAPES[name](shapes)
        getattr(instance, relation)
        return instance

    assert hits_by_plan(ask) == 1, learning.refusals
    assert graph(ask()) == graph(as_django(ask))


#: Those that stay Django's.
DJANGOS = {
    "a parent's field": lambda a: (loaded(Child, a), "plain"),
    "a grandparent's field": lambda a: (loaded(Grandchild, a), "plain"),
    "a parent link": lambda a: (loaded(Child, a), "parent_ptr"),
    "a link to a child": lambda a: (loaded(Grandchild, a), "child_ptr"),
    "a link of an instance with some columns": lambda a: (
        Child.objects.using(a).no_cache.only("extra").get(),
        "parent_ptr",
    ),
    "a value that Django converts": lambda a: (
        _changed(loaded(Linked, a), first_id=str(loaded(Linked, a).first_id)),
        "first",
    ),
}


def _changed(instance, **attributes):
    instance.__dict__.update(attributes)
    return instance


@pytest.mark.parametrize("name", DJANGOS)
def test_others_stay_djangos(shapes, name):
    def ask():
        instance, relation = DJANGOS[name](shapes)
        getattr(instance, relation)
        return instance

    assert hits_by_plan(ask) == 0
    assert graph(ask()) == graph(as_django(ask))


def test_a_hit_asks_the_database_nothing_and_gives_a_new_object_each_time(goods):
    def ask():
        return loaded(Product, goods, name="p1").category

    assert hits_by_plan(ask) == 1
    product = loaded(Product, goods, name="p1")
    with seen(goods) as saw:
        category = product.category
    assert saw.statements == []
    assert (saw.hits, saw.misses) == (1, 0)
    assert product.category is category
    category.name = "changed"
    assert ask().name == "c1"


def test_what_is_known_already_is_given(goods):
    for _ in range(ENOUGH):
        loaded(Product, goods, name="p1").category
    product = loaded(Product, goods, name="p1")
    other = loaded(Category, goods, name="c2")
    product.category = other
    assert product.category is other
    assert loaded(Category, goods, name="c1") == as_django(lambda: loaded(Product, goods, name="p1").category)
    product = Product.objects.using(goods).no_cache.select_related("category").get(name="p1")
    known = product._state.fields_cache["category"]
    with seen(goods) as saw:
        assert product.category is known
    assert (saw.hits, saw.misses, saw.statements) == (0, 0, [])
    product.category_id = other.pk
    assert product.category == other
    product.category = None
    assert product.category is None


def test_no_value_and_no_object(goods):
    def broken(model, **attributes):
        instance = _changed(model(), **attributes)
        instance._state.db = goods
        return instance

    for _ in range(ENOUGH):
        assert loaded(Product, goods, name="p1").category is not None
        assert broken(Product).category is None
        with pytest.raises(Review.product.RelatedObjectDoesNotExist, match="Review has no product"):
            broken(Review).product
        loaded(Review, goods, text="r1").product
        missing = broken(Review, product_id=10**6)
        with pytest.raises(Product.DoesNotExist) as raised:
            missing.product
        assert type(raised.value) is Product.DoesNotExist
        assert "product" not in missing._state.fields_cache
    for value in (2**70, -(2**70), 10**12, 0):
        with pytest.raises((Product.DoesNotExist, OverflowError)) as raised:
            broken(Review, product_id=value).product
        with pytest.raises(raised.type):
            as_django(lambda value=value: broken(Review, product_id=value).product)


def test_no_write_is_missed(goods):
    def ask():
        return [
            (review.product.name, review.product.category and review.product.category.name)
            for review in Review.objects.using(goods).no_cache.order_by("id")
        ]

    assert hits_by_plan(ask) == 6
    product = loaded(Product, goods, name="p1")
    category = loaded(Category, goods, name="c1")
    other = loaded(Category, goods, name="c2")

    def save():
        category.name = "renamed"
        category.save()

    def move():
        product.category = other
        product.save()

    def raw():
        with connections[goods].cursor() as cursor:
            cursor.execute("UPDATE shop_product SET name = 'raw' WHERE id = %s", [product.pk])

    def delete():
        other.delete()

    writes = [
        save,
        lambda: Category.objects.using(goods).filter(name="c0").update(name="updated"),
        move,
        raw,
        lambda: Product.objects.using(goods).bulk_update([_changed(product, name="bulk")], ["name"]),
        delete,
        lambda: product.reviews.all().delete(),
    ]
    for write in writes:
        ask()
        write()
        assert ask() == as_django(ask)
        assert ask() == as_django(ask)


def test_writes_in_a_transaction(goods):
    def ask():
        return loaded(Product, goods, name="p1").category.name

    assert hits_by_plan(ask) == 1
    with transaction.atomic(using=goods):
        Category.objects.using(goods).filter(name="c1").update(name="within")
        assert ask() == "within"
        with contextlib.suppress(ZeroDivisionError), transaction.atomic(using=goods):
            Category.objects.using(goods).filter(name="within").update(name="deeper")
            assert ask() == ask() == "deeper"
            raise ZeroDivisionError
        assert ask() == ask() == "within"
        transaction.set_rollback(True, using=goods)
    assert ask() == ask() == "c1"
    with transaction.atomic(using=goods):
        Category.objects.using(goods).filter(name="c1").update(name="kept")
    assert ask() == ask() == "kept"


def test_a_broken_transaction_raises(goods):
    product = loaded(Product, goods, name="p1")
    assert hits_by_plan(lambda: _fresh(product).category) == 1
    with transaction.atomic(using=goods):
        transaction.set_rollback(True, using=goods)
        with pytest.raises(transaction.TransactionManagementError):
            _fresh(product).category


def _fresh(instance):
    """The same without what it keeps."""
    made = object.__new__(type(instance))
    made.__dict__.update(instance.__dict__)
    made._state = copy.copy(instance._state)
    made._state.fields_cache = {}
    return made


def test_off_the_same_keys_come_out(goods):
    def ask():
        for model, name in ((Product, "category"), (Review, "product"), (Detail, "product")):
            for instance in model.objects.using(goods).no_cache.order_by("id"):
                getattr(instance, name)

    with override_settings(DJANGO_CACHE_ME_CHAINS=False):
        ask()
    before = counters.stats()
    assert hits_by_plan(ask) == 9
    after = counters.stats()
    assert after["misses"] == before["misses"]
    assert after["hits"] - before["hits"] == 9 * (ENOUGH + 1)


def test_its_entries_are_those_of_get(goods):
    def ask():
        return loaded(Product, goods, name="p1").category

    assert hits_by_plan(ask) == 1
    category = ask()
    category.save()
    with seen(goods) as saw:
        assert Category.objects.using(goods).get(id=category.pk) == category
        assert ask() == category
    assert (saw.misses, saw.hits) == (1, 1)


def test_the_switches_count_at_once(goods):
    def ask():
        return loaded(Product, goods, name="p1").category

    assert hits_by_plan(ask) == 1
    with override_settings(DJANGO_CACHE_ME_ON=False), seen(goods) as saw:
        ask()
    assert (saw.hits, len(saw.statements)) == (0, 2)
    with override_settings(DJANGO_CACHE_ME_CHAINS=False), seen(goods) as saw:
        ask()
    assert (saw.hits, len(saw.statements)) == (1, 1)
    assert hits_by_plan(ask) == 1
    options = cache_me_registry.get_options(Category)
    options.cache_queryset = False
    try:
        with seen(goods) as saw:
            ask()
        assert (saw.hits, len(saw.statements)) == (0, 2)
    finally:
        del options.cache_queryset


def test_who_listens_to_instances_hears_of_each(goods):
    def ask():
        return loaded(Product, goods, name="p1").category

    assert hits_by_plan(ask) == 1
    heard = []

    def listen(sender, **kwargs):
        heard.append(sender)

    for signal in (pre_init, post_init):
        signal.connect(listen, sender=Category)
        try:
            ask()
            assert heard == [Category]
        finally:
            signal.disconnect(listen, sender=Category)
        heard.clear()
    assert hits_by_plan(ask) == 1


class _Recording:
    """A router that says where to read, and is asked in its own way."""

    asked = []
    answer = None

    def db_for_read(self, model, **hints):
        if model is Category:
            self.asked.append(hints)
            return self.answer
        return None


@pytest.fixture
def routed(monkeypatch):
    made = _Recording()
    monkeypatch.setattr(_Recording, "asked", [])
    monkeypatch.setattr(router, "routers", [made])
    return made


def test_without_routers_the_instance_decides(goods, monkeypatch):
    monkeypatch.setattr(router, "routers", [])
    product = loaded(Product, goods, name="p1")
    assert hits_by_plan(lambda: _fresh(product).category) == 1
    assert _fresh(product).category._state.db == goods
    here = Category.objects.using("default").create(pk=10**6 + 1, name="here")
    product.category_id = here.pk
    product._state.db = None
    try:
        assert hits_by_plan(lambda: _fresh(product).category) == 1
        assert _fresh(product).category._state.db == "default"
    finally:
        here.delete()
    with pytest.raises(Category.DoesNotExist):
        _fresh(product).category


def test_routers_decide(goods, routed):
    product = loaded(Product, goods, name="p1")
    product._state.db = None
    _Recording.answer = goods
    assert hits_by_plan(lambda: _fresh(product).category) == 1
    routed.asked.clear()
    one = _fresh(product)
    assert one.category._state.db == goods
    assert len(routed.asked) == 1
    assert list(routed.asked[0]) == ["instance"]
    assert routed.asked[0]["instance"] is one


def test_a_router_that_changes_its_mind(sqlite, routed):
    here = Category.objects.using("default").create(name="here")
    Category.objects.using("other").filter(pk=here.pk).delete()
    Category.objects.using("other").create(pk=here.pk, name="there")
    product = Product(category_id=here.pk)
    try:
        for _ in range(3):
            for _Recording.answer, name in (("default", "here"), ("other", "there")):
                for _ in range(ENOUGH):
                    category = _fresh(product).category
                    assert (category.name, category._state.db) == (name, _Recording.answer)
    finally:
        Category.objects.using("other").filter(pk=here.pk).delete()
    _Recording.answer = "default"
    assert hits_by_plan(lambda: _fresh(product).category) == 1


def test_refreshing_asks_the_database(goods):
    product = loaded(Product, goods, name="p1")
    assert hits_by_plan(lambda: _fresh(product).category) == 1

    class Refreshing(Exception):
        pass

    with seen(goods) as saw:
        deferred = Product.objects.using(goods).no_cache.only("name").get(name="p1")
        assert deferred.category.name == "c1"
    assert len(saw.statements) == 2  # the product, its foreign key
    assert saw.hits == 1


@pytest.mark.skipif(forward_access._FETCH_ONE is None, reason="Django 6.1+")
def test_fetch_modes(goods):
    from django.core.exceptions import FieldFetchBlocked
    from django.db.models import FETCH_PEERS, FETCH_RAISE

    def ask(mode):
        products = Product.objects.using(goods).no_cache.order_by("id").fetch_mode(mode)
        products = list(products)
        for product in products:
            product.category
        return products

    for mode in (FETCH_PEERS, forward_access._FETCH_ONE):
        for _ in range(ENOUGH):
            ask(mode)
        ones, others = ask(mode), as_django(lambda mode=mode: ask(mode))
        for one, other in zip(ones, others):
            assert one.category == other.category
            assert one.category._state.fetch_mode is other.category._state.fetch_mode is mode
    for _ in range(ENOUGH):
        with pytest.raises(FieldFetchBlocked, match=r"Fetching of Product\.category blocked"):
            ask(FETCH_RAISE)
    assert hits_by_plan(lambda: ask(forward_access._FETCH_ONE)) == 3
    product = loaded(Product, goods, name="p1")
    product._state.fetch_mode = FETCH_PEERS
    product._state.peers = ()
    before = _engine.forward_hits()
    assert product.category._state.fetch_mode is FETCH_PEERS
    assert _engine.forward_hits() == before


def _narrowed(to):
    class NarrowKey(models.ForeignKey):
        def get_extra_descriptor_filter(self, instance):
            return {"number": 1}

    class Narrowed(models.Model):
        first = NarrowKey(to, models.CASCADE, related_name="+")

        class Meta:
            app_label, managed, db_table = "shapes", False, "shapes_linked"

    return Narrowed, "first"


def _of_own_descriptor(to):
    class Counting(ForwardManyToOneDescriptor):
        asked = 0

        def get_object(self, instance):
            type(self).asked += 1
            return super().get_object(instance)

    class CountingKey(models.ForeignKey):
        forward_related_accessor_class = Counting

    class Counted(models.Model):
        first = CountingKey(to, models.CASCADE, related_name="+")

        class Meta:
            app_label, managed, db_table = "shapes", False, "shapes_linked"

    return Counted, "first"


def _over_two_columns(to):
    class Twofold(models.Model):
        first = models.ForeignKey(to, models.CASCADE, related_name="+")
        second = models.IntegerField(db_column="second_id")
        both = models.ForeignObject(
            to, models.CASCADE, from_fields=["first", "second"], to_fields=["id", "number"], related_name="+"
        )

        class Meta:
            app_label, managed, db_table = "shapes", False, "shapes_linked"

    return Twofold, "both"


def _of_own_getattribute(to):
    class Odd(models.Model):
        first = models.ForeignKey(to, models.CASCADE, related_name="+")

        class Meta:
            app_label, managed, db_table = "shapes", False, "shapes_linked"

        def __getattribute__(self, name):
            return super().__getattribute__(name)

    return Odd, "first"


@pytest.mark.parametrize("make", [_narrowed, _of_own_descriptor, _over_two_columns, _of_own_getattribute])
def test_relations_of_ones_own_stay_djangos(shapes, make):
    linked = loaded(Linked, shapes)
    with isolate_apps("tests.shapes"):
        model, name = make(Plain)

    def ask():
        instance = model.objects.using(shapes).get(pk=linked.pk)
        try:
            return getattr(instance, name)
        except ObjectDoesNotExist as error:
            return type(error)

    assert hits_by_plan(ask) == 0
    Plain.objects.using(shapes).update(number=linked.second_id)
    assert ask() == ask() == as_django(ask)
    Plain.objects.using(shapes).update(number=1)
    assert ask() == ask() == as_django(ask)
    if make is _of_own_descriptor:
        assert vars(model)["first"].asked == ENOUGH + 7


def test_base_managers_of_ones_own_stay_djangos(shapes):
    class Even(Manager):
        def get_queryset(self):
            return super().get_queryset().filter(number=2)

    meta, before = Plain._meta, Plain._meta.base_manager_name
    linked = loaded(Linked, shapes)
    assert hits_by_plan(lambda: _fresh(linked).first) == 1
    manager = Even()
    manager.name, manager.model = "evens", Plain
    meta.local_managers.append(manager)
    try:
        meta.base_manager_name = "evens"
        meta._expire_cache()
        for _ in range(ENOUGH):
            with pytest.raises(Plain.DoesNotExist):
                _fresh(linked).first
        assert hits_by_plan(lambda: _fresh(linked).second) == 0
        assert _fresh(linked).second.name == "b"
    finally:
        meta.base_manager_name = before
        meta.local_managers.remove(manager)
        meta._expire_cache()
    assert _fresh(linked).first.name == "a"


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (ForwardManyToOneDescriptor, "get_object"),
        (ForwardManyToOneDescriptor, "get_queryset"),
        (ForwardManyToOneDescriptor, "__get__"),
        (models.ForeignKey, "get_extra_descriptor_filter"),
        (models.ForeignKey, "get_reverse_related_filter"),
        (models.ForeignKey, "get_local_related_value"),
        (models.QuerySet, "get"),
        (Manager, "get_queryset"),
        (Manager, "db_manager"),
        (Manager, "all"),
    ],
)
def test_methods_that_are_replaced_are_called(goods, monkeypatch, owner, name):
    product = loaded(Product, goods, name="p1")
    assert hits_by_plan(lambda: _fresh(product).category) == 1
    called, original = [], getattr(owner, name)

    def method(self, *args, **kwargs):
        called.append(args)
        return original(self, *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, method)
        if name == "fetch_mode" or (owner is Manager and name == "all" and forward_access._FETCH_ONE):
            return  # Django 6.1 doesn't call it
        assert _fresh(product).category.name == "c1"
        assert called


@pytest.mark.parametrize("of", ["descriptor", "manager"])
def test_methods_of_one_object_that_are_replaced_are_called(goods, of):
    product = loaded(Product, goods, name="p1")
    assert hits_by_plan(lambda: _fresh(product).category) == 1
    thing, name = {
        "descriptor": (Product.category, "get_object"),
        "manager": (Category._base_manager, "get_queryset"),
    }[of]
    called, original = [], getattr(thing, name)

    def method(*args, **kwargs):
        called.append(args)
        return original(*args, **kwargs)

    vars(thing)[name] = method
    try:
        with contextlib.suppress(Category.DoesNotExist):  # the method is bound to no database
            assert _fresh(product).category.name == "c1"
        assert called
    finally:
        del vars(thing)[name]
    assert hits_by_plan(lambda: _fresh(product).category) == 1


def test_the_descriptor_is_djangos_to_look_at(goods):
    descriptor = Product.category
    assert type(descriptor) is ForwardManyToOneDescriptor
    assert descriptor.__get__(None, Product) is descriptor
    product = loaded(Product, goods, name="p1")
    assert descriptor.__get__(product, Product) is product.category
    assert descriptor.__get__(product) is product.category
    with pytest.raises(TypeError):
        descriptor.__get__()
    assert ForwardManyToOneDescriptor.__get__.__name__ == "__get__"
    assert pickle.loads(pickle.dumps(product)).category == product.category
    assert pickle.loads(pickle.dumps(descriptor)) is descriptor
    assert copy.deepcopy(product).category == product.category


def test_relations_to_models_that_are_not_registered(goods):
    with isolate_apps("tests.shop"):

        class Pointing(models.Model):
            to = models.ForeignKey(Unregistered, models.CASCADE, related_name="+")

            class Meta:
                app_label, managed = "shop", False

    plain = Unregistered.objects.using(goods).create(name="x")
    pointing = Pointing(to_id=plain.pk)
    pointing._state.db = goods
    assert hits_by_plan(lambda: _fresh(pointing).to) == 0
    assert not learning.refusals
    with seen(goods) as saw:
        assert _fresh(pointing).to == plain
    assert (saw.hits, saw.misses, len(saw.statements)) == (0, 0, 1)


def test_keys_of_other_types(alias):
    with isolate_apps("tests.shapes"):

        class Coded(models.Model):
            code = models.ForeignKey(
                Product, models.CASCADE, to_field="code", db_column="code", related_name="+"
            )

            class Meta:
                app_label, managed = "shapes", False

    product = Product.objects.using(alias).create(name="p", code=uuid.uuid4())
    other = Product.objects.using(alias).create(name="q", code=uuid.uuid4())
    for code in (product.code, other.code):
        one = Coded(code_id=code)
        one._state.db = alias
        assert hits_by_plan(lambda one=one: _fresh(one).code) == 1, learning.refusals
        assert graph(_fresh(one).code) == graph(as_django(lambda one=one: _fresh(one).code))


def test_first_sights_are_djangos(goods):
    product = loaded(Product, goods, name="p1")
    for sight in range(1, learning.LEARN_AT + 2):
        before = _engine.forward_hits()
        _fresh(product).category
        assert _engine.forward_hits() - before == (sight > learning.LEARN_AT)
