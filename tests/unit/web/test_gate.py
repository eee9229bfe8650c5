"""A page of another site cannot make a browser change anything."""

import types
from typing import Any

import pytest
from multidict import CIMultiDict

from orlop.web.gate import is_cross_site


def asked(method: str, **headers: str) -> bool:
    found = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    request: Any = types.SimpleNamespace(method=method, headers=found)
    return is_cross_site(request)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_what_changes_something_must_not_come_from_elsewhere(method: str) -> None:
    for site in ("cross-site", "same-site", "", "anything"):
        assert asked(method, Sec_Fetch_Site=site, Host="r")
    for origin in ("https://evil.example.com", "null", "", "https://r:1", "https://r.evil.example.com", "r"):
        assert asked(method, Origin=origin, Host="r")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_clients_that_are_no_browsers_and_pages_of_the_registry_itself(method: str) -> None:
    assert not asked(method)
    assert not asked(method, Host="r")
    assert not asked(method, Sec_Fetch_Site="same-origin", Origin="https://r", Host="r")
    assert not asked(method, Sec_Fetch_Site="none", Host="r")
    assert not asked(method, Origin="http://r:5000", Host="r:5000")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_links_may_lead_here(method: str) -> None:
    assert not asked(method, Sec_Fetch_Site="cross-site", Origin="https://evil.example.com", Host="r")
