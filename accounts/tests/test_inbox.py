"""`/api/me/notifications/`, preferences, and how notifications are noted down."""

import json
from datetime import timedelta

import pytest
from django.db.models import F, Value
from django.db.models.functions import Concat

from accounts.models import Notification, User
from accounts.notifications import notify, notify_many
from accounts.notifications.inbox import deliver_to_inbox_only
from accounts.notifications.opt_outs import digest_of, opt_out
from accounts.tests.factories import UserFactory
from conftest import NOW

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("note_kinds")]


def tell(user: User, key: str, **fields) -> None:
    notify(fields.pop("kind", "note"), key=key, email=user.email, user=user, **fields)


def inbox(client, query: str = "") -> list[dict]:
    return client.get(f"/api/me/notifications/{query}").json()["results"]


# --- noting down ---


def test_a_fact_is_noted_down_once(ana):
    tell(ana, "note:1", facts={"title": "First"})
    tell(ana, "note:1", facts={"title": "Second"})

    assert Notification.objects.get().facts == {"title": "First"}


def test_many_are_told_in_one_statement(ana, olga, max_, django_assert_num_queries):
    tell(ana, f"note:{ana.pk}")
    people = User.objects.filter(pk__in=[ana.pk, olga.pk, max_.pk])

    with django_assert_num_queries(1):
        told = notify_many(
            "note",
            people,
            key=Concat(Value("note:"), F("pk"), output_field=User._meta.get_field("email")),
            email=F("email"),
            user_id=F("pk"),
            event_id=Value(7),
            facts={"title": "To all"},
            due_at=NOW,
        )

    row = Notification.objects.get(user=olga)
    assert told == 2
    assert (row.key, row.email, row.event_id) == (f"note:{olga.pk}", olga.email, 7)
    assert (row.facts, row.due_at, row.state) == ({"title": "To all"}, NOW, "pending")


def test_an_unknown_kind_is_a_fault_of_ours(ana):
    with pytest.raises(LookupError):
        tell(ana, "x", kind="no-such")


# --- the inbox ---


def test_the_inbox_shows_what_was_told_unread_first(clock, ana, signed_in):
    client = signed_in(ana)
    for number in range(4):
        tell(ana, f"note:{number}", facts={"title": f"No. {number}"}, event_id=number + 1)
        clock.shift(60)
    newest = inbox(client)[0]

    read = client.post("/api/me/notifications/read/", {"ids": [newest["id"]]})

    assert read.status_code == 200
    assert read.json() == {"unread_count": 3}
    shown = inbox(client)
    assert [row["subject"] for row in shown] == [f"Note: No. {n}" for n in (2, 1, 0, 3)]
    assert shown[0] == {
        "id": newest["id"] - 1,
        "kind": "note",
        "subject": "Note: No. 2",
        "body": "About No. 2",
        "event": 3,
        "created_at": "2027-01-15T12:02:00Z",
        "read_at": None,
    }
    assert shown[3]["read_at"] == "2027-01-15T12:04:00Z"


def test_the_inbox_is_walked_page_by_page(clock, ana, signed_in):
    client = signed_in(ana)
    for number in range(7):
        tell(ana, f"note:{number}", facts={"title": str(number)})
        clock.shift(60)
    Notification.objects.filter(key__in=["note:5", "note:2"]).update(read_at=NOW)

    walked, url = [], "/api/me/notifications/?page_size=2"
    while url:
        page = client.get(url).json()
        walked += [row["subject"].removeprefix("Note: ") for row in page["results"]]
        last, url = page, page["next"]
    before = client.get(last["previous"]).json()

    assert walked == ["6", "4", "3", "1", "0", "5", "2"]
    assert [row["subject"] for row in before["results"]] == ["Note: 0", "Note: 5"]


def test_the_inbox_hides_what_is_not_due_dropped_secret_or_another_s(ana, olga, clock, signed_in):
    tell(ana, "later", due_at=NOW + timedelta(minutes=10))
    tell(ana, "dropped")
    Notification.objects.filter(key="dropped").update(state="dropped")
    tell(ana, "over", facts={"over": True})
    tell(ana, "secret", kind="secret")
    tell(olga, "of olga")
    client = signed_in(ana)

    before = inbox(client)
    clock.shift(600)
    after = inbox(client)

    assert before == []
    assert [row["created_at"] for row in after] == ["2027-01-15T12:10:00Z"]


def test_the_inbox_is_for_who_is_signed_in(anyone):
    assert anyone.get("/api/me/notifications/").json()["code"] == "not_authenticated"
    response = anyone.post("/api/me/notifications/read/", {"all": True})
    assert response.json()["code"] == "not_authenticated"


@pytest.mark.parametrize("count", [1, 3])
def test_the_inbox_takes_a_fixed_number_of_queries(
    ana, signed_in, count, django_assert_num_queries
):
    for number in range(count):
        tell(ana, f"note:{number}")
    client = signed_in(ana)

    with django_assert_num_queries(2):  # the session, the page
        assert len(inbox(client)) == count


def test_all_are_marked_as_read_but_nobody_else_s(ana, olga, signed_in):
    tell(ana, "1")
    tell(ana, "2")
    tell(olga, "3")
    client = signed_in(ana)

    response = client.post("/api/me/notifications/read/", {"all": True})

    assert response.json() == {"unread_count": 0}
    assert signed_in(olga).get("/api/me/").json()["unread_notifications"] == 1


def test_another_s_notification_stays_unread(ana, olga, signed_in):
    tell(olga, "1")

    response = signed_in(ana).post(
        "/api/me/notifications/read/", {"ids": [Notification.objects.get().pk, 10**17]}
    )

    assert response.status_code == 200
    assert Notification.objects.get().read_at is None


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "ids", "required"),
        ({"ids": [1], "all": True}, "all", "conflicting_fields"),
        ({"all": False}, "all", "invalid_choice"),
        ({"all": "yes"}, "all", "invalid"),
        ({"all": None}, "all", "null"),
        ({"ids": "1"}, "ids", "invalid"),
        ({"ids": ["1"]}, "ids.0", "invalid"),
        ({"ids": [0]}, "ids.0", "min_value"),
        ({"ids": [10**18]}, "ids.0", "max_value"),
        ({"ids": [1] * 1001}, "ids", "max_length"),
        ([1], None, "invalid"),
    ],
)
def test_a_bad_reading_names_the_field_at_fault(ana, signed_in, body, field, code):
    response = signed_in(ana).post(
        "/api/me/notifications/read/", json.dumps(body), content_type="application/json"
    )

    assert response.status_code == 400
    assert [(e["field"], e["code"]) for e in response.json()["errors"]] == [(field, code)]


def test_what_cannot_be_put_into_words_hides_nothing_else(ana, signed_in):
    tell(ana, "1", facts={"at": "no time"}, kind="strange")
    tell(ana, "2")

    assert [row["kind"] for row in inbox(signed_in(ana))] == ["note"]


def test_what_is_told_of_made_up_events_stays_in_the_inbox(ana, signed_in):
    tell(ana, "1", event_id=7)
    tell(ana, "over", event_id=7, facts={"over": True})
    tell(ana, "2", event_id=8)
    notify("note", key="3", email="guest@example.com", event_id=7)

    deliver_to_inbox_only([7])

    rows = Notification.objects.order_by("key").values_list("key", "state", "subject")
    assert list(rows) == [("1", "shown", "Note: A & B"), ("2", "pending", "")]


# --- the profile ---


def test_the_profile_counts_unread_notifications(ana, signed_in):
    tell(ana, "1")
    tell(ana, "2")
    tell(ana, "secret", kind="secret")

    assert signed_in(ana).get("/api/me/").json()["unread_notifications"] == 2


def test_the_profile_lists_each_kind_that_may_be_switched_off(ana, signed_in):
    client = signed_in(ana)

    before = client.get("/api/me/").json()["notification_preferences"]
    client.patch("/api/me/", {"notification_preferences": {"note": False}})
    response = client.patch("/api/me/", {"notification_preferences": {"quiet": False}})
    client.patch("/api/me/", {"timezone": "Asia/Tokyo"})
    after = client.get("/api/me/").json()["notification_preferences"]

    assert (before["note"], before["quiet"], before["ticket"]) == (True, True, True)
    assert "secret" not in before
    assert response.status_code == 200
    assert after == {**before, "note": False, "quiet": False}


@pytest.mark.parametrize(
    ("given", "field", "code"),
    [
        ({"secret": False}, "notification_preferences.secret", "unknown_field"),
        ({"no-such": True}, "notification_preferences.no-such", "unknown_field"),
        ({"note": "off"}, "notification_preferences.note", "invalid"),
        ({"note": None}, "notification_preferences.note", "null"),
        ([], "notification_preferences", "invalid"),
        (None, "notification_preferences", "null"),
    ],
)
def test_a_bad_preference_names_the_field_at_fault(ana, signed_in, given, field, code):
    response = signed_in(ana).patch("/api/me/", {"notification_preferences": given})

    assert response.status_code == 400
    assert [(e["field"], e["code"]) for e in response.json()["errors"]] == [(field, code)]


def test_preferences_come_as_a_form_too(ana, signed_in):
    response = signed_in(ana).patch(
        "/api/me/", {"notification_preferences.note": "false"}, format="multipart"
    )

    assert response.json()["notification_preferences"]["note"] is False


def test_replacing_the_profile_keeps_preferences_that_are_not_sent(signed_in):
    user = UserFactory()
    opt_out(digest_of(user.email), ["note"])
    body = {"email": user.email, "username": user.username}

    response = signed_in(user).put("/api/me/", body)

    assert response.json()["notification_preferences"]["note"] is False
