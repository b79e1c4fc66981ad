"""Compiled queries return the rows of the current time, the viewer and the page."""

from datetime import datetime, timedelta
from importlib.util import find_spec, module_from_spec

import pytest
from django.db import connection
from django.db.transaction import TransactionManagementError
from django.utils import timezone

from accounts.tests.factories import grant
from config.api.sql import sentinels
from config.api.sql.compilation_cache import CompilationCache
from config.api.sql.compiled_queries import (
    CompiledQuery,
    NotCompilable,
    current_instant,
    fetch,
    fetch_by_sql,
)
from conftest import NOW
from events.models import Event
from events.services import lock_event
from events.tests.factories import EventFactory

pytestmark = pytest.mark.django_db


def names(response) -> list[str]:
    return [event["name"] for event in response.json()["results"]]


def test_list_requested_again_later_is_of_that_time(anyone, olga, clock):
    EventFactory(organizer=olga, name="Soon", start_time=NOW + timedelta(hours=1))
    EventFactory(organizer=olga, name="Late", start_time=NOW + timedelta(hours=3))

    before = names(anyone.get("/api/events/"))
    clock.shift(timedelta(hours=2))

    assert before == ["Soon", "Late"]
    assert names(anyone.get("/api/events/")) == ["Late"]


def test_list_depends_on_its_viewer_and_not_on_an_earlier_one(anyone, olga, sam, signed_in, clock):
    EventFactory(organizer=olga, name="Open")
    EventFactory(organizer=olga, name="Draft", status=Event.Status.DRAFT)
    path = "/api/events/?status=draft"

    assert names(signed_in(grant(sam, "events.view_event")).get(path)) == ["Draft"]
    assert names(anyone.get(path)) == []
    assert names(signed_in(olga).get(path)) == ["Draft"]


@pytest.mark.parametrize("filters", ["search=talk", "name=talk", "near=45,9"])
def test_search_depends_on_its_viewer_and_not_on_an_earlier_one(
    anyone, olga, max_, sam, signed_in, clock, filters
):
    place = {"latitude": 45, "longitude": 9}
    EventFactory(organizer=olga, name="Talk of Olga", status=Event.Status.DRAFT, **place)
    EventFactory(organizer=max_, name="Talk of Max", status=Event.Status.DRAFT, **place)
    staff = signed_in(grant(sam, "events.view_event"))
    clients = [staff, anyone, signed_in(olga), signed_in(max_), staff]

    results = [names(client.get(f"/api/events/?status=draft&{filters}")) for client in clients]

    both = ["Talk of Max", "Talk of Olga"]
    assert [sorted(each) for each in results] == [both, [], ["Talk of Olga"], ["Talk of Max"], both]


def test_own_list_depends_on_its_viewer_and_not_on_an_earlier_one(olga, max_, signed_in, clock):
    EventFactory(organizer=olga, name="Talk of Olga")
    EventFactory(organizer=max_, name="Talk of Max")

    for filters in ("", "?search=talk"):
        path = f"/api/me/events/{filters}"
        assert names(signed_in(olga).get(path)) == ["Talk of Olga"]
        assert names(signed_in(max_).get(path)) == ["Talk of Max"]


def test_search_without_words_still_checks_the_other_filters(anyone, db):
    response = anyone.get("/api/events/?search=!!!&near=nowhere")

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "near"
    assert names(anyone.get("/api/events/?search=!!!")) == []


def test_the_same_day_is_another_one_in_another_zone(anyone, olga, clock):
    EventFactory(organizer=olga, name="Late", start_time=NOW.replace(hour=23))

    path = f"/api/events/?date={NOW.date()}&timezone="

    assert names(anyone.get(f"{path}UTC")) == ["Late"]
    assert names(anyone.get(f"{path}Asia/Kolkata")) == []


def test_a_query_is_built_once_for_all_its_pages(olga, clock):
    first, second, third = (EventFactory(organizer=olga) for _ in range(3))
    built = []

    def build(position):
        built.append(position)
        return Event.objects.filter(pk__gt=position[0]).order_by("pk").select_related("category")

    pages = [fetch("one key", build, [event.pk]) for event in (first, second, third)]

    assert pages == [[second, third], [third], []]
    assert len(built) == 1


def test_rows_are_those_of_the_orm(event, django_assert_num_queries):
    query = CompiledQuery(lambda _: Event.objects.for_listing(), None)

    (row,) = query.run(None)

    with django_assert_num_queries(0):
        columns = {**vars(row)} | {"organizer": row.organizer.username, "category": row.category}
    del columns["_state"]
    expected = Event.objects.for_listing().get()
    assert columns.pop("organizer") == event.organizer.username
    assert columns.pop("category") is None
    assert columns == {name: getattr(expected, name) for name in columns}
    assert row == expected
    assert row.version == event.version  # which no list asks for, fetched when it is used


@pytest.mark.parametrize(
    "queryset",
    [
        Event.objects.filter(start_time__gt=NOW + timedelta(seconds=1)),
        Event.objects.values("pk"),
        Event.objects.prefetch_related("registrations"),
    ],
    ids=["the time it was built at", "no rows", "further queries"],
)
def test_query_that_only_the_orm_can_run_is_not_compilable(queryset, clock):
    with pytest.raises(NotCompilable):
        CompiledQuery(lambda _: queryset, None)


def test_query_that_is_built_by_rows_of_its_viewer_is_run_anew(olga, max_, clock):
    own = {user: EventFactory(organizer=user).pk for user in (olga, max_)}

    def ids(viewer) -> list[int]:
        def build(_):
            found = Event.objects.filter(organizer=viewer).values_list("pk", flat=True)
            return Event.objects.filter(pk__in=list(found))

        return [event.pk for event in fetch("own", build, None, viewer=viewer)]

    assert [ids(viewer) for viewer in (olga, max_, olga)] == [[own[olga]], [own[max_]], [own[olga]]]


def test_compiled_query_recognizes_the_current_time(clock):
    assert current_instant() == timezone.now()
    assert CompiledQuery(lambda _: Event.objects.upcoming(), None).statement.instants == [0]


def test_event_read_again_depends_on_its_viewer(anyone, olga, sam, max_, signed_in):
    draft = EventFactory(organizer=olga, status=Event.Status.DRAFT)
    path = f"/api/events/{draft.pk}/"
    grant(sam, "events.view_event")

    statuses = [
        client.get(path).status_code
        for client in (signed_in(olga), signed_in(max_), signed_in(sam), anyone, signed_in(olga))
    ]

    assert statuses == [200, 404, 200, 404, 200]


def test_rows_are_locked_in_a_transaction_only(event, monkeypatch):
    assert lock_event(event.pk) == event  # compiled

    monkeypatch.setattr(connection, "get_autocommit", lambda: True)
    with pytest.raises(TransactionManagementError):
        lock_event(event.pk)


def test_sentinels_differ_between_processes():
    """A client that knows one can send it as a filter's value, which a run then replaces."""
    spec = find_spec("config.api.sql.sentinels")
    elsewhere = module_from_spec(spec)
    spec.loader.exec_module(elsewhere)

    for kind, sentinel in sentinels._SENTINELS.items():
        first, second = sentinel(0), sentinel(1)
        assert first != second
        assert elsewhere._SENTINELS[kind](0) not in [first, second]
        assert type(first) is kind


@pytest.mark.parametrize(
    "value", [0, 0.5, "%s", NOW, [1, 2]], ids=lambda value: type(value).__name__
)
def test_sql_is_cached_for_values_of_every_type(db, value):
    types = {int: "bigint", float: "float", str: "text", datetime: "timestamptz", list: "bigint[]"}

    def build(values):
        return f"SELECT %s::{types[type(value)]}, '%%'", values

    for key in ("once", "once", None):
        assert fetch_by_sql((key, type(value)) if key else None, build, [value]) == [(value, "%")]


def test_sql_for_values_that_are_not_compilable_is_run_anew(db):
    def build(values):
        return "SELECT %s::boolean", values

    assert [fetch_by_sql("a boolean", build, [value]) for value in (True, False, None)] == [
        [(True,)],
        [(False,)],
        [(None,)],
    ]


def test_entry_that_is_used_often_stays_cached_beside_entries_used_once():
    cached, made = CompilationCache(10), []

    for number in range(100):
        cached("often", lambda: made.append("often"))
        cached(number, lambda: made.append("once"))
        cached(number, lambda: made.append("again"))

    assert made == ["often", *["once"] * 100]
    assert len(cached._new) + len(cached._old) <= 10
