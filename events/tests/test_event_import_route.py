"""`POST /api/events/import/`: events from tables and calendars over HTTP."""

import io
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from config.tests.test_tables import HEADER, MAIN, book_of
from events.models import Category, Event, Series
from events.views import importing

pytestmark = pytest.mark.django_db

PATH = "/api/events/import/"
DATA = Path(__file__).parent / "data"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
GOOD = "name,location,start_time\r\nTalk,Oslo,2027-03-15T09:00:00Z\r\n"


@pytest.fixture
def client(clock, olga, signed_in):
    return signed_in(olga)


def send(client, body: str | bytes, query: str = "", content_type: str = "text/csv"):
    raw = body.encode() if isinstance(body, str) else body
    return client.generic("POST", f"{PATH}?{query}", raw, content_type=content_type)


def errors_of(response) -> list[tuple]:
    assert response.status_code == 400, response.content
    assert response["Content-Type"] == "application/problem+json"
    return [(error["field"], error["code"]) for error in response.json()["errors"]]


def test_rows_become_events_of_the_caller(client, olga):
    response = send(
        client, "Name,Location,Start Time,Speaker\r\nTalk,Oslo,2027-03-15T09:00:00,X\r\n"
    )

    event = Event.objects.get()
    assert response.status_code == 201, response.content
    assert response["Location"] == "http://testserver/api/me/events/"
    assert response.json() == {
        "saved": True,
        "counts": {"created": 1, "updated": 0, "cancelled": 0, "unchanged": 0, "refused": 0},
        "ignored_columns": ["Speaker"],
        "rows": [
            {
                "line": 2,
                "name": "Talk",
                "outcome": "created",
                "event": event.pk,
                "series": None,
                "occurrences": 0,
                "errors": [],
                "notes": [],
            }
        ],
    }
    assert (event.organizer, event.timezone, event.status) == (olga, "Europe/Berlin", "published")
    assert event.start_time == datetime(2027, 3, 15, 8, tzinfo=UTC)


def test_semicolons_are_detected(client):
    response = send(client, (DATA / "semicolon.csv").read_bytes())

    assert response.status_code == 201, response.content
    assert list(Event.objects.values_list("name", "location")) == [("X", "Y")]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("title;location;START-TIME;capacity\nA;B;2027-03-15T09:00:00Z;7\n", ("A", "B", 7)),
        ("sep=|\nname|location|start time|max capacity\nA|B|2027-03-15T09:00:00Z|7\n",
         ("A", "B", 7)),
        ("Name\tLocation\tDate\tTime\nA\tB\t2027-03-15\t10:00\n", ("A", "B", None)),
        ("title,name,location,start_time\nA,A,B,2027-03-15T09:00:00Z\n", ("A", "B", None)),
    ],
)  # fmt: skip
def test_columns_and_their_aliases(client, body, expected):
    response = send(client, body)

    assert response.status_code == 201, response.content
    event = Event.objects.get()
    assert (event.name, event.location, event.max_capacity) == expected
    assert event.start_time == datetime(2027, 3, 15, 9, tzinfo=UTC)


def test_an_alias_that_says_something_else_is_an_error_of_its_row(client):
    response = send(client, "title,name,location,start_time\nA,B,C,2027-03-15T09:00:00Z\n")

    assert errors_of(response) == [("line.2.title", "conflicting_fields")]


def test_an_error_names_the_column_that_was_sent(client):
    response = send(client, "title,location,start_time,capacity\nA,B,2027-03-15T09:00:00Z,0\n")

    assert errors_of(response) == [("line.2.capacity", "min_value")]


def test_a_column_twice_is_refused(client):
    response = send(client, "name,location,start_time,Start Time\nA,B,x,y\n")

    assert errors_of(response) == [("file", "invalid")]


def test_past_events_are_imported(client):
    assert send(client, GOOD.replace("2027", "1999")).status_code == 201


def test_the_url_goes_into_the_description(client):
    body = "name,location,start_time,url\nA,B,2027-03-15T09:00:00Z,https://example.org/a\n"

    send(client, body)

    assert Event.objects.get().description == "https://example.org/a"


def test_an_unknown_category_is_an_error_of_its_row(client):
    body = GOOD.replace("start_time", "start_time,category").replace("00Z", "00Z,hikes")

    response = send(client, body)

    assert errors_of(response) == [("line.2.category", "unknown_category")]
    assert not Category.objects.filter(slug="hikes").exists()
    assert not Event.objects.exists()


@pytest.mark.parametrize("text", ["cpp", "C++", "c++", "CPP"])
def test_a_category_is_found_by_slug_or_name(client, text):
    category, _ = Category.objects.get_or_create(slug="cpp", defaults={"name": "C++"})
    body = GOOD.replace("start_time", "start_time,category").replace("00Z", f"00Z,{text}")

    assert send(client, body).status_code == 201
    assert Event.objects.get().category == category


def test_one_bad_row_and_nothing_is_saved(client):
    body = GOOD + ",Oslo,soon\r\nA,B,2027-03-28T02:30:00\r\n"

    response = send(client, body)

    assert errors_of(response) == [
        ("line.3.name", "required"),
        ("line.3.start_time", "invalid"),
        ("line.4.start_time", "nonexistent_time"),
    ]
    assert response.json()["saved"] is False
    assert [row["outcome"] for row in response.json()["rows"]] == ["created", "refused", "refused"]
    assert not Event.objects.exists()


@pytest.mark.parametrize("flag", ["skip_errors", "partial"])
def test_skip_errors_saves_the_good_rows(client, flag):
    response = send(client, GOOD + ",Oslo,soon\r\n", f"{flag}=true")

    assert response.status_code == 201
    assert (response.json()["counts"]["created"], response.json()["counts"]["refused"]) == (1, 1)
    assert Event.objects.count() == 1


def test_a_dry_run_saves_nothing(client):
    response = send(client, GOOD + ",Oslo,soon\r\n", "dry_run=true")

    assert (response.status_code, response.json()["saved"]) == (200, False)
    assert [(row["outcome"], row["event"]) for row in response.json()["rows"]] == [
        ("created", None),
        ("refused", None),
    ]
    assert not Event.objects.exists()


def test_the_same_file_again_makes_nothing(client):
    send(client, GOOD)

    again = send(client, GOOD)

    assert errors_of(again) == [("file", "invalid")]
    assert again.json()["counts"]["unchanged"] == 1
    assert Event.objects.count() == 1


def test_a_spreadsheet_is_read(client):
    book = openpyxl.Workbook()
    book.active.append(["Title", "Location", "Start time", "Date", "Capacity", "Waitlist enabled"])
    book.active.append(["A", "B", datetime(2027, 3, 15, 10), None, 7, True])
    content = io.BytesIO()
    book.save(content)

    response = send(client, content.getvalue(), content_type=XLSX)

    assert response.status_code == 201, response.content
    event = Event.objects.get()
    assert (event.name, event.max_capacity, event.waitlist_enabled) == ("A", 7, True)
    assert event.start_time == datetime(2027, 3, 15, 9, tzinfo=UTC)


def test_a_form_brings_any_of_them(client):
    for name, content in (
        ("events.csv", GOOD.encode()),
        ("events.ics", (DATA / "calendars" / "fold-inside-utf8.ics").read_bytes()),
    ):
        file = SimpleUploadedFile(name, content, "application/octet-stream")

        assert client.post(PATH, {"file": file}, format="multipart").status_code == 201

    assert sorted(Event.objects.values_list("name", flat=True)) == ["Talk", "München"][::-1]


def test_a_form_with_a_file_and_a_text_of_its_name_is_refused(client):
    file = SimpleUploadedFile("events.csv", GOOD.encode(), "text/csv")

    response = client.post(PATH, {"file": ["a.csv", file]}, format="multipart")

    assert errors_of(response) == [("file", "repeated")]
    assert not Event.objects.exists()


def test_too_many_rows_are_refused(client, monkeypatch):
    monkeypatch.setattr(importing, "MAX_ROWS", 1)
    entry = "BEGIN:VEVENT\nUID:{}\nDTSTART:20270301T100000Z\nSUMMARY:x\nEND:VEVENT\n"
    entries = "".join(entry.format(number) for number in range(2))

    for body in (GOOD + "B,C,2027-03-15T09:00:00Z\r\n", f"BEGIN:VCALENDAR\n{entries}"):
        assert errors_of(send(client, body)) == [("file", "max_length")]


def test_too_many_occurrences_are_refused(client, monkeypatch):
    monkeypatch.setattr(importing, "MAX_EVENTS", 600)
    entry = (
        "BEGIN:VEVENT\nUID:{}\nDTSTART:20270301T100000Z\nSUMMARY:x\nRRULE:FREQ=DAILY;COUNT=366\n"
        "END:VEVENT\n"
    )
    body = "BEGIN:VCALENDAR\n" + entry.format(1) + entry.format(2)

    assert errors_of(send(client, body)) == [("file", "max_length")]
    assert not Event.objects.exists()


def test_rules_that_take_too_long_are_refused(client, monkeypatch):
    monkeypatch.setattr(importing, "MAX_RULE_SECONDS", 0)
    entry = "UID:1\nDTSTART:20270301T100000Z\nSUMMARY:x\nRRULE:FREQ=DAILY;COUNT=9\n"
    body = f"BEGIN:VCALENDAR\nBEGIN:VEVENT\n{entry}END:VEVENT\n"

    assert errors_of(send(client, body)) == [("file", "max_length")]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "required"),
        (b"\r\n", "invalid"),
        (b"name,location,start_time\r\n", "min_length"),
        (b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", "min_length"),
        (b"name,location,start_time\r\nF\xeate,Oslo,2027-03-15T09:00:00Z\r\n", "invalid"),
        (b"PK\x03\x04\x00\x00", "invalid"),
        (book_of(f"<worksheet {MAIN}><sheetData>{HEADER}</sheetData></worksheet>"), "invalid"),
    ],
    ids=["nothing", "blank", "header", "calendar", "latin", "no archive", "other columns"],
)
def test_a_file_without_events_is_refused(client, body, code):
    assert errors_of(send(client, body)) == [("file", code)]


def test_a_file_over_the_limit_is_too_large(client, settings):
    settings.MAX_FILE_BYTES = 50

    response = send(client, GOOD)

    assert (response.status_code, response.json()["code"]) == (413, "payload_too_large")


def test_json_is_no_file(client):
    assert send(client, "{}", content_type="application/json").status_code == 415


def test_importing_requires_the_organizer_role(anyone, ana, signed_in):
    assert send(anyone, GOOD).status_code == 401
    refused = send(signed_in(ana), GOOD)
    assert (refused.status_code, refused.json()["code"]) == (403, "organizer_role_required")


# --- Calendars from the field -------------------------------------------------------------------


def import_calendar(client, name: str, query: str = "", content_type: str = "text/calendar"):
    return send(client, (DATA / "calendars" / name).read_bytes(), query, content_type)


def starts(zone: str = "Europe/Berlin", **only) -> list[str]:
    events = Event.objects.filter(**only).order_by("start_time")
    return [f"{event.start_time.astimezone(ZoneInfo(zone)):%Y-%m-%dT%H:%M}" for event in events]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("custom-vtimezone.ics", ["2027-07-15T10:00"]),
        ("vtimezone-after-event.ics", ["2027-03-01T10:00"]),
        ("duplicate-uid-newer-sequence-lost.ics", ["2027-03-02T10:00"]),
        ("two-versions-of-one-occurrence.ics",
         ["2027-03-01T10:00", "2027-03-09T15:00", "2027-03-15T10:00"]),
        ("rdate-excluded-by-exdate.ics", ["2027-03-01T10:00"]),
        ("rdate-moved-by-recurrence-id.ics", ["2027-03-01T10:00", "2027-03-06T15:00"]),
        ("allday-series-exdate-utc.ics", ["2027-03-01T00:00", "2027-03-03T00:00"]),
        ("x-wr-timezone-windows-name.ics", ["2027-03-01T10:00"]),
        ("rdate-period.ics", ["2027-03-01T10:00", "2027-03-05T10:00"]),
        ("cancelled-override-without-dtstart.ics", ["2027-03-01T10:00", "2027-03-15T10:00"]),
        ("exrule-ignored.ics",
         [f"2027-03-0{day}T10:00" for day in range(1, 6)]),
    ],
)  # fmt: skip
def test_a_calendar_from_the_field_takes_place_when_it_says(client, name, expected):
    response = import_calendar(client, name)

    assert response.status_code == 201, response.content
    assert starts(status="published") == expected


def test_the_zone_of_a_customized_vtimezone_is_one_with_its_rules(client):
    import_calendar(client, "custom-vtimezone.ics")

    assert Event.objects.get().timezone == "Europe/Berlin"


def test_the_latest_version_counts(client):
    import_calendar(client, "duplicate-uid-newer-sequence-lost.ics")
    response = import_calendar(client, "two-versions-of-one-occurrence.ics")

    assert response.status_code == 400  # the same UID, with a lower SEQUENCE
    assert list(Event.objects.values_list("name", flat=True)) == ["new"]


def test_an_entry_that_its_calendar_cancels_is_not_published(client, anyone):
    response = import_calendar(client, "method-cancel.ics")

    assert response.json()["rows"][0]["outcome"] == "cancelled"
    assert not Event.objects.filter(status="published").exists()
    assert anyone.get("/api/events/?when=all").json()["results"] == []


def test_a_private_entry_is_a_draft(client, anyone):
    response = import_calendar(client, "class-private.ics")

    assert response.json()["rows"][0]["outcome"] == "created"
    assert Event.objects.get().status == "draft"
    assert anyone.get(f"/api/events/{Event.objects.get().pk}/").status_code == 404


def test_a_fold_inside_a_character_loses_nothing(client):
    import_calendar(client, "fold-inside-utf8.ics")

    assert Event.objects.get().name == "München"


def test_a_day_that_ends_on_itself_is_a_whole_day(client):
    import_calendar(client, "allday-dtend-same-day.ics")

    event = Event.objects.get()
    assert starts() == ["2027-03-01T00:00"]
    assert (event.end_time - event.start_time).total_seconds() == 24 * 3600


def test_a_period_has_its_own_length(client):
    import_calendar(client, "rdate-period.ics")

    event = Event.objects.order_by("start_time").last()
    assert (event.end_time - event.start_time).total_seconds() == 3 * 3600


def test_an_exrule_is_reported(client):
    response = import_calendar(client, "exrule-ignored.ics")

    assert response.json()["ignored_columns"] == ["EXRULE"]
    (note,) = response.json()["rows"][0]["notes"]
    assert note["field"] == "line.4.EXRULE"


def test_an_attachment_is_reported_and_the_event_imported(client):
    attachment = b"ATTACH;ENCODING=BASE64;VALUE=BINARY:" + b"QUJD" * 40_000 + b"\r\n"
    body = (DATA / "calendars" / "fold-inside-utf8.ics").read_bytes()
    body = body.replace(b"END:VEVENT", attachment + b"END:VEVENT")

    response = send(client, body, content_type="text/calendar")

    assert response.status_code == 201, response.content
    assert response.json()["ignored_columns"] == ["ATTACH"]
    assert [note["field"] for note in response.json()["rows"][0]["notes"]] == ["line.4.ATTACH"]
    assert Event.objects.count() == 1


def test_latin_1_is_read_where_it_is_declared(client):
    refused = import_calendar(client, "latin1.ics")
    assert errors_of(refused) == [("file", "invalid")]
    assert "Line 9 is not UTF-8. Save the file as UTF-8" in refused.json()["errors"][0]["detail"]

    response = import_calendar(
        client, "latin1.ics", content_type="text/calendar; charset=iso-8859-1"
    )

    assert response.status_code == 201, response.content
    assert Event.objects.get().name == "Müsik"


def test_of_a_long_past_series_the_last_occurrences_are_imported(client):
    response = import_calendar(client, "past-series-over-366.ics")

    assert response.status_code == 201, response.content
    (note,) = response.json()["rows"][0]["notes"]
    assert note["field"] == "line.4.RRULE"
    assert "at most 366" in note["detail"]
    created = starts()
    assert (len(created), created[0], created[-1]) == (366, "2021-03-01T10:00", "2022-03-01T10:00")
    assert response.json()["rows"][0]["occurrences"] == len(created)
    assert Series.objects.get().filled_to is None
