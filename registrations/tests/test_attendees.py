"""The attendee list and its export."""

import csv
import io
from unittest.mock import patch

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext

from accounts.tests.factories import grant
from conftest import NOW
from events.models import Event
from events.services import edit_event
from events.tests.factories import EventFactory
from registrations.exports.columns import COLUMNS
from registrations.models import Registration
from registrations.services import cancel_registration
from registrations.tests.factories import registered

pytestmark = pytest.mark.django_db


@pytest.fixture
def fair(olga) -> Event:
    """Bob and Ána confirmed, Zoë waiting, and Carl who cancelled."""
    event = EventFactory(organizer=olga, name="Fair", max_capacity=2, waitlist_enabled=True)
    carl = registered(event, name="Carl", email="carl@example.com")
    registered(event, name="bob", email="bob@example.com")
    registered(event, name="Ána", email="ana@example.com")
    registered(event, name="Zoë", email="zoe@other.org")
    cancel_registration(carl)
    return event


def attendees(client, event, query=""):
    return client.get(f"/api/events/{event.pk}/attendees/{query}")


def names(response) -> list[str]:
    assert response.status_code == 200, response.content
    return [row["name"] for row in response.json()["results"]]


def export(client, event, query="") -> str:
    response = client.get(f"/api/events/{event.pk}/attendees/export/{query}")
    assert response.status_code == 200, response.content
    return b"".join(response.streaming_content).decode()


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("path", ["attendees/", "attendees/export/"])
def test_only_organizers_and_staff_list_attendees(anyone, ana, olga, sam, fair, signed_in, path):
    address = f"/api/events/{fair.pk}/{path}"

    assert anyone.get(address).status_code == 401
    assert signed_in(ana).get(address).json()["code"] == "permission_denied"
    assert signed_in(sam).get(address).json()["code"] == "permission_denied"
    for user in (olga, grant(sam, "registrations.view_registration")):
        response = signed_in(user).get(address)
        assert response.status_code == 200
        assert b"bob" in b"".join(response)
    Event.objects.update(status="draft")
    assert signed_in(ana).get(address).status_code == 404


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["bob", "Ána", "Zoë"]),
        ("?status=cancelled", ["Carl"]),
        ("?status=waitlisted", ["Zoë"]),
        ("?search=OTHER.org", ["Zoë"]),
        ("?search=bo", ["bob"]),
        ("?checked_in=true", []),
        ("?checked_in=false", ["bob", "Ána", "Zoë"]),
        ("?ordering=-registered_at", ["Zoë", "Ána", "bob"]),
        ("?ordering=email", ["Ána", "bob", "Zoë"]),
        ("?ordering=name", ["Ána", "bob", "Zoë"]),
    ],
)
def test_list_applies_filters_and_ordering(olga, fair, signed_in, query, expected):
    assert names(attendees(signed_in(olga), fair, query)) == expected


def test_list_has_the_position_in_the_queue(olga, fair, signed_in):
    rows = attendees(signed_in(olga), fair, "?search=zoe").json()["results"]

    assert [(row["status"], row["waitlist_position"]) for row in rows] == [("waitlisted", 1)]


def test_page_with_answers_and_guests_is_read_by_a_compiled_query(olga, event, signed_in):
    guests = [{"name": "Zoë", "email": None}]
    registered(event)
    Registration.objects.update(guests=guests, answers={"diet": "vegan"}, party_size=2)
    client, path = signed_in(olga), f"/api/events/{event.pk}/attendees/"
    client.get(path)

    with patch.object(QuerySet, "__iter__", side_effect=AssertionError("the ORM runs a query")):
        response = client.get(path)

    (row,) = response.json()["results"]
    assert (row["guests"], row["answers"]) == (guests, {"diet": "vegan"})
    assert response.json()["counts"]["checked_in"] == 0


def test_people_who_are_checked_in_are_counted_for_each_event(olga, event, signed_in):
    other = EventFactory(organizer=olga)
    registered(event), registered(event), registered(other)
    Registration.objects.filter(event=event).update(checked_in_at=NOW, party_size=3, absent_count=1)
    client = signed_in(olga)

    counts = [
        client.get(f"/api/events/{each.pk}/attendees/").json()["counts"]["checked_in"]
        for each in (event, other)
    ]

    assert counts == [4, 0]


def test_pages_have_each_attendee_once(olga, event, signed_in):
    for _ in range(7):
        registered(event)
    client, path, ids = signed_in(olga), f"/api/events/{event.pk}/attendees/?page_size=2", []
    while path:
        page = client.get(path).json()
        ids += [row["id"] for row in page["results"]]
        path = page["next"]

    assert len(ids) == len(set(ids)) == 7


def test_a_list_costs_the_same_queries_for_one_row_and_three(olga, event, signed_in):
    client = signed_in(olga)
    registered(event)
    with CaptureQueriesContext(connection) as one:
        attendees(client, event)
    registered(event)
    registered(event)

    with CaptureQueriesContext(connection) as three:
        assert len(names(attendees(client, event))) == 3

    assert len(three) == len(one) == 4  # the session, the event, its attendees, who is in


def test_csv_has_every_column_and_row(olga, fair, signed_in):
    client = signed_in(olga)

    text = export(client, fair)

    listed = attendees(client, fair).json()["results"]
    rows = rows_of(text)
    assert text.startswith(",".join(column.name for column in COLUMNS) + "\r\n")
    assert text.count("\r\n") == 4
    assert [row["name"] for row in rows] == ["bob", "Ána", "Zoë"]
    for row, item in zip(rows, listed, strict=True):
        assert row["registration_id"] == item["id"]
        assert row["registered_at"] == item["registered_at"]
        assert row["confirmed_at"] == (item["confirmed_at"] or "")
        assert row["waitlist_position"] == str(item["waitlist_position"] or "")
        assert row["ticket_code"] == item["ticket_code"]
        assert (row["event_id"], row["event_name"]) == (str(fair.pk), "Fair")


def test_csv_is_a_streamed_attachment(olga, fair, signed_in):
    response = signed_in(olga).get(f"/api/events/{fair.pk}/attendees/export?format=csv")

    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"] == (
        f'attachment; filename="event-{fair.pk}-attendees.csv"'
    )
    assert "Content-Length" not in response


def test_csv_renders_times_in_the_zone_of_the_request(olga, fair, signed_in):
    client = signed_in(olga)

    row = rows_of(export(client, fair, "?timezone=Asia/Kolkata"))[0]

    item = attendees(client, fair, "?timezone=Asia/Kolkata").json()["results"][0]
    assert row["registered_at"] == item["registered_at"]
    assert row["registered_at"].endswith("+05:30")


def test_csv_applies_the_lists_filters_and_ordering(olga, fair, signed_in):
    client = signed_in(olga)

    assert [row["name"] for row in rows_of(export(client, fair, "?status=cancelled"))] == ["Carl"]
    searched = rows_of(export(client, fair, "?search=zoe"))
    assert [(row["name"], row["waitlist_position"]) for row in searched] == [("Zoë", "1")]
    ordered = rows_of(export(client, fair, "?ordering=email"))
    assert [row["name"] for row in ordered] == ["Ána", "bob", "Zoë"]


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ('=HYPERLINK("http://x")', '\'=HYPERLINK("http://x")'),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+1+cmd|' /C calc'!A0", "'+1+cmd|' /C calc'!A0"),
        ("-2+3+cmd", "'-2+3+cmd"),
        ("＝1+1", "'＝1+1"),
        ("+49 (30) 123-45", "+49 (30) 123-45"),
        ("-12.5", "-12.5"),
        ("Bob;=cmd|' /C calc'!A0", "Bob;'=cmd|' /C calc'!A0"),
        ("Bob; @SUM(A1)", "Bob;' @SUM(A1)"),
        ('Bob;"=1+1;x', "Bob;'\"=1+1;x"),
        ("=1;=2", "'=1;'=2"),
        ("Bob; Ána", "Bob; Ána"),
        ('Smith, "Jo"', 'Smith, "Jo"'),
        ("O'Brien", "O'Brien"),
        ("100% Ána", "100% Ána"),
    ],
)
def test_csv_lets_no_cell_run_as_a_formula(olga, event, signed_in, name, cell):
    registered(event, name=name)
    client = signed_in(olga)

    assert rows_of(export(client, event))[0]["name"] == cell
    assert rows_of(export(client, event, "?raw=true"))[0]["name"] == name


@pytest.mark.parametrize("query", ["", "?raw=true"])
def test_csv_quotes_every_text(olga, event, signed_in, query):
    """Whatever separates cells where it is opened: semicolons and tabs do in many countries."""
    Event.objects.filter(pk=event.pk).update(name="Fair; one")
    row = registered(event, name="Bob; B.")

    line = export(signed_in(olga), event, query).splitlines()[1]

    assert line.startswith(f'"Bob; B.","{row.email}",confirmed,')
    assert line.endswith(f',{event.pk},"Fair; one"')


@pytest.mark.parametrize("separator", [";", "\t"])
def test_no_cell_runs_as_a_formula_with_other_separators(olga, event, signed_in, separator):
    Event.objects.filter(pk=event.pk).update(name=f'Fair{separator}=1{separator}"=2')
    row = registered(event, name=f"Bob{separator}=1+1")
    Registration.objects.filter(pk=row.pk).update(email=f'"b{separator}=1+1"@example.com')

    text = export(signed_in(olga), event)

    lines = csv.reader(io.StringIO(text), delimiter=separator)
    cells = [cell.lstrip(" ") for line in lines for cell in line]
    assert len(cells) > 2
    assert [cell for cell in cells if cell[:1] in {"=", "+", "-", "@"}] == []


def test_the_name_of_the_event_is_guarded_too(olga, event, signed_in):
    edit_event(event, {"name": "=1+1"})
    registered(event)

    assert rows_of(export(signed_in(olga), event))[0]["event_name"] == "'=1+1"


def test_csv_may_begin_with_a_bom(olga, fair, signed_in):
    assert export(signed_in(olga), fair, "?bom=true").startswith("\ufeffname,")


def test_csv_without_attendees_is_a_header(olga, event, signed_in):
    assert export(signed_in(olga), event).count("\r\n") == 1


def test_csv_is_streamed_in_pieces(olga, event, signed_in):
    template = registered(event, name="x" * 200)
    Registration.objects.bulk_create(
        Registration(
            event=event, name="x" * 200, email=f"n{number}@example.com",
            status="confirmed", confirmed_at=template.confirmed_at,
        )
        for number in range(3000)
    )  # fmt: skip

    response = signed_in(olga).get(f"/api/events/{event.pk}/attendees/export/")
    pieces = list(response.streaming_content)

    assert len(pieces) >= 3
    assert len(pieces[0]) < 132_000  # is sent soon
    assert max(map(len, pieces)) <= 524_288
    assert len(rows_of(b"".join(pieces).decode())) == 3001


@pytest.mark.parametrize("query", ["?format=pdf", "?bom=perhaps", "?ordering=age", "?status=x"])
def test_a_bad_option_is_refused(olga, event, signed_in, query):
    response = signed_in(olga).get(f"/api/events/{event.pk}/attendees/export/{query}")

    assert (response.status_code, response.json()["code"]) == (400, "validation_error")


def test_an_export_accepts_its_own_media_type(olga, event, signed_in):
    path = f"/api/events/{event.pk}/attendees/export/"
    client = signed_in(olga)

    assert client.get(path, headers={"Accept": "text/csv"}).status_code == 200
    assert client.get(path, headers={"Accept": "image/png"}).status_code == 406
