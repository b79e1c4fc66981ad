"""The API in a browser: an indented page with links. Programs get JSON as ever."""

import pytest
from django.test import Client

from events.tests.factories import EventFactory

pytestmark = pytest.mark.django_db

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8"


@pytest.fixture
def browser() -> Client:
    return Client(headers={"Accept": BROWSER})


def test_a_browser_gets_a_page_with_links(browser, olga):
    event = EventFactory(organizer=olga, name="<b>Jazz</b>", description="See https://e.org/?a=1&b")

    response = browser.get(f"/api/events/{event.pk}/?timezone=Asia/Kolkata")

    page = response.content.decode()
    link = f"http://localhost:8000/e/{event.pk}-bjazzb"
    assert response.status_code == 200
    assert response["Content-Type"] == "text/html; charset=utf-8"
    assert "&quot;name&quot;: &quot;&lt;b&gt;Jazz&lt;/b&gt;&quot;" in page
    assert f'"<a href="{link}" rel="nofollow noopener noreferrer">{link}</a>"' in page
    assert f'href="/api/events/{event.pk}/?timezone=Asia%2FKolkata&amp;format=json"' in page
    assert response["Cache-Control"] == "no-store"
    assert "ETag" not in response
    assert "Set-Cookie" not in response
    assert "default-src 'none'; style-src 'self'" in response["Content-Security-Policy"]
    assert response["X-Frame-Options"] == "DENY"


def test_a_compressed_response_is_a_page_too(browser, olga):
    EventFactory.create_batch(10, organizer=olga, description="Jazz " * 100)

    response = browser.get("/api/events/", headers={"Accept-Encoding": "gzip, br"})

    assert response.status_code == 200
    assert response["Content-Type"] == "text/html; charset=utf-8"
    assert "Content-Encoding" not in response
    assert response.content.decode().count("&quot;description&quot;") == 10


def test_a_response_larger_than_a_page_stays_compressed(browser, olga, monkeypatch):
    EventFactory.create_batch(10, organizer=olga, description="Jazz " * 100)
    monkeypatch.setattr("config.api.http.browsing.MAX_BYTES", 4000)

    response = browser.get("/api/events/", headers={"Accept-Encoding": "gzip"})

    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"


def test_errors_are_pages_too(browser):
    missing, refused = browser.get("/api/events/999999/"), browser.get("/api/me/")

    assert (missing.status_code, refused.status_code) == (404, 401)
    assert '"<a href="/problems/not-found"' in missing.content.decode()
    assert refused["WWW-Authenticate"] == 'Bearer realm="api"'
    assert browser.get("/api/nothing").status_code == 404
    assert browser.get("/api/events/?on=x").status_code == 400


@pytest.mark.parametrize(
    "accept",
    [None, "*/*", "application/json", "application/json, text/html", "text/html, application/json",
     "application/*", "text/*, */*"],
)  # fmt: skip
def test_programs_get_json(olga, accept):
    EventFactory(organizer=olga)
    headers = {} if accept is None else {"Accept": accept}

    response = Client().get("/api/events/", headers=headers)

    assert response["Content-Type"] == "application/json"
    assert response["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert "ETag" in response


def test_format_json_and_files_are_as_ever(browser, event):
    assert browser.get("/api/events/?format=json")["Content-Type"] == "application/json"
    calendar = browser.get(f"/api/events/{event.pk}/calendar.ics")
    assert calendar["Content-Type"].startswith("text/calendar")


def test_writes_respond_in_json(browser, event):
    response = browser.post(f"/api/events/{event.pk}/register/", {"name": "B"})

    assert response["Content-Type"] == "application/problem+json"
