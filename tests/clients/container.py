"""The base for Orlop's container: a Debian with Python and all that pip will ask for: no network needed."""

import os
import sys
import tomllib
from pathlib import Path

from tests.clients.cache import made_once
from tests.clients.images import MAKING_TIMEOUT, Storage, commit_root, debian_base
from tests.clients.sandbox import run_limited

CHECKOUT = Path(__file__).parents[2]
PYTHON = "3.11"
"""The base's, which is Debian 12's."""
PIP_SETTINGS = "[global]\nno-index = true\nfind-links = /wheels\n"


def python_base(storage: Storage, folder: Path) -> str:
    """Make the image in the storage; gives its name."""
    name = "localhost/python-base"
    commit_root(storage, debian_base("python-base", ("python3", "python3-venv")), "localhost/python")
    (folder / "pip.conf").write_text(PIP_SETTINGS)
    container = storage.buildah("from", "localhost/python")
    storage.buildah("copy", container, _wheels(), "/wheels")
    storage.buildah("copy", container, folder / "pip.conf", "/etc/pip.conf")
    storage.buildah("commit", "--rm", container, name)
    return name


def _wheels() -> Path:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    needed = [*project["build-system"]["requires"], *project["project"]["dependencies"]]

    def download(folder: Path) -> None:
        command = [sys.executable, "-m", "pip", "download", f"--dest={folder}", f"--python-version={PYTHON}"]
        ended = run_limited([*command, "--only-binary=:all:", *needed], MAKING_TIMEOUT, os.environ)
        assert ended.returncode == 0, f"{ended.stdout}{ended.stderr}"

    return made_once("wheels", {"needed": needed, "python": PYTHON}, download)
