"""The Postman collection: every operation is in it, and its requests work as they are."""

import gzip

import orjson
import pytest
from django.test import Client

from config.docs import openapi_document


@pytest.fixture
def collection():
    response = Client().get("/developers/postman.json", headers={"Host": "localhost:8123"})
    assert response["Content-Disposition"].startswith("attachment; filename=")
    return response.json()


def requests_of(collection):
    return {item["name"]: item["request"] for tag in collection["item"] for item in tag["item"]}


def send(request, token=""):
    """The response to a request of the collection, sent as Postman sends it."""
    values = {each["key"]: each["value"] for each in request["url"]["variable"]}
    steps = [values.get(step[1:], step) for step in request["url"]["path"]]
    headers = {each["key"]: each["value"] for each in request["header"] if not each.get("disabled")}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return Client().generic(
        request["method"],
        f"/{'/'.join(steps)}",
        request.get("body", {}).get("raw", ""),
        content_type=headers.pop("Content-Type", "application/json"),
        headers=headers,
    )


def test_the_collection_is_sent_once_and_compressed():
    path, headers = "/developers/postman.json", {"Accept-Encoding": "gzip"}
    first = Client().get(path, headers=headers)

    again = Client().get(path, headers={**headers, "If-None-Match": first["ETag"]})

    assert orjson.loads(gzip.decompress(first.content)) == Client().get(path).json()
    assert (again.status_code, again.content) == (304, b"")


def test_every_operation_is_in_the_folder_of_its_tag(collection):
    document = orjson.loads(openapi_document("json"))
    expected = sorted(
        (operation["tags"][0], method.upper(), path, "requestBody" in operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )

    found = []
    for tag in collection["item"]:
        for item in tag["item"]:
            request = item["request"]
            steps = [
                f"{{{step[1:]}}}" if step.startswith(":") else step
                for step in request["url"]["path"]
            ]
            path = f"/{'/'.join(steps)}"
            found.append((tag["name"], request["method"], path, "body" in request))

    assert sorted(found) == expected


def test_variables_name_the_server_that_was_asked(collection):
    assert collection["variable"] == [
        {"key": "base", "value": "http://localhost:8123"},
        {"key": "access", "value": ""},
    ]


def test_each_variable_of_a_path_has_a_value_or_a_name(collection):
    for name, request in requests_of(collection).items():
        named = {step[1:] for step in request["url"]["path"] if step.startswith(":")}
        assert named == {each["key"] for each in request["url"]["variable"]}, name


def test_requests_work_as_they_are(clock, db, collection):
    requests = requests_of(collection)

    signed_up = send(requests["Sign up"])
    token = signed_up.json()["access"]
    created = send(requests["Create an event"], token)
    requests["Register for an event"]["url"]["variable"][0]["value"] = str(created.json()["id"])
    registered = send(requests["Register for an event"])

    assert [signed_up.status_code, created.status_code, registered.status_code] == [201, 201, 201]
    assert registered.json()["name"] == "Bob"


def test_a_form_has_its_file_and_its_fields(collection):
    [body] = [
        request["body"]
        for request in requests_of(collection).values()
        if request.get("body", {}).get("mode") == "formdata"
    ]

    assert [(field["key"], field["type"]) for field in body["formdata"]] == [
        ("image", "file"),
        ("alt", "text"),
    ]
