"""`GET /api/changes/`: every committed change exactly once, in the order of an event."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise
from threading import Event as Flag

import psycopg
import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.tests.factories import UserFactory, key_client
from events.models import Event, Series, TeamMember
from events.services import cancel_event, delete_event, edit_event, publish_event, restore_event
from events.tests.factories import EventFactory, SeriesFactory, with_role
from registrations.changes import feed
from registrations.changes.log import delete_old_changes
from registrations.models import CHANGE_TYPES, Change, ChangeLog, LedgerEntry
from registrations.services import (
    check_in,
    close_account,
    register,
    send_message,
    undo_check_in,
)
from registrations.services.editing import edit_registration
from registrations.services.parties import change_party
from registrations.tests.concurrency import wait_until_blocked
from registrations.tests.factories import registered

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("changes")]
FEED = "/api/changes/"


def page(client, **parameters):
    """The page at the second read.

    At the first, a transaction of another test's database may have just begun: until it is known
    which database it is of, it holds changes back as one of this database would.
    """
    client.get(FEED, parameters)
    response = client.get(FEED, parameters)
    assert response.status_code == 200, response.content
    return response.json()


def types_of(body) -> list[str]:
    return [change["type"] for change in body["results"]]


@pytest.fixture
def reader(signed_in, olga):
    return signed_in(olga)


def test_changes_of_an_event_have_their_type_actor_and_reason(reader, olga, ana, anyone, signed_in):
    created = reader.post(
        "/api/events/",
        {
            "name": "Talk", "location": "Hall", "start_time": "2040-05-25T14:00:00Z",
            "max_capacity": 1, "waitlist_enabled": True,
        },
    ).json()  # fmt: skip
    path = f"/api/events/{created['id']}/"
    guest = {"name": "Bob", "email": "bob@example.com"}
    bob = anyone.post(f"{path}register/", guest).json()
    signed_in(ana).post(f"{path}register/", {})
    anyone.delete(f"/api/registrations/{bob['id']}/?token={bob['manage_token']}")
    reader.patch(path, {"description": "New"})
    reader.patch(path, {"description": "New"})  # changes nothing
    reader.post(f"{path}messages/", {"subject": "Hello", "body": "All"})
    reader.post(f"{path}cancel/", {})
    reader.delete(path)

    changes = page(reader)["results"]

    as_user = {"kind": "user", "id": olga.pk, "on_behalf_of": None}
    as_ana = {"kind": "user", "id": None, "on_behalf_of": None}  # the event is deleted
    as_guest = {"kind": "guest", "id": None, "on_behalf_of": None}
    as_system = {"kind": "system", "id": None, "on_behalf_of": None}
    assert [(change["type"], change["actor"], change["reason"]) for change in changes] == [
        ("event.created", as_user, None),
        ("registration.confirmed", as_guest, "by_guest"),
        ("registration.waitlisted", as_ana, "by_attendee"),
        ("registration.cancelled", as_guest, "by_guest"),
        ("registration.promoted", as_system, "place_freed"),
        ("event.updated", as_user, None),
        ("message.sent", as_user, None),
        ("event.cancelled", as_user, None),
        ("event.deleted", as_user, None),
    ]
    assert {change["event"] for change in changes} == {created["id"]}
    assert changes[1]["object"] == {"kind": "registration", "id": bob["id"]}
    assert {change["data"] and change["data"]["id"] for change in changes} == {None}  # deleted


def test_data_is_the_object_as_it_is_now(reader, event):
    row = registered(event, name="Bob", email="bob@example.com")
    edit_registration(row, name="Robert")

    changes = page(reader, event=event.pk)["results"]

    assert types_of({"results": changes}) == [
        "event.created", "registration.confirmed", "registration.updated",
    ]  # fmt: skip
    assert changes[0]["data"] == reader.get(f"/api/events/{event.pk}/").json()
    expected = reader.get(f"/api/registrations/{row.pk}/").json()
    assert changes[1]["data"] == changes[2]["data"] == expected
    assert changes[1]["sequence"] < changes[2]["sequence"]


def test_states_of_a_draft_a_series_and_feedback_are_changes(clock, reader, olga, ana, signed_in):
    draft = EventFactory(organizer=olga, status=Event.Status.DRAFT)
    publish_event(draft)
    edit_event(draft, {"name": "Other"})
    delete_event(draft)
    restore_event(draft)
    cancel_event(draft)
    series = {
        "name": "Weekly", "location": "Hall", "start_time": "2027-03-01T10:00:00Z",
        "recurrence": "FREQ=WEEKLY;COUNT=2",
    }  # fmt: skip
    pk = reader.post("/api/series/", series).json()["id"]
    reader.patch(f"/api/series/{pk}/", {"description": "Each week"})
    reader.delete(f"/api/series/{pk}/")
    past = EventFactory(organizer=olga)
    register(past.pk, name="Ana", email=ana.email, user=ana)
    ana.email_verified_at = timezone.now()
    ana.save()
    clock.move_to(past.end_time + timedelta(hours=1))
    attendee = signed_in(ana)
    path = attendee.post(f"/api/events/{past.pk}/feedback/", {"rating": 4}).json()["id"]
    attendee.patch(f"/api/feedback/{path}/", {"rating": 5})
    attendee.delete(f"/api/feedback/{path}/")

    body = page(signed_in(olga))

    own = [change["type"] for change in body["results"] if change["event"] == draft.pk]
    of_series = [change for change in body["results"] if change["object"]["kind"] == "series"]
    of_past = [change["type"] for change in body["results"] if change["event"] == past.pk]
    assert own == [
        "event.created", "event.published", "event.updated", "event.deleted", "event.restored",
        "event.cancelled",
    ]  # fmt: skip
    assert [change["type"] for change in of_series] == [
        "series.created", "series.updated", "series.deleted",
    ]  # fmt: skip
    assert [change["event"] for change in of_series] == [None] * 3
    assert of_past == [
        "event.created", "registration.confirmed", "feedback.created", "feedback.updated",
        "feedback.removed",
    ]  # fmt: skip
    assert set(types_of(body)) <= set(CHANGE_TYPES)


def test_end_of_an_account_cancels_and_then_erases(reader, event, ana):
    register(event.pk, name="Ana", email=ana.email, user=ana, registered_by=ana)
    before = page(reader)

    close_account(ana)

    changes = page(reader, cursor=before["next_cursor"])["results"]
    assert types_of({"results": changes}) == ["registration.cancelled", "registration.erased"]
    assert changes[0]["reason"] == "account_closed"
    assert ana.email not in str(changes)


def test_check_in_and_its_undoing_are_changes(reader, event, olga):
    row = registered(event)
    check_in(event, row.ticket_code, by=olga)
    undo_check_in(event, row.ticket_code, by=olga)

    types = types_of(page(reader, type="registration.*"))

    assert types == [
        "registration.confirmed", "registration.checked_in", "registration.check_in_undone",
    ]  # fmt: skip


# --- Pages --------------------------------------------------------------------------------------


def test_following_the_cursor_lists_each_change_once(reader, event):
    for _ in range(5):
        registered(event)

    bodies, parameters = [], {}
    while not bodies or bodies[-1]["has_more"]:
        bodies.append(page(reader, page_size=2, **parameters))
        parameters = {"cursor": bodies[-1]["next_cursor"]}

    changes = [change for body in bodies for change in body["results"]]
    assert [len(body["results"]) for body in bodies] == [2, 2, 2]
    assert [change["id"] for change in changes] == [
        change["id"] for change in page(reader)["results"]
    ]
    assert all(a["sequence"] < b["sequence"] for a, b in pairwise(changes))
    assert page(reader, **parameters)["results"] == []


def test_from_now_begins_at_the_end(reader, event):
    registered(event)
    now = page(reader, **{"from": "now"})
    registered(event)

    later = page(reader, cursor=now["next_cursor"])

    assert (now["results"], now["has_more"]) == ([], False)
    assert types_of(later) == ["registration.confirmed"]


def test_filtered_page_without_a_match_advances_the_cursor(reader, event):
    registered(event)

    empty = page(reader, type="message.sent")

    assert (empty["results"], empty["has_more"]) == ([], False)
    assert page(reader, cursor=empty["next_cursor"])["results"] == []


def test_page_of_a_rare_type_examines_a_limited_number_of_changes(reader, event, monkeypatch):
    monkeypatch.setattr(feed, "EXAMINED", 3)
    for _ in range(3):
        registered(event)
    edit_event(event, {"description": "New"})  # the fifth change

    first = page(reader, page_size=1, type="event.updated")
    second = page(reader, page_size=1, type="event.updated", cursor=first["next_cursor"])

    assert (first["results"], first["has_more"]) == ([], True)
    assert (types_of(second), second["has_more"]) == (["event.updated"], False)
    assert page(reader, cursor=second["next_cursor"])["results"] == []


def test_pages_of_many_events_have_the_order_of_the_log(reader, olga):
    series = {
        "name": "Weekly", "location": "Hall", "start_time": "2040-03-01T10:00:00Z",
        "recurrence": "FREQ=WEEKLY;COUNT=2",
    }  # fmt: skip
    reader.post("/api/series/", series)
    quiet, *busy = [EventFactory(organizer=olga) for _ in range(4)]
    for number in range(9):
        registered(busy[number % 2 * 2])  # one has none
    registered(quiet)
    page(reader)

    for size in (1, 2, 3, 500):
        ids, parameters, has_more = [], {}, True
        while has_more:
            body = page(reader, page_size=size, **parameters)
            ids += [change["sequence"] for change in body["results"]]
            parameters, has_more = {"cursor": body["next_cursor"]}, body["has_more"]

        assert ids == list(Change.objects.order_by("position").values_list("position", flat=True))


def test_types_and_events_select_changes(reader, olga):
    first, second = EventFactory(organizer=olga), EventFactory(organizer=olga)
    registered(first)
    registered(second)

    def selected(query):
        body = reader.get(f"{FEED}?{query}").json()
        return [(change["type"], change["event"]) for change in body["results"]]

    assert selected(f"event={second.pk}") == [
        ("event.created", second.pk), ("registration.confirmed", second.pk),
    ]  # fmt: skip
    assert selected("type=event.*") == [
        ("event.created", first.pk), ("event.created", second.pk),
    ]  # fmt: skip
    assert len(selected(f"event={first.pk}&event={second.pk}&type=event.created")) == 2


@pytest.mark.parametrize("near", [0, 1, 2])
def test_pages_are_complete_where_the_next_changes_of_all_do_not_suffice(
    reader, olga, max_, monkeypatch, near
):
    own = [EventFactory(organizer=olga) for _ in "abc"]
    SeriesFactory(organizer=olga)
    for event in (*own, *(EventFactory(organizer=max_) for _ in "abc"), *own):
        registered(event)
    expected = page(reader)["results"]
    monkeypatch.setattr(feed, "_NEAR", near)

    received, body = [], {"next_cursor": None, "has_more": True}
    while body["has_more"]:
        cursor = {"cursor": body["next_cursor"]} if body["next_cursor"] else {}
        body = page(reader, page_size=3, **cursor)
        received += body["results"]

    assert received == expected
    of_people = [change for change in expected if change["object"]["kind"] == "registration"]
    assert page(reader, type="registration.*")["results"] == of_people


def test_page_has_one_query_for_each_kind_of_object(reader, event, django_assert_max_num_queries):
    for _ in range(3):
        registered(event)
    page(reader)

    with django_assert_max_num_queries(6):
        reader.get(FEED)
    for _ in range(10):
        registered(event)
    with django_assert_max_num_queries(6):
        reader.get(FEED)


# --- Access -------------------------------------------------------------------------------------


def test_others_see_none_of_it_and_get_404_for_the_event(event, max_, signed_in, anyone):
    registered(event)
    stranger = signed_in(max_)

    assert page(stranger)["results"] == []
    assert stranger.get(FEED, {"event": event.pk}).json()["code"] == "not_found"
    assert anyone.get(FEED).status_code == 401


def test_key_without_the_scope_of_people_gets_no_personal_data(event, olga):
    row = registered(event, email="bob@example.com")
    client = key_client(olga, "changes:read")

    body = page(client, type="registration.confirmed")

    assert [change["data"] for change in body["results"]] == [
        {"id": str(row.pk), "status": "confirmed", "party_size": 1}
    ]


def test_caller_without_people_does_not_learn_who_registered(event, olga, ana):
    register(event.pk, name="Ana", email=ana.email, user=ana, registered_by=ana)

    (change,) = page(key_client(olga, "changes:read"), type="registration.*")["results"]

    assert change["actor"] == {"kind": "user", "id": None, "on_behalf_of": None}


def test_key_of_one_event_gets_its_changes_alone(olga):
    first, second = EventFactory(organizer=olga), EventFactory(organizer=olga)
    client = key_client(olga, "changes:read", events=[first.pk])

    assert {change["event"] for change in page(client)["results"]} == {first.pk}
    assert client.get(FEED, {"event": second.pk}).status_code == 404
    assert key_client(olga, "events:read").get(FEED).json()["code"] == "insufficient_scope"


def test_changes_by_a_key_name_it_and_its_owner(olga, reader):
    client = key_client(olga)
    body = {"name": "Talk", "location": "Hall", "start_time": "2040-05-25T14:00:00Z"}
    pk = client.post("/api/events/", body).json()["id"]
    client.patch(f"/api/events/{pk}/", {"description": "New"})

    actors = [change["actor"] for change in page(reader)["results"]]

    (key,) = olga.keys.all()
    assert actors == [{"kind": "key", "id": key.pk, "on_behalf_of": olga.pk}] * 2


# --- Cursors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("from=never", "from", "invalid_choice"),
        ("type=event.gone", "type", "invalid_choice"),
        ("type=.*", "type", "invalid_choice"),
        ("event=x", "event", "invalid"),
        ("page_size=0", "page_size", "min_value"),
        ("page_size=501", "page_size", "max_value"),
        ("page_size=x", "page_size", "invalid"),
    ],
)
def test_invalid_parameters_are_named(reader, query, field, code):
    body = reader.get(f"{FEED}?{query}").json()

    assert [(error["field"], error["code"]) for error in body["errors"]] == [(field, code)]


def test_cursor_is_of_one_account_and_unchanged(reader, event, max_, signed_in):
    cursor = page(reader)["next_cursor"]

    for client, text in ((reader, cursor[:-1]), (reader, ""), (signed_in(max_), cursor)):
        response = client.get(FEED, {"cursor": text})
        assert (response.status_code, response.json()["code"]) == (400, "invalid_cursor")
    both = reader.get(FEED, {"cursor": cursor, "from": "start"})
    assert (both.status_code, both.json()["code"]) == (400, "validation_error")


def test_cursor_before_the_deleted_changes_has_expired(clock, reader, event, settings):
    settings.CHANGES_DAYS = 90
    cursor = page(reader, page_size=1)["next_cursor"]
    registered(event)
    latest = page(reader)["next_cursor"]
    Change.objects.update(at=timezone.now() - timedelta(days=91))

    assert delete_old_changes() == 2

    expired = reader.get(FEED, {"cursor": cursor})
    assert (expired.status_code, expired.json()["code"]) == (410, "cursor_expired")
    assert page(reader, cursor=latest)["results"] == []
    assert page(reader)["results"] == []


@pytest.mark.parametrize("kind", ["checked_in", "check_in_undone"])
def test_a_scan_of_long_ago_deletes_no_changes(reader, event, settings, kind):
    settings.CHANGES_DAYS = 90
    registration = registered(event)
    cursor = page(reader, page_size=1)["next_cursor"]
    LedgerEntry.objects.create(
        event=event,
        registration=registration,
        kind=kind,
        reason="by_organizer",
        at=timezone.now() - timedelta(days=100),
    )
    page(reader)

    assert delete_old_changes() == 0
    assert f"registration.{kind}" in types_of(page(reader, cursor=cursor))


def test_cursor_from_before_a_restore_has_expired(reader, event):
    cursor = page(reader)["next_cursor"]
    before = types_of(page(reader))
    ChangeLog.objects.update(database="another cluster")
    registered(event)

    expired = reader.get(FEED, {"cursor": cursor})

    assert (expired.status_code, expired.json()["code"]) == (410, "cursor_expired")
    assert types_of(page(reader)) == [*before, "registration.confirmed"]


def test_ids_of_changes_do_not_repeat_after_a_restore(reader, event):
    before = page(reader)["results"][-1]["sequence"]
    restored_at = int(time.time() * 1_000_000)
    place, _, table = ChangeLog.objects.get().database.rpartition("/")
    ChangeLog.objects.update(database=f"{place}/{int(table) - 1}")  # the table is created anew

    registered(event)
    page(reader)
    registered(event)

    old, first, second = (change["sequence"] for change in page(reader)["results"])
    assert old == before
    assert restored_at < first < second < 2**53  # JavaScript reads it exactly


# --- Concurrency --------------------------------------------------------------------------------


def test_change_that_commits_late_is_not_skipped(reader, olga):
    early, late = EventFactory(organizer=olga), EventFactory(organizer=olga)
    cursor = page(reader)["next_cursor"]
    may_commit, is_written = Flag(), Flag()

    def write_slowly() -> None:
        with transaction.atomic():
            register(early.pk, name="A", email="a@example.com")
            is_written.set()
            may_commit.wait(20)
        connection.close()

    with ThreadPoolExecutor() as pool:
        slow = pool.submit(write_slowly)
        is_written.wait(20)
        register(late.pk, name="B", email="b@example.com")
        meanwhile = page(reader, cursor=cursor)
        may_commit.set()
        slow.result()

    later = page(reader, cursor=meanwhile["next_cursor"])
    events = [change["event"] for body in (meanwhile, later) for change in body["results"]]
    assert sorted(events) == sorted([early.pk, late.pk])


def test_order_of_an_event_is_that_of_the_effect_whichever_transaction_began_first(reader, olga):
    event, other = EventFactory(organizer=olga), EventFactory(organizer=olga)
    cursor = page(reader)["next_cursor"]
    has_begun, may_continue = Flag(), Flag()

    def begin_first_and_register_second() -> None:
        with transaction.atomic():
            register(other.pk, name="X", email="x@example.com")  # takes the earlier number
            has_begun.set()
            may_continue.wait(20)
            register(event.pk, name="Second", email="second@example.com")
        connection.close()

    with ThreadPoolExecutor() as pool:
        slow = pool.submit(begin_first_and_register_second)
        has_begun.wait(20)
        with transaction.atomic():
            register(event.pk, name="First", email="first@example.com")
            may_continue.set()
            wait_until_blocked()
        slow.result()

    changes = page(reader, cursor=cursor, event=event.pk)["results"]
    assert [change["data"]["name"] for change in changes] == ["First", "Second"]


def test_change_by_a_transaction_that_began_early_follows_the_change_before_it(reader, event):
    page(reader)
    settings = connection.settings_dict
    address = {
        "host": settings["HOST"], "port": settings["PORT"], "user": settings["USER"],
        "password": settings["PASSWORD"], "dbname": settings["NAME"],
    }  # fmt: skip
    edit = "UPDATE events_event SET version = version + 1 WHERE id = %s"
    with (
        psycopg.connect(**address) as early,
        psycopg.connect(**address) as unrelated,
        psycopg.connect(**address) as late,
    ):
        for each in (early, unrelated, late):
            each.execute("SELECT pg_current_xact_id()")
        late.execute(edit, [event.pk])
        late.commit()
        early.execute(edit, [event.pk])
        early.commit()
        page(reader)
        unrelated.commit()
    page(reader)

    sources = Change.objects.filter(type="event.updated").order_by("position")
    ids = list(sources.values_list("source_id", flat=True))
    assert (len(ids), ids) == (2, sorted(ids))


def test_generated_load_is_not_logged(olga):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL changes.are_recorded = off")
        EventFactory(organizer=olga)
    other = UserFactory()

    EventFactory(organizer=other)

    delete_old_changes()
    assert list(Change.objects.values_list("actor_id", flat=True)) == [other.pk]
    assert Series.objects.count() == 0


def test_member_of_the_team_follows_an_event_by_the_rights_of_the_role(
    reader, event, olga, max_, signed_in
):
    registered(event)
    assert page(signed_in(max_))["results"] == []
    member = reader.post(f"/api/events/{event.pk}/team/", {"email": max_.email, "role": "editor"})
    TeamMember.objects.filter(pk=member.json()["id"]).update(
        user=max_, state="active", expires_at=None, event=event
    )
    type(max_).objects.filter(pk=max_.pk).update(has_team=True)

    changes = page(signed_in(max_), event=event.pk)["results"]

    assert [change["type"] for change in changes] == [
        "event.created", "registration.confirmed", "team.changed", "team.changed",
    ]  # fmt: skip
    assert changes[1]["data"].keys() == {"id", "status", "party_size"}
    assert changes[2]["actor"]["id"] == olga.pk
    assert changes[2]["object"] == {"kind": "team", "id": event.pk}
    assert [row["role"] for row in changes[3]["data"]["results"]] == ["editor"]


def test_page_of_a_member_has_the_same_queries_for_many_events(olga, max_, signed_in):
    def queries_with_another_event() -> int:
        series = SeriesFactory(organizer=olga)
        row = EventFactory(organizer=olga)
        client = signed_in(with_role(with_role(max_, "registrar", row), "registrar", series))
        for each in (row, series.events.first()):
            registered(each)
            send_message(each, author=olga, subject="Hi", body="All")
        page(client, page_size=100)
        with CaptureQueriesContext(connection) as queries:
            results = page(client, page_size=100)["results"]
        kinds = {change["object"]["kind"] for change in results}
        assert kinds == {"event", "series", "registration", "message", "team"}
        return len(queries)

    assert len({queries_with_another_event() for _ in range(3)}) == 1


def test_deleted_changes_do_not_return_after_a_restore(reader, event, settings):
    settings.CHANGES_DAYS = 90
    registered(event)
    page(reader)
    long_ago = timezone.now() - timedelta(days=91)
    Change.objects.update(at=long_ago)
    assert delete_old_changes() == 2
    recent = registered(event)
    assert types_of(page(reader)) == ["registration.confirmed"]
    ChangeLog.objects.update(database="another cluster")

    changes = page(reader)["results"]

    assert [change["object"]["id"] for change in changes] == [str(recent.pk)]


def test_other_entries_of_the_ledger_are_updates(reader, event):
    registration = registered(event)
    cursor = page(reader)["next_cursor"]

    LedgerEntry.objects.create(
        event=event, registration=registration, kind="other", reason="by_organizer"
    )

    assert types_of(page(reader, cursor=cursor)) == ["registration.updated"]


def test_size_and_guests_of_a_party_are_changes(reader, olga):
    event = EventFactory(organizer=olga, max_party_size=4)
    registration = register(event.pk, name="Bob", email="bob@example.com", party_size=3)

    change_party(registration, party_size=2)
    change_party(registration, guests=[{"name": "Eve", "email": None}])

    changes = page(reader, type="registration.*")["results"]
    updated = "registration.updated"
    assert [change["type"] for change in changes] == ["registration.confirmed", updated, updated]
    assert changes[-1]["data"]["guests"] == [{"name": "Eve", "email": None}]


def test_a_pending_transfer_is_in_the_team_of_its_change(reader, event):
    reader.post(f"/api/events/{event.pk}/transfer/", {"email": "new@example.com"})

    change = page(reader, type="team.changed")["results"][-1]

    team = reader.get(f"/api/events/{event.pk}/team/").json()["results"]
    assert [member["role"] for member in team] == ["owner"]
    assert change["data"]["results"] == team
