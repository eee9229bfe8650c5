"""`/livez`, `/readyz` and `/metrics`."""

import sqlite3

from prometheus_client import generate_latest

from orlop import telemetry
from orlop.database import outbox
from orlop.web.answers import Answer
from orlop.web.edge import Edge

_TEXT = (("Content-Type", "text/plain; charset=utf-8"),)


def live() -> Answer:
    """200 while the process answers at all."""
    return Answer(200, _TEXT, b"ok\n")


def ready(edge: Edge, *, stopping: bool) -> Answer:
    """200 while new requests are welcome, else 503: the database must answer, and the server not be stopping."""
    if stopping:
        return Answer(503, _TEXT, b"stopping\n")
    try:
        outbox.size(edge.app.database.hot())
    except sqlite3.Error:
        return Answer(503, _TEXT, b"the database does not answer\n")
    return Answer(200, _TEXT, b"ok\n")


def metrics(edge: Edge) -> Answer:
    """All metrics in Prometheus' text format."""
    space = edge.app.storage.free_space() if edge.app.storage.capabilities.free_space else None
    if space is not None:
        telemetry.FREE.set(space.free)
    headers = (("Content-Type", "text/plain; version=0.0.4; charset=utf-8"),)
    return Answer(200, headers, generate_latest(telemetry.REGISTRY))


def absent() -> Answer:
    return Answer(404, _TEXT, b"there is nothing at this address\n")


def not_allowed() -> Answer:
    return Answer(405, (*_TEXT, ("Allow", "GET, HEAD")), b"this method is not supported here\n")
