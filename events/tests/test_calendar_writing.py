"""Calendar files, read back with the library and with its own idea of zones."""

import random
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from icalendar import Calendar, Timezone

from accounts.models import User
from events.calendars import Entry, calendar_of, feed_of, google_calendar_url, invitation
from events.calendars.timezones import vtimezone
from events.models import Category, Event

SITE = "https://events.example.org"
ZONES = sorted(available_timezones() - {"Factory", "localtime"})
CREATED = datetime(2026, 11, 21, 8, tzinfo=UTC)

# What PostgreSQL holds.
any_text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
moments = st.datetimes(datetime(1900, 1, 2), datetime(8999, 12, 30), timezones=st.just(UTC)).map(
    lambda moment: moment.replace(microsecond=0)
)


def event_of(**fields) -> Event:
    values = {
        "pk": 1,
        "name": "Global AI Summit",
        "location": "Bengaluru",
        "start_time": datetime(2027, 3, 15, 9, tzinfo=UTC),
        "end_time": datetime(2027, 3, 17, 17, tzinfo=UTC),
        "timezone": "Asia/Kolkata",
        "organizer": User(username="asha", email="asha@example.com"),
        "created_at": CREATED,
        "updated_at": CREATED,
        **fields,
    }
    return Event(**values)


def invited(event: Event, **fields) -> bytes:
    values = {
        "method": "REQUEST",
        "attendee_name": "Ana",
        "attendee_email": "ana@example.com",
        "sender": "Events <events@example.org>",
        "sent_at": datetime(2026, 12, 1, tzinfo=UTC),
        "public_url": SITE,
        **fields,
    }
    return invitation(event, **values)


def only_entry(body: bytes):
    (entry,) = Calendar.from_ical(body).walk("VEVENT")
    return entry


def lines_of(body: bytes) -> list[str]:
    """The content lines, unfolded."""
    return body.decode().replace("\r\n ", "").split("\r\n")


def test_a_calendar_file_says_everything_that_is_public():
    event = event_of(
        category=Category(name="Talks, all"), description="Line one\r\nline; two", sequence=3
    )

    assert lines_of(calendar_of(event, public_url=SITE)) == [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Event Management API//EN",
        "METHOD:PUBLISH",
        "BEGIN:VTIMEZONE",
        "TZID:Asia/Kolkata",
        "BEGIN:STANDARD",
        "DTSTART:20260701T053000",
        "TZNAME:IST",
        "TZOFFSETFROM:+0530",
        "TZOFFSETTO:+0530",
        "END:STANDARD",
        "END:VTIMEZONE",
        "BEGIN:VEVENT",
        "UID:event-1@events.example.org",
        "DTSTAMP:20261121T080000Z",
        "CREATED:20261121T080000Z",
        "LAST-MODIFIED:20261121T080000Z",
        "SEQUENCE:3",
        "STATUS:CONFIRMED",
        "DTSTART;TZID=Asia/Kolkata:20270315T143000",
        "DTEND;TZID=Asia/Kolkata:20270317T223000",
        "SUMMARY:Global AI Summit",
        "LOCATION:Bengaluru",
        r"DESCRIPTION:Line one\nline\; two",
        r"CATEGORIES:Talks\, all",
        f"URL:{SITE}/e/1-global-ai-summit",
        'ORGANIZER;CN="asha":invalid:nomail',
        "END:VEVENT",
        "END:VCALENDAR",
        "",
    ]


@pytest.mark.parametrize(
    ("status", "value"),
    [("draft", "TENTATIVE"), ("published", "CONFIRMED"), ("cancelled", "CANCELLED")],
)
def test_a_status_has_its_word(status, value):
    assert only_entry(calendar_of(event_of(status=status), public_url=SITE))["STATUS"] == value


@given(name=any_text, description=any_text, location=any_text, category=any_text)
@example(name="ü" * 200, description="\\n;,\\,\r\n", location="日本" * 100, category=";,")
@settings(max_examples=150, deadline=None)
def test_any_text_comes_back_from_short_lines(name, description, location, category):
    event = event_of(
        name=name,
        description=description,
        location=location,
        category=Category(name=category),
    )

    body = calendar_of(event, public_url=SITE)

    entry = only_entry(body)
    for prop, sent in (("SUMMARY", name), ("DESCRIPTION", description), ("LOCATION", location)):
        assert str(entry.get(prop, "")) == as_kept(sent)
    assert [str(entry["CATEGORIES"].cats[0])] == [as_kept(category)]
    for line in body.split(b"\r\n"):
        assert len(line) <= 75
        assert as_kept(line.decode()) == line.decode()  # no character cut, no control


def as_kept(text: str) -> str:
    """What a calendar can hold of a text: one kind of line break, no controls."""
    for line_break in ("\r\n", "\r", "\v", "\f", "\x85", "\u2028", "\u2029"):
        text = text.replace(line_break, "\n")
    return "".join(c for c in text if c == "\t" or c == "\n" or (ord(c) >= 32 and c != "\x7f"))


@given(zone=st.sampled_from(ZONES), start=moments, minutes=st.integers(1, 10**6))
@example(zone="Europe/Berlin", start=datetime(2027, 10, 31, 1, 30, tzinfo=UTC), minutes=60)
@example(zone="Europe/Berlin", start=datetime(2027, 10, 31, 0, 30, tzinfo=UTC), minutes=60)
@example(zone="Europe/Amsterdam", start=datetime(1930, 5, 1, tzinfo=UTC), minutes=60)
@example(zone="Pacific/Apia", start=datetime(2011, 12, 29, 12, tzinfo=UTC), minutes=3 * 1440)
@settings(max_examples=150, deadline=None)
def test_instants_come_back_in_any_zone(zone, start, minutes):
    event = event_of(timezone=zone, start_time=start, end_time=start + timedelta(minutes=minutes))

    calendar = Calendar.from_ical(calendar_of(event, public_url=SITE))

    (entry,) = calendar.walk("VEVENT")
    for prop, sent in (("DTSTART", event.start_time), ("DTEND", event.end_time)):
        assert entry[prop].dt.astimezone(UTC) == sent
        if "TZID" in entry[prop].params:
            # As a client reads it that knows no zones but those in the file.
            assert entry[prop].dt.replace(tzinfo=_zone_in(calendar)).astimezone(UTC) == sent


@pytest.mark.parametrize(
    ("zone", "start", "line"),
    [
        ("Asia/Kolkata", "2027-03-15T09:00", "DTSTART;TZID=Asia/Kolkata:20270315T143000"),
        # The first minute after a gap.
        ("Europe/Berlin", "2027-03-28T01:00", "DTSTART;TZID=Europe/Berlin:20270328T030000"),
        ("America/New_York", "2027-03-14T07:00", "DTSTART;TZID=America/New_York:20270314T030000"),
        # A time that occurs twice is written in UTC, the first one too.
        ("Europe/Berlin", "2027-10-30T23:30", "DTSTART;TZID=Europe/Berlin:20271031T013000"),
        ("Europe/Berlin", "2027-10-31T00:30", "DTSTART:20271031T003000Z"),
        ("Europe/Berlin", "2027-10-31T01:30", "DTSTART:20271031T013000Z"),
        # Half an hour back.
        (
            "Australia/Lord_Howe",
            "2027-04-03T14:29",
            "DTSTART;TZID=Australia/Lord_Howe:20270404T012900",
        ),
        ("Australia/Lord_Howe", "2027-04-03T14:30", "DTSTART:20270403T143000Z"),
        ("Australia/Lord_Howe", "2027-04-03T15:00", "DTSTART:20270403T150000Z"),
        # Before and after they gave summer time up; it began at midnight.
        ("America/Sao_Paulo", "2018-11-04T03:00", "DTSTART;TZID=America/Sao_Paulo:20181104T010000"),
        ("America/Sao_Paulo", "2027-11-04T03:00", "DTSTART;TZID=America/Sao_Paulo:20271104T000000"),
        ("Asia/Tehran", "2022-03-21T20:30", "DTSTART;TZID=Asia/Tehran:20220322T010000"),
        ("Asia/Tehran", "2027-03-21T20:30", "DTSTART;TZID=Asia/Tehran:20270322T000000"),
        # The day after the one that Samoa left out.
        ("Pacific/Apia", "2011-12-30T10:00", "DTSTART;TZID=Pacific/Apia:20111231T000000"),
        ("Pacific/Apia", "2011-12-30T09:59", "DTSTART;TZID=Pacific/Apia:20111229T235900"),
        # Offsets with seconds, and years beyond the known rules of a zone.
        ("Europe/Amsterdam", "1930-05-01T00:00", "DTSTART:19300501T000000Z"),
        ("Europe/Berlin", "2500-07-01T00:00", "DTSTART:25000701T000000Z"),
    ],
)
def test_a_start_is_on_the_clock_of_its_zone(zone, start, line):
    begin = datetime.fromisoformat(start).replace(tzinfo=UTC)
    event = event_of(timezone=zone, start_time=begin, end_time=begin + timedelta(days=2))

    body = calendar_of(event, public_url=SITE)

    assert [parsed for parsed in lines_of(body) if parsed.startswith("DTSTART")][-1] == line
    if "TZID" in line:
        calendar = Calendar.from_ical(body)
        parsed = only_entry(body)["DTSTART"].dt.replace(tzinfo=_zone_in(calendar))
        assert parsed.astimezone(UTC) == begin


def _zone_in(calendar):
    (zone,) = calendar.walk("VTIMEZONE")
    return zone.to_tz(lookup_tzid=False)


@pytest.mark.parametrize("zone_name", random.Random(7).sample(ZONES, 60))
def test_a_vtimezone_knows_every_change_of_its_years(zone_name):
    zone = ZoneInfo(zone_name)
    dice = random.Random(zone_name)
    first = dice.randint(1970, 2040)
    last = first + dice.choice([0, 1, 30])
    parsed = Timezone.from_ical(vtimezone(zone_name, first, last)).to_tz(lookup_tzid=False)

    day = datetime(first, 1, 1, 3, 30, tzinfo=UTC)
    while day.astimezone(zone).year <= last:
        local = day.astimezone(zone)
        if local.fold == 0 and local.year >= first:
            assert local.replace(tzinfo=parsed).utcoffset() == local.utcoffset(), local
        day += timedelta(days=1, hours=1)


@pytest.mark.parametrize(
    ("zone", "rules"),
    [
        (
            "Europe/Berlin",
            {
                ("20261025T030000", "FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10", "+0200", "+0100"),
                ("20270328T020000", "FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3", "+0100", "+0200"),
            },
        ),
        (
            "America/New_York",
            {
                ("20261101T020000", "FREQ=YEARLY;BYDAY=1SU;BYMONTH=11", "-0400", "-0500"),
                ("20270314T020000", "FREQ=YEARLY;BYDAY=2SU;BYMONTH=3", "-0500", "-0400"),
            },
        ),
        (
            "Australia/Lord_Howe",
            {
                ("20261004T020000", "FREQ=YEARLY;BYDAY=1SU;BYMONTH=10", "+1030", "+1100"),
                ("20270404T020000", "FREQ=YEARLY;BYDAY=1SU;BYMONTH=4", "+1100", "+1030"),
            },
        ),
        ("America/Sao_Paulo", {("20260630T210000", None, "-0300", "-0300")}),
        ("Asia/Tehran", {("20260701T033000", None, "+0330", "+0330")}),
    ],
)
def test_onsets_are_on_the_clock_before_the_change(zone, rules):
    parsed = Timezone.from_ical(vtimezone(zone, 2027, 2027))

    assert rules == {
        tuple(
            part[name].to_ical().decode() if name in part else None for name in ("DTSTART", "RRULE")
        )
        + tuple(str(part[name].to_ical()) for name in ("TZOFFSETFROM", "TZOFFSETTO"))
        for part in parsed.subcomponents
    }


def test_each_onset_without_a_rule_is_a_property_of_its_own():
    lines = vtimezone("Asia/Gaza", 2027, 2029).decode().split("\r\n")

    observances = "\n".join(lines).split("BEGIN:")[2:]
    listed = [part for part in observances if "RDATE" in part]
    assert listed
    for part in listed:
        begin, *_ = [
            line.removeprefix("DTSTART:") for line in part.split("\n") if "DTSTART" in line
        ]
        onsets = [line.removeprefix("RDATE:") for line in part.split("\n") if "RDATE" in line]
        assert onsets[0] == begin
        assert not any("," in onset for onset in onsets)


@pytest.mark.parametrize(
    ("latitude", "longitude", "lines"),
    [
        (13.0627, 77.5946, ["GEO:13.062700;77.594600"]),
        (-0.00001, 0.0, ["GEO:-0.000010;0.000000"]),
        (None, None, []),
    ],
)
def test_a_place_has_its_coordinates(latitude, longitude, lines):
    body = calendar_of(event_of(latitude=latitude, longitude=longitude), public_url=SITE)

    assert [line for line in lines_of(body) if line.startswith("GEO")] == lines
    if lines:
        geo = only_entry(body)["GEO"]
        assert (geo.latitude, geo.longitude) == (latitude, longitude)


def test_a_feed_has_each_zone_once_and_says_how_often_to_ask():
    events = [event_of(pk=number, timezone=zone) for number, zone in enumerate(
        ("Asia/Kolkata", "Europe/Berlin", "Asia/Kolkata", "UTC"), 1
    )]  # fmt: skip

    body = feed_of(map(Entry, events), name="Events, mine", public_url=SITE)

    calendar = Calendar.from_ical(body)
    assert [str(zone["TZID"]) for zone in calendar.walk("VTIMEZONE")] == [
        "Asia/Kolkata", "Europe/Berlin",
    ]  # fmt: skip
    assert [str(entry["UID"]) for entry in calendar.walk("VEVENT")] == [
        f"event-{number}@events.example.org" for number in (1, 2, 3, 4)
    ]
    for line in (
        r"X-WR-CALNAME:Events\, mine", r"NAME:Events\, mine", "X-PUBLISHED-TTL:PT1H",
        "REFRESH-INTERVAL;VALUE=DURATION:PT1H", "DTSTART:20270315T090000Z",
    ):  # fmt: skip
        assert line in lines_of(body)


def test_an_entry_tells_its_own_reader_more():
    event = event_of(meeting_url="https://meet.example.org/ä,b", description="Bring a laptop")
    entry = Entry(event, is_tentative=True, changed_at=datetime(2026, 12, 24, tzinfo=UTC))
    private = Entry(event, shows_meeting_url=True)

    waiting = lines_of(feed_of([entry], name="Mine", public_url=SITE))
    attending = lines_of(feed_of([private], name="Mine", public_url=SITE))

    assert "STATUS:TENTATIVE" in waiting
    assert {"DTSTAMP:20261224T000000Z", "LAST-MODIFIED:20261224T000000Z"} <= set(waiting)
    assert not any("meet.example.org" in line for line in waiting)
    assert "CONFERENCE;VALUE=URI;FEATURE=VIDEO:https://meet.example.org/%C3%A4,b" in attending
    assert r"DESCRIPTION:https://meet.example.org/ä\,b\n\nBring a laptop" in attending


def test_a_cancelled_event_stays_cancelled_for_waitlisted_people():
    event = event_of(status="cancelled", meeting_url="https://meet.example.org/")
    entry = Entry(event, is_tentative=True, shows_meeting_url=True)

    lines = lines_of(feed_of([entry], name="Mine", public_url=SITE))

    assert "STATUS:CANCELLED" in lines
    assert not any("meet.example.org" in line for line in lines)


def test_an_invitation_names_its_one_attendee_and_no_address_of_the_organizer():
    body = invited(
        event_of(sequence=2), attendee_name='Ana "A" \n Ruiz', attendee_email="a%b&c@x.org"
    )

    lines = lines_of(body)
    assert "METHOD:REQUEST" in lines
    assert "SEQUENCE:2" in lines
    assert "DTSTAMP:20261201T000000Z" in lines
    assert "LAST-MODIFIED:20261121T080000Z" in lines
    assert 'ORGANIZER;CN="asha":mailto:events@example.org' in lines
    assert (
        'ATTENDEE;CN="Ana  A    Ruiz";ROLE=REQ-PARTICIPANT;PARTSTAT=ACCEPTED;RSVP=FALSE'
        ":mailto:a%25b%26c@x.org"
    ) in lines
    assert b"asha@example.com" not in body


def test_an_invitation_of_a_waitlisted_person_is_tentative():
    lines = lines_of(invited(event_of(), is_tentative=True))

    assert "STATUS:TENTATIVE" in lines
    assert any(";PARTSTAT=TENTATIVE;" in line for line in lines)


def test_a_cancelled_place_takes_the_event_out_of_the_calendar():
    lines = lines_of(invited(event_of(sequence=2), method="CANCEL"))

    assert {"METHOD:CANCEL", "STATUS:CANCELLED", "SEQUENCE:2"} <= set(lines)


# --- Google ---


def google(event: Event) -> dict[str, str]:
    link = urlsplit(google_calendar_url(event))
    assert (link.netloc, link.path) == ("calendar.google.com", "/calendar/render")
    return {name: values[0] for name, values in parse_qs(link.query).items()}


def test_a_google_link_has_instants_and_the_zone():
    assert google(event_of(description="Talks & more")) == {
        "action": "TEMPLATE",
        "text": "Global AI Summit",
        "dates": "20270315T090000Z/20270317T170000Z",
        "ctz": "Asia/Kolkata",
        "location": "Bengaluru",
        "details": "Talks & more",
    }


@pytest.mark.parametrize(
    ("zone", "start", "end", "dates"),
    [
        ("Asia/Kolkata", "2027-03-14T18:30", "2027-03-15T18:30", "20270315/20270316"),
        ("Asia/Kolkata", "2027-03-14T18:30", "2027-03-17T18:30", "20270315/20270318"),
        # The day on which the clocks change is as long as it is.
        ("Europe/Berlin", "2027-03-27T23:00", "2027-03-28T22:00", "20270328/20270329"),
        ("Europe/Berlin", "2027-10-30T22:00", "2027-10-31T23:00", "20271031/20271101"),
        # A day that begins at one, since the clocks skip midnight.
        ("America/Sao_Paulo", "2018-11-04T03:00", "2018-11-05T02:00", "20181104/20181105"),
        # 24 hours, but not from midnight in the event's zone.
        ("Europe/Berlin", "2027-03-15T00:00", "2027-03-16T00:00",
         "20270315T000000Z/20270316T000000Z"),
        ("UTC", "2027-03-15T00:00", "2027-03-16T00:00", "20270315/20270316"),
        ("UTC", "2027-03-15T00:00", "2027-03-15T23:59",
         "20270315T000000Z/20270315T235900Z"),
    ],
)  # fmt: skip
def test_a_google_link_has_whole_days_as_days(zone, start, end, dates):
    event = event_of(
        timezone=zone,
        start_time=datetime.fromisoformat(start).replace(tzinfo=UTC),
        end_time=datetime.fromisoformat(end).replace(tzinfo=UTC),
    )

    assert (google(event)["dates"], google(event)["ctz"]) == (dates, zone)
