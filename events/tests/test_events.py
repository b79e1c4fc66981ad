"""Creating, reading, editing and deleting events over HTTP."""

from datetime import UTC, datetime, timedelta

import pytest

from accounts.tests.factories import grant
from conftest import NOW
from events.models import Event
from events.services import delete_event, restore_event
from events.tests.factories import CategoryFactory, EventFactory
from registrations.tests.factories import registered

pytestmark = pytest.mark.django_db

SUMMIT = {
    "name": "Global AI Summit",
    "location": "Bengaluru International Exhibition Centre",
    "start_time": "2027-03-15T09:00:00Z",
    "end_time": "2027-03-17T17:00:00Z",
    "timezone": "Asia/Kolkata",
    "category": "conference",
    "max_capacity": 750,
}


def errors_of(response) -> dict[str, str]:
    assert response.status_code == 400, response.content
    return {error["field"]: error["code"] for error in response.json()["errors"]}


def create(client, **changes):
    return client.post("/api/events/", {**SUMMIT, **changes})


def test_create_returns_the_whole_event(clock, olga, signed_in):
    response = create(signed_in(olga))

    made = response.json()
    event_id = made["id"]
    assert response.status_code == 201
    assert response["Location"] == f"http://testserver/api/events/{event_id}/"
    assert made.pop("google_calendar_url").startswith(
        "https://calendar.google.com/calendar/render?action=TEMPLATE&text=Global+AI+Summit"
        "&dates=20270315T090000Z%2F20270317T170000Z"
    )
    assert made == {
        **SUMMIT,
        "id": event_id,
        "description": "",
        "latitude": None,
        "longitude": None,
        "status": "published",
        "organizer": {"id": olga.pk, "username": "olga"},
        "registered_count": 0,
        "available_seats": 750,
        "waitlist_enabled": False,
        "waitlist_count": 0,
        "max_party_size": 1,
        "waitlist_policy": "strict",
        "visibility": "public",
        "registration_mode": "open",
        "attendee_list": "hidden",
        "registration_opens_at": None,
        "registration_closes_at": None,
        "cancellation_closes_at": None,
        "registration_state": "open",
        "attendance_mode": "in_person",
        "series": None,
        "average_rating": None,
        "feedback_count": 0,
        "image": None,
        "page_url": f"http://localhost:8000/e/{event_id}-global-ai-summit",
        "calendar_url": f"http://localhost:8000/api/events/{event_id}/calendar.ics",
        "created_at": "2027-01-15T12:00:00Z",
        "updated_at": "2027-01-15T12:00:00Z",
        "my_role": "owner",
        "my_rights": ["edit", "people", "checkin", "team", "delete"],
        "pending_count": 0,
        "meeting_url": None,
        "reminder_hours": [24, 1],
    }


def test_create_fills_in_defaults(clock, olga, signed_in):
    body = {"name": " Talk ", "location": "Hall", "start_time": "2027-05-25T14:00"}

    made = signed_in(olga).post("/api/events", body).json()

    assert made["name"] == "Talk"
    assert made["timezone"] == "Europe/Berlin"
    assert made["start_time"] == "2027-05-25T12:00:00Z"
    assert made["end_time"] == "2027-05-25T13:00:00Z"
    assert (made["max_capacity"], made["available_seats"], made["category"]) == (None, None, None)


def test_create_ignores_read_only_fields(olga, max_, signed_in):
    body = {"organizer": max_.pk, "registered_count": 700, "id": 5}

    made = create(signed_in(olga), **body).json()

    assert made["organizer"]["id"] == olga.pk
    assert made["registered_count"] == 0


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"name": "   "}, {"name": "blank"}),
        ({"name": "x" * 201}, {"name": "max_length"}),
        ({"name": None}, {"name": "null"}),
        ({"name": 5}, {"name": "invalid"}),
        ({"name": "two\r\nlines"}, {"name": "invalid"}),
        ({"location": "x" * 256}, {"location": "max_length"}),
        ({"description": "x" * 10_001}, {"description": "max_length"}),
        ({"start_time": "2027-01-15T11:59:59Z"}, {"start_time": "in_the_past"}),
        ({"start_time": "tomorrow"}, {"start_time": "invalid"}),
        ({"start_time": "2027-03-15"}, {"start_time": "invalid"}),
        ({"start_time": "2027-13-15T09:00:00Z"}, {"start_time": "invalid"}),
        ({"start_time": 1800000000}, {"start_time": "invalid"}),
        ({"start_time": "2027-03-15T09:00:00+05:30:15"}, {"start_time": "invalid"}),
        ({"start_time": "0001-01-01T00:00:00+14:00"}, {"start_time": "min_value"}),
        ({"end_time": "9999-12-31T23:59:59-12:00"}, {"end_time": "max_value"}),
        ({"end_time": "2027-03-15T09:00:00Z"}, {"end_time": "before_start"}),
        ({"timezone": "IST"}, {"timezone": "unknown_timezone"}),
        ({"timezone": "../../etc/passwd"}, {"timezone": "unknown_timezone"}),
        ({"max_capacity": 0}, {"max_capacity": "min_value"}),
        ({"max_capacity": -3}, {"max_capacity": "min_value"}),
        ({"max_capacity": "many"}, {"max_capacity": "invalid"}),
        ({"max_capacity": "50"}, {"max_capacity": "invalid"}),
        ({"max_capacity": 1.5}, {"max_capacity": "invalid"}),
        ({"max_capacity": True}, {"max_capacity": "invalid"}),
        ({"max_capacity": 10**40}, {"max_capacity": "max_value"}),
        ({"max_capacity": 2**31}, {"max_capacity": "max_value"}),
        ({"category": "no-such"}, {"category": "unknown_category"}),
        ({"category": 7}, {"category": "invalid"}),
        ({"waitlist_enabled": "yes"}, {"waitlist_enabled": "invalid"}),
        ({"meeting_url": "javascript:alert(1)"}, {"meeting_url": "invalid"}),
        ({"status": "cancelled"}, {"status": "invalid_choice"}),
        ({"reminder_hours": [0]}, {"reminder_hours.0": "min_value"}),
        ({"reminder_hours": [24] * 11}, {"reminder_hours": "max_length"}),
        ({"reminder_hours": "24"}, {"reminder_hours": "invalid"}),
        (
            {"registration_opens_at": "2027-03-15T09:00:00Z"},
            {"registration_opens_at": "after_start"},
        ),
        (
            {
                "registration_opens_at": "2027-02-02T09:00:00Z",
                "registration_closes_at": "2027-02-01T09:00:00Z",
            },
            {"registration_closes_at": "before_opening"},
        ),
        (
            {"cancellation_closes_at": "2027-03-15T09:00:01Z"},
            {"cancellation_closes_at": "after_start"},
        ),
        ({"cancellation_closes_at": "soon"}, {"cancellation_closes_at": "invalid"}),
    ],
)
def test_create_names_the_invalid_field(clock, olga, signed_in, changes, expected):
    response = create(signed_in(olga), **changes)

    assert errors_of(response) == expected
    assert not Event.objects.exists()


def test_create_names_every_missing_field(olga, signed_in):
    response = signed_in(olga).post("/api/events/", {})

    missing = dict.fromkeys(("name", "location", "start_time"), "required")
    assert errors_of(response) == missing


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"name": ""}, {"name": "blank", "location": "required", "start_time": "required"}),
        ({"date": "2027-05-25"}, {"name": "required", "location": "required"}),
        ({"start_time": "x", "name": "x", "location": "y"}, {"start_time": "invalid"}),
    ],
)
def test_create_reports_a_missing_start_with_the_other_errors(olga, signed_in, given, expected):
    assert errors_of(signed_in(olga).post("/api/events/", given)) == expected


def test_patch_requires_no_start(event, olga, signed_in):
    response = signed_in(olga).patch(f"/api/events/{event.pk}/", {"name": ""})

    assert errors_of(response) == {"name": "blank"}


def test_create_requires_a_start(olga, signed_in):
    response = signed_in(olga).post("/api/events/", {"name": "x", "location": "y"})

    assert errors_of(response) == {"start_time": "required"}


@pytest.mark.parametrize("body", [[], "text", 5, None])
def test_a_body_that_is_not_an_object_is_refused(olga, signed_in, body):
    response = signed_in(olga).post("/api/events/", body, format="json")

    assert response.status_code == 400


def test_create_accepts_forms(clock, olga, signed_in):
    body = {"name": "Talk", "location": "Hall", "start_time": "2027-05-25T14:00:00Z",
            "max_capacity": "5", "waitlist_enabled": "true"}  # fmt: skip

    made = signed_in(olga).post("/api/events/", body, format="multipart")

    assert made.status_code == 201, made.content
    assert (made.json()["max_capacity"], made.json()["waitlist_enabled"]) == (5, True)


def test_optional_fields_of_a_form_may_be_left_blank(clock, olga, signed_in):
    names = ("description", "end_time", "timezone", "category", "max_capacity", "meeting_url",
             "registration_opens_at", "reminder_hours", "attendance_mode")  # fmt: skip
    body = {"name": "Talk", "location": "Hall", "start_time": "2027-05-25T14:00:00Z"}

    made = signed_in(olga).post("/api/events/", body | dict.fromkeys(names, ""), format="multipart")

    assert made.status_code == 201, made.content
    assert (made.json()["reminder_hours"], made.json()["max_capacity"]) == ([24, 1], None)


# --- times ---


def test_date_and_time_are_the_start_in_the_events_zone(clock, olga, signed_in):
    body = {"name": "x", "location": "y", "date": "2027-05-25", "time": "14:00"}

    made = signed_in(olga).post("/api/events/", {**body, "timezone": "Asia/Kolkata"}).json()

    assert made["start_time"] == "2027-05-25T08:30:00Z"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"date": "2027-05-25"}, {"time": "required"}),
        ({"time": "14:00"}, {"date": "required"}),
        (
            {"date": "2027-05-25", "time": "14:00", "start_time": "2027-05-25T14:00:00Z"},
            {"date": "conflicting_fields"},
        ),
        ({"date": "25.5.2027", "time": "14:00"}, {"date": "invalid"}),
        ({"date": "2027-05-25", "time": "25:00"}, {"time": "invalid"}),
        ({"date": "2027-03-28", "time": "02:30"}, {"time": "nonexistent_time"}),
    ],
)
def test_date_and_time_require_each_other(clock, olga, signed_in, given, expected):
    body = {"name": "x", "location": "y", "timezone": "Europe/Berlin", **given}

    assert errors_of(signed_in(olga).post("/api/events/", body)) == expected


@pytest.mark.parametrize(
    ("zone", "wall_clock", "expected"),
    [
        ("Europe/Berlin", "2027-03-28T01:59:59", "2027-03-28T00:59:59Z"),
        ("Europe/Berlin", "2027-03-28T03:00:00", "2027-03-28T01:00:00Z"),
        ("Europe/Berlin", "2027-10-31T02:30:00", "2027-10-31T00:30:00Z"),  # the first of two
        ("America/New_York", "2027-11-07T01:30:00", "2027-11-07T05:30:00Z"),
        ("Australia/Lord_Howe", "2027-04-04T01:45:00", "2027-04-03T14:45:00Z"),
        ("Asia/Kolkata", "2027-07-01T00:00:00", "2027-06-30T18:30:00Z"),
    ],
)
def test_wall_clock_time_is_read_in_the_events_zone(
    clock, olga, signed_in, zone, wall_clock, expected
):
    made = create(signed_in(olga), timezone=zone, start_time=wall_clock, end_time=None)
    assert made.status_code == 400  # null is not "left out"

    body = {"name": "x", "location": "y", "timezone": zone, "start_time": wall_clock}
    assert signed_in(olga).post("/api/events/", body).json()["start_time"] == expected


@pytest.mark.parametrize(
    ("zone", "skipped"),
    [
        ("Europe/Berlin", "2027-03-28T02:30:00"),
        ("America/New_York", "2027-03-14T02:30:00"),
        ("Australia/Lord_Howe", "2027-10-03T02:15:00"),
    ],
)
def test_a_time_that_the_clocks_skip_is_refused(clock, olga, signed_in, zone, skipped):
    response = create(signed_in(olga), timezone=zone, start_time=skipped)

    assert errors_of(response) == {"start_time": "nonexistent_time"}


@pytest.mark.parametrize(
    ("path", "headers", "expected"),
    [
        ("", {}, "2027-07-01T12:00:00Z"),
        ("?timezone=Asia/Kolkata", {}, "2027-07-01T17:30:00+05:30"),
        ("", {"Time-Zone": "Asia/Kolkata"}, "2027-07-01T17:30:00+05:30"),
        ("?timezone=Europe/London", {"Time-Zone": "Asia/Kolkata"}, "2027-07-01T13:00:00+01:00"),
        ("?timezone=UTC", {}, "2027-07-01T12:00:00Z"),
    ],
)
def test_times_are_rendered_in_the_readers_zone(anyone, olga, path, headers, expected):
    start = datetime(2027, 7, 1, 12, tzinfo=UTC)
    event = EventFactory(organizer=olga, start_time=start)

    response = anyone.get(f"/api/events/{event.pk}/{path}", headers=headers)

    assert response.json()["start_time"] == expected


@pytest.mark.parametrize("zone", ["Mars/Base", "", "IST", "../UTC", "UTC%00"])
def test_an_unknown_zone_is_refused(anyone, event, zone):
    by_query = anyone.get(f"/api/events/?timezone={zone}")

    assert by_query.status_code == 400
    assert by_query.json()["code"] == "invalid_timezone"


def test_a_new_zone_keeps_the_instant(clock, event, olga, signed_in):
    before = event.start_time

    result = signed_in(olga).patch(f"/api/events/{event.pk}/", {"timezone": "Asia/Kolkata"}).json()

    event.refresh_from_db()
    assert result["timezone"] == "Asia/Kolkata"
    assert event.start_time == before
    assert event.sequence == 1


def test_a_new_zone_with_keep_local_time_moves_the_instant(clock, olga, signed_in):
    event = EventFactory(
        organizer=olga,
        start_time=datetime(2027, 7, 1, 16, tzinfo=UTC),  # 18:00 in Berlin
        registration_closes_at=datetime(2027, 6, 30, 22, tzinfo=UTC),  # midnight in Berlin
        cancellation_closes_at=datetime(2027, 6, 29, 22, tzinfo=UTC),
    )
    body = {"timezone": "America/New_York", "keep_local_time": True}

    result = signed_in(olga).patch(f"/api/events/{event.pk}/", body).json()

    assert result["start_time"] == "2027-07-01T22:00:00Z"  # 18:00 in New York
    assert result["end_time"] == "2027-07-02T00:00:00Z"
    assert result["registration_closes_at"] == "2027-07-01T04:00:00Z"
    assert result["cancellation_closes_at"] == "2027-06-30T04:00:00Z"


# --- editing ---


def test_patch_changes_the_sent_fields(clock, event, olga, signed_in):
    clock.shift(60)

    result = signed_in(olga).patch(f"/api/events/{event.pk}", {"name": "New"}).json()

    event.refresh_from_db()
    assert (result["name"], result["location"]) == ("New", "Berlin")
    assert event.updated_at == NOW + timedelta(seconds=60)
    assert (event.version, event.sequence) == (2, 0)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2027-03-15T10:59:59Z", "2027-03-15T11:00:00Z"),  # before the end: it stays
        ("2027-03-15T11:00:00Z", "2027-03-15T13:00:00Z"),
        ("2027-03-20T09:00:00Z", "2027-03-20T11:00:00Z"),
        ("2027-03-28T01:30:00", "2027-03-28T03:30:00+02:00"),  # on the clock, in a shorter night
    ],
)
def test_a_start_moved_beyond_the_end_moves_the_end(clock, olga, signed_in, start, end):
    event = EventFactory(
        organizer=olga,
        start_time=datetime(2027, 3, 15, 9, tzinfo=UTC),
        end_time=datetime(2027, 3, 15, 11, tzinfo=UTC),
    )

    response = signed_in(olga).patch(f"/api/events/{event.pk}/", {"start_time": start})

    event.refresh_from_db()
    assert response.status_code == 200
    assert event.end_time == datetime.fromisoformat(end)


def test_a_sent_end_is_not_moved(clock, event, olga, signed_in):
    later = event.end_time + timedelta(days=1)
    body = {"start_time": later.isoformat(), "end_time": event.end_time.isoformat()}

    response = signed_in(olga).patch(f"/api/events/{event.pk}/", body)

    assert errors_of(response) == {"end_time": "before_start"}


def test_an_edit_without_changes_leaves_the_version(event, olga, signed_in):
    signed_in(olga).patch(f"/api/events/{event.pk}/", {"name": event.name})

    event.refresh_from_db()
    assert event.version == 1


def test_cancellation_closes_at_the_start_or_before(clock, olga, signed_in):
    client = signed_in(olga)
    made = create(client, cancellation_closes_at="2027-03-15T14:30:00").json()
    path = f"/api/events/{made['id']}/"

    assert made["cancellation_closes_at"] == "2027-03-15T09:00:00Z"
    earlier = client.patch(path, {"start_time": "2027-03-15T08:00:00Z"})
    assert errors_of(earlier) == {"cancellation_closes_at": "after_start"}
    moved = {"start_time": "2027-03-15T08:00:00Z", "cancellation_closes_at": "2027-03-14T08:00:00Z"}
    assert client.patch(path, moved).json()["cancellation_closes_at"] == "2027-03-14T08:00:00Z"
    reset = client.put(path, SUMMIT).json()
    assert reset["cancellation_closes_at"] is None


def test_put_resets_left_out_fields_to_defaults(clock, olga, signed_in):
    event = EventFactory(
        organizer=olga, max_capacity=5, description="old", category=CategoryFactory()
    )
    body = {"name": "New", "location": "Here", "start_time": "2027-05-25T14:00:00Z"}

    result = signed_in(olga).put(f"/api/events/{event.pk}/", body).json()

    assert (result["description"], result["max_capacity"], result["category"]) == ("", None, None)
    assert result["end_time"] == "2027-05-25T15:00:00Z"
    assert result["status"] == "published"


def test_the_default_zone_is_the_organizers_also_for_staff(event, sam, signed_in):
    body = {"name": "New", "location": "Here", "start_time": "2027-07-01T12:00:00"}

    staff = signed_in(grant(sam, "events.change_event"))
    result = staff.put(f"/api/events/{event.pk}/", body).json()

    assert (result["timezone"], result["start_time"]) == ("Europe/Berlin", "2027-07-01T10:00:00Z")


def test_put_requires_the_required_fields(event, olga, signed_in):
    response = signed_in(olga).put(f"/api/events/{event.pk}/", {"name": "New"})

    assert errors_of(response) == {"location": "required", "start_time": "required"}


def test_the_start_is_checked_against_now_only_when_it_changes(clock, event, olga, signed_in):
    client = signed_in(olga)
    path = f"/api/events/{event.pk}/"
    start = client.get(path).json()["start_time"]
    clock.move_to(event.start_time + timedelta(minutes=5))
    client = signed_in(olga)

    renamed = client.patch(path, {"name": "Renamed", "start_time": start})
    moved = client.patch(path, {"start_time": "2030-01-01T00:00:00Z"})

    assert renamed.status_code == 200
    assert (moved.status_code, moved.json()["code"]) == (409, "event_started")


def test_capacity_cannot_go_below_the_registered(event, olga, signed_in):
    registered(event)
    registered(event)
    client = signed_in(olga)

    refused = client.patch(f"/api/events/{event.pk}/", {"max_capacity": 1})
    accepted = client.patch(f"/api/events/{event.pk}/", {"max_capacity": 2})

    assert (refused.status_code, refused.json()["code"]) == (409, "capacity_below_registered")
    assert refused.json()["minimum"] == 2
    assert accepted.json()["available_seats"] == 0


def test_only_organizer_and_staff_may_write(anyone, event, max_, sam, signed_in):
    path = f"/api/events/{event.pk}/"
    for method in ("put", "patch", "delete"):
        assert getattr(anyone, method)(path, {}).status_code == 401
        refused = getattr(signed_in(max_), method)(path, {})
        assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    for action in ("publish", "cancel"):
        assert anyone.post(f"{path}{action}/").status_code == 401
        assert signed_in(max_).post(f"{path}{action}/").status_code == 403

    assert signed_in(sam).patch(path, {"name": "By staff"}).status_code == 403
    staff = signed_in(grant(sam, "events.change_event"))
    assert staff.patch(path, {"name": "By staff"}).status_code == 200


def test_attendees_may_not_create_events(ana, anyone, signed_in):
    response = create(signed_in(ana))

    assert create(anyone).status_code == 401
    assert (response.status_code, response.json()["code"]) == (403, "organizer_role_required")


def test_a_draft_is_visible_to_its_organizer_and_staff(anyone, olga, max_, sam, signed_in):
    draft = EventFactory(organizer=olga, status="draft")
    path = f"/api/events/{draft.pk}/"

    assert anyone.get(path).status_code == 404
    assert signed_in(max_).get(path).status_code == 404
    assert signed_in(max_).patch(path, {"name": "x"}).status_code == 404
    assert signed_in(olga).get(path).json()["registration_state"] == "draft"
    assert signed_in(sam).get(path).status_code == 404
    assert signed_in(grant(sam, "events.view_event")).get(path).status_code == 200


def test_meeting_url_is_visible_to_organizer_and_staff(anyone, max_, olga, sam, signed_in):
    event = EventFactory(organizer=olga, meeting_url="https://meet.example.com/x")
    path = f"/api/events/{event.pk}/"

    for client in (anyone, signed_in(max_), signed_in(sam)):
        assert "meeting_url" not in client.get(path).json()
        assert "meet.example.com" not in client.get("/api/events/").content.decode()
    for user in (olga, grant(sam, "events.view_event")):
        assert signed_in(user).get(path).json()["meeting_url"] == "https://meet.example.com/x"


# --- lifecycle ---


def test_publish_is_idempotent(olga, signed_in):
    draft = EventFactory(organizer=olga, status="draft")
    client = signed_in(olga)

    first = client.post(f"/api/events/{draft.pk}/publish")
    second = client.post(f"/api/events/{draft.pk}/publish/")

    draft.refresh_from_db()
    assert (first.status_code, second.status_code) == (200, 200)
    assert second.json()["status"] == "published"
    assert draft.version == 2


def test_a_draft_with_a_past_start_cannot_be_published(clock, olga, signed_in):
    draft = EventFactory(organizer=olga, status="draft")
    clock.move_to(draft.start_time)

    response = signed_in(olga).post(f"/api/events/{draft.pk}/publish/")

    assert (response.status_code, response.json()["code"]) == (409, "event_started")


def test_cancel_is_final_and_idempotent(event, olga, anyone, signed_in):
    registration = registered(event)
    client = signed_in(olga)

    first = client.post(f"/api/events/{event.pk}/cancel/", {"reason": "Storm"})
    second = client.post(f"/api/events/{event.pk}/cancel/")

    event.refresh_from_db()
    registration.refresh_from_db()
    assert (first.status_code, second.status_code) == (200, 200)
    assert second.json()["status"] == "cancelled"
    assert (event.cancellation_reason, event.sequence) == ("Storm", 1)
    assert registration.status == "confirmed"
    assert anyone.get(f"/api/events/{event.pk}/").json()["registration_state"] == "cancelled"
    for response in (
        client.post(f"/api/events/{event.pk}/publish/"),
        client.patch(f"/api/events/{event.pk}/", {"name": "x"}),
    ):
        assert (response.status_code, response.json()["code"]) == (409, "event_cancelled")


def test_the_largest_capacity_is_that_of_the_column(clock, olga, anyone, signed_in):
    made = create(signed_in(olga), max_capacity=2**31 - 1).json()
    body = {"name": "Bob", "email": "bob@example.com"}

    assert anyone.post(f"/api/events/{made['id']}/register/", body).status_code == 201
    result = anyone.get(f"/api/events/{made['id']}/").json()
    assert result["available_seats"] == 2**31 - 2


def test_a_draft_cannot_be_cancelled(olga, signed_in):
    draft = EventFactory(organizer=olga, status="draft")

    response = signed_in(olga).post(f"/api/events/{draft.pk}/cancel/")

    assert (response.status_code, response.json()["code"]) == (409, "event_not_published")


def test_a_deleted_event_is_visible_to_nobody(event, olga, sam, anyone, signed_in):
    path = f"/api/events/{event.pk}/"
    grant(sam, "events.change_event", "events.delete_event")

    response = signed_in(olga).delete(path)

    assert (response.status_code, response.content) == (204, b"")
    for client in (anyone, signed_in(olga), signed_in(sam)):
        assert client.get(path).status_code == 404
    assert signed_in(olga).delete(path).status_code == 404
    assert signed_in(olga).get("/api/me/events/").json()["results"] == []
    assert Event.objects.filter(pk=event.pk).exists()


def test_a_restored_event_is_visible(event, anyone):
    delete_event(event)

    restore_event(event)

    assert anyone.get(f"/api/events/{event.pk}/").status_code == 200


# --- categories ---


def test_categories_count_published_events(anyone, olga):
    category = CategoryFactory(slug="meetup")
    EventFactory(organizer=olga, category=category)
    EventFactory(organizer=olga, category=category, status="draft")

    listed = anyone.get("/api/categories/?page_size=100").json()["results"]

    assert {"slug": "meetup", "name": "Meetup", "event_count": 1} in listed
    assert anyone.get("/api/categories/meetup").json()["event_count"] == 1


def test_categories_are_written_by_staff(olga, sam, signed_in):
    body = {"slug": "hackathon", "name": "Hackathon"}

    assert signed_in(olga).post("/api/categories/", body).status_code == 403
    assert signed_in(sam).post("/api/categories/", body).status_code == 403
    rights = ("events.add_category", "events.change_category", "events.delete_category")
    staff = signed_in(grant(sam, *rights))
    assert staff.post("/api/categories/", body).status_code == 201
    assert errors_of(staff.post("/api/categories/", body)) == {"slug": "unique"}
    renamed = staff.patch("/api/categories/hackathon/", {"name": "Hack day"})
    assert renamed.json()["name"] == "Hack day"
    assert staff.delete("/api/categories/hackathon/").status_code == 204
    assert staff.get("/api/categories/hackathon/").status_code == 404
