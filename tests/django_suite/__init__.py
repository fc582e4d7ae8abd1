"""Django's own test suite, with every model registered: ``make test-django``."""
