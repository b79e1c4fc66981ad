"""Keyset pages: page 10,000 costs what page 1 costs, and no row is seen twice.

A cursor names the last row's place in the ordering, not a number of rows to skip. The place is a
row value `(key, id)`, compared as one (`(start_time, id) > (x, y)`), which an index on the same
columns answers without reading what comes before.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar

from django.core import signing
from django.db.models import BooleanField, F, Func, QuerySet, Value
from django.db.models.expressions import Combinable
from rest_framework.utils.urls import replace_query_param

from config.errors import InvalidCursor

from ..bounded_cache import bounded_cache
from ..sql.compiled_queries import Place

DEFAULT_PAGE_SIZE = 20
_SIGNER = signing.Signer(salt="page")

Row = TypeVar("Row")


@dataclass(frozen=True)
class Ordering:
    """How rows are sorted: by an attribute of the row, then by its id, both in one direction.

    `attribute` is read from a row to make its cursor; `expression` is what the database sorts by,
    where that is not the column of the same name. `leading` is an attribute that sorts before it.
    `needs` is the parameter without which there is no such order.
    """

    attribute: str
    descending: bool = False
    expression: Combinable | None = None
    unique: str = "pk"
    leading: str = ""
    needs: str = ""

    @property
    def attributes(self) -> list[str]:
        """What a place in this ordering is made of."""
        return [name for name in (self.leading, self.attribute, self.unique) if name]

    def apply(self, queryset: QuerySet[Any], *, reverse: bool) -> QuerySet[Any]:
        if self.expression is not None:
            queryset = queryset.annotate(**{self.attribute: self.expression})
        sign = "-" if self.descending != reverse else ""
        return queryset.order_by(*(f"{sign}{name}" for name in self.attributes))

    def beyond(self, place: list[Any], *, reverse: bool) -> "RowBeyond":
        return RowBeyond(
            *(F(name) for name in self.attributes),
            *(Value(value) for value in place),
            operator="<" if self.descending != reverse else ">",
        )

    def query(
        self, queryset: QuerySet[Any], place: list[Any] | None, *, reverse: bool
    ) -> QuerySet[Any]:
        """The rows beyond the place, from the first when there is none."""
        rows = self.apply(queryset, reverse=reverse)
        if place is not None:
            rows = rows.filter(self.beyond(place, reverse=reverse))
            # First: of the bounds on one column PostgreSQL begins to read an index at the first,
            # which would otherwise be that of the list, such as now, however far the place is.
            conditions = rows.query.where.children
            conditions.insert(0, conditions.pop())
        return rows

    def place_of(self, row: Any) -> tuple[Any, ...]:
        *keys, last = (getattr(row, name) for name in self.attributes)
        return (*keys, last if isinstance(last, int) else str(last))

    def page(
        self, queryset: QuerySet[Any], place: list[Any] | None, *, reverse: bool, limit: int
    ) -> list[Any]:
        """At most `limit` rows beyond the place."""
        return list(self.query(queryset, place, reverse=reverse)[:limit])


class RowBeyond(Func):
    """`(a, b) > (x, y)`, compared as row values (SQL:1999, row value constructor)."""

    output_field = BooleanField()

    def __init__(self, *expressions: Any, operator: str) -> None:
        super().__init__(*expressions, operator=operator)

    def as_sql(self, compiler: Any, connection: Any, *args: Any, **context: Any) -> Any:
        parts, params = [], []
        for expression in self.source_expressions:
            sql, values = compiler.compile(expression)
            parts.append(sql)
            params.extend(values)
        half = len(parts) // 2
        sql = f"({', '.join(parts[:half])}) {self.extra['operator']} ({', '.join(parts[half:])})"
        return sql, params


def orderings(*pairs: tuple[str, Ordering]) -> dict[str, Ordering]:
    """Each ordering by its name, and its reverse by `-name`."""
    found = {}
    for name, ordering in pairs:
        found[name] = ordering
        found[f"-{name}"] = replace(ordering, descending=not ordering.descending)
    return found


@dataclass(frozen=True)
class Cursor:
    """A place in the ordering of one list; without one, the end of it that the direction begins at.

    Signed, so that nobody can make one up, and without a time, so that the same page has the same
    links, and the same ETag.

    `note` is what the list's first page found out and all later ones have to know.
    """

    list_name: str
    ordering: str
    backwards: bool
    place: tuple[Any, ...]
    note: Any = field(default=None, hash=False)  # it may be a dictionary

    def encode(self) -> str:
        plain = [
            ["t", value.isoformat()] if isinstance(value, datetime) else ["v", value]
            for value in self.place
        ]
        parts = [self.list_name, self.ordering, self.backwards, plain, self.note]
        return _SIGNER.sign_object(parts)

    @classmethod
    @lru_cache(maxsize=1000)
    def decode(cls, text: str) -> "Cursor":
        """Raises `InvalidCursor`."""
        try:
            list_name, ordering, backwards, plain, note = _SIGNER.unsign_object(text)
        except (signing.BadSignature, ValueError) as error:
            raise InvalidCursor from error
        place = (datetime.fromisoformat(v) if kind == "t" else v for kind, v in plain)
        return cls(list_name, ordering, backwards, tuple(place), note)


@bounded_cache(1000)
def _link(url: str, cursor: Cursor) -> str:
    """Kept, since signing takes longer than looking up a page's rows."""
    return replace_query_param(url, "cursor", cursor.encode())


@dataclass(frozen=True)
class Page:
    """Which page of which list is asked for; `url` is where, for the links to its neighbours."""

    url: str
    list_name: str
    ordering_name: str
    ordering: Ordering
    size: int = DEFAULT_PAGE_SIZE
    cursor: Cursor | None = None
    is_counted: bool = False

    @property
    def backwards(self) -> bool:
        return self.cursor is not None and self.cursor.backwards

    @property
    def place(self) -> list[Any] | None:
        """None: from the start, as an empty one is."""
        return list(self.cursor.place) or None if self.cursor else None

    def query(self, queryset: QuerySet[Any], place: Place) -> QuerySet[Any]:
        """One row more than the page has: whether there is one tells whether others follow."""
        rows = self.ordering.query(queryset, place, reverse=self.backwards)
        return rows[: self.size + 1]

    def key(self, *of_rows: Any) -> tuple[Any, ...]:
        """All that `query` depends on, but for the rows that it is made from."""
        types = tuple(map(type, self.cursor.place)) if self.cursor else ()
        return (self.list_name, self.ordering_name, self.size, self.backwards, types, *of_rows)

    def cut(
        self, found: list[Row], place_of: Callable[[Row], tuple[Any, ...]], note: Any = None
    ) -> tuple[list[Row], dict[str, str | None]]:
        """The page's rows of those that `query` found, and the links `next` and `previous`."""
        backwards, has_more = self.backwards, len(found) > self.size
        rows = found[: self.size]
        if backwards:
            rows.reverse()
        links: dict[str, str | None] = {"next": None, "previous": None}

        def lead(name: str, place: tuple[Any, ...]) -> None:
            cursor = Cursor(self.list_name, self.ordering_name, name == "previous", place, note)
            links[name] = _link(self.url, cursor)

        if rows and (has_more or backwards):
            lead("next", place_of(rows[-1]))
        if rows and (has_more if backwards else self.cursor is not None):
            lead("previous", place_of(rows[0]))
        if not rows and backwards:  # what came before is gone: what follows is the first page
            lead("next", ())
        elif not rows and self.cursor is not None:
            lead("previous", ())
        return rows, links


def read_cursor(text: str | None, list_name: str, ordering: str) -> Cursor | None:
    """Raises `InvalidCursor`, also when it is one of another list or ordering."""
    if text is None:
        return None
    cursor = Cursor.decode(text)
    if (cursor.list_name, cursor.ordering) != (list_name, ordering):
        raise InvalidCursor
    return cursor
