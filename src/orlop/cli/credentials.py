"""What docker and podman remember of signing in: their files, and the programs that keep secrets for them.

Sources: containers-auth.json(5); docker's documents of `docker login` and of its credential helpers' protocol.
"""

import base64
import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

HELPER_TIMEOUT = 10.0
"""Seconds that a credential helper may take; it may ask its user something."""

# It becomes a program's name.
_HELPER = re.compile(r"[A-Za-z0-9_-]{1,100}")


def authorization(host: str, environment: Mapping[str, str]) -> str | None:
    """The Authorization header for `HOST[:PORT]`, None where nobody has signed in there."""
    for path in files(environment):
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(document, dict) and (header := _from_file(document, host)) is not None:
            return header
    return None


def files(environment: Mapping[str, str]) -> Iterator[Path]:
    """Where to look, the first that knows the host decides."""
    if environment.get("REGISTRY_AUTH_FILE"):
        yield Path(environment["REGISTRY_AUTH_FILE"])
    if environment.get("XDG_RUNTIME_DIR"):
        yield Path(environment["XDG_RUNTIME_DIR"], "containers", "auth.json")
    home = Path(environment.get("HOME") or os.path.expanduser("~"))  # never fails
    yield Path(environment.get("XDG_CONFIG_HOME") or home / ".config", "containers", "auth.json")
    yield Path(environment.get("DOCKER_CONFIG") or home / ".docker", "config.json")


def _from_file(document: dict[str, Any], host: str) -> str | None:
    helpers = document.get("credHelpers")
    helper = helpers.get(host) if isinstance(helpers, dict) else None
    helper = helper or document.get("credsStore")
    if isinstance(helper, str) and (header := _from_helper(helper, host)) is not None:
        return header
    auths = document.get("auths")
    entry = auths.get(host) or auths.get(f"https://{host}") if isinstance(auths, dict) else None
    if not isinstance(entry, dict):
        return None
    if isinstance(entry.get("identitytoken"), str) and entry["identitytoken"]:
        return f"Bearer {entry['identitytoken']}"
    if isinstance(entry.get("auth"), str) and entry["auth"]:
        return f"Basic {entry['auth']}"
    return None


def _from_helper(name: str, host: str) -> str | None:
    if _HELPER.fullmatch(name) is None:
        return None
    try:
        ended = subprocess.run(
            [f"docker-credential-{name}", "get"],
            input=host,
            capture_output=True,
            text=True,
            timeout=HELPER_TIMEOUT,
            check=True,
        )
        found = json.loads(ended.stdout)
        user, secret = found["Username"], found["Secret"]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return None
    if user == "<token>":
        return f"Bearer {secret}"
    return "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()
