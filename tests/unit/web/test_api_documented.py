"""The API's page and its description name every path, parameter and code that there is, and no other."""

import re
from pathlib import Path

import pytest

from orlop.web.api import errors, openapi
from orlop.web.api.routes import ROUTES

PAGE = (Path(__file__).parents[3] / "docs" / "howto" / "api.md").read_text()
DOCUMENT = openapi.document(ROUTES)


def test_each_path_is_on_the_page_with_its_methods_and_no_other() -> None:
    described = re.findall(r"^\| `(/api/v1[^`]*)` \| ([A-Z]+) \|", PAGE, re.MULTILINE)
    assert sorted(described) == sorted((route.path, method) for route in ROUTES for method in route.operations)


def test_each_path_is_in_the_description_with_its_methods_and_no_other() -> None:
    described = {
        path: {method for method in item if method != "parameters"} for path, item in DOCUMENT["paths"].items()
    }
    assert described == {route.path: {method.lower() for method in route.operations} for route in ROUTES}


def test_each_code_is_on_the_page_with_its_status_and_no_other() -> None:
    described = re.findall(r"^\| `([A-Z_]+)` \| ([0-9]+) \|", PAGE, re.MULTILINE)
    assert sorted(described) == sorted({(row.code, str(row.status)) for row in errors.TABLE.values()})


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_each_parameter_is_on_the_page_and_in_the_description(route: openapi.Route) -> None:
    for method, operation in route.operations.items():
        described = DOCUMENT["paths"][route.path][method.lower()]["parameters"]
        assert [parameter["name"] for parameter in described] == [parameter.name for parameter in operation.parameters]
        for parameter in operation.parameters:
            assert re.search(rf"`{parameter.name}[`=]", PAGE), parameter.name
            for value in parameter.schema.get("enum", ()):
                assert f"`{value.removeprefix('-')}`" in PAGE


def test_every_reference_of_the_description_leads_somewhere() -> None:
    references = set(re.findall(r"'\$ref': '#/components/schemas/([^']+)'", str(DOCUMENT)))
    assert "Problem" in references
    assert references <= set(DOCUMENT["components"]["schemas"])
