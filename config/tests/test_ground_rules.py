"""Conventions of every route: slashes, problem documents, ids, ETags, idempotency keys."""

import io
import json
import time
from datetime import timedelta
from threading import Thread

import pytest
from django.core.signals import request_finished, request_started
from django.db import OperationalError, close_old_connections, connection, transaction
from django.test import Client
from rest_framework.test import APIClient

from accounts.tokens import open_session
from config.api.http.stored_responses import delete_expired_responses
from config.api.models import StoredResponse
from config.errors import all_errors
from config.wsgi import application
from conftest import NOW, PASSWORD
from events.models import Event, TeamMember
from events.tests.factories import EventFactory, with_role
from registrations.models import Registration
from registrations.tests.factories import registered

pytestmark = pytest.mark.django_db

BOB = {"name": "Bob", "email": "bob@example.com"}


def assert_problem(response, status: int, code: str) -> dict:
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert problem["code"] == code
    assert problem["status"] == status
    assert problem["type"] == f"/problems/{code.replace('_', '-')}"
    assert problem["title"]
    assert problem["detail"]
    assert problem["request_id"] == response["X-Request-ID"]
    return problem


# --- routes and bodies ---


@pytest.mark.parametrize("path", ["/api/nope", "/api/nope/", "/api//", "/api/events/x/"])
def test_an_unknown_route_is_a_problem(anyone, path):
    assert_problem(anyone.get(path), 404, "not_found")


def test_a_malformed_token_on_an_unknown_route_is_no_fault(anyone):
    response = anyone.get("/api/nothing/", headers={"Authorization": "Bearer one two"})

    assert_problem(response, 404, "not_found")


@pytest.mark.parametrize("path", ["/api/events/0/", "/api/events/-1/", f"/api/events/{'9' * 30}/"])
def test_an_id_that_cannot_be_is_not_found(anyone, path):
    assert_problem(anyone.get(path), 404, "not_found")


def test_an_id_as_large_as_they_get_is_not_found(anyone):
    assert_problem(anyone.get(f"/api/events/{'9' * 18}/"), 404, "not_found")
    assert_problem(anyone.post(f"/api/events/{'9' * 18}/register/", BOB), 404, "not_found")


def test_files_have_no_slash_form(anyone, event):
    assert anyone.get(f"/api/events/{event.pk}/calendar.ics").status_code == 200
    assert_problem(anyone.get(f"/api/events/{event.pk}/calendar.ics/"), 404, "not_found")


def test_a_wrong_method_is_a_problem(anyone, event):
    response = anyone.delete("/api/events/")
    keyed = anyone.post(f"/api/events/{event.pk}/", {}, headers={"Idempotency-Key": "k"})

    assert_problem(response, 405, "method_not_allowed")
    assert "POST" in response["Allow"]
    assert_problem(keyed, 405, "method_not_allowed")


def test_options_lists_the_methods(anyone):
    response = anyone.options("/api/events/")

    assert (response.status_code, response.content) == (204, b"")
    assert response["Allow"] == "GET, POST, HEAD, OPTIONS"


@pytest.mark.parametrize("path", ["/api/docs/", "/api/redoc", "/api/schema/"])
def test_options_lists_the_methods_of_documents_too(anyone, path):
    response = anyone.options(path)

    assert (response.status_code, response.content) == (204, b"")
    assert response["Allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize(
    "body", [b"{", b'{"name": NaN}', b'{"a": "\xff"}', b'{"a": "\\ud800"}', b"[" * 9999, b"{]"]
)
def test_malformed_json_is_a_problem(anyone, event, body):
    response = anyone.generic(
        "POST", f"/api/events/{event.pk}/register/", body, content_type="application/json"
    )

    assert_problem(response, 400, "malformed_request")


def test_deep_json_is_a_problem(anyone, event):
    body = b'{"name": ' + b"[" * 100 + b"]" * 100 + b"}"

    response = anyone.generic("POST", "/api/login/", body, content_type="application/json")

    assert_problem(response, 400, "malformed_request")


def test_another_media_type_is_a_problem(anyone, event):
    response = anyone.generic("POST", "/api/login/", b"<x/>", content_type="application/xml")

    assert_problem(response, 415, "unsupported_media_type")


def test_an_answer_that_the_client_rules_out_is_a_problem(anyone):
    assert_problem(anyone.get("/api/events/", headers={"Accept": "image/png"}), 406,
                   "not_acceptable")  # fmt: skip
    for accepted in ("*/*", "application/*", "text/html, */*;q=0.1", "application/problem+json"):
        assert anyone.get("/api/events/", headers={"Accept": accepted}).status_code == 200


def test_a_large_body_is_refused_unread(anyone, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100

    response = anyone.post("/api/login/", {"email": "x" * 200})

    assert assert_problem(response, 413, "payload_too_large")["max_bytes"] == 100


@pytest.mark.parametrize("format_", ["json", "multipart", "urlencoded"])
def test_bodies_come_as_json_or_form(event, format_):
    client = Client()
    path = f"/api/events/{event.pk}/register/"
    if format_ == "json":
        response = client.post(path, BOB, content_type="application/json; charset=utf-8")
    elif format_ == "multipart":
        response = client.post(path, BOB)
    else:
        body = "name=Bob&email=bob%40example.com"
        response = client.post(path, body, content_type="application/x-www-form-urlencoded")

    assert response.status_code == 201


def test_a_nul_character_is_refused_not_stored(anyone, event, olga, signed_in):
    client = signed_in(olga)

    for response in (
        anyone.post(f"/api/events/{event.pk}/register/", {**BOB, "name": "a\x00b"}),
        client.patch(f"/api/events/{event.pk}/", {"description": "a\x00b"}),
        client.patch(f"/api/events/{event.pk}/", {"category": "a\x00b"}),
        anyone.post("/api/login/", {"email": "a\x00b", "password": "x"}),
    ):
        assert_problem(response, 400, "validation_error")


def test_every_code_has_its_page(client):
    for error in all_errors():
        for address in (f"/problems/{error.slug()}", f"/problems/{error.slug()}/"):
            assert error.code in client.get(address).content.decode()
    assert client.get("/problems/no-such").status_code == 404


def test_fault_answers_without_internals(anyone, monkeypatch):
    def broken(*args):
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr(Event.objects.__class__, "visible_to", broken, raising=False)
    anyone.raise_request_exception = False

    response = anyone.get("/api/events/1/feedback/")

    assert_problem(response, 500, "server_error")
    assert "hunter2" not in response.content.decode()


def test_unreachable_database_is_a_temporary_error(anyone, monkeypatch):
    def away(*args, **kwargs):
        raise OperationalError("connection refused")

    monkeypatch.setattr(Event.objects.__class__, "visible_to", away, raising=False)
    anyone.raise_request_exception = False

    response = anyone.get("/api/events/1/feedback/")

    assert_problem(response, 503, "temporarily_unavailable")
    assert response["Retry-After"] == "2"


@pytest.mark.parametrize("given", ["abc-123", "req/1:2=3"])
def test_safe_request_id_is_used(anyone, given):
    assert anyone.get("/api/events/", headers={"X-Request-ID": given})["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "ä", "<script>"])
def test_another_request_id_is_replaced(anyone, given):
    response = anyone.get("/api/nope/", headers={"X-Request-ID": given})

    assert len(response["X-Request-ID"]) == 32
    assert response.json()["request_id"] == response["X-Request-ID"]


# --- conditional requests ---


def test_reader_with_the_current_etag_gets_304(anyone, olga, event, signed_in):
    registration = registered(event)
    client = signed_in(olga)
    for path in (
        f"/api/events/{event.pk}/", "/api/events/", f"/api/registrations/{registration.pk}/",
    ):  # fmt: skip
        etag = client.get(path)["ETag"]

        for value in (etag, f'"other", {etag}', f"W/{etag}", "*"):
            again = client.get(path, headers={"If-None-Match": value})
            assert (again.status_code, again.content) == (304, b"")
            assert again["ETag"] == etag
            assert "Content-Length" not in again  # which would be that of the whole
        assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_a_registration_changes_the_etag_but_fails_no_editor(olga, event, signed_in):
    client = signed_in(olga)
    path = f"/api/events/{event.pk}/"
    before = client.get(path)["ETag"]
    registered(event)

    assert client.get(path)["ETag"] != before
    edited = client.patch(path, {"name": "New"}, headers={"If-Match": before})
    assert edited.status_code == 200
    assert edited["ETag"] == client.get(path)["ETag"]


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_edit_with_an_outdated_etag_is_refused(olga, event, signed_in, method):
    client = signed_in(olga)
    path = f"/api/events/{event.pk}/"
    old = client.get(path)["ETag"]
    client.patch(path, {"name": "Second version"})
    body = {"name": "Third", "location": "x", "start_time": "2030-01-01T00:00:00Z",
            "end_time": "2030-01-02T00:00:00Z"}  # fmt: skip

    refused = getattr(client, method)(path, body, headers={"If-Match": old})

    assert_problem(refused, 412, "precondition_failed")
    event.refresh_from_db()
    assert (event.name, event.deleted_at) == ("Second version", None)
    current = client.get(path)["ETag"]
    assert getattr(client, method)(path, body, headers={"If-Match": current}).status_code < 300


@pytest.mark.parametrize(("value", "status"), [("*", 200), ('"x"', 412), ('W/"v1-x"', 412)])
def test_if_match_values(olga, event, signed_in, value, status):
    response = signed_in(olga).patch(
        f"/api/events/{event.pk}/", {"name": "New"}, headers={"If-Match": value}
    )

    assert response.status_code == status


# --- idempotency keys ---


def post(client, event, body, key="key-1"):
    return client.post(f"/api/events/{event.pk}/register/", body, headers={"Idempotency-Key": key})


def test_repeated_post_is_done_once_with_the_same_response(anyone, event):
    first = post(anyone, event, BOB)
    second = post(anyone, event, BOB)

    assert (first.status_code, second.status_code) == (201, 201)
    assert "Idempotent-Replayed" not in first
    assert second["Idempotent-Replayed"] == "true"
    assert second.content == first.content
    assert (second["Location"], second["ETag"]) == (first["Location"], first["ETag"])
    assert Registration.objects.count() == 1


def test_the_etag_of_a_replayed_response_is_accepted_by_if_match(olga, signed_in):
    client = signed_in(olga)
    body = {"name": "Talk", "location": "Hall", "start_time": "2100-01-01T10:00:00Z"}
    headers = {"Idempotency-Key": "key-1"}
    client.post("/api/events/", body, headers=headers)

    again = client.post("/api/events/", body, headers=headers)
    edited = client.patch(
        again["Location"], {"name": "Lecture"}, headers={"If-Match": again["ETag"]}
    )

    assert again["Idempotent-Replayed"] == "true"
    assert edited.status_code == 200


def test_a_refusal_is_replayed_too(anyone, olga):
    event = EventFactory(organizer=olga, max_capacity=1)
    registered(event)
    first = post(anyone, event, BOB)
    Event.objects.update(max_capacity=5)

    second = post(anyone, event, BOB)

    assert_problem(first, 409, "event_full")
    assert second.content == first.content
    assert second["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("status", [403, 404])
def test_nothing_is_replayed_to_a_caller_whose_role_has_ended(olga, max_, signed_in, status):
    event = EventFactory(organizer=olga, visibility="unlisted" if status == 404 else "public")
    ticket = registered(event, is_opened=True).ticket_code
    client = signed_in(with_role(max_, "registrar", event))
    headers = {"Idempotency-Key": "key-1"}
    url, body = f"/api/events/{event.pk}/check-in/", {"ticket_code": ticket}
    first = client.post(url, body, headers=headers)

    again = client.post(url, body, headers=headers)
    TeamMember.objects.all().delete()
    refused = client.post(url, body, headers=headers)

    assert (first.status_code, again["Idempotent-Replayed"]) == (200, "true")
    assert refused.status_code == status
    assert ticket not in refused.content.decode()


def test_the_same_key_with_another_body_is_refused(anyone, event):
    post(anyone, event, BOB)

    refused = post(anyone, event, {**BOB, "name": "Robert"})

    assert_problem(refused, 422, "idempotency_key_reused")


def test_a_key_belongs_to_its_caller_and_route(anyone, ana, olga, event, signed_in):
    other = EventFactory(organizer=olga)
    post(anyone, event, BOB)

    for response in (
        post(anyone, other, BOB),
        post(signed_in(ana), event, {"name": "C", "email": "c@example.com"}),
        anyone.post(
            f"/api/events/{event.pk}/register/", {"name": "D", "email": "d@example.com"},
            headers={"Idempotency-Key": "key-1"}, REMOTE_ADDR="10.1.1.1",
        ),
    ):  # fmt: skip
        assert response.status_code == 201
        assert "Idempotent-Replayed" not in response


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_a_key_has_1_to_255_characters(anyone, event, key):
    assert_problem(post(anyone, event, BOB, key), 400, "validation_error")


def test_key_expires_after_a_day(clock, anyone, event):
    post(anyone, event, BOB)
    clock.move_to(NOW + timedelta(hours=24, seconds=1))

    again = post(anyone, event, BOB)

    assert_problem(again, 409, "already_registered")
    clock.shift(timedelta(hours=25))
    assert delete_expired_responses() == 1
    assert not StoredResponse.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_request_in_progress_is_reported(anyone, event):
    with transaction.atomic():
        Event.objects.select_for_update().get(pk=event.pk)  # the first request has to wait here
        first = Thread(target=lambda: (post(APIClient(), event, BOB), connection.close()))
        first.start()
        wait_until_key_is_taken()

        response = anyone.post(
            f"/api/events/{event.pk}/register/", BOB, headers={"Idempotency-Key": "key-1"}
        )

        assert_problem(response, 409, "idempotency_in_progress")
        assert response["Retry-After"] == "1"
    first.join(10)

    assert post(anyone, event, BOB)["Idempotent-Replayed"] == "true"
    assert Registration.objects.count() == 1


def wait_until_key_is_taken() -> None:
    for _ in range(500):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database ="
                " (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
            if cursor.fetchone()[0]:
                return
        time.sleep(0.01)
    pytest.fail("the first request took no key")


def test_work_and_response_are_one_transaction(anyone, event, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("died while keeping the answer")

    monkeypatch.setattr("config.api.http.idempotency.store", broken)
    anyone.raise_request_exception = False

    with transaction.atomic():
        assert post(anyone, event, BOB).status_code == 500

    assert Registration.objects.count() == 0


# --- rate limits ---


def test_a_limit_answers_429_with_retry_after(clock, anyone, settings, olga):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "login": (2, 60)}
    body = {"email": olga.email, "password": "wrong-password"}

    codes = [anyone.post("/api/login/", body).status_code for _ in range(3)]
    response = anyone.post("/api/login/", body)

    assert codes == [401, 401, 429]
    assert_problem(response, 429, "rate_limited")
    assert 1 <= int(response["Retry-After"]) <= 61
    clock.shift(60)
    assert anyone.post("/api/login/", body).status_code == 401


def test_a_header_does_not_dodge_the_limit(anyone, settings, event):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "register": (1, 60)}

    def attempt(forwarded: str):
        return anyone.post(
            f"/api/events/{event.pk}/register/", {}, headers={"X-Forwarded-For": forwarded}
        ).status_code

    assert [attempt("1.1.1.1"), attempt("2.2.2.2")] == [400, 429]
    settings.TRUSTED_PROXIES = 1
    assert [attempt("9.9.9.9, 3.3.3.3"), attempt("8.8.8.8, 3.3.3.3")] == [400, 429]
    assert attempt("4.4.4.4") == 400


def test_responses_with_status_429_are_not_stored(clock, anyone, settings, event):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "register": (1, 60)}
    anyone.post(f"/api/events/{event.pk}/register/", {})
    limited = post(anyone, event, BOB)
    clock.shift(60)

    assert limited.status_code == 429
    assert post(anyone, event, BOB).status_code == 201


# --- what an attacker tried ---


def test_a_page_stays_the_same_while_nothing_changes(clock, anyone, olga):
    EventFactory.create_batch(3, organizer=olga)
    etag = anyone.get("/api/events/?page_size=2")["ETag"]
    clock.shift(5)

    again = anyone.get("/api/events/?page_size=2", headers={"If-None-Match": etag})

    assert again.status_code == 304


def test_a_cursor_belongs_to_its_list(ana, olga, signed_in):
    client = signed_in(ana)
    for _ in range(2):
        event = EventFactory(organizer=olga)
        client.post(f"/api/events/{event.pk}/register/")
    following = client.get("/api/me/registrations/?page_size=1").json()["next"]

    assert_problem(client.get(following.replace("/me/registrations/", "/events/")), 400,
                   "invalid_cursor")  # fmt: skip


def test_the_tag_of_another_event_matches_nothing(olga, event, signed_in):
    client = signed_in(olga)
    other = client.get(f"/api/events/{EventFactory(organizer=olga).pk}/")["ETag"]

    refused = client.patch(f"/api/events/{event.pk}/", {"name": "x"}, headers={"If-Match": other})

    assert_problem(refused, 412, "precondition_failed")


def test_a_repeated_form_is_the_same_form(event):
    client = Client()
    answers = [
        client.generic(
            "POST",
            f"/api/events/{event.pk}/register/",
            "".join(
                f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
                for name, value in BOB.items()
            )
            + f"--{boundary}--\r\n",
            content_type=f"multipart/form-data; boundary={boundary}",
            headers={"Idempotency-Key": "form"},
        )
        for boundary in ("first", "second")
    ]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[1]["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize(("prefer", "status"), [("handling=lenient", 201), ("", 400)])
def test_a_file_in_a_form_is_no_fault(event, prefer, status):
    body = {**BOB, "extra": io.BytesIO(b"not asked for")}

    response = Client().post(
        f"/api/events/{event.pk}/register/",
        body,
        headers={"Idempotency-Key": "file", "Prefer": prefer},
    )

    assert response.status_code == status


def test_an_empty_answer_is_replayed_empty(olga, signed_in, anyone):
    client = signed_in(olga)
    refresh = open_session(olga)["refresh"]
    first, second = (
        client.post("/api/logout/", {"refresh": refresh}, headers={"Idempotency-Key": "bye"})
        for _ in range(2)
    )

    assert (first.status_code, second.status_code) == (204, 204)
    assert second["Idempotent-Replayed"] == "true"
    assert "Content-Type" not in second


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("1.2.3.4:5555", "1.2.3.4"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("unknown", None),  # believing the proxy alone would make one client of all
        ("<script>", None),
    ],
)
def test_address_from_a_proxy_is_validated(anyone, settings, olga, forwarded, address):
    settings.TRUSTED_PROXIES = 1
    headers = {"X-Forwarded-For": forwarded}

    response = anyone.post(
        "/api/login/", {"email": olga.email, "password": PASSWORD}, headers=headers
    )

    assert response.status_code == 200
    assert olga.sessions.get().address == address


def test_guessing_the_own_password_is_limited(settings, olga, signed_in):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "login": (2, 60)}
    client = signed_in(olga)
    body = {"current_password": "wrong-guess", "password": "another-horse-7"}

    codes = [client.post("/api/password/change/", body).status_code for _ in range(3)]

    assert codes == [400, 400, 429]
    assert client.delete("/api/me/", {"password": "wrong-guess"}).status_code == 429


def test_an_account_lifts_no_limit_on_registering_others(settings, ana, event, signed_in):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "register": (2, 60)}
    client = signed_in(ana)

    codes = [
        client.post(
            f"/api/events/{event.pk}/register/", {"name": "N", "email": f"n{number}@example.com"}
        ).status_code
        for number in range(3)
    ]

    assert codes == [201, 201, 429]


def test_the_scheme_of_a_token_has_no_case(anyone, olga):
    token = open_session(olga)["access"]

    assert anyone.get("/api/me/", headers={"Authorization": f"bearer {token}"}).status_code == 200
    bad = anyone.get("/api/events/", headers={"Authorization": "bearer bad"})
    assert_problem(bad, 401, "invalid_token")


@pytest.mark.parametrize("charset", ["base64", "utf-7", "idna", "no-such", "UTF-8"])
def test_charset_of_a_body_is_always_utf_8(rf, charset):
    environ = rf.generic(
        "POST", "/api/login/", b"{}", content_type=f"application/json; charset={charset}"
    ).environ

    assert status_of(environ) == "400 Bad Request"


@pytest.mark.parametrize(
    "parameter",
    ["x*=no-such''a", "charset*=idna''a", "x*=utf-8''a; x*0=b", "x*; x*0", f"x*{'1' * 5000}=a"],
)
@pytest.mark.parametrize("media_type", ["application/json", "text/csv", "multipart/form-data"])
def test_no_parameter_of_a_content_type_is_a_server_error(rf, olga, media_type, parameter):
    headers = {"Authorization": f"Bearer {open_session(olga)['access']}"}
    for path in ("/api/login/", "/api/events/import/"):
        environ = rf.generic("POST", path, b"{}", headers=headers).environ
        environ["CONTENT_TYPE"] = f"{media_type}; {parameter}"

        assert status_of(environ)[:3] in {"400", "415", "422"}, path


@pytest.mark.parametrize("boundary", ['"x y"', "x", "x; a*=no-such''b"])
def test_boundary_of_a_form_is_kept(rf, olga, boundary):
    fields = {"email": olga.email, "password": PASSWORD}
    limit = "x y" if '"' in boundary else "x"
    part = '--{}\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    body = "".join(part.format(limit, *field) for field in fields.items()) + f"--{limit}--\r\n"
    environ = rf.generic("POST", "/api/login/", body.encode()).environ
    environ["CONTENT_TYPE"] = f"multipart/form-data; boundary={boundary}"

    assert status_of(environ) == "200 OK"


def test_charset_of_a_file_is_the_declared_one(rf, olga):
    environ = rf.generic(
        "POST",
        "/api/events/import/",
        "name,location,start_time\nZoë,Hall,2100-01-01T10:00:00Z\n".encode("latin-1"),
        content_type="text/csv; charset=iso-8859-1",
        headers={"Authorization": f"Bearer {open_session(olga)['access']}"},
    ).environ

    assert status_of(environ) == "201 Created"
    assert Event.objects.get().name == "Zoë"


@pytest.mark.parametrize(
    "said", [{"HTTP_TRANSFER_ENCODING": "chunked"}, {"SERVER_PROTOCOL": "HTTP/2"}]
)
def test_body_without_a_length_is_read(rf, olga, said):
    body = json.dumps({"email": olga.email, "password": PASSWORD}).encode()
    environ = rf.generic("POST", "/api/login/", body, content_type="application/json").environ
    del environ["CONTENT_LENGTH"]
    environ |= said
    environ["wsgi.input"] = io.BytesIO(body)

    assert status_of(environ) == "200 OK"


def status_of(environ: dict) -> str:
    """The status line of the application that the web server imports."""
    told = []
    for signal in (request_started, request_finished):  # the test's connection stays open
        signal.disconnect(close_old_connections)
    try:
        response = application(environ, lambda status, headers: told.append(status))
        response.close()
    finally:
        for signal in (request_started, request_finished):
            signal.connect(close_old_connections)
    return told[0]
