"""Events in frames of other sites."""

import pytest
from django.test import Client

from conftest import NOW
from events.access_keys import key_of_event
from events.tests.factories import CategoryFactory, EventFactory

pytestmark = pytest.mark.django_db

SITE = "https://www.example.org"


@pytest.fixture
def browser() -> Client:
    return Client()


@pytest.fixture
def jazz(clock, olga):
    return EventFactory(organizer=olga, name="Jazz", category=CategoryFactory(slug="music"))


def test_only_the_listed_sites_may_show_a_frame(settings, browser, jazz):
    settings.EMBED_ORIGINS = [SITE, "https://other.example"]

    for path in (f"/embed/e/{jazz.pk}", "/embed/events", "/embed/events?category=none"):
        response = browser.get(path)
        policy = response["Content-Security-Policy"]
        assert f"frame-ancestors {SITE} https://other.example" in policy, path
        assert "X-Frame-Options" not in response
        assert "Set-Cookie" not in response
    for path in ("/", f"/e/{jazz.pk}-jazz"):
        response = browser.get(path)
        assert "frame-ancestors 'none'" in response["Content-Security-Policy"]
        assert response["X-Frame-Options"] == "DENY"


def test_without_the_setting_no_site_may(browser, jazz):
    response = browser.get(f"/embed/e/{jazz.pk}")

    assert response.status_code == 200
    assert "frame-ancestors 'none'" in response["Content-Security-Policy"]
    assert response["X-Frame-Options"] == "DENY"


def test_links_of_a_frame_open_the_page_outside_of_it(browser, jazz):
    link = f'<a href="/e/{jazz.pk}-jazz" target="_blank">Jazz</a>'

    assert link in browser.get(f"/embed/e/{jazz.pk}").content.decode()
    assert link in browser.get("/embed/events").content.decode()


def test_a_frame_shows_the_filtered_list(browser, jazz, olga):
    EventFactory(organizer=olga, name="Yoga")

    page = browser.get("/embed/events?category=music&utm_source=x").content.decode()

    assert "Jazz" in page
    assert "Yoga" not in page


def test_a_misspelt_filter_is_an_error(browser, jazz):
    response = browser.get("/embed/events?catgory=music")

    assert response.status_code == 400
    assert "Did you mean category?" in response.content.decode()


@pytest.mark.parametrize("fields", [{"status": "draft"}, {"deleted_at": NOW}])
def test_a_frame_shows_no_hidden_event(browser, jazz, fields):
    type(jazz).objects.filter(pk=jazz.pk).update(**fields)

    assert browser.get(f"/embed/e/{jazz.pk}").status_code == 404


def test_a_frame_of_an_unlisted_event_needs_its_key(browser, jazz):
    jazz.visibility = "unlisted"
    jazz.save(update_fields=["visibility"])
    query = f"?key={key_of_event(jazz)}"

    assert browser.get(f"/embed/e/{jazz.pk}").status_code == 404
    assert browser.get(f"/embed/e/{jazz.pk}?key=wrong").status_code == 404
    assert f'href="/e/{jazz.pk}-jazz{query}"' in (
        browser.get(f"/embed/e/{jazz.pk}{query}").content.decode()
    )
    assert "Jazz" not in browser.get("/embed/events").content.decode()


def test_without_pages_there_are_no_frames(settings, browser, jazz):
    settings.PUBLIC_PAGES = False

    assert browser.get(f"/embed/e/{jazz.pk}").status_code == 404
    assert browser.get("/embed/events").status_code == 404
