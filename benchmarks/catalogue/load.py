"""The catalogue's rows: the same ones each time."""

from __future__ import annotations

import datetime
import uuid
from typing import Any

PRODUCTS = 10_000
CATEGORIES = 50
TAGS = 100
VISITS = 1000
DAY = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)
TEXT = "Made of what was at hand, and meant to last for longer than it takes to read this sentence. "


def product(number: int, **changed: Any) -> dict[str, Any]:
    """The values of the product ``number``, from 0 on; without its pk."""
    return {
        "name": f"A product's name, number {number}",
        "slug": f"product-{number}",
        "category_id": number % CATEGORIES + 1,
        "price": f"{number % 1000}.{number // 1000:02}",
        "weight": number / 7,
        "made": DAY.date() + datetime.timedelta(days=number % 300),
        "added": DAY + datetime.timedelta(seconds=number),
        "code": uuid.UUID(int=number),
        "stock": number % 997,
        "description": TEXT * (number % 3 + 1),
        **changed,
    }


def load(alias: str) -> None:
    """Fill the empty database ``alias``."""
    from .models import Category, Product, Tag, Visit

    Category.objects.using(alias).bulk_create(
        Category(pk=number + 1, name=f"category {number}", about=TEXT) for number in range(CATEGORIES)
    )
    Tag.objects.using(alias).bulk_create(Tag(pk=n + 1, word=f"tag {n}") for n in range(TAGS))
    # Without pks, so that the database's sequence stands behind them; the order gives them all the same.
    Product.objects.using(alias).bulk_create(Product(**product(number)) for number in range(PRODUCTS))
    through = Product.tags.through
    through.objects.using(alias).bulk_create(
        through(product_id=number + 1, tag_id=(number * 7 + step * 31) % TAGS + 1)
        for number in range(PRODUCTS)
        for step in range(3)
    )
    Visit.objects.using(alias).bulk_create(
        Visit(pk=n + 1, path=f"/product/{n}", at=DAY, product_id=n + 1) for n in range(VISITS)
    )
