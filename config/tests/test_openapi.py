"""The OpenAPI document is complete for every operation, valid, and correct."""

import gzip
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest
import yaml
from django.core.management import call_command
from django.test import Client
from drf_spectacular import validation

from accounts.tests.factories import PASSWORD
from config.docs import openapi_document
from config.errors import FIELD_CODES, all_errors
from registrations.tests.factories import registered

PROBLEM = "application/problem+json"
BINARY = {
    "image/jpeg",
    "image/png",
    "image/webp",
    "application/octet-stream",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
TAGS = [
    "sign in",
    "events",
    "registrations",
    "attendees",
    "series",
    "calendars",
    "notifications",
    "changes",
    "webhooks",
    "account",
    "teams",
    "API keys",
    "categories",
    "directory",
]
Operation = dict[str, Any]
# The one in C, where PyYAML has it, reads the document in 0.2 s in place of 1.2.
YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def from_yaml(text: str | bytes) -> Any:
    return yaml.load(text, Loader=YAML_LOADER)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return orjson.loads(openapi_document("json"))


@pytest.fixture(scope="module")
def operations(document) -> dict[str, Operation]:
    """Every operation by its id, with its path and method, and its shared responses in place."""
    shared = document["components"]["responses"]

    def in_place(response: dict[str, Any]) -> dict[str, Any]:
        return shared[response["$ref"].rpartition("/")[2]] if "$ref" in response else response

    return {
        operation["operationId"]: {
            **operation,
            "path": path,
            "method": method,
            "responses": {
                status: in_place(response) for status, response in operation["responses"].items()
            },
        }
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def walk(value: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object within, with where it is."""
    if isinstance(value, dict):
        yield path, value
        for name, inner in value.items():
            yield from walk(inner, f"{path}/{name}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from walk(inner, f"{path}/{index}")


def request_bodies(document: dict[str, Any], operations: dict[str, Operation]) -> set[str]:
    """The names of all components that a request consists of."""
    schemas, found = document["components"]["schemas"], set()
    waiting = [operation.get("requestBody", {}) for operation in operations.values()]
    while waiting:
        for _, inner in walk(waiting.pop()):
            name = str(inner.get("$ref", "")).removeprefix("#/components/schemas/")
            if name in schemas and name not in found:
                found.add(name)
                waiting.append(schemas[name])
    return found


def errors_of(document: dict[str, Any], schema: dict[str, Any], value: Any) -> list[str]:
    root = {**schema, "components": {"schemas": needed_schemas(document, schema)}}
    validator = jsonschema_rs.Draft202012Validator(root, validate_formats=True)
    return [
        f"{error.instance_path}: {error.message[:200]}" for error in validator.iter_errors(value)
    ]


def needed_schemas(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Those that a schema refers to. A validator of all takes ten times as long to make."""
    found: dict[str, Any] = {}
    waiting = [schema]
    while waiting:
        for name in re.findall(r"'#/components/schemas/(\w+)'", str(waiting.pop())):
            if name not in found:
                found[name] = document["components"]["schemas"][name]
                waiting.append(found[name])
    return found


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


def validate_openapi(document: dict[str, Any]) -> None:
    """As drf-spectacular's `validate_schema`, whose validator in Python takes over two seconds."""
    specification = Path(validation.__file__).with_name("openapi_3_1_schema.json")
    jsonschema_rs.validator_for(orjson.loads(specification.read_bytes())).validate(document)


# --- the document as a whole ---


def test_document_is_generated_without_a_warning(tmp_path):
    path = tmp_path / "openapi.yaml"

    call_command("spectacular", "--fail-on-warn", "--file", str(path))

    generated = from_yaml(path.read_text())
    assert generated["openapi"].startswith("3.1")
    validate_openapi(generated)


def test_document_is_valid_openapi(document):
    validate_openapi(document)

    assert document["info"]["title"] == "Event Management API"
    for name, schema in document["components"]["schemas"].items():
        jsonschema_rs.Draft202012Validator(
            {**schema, "components": document["components"]}, validate_formats=True
        )
        assert jsonschema_rs.meta.is_valid(schema), name


def test_document_has_no_syntax_of_openapi_3_0(document):
    assert [path for path, inner in walk(document) if "nullable" in inner] == []


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
def test_document_is_served_as_yaml_and_json(document, path, accept, media_type):
    response = Client().get(path, headers={"Accept": accept})

    assert response.status_code == 200
    assert response["Content-Type"] == media_type
    read = orjson.loads if "json" in media_type else from_yaml
    assert read(response.content) == document


def test_document_responds_304_to_its_etag():
    client = Client()
    etag = client.get("/api/schema/")["ETag"]

    again = client.get("/api/schema/", headers={"If-None-Match": etag})

    assert (again.status_code, again.content) == (304, b"")


def test_document_is_small(document):
    assert len(openapi_document("json")) <= 800_000
    assert len(Client().get("/api/schema/", headers={"Accept-Encoding": "gzip"}).content) <= 80_000


@pytest.mark.parametrize("format", ["json", "yaml"])
def test_document_is_compressed_for_clients_that_accept_gzip(format):
    response = Client().get(
        f"/api/schema/?format={format}", headers={"Accept-Encoding": "br, gzip"}
    )

    assert response["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in response["Vary"]
    assert gzip.decompress(response.content) == openapi_document(format)


@pytest.mark.parametrize("accepted", ["", "identity", "gzip;q=0, br", "br", "*;q=0"])
def test_document_is_not_compressed_for_other_clients(accepted):
    response = Client().get("/api/schema/", headers={"Accept-Encoding": accepted})

    assert not response.has_header("Content-Encoding")
    assert "Accept-Encoding" in response["Vary"]
    assert response.content == openapi_document("json")


def test_document_has_an_etag_for_each_coding():
    client = Client()
    plain, packed = (
        client.get("/api/schema/", headers={"Accept-Encoding": coding})["ETag"]
        for coding in ("identity", "gzip")
    )

    again = client.get("/api/schema/", headers={"Accept-Encoding": "gzip", "If-None-Match": packed})

    assert plain != packed
    assert (again.status_code, again.content) == (304, b"")


def test_document_in_an_unknown_format_is_a_problem():
    response = Client().get("/api/schema/?format=xml")

    assert response.status_code == 400
    assert response["Content-Type"] == PROBLEM


# --- every operation ---


def test_operation_ids_are_unique(document, operations):
    written = [operation for methods in document["paths"].values() for operation in methods]

    assert len(operations) == len(written)
    assert [name for name in operations if not name.isidentifier() or "_" in name] == []
    assert {"listEvents", "createEvent", "readEvent", "registerForEvent", "signIn"} <= set(
        operations
    )


def test_operations_have_a_summary_and_one_tag(document, operations):
    assert [tag["name"] for tag in document["tags"]] == TAGS
    for name, operation in operations.items():
        assert operation.get("summary"), name
        assert len(operation["tags"]) == 1, name
        assert set(operation["tags"]) <= set(TAGS), name


def test_operations_come_in_the_order_of_their_tags(document, operations):
    positions = [TAGS.index(operation["tags"][0]) for operation in operations.values()]

    assert positions == sorted(positions)
    assert list(operations)[:2] == ["signUp", "signIn"]


def test_operations_have_examples_of_requests_and_responses(operations):
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


def test_operations_document_their_errors_as_problems(operations):
    for name, operation in operations.items():
        statuses = {status for status in operation["responses"] if status[0] in "45"}
        required = {"400", "406", "429", "500", "503"}
        if "{" in operation["path"]:
            required.add("404")
        if operation["security"]:
            required.add("401")
        if "requestBody" in operation:
            required |= {"413", "415"}

        assert required <= statuses, name
        for status in statuses:
            response = operation["responses"][status]
            assert list(response["content"]) == [PROBLEM], (name, status)
            for example in response["content"][PROBLEM]["examples"].values():
                assert example["value"]["status"] == int(status), (name, status)


def test_operations_document_the_headers_of_responses(operations):
    required = {
        "201": {"Location"},
        "401": {"WWW-Authenticate"},
        "429": {"Retry-After"},
        "503": {"Retry-After"},
        "304": {"ETag"},
    }
    for name, operation in operations.items():
        for status, response in operation["responses"].items():
            assert required.get(status, set()) | {"X-Request-ID"} <= set(response["headers"]), name
            assert response["description"], (name, status)


@pytest.mark.parametrize(
    ("name", "guests_may", "scopes"),
    [
        ("listEvents", True, []),
        ("readEvent", True, []),
        ("listCategories", True, []),
        ("readCategory", True, []),
        ("registerForEvent", True, []),
        ("signIn", True, []),
        ("createEvent", False, ["events:write"]),
        ("editEvent", False, ["events:write"]),
        ("createCategory", False, []),
        ("listAttendees", True, []),  # the names of an event may be open to all
        ("exportAttendees", False, ["registrations:read"]),
        ("readMyProfile", False, []),
        ("listUsers", False, []),
    ],
)
def test_operations_document_who_has_access(operations, name, guests_may, scopes):
    keys = [{"apiKey": [scope]} for scope in scopes]

    assert operations[name]["security"] == ([] if guests_may else [{"bearer": []}, *keys])


def test_guests_are_refused_where_the_document_says_so(db, operations):
    client = Client()

    for name, operation in operations.items():
        path = operation["path"]
        for parameter in operation["parameters"]:
            is_uuid = parameter["schema"].get("format") == "uuid"
            value = "5f0c7b1e-6a52-4d1c-9a3e-0d9c5a4e7f10" if is_uuid else "1"
            path = path.replace(f"{{{parameter['name']}}}", value)
        if operation["security"]:
            response = client.generic(operation["method"].upper(), path)
            assert (response.status_code, response.json()["code"]) == (401, "not_authenticated"), (
                name
            )


# --- errors ---


def test_every_problem_code_is_documented(document, operations):
    documented = {
        code
        for operation in operations.values()
        for _, media_type, content in contents(operation)
        if media_type == PROBLEM
        for code in content["examples"]
    }
    listed = document["components"]["schemas"]["ProblemCode"]["enum"]

    assert listed == [error.code for error in all_errors()]
    # The one error of a method that is no operation.
    assert set(listed) - documented == {"method_not_allowed"}


def test_every_code_of_a_problem_has_its_page(document):
    client = Client()

    for error in all_errors():
        response = client.get(f"/problems/{error.slug()}")
        assert response.status_code == 200, error.code
        assert error.code in response.content.decode()


def test_every_code_of_a_field_is_explained():
    page = Client().get("/problems/validation-error").content.decode()

    assert [code for code in FIELD_CODES if f"<code>{code}</code>" not in page] == []


def test_members_of_problems_have_types(document):
    members = document["components"]["schemas"]["Problem"]["properties"]

    for error in all_errors():
        for name, value in error.example.items():
            assert members[name].keys() & {"type", "$ref"}, name
            assert errors_of(document, members[name], value) == []
    assert members["max_capacity"]["type"] == members["minimum"]["type"] == "integer"
    assert members["reason"]["type"] == "string"
    assert members["opens_at"]["format"] == "date-time"


def test_equal_error_responses_are_written_once(document):
    inline = [
        json.dumps(response, sort_keys=True)
        for methods in document["paths"].values()
        for operation in methods.values()
        for status, response in operation["responses"].items()
        if status[0] in "45" and "$ref" not in response
    ]

    assert len(inline) == len(set(inline))
    assert {"NotFound", "RateLimited", "ServerError"} <= set(document["components"]["responses"])


# --- what generated clients are made from ---


def patterns_of(document: dict[str, Any]) -> list[str]:
    found = (inner.get("pattern") for _, inner in walk(document))
    return sorted({pattern for pattern in found if isinstance(pattern, str)})


def test_patterns_compile_in_python(document):
    patterns = patterns_of(document)

    assert len(patterns) > 10
    for pattern in patterns:
        re.compile(pattern)


@pytest.mark.parametrize("flags", ["", "u"])
def test_patterns_compile_in_javascript(document, flags):
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    program = "for (const each of JSON.parse(process.argv[1])) new RegExp(each, process.argv[2])"

    done = subprocess.run(
        [node, "-e", program, json.dumps(patterns_of(document)), flags],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""


def test_bodies_have_no_alternatives_of_required_fields(document, operations):
    choices = [
        f"{name}{path}"
        for name in request_bodies(document, operations)
        for path, inner in walk(document["components"]["schemas"][name])
        if inner.keys() & {"anyOf", "oneOf"} and {"type": "null"} not in inner.get("oneOf", ())
    ]

    assert choices == []


@pytest.mark.parametrize(
    ("name", "is_required"),
    [
        ("createEvent", True),
        ("replaceEvent", True),
        ("createSeries", True),
        ("signIn", True),
        ("markNotificationsAsRead", True),
        ("importEvents", True),
        ("importAttendees", True),
        ("editEvent", False),
        ("registerForEvent", False),
        ("cancelEvent", False),
    ],
)
def test_bodies_are_required_where_an_empty_one_is_refused(operations, name, is_required):
    assert operations[name]["requestBody"].get("required", False) is is_required


def test_fields_of_requests_with_a_default_are_optional(document, operations):
    """Without the keyword: a client that reads it sends the default, or makes it required."""
    schemas = document["components"]["schemas"]
    names = request_bodies(document, operations)

    assert {"EventCreate", "EventReplace", "EventEdit", "SignIn", "SeriesCreate"} <= names
    assert [
        f"{name}{path}" for name in names for path, inner in walk(schemas[name])
        if "default" in inner
    ] == []  # fmt: skip
    assert {"description", "category", "max_capacity", "status", "waitlist_enabled"}.isdisjoint(
        schemas["EventCreate"].get("required", ())
    )
    assert schemas["EventCreate"]["properties"]["waitlist_enabled"]["description"] == (
        "Default: `false`."
    )


def test_components_have_expected_names(document, operations):
    names = set(document["components"]["schemas"])

    assert {"Event", "EventCreate", "EventReplace", "EventEdit", "EventPage"} <= names
    assert {"SignIn", "SignUp", "Registration", "RegistrationCreate", "AttendeePage"} <= names
    assert [name for name in names if re.search("InRequest|Out$|^Patched|^Paginated", name)] == []
    assert "confirmEmailAddress" in operations


def test_files_are_bytes_for_a_client_that_reads_no_other_type(
    document, operations, signed_in, olga, event
):
    registration = registered(event, email=olga.email, user=olga)
    paths = {
        "readTicketPng": f"/api/registrations/{registration.pk}/ticket.png",
        "readTicketSvg": f"/api/registrations/{registration.pk}/ticket.svg",
        "exportAttendees": f"/api/events/{event.pk}/attendees/export/?format=xlsx",
    }
    client = signed_in(olga)

    for name, path in paths.items():
        usual = client.get(path)
        if usual.streaming:  # a process streams a few files at a time
            assert b"".join(usual.streaming_content)
        octets = client.get(path, headers={"Accept": "application/octet-stream"})
        content = operations[name]["responses"]["200"]["content"]

        assert content["application/octet-stream"]["schema"] == {
            "type": "string",
            "format": "binary",
        }
        assert usual["Content-Type"].partition(";")[0] in content
        assert usual["Content-Type"] != "application/octet-stream"
        assert octets["Content-Type"] == "application/octet-stream"
        body = b"".join(octets.streaming_content) if octets.streaming else octets.content
        assert body[:4] in {b"\x89PNG", b"PK\x03\x04", b"<svg", b"<?xm"}


# --- real responses ---


def check(document, operations, name: str, response: Any) -> None:
    """The response matches the document: its status, media type, headers and body."""
    documented = operations[name]["responses"][str(response.status_code)]
    for header, described in documented["headers"].items():
        component = document["components"]["headers"].get(header, described)
        assert header in response.headers or not component.get("required"), header
    if documented.get("content"):
        schema = documented["content"][response["Content-Type"].partition(";")[0]]["schema"]
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
def test_responses_to_reads_match_the_document(
    document, operations, signed_in, olga, event, name, path
):
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
        ("publishEvent", "/api/events/{event}/publish/"),
        ("registerForEvent", "/api/events/{event}/register/"),
    ],
)
def test_responses_to_the_examples_match_the_document(
    document, operations, clock, signed_in, anyone, olga, event, name, path
):
    content = operations[name].get("requestBody", {}).get("content", {})
    examples = content.get("application/json", {}).get("examples", {"None": {"value": {}}})
    client = anyone if name in {"signUp", "signIn", "registerForEvent"} else signed_in(olga)

    for example in examples.values():
        response = client.post(path.format(event=event.pk), example["value"])

        assert response.status_code in {200, 201} or name == "signIn"
        check(document, operations, name, response)


def test_response_to_a_sign_in_matches_the_document(document, operations, anyone, olga):
    response = anyone.post("/api/login/", {"email": olga.email, "password": PASSWORD})

    assert response.status_code == 200
    check(document, operations, "signIn", response)


def test_response_to_guests_matches_the_document(document, operations, anyone):
    response = anyone.post("/api/events/", {})

    assert response.status_code == 401
    check(document, operations, "createEvent", response)
