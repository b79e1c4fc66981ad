"""`manage.py import_events FILE.ics`: calendars of other programs."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from config.api.files.csv_rows import ImportRefused
from conftest import NOW
from events.importing import ics_files, import_rows, read_ics
from events.models import Event, Series
from events.services import fill_series
from events.tests.factories import EventFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

TALK = """\
UID:talk@example.org
DTSTART:20270301T170000Z
DTEND:20270301T180000Z
SUMMARY:A talk
LOCATION:Hall 1
"""
COURSE = """\
UID:course@example.org
DTSTART;TZID=Europe/Berlin:20270301T180000
DTEND;TZID=Europe/Berlin:20270301T193000
RRULE:FREQ=WEEKLY;COUNT=6
SUMMARY:A course
LOCATION:Room 2
"""


def ics(*entries: str, head: str = "") -> bytes:
    body = "".join(f"BEGIN:VEVENT\n{entry}END:VEVENT\n" for entry in entries)
    text = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//x//EN\n{head}{body}END:VCALENDAR\n"
    return text.replace("\n", "\r\n").encode()


def imported(content: bytes, organizer, **options):
    return import_rows(
        read_ics(content, organizer_zone=organizer.timezone).rows, organizer, **options
    )


def the_event() -> Event:
    return Event.objects.get()


def starts() -> list[str]:
    values = Event.objects.order_by("start_time").values_list("start_time", flat=True)
    return [f"{start:%Y-%m-%dT%H:%M}" for start in values]


def faults(content: bytes, organizer) -> list[str]:
    return [str(error) for error in imported(content, organizer).errors]


def test_an_entry_becomes_an_event(olga):
    entry = TALK + (
        "DESCRIPTION:First line\\nsecond\\, with a comma and\n"
        "  a folded end\n"
        "CATEGORIES:Talks,Other\nURL:https://example.org/talk\nSTATUS:CONFIRMED\n"
        "BEGIN:VALARM\nTRIGGER:-PT15M\nDESCRIPTION:Hurry\nEND:VALARM\n"
    )

    report = imported(ics(entry), olga)

    event = the_event()
    assert (report.created, report.refused, report.saved) == (1, 0, True)
    assert report.new_categories == ["talks"]
    assert (event.name, event.location, event.status) == ("A talk", "Hall 1", "published")
    assert event.description == (
        "First line\nsecond, with a comma and a folded end\n\nhttps://example.org/talk"
    )
    assert event.start_time == datetime(2027, 3, 1, 17, tzinfo=UTC)
    assert event.end_time == datetime(2027, 3, 1, 18, tzinfo=UTC)
    assert event.timezone == "Europe/Berlin"  # the organizer's: UTC says nothing of the place


@pytest.mark.parametrize(
    ("times", "start", "length"),
    [
        ("DTSTART;TZID=Asia/Kolkata:20270301T180000", "2027-03-01T12:30", 1),
        ("DTSTART;TZID=W. Europe Standard Time:20270701T180000", "2027-07-01T16:00", 1),
        ('DTSTART;TZID="India Standard Time":20270301T180000', "2027-03-01T12:30", 1),
        ("DTSTART;TZID=/example.org/20260101_1/America/New_York:20270301T180000",
         "2027-03-01T23:00", 1),
        ("DTSTART;TZID=america/new_york:20270301T180000", "2027-03-01T23:00", 1),
        ("DTSTART;TZID=My zone:20270301T180000", "2027-03-01T09:00", 1),
        ("DTSTART;TZID=UTC:20270301T180000", "2027-03-01T18:00", 1),
        ("DTSTART:20270301T180000", "2027-03-01T17:00", 1),
        ("DTSTART:20270301T180000Z\nDTEND:20270301T180000Z", "2027-03-01T18:00", 1),
        ("DTSTART:20270301T180000Z\nDURATION:PT90M", "2027-03-01T18:00", 1.5),
        ("DTSTART;VALUE=DATE:20270301", "2027-02-28T23:00", 24),
        ("DTSTART;VALUE=DATE:20270301\nDTEND;VALUE=DATE:20270304", "2027-02-28T23:00", 72),
        ("DTSTART;VALUE=DATE:20270301\nDURATION:P2D", "2027-02-28T23:00", 48),
        # Summer time begins in the night: a day has 23 hours, 24 hours are 24.
        ("DTSTART;TZID=Europe/Berlin:20270327T180000\nDURATION:P1D", "2027-03-27T17:00", 23),
        ("DTSTART;TZID=Europe/Berlin:20270327T180000\nDURATION:PT24H", "2027-03-27T17:00", 24),
        ("DTSTART;TZID=Europe/Berlin:20270328T023000", "2027-03-28T01:30", 1),  # skipped
    ],
)  # fmt: skip
def test_times_of_a_calendar(olga, times, start, length):
    entry = f"UID:1\nSUMMARY:x\nLOCATION:y\n{times}\n"
    zone = "BEGIN:VTIMEZONE\nTZID:My zone\nX-LIC-LOCATION:Asia/Tokyo\nEND:VTIMEZONE\n"

    report = imported(ics(entry, head=zone), olga)

    assert report.errors == []
    event = the_event()
    assert f"{event.start_time:%Y-%m-%dT%H:%M}" == start
    assert event.end_time - event.start_time == timedelta(hours=length)


def test_a_calendar_may_name_the_zone_of_its_floating_times(olga):
    entry = "UID:1\nSUMMARY:x\nDTSTART:20270301T180000\n"

    imported(ics(entry, head="X-WR-TIMEZONE:Asia/Kolkata\n"), olga)

    event = the_event()
    assert (event.timezone, event.location) == ("Asia/Kolkata", "To be announced")
    assert event.start_time == datetime(2027, 3, 1, 12, 30, tzinfo=UTC)


def test_an_entry_that_recurs_becomes_a_series(anyone, olga):
    report = imported(ics(COURSE + "EXDATE;TZID=Europe/Berlin:20270315T180000\n", TALK), olga)

    series = Series.objects.get()
    assert (report.created, report.series, report.occurrences) == (2, 1, 5)
    assert (series.rule, series.excluded) == ("FREQ=WEEKLY;COUNT=6", ["2027-03-15T17:00:00Z"])
    events = Event.objects.filter(series=series).order_by("start_time")
    assert [event.start_time.strftime("%m-%dT%H:%M") for event in events] == [
        "03-01T17:00",
        "03-08T17:00",
        "03-22T17:00",
        "03-29T16:00",  # summer time
        "04-05T16:00",
    ]
    assert {event.end_time - event.start_time for event in events} == {timedelta(minutes=90)}
    assert anyone.get(f"/api/series/{series.pk}/").json()["occurrence_count"] == 5


def test_an_occurrence_that_was_moved_or_called_off_is_so(olga):
    moved = (
        "UID:course@example.org\nRECURRENCE-ID;TZID=Europe/Berlin:20270308T180000\n"
        "DTSTART;TZID=Europe/Berlin:20270309T200000\nSUMMARY:A course, on Tuesday\n"
    )
    off = (
        "UID:course@example.org\nRECURRENCE-ID:20270315T170000Z\nDTSTART:20270315T170000Z\n"
        "SUMMARY:A course\nSTATUS:CANCELLED\n"
    )

    report = imported(ics(moved, COURSE, off), olga)

    events = list(Event.objects.order_by("start_time"))
    assert (report.created, len(events)) == (1, 6)
    assert (events[1].name, events[1].edited_by_hand) == ("A course, on Tuesday", True)
    assert events[1].start_time == datetime(2027, 3, 9, 19, tzinfo=UTC)
    assert events[1].nominal_start == datetime(2027, 3, 8, 18)
    assert [event.status for event in events] == ["published"] * 2 + ["cancelled"] + [
        "published"
    ] * 3


def test_an_endless_series_begins_with_coming_occurrences_and_is_filled(clock, olga):
    entry = COURSE.replace("20270301", "20200106").replace(";COUNT=6", "")

    imported(ics(entry), olga)
    clock.move_to(NOW + timedelta(days=8))

    assert starts()[0] == "2027-01-18T17:00"
    assert Event.objects.count() == 52
    assert fill_series() == 1


def test_dates_that_are_listed_are_made_as_well(olga):
    imported(ics(COURSE + "RDATE;VALUE=DATE:20270303\nRDATE:20270304T090000Z\n"), olga)

    assert starts()[:4] == [
        "2027-03-01T17:00",
        "2027-03-03T17:00",
        "2027-03-04T09:00",
        "2027-03-08T17:00",
    ]
    assert Event.objects.filter(series=None).count() == 0


def test_a_cancelled_entry_is_a_cancelled_event(olga):
    imported(ics(TALK + "STATUS:CANCELLED\n"), olga)

    assert (the_event().status, the_event().cancelled_at) == ("cancelled", NOW)


def test_a_calendar_can_be_imported_again(olga):
    imported(ics(COURSE, TALK), olga)
    count = Event.objects.count()

    report = imported(ics(COURSE, TALK.replace("A talk", "Renamed")), olga)

    assert (report.created, report.unchanged) == (0, 2)
    assert Event.objects.count() == count


def test_our_own_calendar_comes_back_as_it_was(anyone, olga, max_):
    event = EventFactory(organizer=olga, name="Täglich; 5, 6 \\ 7", description="a\nb" * 60)
    content = anyone.get(f"/api/events/{event.pk}/calendar.ics").content

    report = imported(content, max_)

    copy = Event.objects.get(organizer=max_)
    assert report.errors == []
    assert (copy.name, copy.location) == (event.name, event.location)
    assert copy.description.startswith(event.description)
    assert copy.start_time == event.start_time.replace(microsecond=0)
    assert copy.timezone == "Europe/Berlin"


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("UID:1\nSUMMARY:x\n", "line 4, DTSTART: The property is missing."),
        ("UID:1\nDTSTART:20270301T180000Z\n", "line 4, SUMMARY: Send a name."),
        (TALK + "DTSTART:20270302T170000Z\n", "line 4, DTSTART: The property is given twice."),
        (TALK.replace("20270301T17", "20270230T17"), "line 4, DTSTART: "),
        (TALK.replace("20270301T17", "00010101T00"), "line 4, DTSTART: Choose a year from 1900"),
        (TALK.replace("20270301T18", "99991231T23"), "line 4, DTEND: Choose a year up to 9000."),
        (TALK.replace("20270301T18", "20270301T16"), "line 4, DTEND: The end must be after"),
        ("UID:1\nSUMMARY:x\nDTSTART;TZID=Mars/Olympus:20270301T180000\n",
         "line 4, TZID: 'Mars/Olympus' is no zone"),
        ("UID:1\nSUMMARY:x\nDTSTART;TZID=Asia/Tokyo:00010101T000000\n", "line 4, DTSTART: "),
        ("UID:1\nSUMMARY:x\nDTSTART:20270301T180000Z\nDURATION:-P1D\n", "line 4, DTEND: "),
        ("UID:1\nSUMMARY:x\nDTSTART:20270301T180000Z\nDURATION:P99999999D\n",
         "line 4, DURATION: The end is beyond the calendar."),
        (TALK.replace("SUMMARY:A talk", "SUMMARY:" + "x" * 201), "line 4, SUMMARY: "),
        (TALK + "DESCRIPTION:" + "x" * 10_001 + "\n", "line 4, DESCRIPTION: "),
        (TALK + "DESCRIPTION:" + "x" * 200_000 + "\n", "line 4: The entry has more than"),
        (TALK + "STATUS:MAYBE\n", "line 4, STATUS: Write CONFIRMED"),
        (COURSE.replace("WEEKLY", "WEEKLY;BYMONTHDAY=3"), "line 4, RRULE: BYMONTHDAY does not go"),
        (COURSE.replace("COUNT=6", "COUNT=2000000000"), "line 4, RRULE: The rule gives more"),
        (COURSE.replace("WEEKLY;COUNT=6", "YEARLY;BYMONTH=2;BYMONTHDAY=30"), "line 4, RRULE: "),
        (COURSE.replace("COUNT=6", "UNTIL=20260101"), "line 4, RRULE: The rule gives no"),
        (COURSE.replace("COUNT=6", "COUNT=x"), "line 4, RRULE: "),
        ("UID:1\nSUMMARY:x\nDTSTART:20270301T180000Z\nRDATE:"
         + ",".join(f"202{y}{m:02}{d:02}" for y in "78" for m in range(1, 13) for d in range(1, 29))
         + "\n", "line 4, RRULE: There are more than 366"),
    ],
)  # fmt: skip
def test_errors_of_an_entry_are_reported_with_its_line(olga, entry, expected):
    (output,) = faults(ics(entry), olga)

    assert output.startswith(expected)
    assert not Event.objects.exists()


def test_one_bad_entry_leaves_the_others_to_who_wants_them(olga):
    bad = COURSE.replace("WEEKLY", "OFTEN")

    assert imported(ics(bad, TALK), olga).saved is False
    assert Event.objects.count() == 0
    assert imported(ics(bad, TALK), olga, skip_errors=True).created == 1
    assert the_event().name == "A talk"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no iCalendar file"),
        (b"name,location\n", "no iCalendar file"),
        (b"BEGIN:VCALENDAR\r\nX:\xff\xfe\r\n", "Line 2 is not UTF-8"),
    ],
)
def test_a_file_that_is_no_calendar_is_refused(olga, content, reason):
    with pytest.raises(ImportRefused, match=reason):
        imported(content, olga)


def test_a_file_without_end_is_refused(monkeypatch, olga):
    monkeypatch.setattr(ics_files, "MAX_BYTES", 1000)

    with pytest.raises(ImportRefused, match="Split it"):
        imported(ics(*[TALK] * 20), olga)


@pytest.mark.parametrize(
    "content",
    [
        ics(TALK).replace(b"END:VEVENT\r\n", b"").replace(b"END:VCALENDAR\r\n", b""),
        b"BEGIN:VCALENDAR\r\n" + b"BEGIN:VEVENT\r\n" * 5000 + b"END:VEVENT\r\n" * 5000,
        ics("nonsense\n"),
        ics("\x00\n"),
        ics(";;;:::\nDTSTART\n:x\n"),
        ics(TALK + "RECURRENCE-ID;RANGE=THISANDFUTURE:20270301T170000Z\n"),
    ],
)
def test_a_broken_entry_is_one_bad_row(olga, content):
    report = imported(content, olga)

    assert (report.created, report.refused) == (0, 1)


def test_the_command_tells_what_recurs(olga, tmp_path):
    path = tmp_path / "mine.ICS"
    path.write_bytes(b"\xef\xbb\xbf" + ics(COURSE, TALK))

    output = StringIO()
    call_command("import_events", path, organizer=olga.email, dry_run=True, stdout=output)
    call_command("import_events", path, organizer=olga.email, stdout=output)

    assert output.getvalue() == (
        "2 rows: 2 would be created, 0 already there, 0 bad.\n"
        "1 recur, 6 times in all.\n"
        "This was a dry run: nothing was written.\n"
        "2 rows: 2 created, 0 already there, 0 bad.\n"
        "1 recur, 6 times in all.\n"
    )
    path.write_bytes(ics("UID:1\n"))
    with pytest.raises(CommandError, match="1 row is bad"):
        call_command(
            "import_events", path, organizer=olga.email, stdout=StringIO(), stderr=StringIO()
        )
