"""The catalogue's rows: the same ones each time."""

from __future__ import annotations

import datetime
import uuid

PRODUCTS = 10_000
CATEGORIES = 50
TAGS = 100


def load(alias: str) -> None:
    """Fill the empty database ``alias``."""
    from .models import Category, Product, Tag

    categories = [Category(pk=number + 1, name=f"category {number}") for number in range(CATEGORIES)]
    Category.objects.using(alias).bulk_create(categories)
    Tag.objects.using(alias).bulk_create(Tag(pk=n + 1, word=f"tag {n}") for n in range(TAGS))
    day = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)
    Product.objects.using(alias).bulk_create(
        Product(
            pk=number + 1,
            name=f"A product's name, number {number}",
            slug=f"product-{number}",
            category=categories[number % CATEGORIES],
            price=f"{number}.50",
            weight=number / 7,
            made=day.date() + datetime.timedelta(days=number % 300),
            added=day + datetime.timedelta(seconds=number),
            code=uuid.UUID(int=number),
            stock=number % 997,
        )
        for number in range(PRODUCTS)
    )
    through = Product.tags.through
    through.objects.using(alias).bulk_create(
        through(product_id=number + 1, tag_id=(number * 7 + step * 31) % TAGS + 1)
        for number in range(PRODUCTS)
        for step in range(3)
    )
