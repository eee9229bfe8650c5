"""Layers of every form and archives of every kind, with the checksums that another reader makes of them."""

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable

import pytest

from tests.protocol.v1.docker import Docker, Image, archive, new_image, refused
from tests.protocol.v1.test_tables import FORMAT, UPLOADING

WRONG = "0" * 64
FORMS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "gzip in two members": lambda layer: gzip.compress(layer[:700]) + gzip.compress(layer[700:]),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}


def begun(docker: Docker, image: Image) -> None:
    docker.announce([image])
    assert docker.put_json(image).status == docker.put_layer(image).status == 200


@pytest.mark.parametrize("form", FORMS)
def test_a_tarsum_is_of_the_archive_in_whatever_form(docker: Docker, form: str) -> None:
    plain = new_image(layer=archive({"a": b"b" * 3000, "c": b""}))
    image = plain._replace(layer=FORMS[form](plain.layer))
    begun(docker, image)
    refused(docker.put_checksum(image, {"X-Docker-Checksum": f"tarsum+sha256:{WRONG}"}), 400, "Checksum mismatch")
    assert docker.put_checksum(image, {"X-Docker-Checksum": plain.tarsum()}).status == 200
    assert docker.image("GET", image.id, "layer").body == image.layer
    assert docker.tag("latest", image.id).status == 200


@pytest.mark.parametrize("label", ["tarsum+sha256", "tarsum.v1+sha256", "tarsum.dev+sha256"])
@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_of_every_kind(docker: Docker, form: int, label: str) -> None:
    buffer = io.BytesIO()
    long = "/".join(["long" * 10] * (4 if form == tarfile.USTAR_FORMAT else 9))
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for kind, name, link in (
            (tarfile.DIRTYPE, "usr", ""), (tarfile.REGTYPE, "usr/empty", ""), (tarfile.SYMTYPE, "lib", "usr/lib"),
            (tarfile.LNKTYPE, "hard", "usr/empty"), (tarfile.CHRTYPE, "null", ""), (tarfile.FIFOTYPE, "pipe", ""),
            (tarfile.REGTYPE, ".wh.gone", ""), (tarfile.REGTYPE, long, ""),
        ):  # fmt: skip
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.uid, member.gid, member.mtime = kind, link, 1000, 100, 1234567890
            member.uname, member.gname, member.devmajor, member.devminor = "ada", "staff", 1, 3
            content = b"x" * (1025 + tar.offset % 7) if kind == tarfile.REGTYPE and name != "usr/empty" else b""
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    image = new_image(layer=buffer.getvalue())
    begun(docker, image)
    assert docker.put_checksum(image, {"X-Docker-Checksum": image.tarsum(label)}).status == 200


def test_the_time_of_files_counts_in_version_0_alone(docker: Docker) -> None:
    layers = []
    for time in (5, 1_400_000_000):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            member = tarfile.TarInfo("x")
            member.mtime = time
            tar.addfile(member)
        layers.append(buffer.getvalue())
    image = new_image(layer=layers[0])
    begun(docker, image)
    other = image._replace(layer=layers[1])
    refused(docker.put_checksum(image, {"X-Docker-Checksum": other.tarsum()}), 400, "Checksum mismatch")
    assert docker.put_checksum(image, {"X-Docker-Checksum": other.tarsum("tarsum.v1+sha256")}).status == 200


def test_a_tarsum_of_what_is_no_archive(docker: Docker) -> None:
    for layer in (
        b"no archive",
        gzip.compress(b"no archive"),
        b"\x1f\x8b cut",
        gzip.compress(archive({"x": b"x"}))[:-9],
    ):
        image = new_image(layer=layer)
        begun(docker, image)
        refused(docker.put_checksum(image, {"X-Docker-Checksum": f"tarsum+sha256:{WRONG}"}), 400)
        refused(docker.image("GET", image.id, "json"), 400, UPLOADING)
        assert docker.put_checksum(image).status == 200
        assert docker.image("GET", image.id, "layer").body == layer


@pytest.mark.parametrize(
    "text",
    [
        "x", f"md5:{'0' * 32}", "sha256", "sha256:", "sha256:xyz", f"sha512:{WRONG}{WRONG}", f"sha256:{WRONG}0",
        f"tarsum.v2+sha256:{WRONG}", f"tarsum+md5:{'0' * 32}", ":", "sha256:" + "\xb2" * 64, f"tarsum+sha256:{WRONG},",
        "x" * 10_000,
    ],
)  # fmt: skip
@pytest.mark.parametrize("header", ["X-Docker-Checksum", "X-Docker-Checksum-Payload"])
def test_what_is_no_checksum(docker: Docker, header: str, text: str) -> None:
    image = new_image()
    begun(docker, image)
    refused(docker.put_checksum(image, {header: text}), 400, FORMAT)
    refused(docker.put_json(image, {header: text}), 400, FORMAT)
    refused(docker.image("GET", image.id, "json"), 400, UPLOADING)
