"""Compressed responses: for guests that accept gzip, and never beside a secret."""

import gzip

import pytest
from django.test import Client

from config.api.http import compression
from config.api.http.compression import MIN_BYTES, accepts_gzip, compressed
from config.tests.routes import routes
from config.tests.test_fast_path import fast, ordinary
from events.tests.factories import EventFactory

pytestmark = pytest.mark.django_db

GZIP = {"Accept-Encoding": "gzip, deflate, br"}


@pytest.fixture
def large_event(olga):
    return EventFactory(organizer=olga, description="Bring a coat. " * 500)


@pytest.fixture
def large_list(large_event) -> str:
    return "/api/events/"


@pytest.mark.parametrize(
    ("header", "accepts"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("gzip; q=0.001", True),
        ("*", True),
        ("deflate, *;q=0.1", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("gzip;q=0, *", False),
        ("*;q=0", False),
        ("br", False),
    ],
)
def test_accept_encoding_is_read_with_its_weights(header, accepts):
    assert accepts_gzip(header) is accepts


def test_list_is_compressed_for_clients_that_accept_it(large_list):
    plain = Client().get(large_list)
    packed = Client().get(large_list, headers=GZIP)

    assert packed["Content-Encoding"] == "gzip"
    assert packed["Content-Length"] == str(len(packed.content))
    assert gzip.decompress(packed.content) == plain.content
    assert "Content-Encoding" not in plain
    assert packed["Vary"] == plain["Vary"]
    assert "Accept-Encoding" in packed["Vary"]


@pytest.mark.parametrize("headers", [{}, GZIP, {"Accept-Encoding": "gzip;q=0"}])
def test_fast_path_sends_the_same_compressed_response(large_list, headers):
    of_fast_path = fast("GET", large_list, **headers)
    of_view = ordinary("GET", large_list, **headers)

    assert of_fast_path[0] == "200 OK"
    assert of_fast_path == of_view
    assert ("Content-Encoding" in of_fast_path[1]) == (headers == GZIP)


@pytest.mark.parametrize("send", [fast, ordinary])
def test_each_coding_has_an_etag_of_its_own_that_returns_304(large_list, send):
    etags = [send("GET", large_list, **headers)[1]["ETag"] for headers in ({}, GZIP)]

    responses = {
        (bool(headers), etag): send("GET", large_list, **headers, **{"If-None-Match": etag})
        for headers in ({}, GZIP)
        for etag in etags
    }

    plain, packed = etags
    assert plain != packed
    statuses = {key: status.partition(" ")[0] for key, (status, _, _) in responses.items()}
    assert statuses == {
        (False, plain): "304", (True, packed): "304", (False, packed): "200", (True, plain): "200",
    }  # fmt: skip
    _, headers, body = responses[True, packed]
    assert (headers["ETag"], body) == (packed, b"")
    assert "Content-Encoding" not in headers
    assert "Accept-Encoding" in headers["Vary"]


def test_etag_of_a_compressed_event_works_with_if_match(signed_in, olga, large_event):
    path = f"/api/events/{large_event.pk}/"
    etag = Client().get(path, headers=GZIP)["ETag"]

    edited = signed_in(olga).patch(path, {"name": "Other"}, headers={"If-Match": etag})
    again = signed_in(olga).patch(path, {"name": "Third"}, headers={"If-Match": etag})

    assert etag.endswith('.gzip"')
    assert (edited.status_code, again.status_code) == (200, 412)


def test_head_has_the_headers_of_get(large_list):
    head, get = (
        Client().generic(method, large_list, headers={**GZIP, "X-Request-ID": "one"})
        for method in ("HEAD", "GET")
    )

    assert dict(head.items()) == dict(get.items())


def test_small_response_is_not_compressed(event):
    response = Client().get(f"/api/events/{event.pk}/", headers=GZIP)

    assert len(response.content) < MIN_BYTES
    assert "Content-Encoding" not in response
    assert "Accept-Encoding" in response["Vary"]


def test_response_to_an_account_is_not_compressed(signed_in, olga, large_event, large_list):
    """An organizer's own events contain their private meeting_url."""
    response = signed_in(olga).get(large_list, headers=GZIP)

    assert len(response.content) > MIN_BYTES
    assert "Content-Encoding" not in response


def test_error_is_not_compressed(large_event):
    parameters = "&".join(f"unknown{number}=1" for number in range(200))

    response = Client().get(f"/api/events/?{parameters}", headers=GZIP)

    assert response.status_code == 400
    assert len(response.content) > MIN_BYTES
    assert "Content-Encoding" not in response


def test_only_public_views_are_compressed():
    views = {route.view for route in routes() if getattr(route.view, "is_compressed", False)}

    assert {view_class.__name__ for view_class in views} == {
        "CategoryListView", "EventFeedView", "EventListView", "EventView", "FacetsView",
        "SeriesListView", "SeriesView",
    }  # fmt: skip
    assert all(view_class.sends_etag for view_class in views)
    assert not any(view_class.is_personal for view_class in views)


def test_compressed_bodies_are_cached_within_bounds(monkeypatch):
    monkeypatch.setattr(compression, "_cached", {})
    monkeypatch.setattr(compression, "_MAX_CACHED", 2)
    first = compressed(b"a" * 5000, '"1"')

    assert compressed(b"a" * 5000, '"1"') is first
    for number in range(2, 5):
        compressed(b"b" * 5000, f'"{number}"')

    assert len(compression._cached) <= 2
    assert compressed(b"a" * 5000, '"1"') == first
