"""Whatever a user can set, call or read is in the documentation, and nothing else is.

A new kind of thing gets a section here: what there is, taken from the program, against the page that must name it.
"""

import ast
import inspect
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from orlop import telemetry
from orlop.cli import main
from orlop.config import Settings, load, settings
from orlop.config.fields import FIELDS

ROOT = Path(__file__).parents[2]
HOWTO = ROOT / "docs" / "howto"


# Settings: docs/howto/configuration.md and orlop.toml


def summaries(struct: str = "Settings", prefix: str = "") -> Iterator[tuple[str, str]]:
    """The text below each field of the settings' structs, by key."""
    tree = ast.parse(inspect.getsource(settings))
    (body,) = (node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == struct)
    for index, node in enumerate(body):
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        if isinstance(node.annotation, ast.Name) and node.annotation.id.endswith("Settings"):
            yield from summaries(node.annotation.id, f"{prefix}{node.target.id}.")
            continue
        following = body[index + 1] if index + 1 < len(body) else None
        text = following.value if isinstance(following, ast.Expr) else None
        assert isinstance(text, ast.Constant), f"{prefix}{node.target.id} has no text below it"
        yield prefix + node.target.id, str(text.value)


SUMMARIES = dict(summaries())


def test_each_setting_says_what_it_is() -> None:
    assert SUMMARIES.keys() == FIELDS.keys()


@pytest.mark.parametrize("key", FIELDS)
def test_each_setting_is_explained(key: str) -> None:
    field = FIELDS[key]
    default = field.kind.show(field.default)
    shown = "" if default in ("", []) else f"`{json.dumps(default)}`"  # JSON's are TOML's
    row = f"| `{key}`<br>`{field.variable}` | {shown} | {SUMMARIES[key]} |"
    assert row in (HOWTO / "configuration.md").read_text().splitlines()


def test_no_setting_is_explained_that_is_not_there() -> None:
    rows = re.findall(r"^\| `([a-z0-9_.]+)`<br>", (HOWTO / "configuration.md").read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(FIELDS)


def test_the_example_has_every_setting_with_its_default(tmp_path: Path) -> None:
    example = (ROOT / "orlop.toml").read_text()
    file = tmp_path / "orlop.toml"
    file.write_text(re.sub(r"^#(?=[a-z_]+ = )", "", example, flags=re.MULTILINE))
    assert load(file, {}, {}) == Settings()
    assert load(ROOT / "orlop.toml", {}, {}) == Settings()
    section = ""
    found = {}
    lines = example.splitlines()
    for above, line in itertools.pairwise(lines):
        if line.startswith("["):
            section = line.strip("[]") + "."
        elif match := re.match(r"#([a-z_]+) = ", line):
            found[section + match[1]] = above.removeprefix("# ")
    assert found == SUMMARIES


# Commands: docs/howto/commands.md


def commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by the words that call it."""
    if not isinstance(command, click.Group):
        yield name, command
        return
    context = click.Context(command)
    for part in command.list_commands(context):
        inner = command.get_command(context, part)
        assert inner is not None
        yield from commands(inner, f"{name} {part}")


COMMANDS = dict(commands(main, "orlop"))


def described_commands() -> dict[str, str]:
    """The sections of the page, by command."""
    parts = re.split(r"^## `(orlop [a-z0-9 -]+).*`$", (HOWTO / "commands.md").read_text(), flags=re.MULTILINE)[1:]
    return {name.strip(): text for name, text in zip(parts[::2], parts[1::2], strict=True)}


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_explained_with_its_options(name: str) -> None:
    section = described_commands()[name]
    options = [option for parameter in COMMANDS[name].params for option in parameter.opts if option.startswith("--")]
    assert [option for option in options if f"`{option}" not in section] == []


def test_no_command_is_explained_that_is_not_there() -> None:
    assert sorted(described_commands()) == sorted(COMMANDS)


# Metrics: docs/howto/metrics.md


def test_each_metric_is_explained_and_no_other() -> None:
    there = {
        metric.name + ("_total" if metric.type == "counter" else "")
        for metric in telemetry.REGISTRY.collect()
        if metric.name.startswith("orlop_")
    }
    described = set(re.findall(r"^\| `(orlop_\w+)", (HOWTO / "metrics.md").read_text(), re.MULTILINE))
    assert described == there


# Routes: each API's page, once its routes are a table that can be read here
