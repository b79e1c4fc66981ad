"""Files that are made to break a reader: a clear error in bounded time, never a fault of ours."""

import io
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.tests.test_tables import HEADER, MAIN, PACKAGE, REL, book_of
from events.models import Event
from events.tests.test_importing_calendars import COURSE, TALK, ics

# A reader that runs away ends with the time limit. Most files take a tenth of a second.
pytestmark = [pytest.mark.django_db, pytest.mark.timeout(300)]

PATH = "/api/events/import/"


@pytest.fixture
def client(clock, olga, signed_in):
    return signed_in(olga)


def send(client, body: bytes, content_type: str = "application/octet-stream"):
    return client.generic("POST", f"{PATH}?skip_errors=true", body, content_type=content_type)


def entries(number: int, rule: str) -> bytes:
    entry = "UID:{}\nSUMMARY:x\nDTSTART:20270301T100000Z\n{}\n"
    return ics(*(entry.format(index, rule) for index in range(number)))


HOSTILE = {
    "components": b"BEGIN:VCALENDAR\r\n" + b"BEGIN:X\r\nEND:X\r\n" * 100_000,
    "open components": b"BEGIN:VCALENDAR\r\n" + b"BEGIN:X\r\n" * 100_000,
    "open events": b"BEGIN:VCALENDAR\r\n" + b"BEGIN:VEVENT\r\n" * 100_000,
    "events": b"BEGIN:VCALENDAR\r\n" + b"BEGIN:VEVENT\r\nEND:VEVENT\r\n" * 100_000,
    "carriage returns": b"BEGIN:VCALENDAR" + b"\r" * 4_000_000,
    "folds": b"BEGIN:VCALENDAR\r\nX:" + b"\r\n " * 1_000_000,
    "parameters": b"BEGIN:VCALENDAR\r\nX" + b';a="' * 1_000_000,
    "quotes": b"BEGIN:VCALENDAR\r\nX" + b';a=""' * 800_000,
    "a long line": ics(TALK + "DESCRIPTION:" + "x" * 4_000_000 + "\n"),
    "a long unread line": ics(TALK + "X-LONG:" + "x" * 4_000_000 + "\n"),
    "a long UID": ics("UID:" + "x" * 90_000 + "\nSUMMARY:x\nDTSTART:20270301T100000Z\n"),
    "exclusions": ics(COURSE + "EXDATE:" + ",".join(["20270308T170000Z"] * 5_000) + "\n"),
    "dates": ics(TALK + "RDATE:" + ",".join(f"2028{i // 28 % 12 + 1:02}{i % 28 + 1:02}"
                                            for i in range(5_000)) + "\n"),
    "rules": entries(500, "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"),
    "rules by the second": entries(6, "RRULE:FREQ=SECONDLY;BYHOUR=3;COUNT=366"),
    "rare rules": entries(300, "RRULE:FREQ=MINUTELY;INTERVAL=9999;BYMONTHDAY=29;BYMONTH=2"),
    "daily rules": entries(6, "RRULE:FREQ=DAILY;COUNT=366"),
    "a rule with all": ics(TALK + "RRULE:FREQ=YEARLY;BYSECOND=" + ",".join(map(str, range(60)))
                           + ";BYMINUTE=" + ",".join(map(str, range(60))) + "\n"),
    "zones": ics(
        *(f"UID:{i}\nSUMMARY:x\nDTSTART;TZID=Z{i}:20270301T100000\n" for i in range(1_000)),
        head="".join(
            f"BEGIN:VTIMEZONE\nTZID:Z{i}\nBEGIN:STANDARD\nDTSTART:19700101T000000\n"
            f"TZOFFSETFROM:+0100\nTZOFFSETTO:+{i % 24:02}{i % 60:02}\nRRULE:FREQ=SECONDLY\n"
            "END:STANDARD\nEND:VTIMEZONE\n"
            for i in range(1_000)
        ),
    ),
    "years of a zone": ics(
        *(f"UID:{i}\nSUMMARY:x\nDTSTART;TZID=Z:{1900 + i}0301T100000\n" for i in range(500)),
        head="BEGIN:VTIMEZONE\nTZID:Z\nBEGIN:STANDARD\nDTSTART:16010101T000000\n"
        "TZOFFSETFROM:+0100\nTZOFFSETTO:+0123\nRRULE:FREQ=DAILY\nEND:STANDARD\nEND:VTIMEZONE\n",
    ),
    "one UID": ics(*([TALK] * 1_000)),
    "overrides": ics(COURSE, *(f"UID:course@example.org\nSUMMARY:x\nDTSTART:20270301T100000Z\n"
                               f"RECURRENCE-ID:20270301T{i // 60 % 24:02}{i % 60:02}00Z\n"
                               for i in range(1_400))),
    "big numbers": ics(TALK + "SEQUENCE:" + "9" * 5_000 + "\n"),
    "a big INTERVAL": ics(TALK + "RRULE:FREQ=DAILY;INTERVAL=" + "9" * 5_000 + "\n"),
    "nulls": ics(TALK).replace(b"A talk", b"A\x00talk"),
    "only nulls": b"\x00" * 100_000,
    "half of a pair": b"\xff\xfe" + "name,location,start_time\n".encode("utf-16-le") + b"\x00\xd8",
    "a broken mark": b"\xff\xfe\x00",
    "columns": b"name," * 1_000_000,
    "a long header": b"name,location,start_time," + b"x" * 130_000 + b"\nA,B,C\n",
    "separators": b"name,location,start_time\n" + b"," * 1_000_000,
    "lines": b"name,location,start_time\n" + b",,\n" * 1_000_000,
    "bad rows": b"name,location,start_time\n" + b"a,b,c\n" * 1_000,
    "open quotes": b'name,location,start_time\n"' + b'""' * 1_000_000,
    "quoted rows": b"name,location,start_time\n" + b'"a"b,c,d\n' * 9_000,
    "a packed gigabyte": b"",  # made below
    "a packed row": book_of(f"<worksheet {MAIN}><sheetData>{HEADER}<row>" + "<c/>" * 2_000_000),
    "a truncated archive": book_of(f"<worksheet {MAIN}><sheetData>{HEADER}")[:-30],
}  # fmt: skip


def _packed_gigabyte() -> bytes:
    rels = (
        f'<Relationships {PACKAGE}><Relationship Id="s" Type="{REL}/worksheet" '
        'Target="big.xml"/></Relationships>'
    )
    content = io.BytesIO(book_of("", **{"xl/_rels/workbook.xml.rels": rels}))
    names = "".join(f"<c t='str'><v>{name}</v></c>" for name in ("name", "location", "start_time"))
    with (
        zipfile.ZipFile(content, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("xl/big.xml", "w", force_zip64=True) as sheet,
    ):
        sheet.write(f"<worksheet {MAIN}><sheetData><row>{names}</row>".encode())
        for _ in range(1024):
            sheet.write(b" " * 1024 * 1024)
    return content.getvalue()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_or_imported_in_bounded_time(client, name):
    body = HOSTILE[name] or _packed_gigabyte()

    response = send(client, body)

    assert response.status_code in {201, 400, 413}, response.content[:300]
    if response.status_code == 400:
        assert response.json()["errors"]


MARKS = [
    f"{line}\r\n".encode()
    for line in (
        "BEGIN:VCALENDAR", "BEGIN:VEVENT", "END:VEVENT", "DTSTART:20270301T100000Z",
        "RRULE:FREQ=DAILY;COUNT=3", "SUMMARY:x", "UID:1", "EXDATE:20270302", "RDATE:20270309",
        "RECURRENCE-ID:20270302T100000Z", "RDATE;VALUE=PERIOD:20270305T090000Z/PT3H", "TZID:Z",
        "DTSTART;TZID=Z:20270301T100000", "BEGIN:VTIMEZONE", "DURATION:P1D", "STATUS:CANCELLED",
        "CATEGORIES:a,b", "METHOD:CANCEL", "GEO:1;2", "CLASS:PRIVATE", "SEQUENCE:3",
        "name,location,start_time", "x,y,2027-03-01T10:00:00", " ", "\x00",
    )
]  # fmt: skip


@given(parts=st.lists(st.one_of(st.sampled_from(MARKS), st.binary(max_size=20)), max_size=40))
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_mixture_is_refused_or_imported(client, parts):
    calendar = b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n" + b"".join(parts)

    for body in (b"".join(parts), calendar + b"END:VEVENT\r\n"):
        assert send(client, body).status_code in {201, 400}


@given(data=st.data())
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_damaged_calendar_is_refused_or_imported(client, data):
    content = bytearray(ics(COURSE + "EXDATE:20270315T170000Z\nRDATE:20270303T170000Z\n", TALK))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))

    assert send(client, bytes(content)).status_code in {201, 400}
    Event.objects.filter(series=None).delete()
