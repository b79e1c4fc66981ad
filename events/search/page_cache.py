"""Pages of events for guests, from rows that were rendered before.

A row's `ctid` and `xmin` name one version of the row. Every write makes another version. So the
query of a page returns the versions of the rows that its events are rendered from, and JSON that
was rendered from the same versions is current. Only the other events are read and rendered.

`registration_state` depends on time as well. It is valid until a known instant, and a rendering is
used for one hour at most, since `xmin` wraps around after four thousand million transactions.
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
    "distance": PlannedOrdering("chord", needs="near"),
}

_MAX_BYTES = 20_000_000
_OVERHEAD_BYTES = 1_000  # of a cached row beside its text, roughly
_MAX_AGE = timedelta(hours=1)

Versions = tuple[bytes, ...]


class SystemColumn(Func):
    """A system column of PostgreSQL, of the row that has the column `of`.

    `of` must not be a key: a key is read from the row that refers to it.
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
    """The JSON of an event, rendered from these versions. Valid from `since` until `until`."""

    versions: Versions
    since: datetime
    until: datetime
    text: bytes


class RenderCache:
    """The last rendering of each event in this process, by the context that it depends on.

    The cache is cleared when it exceeds `max_bytes`, and with each new database connection: that
    may lead to another server, which lacks the last transactions of the one before and reuses their
    numbers.
    """

    def __init__(self, max_bytes: int = _MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        self._lock = RLock()
        self.clear()

    def clear(self, **_: Any) -> None:
        with self._lock:
            self._rows_by_context: dict[Hashable, dict[int, Rendered]] = {}
            self.bytes = 0

    def rows_in(self, context: Hashable) -> dict[int, Rendered]:
        """The renderings of a context, by event id. Call it before the versions are queried."""
        return self._rows_by_context.setdefault(context, {})

    def store(self, context: Hashable, rows: dict[int, Rendered], new: dict[int, Rendered]) -> None:
        """Adds `new`. `rows` is `rows_in(context)`, from before the new events were read."""
        with self._lock:
            if self._rows_by_context.get(context) is not rows:
                return  # cleared since
            for pk, rendered in new.items():
                old = rows.get(pk)
                self.bytes += _size(rendered) - (_size(old) if old else 0)
                rows[pk] = rendered
            if self.bytes > self.max_bytes:
                self.clear()


def _size(rendered: Rendered) -> int:
    return len(rendered.text) + _OVERHEAD_BYTES


render_cache = RenderCache()
connection_created.connect(render_cache.clear)

_guest = HttpRequest()
_guest.user = AnonymousUser()


def guest_page(
    page: Page, *, build_events: Callable[[], Any], filters: Hashable, zone: tzinfo
) -> bytes | None:
    """The body of a page, as the serializer renders it for guests.

    `build_events` returns the events of the list and must depend on `filters` alone. None if the
    query cannot be compiled, or if a row was written while it was read: the caller then uses the
    serializer.
    """
    key = ("versions", *page.key(filters))
    query = compiled_query(
        key,
        lambda position: _versions(page, build_events(), position),
        page.position,
        prepare=not filters,
    )
    if query is None:
        return None
    reader = _CacheReader(zone)
    keys = len(page.ordering.attributes)
    rows, links = page.cut(query.run(page.position), lambda row: row[:keys])
    texts = reader.texts({row[keys - 1]: row[keys:] for row in rows})
    if texts is None:
        return None
    count = {"count": build_events().count()} if page.is_counted else {}
    return _body({**links, **count}, texts.values())


def planned_guest_page(page: Page, page_plan: PagePlan, *, zone: tzinfo) -> bytes | None:
    """The same for a page with a plan: a search, or events near a point."""
    reader = _CacheReader(zone)
    request = PageRequest(page.ordering, page.position, page.backwards, page.size + 1)
    if not request.is_first:
        # The cursor of a list without a search does not have the corrections.
        page_plan = page_plan.finalized()
    positions = page_plan.positions(request)
    if not positions and request.is_first:
        relaxed = page_plan.relaxed()
        if relaxed is not page_plan:
            positions = relaxed.positions(request)
            page_plan = relaxed
    positions, links = page.cut(positions, lambda position: position, page_plan.note)
    ids = [position[-1] for position in positions]
    rows = page_plan.rows(ids, _VERSIONS)
    texts = reader.texts({row[0]: row[-len(_VERSIONS) :] for row in rows})
    if texts is None:
        return None
    for pk, *chord in (row[: -len(_VERSIONS)] for row in rows):
        if chord:
            texts[pk] = b'%b,"distance_km":%b}' % (texts[pk][:-1], to_json(distance_km(*chord)))
    return _body(links, [texts[pk] for pk in ids if pk in texts])


def fast_guest_page(
    url: str,
    *,
    cursor: str | None = None,
    size: int = DEFAULT_PAGE_SIZE,
    zone: tzinfo = UTC,
) -> bytes | None:
    """`guest_page` of the list without filters, in its default order.

    Raises `InvalidCursor`.
    """
    name, list_name = "start_time", "EventListView"
    page_cursor = read_cursor(cursor, list_name, name)
    page = Page(url, list_name, name, EVENT_ORDERINGS[name], size, page_cursor)
    return guest_page(page, build_events=_upcoming, filters=(), zone=zone)


def _body(links: dict[str, Any], texts: Iterable[bytes]) -> bytes:
    return to_json({**links, "results": orjson.Fragment(b"[" + b",".join(texts) + b"]")})


def _upcoming() -> EventQuerySet:
    visible = Event.objects.visible_to(_guest.user)
    events: EventQuerySet = EventFilter(QueryDict(), queryset=visible, request=_guest).qs
    return events


def _versions(page: Page, events: EventQuerySet, position: list[Any] | None) -> Any:
    rows = page.query(events.annotate(**_VERSIONS), position)
    return rows.values_list(*page.ordering.attributes, *_VERSIONS)


class _CacheReader:
    """Reads the render cache for one page. Create it before the versions are queried."""

    def __init__(self, zone: tzinfo) -> None:
        alias = router.db_for_read(Event)
        connections[alias].ensure_connection()  # a new connection clears the cache
        self.zone = zone
        self.context = (alias, zone, settings.PUBLIC_URL)
        self.cached = render_cache.rows_in(self.context)

    def texts(self, versions: dict[int, Versions]) -> dict[int, bytes] | None:
        """The JSON of the events with these versions. None if one was written meanwhile."""
        now = timezone.now()
        rows = {pk: self.cached.get(pk) for pk in versions}
        missing = {
            pk: versions[pk]
            for pk, rendered in rows.items()
            if not (
                rendered
                and rendered.versions == versions[pk]
                and rendered.since <= now < rendered.until
            )
        }
        if missing:
            new = _render(list(missing), self.zone, now)
            render_cache.store(self.context, self.cached, new)
            if {pk: rendered.versions for pk, rendered in new.items()} != missing:
                return None
            rows |= new
        return {pk: rendered.text for pk, rendered in rows.items() if rendered}


def _render(pks: list[int], zone: tzinfo, now: datetime) -> dict[int, Rendered]:
    def build(position: list[Any] | None) -> EventQuerySet:
        (ids,) = position or [pks]
        return Event.objects.for_listing().annotate(**_VERSIONS).filter(AnyOf(ids))

    events = fetch("events with their versions", build, [pks], prepare=True)
    latest = now + _MAX_AGE
    with timezone.override(zone):
        serializer = EventOut(context={"request": _guest})
        return {
            event.pk: Rendered(
                tuple(getattr(event, name) for name in _VERSIONS),
                now,
                min(event.registration_state_changes_at(now) or latest, latest),
                to_json(serializer.to_representation(event)),
            )
            for event in events
        }
