"""Checksums that v1 clients send."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orlop.domain.errors import ChecksumInvalid
from orlop.domain.v1.checksums import PAYLOAD, TARSUM, TARSUM_DEV, TARSUM_V1, Checksum, PayloadChecksum

HEX = "0f" * 32


@pytest.mark.parametrize("label", [PAYLOAD, TARSUM, TARSUM_V1, TARSUM_DEV])
def test_a_checksum_knows_its_parts(label: str) -> None:
    checksum = Checksum.parse(f"{label}:{HEX}")
    assert (checksum.label, checksum.hex) == (label, HEX)
    assert checksum == Checksum.of(label, HEX)


@pytest.mark.parametrize(
    "text",
    [
        "",
        HEX,
        f":{HEX}",
        "sha256:",
        f"sha256:{HEX}0",
        f"sha256:{HEX[1:]}",
        f"sha256:{HEX.upper()}",
        f"sha256:{HEX}\n",
        f"sha512:{HEX}",
        f"md5:{HEX}",
        f"tarsum:{HEX}",
        f"tarsum+md5:{HEX}",
        f"tarsum.v2+sha256:{HEX}",
        f"tarsumxv1+sha256:{HEX}",
        f"tarsum+sha256+sha256:{HEX}",
    ],
)
def test_no_other_text_is_a_checksum(text: str) -> None:
    with pytest.raises(ChecksumInvalid, match=r"^Invalid checksum format$"):
        Checksum.parse(text)


@given(st.binary(), st.lists(st.binary()))
def test_the_payload_is_the_json_a_line_feed_and_the_layer(image_json: bytes, pieces: list[bytes]) -> None:
    counted = PayloadChecksum(image_json)
    for piece in pieces:
        counted.update(piece)
    expected = hashlib.sha256(image_json + b"\n" + b"".join(pieces)).hexdigest()
    assert counted.checksum() == f"sha256:{expected}"
