"""Exports of attendees in every format."""

import csv
import io
import json
from datetime import UTC, timedelta
from importlib.resources import files
from inspect import GEN_CLOSED, getgeneratorstate
from threading import BoundedSemaphore
from xml.etree import ElementTree
from zipfile import ZipFile
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from openpyxl import load_workbook

from config.api.http.work_slots import FILES
from config.errors import InvalidTimezone
from events.models import Event
from events.tests.factories import EventFactory
from registrations.exports.columns import COLUMNS
from registrations.exports.formats import EXPORTS, XlsxExport
from registrations.exports.statement import Options, attendee_select, columns_of
from registrations.exports.streaming import StreamedPieces
from registrations.models import Registration
from registrations.tests.factories import registered, registered_silently

pytestmark = pytest.mark.django_db

NAMES = [column.name for column in COLUMNS]


@pytest.fixture
def fair(olga) -> Event:
    event = EventFactory(organizer=olga, name="=1+1", max_capacity=2, waitlist_enabled=True)
    for name in ('Ána \\ "Q"', "=cmd()", "Zoë 🎉"):
        registered(event, name=name)
    return event


@pytest.fixture
def export(olga, signed_in):
    client = signed_in(olga)

    def exported(event: Event, query: str):
        response = client.get(f"/api/events/{event.pk}/attendees/export/?{query}")
        assert response.status_code == 200, response.content
        return response, b"".join(response.streaming_content)

    return exported


def rows_of(format_: str, body: bytes) -> list[dict]:
    if format_ == "csv":
        return list(csv.DictReader(io.StringIO(body.decode())))
    if format_ == "json":
        return json.loads(body)
    if format_ == "jsonl":
        return [json.loads(line) for line in body.decode().splitlines()]
    sheet = load_workbook(io.BytesIO(body)).active
    header, *rows = sheet.iter_rows(values_only=True)
    return [dict(zip(header, row, strict=True)) for row in rows]


@pytest.mark.parametrize("format_", EXPORTS)
def test_every_format_has_the_same_columns_and_rows(fair, export, format_):
    plain = rows_of("csv", export(fair, "raw=true&timezone=Asia/Kolkata")[1])

    response, body = export(fair, f"format={format_}&raw=true&timezone=Asia/Kolkata")

    rows = rows_of(format_, body)
    assert list(rows[0]) == NAMES
    assert [
        {name: "" if value is None else str(value) for name, value in row.items()} for row in rows
    ] == plain
    assert f'filename="event-{fair.pk}-attendees.{format_}"' in response["Content-Disposition"]
    assert "Content-Length" not in response


@pytest.mark.parametrize("format_", EXPORTS)
def test_every_format_without_attendees_is_complete(event, export, format_):
    assert rows_of(format_, export(event, f"format={format_}")[1]) == []


@pytest.mark.parametrize("format_", ["json", "jsonl"])
def test_json_has_numbers_and_nulls(fair, export, format_):
    first, _, last = rows_of(format_, export(fair, f"format={format_}")[1])

    assert (first["event_id"], first["waitlist_position"]) == (fair.pk, None)
    assert (last["waitlist_position"], last["confirmed_at"]) == (1, None)
    assert first["event_name"] == "=1+1"


def test_columns_of_parties_follow_on_events_that_take_or_have_parties(olga, event, export):
    taking = EventFactory(organizer=olga, max_party_size=2)
    had = EventFactory(organizer=olga, max_party_size=2)
    registered(had, party_size=2)
    Event.objects.filter(pk=had.pk).update(max_party_size=1)

    headers = [export(each, "")[1].decode().splitlines()[0] for each in (event, taking, had)]

    plain = (
        "name,email,status,waitlist_position,registered_at,confirmed_at,cancelled_at,"
        "checked_in_at,ticket_code,registration_id,event_id,event_name"
    )
    assert headers == [plain, *[f"{plain},party_size,admitted_count,guests"] * 2]


@pytest.mark.parametrize("format_", EXPORTS)
def test_every_format_renders_times_like_the_list(olga, event, export, signed_in, format_):
    later = {"confirmed_at": timedelta(hours=3), "checked_in_at": timedelta(microseconds=120)}
    for name, delay in later.items():
        row = registered(event, name=name)
        Registration.objects.filter(pk=row.pk).update(**{name: row.registered_at + delay})
    zone = "timezone=America/St_Johns"
    listed = signed_in(olga).get(f"/api/events/{event.pk}/attendees/?{zone}").json()["results"]
    times = [column.name for column in COLUMNS if column.kind == "time"]

    rows = rows_of(format_, export(event, f"format={format_}&{zone}")[1])

    assert {row["name"]: [row[time] or None for time in times] for row in rows} == {
        row["name"]: [row.get(time) for time in times] for row in listed
    }
    assert [row["confirmed_at"] == row["registered_at"] for row in rows] == [False, True]


def test_a_zone_that_the_database_does_not_know_is_refused(fair):
    with (files("tzdata.zoneinfo") / "UTC").open("rb") as file:
        zone = ZoneInfo.from_file(file, key="Mars/Olympus_Mons")
    pieces = EXPORTS["csv"].pieces(fair, Registration.objects.all(), zone, Options())

    with pytest.raises(InvalidTimezone, match="Mars/Olympus_Mons"):
        next(pieces)

    assert Registration.objects.count() == 3  # the transaction around it goes on


def test_a_spreadsheet_holds_text_and_no_formulas(fair, export):
    sheet = load_workbook(io.BytesIO(export(fair, "format=xlsx")[1])).active

    assert sheet["A3"].value == "=cmd()"
    assert sheet["A3"].data_type == "s"


@pytest.mark.parametrize(
    "name", ["<b> & </b>", ' "quoted" ', "&amp;", "]]>", "100 %", "%s {0}", "Zoë 🎉", "a\tb"]
)
def test_a_spreadsheet_preserves_any_text(event, export, name):
    registered(event, name=name)

    assert load_workbook(io.BytesIO(export(event, "format=xlsx")[1])).active["A2"].value == name


@pytest.mark.parametrize(("letter", "length"), [("a", 32_767), ("é", 32_767), ("🎉", 16_383)])
def test_a_spreadsheet_has_no_longer_text_than_a_cell_holds(olga, export, letter, length):
    event = EventFactory(organizer=olga, max_party_size=2)
    registered(event, party_size=2, guests=[{"name": letter * 40_000, "email": None}])

    sheet = load_workbook(io.BytesIO(export(event, "format=xlsx")[1])).active
    guests = sheet.cell(2, len(NAMES) + 3).value
    (row,) = rows_of("json", export(event, "format=json")[1])

    assert len(guests) == length
    assert row["guests"].startswith(guests)
    assert len(row["guests"]) > 40_000


def test_a_spreadsheet_leaves_out_characters_that_xml_cannot_represent(event, export):
    registered(event, name="a\x01b\ufffe_x0041_c")

    with ZipFile(io.BytesIO(export(event, "format=xlsx")[1])) as archive:
        sheet = ElementTree.fromstring(archive.read("xl/worksheets/sheet1.xml"))
        others = [ElementTree.fromstring(archive.read(name)) for name in archive.namelist()]

    texts = [text.text for text in sheet.findall(".//{*}t")]
    assert texts[len(NAMES)] == "ab_x005F_x0041_c"
    assert len(others) == 6


def test_a_spreadsheet_escapes_each_character_that_occurs_alone(event, export):
    kept = {"a&": "a&", "a<": "a<", "a>": "a>", "_x0041_": "_x005F_x0041_", "_x": "_x"}
    left_out = {f"a{chr(code)}": "a" for code in (1, 8, 11, 12, 14, 31, 0xFFFE, 0xFFFF)}
    for name in kept | left_out:
        registered_silently(event, name=name)

    with ZipFile(io.BytesIO(export(event, "format=xlsx")[1])) as archive:
        sheet = ElementTree.fromstring(archive.read("xl/worksheets/sheet1.xml"))

    cells = sheet.findall(".//{*}row/{*}c[1]//{*}t")[1:]
    assert [cell.text for cell in cells] == list((kept | left_out).values())


def test_a_spreadsheet_continues_on_another_sheet(fair, export, monkeypatch):
    monkeypatch.setattr(XlsxExport, "rows_of_a_sheet", 3)

    workbook = load_workbook(io.BytesIO(export(fair, "format=xlsx")[1]))

    assert [sheet.max_row for sheet in workbook] == [3, 2]


@pytest.mark.parametrize("format_", EXPORTS)
def test_a_disconnect_ends_the_query(fair, format_):
    rows = Registration.objects.filter(event=fair)
    pieces = EXPORTS[format_].pieces(fair, rows, ZoneInfo("Asia/Kolkata"), Options())
    started = StreamedPieces(pieces)

    started.close()

    assert getgeneratorstate(pieces) == GEN_CLOSED
    with connection.cursor() as cursor:  # usable, and as it was
        cursor.execute("SHOW TimeZone")
        assert cursor.fetchone()[0] == "UTC"
        cursor.execute("SELECT count(*) FROM pg_cursors WHERE name <> ''")
        assert cursor.fetchone()[0] == 0


def test_a_response_closes_its_stream(olga, fair, signed_in):
    response = signed_in(olga).get(f"/api/events/{fair.pk}/attendees/export/")

    assert any(isinstance(closer.__self__, StreamedPieces) for closer in response._resource_closers)
    response.close()


def _select(event: Event, options: Options) -> tuple[str, dict]:
    rows = Registration.objects.filter(event=event)
    return attendee_select(event, rows, UTC, options, columns_of(event, options))


def plan_of(select: str, parameters: dict) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (COSTS OFF) {select}", parameters)
        return "\n".join(line for (line,) in cursor.fetchall())


@pytest.mark.parametrize("ordering", ["registered_at", "-registered_at", "email"])
def test_an_index_sorts_the_export(event, ordering):
    select, parameters = _select(event, Options(ordering=ordering))

    with connection.cursor() as cursor:  # as with many rows
        for method in ("seqscan", "bitmapscan", "sort"):
            cursor.execute(f"SET LOCAL enable_{method} = off")

    assert "Sort" not in plan_of(select, parameters)


def test_a_long_queue_is_not_scanned_for_each_row(event):
    select, parameters = _select(event, Options())

    plan = plan_of(select, parameters)

    assert "Join" not in plan
    assert "Nested Loop" not in plan
    assert "InitPlan" in plan


def test_concurrent_exports_are_limited(fair, olga, signed_in, monkeypatch):
    monkeypatch.setattr(FILES, "_free", BoundedSemaphore(1))
    monkeypatch.setattr(FILES, "wait_seconds", 0)
    client, path = signed_in(olga), f"/api/events/{fair.pk}/attendees/export/"

    client.raise_request_exception = False

    first = StreamedPieces(piece for piece in (b"slow", b"reader"))
    second = client.get(path)
    first.close()
    third = client.get(path)

    assert (second.status_code, second["Retry-After"]) == (503, "5")
    assert second.json()["code"] == "temporarily_unavailable"
    assert third.status_code == 200
    assert b"".join(third.streaming_content).count(b"\r\n") == 4


def test_all_rows_are_read_before_the_second_piece_is_sent(fair, monkeypatch):
    monkeypatch.setattr("registrations.exports.formats.PIECE_BYTES", 1)
    rows = Registration.objects.filter(event=fair)
    pieces = EXPORTS["csv"].pieces(fair, rows, ZoneInfo("Asia/Kolkata"), Options())
    streamed = StreamedPieces(pieces)

    next(streamed)
    next(streamed)

    assert getgeneratorstate(pieces) == GEN_CLOSED
    streamed.close()
