"""Runs the parser of layers: in a process of its own, with limits, without anything that is worth stealing."""

import math
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import msgspec

from orlop.contents import parser
from orlop.contents.limits import Limits
from orlop.contents.resting import SLICE, Resting
from orlop.contents.stopping import Stopped
from orlop.domain.errors import ParserFailed, Unindexable

# It takes the search path of this process, and neither `site` nor the environment: the modules are the same ones, from
# wherever they were imported here.
_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[2:]"
    "; from orlop.contents.giving_way import give_way; give_way(session=True)"
    "; from orlop.contents.parser import main; sys.exit(main(sys.argv[1]))"
)
# Isolated; without `site`; writes no bytecode.
_OPTIONS = ("-I", "-S", "-B")

# Where a hook finds it here, as in some editable installations, its folder is not in the search path.
_PACKAGE = str(Path(__file__).parents[2])

_TICK = SLICE
"""Seconds between two looks at whether it shall stop, or rest."""
_MOST_SAID = 16 << 10
_STARVED = 10
"""It runs when nothing else wants to. With less than this part of its time on a processor, no layer is to blame."""


def index(
    source: int,
    output: BinaryIO,
    limits: Limits,
    stopping: Callable[[], bool] = lambda: False,
    resting: Resting | None = None,
) -> None:
    """Write the table of contents of the layer that the descriptor `source` reads to the file `output`.

    Unindexable: it cannot be told, nor could it another time. ParserFailed: it may go better then. Stopped: `stopping`
    said so. What was written up to then is worthless. Both descriptors are at no certain place afterwards.
    """
    process = _start(source, output, limits)
    try:
        said = _listen(process, source, limits.seconds, stopping, resting or Resting())
        code = process.wait(limits.seconds)
    except (TimeoutError, subprocess.TimeoutExpired):
        if _processor_time(process.pid) < limits.seconds / _STARVED:
            raise ParserFailed("the machine was too busy for the parser of layers") from None
        raise Unindexable(f"the layer is not read in {limits.seconds:g} seconds") from None
    finally:
        _end(process)
    _judge(code, said, limits)


def _start(source: int, output: BinaryIO, limits: Limits) -> subprocess.Popen[bytes]:
    encoded = msgspec.json.encode(limits).decode()
    folders = [os.path.abspath(folder) for folder in (*sys.path, _PACKAGE)]
    try:
        return subprocess.Popen(
            [sys.executable, *_OPTIONS, "-c", _PROGRAM, encoded, *folders],
            stdin=source,
            stdout=output,
            stderr=subprocess.PIPE,
            env={},
            cwd="/",
            umask=0o077,
            start_new_session=True,
        )
    except OSError as error:
        raise ParserFailed(f"the parser of layers cannot be started: {error}") from error


def _listen(
    process: subprocess.Popen[bytes], source: int, seconds: float, stopping: Callable[[], bool], resting: Resting
) -> bytes:
    """What it says on standard error until it closes that, as it does when it ends. Stopped.

    TimeoutError: after so many seconds, without those that it rested.
    """
    assert process.stderr is not None
    said = b""
    poll = select.poll()
    poll.register(process.stderr, select.POLLIN)
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if stopping():
            raise Stopped
        if poll.poll(1000 * min(left, _TICK)):
            piece = os.read(process.stderr.fileno(), _MOST_SAID)
            if not piece:
                return said
            said = (said + piece)[-_MOST_SAID:]
        elif _is_reading(source) and (pause := resting.due()):
            deadline += _rest(process, pause)
            resting.begin()
    raise TimeoutError


def _is_reading(source: int) -> bool:
    """Whether the parser has begun, and so will die with this process, even where it stands still. The two have one
    position in the file."""
    try:
        return os.lseek(source, 0, os.SEEK_CUR) > 0
    except OSError:  # a pipe
        return False


def _rest(process: subprocess.Popen[bytes], seconds: float) -> float:
    """Lets it stand still for so long; how long it was."""
    begun = time.monotonic()
    process.send_signal(signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        process.send_signal(signal.SIGCONT)
    return time.monotonic() - begun


def _processor_time(pid: int) -> float:
    """Seconds that a process which was not waited for has had; infinite where that is not told."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return math.inf
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _end(process: subprocess.Popen[bytes]) -> None:
    """It, and whatever it has started."""
    if process.poll() is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
    assert process.stderr is not None
    process.stderr.close()


def _judge(code: int, said: bytes, limits: Limits) -> None:
    if code == 0:
        return
    if code == parser.UNINDEXABLE and (reason := _reason(said)):
        raise Unindexable(reason)
    if code == -signal.SIGXCPU:
        raise Unindexable(f"the layer is not read in {limits.cpu} seconds of processor time")
    if code == -signal.SIGALRM:
        raise Unindexable(f"the layer is not read in {limits.seconds:g} seconds")
    last = said.decode("utf-8", "replace").strip().rpartition("\n")[2]
    how = f"signal {-code} ended it" if code < 0 else f"it ended with {code}"
    raise ParserFailed(f"the parser of layers failed: {how}{': ' + last if last else ''}")


def _reason(said: bytes) -> str:
    """Of the last line."""
    try:
        return msgspec.json.decode(said.strip().rpartition(b"\n")[2], type=dict[str, str])["error"]
    except (msgspec.MsgspecError, KeyError):
        return ""
