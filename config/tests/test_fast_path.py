"""The fast path returns the bytes of the view, or passes the request on."""

import gc
import json
import tracemalloc
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import structlog
from django.core.signals import request_finished
from django.db import close_old_connections, connection
from django.test import Client, RequestFactory
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from accounts.audit import actor_id
from accounts.keys import new_secret
from accounts.models import Session, User
from accounts.tests.factories import KeyFactory, grant
from accounts.tokens import open_session
from config.api.http.conditional import etag_of
from config.api.http.rate_limits import clear_local_counts
from config.fast_path import handler
from config.fast_path.request import PlainRequest
from config.wsgi import application
from conftest import NOW
from events.models import Event
from events.search import page_cache
from events.tests.factories import CategoryFactory, EventFactory, with_role
from events.views import fast_list
from registrations.models import LedgerEntry, Registration
from registrations.tests.factories import registered

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

PLAIN = {"Host": "localhost:8000", "X-Request-ID": "one-and-the-same"}
PASSED_ON = ("passed on", {}, b"")


@pytest.fixture(autouse=True)
def _fresh():
    handler.common_headers.cache_clear()
    yield
    handler.common_headers.cache_clear()


def fast(method: str, path: str, body: bytes = b"", **headers: str) -> tuple[str, dict, bytes]:
    """Status line, headers and body. `PASSED_ON` where the view handles the request."""
    head: list[Any] = []

    def views(environ, start_response):
        start_response("passed on", [])
        return [b""]

    environ = _environ(method, path, body, headers)
    request_finished.disconnect(close_old_connections)  # the test's connection stays open
    try:
        pieces = handler.with_fast_path(views)(environ, lambda *answer: head.extend(answer))
    finally:
        request_finished.connect(close_old_connections)
    return head[0], dict(head[1]), b"".join(pieces)


def ordinary(method: str, path: str, body: bytes = b"", **headers: str) -> tuple[str, dict, bytes]:
    client = Client(raise_request_exception=False)
    response = client.request(**_environ(method, path, body, headers))
    status = f"{response.status_code} {response.reason_phrase}"
    return status, dict(response.items()), response.content


def _environ(method: str, path: str, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
    made = RequestFactory().generic(
        method, path, body, content_type="application/json", headers={**PLAIN, **headers}
    )
    return {**made.environ, "SERVER_PORT": "8000"}


def guest(email: str = "bob@example.com", **more: Any) -> bytes:
    return json.dumps({"name": "Bob", "email": email, **more}).encode()


def without_random_parts(response: tuple[str, dict, bytes]) -> tuple[str, dict, bytes]:
    """The response without random parts, after a check of its ETag."""
    status, headers, body = response
    if "ETag" in headers and body:
        assert headers.pop("ETag") == etag_of(body)
    registration = json.loads(body)
    for name in {"id", "ticket_code", "manage_token"} & registration.keys():
        if registration[name]:  # another's ticket is empty
            body = body.replace(registration[name].encode(), b"chance")
            headers = {
                key: text.replace(registration[name], "chance") for key, text in headers.items()
            }
    return status, headers, body


def assert_same_response(path: str, body: bytes, status: int, **headers: str) -> None:
    """Send the request to both paths, and roll the writes of each back."""
    responses = []
    for send in (fast, ordinary):
        savepoint = connection.savepoint() if connection.in_atomic_block else None
        clear_local_counts()
        responses.append(without_random_parts(send("POST", path, body, **headers)))
        connection.savepoint_rollback(savepoint)
    assert responses[0] == responses[1]
    assert responses[0][0].startswith(str(status))


# --- registering ---


def test_registration_gets_the_same_response(event):
    assert_same_response(f"/api/events/{event.pk}/register/", guest(), 201)


def test_waitlisted_registration_gets_the_same_response(event):
    Event.objects.filter(pk=event.pk).update(max_capacity=1, waitlist_enabled=True)
    registered(event)

    assert_same_response(f"/api/events/{event.pk}/register/", guest(), 201)


def test_address_of_an_account_gets_the_same_response(event, ana):
    User.objects.filter(pk=ana.pk).update(email_verified_at=NOW)

    assert_same_response(f"/api/events/{event.pk}/register/", guest(ana.email), 201)


def test_both_paths_write_the_same_rows(event):
    fast("POST", f"/api/events/{event.pk}/register/", guest())

    event.refresh_from_db()
    assert event.registered_count == 1
    assert LedgerEntry.objects.get().kind == LedgerEntry.Kind.REGISTERED
    assert Registration.objects.get().name == "Bob"


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ({"max_capacity": 1, "registered_count": 1}, 409),
        ({"status": "cancelled"}, 409),
        ({"status": "draft"}, 404),
        ({"start_time": NOW - timedelta(hours=1)}, 409),
        ({"registration_opens_at": NOW + timedelta(hours=1)}, 409),
        ({"registration_closes_at": NOW - timedelta(hours=1)}, 409),
        ({"deleted_at": NOW}, 404),
    ],
)
def test_refusal_gets_the_same_response(event, facts, status):
    Event.objects.filter(pk=event.pk).update(**facts)

    assert_same_response(f"/api/events/{event.pk}/register/", guest(), status)


def test_second_registration_gets_the_same_response(event):
    registered(event, email="bob@example.com")

    assert_same_response(f"/api/events/{event.pk}/register/", guest(), 409)


@pytest.mark.parametrize("path", ["/api/events/999999/register/", "/api/events/999999/register"])
def test_unknown_event_gets_the_same_response(path):
    assert_same_response(path, guest(), 404)


def test_rate_limit_gets_the_same_response(event, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "register": (0, 60)}

    assert_same_response(f"/api/events/{event.pk}/register/", guest(), 429)


def test_both_paths_count_towards_one_limit(event, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "register": (2, 60)}
    path = f"/api/events/{event.pk}/register/"

    statuses = [
        send("POST", path, guest(f"guest{number}@example.com"))[0]
        for number, send in enumerate([fast, ordinary, fast])
    ]

    assert statuses == ["201 Created", "201 Created", "429 Too Many Requests"]


def test_a_refused_body_counts_once(event, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "register": (2, 60)}
    path = f"/api/events/{event.pk}/register/"

    for status in ("400 Bad Request", "400 Bad Request", "429 Too Many Requests"):
        assert fast("POST", path, b'{"name": ""}') == PASSED_ON
        assert ordinary("POST", path, b'{"name": ""}')[0] == status


def test_database_error_gets_the_same_response(event):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE registrations_ledgerentry RENAME TO elsewhere")

    assert_same_response(f"/api/events/{event.pk}/register/", guest(), 500)


def test_response_behind_https_is_the_same(event, settings):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_HSTS_SECONDS = 3600
    path = f"/api/events/{event.pk}/register/"

    assert_same_response(path, guest(), 201, **{"X-Forwarded-Proto": "https"})
    assert fast("POST", path, guest()) == PASSED_ON
    assert fast("POST", path, guest(), **{"X-Forwarded-Proto": "http"}) == PASSED_ON


def test_response_with_allowed_origins_is_the_same(event, settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://example.org"]
    settings.MIDDLEWARE = ["corsheaders.middleware.CorsMiddleware", *settings.MIDDLEWARE]
    path = f"/api/events/{event.pk}/register/"

    assert_same_response(path, guest(), 201)
    assert fast("POST", path, guest(), Origin="https://example.org") == PASSED_ON


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer none"},
        {"Idempotency-Key": "one"},
        {"Time-Zone": "Asia/Kolkata"},
        {"Prefer": "handling=lenient"},
        {"Host": "elsewhere.example.org"},
        {"Host": ""},
        {"Accept": "text/html"},
    ],
)
def test_request_with_options_is_left_to_the_view(event, headers):
    path = f"/api/events/{event.pk}/register/"

    assert fast("POST", path, guest(), **headers) == PASSED_ON


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/events/{}/register/?timezone=Asia/Kolkata"),
        ("POST", "/api/events/0{}/register/"),
        ("POST", "/api/events/{}/register//"),
        ("GET", "/api/events/{}/register/"),
        ("PUT", "/api/events/{}/register/"),
    ],
)
def test_other_addresses_are_left_to_the_views(event, method, path):
    assert fast(method, path.format(event.pk), guest()) == PASSED_ON


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"name": "Bob"}',
        b'{"name": "", "email": "bob@example.com"}',
        b'{"name": " Bob", "email": "bob@example.com"}',
        b'{"name": "B\\nob", "email": "bob@example.com"}',
        b'{"name": "B\\u202eob", "email": "bob@example.com"}',
        b'{"name": "Bob\\u0000", "email": "bob@example.com"}',
        b'{"name": 1, "email": "bob@example.com"}',
        b'{"name": "Bob", "email": "bob@example.com", "nmae": "Rob"}',
        b'{"name": "Bob", "email": "bob@example.com", "status": "confirmed"}',
        b'{"name": "Bob", "email": "bob"}',
        b'{"name": "Bob", "email": " bob@example.com"}',
        b'{"name": "Bob", "email": "bob@example"}',
        b'{"name": "Bob", "email": "bob@example.com\\n"}',
        b'{"name": "Bob", "email": null}',
        b'{"name": "Bob", "email": "bob@example.com", "seat": 1}',
        guest(name="n" * 201),
        guest(f"{'b' * 250}@example.com"),
        guest() + b" " * 10_000,
    ],
)
def test_an_unusual_body_is_left_to_the_view_unread(event, body):
    bodies: list[bytes] = []

    def view(environ, start_response):
        bodies.append(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
        return []

    environ = _environ("POST", f"/api/events/{event.pk}/register/", body, {})
    handler.with_fast_path(view)(environ, lambda *answer: None)

    assert bodies == [body]


_NAMES = st.text(max_size=210) | st.text("Bob -'é中\u200b\u00ad\u3000", max_size=8)
_ADDRESSES = st.from_regex(r"[a-zA-Z0-9.+_-]{1,10}@[a-zA-Z0-9-]{1,8}(\.[a-z0-9-]{1,5}){0,3}\n?")


@hypothesis_settings(
    deadline=None,
    derandomize=True,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(name=_NAMES, email=st.emails() | _ADDRESSES)
def test_any_name_and_address_gets_the_same_response(event, name, email):
    path = f"/api/events/{event.pk}/register/"
    body = json.dumps({"name": name, "email": email}).encode()
    savepoint = connection.savepoint()
    response = fast("POST", path, body)
    connection.savepoint_rollback(savepoint)

    if response != PASSED_ON:
        assert_same_response(path, body, 201)


# --- listing ---


@pytest.fixture
def listed(olga) -> list[Event]:
    events = [EventFactory(organizer=olga, name=f"Event {number}") for number in range(25)]
    in_category = [event.pk for event in events[2:6]]
    Event.objects.filter(pk__in=in_category).update(category=CategoryFactory(slug="music"))
    return events


def assert_same_list(path: str, status: int = 200, **headers: str) -> bytes:
    responses = [send("GET", path, **headers) for send in (fast, ordinary)]
    assert responses[0] == responses[1]
    assert responses[0][0].startswith(str(status))
    return responses[0][2]


@pytest.mark.parametrize("path", ["/api/events/", "/api/events"])
def test_list_gets_the_same_response(listed, path):
    assert len(json.loads(assert_same_list(path))["results"]) == 20


def test_empty_list_gets_the_same_response(db):
    assert_same_list("/api/events/")


def test_all_pages_get_the_same_responses(listed):
    first = json.loads(assert_same_list("/api/events/"))
    second = json.loads(assert_same_list(first["next"].removeprefix("http://localhost:8000")))
    path = second["previous"].removeprefix("http://localhost:8000")

    assert len(second["results"]) == 5
    assert json.loads(assert_same_list(path))["results"] == first["results"]


def test_conditional_list_gets_the_same_response(listed):
    etag = fast("GET", "/api/events/")[1]["ETag"]

    for known in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        assert assert_same_list("/api/events/", 304, **{"If-None-Match": known}) == b""
    assert_same_list("/api/events/", 200, **{"If-None-Match": '"other"'})


def test_pages_of_another_size_get_the_same_response(listed):
    path = "/api/events/?page_size=10"

    for size in (10, 10, 5):
        page = json.loads(assert_same_list(path))
        assert len(page["results"]) == size
        path = (page["next"] or "").removeprefix("http://localhost:8000")
    back = page["previous"].removeprefix("http://localhost:8000")
    assert_same_list(back.replace("page_size=10", "page_size=100"))


@pytest.mark.parametrize("slug", ["music", "MUSIC", "unknown"])
def test_a_category_gets_the_same_response(listed, slug):
    path, names = f"/api/events/?category={slug}&page_size=2", []
    while path:
        page = json.loads(assert_same_list(path))
        names += [event["category"] for event in page["results"]]
        path = (page["next"] or "").removeprefix("http://localhost:8000")

    assert names == ["music"] * (4 if slug == "music" else 0)


@pytest.mark.parametrize(
    ("search", "count"),
    [
        ("event", 25),
        ("Event+1", 11),
        ("evnet", 25),  # corrected; the cursor has the correction
        ("event+-music", 21),
        ("event&category=music", 4),
        ("unknown", 0),
        ("+", 25),
        ("%20-", None),
        ("a.b-c", 0),
    ],
)
def test_a_search_gets_the_same_responses(listed, search, count):
    path, number = f"/api/events/?search={search}&page_size=4", 0
    while path:
        page = json.loads(assert_same_list(path))
        number += len(page["results"])
        path = (page["next"] or "").removeprefix("http://localhost:8000")

    assert count is None or number == count


def test_a_search_with_a_wrong_cursor_gets_the_same_response(listed):
    page = json.loads(assert_same_list("/api/events/?page_size=2"))
    cursor = page["next"].partition("cursor=")[2].partition("&")[0]

    for wrong in ("made-up", cursor):
        assert_same_list(f"/api/events/?search=event&cursor={wrong}", 400)


@pytest.mark.parametrize("cursor", ["made-up", "WyJ%3A", "%00", "%E2%82"])
def test_bad_cursor_gets_the_same_response(listed, cursor):
    assert_same_list(f"/api/events/?cursor={cursor}", 400)


def test_cursor_of_another_list_gets_the_same_response(listed):
    path = json.loads(ordinary("GET", "/api/events/?ordering=name")[2])["next"]
    cursor = path.partition("cursor=")[2].partition("&")[0]

    assert_same_list(f"/api/events/?cursor={cursor}", 400)


def test_rate_limit_of_a_list_gets_the_same_response(listed, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "anonymous": (2, 60)}

    statuses = [send("GET", "/api/events/")[0] for send in (fast, ordinary, fast, ordinary)]

    assert statuses == ["200 OK", "200 OK", *["429 Too Many Requests"] * 2]


def test_list_passed_on_to_the_view_is_counted_once(listed, settings, monkeypatch):
    """A row is changed while it is read: the view responds."""
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "anonymous": (1, 60)}
    fetch, environ = page_cache.fetch, _environ("GET", "/api/events/", b"", {})

    def fetch_after_a_change(*args, **options):
        Event.objects.update(name="Other")
        return fetch(*args, **options)

    monkeypatch.setattr(page_cache, "fetch", fetch_after_a_change)
    page_cache.render_cache.clear()

    assert fast_list(PlainRequest(environ, "http://localhost:8000")) is None
    assert Client().request(**environ).status_code == 200
    assert fast("GET", "/api/events/")[0] == "429 Too Many Requests"


@pytest.mark.parametrize(
    "query",
    [
        "search=",
        "search=%C3%BC",
        "search=%00",
        "search=%22a%22",
        "search=a&search=b",
        f"search={'x' * 101}",
        f"category={'x' * 51}",
        "search=a&highlight=true",
        "search=a&ordering=name",
        "cursor=",
        "page_size=0",
        "page_size=101",
        "page_size=02",
        "page_size=2?cursor=a",
        "&cursor=a",
        "cursor=a&",
        "cursor=a&when=all",
        "when=all",
        "x=1",
        "page_size=2&count=true",
        "page_size=2&page_size=2",
        "page_size=2&cursor=a&page_size=3",
        "cursor=a&cursor=a",
        "category=",
        "category=a&category=b",
        "category=a%20b",
        "category=a+b",
    ],
)
def test_a_list_by_parameters_is_left_to_the_view(query):
    assert fast("GET", f"/api/events/?{query}") == PASSED_ON


@pytest.mark.parametrize("method", ["HEAD", "POST", "OPTIONS", "DELETE"])
def test_other_methods_on_the_list_are_left_to_the_view(method):
    assert fast(method, "/api/events/") == PASSED_ON


# --- the list with an access token ---


@pytest.fixture
def viewers(listed, olga, max_, ana, sam) -> dict[str, dict[str, str]]:
    """The headers of everybody who sees another list."""
    events = list(Event.objects.order_by("pk"))
    Event.objects.filter(pk__in=[each.pk for each in events[:3]]).update(
        organizer=olga, meeting_url="https://meet.example.org/x", visibility="unlisted"
    )
    Event.objects.filter(pk=events[3].pk).update(organizer=olga, pending_count=2)
    users = {
        "owner": olga,
        "stranger": max_,
        "member": with_role(ana, "registrar", events[4]),
        "staff": grant(sam, "events.view_event"),
    }
    return {
        name: {"Authorization": f"Bearer {open_session(user)['access']}"}
        for name, user in users.items()
    }


@pytest.mark.parametrize(
    "path",
    [
        "/api/events/",
        "/api/events/?page_size=2",
        "/api/events/?category=music&page_size=2",
        "/api/events/?search=event&page_size=2",
        "/api/me/events/?page_size=2",
        "/api/me/events/?page_size=2&category=music",
    ],
)
def test_signed_in_list_gets_the_same_response(viewers, path):
    bodies = {}
    for name, headers in viewers.items():
        body = bodies[name] = assert_same_list(path, **headers)
        following = json.loads(body)["next"]
        if following:
            assert_same_list(following.removeprefix("http://localhost:8000"), **headers)
        etag = fast("GET", path, **headers)[1]["ETag"]
        assert_same_list(path, 304, **{**headers, "If-None-Match": etag})

    assert len(set(bodies.values())) >= 3


# --- one event ---


def test_an_event_gets_the_same_response(viewers):
    public, unlisted, draft, with_team = Event.objects.order_by("pk")[1:5]
    Event.objects.filter(pk=public.pk).update(visibility="public", meeting_url="https://m.example")
    Event.objects.filter(pk=draft.pk).update(status="draft")
    statuses, bodies = {}, set()
    for name, headers in {"guest": {}, **viewers}.items():
        statuses[name] = ""
        for event in (public, unlisted, draft, with_team):
            path = f"/api/events/{event.pk}/"
            status = ordinary("GET", path, **headers)[0]
            statuses[name] += status[0]
            for encoding in ("identity", "gzip"):
                accepted = {**headers, "Accept-Encoding": encoding}
                body = assert_same_list(path, int(status[:3]), **accepted)
            if status == "200 OK":
                bodies.add(body)
                etag = fast("GET", path, **headers)[1]["ETag"]
                assert etag.startswith(f'"{event.pk}.{event.version}-')
                assert_same_list(path, 304, **{**headers, "If-None-Match": etag})

    assert statuses == {
        "guest": "2442", "owner": "2222", "stranger": "2442", "member": "2442", "staff": "2222",
    }  # fmt: skip
    assert len(bodies) == 13


def test_an_edited_event_has_another_tag(event):
    path = f"/api/events/{event.pk}"
    before = fast("GET", path)[1]["ETag"]
    Event.objects.filter(pk=event.pk).update(version=event.version + 1)

    assert_same_list(path, 200, **{"If-None-Match": before})
    Event.objects.filter(pk=event.pk).update(deleted_at=NOW)
    assert_same_list(path, 404)


def test_an_event_by_an_unusual_request_is_left_to_the_view(event, monkeypatch):
    path = f"/api/events/{event.pk}/"
    for query in ("key=a", "timezone=UTC", "x=1"):
        assert fast("GET", f"{path}?{query}") == PASSED_ON
    for method in ("HEAD", "PATCH", "OPTIONS", "DELETE"):
        assert fast(method, path) == PASSED_ON
    fetch = page_cache.fetch

    def fetch_after_a_change(*args, **options):
        Event.objects.update(name="Other")
        return fetch(*args, **options)

    monkeypatch.setattr(page_cache, "fetch", fetch_after_a_change)
    page_cache.render_cache.clear()
    assert fast("GET", path) == PASSED_ON  # a row is written while it is read


def test_profile_gets_the_same_response(viewers):
    bodies = set()
    for headers in viewers.values():
        bodies.add(assert_same_list("/api/me/", **headers))
        etag = fast("GET", "/api/me", **headers)[1]["ETag"]
        assert_same_list("/api/me", 304, **{**headers, "If-None-Match": etag})

    assert len(bodies) == len(viewers)
    assert fast("GET", "/api/me/") == PASSED_ON
    assert fast("GET", "/api/me/?timezone=UTC", **headers) == PASSED_ON


def test_signed_in_list_with_another_ending_gets_the_same_response(viewers):
    headers = {**viewers["stranger"], "Accept-Encoding": "gzip"}

    for path in ("/api/events", "/api/me/events"):
        assert_same_list(path, **headers)
        assert_same_list(f"{path}/?cursor=made-up", 400, **headers)
    assert fast("GET", "/api/me/events/") == PASSED_ON
    assert fast("GET", "/api/me/events/?role=owner", **headers) == PASSED_ON
    assert "Content-Encoding" not in fast("GET", "/api/events/", **headers)[1]


def test_rate_limit_of_a_signed_in_list_gets_the_same_response(viewers, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "user": (2, 60), "anonymous": (0, 60)}
    sent = [(fast, "owner"), (ordinary, "owner"), (fast, "owner"), (fast, "stranger")]

    answers = [send("GET", "/api/events/", **viewers[name]) for send, name in sent]

    assert [answer[0][:3] for answer in answers] == ["200", "200", "429", "200"]
    assert answers[2] == ordinary("GET", "/api/events/", **viewers["owner"])


def test_tokens_that_are_not_valid_are_left_to_the_view(listed, viewers, olga, max_):
    secret = new_secret()
    KeyFactory(user=olga, secret=secret)
    Session.objects.filter(user=max_).update(ended_at=NOW)
    valid = viewers["owner"]["Authorization"]
    refused = [
        viewers["stranger"]["Authorization"],
        f"{valid}x",
        f"{valid} x",
        valid.replace("Bearer", "Basic"),
        "Bearer",
        "Bearer none",
        "",
        f"Bearer {secret}",
    ]

    paths = ("/api/events/", f"/api/events/{listed[5].pk}/", "/api/me/events/", "/api/me/")
    for path in paths:
        answers = [fast("GET", path, Authorization=each) for each in refused]
        assert answers == [PASSED_ON] * len(refused)
    assert fast("GET", "/api/events/", Authorization=valid)[0] == "200 OK"


def test_account_of_a_fast_request_is_not_the_actor_of_the_next_one(viewers):
    fast("GET", "/api/events/", **viewers["owner"])

    assert actor_id() is None
    assert "user_id" not in structlog.contextvars.get_contextvars()


# --- around both ---


def test_the_fast_path_is_counted_under_the_route(event):
    labels = {"method": "POST", "route": "api/events/<id:pk>/register/", "status": "201"}
    counted = [REGISTRY.get_sample_value("http_requests_total", labels) or 0]

    for email, send in (("bob@example.com", fast), ("rob@example.com", ordinary)):
        send("POST", f"/api/events/{event.pk}/register/", guest(email))
        counted.append(REGISTRY.get_sample_value("http_requests_total", labels))

    assert counted == [counted[0], counted[0] + 1, counted[0] + 2]


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", {"Host": "localhost:{:050000}"}),
        ("", {"Accept": "*/*, {:050000}"}),
        ("", {"X-Forwarded-For": "{:050000}"}),
        ("?name={:050000}", {}),
        ("?cursor={:050000}", {}),
        ("?page_size=1&location={:050000}", {}),
    ],
    ids=str,
)
def test_long_texts_are_not_cached(listed, settings, query, headers):
    """A thousand of them would fill a small machine's memory."""
    settings.TRUSTED_PROXIES = 1

    def request(number: int) -> None:
        long_headers = {name: text.format(number) for name, text in headers.items()}
        for send in (fast, ordinary):
            send("GET", "/api/events/" + query.format(number), **long_headers)

    def memory_of(numbers: range) -> int:
        tracemalloc.start()
        try:
            for number in numbers:
                request(number)
            urlsplit.cache_clear()  # the library's own: of the last 128
            gc.collect()
            return tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()

    request(0)

    # A cache grows each time, and what is made once does not.
    assert min(memory_of(range(1, 9)), memory_of(range(9, 17))) < 200_000


@pytest.mark.django_db(transaction=True)
def test_broken_connection_is_closed():
    event = EventFactory()
    environ = _environ("POST", f"/api/events/{event.pk}/register/", guest(), {})
    statuses: list[str] = []
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    connection.connection.close()

    for _ in range(2):
        application(environ, lambda status, headers: statuses.append(status))
        environ = _environ("POST", f"/api/events/{event.pk}/register/", guest(), {})

    assert statuses == ["503 Service Unavailable", "201 Created"]
