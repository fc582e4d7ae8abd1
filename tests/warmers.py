"""Warmers as projects write them."""

from tests.shop.models import Category, Product

calls = []


def categories():
    calls.append("categories")
    return Category.objects.filter(name__gt="")


def several():
    return [Category.objects.order_by("pk"), (Product.objects.filter(active=True) for _ in range(1))]


def failing():
    raise ValueError("this warmer fails")


def writing():
    """Writes on its own, which must not call it again."""
    calls.append("writing")
    Category.objects.create(name=f"by a warmer {len(calls)}")
    return Category.objects.all()
