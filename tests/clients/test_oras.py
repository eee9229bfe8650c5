"""ORAS pushes an artifact, and attaches another to it, which is found as its referrer."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from oras.client import OrasClient  # type: ignore[import-untyped]
from oras.oci import Subject  # type: ignore[import-untyped]

from tests.clients.content import digest_of
from tests.clients.registry import Registry

pytestmark = pytest.mark.needs("oras")

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
REPORT_TYPE = "application/vnd.example.report"


@pytest.fixture
def client(registry: Registry, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OrasClient]:
    monkeypatch.setenv("HOME", str(folder))
    client = OrasClient(hostname=registry.host_port, insecure=True)
    yield client
    client.session.close()


@pytest.mark.parametrize("chunked", [False, True])
def test_an_artifact_comes_back(client: OrasClient, registry: Registry, folder: Path, name: str, chunked: bool) -> None:
    remote = f"{registry.host_port}/{name}:1"
    body = bytes(range(256)) * 4096
    answer = _push(client, remote, folder / "chart.bin", body, do_chunked=chunked, chunk_size=300_000)
    (pulled,) = client.pull(target=remote, outdir=str(folder / "pulled"))
    assert Path(pulled).read_bytes() == body
    assert answer.headers["Docker-Content-Digest"] == digest_of(registry.manifest(name, "1").body)


def test_an_attached_artifact_is_found_as_referrer(
    client: OrasClient, registry: Registry, folder: Path, name: str
) -> None:
    remote = f"{registry.host_port}/{name}"
    _push(client, f"{remote}:1", folder / "program", b"a program")
    manifest = registry.manifest(name, "1").body
    subject = Subject(MANIFEST_TYPE, digest_of(manifest), len(manifest))
    (folder / "config.json").write_text("{}")
    answer = _push(
        client, f"{remote}:report", folder / "report", b"no faults", subject=subject,
        manifest_config=f"{folder}/config.json:{REPORT_TYPE}", manifest_annotations={"org.example.grade": "A"},
    )  # fmt: skip
    assert answer.headers["OCI-Subject"] == subject.digest

    found = client.do_request(f"http://{registry.host_port}/v2/{name}/referrers/{subject.digest}", "GET").json()
    (referrer,) = found["manifests"]
    attached = registry.manifest(name, "report").body
    assert referrer["digest"] == digest_of(attached)
    assert referrer["size"] == len(attached)
    assert referrer["artifactType"] == REPORT_TYPE
    assert referrer["annotations"] == {"org.example.grade": "A"}
    (pulled,) = client.pull(target=f"{remote}@{referrer['digest']}", outdir=str(folder / "pulled"))
    assert Path(pulled).read_bytes() == b"no faults"
    assert json.loads(attached)["subject"] == {
        "mediaType": MANIFEST_TYPE,
        "digest": subject.digest,
        "size": subject.size,
    }


def test_tags_are_listed_and_deleted(client: OrasClient, registry: Registry, folder: Path, name: str) -> None:
    remote = f"{registry.host_port}/{name}"
    for tag in ("2", "1", "10"):
        _push(client, f"{remote}:{tag}", folder / "file", b"a file")
    assert client.get_tags(remote) == ["1", "10", "2"]
    assert client.get_tags(remote, N=2) == ["1", "10"]
    assert client.delete_tag(remote, "2")
    assert registry.ask("GET", f"/v2/{name}/manifests/2").status == 404


def _push(client: OrasClient, remote: str, file: Path, body: bytes, **options: object):  # type: ignore[no-untyped-def]
    file.write_bytes(body)
    return client.push(target=remote, files=[str(file)], disable_path_validation=True, quiet=True, **options)
