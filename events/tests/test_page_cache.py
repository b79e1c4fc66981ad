"""The render cache of pages: each version of an event is rendered once and never stale.

Pages are compared with those of the serializers. `test_pages_of_viewers` has those of signed-in
users.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from unittest.mock import patch

import psycopg
import pytest
from django.db import connection
from rest_framework.test import APIClient

from accounts.tests.factories import grant
from config.errors import InvalidCursor
from conftest import NOW
from events.models import Category, Event
from events.search import page_cache
from events.search.page_cache import RenderCache, Rendered
from events.search.pages import EVENT_ORDERINGS
from events.serializers.events import EventOut
from events.services import delete_event
from events.tests.factories import CategoryFactory, EventFactory, SeriesFactory
from events.views.lists import fast_guest_page
from registrations.tests.factories import registered

pytestmark = pytest.mark.django_db

PATH = "/api/events/"
NOT_FOR_GUESTS = {"my_role", "my_rights", "pending_count", "meeting_url", "reminder_hours"}
OWN_HEADERS = {"X-Request-ID", "Cache-Control"}  # they depend on the request and the user


@pytest.fixture(autouse=True)
def _empty_render_cache():
    page_cache.render_cache.clear()


def without_role(body: dict) -> dict:
    """A page of a signed-in user without what a guest's page does not have."""
    rows = [
        {name: value for name, value in row.items() if name not in {"my_role", "my_rights"}}
        for row in body["results"]
    ]
    return {**body, "results": rows}


@pytest.fixture
def pages(anyone, ana, signed_in) -> Callable:
    """The responses for a guest, for the guest again, and from the serializers.

    A signed-in user gets the same, with a role.
    """
    reader = signed_in(ana)

    def responses(path: str, **headers: str) -> list:
        first, again = (anyone.get(path, headers=headers) for _ in range(2))
        with patch("events.views.lists.rendered_page", return_value=None):
            reference = anyone.get(path, headers=headers)
            if reference.status_code == 200:
                assert without_role(reader.get(path, headers=headers).json()) == reference.json()
        return [first, again, reference]

    return responses


@pytest.fixture
def listed(anyone, ana, signed_in) -> Callable:
    """The events of a list for a guest. A signed-in user gets the same from the serializers."""
    reader = signed_in(ana)

    def rows(path: str = PATH) -> list[dict]:
        response = anyone.get(path)
        assert response.status_code == 200, response.content
        with patch("events.views.lists.rendered_page", return_value=None):
            assert response.json() == without_role(reader.get(path).json())
        return response.json()["results"]

    return rows


def headers_of(response) -> dict[str, str]:
    return {name: value for name, value in response.items() if name not in OWN_HEADERS}


def write(sql: str, *parameters: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)


# --- the same response ---


@pytest.fixture
def programme(clock, olga, max_) -> None:
    kinds = [None, CategoryFactory(slug="meetup"), CategoryFactory()]
    for number in range(7):
        EventFactory(
            name=f'"{number % 3}" – Fête 🎪',
            description="a\\b\n\u2028" * number,
            organizer=(olga, max_)[number % 2],
            category=kinds[number % 3],
            start_time=NOW + timedelta(days=number // 2 + 1),
            created_at=NOW - timedelta(days=number // 3),
            max_capacity=number or None,
            registration_opens_at=NOW + timedelta(hours=number - 3),
            latitude=number + 0.5,
            longitude=-number,
            average_rating=number and "4.50",
        )
    EventFactory(organizer=olga, start_time=NOW - timedelta(days=1), name="Past")
    EventFactory(organizer=olga, status="cancelled", name="Off")


@pytest.mark.usefixtures("programme")
class TestGuestPage:
    @pytest.mark.parametrize("ordering", [n for n in EVENT_ORDERINGS if n != "distance"])
    @pytest.mark.parametrize("size", [1, 3, 7])
    def test_pages_equal_the_serializers_in_every_direction(self, pages, ordering, size):
        path, walked = f"{PATH}?ordering={ordering}&page_size={size}", 0
        for link in ("next", "previous"):
            while path:
                first, again, reference = pages(path)
                assert first.content == again.content == reference.content
                assert headers_of(first) == headers_of(again) == headers_of(reference)
                last, path, walked = path, first.json()[link], walked + 1
            path = last

        assert walked == 2 * -(-7 // size)

    @pytest.mark.parametrize(
        "query",
        [
            "count=true&page_size=2",
            "category=meetup&count=1",
            "category=no-such",
            "organizer=999999&count=true",
            "status=cancelled",
            "status=draft",
            "when=all",
            "when=past&ordering=-start_time",
            "date=2027-01-16",
            "on=2027-01-16",
            "on=2027-01-16&page_size=2&ordering=-name",
            "on=2027-01-16&search=fete",
            "on=9999-12-31",
            "attendance_mode=in_person",
            "attendance_mode=online&attendance_mode=hybrid",
            "title=te",
            f"start_after={NOW:%Y-%m-%dT%H:%M:%SZ}",  # a time that looks like the current one
            "available=true&ordering=relevance",
            "timezone=Asia/Kolkata",
            "search=1",
            "search=1&page_size=1&ordering=-name",
            "search=fete 1",
            'search="1 fete" -0',
            "search=-1",
            "search=fet 9",
            "search=!",
            "search=",
            "search=fete&count=true",
            "search=fete&highlight=true",
            "search=fete&category=meetup&available=true",
            "search=fete&category=meetup&category=no-such",
            "search=past&when=all",
            "search=off&status=cancelled",
            "search=fete&near=2,-1&radius=400",
            "near=2,-1&radius=400",
            "near=2,-1&radius=400&ordering=distance&page_size=2",
            "near=2,-1&timezone=Asia/Kolkata",
            "name=te",
            "name=f%C3%AAt",
            "location=e",
            "location=no such place",
            "when=ongoing",
            "search=fete&when=ongoing",
            "search=fete 1&date=9999-12-31",
            "search=fete 1&status=draft",
            "search=fete 1&organizer=9223372036854775807",
            "search=no such words&near=0,0",
        ],
    )
    def test_pages_of_filters_equal_the_serializers(self, pages, query):
        first, again, reference = pages(f"{PATH}?{query}")

        assert first.content == again.content == reference.content
        assert headers_of(first) == headers_of(again) == headers_of(reference)

    @pytest.mark.parametrize("query", ["search=fete", "search=fete 1", "near=0,0&radius=1000"])
    def test_pages_of_searches_equal_the_serializers_in_every_direction(self, pages, query):
        path, walked = f"{PATH}?{query}&page_size=1", 0
        for link in ("next", "previous"):
            while path:
                first, again, reference = pages(path)
                assert first.content == again.content == reference.content
                last, path, walked = path, first.json()[link], walked + 1
            path = last

        assert walked >= 4

    @pytest.mark.parametrize("text", ["fete", "feet", "fetaa"])
    def test_a_search_accepts_the_cursor_of_a_list_without_one(self, pages, anyone, olga, text):
        EventFactory(organizer=olga, start_time=NOW - timedelta(days=1), name="Fetaa")
        path = f"{PATH}?ordering=start_time&page_size=1"
        following = anyone.get(path).json()["next"]
        first, again, reference = pages(f"{following}&search={text}")

        assert first.content == again.content == reference.content
        assert len(first.json()["results"]) == 1

    @pytest.mark.parametrize(
        "query",
        [
            "search=%00",
            "search=fete&near=91,0",
            "search=fete&radius=5",
            "near=1,1&radius=0",
            "search=fete&start_after=soon",
            "search=fete&when=never",
            "search=fete&ordering=luck",
            "search=fete&cursor=x",
            "search=fete&page_size=0",
            "name=%00",
        ],
    )
    def test_refusals_equal_the_serializers(self, pages, query):
        pages(f"{PATH}?search=fete")
        first, again, reference = pages(f"{PATH}?{query}")

        assert first.status_code == again.status_code == reference.status_code == 400
        bodies = [response.json() for response in (first, again, reference)]
        assert bodies[0]["code"] == bodies[1]["code"] == bodies[2]["code"]
        assert bodies[0].get("errors") == bodies[1].get("errors") == bodies[2].get("errors")

    def test_each_zone_has_its_own_rendering(self, pages, anyone):
        zones = ["UTC", "Asia/Kolkata", "America/St_Johns", "Etc/UTC"]
        for zone in zones * 2:
            by_header = pages(PATH, **{"Time-Zone": zone})
            assert len({response.content for response in by_header}) == 1
            by_parameter = anyone.get(f"{PATH}?timezone={zone}").json()
            assert by_parameter["results"] == by_header[0].json()["results"]

        starts = [
            anyone.get(PATH, headers={"Time-Zone": zone}).json()["results"][0]["start_time"]
            for zone in zones
        ]
        assert starts == [
            "2027-01-16T12:00:00Z",
            "2027-01-16T17:30:00+05:30",
            "2027-01-16T08:30:00-03:30",
            "2027-01-16T12:00:00Z",
        ]

    def test_a_matching_etag_returns_304(self, anyone):
        etag = anyone.get(PATH)["ETag"]

        response = anyone.get(PATH, headers={"If-None-Match": etag})

        assert (response.status_code, response.content) == (304, b"")

    def test_the_fast_page_equals_the_page_of_the_view(self, anyone):
        url = f"http://testserver{PATH}"
        EventFactory.create_batch(21, start_time=NOW + timedelta(days=90))
        first = anyone.get(PATH)
        cursor = first.json()["next"].partition("cursor=")[2].replace("%3A", ":")
        second = anyone.get(first.json()["next"])

        assert fast_guest_page(url) == first.content
        assert fast_guest_page(first.json()["next"], cursor=cursor) == second.content
        with pytest.raises(InvalidCursor):
            fast_guest_page(url, cursor="no-such")

    def test_private_fields_are_rendered_for_organizer_and_staff_only(
        self, anyone, olga, sam, signed_in
    ):
        Event.objects.update(meeting_url="https://meet.example.org/secret")
        staff = signed_in(grant(sam, "events.view_event"))
        clients = [signed_in(olga), anyone, staff, anyone]

        secrets = [client.get(PATH).content.count(b"meet.example.org/secret") for client in clients]

        assert secrets == [4, 0, 7, 0]

    def test_a_cached_page_takes_one_query_and_another_two(
        self, anyone, olga, django_assert_num_queries
    ):
        with django_assert_num_queries(2):
            anyone.get(PATH)
        with django_assert_num_queries(1):
            anyone.get(PATH)
        with django_assert_num_queries(1):  # of another ordering, the same events
            anyone.get(f"{PATH}?ordering=-name")
        EventFactory(organizer=olga, start_time=NOW + timedelta(hours=1))
        with django_assert_num_queries(2):
            anyone.get(PATH)

    def test_an_empty_page_takes_one_query(self, anyone, django_assert_num_queries):
        with django_assert_num_queries(1):
            assert anyone.get(f"{PATH}?category=no-such").json()["results"] == []


# --- never a stale one ---

CHANGES = {
    "name": "name = 'Other'",
    "description": "description = 'Other'",
    "location": "location = 'Elsewhere'",
    "latitude": "latitude = 1, longitude = 2",
    "longitude": "latitude = 3, longitude = 4",
    "start_time": "start_time = start_time + interval '1 minute'",
    "end_time": "end_time = end_time + interval '1 minute'",
    "timezone": "timezone = 'Asia/Tokyo'",
    "category": "category_id = (SELECT id FROM events_category WHERE slug = 'meetup')",
    "organizer": "organizer_id = (SELECT id FROM accounts_user WHERE username = 'max')",
    "max_capacity": "max_capacity = 9",
    "registered_count": "registered_count = 2",
    "available_seats": "max_capacity = 11",
    "waitlist_enabled": "waitlist_enabled = true",
    "waitlist_count": "waitlist_count = 3",
    "max_party_size": "max_party_size = 3",
    "waitlist_policy": "waitlist_policy = 'first_fit'",
    "registration_mode": "registration_mode = 'approval'",
    "registration_opens_at": "registration_opens_at = '2027-01-01'",
    "registration_closes_at": "registration_closes_at = '2027-02-01'",
    "cancellation_closes_at": "cancellation_closes_at = '2027-02-01'",
    "attendance_mode": "attendance_mode = 'hybrid'",
    "attendee_list": "attendee_list = 'names'",
    "registration_state": "max_capacity = 1, registered_count = 1",
    "series": "series_id = (SELECT min(id) FROM events_series)",
    "average_rating": "average_rating = 4.5",
    "feedback_count": "feedback_count = 8",
    "image": f"image_name = '{'a' * 32}-16x9', image_alt = 'A hall'",
    "page_url": "name = 'Another'",
    "google_calendar_url": "name = 'Another'",
    "created_at": "created_at = '2026-01-01'",
    "updated_at": "updated_at = '2026-01-01'",
}


def test_the_changes_cover_every_field():
    constant = {
        "id",
        "calendar_url",
        "status",
        "visibility",
    }  # a list is of a status and public: below

    assert set(CHANGES) == {*EventOut.Meta.fields} - NOT_FOR_GUESTS - constant


@pytest.mark.parametrize("field", CHANGES)
def test_a_change_by_sql_is_rendered_at_once(clock, olga, max_, listed, field):
    event = EventFactory(organizer=olga, max_capacity=10)
    SeriesFactory(organizer=olga)
    path = f"{PATH}?organizer={{}}&when=all".format
    before = next(each for each in listed(path(olga.pk)) if each["id"] == event.pk)

    write(f"UPDATE events_event SET {CHANGES[field]} WHERE id = %s", event.pk)

    organizer = max_ if field == "organizer" else olga
    after = next(each for each in listed(path(organizer.pk)) if each["id"] == event.pk)
    assert after[field] != before[field]


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Other"},
        {"description": "Other"},
        {"location": "Elsewhere"},
        {"latitude": 1.5, "longitude": 2.5},
        {"end_time": "2027-03-01T23:00:00Z"},
        {"start_time": "2027-02-14T13:00:00Z"},
        {"timezone": "Asia/Tokyo"},
        {"category": "meetup"},
        {"max_capacity": 7},
        {"waitlist_enabled": True},
        {"registration_opens_at": "2027-01-20T00:00:00Z"},
        {"registration_closes_at": "2027-01-20T00:00:00Z"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_edit_is_rendered_at_once(clock, olga, signed_in, listed, change):
    event = EventFactory(organizer=olga, start_time=NOW + timedelta(days=30))
    listed()

    edited = signed_in(olga).patch(f"{PATH}{event.pk}/", change, format="json")

    assert edited.status_code == 200, edited.content
    (item,) = listed()
    assert {name: item[name] for name in change} == change
    assert item == {
        name: value for name, value in edited.json().items() if name not in NOT_FOR_GUESTS
    }


def test_a_cancelled_event_changes_lists(olga, event, signed_in, listed):
    assert [each["status"] for each in listed(f"{PATH}?organizer={olga.pk}")] == ["published"]

    assert signed_in(olga).post(f"{PATH}{event.pk}/cancel/").status_code == 200

    assert listed() == []
    (item,) = listed(f"{PATH}?status=cancelled")
    assert (item["status"], item["registration_state"]) == ("cancelled", "cancelled")


def test_a_deleted_event_is_not_listed(event, listed):
    assert len(listed()) == 1

    delete_event(event)

    assert listed() == []


def test_seats_are_counted_at_once(olga, listed):
    event = EventFactory(organizer=olga, max_capacity=2, waitlist_enabled=True)
    counts = []
    for _ in range(4):
        (row,) = listed()
        counts.append((row["registered_count"], row["waitlist_count"], row["registration_state"]))
        registered(event)

    assert counts == [(0, 0, "open"), (1, 0, "open"), (2, 0, "waitlist"), (2, 1, "waitlist")]


def test_a_renamed_organizer_has_the_new_name(olga, max_, event, listed):
    EventFactory(organizer=max_)
    assert [each["organizer"]["username"] for each in listed()] == ["olga", "max"]

    olga.username = "olga.2"
    olga.save()

    assert [each["organizer"]["username"] for each in listed()] == ["olga.2", "max"]


def test_a_changed_or_deleted_category_is_rendered_at_once(olga, sam, signed_in, listed):
    EventFactory(organizer=olga, category=CategoryFactory(slug="fair"))
    staff = signed_in(grant(sam, "events.change_category", "events.delete_category"))
    slugs = [listed()[0]["category"]]

    staff.patch("/api/categories/fair/", {"slug": "expo"}, format="json")
    slugs.append(listed()[0]["category"])
    Category.objects.filter(slug="expo").update(slug="show")
    slugs.append(listed()[0]["category"])
    staff.delete("/api/categories/show/")
    slugs.append(listed()[0]["category"])

    assert slugs == ["fair", "expo", "show", None]


def test_versions_differ_within_a_transaction_and_after_a_rollback(event, listed):
    names = []
    for name in ("One", "Two", "One"):
        write("SAVEPOINT here")
        write("UPDATE events_event SET name = %s", name)
        names.append(listed()[0]["name"])
        write("ROLLBACK TO SAVEPOINT here" if name == "Two" else "RELEASE SAVEPOINT here")
        names.append(listed()[0]["name"])

    assert names == ["One", "One", "Two", "One", "One", "One"]


@pytest.mark.django_db(transaction=True)
def test_a_reused_ctid_is_another_version(olga, listed):
    EventFactory(organizer=olga)
    names, ctids = [], []
    for number in range(6):
        for name in ("unseen", str(number)):  # the second may reuse the last rendered ctid
            write("UPDATE events_event SET name = %s", name)
            write("VACUUM (INDEX_CLEANUP ON) events_event")  # also in a table that was large
        names.append(listed()[0]["name"])
        with connection.cursor() as cursor:
            cursor.execute("SELECT ctid FROM events_event")
            ctids += cursor.fetchall()

    assert len(set(ctids)) < len(ctids) / 2
    assert names == [str(number) for number in range(6)]


@pytest.mark.parametrize(
    "change", ["UPDATE events_event SET name = 'New'", "DELETE FROM events_event"]
)
def test_a_row_that_changes_during_the_read_is_read_again(event, anyone, monkeypatch, change):
    fetch = page_cache.fetch

    def fetch_after_a_change(*args, **options):
        write(change)
        return fetch(*args, **options)

    monkeypatch.setattr(page_cache, "fetch", fetch_after_a_change)

    names = [each["name"] for each in anyone.get(PATH).json()["results"]]

    assert names == list(Event.objects.values_list("name", flat=True))


@pytest.mark.django_db(transaction=True)
def test_a_commit_of_another_process_is_rendered_at_once(olga, listed):
    event = EventFactory(organizer=olga)
    listed()

    with psycopg.connect(**connection.get_connection_params() | {"cursor_factory": None}) as other:
        other.execute("UPDATE events_event SET name = 'Theirs'")
        before = listed()[0]["name"]

    assert (before, listed()[0]["name"]) == (event.name, "Theirs")


@pytest.mark.django_db(transaction=True)
def test_concurrent_readers_get_the_committed_counts(olga, settings):
    event = EventFactory(organizer=olga)
    committed = [0]

    def read(_) -> list[tuple[int, int]]:
        try:
            counts, client = [], APIClient()
            for _ in range(40):
                at_least = committed[0]
                (item,) = client.get(PATH).json()["results"]
                counts.append((item["registered_count"], at_least))
            return counts
        finally:
            connection.close()

    def fill() -> None:
        try:
            for number in range(1, 41):
                registered(event)
                committed[0] = number
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        writer = pool.submit(fill)
        counts = [pair for pairs in pool.map(read, range(3)) for pair in pairs]
        writer.result()

    assert [pair for pair in counts if pair[0] < pair[1]] == []
    assert APIClient().get(PATH).json()["results"][0]["registered_count"] == 40


@pytest.mark.parametrize("select", [Event.objects.for_listing, Event.objects.for_feed])
def test_versions_cover_every_table_that_events_are_rendered_from(select):
    events_sql = str(select().query)
    versions = str(
        Event.objects.annotate(**page_cache._VERSIONS).values(*page_cache._VERSIONS).query
    )
    read = [table for table in connection.introspection.table_names() if f'"{table}"' in events_sql]

    assert read == ["accounts_user", "events_category", "events_event"]
    for table in read:
        assert f'"{table}".ctid' in versions
        assert f'"{table}".xmin' in versions


def test_urls_follow_the_public_url(event, listed, settings):
    listed()
    settings.PUBLIC_URL = "https://events.example.org"

    (item,) = listed()

    assert item["calendar_url"] == f"https://events.example.org{PATH}{event.pk}/calendar.ics"


# --- time ---


def test_the_state_changes_with_time(olga, listed, clock, anyone, django_assert_num_queries):
    EventFactory(
        organizer=olga,
        registration_opens_at=NOW + timedelta(minutes=10),
        registration_closes_at=NOW + timedelta(minutes=20),
        start_time=NOW + timedelta(minutes=30),
    )
    states = []
    for minute in (0, 9, 10, 19, 20, 29, 30, 29, 10, 9):  # also where the clock is set back
        clock.move_to(NOW + timedelta(minutes=minute, seconds=59 if minute % 10 else 0))
        (event,) = anyone.get(f"{PATH}?when=all").json()["results"]
        states.append(event["registration_state"])

    assert states == [
        "not_open", "not_open", "open", "open", "closed", "closed", "started", "closed", "open",
        "not_open",
    ]  # fmt: skip
    with django_assert_num_queries(1):
        anyone.get(f"{PATH}?when=all")


@pytest.mark.parametrize("status", Event.Status)
@pytest.mark.parametrize("opens", [None, 1, 5])
@pytest.mark.parametrize("closes", [None, 2, 4])
def test_the_state_changes_only_at_predicted_times(clock, status, opens, closes):
    def after(hours: int | None):
        return None if hours is None else NOW + timedelta(hours=hours)

    event = Event(
        status=status, start_time=after(3), end_time=after(6),
        registration_opens_at=after(opens), registration_closes_at=after(closes),
    )  # fmt: skip
    changes, at = {NOW}, NOW
    while change := event.registration_state_changes_at(at):
        changes.add(at := change)
    state = None
    for minutes in range(0, 8 * 60, 30):
        clock.move_to(NOW + timedelta(minutes=minutes))
        was, state = state, event.registration_state
        assert was == state or NOW + timedelta(minutes=minutes) in changes


def test_a_rendering_is_used_for_at_most_an_hour(clock, event, anyone, django_assert_num_queries):
    for hours, queries in ((0, 2), (0.99, 1), (1, 2), (1.99, 1)):
        clock.move_to(NOW + timedelta(hours=hours))
        with django_assert_num_queries(queries):
            anyone.get(PATH)


def test_behind_a_pooler_a_rendering_is_used_for_at_most_a_minute(
    clock, event, anyone, settings, django_assert_num_queries
):
    settings.POOLED_DATABASE = {"NAME": "events"}
    for seconds, queries in ((0, 2), (59, 1), (60, 2)):
        clock.move_to(NOW + timedelta(seconds=seconds))
        with django_assert_num_queries(queries):
            anyone.get(PATH)


# --- the cache ---


def test_the_cache_stays_within_its_limit():
    render_cache, largest = RenderCache(max_bytes=50_000), 0
    rows = [Rendered((b"1",), NOW, NOW, b"x" * 4_000) for _ in range(3)]
    for number in range(100):
        cached = render_cache.rows_in(number % 7)
        render_cache.store(
            number % 7, cached, {number * 3 + offset: row for offset, row in enumerate(rows)}
        )
        largest = max(largest, render_cache.bytes)
        assert render_cache.bytes == 5_000 * sum(
            len(render_cache.rows_in(zone)) for zone in range(7)
        )

    assert largest == 45_000


def test_a_newer_rendering_replaces_an_older_one():
    render_cache = RenderCache(max_bytes=50_000)
    cached = render_cache.rows_in("here")
    for number in range(100):
        render_cache.store("here", cached, {1: Rendered((b"%d" % number,), NOW, NOW, b"x" * 4_000)})

    assert (render_cache.bytes, cached[1].versions) == (5_000, (b"99",))


def test_renderings_from_before_a_clear_are_not_stored():
    render_cache = RenderCache()
    cached = render_cache.rows_in("here")
    render_cache.clear()

    render_cache.store("here", cached, {1: Rendered((b"1",), NOW, NOW, b"x")})

    assert (render_cache.rows_in("here"), render_cache.bytes) == ({}, 0)


def test_lists_work_without_a_cache(event, olga, anyone, listed, monkeypatch):
    monkeypatch.setattr(page_cache.render_cache, "max_bytes", 0)
    EventFactory.create_batch(3, organizer=olga)

    assert len(listed()) == len(listed()) == 4
    assert page_cache.render_cache.bytes == 0


@pytest.mark.django_db(transaction=True)
def test_a_new_connection_clears_the_cache(event, anyone, django_assert_num_queries):
    anyone.get(PATH)
    anyone.get(PATH)
    connection.close()

    with django_assert_num_queries(2):
        anyone.get(PATH)
