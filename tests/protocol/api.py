"""Orlop's own API as a client sees it: every answer is held against the server's own description of it."""

import functools
import json
import re
from datetime import datetime
from typing import Any

import jsonschema

from tests.protocol.answer import Answer
from tests.protocol.client import Client, Headers

ROOT = "/api/v1"

_formats = jsonschema.FormatChecker(formats=())


@_formats.checks("date-time", ValueError)
def _is_time(text: object) -> bool:
    """RFC 3339, in UTC."""
    return not isinstance(text, str) or (text.endswith("Z") and datetime.fromisoformat(text) is not None)


class Api:
    """`request` returns any answer that the description allows, and fails on any other."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def request(self, method: str, path: str, headers: Headers = ()) -> Answer:
        """`path` below `/api/v1`."""
        answer = self.client.request(method, ROOT + path, headers)
        check_described(self.client, method, ROOT + path.partition("?")[0], answer)
        return answer

    def get(self, path: str) -> Any:
        """The document."""
        answer = self.request("GET", path)
        assert answer.status == 200, answer
        return answer.json()

    def refused(self, path: str, method: str = "GET") -> dict[str, Any]:
        """The problem."""
        answer = self.request(method, path)
        assert answer.status >= 400, answer
        problem = answer.json()
        assert problem["status"] == answer.status
        assert isinstance(problem, dict)
        return problem

    def all(self, path: str) -> list[dict[str, Any]]:
        """The items of all pages."""
        items: list[dict[str, Any]] = []
        following: str | None = ROOT + path
        while following is not None:
            page = self.get(following.removeprefix(ROOT))
            items += page["items"]
            assert page["items"], f"an empty page: {following}"
            following = page["next"]
        assert page["total"] == len(items)
        return items


def description_of(client: Client) -> dict[str, Any]:
    return _description(client.get(f"{ROOT}/openapi.json").body)


@functools.cache
def _description(body: bytes) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(body)
    for schema in document["components"]["schemas"].values():
        if "properties" in schema:
            schema["additionalProperties"] = False  # what is answered and not described is a mistake too
    return document


def check_described(client: Client, method: str, path: str, answer: Answer) -> None:
    """Fails unless the description has this answer: its status, its content type, its document."""
    description = description_of(client)
    operations = next((item for template, item in description["paths"].items() if _fits(template, path)), None)
    if operations is None or ("get" if method == "HEAD" else method.lower()) not in operations:
        assert answer.status == (404 if operations is None else 405), answer
        content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    else:
        response = operations["get" if method == "HEAD" else method.lower()]["responses"].get(str(answer.status))
        assert response is not None, f"{method} {path}: status {answer.status} is not described\n{answer}"
        content = response.get("content", {})
    if method == "HEAD" or not content:
        assert answer.body == b"", answer
        return
    schema = content[answer.header("Content-Type")]["schema"]
    jsonschema.validate(answer.json(), {**schema, "components": description["components"]}, format_checker=_formats)


def _fits(template: str, path: str) -> bool:
    pattern = re.escape(template).replace(r"\{name\}", ".*").replace(r"/\{path\}", "(?:/.*)?")
    return re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]+", pattern), path) is not None
