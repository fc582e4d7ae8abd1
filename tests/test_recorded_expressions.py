"""Steps whose arguments are expressions: Q trees of any form, annotations by plain aggregates, querysets."""

from __future__ import annotations

import functools

import django
import pytest
from django.db.models import Avg, Count, Exists, F, Manager, Max, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Length
from django.test import override_settings

from django_cache_me import _engine
from django_cache_me.reading import learning

from .shop.models import Category, Product, Review, Tag

pytestmark = [
    pytest.mark.skipif(not _engine.CAN_RECORD, reason="nothing is recorded without the GIL"),
    pytest.mark.usefixtures("new_shapes"),
]


@pytest.fixture
def goods(alias):
    categories = [Category.objects.using(alias).create(name=f"c{i}") for i in range(3)]
    tags = [Tag.objects.using(alias).create(word=f"t{i}") for i in range(4)]
    for i in range(12):
        product = Product.objects.using(alias).create(
            name=f"p{i % 3}", category=categories[i % 3], price=i, weight=i / 2, active=i % 2 == 0
        )
        product.tags.set(tags[: i % 4])
        for n in range(i % 3):
            Review.objects.using(alias).create(product=product, text=str(n))
    return alias


def described(found):
    if isinstance(found, list):
        return [described(one) for one in found]
    if hasattr(found, "__dict__"):
        return type(found), {name: value for name, value in vars(found).items() if name != "_state"}
    return type(found), found


#: Of a manager of products and a number from 0 to 2, which never makes another shape.
BY_PLAN = {
    "or": lambda m, n: list(m.filter(Q(price=n) | Q(name=f"p{n}")).order_by("id")),
    "not": lambda m, n: list(m.filter(~Q(name=f"p{n}")).order_by("id")),
    "or within and": lambda m, n: list(
        m.filter(Q(active=True) & (Q(price__gt=n) | ~Q(name=f"p{n}")), weight__gte=0.5).order_by("id")
    ),
    "not within or": lambda m, n: list(
        m.filter(Q(price=n) | ~(Q(active=True) & Q(weight__lt=n))).order_by("id")
    ),
    "excluded": lambda m, n: list(m.exclude(Q(price=n) | Q(category__name=f"c{n}")).order_by("id")),
    "over a join": lambda m, n: list(
        m.filter(Q(tags__word=f"t{n}") | Q(category__name=f"c{n}")).distinct().order_by("id")
    ),
    "in and none": lambda m, n: list(
        m.filter(Q(name__in=[f"p{n}", "x"]) | Q(made=None) & Q(price__range=(n, 9))).order_by("id")
    ),
    "get": lambda m, n: m.get(Q(price=n) | Q(price=-1), name=f"p{n}"),
    "count": lambda m, n: m.filter(Q(price=n) | Q(name=f"p{n}")).count(),
    "counted": lambda m, n: list(m.filter(price__gte=n).annotate(n=Count("tags")).order_by("id")),
    "counted apart": lambda m, n: list(
        m.annotate(tag=Count("tags", distinct=True), said=Count("reviews", distinct=True))
        .filter(tag__gte=n)
        .order_by("-said", "id")[:5]
    ),
    "by position": lambda m, n: list(m.filter(price__gte=n).annotate(Max("reviews__text")).order_by("id")),
    "grouped": lambda m, n: list(
        m.filter(price__gte=n).values("name").annotate(n=Count("id"), top=Max("weight")).order_by("name")
    ),
    "grouped pairs": lambda m, n: list(
        m.filter(price__gte=n)
        .values_list("category__name")
        .annotate(n=Sum("weight"))
        .order_by("category__name")
    ),
    "annotated, then counted": lambda m, n: m.annotate(n=Count("tags")).filter(n__gt=n).count(),
    "annotated, then aggregated": lambda m, n: m.annotate(n=Count("tags"))
    .filter(n__gte=n)
    .aggregate(a=Avg("n")),
    "annotated, then the first": lambda m, n: m.annotate(n=Count("tags"))
    .filter(n__gte=n)
    .order_by("id")
    .first(),
    "annotated and joined": lambda m, n: list(
        m.select_related("category").annotate(n=Count("tags")).filter(n__gte=n).order_by("id")
    ),
}
BY_PLAN.update(
    {
        "a column": lambda m, n: list(m.filter(price__gt=F("weight"), price__lt=n + 6).order_by("id")),
        "a column in a Q": lambda m, n: list(m.filter(Q(price=F("weight")) | Q(price=n)).order_by("id")),
        "a column of another table": lambda m, n: list(
            m.exclude(name=F("category__name")).filter(price__gte=n).order_by("id")
        ),
        "a column within": lambda m, n: list(
            m.filter(Q(active=True) | ~Q(price__gt=F("weight")), price__gte=n).order_by("id")
        ),
        "a column got": lambda m, n: m.get(price=n, weight__lte=F("price")),
        "a column that is annotated": lambda m, n: list(
            m.annotate(n=Count("tags")).filter(weight__gte=F("n"), price__gte=n).order_by("id")
        ),
    }
)
BY_PLAN.update(
    {
        "a queryset": lambda m, n: list(
            m.filter(category__in=Category.objects.filter(name=f"c{n}"), price__gte=n).order_by("id")
        ),
        "a queryset of all": lambda m, n: list(
            m.filter(category__in=Category.objects.all(), price__gte=n).order_by("id")
        ),
        "a queryset excluded": lambda m, n: list(
            m.exclude(pk__in=Product.objects.filter(price__gt=n, name__in=["p1", "p2"])).order_by("id")
        ),
        "a queryset of values": lambda m, n: list(
            m.filter(name__in=Product.objects.filter(price=n).order_by("weight").values("name")).order_by(
                "id"
            )
        ),
        "a queryset of pairs' first": lambda m, n: list(
            m.filter(pk__in=Review.objects.filter(text=str(n)).values_list("product", flat=True)).order_by(
                "id"
            )
        ),
        "a queryset in a queryset": lambda m, n: list(
            m.filter(
                category__in=Category.objects.filter(
                    pk__in=Product.objects.filter(price=n).values("category"), name__gt=f"b{n}"
                ),
                price__lt=9,
            ).order_by("id")
        ),
        "a queryset in a Q": lambda m, n: list(
            m.filter(
                Q(tags__in=Tag.objects.filter(word=f"t{n}"))
                | ~Q(category__in=Category.objects.exclude(name="c1"))
            )
            .distinct()
            .order_by("id")
        ),
        "a queryset by an instance": lambda m, n: list(
            m.filter(pk__in=Product.objects.filter(category=Category(pk=n + 1)), price__gte=n).order_by("id")
        ),
        "a queryset that is annotated": lambda m, n: list(
            m.filter(
                category__in=Category.objects.annotate(n=Count("products")).filter(n__gt=n).values("pk")
            ).order_by("id")
        ),
        "a queryset, counted": lambda m, n: m.filter(
            category__in=Category.objects.filter(name=f"c{n}")
        ).count(),
        "a queryset, got": lambda m, n: m.get(category__in=Category.objects.filter(name=f"c{n}"), price=n),
    }
)
#: These are answered all the same, by Django's own building.
NOT_BY_PLAN = {
    "an expression in a Q": lambda m, n: list(m.filter(Q(price=F("weight") * 2) | Q(price=n)).order_by("id")),
    "an expression": lambda m, n: list(m.filter(price__gt=F("weight") + n).order_by("id")),
    "an expression that is joined": lambda m, n: list(
        m.filter(Q(Exists(Review.objects.filter(product=OuterRef("pk")))) | Q(price=n)).order_by("id")
    ),
    "an annotation with a filter": lambda m, n: list(
        m.annotate(n=Count("tags", filter=Q(tags__word=f"t{n}"))).order_by("id")
    ),
    "an annotation by a function": lambda m, n: list(m.annotate(n=Length("name")).order_by("id")),
    "an annotation by a sum": lambda m, n: list(m.annotate(n=F("weight") + n).order_by("id")),
    "a queryset and another database": lambda m, n: list(
        m.filter(category__in=Category.objects.using(m.db).filter(name=f"c{n}")).order_by("id")
    ),
    "a related manager's queryset": lambda m, n: list(
        m.filter(pk__in=Category(pk=n + 1).products.all()).order_by("id")
    ),
    "querysets together": lambda m, n: list(
        m.filter(
            category__in=Category.objects.filter(name=f"c{n}") | Category.objects.filter(name="c2")
        ).order_by("id")
    ),
    "nothing in a Q": lambda m, n: list(m.filter(Q(), price=n).order_by("id")),
}


class Marked(Q):
    pass


def answers(alias, ask):
    return [described(ask(Product.objects.using(alias), n)) for n in range(3)]


def assert_never_by_plan(alias, ask):
    with override_settings(DJANGO_CACHE_ME_ON=False):
        expected = answers(alias, ask)
    for _ in range(7):
        before = _engine.recorded_hits()
        assert answers(alias, ask) == expected
        assert _engine.recorded_hits() == before


@pytest.mark.parametrize("name", [*BY_PLAN, *NOT_BY_PLAN])
def test_expressions_are_djangos(goods, name):
    ask = {**BY_PLAN, **NOT_BY_PLAN}[name]
    with override_settings(DJANGO_CACHE_ME_ON=False):
        expected = answers(goods, ask)
    for _ in range(7):
        assert answers(goods, ask) == expected
    before = _engine.recorded_hits()
    assert answers(goods, ask) == expected
    assert _engine.recorded_hits() - before == (3 if name in BY_PLAN else 0), learning.refusals


@pytest.mark.parametrize("name", BY_PLAN)
def test_their_keys_are_those_without_chains(goods, name):
    from django_cache_me import stats

    for _ in range(7):
        answers(goods, BY_PLAN[name])
    before = stats()["hits"]
    with override_settings(DJANGO_CACHE_ME_CHAINS=False):
        answers(goods, BY_PLAN[name])
    assert stats()["hits"] - before == 3


def test_writes_are_seen(goods):
    ask = {name: BY_PLAN[name] for name in ("or", "counted", "grouped")}
    for _ in range(7):
        for one in ask.values():
            answers(goods, one)
    product = Product.objects.using(goods).get(price=1)
    product.tags.add(Tag.objects.using(goods).get(word="t3"))
    product.name = "p2"
    product.save()
    for one in ask.values():
        with override_settings(DJANGO_CACHE_ME_ON=False):
            expected = answers(goods, one)
        assert answers(goods, one) == expected


def test_trees_of_another_form_are_others(goods):
    """The same pairs, joined in other ways."""
    a, b, c = Q(price=1), Q(name="p2"), Q(active=True)
    trees = [a & b & c, a | b | c, a & (b | c), (a & b) | c, ~a | b, ~(a | b) & c, a | ~b | ~c, ~~a | b]
    if django.VERSION >= (4, 1) and goods != "postgresql":
        trees += [a ^ b, a ^ b ^ c, ~(a ^ b)]
    ask = [lambda m, n, tree=tree: list(m.filter(tree).order_by("id")) for tree in trees]
    with override_settings(DJANGO_CACHE_ME_ON=False):
        expected = [answers(goods, one) for one in ask]
    for _ in range(7):
        assert [answers(goods, one) for one in ask] == expected


def test_a_slice_within_is_djangos(goods):
    if goods == "mysql":
        pytest.skip("MySQL has no LIMIT in such a subquery")
    ask = lambda m, n: list(m.filter(pk__in=Product.objects.order_by("id")[n : n + 2]).order_by("id"))  # noqa: E731
    assert_never_by_plan(goods, ask)


def test_a_queryset_within_stays_as_it_was_at_the_call(goods):
    """Neither what becomes of it later, nor that it was evaluated, says anything to the one around it."""
    for _ in range(7):
        within = Category.objects.filter(name="c1")
        if goods == "default":
            len(within)
        found = Product.objects.using(goods).filter(category__in=within).order_by("id")
        within.query.set_empty()
        assert [one.price for one in found] == [1, 4, 7, 10]


def test_a_queryset_within_that_is_kept_is_used_again(goods):
    """Django takes its Query for the one around it; it stays recorded all the same."""
    for _ in range(3):
        list(Category.objects.using(goods).filter(name="c1"))
    for asked in (
        lambda m, n, within: list(m.filter(category__in=within, price__gt=n).order_by("id")),
        lambda m, n, within: m.get(category__in=within, price=3 * n + 1),
        lambda m, n, within: m.exclude(category__in=within).filter(price__gt=n).count(),
        lambda m, n, within: list(
            m.filter(~Q(category__in=within) | Q(price=n), price__gte=n).order_by("id")
        ),
    ):
        within = Category.objects.filter(name="c1")
        ask = functools.partial(asked, within=within)
        for _ in range(7):
            answers(goods, ask)
        before = _engine.recorded_hits()
        answers(goods, ask)
        assert _engine.recorded_hits() - before == 3


class Meddling(type(QuerySet)):
    """A class whose attributes are Python's to find, which drops all shapes on that occasion."""

    meddles = False

    def __getattribute__(cls, name):
        if type.__getattribute__(Meddling, "meddles"):
            _engine.forget_shapes()
        return super().__getattribute__(name)


def test_shapes_that_are_dropped_while_a_queryset_within_is_looked_at(goods):
    class Own(QuerySet, metaclass=Meddling):
        pass

    # CPython 3.12+ gives up numbering a class after a thousand changes.
    for number in range(1100):
        Own.number = number
        assert Own.filter
        _engine.is_plain_class(Own)
    manager = Manager.from_queryset(Own)()
    manager.model, manager.name = Category, "own"
    ask = lambda m, n: list(m.filter(category__in=manager.filter(name=f"c{n}")).order_by("id"))  # noqa: E731
    with override_settings(DJANGO_CACHE_ME_ON=False):
        expected = answers(goods, ask)
    for _ in range(7):
        assert answers(goods, ask) == expected
    Meddling.meddles = True
    try:
        for _ in range(50):
            assert answers(goods, ask) == expected
    finally:
        Meddling.meddles = False


def test_writes_to_a_querysets_table_are_seen(goods):
    ask = BY_PLAN["a queryset in a queryset"]
    for _ in range(7):
        answers(goods, ask)
    for change in (
        lambda: Category.objects.using(goods).filter(name="c1").update(name="a"),
        lambda: Product.objects.using(goods).filter(price=2).update(category=None),
        lambda: Category.objects.using(goods)
        .create(name="c9")
        .products.add(*Product.objects.using(goods).filter(price__in=[0, 3])),
    ):
        change()
        with override_settings(DJANGO_CACHE_ME_ON=False):
            expected = answers(goods, ask)
        assert answers(goods, ask) == expected


def test_a_queryset_within_of_a_class_with_its_own_ways_is_djangos(goods):
    """``resolve_expression`` is what Django makes a subquery by."""

    class Own(QuerySet):
        def resolve_expression(self, *args, **kwargs):
            return Category.objects.filter(name="c2").query.resolve_expression(*args, **kwargs)

    ask = lambda m, n: list(m.filter(category__in=Own(Category).filter(name="c1")).order_by("id"))  # noqa: E731
    for _ in range(7):
        before = _engine.recorded_hits()
        assert [one.price for one in ask(Product.objects.using(goods), 0)] == [2, 5, 8, 11]
        assert _engine.recorded_hits() == before


def test_a_queryset_with_two_columns_raises_at_once(goods):
    for _ in range(7):
        with pytest.raises((TypeError, ValueError)):
            Product.objects.using(goods).filter(category__in=Category.objects.values("pk", "name"))


def test_a_queryset_of_another_model_raises_at_once(goods):
    for _ in range(7):
        with pytest.raises(ValueError, match="Cannot use QuerySet"):
            Product.objects.using(goods).filter(category__in=Tag.objects.filter(word="t1"))


def test_a_tree_of_a_class_of_ones_own_is_djangos(goods):
    ask = lambda m, n: list(m.filter(Marked(price=n) | Marked(price=5)).order_by("id"))  # noqa: E731
    assert_never_by_plan(goods, ask)


def test_a_tree_is_as_it_was_at_the_call(goods):
    for _ in range(7):
        tree = Q(price=1) | Q(price=2)
        found = Product.objects.using(goods).filter(tree).order_by("id")
        tree.children.append(("price", 3))
        tree.negate()
        assert [one.price for one in found] == [1, 2]


def test_a_deep_tree_is_djangos(goods):
    def tree(n):
        made = Q(price=n)
        for i in range(20):
            made = ~(made | Q(price=100 + i)) if i % 2 else (made & ~Q(price=200 + i))
        return made

    ask = lambda m, n: list(m.filter(tree(n)).order_by("id"))  # noqa: E731
    with override_settings(DJANGO_CACHE_ME_ON=False):
        expected = answers(goods, ask)
    for _ in range(7):
        assert answers(goods, ask) == expected


def test_who_is_warned_of_a_query_is_warned_each_time(goods):
    """Django 6.1 warns when such a query is compiled, not when it's built."""
    if django.VERSION < (6, 1):
        pytest.skip("no version before warns of it")
    for _ in range(7):
        with pytest.warns(match="JSON"):
            list(Product.objects.using(goods).filter(about=None))


def test_an_annotation_that_is_a_field_raises_at_once(goods):
    for _ in range(7):
        with pytest.raises(ValueError, match="conflicts with a field"):
            Product.objects.using(goods).annotate(name=Count("tags"))
