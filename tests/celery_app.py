"""The Celery app of the tests' workers; the broker comes from the environment."""

import json
import os

import django
from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
app = Celery("tests", set_as_current=True)
app.conf.update(
    broker_url=os.environ["CACHE_ME_TEST_BROKER"],
    broker_transport_options=json.loads(os.environ.get("CACHE_ME_TEST_TRANSPORT", "{}")),
    broker_connection_retry_on_startup=True,
    task_ignore_result=True,
)
django.setup()
app.autodiscover_tasks(["django_cache_me"], force=True)
