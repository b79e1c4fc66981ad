"""Calendar files of events over HTTP."""

import re
from datetime import timedelta
from unittest.mock import patch

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from icalendar import Calendar

from accounts.models import User
from conftest import NOW
from events.models import Category, Event
from events.services import cancel_event, edit_event
from events.tests.factories import CategoryFactory, EventFactory
from events.views import calendars

pytestmark = pytest.mark.django_db

FEED = "/api/events/calendar.ics"


def entries(response) -> list:
    assert response.status_code == 200, response.content
    return Calendar.from_ical(response.content).walk("VEVENT")


def names(response) -> list[str]:
    return [str(entry["SUMMARY"]) for entry in entries(response)]


def test_an_event_is_a_calendar_file(clock, event, anyone):
    response = anyone.get(f"/api/events/{event.pk}/calendar.ics")

    (entry,) = entries(response)
    assert response["Content-Type"] == "text/calendar; charset=utf-8"
    assert response["Content-Disposition"] == f'inline; filename="event-{event.pk}.ics"'
    assert str(entry["UID"]) == f"event-{event.pk}@localhost:8000"
    assert entry["DTSTART"].dt == NOW + timedelta(days=30)
    assert entry["DTSTART"].params["TZID"] == "Europe/Berlin"
    assert entry["DTEND"].dt == NOW + timedelta(days=30, hours=2)


@pytest.mark.parametrize(
    ("changes", "sequence"),
    [
        ({"location": "Potsdam"}, 1),
        ({"latitude": 52.4, "longitude": 13.1}, 1),
        ({"timezone": "Europe/London"}, 1),
        ({"start_time": NOW + timedelta(days=29)}, 1),
        ({"name": "Another"}, 0),
        ({"location": "Berlin"}, 0),
    ],
)
def test_sequence_grows_with_time_and_place(clock, event, anyone, changes, sequence):
    clock.shift(3600)
    edit_event(event, changes)

    (entry,) = entries(anyone.get(f"/api/events/{event.pk}/calendar.ics"))

    is_changed = changes != {"location": "Berlin"}
    edited_at = NOW + timedelta(hours=1) if is_changed else NOW
    assert entry["SEQUENCE"] == sequence
    assert entry["LAST-MODIFIED"].dt == edited_at
    assert entry["DTSTAMP"].dt == edited_at
    assert entry["CREATED"].dt == NOW


def test_a_cancelled_event_says_so_and_keeps_its_uid(event, anyone):
    path = f"/api/events/{event.pk}/calendar.ics"
    (before,) = entries(anyone.get(path))

    cancel_event(event)

    (after,) = entries(anyone.get(path))
    assert (before["STATUS"], after["STATUS"]) == ("CONFIRMED", "CANCELLED")
    assert (before["SEQUENCE"], after["SEQUENCE"]) == (0, 1)
    assert before["UID"] == after["UID"]


def test_a_draft_is_a_file_for_its_organizer_alone(olga, anyone, signed_in):
    path = f"/api/events/{EventFactory(organizer=olga, status='draft').pk}/calendar.ics"

    assert anyone.get(path).status_code == 404
    (entry,) = entries(signed_in(olga).get(path))
    assert entry["STATUS"] == "TENTATIVE"


def test_files_tell_no_address_and_no_meeting_url(olga, anyone):
    event = EventFactory(organizer=olga, meeting_url="https://meet.example.org/secret")

    for path in (f"/api/events/{event.pk}/calendar.ics", FEED):
        body = anyone.get(path).content.decode().replace("\r\n ", "")
        assert 'ORGANIZER;CN="olga":invalid:nomail' in body
        assert olga.email not in body
        assert "meet.example.org" not in body


def test_the_feed_lists_what_the_list_shows(clock, olga, anyone, signed_in):
    for name, days in (("Later", 9), ("Sooner", 2)):
        EventFactory(name=name, start_time=NOW + timedelta(days=days))
    EventFactory(name="Past", start_time=NOW - timedelta(days=9))
    EventFactory(name="Draft", organizer=olga, status="draft")
    cancel_event(EventFactory(name="Cancelled"))

    assert names(anyone.get(FEED)) == ["Sooner", "Later"]
    assert names(anyone.get(f"{FEED}?when=past")) == ["Past"]
    assert names(anyone.get(f"{FEED}?when=all&ordering=-start_time")) == ["Later", "Sooner", "Past"]
    assert names(anyone.get(f"{FEED}?status=cancelled")) == ["Cancelled"]
    assert names(anyone.get(f"{FEED}?status=draft")) == []
    assert names(signed_in(olga).get(f"{FEED}?status=draft")) == ["Draft"]


def test_the_feed_takes_the_lists_filters(anyone):
    EventFactory(name="Jazz", category=CategoryFactory(slug="music"), location="Köln")
    EventFactory(name="Talks", category=CategoryFactory(slug="meetup"))

    for query in ("category=music", "search=jazz", "location=köl", "name=jaz"):
        assert names(anyone.get(f"{FEED}?{query}")) == ["Jazz"], query
    assert names(anyone.get(f"{FEED}?category=music&category=meetup&ordering=name")) == [
        "Jazz", "Talks",
    ]  # fmt: skip


def test_the_feed_has_the_lists_orders(anyone):
    for name, latitude in (("Jazz far", 52.8), ("Jazz near", 52.5), ("Talks", 52.6)):
        EventFactory(name=name, latitude=latitude, longitude=13.4)

    near = "near=52.5,13.4&radius=100"
    assert names(anyone.get(f"{FEED}?{near}&ordering=distance")) == [
        "Jazz near", "Talks", "Jazz far",
    ]  # fmt: skip
    assert names(anyone.get(f"{FEED}?search=jaz&ordering=-name")) == ["Jazz near", "Jazz far"]
    assert errors_of(anyone.get(f"{FEED}?ordering=distance")) == {"near": "required"}


def errors_of(response) -> dict[str, str]:
    assert response.status_code == 400
    return {error["field"]: error["code"] for error in response.json()["errors"]}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("categroy=music", "unknown_parameter"),
        ("cursor=x", "unknown_parameter"),
        ("page_size=5", "unknown_parameter"),
        ("organizer=x", "validation_error"),
        ("ordering=price", "validation_error"),
        ("timezone=Mars/Base", "invalid_timezone"),
    ],
)
def test_the_feed_refuses_what_it_does_not_know(anyone, query, code):
    response = anyone.get(f"{FEED}?{query}")

    assert (response.status_code, response.json()["code"]) == (400, code)


def test_the_feed_has_no_slash_form(anyone):
    assert anyone.get(f"{FEED}/").status_code == 404


def test_the_feed_ends_at_so_many_events(anyone, monkeypatch):
    monkeypatch.setattr(calendars, "MAX_ENTRIES", 3)
    for day in (4, 2, 3, 1):
        EventFactory(name=f"Day {day}", start_time=NOW + timedelta(days=5000 + day))

    assert names(anyone.get(FEED)) == ["Day 1", "Day 2", "Day 3"]


@pytest.mark.parametrize("count", [1, 3])
def test_a_feed_takes_two_queries_and_one_where_nothing_changed(
    anyone, count, django_assert_num_queries
):
    EventFactory.create_batch(count, category=CategoryFactory())

    for queries in (2, 1):
        with django_assert_num_queries(queries):
            assert len(entries(anyone.get(FEED))) == count


@pytest.mark.parametrize(
    "query", ["", "?search=jazz", "?near=52.5,13.4&ordering=distance", "?when=all&ordering=-name"]
)
def test_a_cached_feed_equals_one_that_is_written_anew(clock, anyone, olga, signed_in, query):
    zones = ("Europe/Berlin", "Asia/Kolkata", "UTC")
    for number, zone in enumerate(zones):
        EventFactory(
            name=f"Jazz {number}", timezone=zone, organizer=olga, latitude=52.5, longitude=13.4,
            visibility="unlisted" if number == 1 else "public",
        )  # fmt: skip

    for client, count in ((anyone, 2), (signed_in(olga), 3), (anyone, 2)):
        cached = client.get(f"{FEED}{query}")
        with patch("events.views.calendars.rendered_events", return_value=None):
            assert client.get(f"{FEED}{query}").content == cached.content
        assert len(names(cached)) == count


@pytest.mark.parametrize("path", [FEED, "/api/events/{}/calendar.ics"])
def test_a_calendar_is_not_sent_twice(clock, event, anyone, path):
    path = path.format(event.pk)
    first = anyone.get(path)

    again = anyone.get(path, headers={"If-None-Match": first["ETag"]})
    edit_event(event, {"name": "Another"})
    changed = anyone.get(path, headers={"If-None-Match": first["ETag"]})

    assert first["Cache-Control"] == "no-cache"
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert changed.status_code == 200
    assert names(changed) == ["Another"]
    assert changed["ETag"] != first["ETag"]


def test_head_tells_the_tag_without_the_calendar(event, anyone):
    response = anyone.head(FEED)

    assert (response.status_code, response.content) == (200, b"")
    assert response["ETag"] == anyone.get(FEED)["ETag"]


LONG = "\N{GRINNING FACE}" * 10_000


@pytest.mark.parametrize(
    ("description", "rendered"),
    [
        ("x" * 500, "x" * 500),
        ("x" * 501, "x" * 499 + "…"),
        ("x" * 490 + " " * 20 + "y", "x" * 490 + "…"),
        (LONG, LONG[:499] + "…"),
    ],
    ids=["whole", "cut", "cut_after_a_word", "cut_between_characters"],
)
def test_a_feed_cuts_long_descriptions(clock, event, anyone, description, rendered):
    edit_event(event, {"description": description})

    (entry,) = entries(anyone.get(FEED))

    assert entry["DESCRIPTION"] == rendered


def test_a_feed_shows_new_names_of_categories_and_organizers(clock, olga, anyone):
    category = CategoryFactory()
    EventFactory(organizer=olga, category=category)
    anyone.get(FEED)

    Category.objects.filter(pk=category.pk).update(name="Hands-on")
    User.objects.filter(pk=olga.pk).update(username="olga-b")

    feed = anyone.get(FEED).content.decode()
    assert "CATEGORIES:Hands-on\r\n" in feed
    assert 'ORGANIZER;CN="olga-b":' in feed


def test_an_event_by_itself_has_its_whole_description(clock, event, anyone):
    edit_event(event, {"description": LONG})

    (entry,) = entries(anyone.get(f"/api/events/{event.pk}/calendar.ics"))

    assert entry["DESCRIPTION"] == LONG


def test_a_feed_of_the_longest_descriptions_is_a_few_kilobytes_an_event(clock, olga, anyone):
    EventFactory.create_batch(20, organizer=olga, description=LONG)

    with CaptureQueriesContext(connection) as queries:
        response = anyone.get(FEED)

    assert len(entries(response)) == 20
    assert len(response.content) < 20 * 3_000
    assert len(queries) == 2  # the versions and the events; whole descriptions are not read later


@pytest.mark.parametrize("method", ["get", "head"])
def test_the_feed_has_a_limit_of_its_own(anyone, event, settings, method):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "feed": (2, 60)}

    codes = [getattr(anyone, method)(FEED).status_code for _ in range(3)]

    assert codes == [200, 200, 429]
    assert anyone.get("/api/events/").status_code == 200


def test_feed_requested_again_is_of_that_time_and_of_its_viewer(anyone, olga, signed_in, clock):
    EventFactory(organizer=olga, name="Soon", start_time=NOW + timedelta(hours=1))
    EventFactory(organizer=olga, name="Late", start_time=NOW + timedelta(hours=3))
    EventFactory(organizer=olga, name="Draft", status=Event.Status.DRAFT)

    def summaries(client, query: str = "") -> list[str]:
        text = client.get(f"/api/events/calendar.ics{query}").content.decode()
        return re.findall(r"SUMMARY:(\w+)", text)

    before, own = summaries(anyone), summaries(signed_in(olga), "?status=draft")
    clock.shift(timedelta(hours=2))

    assert (before, own) == (["Soon", "Late"], ["Draft"])
    assert (summaries(anyone), summaries(anyone, "?status=draft")) == (["Late"], [])
