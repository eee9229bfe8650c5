"""For which platforms an image is, as its config or its index says."""

from typing import Any

import msgspec

from orlop.domain.manifest import Manifest

LARGEST_CONFIG = 1024 * 1024
"""Bytes of a config that is read for its platform; larger ones are no configs of images."""


def of_index(manifest: Manifest) -> list[str]:
    return [name for child in manifest.children if child.platform and (name := name_of(child.platform))]


def of_config(content: bytes) -> list[str]:
    """One platform, or none where the config is not an image's."""
    try:
        config = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError):
        return []
    name = name_of(config) if isinstance(config, dict) else ""
    return [name] if name else []


def name_of(platform: dict[str, Any]) -> str:
    """`os/architecture[/variant]`, empty where the platform does not say as much."""
    parts = [platform.get(key) for key in ("os", "architecture", "variant")]
    if not all(isinstance(part, str) and part for part in parts[:2]):
        return ""
    return "/".join(part for part in parts if isinstance(part, str) and part)[:200]
