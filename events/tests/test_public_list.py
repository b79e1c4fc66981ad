"""The start page with the list of events, and the sitemap."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.test import Client

from conftest import NOW
from events.models import Event
from events.tests.factories import CategoryFactory, EventFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser() -> Client:
    return Client()


def names_on(response) -> list[str]:
    """The names of the events on the page, in order."""
    found = re.findall(r'<h2><a href="/e/[^"]*">([^<]*)</a></h2>', response.content.decode())
    return [unescape(name) for name in found]


@pytest.fixture
def events(clock, olga, max_) -> list[Event]:
    music = CategoryFactory(slug="music", name="Music")
    return [
        EventFactory(organizer=olga, name="Jazz & Wine", category=music, location="Berlin"),
        EventFactory(organizer=max_, name="Yoga", attendance_mode="online", location="Online"),
        EventFactory(organizer=max_, name="Full", max_capacity=1, registered_count=1),
    ]


def test_the_start_page_lists_upcoming_events_soonest_first(browser, events, olga):
    EventFactory(organizer=olga, name="Soon", start_time=NOW + timedelta(hours=1))
    EventFactory(organizer=olga, name="Past", start_time=NOW - timedelta(days=1))
    EventFactory(organizer=olga, name="Draft", status="draft")
    EventFactory(organizer=olga, name="Deleted", deleted_at=NOW)

    response = browser.get("/")

    assert names_on(response) == ["Soon", "Jazz & Wine", "Yoga", "Full"]
    assert "Set-Cookie" not in response
    assert "All seats are taken" in response.content.decode()
    assert len(response.content) < 10_000


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("search=jazz", ["Jazz & Wine"]),
        ("search=jaz+berln", ["Jazz & Wine"]),
        ("category=music", ["Jazz & Wine"]),
        ("attendance_mode=online", ["Yoga"]),
        ("available=true", ["Jazz & Wine", "Yoga"]),
        ("on=2027-02-14", ["Jazz & Wine", "Yoga", "Full"]),
        ("on=2027-02-15", []),
        ("search=&category=&attendance_mode=&on=", ["Jazz & Wine", "Yoga", "Full"]),
        ("fbclid=1&ref=friend&utm_source=x", ["Jazz & Wine", "Yoga", "Full"]),
    ],
)
def test_search_and_filters_are_those_of_the_api(browser, events, query, names):
    assert names_on(browser.get(f"/?{query}")) == names


def test_the_events_of_an_organizer_have_their_list(browser, events, olga):
    response = browser.get(f"/?organizer={olga.pk}&search=")

    assert names_on(response) == ["Jazz & Wine"]
    assert "<h1>Events by olga</h1>" in response.content.decode()
    assert f'<input type="hidden" name="organizer" value="{olga.pk}">' in response.content.decode()


@pytest.mark.parametrize(
    "query", ["on=tomorrow", "organizer=x", "organizer=99999999999999999999", "available=perhaps",
              "cursor=x", "ordering=price", "page_size=0", "timezone=Mars", "on=1&on=2"],
)  # fmt: skip
def test_a_wrong_filter_is_explained_and_keeps_what_was_typed(browser, events, query):
    response = browser.get(f"/?search=jazz&{query}")

    page = response.content.decode()
    assert response.status_code == 400
    assert 'role="alert"' in page
    assert 'value="jazz"' in page
    assert names_on(response) == []


def test_an_empty_result_shows_a_way_on(browser, events):
    page = browser.get("/?search=xylophone").content.decode()

    assert 'No event matches. <a href="/">Show all upcoming events</a>' in page


def test_pages_lead_to_each_other(browser, clock, olga):
    EventFactory.create_batch(25, organizer=olga, category=CategoryFactory())

    first = browser.get("/?category=conference")
    link = re.search(r'rel="next" href="([^"]*)"', first.content.decode())[1]
    second = browser.get(unescape(link))
    back = re.search(r'rel="prev" href="([^"]*)"', second.content.decode())[1]

    assert (len(names_on(first)), len(names_on(second))) == (20, 5)
    assert names_on(browser.get(unescape(back))) == names_on(first)


def test_the_list_has_a_fixed_number_of_queries(browser, events, olga, django_assert_num_queries):
    with django_assert_num_queries(2):
        browser.get("/")
    EventFactory.create_batch(3, organizer=olga)
    with django_assert_num_queries(2):
        browser.get("/")


@pytest.mark.parametrize("value", ["%00", "%ED%A0%80", "x" * 3000, "%E2%80%AE", "'"])
@pytest.mark.parametrize(
    "name", ["search", "category", "on", "attendance_mode", "organizer", "near", "cursor"]
)
def test_no_value_of_a_filter_is_a_server_error(browser, events, name, value):
    assert browser.get(f"/?{name}={value}").status_code in {200, 400}


def test_the_sitemap_lists_upcoming_public_events(browser, events, olga):
    EventFactory(organizer=olga, name="Past", start_time=NOW - timedelta(days=1))
    EventFactory(organizer=olga, name="Draft", status="draft")

    response = browser.get("/sitemap.xml")

    addresses = re.findall("<loc>([^<]*)</loc>", response.content.decode())
    site = "http://localhost:8000"
    assert response["Content-Type"] == "application/xml"
    assert addresses == [
        f"{site}/",
        *(f"{site}/e/{event.pk}-{slug}"
          for event, slug in zip(events, ("jazz-wine", "yoga", "full"), strict=True)),
    ]  # fmt: skip
    assert "<lastmod>2027-01-15</lastmod>" in response.content.decode()


def test_the_footer_leads_staff_and_developers_on(browser, db):
    page = browser.get("/").content.decode()

    assert '<a href="/developers/">For developers</a>' in page
    assert '<a href="/admin/">For staff</a>' in page
