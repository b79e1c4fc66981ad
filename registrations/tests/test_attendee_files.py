"""Import of attendee lists that spreadsheets and ticket shops have exported."""

import io
from pathlib import Path

import openpyxl
import pytest

from events.tests.factories import EventFactory
from registrations.models import Registration
from registrations.tests.factories import registered

pytestmark = pytest.mark.django_db

DATA = Path(__file__).parent / "data"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ANN = ("Ann A", "ann@example.com")


@pytest.fixture
def client(clock, olga, signed_in):
    return signed_in(olga)


def send(client, event, body: str | bytes, content_type: str = "text/csv", query: str = ""):
    raw = body.encode() if isinstance(body, str) else body
    path = f"/api/events/{event.pk}/attendees/import/?{query}"
    return client.generic("POST", path, raw, content_type=content_type)


def people() -> list[tuple[str, str]]:
    return list(Registration.objects.order_by("registered_at").values_list("name", "email"))


def workbook(*rows: list, sheets: int = 1) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for number in range(1, sheets):
        book.create_sheet(f"Other {number}").append(["nothing", "here"])
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


@pytest.mark.parametrize(
    ("name", "expected", "ignored"),
    [
        ("semicolon.csv", ANN, []),
        ("first-last-email.csv", ("Ann Adams", "ann@example.com"), []),
        ("email-address-header.csv", ("Ann", "ann@example.com"), []),
        ("sep-line.csv", ANN, []),
        ("short-rows.csv", ("Ann", "ann@example.com"), ["notes"]),
        ("status-upper-case.csv", ("Ann Adams", "ann@example.com"), []),
    ],
)
def test_a_list_of_another_product_is_read(client, event, name, expected, ignored):
    response = send(client, event, (DATA / name).read_bytes())

    assert response.status_code == 201, response.content
    assert response.json()["ignored_columns"] == ignored
    assert people() == [expected]


def test_a_declined_invitation_is_reported_and_not_registered(client, event):
    body = (DATA / "declined.csv").read_bytes()

    response = send(client, event, body)

    assert (response.status_code, response.json()["saved"]) == (400, False)
    assert response.json()["ignored_columns"] == ["api_id"]
    assert [(row["line"], row["outcome"]) for row in response.json()["rows"]] == [(2, "cancelled")]
    assert people() == []


@pytest.mark.parametrize(
    "body",
    [
        "name\temail\r\nAnn A\tann@example.com\r\n",
        "name|email\nAnn A|ann@example.com\n",
        "sep=;\r\nname;email\r\nAnn A;ann@example.com\r\n",
        '"sep=\t"\r\nname\temail\r\nAnn A\tann@example.com\r\n',
        "\r\n\r\n;;\r\nNAME ; E-Mail\r\n\r\n;\r\n Ann A ; ann@example.com \r\n",
        'name;email;"notes, if any"\nAnn A;ann@example.com;"one, two"\n',
        "name,email\rAnn A,ann@example.com\r",
    ],
)
def test_separators_and_line_ends_are_recognized(client, event, body):
    assert send(client, event, body).status_code == 201

    assert people() == [ANN]


@pytest.mark.parametrize(
    ("header", "cells", "name"),
    [
        ("Full Name,E-MAIL", "Ann A,ann@example.com", "Ann A"),
        ("your-name,mail", "Ann A,ann@example.com", "Ann A"),
        ("attendee_name,email  address", "Ann A,ann@example.com", "Ann A"),
        ("surname,given name,email", "A,Ann,ann@example.com", "Ann A"),
        ("family-name,email", "A,ann@example.com", "A"),
        ("First_Name,Last_Name,Email", "Ann,,ann@example.com", "Ann"),
        ("First Name,Last Name,Name,Email", "X,Y,Ann A,ann@example.com", "Ann A"),
        ("First Name,Last Name,Name,Email", "Ann,A,,ann@example.com", "Ann A"),
    ],
)
def test_headers_of_names_and_addresses_are_recognized(client, event, header, cells, name):
    response = send(client, event, f"{header}\n{cells}\n")

    assert response.json()["ignored_columns"] == []
    assert people() == [(name, "ann@example.com")]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("Confirmed", "confirmed"),
        ("ATTENDING", "confirmed"),
        (" going ", "confirmed"),
        ("yes", "confirmed"),
        ("", "confirmed"),
        ("waitlisted", "confirmed"),
        ("Waiting", "confirmed"),
        ("Canceled", "cancelled"),
        ("CANCELLED", "cancelled"),
        ("Declined", "cancelled"),
        ("No", "cancelled"),
        ("perhaps", "refused"),
    ],
)
@pytest.mark.parametrize("header", ["status", "RSVP", "Approval Status"])
def test_statuses_of_other_products_are_mapped(client, event, header, status, outcome):
    response = send(client, event, f"name,email,{header}\nAnn A,ann@example.com,{status}\n")

    assert response.json()["rows"][0]["outcome"] == outcome
    assert people() == ([ANN] if outcome == "confirmed" else [])


@pytest.mark.parametrize(
    ("encoding", "content_type"),
    [
        ("utf-8-sig", "text/csv"),
        ("utf-16", "text/csv"),
        ("utf-16", "application/vnd.ms-excel"),
        ("utf-8", "text/plain"),
        ("utf-8", "application/octet-stream"),
        ("latin-1", "text/csv; charset=iso-8859-1"),
        ("cp1252", 'text/csv; charset="windows-1252"'),
        ("cp1250", "text/csv;charset=Windows-1250"),
        ("utf-16-le", "text/csv; charset=utf-16le"),
    ],
)
def test_encodings_are_recognized(client, event, encoding, content_type):
    body = "name;email\r\nZoë Müller;zoe@example.com\r\n".encode(encoding)

    response = send(client, event, body, content_type)

    assert response.status_code == 201, response.content
    assert people() == [("Zoë Müller", "zoe@example.com")]


@pytest.mark.parametrize("charset", ["klingon", "zlib", "unicode_escape", "utf-8\\0"])
def test_an_unknown_charset_is_refused(client, event, charset):
    response = send(client, event, "name,email\n", f"text/csv; charset={charset}")

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "file"
    assert "charset" in response.json()["errors"][0]["detail"]


def test_a_part_of_a_form_may_declare_its_charset(client, event):
    body = "name,email\r\nZoë,zoe@example.com\r\n".encode("latin-1")
    frame = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="guests.csv"\r\n'
        b"Content-Type: text/csv; charset=latin-1\r\n\r\n" + body + b"\r\n--x--\r\n"
    )

    response = send(client, event, frame, "multipart/form-data; boundary=x")

    assert response.status_code == 201, response.content
    assert people() == [("Zoë", "zoe@example.com")]


def test_the_first_sheet_of_a_workbook_is_read(client, event):
    body = workbook(
        ["First name", "Last name", "E-mail", "Notes"],
        ["Zoë", "Müller", "zoe@example.com", "=1+1"],
        [],
        [None, 42, "bob@example.com"],
        sheets=2,
    )

    response = send(client, event, body, XLSX)

    assert response.status_code == 201, response.content
    assert [row["line"] for row in response.json()["rows"]] == [2, 4]
    assert response.json()["ignored_columns"] == ["Notes"]
    assert people() == [("Zoë Müller", "zoe@example.com"), ("42", "bob@example.com")]


def test_an_exported_workbook_is_imported_unchanged(client, olga, clock):
    first = EventFactory(organizer=olga)
    for number, name in enumerate(("=SUM(A1)", "'=quoted", "+49 30 1234", "Zoë <&> _x0041_")):
        clock.shift(1)
        registered(first, name=name, email=f"g{number}@example.com")
    second = EventFactory(organizer=olga)
    path = f"/api/events/{first.pk}/attendees/export/?format=xlsx"
    body = b"".join(client.get(path).streaming_content)

    response = send(client, second, body, XLSX)

    assert response.status_code == 201, response.content
    copied, original = (
        list(event.registrations.order_by("registered_at").values_list("name", "email"))
        for event in (second, first)
    )
    assert copied == original


def test_a_wrong_media_type_is_refused(client, event):
    response = send(client, event, "name,email\n", "image/png")

    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")
