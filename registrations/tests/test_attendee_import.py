"""Import of attendees from CSV files."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Notification
from accounts.tests.factories import UserFactory, grant
from config.errors import NotFound
from conftest import NOW
from events.models import Event
from events.services import cancel_event, delete_event
from events.tests.factories import EventFactory
from registrations.exports.formula_guard import guarded_sql, guarded_text, unguarded_text
from registrations.importing import Candidate
from registrations.models import LedgerEntry, Registration
from registrations.services import import_attendees
from registrations.services.integrity import find_faults
from registrations.tests.factories import registered

pytestmark = pytest.mark.django_db


def path_of(event: Event, query: str = "") -> str:
    return f"/api/events/{event.pk}/attendees/import/?{query}"


def send(client, event: Event, body: str | bytes, query: str = "", **kwargs):
    raw = body.encode() if isinstance(body, str) else body
    return client.generic("POST", path_of(event, query), raw, content_type="text/csv", **kwargs)


def file_of(*names: str, domain: str = "example.com") -> str:
    rows = "".join(f"{name},{name.lower()}@{domain}\r\n" for name in names)
    return f"name,email\r\n{rows}"


def outcomes_of(response) -> list[tuple]:
    return [
        (row["line"], row["email"], row["outcome"], row["waitlist_position"])
        for row in response.json()["rows"]
    ]


def errors_of(response) -> list[tuple]:
    assert response.status_code == 400, response.content
    return [(error["field"], error["code"]) for error in response.json()["errors"]]


@pytest.fixture
def client(clock, olga, signed_in):
    return signed_in(olga)


@pytest.fixture
def seats(clock, olga) -> Event:
    """Two of them, and a queue."""
    return EventFactory(organizer=olga, max_capacity=2, waitlist_enabled=True)


def test_rows_take_seats_and_then_the_queue_in_their_order(client, olga, seats):
    response = send(client, seats, file_of("Ana", "Bob", "Cem", "Dee"))

    assert response.status_code == 201
    assert response["Location"] == f"http://testserver/api/events/{seats.pk}/attendees/"
    report = response.json()
    assert (report["saved"], report["ignored_columns"]) == (True, [])
    assert report["counts"] == {
        "confirmed": 2,
        "waitlisted": 2,
        "already_registered": 0,
        "cancelled": 0,
        "refused": 0,
    }
    assert outcomes_of(response) == [
        (2, "ana@example.com", "confirmed", None),
        (3, "bob@example.com", "confirmed", None),
        (4, "cem@example.com", "waitlisted", 1),
        (5, "dee@example.com", "waitlisted", 2),
    ]
    listed = client.get(f"/api/events/{seats.pk}/attendees/").json()["results"]
    assert [(r["id"], r["name"], r["status"], r["waitlist_position"]) for r in listed] == [
        (report["rows"][0]["registration_id"], "Ana", "confirmed", None),
        (report["rows"][1]["registration_id"], "Bob", "confirmed", None),
        (report["rows"][2]["registration_id"], "Cem", "waitlisted", 1),
        (report["rows"][3]["registration_id"], "Dee", "waitlisted", 2),
    ]
    seats.refresh_from_db()
    assert (seats.registered_count, seats.waitlist_count, seats.last_queue_number) == (2, 2, 2)
    ledger = LedgerEntry.objects.filter(event=seats).order_by("id")
    assert list(ledger.values_list("registration__name", "kind", "actor", "reason")) == [
        ("Ana", "registered", olga.pk, "by_organizer"),
        ("Bob", "registered", olga.pk, "by_organizer"),
        ("Cem", "queued", olga.pk, "by_organizer"),
        ("Dee", "queued", olga.pk, "by_organizer"),
    ]
    first, *_, last = Registration.objects.filter(event=seats).order_by("registered_at")
    assert first.confirmed_at == first.registered_at < last.registered_at == NOW
    assert list(find_faults()) == []


def test_a_form_may_contain_the_file(client, event):
    upload = SimpleUploadedFile("guests.csv", file_of("Ana").encode(), "text/csv")

    response = client.post(path_of(event), {"file": upload}, format="multipart")

    assert outcomes_of(response) == [(2, "ana@example.com", "confirmed", None)]


def test_a_form_with_two_files_is_refused(client, event):
    uploads = [
        SimpleUploadedFile(f"{name}.csv", file_of(name).encode(), "text/csv")
        for name in ("Ana", "Bob")
    ]

    response = client.post(path_of(event), {"file": uploads}, format="multipart")

    assert response.status_code == 400
    assert [(each["field"], each["code"]) for each in response.json()["errors"]] == [
        ("file", "repeated")
    ]
    assert not Registration.objects.exists()


def test_a_dry_run_reports_all_outcomes_and_saves_nothing(client, seats):
    body = file_of("Ana", "Bob", "Cem") + "Dee,no address\r\n"

    response = send(client, seats, body, "dry_run=true")

    assert (response.status_code, response.json()["saved"]) == (200, False)
    assert outcomes_of(response) == [
        (2, "ana@example.com", "confirmed", None),
        (3, "bob@example.com", "confirmed", None),
        (4, "cem@example.com", "waitlisted", 1),
        (5, "no address", "refused", None),
    ]
    assert [row["registration_id"] for row in response.json()["rows"]] == [None] * 4
    assert response.json()["rows"][3]["errors"][0]["field"] == "line.5.email"
    assert not Registration.objects.exists()
    assert not LedgerEntry.objects.exists()


def test_one_invalid_row_prevents_saving(client, event):
    body = (
        "Email,NAME,status\r\n"
        "ana@example.com,Ana,confirmed\r\n"
        ",,\r\n"
        "nobody,,\r\n"
        "bob@example.com,Bob,maybe\r\n"
        "cem@example.com,Cem,confirmed,x\r\n"
        'dee@example.com,"two\r\nlines",\r\n'
    )

    response = send(client, event, body)

    assert errors_of(response) == [
        ("line.4.name", "blank"),
        ("line.4.email", "invalid"),
        ("line.5.status", "invalid_choice"),
        ("line.6", "invalid"),
        ("line.7.name", "invalid"),
    ]
    assert not Registration.objects.exists()


def test_partial_saves_the_good_rows(client, event):
    body = file_of("Ana") + "Bob,nowhere\r\n" + "Cem,cem@example.com\r\n"

    response = send(client, event, body, "partial=true")

    assert response.status_code == 201
    assert [row[2] for row in outcomes_of(response)] == ["confirmed", "refused", "confirmed"]
    names = Registration.objects.order_by("name").values_list("name", flat=True)
    assert list(names) == ["Ana", "Cem"]
    assert list(find_faults()) == []


def test_a_full_event_without_a_queue_refuses_by_line(client, olga):
    full = EventFactory(organizer=olga, max_capacity=1)

    response = send(client, full, file_of("Ana", "Bob", "Cem"))
    assert errors_of(response) == [("line.3", "event_full"), ("line.4", "event_full")]
    assert not Registration.objects.exists()

    response = send(client, full, file_of("Ana", "Bob", "Cem"), "partial=true")
    assert [row[2] for row in outcomes_of(response)] == ["confirmed", "refused", "refused"]
    assert list(find_faults()) == []


def test_registered_people_keep_their_registration(client, event):
    registered(event, name="Ana", email="ana@example.com")
    body = "name,email\nAna B,ANA@example.com\nBob,bob@example.com\nBobby,Bob@Example.com\n"

    response = send(client, event, body)

    assert outcomes_of(response) == [
        (2, "ana@example.com", "already_registered", None),
        (3, "bob@example.com", "confirmed", None),
        (4, "bob@example.com", "already_registered", None),
    ]
    names = Registration.objects.order_by("name").values_list("name", flat=True)
    assert list(names) == ["Ana", "Bob"]


def test_a_repeated_file_adds_no_attendees(client, event):
    send(client, event, file_of("Ana", "Bob"))

    again = send(client, event, file_of("Ana", "Bob"))

    assert again.json()["counts"]["already_registered"] == 2
    assert Registration.objects.count() == 2
    assert list(find_faults()) == []


def test_the_waitlist_comes_before_the_file(client, olga):
    """Seats that came free after registration closed stay free, but are not for newcomers."""
    event = EventFactory(organizer=olga, max_capacity=1, waitlist_enabled=True)
    registered(event)
    registered(event)
    Event.objects.filter(pk=event.pk).update(max_capacity=3, registration_closes_at=NOW)

    response = send(client, event, file_of("Ana"))

    assert outcomes_of(response) == [(2, "ana@example.com", "waitlisted", 2)]
    assert list(find_faults()) == []


def test_a_row_with_a_confirmed_address_belongs_to_the_account(client, event):
    known = UserFactory(email="ana@example.com", email_verified_at=NOW)
    UserFactory(email="bob@example.com", email_verified_at=None)

    send(client, event, file_of("Ana", "Bob"))

    owners = Registration.objects.order_by("name").values_list("user", "registered_by")
    assert list(owners) == [(known.pk, None), (None, None)]


def test_new_attendees_are_notified_once(client, seats):
    known = UserFactory(email="bob@example.com", email_verified_at=NOW)

    response = send(client, seats, file_of("Ana", "Bob", "Cem"))
    send(client, seats, file_of("Ana", "Bob", "Cem"))

    ids = [row["registration_id"] for row in response.json()["rows"]]
    notifications = Notification.objects.order_by("email").values_list(
        "kind", "key", "email", "user"
    )
    assert list(notifications) == [
        ("registration_confirmed", f"registration_confirmed:{ids[0]}", "ana@example.com", None),
        ("registration_confirmed", f"registration_confirmed:{ids[1]}", "bob@example.com", known.pk),
        ("registration_waitlisted", f"registration_waitlisted:{ids[2]}", "cem@example.com", None),
    ]
    about = Notification.objects.values_list("event_id", "due_at").distinct()
    assert list(about) == [(seats.pk, NOW)]


@pytest.mark.parametrize("query", ["notify=false", "dry_run=true"])
def test_without_notify_nobody_is_notified(client, seats, query):
    assert send(client, seats, file_of("Ana", "Bob"), query).status_code in {200, 201}

    assert not Notification.objects.exists()


def test_an_import_by_staff_has_staff_as_the_actor(event, sam, signed_in):
    send(signed_in(grant(sam, "registrations.add_registration")), event, file_of("Ana"))

    assert LedgerEntry.objects.values_list("actor", "reason").get() == (sam.pk, "by_staff")


def test_an_export_is_imported_unchanged(client, olga, clock):
    first = EventFactory(organizer=olga, max_capacity=3, waitlist_enabled=True)
    names = ("=SUM(A1)", "'=quoted", "+49 30 1234", "-5", 'Zoë, "Zo"', "''", "@home")
    for number, name in enumerate(names):
        clock.shift(1)
        registered(first, name=name, email=f"=g{number}@example.com")
    client.delete(f"/api/registrations/{first.registrations.get(name='-5').pk}/")
    second = EventFactory(organizer=olga, max_capacity=3, waitlist_enabled=True)
    body = b"".join(
        client.get(f"/api/events/{first.pk}/attendees/export/?bom=true").streaming_content
    )

    response = send(client, second, body)

    assert response.status_code == 201
    assert response.json()["ignored_columns"] == [
        "waitlist_position", "registered_at", "confirmed_at", "cancelled_at", "checked_in_at",
        "ticket_code", "registration_id", "event_id", "event_name",
    ]  # fmt: skip
    ordered = ("name", "email", "status")
    assert list(second.registrations.order_by("registered_at").values_list(*ordered)) == list(
        first.registrations.live().order_by("registered_at").values_list(*ordered)
    )


@pytest.mark.parametrize("query", ["?bom=true", "?raw=true", "?format=xlsx"])
def test_the_guests_of_a_party_are_imported_from_an_export(client, olga, query):
    meal = {"value": "vegan", "label": "Vegan", "limit": 4}
    questions = [
        {"key": "meal", "label": "Meal", "type": "choice", "options": [meal], "ask": "each_person"},
        {"key": "terms", "label": "Terms", "type": "consent", "ask": "each_person"},
    ]
    party = [
        {"name": "Bob", "email": "bob@example.com", "answers": {"meal": "vegan", "terms": True}},
        {"name": "=Cleo"},
    ]
    body = {"name": "Ann", "email": "ann@example.com", "party_size": 3, "guests": party}
    first, second = (EventFactory(organizer=olga, max_party_size=4) for _ in range(2))
    for event in (first, second):
        form = client.put(f"/api/events/{event.pk}/form/", {"questions": questions})
        assert form.status_code == 200, form.content
    assert client.post(f"/api/events/{first.pk}/register/", body).status_code == 201
    path = f"/api/events/{first.pk}/attendees/export/{query}"
    content = b"".join(client.get(path).streaming_content)

    response = send(client, second, content)

    assert response.status_code == 201, response.content
    assert "guests" not in response.json()["ignored_columns"]
    before, after = (event.registrations.get() for event in (first, second))
    assert [each["name"] for each in after.guests] == ["Bob", "=Cleo"]
    assert [without_times(each) for each in after.guests] == [
        without_times(each) for each in before.guests
    ]
    (option,) = client.get(f"/api/events/{second.pk}/form/").json()["questions"][0]["options"]
    assert option["left"] == 3


@pytest.mark.parametrize("has_form", [False, True])
def test_answers_of_another_form_do_not_prevent_the_import_of_an_export(client, olga, has_form):
    meal = {"key": "meal", "label": "Meal", "type": "text", "ask": "each_person"}
    guest = {"name": "Bob", "answers": {"meal": "vegan"}}
    body = {"name": "Ann", "email": "a@example.com", "party_size": 2, "answers": {"meal": "vegan"}}
    first, second = (EventFactory(organizer=olga, max_party_size=2) for _ in range(2))
    client.put(f"/api/events/{first.pk}/form/", {"questions": [meal]})
    if has_form:  # the question is asked no more
        client.put(f"/api/events/{second.pk}/form/", {"questions": [{**meal, "active": False}]})
    registered = client.post(f"/api/events/{first.pk}/register/", {**body, "guests": [guest]})
    assert registered.status_code == 201, registered.content
    path = f"/api/events/{first.pk}/attendees/export/"

    response = send(client, second, b"".join(client.get(path).streaming_content))

    assert response.status_code == 201, response.content
    assert "answers.meal" in response.json()["ignored_columns"]
    (registration,) = second.registrations.all()
    assert registration.answers == {}
    assert [(each["name"], each.get("answers", {})) for each in registration.guests] == [
        ("Bob", {})
    ]


def without_times(guest: dict) -> dict:
    """A guest whose consents have no time: each is given when it is stored."""
    answers = dict(guest.get("answers", {}))
    if "terms" in answers:
        answers["terms"] = answers["terms"]["agreed"]
    return {**guest, "answers": answers}


@pytest.mark.parametrize(
    ("guests", "error"),
    [
        ("Bob", ("line.2.guests", "invalid")),
        ('[{"nmae": "Bob"}]', ("line.2.guests.0.nmae", "unknown_field")),
        ('[{"email": "no address"}]', ("line.2.guests.0.email", "invalid")),
        ('[{"name": "Bob"}, {"name": "Cleo"}]', ("line.2.guests", "max_length")),
        ('[{"answers": {"meal": 1}}]', ("line.2.guests.0.answers.meal", "unknown_question")),
    ],
)
def test_guests_that_are_not_valid_are_refused_by_line(client, olga, guests, error):
    event = EventFactory(organizer=olga, max_party_size=4)
    cell = guests.replace('"', '""')

    response = send(client, event, f'name,email,party_size,guests\nAnn,a@example.com,2,"{cell}"\n')

    assert response.status_code == 400
    assert [(each["field"], each["code"]) for each in response.json()["errors"]] == [error]


def test_cancelled_rows_are_not_registered(client, event):
    body = "name,email,status\nAna,ana@example.com,cancelled\nAna,ana@example.com,confirmed\n"

    response = send(client, event, body)

    assert [row[2] for row in outcomes_of(response)] == ["cancelled", "confirmed"]


@given(text=st.text(alphabet="'\"=+-@ 49()./,;\t\uff1dx", max_size=8))
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_guarded_text_is_read_back(db, text):
    guarded = guarded_sql("cell.text")
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {guarded} FROM (SELECT %s::text) cell(text)", [text])
        (cell,) = cursor.fetchone()

    assert unguarded_text(cell) == text
    assert cell.replace("'", "") == text.replace("'", "")
    assert cell == guarded_text(text)
    assert not cell.startswith(("=", "@", "\t", "\uff1d"))


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"", "required", ""),
        (b"\r\n", "invalid", "empty"),
        (b"name,email\r\n", "min_length", "no rows"),
        (b"name\r\nAna\r\n", "invalid", "Missing columns: email"),
        (b"Full name,email,name\r\nA,a@example.com,B\r\n", "invalid", "twice: name"),
        (b"sep=.\r\nname.email\r\n", "invalid", "sep="),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 of Excel 97", "invalid", "Save it as .xlsx"),
        (b"PK\x03\x04 cut off", "invalid", "cannot be read as a spreadsheet"),
        (b"name,email,name\r\nA,a@example.com,B\r\n", "invalid", "twice"),
        (
            "name,email\r\nJürgen,j@example.com\r\n".encode("latin-1"),
            "invalid",
            "Line 2 is not UTF",
        ),
        (b'name,email\r\nA,"a@example.com\r\n', None, ""),
    ],
)
def test_a_file_without_a_list_is_refused_with_a_reason(client, event, body, code, words):
    response = send(client, event, body)

    if code is None:
        assert errors_of(response) == [("line.2", "invalid")]
    else:
        assert errors_of(response) == [("file", code)]
        assert words in response.json()["errors"][0]["detail"]


def test_too_many_rows_are_refused(client, event, monkeypatch):
    monkeypatch.setattr("registrations.importing.MAX_ROWS", 2)

    assert errors_of(send(client, event, file_of("A", "B", "C"))) == [("file", "max_length")]
    assert send(client, event, file_of("A", "B")).status_code == 201


def test_a_json_body_is_not_a_file(client, event):
    response = client.post(path_of(event), {"name": "Ana"}, format="json")

    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")


def test_queries_do_not_grow_with_the_rows(client, event):
    counts = []
    for number in (2, 500):
        body = file_of(*(f"N{n}" for n in range(number)), domain=f"n{number}.example.com")
        with CaptureQueriesContext(connection) as queries:
            assert send(client, event, body).status_code == 201
        counts.append(len(queries))

    assert counts[0] == counts[1]


def test_an_event_without_registration_refuses_the_file(client, olga):
    draft = EventFactory(organizer=olga, status="draft")
    assert send(client, draft, file_of("Ana")).json()["code"] == "event_not_published"
    cancelled = EventFactory(organizer=olga)
    cancel_event(cancelled)
    assert send(client, cancelled, file_of("Ana")).json()["code"] == "event_cancelled"
    running = EventFactory(organizer=olga, start_time=NOW)
    for query in ("", "dry_run=true"):
        refused = send(client, running, file_of("Ana"), query)
        assert (refused.status_code, refused.json()["code"]) == (409, "event_started")


def test_only_organizers_and_staff_import(anyone, ana, signed_in, olga, event):
    draft = EventFactory(organizer=olga, status="draft")

    assert send(anyone, event, file_of("Ana")).status_code == 401
    assert send(signed_in(ana), event, file_of("Ana")).status_code == 403
    assert send(signed_in(ana), draft, file_of("Ana")).status_code == 404
    assert not Registration.objects.exists()


def test_a_repeated_import_replays_its_response_unless_the_file_differs(client, event):
    def post(*names: str):
        upload = SimpleUploadedFile("guests.csv", file_of(*names).encode(), "text/csv")
        return client.post(
            path_of(event), {"file": upload}, format="multipart", headers={"Idempotency-Key": "a"}
        )

    first, again, other = post("Ana"), post("Ana"), post("Bob")

    assert (again["Idempotent-Replayed"], again.json()) == ("true", first.json())
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


def test_a_file_without_new_attendees_saves_nothing(client, event):
    send(client, event, file_of("Ana"))

    again = send(client, event, file_of("Ana"))

    assert errors_of(again) == [("file", "invalid")]
    assert again["Content-Type"] == "application/problem+json"
    assert (again.json()["saved"], again.json()["counts"]["already_registered"]) == (False, 1)


def test_a_refused_file_is_reported_row_by_row(client, event):
    response = send(client, event, file_of("Ana") + "Bob,nowhere\r\n")

    assert errors_of(response) == [("line.3.email", "invalid")]
    assert response.json()["saved"] is False
    assert [(row["line"], row["outcome"]) for row in response.json()["rows"]] == [
        (2, "confirmed"),
        (3, "refused"),
    ]
    assert not Registration.objects.exists()


def test_skip_errors_is_an_alias_of_partial(client, event):
    body = file_of("Ana") + "Bob,nowhere\r\n"

    assert send(client, event, body, "skip_errors=true").status_code == 201
    assert Registration.objects.count() == 1


def test_skipping_every_row_saves_nothing(client, event):
    response = send(client, event, "name,email\r\nBob,nowhere\r\n", "skip_errors=true")

    assert errors_of(response) == [("line.2.email", "invalid")]
    assert response.json()["saved"] is False


@pytest.mark.parametrize("as_form", [True, False])
def test_a_file_over_the_limit_is_too_large(client, event, settings, as_form):
    settings.MAX_FILE_BYTES = 1000
    body = file_of(*(f"N{number}" for number in range(100)))

    if as_form:
        upload = SimpleUploadedFile("guests.csv", body.encode(), "text/csv")
        response = client.post(path_of(event), {"file": upload}, format="multipart")
    else:
        response = send(client, event, body)

    assert (response.status_code, response.json()["max_bytes"]) == (413, 1000)


@pytest.mark.parametrize("dry_run", [True, False])
def test_an_event_deleted_meanwhile_is_not_found(olga, seats, dry_run):
    delete_event(seats)

    with pytest.raises(NotFound):
        import_attendees(seats.pk, [Candidate(2, "A", "a@example.com")], by=olga, dry_run=dry_run)
