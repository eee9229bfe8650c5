"""wrk as the load generator for small GETs: a program in C that asks for one list of paths round and round."""

import json
import re
import resource
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.bench.connection import Target
from tests.bench.contents import MANIFEST_TYPE
from tests.bench.errors import BenchError, WrongAnswer
from tests.bench.processes import Outcome

SCRIPT = Path(__file__).with_name("paths.lua")


def find() -> str:
    """The program. BenchError: it is not installed."""
    found = shutil.which("wrk")
    if not found:
        raise BenchError("wrk is not installed: apt-get install wrk")
    return found


def get(
    target: Target,
    paths: Sequence[str],
    smallest: int,
    clients: int,
    seconds: float,
    list_file: Path,
    authorization: str = "",
) -> Outcome:
    """GET `paths` in turn, with `clients` connections for `seconds` (rounded up to whole ones).

    wrk counts statuses over 399; a status below that with no body of ours would show in the bytes: an answer is at
    least `smallest` bytes. WrongAnswer: either happened, or a socket failed.
    """
    list_file.write_text("\n".join(paths) + "\n")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = _command(target, clients, seconds, list_file)
    command += [authorization] if authorization else []
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    match = re.search(r"^RESULT (.*)$", done.stdout, re.MULTILINE)
    if done.returncode or not match:
        raise BenchError(f"wrk failed: {(done.stderr or done.stdout).strip()}")
    result = json.loads(match[1])
    _check(result, smallest)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return Outcome(result["requests"], result["microseconds"] / 1e6, cpu)


def _command(target: Target, clients: int, seconds: float, list_file: Path) -> list[str]:
    options = ["--threads", "1", "--connections", str(clients), "--duration", f"{max(1, round(seconds))}s"]
    options += ["--timeout", "30s", "--script", str(SCRIPT)]
    return [find(), *options, target.url, "--", str(list_file), MANIFEST_TYPE]


def _check(result: dict[str, int], smallest: int) -> None:
    failures = {name: result[name] for name in ("status", "connect", "read", "write", "timeout") if result[name]}
    if failures:
        raise WrongAnswer(f"wrk met failures: {failures} among {result['requests']} requests")
    if not result["requests"]:
        raise WrongAnswer("wrk had no answer at all")
    if result["bytes"] < smallest * result["requests"]:
        raise WrongAnswer(f"answers were too short: {result['bytes'] / result['requests']:.0f} bytes, not {smallest}")
