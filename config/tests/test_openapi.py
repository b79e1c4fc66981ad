"""The OpenAPI document: complete for every operation, valid, and true."""

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import orjson
import pytest
import yaml
from django.core.management import call_command
from django.test import Client
from drf_spectacular.validation import validate_schema

from accounts.tests.factories import PASSWORD
from config.docs import openapi_document
from config.errors import FIELD_CODES, all_errors
from registrations.tests.factories import registered

PROBLEM = "application/problem+json"
BINARY = {
    "image/png",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
Operation = dict[str, Any]


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return orjson.loads(openapi_document("json"))


@pytest.fixture
def operations(document) -> dict[str, Operation]:
    """Every operation by its id, with its path and method."""
    return {
        operation["operationId"]: {**operation, "path": path, "method": method}
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def errors_of(document: dict[str, Any], schema: dict[str, Any], value: Any) -> list[str]:
    root = {**schema, "components": document["components"]}
    validator = jsonschema_rs.Draft202012Validator(root, validate_formats=True)
    return [
        f"{error.instance_path}: {error.message[:200]}" for error in validator.iter_errors(value)
    ]


def successes(operation: Operation) -> Iterator[tuple[str, dict[str, Any]]]:
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            yield status, response


def contents(operation: Operation) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Where it stands, the media type and its object: of the request and of every response."""
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        yield "request", media_type, content
    for status, response in operation["responses"].items():
        for media_type, content in response.get("content", {}).items():
            yield status, media_type, content


# --- the document as a whole ---


def test_document_is_made_without_a_warning(tmp_path):
    path = tmp_path / "openapi.yaml"

    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(path))

    assert yaml.safe_load(path.read_text())["openapi"].startswith("3.1")


def test_document_is_valid_openapi(document):
    validate_schema(document)

    assert document["info"]["title"] == "Event Management API"
    for name, schema in document["components"]["schemas"].items():
        jsonschema_rs.Draft202012Validator(
            {**schema, "components": document["components"]}, validate_formats=True
        )
        assert jsonschema_rs.meta.is_valid(schema), name


def test_document_is_nowhere_of_the_dialect_of_3_0(document):
    def keys(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            yield from value
            for inner in value.values():
                yield from keys(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from keys(inner)

    assert "nullable" not in set(keys(document))


JSON_DOCUMENT = "application/vnd.oai.openapi+json; charset=utf-8"
YAML_DOCUMENT = "application/vnd.oai.openapi; charset=utf-8"


@pytest.mark.parametrize(
    ("path", "accept", "media_type"),
    [
        ("/api/schema/", "*/*", JSON_DOCUMENT),
        ("/api/schema", "text/html,application/xhtml+xml,*/*;q=0.8", JSON_DOCUMENT),
        ("/api/schema/", "application/json", "application/json"),
        ("/api/schema/", "application/vnd.oai.openapi+json", JSON_DOCUMENT),
        ("/api/schema/", "application/vnd.oai.openapi", YAML_DOCUMENT),
        ("/api/schema/", "application/yaml", YAML_DOCUMENT),
        ("/api/schema/?format=json", "application/yaml", JSON_DOCUMENT),
        ("/api/schema/?format=yaml", "application/json", YAML_DOCUMENT),
    ],
)
def test_document_comes_as_yaml_and_json(document, path, accept, media_type):
    response = Client().get(path, headers={"Accept": accept})

    assert response.status_code == 200
    assert response["Content-Type"] == media_type
    read = orjson.loads if "json" in media_type else yaml.safe_load
    assert read(response.content) == document


def test_document_is_not_sent_again_to_who_has_it():
    client = Client()
    etag = client.get("/api/schema/")["ETag"]

    again = client.get("/api/schema/", headers={"If-None-Match": etag})

    assert (again.status_code, again.content) == (304, b"")


def test_document_in_an_unknown_format_is_a_problem():
    response = Client().get("/api/schema/?format=xml")

    assert response.status_code == 400
    assert response["Content-Type"] == PROBLEM


# --- every operation ---


def test_operations_have_names_of_their_own(document, operations):
    written = [operation for methods in document["paths"].values() for operation in methods]

    assert len(operations) == len(written)
    assert [name for name in operations if not name.isidentifier() or "_" in name] == []
    assert {"listEvents", "createEvent", "readEvent", "registerForEvent", "signIn"} <= set(
        operations
    )


def test_operations_have_a_summary_and_one_tag(document, operations):
    known = {tag["name"] for tag in document["tags"]}

    assert known == {"accounts", "directory", "events", "registrations"}
    for name, operation in operations.items():
        assert operation.get("summary"), name
        assert len(operation["tags"]) == 1, name
        assert set(operation["tags"]) <= known, name


def test_operations_show_an_example_of_all_they_send_and_answer(operations):
    missing = [
        (name, where, media_type)
        for name, operation in operations.items()
        for where, media_type, content in contents(operation)
        if media_type not in BINARY and not content.get("examples")
    ]

    assert missing == []


def test_examples_are_valid_by_their_schemas(document, operations):
    faults = [
        (name, where, title, errors)
        for name, operation in operations.items()
        for where, _, content in contents(operation)
        for title, example in content.get("examples", {}).items()
        if (errors := errors_of(document, content["schema"], example["value"]))
    ]

    assert faults == []


def test_operations_tell_their_errors_as_problems(operations):
    for name, operation in operations.items():
        statuses = {status for status in operation["responses"] if status[0] in "45"}
        wanted = {"400", "406", "429", "500", "503"}
        if "{" in operation["path"]:
            wanted.add("404")
        if {} not in operation["security"]:
            wanted.add("401")
        if "requestBody" in operation:
            wanted |= {"413", "415"}

        assert wanted <= statuses, name
        for status in statuses:
            response = operation["responses"][status]
            assert list(response["content"]) == [PROBLEM], (name, status)
            for example in response["content"][PROBLEM]["examples"].values():
                assert example["value"]["status"] == int(status), (name, status)


def test_operations_tell_the_headers_of_their_answers(operations):
    wanted = {
        "201": {"Location"},
        "401": {"WWW-Authenticate"},
        "429": {"Retry-After"},
        "503": {"Retry-After"},
        "304": {"ETag"},
    }
    for name, operation in operations.items():
        for status, response in operation["responses"].items():
            assert wanted.get(status, set()) | {"X-Request-ID"} <= set(response["headers"]), name
            assert response["description"], (name, status)


@pytest.mark.parametrize(
    ("name", "guests_may"),
    [
        ("listEvents", True),
        ("readEvent", True),
        ("listCategories", True),
        ("readCategory", True),
        ("registerForEvent", True),
        ("signIn", True),
        ("createEvent", False),
        ("editEvent", False),
        ("createCategory", False),
        ("listAttendees", False),
        ("readMyProfile", False),
        ("listUsers", False),
    ],
)
def test_operations_tell_whether_guests_may(operations, name, guests_may):
    assert ({} in operations[name]["security"]) is guests_may


def test_guests_are_refused_where_the_document_says_so(db, operations):
    client = Client()

    for name, operation in operations.items():
        path = operation["path"]
        for parameter in operation["parameters"]:
            is_uuid = parameter["schema"].get("format") == "uuid"
            value = "5f0c7b1e-6a52-4d1c-9a3e-0d9c5a4e7f10" if is_uuid else "1"
            path = path.replace(f"{{{parameter['name']}}}", value)
        if {} not in operation["security"]:
            response = client.generic(operation["method"].upper(), path)
            assert (response.status_code, response.json()["code"]) == (401, "not_authenticated"), (
                name
            )


# --- errors ---


def test_every_code_of_a_problem_is_told_somewhere(document, operations):
    told = {
        code
        for operation in operations.values()
        for _, media_type, content in contents(operation)
        if media_type == PROBLEM
        for code in content["examples"]
    }
    listed = document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]

    assert listed == [error.code for error in all_errors()]
    # The one error of a method that is no operation.
    assert set(listed) - told == {"method_not_allowed"}


def test_every_code_of_a_problem_has_its_page(document):
    client = Client()

    for error in all_errors():
        response = client.get(f"/problems/{error.slug()}")
        assert response.status_code == 200, error.code
        assert error.code in response.content.decode()


def test_every_code_of_a_field_is_explained():
    page = Client().get("/problems/validation-error").content.decode()

    assert [code for code in FIELD_CODES if f"<code>{code}</code>" not in page] == []


# --- real answers ---


def check(document, operations, name: str, response: Any) -> None:
    """The answer is one that the document tells: its status, media type, headers and body."""
    told = operations[name]["responses"][str(response.status_code)]
    for header, described in told["headers"].items():
        component = document["components"]["headers"].get(header, described)
        assert header in response.headers or not component.get("required"), header
    if told.get("content"):
        schema = told["content"][response["Content-Type"].partition(";")[0]]["schema"]
        assert errors_of(document, schema, response.json()) == []


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("listEvents", "/api/events/?count=true"),
        ("readEvent", "/api/events/{event}/"),
        ("listAttendees", "/api/events/{event}/attendees/"),
        ("readMyProfile", "/api/me/"),
        ("listMyEvents", "/api/me/events/?timezone=Asia/Kolkata"),
        ("listMyRegistrations", "/api/me/registrations/"),
        ("readRegistration", "/api/registrations/{registration}/"),
        ("readUser", "/api/users/{user}/"),
        ("listCategories", "/api/categories/"),
        ("listUsers", "/api/users/"),
        ("readEvent", "/api/events/999999/"),
        ("listEvents", "/api/events/?page_size=0"),
        ("listEvents", "/api/events/?catgory=x"),
    ],
)
def test_answers_to_reads_are_as_told(document, operations, signed_in, olga, event, name, path):
    registration = registered(event, email=olga.email, user=olga)
    ids = {"event": event.pk, "registration": registration.pk, "user": olga.pk}

    response = signed_in(olga).get(path.format(**ids))

    check(document, operations, name, response)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("signUp", "/api/register/"),
        ("signIn", "/api/login/"),
        ("createEvent", "/api/events/"),
        ("publishDraft", "/api/events/{event}/publish/"),
        ("registerForEvent", "/api/events/{event}/register/"),
    ],
)
def test_answers_to_the_examples_are_as_told(
    document, operations, clock, signed_in, anyone, olga, event, name, path
):
    content = operations[name].get("requestBody", {}).get("content", {})
    examples = content.get("application/json", {}).get("examples", {"None": {"value": {}}})
    client = anyone if name in {"signUp", "signIn", "registerForEvent"} else signed_in(olga)

    for example in examples.values():
        response = client.post(path.format(event=event.pk), example["value"])

        assert response.status_code in {200, 201} or name == "signIn"
        check(document, operations, name, response)


def test_answer_to_a_sign_in_is_as_told(document, operations, anyone, olga):
    response = anyone.post("/api/login/", {"email": olga.email, "password": PASSWORD})

    assert response.status_code == 200
    check(document, operations, "signIn", response)


def test_answer_to_who_is_not_signed_in_is_as_told(document, operations, anyone):
    response = anyone.post("/api/events/", {})

    assert response.status_code == 401
    check(document, operations, "createEvent", response)
