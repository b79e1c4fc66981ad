"""One page of a list of events. Every list reads its pages here, by the plan of its filter set.

There are two strategies. If an ordered index answers all filters, one query reads the rows of the
page in order. Otherwise `page_planner` finds the positions of the page, by an index walk or by
gathering, and a second query reads the rows. In place of events, both read the row versions by
which `page_cache` finds rendered events.
"""

from typing import Any, NamedTuple

from config.api.pagination.keyset import Ordering, Page, orderings
from config.api.text.folding import alphabetical

from .page_planner import Columns, PagePlan
from .page_sql import PageRequest

EVENT_ORDERINGS = {
    **orderings(
        ("start_time", Ordering("start_time")),
        ("created_at", Ordering("created_at")),
        ("name", Ordering("name_key", expression=alphabetical("name"))),
    ),
    "relevance": Ordering("start_time", leading="rank"),
    "distance": Ordering("chord", needs="near", index_has_id=False),
}


class EventPage(NamedTuple):
    """The rows of a page, the links to its neighbours, and the plan with all corrections."""

    rows: list[Any]
    links: dict[str, str | None]
    plan: PagePlan


def read_event_page(page: Page, plan: PagePlan, columns: Columns | None = None) -> EventPage:
    """The events of a page, in order.

    With `columns`, a row is a tuple: the id, the `chord` if distances are measured, and the values
    of the columns. Raises `NotCompilable` with columns if the SQL cannot be cached.
    """
    if plan.has_ordered_index:
        return _page_in_index_order(page, plan, columns)
    request = PageRequest(page.ordering, page.position, page.backwards, page.size + 1)
    plan, positions = plan.final_positions(request)
    positions, links = page.cut(positions, lambda position: position, plan.note)
    return EventPage(plan.rows([pk for *_, pk in positions], columns), links, plan)


def first_events(
    plan: PagePlan, ordering: Ordering, limit: int, columns: Columns | None = None
) -> list[Any]:
    """At most `limit` events from the start of the ordering.

    `columns` are those of `read_event_page`.
    """
    request = PageRequest(ordering, limit=limit)
    if plan.has_ordered_index:

        def build(_: list[Any] | None) -> Any:
            rows: Any = request.rows(plan.select().events)
            if columns is not None:
                rows = rows.annotate(**columns).values_list("pk", *columns)
            return rows[:limit]

        key = ("first events", request.shape, plan.cache_key, *(columns or ()))
        return plan.fetch_rows(key, build, None, needs_sql=columns is not None)
    plan, positions = plan.final_positions(request)
    return plan.rows([pk for *_, pk in positions], columns)


def _page_in_index_order(page: Page, plan: PagePlan, columns: Columns | None) -> EventPage:
    ordering = page.ordering

    def build(position: list[Any] | None) -> Any:
        events = plan.select().events
        if columns is None:
            return page.query(events, position)
        rows = page.query(events.annotate(**columns), position)
        return rows.values_list(*ordering.attributes, *columns)

    key = page.key(plan.cache_key, *(columns or ()))
    fetched = plan.fetch_rows(key, build, page.position, needs_sql=columns is not None)
    if columns is None:
        return EventPage(*page.cut(fetched, ordering.position_of), plan)
    keys = len(ordering.attributes)
    rows, links = page.cut(fetched, lambda row: row[:keys])
    return EventPage([row[keys - 1 :] for row in rows], links, plan)
