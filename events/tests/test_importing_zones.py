"""The zones of TZIDs, and other properties of calendars by various programs."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from events.calendars.timezones import vtimezone
from events.importing import import_rows, read_ics
from events.importing.ics_files import Calendar, read_components
from events.importing.zones import UnknownZone, ZoneResolver
from events.models import Event
from events.tests.test_importing_calendars import COURSE, TALK, ics

pytestmark = pytest.mark.usefixtures("clock")


def standard(offset: str, *, before: str = "", name: str = "Zone1", more: str = "") -> str:
    return (
        f"BEGIN:VTIMEZONE\nTZID:{name}\n{more}BEGIN:STANDARD\nDTSTART:19700101T000000\n"
        f"TZOFFSETFROM:{before or offset}\nTZOFFSETTO:{offset}\nEND:STANDARD\nEND:VTIMEZONE\n"
    )


def resolved(name: str, definition: str = "", *, year: int = 2027, organizer: str = "UTC"):
    file = read_components(ics(head=definition))
    return ZoneResolver(file.calendars, organizer).resolve(name, file.calendars[0], year)


def redefined(zone: str, name: str = "Zone1") -> str:
    """Our own VTIMEZONE of a zone, under another name."""
    text = vtimezone(zone, 2027, 2028).decode().replace("\r\n", "\n")
    return text.replace(f"TZID:{zone}", f"TZID:{name}")


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        ("EUROPE/BERLIN", "Europe/Berlin"),
        ("W. Europe Standard Time", "Europe/Berlin"),
        ("India Standard Time", "Asia/Kolkata"),
        ("w. europe standard time", "Europe/Berlin"),
        ("TOKYO STANDARD TIME", "Asia/Tokyo"),
        ("/freeassociation.sourceforge.net/America/New_York", "America/New_York"),
        ("/mozilla.org/20050126_1/America/Argentina/Buenos_Aires",
         "America/Argentina/Buenos_Aires"),
        ("UTC+01", "Etc/GMT-1"),
        ("GMT+0100", "Etc/GMT-1"),
        ("utc-11:00", "Etc/GMT+11"),
        ("-0500", "Etc/GMT+5"),
        ("+0530", "Asia/Calcutta"),
        ("UTC+00:00", "UTC"),
    ],
)  # fmt: skip
def test_names_of_zones(name, zone):
    assert resolved(name) == zone


def test_an_iana_name_precedes_the_files_own_definition():
    definition = standard("+0900", name="Europe/Berlin", more="X-LIC-LOCATION:Asia/Tokyo\n")

    assert resolved("Europe/Berlin", definition) == "Europe/Berlin"


def test_a_windows_name_precedes_x_lic_location():
    definition = standard(
        "+0900", name="W. Europe Standard Time", more="X-LIC-LOCATION:Asia/Tokyo\n"
    )

    assert resolved("W. Europe Standard Time", definition) == "Europe/Berlin"


def test_x_lic_location_precedes_the_rules():
    definition = standard("+0900", more="X-LIC-LOCATION:Europe/Berlin\n")

    assert resolved("Zone1", definition) == "Europe/Berlin"


@pytest.mark.parametrize(
    ("zone", "first"),
    [
        ("Europe/Berlin", "Africa/Ceuta"),
        ("America/New_York", "America/Detroit"),
        ("Asia/Kolkata", "Asia/Calcutta"),
        ("Australia/Lord_Howe", "Australia/LHI"),
        ("Asia/Kathmandu", "Asia/Kathmandu"),
        ("America/Santiago", "America/Santiago"),
        ("Europe/Dublin", "Atlantic/Canary"),
        ("Asia/Gaza", "Asia/Gaza"),
    ],
)
def test_rules_name_the_organizers_zone_or_one_with_the_same_clocks(zone, first):
    definition = redefined(zone)

    resolved_zones = resolved("Zone1", definition)

    assert resolved("Zone1", definition, organizer=zone) == zone
    for month in range(1, 73):
        moment = datetime(2027 + (month - 1) // 12, (month - 1) % 12 + 1, 15, tzinfo=UTC)
        offsets = {moment.astimezone(ZoneInfo(name)).utcoffset() for name in (zone, resolved_zones)}
        assert len(offsets) == 1
    assert resolved_zones == first


def test_rules_are_compared_from_the_events_year_on():
    """Germany had other rules before 1996, which this definition does not know."""
    definition = (
        "BEGIN:VTIMEZONE\nTZID:Zone1\n"
        "BEGIN:DAYLIGHT\nDTSTART:20200329T020000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\n"
        "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\nEND:DAYLIGHT\n"
        "BEGIN:STANDARD\nDTSTART:20201025T030000\nTZOFFSETFROM:+0200\nTZOFFSETTO:+0100\n"
        "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\nEND:STANDARD\nEND:VTIMEZONE\n"
    )

    assert resolved("Zone1", definition, organizer="Europe/Berlin") == "Europe/Berlin"
    with pytest.raises(UnknownZone):
        resolved("Zone1", definition, year=1990)


@pytest.mark.parametrize(
    "definition",
    [
        "",
        standard("+0123"),
        standard("nonsense"),
        "BEGIN:VTIMEZONE\nTZID:Zone1\nEND:VTIMEZONE\n",
        standard("+0100").replace("DTSTART:19700101T000000\n", "DTSTART:yesterday\n"),
        standard("+0100").replace("END:STANDARD", "RRULE:FREQ=SECONDLY\nEND:STANDARD", 1).replace(
            "TZOFFSETTO:+0100", "TZOFFSETTO:+0217"
        ),
    ],
)  # fmt: skip
def test_rules_of_no_zone_are_refused(definition):
    with pytest.raises(UnknownZone, match="no zone of the IANA database"):
        resolved("Zone1", definition)


def test_an_offset_that_no_zone_has_keeps_the_instant(db, olga):
    entry = "UID:1\nSUMMARY:x\nDTSTART;TZID=UTC+01:23:20270301T100000\n"

    report = import_rows(
        read_ics(ics(entry.replace("TZID=UTC+01:23", 'TZID="UTC+01:23"'))).rows, olga
    )

    event = Event.objects.get()
    assert report.errors == []
    assert (event.timezone, event.start_time) == ("UTC", datetime(2027, 3, 1, 8, 37, tzinfo=UTC))


def test_a_file_may_not_define_zones_without_end():
    definitions = "".join(standard("+0123", name=f"Zone{number}") for number in range(60))
    file = read_components(ics(head=definitions))
    zones = ZoneResolver(file.calendars)

    for number in range(60):
        with pytest.raises(UnknownZone) as error:
            zones.resolve(f"Zone{number}", file.calendars[0], 2027)

    assert str(error.value) == "The file defines too many zones of its own."


def test_a_definition_is_that_of_the_entrys_own_calendar_first():
    content = ics(head=standard("+0900")) + ics(head=standard("+0530"))
    file = read_components(content)
    zones = ZoneResolver(file.calendars)

    resolved_zones = [
        zones.resolve("Zone1", calendar, 2027) for calendar in (*file.calendars, Calendar())
    ]

    clocks = [
        datetime(2027, 1, 1, tzinfo=ZoneInfo(str(name))).strftime("%z") for name in resolved_zones
    ]
    assert clocks == ["+0900", "+0530", "+0900"]


# --- More of each kind --------------------------------------------------------------------------


@pytest.fixture
def imported(db, olga):
    def run(content: bytes, charset: str | None = None):
        table = read_ics(content, organizer_zone=olga.timezone, charset=charset)
        report = import_rows(table.rows, olga)
        assert [str(error) for error in report.errors] == []
        return report, table.ignored_columns

    return run


def starts(zone: str = "Europe/Berlin") -> list[str]:
    events = Event.objects.filter(status="published").order_by("start_time")
    return [f"{event.start_time.astimezone(ZoneInfo(zone)):%m-%dT%H:%M}" for event in events]


def names() -> list[str]:
    return sorted(Event.objects.values_list("name", flat=True))


@pytest.mark.parametrize(
    ("first", "second", "latest"),
    [
        ("SEQUENCE:2\nSUMMARY:A\n", "SEQUENCE:10\nSUMMARY:B\n", "B"),
        ("SEQUENCE:10\nSUMMARY:A\n", "SEQUENCE:2\nSUMMARY:B\n", "A"),
        ("LAST-MODIFIED:20270102T000000Z\nSUMMARY:A\n",
         "LAST-MODIFIED:20270101T000000Z\nSUMMARY:B\n", "A"),
        ("DTSTAMP:20270102T000000Z\nSUMMARY:A\n", "DTSTAMP:20270101T000000Z\nSUMMARY:B\n", "A"),
        ("SUMMARY:A\n", "SUMMARY:B\n", "B"),
        ("SEQUENCE:x\nSUMMARY:A\n", "SEQUENCE:-1\nSUMMARY:B\n", "B"),
    ],
)  # fmt: skip
def test_the_latest_of_several_versions(imported, first, second, latest):
    common = "UID:u\nDTSTART:20270301T100000Z\n"

    report, _ = imported(ics(common + first, common + second))

    assert names() == [latest]
    assert [note.column for note in report.notes] == ["UID"]


def test_an_older_version_that_recurs_makes_no_series(imported):
    imported(ics(COURSE, COURSE.replace("RRULE:FREQ=WEEKLY;COUNT=6\n", "") + "SEQUENCE:1\n"))

    assert starts() == ["03-01T18:00"]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("RDATE:20270305T170000Z\nEXDATE;TZID=Europe/Berlin:20270305T180000\n",
         ["03-01T18:00"]),
        ("RDATE:20270305T170000Z\nEXDATE;VALUE=DATE:20270305\n", ["03-01T18:00"]),
        ("RDATE:20270305T170000Z,20270306T170000Z\nEXDATE:20270305T170000Z\n",
         ["03-01T18:00", "03-06T18:00"]),
        ("RDATE:20270305T170000Z\nEXDATE:20270301T170000Z\n", ["03-05T18:00"]),
        ("RDATE:20270301T170000Z\n", ["03-01T18:00"]),
        ("RDATE;VALUE=PERIOD:20270305T090000Z/20270305T100000Z\n",
         ["03-01T18:00", "03-05T10:00"]),
        ("RDATE;TZID=Asia/Tokyo;VALUE=PERIOD:20270305T180000/PT2H\n",
         ["03-01T18:00", "03-05T10:00"]),
    ],
)  # fmt: skip
def test_listed_dates(imported, more, expected):
    imported(ics(TALK + more))

    assert starts() == expected


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("EXDATE;VALUE=DATE:20270302\n", ["03-01T00:00", "03-03T00:00"]),
        ("EXDATE;TZID=Europe/Berlin:20270302T000000\n", ["03-01T00:00", "03-03T00:00"]),
        ("EXDATE;TZID=America/New_York:20270302T000000\n", ["03-01T00:00", "03-03T00:00"]),
        ("EXDATE:20270302T000000Z,20270303T000000Z\n", ["03-01T00:00"]),
        ("EXDATE:20270303T120000\n", ["03-01T00:00", "03-02T00:00"]),
    ],
)
def test_whole_days_compare_by_day(imported, more, expected):
    entry = f"UID:1\nSUMMARY:x\nDTSTART;VALUE=DATE:20270301\nRRULE:FREQ=DAILY;COUNT=3\n{more}"

    imported(ics(entry))

    assert starts() == expected


def test_a_whole_day_is_moved_by_an_entry_with_a_time(imported):
    days = "UID:1\nSUMMARY:x\nDTSTART;VALUE=DATE:20270301\nRRULE:FREQ=DAILY;COUNT=3\n"
    moved = "UID:1\nSUMMARY:y\nRECURRENCE-ID:20270302T000000Z\nDTSTART:20270302T150000Z\n"

    imported(ics(days, moved))

    assert starts() == ["03-01T00:00", "03-02T16:00", "03-03T00:00"]


@pytest.mark.parametrize("privacy", ["PRIVATE", "private", "CONFIDENTIAL"])
def test_private_entries_are_drafts(imported, privacy):
    imported(ics(TALK + f"CLASS:{privacy}\nSTATUS:CONFIRMED\n"))

    assert Event.objects.get().status == "draft"


def test_a_private_series_is_a_draft(imported):
    imported(ics(COURSE + "CLASS:PRIVATE\n"))

    assert set(Event.objects.values_list("status", "series__status")) == {("draft", "draft")}


def test_a_public_entry_is_published(imported):
    imported(ics(TALK + "CLASS:PUBLIC\n"))

    assert Event.objects.get().status == "published"


LONG = "Grüße aus München, 東京 und Łódź"


def folded_at(content: bytes, cut: int, fold: bytes) -> bytes:
    return content[:cut] + fold + content[cut:]


@pytest.mark.parametrize("fold", [b"\r\n ", b"\r\r\n ", b"\n\t", b"\r\n\r\n ", b"\r ", b"\n\n\n "])
def test_text_survives_folds_at_every_byte(fold):
    content = ics(f"UID:1\nDTSTART:20270301T100000Z\nSUMMARY:{LONG}\n")
    begin, length = content.index(LONG.encode()), len(LONG.encode())

    for cut in range(begin, begin + length):
        (row,) = read_ics(folded_at(content, cut, fold)).rows
        assert row.cells["name"] == LONG


@pytest.mark.parametrize(
    ("encoding", "charset"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", None),
        ("utf-16", None),
        ("utf-16-le", "utf-16le"),
        ("cp1252", "windows-1252"),
        ("latin-1", "iso-8859-1"),
    ],
)
def test_encodings_of_calendars(imported, encoding, charset):
    text = ics("UID:1\nDTSTART:20270301T100000Z\nSUMMARY:Müsik\n").decode()

    imported(text.encode(encoding), charset)

    assert names() == ["Müsik"]


def test_each_calendar_of_a_file_has_its_own_zone(imported):
    entry = "UID:{}\nSUMMARY:x\nDTSTART:20270301T180000\n"
    tokyo = ics(entry.format(1)).replace(
        b"END:VCALENDAR", b"X-WR-TIMEZONE:Asia/Tokyo\r\nEND:VCALENDAR"
    )

    imported(tokyo + ics(entry.format(2)) + ics(entry.format(3), head="X-WR-TIMEZONE:US/Eastern\n"))

    zones = Event.objects.order_by("pk").values_list("timezone", flat=True)
    assert list(zones) == ["Asia/Tokyo", "Europe/Berlin", "US/Eastern"]
    assert starts("UTC") == ["03-01T09:00", "03-01T17:00", "03-01T23:00"]


def test_an_unknown_zone_of_a_calendar_is_reported(imported):
    entry = "UID:1\nSUMMARY:x\nDTSTART:20270301T180000\n"

    report, _ = imported(ics(entry, head="X-WR-TIMEZONE:Mars/Base\n"))

    assert [(note.column, note.code) for note in report.notes] == [
        ("X-WR-TIMEZONE", "unknown_timezone")
    ]
    assert starts() == ["03-01T18:00"]


def test_ignored_properties_are_listed(imported):
    entry = (
        TALK + "ATTENDEE:mailto:a@example.org\nX-APPLE-STRUCTURED-LOCATION:geo:1,2\n"
        "BEGIN:VALARM\nTRIGGER:-PT15M\nEND:VALARM\n"
    )

    _, ignored = imported(ics(entry, head="X-WR-CALNAME:Mine\nBEGIN:VTODO\nUID:t\nEND:VTODO\n"))

    assert ignored == [
        "X-WR-CALNAME", "VTODO", "ATTENDEE", "X-APPLE-STRUCTURED-LOCATION", "VALARM",
    ]  # fmt: skip


def test_a_place_on_the_map_is_read(imported):
    imported(ics(TALK + "GEO:52.520008;13.404954\n"))

    event = Event.objects.get()
    assert (event.latitude, event.longitude) == (52.520008, 13.404954)


@pytest.mark.parametrize(
    ("times", "hours"),
    [
        ("DTSTART;VALUE=DATE:20270301\nDTEND;VALUE=DATE:20270301\n", 24),
        ("DTSTART;VALUE=DATE:20270301\nDTEND;VALUE=DATE:20270228\n", 24),
        ("DTSTART;VALUE=DATE:20270328\nDTEND;VALUE=DATE:20270328\n", 23),
        ("DTSTART;VALUE=DATE:20270301\nDTEND;VALUE=DATE:20270302\n", 24),
    ],
)
def test_whole_days_have_a_length(imported, times, hours):
    imported(ics(f"UID:1\nSUMMARY:x\n{times}"))

    event = Event.objects.get()
    assert (event.end_time - event.start_time).total_seconds() == hours * 3600


@pytest.mark.parametrize(
    ("rule", "number", "last"),
    [
        ("FREQ=DAILY;UNTIL=20260101T090000Z", 366, "2026-01-01"),
        ("FREQ=HOURLY;UNTIL=20210301T090000Z", 366, "2021-03-01"),
        ("FREQ=WEEKLY;UNTIL=20220301T090000Z", 105, "2022-02-27"),
        ("FREQ=DAILY;UNTIL=20270601T080000Z", 137, "2027-06-01"),
    ],
)
def test_a_long_series_is_imported_as_far_as_allowed(imported, rule, number, last):
    entry = f"UID:1\nSUMMARY:x\nDTSTART;TZID=Europe/Berlin:20200301T100000\nRRULE:{rule}\n"

    imported(ics(entry))

    events = Event.objects.order_by("start_time")
    assert (events.count(), f"{events.last().start_time:%Y-%m-%d}") == (number, last)
