"""A guest's page of events, of rows that were rendered before.

A row's `ctid` and `xmin` name one version of it: whatever is written, by whomever, is another
version. So a page asks for the versions of the rows that its events are told from, and what was
rendered from these very versions is what they say now. Only the rest is read and rendered.

What goes by time alone, `registration_state`, holds until a known instant. An hour at the most, as
`xmin` begins anew after four thousand million transactions.
"""

from collections.abc import Callable, Hashable, Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from threading import RLock
from typing import Any, NamedTuple

import orjson
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import connections, router
from django.db.backends.signals import connection_created
from django.db.models import BinaryField, F, Func
from django.http import HttpRequest, QueryDict
from django.utils import timezone

from config.api.http.negotiation import to_json
from config.api.pagination.keyset import DEFAULT_PAGE_SIZE, Page, orderings, read_cursor
from config.api.sql.compiled_queries import compiled_query, fetch
from config.api.text.folding import alphabetical

from ..models import Event, EventQuerySet
from ..serializers.events import EventOut
from .filters import EventFilter
from .geo import distance_km
from .page_planner import PagePlan, PlannedOrdering
from .page_sql import AnyOf, PageRequest

EVENT_ORDERINGS = {
    **orderings(
        ("start_time", PlannedOrdering("start_time")),
        ("created_at", PlannedOrdering("created_at")),
        ("name", PlannedOrdering("name_key", expression=alphabetical("name"))),
    ),
    "relevance": PlannedOrdering("start_time", leading="rank"),
    "distance": PlannedOrdering("line", needs="near"),
}

_MOST_BYTES = 20_000_000
_BYTES_BESIDE = 1_000  # what a kept row takes beside its text, roughly
_LONGEST = timedelta(hours=1)

Versions = tuple[bytes, ...]


class SystemColumn(Func):
    """A column that PostgreSQL itself gives each row: that of the row which has the column `of`.

    `of` must not be a key, which would be read from the row that refers to it.
    """

    output_field = BinaryField()  # as the driver reads types that it does not know

    def __init__(self, of: str, name: str) -> None:
        super().__init__(F(of), name=name)

    def as_sql(self, compiler: Any, connection: Any, *args: Any, **context: Any) -> Any:
        column: Any = self.source_expressions[0]
        return f"{compiler.quote_name_unless_alias(column.alias)}.{self.extra['name']}", []


_VERSIONS = {
    f"{row}_{name}": SystemColumn(of, name)
    for row, of in [("event", "name"), ("user", "organizer__username"), ("kind", "category__slug")]
    for name in ("ctid", "xmin")
}


class Rendered(NamedTuple):
    """An event as JSON: of these versions, from that instant on and before the other one."""

    versions: Versions
    since: datetime
    until: datetime
    text: bytes


class RenderCache:
    """What this process has rendered: of each event the last, by what else it depends on.

    All is forgotten when it comes to more than `most_bytes`, and with each new connection: the
    server may be another one, which lacks the last transactions of the one before, and gives their
    numbers to others.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self.most_bytes = most_bytes
        self._lock = RLock()
        self.forget()

    def forget(self, **_: Any) -> None:
        with self._lock:
            self._by_where: dict[Hashable, dict[int, Rendered]] = {}
            self.bytes = 0

    def of(self, where: Hashable) -> dict[int, Rendered]:
        """By the event's id. To be asked for before the database is."""
        return self._by_where.setdefault(where, {})

    def keep(self, where: Hashable, rows: dict[int, Rendered], new: dict[int, Rendered]) -> None:
        """`rows` are `of(where)`, as it was before the new ones were read."""
        with self._lock:
            if self._by_where.get(where) is not rows:
                return  # forgotten meanwhile
            for pk, rendered in new.items():
                old = rows.get(pk)
                self.bytes += _size(rendered) - (_size(old) if old else 0)
                rows[pk] = rendered
            if self.bytes > self.most_bytes:
                self.forget()


def _size(rendered: Rendered) -> int:
    return len(rendered.text) + _BYTES_BESIDE


render_cache = RenderCache()
connection_created.connect(render_cache.forget)

_guest = HttpRequest()
_guest.user = AnonymousUser()


def guest_page(
    page: Page, *, make: Callable[[], Any], filters: Hashable, zone: tzinfo
) -> bytes | None:
    """The body of a page as the serializer tells it to guests; None where it must be asked.

    `make` gives the events that are listed, and depends on nothing but `filters`. None is for
    queries that cannot be kept, and when somebody changed a row while it was read.
    """
    key = ("versions", *page.key(filters))
    query = compiled_query(
        key, lambda place: _versions(page, make(), place), page.position, prepare=not filters
    )
    if query is None:
        return None
    reading = _Reading(zone)
    keys = len(page.ordering.attributes)
    found = query.run(page.position)
    rows, links = page.cut(found, lambda row: row[:keys])
    texts = reading.texts({row[keys - 1]: row[keys:] for row in rows})
    if texts is None:
        return None
    counted = {"count": make().count()} if page.is_counted else {}
    return _body({**links, **counted}, texts.values())


def planned_guest_page(page: Page, page_plan: PagePlan, *, zone: tzinfo) -> bytes | None:
    """The same of events that are searched for, or near a place."""
    reading = _Reading(zone)
    asked = PageRequest(page.ordering, page.position, page.backwards, page.size + 1)
    if not asked.is_first:
        page_plan = page_plan.settled()  # it is, unless the cursor is one of a list of all
    places = page_plan.places(asked)
    if not places and asked.is_first:
        loosened = page_plan.loosened()
        if loosened is not page_plan:
            places = loosened.places(asked)
            page_plan = loosened
    places, links = page.cut(places, lambda place: place, page_plan.note)
    rows = page_plan.rows([place[-1] for place in places], _VERSIONS)
    texts = reading.texts({row[0]: row[-len(_VERSIONS) :] for row in rows})
    if texts is None:
        return None
    for pk, *line in (row[: -len(_VERSIONS)] for row in rows):
        if line:
            texts[pk] = b'%b,"distance_km":%b}' % (texts[pk][:-1], to_json(distance_km(*line)))
    return _body(links, [texts[place[-1]] for place in places if place[-1] in texts])


def fast_guest_page(
    url: str,
    *,
    cursor: str | None = None,
    size: int = DEFAULT_PAGE_SIZE,
    zone: tzinfo = UTC,
) -> bytes | None:
    """`guest_page` of the list without filters, in its own order.

    Raises `InvalidCursor`.
    """
    name, list_name = "start_time", "EventListView"
    place = read_cursor(cursor, list_name, name)
    page = Page(url, list_name, name, EVENT_ORDERINGS[name], size, place)
    return guest_page(page, make=_upcoming, filters=(), zone=zone)


def _body(links: dict[str, Any], texts: Iterable[bytes]) -> bytes:
    return to_json({**links, "results": orjson.Fragment(b"[" + b",".join(texts) + b"]")})


def _upcoming() -> EventQuerySet:
    seen = Event.objects.visible_to(_guest.user)
    listed: EventQuerySet = EventFilter(QueryDict(), queryset=seen, request=_guest).qs
    return listed


def _versions(page: Page, events: EventQuerySet, place: list[Any] | None) -> Any:
    rows = page.query(events.annotate(**_VERSIONS), place)
    return rows.values_list(*page.ordering.attributes, *_VERSIONS)


class _Reading:
    """One look at what was rendered before; to be begun before the database is asked."""

    def __init__(self, zone: tzinfo) -> None:
        alias = router.db_for_read(Event)
        connections[alias].ensure_connection()  # which may forget all renderings
        self.zone = zone
        self.where = (alias, zone, settings.PUBLIC_URL)
        self.kept = render_cache.of(self.where)

    def texts(self, versions: dict[int, Versions]) -> dict[int, bytes] | None:
        """Events of these versions as JSON; None when somebody changed one while it was read."""
        now = timezone.now()
        found = {pk: self.kept.get(pk) for pk in versions}
        missing = {
            pk: versions[pk]
            for pk, rendered in found.items()
            if not (
                rendered
                and rendered.versions == versions[pk]
                and rendered.since <= now < rendered.until
            )
        }
        if missing:
            new = _render(list(missing), self.zone, now)
            render_cache.keep(self.where, self.kept, new)
            if {pk: rendered.versions for pk, rendered in new.items()} != missing:
                return None
            found |= new
        return {pk: rendered.text for pk, rendered in found.items() if rendered}


def _render(pks: list[int], zone: tzinfo, now: datetime) -> dict[int, Rendered]:
    def build(place: list[Any] | None) -> EventQuerySet:
        (wanted,) = place or [pks]
        return Event.objects.for_listing().annotate(**_VERSIONS).filter(AnyOf(wanted))

    events = fetch("events with their versions", build, [pks], prepare=True)
    latest = now + _LONGEST
    with timezone.override(zone):
        serializer = EventOut(context={"request": _guest})
        return {
            event.pk: Rendered(
                tuple(getattr(event, name) for name in _VERSIONS),
                now,
                min(event.registration_turns_at(now) or latest, latest),
                to_json(serializer.to_representation(event)),
            )
            for event in events
        }
