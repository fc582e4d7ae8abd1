"""One worker process of the demo: calls the site's WSGI application for each request that it is sent."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode, urlsplit
from wsgiref.util import setup_testing_defaults

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "atlas.settings")
statements = 0


class Site:
    """The WSGI application as a browser sees it."""

    def __init__(self) -> None:
        from atlas.wsgi import application

        self._application = application
        self._cookies: dict[str, str] = {}

    def get(self, url: str) -> bytes:
        return self._call("GET", url)

    def edit(self, pk: int, name: str, population: int) -> None:
        form = self.get(f"/city/{pk}/edit/").decode()
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
        assert token is not None
        data = {"csrfmiddlewaretoken": token.group(1), "name": name, "population": population}
        self._call("POST", f"/city/{pk}/edit/", urlencode(data).encode(), expected="302")

    def _call(self, method: str, url: str, body: bytes = b"", expected: str = "200") -> bytes:
        parts = urlsplit(url)
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query,
            "HTTP_HOST": "localhost",
            "HTTP_COOKIE": "; ".join(f"{name}={value}" for name, value in self._cookies.items()),
            "CONTENT_TYPE": "application/x-www-form-urlencoded",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
        }
        setup_testing_defaults(environ)
        answered: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
            answered.append(status)
            for name, value in headers:
                if name.lower() == "set-cookie":
                    self._cookies.update({key: m.value for key, m in SimpleCookie(value).items()})

        response = self._application(environ, start_response)
        try:
            content = b"".join(response)
        finally:
            response.close()
        if not answered[0].startswith(expected):
            raise RuntimeError(f"{method} {url} was answered with {answered[0]}")
        return content


def count_statements(execute: Callable[..., Any], sql: Any, params: Any, many: Any, context: Any) -> Any:
    global statements
    statements += 1
    return execute(sql, params, many, context)


def serve(requests: Iterator[str]) -> None:
    site = Site()
    from django.db import connection

    import django_cache_me

    connection.execute_wrappers.append(count_statements)
    site.get("/city/2950159/")
    print(json.dumps("ready"), flush=True)
    for line in requests:
        request = json.loads(line)
        if "views" in request:
            answer: Any = []
            for url in request["views"]:
                begin = time.perf_counter()
                body = site.get(url)
                took = time.perf_counter() - begin
                answer.append([url, hashlib.sha256(body).hexdigest(), took])
        elif "edit" in request:
            site.edit(*request["edit"])
            answer = True
        else:
            answer = {"statements": statements, **django_cache_me.stats()}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve(iter(sys.stdin))
