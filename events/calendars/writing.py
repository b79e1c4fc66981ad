"""iCalendar objects (RFC 5545), and those that are sent to somebody (iTIP, RFC 5546)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email.utils import parseaddr
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import quote

from config.api.text.email_addresses import ascii_address

from ..models import Event
from ..models.event_queryset import FEED_DESCRIPTION_LENGTH
from .lines import folded, local, parameter, text, utc
from .timezones import FIRST_YEAR, LAST_YEAR, vtimezone

_PRODUCT = "-//Event Management API//EN"
_REFRESH = "PT1H"
_STATUS = {
    Event.Status.DRAFT: "TENTATIVE",
    Event.Status.PUBLISHED: "CONFIRMED",
    Event.Status.CANCELLED: "CANCELLED",
}
_MINUTE = timedelta(minutes=1)
_CACHED_ENTRIES = 2_000  # two full feeds; a few kilobytes each


@dataclass(frozen=True)
class Entry:
    """An event as one reader of a calendar has it.

    `is_tentative`: the reader waits for a seat. `shows_meeting_url`: the reader may have it.
    `changed_at`: when it last changed for this reader, where that is later than its last edit.
    `is_short`: the description is cut; an event of `EventQuerySet.for_feed` has but its start.
    """

    event: Event
    is_tentative: bool = False
    shows_meeting_url: bool = False
    changed_at: datetime | None = None
    is_short: bool = False

    @property
    def description(self) -> str:
        if not self.is_short:
            return self.event.description
        kept = vars(self.event)
        start: str = kept["description_start" if "description_start" in kept else "description"]
        is_whole = len(start) <= FEED_DESCRIPTION_LENGTH
        return start if is_whole else f"{start[: FEED_DESCRIPTION_LENGTH - 1].rstrip()}…"


def calendar_of(event: Event, *, public_url: str) -> bytes:
    """One event, in its own zone. `public_url` is the base of links, without a slash at its end."""
    return _calendar("PUBLISH", [Entry(event)], public_url=public_url)


def feed_of(entries: Iterable[Entry], *, name: str, public_url: str) -> bytes:
    """A calendar to subscribe to, which tells its name and how often to ask for it again.

    Programs read it whole, every hour: long descriptions are cut, and `URL` leads to the rest.
    """
    head = (
        f"NAME:{text(name)}",
        f"X-WR-CALNAME:{text(name)}",
        f"REFRESH-INTERVAL;VALUE=DURATION:{_REFRESH}",
        f"X-PUBLISHED-TTL:{_REFRESH}",
    )
    short = [replace(entry, is_short=True) for entry in entries]
    return _calendar("PUBLISH", short, head=head, public_url=public_url)


def invitation(
    event: Event,
    *,
    method: Literal["REQUEST", "CANCEL"],
    attendee_name: str,
    attendee_email: str,
    sender: str,
    sent_at: datetime,
    public_url: str,
    is_tentative: bool = False,
    shows_meeting_url: bool = False,
) -> bytes:
    """The file that a mail to one attendee carries: `text/calendar; method=…; charset=utf-8`.

    REQUEST puts the event into a calendar or moves it there; CANCEL takes it out again, whether
    the event was called off or only this place given up. Of two with one SEQUENCE the later
    `sent_at` counts (RFC 5546, section 2.1.5). `sender` is what the mail is from, such as
    `Events <events@example.org>`: the organizer's own address stays with us.
    """
    address = _mailto(parseaddr(sender)[1])
    answer = "TENTATIVE" if is_tentative else "ACCEPTED"
    attendee = f"ATTENDEE;CN={parameter(attendee_name)};ROLE=REQ-PARTICIPANT;PARTSTAT={answer}"
    people = (
        f"ORGANIZER;CN={parameter(event.organizer.username)}:{address}",
        f"{attendee};RSVP=FALSE:{_mailto(attendee_email)}",
    )
    entry = Entry(event, is_tentative, shows_meeting_url, sent_at)
    return _calendar(method, [entry], people=people, public_url=public_url)


def _calendar(
    method: str,
    entries: list[Entry],
    *,
    public_url: str,
    head: Iterable[str] = (),
    people: Iterable[str] = (),
) -> bytes:
    years: dict[str, tuple[int, int]] = {}
    body: list[bytes] = []
    for entry in entries:
        source = _Source.of(entry, method, public_url, tuple(people))
        written, own_years = (_cached if entry.is_short else _written)(source)
        body.append(written)
        for zone, (first, last) in own_years.items():
            earliest, latest = years.get(zone, (first, last))
            years[zone] = (min(earliest, first), max(latest, last))
    top = ("BEGIN:VCALENDAR", "VERSION:2.0", f"PRODID:{_PRODUCT}", f"METHOD:{method}", *head)
    zones = (vtimezone(name, first, last) for name, (first, last) in sorted(years.items()))
    return b"".join([*map(folded, top), *zones, *body, b"END:VCALENDAR\r\n"])


@dataclass(frozen=True)
class _Source:
    """What a VEVENT is written from. Two are equal if all values that it shows are.

    Names of categories and organizers change without the event, so its version is not enough.
    """

    values: tuple[Any, ...]
    entry: Entry = field(compare=False)
    method: str
    public_url: str
    people: tuple[str, ...]

    @classmethod
    def of(cls, entry: Entry, method: str, public_url: str, people: tuple[str, ...]) -> "_Source":
        event = entry.event
        values = (
            event.pk,
            event.name,
            event.location,
            event.latitude,
            event.longitude,
            event.start_time,
            event.end_time,
            event.timezone,
            event.status,
            event.sequence,
            event.created_at,
            event.updated_at,
            event.category and event.category.name,
            event.organizer.username,
            entry.description,
            entry.is_tentative,
            entry.changed_at,
            entry.shows_meeting_url and event.meeting_url,
        )
        return cls(values, entry, method, public_url, people)


def _written(source: _Source) -> tuple[bytes, dict[str, tuple[int, int]]]:
    """A VEVENT, and the years of the zone that it needs."""
    years: dict[str, tuple[int, int]] = {}
    lines = _vevent(source.entry, source.method, source.public_url, source.people, years)
    return b"".join(map(folded, lines)), years


# Programs ask for feeds every hour. An entry of a feed takes 65 µs to write and 14 to look up.
_cached = lru_cache(_CACHED_ENTRIES)(_written)


def _vevent(
    entry: Entry,
    method: str,
    public_url: str,
    people: tuple[str, ...],
    years: dict[str, tuple[int, int]],
) -> Iterator[str]:
    """The lines of one VEVENT; the years of the zone that it needs are added to `years`."""
    event = entry.event
    changed_at = max(event.updated_at, entry.changed_at or event.updated_at)
    status = _STATUS[Event.Status(event.status)]
    if method == "CANCEL":
        status = "CANCELLED"
    elif entry.is_tentative and status == "CONFIRMED":
        status = "TENTATIVE"
    yield "BEGIN:VEVENT"
    yield f"UID:event-{event.pk}@{public_url.partition('://')[2]}"
    # When nothing is sent to anybody, this too may only move with the event: readers compare.
    yield f"DTSTAMP:{utc(changed_at)}"
    yield f"CREATED:{utc(event.created_at)}"
    yield f"LAST-MODIFIED:{utc(changed_at if method == 'PUBLISH' else event.updated_at)}"
    yield f"SEQUENCE:{event.sequence}"
    yield f"STATUS:{status}"
    yield from _times(event, years)
    yield f"SUMMARY:{text(event.name)}"
    yield f"LOCATION:{text(event.location)}"
    if event.latitude is not None and event.longitude is not None:
        yield f"GEO:{event.latitude:.6f};{event.longitude:.6f}"
    description = entry.description
    if entry.shows_meeting_url and event.meeting_url and status != "CANCELLED":
        # Few clients show CONFERENCE (RFC 7986, section 5.11), all show the description.
        yield f"CONFERENCE;VALUE=URI;FEATURE=VIDEO:{_uri(event.meeting_url)}"
        description = f"{event.meeting_url}\n\n{description}".strip()
    if description:
        yield f"DESCRIPTION:{text(description)}"
    if event.category:
        yield f"CATEGORIES:{text(event.category.name)}"
    yield f"URL:{public_url}/api/events/{event.pk}/"
    # A published calendar has an organizer (RFC 5546, section 3.2.1), but an address is nobody's
    # business: the name alone, with the address that Outlook writes for who has none.
    yield from people or [f"ORGANIZER;CN={parameter(event.organizer.username)}:invalid:nomail"]
    yield "END:VEVENT"


def _times(event: Event, years: dict[str, tuple[int, int]]) -> Iterator[str]:
    """DTSTART and DTEND: on the clock of the event's zone where that names the instant.

    It does not in the hour that occurs twice, of which some programs show the second, and where
    the zone's offset has seconds. There, in UTC and far from today both are in UTC.
    """
    zone = event.zone
    start, end = event.start_time.astimezone(zone), event.end_time.astimezone(zone)
    named = event.timezone not in {"UTC", "Etc/UTC"} and all(map(_is_named, (start, end)))
    if not named:
        yield f"DTSTART:{utc(start)}"
        yield f"DTEND:{utc(end)}"
        return
    first, last = years.get(event.timezone, (start.year, end.year))
    years[event.timezone] = (min(first, start.year), max(last, end.year))
    yield f"DTSTART;TZID={event.timezone}:{local(start)}"
    yield f"DTEND;TZID={event.timezone}:{local(end)}"


def _is_named(moment: datetime) -> bool:
    offset = moment.utcoffset() or timedelta()
    is_near = FIRST_YEAR <= moment.year <= LAST_YEAR
    is_repeated = offset != moment.replace(fold=1 - moment.fold).utcoffset()
    return is_near and not is_repeated and offset % _MINUTE == timedelta()


def _mailto(address: str) -> str:
    """RFC 6068, with the domain as the DNS has it: few programs convert it themselves."""
    address = ascii_address(address)
    return f"mailto:{quote(address, safe='@+!$*/=?^_`{|}~')}"


def _uri(address: str) -> str:
    """What a person typed as an address, in ASCII."""
    return quote(address, safe="%:/?#[]@!$&'()*+,;=~")
