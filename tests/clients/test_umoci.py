"""Umoci's manifests have no `mediaType`: they are taken as they are, and come back as they were."""

from pathlib import Path

import pytest

from tests.clients.content import layout_content, registry_content
from tests.clients.images import TAG
from tests.clients.registry import Registry
from tests.clients.sandbox import Sandbox

pytestmark = [pytest.mark.needs("umoci"), pytest.mark.full]


def test_an_image_that_umoci_made_comes_back(
    sandbox: Sandbox, registry: Registry, layout: Path, name: str, folder: Path
) -> None:
    made, pulled, bundle = folder / "made", folder / "pulled", folder / "bundle"
    remote = f"docker://{registry.host_port}/{name}:1"
    sandbox.run("umoci", "unpack", f"--image={layout}:{TAG}", bundle)
    sandbox.run("umoci", "init", f"--layout={made}")
    sandbox.run("umoci", "new", f"--image={made}:{TAG}")
    for part in ("etc", "usr/bin"):
        sandbox.run("umoci", "insert", f"--image={made}:{TAG}", bundle / "rootfs" / part, f"/{part}")
    pushed = layout_content(made, TAG)
    sandbox.run("skopeo", "copy", "--dest-tls-verify=false", "--preserve-digests", f"oci:{made}:{TAG}", remote)
    sandbox.run("skopeo", "copy", "--src-tls-verify=false", "--preserve-digests", remote, f"oci:{pulled}:{TAG}")
    assert "mediaType" not in pushed.manifest
    assert registry_content(registry, name, "1") == layout_content(pulled, TAG) == pushed
    sandbox.run("umoci", "unpack", f"--image={pulled}:{TAG}", folder / "unpacked")
    assert (folder / "unpacked/rootfs/usr/bin/git").read_bytes() == (bundle / "rootfs/usr/bin/git").read_bytes()
