"""Error texts say what to do, in the API's terms and not in those of Python."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from rest_framework.exceptions import ValidationError
from rest_framework.serializers import Serializer

from config.api.http.exception_handler import to_domain_error
from config.api.http.timezones import nearest_zone
from config.errors import ValidationFailed
from conftest import NOW
from events.models import Event
from events.tests.factories import EventFactory
from registrations.tests.factories import registered

from .routes import routes

pytestmark = pytest.mark.django_db

OF_PYTHON = re.compile(
    r"\b(dict|dictionary|list|tuple|str|int|bool|float|None|NoneType|True|False|object at|"
    r"datetime|QueryDict|Traceback|ErrorDetail|module|repr)\b|<class|\['|\{'"
)
WRONG_VALUES: list[Any] = [
    *(None, True, False, 0, -1, 10**30, 1.5, "", "x", "weekly", "x" * 20_000, "\0"),
    *([], ["x"], [[1]], [None] * 2000, [{}], {}, {"a": 1}, {"a": {"b": [1]}}),
]
WRONG_BODIES: list[Any] = [None, True, 1, 1.5, "x", [], [[]], [None], ["x"], [{}], {"": 1}]
WRONG_PARAMETERS = ["", "x", "-1", "%00"]


def texts_of(response: Any) -> list[str]:
    """What a problem document says, without the values of its other members."""
    if response.status_code < 400:
        return []
    problem = json.loads(response.content)
    return [problem["detail"], *(error["detail"] for error in problem.get("errors", []))]


def serializers_of_bodies() -> dict[str, Serializer[Any]]:
    def of(parent: type) -> Iterator[type]:
        for child in parent.__subclasses__():
            yield child
            yield from of(child)

    return {
        each.__name__: each
        for each in of(Serializer)
        if each.__name__.endswith("In") and ".tests." not in each.__module__
    }


def test_field_errors_have_no_words_of_python():
    """Each field of each body, with values of every type."""
    texts = set()
    for serializer_class in serializers_of_bodies().values():
        for name, field in serializer_class(context={"categories": {}}).fields.items():
            for value in WRONG_VALUES:
                try:
                    field.run_validation(value)
                except ValidationError as error:
                    failed = to_domain_error(error)
                    assert isinstance(failed, ValidationFailed)
                    texts |= {
                        f"{serializer_class.__name__}.{name}: {each.detail}"
                        for each in failed.field_errors
                    }

    assert len(texts) > 50
    assert {text for text in texts if OF_PYTHON.search(text.partition(": ")[2])} == set()


@pytest.mark.parametrize("body", WRONG_BODIES, ids=repr)
def test_errors_of_wrong_body_types_have_no_words_of_python(clock, olga, signed_in, body):
    client, event = signed_in(olga), EventFactory(organizer=olga)
    texts = []

    for method, address in (
        ("post", "/api/events/"),
        ("post", "/api/events/bulk/"),
        ("put", f"/api/events/{event.pk}/"),
        ("post", f"/api/events/{event.pk}/publish/"),
        ("patch", "/api/me/"),
    ):
        call = getattr(client, method)
        response = call(address, json.dumps(body), content_type="application/json")
        assert response.status_code == 400, address
        texts += texts_of(response)

    assert [text for text in texts if OF_PYTHON.search(text)] == []


def test_parameter_errors_have_no_words_of_python(clock, olga, signed_in):
    EventFactory(organizer=olga)
    client, wrong = signed_in(olga), set()
    for route in routes():
        if not route.path.startswith("api/") or "<" in route.path or not route.view:
            continue
        if "GET" not in route.methods or not hasattr(route.view, "known_parameters"):
            continue
        known = route.view(request=None).known_parameters("GET") | {"timezone", "format"}
        for name in known:
            for value in WRONG_PARAMETERS:
                response = client.get(f"/{route.path}?{name}={value}")
                assert response.status_code < 500
                if not response.streaming:
                    wrong |= {
                        f"{route.path} {name}={value}: {text}"
                        for text in texts_of(response)
                        if OF_PYTHON.search(text)
                    }

    assert wrong == set()


# --- bodies that cannot be read ---


def test_json_that_is_sent_as_a_form_says_so(event):
    """As curl sends it without a header."""
    response = Client().post(
        f"/api/events/{event.pk}/register/",
        '{"name": "Bob", "email": "bob@example.com"}',
        content_type="application/x-www-form-urlencoded",
    )

    problem = response.json()
    assert (response.status_code, problem["code"]) == (400, "malformed_request")
    assert problem["detail"] == (
        "The body looks like JSON, but its Content-Type is application/x-www-form-urlencoded. "
        "Send the header Content-Type: application/json."
    )


@pytest.mark.parametrize(
    ("body", "line", "column"),
    [
        (b'{"name": "Bob",}', 1, 15),
        (b'{"name": "Bob"\n "email": 1}', 2, 2),
        (b"{'name': 'Bob'}", 1, 2),
        (b'{\n  "name": NaN\n}', 2, 11),
        (b'{"name":\n "\xc3\xa9\xff"}', 2, 4),
        (b'{"name": "Bob"} x', 1, 17),
        (b'{"name": "Bob', 1, 14),
    ],
)
def test_malformed_json_gives_line_and_column(event, body, line, column):
    response = Client().post(
        f"/api/events/{event.pk}/register/", body, content_type="application/json"
    )

    problem = response.json()
    assert (response.status_code, problem["code"]) == (400, "malformed_request")
    assert (problem["line"], problem["column"]) == (line, column)
    assert f"line {line}, column {column}: " in problem["detail"]
    assert OF_PYTHON.search(problem["detail"]) is None


@pytest.mark.parametrize(
    ("path", "media_types"),
    [
        (
            "/api/events/{}/register/",
            ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"],
        ),
        ("/api/events/{}/cancel/", None),
    ],
)
@pytest.mark.parametrize("sent", ["text/plain", "application/xml; charset=utf-8", ""])
def test_an_unsupported_media_type_names_those_that_are_read(
    event, olga, signed_in, path, media_types, sent
):
    client = signed_in(olga)

    response = client.generic("POST", path.format(event.pk), b"x", content_type=sent)

    problem = response.json()
    assert (response.status_code, problem["code"]) == (415, "unsupported_media_type")
    names = problem["media_types"]
    assert names == (media_types or names)
    assert response["Accept"] == ", ".join(names)
    assert problem["detail"].endswith(f"This route reads {', '.join(names)}.")


# --- values that have another form ---


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("today", "Did you mean 2027-01-15? Send a day as YYYY-MM-DD."),
        ("Tomorrow", "Did you mean 2027-01-16? Send a day as YYYY-MM-DD."),
        ("2027/3/5", "Did you mean 2027-03-05? Send a day as YYYY-MM-DD."),
        ("5.3.2027", "Did you mean 2027-03-05? Send a day as YYYY-MM-DD."),
        ("20270305", "Did you mean 2027-03-05? Send a day as YYYY-MM-DD."),
        ("2027-03-05T09:00", "Did you mean 2027-03-05? Send a day as YYYY-MM-DD."),
        ("03/04/2027", "Send a day as YYYY-MM-DD, such as 2027-03-15."),
        ("2027-02-30", "Send a day as YYYY-MM-DD, such as 2027-03-15."),
        ("soon", "Send a day as YYYY-MM-DD, such as 2027-03-15."),
    ],
)
def test_a_day_in_another_form_says_the_form(clock, anyone, olga, signed_in, text, expected):
    body = {"name": "Talk", "location": "Hall", "date": text, "time": "09:00"}

    rejected = anyone.get("/api/events/", {"date": text})
    sent = signed_in(olga).post("/api/events/", body)

    error = {"field": "date", "code": "invalid", "detail": expected}
    assert rejected.json()["errors"] == [error]
    assert sent.json()["errors"] == [error]


def test_today_is_a_day_of_the_requested_zone(clock, anyone):
    clock.move_to(NOW.replace(hour=22))

    response = anyone.get("/api/events/?date=today&timezone=Asia/Kolkata")

    assert response.json()["errors"][0]["detail"].startswith("Did you mean 2027-01-16?")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Berlin", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("New York", "America/New_York"),
        ("Asia/Kolkatta", "Asia/Kolkata"),
        ("IST", "Asia/Kolkata"),
        ("Bengaluru", "Asia/Kolkata"),
        ("PST", "America/Los_Angeles"),
        ("utc", "UTC"),
        ("+05:30", None),
        ("", None),
        ("x" * 10_000, None),
    ],
)
def test_unknown_zone_suggests_a_known_one(name, expected):
    assert nearest_zone(name) == expected


def test_an_unknown_zone_is_explained_wherever_it_is_sent(clock, anyone, olga, signed_in):
    body = {"name": "Talk", "location": "Hall", "start_time": "2027-03-15T09:00"}

    rejected = anyone.get("/api/events/?timezone=Berlin").json()
    sent = signed_in(olga).post("/api/events/", {**body, "timezone": "Berlin"}).json()

    assert (rejected["code"], rejected["detail"]) == (
        "invalid_timezone",
        "Did you mean Europe/Berlin?",
    )
    assert sent["errors"] == [
        {
            "field": "timezone",
            "code": "unknown_timezone",
            "detail": "Did you mean Europe/Berlin?",
        }
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("weekly", "Did you mean FREQ=WEEKLY;COUNT=10? Send a rule of RFC 5545."),
        ("every month", "Did you mean FREQ=MONTHLY;COUNT=10? Send a rule of RFC 5545."),
        ("often", "Send a rule of RFC 5545, such as FREQ=WEEKLY;BYDAY=MO;COUNT=10."),
    ],
)
def test_a_rule_in_words_says_how_one_is_written(clock, olga, signed_in, text, expected):
    body = {"name": "Yoga", "location": "Park", "start_time": "2027-03-15T09:00"}

    response = signed_in(olga).post("/api/series/", {**body, "recurrence": text})

    assert response.json()["errors"] == [
        {"field": "recurrence", "code": "invalid_recurrence", "detail": expected}
    ]


# --- refusals that say what to do ---


def test_second_registration_names_the_first_one(event, anyone):
    registered(event, email="bob@example.com")
    body = {"name": "Bob", "email": "bob@example.com"}

    problem = anyone.post(f"/api/events/{event.pk}/register/", body).json()

    assert problem["code"] == "already_registered"
    assert "confirmation e-mail" in problem["detail"]


def test_a_full_event_says_when_a_seat_becomes_free(event, anyone):
    Event.objects.filter(pk=event.pk).update(max_capacity=1)
    registered(event, email="ann@example.com")
    body = {"name": "Bob", "email": "bob@example.com"}

    problem = anyone.post(f"/api/events/{event.pk}/register/", body).json()

    assert problem["code"] == "event_full"
    assert problem["detail"] == (
        "The only seat is taken. Try again later: a seat becomes free when somebody cancels."
    )
