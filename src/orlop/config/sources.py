"""Where settings come from: a TOML file, the environment, options. Each gives raw values with their origin."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from orlop.config.errors import ConfigurationError
from orlop.config.fields import FIELDS, SECTIONS, VARIABLES, nearest

PREFIX = "ORLOP_"
FILE_VARIABLE = "ORLOP_CONFIG"
# The commands that ask a server read it; it is no setting of a registry.
SERVER_VARIABLE = "ORLOP_SERVER"
SYSTEM_FILE = Path("/etc/orlop/orlop.toml")

# Kubernetes puts these into every pod beside a Service that is called orlop or orlop-something. Nobody wrote them.
_SERVICE_LINK = re.compile(
    r"ORLOP_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)", re.ASCII
)
_SERVICE_PORT = re.compile(r"ORLOP_(\w+_)?PORT", re.ASCII)


class Raw(msgspec.Struct, frozen=True):
    """A value as it was written. `origin` is the file with its line, the variable or the option."""

    key: str
    value: object
    origin: str


class Reading(msgspec.Struct):
    """What one source says, and what is wrong with it, a line each."""

    values: list[Raw] = msgspec.field(default_factory=list)
    problems: list[str] = msgspec.field(default_factory=list)


def choose_file(path: Path | None, environment: Mapping[str, str]) -> Path | None:
    """The file to read: `path`, else what ORLOP_CONFIG names (empty: none), else the system's if it is there.

    A file in the working directory is not read unless it is named: the same command must not serve differently because
    of where it was started.
    """
    if path is not None:
        return path
    if FILE_VARIABLE in environment:
        return Path(environment[FILE_VARIABLE]) if environment[FILE_VARIABLE] else None
    return SYSTEM_FILE if SYSTEM_FILE.exists() else None


def read_file(path: Path) -> Reading:
    """Read a TOML file; one that cannot be read at all is a ConfigurationError."""
    try:
        text = path.read_text(encoding="utf-8")
        tree = tomllib.loads(text)
    except OSError as error:
        raise ConfigurationError([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError([f"{path}: is not UTF-8"]) from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigurationError([f"{path}: is not TOML: {str(error) or 'nested too deeply'}"]) from error
    return _read_tree(path, tree, _lines_of(text))


def _read_tree(path: Path, tree: Mapping[str, Any], lines: Mapping[str, int]) -> Reading:
    reading = Reading()
    for key, value in _leaves(tree):
        origin = f"{path}:{lines[key]}" if key in lines else str(path)
        if key in FIELDS:
            reading.values.append(Raw(key, value, origin))
        elif key in SECTIONS:
            reading.problems.append(f"{origin}: {key} is a section; write [{key}] and its settings below")
        else:
            reading.problems.append(f"{origin}: unknown setting {key}{_hint(nearest(key, FIELDS))}")
    return reading


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """The settings of a file by key. A table where no section is stays whole, and so is refused by its name."""
    for name, value in tree.items():
        key = prefix + name
        if isinstance(value, dict) and key not in FIELDS and not prefix and (key in SECTIONS or value):
            yield from _leaves(value, f"{key}.")
        else:
            yield key, value


def _lines_of(text: str) -> dict[str, int]:
    """On which line each key stands. A reader of TOML for plain keys only: others are reported without a line."""
    lines: dict[str, int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if table := re.match(r"\s*\[\[\s*([A-Za-z0-9_.-]+)\s*\]\]", line):
            lines.setdefault(table[1], number)
            section = f"{table[1]}."
        elif header := re.match(r"\s*\[\s*([A-Za-z0-9_.-]+)\s*\]", line):
            section = f"{header[1]}."
        elif key := re.match(r"\s*([A-Za-z0-9_.-]+)\s*=", line):
            lines.setdefault(section + key[1], number)
    return lines


def read_environment(environment: Mapping[str, str]) -> Reading:
    """Read `ORLOP_*`. An empty variable counts as not set, as compose files leave them."""
    reading = Reading()
    for name, value in environment.items():
        if not name.startswith(PREFIX) or name in (FILE_VARIABLE, SERVER_VARIABLE) or _is_service_link(name, value):
            continue
        if name not in VARIABLES:
            names = (*VARIABLES, FILE_VARIABLE, SERVER_VARIABLE)
            known = {variable.removeprefix(PREFIX): variable for variable in names}
            near = nearest(name.removeprefix(PREFIX), known)
            reading.problems.append(f"{name}: unknown variable{_hint(near and known[near])}")
        elif value:
            reading.values.append(Raw(VARIABLES[name].key, value, name))
    return reading


def _is_service_link(name: str, value: str) -> bool:
    if _SERVICE_LINK.fullmatch(name):
        return True
    return _SERVICE_PORT.fullmatch(name) is not None and re.match(r"(tcp|udp|sctp)://", value) is not None


def read_options(options: Mapping[str, object]) -> Reading:
    """Read options by the key of their setting; None counts as not given. An unknown key is a KeyError."""
    given = ((FIELDS[key], value) for key, value in options.items() if value is not None)
    return Reading([Raw(field.key, value, field.option) for field, value in given])


def _hint(name: str | None) -> str:
    return f"; did you mean {name}?" if name else "; `orlop config show` lists all settings"
