"""`/api/me/notifications/`, preferences, and the enqueueing of notifications."""

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


def enqueue(user: User, key: str, **fields) -> None:
    notify(fields.pop("kind", "note"), key=key, email=user.email, user=user, **fields)


def inbox(client, query: str = "") -> list[dict]:
    return client.get(f"/api/me/notifications/{query}").json()["results"]


# --- enqueueing ---


def test_repeated_key_adds_no_notification(ana):
    enqueue(ana, "note:1", facts={"title": "First"})
    enqueue(ana, "note:1", facts={"title": "Second"})

    assert Notification.objects.get().facts == {"title": "First"}


def test_notify_many_inserts_by_one_statement(ana, olga, max_, django_assert_num_queries):
    enqueue(ana, f"note:{ana.pk}")
    people = User.objects.filter(pk__in=[ana.pk, olga.pk, max_.pk])

    with django_assert_num_queries(1):
        number = notify_many(
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
    assert number == 2
    assert (row.key, row.email, row.event_id) == (f"note:{olga.pk}", olga.email, 7)
    assert (row.facts, row.due_at, row.state) == ({"title": "To all"}, NOW, "pending")


def test_unknown_kind_raises_lookup_error(ana):
    with pytest.raises(LookupError):
        enqueue(ana, "x", kind="no-such")


# --- the inbox ---


def test_inbox_lists_unread_notifications_first(clock, ana, signed_in):
    client = signed_in(ana)
    for number in range(4):
        enqueue(ana, f"note:{number}", facts={"title": f"No. {number}"}, event_id=number + 1)
        clock.shift(60)
    newest = inbox(client)[0]

    read = client.post("/api/me/notifications/read/", {"ids": [newest["id"]]})

    assert read.status_code == 200
    assert read.json() == {"unread_count": 3}
    rows = inbox(client)
    assert [row["subject"] for row in rows] == [f"Note: No. {n}" for n in (2, 1, 0, 3)]
    assert rows[0] == {
        "id": newest["id"] - 1,
        "kind": "note",
        "subject": "Note: No. 2",
        "body": "About No. 2",
        "event": 3,
        "created_at": "2027-01-15T12:02:00Z",
        "read_at": None,
    }
    assert rows[3]["read_at"] == "2027-01-15T12:04:00Z"


def test_inbox_has_pages(clock, ana, signed_in):
    client = signed_in(ana)
    for number in range(7):
        enqueue(ana, f"note:{number}", facts={"title": str(number)})
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


def test_inbox_omits_undue_dropped_secret_and_others_notifications(ana, olga, clock, signed_in):
    enqueue(ana, "later", due_at=NOW + timedelta(minutes=10))
    enqueue(ana, "dropped")
    Notification.objects.filter(key="dropped").update(state="dropped")
    enqueue(ana, "over", facts={"over": True})
    enqueue(ana, "secret", kind="secret")
    enqueue(olga, "of olga")
    client = signed_in(ana)

    before = inbox(client)
    clock.shift(600)
    after = inbox(client)

    assert before == []
    assert [row["created_at"] for row in after] == ["2027-01-15T12:10:00Z"]


def test_inbox_requires_sign_in(anyone):
    assert anyone.get("/api/me/notifications/").json()["code"] == "not_authenticated"
    response = anyone.post("/api/me/notifications/read/", {"all": True})
    assert response.json()["code"] == "not_authenticated"


@pytest.mark.parametrize("count", [1, 3])
def test_inbox_uses_a_fixed_number_of_queries(ana, signed_in, count, django_assert_num_queries):
    for number in range(count):
        enqueue(ana, f"note:{number}")
    client = signed_in(ana)

    with django_assert_num_queries(2):  # the session, the page
        assert len(inbox(client)) == count


def test_mark_all_marks_only_own_notifications(ana, olga, signed_in):
    enqueue(ana, "1")
    enqueue(ana, "2")
    enqueue(olga, "3")
    client = signed_in(ana)

    response = client.post("/api/me/notifications/read/", {"all": True})

    assert response.json() == {"unread_count": 0}
    assert signed_in(olga).get("/api/me/").json()["unread_notifications"] == 1


def test_notification_of_another_user_stays_unread(ana, olga, signed_in):
    enqueue(olga, "1")

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
def test_invalid_mark_as_read_names_the_field(ana, signed_in, body, field, code):
    response = signed_in(ana).post(
        "/api/me/notifications/read/", json.dumps(body), content_type="application/json"
    )

    assert response.status_code == 400
    assert [(e["field"], e["code"]) for e in response.json()["errors"]] == [(field, code)]


def test_unrenderable_notification_hides_no_other(ana, signed_in):
    enqueue(ana, "1", facts={"at": "no time"}, kind="strange")
    enqueue(ana, "2")

    assert [row["kind"] for row in inbox(signed_in(ana))] == ["note"]


def test_notifications_of_sample_events_are_not_mailed(ana, signed_in):
    enqueue(ana, "1", event_id=7)
    enqueue(ana, "over", event_id=7, facts={"over": True})
    enqueue(ana, "2", event_id=8)
    notify("note", key="3", email="guest@example.com", event_id=7)

    deliver_to_inbox_only([7])

    rows = Notification.objects.order_by("key").values_list("key", "state", "subject")
    assert list(rows) == [("1", "shown", "Note: A & B"), ("2", "pending", "")]


# --- the profile ---


def test_profile_counts_unread_notifications(ana, signed_in):
    enqueue(ana, "1")
    enqueue(ana, "2")
    enqueue(ana, "secret", kind="secret")

    assert signed_in(ana).get("/api/me/").json()["unread_notifications"] == 2


def test_profile_lists_each_switchable_kind(ana, signed_in):
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
def test_invalid_preference_names_the_field(ana, signed_in, given, field, code):
    response = signed_in(ana).patch("/api/me/", {"notification_preferences": given})

    assert response.status_code == 400
    assert [(e["field"], e["code"]) for e in response.json()["errors"]] == [(field, code)]


def test_preferences_can_be_sent_as_a_form(ana, signed_in):
    response = signed_in(ana).patch(
        "/api/me/", {"notification_preferences.note": "false"}, format="multipart"
    )

    assert response.json()["notification_preferences"]["note"] is False


def test_replacing_the_profile_leaves_omitted_preferences(signed_in):
    user = UserFactory()
    opt_out(digest_of(user.email), ["note"])
    body = {"email": user.email, "username": user.username}

    response = signed_in(user).put("/api/me/", body)

    assert response.json()["notification_preferences"]["note"] is False
