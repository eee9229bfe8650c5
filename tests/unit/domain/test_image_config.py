"""The config of an image, whatever somebody has pushed as one."""

import json

from hypothesis import given
from hypothesis import strategies as some

from orlop.domain.image_config import layer_steps, parse_image_config

values = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(max_size=10),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)
KEYS = ("os", "architecture", "variant", "created", "author", "config", "history")
RUN = ("User", "WorkingDir", "Entrypoint", "Cmd", "Env", "Labels", "ExposedPorts", "Volumes")
runs = some.dictionaries(some.sampled_from(RUN), values)
configs = some.dictionaries(some.sampled_from(KEYS), values | runs)


@given(configs)
def test_any_object_gives_a_config_of_the_right_types(document: dict[str, object]) -> None:
    try:
        content = json.dumps(document).encode()
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return
    config = parse_image_config(content)
    assert config is not None
    texts = [config.os, config.architecture, config.variant, config.created, config.author, config.user]
    lists = [*config.entrypoint, *config.cmd, *config.env, *config.exposed_ports, *config.volumes]
    steps = [text for step in config.history for text in (step.created, step.created_by, step.comment)]
    assert all(isinstance(text, str) for text in (*texts, *lists, *config.labels, *config.labels.values(), *steps))


@given(some.binary(max_size=50))
def test_any_bytes_give_a_config_or_none(content: bytes) -> None:
    config = parse_image_config(content)
    assert config is None or config.history == ()


@given(some.lists(some.booleans(), max_size=10), some.integers(0, 10))
def test_each_layer_has_one_step_or_none_has(empty: list[bool], layers: int) -> None:
    history = [{"created_by": str(number), "empty_layer": flag} for number, flag in enumerate(empty)]
    config = parse_image_config(json.dumps({"history": history}).encode())
    assert config is not None
    numbers = layer_steps(config, layers)
    assert len(numbers) == len(empty)
    made = [number for number in numbers if number is not None]
    assert made == (list(range(layers)) if empty.count(False) == layers else [])
    assert all(number is None for number, flag in zip(numbers, empty, strict=True) if flag)


def test_only_the_names_of_variables_are_taken() -> None:
    config = parse_image_config(b'{"config": {"Env": ["A=1", "B=x=y", "C", "=D"]}}')
    assert config is not None
    assert config.env == ("A", "B", "C", "")
