"""Lists of events: filters, search, orderings, pages."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conftest import NOW
from events.models import Event
from events.tests.factories import CategoryFactory, EventFactory
from registrations.tests.factories import registered

pytestmark = pytest.mark.django_db


def names(client, query: str = "") -> list[str]:
    response = client.get(f"/api/events/{query}")
    assert response.status_code == 200, response.content
    return [event["name"] for event in response.json()["results"]]


def walk(client, path: str, link: str = "next") -> list[dict]:
    rows = []
    while path:
        page = client.get(path).json()
        rows += page["results"]
        path = page[link]
    return rows


@pytest.fixture
def programme(clock, olga) -> None:
    def at(days: float, **fields) -> None:
        start = NOW + timedelta(days=days)
        EventFactory(organizer=olga, start_time=start, **fields)

    at(3, name="Café littéraire", location="Zürich", category=CategoryFactory(slug="meetup"))
    at(1, name="Python Conference", location="Berlin", description="Django and friends")
    at(2, name="AI Summit", location="Bengaluru", category=CategoryFactory(), max_capacity=1)
    at(-0.05, name="Running now", end_time=NOW + timedelta(days=1))
    at(-5, name="Last week")
    at(4, name="Secret", status="draft")
    at(5, name="Called off", status="cancelled")
    at(6, name="Deleted", deleted_at=NOW)


@pytest.mark.usefixtures("programme")
class TestFilters:
    def test_upcoming_published_events_soonest_first(self, anyone):
        assert names(anyone) == ["Python Conference", "AI Summit", "Café littéraire"]

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("?when=ongoing", ["Running now"]),
            ("?when=past", ["Last week"]),
            ("?name=python", ["Python Conference"]),
            ("?name=Y", ["Python Conference"]),
            ("?name=yt", ["Python Conference"]),
            ("?name=fé", ["Python Conference", "Café littéraire"]),
            ("?name=fe", ["Python Conference", "Café littéraire"]),
            ("?name=afé", ["Café littéraire"]),
            ("?name=qx", []),
            ("?location=CH", ["Café littéraire"]),
            ("?location=ZÜ", ["Café littéraire"]),
            ("?location=zu", ["Café littéraire"]),
            ("?when=ongoing&search=running&ordering=-name", ["Running now"]),
            ("?location=rich", ["Café littéraire"]),
            ("?category=meetup", ["Café littéraire"]),
            ("?category=meetup&category=conference", ["AI Summit", "Café littéraire"]),
            ("?category=no-such", []),
            ("?date=2027-01-17", ["AI Summit"]),
            ("?date=2027-01-10", ["Last week"]),
            ("?date=2027-01-10&when=upcoming", []),
            ("?on=2027-01-16", ["Running now", "Python Conference"]),
            ("?on=2027-01-16&when=upcoming", ["Python Conference"]),
            ("?on=2027-01-16&when=ongoing", ["Running now"]),
            ("?on=2027-01-10&search=week", ["Last week"]),
            ("?on=2027-01-16&ordering=-name", ["Running now", "Python Conference"]),
            ("?on=2027-01-16&name=python", ["Python Conference"]),
            ("?on=9999-12-31", []),
            ("?title=python", ["Python Conference"]),
            ("?title=python&name=python", ["Python Conference"]),
            ("?start_after=2027-01-17T12:00:00Z", ["AI Summit", "Café littéraire"]),
            ("?start_after=2027-01-17T17:30:00+05:30", ["AI Summit", "Café littéraire"]),
            ("?start_after=2027-01-17 12:00", ["AI Summit", "Café littéraire"]),
            ("?start_after=2027-01-16T19:04:00-16:56", ["AI Summit", "Café littéraire"]),
            ("?start_before=2027-01-17T12:00:00Z", ["Python Conference"]),
            ("?start_after=2027-01-17&start_before=2027-01-18", ["AI Summit"]),
            ("?start_before=2027-01-17", ["Python Conference"]),
            ("?start_after=2027-01-18", ["Café littéraire"]),
            (  # where it is the 18th already
                "?start_after=2027-01-18&timezone=Pacific/Kiritimati",
                ["AI Summit", "Café littéraire"],
            ),
            ("?start_before=2027-01-17T17:30&timezone=Asia/Kolkata", ["Python Conference"]),
            ("?status=cancelled", ["Called off"]),
            ("?status=draft", []),
            ("?ordering=-start_time", ["Café littéraire", "AI Summit", "Python Conference"]),
            ("?ordering=name", ["AI Summit", "Café littéraire", "Python Conference"]),
            ("?ordering=-created_at", ["AI Summit", "Python Conference", "Café littéraire"]),
            ("?ordering=relevance", ["Python Conference", "AI Summit", "Café littéraire"]),
            ("?name=", ["Python Conference", "AI Summit", "Café littéraire"]),
        ],
    )
    def test_filter(self, anyone, query, expected):
        assert names(anyone, query) == expected

    def test_a_day_is_in_the_readers_zone(self, anyone, olga):
        late = datetime(2027, 2, 1, 20, 0, tzinfo=UTC)  # already the 2nd in Kolkata
        EventFactory(organizer=olga, name="Late", start_time=late)

        assert names(anyone, "?date=2027-02-01") == ["Late"]
        assert names(anyone, "?date=2027-02-01&timezone=Asia/Kolkata") == []
        assert names(anyone, "?date=2027-02-02&timezone=Asia/Kolkata") == ["Late"]

    def test_an_event_is_on_each_day_of_its_time(self, anyone, olga):
        start = datetime(2027, 6, 1, 20, 0, tzinfo=UTC)
        EventFactory(
            organizer=olga, name="Fair", start_time=start, end_time=start + timedelta(hours=52)
        )

        days = [names(anyone, f"?on=2027-{day}") for day in ("05-31", "06-01", "06-02", "06-04")]

        # It ends on the 4th at 00:00, which is not a part of that day.
        assert days == [[], ["Fair"], ["Fair"], []]
        assert names(anyone, "?on=2027-06-04&timezone=Europe/Berlin") == ["Fair"]
        assert names(anyone, "?on=2027-06-01&timezone=Asia/Kolkata") == []
        assert names(anyone, "?on=2027-06-04&timezone=Asia/Kolkata") == ["Fair"]

    def test_an_event_from_midnight_is_not_on_the_day_before(self, anyone, olga):
        EventFactory(organizer=olga, name="New", start_time=datetime(2027, 6, 1, tzinfo=UTC))

        assert names(anyone, "?on=2027-05-31") == []
        assert names(anyone, "?on=2027-06-01") == ["New"]

    def test_available_means_a_free_seat(self, anyone):
        registered(Event.objects.get(name="AI Summit"))

        assert names(anyone, "?available=false") == ["AI Summit"]
        assert "AI Summit" not in names(anyone, "?available=true")

    def test_organizer(self, anyone, olga, max_):
        EventFactory(organizer=max_, name="By Max")

        assert names(anyone, f"?organizer={max_.pk}") == ["By Max"]

    def test_drafts_are_listed_for_their_organizer(self, olga, max_, signed_in):
        assert names(signed_in(olga), "?status=draft") == ["Secret"]
        assert names(signed_in(max_), "?status=draft") == []

    def test_my_events_include_every_status_and_time(self, olga, max_, signed_in):
        mine = signed_in(olga).get("/api/me/events/?count=true").json()

        assert mine["count"] == 7
        assert mine["results"][0]["name"] == "Last week"
        assert signed_in(max_).get("/api/me/events/").json()["results"] == []


@pytest.mark.usefixtures("programme")
class TestSearch:
    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            ("python", ["Python Conference"]),
            ("CONFERENCE python", ["Python Conference"]),
            ("berlin python", ["Python Conference"]),
            ("django", ["Python Conference"]),
            ("cafe litteraire", ["Café littéraire"]),
            ("ZURICH", ["Café littéraire"]),
            ("meetup", ["Café littéraire"]),
            ("pyth", ["Python Conference"]),
            ("pyhton", ["Python Conference"]),
            ("bengalru", ["AI Summit"]),
            ("pyhton berlin", ["Python Conference"]),
            ("python zurich", []),
            ("secret", []),
            ("!!! ???", []),
            ("' OR 1=1 --", []),
        ],
    )
    def test_search(self, anyone, words, expected):
        assert names(anyone, f"?search={words}") == expected

    def test_the_best_match_comes_first(self, anyone, olga):
        soon = NOW + timedelta(hours=1)
        EventFactory(organizer=olga, name="Talk", description="about python", start_time=soon)

        assert names(anyone, "?search=python") == ["Python Conference", "Talk"]
        assert names(anyone, "?search=python&ordering=start_time") == ["Talk", "Python Conference"]

    def test_search_matches_descriptions_of_drafts_and_cancelled_events(
        self, anyone, olga, signed_in
    ):
        EventFactory(organizer=olga, name="Mine", description="quokkas", status="draft")
        EventFactory(organizer=olga, name="Off", description="quokkas", status="cancelled")

        assert names(anyone, "?search=quokkas&status=cancelled") == ["Off"]
        mine = signed_in(olga).get("/api/me/events/?search=quokkas&ordering=name").json()
        assert [event["name"] for event in mine["results"]] == ["Mine", "Off"]

    def test_a_misspelt_past_event_prevents_no_correction(self, anyone, olga):
        EventFactory(
            organizer=olga, name="Pyhton Days",
            start_time=NOW - timedelta(days=9), end_time=NOW - timedelta(days=8),
        )  # fmt: skip

        assert names(anyone, "?search=pyhton") == ["Python Conference"]

    def test_a_text_of_many_misspelt_words_matches_nothing(self, anyone):
        assert names(anyone, "?search=pyhton+conferense+berlim+djanog") == []

    def test_search_follows_edits(self, anyone):
        category = CategoryFactory(slug="meetup")
        category.name = "Treffen"
        category.save()
        Event.objects.filter(name="AI Summit").update(name="Robots")

        assert names(anyone, "?search=treffen") == ["Café littéraire"]
        assert names(anyone, "?search=robots") == ["Robots"]

    def test_pages_have_each_match_once(self, anyone, olga):
        EventFactory.create_batch(7, organizer=olga, name="Same words")

        rows = walk(anyone, "/api/events/?search=same&page_size=2")

        assert len({row["id"] for row in rows}) == len(rows) == 7


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("organizer=abc", "organizer", "invalid"),
        ("category=", "category", "invalid"),
        ("category=meetup&category=", "category", "invalid"),
        ("organizer=", "organizer", "invalid"),
        ("organizer=99999999999999999999", "organizer", "max_value"),
        ("date=tomorrow", "date", "invalid"),
        ("organizer=1.0", "organizer", "invalid"),
        ("date=2027-3-5", "date", "invalid"),
        ("on=tomorrow", "on", "invalid"),
        ("on=", "on", "invalid"),
        ("category=%00&category=meetup", "category", "invalid"),
        ("start_after=2027", "start_after", "invalid"),
        ("start_before=0001-01-01T00:00:00%2B14:00", "start_before", "invalid"),
        ("when=soon", "when", "invalid_choice"),
        ("available=perhaps", "available", "invalid"),
        ("status=unknown", "status", "invalid_choice"),
        ("ordering=price", "ordering", "invalid_choice"),
        ("page_size=0", "page_size", "min_value"),
        ("page_size=101", "page_size", "max_value"),
        ("page_size=ten", "page_size", "invalid"),
        ("count=2", "count", "invalid"),
        ("format=xml", "format", "invalid_choice"),
        ("search=a%00b&name=%00", "search", "invalid"),
    ],
)
def test_an_invalid_filter_is_refused_by_name(anyone, query, field, code):
    response = anyone.get(f"/api/events/?{query}")

    assert response.status_code == 400
    assert response.json()["code"] == "validation_error"
    assert {"field": field, "code": code}.items() <= response.json()["errors"][0].items()


def test_an_unknown_parameter_is_refused(anyone, event):
    listed = anyone.get("/api/events/?catgory=meetup")
    single = anyone.get(f"/api/events/{event.pk}/?expand=all")

    assert listed.status_code == single.status_code == 400
    assert listed.json()["code"] == single.json()["code"] == "unknown_parameter"
    assert listed.json()["errors"][0]["field"] == "catgory"
    assert "category" in listed.json()["errors"][0]["detail"]


# --- pages ---


@pytest.mark.parametrize("ordering", ["start_time", "-start_time", "created_at", "name", "-name"])
def test_pages_have_each_event_once_in_order(anyone, olga, ordering):
    same = NOW + timedelta(days=3650)
    for number in range(11):  # ties in every ordering
        EventFactory(organizer=olga, name=f"Event {number % 3}", start_time=same, created_at=same)
    everything = walk(anyone, f"/api/events/?ordering={ordering}&page_size=100")

    forwards = walk(anyone, f"/api/events/?ordering={ordering}&page_size=3")

    assert forwards == everything
    assert len(forwards) == 11


def test_pages_lead_back_to_the_first(anyone, olga):
    EventFactory.create_batch(10, organizer=olga)
    path, pages = "/api/events/?page_size=3", []
    while path:
        page = anyone.get(path).json()
        pages.append(page)
        path = page["next"]

    back = pages[-1]
    for page in reversed(pages[:-1]):
        back = anyone.get(back["previous"]).json()
        assert back["results"] == page["results"]

    assert pages[0]["previous"] is None
    assert back["previous"] is None


def test_events_created_between_pages_neither_repeat_nor_hide_a_row(clock, anyone, olga):
    existing = EventFactory.create_batch(6, organizer=olga)
    first = anyone.get("/api/events/?page_size=3").json()
    EventFactory(organizer=olga, start_time=existing[0].start_time - timedelta(days=1))

    rest = walk(anyone, first["next"])

    assert [row["id"] for row in first["results"] + rest] == [event.pk for event in existing]


def test_count_is_optional(anyone, event):
    assert anyone.get("/api/events/?count=true").json()["count"] == 1
    assert "count" not in anyone.get("/api/events/").json()


@pytest.mark.parametrize("cursor", ["", "x", "W10", "WyJuYW1lIixmYWxzZSxbXV0:aaaa:bbbb", "%00"])
def test_a_forged_cursor_is_refused(anyone, cursor):
    response = anyone.get(f"/api/events/?cursor={cursor}")

    assert (response.status_code, response.json()["code"]) == (400, "invalid_cursor")


def test_a_cursor_belongs_to_its_ordering(anyone, olga):
    EventFactory.create_batch(3, organizer=olga)
    cursor = anyone.get("/api/events/?page_size=1").json()["next"].partition("cursor=")[2]

    response = anyone.get(f"/api/events/?ordering=name&cursor={cursor}")

    assert response.json()["code"] == "invalid_cursor"


@pytest.mark.parametrize("path", ["/api/events/", "/api/me/events/"])
def test_a_list_takes_the_same_queries_for_one_row_and_three(olga, signed_in, path):
    client = signed_in(olga)
    EventFactory(organizer=olga, category=CategoryFactory())
    with CaptureQueriesContext(
        connection,
    ) as one:
        client.get(path)
    EventFactory.create_batch(2, organizer=olga, category=CategoryFactory(slug="meetup"))

    with CaptureQueriesContext(connection) as three:
        assert len(client.get(path).json()["results"]) == 3
    with CaptureQueriesContext(connection) as again:
        client.get(path)

    assert len(three) == len(one) <= 3  # the session, the page, and the rows to render
    assert len(again) <= 2
