"""Curl resumes a download of a layer that was cut."""

from pathlib import Path

import pytest

from tests.clients.content import Content, digest_of
from tests.clients.images import TAG
from tests.clients.relay import Relay
from tests.clients.sandbox import Sandbox

pytestmark = pytest.mark.needs("curl")

PARTIAL_FILE = 18
"""Curl's exit code when less came than was announced."""


def test_a_download_that_was_cut_goes_on_where_it_was(
    sandbox: Sandbox, relay: Relay, layout: Path, image: Content, name: str, folder: Path
) -> None:
    sandbox.run(
        "skopeo", "copy", "--dest-tls-verify=false", f"oci:{layout}:{TAG}", f"docker://{relay.host_port}/{name}:1"
    )
    layer = image.layers[0]
    download = ("curl", "--silent", "--show-error", "--fail", "--continue-at", "-", "--output", folder / "layer")
    address = f"http://{relay.host_port}/v2/{name}/blobs/{layer['digest']}"
    relay.cut_after(10_000_000)
    assert sandbox.attempt(*download, address).returncode == PARTIAL_FILE
    got = (folder / "layer").stat().st_size
    assert 0 < got < layer["size"]
    sandbox.run(*download, address)
    assert relay.resumed_at() == [got]
    assert digest_of((folder / "layer").read_bytes()) == layer["digest"]
