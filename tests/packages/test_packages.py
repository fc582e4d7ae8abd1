"""Querysets of other packages: what they give through the cache is what they give without it."""

from __future__ import annotations

import django
import pytest
from django.db import connections
from django.db.models import Prefetch, Q
from django.test import override_settings
from django.utils import translation

from tests.judges.programs import portrait
from tests.looking import seen

from .installed import is_installed


def needs(module):
    return pytest.mark.skipif(
        not is_installed(module), reason=f"pip install 'django-cache-me[packages]': {module}"
    )


def asks_the_default_database(alias):
    if alias != "default" and django.VERSION < (4, 2):
        pytest.skip("the package's version for this Django asks the default database, whatever it was told")


def check(alias, read, hit=True):
    """The first and the second answer through the cache are Django's; the second asks nobody."""

    def taken():
        return portrait(lambda using, n, m: read(using), alias, 0, 0)

    with override_settings(DJANGO_CACHE_ME_ON=False):
        truth = taken()
    assert taken() == truth
    with seen(alias) as result:
        assert taken() == truth
    if hit:
        assert result.statements == []
        assert result.hits > 0
    return truth


# django-polymorphic.


@pytest.fixture
def animals(alias):
    from .animals.models import Creature, Fish, Owl, Place, Winged

    wood, lake = (Place.objects.using(alias).create(name=name) for name in ("wood", "lake"))
    Creature.objects.using(alias).create(name="thing")
    Winged.objects.using(alias).create(name="bat", wings=2, place=wood)
    Owl.objects.using(alias).create(name="owl", wings=2, place=wood)
    Fish.objects.using(alias).create(name="carp", fins=5, place=lake)
    return alias


POLYMORPHIC = {
    "all": lambda m, using: list(m.Creature.objects.using(using).order_by("pk")),
    "of a subclass": lambda m, using: list(m.Winged.objects.using(using).order_by("pk")),
    "get": lambda m, using: m.Creature.objects.using(using).get(name="owl"),
    "instance_of": lambda m, using: list(
        m.Creature.objects.using(using).instance_of(m.Winged).order_by("pk")
    ),
    "not_instance_of": lambda m, using: list(
        m.Creature.objects.using(using).not_instance_of(m.Owl).order_by("pk")
    ),
    "non_polymorphic": lambda m, using: list(
        m.Creature.objects.using(using).non_polymorphic().order_by("pk")
    ),
    "by a child's field": lambda m, using: list(
        m.Creature.objects.using(using).filter(Q(Winged___wings=2) | Q(Fish___fins=5)).order_by("pk")
    ),
    "related": lambda m, using: [
        list(place.creatures.order_by("pk")) for place in m.Place.objects.using(using).order_by("pk")
    ],
    "prefetched": lambda m, using: [
        sorted((type(creature).__name__, creature.name) for creature in place.creatures.all())
        for place in m.Place.objects.using(using).prefetch_related("creatures").order_by("pk")
    ],
    "select_related": lambda m, using: list(
        m.Creature.objects.using(using).select_related("place").order_by("pk")
    ),
    "values": lambda m, using: list(m.Creature.objects.using(using).order_by("pk").values("name")),
    "count": lambda m, using: m.Creature.objects.using(using).instance_of(m.Fish).count(),
    "annotated": lambda m, using: list(
        m.Creature.objects.using(using).extra(select={"twice": "1 + 1"}).order_by("pk")
    ),
    "deferred": lambda m, using: list(m.Creature.objects.using(using).defer("name").order_by("pk")),
}


@needs("polymorphic")
@pytest.mark.parametrize("kind", POLYMORPHIC)
def test_polymorphic(animals, kind):
    from .animals import models

    check(animals, lambda using: POLYMORPHIC[kind](models, using), hit=kind != "annotated")


@needs("polymorphic")
def test_polymorphic_writes_are_seen(animals):
    from .animals.models import Creature, Owl

    asks_the_default_database(animals)
    names = lambda using: [(type(c).__name__, c.name) for c in Creature.objects.using(using).order_by("pk")]  # noqa: E731
    check(animals, names)
    owl = Owl.objects.using(animals).get()
    owl.name, owl.hoots = "Uhu", False
    owl.save()
    assert ("Owl", "Uhu") in names(animals)
    check(animals, lambda using: [o.hoots for o in Creature.objects.using(using).instance_of(Owl)])
    Owl.objects.using(animals).update(wings=3)
    assert Creature.objects.using(animals).get(name="Uhu").wings == 3
    owl.delete()
    assert not any(kind == "Owl" for kind, _ in names(animals))
    check(animals, names)


# django-mptt.


def planted(alias):
    from .trees.models import Leaf, Node

    with_parents = {"a": None, "b": "a", "c": "a", "d": "b", "e": "d", "x": None, "y": "x"}
    nodes = {}
    for name, parent in with_parents.items():
        nodes[name] = Node(name=name, parent=nodes.get(parent))
        nodes[name].save(using=alias)
        nodes[name].refresh_from_db()
    Leaf.objects.using(alias).create(node=nodes["e"])
    return alias


@pytest.fixture
def tree(alias):
    return planted(alias)


def node(m, using, name):
    return m.Node.objects.using(using).get(name=name)


MPTT = {
    "all": lambda m, using: list(m.Node.objects.using(using).all()),
    "ancestors": lambda m, using: list(node(m, using, "e").get_ancestors()),
    "descendants": lambda m, using: list(node(m, using, "a").get_descendants(include_self=True)),
    "children": lambda m, using: list(node(m, using, "a").get_children()),
    "siblings": lambda m, using: list(node(m, using, "b").get_siblings()),
    "family": lambda m, using: list(node(m, using, "b").get_family()),
    "leaves": lambda m, using: list(node(m, using, "a").get_leafnodes()),
    "root": lambda m, using: node(m, using, "e").get_root(),
    "roots": lambda m, using: list(m.Node.objects.using(using).filter(level=0)),
    "counts": lambda m, using: [n.get_descendant_count() for n in m.Node.objects.using(using).all()],
    "cached trees": lambda m, using: [
        [child.name for child in root.get_children()]
        for root in m.Node.objects.using(using).all().get_cached_trees()
    ],
    "of a queryset": lambda m, using: list(
        m.Node.objects.db_manager(using).get_queryset_ancestors(
            m.Node.objects.using(using).filter(name__in=["e", "y"]), include_self=True
        )
    ),
    "a leaf's node": lambda m, using: [leaf.node for leaf in m.Leaf.objects.using(using).all()],
}


@needs("mptt")
@pytest.mark.parametrize("kind", MPTT)
def test_mptt(tree, kind):
    from .trees import models

    if kind == "root":
        asks_the_default_database(tree)

    check(tree, lambda using: MPTT[kind](models, using))


@needs("mptt")
def test_mptt_moves_are_seen(sqlite):
    """In the default database: mptt's moves write there, whatever the node's is."""
    from .trees import models

    tree = planted(sqlite)

    def whole(using):
        return [(n.name, n.level, n.lft, n.rght) for n in models.Node.objects.using(using).all()]

    check(tree, whole)
    moved, target = (models.Node.objects.using(tree).get(name=name) for name in "by")
    models.Node.objects.move_node(moved, target)
    check(tree, whole)
    assert [n.name for n in node(models, tree, "e").get_ancestors()] == ["x", "y", "b", "d"]
    node(models, tree, "d").delete()
    check(tree, whole)
    models.Node(name="z", parent=node(models, tree, "a")).save(using=tree)
    assert "z" in [n.name for n in node(models, tree, "a").get_children()]


# django-model-utils.


@pytest.fixture
def spots(alias):
    from .places.models import Article, Bar, Paper, Pub, Shop, Spot

    Spot.objects.using(alias).create(name="spot")
    Bar.objects.using(alias).create(name="bar", beers=3)
    Pub.objects.using(alias).create(name="pub", beers=9)
    Shop.objects.using(alias).create(name="shop", goods="hats")
    for name in "ab":
        Paper.available_objects.using(alias).create(name=name)
    for number in range(3):
        Article.objects.using(alias).create(
            number=number,
            body=f"short\n<!-- split -->\nlong {number}",
            status="published" if number else "draft",
        )
    return alias


MODEL_UTILS = {
    "select_subclasses": lambda m, using: list(
        m.Spot.objects.using(using).select_subclasses().order_by("pk")
    ),
    "select some": lambda m, using: list(
        m.Spot.objects.using(using).select_subclasses("bar", m.Shop).order_by("pk")
    ),
    "get_subclass": lambda m, using: m.Spot.objects.db_manager(using).get_subclass(name="pub"),
    "instance_of": lambda m, using: list(m.Spot.objects.using(using).instance_of(m.Bar).order_by("pk")),
    "plain": lambda m, using: list(m.Spot.objects.using(using).order_by("pk")),
    "soft deleted": lambda m, using: list(m.Paper.available_objects.using(using).order_by("pk")),
    "all papers": lambda m, using: list(m.Paper.all_objects.using(using).order_by("pk")),
    "query manager": lambda m, using: [
        (type(article), article.number, article.body.content)
        for article in m.Article.published.using(using).all()
    ],
    "status": lambda m, using: [
        (a.status, a.status_changed, a.created) for a in m.Article.objects.using(using).order_by("pk")
    ],
    "split": lambda m, using: [
        (a.body.content, a.body.excerpt, a.body.has_more)
        for a in m.Article.objects.using(using).order_by("pk")
    ],
}


@needs("model_utils")
@pytest.mark.parametrize("kind", MODEL_UTILS)
def test_model_utils(spots, kind):
    from .places import models

    if kind == "instance_of" and connections[spots].vendor == "mysql":
        pytest.skip("its SQL quotes names as MariaDB quotes text")

    check(spots, lambda using: MODEL_UTILS[kind](models, using))


@needs("model_utils")
def test_model_utils_writes_are_seen(spots):
    from .places.models import Article, Paper, Pub, Spot

    names = lambda using: [p.name for p in Paper.available_objects.using(using).order_by("pk")]  # noqa: E731
    assert names(spots) == names(spots) == ["a", "b"]
    Paper.available_objects.using(spots).get(name="a").delete(using=spots)
    assert names(spots) == ["b"]
    read = lambda using: list(Spot.objects.using(using).select_subclasses().order_by("pk"))  # noqa: E731
    check(spots, read)
    Pub.objects.using(spots).update(beers=99)
    assert next(spot.beers for spot in read(spots) if type(spot) is Pub) == 99
    check(spots, read)
    for _ in range(2):  # a tracker on an instance of a hit
        article = Article.objects.using(spots).get(number=2)
        article.number = 7
        assert article.tracker.changed() == {"number": 2}


# django-modeltranslation.


@pytest.fixture
def stories(alias):
    from .stories.models import Author, Story

    author = Author.objects.using(alias).create(name="Ann")
    Story.objects.using(alias).create(title_en="The owl", title_de="Die Eule", body_en="x", author=author)
    Story.objects.using(alias).create(title_en="A fish", title_de="Ein Fisch", number=1, author=author)
    return alias


MODELTRANSLATION = {
    "all": lambda m, using: list(m.Story.objects.using(using).order_by("pk")),
    "titles": lambda m, using: [story.title for story in m.Story.objects.using(using).order_by("title")],
    "filter": lambda m, using: list(m.Story.objects.using(using).filter(title__startswith="Ein")),
    "values": lambda m, using: list(m.Story.objects.using(using).order_by("pk").values("title", "number")),
    "values of all": lambda m, using: list(m.Story.objects.using(using).order_by("pk").values()),
    "values_list": lambda m, using: list(
        m.Story.objects.using(using).order_by("pk").values_list("title", "body")
    ),
    "flat": lambda m, using: list(
        m.Story.objects.using(using).order_by("title").values_list("title", flat=True)
    ),
    "only": lambda m, using: list(m.Story.objects.using(using).only("title").order_by("pk")),
    "across": lambda m, using: list(
        m.Author.objects.using(using).order_by("story__title").values_list("story__title", flat=True)
    ),
    "prefetched": lambda m, using: [
        [story.title for story in author.story_set.all()]
        for author in m.Author.objects.using(using).prefetch_related(
            Prefetch("story_set", m.Story.objects.order_by("pk"))
        )
    ],
    "raw values": lambda m, using: list(
        m.Story.objects.using(using).order_by("pk").raw_values("title", "title_de")
    )
    if hasattr(m.Story.objects, "raw_values")
    else None,
}


@needs("modeltranslation")
@pytest.mark.parametrize("kind", MODELTRANSLATION)
def test_modeltranslation(stories, kind):
    from .stories import models

    def read(using):
        return MODELTRANSLATION[kind](models, using)

    if kind == "raw values" and not hasattr(models.Story.objects, "raw_values"):
        read = MODELTRANSLATION["values"].__get__(models)
    found = {}
    for language in ("en", "de", "en", "de"):
        with translation.override(language):
            found.setdefault(language, check(stories, read))
    if kind in ("titles", "filter", "values", "flat"):
        assert found["en"] != found["de"]


@needs("modeltranslation")
def test_modeltranslation_writes_are_seen(stories):
    from .stories.models import Story

    def title(language):
        with translation.override(language):
            return Story.objects.using(stories).get(number=0).title

    assert (title("en"), title("de")) == (title("en"), title("de")) == ("The owl", "Die Eule")
    with translation.override("de"):
        story = Story.objects.using(stories).get(number=0)
        story.title = "Der Uhu"
        story.save()
    assert (title("en"), title("de")) == ("The owl", "Der Uhu")
    with translation.override("en"):
        Story.objects.using(stories).filter(number=0).update(title="Eagle owl")
    assert (title("en"), title("de")) == ("Eagle owl", "Der Uhu")


# django-taggit.


@pytest.fixture
def photos(sqlite):
    """In the default database, the only one in which taggit finds its content types."""
    from .photos.models import Photo

    for name, words in (("one", ["red", "big"]), ("two", ["red"]), ("three", [])):
        photo = Photo.objects.using(sqlite).create(name=name)
        photo.tags.add(*words)
    return sqlite


def photo(m, using, name):
    return m.Photo.objects.using(using).get(name=name)


TAGGIT = {
    "tags": lambda m, using: sorted(photo(m, using, "one").tags.all(), key=lambda tag: tag.pk),
    "names": lambda m, using: sorted(photo(m, using, "one").tags.names()),
    "slugs": lambda m, using: sorted(photo(m, using, "two").tags.slugs()),
    "by a tag": lambda m, using: list(
        m.Photo.objects.using(using).filter(tags__name__in=["red"]).order_by("pk")
    ),
    "distinct": lambda m, using: list(
        m.Photo.objects.using(using).filter(tags__name__in=["red", "big"]).distinct().order_by("pk")
    ),
    "similar": lambda m, using: photo(m, using, "one").tags.similar_objects(),
    "prefetched": lambda m, using: [
        sorted(tag.name for tag in one.tags.all())
        for one in m.Photo.objects.using(using).prefetch_related("tags").order_by("pk")
    ],
    "most common": lambda m, using: [
        (tag.name, tag.num_times) for tag in m.Photo.tags.most_common().using(using).order_by("pk")
    ],
}


@needs("taggit")
@pytest.mark.parametrize("kind", TAGGIT)
def test_taggit(photos, kind):
    from .photos import models

    check(photos, lambda using: TAGGIT[kind](models, using))


@needs("taggit")
def test_taggit_writes_are_seen(photos):
    from .photos import models

    names = lambda: sorted(photo(models, photos, "one").tags.names())  # noqa: E731
    for change, expected in (
        (lambda tags: tags.add("new"), ["big", "new", "red"]),
        (lambda tags: tags.remove("red"), ["big", "new"]),
        (lambda tags: tags.set(["only"]), ["only"]),
        (lambda tags: tags.clear(), []),
    ):
        names()
        names()
        change(photo(models, photos, "one").tags)
        assert names() == expected
