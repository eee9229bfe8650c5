"""What looks into images does not keep others waiting for long."""

import asyncio
import threading
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orlop.app import open_app
from orlop.config import Settings
from orlop.contents.stopping import heed
from orlop.domain.errors import Unavailable
from orlop.web import edge as edges
from orlop.web.edge import Edge


@pytest.fixture
def edge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Edge]:
    monkeypatch.setattr(edges, "_LOOK", 0.02)
    monkeypatch.setattr(edges, "_PATIENCE", 0.05)
    with open_app(Settings(data=tmp_path / "data")) as app:
        edge = Edge(app)
        yield edge
        edge.pools.close()


class Client:
    """One who stays, until it goes."""

    def __init__(self) -> None:
        self.has_gone = False
        self.request: Any = types.SimpleNamespace(transport=types.SimpleNamespace(is_closing=lambda: self.has_gone))


def test_nothing_is_looked_for_when_the_client_has_gone(edge: Edge) -> None:
    ended = threading.Event()

    def long_work() -> None:
        try:
            while True:
                heed()
                time.sleep(0.001)
        finally:
            ended.set()

    async def main() -> None:
        client = Client()
        asked = [asyncio.create_task(edge.look_inside(client.request, long_work)) for _ in range(20)]
        await asyncio.sleep(0.05)
        client.has_gone = True
        for answer in await asyncio.gather(*asked, return_exceptions=True):
            assert isinstance(answer, ConnectionError)
        assert ended.is_set()
        assert await edge.look_inside(Client().request, lambda: 7) == 7

    asyncio.run(asyncio.wait_for(main(), 10))


def test_a_request_that_is_cancelled_ends_its_work(edge: Edge) -> None:
    async def main() -> None:
        running = threading.Event()

        def long_work() -> None:
            running.set()
            while True:
                heed()
                time.sleep(0.001)

        task = asyncio.create_task(edge.look_inside(Client().request, long_work))
        while not running.is_set():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(asyncio.wait_for(main(), 10))


def test_few_are_unpacked_for_at_a_time(edge: Edge) -> None:
    async def read(until: asyncio.Event) -> None:
        async with edge.unpacking():
            await until.wait()

    async def main() -> None:
        enough = asyncio.Event()
        readers = [asyncio.create_task(read(enough)) for _ in range(edges._UNPACKINGS)]
        await asyncio.sleep(0.01)
        with pytest.raises(Unavailable):
            await read(enough)
        enough.set()
        await asyncio.gather(*readers)
        await read(enough)

    asyncio.run(asyncio.wait_for(main(), 10))
