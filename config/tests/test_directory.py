"""`GET /api/`: the directory of the main routes."""

import pytest

from config.directory import _EXAMPLE, ROUTES

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", ["/api", "/api/"])
def test_directory_names_routes_docs_schema_and_version(anyone, path):
    response = anyone.get(path, HTTP_HOST="localhost:8000")

    assert response.status_code == 200
    assert response.json() == _EXAMPLE
    assert response["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"


def test_directory_links_lead_to_a_route(anyone):
    links = anyone.get("/api/").json()

    statuses = {name: anyone.options(links[name]).status_code for name in ROUTES}

    assert statuses.keys() == ROUTES.keys()
    assert 404 not in statuses.values()


def test_directory_lists_the_contract_version_of_the_schema(anyone):
    schema = anyone.get("/api/schema/?format=json").json()

    assert anyone.get("/api/").json()["version"] == schema["info"]["version"]


def test_directory_rejects_other_methods_and_parameters(anyone):
    assert anyone.post("/api/").status_code == 405
    assert anyone.get("/api/?page=2").json()["code"] == "unknown_parameter"


def test_directory_responds_304_to_its_etag(anyone):
    etag = anyone.get("/api/")["ETag"]

    assert anyone.get("/api/", HTTP_IF_NONE_MATCH=etag).status_code == 304
