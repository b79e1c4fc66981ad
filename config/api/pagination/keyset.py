"""Keyset pagination: page 10,000 costs what page 1 costs, and no row is listed twice.

A cursor contains the position of a row in the ordering, not a number of rows to skip. The position
is a row value `(key, id)`. It is compared as a whole (`(start_time, id) > (x, y)`), so that an
index on the same columns starts there and reads no earlier rows.
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
from ..sql.compiled_queries import Position

DEFAULT_PAGE_SIZE = 20
_SIGNER = signing.Signer(salt="page")

Row = TypeVar("Row")


@dataclass(frozen=True)
class Ordering:
    """How rows are sorted: by an attribute of the row, then by its id, both in one direction.

    `attribute` is read from a row to make its cursor. `expression` is the sort key in the database,
    where that is not the column of the same name. `leading` is an attribute that sorts before
    `attribute`. `needs` is the query parameter that the ordering requires. `index_has_id` says that
    an index in this order has the id as well, which one that measures distances cannot.
    """

    attribute: str
    descending: bool = False
    expression: Combinable | None = None
    unique: str = "pk"
    leading: str = ""
    needs: str = ""
    index_has_id: bool = True

    @property
    def attributes(self) -> list[str]:
        """The attributes whose values are a position in this ordering."""
        return [name for name in (self.leading, self.attribute, self.unique) if name]

    def apply(self, queryset: QuerySet[Any], *, reverse: bool) -> QuerySet[Any]:
        if self.expression is not None:
            queryset = queryset.annotate(**{self.attribute: self.expression})
        sign = "-" if self.descending != reverse else ""
        return queryset.order_by(*(f"{sign}{name}" for name in self.attributes))

    def beyond(self, position: list[Any], *, reverse: bool) -> "RowBeyond":
        return RowBeyond(
            *(F(name) for name in self.attributes),
            *(Value(value) for value in position),
            operator="<" if self.descending != reverse else ">",
        )

    def query(
        self, queryset: QuerySet[Any], position: list[Any] | None, *, reverse: bool
    ) -> QuerySet[Any]:
        """The rows beyond the position. None: all rows from the start."""
        rows = self.apply(queryset, reverse=reverse)
        if position is not None:
            rows = rows.filter(self.beyond(position, reverse=reverse))
            # First, since PostgreSQL starts an index scan at the first of several bounds on a
            # column. That would otherwise be the list's own, such as now.
            conditions = rows.query.where.children
            conditions.insert(0, conditions.pop())
        return rows

    def position_of(self, row: Any) -> tuple[Any, ...]:
        *keys, last = (getattr(row, name) for name in self.attributes)
        return (*keys, last if isinstance(last, int) else str(last))


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
    by_name = {}
    for name, ordering in pairs:
        by_name[name] = ordering
        by_name[f"-{name}"] = replace(ordering, descending=not ordering.descending)
    return by_name


@dataclass(frozen=True)
class Cursor:
    """A position in the ordering of one list, and a direction.

    An empty position is the end of the list at which the direction starts. The encoded cursor is
    signed, so that clients cannot forge one. It contains no time, so that the same page has the
    same links and the same ETag. `note` is JSON that the first page passes on to all later ones.
    """

    list_name: str
    ordering: str
    backwards: bool
    position: tuple[Any, ...]
    note: Any = field(default=None, hash=False)  # it may be a dictionary

    def encode(self) -> str:
        plain = [
            ["t", value.isoformat()] if isinstance(value, datetime) else ["v", value]
            for value in self.position
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
        position = (datetime.fromisoformat(v) if kind == "t" else v for kind, v in plain)
        return cls(list_name, ordering, backwards, tuple(position), note)


@bounded_cache(1000)
def _link(url: str, cursor: Cursor) -> str:
    """Cached, since signing takes longer than reading a page's rows."""
    return replace_query_param(url, "cursor", cursor.encode())


@dataclass(frozen=True)
class Page:
    """A request for one page of a list. `url` is its address, for the links to other pages."""

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
    def position(self) -> list[Any] | None:
        """None is the end of the list at which the direction starts."""
        return list(self.cursor.position) or None if self.cursor else None

    def query(self, queryset: QuerySet[Any], position: Position) -> QuerySet[Any]:
        """One row more than the page has. If it exists, there is a further page."""
        rows = self.ordering.query(queryset, position, reverse=self.backwards)
        return rows[: self.size + 1]

    def key(self, *of_rows: Any) -> tuple[Any, ...]:
        """All that `query` depends on, beside its queryset, which `of_rows` identifies."""
        types = tuple(map(type, self.cursor.position)) if self.cursor else ()
        return (self.list_name, self.ordering_name, self.size, self.backwards, types, *of_rows)

    def cut(
        self, fetched: list[Row], position_of: Callable[[Row], tuple[Any, ...]], note: Any = None
    ) -> tuple[list[Row], dict[str, str | None]]:
        """The page's rows out of the rows of `query`, and the links `next` and `previous`."""
        backwards, has_more = self.backwards, len(fetched) > self.size
        rows = fetched[: self.size]
        if backwards:
            rows.reverse()
        links: dict[str, str | None] = {"next": None, "previous": None}

        def add_link(name: str, position: tuple[Any, ...]) -> None:
            cursor = Cursor(self.list_name, self.ordering_name, name == "previous", position, note)
            links[name] = _link(self.url, cursor)

        if rows and (has_more or backwards):
            add_link("next", position_of(rows[-1]))
        if rows and (has_more if backwards else self.cursor is not None):
            add_link("previous", position_of(rows[0]))
        if not rows and backwards:  # the earlier rows were deleted, so the next page is the first
            add_link("next", ())
        elif not rows and self.cursor is not None:
            add_link("previous", ())
        return rows, links


def read_cursor(text: str | None, list_name: str, ordering: str) -> Cursor | None:
    """Raises `InvalidCursor`, also for a cursor of another list or ordering."""
    if text is None:
        return None
    cursor = Cursor.decode(text)
    if (cursor.list_name, cursor.ordering) != (list_name, ordering):
        raise InvalidCursor
    return cursor
