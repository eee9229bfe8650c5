"""Clients that take their time: `python -m tests.faults.slow HOST PORT BLOB LOCATIONS READERS HEADERS`.

Readers take a blob in a few KiB a second; bodies drip into uploads, a byte a second; headers drip into connections that
are opened anew when the server has cut them. Prints a line once all are at it, and goes on until its input ends.
"""

import asyncio
import os
import socket
import sys
import threading
from collections.abc import Coroutine
from typing import Any

BUFFER = 4096
PAUSE = 1.0


async def connect(address: tuple[str, int], buffer: int = BUFFER) -> socket.socket:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, address)
    return connection


async def read_slowly(address: tuple[str, int], blob: str, ready: asyncio.Semaphore) -> None:
    loop = asyncio.get_running_loop()
    connection = await connect(address)
    await loop.sock_sendall(connection, f"GET {blob} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await loop.sock_recv(connection, 1)
    ready.release()
    while await loop.sock_recv(connection, BUFFER):
        await asyncio.sleep(PAUSE)


async def drip_body(address: tuple[str, int], location: str, framing: str, ready: asyncio.Semaphore) -> None:
    loop = asyncio.get_running_loop()
    connection = await connect(address)
    head = f"PATCH {location} HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n"
    await loop.sock_sendall(connection, head.encode())
    ready.release()
    while True:
        await loop.sock_sendall(connection, b"1\r\nx\r\n" if "chunked" in framing else b"x")
        await asyncio.sleep(PAUSE)


async def drip_headers(address: tuple[str, int], ready: asyncio.Semaphore) -> None:
    loop = asyncio.get_running_loop()
    while True:
        connection = await connect(address)
        try:
            await loop.sock_sendall(connection, b"GET /v2/ HTTP/1.1\r\nX-Slow: ")
            ready.release()
            while True:
                await loop.sock_sendall(connection, b"x")
                await asyncio.sleep(PAUSE)
        except OSError:
            connection.close()


async def start_all(arguments: list[str]) -> None:
    host, port, blob, locations, readers, headers = arguments
    address, ready = (host, int(port)), asyncio.Semaphore(0)
    framings = ("Content-Length: 10000000", "Content-Length: 100000", "Transfer-Encoding: chunked")
    work: list[Coroutine[Any, Any, None]] = [read_slowly(address, blob, ready) for _ in range(int(readers))]
    for number, location in enumerate(locations.split(",")):
        work.append(drip_body(address, location, framings[number % 3], ready))
    work += [drip_headers(address, ready) for _ in range(int(headers))]
    tasks = [asyncio.create_task(item) for item in work]
    for _ in tasks:
        await ready.acquire()
    print("all are at it", flush=True)
    await asyncio.gather(*tasks)


def end_with_input() -> None:
    sys.stdin.read()
    os._exit(0)  # the connections are broken off, as by a crash


if __name__ == "__main__":
    threading.Thread(target=end_with_input, daemon=True).start()
    asyncio.run(start_all(sys.argv[1:]))
