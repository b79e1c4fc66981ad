"""Pages and feeds of events from rows that were rendered before.

A row's `ctid` and `xmin` name one version of the row. Every write makes another version. So the
query of a page returns the versions of the rows that its events are rendered from, and JSON that
was rendered from the same versions is current. Only the other events are read and rendered.

`registration_state` depends on time as well. It is valid until a known instant, and a rendering is
used for one hour at most, since `xmin` wraps around after four thousand million transactions.

A rendering is that for guests. The few fields that depend on a signed-in viewer follow it, made for
each request from columns of the same version.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from threading import RLock
from typing import Any, NamedTuple

import orjson
from django.conf import settings
from django.db import connections, router
from django.db.backends.signals import connection_created
from django.db.models import BinaryField, F, Func
from django.utils import timezone

from config.api.http.negotiation import to_json
from config.api.pagination.keyset import Ordering, Page
from config.api.sql.compiled_queries import NotCompilable, fetch, loaded_row
from config.errors import NotFound

from ..models import Event, EventQuerySet
from .geo import distance_km
from .page_planner import PagePlan
from .page_sql import has_any_id
from .pages import first_events, read_event_page

_MAX_BYTES = 20_000_000
_OVERHEAD_BYTES = 1_000  # of a cached row beside its text, roughly
_MAX_AGE = timedelta(hours=1)
# A pooler replaces the connection to the server, and the process does not notice.
_MAX_AGE_BEHIND_POOLER = timedelta(minutes=1)

Versions = tuple[bytes, ...]


class Rendering(NamedTuple):
    """The text of an event for guests, until `changes_at` at the latest.

    `values` are what else is needed of the event where its text is used.
    """

    text: bytes
    values: tuple[Any, ...] = ()
    changes_at: datetime | None = None


class Renderer(NamedTuple):
    """How events are rendered. `name` separates the renderings of several renderers.

    `select` returns the events with the columns that `for_guests` reads, which renders them in
    order. It may depend on nothing but the event, its organizer, its category, `PUBLIC_URL` and the
    zone.

    `for_viewer` returns the fields of a JSON object that the viewer sees after those of guests. It
    reads the columns `viewer_columns` alone, which are the `values` of a rendering.
    """

    name: str
    select: Callable[[], EventQuerySet]
    for_guests: Callable[[Iterable[Event]], Iterable[Rendering]]
    viewer_columns: tuple[str, ...] = ()
    for_viewer: Callable[[list[Event]], Iterable[Mapping[str, Any]]] | None = None


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
    """The text of an event, rendered from these versions. Valid from `since` until `until`.

    `values` are those of its `Rendering`.
    """

    versions: Versions
    since: datetime
    until: datetime
    text: bytes
    values: tuple[Any, ...] = ()


class RenderCache:
    """The last rendering of each event in this process, by the context that it depends on.

    The cache is cleared when it exceeds `max_bytes`, and with each new database connection: that
    may lead to another server, which lacks the last transactions of the one before and reuses their
    numbers. Behind a pooler, renderings are used for a minute instead.
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


def rendered_page(page: Page, plan: PagePlan, *, zone: tzinfo, renderer: Renderer) -> bytes | None:
    """The body of a page, as JSON.

    None if the page's SQL cannot be cached, or if a row was written while it was read. The caller
    then renders the events of the page.
    """
    reader = _CacheReader(zone, renderer)
    try:
        rows, links, plan = read_event_page(page, plan, _VERSIONS)
    except NotCompilable:
        return None
    texts = reader.texts({row[0]: row[-len(_VERSIONS) :] for row in rows})
    if texts is None:
        return None
    if rows and len(rows[0]) > 1 + len(_VERSIONS):
        for pk, chord, *_ in rows:
            texts[pk] = _with_fields(texts[pk], {"distance_km": distance_km(chord)})
    count = {"count": plan.matches().count()} if page.is_counted else {}
    results = orjson.Fragment(b"[" + b",".join(texts.values()) + b"]")
    return to_json({**links, **count, "results": results})


def rendered_event(
    pk: int,
    select: Callable[[], EventQuerySet],
    *,
    key: Hashable,
    viewer: Any,
    zone: tzinfo,
    renderer: Renderer,
) -> tuple[str, bytes] | None:
    """The `edit_tag` and the JSON of one event of those that `select` returns.

    `select` must depend on `key` and the id of `viewer` alone. None as with `rendered_page`. Raises
    `NotFound`.
    """
    reader = _CacheReader(zone, renderer)

    def build(position: list[Any] | None) -> Any:
        events = select().filter(pk=(position or [pk])[0]).annotate(**_VERSIONS)
        return events.values_list("version", *_VERSIONS)[:1]

    rows = fetch(("rendered event", key), build, [pk], prepare=True, viewer=viewer)
    if not rows:
        raise NotFound
    ((version, *versions),) = rows
    texts = reader.texts({pk: tuple(versions)})
    event = loaded_row(Event, {"id": pk, "version": version}, reader.alias)
    return None if texts is None else (event.edit_tag, texts[pk])


def rendered_events(
    plan: PagePlan, ordering: Ordering, limit: int, renderer: Renderer
) -> list[Rendered] | None:
    """The renderings of the first events of the ordering, at most `limit`.

    None as with `rendered_page`.
    """
    reader = _CacheReader(UTC, renderer)
    try:
        rows = first_events(plan, ordering, limit, _VERSIONS)
    except NotCompilable:
        return None
    rendered = reader.rendered({row[0]: row[-len(_VERSIONS) :] for row in rows})
    return None if rendered is None else list(rendered.values())


def _with_fields(text: bytes, fields: Mapping[str, Any]) -> bytes:
    """A JSON object with further fields, of which there is at least one."""
    return b"%b,%b" % (text[:-1], to_json(fields)[1:])


class _CacheReader:
    """Reads the render cache for one page. Create it before the versions are queried."""

    def __init__(self, zone: tzinfo, renderer: Renderer) -> None:
        alias = router.db_for_read(Event)
        connections[alias].ensure_connection()  # a new connection clears the cache
        self.alias, self.zone, self.renderer = alias, zone, renderer
        self.context = (renderer.name, alias, zone, settings.PUBLIC_URL)
        self.cached = render_cache.rows_in(self.context)

    def texts(self, versions: dict[int, Versions]) -> dict[int, bytes] | None:
        """The JSON of the events for the viewer. None if one was written meanwhile."""
        rows = self.rendered(versions)
        return None if rows is None else self._for_viewer(rows)

    def rendered(self, versions: dict[int, Versions]) -> dict[int, Rendered] | None:
        """The renderings of the events with these versions. None if one was written meanwhile."""
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
            new = self._render(list(missing), now)
            render_cache.store(self.context, self.cached, new)
            if {pk: rendered.versions for pk, rendered in new.items()} != missing:
                return None
            rows |= new
        return {pk: rendered for pk, rendered in rows.items() if rendered}

    def _for_viewer(self, rows: dict[int, Rendered]) -> dict[int, bytes]:
        if self.renderer.for_viewer is None:
            return {pk: rendered.text for pk, rendered in rows.items()}
        names = self.renderer.viewer_columns
        events = [
            loaded_row(Event, dict(zip(names, rendered.values, strict=True)), self.alias)
            for rendered in rows.values()
        ]
        return {
            pk: _with_fields(rendered.text, fields)
            for (pk, rendered), fields in zip(
                rows.items(), self.renderer.for_viewer(events), strict=True
            )
        }

    def _render(self, pks: list[int], now: datetime) -> dict[int, Rendered]:
        renderer = self.renderer

        def build(position: list[Any] | None) -> EventQuerySet:
            (ids,) = position or [pks]
            return renderer.select().annotate(**_VERSIONS).filter(has_any_id(ids))

        key = ("events with their versions", renderer.name)
        events = fetch(key, build, [pks], prepare=True)
        latest = now + (_MAX_AGE_BEHIND_POOLER if settings.POOLED_DATABASE else _MAX_AGE)
        with timezone.override(self.zone):
            return {
                event.pk: Rendered(
                    tuple(getattr(event, name) for name in _VERSIONS),
                    now,
                    min(rendering.changes_at or latest, latest),
                    rendering.text,
                    rendering.values,
                )
                for event, rendering in zip(events, renderer.for_guests(events), strict=True)
            }
