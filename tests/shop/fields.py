"""Fields as users write them."""

from django.db import models


class Money:
    """An object that no codec knows."""

    def __init__(self, cents):
        self.cents = cents

    def __eq__(self, other):
        return isinstance(other, Money) and self.cents == other.cents

    __hash__ = None


class MoneyField(models.IntegerField):
    def from_db_value(self, value, expression, connection):
        return None if value is None else Money(value)

    def get_prep_value(self, value):
        return value.cents if isinstance(value, Money) else value

    def to_python(self, value):
        return value if value is None or isinstance(value, Money) else Money(value)
