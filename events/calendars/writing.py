"""Writes iCalendar objects (RFC 5545) and invitations (iTIP, RFC 5546)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email.utils import parseaddr
from functools import lru_cache
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

from django.conf import settings

from config.api.text.email_addresses import ascii_address

from ..access_keys import key_query
from ..links import page_link
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
_CACHED_ENTRIES = 2_000  # two full feeds, a few kilobytes for each entry


@dataclass(frozen=True)
class Entry:
    """An event in the calendar of one reader.

    `is_tentative`: the reader is on the waitlist. `shows_meeting_url`: the reader may see the URL.
    `changed_at`: the last change for this reader, if it is later than the last edit. `is_short`:
    the description is cut. Events of `EventQuerySet.for_feed` only have its beginning.
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
        loaded = vars(self.event)
        start: str = loaded["description_start" if "description_start" in loaded else "description"]
        is_whole = len(start) <= FEED_DESCRIPTION_LENGTH
        return start if is_whole else f"{start[: FEED_DESCRIPTION_LENGTH - 1].rstrip()}…"


def calendar_of(event: Event, *, public_url: str) -> bytes:
    """The calendar of one event. `public_url` is the base of links, without a final slash."""
    return _calendar("PUBLISH", [_written(_Source.of(Entry(event), "PUBLISH", public_url, ()))])


class Component(NamedTuple):
    """A VEVENT, and the zones that it uses, each with its first and last year."""

    text: bytes
    zones: tuple[tuple[str, int, int], ...]


def feed_of(entries: Iterable[Entry], *, name: str, public_url: str) -> bytes:
    """A calendar to subscribe to, with its name and its refresh interval."""
    components = [feed_component(entry, public_url=public_url) for entry in entries]
    return feed_of_components(components, name=name)


def feed_component(entry: Entry, *, public_url: str) -> Component:
    """The component of an entry in a feed.

    Programs read a whole feed every hour. So long descriptions are cut, and `URL` links to the
    event.
    """
    return _cached(_Source.of(replace(entry, is_short=True), "PUBLISH", public_url, ()))


def feed_of_components(components: Sequence[Component], *, name: str) -> bytes:
    """The feed of entries that are already rendered."""
    head = (
        f"NAME:{text(name)}",
        f"X-WR-CALNAME:{text(name)}",
        f"REFRESH-INTERVAL;VALUE=DURATION:{_REFRESH}",
        f"X-PUBLISHED-TTL:{_REFRESH}",
    )
    return _calendar("PUBLISH", components, head)


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
    """The file in a mail to one attendee: `text/calendar; method=…; charset=utf-8`.

    REQUEST adds the event to a calendar or updates it there. CANCEL removes it, because either the
    event or only this registration is cancelled. Of two files with the same SEQUENCE, the later
    `sent_at` applies (RFC 5546, section 2.1.5). `sender` is the From of the mail, such as
    `Events <events@example.org>`. The address of the organizer is not in the file.
    """
    address = _mailto(parseaddr(sender)[1])
    status = "TENTATIVE" if is_tentative else "ACCEPTED"
    attendee = f"ATTENDEE;CN={parameter(attendee_name)};ROLE=REQ-PARTICIPANT;PARTSTAT={status}"
    people = (
        f"ORGANIZER;CN={parameter(event.organizer.username)}:{address}",
        f"{attendee};RSVP=FALSE:{_mailto(attendee_email)}",
    )
    entry = Entry(event, is_tentative, shows_meeting_url, sent_at)
    return _calendar(method, [_written(_Source.of(entry, method, public_url, people))])


def _calendar(method: str, components: Sequence[Component], head: Iterable[str] = ()) -> bytes:
    years: dict[str, tuple[int, int]] = {}
    for zone, first, last in {zone for component in components for zone in component.zones}:
        earliest, latest = years.get(zone, (first, last))
        years[zone] = (min(earliest, first), max(latest, last))
    body = [component.text for component in components]
    top = ("BEGIN:VCALENDAR", "VERSION:2.0", f"PRODID:{_PRODUCT}", f"METHOD:{method}", *head)
    zones = (vtimezone(name, first, last) for name, (first, last) in sorted(years.items()))
    return b"".join([*map(folded, top), *zones, *body, b"END:VCALENDAR\r\n"])


@dataclass(frozen=True)
class _Source:
    """The input of a VEVENT. Two sources are equal if all values in their VEVENTs are.

    The names of category and organizer change without the version of the event.
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
            event.visibility,
            event.key_number,
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


def _written(source: _Source) -> Component:
    years: dict[str, tuple[int, int]] = {}
    lines = _vevent(source.entry, source.method, source.public_url, source.people, years)
    written = b"".join(map(folded, lines))
    return Component(written, tuple((zone, *span) for zone, span in years.items()))


# Programs read feeds every hour. Writing an entry takes 65 µs, and looking it up 14 µs.
_cached = lru_cache(_CACHED_ENTRIES)(_written)


def _vevent(
    entry: Entry,
    method: str,
    public_url: str,
    people: tuple[str, ...],
    years: dict[str, tuple[int, int]],
) -> Iterator[str]:
    """The lines of one VEVENT. Adds the years of the zone that it uses to `years`."""
    event = entry.event
    changed_at = max(event.updated_at, entry.changed_at or event.updated_at)
    status = _STATUS[Event.Status(event.status)]
    if method == "CANCEL":
        status = "CANCELLED"
    elif entry.is_tentative and status == "CONFIRMED":
        status = "TENTATIVE"
    yield "BEGIN:VEVENT"
    yield f"UID:event-{event.pk}@{public_url.partition('://')[2]}"
    # Also without an invitation, this changes only with the event, so that the file has one ETag.
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
        # Few clients show CONFERENCE (RFC 7986, section 5.11). All show the description.
        yield f"CONFERENCE;VALUE=URI;FEATURE=VIDEO:{_uri(event.meeting_url)}"
        description = f"{event.meeting_url}\n\n{description}".strip()
    if description:
        yield f"DESCRIPTION:{text(description)}"
    if event.category:
        yield f"CATEGORIES:{text(event.category.name)}"
    path = page_link(event)
    if not settings.PUBLIC_PAGES:
        path = f"/api/events/{event.pk}/{key_query(event)}"
    yield f"URL:{public_url}{path}"
    # A published calendar needs an organizer (RFC 5546, section 3.2.1). Addresses are private, so
    # the address is the one that Outlook writes for a person without any.
    yield from people or [f"ORGANIZER;CN={parameter(event.organizer.username)}:invalid:nomail"]
    yield "END:VEVENT"


def _times(event: Event, years: dict[str, tuple[int, int]]) -> Iterator[str]:
    """DTSTART and DTEND, on the clock of the event's zone if that identifies both instants.

    Otherwise they are in UTC: in an hour that occurs twice, of which some programs show the second,
    if the offset of the zone has seconds, and far from today.
    """
    zone = event.zone
    start, end = event.start_time.astimezone(zone), event.end_time.astimezone(zone)
    is_utc = event.timezone in {"UTC", "Etc/UTC"}
    if is_utc or not (_is_identified(start) and _is_identified(end)):
        yield f"DTSTART:{utc(start)}"
        yield f"DTEND:{utc(end)}"
        return
    first, last = years.get(event.timezone, (start.year, end.year))
    years[event.timezone] = (min(first, start.year), max(last, end.year))
    yield f"DTSTART;TZID={event.timezone}:{local(start)}"
    yield f"DTEND;TZID={event.timezone}:{local(end)}"


def _is_identified(moment: datetime) -> bool:
    """Whether the wall-clock time and the zone identify the instant for every program."""
    offset = moment.utcoffset() or timedelta()
    is_near = FIRST_YEAR <= moment.year <= LAST_YEAR
    is_repeated = offset != moment.replace(fold=1 - moment.fold).utcoffset()
    return is_near and not is_repeated and offset % _MINUTE == timedelta()


def _mailto(address: str) -> str:
    """A `mailto` URI (RFC 6068) with an A-label domain, since few programs convert domains."""
    address = ascii_address(address)
    return f"mailto:{quote(address, safe='@+!$*/=?^_`{|}~')}"


def _uri(address: str) -> str:
    """A web address in ASCII."""
    return quote(address, safe="%:/?#[]@!$&'()*+,;=~")
