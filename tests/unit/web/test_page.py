"""The page at `/`: which host it names, and that nothing of a request becomes HTML."""

import base64
import hashlib
import re

import msgspec
import pytest

from orlop.config import Settings
from orlop.web.ui import page

DEFAULTS = Settings()


def words(host: str, settings: Settings = DEFAULTS) -> dict[str, str]:
    return page._words(settings, page._url(settings, host))


def with_(**values: object) -> Settings:
    return msgspec.structs.replace(DEFAULTS, **values)


@pytest.mark.parametrize(
    "host", ["localhost:5000", "127.0.0.1:5000", "registry.example.com", "a-b.c:1", "[::1]:5000", "[2001:db8::1]", "r"]
)
def test_the_host_is_where_the_client_found_the_registry(host: str) -> None:
    assert words(host)["host"] == host


@pytest.mark.parametrize(
    "host",
    [
        "", "-a", "a-", ".a", "a b", "a/b", "a;rm -rf", "$(id)", "`id`", "<script>", 'a"onclick=', "a&b", "a:b",
        "a:123456", "user@a", "a\n", "ä", "[::1", "::1", "[x]", "a" * 300, "a:80:80", "https://a", "a?b", "a#b", "a'b",
        "a|b", "a\x00",
    ],
)  # fmt: skip
def test_a_host_that_is_none_is_not_repeated(host: str) -> None:
    assert words(host)["host"] == DEFAULTS.listen


def test_the_public_address_goes_before_what_the_client_says() -> None:
    told = words("127.0.0.1:5000", with_(public_url="https://registry.example.com/"))
    assert (told["host"], told["url"]) == ("registry.example.com", "https://registry.example.com")
    assert (told["podman"], told["skopeo_push"], told["note"]) == ("", "", "")


def test_plain_http_is_told_to_clients_that_expect_tls() -> None:
    told = words("127.0.0.1:5000")
    assert told["podman"] == "--tls-verify=false "
    assert told["note"] == ""  # docker takes this machine's own registries without
    assert '"insecure-registries": ["registry.example.com:5000"]' in words("registry.example.com:5000")["note"]


def test_with_tls_nothing_is_said_of_plain_http() -> None:
    told = words("registry.example.com", with_(tls=msgspec.structs.replace(DEFAULTS.tls, cert="c.pem", key="k.pem")))
    assert told["url"] == "https://registry.example.com"
    assert (told["podman"], told["note"]) == ("", "")


def test_metrics_that_are_elsewhere_are_not_linked() -> None:
    assert "/metrics" in words("a")["metrics"]
    elsewhere = with_(metrics=msgspec.structs.replace(DEFAULTS.metrics, listen="127.0.0.1:9090"))
    assert words("a", elsewhere)["metrics"] == ""


def test_the_policy_allows_the_pages_own_style_and_nothing_else() -> None:
    built = page._page()
    text = built.template.substitute(words("localhost"))
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = dict(built.headers)["Content-Security-Policy"].split("; ")
    assert policy[:2] == ["default-src 'none'", f"style-src 'sha256-{digest}'"]
    assert "<script" not in text
    assert re.search(r"\s(?:style|on\w+)=", text) is None
    assert "$" not in text
