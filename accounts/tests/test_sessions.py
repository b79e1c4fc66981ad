"""`/api/me/sessions/`: the sessions of an account."""

from datetime import timedelta

import pytest
from rest_framework.test import APIClient

from accounts.models import Session
from accounts.tests.factories import PASSWORD
from accounts.tokens import open_session

pytestmark = pytest.mark.django_db


def client_with(tokens: dict[str, str]) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens['access']}")
    return client


def test_sessions_list_devices_and_networks(clock, anyone, ana):
    open_session(ana, user_agent="Old phone", address="2001:db8:1:2::7")
    clock.shift(60)
    headers = {"User-Agent": "Laptop"}
    body = {"email": ana.email, "password": PASSWORD}
    tokens = anyone.post("/api/login/", body, headers=headers, REMOTE_ADDR="203.0.113.77").json()

    listed = client_with(tokens).get("/api/me/sessions/").json()["results"]

    assert [row["user_agent"] for row in listed] == ["Laptop", "Old phone"]
    assert [row["current"] for row in listed] == [True, False]
    assert [row["network"] for row in listed] == ["203.0.113.0/24", "2001:db8:1::/48"]
    assert listed[0] == {
        "id": str(Session.objects.get(user_agent="Laptop").pk),
        "created_at": "2027-01-15T12:01:00Z",
        "last_used_at": "2027-01-15T12:01:00Z",
        "expires_at": "2027-02-14T12:01:00Z",
        "current": True,
        "user_agent": "Laptop",
        "network": "203.0.113.0/24",
    }


def test_sessions_list_own_live_ones_only(clock, ana, max_, signed_in, settings):
    open_session(max_)
    Session.objects.filter(user=ana).delete()
    open_session(ana, user_agent="expired")
    clock.shift(settings.SIMPLE_JWT["REFRESH_TOKEN_LIFETIME"] + timedelta(seconds=1))
    open_session(ana, user_agent="signed out")
    Session.objects.filter(user_agent="signed out").update(ended_at="2027-01-01T00:00:00Z")

    listed = signed_in(ana).get("/api/me/sessions/?count=true").json()

    assert (listed["count"], listed["results"][0]["current"]) == (1, True)


def test_ending_a_session_ends_only_its_tokens(ana, signed_in):
    stolen = open_session(ana)
    client = signed_in(ana)
    listed = client.get("/api/me/sessions/").json()["results"]
    other = next(row["id"] for row in listed if not row["current"])

    response = client.delete(f"/api/me/sessions/{other}")

    assert (response.status_code, response.content) == (204, b"")
    assert client_with(stolen).get("/api/me/").status_code == 401
    assert APIClient().post("/api/token/refresh/", stolen).status_code == 401
    assert [row["current"] for row in client.get("/api/me/sessions/").json()["results"]] == [True]
    assert client.delete(f"/api/me/sessions/{other}/").status_code == 404


def test_ending_the_current_session_signs_out(ana, signed_in):
    client = signed_in(ana)
    current = client.get("/api/me/sessions/").json()["results"][0]["id"]

    assert client.delete(f"/api/me/sessions/{current}/").status_code == 204
    assert client.get("/api/me/").status_code == 401


def test_sessions_of_others_are_not_found(ana, max_, sam, signed_in):
    open_session(ana)
    session = Session.objects.get()

    for viewer in (max_, sam):
        response = signed_in(viewer).delete(f"/api/me/sessions/{session.pk}/")
        assert (response.status_code, response.json()["code"]) == (404, "not_found")
    session.refresh_from_db()
    assert session.ended_at is None


def test_sessions_require_sign_in(anyone):
    assert anyone.get("/api/me/sessions/").status_code == 401
    path = "/api/me/sessions/0f8fad5b-d9cb-469f-a165-70867728950e/"
    assert anyone.delete(path).status_code == 401


def test_sessions_use_a_fixed_number_of_queries(ana, signed_in, django_assert_num_queries):
    client = signed_in(ana)
    with django_assert_num_queries(2):
        client.get("/api/me/sessions/")
    for _ in range(5):
        open_session(ana)
    with django_assert_num_queries(2):
        client.get("/api/me/sessions/")
