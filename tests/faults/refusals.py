"""Starts that are refused: what is said, and that nothing else happens."""

import hashlib
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

PATIENCE = 30.0

UNPRIVILEGED = (
    "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
    "--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search",
)  # fmt: skip
"""Runs a command as nobody, who may read everything (the tests' own code, wherever it lies) and write nothing."""


def refusal(
    data: Path, *arguments: str, wrapper: tuple[str, ...] = (), command: str = "serve", in_use: bool = False
) -> str:
    """The one line that the command says when it refuses this data folder, without its `orlop: `.

    What is in the folder must not change, unless a server has it `in_use`.
    """
    before = files(data)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ORLOP_")}
    words = [*wrapper, sys.executable, "-m", "orlop", command, "--data", str(data), *arguments]
    if command == "serve" and "--listen" not in arguments:
        words += ["--listen", "127.0.0.1:0"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode in (1, 2), (done.returncode, done.stderr)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("orlop: "), done.stderr
    assert any(told.search(lines[0]) for told in explained()), f"docs/howto/operations.md does not explain: {lines[0]}"
    after = files(data)
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    assert in_use or not changed, (lines[0], changed)
    return lines[0].removeprefix("orlop: ")


@cache
def explained() -> list[re.Pattern[str]]:
    """The refusals of which the operator's page says what to do; `…` stands for anything."""
    page = (Path(__file__).parents[2] / "docs" / "howto" / "operations.md").read_text()
    table = page.partition("## It does not start")[2].partition("\n## ")[0]
    told = re.findall(r"^\| `(.+?)` \|", table, re.MULTILINE)
    assert len(told) > 10
    return [re.compile(re.escape(text).replace("…", ".*")) for text in told]


def files(folder: Path) -> dict[str, str]:
    """Digests by path, of everything but locks, which say who has the folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".lock"
    }
