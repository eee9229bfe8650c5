"""Digests: one content has one name, and no other text is a digest."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orlop.domain.digest import Digest, is_digest, new_hasher, parse_algorithm
from orlop.domain.errors import DigestInvalid

HEX = "0123456789abcdef"
SHA256 = "sha256:" + "0f" * 32
SHA512 = "sha512:" + "0f" * 64


@pytest.mark.parametrize(("text", "algorithm"), [(SHA256, "sha256"), (SHA512, "sha512")])
def test_a_digest_knows_its_parts(text: str, algorithm: str) -> None:
    digest = Digest.parse(text)
    assert (digest, digest.algorithm, digest.hex) == (text, algorithm, text.partition(":")[2])


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "sha256",
        "sha256:",
        SHA256[:-1],
        SHA256 + "0",
        SHA256 + "\n",  # `$` would let it through
        " " + SHA256,
        SHA256.upper(),
        SHA256.replace("f", "F"),
        "SHA256:" + "0f" * 32,
        "sha256:" + "0f" * 64,
        "sha512:" + "0f" * 32,
        "sha256:" + "0" * 63 + "٠",  # a digit of another script
        "sha256:../../../../etc/passwd",
        "sha256:" + "0" * 62 + "/.",
        "sha256+b64:" + "0f" * 32,
        "md5:" + "0" * 32,
        "sha1:" + "0" * 40,
        "sha384:" + "0" * 96,
        SHA256 + "\0",
    ],
)
def test_no_other_text_is_a_digest(text: str) -> None:
    with pytest.raises(DigestInvalid):
        Digest.parse(text)


def test_an_unsupported_algorithm_is_named_with_those_that_are() -> None:
    with pytest.raises(DigestInvalid, match=r"unsupported digest algorithm 'md5': use sha256 or sha512"):
        Digest.parse("md5:" + "0" * 32)
    with pytest.raises(DigestInvalid, match=r"'sha3'"):
        parse_algorithm("sha3")
    assert parse_algorithm("sha512") == "sha512"


@given(st.sampled_from(["sha256:", "sha512:", "sha256", "md5:"]), st.text(alphabet=HEX + "AgG:/\n", max_size=130))
def test_what_is_taken_is_lower_case_hex_of_its_full_length(prefix: str, rest: str) -> None:
    text = prefix + rest
    try:
        digest = Digest.parse(text)
    except DigestInvalid:
        assert not (prefix == "sha256:" and len(rest) == 64 and set(rest) <= set(HEX))
        assert not (prefix == "sha512:" and len(rest) == 128 and set(rest) <= set(HEX))
    else:
        assert digest == text
        assert set(digest.hex) <= set(HEX)
        assert len(digest.hex) == {"sha256": 64, "sha512": 128}[digest.algorithm]


@given(st.binary(), st.binary(), st.sampled_from(["sha256", "sha512"]))
def test_content_has_the_digest_that_hashlib_gives(first: bytes, second: bytes, algorithm: str) -> None:
    expected = f"{algorithm}:{hashlib.new(algorithm, first + second).hexdigest()}"
    hasher = new_hasher(algorithm, first)
    hasher.update(second)
    assert Digest.from_hasher(algorithm, hasher) == Digest.of(first + second, algorithm) == expected


def test_a_reference_with_a_colon_is_meant_as_a_digest() -> None:
    assert is_digest("sha256:abc")
    assert not is_digest("v1.0")
