"""What a long job has used does not stay with the process."""

import os
import subprocess
import sys
from pathlib import Path

# Many small pieces, of which one in a hundred is kept: the C library keeps all of their pages by itself.
PROGRAM = """
import ctypes, sys
from orlop.worker.memory import give_back_memory
library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
library.malloc.argtypes = [ctypes.c_size_t]
library.free.argtypes = [ctypes.c_void_p]
def resident():
    for line in open("/proc/self/status"):
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) >> 10
pieces = [library.malloc(100_000) for _ in range(1_000)]
for piece in pieces:
    ctypes.memset(piece, 1, 100_000)
for number, piece in enumerate(pieces):
    if number % 100:
        library.free(piece)
before = resident()
give_back_memory()
print(before, resident())
"""


def test_memory_that_is_not_used_any_more_is_given_back() -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / "src")}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert before > 80
    assert after < before / 2
